"""What is to be done at the exchange, and the orders of the desk that it is done for."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec

from gammacore.contracts import Combo, Option
from gammacore.execution.combos import Combined
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


class MakeCombo(msgspec.Struct, frozen=True):
    """Ask for the combo of an order's legs, and make it if there is none."""

    order_id: str
    legs: tuple[tuple[Option, int], ...]


Action = Place | CancelPlaced | Query | MakeCombo


class AtWork(NamedTuple):
    """An order of the desk that is still at work, since when, and why; without a reason a guard holds it."""

    order: Order
    since_ns: int
    why: str


class ComboWork:
    """An order of several legs as far as it is worked as a combo.

    Attributes
    ----------
    wanted : Combined
    asked_ns : int
        When the combo was asked for; 0 before.
    combo : Combo or None
        As the exchange lists it.
    why : str
        Why the legs are worked instead; empty while it is tried.
    attempts : list of Attempt
    """

    def __init__(self, wanted: Combined) -> None:
        self.wanted = wanted
        self.asked_ns = 0
        self.combo: Combo | None = None
        self.why = ""
        self.attempts: list[Attempt] = []

    @property
    def over(self) -> bool:
        """Whether the legs are worked instead, and nothing of the combo can come any more."""
        return bool(self.why) and all(attempt.over for attempt in self.attempts)

    @property
    def left(self) -> float:
        """Combos that were not filled, signed."""
        return self.wanted.count - sum(attempt.seen for attempt in self.attempts)


class Work:
    """One order of the desk; ``combo`` is None where its legs are worked one by one from the start."""

    def __init__(self, order: Order, since_ns: int) -> None:
        self.order = order
        self.combo: ComboWork | None = None
        self.left = [leg.amount for leg in order.legs]
        self.attempts: list[list[Attempt]] = [[] for _ in order.legs]
        self.since_ns = since_ns
        self.cancelled = False
        self.given_up = [""] * len(order.legs)

    def start_ns(self) -> int:
        """When it was submitted, or its first attempt left; 0 if neither is known."""
        placed = [attempt.placed.ts_ns for attempt in self.all_attempts]
        return min([at for at in (self.since_ns, *placed) if at], default=0)

    @property
    def all_attempts(self) -> list[Attempt]:
        """Those of legs and of the combo."""
        combo = [] if self.combo is None else self.combo.attempts
        return [*combo, *(attempt for tried in self.attempts for attempt in tried)]

    @property
    def active(self) -> list[Attempt]:
        """Attempts of which something may still come."""
        return [attempt for attempt in self.all_attempts if not attempt.over]

    def done(self, leg: int) -> bool:
        """Whether nothing more is wanted or tried of a leg."""
        return abs(self.left[leg]) < DUST or bool(self.given_up[leg])


def query_of(attempt: Attempt) -> Query:
    """Choose what to ask of an attempt that nothing was heard of."""
    counts = attempt.stage is Stage.COUNTING and attempt.exchange_id
    # Trades of a combo's legs have order ids of their own.
    fills = QueryKind.FILLS if attempt.placed.combo is None else QueryKind.TRADES
    kind = QueryKind.TRADES if attempt.unlisted else fills if counts else QueryKind.STATE
    return Query(kind, attempt.placed, attempt.exchange_id)
