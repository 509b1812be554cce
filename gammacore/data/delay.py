"""How much later than their stamps chains were known: their forwards held against prices of the time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gammacore.array_types import Bools, Floats, Ints
from gammacore.data.chains import Chains, parity_forward
from gammacore.data.prices import Prices
from gammacore.daycount import NS_PER_DAY, NS_PER_MINUTE, NS_PER_SECOND

__all__ = ["COARSEST_NS", "Delay", "estimate_delay"]


COARSEST_NS = 15 * NS_PER_MINUTE
LONGEST_LIFE_NS = 3 * NS_PER_DAY  # of the options: their forward is the price, nearly
REACH_S, STEP_S = 900, 5  # delays tried, seconds, either way
LEAST_PAIRS, LEAST_CHAINS = 3, 30
NEIGHBOURS = 21  # chains whose median distance from the prices is the basis
LOCAL_BARS = 33  # bars whose volatility is that of the moment
NOISE = 4e-4  # of the basis and of marks, relative
DRAWS = 200  # resampled sets of chains
SMALLEST_S = 30.0  # worth a parameter


@dataclass(frozen=True, slots=True)
class Delay:
    """Estimate of the time from the stamps of chains to their quotes.

    Attributes
    ----------
    delay_ns, low_ns, high_ns : int
        Estimate and its 95 % interval, nanoseconds; negative: the quotes are older than the stamps.
    chains : int
        Chains behind it; 0 where it could not be measured.
    bars_ns : int
        Length of the price bars.
    why_not : str
        Why it could not be measured.
    """

    delay_ns: int
    low_ns: int
    high_ns: int
    chains: int
    bars_ns: int
    why_not: str = ""

    @property
    def parameter(self) -> str | None:
        """Value for ``data.chain_delay``, None where there is nothing to set."""
        late = self.chains and self.low_ns > 0 and self.delay_ns >= SMALLEST_S * NS_PER_SECOND
        return f"{self.delay_ns / NS_PER_SECOND:.0f}s" if late else None

    def __str__(self) -> str:
        if self.why_not:
            return f"Delay of the chains: not measured: {self.why_not}"
        seconds = [f"{ns / NS_PER_SECOND:+.0f}" for ns in (self.delay_ns, self.low_ns, self.high_ns)]
        found = (
            f"Delay of the chains: quotes are {seconds[0]} s from the stamps "
            f"(95 %: {seconds[1]} to {seconds[2]} s; "
            f"{self.chains:,} chains against bars of {self.bars_ns / NS_PER_MINUTE:g} min)"
        )
        if self.parameter:
            return f"{found}: known later than stamped; set data.chain_delay: {self.parameter}"
        return f"{found}: nothing to set"


def estimate_delay(chains: Chains, prices: Prices, *, seed: int = 7) -> Delay:
    """Estimate how much later than their stamps chains were quoted.

    The forward that put-call parity of the marks implies for the nearest expiry is the price of the
    moment of the marks, up to a basis that changes slowly. The delay is the shift of the stamps at which it
    follows the prices best: the largest likelihood of the distances, less their running median of 21 chains,
    under Student's law with three degrees of freedom, so that few outliers decide nothing.

    Between the ends of bars prices are interpolated, and the law is as much wider as a Brownian bridge of
    the bars' own volatility is: otherwise delays that end on bars would win. The interval is that of
    resampled chains. On made-up chains the error is below 10 s with bars of a minute and 30 s with bars of
    15 minutes (520 chains, a volatility of 60 %).

    Parameters
    ----------
    chains : Chains
        Read without ``delay_ns``, or the estimate is of what remains.
    prices : Prices
        Of the same coin, bars of 15 minutes or less.
    seed : int
        Of the resampling.

    Returns
    -------
    Delay
    """
    width = prices.interval_ns
    if width > COARSEST_NS:
        why = f"bars of {width / NS_PER_MINUTE:g} min are too coarse, 15 min or less are needed"
        return Delay(0, 0, 0, 0, width, why)
    at, forward = _nearest_forwards(chains)
    lags = np.arange(-REACH_S, REACH_S + 1, STEP_S) * NS_PER_SECOND
    inside = _covered(at, prices, int(lags[-1]))
    at, forward = at[inside], forward[inside]
    if at.size < LEAST_CHAINS:
        why = f"{at.size} chains within the bars have options of under three days, {LEAST_CHAINS} are needed"
        return Delay(0, 0, 0, 0, width, why)
    misfit = _misfit(at, np.log(forward), prices, lags)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(at.size, np.full(at.size, 1.0 / at.size), size=DRAWS)
    drawn = lags[np.argmin(weights @ misfit, axis=1)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Delay(int(lags[np.argmin(misfit.mean(axis=0))]), round(low), round(high), at.size, width)


def _misfit(at: Ints, forward: Floats, prices: Prices, lags: Ints) -> Floats:
    """Minus log likelihood of each chain (rows) at each lag (columns), up to a constant."""
    bars, close = prices.ts_ns, np.log(prices.close)
    moves = np.diff(close)
    local = np.convolve(moves**2, np.ones(LOCAL_BARS) / LOCAL_BARS, mode="same")  # variance of a bar
    when = at[:, None] + lags
    after = np.searchsorted(bars, when).clip(1, bars.size - 1)
    passed = (when - bars[after - 1]) / (bars[after] - bars[after - 1])
    price = close[after - 1] + passed * moves[after - 1]
    distance = forward[:, None] - price
    distance -= _running_median(distance)
    scale = np.sqrt(NOISE**2 + local[after - 1] * passed * (1.0 - passed))
    return np.asarray(2.0 * np.log1p((distance / scale) ** 2 / 3.0) + np.log(scale))


def _nearest_forwards(chains: Chains) -> tuple[Ints, Floats]:
    """Time and parity forward of the nearest expiry of each chain, where strikes enough tell it."""
    found = parity_forward(chains)
    left = found.expiry_ns - found.ts_ns
    usable = np.flatnonzero((left <= LONGEST_LIFE_NS) & (found.pairs >= LEAST_PAIRS) & (found.parity > 0))
    _, first = np.unique(found.snapshot[usable], return_index=True)  # expiries ascend in a chain
    return found.ts_ns[usable[first]], found.parity[usable[first]]


def _covered(at: Ints, prices: Prices, reach_ns: int) -> Bools:
    """Say around which times no bar is missing."""
    first = np.searchsorted(prices.ts_ns, at - reach_ns, side="right") - 1
    last = np.searchsorted(prices.ts_ns, at + reach_ns)
    inside = (first >= 0) & (last < prices.ts_ns.size)
    first, last = np.maximum(first, 0), np.minimum(last, prices.ts_ns.size - 1)
    whole = prices.ts_ns[last] - prices.ts_ns[first] <= (last - first) * prices.interval_ns
    return np.asarray(inside & whole)


def _running_median(values: Floats) -> Floats:
    """Median of the rows around each, at the edges of what there is repeated."""
    half = NEIGHBOURS // 2
    padded = np.pad(values, ((half, half), (0, 0)), mode="edge")
    return np.asarray(
        np.median(np.lib.stride_tricks.sliding_window_view(padded, NEIGHBOURS, axis=0), axis=-1)
    )
