"""Black (1976): European options on a forward, paid in the currency of the quote.

Source: F. Black, "The pricing of commodity contracts", Journal of Financial Economics
3 (1976) 167-179. How the formulas are evaluated is told in docs/numerics.md.
"""

from typing import Generic, Literal, NamedTuple, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gammacore import _arrays, _black, _implied
from gammacore._arrays import Floats
from gammacore.implied import IVStatus

__all__ = ["Greeks", "greeks", "implied_vol", "price"]

_T = TypeVar("_T", float, Floats)
_STATUSES = tuple(IVStatus)


class Greeks(NamedTuple, Generic[_T]):
    """Price and its raw derivatives, each a float or an array.

    "Underlying" is the forward in `gammacore.black76`, the spot in
    `gammacore.black_scholes`. No display scaling anywhere.
    """

    price: _T
    """Value of the option."""
    delta: _T
    """Per 1 of the underlying."""
    gamma: _T
    """Second derivative in the underlying."""
    vega: _T
    """Per 1.00 of volatility."""
    theta: _T
    """Per year of calendar time: -dV/dtau."""
    rho: _T
    """Per 1.00 of rate."""
    vanna: _T
    """d delta / d vol."""
    volga: _T
    """d vega / d vol."""
    charm: _T
    """d delta / dt per year of calendar time: -d delta/d tau."""


@overload
def price(
    kind: int | str,
    forward: float,
    strike: float,
    tau: float,
    vol: float,
    rate: float = 0.0,
    *,
    out: None = None,
) -> float: ...
@overload
def price(
    kind: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    rate: ArrayLike = 0.0,
    *,
    out: Floats | None = None,
) -> Floats: ...
def price(
    kind: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    rate: ArrayLike = 0.0,
    *,
    out: Floats | None = None,
) -> float | Floats:
    """Black-76 price.

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
    rate : array_like, optional
        Continuously compounded rate, of any sign; ``exp(-rate * tau)`` must be in the range of doubles.
    out : ndarray, optional
        A float64 array of the broadcast shape to write into; it is returned. It may be
        one of the inputs.

    Returns
    -------
    float or ndarray
        Price in the currency of forward and strike. A float if every argument is a scalar or
        0-d and there is no `out`; NaN where an input is NaN or outside its domain.

    Raises
    ------
    ValueError
        If `kind` is none of the above, shapes do not broadcast or `out` does not fit.
    TypeError
        If an argument is not real-valued.

    Notes
    -----
    ``D * kind * (F * N(kind * d1) - K * N(kind * d2))`` with ``D = exp(-rate * tau)`` and
    ``d1,2 = ln(F/K) / s +- s/2``, ``s = vol * sqrt(tau)``. At ``s == 0`` it is discounted
    intrinsic value; at infinite vol ``D * F`` (call) or ``D * K`` (put). The relative error
    is below 8 times ``2**-53 * (1 + vol * vega / price)``.

    Examples
    --------
    >>> price("call", 60_000.0, 60_000.0, 7 / 365, 0.6)
    1988.3381...
    """
    if out is None:
        value = _black.price_one(_black.BLACK76, kind, forward, strike, tau, vol, rate, 0.0)
        if value is not None:
            return value
    numbers = {"forward": forward, "strike": strike, "tau": tau, "vol": vol, "rate": rate, "dividend": 0.0}
    return _arrays.price(_black.BLACK76, kind, numbers, out)


@overload
def greeks(
    kind: int | str,
    forward: float,
    strike: float,
    tau: float,
    vol: float,
    rate: float = 0.0,
    *,
    out: None = None,
) -> Greeks[float]: ...
@overload
def greeks(
    kind: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    rate: ArrayLike = 0.0,
    *,
    out: Greeks[Floats] | None = None,
) -> Greeks[Floats]: ...
def greeks(
    kind: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    rate: ArrayLike = 0.0,
    *,
    out: Greeks[Floats] | None = None,
) -> Greeks[float] | Greeks[Floats]:
    """Black-76 price and Greeks with respect to the forward.

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
    rate : array_like, optional
        Continuously compounded rate, of any sign; ``exp(-rate * tau)`` must be in the range of doubles.
    out : Greeks of ndarray, optional
        Float64 arrays of the broadcast shape to write into; it is returned.

    Returns
    -------
    Greeks
        Floats if every argument is a scalar or 0-d, else arrays. NaN where an input is
        NaN or outside its domain, and never otherwise.

    Raises
    ------
    ValueError, TypeError
        As `price`.

    Notes
    -----
    `rho` is dV/dr at fixed forward, ``-tau * price``.

    At ``vol * sqrt(tau) == 0`` the option is worth discounted intrinsic value: delta is the
    slope of that, ``0.5 * kind`` times the discount factor when forward equals strike, and
    gamma, vega, vanna and volga are 0, as are the parts of theta and charm that come from
    volatility. The same holds in the limit of infinite vol, where delta is 1 or 0.

    Examples
    --------
    >>> greeks("put", 60_000.0, 60_000.0, 7 / 365, 0.6).delta
    -0.4834305...
    """
    if out is None:
        values = _black.greeks_one(_black.BLACK76, kind, forward, strike, tau, vol, rate, 0.0)
        if values is not None:
            return Greeks(*values)
    numbers = {"forward": forward, "strike": strike, "tau": tau, "vol": vol, "rate": rate, "dividend": 0.0}
    found = _arrays.greeks(_black.BLACK76, kind, numbers, Greeks._fields, out)
    return out if out is not None else Greeks(*found)


@overload
def implied_vol(
    kind: int | str,
    price: float,
    forward: float,
    strike: float,
    tau: float,
    rate: float = 0.0,
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
    rate: float = 0.0,
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
    rate: ArrayLike = 0.0,
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
    rate: ArrayLike = 0.0,
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
    rate: ArrayLike = 0.0,
    *,
    status: bool = False,
    out: Floats | None = None,
) -> float | Floats | tuple[float, IVStatus] | tuple[Floats, NDArray[np.int8]]:
    """Volatility at which `price` is the Black-76 price.

    Parameters
    ----------
    kind : {+1, -1, 'call', 'put', 'c', 'p'} or array_like of those
        Call or put, in any letter case.
    price : array_like
        Option price in the currency of forward and strike.
    forward : array_like
        Forward price F > 0 for the option's expiry.
    strike : array_like
        Strike K > 0.
    tau : array_like
        Time to expiry in years, >= 0.
    rate : array_like, optional
        Continuously compounded rate, of any sign; ``exp(-rate * tau)`` must be in the range of doubles.
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
    >>> round(implied_vol("call", 1988.3381041063, 60_000.0, 60_000.0, 7 / 365), 8)
    0.6
    >>> implied_vol("put", 0.0, 60_000.0, 50_000.0, 7 / 365, status=True)
    (nan, <IVStatus.AT_INTRINSIC: 2>)
    """
    if out is None:
        found = _implied.implied_vol_one(_black.BLACK76, kind, price, forward, strike, tau, rate, 0.0)
        if found is not None:
            return (found[0], _STATUSES[found[1]]) if status else found[0]
    numbers = {
        "forward": forward,
        "strike": strike,
        "tau": tau,
        "price": price,
        "rate": rate,
        "dividend": 0.0,
    }
    return _arrays.implied_vol(_black.BLACK76, kind, numbers, status, out)
