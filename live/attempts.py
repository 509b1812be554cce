"""One order at the exchange, followed from the wish to its end.

An attempt ends when the exchange says so and every fill that it counts has been seen, or when nothing of it
can exist any more: after its validity the exchange finds neither its label nor a trade with that label
beyond those seen. The label alone proves nothing, since the exchange forgets orders after half an hour.
"""

from __future__ import annotations

import math
from enum import StrEnum

import msgspec

from gammacore.contracts import Combo
from gammacore.daycount import NS_PER_SECOND
from gammacore.deribit.news import OrderNews, OrderState, TradeNews
from gammacore.execution.quotes import Tradable
from gammacore.tolerances import DUST

ENDED = (OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED)

MARGIN_NS = NS_PER_SECOND  # after an order's validity, for clocks that differ
LABEL_NS = 1_000_000  # labels are short: no two journals start within it


class Stage(StrEnum):
    """How much is known of an attempt."""

    SENT = "sent"  # no answer yet
    OPEN = "open"  # in the book
    LEAVING = "leaving"  # its cancellation was asked for
    UNKNOWN = "unknown"  # it may have been accepted or not
    COUNTING = "counting"  # ended, some of its fills have not been seen
    ENDED = "ended"


class Placed(msgspec.Struct, frozen=True, gc=False, tag=True):
    """An order is about to be sent; journaled first, so that every order that can exist is named.

    It ``rests`` (post-only) or takes at once; the price of one that is ``fixed`` must not be moved. Of a
    ``combo`` the amount is in combos, and the instrument its first leg.
    """

    ts_ns: int
    label: str
    order_id: str
    leg: int
    instrument: Tradable
    amount: float
    limit: float
    rests: bool
    fixed: bool
    valid_until_ns: int
    combo: Combo | None = None

    @property
    def traded(self) -> Tradable | str:
        """What is sent for: the instrument, or the name of the combo."""
        return self.instrument if self.combo is None else self.combo.name


class Booked(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A trade of the exchange was booked; journaled with the fill that it became.

    ``leg`` is the name of its instrument where the order was for a combo.
    """

    ts_ns: int
    trade_id: str
    label: str
    amount: float
    leg: str = ""


def session_name(start_ns: int) -> str:
    """First part of the labels of a journal."""
    return f"g{start_ns // LABEL_NS:x}"


class Attempt:
    """State of one order.

    Parameters
    ----------
    placed : Placed

    Attributes
    ----------
    exchange_id : str
        Empty until the exchange told it.
    seen : float
        Filled, signed, as seen in trades; of a combo as far as all its legs were.
    told : float
        Filled, not negative, as the exchange counts.
    look_ns : int
        When to ask for it by its label, if nothing is heard before.
    unlisted : bool
        The exchange did not find its label: its trades decide.
    """

    def __init__(self, placed: Placed) -> None:
        self.placed = placed
        self.stage = Stage.SENT
        self.exchange_id = ""
        self.seen = 0.0
        self.told = 0.0
        self.reason = ""
        self.look_ns = placed.valid_until_ns + MARGIN_NS
        self.asked_ns = 0
        self.unlisted = False
        self._legs: dict[str, float] = {}  # of a combo: seen of each

    @property
    def over(self) -> bool:
        """Whether nothing of it can come any more."""
        return self.stage is Stage.ENDED

    @property
    def left(self) -> float:
        """Amount not seen filled, signed."""
        return self.placed.amount - self.seen

    def left_of(self, leg: str) -> float:
        """Return the amount not seen filled, of a combo's that of one of its legs; not negative."""
        if self.placed.combo is None:
            return abs(self.left)
        ratio = next((ratio for one, ratio in self.placed.combo.legs if one.name == leg), 0)
        return abs(self.placed.amount * ratio - self._legs.get(leg, 0.0))

    @property
    def filled(self) -> bool:
        """Whether all of it was filled."""
        return self.over and abs(self.left) < DUST

    def doubt(self) -> None:
        """Note that it may have been accepted or not: it is asked for when it can no longer be."""
        self.stage, self.unlisted = Stage.UNKNOWN, False
        self.look_ns = self.placed.valid_until_ns + MARGIN_NS

    def too_late(self, now_ns: int) -> bool:
        """Whether the exchange would no longer accept it."""
        return now_ns > self.placed.valid_until_ns + MARGIN_NS

    def count(self, amount: float, leg: str) -> None:
        """Add what was booked of the order, or of a combo's leg."""
        if self.placed.combo is None:
            self.seen += amount
            return
        self._legs[leg] = self._legs.get(leg, 0.0) + amount
        parts = [abs(self._legs.get(one.name, 0.0) / ratio) for one, ratio in self.placed.combo.legs]
        self.seen = math.copysign(min(parts), self.placed.amount)

    def trade(self, news: TradeNews, leg: str = "") -> None:
        """Count a fill, of a combo's that of one of its legs."""
        self.count(news.amount, leg)
        if self.placed.combo is not None and abs(self.left) >= DUST:
            self._count()  # order ids of legs are not the order's
            return
        self.told = max(self.told, abs(self.seen))  # the exchange has told so much by its trades
        if self.placed.combo is None:
            self.exchange_id = self.exchange_id or news.order_id
        if abs(self.left) < DUST:
            self.stage = Stage.ENDED
        else:
            self._count()

    def order(self, news: OrderNews) -> None:
        """Take over what the exchange says of the order; what is older than known changes nothing."""
        if self.over:
            return
        self.exchange_id, self.unlisted = news.order_id, False
        self.told = max(self.told, news.filled_amount)
        if news.state in ENDED:
            self.stage, self.reason = Stage.COUNTING, news.cancel_reason or news.state.value
            self._count()
        elif self.stage in (Stage.SENT, Stage.UNKNOWN):
            self.stage = Stage.OPEN

    def end(self, reason: str) -> None:
        """Note that it was not accepted, or no longer exists: nothing was filled but what is counted."""
        if not self.over:
            self.stage, self.reason = Stage.COUNTING, reason
            self._count()

    def _count(self) -> None:
        if self.stage is Stage.COUNTING and abs(abs(self.seen) - self.told) < DUST:
            self.stage = Stage.ENDED
