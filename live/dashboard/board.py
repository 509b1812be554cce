"""What a page shows of a session: the state in sections, brought up to date record by record.

Nothing is read or worked out twice: the desk of a :class:`~gammacore.live.follow.Follower` goes on from event
to event, curves are thinned as they grow. Only the attribution looks at the whole path of the open episodes;
it is done as often as costs :data:`SHARE` of the time.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Any

from gammacore.attribution import share_of
from gammacore.daycount import NS_PER_MILLISECOND, NS_PER_SECOND
from gammacore.desk import Desk
from gammacore.errors import GammacoreError, LedgerError
from gammacore.events import Event, IndexPrice, Snapshot
from gammacore.ledger import Money
from gammacore.risk import totals

from ..follow import Explained, Follower
from ..journal import Record, RecordKind
from ..news import ClockSkew
from ..pace import Paces, is_long
from ..watch import UNEXPLAINED
from .holdings import Profits, gauges, greeks, positions
from .limits import LimitsUse
from .series import Curve
from .session import health_of, mode_of, price_age_s, session_of
from .source import Source
from .story import Story

Row = dict[str, Any]
log = logging.getLogger("gammacore.dashboard")
SHARE = 0.01  # of a core that the attribution may take
POINT_NS = 5 * NS_PER_SECOND  # between two points of the path that it looks at, for weeks of a session
EXPLAIN_S = 1.0  # at least, between two attributions
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
    behind : int
        Records that are there and have not been read.
    broken : str
        Why nothing more is read, empty while it is.
    trouble : str
        Why the journal cannot be read just now; set by who reads.
    skew_s : float
        By which the session's clock is behind the exchange's, as far as the journal says.
    starts, started_ns : int
        Processes so far, and when the last one began.
    """

    def __init__(self, source: Source, clock: Callable[[], float] = time.monotonic) -> None:
        self.source, self._clock = source, clock
        self.trouble = ""
        self._begin()

    def _begin(self) -> None:
        self.paces = Paces()
        self.follower = Follower(self.source.path or "", POINT_NS, self.paces)
        self.story = Story()
        self.curves = {"price": Curve(), "profit": Curve()}
        self.starts, self.started_ns = 0, 0
        self.behind, self.broken, self.skew_s = 0, "", 0.0
        self._limits: LimitsUse | None = None
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
        if self.broken:
            return 0
        for record in records:
            before = self.follower.seq
            try:
                self.take(record)
            except (ArithmeticError, AssertionError, GammacoreError, LookupError, ValueError) as error:
                self._break(before, record.seq, f"{type(error).__name__}: {error}")
                return 0
        self.behind = self.source.left() if len(records) == most else 0
        return len(records)

    def _break(self, before: int, seq: int, why: str) -> None:
        """Read no further: whatever came after a record that was not understood would be wrong."""
        self.follower.seq, self.behind = before, 0
        self.broken = f"record {seq} cannot be understood: {why}"
        log.error("cannot go on", extra={"reason": self.broken})
        self.story.tell(self.follower.last_ns, "critical", self.broken)

    def take(self, record: Record) -> None:
        """Take in the next record."""
        found = self.follower.take(record)
        desk = self.follower.desk
        if record.kind is RecordKind.START:
            self._start(record.ts_ns)
        elif record.kind is RecordKind.STOP:
            self.story.stopped(record.ts_ns)
        if desk is None or self._limits is None or found is None:
            return
        self.story.take(found, record.ts_ns, desk)
        self._limits.take(found, record.ts_ns)
        if record.kind is RecordKind.EVENT:
            self._event(found, desk)
        elif isinstance(found, ClockSkew):
            self._limits.skew_s = self.skew_s = found.seconds

    def _start(self, ts_ns: int) -> None:
        self.story.started(ts_ns, self.starts > 0)
        self.starts, self.started_ns = self.starts + 1, ts_ns
        assert self.follower.config is not None
        if self._limits is None:
            self._limits = LimitsUse(self.follower.config)
        self._limits.started()

    def _event(self, event: Event, desk: Desk) -> None:
        market = desk.market
        if not market.index > 0:
            return
        if isinstance(event, IndexPrice | Snapshot):
            self.curves["price"].add(market.ts_ns, market.index)
        if market.ts_ns - self._profit_ns >= PROFIT_NS:
            self._look_at_profit(desk)

    def _look_at_profit(self, desk: Desk) -> None:
        now_ns = desk.market.ts_ns
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
        known = desk is not None and desk.market.index > 0
        state: dict[str, Any] = {
            "session": session_of(self),
            "health": health_of(self),
            "mode": mode_of(self.follower),
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
        seen, market = totals(desk.portfolio, desk.market), desk.market
        state["market"] = {"index": market.index, "ts_ms": market.ts_ns // NS_PER_MILLISECOND}
        state["positions"] = positions(desk)
        state["greeks"] = greeks(seen, market.index)
        state["gauges"] = gauges(desk)
        state["profit"] = self._money()
        state["lines"] = self._lines()
        state["pace"] = self._pace(desk)
        if self._limits is not None:
            state["limits"] = self._limits.rows(desk, seen, self._profit.usd, price_age_s(self))
        return state

    def state(self) -> dict[str, Any]:
        """Everything in one."""
        return self.sections() | {
            "curves": {name: curve.columns()._asdict() for name, curve in self.curves.items()}
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
        self._explained_seq, self._explained_ns = self.follower.seq, desk.market.ts_ns
        self._explain_at = self._clock() + max(EXPLAIN_S, (self._clock() - now_s) / SHARE)

    def _pace(self, desk: Desk) -> list[Row]:
        rows, market = [], desk.market
        for episode in desk.portfolio.open.values():
            pace = self.paces.of(episode)
            if pace is None:
                continue
            rows.append(
                {
                    "episode": episode.number,
                    "entry_ms": pace.entry_ns // NS_PER_MILLISECOND,
                    "expiry_ms": episode.expiry_ns // NS_PER_MILLISECOND,
                    "long": is_long(episode),
                    "told": self.paces.told(episode, market),
                    "realised": pace.realised(market.ts_ns, market.forward(episode.expiry_ns)),
                    "at_hedges": pace.at_hedges(),
                    "paid": pace.paid,
                    "breakeven": pace.breakeven,
                    "implied": sum(market.iv(option) for option in episode.legs) / len(episode.legs),
                }
            )
        return rows

    def _alerts(self) -> list[Row]:
        """Alerts of the journal, and what its reader finds wrong."""
        follower, now_ns = self.follower, self.follower.last_ns
        if follower.departure is not None and not self._differs:
            self._differs = True
            seq = follower.departure.seq
            self.story.tell(now_ns, "critical", f"replay check failed at record {seq}")
        odd = self._explained is not None and share_of("unexplained", self._explained.sizes) > UNEXPLAINED
        if odd and not self._odd:
            self.story.tell(now_ns, "warning", "more than 5 % of the moves of profit are not explained")
        self._odd = odd
        return list(self.story.alerts)
