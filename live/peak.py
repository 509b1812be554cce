"""Largest value of a window that moves on, such as the highest profit of the last day."""

from __future__ import annotations

from collections import deque


class Peak:
    """Largest value within a window that moves on.

    Parameters
    ----------
    window_ns : int
    """

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        self._falling: deque[tuple[int, float]] = deque()  # later ones are smaller

    def add(self, ts_ns: int, value: float) -> None:
        """Add a value, and forget those that have left the window."""
        while self._falling and self._falling[-1][1] <= value:
            self._falling.pop()
        self._falling.append((ts_ns, value))
        while self._falling[0][0] < ts_ns - self._window_ns:
            self._falling.popleft()

    def fallen(self, value: float) -> float:
        """How far a value is below the peak."""
        return self._falling[0][1] - value if self._falling else 0.0
