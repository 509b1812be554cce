"""Wishes of the desk: orders, not yet facts."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from gammacore.contracts import Future, Option, Perpetual

BOOK = -1  # stands for an episode's number in what is done for all of them

__all__ = ["BOOK", "Cancel", "Command", "Leg", "Order", "Purpose", "order_id_of", "purpose_of", "whose"]


class Purpose(StrEnum):
    """Why an order was sent."""

    ENTRY = "entry"
    EXIT = "exit"
    HEDGE = "hedge"
    UNWIND = "unwind"
    OUTSIDE = "outside"  # of no order of the desk's


def whose(episode: int) -> str:
    """Say in words what an order is for."""
    return "the book" if episode == BOOK else f"episode {episode}"


def order_id_of(episode: int, purpose: Purpose, which: int | str) -> str:
    """Name of an order: the same decision taken twice carries the same."""
    return "-".join(("book" if episode == BOOK else str(episode), purpose, str(which)))


def purpose_of(order_id: str) -> Purpose:
    """Purpose that an order's name tells."""
    return Purpose(order_id.split("-", 2)[1])


class Leg(msgspec.Struct, frozen=True, gc=False):
    """One instrument of an order.

    ``amount`` is signed, in the exchange's unit (see events.Fill); ``excess`` is how much of it
    the rounding to whole lots added to what the policy asked for.
    """

    instrument: Option | Future | Perpetual
    amount: float
    excess: float = 0.0


class Order(msgspec.Struct, frozen=True, gc=False, tag=True):
    """All legs are executed at once or none is, as with the exchange's combos.

    ``order_id`` is derived from the decision (episode, purpose, count), so that
    the same decision taken twice carries the same name. With a ``limit`` (USD) the order is
    of one leg, rests in the book and never takes (post-only); without one it takes at once.
    """

    order_id: str
    episode: int
    purpose: Purpose
    legs: tuple[Leg, ...]
    limit: float | None = None

    @property
    def excess(self) -> float:
        """What the rounding to whole lots added to a hedge; nothing to a trade of somebody else."""
        return self.legs[0].excess if self.legs else 0.0

    def without(self, instrument: Option | Future | Perpetual, amount: float) -> Order:
        """Return the order that is left when ``amount`` of an instrument was executed."""
        legs = tuple(
            Leg(leg.instrument, leg.amount - amount, leg.excess) if leg.instrument == instrument else leg
            for leg in self.legs
        )
        return Order(self.order_id, self.episode, self.purpose, legs, self.limit)


class Cancel(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Take a resting order out of the book."""

    order_id: str
    episode: int


Command = Order | Cancel
