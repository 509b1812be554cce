"""One time that a caller hands in, as nanoseconds."""

from __future__ import annotations

from typing import Any

from gammacore.daycount import times_ns
from gammacore.errors import DataError

__all__ = ["moment", "period"]


def moment(name: str, value: Any) -> int:
    """Return one time as nanoseconds UTC, see `gammacore.daycount.times_ns`.

    Raises
    ------
    DataError
        If it is none: several, a text, a float, or an integer of another unit.
    """
    try:
        found = times_ns(name, value)
    except (TypeError, ValueError) as error:
        raise DataError(str(error)) from None
    if found.ndim:
        raise DataError(f"{name}: expected one time, got {found.size}")
    return int(found)


def period(start_ns: Any, end_ns: Any) -> tuple[int | None, int | None]:
    """Return the ends of a period as nanoseconds UTC; None stays none. Errors as of :func:`moment`."""
    start = None if start_ns is None else moment("start_ns", start_ns)
    return start, None if end_ns is None else moment("end_ns", end_ns)
