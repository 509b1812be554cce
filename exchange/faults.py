"""Faults on demand: what to break, when, how often, and for whom.

A plan is a list of rules. A rule looks at one kind of thing: requests as they come in,
frames as they go out, or the clock. It fires on what matches, with its probability, until
its count is used up. Everything is drawn from one seeded generator.
"""

from __future__ import annotations

import random
from typing import Literal, get_args

import msgspec

from gammacore.daycount import NS_PER_SECOND

__all__ = ["ON_CLOCK", "ON_FRAME", "ON_REQUEST", "Fault", "FaultPlan", "Faults", "Kind"]

OnRequest = Literal["lost_request", "lost_response", "too_many_requests", "settlement"]
OnFrame = Literal["drop", "delay", "duplicate", "reorder", "gap", "malformed", "slow_reader"]
OnClock = Literal["restart", "lock", "lock_account", "maintenance", "revoke"]
Kind = Literal[OnRequest, OnFrame, OnClock]
ON_REQUEST: tuple[OnRequest, ...] = get_args(OnRequest)
ON_FRAME: tuple[OnFrame, ...] = get_args(OnFrame)
ON_CLOCK: tuple[OnClock, ...] = get_args(OnClock)


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule.

    Attributes
    ----------
    kind : str
        On requests: ``lost_request`` (the connection drops before it is read),
        ``lost_response`` (it is carried out, then the connection drops without an answer),
        ``too_many_requests`` (10028 and the connection ends), ``settlement`` (10041; only
        methods of the matching engine). On frames: ``drop`` (the connection ends without a
        close frame), ``delay`` (this and all later frames wait), ``duplicate``, ``reorder``
        (the next frames overtake it), ``gap`` (a notification that never comes),
        ``malformed`` (half of it), ``slow_reader`` (the connection ends as too slow). On the
        clock, each for `seconds`: ``restart`` (all connections end, none is accepted),
        ``lock`` (an index, or all), ``maintenance``, ``lock_account``, ``revoke`` (a key; its
        tokens end).
    match : str
        Start of the method (requests, answers), of the channel (notifications), of the index
        (``lock``) or of the client id; empty for any.
    at_s : float
        Seconds after the start from which it is armed.
    until_s : float, optional
        Seconds after the start until which it is.
    probability : float
        Of firing on something that matches.
    count : int, optional
        How often it fires; None for ever.
    seconds : float
        Length of a delay or reordering, of a restart or a lock.
    """

    kind: Kind
    match: str = ""
    at_s: float = 0.0
    until_s: float | None = None
    probability: float = 1.0
    count: int | None = 1
    seconds: float = 0.5


class FaultPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All rules of a run.

    Attributes
    ----------
    faults : tuple of Fault
    seed : int
        Of the probabilities.
    """

    faults: tuple[Fault, ...] = ()
    seed: int = 0


class Faults:
    """A plan at work.

    Parameters
    ----------
    plan : FaultPlan
    start_ns : int
        From which the plan's seconds count.
    """

    def __init__(self, plan: FaultPlan, start_ns: int) -> None:
        self._start_ns = start_ns
        self._random = random.Random(plan.seed)
        self._rules: dict[Kind, list[tuple[Fault, list[int]]]] = {}
        self.fired: list[tuple[int, Kind, str]] = []
        """Moment, kind and subject of everything that was broken."""
        for fault in plan.faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Arm another rule."""
        self._rules.setdefault(fault.kind, []).append((fault, [0]))

    def clear(self) -> None:
        """Disarm every rule."""
        self._rules.clear()

    def fires(self, kind: Kind, subject: str, now_ns: int) -> Fault | None:
        """First rule of a kind that fires on a method or channel now."""
        for fault, used in self._rules.get(kind, ()):
            if fault.count is not None and used[0] >= fault.count:
                continue
            elapsed = (now_ns - self._start_ns) / NS_PER_SECOND
            if elapsed < fault.at_s or (fault.until_s is not None and elapsed >= fault.until_s):
                continue
            if not subject.startswith(fault.match):
                continue
            if fault.probability < 1.0 and self._random.random() >= fault.probability:
                continue
            used[0] += 1
            self.fired.append((now_ns, kind, subject))
            return fault
        return None

    @property
    def any_on_frames(self) -> bool:
        """Whether outgoing frames need looking at."""
        return any(kind in self._rules for kind in ON_FRAME)
