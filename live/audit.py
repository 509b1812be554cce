"""Holds our positions against the exchange's, which are the truth; what can be explained corrects ours.

News may be lost, and positions may move between accounts without a trade. A difference is looked up in the
exchange's log of transactions, then the connection is made anew, which brings every trade that was missed.
What is left unexplained halts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from gammacore.daycount import NS_PER_MINUTE, NS_PER_SECOND
from gammacore.deribit import methods as m
from gammacore.deribit.news import PositionMove, PositionNews
from gammacore.tolerances import DUST

from .asked import Asked, Question
from .parts import Parts
from .positions import currency_of

RETRY_NS = 5 * NS_PER_SECOND  # while positions differ
ODD_AUDITS = 3  # in a row, until positions that differ halt
NEWS_NS = NS_PER_SECOND  # from news of a position to the audit that it calls for
Moved = Callable[[PositionMove, float], None]
log = logging.getLogger("gammacore.live")


class Audit:
    """Compares what we think we hold with what the exchange says, while nothing is at work.

    Parameters
    ----------
    parts : Parts
    asked : Asked
    now_ns : callable() -> int
    every_ns : int
    moved : callable(PositionMove, float)
        Books a signed amount that came without a trade.
    known_ns : int
        When the positions were known last; 0 is now.
    seen : iterable of int
        Moves that were booked before.
    """

    def __init__(
        self,
        parts: Parts,
        asked: Asked,
        now_ns: Callable[[], int],
        every_ns: int,
        moved: Moved,
        known_ns: int = 0,
        seen: Iterable[int] = (),
    ) -> None:
        self._execution, self._positions, self._risk = parts.execution, parts.positions, parts.risk
        self._session, self._currency = parts.session, parts.feed.currency
        self._now_ns, self._every_ns, self._moved = now_ns, every_ns, moved
        self._due_ns = self._odd = 0
        self._agreed_ns = known_ns
        self._differ: dict[str, tuple[float, float]] = {}
        self._seen, self._unnamed = set(seen), set[str]()
        self._question = Question(asked, m.GET_POSITIONS, self._told)
        self._log = Question(asked, m.GET_TRANSACTION_LOG, self._logged)

    def tick(self, now_ns: int) -> None:
        """Ask if that is due."""
        self._agreed_ns = self._agreed_ns or now_ns
        under_way = self._question.under_way or self._log.under_way
        if now_ns >= self._due_ns and not self._execution.busy and not under_way:
            self._due_ns = now_ns + self._every_ns
            self._question.ask(currency="any")

    def position(self, news: PositionNews) -> None:
        """Look soon if news of a position are not what we think."""
        instrument = news.instrument
        if (
            not isinstance(instrument, str)
            and self._sees(instrument.name)
            and not self._positions.agrees(news)
        ):
            self._due_ns = min(self._due_ns, self._now_ns() + NEWS_NS)

    def _sees(self, name: str) -> bool:
        """Whether a position is looked after: trades that settle in other currencies are not asked for."""
        return currency_of(name) == self._currency

    def _told(self, positions: Sequence[PositionNews]) -> None:
        now_ns = self._now_ns()
        if self._execution.busy:
            return
        differ = self._positions.differences(positions, now_ns)
        self._differ = odd = {name: sizes for name, sizes in differ.items() if self._sees(name)}
        for name in {name for name in differ if not currency_of(name)} - self._unnamed:
            self._unnamed.add(name)  # the holder's: nothing here can have traded it
            log.warning("a position that cannot be named, and is not hedged", extra={"instrument": name})
        if not odd:
            self._odd, self._agreed_ns = 0, now_ns
            return
        self._odd += 1
        self._due_ns = now_ns + RETRY_NS
        named = ", ".join(f"{name} {a:g} here, {b:g} there" for name, (a, b) in odd.items())
        told = f"positions differ: {named}"
        if self._odd >= ODD_AUDITS:
            self._risk.latch("positions", told)
        elif self._odd > 1:
            log.warning("positions differ", extra={"reason": told})
            self._session.drop(told)  # the next connection brings the trades that we were not told of
        else:
            since_ns = self._agreed_ns - NS_PER_MINUTE  # clocks differ
            self._log.ask(**m.log_between(since_ns, now_ns + NS_PER_MINUTE, self._currency))

    def _logged(self, moves: Iterable[PositionMove]) -> None:
        """Book the moves that explain a difference."""
        fresh = [move for move in moves if move.number not in self._seen]
        for name, (ours, theirs) in self._differ.items():
            own = [x for x in fresh if not isinstance(x.instrument, str) and x.instrument.name == name]
            for move, amount in explaining(own, theirs - ours):
                self._seen.add(move.number)
                self._moved(move, amount)
                self._due_ns = 0


def name_of(move: PositionMove) -> str:
    """Name a move as a trade is named by its id."""
    return f"moved-{move.number}"


def move_of(trade_id: str) -> int | None:
    """Return the number of the move that was booked as a trade, None if it was one."""
    number = trade_id.removeprefix("moved-")
    return int(number) if number != trade_id else None


def explaining(moves: Sequence[PositionMove], change: float) -> list[tuple[PositionMove, float]]:
    """Find the latest moves, oldest first, that add up to a change; none if no number of them does.

    A single move whose direction is not told has that of the change.
    """
    found: list[tuple[PositionMove, float]] = []
    for move in reversed(moves):
        side = move.direction or (1 if change > 0 else -1)
        found.insert(0, (move, side * move.amount))
        if abs(sum(amount for _, amount in found) - change) <= DUST:
            return found
    return []
