"""How long the disk of a journal lasts: a full one ends a session, and nobody hedges."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from typing import NamedTuple

from gammacore.daycount import NS_PER_HOUR, NS_PER_MINUTE

SHORT_NS = 10 * NS_PER_MINUTE  # of a journal, too short for its pace to be known


class Room(NamedTuple):
    """What is left of a disk.

    Attributes
    ----------
    free : int
        Bytes.
    hours : float
        Until a journal has filled them at its pace so far; infinite while that is not known.
    """

    free: int
    hours: float

    def __str__(self) -> str:
        lasts = f"{self.hours:,.0f} hours" if self.hours < 48 else f"{self.hours / 24:,.0f} days"
        return f"{self.free / 1e9:,.1f} GB, which last {lasts}"


def room_of(journal: str | os.PathLike[str], span_ns: int, speed: float = 1.0) -> Room:
    """Find the room that a journal has.

    Parameters
    ----------
    journal : path-like
    span_ns : int
        From its first record to its last.
    speed : float
        Seconds of its time in one of the machine's.

    Raises
    ------
    OSError
        If the file is gone.
    """
    path = Path(journal)
    free, size = shutil.disk_usage(path.parent).free, path.stat().st_size
    if span_ns < SHORT_NS:
        return Room(free, math.inf)
    return Room(free, free / (size * NS_PER_HOUR / span_ns * speed))
