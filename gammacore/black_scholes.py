"""Black-Scholes-Merton: European options on a spot with a continuous yield.

Source: F. Black and M. Scholes, "The pricing of options and corporate liabilities",
Journal of Political Economy 81 (1973) 637-654; the yield after R. Merton, "Theory of
rational option pricing", Bell Journal 4 (1973) 141-183. Evaluated as Black-76 on the
forward ``spot * exp((rate - dividend) * tau)``.
"""

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gammacore import _arrays, _black, _implied
from gammacore._arrays import Floats
from gammacore.black76 import Greeks
from gammacore.implied import IVStatus

__all__ = ["Greeks", "greeks", "implied_vol", "price"]

_STATUSES = tuple(IVStatus)


@overload
def price(
    kind: int | str,
    spot: float,
    strike: float,
    tau: float,
    vol: float,
    rate: float = 0.0,
    dividend: float = 0.0,
    *,
    out: None = None,
) -> float: ...
@overload
def price(
    kind: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend: ArrayLike = 0.0,
    *,
    out: Floats | None = None,
) -> Floats: ...
def price(
    kind: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend: ArrayLike = 0.0,
    *,
    out: Floats | None = None,
) -> float | Floats:
    """Black-Scholes-Merton price.

    Parameters
    ----------
    kind : {+1, -1, 'call', 'put', 'c', 'p'} or array_like of those
        Call or put, in any letter case.
    spot : array_like
        Spot price S > 0.
    strike : array_like
        Strike K > 0.
    tau : array_like
        Time to expiry in years, >= 0.
    vol : array_like
        Volatility as a decimal per square root of a year, >= 0. Infinity is allowed.
    rate : array_like, optional
        Continuously compounded rate, of any sign; ``exp(-rate * tau)`` must be in the range of doubles.
    dividend : array_like, optional
        Continuous dividend yield (for a coin: its lending rate), of any sign.
    out : ndarray, optional
        A float64 array of the broadcast shape to write into; it is returned. It may be
        one of the inputs.

    Returns
    -------
    float or ndarray
        Price in the currency of spot and strike. A float if every argument is a scalar or
        0-d and there is no `out`; NaN where an input is NaN or outside its domain.

    Raises
    ------
    ValueError
        If `kind` is none of the above, shapes do not broadcast or `out` does not fit.
    TypeError
        If an argument is not real-valued.

    Notes
    -----
    ``kind * (S * exp(-dividend * tau) * N(kind * d1) - K * exp(-rate * tau) * N(kind * d2))``.
    At ``vol * sqrt(tau) == 0`` it is the discounted intrinsic value of the forward.

    Examples
    --------
    >>> price("call", 60.0, 65.0, 0.25, 0.30, rate=0.08)
    2.1333...
    """
    if out is None:
        value = _black.price_one(_black.BLACK_SCHOLES, kind, spot, strike, tau, vol, rate, dividend)
        if value is not None:
            return value
    numbers = {"spot": spot, "strike": strike, "tau": tau, "vol": vol, "rate": rate, "dividend": dividend}
    return _arrays.price(_black.BLACK_SCHOLES, kind, numbers, out)


@overload
def greeks(
    kind: int | str,
    spot: float,
    strike: float,
    tau: float,
    vol: float,
    rate: float = 0.0,
    dividend: float = 0.0,
    *,
    out: None = None,
) -> Greeks[float]: ...
@overload
def greeks(
    kind: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend: ArrayLike = 0.0,
    *,
    out: Greeks[Floats] | None = None,
) -> Greeks[Floats]: ...
def greeks(
    kind: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend: ArrayLike = 0.0,
    *,
    out: Greeks[Floats] | None = None,
) -> Greeks[float] | Greeks[Floats]:
    """Black-Scholes-Merton price and Greeks with respect to spot.

    Parameters
    ----------
    kind : {+1, -1, 'call', 'put', 'c', 'p'} or array_like of those
        Call or put, in any letter case.
    spot : array_like
        Spot price S > 0.
    strike : array_like
        Strike K > 0.
    tau : array_like
        Time to expiry in years, >= 0.
    vol : array_like
        Volatility as a decimal per square root of a year, >= 0. Infinity is allowed.
    rate : array_like, optional
        Continuously compounded rate, of any sign; ``exp(-rate * tau)`` must be in the range of doubles.
    dividend : array_like, optional
        Continuous dividend yield (for a coin: its lending rate), of any sign.
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
    `rho` is dV/dr at fixed spot, `theta` and `charm` include the carry.

    At ``vol * sqrt(tau) == 0`` the option is worth discounted intrinsic value: delta is the
    slope of that, ``0.5 * kind`` times the discount factor when forward equals strike, and
    gamma, vega, vanna and volga are 0, as are the parts of theta and charm that come from
    volatility. The same holds in the limit of infinite vol, where delta is 1 or 0.

    Examples
    --------
    >>> greeks("call", 60.0, 65.0, 0.25, 0.30, rate=0.08).delta
    0.3724...
    """
    if out is None:
        values = _black.greeks_one(_black.BLACK_SCHOLES, kind, spot, strike, tau, vol, rate, dividend)
        if values is not None:
            return Greeks(*values)
    numbers = {"spot": spot, "strike": strike, "tau": tau, "vol": vol, "rate": rate, "dividend": dividend}
    found = _arrays.greeks(_black.BLACK_SCHOLES, kind, numbers, Greeks._fields, out)
    return out if out is not None else Greeks(*found)


@overload
def implied_vol(
    kind: int | str,
    price: float,
    spot: float,
    strike: float,
    tau: float,
    rate: float = 0.0,
    dividend: float = 0.0,
    *,
    status: Literal[False] = False,
    out: None = None,
) -> float: ...
@overload
def implied_vol(
    kind: int | str,
    price: float,
    spot: float,
    strike: float,
    tau: float,
    rate: float = 0.0,
    dividend: float = 0.0,
    *,
    status: Literal[True],
    out: None = None,
) -> tuple[float, IVStatus]: ...
@overload
def implied_vol(
    kind: ArrayLike,
    price: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend: ArrayLike = 0.0,
    *,
    status: Literal[False] = False,
    out: Floats | None = None,
) -> Floats: ...
@overload
def implied_vol(
    kind: ArrayLike,
    price: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend: ArrayLike = 0.0,
    *,
    status: Literal[True],
    out: Floats | None = None,
) -> tuple[Floats, NDArray[np.int8]]: ...
def implied_vol(
    kind: ArrayLike,
    price: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend: ArrayLike = 0.0,
    *,
    status: bool = False,
    out: Floats | None = None,
) -> float | Floats | tuple[float, IVStatus] | tuple[Floats, NDArray[np.int8]]:
    """Volatility at which `price` is the Black-Scholes-Merton price.

    Parameters
    ----------
    kind : {+1, -1, 'call', 'put', 'c', 'p'} or array_like of those
        Call or put, in any letter case.
    price : array_like
        Option price in the currency of spot and strike.
    spot : array_like
        Spot price S > 0.
    strike : array_like
        Strike K > 0.
    tau : array_like
        Time to expiry in years, >= 0.
    rate : array_like, optional
        Continuously compounded rate, of any sign; ``exp(-rate * tau)`` must be in the range of doubles.
    dividend : array_like, optional
        Continuous dividend yield (for a coin: its lending rate), of any sign.
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
    >>> round(implied_vol("call", 2.1333684449, 60.0, 65.0, 0.25, rate=0.08), 8)
    0.3
    """
    if out is None:
        found = _implied.implied_vol_one(_black.BLACK_SCHOLES, kind, price, spot, strike, tau, rate, dividend)
        if found is not None:
            return (found[0], _STATUSES[found[1]]) if status else found[0]
    numbers = {"spot": spot, "strike": strike, "tau": tau, "price": price, "rate": rate, "dividend": dividend}
    return _arrays.implied_vol(_black.BLACK_SCHOLES, kind, numbers, status, out)
