"""Black-Scholes-Merton: European options on a spot with a continuous yield.

Source: F. Black and M. Scholes, "The pricing of options and corporate liabilities",
Journal of Political Economy 81 (1973) 637-654; the yield after R. Merton, "Theory of
rational option pricing", Bell Journal 4 (1973) 141-183. Evaluated as Black-76 on the
forward ``spot * exp((rate - dividend) * tau)``.

A pandas Series among the arguments makes the results Series on its index; others are aligned to it by label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from numpy.typing import ArrayLike

from gammacore import _arrays, _core
from gammacore._core import black_scholes_implied_vol as implied_vol
from gammacore._core import black_scholes_price as price
from gammacore._core import black_scholes_sensitivities as sensitivities
from gammacore.array_types import Floats
from gammacore.black76 import Greeks

if TYPE_CHECKING:
    from gammacore.array_types import AnySeries, FloatSeries

__all__ = ["Greeks", "greeks", "implied_vol", "price", "sensitivities"]


_SLOTS = _arrays.slots(Greeks._fields, inverse=False)


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
    threads: int = 1,
) -> Greeks[float]: ...
@overload
def greeks(
    kind: int | str | AnySeries,
    spot: AnySeries | float,
    strike: AnySeries | float,
    tau: AnySeries | float,
    vol: AnySeries | float,
    rate: AnySeries | float = 0.0,
    dividend: AnySeries | float = 0.0,
    *,
    out: None = None,
    threads: int = 1,
) -> Greeks[FloatSeries]: ...
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
    threads: int = 1,
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
    threads: int = 1,
) -> Greeks[float] | Greeks[Floats] | Greeks[FloatSeries]:
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
    threads : int, optional
        How many threads to share large arrays among; 1, the default, starts none. The
        result does not depend on it, bit for bit.

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
    model = _core.BLACK_SCHOLES
    if threads == 1:
        values = _core.greeks_fast(model, kind, spot, strike, tau, vol, rate, dividend, _SLOTS, out)
        if values is not None:
            return out if out is not None else Greeks._make(values)
    numbers = {"spot": spot, "strike": strike, "tau": tau, "vol": vol, "rate": rate, "dividend": dividend}
    found = _arrays.greeks(model, kind, numbers, _SLOTS, out, threads)
    return out if out is not None else Greeks._make(found)
