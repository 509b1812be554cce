"""Coin-settled ("inverse") options as Deribit lists them: strike in USD, price in coin.

The payoff ``max(S - K, 0) / S`` coin is worth the Black-76 price with no rate divided
by the forward. Net delta after C. Alexander, D. Chen and A. Imeraj, "Crypto quanto and
inverse options", Mathematical Finance 33 (2023) 1005-1043, and Deribit's DeltaTotal.
"""

from typing import Generic, Literal, NamedTuple, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gammacore import _arrays, _black, _implied
from gammacore._arrays import Floats
from gammacore.implied import IVStatus

__all__ = ["InverseGreeks", "greeks", "implied_vol", "price"]

_T = TypeVar("_T", float, Floats)
_STATUSES = tuple(IVStatus)


class InverseGreeks(NamedTuple, Generic[_T]):
    """Coin price, the deltas, and raw USD Greeks of a coin-settled option.

    All but `price` and `net_delta` are derivatives of the USD value ``forward * price``,
    as the exchange defines them, without its display scaling. Each is a float or an array.
    """

    price: _T
    """Value in coin."""
    delta: _T
    """``kind * N(kind * d1)``, as the exchange prints it: USD value per 1 of forward."""
    net_delta: _T
    """``delta - price``, the coin position that hedges the option's *coin* value."""
    gamma: _T
    """d delta / d forward."""
    vega: _T
    """USD per 1.00 of volatility."""
    theta: _T
    """USD per year of calendar time."""
    rho: _T
    """USD per 1.00 of rate, ``kind * K * tau * N(kind * d2)``."""
    vanna: _T
    """d delta / d vol."""
    volga: _T
    """d vega / d vol, USD."""
    charm: _T
    """d delta / dt per year of calendar time."""


@overload
def price(
    kind: int | str, forward: float, strike: float, tau: float, vol: float, *, out: None = None
) -> float: ...
@overload
def price(
    kind: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    *,
    out: Floats | None = None,
) -> Floats: ...
def price(
    kind: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    *,
    out: Floats | None = None,
) -> float | Floats:
    """Price in coin of a coin-settled option.

    Parameters
    ----------
    kind : {+1, -1, 'call', 'put', 'c', 'p'} or array_like of those
        Call or put, in any letter case.
    forward : array_like
        Forward price F > 0 for the option's expiry.
    strike : array_like
        Strike K > 0.
    tau : array_like
        Time to expiry in years, >= 0.
    vol : array_like
        Volatility as a decimal per square root of a year, >= 0. Infinity is allowed.
    out : ndarray, optional
        A float64 array of the broadcast shape to write into; it is returned. It may be
        one of the inputs.

    Returns
    -------
    float or ndarray
        Price in coin. A float if every argument is a scalar or
        0-d and there is no `out`; NaN where an input is NaN or outside its domain.

    Raises
    ------
    ValueError
        If `kind` is none of the above, shapes do not broadcast or `out` does not fit.
    TypeError
        If an argument is not real-valued.

    Notes
    -----
    ``kind * (N(kind * d1) - (K/F) * N(kind * d2))``; parity reads call - put = 1 - K/F.

    Examples
    --------
    >>> price("call", 60_000.0, 60_000.0, 7 / 365, 0.6)
    0.0331389...
    """
    if out is None:
        value = _black.price_one(_black.INVERSE, kind, forward, strike, tau, vol, 0.0, 0.0)
        if value is not None:
            return value
    numbers = {"forward": forward, "strike": strike, "tau": tau, "vol": vol, "rate": 0.0, "dividend": 0.0}
    return _arrays.price(_black.INVERSE, kind, numbers, out)


@overload
def greeks(
    kind: int | str, forward: float, strike: float, tau: float, vol: float, *, out: None = None
) -> InverseGreeks[float]: ...
@overload
def greeks(
    kind: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    *,
    out: InverseGreeks[Floats] | None = None,
) -> InverseGreeks[Floats]: ...
def greeks(
    kind: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    *,
    out: InverseGreeks[Floats] | None = None,
) -> InverseGreeks[float] | InverseGreeks[Floats]:
    """Coin price, deltas and USD Greeks of a coin-settled option.

    Parameters
    ----------
    kind : {+1, -1, 'call', 'put', 'c', 'p'} or array_like of those
        Call or put, in any letter case.
    forward : array_like
        Forward price F > 0 for the option's expiry.
    strike : array_like
        Strike K > 0.
    tau : array_like
        Time to expiry in years, >= 0.
    vol : array_like
        Volatility as a decimal per square root of a year, >= 0. Infinity is allowed.
    out : InverseGreeks of ndarray, optional
        Float64 arrays of the broadcast shape to write into; it is returned.

    Returns
    -------
    InverseGreeks
        Floats if every argument is a scalar or 0-d, else arrays. NaN where an input is
        NaN or outside its domain, and never otherwise.

    Raises
    ------
    ValueError, TypeError
        As `price`.

    Notes
    -----
    ``net_delta = kind * (K/F) * N(kind * d2)`` is evaluated as such, without the
    cancellation of ``delta - price``: it goes to 0 for a deep call, below -1 for a deep put.

    At ``vol * sqrt(tau) == 0`` the option is worth discounted intrinsic value: delta is the
    slope of that, ``0.5 * kind`` times the discount factor when forward equals strike, and
    gamma, vega, vanna and volga are 0, as are the parts of theta and charm that come from
    volatility. The same holds in the limit of infinite vol, where delta is 1 or 0.

    Examples
    --------
    >>> greeks("call", 60_000.0, 60_000.0, 7 / 365, 0.6).net_delta
    0.4834305...
    """
    if out is None:
        values = _black.greeks_one(_black.INVERSE, kind, forward, strike, tau, vol, 0.0, 0.0)
        if values is not None:
            return InverseGreeks(*values)
    numbers = {"forward": forward, "strike": strike, "tau": tau, "vol": vol, "rate": 0.0, "dividend": 0.0}
    found = _arrays.greeks(_black.INVERSE, kind, numbers, InverseGreeks._fields, out)
    return out if out is not None else InverseGreeks(*found)


@overload
def implied_vol(
    kind: int | str,
    price: float,
    forward: float,
    strike: float,
    tau: float,
    *,
    status: Literal[False] = False,
    out: None = None,
) -> float: ...
@overload
def implied_vol(
    kind: int | str,
    price: float,
    forward: float,
    strike: float,
    tau: float,
    *,
    status: Literal[True],
    out: None = None,
) -> tuple[float, IVStatus]: ...
@overload
def implied_vol(
    kind: ArrayLike,
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    *,
    status: Literal[False] = False,
    out: Floats | None = None,
) -> Floats: ...
@overload
def implied_vol(
    kind: ArrayLike,
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    *,
    status: Literal[True],
    out: Floats | None = None,
) -> tuple[Floats, NDArray[np.int8]]: ...
def implied_vol(
    kind: ArrayLike,
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    *,
    status: bool = False,
    out: Floats | None = None,
) -> float | Floats | tuple[float, IVStatus] | tuple[Floats, NDArray[np.int8]]:
    """Volatility at which `price` is the coin price of the option.

    Parameters
    ----------
    kind : {+1, -1, 'call', 'put', 'c', 'p'} or array_like of those
        Call or put, in any letter case.
    price : array_like
        Option price in coin.
    forward : array_like
        Forward price F > 0 for the option's expiry.
    strike : array_like
        Strike K > 0.
    tau : array_like
        Time to expiry in years, >= 0.
    status : bool, optional
        Also return what became of each volatility.
    out : ndarray, optional
        A float64 array of the broadcast shape to write into; it is returned. It may be
        one of the inputs.

    Returns
    -------
    vol : float or ndarray
        Volatility as a decimal per square root of a year; NaN where there is none.
    status : IVStatus or ndarray of int8
        Only with ``status=True``: why. Codes are those of `gammacore.IVStatus`.

    Raises
    ------
    ValueError, TypeError
        As `price`. A price without a volatility is never an exception.

    Notes
    -----
    Explicit in the domain of quotes (``|ln(F/K)| <= 1``, total vol up to 1): a rational
    function of ``ln(ITM value / OTM value)`` corrected by a bivariate one. Elsewhere one
    fourth-order step or a bracketed iteration. The error is below 8 times
    ``2**-53 * max(1, price / (vol * vega))``, the latter being what the rounding of the
    price alone does. See docs/numerics.md.

    Examples
    --------
    >>> round(implied_vol("call", 0.0331389684, 60_000.0, 60_000.0, 7 / 365), 8)
    0.6
    """
    if out is None:
        found = _implied.implied_vol_one(_black.INVERSE, kind, price, forward, strike, tau, 0.0, 0.0)
        if found is not None:
            return (found[0], _STATUSES[found[1]]) if status else found[0]
    numbers = {"forward": forward, "strike": strike, "tau": tau, "price": price, "rate": 0.0, "dividend": 0.0}
    return _arrays.implied_vol(_black.INVERSE, kind, numbers, status, out)
