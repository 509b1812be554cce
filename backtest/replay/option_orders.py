"""Options that rest, worked against the quotes of the chains: the steps of a session, within the bars.

What rests fills, whole and at its limit, once the other side's quote has gone through it: the quote of a
chain, or one that moved with the underlying since (:mod:`.option_quotes`). What takes gets the other side's
best, within the collar. There is no depth and no queue. The clock of an order runs within a bar; what was
filled there is booked at the bar's end, where the desk learns of it and hedges at a price of that time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import numpy as np

from gammacore.array_types import Floats
from gammacore.contracts import Option
from gammacore.events import Event, Fill, Rejected
from gammacore.execution.leg_seen import LegSeen
from gammacore.execution.options import reason_of
from gammacore.execution.pricing import Pricing, Settings
from gammacore.execution.steps import (
    NO_QUOTE_NS,
    NOTHING,
    PAUSE_NS,
    GiveUp,
    Resting,
    Send,
    Tried,
    Willing,
    leaves,
    next_step,
)
from gammacore.orders import Leg, Order

from .option_quotes import BarPath, OptionQuotes

__all__ = ["OptionOrders"]


class _Found(NamedTuple):
    """A fill that is not booked yet."""

    leg: Leg
    price: float
    maker: bool


@dataclass(slots=True)
class _Work:
    """One order: what is left of each leg, what rests, what was tried, and why it was given up."""

    order: Order
    since_ns: int
    left: list[float]
    resting: list[Resting | None]
    tried: list[Tried]
    given_up: list[str]
    found: list[_Found] = field(default_factory=list)
    cancelled: bool = False

    def done(self, leg: int) -> bool:
        return self.left[leg] == 0.0 or bool(self.given_up[leg])

    def book(self, leg: int, price: float, *, maker: bool) -> None:
        """Fill a leg whole."""
        self.found.append(_Found(Leg(self.order.legs[leg].instrument, self.left[leg]), price, maker))
        self.left[leg], self.resting[leg] = 0.0, None

    @property
    def begun(self) -> bool:
        return any(tried.last_ns for tried in self.tried)


def _work(order: Order, now_ns: int) -> _Work:
    legs = len(order.legs)
    left = [leg.amount for leg in order.legs]
    return _Work(order, now_ns, left, [None] * legs, [NOTHING] * legs, [""] * legs)


@dataclass(slots=True)
class OptionOrders:
    """Orders for options at work.

    Parameters
    ----------
    settings : Settings
    quotes : OptionQuotes
    path : BarPath
    pricing : Pricing
    fill : callable(order, leg, price, maker) -> Fill
        How the exchange books one.

    Attributes
    ----------
    rested, took, given_up : int
        Legs that were filled at rest, and by taking; orders that were not filled whole.
    """

    settings: Settings
    quotes: OptionQuotes
    path: BarPath
    pricing: Pricing
    fill: Callable[[Order, Leg, float, bool], Fill]
    rested: int = 0
    took: int = 0
    given_up: int = 0
    _works: dict[str, _Work] = field(default_factory=dict)
    _seen_ns: int = 0

    @property
    def busy(self) -> bool:
        """Whether anything is at work."""
        return bool(self._works)

    def works(self, order: Order) -> bool:
        """Whether an order is worked here: one for options that does not take at once."""
        return self.settings.tactic(order.purpose).way != "take" and order.limit is None

    def submit(self, order: Order, now_ns: int, index: float) -> list[Event]:
        """Begin an order; what fills at once, or ends."""
        if not self.busy:
            self._seen_ns = now_ns
        self._works[order.order_id] = _work(order, now_ns)
        return self.look(now_ns, index)

    def cancel(self, order_id: str) -> None:
        """Take an order back; the next look ends it."""
        if order_id in self._works:
            self._works[order_id].cancelled = True

    def pass_to(self, now_ns: int) -> None:
        """Let the time up to the next entry of a tape pass, at the quotes that are known before it."""
        while (due := self._due_ns()) is not None and due < now_ns:
            self._step_all(due, self.path.at(due), self.path.prices(self._seen_ns, due))
        self._through_all(self.path.prices(self._seen_ns, now_ns - 1), now_ns - 1)

    def look(self, now_ns: int, index: float) -> list[Event]:
        """Do what is due at an entry of a tape, at its price of the underlying; fills and ends so far."""
        self._step_all(now_ns, index, np.array([index]))
        done = [work for work in self._works.values() if all(map(work.done, range(len(work.left))))]
        return [event for work in [*self._works.values()] for event in self._tell(work, work in done)]

    def _due_ns(self) -> int | None:
        """Time of the next thing to do after the last look, although no price comes."""
        return min((due for work in self._works.values() for due in self._dues(work)), default=None)

    def _dues(self, work: _Work) -> list[int]:
        """Find when an order has to be looked at, after the last look."""
        tactic, tried = self.settings.tactic(work.order.purpose), [t.last_ns for t in work.tried]
        dues = [work.since_ns + tactic.patience_ns, work.since_ns + NO_QUOTE_NS]
        dues += [r.placed_ns + tactic.improve_ns for r in work.resting if r is not None]
        dues += [at + pause for at in tried for pause in (PAUSE_NS, NO_QUOTE_NS) if at]
        return [due for due in dues if due > self._seen_ns]

    def _through_all(self, prices: Floats, now_ns: int) -> None:
        """Fill whatever the underlying's prices up to a moment reach."""
        self.quotes.now_ns = self._seen_ns = now_ns
        for work in self._works.values():
            for leg in range(len(work.left)):
                self._through(work, leg, prices)

    def _step_all(self, now_ns: int, price: float, prices: Floats) -> None:
        """Fill what the prices since the last look reach, and do what is due at the last of them."""
        self.quotes.price = price
        self._through_all(prices, now_ns)
        for work in self._works.values():
            self._steps(work, now_ns)

    def _steps(self, work: _Work, now_ns: int) -> None:
        stepping = True
        while stepping:  # a leg that is filled or given up changes what the others do
            before = list(work.left), list(work.given_up)
            for leg in range(len(work.left)):
                self._step(work, leg, now_ns)
            stepping = before != (work.left, work.given_up)

    def _tell(self, work: _Work, over: bool) -> list[Event]:
        """Book what an order was filled; its end, if it is over."""
        order, now_ns = work.order, self._seen_ns
        fills = [self.fill(order, found.leg, found.price, found.maker) for found in work.found]
        work.found.clear()
        reason = reason_of(work.given_up)
        last = over and not reason
        told: list[Event] = [
            msgspec.structs.replace(fill, last=last and k == len(fills)) for k, fill in enumerate(fills, 1)
        ]
        if over:
            del self._works[order.order_id]
        if over and reason:
            self.given_up += 1
            told.append(Rejected(now_ns, order.order_id, order.episode, reason))
        return told

    def _through(self, work: _Work, leg: int, prices: Floats) -> None:
        """Fill what rests where the other side went through it."""
        resting, instrument, left = work.resting[leg], work.order.legs[leg].instrument, work.left[leg]
        if resting is None or not isinstance(instrument, Option):
            return
        if self.quotes.reached(instrument, resting.limit, prices, buys=left > 0):
            self.rested += 1
            work.book(leg, resting.limit, maker=True)

    def _step(self, work: _Work, leg: int, now_ns: int) -> None:
        """Take back what is to leave, and do the next step of a leg of which nothing rests."""
        if work.done(leg):
            return
        order, settings, resting = work.order, self.settings, work.resting[leg]
        seen = _Seen(self.pricing, order, work.left, work.given_up, work.begun, leg, now_ns)
        if resting is not None:
            if not leaves(order, resting, seen, settings, work.since_ns, now_ns, cancelled=work.cancelled):
                return
            work.resting[leg] = None
        step = next_step(order, work.tried[leg], seen, settings, work.since_ns, now_ns, work.cancelled)
        if isinstance(step, GiveUp):
            work.given_up[leg] = step.reason
        elif step is not None:
            self._send(work, leg, step, now_ns)

    def _send(self, work: _Work, leg: int, step: Send, now_ns: int) -> None:
        takers = work.tried[leg].takers + (not step.rests)
        work.tried[leg] = Tried(takers, now_ns, step.rests, "cancelled", limit=step.limit)
        if step.rests:
            work.resting[leg] = Resting(now_ns, step.limit)
            return
        quote = self.quotes.get(work.order.legs[leg].instrument)
        assert quote is not None, "a price to take at is of a quote"
        self.took += 1
        work.book(leg, quote.ask if work.left[leg] > 0 else quote.bid, maker=False)

    def told(self) -> dict[str, int]:
        """How legs were filled, and how many orders were given up."""
        return {"at_rest": self.rested, "took": self.took, "orders_given_up": self.given_up}


class _Seen(LegSeen, Willing):
    """What the next step of a leg may look at, see :class:`gammacore.execution.steps.Seen`."""

    __slots__ = ()
