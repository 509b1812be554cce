"""Which instruments' tickers a session hears."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

from gammacore.contracts import Future, Option, Perpetual
from gammacore.deribit.channels import ticker
from gammacore.desk import Desk

from .attempts import Tradable
from .execution import Execution

__all__ = ["Subscribes", "Watched"]

INTERVAL = {Perpetual: "raw", Future: "raw", Option: "100ms"}


class Subscribes(Protocol):
    """What this needs of a session."""

    def subscribe(self, channels: Iterable[str]) -> None: ...  # noqa: D102
    def unsubscribe(self, channels: Iterable[str]) -> None: ...  # noqa: D102


class Watched:
    """Instruments that are subscribed.

    Parameters
    ----------
    session : Subscribes
    desk : Desk
    execution : Execution
    perpetual : Perpetual
        Always watched.
    """

    def __init__(self, session: Subscribes, desk: Desk, execution: Execution, perpetual: Perpetual) -> None:
        self._session, self._desk, self._execution = session, desk, execution
        self._perpetual = perpetual
        self._instruments: set[Tradable] = set()

    def _wanted(self) -> set[Tradable]:
        """Gather what the desk holds, what is at work, and the perpetual."""
        wanted: set[Tradable] = {self._perpetual} | self._execution.instruments
        for episode in self._desk.portfolio.open.values():
            wanted |= {*episode.legs, episode.hedge.instrument}
        return wanted

    def update(self) -> None:
        """Subscribe to what is wanted now, leave the rest."""
        instruments = self._wanted()
        added, left = instruments - self._instruments, self._instruments - instruments
        self._instruments = instruments
        if added:
            self._session.subscribe([_channel(instrument) for instrument in sorted(added, key=str)])
        if left:
            self._session.unsubscribe([_channel(instrument) for instrument in sorted(left, key=str)])

    def forget(self) -> None:
        """Begin anew, on another connection."""
        self._instruments = set()

    def missing(self, channels: Collection[str]) -> None:
        """Take note of channels that were not granted: they are asked for again."""
        self._instruments -= {i for i in self._instruments if _channel(i) in channels}


def _channel(instrument: Tradable) -> str:
    return ticker(instrument, INTERVAL[type(instrument)])
