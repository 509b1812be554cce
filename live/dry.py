"""A decision run dry: the way of a price to an order, and nothing of it is real.

A session whose market is slow finds its code and data gone from the caches when a price moves at last;
steps that were run a moment before take less time. So a twin of the hedger goes through them: the desk is the
real one, asked what it would do and not told anything, and all else a twin of its own that forgets.
"""

from __future__ import annotations

from typing import Any

from gammacore.desk import Desk
from gammacore.events import Event
from gammacore.orders import Command, Order, Purpose

from .feed import Feed
from .hedger import Hedger
from .journal import Journal
from .risk_manager import Mode, RiskManager
from .tail import Tail

__all__ = ["DryRun"]


class DryRun:
    """Rehearses decisions.

    Parameters
    ----------
    hedger : Hedger
        The real one.
    """

    def __init__(self, hedger: Hedger) -> None:
        self._real, self._journal, self._session = hedger, _Memory(), _Nowhere(hedger)
        self._feed = Feed(hedger.feed.base, hedger.feed.settlement)
        self._execution = hedger.execution.twin()
        self._risk = _Silent(hedger.risk.guards, hedger.desk)
        self._twin = _Twin(
            _Eager(hedger.desk),
            self._feed,
            self._execution,
            self._risk,
            self._journal,
            self._session,
            hedger.timing,
            hedger.positions,
        )
        self._twin.wake()

    def run(self) -> int:
        """Hear the last price of the perpetual once more; returns how many orders that would have sent."""
        news = self._real.execution.quotes.get(self._feed.perpetual)  # noting it again changes nothing
        if news is None:
            return 0
        before = self._twin.sent
        self._twin.on_news(news)
        for twin in (self._execution, self._journal, self._risk):
            twin.clear()
        return self._twin.sent - before


class _Eager(Desk):
    """The real desk, which has to hedge now."""

    def __init__(self, desk: Desk) -> None:
        self.__dict__ = desk.__dict__

    def handle(self, event: Event) -> list[Command]:
        return [
            Order(f"{number}-hedge-0", number, Purpose.HEDGE, (leg,))
            for number, leg in enumerate(self.rehearse())
        ]


class _Twin(Hedger):
    """A hedger that tells nobody."""

    def wake(self) -> None:
        self._ready, self.execution.paused = True, False

    def _forbidden(self, order: Order) -> str:
        return self.risk.refusal(order) and ""  # asked, and of no consequence

    def _note(self, order: Order) -> None:
        pass


class _Silent(RiskManager):
    """A risk manager without an opinion."""

    def _set(self, name: str, mode: Mode, reason: str) -> None:
        pass

    def clear(self) -> None:
        self._sent.clear()
        self._hedges.clear()


class _Memory(Journal):
    """A journal that is forgotten."""

    def __init__(self) -> None:
        self._rows = []
        self._safe = self._seq = 0
        self._tail = Tail()

    def clear(self) -> None:
        self._rows.clear()
        self._safe = 0
        self._tail.clear()


class _Nowhere:
    """A session that takes everything and sends nothing."""

    def __init__(self, hedger: Hedger) -> None:
        self._session = hedger.session

    @property
    def skew_s(self) -> float:
        return self._session.skew_s

    def now_ns(self) -> int:
        return self._session.now_ns()

    def _nothing(self, *args: Any, **options: Any) -> Any:
        return 0

    send_order = cancel = cancel_all = request = drop = subscribe = unsubscribe = _nothing
