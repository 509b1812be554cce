"""What happens at a moment to come."""

from __future__ import annotations

import heapq
from typing import Any

__all__ = ["Agenda"]


class Agenda:
    """Events in the order of their moments; at one moment the market moves first."""

    def __init__(self) -> None:
        self._events: list[tuple[int, bool, int, str, Any]] = []
        self._count = 0

    def at(self, due_ns: int, what: str, argument: Any = None) -> None:
        """Arrange for something to happen at a moment."""
        self._count += 1
        heapq.heappush(self._events, (due_ns, what != "tick", self._count, what, argument))

    def next_ns(self) -> int:
        """When something happens next."""
        return self._events[0][0]

    def pop(self) -> tuple[int, str, Any]:
        """Take the next event: its moment, what happens, and its argument."""
        due_ns, _, _, what, argument = heapq.heappop(self._events)
        return due_ns, what, argument
