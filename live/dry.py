"""A decision run dry: the way of a price to an order, and nothing of it is real.

A session whose market is slow finds its code and data gone from the caches when a price moves at last;
steps that were run a moment before take less time. So a twin of the hedger goes through them: the desk is the
real one, asked what it would do and not told anything, and all else a twin of its own that forgets.
"""

from __future__ import annotations

from typing import Any

from gammacore.events import Event
from gammacore.orders import Command, Order, Purpose, order_id_of

from .feed import Feed
from .hedger import Hedger
from .journal import Records
from .parts import Parts
from .risk_manager import RiskManager
from .tail import Tail


class DryRun:
    """Rehearses decisions.

    Parameters
    ----------
    hedger : Hedger
        The real one.
    """

    def __init__(self, hedger: Hedger) -> None:
        self._real, self._journal = hedger, Records(Tail())
        self._feed = Feed(hedger.feed.base, hedger.feed.settlement)
        self._execution = hedger.execution.twin()
        self._risk = risk = RiskManager(hedger.risk.guards, hedger.desk, hold=_nothing)
        ends = self._journal, _Nowhere(hedger)
        self._twin = Hedger(
            Parts(hedger.desk, self._feed, self._execution, risk, hedger.positions, *ends),
            hedger.timing,
            decide=self._hedge_now,
            permit=lambda order: risk.refusal(order) and "",  # asked, and of no consequence
            noted=_nothing,
            ready=True,
        )

    def run(self) -> int:
        """Hear the last price of the perpetual once more; returns how many orders that would have sent."""
        news = self._real.execution.quotes.get(self._feed.perpetual)  # noting it again changes nothing
        if news is None:
            return 0
        before = self._twin.dispatch.sent
        self._twin.on_news(news)
        self._execution.clear()
        self._journal.flush()
        self._risk.clear()
        return self._twin.dispatch.sent - before

    def _hedge_now(self, event: Event) -> list[Command]:
        """Decide as the desk would if it had to hedge."""
        return [
            Order(order_id_of(number, Purpose.HEDGE, 0), number, Purpose.HEDGE, (leg,))
            for number, leg in enumerate(self._real.desk.rehearse())
        ]


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


def _nothing(*args: Any) -> None:
    pass
