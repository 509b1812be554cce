"""Hedges worked against the recorded book of the perpetual, by the steps of a session.

An order leaves when it is decided, enters the book a latency later, and is asked back when its patience ends;
what did not fill takes what the book then shows. Takers of some contracts are held before they enter. Fills
are booked at the bar of the decision, as those by bars are. Orders of one moment are worked in turn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gammacore.build import build_working
from gammacore.config import Config
from gammacore.contracts import ContractSpec, Perpetual, Settlement
from gammacore.data.book_feed import book_feed
from gammacore.data.store import Store
from gammacore.daycount import NS_PER_SECOND, format_time
from gammacore.errors import ConfigError, DataError
from gammacore.execution.bump import bump_ns
from gammacore.execution.pricing import Settings
from gammacore.execution.sent import SentOrder
from gammacore.execution.steps import NOTHING, GiveUp, Send, Tried, Willing, next_step
from gammacore.orders import Order
from gammacore.terms import grids_of, store_of

from .own_orders import without_own
from .queue_fills import QueueFill, QueueModel, RecordedBook
from .tape import Tape

AFTER_NS = 3_600 * NS_PER_SECOND  # of the last bar, that books are read for

__all__ = ["RecordedHedges", "open_book", "recorded_hedges"]


@dataclass(slots=True)
class _Side(Willing):
    """A recorded book as the steps of an order see it."""

    book: RecordedBook
    settings: Settings
    spec: ContractSpec
    buys: bool

    def limit(self, rests: bool, last: float | None) -> float | None:
        """Best price of our own side to rest at; beyond the other's by the slippage to take."""
        bid, ask = self.book.quote()
        if rests:
            return bid if self.buys else ask
        slip = self.settings.slippage
        wanted = ask * (1.0 + slip) if self.buys else bid * (1.0 - slip)
        return float(self.spec.round_price(wanted, "up" if self.buys else "down"))


class RecordedHedges:
    """What a recorded book says of hedges.

    Parameters
    ----------
    book : RecordedBook
    perpetual : Perpetual
        The one that the book is of.
    spec : ContractSpec
    settings : Settings
    latency_ns : int or sequence of int
        One way; of several each hedge draws one, by the seed and its time.
    seed : int

    Attributes
    ----------
    worked, by_bars : int
        Orders that were worked against the book, and those left to bars: where it is not known.
    """

    def __init__(
        self,
        book: RecordedBook,
        perpetual: Perpetual,
        spec: ContractSpec,
        settings: Settings,
        latency_ns: int | Sequence[int],
        seed: int = 0,
    ) -> None:
        self.book, self.perpetual, self.spec = book, perpetual, spec
        self.settings, self._seed = settings, seed
        self._latencies_ns = np.atleast_1d(np.asarray(latency_ns, np.int64))
        self.latency_ns = int(self._latencies_ns[0])  # of the hedge at work
        self.worked = self.by_bars = 0

    def work(self, order: Order, ts_ns: int, sent: Sequence[SentOrder] = ()) -> list[QueueFill] | None:
        """Work a hedge to its end; None where the book is not known.

        By the steps of a session, or as one did: by what it ``sent``, when it sent it.
        """
        (leg,) = order.legs
        if leg.instrument != self.perpetual:
            return None
        if not self.book.follow(ts_ns):
            self.by_bars += 1
            return None
        if len(self._latencies_ns) > 1:
            self.latency_ns = int(np.random.default_rng((self._seed, ts_ns)).choice(self._latencies_ns))
        if sent:
            parts = self._again(order, sent, leg.amount > 0, abs(leg.amount))
        else:
            parts = self._steps(order, NOTHING, ts_ns, ts_ns, leg.amount > 0, abs(leg.amount))
        lost = not parts and not self.book.follow(ts_ns)  # before anything was filled
        self.worked, self.by_bars = self.worked + (not lost), self.by_bars + lost
        return None if lost else parts

    def _again(self, order: Order, sent: Sequence[SentOrder], buys: bool, amount: float) -> list[QueueFill]:
        """Send what a session sent; where it was filled and we are not, go on by the steps."""
        parts: list[QueueFill] = []
        now_ns, half = 0, 0.5 * self.spec.min_trade_amount
        got = done = 0.0  # by us, and by the session until then
        for one in sent:
            part = min(done + abs(one.amount), amount) - got
            done += abs(one.filled)
            if part < half:
                continue
            now_ns = max(now_ns, one.ts_ns)
            enough = abs(one.filled) >= abs(one.amount) - half  # the session had no need of what comes next
            if one.rests:
                ended_ns = None if enough else one.ended_ns
                found, now_ns = self._rest(order, Send(one.limit, True), now_ns, buys, part, ended_ns)
            else:
                found, now_ns = self._take(order, Send(one.limit, False), now_ns, buys, part)
            left = part - math.fsum(fill.amount for fill in found)
            if enough and left >= half:
                tried = Tried(int(not one.rests), one.ts_ns, one.rests, "not filled")
                found += self._steps(order, tried, one.ts_ns, now_ns, buys, left)
            parts += found
            got = math.fsum(fill.amount for fill in parts)
        return parts

    def _steps(
        self, order: Order, tried: Tried, ts_ns: int, now_ns: int, buys: bool, amount: float
    ) -> list[QueueFill]:
        """Go on by the steps of a session, from what it has tried."""
        side = _Side(self.book, self.settings, self.spec, buys)
        parts: list[QueueFill] = []
        left = amount
        while left >= 0.5 * self.spec.min_trade_amount and self.book.known:
            step = next_step(order, tried, side, self.settings, ts_ns, now_ns, cancelled=False)
            if isinstance(step, GiveUp):
                break
            if step is None:  # a pause before the next try
                now_ns += NS_PER_SECOND // 20
                self.book.follow(now_ns)
                continue
            sent_ns, send = now_ns, self._rest if step.rests else self._take
            bid, ask = self.book.sizes()
            shown = bid if step.rests == buys else ask
            part = abs(self.settings.part(order, self.perpetual, left, step.limit, self.spec, shown))
            found, now_ns = send(order, step, now_ns, buys, part)
            parts += found
            got = sum(fill.amount for fill in found)
            left -= got
            if got >= part - 0.5 * self.spec.min_trade_amount:  # a slice is done, the next one begins
                tried, ts_ns = NOTHING, now_ns
            else:
                tried = Tried(tried.takers + (not step.rests), sent_ns, step.rests, "not filled")
        return parts

    def _rest(
        self, order: Order, step: Send, now_ns: int, buys: bool, left: float, ended_ns: int | None = None
    ) -> tuple[list[QueueFill], int]:
        """Rest until the patience ends, as seen from here; fills, and when the answer is back.

        No longer than until that of a session was back.
        """
        book, way = self.book, self.latency_ns
        book.follow(now_ns + way)
        number = book.rest(buys, step.limit, left, fixed=order.limit is not None)
        if number is None:
            return [], now_ns + 2 * way
        leaves_ns = now_ns + self.settings.patience_ns + way
        if ended_ns is not None:
            leaves_ns = min(leaves_ns, ended_ns - way)
        book.follow(leaves_ns, number)
        book.cancel(number)
        fills = book.fills(number)
        if sum(fill.amount for fill in fills) >= left - 0.5 * self.spec.min_trade_amount:
            return fills, fills[-1].ts_ns + way
        return fills, leaves_ns + way

    def _take(
        self, order: Order, step: Send, now_ns: int, buys: bool, left: float
    ) -> tuple[list[QueueFill], int]:
        """Take at once; fills, and when the answer is back."""
        enters_ns = now_ns + self.latency_ns + bump_ns(self.perpetual, now_ns)
        self.book.follow(enters_ns)
        return self.book.take(buys, step.limit, left), enters_ns + self.latency_ns

    def told(self) -> dict[str, int]:
        """How many hedges met the book, and what of it was not filled through."""
        return {"worked": self.worked, "by_bars": self.by_bars, **self.book.counts()}


def recorded_hedges(config: Config, tape: Tape) -> RecordedHedges:
    """Open the recorded book of a configuration's perpetual for a tape.

    Raises
    ------
    ConfigError
        If the chains are of no store, the hedge is no perpetual, or no book of it was recorded in the time.
    """
    root, working = store_of(config.data.chains), config.execution
    what = "execution.fills: 'recorded' reads books and trades of the perpetual from the store of data.chains"
    if root is None:
        raise ConfigError(f"{what}, got {config.data.chains!r}; name chains of a store, or write bars")
    if config.hedge.instrument != "perpetual":
        raise ConfigError(f"{what}; hedge.instrument is {config.hedge.instrument!r}, write bars for it")
    if working.hedges == "maker":
        raise ConfigError("execution.hedges: maker is a bound for bars; expected post_only or taker here")
    try:
        return open_book(config, root, int(tape.ts_ns[0]), int(tape.ts_ns[-1]) + AFTER_NS)
    except DataError as error:
        raise ConfigError(f"{what}; {error}: record some, or write bars") from None


def open_book(
    config: Config, root: Path, start_ns: int, end_ns: int, own: Sequence[SentOrder] = ()
) -> RecordedHedges:
    """Open the recorded book of a configuration's perpetual.

    Parameters
    ----------
    config : Config
        Its coin and its execution.
    root : Path
        Folder of a store.
    start_ns, end_ns : int
    own : sequence of SentOrder
        Orders of ours in the perpetual that were recorded with all others, to be taken out.

    Raises
    ------
    DataError
        If no book was recorded in the time.
    """
    settlement = Settlement.LINEAR if config.linear else Settlement.INVERSE
    perpetual, store, working = Perpetual(config.coin, settlement), Store(root), config.execution
    if not store.files("books", config.settles_in, start_ns=start_ns, end_ns=end_ns):
        raise DataError(
            f"{root} has no book of {perpetual.name} from {format_time(start_ns)} to {format_time(end_ns)}"
        )
    spec = grids_of(config).spec_for(perpetual)
    model = QueueModel(working.queue, working.queue_power)
    feed = book_feed(store, perpetual.name, spec.tick_size, start_ns, end_ns)
    if own:
        feed = without_own(feed, own, spec.tick_size, spec.min_trade_amount)
    book = RecordedBook(feed, spec.tick_size, spec.min_trade_amount, model)
    latency_ns = np.rint(np.atleast_1d(working.latency_ms) * 1e-3 * NS_PER_SECOND).astype(np.int64)
    return RecordedHedges(book, perpetual, spec, build_working(config), latency_ns.tolist(), working.seed)
