"""The next step of a leg of an order: send it to rest, send it to take, wait, or give it up.

Pure: an order, what was tried, and the time go in; one step comes out. A session asks at every message and
tick; a replay asks at the bar of the order, and as prices come and patience ends.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import msgspec

from gammacore.daycount import NS_PER_SECOND
from gammacore.orders import Order, Purpose

from .options import OTHER_LEG, Legs, Stance, stance
from .pricing import Settings

PAUSE_NS = NS_PER_SECOND // 4  # before the next try
NO_QUOTE_NS = 5 * NS_PER_SECOND  # without a price, before a leg is given up

__all__ = [
    "NOTHING",
    "PAUSE_NS",
    "GiveUp",
    "Resting",
    "Seen",
    "Send",
    "Step",
    "Tried",
    "Willing",
    "leaves",
    "next_step",
]


class Tried(NamedTuple):
    """What was tried of a leg so far, or of the slice of it that is due.

    Attributes
    ----------
    takers : int
        Attempts that took at once.
    last_ns : int
        When the last attempt left; 0 before the first.
    rested : bool
        Whether that one rested.
    reason : str
        Why it ended, empty if the exchange did not say.
    later : bool
        Whether slices before it were filled.
    limit : float
        Price of the last attempt; NaN before the first.
    """

    takers: int = 0
    last_ns: int = 0
    rested: bool = False
    reason: str = ""
    later: bool = False
    limit: float = math.nan


NOTHING = Tried()


class Send(msgspec.Struct, frozen=True, gc=False):
    """Send what is left of the leg, post-only if it ``rests``."""

    limit: float
    rests: bool


class Resting(NamedTuple):
    """An order in the book: when it was placed, and at which price."""

    placed_ns: int
    limit: float


class GiveUp(NamedTuple):
    """Try nothing more of the leg."""

    reason: str


Step = Send | GiveUp | None


class Seen(Protocol):
    """What a step may look at; each is asked only where the step depends on it."""

    def forbidden(self) -> str:
        """Say why nothing may be sent now; empty if it may."""

    def refusal(self, rests: bool) -> str:
        """Say why there is no price to rest or to take at; empty if there is one."""

    def unwanted(self) -> bool:
        """Whether what is left would do harm now."""

    def waits(self) -> bool:
        """Whether orders that were cancelled may still fill."""

    def legs(self) -> Legs:
        """Say what became of the order's legs."""

    def limit(self, rests: bool, last: float | None) -> float | None:
        """Price to take at, or to rest at, nearer than a ``last`` one; None if there is none."""


class Willing:
    """A market that stands in nobody's way: what a replay has to answer, but for the price."""

    __slots__ = ()

    def forbidden(self) -> str:
        """Forbid nothing."""
        return ""

    def refusal(self, rests: bool) -> str:
        """Find a price always."""
        return ""

    def unwanted(self) -> bool:
        """Want every hedge."""
        return False

    def waits(self) -> bool:
        """Wait for nothing."""
        return False

    def legs(self) -> Legs:
        """Know of one leg only."""
        return Legs.EVEN


def next_step(
    order: Order, tried: Tried, seen: Seen, settings: Settings, since_ns: int, now_ns: int, cancelled: bool
) -> Step:
    """Say what to do with a leg of which nothing is at the exchange, None to wait.

    Parameters
    ----------
    order : Order
        With a limit of its own it rests there, once, and never takes.
    tried : Tried
    seen : Seen
    settings : Settings
    since_ns, now_ns : int
        When the order was given, and the time.
    cancelled : bool
        Whether the order was asked back.
    """
    begun = tried.last_ns > 0
    if cancelled or (order.limit is not None and begun):
        return GiveUp(tried.reason if begun else "cancelled")
    if tried.takers >= settings.tries:
        return GiveUp(tried.reason or "not filled")
    if reason := seen.forbidden():  # others wait, so that the desk decides nothing meanwhile
        return GiveUp(reason) if order.purpose is Purpose.ENTRY else None
    if not begun and order.limit is None and now_ns > since_ns + settings.valid_ns:
        return GiveUp(seen.refusal(rests=False) or "overdue")
    if (begun or tried.later) and unwanted(order, seen):
        return GiveUp("no longer wanted")
    if (begun and now_ns < tried.last_ns + _pause(order, tried)) or (order.limit is None and seen.waits()):
        return None
    return _send(order, tried, seen, settings, since_ns, now_ns)


def _pause(order: Order, tried: Tried) -> int:
    """Time from the last attempt to the next: none for a hedge that rested."""
    rested = tried.rested and order.purpose is Purpose.HEDGE
    return 0 if rested else PAUSE_NS << tried.takers


def _send(order: Order, tried: Tried, seen: Seen, settings: Settings, since_ns: int, now_ns: int) -> Step:
    """Send the leg if there is a price; give it up if there was none for too long."""
    if order.limit is not None:
        return Send(order.limit, True)
    hedges, last = order.purpose is Purpose.HEDGE, None
    rests = settings.rest and hedges and not tried.last_ns
    if not hedges:
        tactic, legs = settings.tactic(order.purpose), seen.legs()
        now = stance(tactic, legs, since_ns, now_ns)
        if now is Stance.END:
            patience = f"{tactic.patience_ns / NS_PER_SECOND:g} s"
            lost = legs is Legs.LOST
            return GiveUp(OTHER_LEG if lost else f"not filled at rest within {patience}")
        rests = now is Stance.REST
        nearer = rests and tried.rested and tactic.improves(tried.last_ns, now_ns)
        last = tried.limit if nearer else None
    why = "" if hedges else seen.refusal(rests)
    limit = None if why else seen.limit(rests, last)
    if limit is not None:
        return Send(limit, rests)
    if now_ns >= max(since_ns, tried.last_ns) + NO_QUOTE_NS:
        return GiveUp(why or ("no price to rest at" if rests and not hedges else "no quote"))
    return None


def leaves(
    order: Order,
    resting: Resting,
    seen: Seen,
    settings: Settings,
    since_ns: int,
    now_ns: int,
    *,
    cancelled: bool,
) -> bool:
    """Whether an order that rests is to be cancelled: asked back, out of patience, unwanted, or to be nearer.

    Parameters
    ----------
    order : Order
    resting : Resting
    seen : Seen
    settings : Settings
    since_ns, now_ns : int
        When the order was given, and the time.
    cancelled : bool
        Whether the order was asked back.
    """
    if cancelled or order.limit is not None:
        return cancelled
    if order.purpose is Purpose.HEDGE:
        return now_ns >= resting.placed_ns + settings.patience_ns or unwanted(order, seen)
    tactic = settings.tactic(order.purpose)
    forbidden = order.purpose is Purpose.ENTRY and bool(seen.forbidden())
    if forbidden or stance(tactic, seen.legs(), since_ns, now_ns) is not Stance.REST:
        return True
    if not tactic.improves(resting.placed_ns, now_ns):
        return False
    return seen.limit(True, resting.limit) not in (None, resting.limit)


def unwanted(order: Order, seen: Seen) -> bool:
    """Whether what is left of a hedge would do harm now."""
    return order.purpose is Purpose.HEDGE and order.limit is None and seen.unwanted()
