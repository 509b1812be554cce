"""Hedges worked against the recorded book of the perpetual, by the steps of a session.

An order leaves when it is decided, enters the book a latency later, and is asked back when its patience ends;
what did not fill takes what the book then shows. Takers of some contracts are held before they enter. Fills
are booked at the bar of the decision, as those by bars are. Orders of one moment are worked in turn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
from gammacore.execution.sent import SentOrder, WorkedHedge
from gammacore.execution.steps import NOTHING, GiveUp, Send, Tried, Willing, next_step
from gammacore.orders import Order
from gammacore.terms import grids_of, store_of

from .own_orders import without_own
from .queue_fills import QueueFill, QueueModel, RecordedBook
from .tape import Tape

AFTER_NS = 3_600 * NS_PER_SECOND  # of the last bar, that books are read for
LOOK_NS = NS_PER_SECOND // 10  # between two looks whether a hedge is still wanted, as prices are told

__all__ = ["RecordedHedges", "open_book", "recorded_hedges"]


class _Working(Willing):
    """One hedge at work against a recorded book, and that book as its steps see it."""

    def __init__(self, order: Order, recorded: RecordedHedges) -> None:
        self.order, self.recorded, self.book = order, recorded, recorded.book
        self.asked = order.legs[0].amount
        self.buys, self.way_ns, self.half = (
            self.asked > 0,
            recorded.latency_ns,
            0.5 * recorded.spec.min_trade_amount,
        )
        self.parts: list[QueueFill] = []
        self._mid = self.book.mid()  # at the decision

    @property
    def got(self) -> float:
        """Amount that was filled, not signed."""
        return math.fsum(part.amount for part in self.parts)

    def limit(self, rests: bool, last: float | None) -> float | None:
        """Best price of our own side to rest at; beyond the other's by the slippage to take."""
        bid, ask = self.book.quote()
        if rests:
            return bid if self.buys else ask
        slip = self.recorded.settings.slippage
        wanted = ask * (1.0 + slip) if self.buys else bid * (1.0 - slip)
        return float(self.recorded.spec.round_price(wanted, "up" if self.buys else "down"))

    def unwanted(self) -> bool:
        """Whether what is left would do harm at the prices of now."""
        return self._harms(self.got)

    def _harms(self, got: float) -> bool:
        filled = math.copysign(got, self.asked)
        return self.recorded.unwanted(self.order, self.asked - filled, filled, self.book.mid() / self._mid)

    def steps(self, tried: Tried, since_ns: int, now_ns: int, most: float) -> None:
        """Go on by the steps of a session from what was tried, until so much is filled or it is given up."""
        recorded = self.recorded
        while (left := most - self.got) >= self.half and self.book.known:
            step = next_step(self.order, tried, self, recorded.settings, since_ns, now_ns, cancelled=False)
            if isinstance(step, GiveUp):
                break
            if step is None:  # a pause before the next try
                now_ns += NS_PER_SECOND // 20
                self.book.follow(now_ns)
                continue
            sent_ns, before = now_ns, self.got
            bid, ask = self.book.sizes()
            shown = bid if step.rests == self.buys else ask
            part = abs(
                recorded.settings.part(self.order, recorded.perpetual, left, step.limit, recorded.spec, shown)
            )
            now_ns = self.send(step, now_ns, part)
            if self.got - before >= part - self.half:  # a slice is done, the next one begins
                tried, since_ns = NOTHING._replace(later=True), now_ns
            else:
                tried = Tried(tried.takers + (not step.rests), sent_ns, step.rests, "not filled")

    def again(self, sent: Sequence[SentOrder]) -> None:
        """Send what a session sent; where it was filled and we are not, go on by the steps."""
        now_ns, done = 0, 0.0  # filled in the session
        for one in sent:
            goal = min(done + abs(one.amount), abs(self.asked))
            done += abs(one.filled)
            if goal - self.got < self.half:
                continue
            enough = abs(one.filled) >= abs(one.amount) - self.half  # the session sent nothing more for it
            step, ended_ns = Send(one.limit, one.rests), None if enough else one.ended_ns
            there_ns = min((ts_ns for ts_ns, _, _ in one.fills), default=None)
            now_ns = self.send(step, max(now_ns, one.ts_ns), goal - self.got, there_ns, ended_ns)
            if enough:
                tried = Tried(int(not one.rests), one.ts_ns, one.rests, "not filled")
                self.steps(tried, one.ts_ns, now_ns, goal)

    def send(
        self, step: Send, now_ns: int, amount: float, there_ns: int | None = None, ended_ns: int | None = None
    ) -> int:
        """Rest or take; when the answer is back.

        An order of a session was ``there`` when it was filled first, and ended when the session knew it.
        """
        if step.rests:
            return self._rest(step, now_ns, amount, there_ns, ended_ns)
        enters_ns = now_ns + self.way_ns + bump_ns(self.recorded.perpetual, now_ns)
        enters_ns = enters_ns if there_ns is None else there_ns  # it took at once
        self.book.follow(enters_ns)
        self.parts += self.book.take(self.buys, step.limit, amount)
        return enters_ns + self.way_ns

    def _rest(
        self, step: Send, now_ns: int, amount: float, there_ns: int | None, ended_ns: int | None
    ) -> int:
        """Rest until the patience ends, as seen from here, or until the hedge is no longer wanted."""
        book, way_ns = self.book, self.way_ns
        book.follow(now_ns + way_ns if there_ns is None else min(now_ns + way_ns, there_ns - 1))
        number = book.rest(self.buys, step.limit, amount, fixed=self.order.limit is not None)
        if number is None:
            return now_ns + 2 * way_ns
        leaves_ns = now_ns + self.recorded.settings.patience_ns + way_ns
        if ended_ns is not None:
            leaves_ns = min(leaves_ns, ended_ns - way_ns)
        self._wait(number, leaves_ns)
        book.cancel(number)
        self.parts += book.fills(number)
        return book.now_ns + way_ns

    def _wait(self, number: int, leaves_ns: int) -> None:
        """Follow the book until an order is filled, or leaves."""
        book = self.book
        while book.now_ns < leaves_ns:
            book.follow(min(book.now_ns + LOOK_NS, leaves_ns), number)
            filled = math.fsum(fill.amount for fill in book.fills(number))
            if book.left(number) == 0.0 or not book.known:
                break
            if self._harms(self.got + filled):  # as is seen there and heard here
                leaves_ns = min(leaves_ns, book.now_ns + 2 * self.way_ns)


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
    unwanted : callable(Order, float, float, float) -> bool
        Of a hedge, the signed amounts of it that are left and filled, and the price now over that of the
        decision: whether what is left would do harm; by default never.
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
        self.unwanted: Callable[[Order, float, float, float], bool] = lambda order, left, got, moved: False

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
        working = _Working(order, self)
        if sent:
            working.again(sent)
        else:
            working.steps(NOTHING, ts_ns, ts_ns, abs(leg.amount))
        parts = working.parts
        lost = not parts and not self.book.follow(ts_ns)  # before anything was filled
        self.worked, self.by_bars = self.worked + (not lost), self.by_bars + lost
        return None if lost else parts

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
    config: Config, root: Path, start_ns: int, end_ns: int, own: Sequence[WorkedHedge] = ()
) -> RecordedHedges:
    """Open the recorded book of a configuration's perpetual.

    Parameters
    ----------
    config : Config
        Its coin and its execution.
    root : Path
        Folder of a store.
    start_ns, end_ns : int
    own : sequence of WorkedHedge
        Hedges of ours that were recorded with all others: those in the perpetual are taken out.

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
    sent = [one for hedge in own if hedge.order.legs[0].instrument == perpetual for one in hedge.sent]
    if sent:
        feed = without_own(feed, sent, spec.tick_size, spec.min_trade_amount)
    book = RecordedBook(feed, spec.tick_size, spec.min_trade_amount, model)
    latency_ns = np.rint(np.atleast_1d(working.latency_ms) * 1e-3 * NS_PER_SECOND).astype(np.int64)
    return RecordedHedges(book, perpetual, spec, build_working(config), latency_ns.tolist(), working.seed)
