"""Black (1976): European options on a forward, paid in the currency of the quote.

Source: F. Black, "The pricing of commodity contracts", Journal of Financial Economics
3 (1976) 167-179. How the formulas are evaluated is told in docs/numerics.md.

A pandas Series among the arguments makes the results Series on its index; others are aligned to it by label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar, overload

from numpy.typing import ArrayLike

from gammacore import _arrays, _core
from gammacore._core import black76_implied_vol as implied_vol
from gammacore._core import black76_price as price
from gammacore._core import black76_sensitivities as sensitivities
from gammacore.array_types import Floats

if TYPE_CHECKING:
    from gammacore.array_types import AnySeries, FloatSeries

__all__ = ["Greeks", "greeks", "implied_vol", "price", "sensitivities"]

_T = TypeVar("_T", float, Floats, "FloatSeries")


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


_SLOTS = _arrays.slots(Greeks._fields, inverse=False)


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
    threads: int = 1,
) -> Greeks[float]: ...
@overload
def greeks(
    kind: int | str | AnySeries,
    forward: AnySeries | float,
    strike: AnySeries | float,
    tau: AnySeries | float,
    vol: AnySeries | float,
    rate: AnySeries | float = 0.0,
    *,
    out: None = None,
    threads: int = 1,
) -> Greeks[FloatSeries]: ...
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
    threads: int = 1,
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
    threads: int = 1,
) -> Greeks[float] | Greeks[Floats] | Greeks[FloatSeries]:
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
    model = _core.BLACK76
    if threads == 1:
        values = _core.greeks_fast(model, kind, forward, strike, tau, vol, rate, 0.0, _SLOTS, out)
        if values is not None:
            return out if out is not None else Greeks._make(values)
    numbers = {"forward": forward, "strike": strike, "tau": tau, "vol": vol, "rate": rate, "dividend": 0.0}
    found = _arrays.greeks(model, kind, numbers, _SLOTS, out, threads)
    return out if out is not None else Greeks._make(found)
