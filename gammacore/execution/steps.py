"""The next step of a leg of an order: send it to rest, send it to take, wait, or give it up.

Pure: an order, what was tried, and the time go in; one step comes out. A session asks at every message and
tick; a replay asks at the bar of the order and at the end of its patience.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from gammacore.daycount import NS_PER_SECOND
from gammacore.orders import Order, Purpose

from .pricing import Settings

PAUSE_NS = NS_PER_SECOND // 4  # before the next try
NO_QUOTE_NS = 5 * NS_PER_SECOND  # without a price, before a leg is given up

__all__ = ["NOTHING", "PAUSE_NS", "GiveUp", "Seen", "Send", "Step", "Tried", "Willing", "leaves", "next_step"]


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
    """

    takers: int = 0
    last_ns: int = 0
    rested: bool = False
    reason: str = ""
    later: bool = False


NOTHING = Tried()


class Send(NamedTuple):
    """Send what is left of the leg, post-only if it ``rests``."""

    limit: float
    rests: bool


class GiveUp(NamedTuple):
    """Try nothing more of the leg."""

    reason: str


Step = Send | GiveUp | None


class Seen(Protocol):
    """What a step may look at; each is asked only where the step depends on it."""

    def forbidden(self) -> str:
        """Say why nothing may be sent now; empty if it may."""

    def refusal(self) -> str:
        """Say why there is no price to take at; empty if there is one."""

    def unwanted(self) -> bool:
        """Whether what is left would do harm now."""

    def waits(self) -> bool:
        """Whether orders that were cancelled may still fill."""

    def limit(self, rests: bool) -> float | None:
        """Price to rest or to take at; None if there is none."""


class Willing:
    """A market that stands in nobody's way: what a replay has to answer, but for the price."""

    __slots__ = ()

    def forbidden(self) -> str:
        """Forbid nothing."""
        return ""

    def refusal(self) -> str:
        """Find a price always."""
        return ""

    def unwanted(self) -> bool:
        """Want every hedge."""
        return False

    def waits(self) -> bool:
        """Wait for nothing."""
        return False


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
        return GiveUp(seen.refusal() or "overdue")
    if (begun or tried.later) and unwanted(order, seen):
        return GiveUp("no longer wanted")
    paused = begun and not tried.rested and now_ns < tried.last_ns + (PAUSE_NS << tried.takers)
    if paused or (order.limit is None and seen.waits()):
        return None
    return _send(order, tried, seen, settings, since_ns, now_ns)


def _send(order: Order, tried: Tried, seen: Seen, settings: Settings, since_ns: int, now_ns: int) -> Step:
    """Send the leg if there is a price; give it up if there was none for too long."""
    if order.limit is not None:
        return Send(order.limit, True)
    hedges = order.purpose is Purpose.HEDGE
    rests = settings.rest and hedges and not tried.last_ns
    why = "" if hedges else seen.refusal()
    limit = None if why else seen.limit(rests)
    if limit is not None:
        return Send(limit, rests)
    if now_ns >= max(since_ns, tried.last_ns) + NO_QUOTE_NS:
        return GiveUp(why or "no quote")
    return None


def leaves(
    order: Order, seen: Seen, settings: Settings, placed_ns: int, now_ns: int, cancelled: bool
) -> bool:
    """Whether an order that rests is to be cancelled: asked back, out of patience, or unwanted."""
    if cancelled or order.limit is not None:
        return cancelled
    return now_ns >= placed_ns + settings.patience_ns or unwanted(order, seen)


def unwanted(order: Order, seen: Seen) -> bool:
    """Whether what is left of a hedge would do harm now."""
    return order.purpose is Purpose.HEDGE and order.limit is None and seen.unwanted()
