from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore.daycount import (
    FRIDAY,
    NS_PER_DAY,
    NS_PER_HOUR,
    NS_PER_YEAR,
    expiry_ns,
    format_time,
    is_month_end_friday,
    parse_time,
    times_ns,
    utc_date,
    weekday,
    year_fraction,
)

moments = st.integers(parse_time("2000-01-01"), parse_time("2199-12-31"))


def test_year_is_365_days():
    assert NS_PER_YEAR == 365 * 86_400 * 10**9
    assert year_fraction(parse_time("2025-01-01"), parse_time("2026-01-01")) == 1.0
    assert year_fraction(parse_time("2024-01-01"), parse_time("2025-01-01")) == 366 / 365


def test_hours_and_nanoseconds_are_not_truncated():
    expiry = expiry_ns("2026-01-02")
    assert year_fraction(expiry - 3 * NS_PER_HOUR, expiry) == 3 / (24 * 365)
    assert year_fraction(expiry - 1, expiry) == 1 / NS_PER_YEAR
    assert year_fraction(expiry + 1, expiry) < 0


@given(st.lists(moments, min_size=1, max_size=5), moments)
def test_arrays_agree_with_scalars(starts, end):
    years = year_fraction(np.array(starts, dtype=np.int64), end)
    assert years.tolist() == [year_fraction(start, end) for start in starts]


def test_floats_are_refused():
    with pytest.raises(TypeError, match=r"ts_ns: expected integer nanoseconds .*, got dtype float64"):
        year_fraction(np.array([1.0]), 2)


NOON = parse_time("2026-03-01T12:00:00.000000005Z")


@pytest.mark.parametrize(
    "value",
    [
        NOON,
        np.array(NOON),
        np.uint64(NOON),
        np.datetime64(NOON, "ns"),
        pd.Timestamp(NOON, tz="UTC"),
        pd.Timestamp(NOON).tz_localize("UTC").tz_convert("Europe/Paris"),
        pd.Timestamp(NOON),
    ],
)
def test_one_time_is_exact_in_every_type(value):
    found = times_ns("ts_ns", value)
    assert (found.dtype, found.shape, int(found)) == (np.int64, (), NOON)


def test_zones_are_converted_and_times_without_one_are_utc():
    hour = parse_time("2026-03-01T12:00:00Z")
    tokyo = datetime(2026, 3, 1, 21, tzinfo=timezone(timedelta(hours=9)))
    assert times_ns("x", [tokyo, datetime(2026, 3, 1, 12)]).tolist() == [hour, hour]
    assert times_ns("x", np.array(["2026-03-01T12"], "datetime64[h]")).tolist() == [hour]
    days = np.array([[0, NS_PER_DAY]])
    assert times_ns("x", days) is days


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (np.array([1.7e18]), TypeError, "x: expected integer nanoseconds or datetimes, got dtype float64"),
        (["2026-01-01"], TypeError, "parse_time"),
        ([True], TypeError, "dtype bool"),
        (np.array(["2026-01-01", "NaT"], "datetime64[s]"), ValueError, "x: 1 of 2 times are missing"),
        (pd.to_datetime(["2026-01-01", None], utc=True), ValueError, "x: 1 of 2 times are missing"),
        ([pd.NaT], ValueError, "missing"),
        (np.ma.array([NOON, NOON], mask=[True, False]), ValueError, "x: 1 of 2 times are masked"),
        (
            [1_767_225_600],
            ValueError,
            r"looks like seconds \(2026-01-01T00:00:00Z\); multiply by 1,000,000,000",
        ),
        ([1_767_225_600_000], ValueError, "looks like milliseconds"),
        (np.array([1_767_225_600_000_000] * 2), ValueError, "looks like microseconds"),
        (np.arange(10), ValueError, "x: .*got 0 to 9, less than a second"),
        ([-1], ValueError, "x: .*got -1, before 1970"),
        ([8 * 10**18], ValueError, "x: .*after 2200"),
        (np.array(["5000-01-01"], "datetime64[D]"), ValueError, "x: .*after 2200"),
    ],
)
def test_what_is_no_time_is_refused(value, error, message):
    with pytest.raises(error, match=message):
        times_ns("x", value)


@given(moments)
def test_times_round_trip(ts_ns):
    assert parse_time(format_time(ts_ns)) == ts_ns


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2026-01-02", "2026-01-02T00:00:00Z"),
        ("2026-01-02T08:00:00", "2026-01-02T08:00:00Z"),
        ("2026-01-02 08:00:00+02:00", "2026-01-02T06:00:00Z"),
        ("2026-01-01T09:18:35.173Z", "2026-01-01T09:18:35.173Z"),
        ("2026-01-01T09:18:35.123456789+00:00", "2026-01-01T09:18:35.123456789Z"),
        (date(2026, 1, 2), "2026-01-02T00:00:00Z"),
        (datetime(2026, 1, 2, 3), "2026-01-02T03:00:00Z"),
        (datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=1))), "2026-01-02T02:00:00Z"),
        (datetime(2026, 1, 2, 3, 0, 0, 5, tzinfo=UTC), "2026-01-02T03:00:00.000005Z"),
    ],
)
def test_parse_time(value, text):
    assert format_time(parse_time(value)) == text


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-02-30T00:00:00"])
def test_bad_times_are_named(text):
    with pytest.raises(ValueError, match=f"time '{text}' is not an ISO 8601"):
        parse_time(text)


@pytest.mark.parametrize("mark", ".,")
def test_no_digit_of_a_time_is_lost(mark):
    at = parse_time("2026-01-02T08:00:00")
    assert parse_time(f"2026-01-02T08:00:00{mark}123456789Z") == at + 123_456_789
    assert parse_time(f"2026-01-02T09:00:00{mark}5000000000000+01:00") == at + 500_000_000
    with pytest.raises(ValueError, match="below the nanosecond"):
        parse_time(f"2026-01-02T08:00:00{mark}1234567891Z")


def test_expiry_is_eight_utc():
    assert format_time(expiry_ns(date(2026, 3, 27))) == "2026-03-27T08:00:00Z"
    assert expiry_ns(datetime(2026, 3, 27, 23)) == expiry_ns("2026-03-27")
    assert utc_date(expiry_ns("2026-03-27")) == date(2026, 3, 27)


def test_weekdays():
    friday = expiry_ns("2026-03-27")
    assert weekday(friday) == FRIDAY
    days = friday + NS_PER_DAY * np.arange(4)
    assert weekday(days).tolist() == [4, 5, 6, 0]
    assert is_month_end_friday(friday)
    assert not is_month_end_friday(expiry_ns("2026-03-20"))
    assert not is_month_end_friday(expiry_ns("2026-03-31"))
