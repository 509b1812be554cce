"""Hedge orders of a journal and how they were filled."""

from __future__ import annotations

import os
from typing import NamedTuple

from gammacore.config import Config
from gammacore.errors import JournalError
from gammacore.events import Fill, Outside
from gammacore.orders import Order, Purpose

from .journal import RecordKind, read
from .retold import Retold

__all__ = ["HedgesTold", "hedges_told"]


class HedgesTold(NamedTuple):
    """What a session ordered to hedge.

    Attributes
    ----------
    config : Config
        Of its start.
    hedges : list of (Order, int, list of Fill)
        Each order, when it was decided (nanoseconds UTC), and its fills.
    """

    config: Config
    hedges: list[tuple[Order, int, list[Fill]]]


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
    told, found = Retold(), dict[str, tuple[Order, int, list[Fill]]]()
    for record in read(path):
        item = told.take(record)
        if record.kind is RecordKind.COMMAND and isinstance(item, Order) and item.purpose is Purpose.HEDGE:
            found[item.order_id] = item, record.ts_ns, []
        elif isinstance(item, Fill) and not isinstance(item, Outside) and item.order_id in found:
            found[item.order_id][2].append(item)
    if told.config is None:
        raise JournalError(f"{path}: empty")
    return HedgesTold(told.config, list(found.values()))
