"""What is to be done at the exchange, and the orders of the desk that it is done for."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec

from gammacore.orders import Order
from gammacore.tolerances import DUST

from .attempts import Attempt, Placed, Stage


class Place(msgspec.Struct, frozen=True):
    """Send this order."""

    placed: Placed


class CancelPlaced(msgspec.Struct, frozen=True):
    """Cancel this one."""

    label: str
    exchange_id: str


class QueryKind(StrEnum):
    """What to ask of an order."""

    STATE = "state"  # by its label
    FILLS = "fills"  # the trades of its id, as some that the exchange counts were not seen
    TRADES = "trades"  # all trades since it was placed, as its label was not found


class Query(msgspec.Struct, frozen=True):
    """Ask what became of an order."""

    kind: QueryKind
    placed: Placed
    exchange_id: str

    @property
    def label(self) -> str:
        """Of the order."""
        return self.placed.label


Action = Place | CancelPlaced | Query


class AtWork(NamedTuple):
    """An order of the desk that is still at work, since when, and why; without a reason a guard holds it."""

    order: Order
    since_ns: int
    why: str


class Work:
    """One order of the desk."""

    def __init__(self, order: Order, since_ns: int) -> None:
        self.order = order
        self.left = [leg.amount for leg in order.legs]
        self.attempts: list[list[Attempt]] = [[] for _ in order.legs]
        self.since_ns = since_ns
        self.cancelled = False
        self.given_up = [""] * len(order.legs)

    def start_ns(self) -> int:
        """When it was submitted, or its first attempt left; 0 if neither is known."""
        placed = [attempt.placed.ts_ns for tried in self.attempts for attempt in tried]
        return min([at for at in (self.since_ns, *placed) if at], default=0)

    @property
    def active(self) -> list[Attempt]:
        """Attempts of which something may still come."""
        return [attempt for tried in self.attempts for attempt in tried if not attempt.over]

    def done(self, leg: int) -> bool:
        """Whether nothing more is wanted or tried of a leg."""
        return abs(self.left[leg]) < DUST or bool(self.given_up[leg])


def query_of(attempt: Attempt) -> Query:
    """Choose what to ask of an attempt that nothing was heard of."""
    counts = attempt.stage is Stage.COUNTING and attempt.exchange_id
    kind = QueryKind.TRADES if attempt.unlisted else QueryKind.FILLS if counts else QueryKind.STATE
    return Query(kind, attempt.placed, attempt.exchange_id)
