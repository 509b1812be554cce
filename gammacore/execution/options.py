"""Options that rest before they take, or instead: for how long, and at which price.

An order that rests joins the best price of its own side (``post``) and comes a step nearer to the other side
from time to time, or waits in the middle (``mid_then_take``). The legs of one order rest side by side; once
one is filled the others take, since half of a position is another bet.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

import msgspec

from gammacore.contracts import ContractSpec
from gammacore.orders import Order, Purpose
from gammacore.tolerances import DUST

from .quotes import Quote

__all__ = [
    "OTHER_LEG",
    "TAKE",
    "Legs",
    "Stance",
    "Tactic",
    "beginning",
    "legs_filled",
    "reason_of",
    "rest_price",
    "stance",
]


class Tactic(msgspec.Struct, frozen=True):
    """How entries or exits are worked: ``take``, ``post`` or ``mid_then_take``.

    Attributes
    ----------
    way : str
    patience_ns : int
        How long the legs rest in all; ``post`` then gives up, ``mid_then_take`` takes.
    improve_ns, improve_ticks : int
        Of ``post``: how often the price comes nearer to the other side, and by how many ticks.
    """

    way: str = "take"
    patience_ns: int = 0
    improve_ns: int = 0
    improve_ticks: int = 0

    def improves(self, since_ns: int, now_ns: int) -> bool:
        """Whether an order that rests since some time may come nearer."""
        return self.way == "post" and self.improve_ticks > 0 and now_ns >= since_ns + self.improve_ns


TAKE = Tactic()
OTHER_LEG = "another leg was given up"


class Legs(Enum):
    """What became of an order's legs, as far as one of them has to know."""

    EVEN = auto()  # nothing was filled, or there is only one
    PARTLY = auto()  # something of one of several
    FILLED = auto()  # another one is filled
    LOST = auto()  # another one was given up, and nothing is filled


class Stance(Enum):
    """What a leg does now."""

    REST = auto()
    TAKE = auto()
    END = auto()


def stance(tactic: Tactic, legs: Legs, since_ns: int, now_ns: int) -> Stance:
    """Say whether a leg rests, takes or ends, of an order given at ``since_ns``."""
    if legs is Legs.LOST:
        return Stance.END
    if tactic.way == "take" or legs is Legs.FILLED:
        return Stance.TAKE
    if now_ns < since_ns + tactic.patience_ns:
        return Stance.REST
    return Stance.END if tactic.way == "post" and legs is Legs.EVEN else Stance.TAKE


def beginning(order: Order, leg: int, *, begun: bool) -> Sequence[int]:
    """Legs that are sent with one, or not at all: an entry begins whole, half of it is another bet."""
    whole = order.purpose is Purpose.ENTRY and not begun
    return range(len(order.legs)) if whole else (leg,)


def legs_filled(order: Order, left: Sequence[float], given_up: Sequence[str], leg: int) -> Legs:
    """Say what became of an order's legs, as far as one of them has to know.

    Parameters
    ----------
    order : Order
    left : sequence of float
        What is left of each leg, signed.
    given_up : sequence of str
        Why each was given up; empty where it was not.
    leg : int
    """
    others = [at for at in range(len(left)) if at != leg]
    if any(abs(left[at]) < DUST for at in others):
        return Legs.FILLED
    if others and any(abs(rest - leg.amount) >= DUST for rest, leg in zip(left, order.legs, strict=True)):
        return Legs.PARTLY
    lost = order.purpose is Purpose.ENTRY and any(given_up[at] for at in others)
    return Legs.LOST if lost else Legs.EVEN


def reason_of(given_up: Sequence[str]) -> str:
    """Say why an order was given up: for the first leg with a reason of its own; empty if it was not."""
    reasons = sorted(filter(None, given_up), key=lambda why: why == OTHER_LEG)
    return next(iter(reasons), "")


def rest_price(
    tactic: Tactic, quote: Quote, spec: ContractSpec, *, buys: bool, last: float | None, worst: float
) -> float | None:
    """Price to rest at, on the grid and never at the other side's; None where there is none.

    Parameters
    ----------
    tactic : Tactic
    quote : Quote
    spec : ContractSpec
    buys : bool
    last : float or None
        Where the leg rested before, if it is to come nearer now.
    worst : float
        The collar's.
    """
    sign, nearer = (1.0, min) if buys else (-1.0, max)
    own, other = (quote.bid, quote.ask) if buys else (quote.ask, quote.bid)
    if not own > spec.least:
        return None
    wanted = own
    if tactic.way == "mid_then_take":
        if not other > spec.least:
            return None
        wanted = 0.5 * (own + other)
    elif last is not None:
        ahead = max(own, last) if buys else min(own, last)
        wanted = ahead + sign * tactic.improve_ticks * spec.tick_at(ahead)
    wanted = nearer(wanted, worst)
    if other > spec.least:
        wanted = nearer(wanted, other - sign * spec.tick_at(other))
    price = float(spec.round_price(wanted, "down" if buys else "up"))
    return price if price > spec.least else None
