"""Which instruments' tickers a session hears."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

from gammacore.contracts import Future, Option, Perpetual
from gammacore.deribit.channels import ticker

from .attempts import Tradable

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
    """

    def __init__(self, session: Subscribes) -> None:
        self._session = session
        self._instruments: set[Tradable] = set()

    def want(self, instruments: set[Tradable]) -> None:
        """Subscribe to what is wanted now, leave the rest."""
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
