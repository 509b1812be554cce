"""Whether a journal's events, put through a fresh desk, lead to the journal's commands.

They must: a desk decides from events alone. The first difference is a bug, a changed
version or a changed file, and is reported with both sides.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from gammacore.build import build_desk
from gammacore.config import parse_config
from gammacore.desk import Desk
from gammacore.errors import JournalError
from gammacore.events import Event
from gammacore.orders import Command

from .journal import Kind, Record, length, read
from .records import decode_command, decode_event

__all__ = ["Difference", "Parity", "Restored", "check", "restore"]

Progress = Callable[[int, int], None]


class Difference(NamedTuple):
    """First record at which desk and journal part."""

    seq: int
    event: Event
    recorded: tuple[Command, ...]
    decided: tuple[Command, ...]


class Parity(NamedTuple):
    """Outcome of a check."""

    events: int
    commands: int
    starts: int
    difference: Difference | None


class Restored(NamedTuple):
    """A desk as the journal left it, and the last record that it has seen."""

    desk: Desk
    parity: Parity
    seq: int


def check(path: str | os.PathLike[str], progress: Progress | None = None) -> Parity:
    """Replay a journal and compare.

    Parameters
    ----------
    path : path-like
    progress : callable(records so far, records in all), optional

    Raises
    ------
    JournalError
        If it is no journal, or does not begin with a start.
    """
    return restore(path, progress).parity


def restore(path: str | os.PathLike[str], progress: Progress | None = None) -> Restored:
    """Replay a journal up to its end, or to the first difference.

    Raises
    ------
    JournalError
        See :func:`check`.
    """
    desk: Desk | None = None
    events = commands = starts = seq = 0
    total = 0 if progress is None else length(path)
    for record, recorded in _answers(read(path)):
        seq = record.seq
        if record.kind is Kind.START:
            starts += 1
            if desk is None:  # a later process goes on where the one before was
                desk = build_desk(parse_config(msgspec.json.decode(record.body)))
            continue
        if desk is None:
            raise JournalError(f"{path}: record {record.seq} comes before any start")
        event = decode_event(record.body)
        decided = tuple(desk.handle(event))
        events, commands = events + 1, commands + len(recorded)
        if decided != recorded:
            difference = Difference(record.seq, event, recorded, decided)
            return Restored(desk, Parity(events, commands, starts, difference), seq)
        if progress is not None and events % 1_000 == 0:
            progress(seq, total)
    if desk is None:
        raise JournalError(f"{path}: empty")
    return Restored(desk, Parity(events, commands, starts, None), seq)


def _answers(records: Iterable[Record]) -> Iterable[tuple[Record, tuple[Command, ...]]]:
    """Yield starts and events, each with the commands that follow it."""
    head: Record | None = None
    commands: list[Command] = []
    for record in records:
        if record.kind is Kind.COMMAND:
            commands.append(decode_command(record.body))
        elif record.kind in (Kind.START, Kind.EVENT):
            if head is not None:
                yield head, tuple(commands)
            head, commands = record, []
    if head is not None:
        yield head, tuple(commands)
