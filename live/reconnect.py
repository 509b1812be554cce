"""When to connect again: later and later, and later still with a key that is refused."""

from __future__ import annotations

import random

from gammacore.daycount import NS_PER_SECOND

FIRST_DELAY_S, LONGEST_DELAY_S = 0.25, 30.0
REFUSED_DELAY_S, LONGEST_REFUSED_S = 10.0, 300.0  # with a key that was refused: in a loop it may be banned
PROVEN_NS = 60 * NS_PER_SECOND  # a session that lived so long starts the counts anew


class Reconnect:
    """Counts attempts.

    Parameters
    ----------
    rng : random.Random
        For the jitter of delays, lest all clients come at once.

    Attributes
    ----------
    attempts : int
        To connect, since the last session that lasted.
    refused : str
        Why the exchange refuses our key, if it does.
    due_ns : int
        When the next attempt is.
    """

    def __init__(self, rng: random.Random) -> None:
        self.attempts = 0
        self.refused = ""
        self.due_ns = 0
        self._refusals = self._ready_ns = 0
        self._rng = rng

    def trying(self) -> None:
        """Count an attempt."""
        self.attempts += 1
        self.refused = ""

    def ready(self, now_ns: int) -> None:
        """Take note that a session is ready."""
        self.refused = ""
        self._ready_ns = now_ns

    def unauthorised(self, reason: str, now_ns: int) -> None:
        """Take note that the key was refused."""
        if self._has_lasted(now_ns):
            self._refusals = 0
        self._refusals += not self.refused
        self.refused = reason

    def plan(self, now_ns: int) -> float:
        """Set the time of the next attempt; returns the seconds until then, which double."""
        if self._has_lasted(now_ns):
            self.attempts = 0
        self._ready_ns = 0
        ceiling = min(FIRST_DELAY_S * 2.0 ** min(self.attempts, 20), LONGEST_DELAY_S)
        if self.refused:
            ceiling = min(REFUSED_DELAY_S * 2.0 ** min(self._refusals - 1, 20), LONGEST_REFUSED_S)
        delay_s = ceiling * self._rng.uniform(0.5, 1.0)
        self.due_ns = now_ns + int(delay_s * NS_PER_SECOND)
        return delay_s

    def _has_lasted(self, now_ns: int) -> bool:
        return bool(self._ready_ns) and now_ns - self._ready_ns >= PROVEN_NS
