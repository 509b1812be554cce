"""Time as integer nanoseconds UTC, and ACT/365F year fractions from it.

Every moment in gammacore is an integer count of nanoseconds since 1970-01-01 UTC.
A year is exactly 365 days, which is the clock behind Deribit's marks, and a year
fraction is never truncated to days: a daily option has only hours left.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import overload

import numpy as np
import numpy.typing as npt

__all__ = [
    "EXPIRY_HOUR",
    "FRIDAY",
    "NS_PER_DAY",
    "NS_PER_HOUR",
    "NS_PER_MICROSECOND",
    "NS_PER_MILLISECOND",
    "NS_PER_MINUTE",
    "NS_PER_SECOND",
    "NS_PER_YEAR",
    "SETTLEMENT_WINDOW_NS",
    "expiry_ns",
    "format_time",
    "is_month_end_friday",
    "parse_time",
    "utc_date",
    "weekday",
    "year_fraction",
]

NS_PER_MICROSECOND = 1_000
NS_PER_MILLISECOND = 1_000_000
NS_PER_SECOND = 1_000_000_000
NS_PER_MINUTE = 60 * NS_PER_SECOND
NS_PER_HOUR = 60 * NS_PER_MINUTE
NS_PER_DAY = 24 * NS_PER_HOUR
NS_PER_YEAR = 365 * NS_PER_DAY

EXPIRY_HOUR = 8
SETTLEMENT_WINDOW_NS = 30 * NS_PER_MINUTE  # before expiry: the delivery price is the average over it
FRIDAY = 4

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FRACTION = re.compile(r"(.*:\d\d)[.,](\d+)(Z|[+-]\d\d:?\d\d)?")

Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@overload
def year_fraction(ts_ns: int, expiry_ns: int) -> float: ...
@overload
def year_fraction(ts_ns: Int64Array, expiry_ns: int | Int64Array) -> FloatArray: ...
@overload
def year_fraction(ts_ns: int | Int64Array, expiry_ns: Int64Array) -> FloatArray: ...
def year_fraction(ts_ns: int | Int64Array, expiry_ns: int | Int64Array) -> float | FloatArray:
    """Years from ``ts_ns`` to ``expiry_ns`` on ACT/365F.

    Parameters
    ----------
    ts_ns, expiry_ns : int or array of int64
        Nanoseconds since 1970-01-01 UTC; arrays broadcast.

    Returns
    -------
    float or array of float64
        ``(expiry_ns - ts_ns) / NS_PER_YEAR``; negative once expired. The
        difference is taken in integers, so no nanosecond is lost before the division.

    Raises
    ------
    TypeError
        If an argument is not of integer type (a float has already lost nanoseconds).
    """
    if isinstance(ts_ns, int) and isinstance(expiry_ns, int):
        return float(expiry_ns - ts_ns) / NS_PER_YEAR
    start, end = np.asarray(ts_ns), np.asarray(expiry_ns)
    for name, value in (("ts_ns", start), ("expiry_ns", end)):
        if value.dtype.kind not in "iu":
            raise TypeError(f"{name} must be integer nanoseconds, got dtype {value.dtype}")
    years = (end.astype(np.int64) - start.astype(np.int64)) / NS_PER_YEAR
    return years if years.ndim else float(years)


def parse_time(value: str | date) -> int:
    """Nanoseconds UTC of an ISO 8601 text, a date or a datetime.

    Parameters
    ----------
    value : str, datetime.date or datetime.datetime
        Text such as ``2026-01-02``, ``2026-01-02T08:00:00Z`` or
        ``2026-01-02 09:00:00.123456789+01:00``. A value without a zone is UTC,
        a date is its midnight.

    Returns
    -------
    int
        Nanoseconds since 1970-01-01 UTC, exact to the nanosecond.

    Raises
    ------
    ValueError
        If the text is not an ISO 8601 date or date and time, or has digits below the nanosecond.
    """
    fraction_ns = 0
    if isinstance(value, str):
        text = value.strip()
        # datetime stops at microseconds: the fraction is read apart.
        if match := _FRACTION.fullmatch(text):
            digits = match[2].rstrip("0")
            if len(digits) > 9:
                raise ValueError(f"time {value!r} has digits below the nanosecond")
            fraction_ns = int(digits.ljust(9, "0"))
            text = match[1] + (match[3] or "")
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise ValueError(f"time {value!r} is not an ISO 8601 date or time: {error}") from None
    elif isinstance(value, datetime):
        moment = value
    else:
        moment = datetime(value.year, value.month, value.day)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1) * NS_PER_MICROSECOND + fraction_ns


def format_time(ts_ns: int) -> str:
    """ISO 8601 text of a moment, in UTC, with as many digits as it needs.

    Parameters
    ----------
    ts_ns : int
        Nanoseconds since 1970-01-01 UTC.

    Returns
    -------
    str
        ``2026-01-02T08:00:00Z``, with 3, 6 or 9 decimals when the fraction is not
        zero; `parse_time` gives the same integer back.
    """
    seconds, fraction_ns = divmod(int(ts_ns), NS_PER_SECOND)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    if fraction_ns:
        digits = f"{fraction_ns:09d}"
        keep = 9 if fraction_ns % 1_000 else 6 if fraction_ns % 1_000_000 else 3
        text += f".{digits[:keep]}"
    return text + "Z"


def expiry_ns(day: str | date) -> int:
    """Nanoseconds of the exchange's expiry, 08:00 UTC, on a day.

    Parameters
    ----------
    day : str or datetime.date
        ``2026-01-02`` or a date; the time of day of a datetime is ignored.

    Returns
    -------
    int
        Nanoseconds since 1970-01-01 UTC.

    Raises
    ------
    ValueError
        If a text is not an ISO 8601 date.
    """
    midnight = parse_time(day) // NS_PER_DAY * NS_PER_DAY
    return midnight + EXPIRY_HOUR * NS_PER_HOUR


def utc_date(ts_ns: int) -> date:
    """Calendar day in UTC of a moment in nanoseconds."""
    return (_EPOCH + timedelta(days=int(ts_ns) // NS_PER_DAY)).date()


@overload
def weekday(ts_ns: int) -> int: ...
@overload
def weekday(ts_ns: Int64Array) -> Int64Array: ...
def weekday(ts_ns: int | Int64Array) -> int | Int64Array:
    """Day of the week in UTC, Monday 0 to Sunday 6, of one moment or an array of them."""
    # 1970-01-01 was a Thursday.
    return (ts_ns // NS_PER_DAY + 3) % 7


def is_month_end_friday(ts_ns: int) -> bool:
    """Whether a moment falls on the last Friday of its month (monthly and quarterly expiries)."""
    return weekday(ts_ns) == FRIDAY and utc_date(ts_ns).month != utc_date(ts_ns + 7 * NS_PER_DAY).month
