"""A session as its journal tells it, for whoever only looks.

The same desk, what was sent and filled, and why the money is where it is. Reads while the session writes.
"""

from __future__ import annotations

import math
import os
from array import array
from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.attribution import LINES, attribute
from gammacore.contracts import Future, Option, Perpetual, Settlement, payoff_coin, payoff_usd
from gammacore.daycount import NS_PER_SECOND
from gammacore.deribit.news import AccountNews
from gammacore.desk import Desk
from gammacore.episode import Episode
from gammacore.errors import LedgerError
from gammacore.events import Delivery, Event, Fill, Rejected, Snapshot
from gammacore.ledger import Money
from gammacore.market import Market
from gammacore.orders import Purpose, purpose_of
from gammacore.settlement import years_left
from gammacore.strategy.waiting import Waiting

from .checkpoint import recall
from .idle import why_idle
from .journal import Record, RecordKind, read
from .pace import Paces
from .past import Past
from .positions import Adopted, Foreign
from .risk_manager import Mode, ModeChanged
from .room import Room, room_of
from .solvency import liquidation_distance, margin_gap

EVERY_NS = NS_PER_SECOND  # between two points of the trail, besides those of fills and deliveries
KEPT = 200  # fills shown


class Trail:
    """The path that a desk saw, thinned: what :mod:`gammacore.attribution` needs of a tape.

    Parameters
    ----------
    every_ns : int
        Between two points, besides those of fills and deliveries.
    """

    def __init__(self, every_ns: int = EVERY_NS) -> None:
        self.every_ns = every_ns
        # Eight bytes a number: a session of days has hundreds of thousands of points.
        self._ts = array("q")
        self._index, self._owed = array("d"), array("d")
        self._columns: dict[Option | int, tuple[int, array[float]]] = {}
        self._marks: dict[Option, tuple[array[int], array[float]]] = {}  # points, marks published there
        self._followed: list[Episode] = []
        self.averaging = True
        self.ts_ns: Ints = np.empty(0, np.int64)
        self.index: Floats = np.empty(0)
        self.owed: Floats = np.empty(0)

    def __len__(self) -> int:
        return len(self._ts)

    def add(self, event: Event, desk: Desk) -> None:
        """Note a point, if the event is worth one; the desk has handled it."""
        market = desk.market
        known = {id(episode) for episode in self._followed}
        self._followed += [e for e in desk.portfolio.open.values() if e.entered and id(e) not in known]
        due = not self._ts or market.ts_ns - self._ts[-1] >= self.every_ns
        if market.index > 0 and (due or isinstance(event, Fill | Delivery | Snapshot | Rejected)):
            self.note(desk)
            self._note_marks(event, market)

    def _note_marks(self, event: Event, market: Market) -> None:
        """Note marks of the exchange: of a chain, and what a fill was held against."""
        found: dict[Option, float] = {}
        if isinstance(event, Snapshot):
            held = {option for episode in self._followed for option in episode.entered}
            found = {option: market.published_mark(option) for option in held}
        elif isinstance(event, Fill) and isinstance(event.instrument, Option):
            found = {event.instrument: event.mark}
        for option, mark in found.items():
            if not math.isnan(mark):
                points, marks = self._marks.setdefault(option, (array("q"), array("d")))
                points.append(len(self) - 1)
                marks.append(mark)

    def last_marks(self) -> dict[Option, float]:
        """Return the marks that the exchange published at the last point."""
        now = self._ts[-1]
        return {o: marks[-1] for o, (points, marks) in self._marks.items() if self._ts[points[-1]] == now}

    def note(self, desk: Desk) -> None:
        """Note a point as the book is."""
        market, at = desk.market, len(self._ts)
        self._ts.append(market.ts_ns)
        self.averaging = market.averaging
        self._index.append(market.index)
        self._owed.append(market.interest)
        followed = {option for episode in self._followed for option in episode.entered}
        for key in (*followed, *(sign * o.expiry_ns for o in followed for sign in (1, -1))):
            if key in self._columns:  # held before, and not in between
                start, values = self._columns[key]
                values.extend([values[-1]] * (at - start - len(values)))
        for expiry_ns in {option.expiry_ns for option in followed}:
            prices = {expiry_ns: market.forward(expiry_ns), -expiry_ns: market.underlying(expiry_ns)}
            for key, price in prices.items():
                self._columns.setdefault(key, (at, array("d")))[1].append(price)
        for option in followed:
            vols, vol = self._columns.setdefault(option, (at, array("d")))[1], market.vol(option)
            # A book forgets what has expired; until the delivery it is worth the same at any volatility.
            vols.append(vols[-1] if vols and math.isnan(vol) else vol)
        # An episode that has ended got its last point just now.
        self._followed = [e for e in self._followed if e.number in desk.portfolio.open]

    def freeze(self) -> None:
        """Bring the arrays up to date."""
        self.ts_ns = np.array(self._ts, np.int64)
        self.index = np.array(self._index)
        self.owed = np.array(self._owed)

    def spot_at_delivery(self, expiry_ns: int, i: int) -> float:
        """Price of the underlying when an expiry that point ``i`` comes before is delivered."""
        return float(self.index[i])

    def _column(self, key: Option | int, i: int, j: int) -> Floats:
        start, values = self._columns[key]
        before = max(start - i, 0)  # points at which it was not held yet: nothing is made of these
        return np.concatenate([np.full(before, values[0]), values[i - start + before : j - start]])

    def forward(self, expiry_ns: int, i: int, j: int) -> Floats:
        """Forward of an expiry at points i..j."""
        return self._column(expiry_ns, i, j)

    def underlying(self, expiry_ns: int, i: int, j: int) -> Floats:
        """Forward of an expiry as it trades at points i..j."""
        return self._column(-expiry_ns, i, j)

    def forward_later(self, expiry_ns: int, i: int, ts_ns: int) -> float:
        """Forward at point ``i``: every fill is a point, so none is later."""
        return float(self.forward(expiry_ns, i, i + 1)[0])

    def years(self, expiry_ns: int, ts_ns: Ints) -> Floats:
        """Years to expiry, see :meth:`gammacore.market.Market.tau`."""
        return years_left(expiry_ns, ts_ns, averaging=self.averaging)

    def vols(self, option: Option, i: int, j: int) -> Floats:
        """Mark volatility of an option at points i..j."""
        return self._column(option, i, j)

    def future_price(self, instrument: Future | Perpetual, i: int, j: int) -> Floats:
        """Mark of a hedge at points i..j."""
        return self.forward(instrument.expiry_ns, i, j) if isinstance(instrument, Future) else self.index[i:j]

    def recorded_marks(self, option: Option, i: int, j: int) -> Floats:
        """Return the marks published at points i..j, NaN where there is none."""
        entries, marks = self.published_marks(option, i, j)
        recorded = np.full(j - i, np.nan)
        recorded[entries - i] = marks
        return recorded

    def published_marks(self, option: Option, i: int, j: int) -> tuple[Ints, Floats]:
        """Points between i and j at which a chain brought a mark, and the marks."""
        points, marks = (np.array(column) for column in self._marks.get(option, ((), ())))
        if not len(points):
            return np.empty(0, np.int64), np.empty(0)
        # Of several points at one moment the last is the one that positions are held from.
        points = np.searchsorted(self.ts_ns, self.ts_ns[points], side="right") - 1
        kept = np.append(points[1:] != points[:-1], True) & (points >= i) & (points < j)
        return points[kept], marks[kept]


class Explained(NamedTuple):
    """Profit of all episodes at marks, its lines, and for each episode the sizes of their steps."""

    total: Money
    lines: dict[str, Money]
    sizes: list[dict[str, float]]


def mark_of(option: Option, market: Market) -> float:
    """Value of an option at the market's marks; of one that waits for its delivery, what it would get now."""
    if market.tau(option.expiry_ns) > 0:
        return float(market.exposure(option).value)
    payoff = payoff_coin if option.settlement is Settlement.INVERSE else payoff_usd
    return float(payoff(option, market.forward(option.expiry_ns)))


def carried(episode: Episode, desk: Desk, published: Mapping[Option, float] | None = None) -> Episode:
    """Twin of an open episode, at the marks published, or else at those of the desk's book.

    Raises
    ------
    LedgerError
        If an option has no mark.
    """
    twin = episode.twin()
    known = published or {}
    values = {option: known.get(option, mark_of(option, desk.market)) for option in episode.legs}
    for option, value in values.items():
        if not math.isfinite(value):
            raise LedgerError(f"{option.name}: no mark, {value}")
    desk.portfolio.mark(twin, desk.market, values)
    return twin


class Follower(Past):
    """Reads a journal as it grows.

    Parameters
    ----------
    path : path-like
    every_ns : int
        See :class:`Trail`.
    paces : Paces, optional
        Is told of every event.

    Attributes
    ----------
    fills : deque of Fill
        The last ones.
    filled : int
        Trades.
    mode : ModeChanged or None
        None before the start.
    margin_gap, liquidation_distance : float
        When the account was last recorded, see :mod:`.risk_manager`; NaN before.
    foreign : list of Foreign
        Trades of the account's holder.
    adopted : list of Adopted
        Trades that nobody here ordered, in what the session holds.
    refused : str
        Why the last entry was given up, empty once one was filled.
    stopped : bool
        Whether the last process ended cleanly.
    first_ns, last_ns : int
        Times of the first and last record.
    """

    def __init__(
        self, path: str | os.PathLike[str], every_ns: int = EVERY_NS, paces: Paces | None = None
    ) -> None:
        super().__init__()
        self.path, self.paces = path, paces
        self.trail = Trail(every_ns)
        self.fills: deque[Fill] = deque(maxlen=KEPT)
        self.filled = 0
        self.mode: ModeChanged | None = None
        self.margin_gap = self.liquidation_distance = math.nan
        self.stopped, self.refused = False, ""
        self.first_ns = self.last_ns = 0
        self.foreign: list[Foreign] = []
        self.adopted: list[Adopted] = []
        self._idle: tuple[tuple[object, ...], Waiting | None] = (), None
        self._ended: dict[int, Explained] = {}  # episodes of which nothing changes any more

    def __getstate__(self) -> dict[str, Any]:
        """Return all but where the journal is."""
        return vars(self) | {"path": ""}

    def update(self, most: int | None = None) -> int:
        """Take in what is new, or the next ``most`` records of it; returns how many records that were."""
        if not self.seq:
            self._recall()
        new = 0
        for record in islice(read(self.path, self.seq), most):
            new += 1
            self.take(record)
        return new

    def _recall(self) -> None:
        """Begin where a checkpoint was written, if its follower saw what this one is to see."""
        found = recall(self.path)
        if not isinstance(found, Follower) or found.trail.every_ns != self.trail.every_ns:
            return
        if self.paces is not None and found.paces is None:
            return
        path, paces = self.path, self.paces
        vars(self).update(vars(found))
        self.path, self.paces = path, paces
        if paces is not None:
            vars(paces).update(vars(found.paces))

    def take(self, record: Record) -> Any:
        """Take in the next record, see :meth:`.retold.Retold.take`."""
        self.first_ns = self.first_ns or record.ts_ns
        self.last_ns = max(self.last_ns, record.ts_ns)
        self.stopped = record.kind is RecordKind.STOP
        found = super().take(record)
        if (
            record.kind is RecordKind.START
        ):  # a process begins without causes, and tells what it finds from there
            self.mode = ModeChanged(record.ts_ns, int(Mode.NORMAL), ())
            if self.paces is not None and self.config is not None:
                self.paces.start(self.config)
        elif record.kind is RecordKind.EVENT:
            self._learn(found)
        elif found is not None and record.kind is RecordKind.FACT:
            self._fact(found)
        return found

    def _fact(self, fact: Any) -> None:
        if isinstance(fact, Foreign):
            self.foreign.append(fact)
        elif isinstance(fact, Adopted):
            self.adopted.append(fact)
        elif isinstance(fact, ModeChanged):
            self.mode = fact
        elif isinstance(fact, AccountNews) and self.desk is not None:
            self.margin_gap = margin_gap(self.desk, fact)
            self.liquidation_distance = liquidation_distance(fact)

    def _learn(self, event: Event) -> None:
        assert self.desk is not None
        self.trail.add(event, self.desk)
        if self.paces is not None:
            self.paces.take(event, self.desk)
        if isinstance(event, Fill):
            self.filled += 1
            self.fills.append(event)
            self.refused = ""
        elif isinstance(event, Rejected) and purpose_of(event.order_id) is Purpose.ENTRY:
            self.refused = event.reason

    def room(self) -> Room:
        """How long the journal's disk lasts; no bytes where the file is gone."""
        speed = 1.0 if self.began is None else self.began.speed
        try:
            return room_of(self.path, self.last_ns - self.first_ns, speed)
        except OSError:
            return Room(0, math.inf)

    def waiting(self) -> Waiting | None:
        """Say why nothing is held; None while something is, and before the start."""
        if self.desk is None or self.mode is None:
            return None
        desk, mode = self.desk, self.mode
        seen = desk.market.chain_ts_ns, mode, self.refused, desk.closing, bool(desk.portfolio.open)
        if seen != self._idle[0]:  # pages ask ten times a second
            found = why_idle(desk, Mode(mode.mode), mode.reasons, refused=self.refused)
            self._idle = seen, found
        return self._idle[1]

    def explain(self) -> Explained | None:
        """Where the money of all episodes is, None before the first has been entered.

        Raises
        ------
        LedgerError
            If lines and ledgers differ by more than rounding.
        """
        desk = self.desk
        if desk is None or not len(self.trail) or not any(e.entered for e in desk.portfolio.episodes):
            return None
        if desk.market.ts_ns > self.trail._ts[-1]:
            self.trail.note(desk)
        self.trail.freeze()
        parts = [self._explained(episode, desk) for episode in desk.portfolio.accounts if episode.entry_ns]
        zero = Money(0.0, 0.0)
        lines = {line: sum((part.lines[line] for part in parts), zero) for line in LINES}
        total = sum((part.total for part in parts), zero)
        return Explained(total, lines, [size for part in parts for size in part.sizes])

    def _explained(self, episode: Episode, desk: Desk) -> Explained:
        """One episode; what has ended is worked out once."""
        if episode.number in self._ended:
            return self._ended[episode.number]
        if not episode.end_ns:
            return self._attributed(carried(episode, desk, self.trail.last_marks()), len(self.trail) - 1)
        last = int(np.searchsorted(self.trail.ts_ns, episode.end_ns, side="right")) - 1
        found = self._ended[episode.number] = self._attributed(episode, last)
        return found

    def _attributed(self, episode: Episode, last: int) -> Explained:
        found = attribute(episode, self.trail, last)
        return Explained(episode.ledger.profit(), found.totals, [found.sizes])
