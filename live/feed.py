"""From exchange messages about prices to the desk's events: prices, marks of what is held, whole chains.

Events carry everything that a decision depends on, the funding accumulator and the estimate of volatility
included, and their times never go back: a journal of them replays to the same decisions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gammacore.array_types import Floats
from gammacore.contracts import Future, Option, Perpetual, Settlement
from gammacore.daycount import FUNDING_PERIOD_NS, NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, SETTLEMENT_WINDOW_NS
from gammacore.deribit.news import SummaryRow, TickerNews
from gammacore.errors import CodeError
from gammacore.events import ChainSlice, IndexPrice, Snapshot, Ticker
from gammacore.volatility.estimate import AnyEstimate
from gammacore.volatility.index_history import IndexHistory

LONGEST_GAP_NS = FUNDING_PERIOD_NS  # a rate says nothing about a longer silence
MOST_FUNDING = 1.0  # in eight hours; more is no rate, the exchange's own bounds are far below
DELIVERY_NS = 8 * NS_PER_HOUR  # of each day, UTC
LONGEST_BRIDGE_NS = 5 * NS_PER_MINUTE  # before the settlement window, to the first price in it


class Feed:
    """Turns news into events.

    Parameters
    ----------
    base : str
        Such as ``BTC``.
    settlement : Settlement
    estimate : AnyEstimate, optional
        Volatility from prices, sampled by the minute.
    interest : float
        Where the funding accumulator goes on.
    ts_ns : int
        Time of the last event so far.
    volatility : IndexHistory, optional
        Readings of the exchange's volatility index, where decisions look at it.
    """

    def __init__(
        self,
        base: str,
        settlement: Settlement = Settlement.INVERSE,
        estimate: AnyEstimate | None = None,
        interest: float = 0.0,
        ts_ns: int = 0,
        volatility: IndexHistory | None = None,
    ) -> None:
        self.base, self.settlement = base, settlement
        self.perpetual = Perpetual(base, settlement)
        linear = settlement is Settlement.LINEAR
        self.currency = "USDC" if linear else base  # of settlement
        self.delivery_index = f"{base.lower()}_{'usdc' if linear else 'usd'}"
        self.interest = interest
        self.ts_ns = ts_ns
        self.price = math.nan
        self.equity = math.nan  # of the account, where it is the desk's
        self.tickers: dict[Option | Future | Perpetual, TickerNews] = {}
        self.volatility = volatility
        self._rate, self._accrued_ns = math.nan, 0
        self._window = _Window()
        self._estimate = estimate
        self.fault: CodeError | None = None  # of code of the user's own that forecasts
        self.sampled: list[tuple[int, float]] = []
        self._vol = math.nan

    @property
    def looks_back_ns(self) -> int:
        """How far back prices matter to the estimate; 0 if there is none."""
        return 0 if self._estimate is None else self._estimate.looks_back_ns

    def remember(self, prices: Sequence[tuple[int, float]]) -> None:
        """Give the estimate prices from before the session: (ts_ns, USD), ascending."""
        self.sampled = [*prices, *self.sampled]
        if self._estimate is not None and self.sampled:
            self._renew(self._estimate)

    def ticker(self, news: TickerNews) -> IndexPrice | Ticker | None:
        """Event of a ticker, None if it is none for the desk."""
        instrument = news.instrument
        if isinstance(instrument, str):
            return None
        last = self.tickers.get(instrument)
        if last is not None and news.ts_ns < last.ts_ns:
            return None  # overtaken on the way
        self.tickers[instrument] = news
        if instrument == self.perpetual:
            return self._perpetual(news)
        if isinstance(instrument, Option) and news.mark_iv > 0 and news.forward > 0 and self.price > 0:
            # The desk carries forwards as the perpetual's price times a basis.
            return Ticker(self._stamp(news.ts_ns), instrument, news.forward, self.price, news.mark_iv)
        return None

    def _perpetual(self, news: TickerNews) -> IndexPrice | None:
        if not (news.mark > 0 and math.isfinite(news.mark)):
            return None
        self._accrue(news)
        self.price = news.mark
        self._window.add(news.ts_ns, news.index, news.estimated_delivery)
        return IndexPrice(
            self._stamp(news.ts_ns), news.mark, self.interest, self._sample(news), self._window.fixed
        )

    def _accrue(self, news: TickerNews) -> None:
        """Add the funding that one unit of a long position has paid since the last rate."""
        elapsed = news.ts_ns - self._accrued_ns
        if math.isfinite(self._rate) and 0 < elapsed <= LONGEST_GAP_NS:
            index = news.index if news.index > 0 else news.mark
            unit = 1.0 / index if self.settlement is Settlement.INVERSE else index
            self.interest += self._rate * unit * elapsed / FUNDING_PERIOD_NS
        if abs(news.current_funding) <= MOST_FUNDING:  # NaN if none is told
            self._rate = news.current_funding
        self._accrued_ns = max(news.ts_ns, self._accrued_ns)

    def _sample(self, news: TickerNews) -> float:
        """Estimate of volatility, renewed each minute."""
        if self._estimate is None:
            return math.nan
        if not self.sampled or news.ts_ns - self.sampled[-1][0] >= NS_PER_MINUTE:
            self.sampled.append((news.ts_ns, news.mark))
            self._renew(self._estimate)
            while self.sampled[0][0] < news.ts_ns - self.looks_back_ns:
                del self.sampled[0]
        return self._vol

    def _renew(self, estimate: AnyEstimate) -> None:
        ts = np.array([t for t, _ in self.sampled], np.int64)
        try:
            self._vol = estimate.last(ts, np.array([p for _, p in self.sampled]))
        except CodeError as error:
            self._vol, self.fault = math.nan, error

    def _stamp(self, ts_ns: int) -> int:
        self.ts_ns = max(self.ts_ns, ts_ns)
        return self.ts_ns

    def chain(self, rows: Sequence[SummaryRow]) -> Snapshot | None:
        """Event of a book summary: all options of one settlement with a mark; None if there are none."""
        options = [
            (row.instrument, row)
            for row in rows
            if isinstance(row.instrument, Option)
            and row.instrument.base == self.base
            and row.instrument.settlement is self.settlement
            and row.forward > 0
        ]
        if not options or not self.price > 0:
            return None
        options.sort(key=lambda item: (item[0].expiry_ns, item[0].strike, -item[0].kind))
        found = [row for _, row in options]
        forwards: dict[int, list[float]] = {}
        for option, row in options:
            forwards.setdefault(option.expiry_ns, []).append(row.forward)
        chain = ChainSlice(
            base=self.base,
            settlement=self.settlement,
            index=self.price,
            forwards={expiry_ns: float(np.median(values)) for expiry_ns, values in forwards.items()},
            expiry_ns=np.array([option.expiry_ns for option, _ in options], np.int64),
            strike=np.array([option.strike for option, _ in options], np.float64),
            kind=np.array([option.kind for option, _ in options], np.int8),
            bid=_column([row.bid for row in found]),
            ask=_column([row.ask for row in found]),
            mark=_column([row.mark for row in found]),
            iv=_column([row.mark_iv for row in found]),
        )
        at = max(row.ts_ns for row in found)
        at = self._stamp(at)
        index = (math.nan, math.nan) if self.volatility is None else self.volatility.at(at)
        return Snapshot(at, chain, self.interest, self._vol, self._window.fixed, *index, equity=self.equity)


class _Window:
    """Average of the index since the daily settlement window began.

    The index moves in a straight line between two prices. A session that starts within the window takes
    what it has missed from the delivery price that the exchange expects.

    Attributes
    ----------
    fixed : float
        USD; NaN outside of the window and where it is not known.
    """

    def __init__(self) -> None:
        self.fixed = math.nan
        self._last: tuple[int, float] = (0, math.nan)

    def add(self, ts_ns: int, index: float, estimated: float) -> None:
        """Take in a price of the index, and the delivery price that the exchange expects (NaN: unknown)."""
        if not index > 0 or ts_ns <= self._last[0]:
            return
        (before_ns, before), self._last = self._last, (ts_ns, index)
        opens = ts_ns + (DELIVERY_NS - ts_ns) % NS_PER_DAY - SETTLEMENT_WINDOW_NS
        passed = ts_ns - opens
        if passed <= 0:
            self.fixed = math.nan
        elif before_ns <= opens and opens - before_ns <= LONGEST_BRIDGE_NS:
            first = before + (index - before) * (opens - before_ns) / (ts_ns - before_ns)
            self.fixed = 0.5 * (first + index)
        elif math.isfinite(self.fixed) and before_ns > opens:
            area = self.fixed * (before_ns - opens) + 0.5 * (before + index) * (ts_ns - before_ns)
            self.fixed = area / passed
        else:
            share = passed / SETTLEMENT_WINDOW_NS
            self.fixed = (estimated - (1.0 - share) * index) / share


def _column(values: list[float]) -> Floats:
    """Prices, where zero says that there is none."""
    column = np.array(values, np.float64)
    column[column == 0.0] = np.nan
    return column
