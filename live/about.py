"""What a process says of itself when it begins to write a journal."""

from __future__ import annotations

import msgspec

from gammacore.contracts import ListedGrid


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
    pid : int
        Of the process, 0 in journals of before.
    """

    ts_ns: int
    version: str
    venue: str
    paper: bool
    speed: float
    pid: int = 0


class CatalogRead(msgspec.Struct, frozen=True, tag=True):
    """Grids and fees that the desk decides by from here on, as the exchange lists them."""

    ts_ns: int
    rows: tuple[ListedGrid, ...]


class SwitchSeen(msgspec.Struct, frozen=True, tag=True):
    """The session answers the kill switch.

    Attributes
    ----------
    ts_ns : int
    flatten : bool
        Whether it closes its positions, too.
    stage : {'taken', 'cancelled', 'flat'}
        It acts on it; nothing of it is at work any more; it holds nothing any more.
    """

    ts_ns: int
    flatten: bool
    stage: str


class Orphaned(msgspec.Struct, frozen=True, tag=True):
    """The process that supervises the session is gone; ``then`` is what the session does."""

    ts_ns: int
    then: str
