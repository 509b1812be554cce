"""A decision run dry: from the desk's look at its mismatch to an order, and nothing of it is real.

A session whose market is slow finds its code and data gone from the caches when a price moves at last;
steps that were run a moment before take less time. Everything here has a twin of its own: the desk looks and
changes nothing, the execution is one that nobody reads, the journal is in memory.
"""

from __future__ import annotations

import math

from gammacore.desk import Desk
from gammacore.events import IndexPrice
from gammacore.orders import Order, Purpose

from .execution import Execution, Place
from .journal import Journal
from .risk_manager import RiskManager
from .tail import Tail

__all__ = ["DryRun"]


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


class DryRun:
    """Rehearses decisions.

    Parameters
    ----------
    desk : Desk
    execution : Execution
        The real one: its settings and quotes are used.
    risk : RiskManager
        Asked, and told nothing.
    """

    def __init__(self, desk: Desk, execution: Execution, risk: RiskManager) -> None:
        self._desk = desk
        self._execution = execution.twin()
        self._execution.forbidden = lambda order: risk.refusal(order) and ""  # of no consequence
        self._journal = _Memory()

    def run(self, now_ns: int) -> int:
        """Decide, and take it as far as an order that is not sent; returns how many there would be."""
        orders = 0
        book = self._desk.book
        for number, leg in enumerate(self._desk.rehearse()):
            order = Order(f"{number}-hedge-0", number, Purpose.HEDGE, (leg,))
            event = IndexPrice(book.ts_ns, book.index, book.interest, math.nan)
            self._journal.handled(event, (order,))
            self._execution.submit(order, now_ns)
            for action in self._execution.actions():
                if isinstance(action, Place):
                    self._journal.told(action.placed)
                    orders += 1
            self._journal.secure()
            self._journal.clear()
            self._execution.clear()
        return orders
