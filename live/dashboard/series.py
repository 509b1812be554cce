"""A curve of any length in bounded memory: extremes of equal stretches of time, wider as it grows."""

from __future__ import annotations

import math
from typing import NamedTuple

from gammacore.daycount import NS_PER_MILLISECOND, NS_PER_SECOND

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


class _Stretch(NamedTuple):
    start_ns: int
    low: float
    high: float
    last: float


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
        self._kept: list[_Stretch] = []

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, ts_ns: int, value: float) -> None:
        """Add a value, not older than the one before; NaN is left out."""
        if math.isnan(value):
            return
        if len(self) >= self._most and ts_ns - ts_ns % self.width_ns > self._kept[-1].start_ns:
            self._join()
        self._put(_Stretch(ts_ns, value, value, value))

    def _put(self, new: _Stretch) -> None:
        """Append a stretch, or take it into the last one."""
        start_ns = new.start_ns - new.start_ns % self.width_ns
        if self._kept and start_ns <= (old := self._kept[-1]).start_ns:
            self._kept[-1] = _Stretch(old.start_ns, min(old.low, new.low), max(old.high, new.high), new.last)
        else:
            self._kept.append(new._replace(start_ns=start_ns))

    def _join(self) -> None:
        """Double the width until half of the stretches are free."""
        while len(self) > self._most // 2:
            self.width_ns *= 2
            old, self._kept = self._kept, []
            for stretch in old:
                self._put(stretch)
        self.generation += 1

    def columns(self, first: int = 0) -> Columns:
        """Stretches from ``first`` on; the last one may still change."""
        kept = self._kept[first:]
        starts = [stretch.start_ns // NS_PER_MILLISECOND for stretch in kept]
        return Columns(first, starts, *([stretch[part] for stretch in kept] for part in (1, 2, 3)))
