"""A journal retold: the desk that it leads to, what it holds, and whether the desk decides as it did.

It must: a desk decides from events alone. The first difference is a bug, a changed version or a changed file.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import msgspec

from gammacore.build import build_desk, refit
from gammacore.config import Config, parse_config
from gammacore.contracts import Grids
from gammacore.data.listings import published
from gammacore.deribit.news import AccountNews
from gammacore.desk import Desk
from gammacore.errors import JournalError
from gammacore.events import Event
from gammacore.orders import Command

from .about import Began, CatalogRead
from .attempts import Booked, Placed
from .journal import Record, RecordKind, read
from .news import ClockSkew, Gap, StateChanged
from .positions import Adopted, Baseline, Foreign, Survey, TakenOver
from .records import decode_command, decode_event, decode_fact
from .risk_manager import DayStart, ModeChanged, ProfitHigh

FACTS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        AccountNews,
        Adopted,
        Baseline,
        Began,
        Booked,
        CatalogRead,
        ClockSkew,
        DayStart,
        Foreign,
        Gap,
        ModeChanged,
        Placed,
        ProfitHigh,
        StateChanged,
        Survey,
        TakenOver,
    )
}


class Departure(NamedTuple):
    """First record at which desk and journal part."""

    seq: int
    event: Event
    recorded: tuple[Command, ...]
    decided: tuple[Command, ...]


class Retold:
    """What a journal says, record by record.

    Attributes
    ----------
    config : Config or None
        Of the first start; None before.
    desk : Desk or None
        As the session's.
    seq, starts, events, commands : int
        Last record, and how many there were of each kind.
    departure : Departure or None
        First decision that this desk would not have taken.
    """

    def __init__(self) -> None:
        self.config: Config | None = None
        self.desk: Desk | None = None
        self.seq = self.starts = self.events = self.commands = 0
        self.departure: Departure | None = None
        self._last: tuple[int, Event, tuple[Command, ...]] | None = None
        self._recorded: list[Command] = []

    def take(self, record: Record) -> Any:
        """Take in the next record; returns the event, command or fact that it holds, None for others.

        Raises
        ------
        JournalError
            If an event comes before any start.
        """
        self.seq = record.seq
        if record.kind is RecordKind.COMMAND:
            command = decode_command(record.body)
            self.commands += 1
            self._recorded.append(command)
            return command
        if record.kind is RecordKind.EVENT:
            return self._event(record)
        if record.kind is RecordKind.START:
            self.compare()
            self.starts += 1
            if self.desk is None:  # a later process goes on where the one before was
                self.config = parse_config(msgspec.json.decode(record.body))
                self.desk = build_desk(self.config, published(), "book")
                self.desk.faults = []  # code that failed in the session decided nothing there either
        kind = FACTS.get(record.name) if record.kind is RecordKind.FACT else None
        fact = None if kind is None else decode_fact(record.body, kind)
        if isinstance(fact, CatalogRead) and self.desk is not None and self.config is not None:
            self.compare()
            refit(self.desk, self.config, Grids(fact.rows))
        return fact

    def _event(self, record: Record) -> Event:
        if self.desk is None:
            raise JournalError(f"record {record.seq} comes before any start")
        self.compare()
        event = decode_event(record.body)
        self.events += 1
        self._last = record.seq, event, tuple(self.desk.handle(event))
        return event

    @property
    def decided(self) -> tuple[Command, ...]:
        """Commands of this desk on the last event."""
        return () if self._last is None else self._last[2]

    def compare(self) -> None:
        """Hold the last decision against what was recorded, once all of that has been taken in."""
        recorded, self._recorded = tuple(self._recorded), []
        if self._last is not None and self.departure is None and recorded != self._last[2]:
            self.departure = Departure(self._last[0], self._last[1], recorded, self._last[2])
        self._last = None


def last_start(path: str | os.PathLike[str]) -> Began | None:
    """Return what the last process of a journal said of itself, None if there was none.

    Raises
    ------
    JournalError
        If it cannot be read.
    """
    began = [record for record in read(path) if record.name == Began.__name__]
    return decode_fact(began[-1].body, Began) if began else None
