"""Hedge policies: pure functions of the delta mismatch and the time since the last hedge.

``fires`` takes scalars (one event) or arrays (a block of events) alike: the replay asks it
for the first event of a block that needs the desk, the desk asks it at that event, and both
get the same answer because it is the same function.

A policy with ``needs_mismatch`` false decides by time alone and may be asked with None.
The mismatch is the delta to be removed, in coin: options plus hedge minus target.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import msgspec

__all__ = ["Band", "Interval", "Never", "Policy"]


class Interval(msgspec.Struct, frozen=True):
    """Hedge the whole mismatch once ``every_ns`` has passed since the last decision.

    With ``snapshots_only`` the rule looks at published chains and ignores the
    prices between them.
    """

    every_ns: int
    snapshots_only: bool = False
    needs_mismatch: ClassVar[bool] = False

    def fires(self, mismatch: Any, ts_ns: Any, last_ns: int) -> Any:
        """Whether to trade now; ``mismatch`` and ``ts_ns`` scalar or arrays of one shape."""
        return ts_ns - last_ns >= self.every_ns

    def trade(self, mismatch: float) -> float:
        """Delta to add, in coin."""
        return -mismatch


class Band(msgspec.Struct, frozen=True):
    """Hedge when the mismatch leaves ``half_width``: to the centre, or only to the nearest edge."""

    half_width: float
    to_edge: bool = False
    snapshots_only: ClassVar[bool] = False
    needs_mismatch: ClassVar[bool] = True

    def fires(self, mismatch: Any, ts_ns: Any, last_ns: int) -> Any:
        """Whether to trade now; ``mismatch`` and ``ts_ns`` scalar or arrays of one shape."""
        return abs(mismatch) > self.half_width

    def trade(self, mismatch: float) -> float:
        """Delta to add, in coin."""
        return -mismatch + math.copysign(self.half_width, mismatch) if self.to_edge else -mismatch


class Never(msgspec.Struct, frozen=True):
    """Hold the options unhedged."""

    snapshots_only: ClassVar[bool] = True
    needs_mismatch: ClassVar[bool] = False

    def fires(self, mismatch: Any, ts_ns: Any, last_ns: int) -> Any:
        """Nothing fires."""
        return False

    def trade(self, mismatch: float) -> float:
        """No delta to add."""
        return 0.0


Policy = Interval | Band | Never
