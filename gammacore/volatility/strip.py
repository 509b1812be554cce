"""Variance from a strip of options: fair variance swaps and a 30-day volatility index."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gammacore._arrays import floats, unmasked
from gammacore.array_types import Floats
from gammacore.daycount import NS_PER_DAY, format_time, times_ns, year_fraction
from gammacore.volatility.surface import Surface

__all__ = ["chain_index", "replicated_variance", "strip_variance", "surface_index", "swap_variance"]

_REACH, _POINTS = 200.0, 4_001  # |ln(K/F)| integrated to, and points: wings at Lee's bound decay slowly


def strip_variance(
    strike: npt.ArrayLike, kind: npt.ArrayLike, price: npt.ArrayLike, forward: float, tau: float
) -> float:
    """Annualised variance of one expiry by the formula of the VIX.

    Parameters
    ----------
    strike, price : array_like, shape (n,)
        Undiscounted option prices in the forward's currency (coin prices times the forward);
        NaN and 0 are left out.
    kind : array_like of int, shape (n,)
        +1 call, -1 put.
    forward, tau : float

    Returns
    -------
    float
        ``2/T sum dK/K^2 Q(K) - (F/K0 - 1)^2 / T``: puts below K0, the highest strike up to the forward,
        calls above it, their mean at it (Cboe 2003; Demeterfi, Derman, Kamal and Zou 1999).

    Raises
    ------
    ValueError
        If fewer than three strikes, or none up to the forward, have prices.
    """
    strikes, kinds = floats(strike), unmasked("kind", kind)
    prices = floats(price)
    if not (tau > 0 and forward > 0):
        raise ValueError(f"tau, forward: expected positive numbers, got {tau!r} and {forward!r}")
    with np.errstate(invalid="ignore"):
        good = (prices > 0) & np.isfinite(strikes)
    below = strikes[good & (strikes <= forward)]
    if not below.size:
        raise ValueError(f"strike: none of those with a price is up to the forward {forward!r}")
    middle = float(below.max())
    used = good & np.where(kinds > 0, strikes >= middle, strikes <= middle)
    at, place = np.unique(strikes[used], return_inverse=True)
    if at.size < 3:
        raise ValueError(f"strike: expected at least 3 strikes with a price, got {at.size}")
    value = np.bincount(place, prices[used]) / np.bincount(place)
    width = np.gradient(at)
    width[1:-1] = 0.5 * (at[2:] - at[:-2])
    return float((2.0 * (width / at**2 * value).sum() - (forward / middle - 1.0) ** 2) / tau)


def replicated_variance(
    put_strike: npt.ArrayLike,
    put_price: npt.ArrayLike,
    call_strike: npt.ArrayLike,
    call_price: npt.ArrayLike,
    *,
    spot: float,
    rate: float,
    tau: float,
) -> float:
    """Fair annualised variance of a swap replicated with a finite strip of European options.

    Parameters
    ----------
    put_strike, put_price : array_like, shape (n,)
        Any order; the highest put strike must be the lowest call strike.
    call_strike, call_price : array_like, shape (m,)
        Discounted prices.
    spot, rate, tau : float

    Returns
    -------
    float
        Demeterfi, Derman, Kamal and Zou (1999), their equations A.4 to A.7: the log payoff is
        replaced by chords between the strikes, which cost more than it.

    Raises
    ------
    ValueError
        If there are fewer than two strikes on a side or they do not meet.
    """
    puts = _sorted(put_strike, put_price, "put", descending=True)
    calls = _sorted(call_strike, call_price, "call", descending=False)
    centre = float(calls[0, 0])
    if puts[0, 0] != centre:
        raise ValueError(f"put_strike: the highest is {puts[0, 0]}, but the lowest call strike is {centre}")
    portfolio = _chords(calls, centre, tau) + _chords(puts, centre, tau)
    growth = math.exp(rate * tau)
    log_part = rate * tau - (spot / centre * growth - 1.0) - math.log(centre / spot)
    return 2.0 / tau * log_part + growth * portfolio


def _sorted(strike: npt.ArrayLike, price: npt.ArrayLike, side: str, descending: bool) -> Floats:
    found = np.stack([floats(strike), floats(price)], axis=1)
    if found.shape[0] < 2:
        raise ValueError(f"{side}_strike: expected at least 2 strikes, got {found.shape[0]}")
    order = np.argsort(found[:, 0])
    return found[order[::-1] if descending else order]


def _chords(options: Floats, centre: float, tau: float) -> float:
    """Value of the options whose payoff is f's chords on one side of the centre.

    The last chord ends where a further strike at the last spacing would be.
    """
    strikes = options[:, 0]
    ends = np.append(strikes, 2.0 * strikes[-1] - strikes[-2])
    if ends[-1] <= 0:
        raise ValueError(
            f"put_strike: no chord fits below {strikes[-1]}, whose spacing is {-np.diff(ends)[-1]}"
        )
    payoff = 2.0 / tau * ((ends - centre) / centre - np.log(ends / centre))
    slopes = np.abs(np.diff(payoff) / np.diff(ends))
    return float(np.diff(slopes, prepend=0.0) @ options[:, 1])


def swap_variance(surface: Surface, expiry_ns: int, *, flat_beyond: float | None = None) -> float:
    """Fair annualised variance of a swap to any expiry, from the whole smile.

    Parameters
    ----------
    surface : Surface
    expiry_ns : int
    flat_beyond : float, optional
        Standard deviations from the forward beyond which the smile is held flat.

    Returns
    -------
    float
        ``1/T int w(k) phi(d2) |d d2/dk| dk`` over all k (Chriss and Morokoff 1999; Gatheral 2006,
        equation 11.5), by the trapezoidal rule in asinh(k), which converges exponentially for such
        an integrand. Without arbitrage d2 falls in k, which makes it the mean of w over a
        normal variable.
    """
    money = math.sqrt(float(surface.total_variance(0.0, expiry_ns)))
    last = math.asinh(_REACH / money)
    x = np.linspace(-last, last, _POINTS)
    k = money * np.sinh(x)
    edge = math.inf if flat_beyond is None else flat_beyond * money
    if not edge > 0:
        raise ValueError(f"flat_beyond: expected a positive number, got {flat_beyond!r}")
    w, slope = surface.slope(np.clip(k, -edge, edge), expiry_ns)
    slope = np.where(np.abs(k) <= edge, slope, 0.0)
    root = np.sqrt(w)
    d2 = -k / root - 0.5 * root
    fall = 1.0 / root - 0.5 * k * slope / (w * root) + 0.25 * slope / root
    density = np.exp(-0.5 * d2 * d2) / math.sqrt(2.0 * math.pi)
    integral = float((w * density * fall * money * np.cosh(x)).sum()) * (x[1] - x[0])
    return float(integral / year_fraction(surface.ts_ns, int(times_ns("expiry_ns", expiry_ns))))


def surface_index(
    surface: Surface, horizon_ns: int = 30 * NS_PER_DAY, *, flat_beyond: float | None = 1.5
) -> float:
    """Volatility index of a fixed horizon: the root of `swap_variance`.

    Parameters
    ----------
    surface : Surface
    horizon_ns : int, optional
    flat_beyond : float, optional
        The exchange's index follows the wings less than a variance swap does: with a smile held
        flat beyond 1.5 standard deviations ours is closest to it (see docs/volatility.md).
        None for the whole smile.

    Returns
    -------
    float
    """
    expiry = surface.ts_ns + horizon_ns
    return math.sqrt(swap_variance(surface, expiry, flat_beyond=flat_beyond))


def chain_index(
    ts_ns: int,
    expiry_ns: npt.ArrayLike,
    strike: npt.ArrayLike,
    kind: npt.ArrayLike,
    forward: npt.ArrayLike,
    bid: npt.ArrayLike,
    ask: npt.ArrayLike,
    *,
    inverse_settled: bool = True,
    horizon_ns: int = 30 * NS_PER_DAY,
) -> float:
    """Volatility index from the quotes alone, as the VIX is made.

    Parameters
    ----------
    ts_ns : int
    expiry_ns, strike, kind, forward, bid, ask : array_like, shape (n,)
        The chain; prices in coin unless ``inverse_settled`` is false.
    inverse_settled : bool, optional
    horizon_ns : int, optional

    Returns
    -------
    float
        Mid prices of the options that have a bid, `strip_variance` of the last expiry up to the horizon and
        of the first after it, total variance linear in time between the two; from one alone, in
        proportion to time, where there is no other.

    Raises
    ------
    ValueError
        If no expiry has a strip.
    """
    ts_ns, expiry = int(times_ns("ts_ns", ts_ns)), times_ns("expiry_ns", expiry_ns)
    forwards, strikes = floats(forward), floats(strike)
    bids, asks, kinds = floats(bid), floats(ask), unmasked("kind", kind)
    price = np.where((bids > 0) & (asks > 0), 0.5 * (bids + asks), np.nan)
    if inverse_settled:
        price = price * forwards
    target = ts_ns + horizon_ns
    known: list[tuple[int, float]] = []
    expiries = np.unique(expiry[expiry > ts_ns])
    for side in (expiries[expiries <= target][::-1], expiries[expiries > target]):
        for one in side.tolist():
            rows = expiry == one
            tau = year_fraction(ts_ns, one)
            middle = float(np.nanmedian(forwards[rows])) if np.isfinite(forwards[rows]).any() else math.nan
            try:
                variance = strip_variance(strikes[rows], kinds[rows], price[rows], middle, tau)
            except ValueError:
                continue  # a thin expiry: the next one takes its place
            known.append((one, variance * tau))
            break
    if not known:
        raise ValueError(f"expiry_ns: no expiry after {format_time(ts_ns)} has a strip of quotes")
    years = year_fraction(ts_ns, target)
    if len(known) == 1:
        return math.sqrt(known[0][1] / year_fraction(ts_ns, known[0][0]))
    (first, low), (last, high) = known
    share = (target - first) / (last - first)
    return math.sqrt(max(low + share * (high - low), 0.0) / years)
