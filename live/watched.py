"""Which instruments' tickers a session hears, and the volatility index where decisions look at it."""

from __future__ import annotations

from collections.abc import Collection

from gammacore.contracts import Future, Option, Perpetual
from gammacore.daycount import NS_PER_SECOND
from gammacore.deribit.channels import dvol, ticker
from gammacore.execution.quotes import Tradable

from .parts import Parts

AGAIN_NS = 5 * NS_PER_SECOND  # from channels that were not granted to asking for them again
INTERVAL = {Perpetual: "raw", Future: "raw", Option: "100ms", str: "100ms"}  # names are of combos


class Watched:
    """Instruments that are subscribed.

    Parameters
    ----------
    parts : Parts
        The perpetual of their feed is always watched.
    """

    def __init__(self, parts: Parts) -> None:
        self._session, self._desk, self._execution = parts.session, parts.desk, parts.execution
        self._perpetual = parts.feed.perpetual
        self._instruments: set[Tradable | str] = set()
        self._index = dvol(parts.feed.base) if parts.feed.volatility is not None else ""
        self._index_heard = False
        self._missing: set[str] = set()  # names of channels without their intervals, which differ on paper
        self._again_ns = 0

    def _wanted(self) -> set[Tradable | str]:
        """Gather what the desk holds, what is at work, and the perpetual."""
        wanted: set[Tradable | str] = {self._perpetual} | self._execution.instruments
        portfolio = self._desk.portfolio
        for episode in (*portfolio.open.values(), *portfolio.hedged):
            wanted |= {*episode.legs, episode.hedge.instrument}
        return wanted

    def update(self, now_ns: int) -> None:
        """Subscribe to what is wanted now, leave the rest."""
        if self._missing and now_ns >= self._again_ns:
            self._index_heard = self._index_heard and _name(self._index) not in self._missing
            self._instruments -= {i for i in self._instruments if _name(_channel(i)) in self._missing}
            self._missing = set()
        instruments = self._wanted()
        added, left = instruments - self._instruments, self._instruments - instruments
        self._instruments = instruments
        if added:
            self._session.subscribe([_channel(instrument) for instrument in sorted(added, key=str)])
        if self._index and not self._index_heard:
            self._index_heard = True
            self._session.subscribe([self._index])
        if left:
            self._session.unsubscribe([_channel(instrument) for instrument in sorted(left, key=str)])

    def forget(self) -> None:
        """Begin anew, on another connection."""
        self._instruments = set()
        self._missing = set()
        self._index_heard = False

    def missing(self, channels: Collection[str], now_ns: int) -> None:
        """Take note of channels that were not granted: they are asked for again after a while."""
        self._missing |= {_name(channel) for channel in channels}
        self._again_ns = now_ns + AGAIN_NS


def _channel(instrument: Tradable | str) -> str:
    return ticker(instrument, INTERVAL[type(instrument)])


def _name(channel: str) -> str:
    """Name of a channel without its interval."""
    return channel.rpartition(".")[0]
