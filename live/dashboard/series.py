"""A curve of any length in bounded memory: extremes of equal stretches of time, wider as it grows."""

from __future__ import annotations

import math
from array import array
from typing import NamedTuple

from gammacore.daycount import NS_PER_MILLISECOND, NS_PER_SECOND

__all__ = ["Columns", "Curve"]

POINTS = 600  # stretches, at most: about as many as a chart has columns


class Columns(NamedTuple):
    """A curve from one of its stretches on.

    ``start_ms`` is the beginning of each stretch, in milliseconds; ``low``, ``high`` and ``last`` are of
    the values within it.
    """

    first: int
    start_ms: list[int]
    low: list[float]
    high: list[float]
    last: list[float]


class Curve:
    """Values over time.

    Parameters
    ----------
    most : int
        Stretches to keep, even; when they are used up, every two become one.
    width_ns : int
        Of a stretch at first.

    Attributes
    ----------
    generation : int
        How often the stretches were joined: what was handed out before then is to be handed out anew.
    """

    def __init__(self, most: int = POINTS, width_ns: int = NS_PER_SECOND) -> None:
        self._most, self.width_ns = most, width_ns
        self.generation = 0
        self._start = array("q")
        self._low, self._high, self._last = array("d"), array("d"), array("d")

    def __len__(self) -> int:
        return len(self._start)

    def add(self, ts_ns: int, value: float) -> None:
        """Add a value, not older than the one before; NaN is left out."""
        if math.isnan(value):
            return
        start = ts_ns - ts_ns % self.width_ns
        if self._start and start <= self._start[-1]:
            self._low[-1] = min(self._low[-1], value)
            self._high[-1] = max(self._high[-1], value)
            self._last[-1] = value
            return
        if len(self._start) >= self._most:
            self._join()
            self.add(ts_ns, value)
            return
        self._start.append(start)
        for column in (self._low, self._high, self._last):
            column.append(value)

    def _join(self) -> None:
        """Double the width until half of the stretches are free."""
        while len(self._start) > self._most // 2:
            self.width_ns *= 2
            old = self._start, self._low, self._high, self._last
            self._start, self._low, self._high, self._last = array("q"), array("d"), array("d"), array("d")
            for ts_ns, low, high, last in zip(*old, strict=True):
                start = ts_ns - ts_ns % self.width_ns
                if self._start and start == self._start[-1]:
                    self._low[-1], self._high[-1] = min(self._low[-1], low), max(self._high[-1], high)
                    self._last[-1] = last
                else:
                    self._start.append(start)
                    self._low.append(low)
                    self._high.append(high)
                    self._last.append(last)
        self.generation += 1

    def columns(self, first: int = 0) -> Columns:
        """Stretches from ``first`` on; the last one may still change."""
        return Columns(
            first,
            [ts // NS_PER_MILLISECOND for ts in self._start[first:]],
            *(column[first:].tolist() for column in (self._low, self._high, self._last)),
        )
