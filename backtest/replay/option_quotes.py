"""Quotes of options between two chains, and the price of the underlying between two bars.

A quote moves with the model's value of its option: the chain's bid and ask, and as much more as the option is
worth more by now, away from the mark to whole ticks. Between two entries of a tape the logarithm of the price
is a Brownian bridge, drawn once a second from the seed and the time of the entry; the desk never sees it.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.contracts import Grids, Option
from gammacore.daycount import NS_PER_SECOND
from gammacore.execution.quotes import Tradable
from gammacore.market import Market
from gammacore.valuation import value

from .next_bars import NextBars

__all__ = ["BarPath", "OptionQuotes", "Quoted"]


class Quoted(NamedTuple):
    """A quote of an option; nobody tells the exchange's band."""

    bid: float
    ask: float
    mark: float
    mark_iv: float
    forward: float
    min_price: float = 0.0
    max_price: float = 0.0


class BarPath:
    """The price within bars, once a second.

    Parameters
    ----------
    seed : int
    ts_ns : array of int64, shape (n,)
        Entries of the tape.
    bars : NextBars
    """

    def __init__(self, seed: int, ts_ns: Ints, bars: NextBars) -> None:
        self._seed, self._ts, self._bars = seed, ts_ns, bars
        self._at, self._prices = -1, np.empty(0)

    def at(self, now_ns: int) -> float:
        """Price at a moment, USD."""
        start, prices = self._bar(now_ns)
        passed = min((now_ns - start) // NS_PER_SECOND, len(prices))
        return float(prices[passed - 1] if passed else self._bars.opens[self._at])

    def prices(self, after_ns: int, until_ns: int) -> Floats:
        """Prices at the whole seconds of a bar that lie after one moment in it and up to another, USD."""
        start, prices = self._bar(after_ns)
        first, last = (after_ns - start) // NS_PER_SECOND, (until_ns - start) // NS_PER_SECOND
        return prices[first:last]

    def _bar(self, ts_ns: int) -> tuple[int, Floats]:
        """When the bar of a moment began, and its prices."""
        at = int(np.searchsorted(self._ts, ts_ns, side="right")) - 1
        if at != self._at:
            self._at, self._prices = at, self._drawn(at)
        return int(self._ts[at]), self._prices

    def _drawn(self, at: int) -> Floats:
        """Draw the whole bar: a price at the end of each second."""
        bars, start = self._bars, int(self._ts[at])
        seconds = max((int(bars.ends[at]) - start) // NS_PER_SECOND, 1)
        passed = np.arange(1, seconds + 1) / seconds
        draws = np.random.default_rng((self._seed, start)).standard_normal(seconds)
        walk = np.cumsum(draws) * math.sqrt(float(bars.variance[at]))
        moved = math.log(float(bars.close[at] / bars.opens[at]))
        prices: Floats = bars.opens[at] * np.exp(walk - passed * walk[-1] + passed * moved)
        return prices


class OptionQuotes:
    """The last chain's quotes, moved to now.

    Parameters
    ----------
    market : Market
    grids : Grids
        Ticks.
    max_age_ns : int or None
        Oldest chain that still counts; None accepts any.

    Attributes
    ----------
    now_ns : int
    price : float
        Of the underlying then, USD.
    """

    def __init__(self, market: Market, grids: Grids, max_age_ns: int | None) -> None:
        self._market, self._grids, self._max_age_ns = market, grids, max_age_ns
        self.now_ns, self.price = 0, math.nan

    def get(self, instrument: Tradable, /) -> Quoted | None:
        """Quote of an option now, None without a chain that lists it and is young enough."""
        if not isinstance(instrument, Option) or (row := self._row(instrument)) is None:
            return None
        chain, forward = self._market.chain, self._forward(instrument, self.price)
        assert chain is not None, "what has a row is in the chain"
        moved = float(self._moved(instrument, self.price))
        bid, ask = self._side(instrument, row, moved, "down"), self._side(instrument, row, moved, "up")
        mark = float(chain.mark[row]) + moved
        return Quoted(bid, ask, mark, float(chain.iv[row]), float(forward))

    def reached(self, option: Option, limit: float, prices: Floats, *, buys: bool) -> bool:
        """Whether the other side went through a limit at any of several prices of the underlying."""
        row = self._row(option)
        if row is None or not len(prices):
            return False
        moved = np.asarray(self._moved(option, prices))
        best = float(moved.min() if buys else moved.max())
        other = self._side(option, row, best, "up" if buys else "down")
        return other < limit if buys else other > limit  # never on a touch

    def _row(self, option: Option) -> int | None:
        market, chain = self._market, self._market.chain
        if chain is None or option.expiry_ns <= self.now_ns:
            return None
        if self._max_age_ns is not None and self.now_ns - market.chain_ts_ns > self._max_age_ns:
            return None
        return chain.find(option)

    def _side(self, option: Option, row: int, moved: float, way: Literal["down", "up"]) -> float:
        """Bid (rounded down) or ask (rounded up) that moved so much, NaN where there was none."""
        chain = self._market.chain
        assert chain is not None
        quoted = float(chain.ask[row] if way == "up" else chain.bid[row])
        if not quoted > 0.0 or not math.isfinite(quoted):
            return math.nan
        price = quoted + moved
        spec = self._grids.spec_for(option)
        least = float(spec.tick_size) if way == "up" else math.nan  # a bid may go, an ask may not
        if price <= 0.0:
            return least
        rounded = float(spec.round_price(price, way)) if moved else quoted
        return rounded if rounded > 0.0 else least

    def _forward(self, option: Option, price: float | Floats) -> float | Floats:
        market = self._market
        return market.forward(option.expiry_ns, self.now_ns) * price / market.index

    def _moved(self, option: Option, price: float | Floats) -> Any:
        """How much more the option is worth at a price now than at the chain, by the model."""
        market, chain = self._market, self._market.chain
        assert chain is not None
        if self.now_ns == market.chain_ts_ns:
            return price * 0.0
        vol, expiry = market.vol(option), option.expiry_ns
        before = value(option, chain.forwards[expiry], market.tau(expiry, market.chain_ts_ns), vol)
        now = value(option, self._forward(option, price), market.tau(expiry, self.now_ns), vol)
        return now - before
