"""Time as integer nanoseconds UTC, and ACT/365F year fractions from it.

Every moment in gammacore is an integer count of nanoseconds since 1970-01-01 UTC.
A year is exactly 365 days, which is the clock behind Deribit's marks, and a year
fraction is never truncated to days: a daily option has only hours left.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any, overload

import numpy as np

from gammacore.array_types import Floats, Ints

__all__ = [
    "DAYS_PER_YEAR",
    "EXPIRY_HOUR",
    "FRIDAY",
    "FUNDING_PERIOD_NS",
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
    "times_ns",
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
DAYS_PER_YEAR = 365
NS_PER_YEAR = DAYS_PER_YEAR * NS_PER_DAY

EXPIRY_HOUR = 8
SETTLEMENT_WINDOW_NS = 30 * NS_PER_MINUTE  # before expiry: the delivery price is the average over it
FUNDING_PERIOD_NS = 8 * NS_PER_HOUR  # that a funding rate of a perpetual is quoted for
FRIDAY = 4

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FRACTION = re.compile(r"(.*:\d\d)[.,](\d+)(Z|[+-]\d\d:?\d\d)?")


@overload
def year_fraction(ts_ns: int, expiry_ns: int) -> float: ...
@overload
def year_fraction(ts_ns: Ints, expiry_ns: int | Ints) -> Floats: ...
@overload
def year_fraction(ts_ns: int | Ints, expiry_ns: Ints) -> Floats: ...
def year_fraction(ts_ns: int | Ints, expiry_ns: int | Ints) -> float | Floats:
    """Years from ``ts_ns`` to ``expiry_ns`` on ACT/365F.

    Parameters
    ----------
    ts_ns, expiry_ns : int or array of int64
        Nanoseconds since 1970-01-01 UTC, or times that `times_ns` takes; arrays broadcast.

    Returns
    -------
    float or array of float64
        ``(expiry_ns - ts_ns) / NS_PER_YEAR``; negative once expired. The
        difference is taken in integers, so no nanosecond is lost before the division.

    Raises
    ------
    TypeError, ValueError
        If an argument is no time, see `times_ns`.
    """
    if isinstance(ts_ns, int) and isinstance(expiry_ns, int):
        return float(expiry_ns - ts_ns) / NS_PER_YEAR
    start, end = times_ns("ts_ns", ts_ns), times_ns("expiry_ns", expiry_ns)
    years = (end - start) / NS_PER_YEAR
    return years if years.ndim else float(years)


# Integers in this range of another unit are not taken for nanoseconds, which they would be of January 1970.
_RECENT_S = (1_230_768_000, 2_524_608_000)  # 2009 to 2050
_LAST_NS = 7_258_118_400 * NS_PER_SECOND  # 2200
_UNITS = (
    ("seconds", NS_PER_SECOND),
    ("milliseconds", NS_PER_MILLISECOND),
    ("microseconds", NS_PER_MICROSECOND),
)


def times_ns(name: str, value: Any) -> Ints:
    """Nanoseconds UTC of whatever a caller has for times.

    Parameters
    ----------
    name : str
        Of the argument, for messages.
    value : int, datetime, numpy.datetime64, or array_like or pandas index or column of them
        Integers are nanoseconds since 1970-01-01 UTC. ``datetime64`` has its unit with it. A time without
        a zone is UTC, one with a zone is converted.

    Returns
    -------
    array of int64
        In the shape given, 0-d for one time; the given array itself where it is of int64.

    Raises
    ------
    TypeError
        If times are floats, which have lost nanoseconds, texts or booleans.
    ValueError
        If one is missing (NaT, masked), before 1970 or after 2200; or if integers are not nanoseconds: those
        that are seconds, milliseconds or microseconds between 2009 and 2050, or less than a second in all.
    """
    if type(value) is not np.ndarray or value.dtype != np.int64:
        value = _integers(name, value)
    if value.size:
        _check_range(name, int(value.min()), int(value.max()))
    return value  # type: ignore[no-any-return]


def _integers(name: str, value: Any) -> Ints:
    """Convert times of any type to int64, exactly."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.getmaskarray(value).any():
        raise ValueError(f"{name}: {int(np.ma.getmaskarray(value).sum())} of {value.size} times are masked")
    if getattr(getattr(value, "dtype", None), "tz", None) is not None:  # a pandas column with a zone
        given = np.asarray(value, "datetime64[ns]")
    else:
        given = np.asarray(value)
    if given.dtype.kind in "iu":
        return given.astype(np.int64)
    if given.dtype == object and given.size and all(isinstance(one, datetime) for one in given.flat):
        moments = [_moment_ns(name, one) for one in given.flat]
        return np.array(moments, np.int64).reshape(given.shape)
    if given.dtype.kind != "M":
        raise TypeError(
            f"{name}: expected integer nanoseconds or datetimes, got dtype {given.dtype}; "
            "texts become nanoseconds with gammacore.daycount.parse_time"
        )
    if np.isnat(given).any():
        raise ValueError(f"{name}: {int(np.isnat(given).sum())} of {given.size} times are missing (NaT)")
    seconds = given.astype("datetime64[s]").astype(np.int64)  # which cannot overflow
    if seconds.size:
        low, high = (int(one) * NS_PER_SECOND for one in (seconds.min(), seconds.max()))
        _check_range(name, low, high, datetimes=True)
    return given.astype("datetime64[ns]").astype(np.int64)


def _moment_ns(name: str, moment: datetime) -> int:
    """Nanoseconds of a datetime or of a pandas timestamp, which has more digits."""
    if moment != moment:
        raise ValueError(f"{name}: a time is missing (NaT)")
    return parse_time(moment) + int(getattr(moment, "nanosecond", 0))


def _check_range(name: str, low: int, high: int, *, datetimes: bool = False) -> None:
    if low < 0 or high > _LAST_NS:
        wrong = low if low < 0 else high
        text = "before 1970" if low < 0 else "after 2200"
        raise ValueError(f"{name}: expected nanoseconds since 1970-01-01 UTC, got {wrong}, {text}")
    if datetimes:
        return
    for unit, factor in _UNITS:
        if low * factor >= _RECENT_S[0] * NS_PER_SECOND and high * factor <= _RECENT_S[1] * NS_PER_SECOND:
            raise ValueError(
                f"{name}: expected nanoseconds since 1970-01-01 UTC, got {low}, which looks like {unit} "
                f"({format_time(low * factor)}); multiply by {factor:,} or pass the datetimes themselves"
            )
    if 0 < high < NS_PER_SECOND:
        raise ValueError(
            f"{name}: expected nanoseconds since 1970-01-01 UTC, got {low} to {high}, "
            "less than a second: these look like numbers of rows or days"
        )


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
            why = "write 2026-01-31 or 2026-01-31T08:00:00Z" if "isoformat" in str(error) else error
            raise ValueError(f"time {value!r} is not an ISO 8601 date or time: {why}") from None
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
    text = (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]  # without the zone, +00:00
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
def weekday(ts_ns: Ints) -> Ints: ...
def weekday(ts_ns: int | Ints) -> int | Ints:
    """Day of the week in UTC, Monday 0 to Sunday 6, of one moment or an array of them."""
    # 1970-01-01 was a Thursday.
    return (ts_ns // NS_PER_DAY + 3) % 7


def is_month_end_friday(ts_ns: int) -> bool:
    """Whether a moment falls on the last Friday of its month (monthly and quarterly expiries)."""
    return weekday(ts_ns) == FRIDAY and utc_date(ts_ns).month != utc_date(ts_ns + 7 * NS_PER_DAY).month
