"""An interruption while the database works is one for the caller too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from . import database as duckdb

__all__ = ["interruptible"]

_FORMS = re.compile(r"\AQuery interrupted|^KeyboardInterrupt\b", re.MULTILINE)


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise `KeyboardInterrupt` where DuckDB makes an error of its own out of one.

    Between rows it says ``RuntimeError: Query interrupted``, in Python's own code ``duckdb.Error`` with the
    interruption or its whole traceback as the text; either would be shown as a broken file.
    """
    try:
        yield
    except (RuntimeError, duckdb.Error) as error:
        if not _FORMS.search(str(error)):
            raise
        raise KeyboardInterrupt from None
