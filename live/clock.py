"""The time of a session."""

from __future__ import annotations

import time


class SteadyClock:
    """Nanoseconds UTC that do not jump when the system's clock is set; :meth:`anchor` reads it anew."""

    def __init__(self) -> None:
        self.anchor()

    def anchor(self) -> None:
        """Take the system's time."""
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def __call__(self) -> int:
        """Return the time."""
        return time.monotonic_ns() + self._offset_ns
