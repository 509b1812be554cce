"""Coin-settled options in their settlement window, where the payoff is on an average.

The delivery price is the average of the index over the last half hour. With `f` the part of
the window that has passed and `a` the average over that part, it will be ``f a + (1 - f) m``,
`m` the average still to come, so a call pays

    max(f a + (1 - f) m - K, 0) = (1 - f) max(m - K', 0),   K' = (K - f a) / (1 - f):

an option on `m`. Approximations, documented in docs/numerics.md:
- `m` is lognormal with the mean and variance of the arithmetic average of a driftless geometric
  Brownian motion over the rest of the window (E. Levy, "Pricing European average rate currency
  options", Journal of International Money and Finance 11 (1992) 474-491); the average is continuous;
- the coin value is the USD value over the expected delivery price.

Deltas then decay linearly in the window, by ``1 - f``, as the exchange's do.

Books, tapes and simulators do not price one option at a time in this form. They keep the plain kernels and
bring them what the average does to the forward and to time: :func:`expected_delivery`,
:func:`averaged_tau` and :func:`clock_factor`. With d the expected delivery price, `m` shifted by the part
that is fixed is replaced by a lognormal delivery price of the same deviation. That is exact at the money and
to first order in the deviation, a third of a percent of the price, everywhere else.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike

from gammacore import _core, _series, black76
from gammacore.array_types import Floats, Ints
from gammacore.daycount import NS_PER_YEAR, SETTLEMENT_WINDOW_NS

if TYPE_CHECKING:
    from gammacore.array_types import AnySeries, FloatSeries

__all__ = [
    "WINDOW",
    "SettlementGreeks",
    "averaged_tau",
    "clock_factor",
    "expected_delivery",
    "greeks",
    "years_left",
]

WINDOW = SETTLEMENT_WINDOW_NS / NS_PER_YEAR
"""Length of the window in years."""

_T = TypeVar("_T", Floats, "FloatSeries")


def averaged_tau(left_ns: Any) -> Any:
    """Years such that ``vol**2`` times them is the variance of the delivery price that is still to come.

    Parameters
    ----------
    left_ns : int or array of int64
        Time to expiry, nanoseconds; negative counts as zero.

    Returns
    -------
    float or array of float64
        ``tau - 2 W / 3`` before the window of length W, ``tau**3 / (3 W**2)`` in it: the variance of an
        average of a Brownian motion, ``W / 3`` for the whole window.

    Examples
    --------
    >>> hour = 3_600 * 10**9
    >>> round(float(averaged_tau(hour)) * 365 * 24, 6)  # hours: one less 20 minutes
    0.666667
    """
    if isinstance(left_ns, np.ndarray):
        years = left_ns / NS_PER_YEAR - 2.0 * WINDOW / 3.0
        (inside,) = np.nonzero(left_ns <= SETTLEMENT_WINDOW_NS)  # few of many
        tau = np.maximum(left_ns[inside], 0) / NS_PER_YEAR
        years[inside] = tau**3 / (3.0 * WINDOW**2)
        return years
    tau = max(left_ns, 0) / NS_PER_YEAR
    return tau - 2.0 * WINDOW / 3.0 if tau > WINDOW else tau**3 / (3.0 * WINDOW**2)


def years_left(expiry_ns: int, ts_ns: Ints, *, averaging: bool) -> Floats:
    """Years to an expiry, not below zero; of the average where it delivers at one, see :func:`averaged_tau`.

    Examples
    --------
    >>> hour = 3_600 * 10**9
    >>> (years_left(2 * hour, np.array([0, hour, 3 * hour]), averaging=False) * 365 * 24).tolist()
    [2.0, 1.0, 0.0]
    """
    return np.asarray(averaged_tau(expiry_ns - ts_ns)) if averaging else _core.years_to(expiry_ns, ts_ns)


def clock_factor(left_ns: Any) -> Any:
    """Volatility of the price over the implied volatility that is quoted on the plain time to expiry.

    The quoted one says the total variance, ``iv**2 tau``, of a payoff on the average; the price itself
    earns it in ``averaged_tau``. NaN in the window, where a plain volatility says nothing.

    Parameters
    ----------
    left_ns : int or array of int64
        Time to expiry at the moment of the quote, nanoseconds.

    Examples
    --------
    >>> hour = 3_600 * 10**9
    >>> round(float(clock_factor(hour)), 4)  # an hour before, the price moves by more than is quoted
    1.2247
    """
    if isinstance(left_ns, np.ndarray):
        before = np.where(left_ns > SETTLEMENT_WINDOW_NS, left_ns, 2 * SETTLEMENT_WINDOW_NS)
        factor = np.sqrt(before / (before - 2.0 * SETTLEMENT_WINDOW_NS / 3.0))
        return np.where(left_ns > SETTLEMENT_WINDOW_NS, factor, np.nan)
    if left_ns <= SETTLEMENT_WINDOW_NS:
        return math.nan
    return math.sqrt(left_ns / (left_ns - 2.0 * SETTLEMENT_WINDOW_NS / 3.0))


def expected_delivery(forward: Any, left_ns: Any, fixed: Any) -> Any:
    """Delivery price that is expected: what is fixed of the average, and the forward for the rest.

    Parameters
    ----------
    forward : float or array
        Forward of the expiry as it trades, USD.
    left_ns : int or array of int64
        Time to expiry, nanoseconds.
    fixed : float or array
        Average of the index since the window began, USD; not used before it, and taken for the forward
        where it is NaN.

    Examples
    --------
    >>> minute = 60 * 10**9
    >>> float(expected_delivery(61_000.0, 15 * minute, 60_000.0))  # half of the window has passed
    60500.0
    """
    if isinstance(left_ns, np.ndarray):
        expected = np.array(forward, dtype=np.float64)
        (inside,) = np.nonzero((left_ns < SETTLEMENT_WINDOW_NS) & np.isfinite(fixed))  # few of many
        left = np.maximum(left_ns[inside], 0) / SETTLEMENT_WINDOW_NS
        expected[inside] = (1.0 - left) * np.asarray(fixed)[inside] + left * expected[inside]
        return expected
    if left_ns >= SETTLEMENT_WINDOW_NS or math.isnan(fixed):
        return forward
    left = max(left_ns, 0) / SETTLEMENT_WINDOW_NS
    return (1.0 - left) * fixed + left * forward


class SettlementGreeks(NamedTuple, Generic[_T]):
    """Value and forward Greeks of an option on the average; arrays or Series of one shape."""

    price: _T
    """Value in coin."""
    delta: _T
    """Derivative of the USD value in the forward, ``(1 - f) * kind * N(kind * d1)``."""
    net_delta: _T
    """``delta - (1 - f) * price``: coin position that hedges the coin value."""
    gamma: _T
    """Second derivative of the USD value in the forward."""


def _total_variance(vol: Floats, tau: Floats, window: float) -> Floats:
    """Variance of ln m after the part before the window and the average over what is left of it.

    For a Brownian average over a length L, with v = vol^2 L, E[m^2]/F^2 = 2 (e^v - 1 - v)/v^2 =: 1 + w.
    In the form of the series w = v/3 + v^2/12 + v^3/60 + ... there is no cancellation for the
    small v of half an hour; above v = 0.5 the closed form is used.
    """
    inside = np.minimum(tau, window)
    v = vol**2 * inside
    small = np.minimum(v, 0.5)
    series, term = np.zeros_like(v), np.ones_like(v)
    for k in range(3, 19):  # 2 v^(k-2)/k!
        term = small / 3 if k == 3 else term * small / k
        series = series + term
    large = np.maximum(v, 0.5)
    with np.errstate(over="ignore"):
        closed = 2 * (np.expm1(large) - large) / large**2 - 1
    return vol**2 * (tau - inside) + np.log1p(np.where(v > 0.5, closed, series))


@overload
def greeks(
    kind: ArrayLike,
    forward: ArrayLike,
    strike: AnySeries,
    tau: ArrayLike,
    vol: ArrayLike,
    average: ArrayLike = np.nan,
    *,
    window: float = WINDOW,
) -> SettlementGreeks[FloatSeries]: ...
@overload
def greeks(
    kind: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    average: ArrayLike = np.nan,
    *,
    window: float = WINDOW,
) -> SettlementGreeks[Floats]: ...
def greeks(
    kind: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    average: ArrayLike = np.nan,
    *,
    window: float = WINDOW,
) -> SettlementGreeks[Floats] | SettlementGreeks[FloatSeries]:
    """Coin price, deltas and gamma of an option that pays on the average over the last `window`.

    Parameters
    ----------
    kind : {+1, -1} or array_like of those
        Call or put.
    forward : array_like
        Forward price F > 0; in the window, the index.
    strike : array_like
        Strike K > 0.
    tau : array_like
        Time to expiry in years, >= 0.
    vol : array_like
        Volatility as a decimal per square root of a year, >= 0 and finite.
    average : array_like, optional
        Average of the index since the window began; not used, and may be NaN, where `tau` is
        at least `window`.
    window : float, optional
        Length of the averaging in years.

    Returns
    -------
    SettlementGreeks
        Arrays of the broadcast shape; NaN where an input is NaN or outside its domain.

    Raises
    ------
    ValueError, TypeError
        As `gammacore.black76.price`.

    Notes
    -----
    Before the window (``tau > window``) the average only shortens the variance, by two thirds
    of the window, and all Greeks join without a jump. At ``tau == 0`` the value is that of
    `average`, and nothing is left to hedge.

    Examples
    --------
    Half way through, deep in the money, worth 0.3 coin: net delta .5 - .3 * .5.

    >>> g = greeks(1, 100_000.0, 70_000.0, WINDOW / 2, 0.5, average=100_000.0)
    >>> round(float(g.price), 6), round(float(g.delta), 6), round(float(g.net_delta), 6)
    (0.3, 0.5, 0.35)
    """
    if not window > 0:
        raise ValueError(f"window must be positive, got {window}")
    index, given = _series.aligned(
        {"kind": kind, "forward": forward, "strike": strike, "tau": tau, "vol": vol, "average": average}
    )
    if index is not None:
        found: SettlementGreeks[FloatSeries] = _series.on_index(greeks(**given, window=window), index)
        return found
    sign, F, K, T, sigma, fixed = np.broadcast_arrays(
        *(np.asarray(value, dtype=np.float64) for value in (kind, forward, strike, tau, vol, average))
    )
    valid = (F > 0) & np.isfinite(F) & (K > 0) & np.isfinite(K)
    valid &= (T >= 0) & np.isfinite(T) & (sigma >= 0) & np.isfinite(sigma)
    passed = np.where(valid, 1 - np.minimum(T, window) / window, 0.0)  # f
    fixed = np.where(passed == 0, 0.0, fixed)
    valid &= np.isfinite(fixed) & (fixed >= 0)
    rest = 1 - passed
    total = np.sqrt(_total_variance(np.where(valid, sigma, 0.0), np.where(valid, T, 0.0), window))
    delivery = passed * fixed + rest * F  # what is expected
    # With nothing left to come, or a strike that the fixed part has passed, the option is the
    # forward or nothing. Its parts are computed at a strike that serves any such case.
    shifted = (K - passed * fixed) / np.where(rest > 0, rest, 1.0)
    open_ = valid & (rest > 0) & (shifted > 0)
    price, delta, gamma = black76.sensitivities(
        ("price", "delta", "gamma"),
        np.where(sign > 0, 1, -1) if np.all(abs(sign) == 1) else kind,
        np.where(open_, F, 1.0),
        np.where(open_, shifted, 1.0),
        1.0,
        np.where(open_, total, 0.0),
    )
    intrinsic = np.maximum(sign * (delivery - K), 0.0)
    exercised = (sign > 0) & (rest > 0)  # K' <= 0: a call is sure to be exercised, a put is not
    nothing = np.where(valid, 0.0, np.nan)
    usd = np.where(open_, rest * price, intrinsic) + nothing
    delta = np.where(open_, rest * delta, np.where(exercised, rest, 0.0)) + nothing
    gamma = np.where(open_, rest * gamma, 0.0) + nothing
    coin = usd / np.where(valid, delivery, 1.0)
    # d(coin)/dF = (delta - (1 - f) coin) / delivery; times the delivery price, in coin.
    return SettlementGreeks(coin, delta, delta - rest * coin, gamma)
