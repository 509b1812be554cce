"""Hedge orders of a journal and how they were worked."""

from __future__ import annotations

import os
from typing import NamedTuple

from gammacore.config import Config
from gammacore.errors import JournalError
from gammacore.events import Fill, Outside, Rejected
from gammacore.execution.sent import SentOrder, WorkedHedge
from gammacore.orders import Order, Purpose

from .attempts import Booked, Placed
from .journal import read
from .retold import Retold

__all__ = ["HedgesTold", "hedges_told"]


class HedgesTold(NamedTuple):
    """What a session ordered to hedge.

    Attributes
    ----------
    config : Config
        Of its start.
    hedges : list of WorkedHedge
        In the order of their decisions.
    """

    config: Config
    hedges: list[WorkedHedge]


class _Working:
    """A hedge while its records are read."""

    def __init__(self, order: Order, ts_ns: int) -> None:
        self.order, self.ts_ns, self.over_ns = order, ts_ns, 0
        self.fills: list[Fill] = []
        self.placed: list[Placed] = []
        self.booked: Booked | None = None  # whose fill is the next record
        self.parts: dict[str, list[tuple[int, float, float]]] = {}  # fills by label

    def told(self, last_ns: int) -> WorkedHedge:
        """All of it; what never ended did so with the journal."""
        ends = [placed.ts_ns for placed in self.placed[1:]] + [self.over_ns or last_ns]
        sent = tuple(self._sent(placed, ended_ns) for placed, ended_ns in zip(self.placed, ends, strict=True))
        return WorkedHedge(self.order, self.ts_ns, tuple(self.fills), sent)

    def fill(self, fill: Fill, ts_ns: int) -> None:
        """Take a fill, as the exchange dated it."""
        self.fills.append(fill)
        self.over_ns = ts_ns if fill.last else 0
        if self.booked is not None:
            part = self.booked.ts_ns, fill.price, fill.amount
            self.parts.setdefault(self.booked.label, []).append(part)
        self.booked = None

    def _sent(self, placed: Placed, ended_ns: int) -> SentOrder:
        fills = tuple(self.parts.get(placed.label, ()))
        return SentOrder(placed.ts_ns, ended_ns, placed.amount, placed.limit, placed.rests, fills)


def hedges_told(path: str | os.PathLike[str]) -> HedgesTold:
    """Read the hedge orders of a journal.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    JournalError
        If it is no journal, is empty, or this version of gammacore cannot read it.
    """
    told, found, last_ns = Retold(), dict[str, _Working](), 0
    by_label: dict[str, _Working] = {}
    for record in read(path):
        item, last_ns = told.take(record), max(last_ns, record.ts_ns)
        if isinstance(item, Order) and item.purpose is Purpose.HEDGE:
            found[item.order_id] = _Working(item, record.ts_ns)
        elif isinstance(item, Placed) and item.order_id in found:
            working = by_label[item.label] = found[item.order_id]
            working.placed.append(item)
        elif isinstance(item, Booked) and item.label in by_label:
            by_label[item.label].booked = item
        elif isinstance(item, Fill) and not isinstance(item, Outside) and item.order_id in found:
            found[item.order_id].fill(item, record.ts_ns)
        elif isinstance(item, Rejected) and item.order_id in found:
            found[item.order_id].over_ns = record.ts_ns
    if told.config is None:
        raise JournalError(f"{path}: empty")
    return HedgesTold(told.config, [working.told(last_ns) for working in found.values()])
