"""Whether a journal's events, put through a fresh desk, lead to the journal's commands."""

from __future__ import annotations

import os
from collections.abc import Callable

from gammacore.errors import JournalError

from .journal import length, read
from .retold import Retold

EVERY = 1_000  # records between two calls of a progress bar


def check(path: str | os.PathLike[str], progress: Callable[[int, int], None] | None = None) -> Retold:
    """Replay a journal and compare, up to its end or the first departure.

    Parameters
    ----------
    path : path-like
    progress : callable(records so far, records in all), optional

    Returns
    -------
    Retold

    Raises
    ------
    JournalError
        If it is no journal, or does not begin with a start.
    """
    told = Retold()
    total = 0 if progress is None else length(path)
    for record in read(path):
        try:
            told.take(record)
        except JournalError as error:
            raise JournalError(f"{path}: {error}") from None
        if told.departure is not None:
            return told
        if progress is not None and told.seq % EVERY == 0:
            progress(told.seq, total)
    if told.desk is None:
        raise JournalError(f"{path}: empty")
    told.compare()
    return told
