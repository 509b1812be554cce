"""What a process says of itself when it begins to write a journal."""

from __future__ import annotations

import msgspec

__all__ = ["Began"]


class Began(msgspec.Struct, frozen=True, tag=True):
    """A process goes on with a journal, or begins it.

    Attributes
    ----------
    ts_ns : int
    version : str
        Of gammacore.
    venue : str
    paper : bool
        Whether orders are filled on paper.
    speed : float
        Seconds of market in one of the machine's.
    """

    ts_ns: int
    version: str
    venue: str
    paper: bool
    speed: float
