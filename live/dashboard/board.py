"""What a page shows of a session: the state in sections, brought up to date record by record.

Nothing is read or worked out twice: the desk of a :class:`~gammacore.live.follow.Follower` goes on from event
to event, curves are thinned as they grow. Only the attribution looks at the whole path of the open episodes;
it is done as often as costs :data:`SHARE` of the time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import gammacore
from gammacore.build import build_weigher
from gammacore.daycount import NS_PER_MILLISECOND, NS_PER_SECOND
from gammacore.desk import Desk
from gammacore.errors import LedgerError
from gammacore.events import Event, Fill, IndexPrice, Snapshot
from gammacore.ledger import Money
from gammacore.risk import totals
from gammacore.strategy.signal import Signal

from ..follow import Explained, Follower
from ..journal import Kind, Record
from ..news import ClockSkew
from ..risk_manager import Mode
from ..watch import UNEXPLAINED, unexplained_share
from .holdings import Profits, gauges, greeks, positions
from .limits import LimitsUse
from .pace import Pace, breakeven_vol, paid_vol
from .series import Curve
from .source import Source
from .story import Story

__all__ = ["Board"]

Row = dict[str, Any]
SHARE = 0.01  # of a core that the attribution may take
EXPLAIN_S = 1.0  # at least, between two attributions
STALE_S = 10.0  # without a new record, until the page warns
PROFIT_NS = NS_PER_SECOND  # of market, between two points of the curve of the profit


class Board:
    """State of a session for pages.

    Parameters
    ----------
    source : Source
    clock : callable() -> float
        Seconds, for what is done from time to time.

    Attributes
    ----------
    follower : Follower
    curves : dict of str to Curve
        ``price`` (USD) and ``profit`` (USD).
    """

    def __init__(self, source: Source, clock: Callable[[], float] = time.monotonic) -> None:
        self.source, self._clock = source, clock
        self._begin()

    def _begin(self) -> None:
        self.follower = Follower(self.source.path or "")
        self.story = Story()
        self.curves = {"price": Curve(), "profit": Curve()}
        self.starts, self.started_ns = 0, 0
        self.behind = 0
        self._limits: LimitsUse | None = None
        self._weigher: Signal | None = None
        self._paces: dict[int, Pace] = {}
        self._profits, self._profit, self._profit_ns = Profits(), Money(0.0, 0.0), 0
        self._explained: Explained | None = None
        self._explain_at, self._explained_seq, self._failed = -math.inf, -1, ""
        self._explained_ns = 0
        self._differs = self._odd = False

    # ------------------------------------------------------------- in

    def read(self, most: int) -> int:
        """Take in what is new, at most so many records; returns how many that were.

        Raises
        ------
        JournalError
            If the file is no journal.
        """
        records = self.source.read(most)
        if self.source.fresh:
            self._begin()
        for record in records:
            self.take(record)
        self.behind = self.source.left() if len(records) == most else 0
        return len(records)

    def take(self, record: Record) -> None:
        """Take in the next record."""
        found = self.follower.take(record)
        desk = self.follower.desk
        if record.kind is Kind.START:
            self._start(record.ts_ns)
        elif record.kind is Kind.STOP:
            self.story.stopped(record.ts_ns)
        if desk is None or self._limits is None or found is None:
            return
        self.story.take(found, record.ts_ns, desk)
        self._limits.take(found, record.ts_ns)
        if record.kind is Kind.EVENT:
            self._event(found, desk)
        elif isinstance(found, ClockSkew):
            self._limits.skew_s = found.seconds

    def _start(self, ts_ns: int) -> None:
        self.story.started(ts_ns, self.starts > 0)
        self.starts, self.started_ns = self.starts + 1, ts_ns
        assert self.follower.config is not None
        if self._limits is None:
            self._limits = LimitsUse(self.follower.config)
            self._weigher = build_weigher(self.follower.config)
        self._limits.started()

    def _event(self, event: Event, desk: Desk) -> None:
        book = desk.book
        if not book.index > 0:
            return
        if isinstance(event, IndexPrice | Snapshot):
            self.curves["price"].add(book.ts_ns, book.index)
            for episode in desk.portfolio.open.values():
                if (pace := self._paces.get(episode.number)) is not None:
                    pace.price(book.ts_ns, book.forward(episode.expiry_ns))
        if isinstance(event, Fill):
            self._filled(event, desk)
        if book.ts_ns - self._profit_ns >= PROFIT_NS:
            self._look_at_profit(desk)

    def _filled(self, fill: Fill, desk: Desk) -> None:
        """Begin to measure an episode once all of its entry is there, and note its hedges."""
        episode = desk.portfolio.open.get(fill.episode)
        if episode is None or not episode.open:
            return
        forward = desk.book.forward(episode.expiry_ns)
        pace = self._paces.get(episode.number)
        if pace is None and fill.order_id not in episode.pending:
            paid = paid_vol(episode, desk.book)
            assert self._weigher is not None
            self._paces[episode.number] = Pace(
                desk.book.ts_ns, forward, paid, breakeven_vol(episode, desk.book, self._weigher, paid)
            )
        elif pace is not None and fill.instrument == episode.hedge.instrument:
            pace.hedged(fill.ts_ns, forward)

    def _look_at_profit(self, desk: Desk) -> None:
        now_ns = desk.book.ts_ns
        self._profit, self._profit_ns = self._profits.look(desk), now_ns
        self.curves["profit"].add(now_ns, self._profit.usd)
        if self._limits is not None:
            self._limits.profit(now_ns, self._profit.usd)

    # ------------------------------------------------------------- out

    def sections(self) -> dict[str, Any]:
        """Everything but the curves, by section; amounts in the units that their names say, times in ms.

        Sections of what is not known yet are None or empty.
        """
        desk = self.follower.desk
        known = desk is not None and desk.book.index > 0
        state: dict[str, Any] = {
            "session": self._session(),
            "health": self._health(),
            "mode": self._mode(),
            "market": None,
            "positions": [],
            "greeks": None,
            "gauges": [],
            "profit": None,
            "lines": None,
            "pace": [],
            "orders": [] if desk is None else self.story.orders(desk),
            "fills": list(self.story.fills),
            "marks": list(self.story.marks),
            "scalps": self.story.scalps,
            "limits": [],
            "alerts": self._alerts(),
        }
        if desk is None or not known:
            return state
        self._look_at_profit(desk)
        seen, book = totals(desk.portfolio, desk.book), desk.book
        state["market"] = {"index": book.index, "ts_ms": book.ts_ns // NS_PER_MILLISECOND}
        state["positions"] = positions(desk)
        state["greeks"] = greeks(seen, book.index)
        state["gauges"] = gauges(desk)
        state["profit"] = self._money()
        state["lines"] = self._lines()
        state["pace"] = self._pace(desk)
        if self._limits is not None:
            state["limits"] = self._limits.rows(desk, seen, self._profit.usd, self._age_s())
        return state

    def state(self) -> dict[str, Any]:
        """Everything in one."""
        return self.sections() | {
            "curves": {name: curve.columns()._asdict() for name, curve in self.curves.items()}
        }

    def _session(self) -> Row:
        follower, began, path = self.follower, self.story.began, self.source.path
        config, desk = follower.config, follower.desk
        if follower.desk is None or self.source.waiting:
            phase = "waiting"
        elif self.behind:
            phase = "catching up"
        else:
            phase = "replay" if self.source.replaying else "ended" if follower.stopped else "live"
        return {
            "phase": phase,
            "waiting": self.source.waiting or ("" if desk is not None else "a session to begin"),
            "behind": self.behind,
            "journal": path.name if path is not None else None,
            "venue": began.venue if began is not None else None,
            "paper": began.paper if began is not None else None,
            "speed": began.speed if began is not None else None,
            "version": began.version if began is not None else None,
            "shown_by": gammacore.__version__,
            "currency": config.currency if config is not None else None,
            "settlement": config.marks.settlement if config is not None else None,
            "starts": self.starts,
            "first_ms": follower.first_ns // NS_PER_MILLISECOND or None,
            "started_ms": self.started_ns // NS_PER_MILLISECOND or None,
            "last_ms": follower.last_ns // NS_PER_MILLISECOND or None,
            "uptime_s": max(follower.last_ns - self.started_ns, 0) / NS_PER_SECOND,
            "seq": follower.seq,
            "events": follower.events,
            "placed": follower.placed,
            "filled": follower.filled,
            "hedges": sum(e.hedges for e in desk.portfolio.episodes) if desk is not None else 0,
            "episodes": len(desk.portfolio.episodes) if desk is not None else 0,
        }

    def _age_s(self) -> float:
        """Of the last price: since the journal was written to, and until then by its own clock."""
        follower, desk = self.follower, self.follower.desk
        if desk is None or not desk.book.data_ns:
            return math.nan
        speed = self.story.began.speed if self.story.began is not None else 1.0
        return self.source.silent_s + max(follower.last_ns - desk.book.data_ns, 0) / NS_PER_SECOND / speed

    def _health(self) -> Row:
        silent_s, ended = self.source.silent_s, self.follower.stopped
        return {
            "silent_s": silent_s,
            "stale": bool(silent_s > STALE_S and not ended and self.follower.desk is not None),
            "price_age_s": self._age_s(),
            "link": self.story.link or None,
            "reconnects": self.story.reconnects,
            "gaps": self.story.gaps,
            "skew_s": self._limits.skew_s if self._limits is not None else 0.0,
            "parity": self.follower.difference is None,
        }

    def _mode(self) -> Row | None:
        changed = self.follower.mode
        if changed is None:
            return None
        return {
            "name": Mode(changed.mode).name,
            "reasons": list(changed.reasons),
            "since_ms": changed.ts_ns // NS_PER_MILLISECOND,
        }

    def _money(self) -> Row:
        start = self._limits.day_start if self._limits is not None else None
        today = None if start is None else self._profit.usd - start.profit_usd
        return {**self._profit._asdict(), "today_usd": today}

    def _lines(self) -> Row:
        """Where the money was at the last attribution."""
        self._explain()
        found = self._explained
        rows = {} if found is None else found.lines
        return {
            "rows": [{"line": line, **money._asdict()} for line, money in rows.items()],
            "coin": None if found is None else found.total.coin,
            "usd": None if found is None else found.total.usd,
            "ts_ms": self._explained_ns // NS_PER_MILLISECOND or None,
            "failed": self._failed,
        }

    def _explain(self) -> None:
        """Work out where the money is, if something is new and the last time is long enough ago."""
        desk, now_s = self.follower.desk, self._clock()
        if desk is None or now_s < self._explain_at or self._explained_seq == self.follower.seq:
            return
        try:
            self._explained, self._failed = self.follower.explain(), ""
        except LedgerError as error:
            self._failed = str(error)
        self._explained_seq, self._explained_ns = self.follower.seq, desk.book.ts_ns
        self._explain_at = self._clock() + max(EXPLAIN_S, (self._clock() - now_s) / SHARE)

    def _pace(self, desk: Desk) -> list[Row]:
        rows, book = [], desk.book
        for episode in desk.portfolio.open.values():
            pace = self._paces.get(episode.number)
            if pace is None or not episode.open:
                continue
            rows.append(
                {
                    "episode": episode.number,
                    "entry_ms": pace.entry_ns // NS_PER_MILLISECOND,
                    "expiry_ms": episode.expiry_ns // NS_PER_MILLISECOND,
                    "long": sum(episode.legs.values()) > 0,
                    "realised": pace.realised(book.ts_ns, book.forward(episode.expiry_ns)),
                    "at_hedges": pace.at_hedges(),
                    "paid": pace.paid,
                    "breakeven": pace.breakeven,
                    "implied": sum(book.vol(option) for option in episode.legs) / len(episode.legs),
                }
            )
        return rows

    def _alerts(self) -> list[Row]:
        """Alerts of the journal, and what its reader finds wrong."""
        follower, now_ns = self.follower, self.follower.last_ns
        if follower.difference is not None and not self._differs:
            self._differs = True
            seq = follower.difference.seq
            self.story.tell(now_ns, "critical", f"a fresh desk decides differently at record {seq}")
        odd = self._explained is not None and unexplained_share(self._explained) > UNEXPLAINED
        if odd and not self._odd:
            self.story.tell(now_ns, "warning", "more than 5 % of the profit's lines are not explained")
        self._odd = odd
        return list(self.story.alerts)
