"""Times whose form is found over a whole file, or refused."""

from pathlib import Path

import pytest

from gammacore.data.account.dates import read_times
from gammacore.daycount import parse_time
from gammacore.errors import ConfigError, DataError

HERE = Path("log.csv")


def read(*cells, order=None, choice=""):
    return read_times(HERE, "Date", cells, range(2, 2 + len(cells)), order, choice)


@pytest.mark.parametrize(
    ("cells", "first", "whole"),
    [
        (("2021-02-14T09:30:01Z", "2021-02-14 09:30:02"), "2021-02-14T09:30:01Z", True),
        (("2021-02-14T09:30:01.000000005Z",), "2021-02-14T09:30:01.000000005Z", False),
        (("1613295001333",), "2021-02-14T09:30:01.333Z", False),
        (("14/02/21 09:30:01",), "2021-02-14T09:30:01Z", True),
        (("14/02/2021, 09:30:01",), "2021-02-14T09:30:01Z", True),
        (("14.02.2021 09:30",), "2021-02-14T09:30:00Z", True),
        (("14/02/21 09:30:01.25",), "2021-02-14T09:30:01.250Z", False),
        (("14 Feb 2021 09:30:01", "1 MAR 2021 00:00:00 UTC"), "2021-02-14T09:30:01Z", True),
        (("02/14/21 09:30:01",), "2021-02-14T09:30:01Z", True),  # no month has that number
    ],
)
def test_forms(cells, first, whole):
    times, seconds = read(*cells)
    assert (times[0], seconds) == (parse_time(first), whole)


def test_one_row_decides_for_all():
    times, _ = read("05/06/26 08:00:00", "13/06/26 08:00:00")
    assert times[0] == parse_time("2026-06-05T08:00:00Z")


def test_the_order_of_rows_decides():
    times, _ = read("05/06/26 08:00:00", "04/07/26 08:00:00", order=[1, 2])
    assert times == [parse_time("2026-06-05T08:00:00Z"), parse_time("2026-07-04T08:00:00Z")]
    times, _ = read("05/06/26 08:00:00", "04/07/26 08:00:00", order=[2, 1])
    assert times == [parse_time("2026-05-06T08:00:00Z"), parse_time("2026-04-07T08:00:00Z")]


def test_what_nothing_decides_is_refused_with_both_readings_unless_told():
    with pytest.raises(
        DataError, match=r"log.csv: line 2, column 'Date': '05/06/26 .* is 2026-06-05 or 2026-05-06"
    ):
        read("05/06/26 08:00:00", "07/06/26 08:00:00")
    times, _ = read("05/06/26 08:00:00", choice="day-first")
    assert times == [parse_time("2026-06-05T08:00:00Z")]
    times, _ = read("05/06/26 08:00:00", choice="month-first")
    assert times == [parse_time("2026-05-06T08:00:00Z")]
    assert read("05/05/26 08:00:00")[0] == [parse_time("2026-05-05T08:00:00Z")]  # the same either way


@pytest.mark.parametrize(
    ("cells", "line"),
    [
        (("14/02/21 09:30:01", "2021-02-14 09:30:01"), 2),
        (("2021-02-14 09:30:01", "14/02/21 09:30:01"), 3),
        (("14 Feb 2021 09:30:01", "14 Fev 2021 09:30:01"), 3),
        (("14/02/21 09:30:01", "30/02/21 09:30:01"), 3),
        (("14/02/21 25:30:01",), 2),
        (("",), 2),
    ],
)
def test_a_cell_of_another_form_is_named(cells, line):
    with pytest.raises(DataError, match=rf"log.csv: line {line}, column 'Date'"):
        read(*cells)


def test_times_that_run_against_the_rows_are_refused():
    with pytest.raises(DataError, match="run against the order"):
        read("14/02/21 09:30:01", "13/02/21 09:30:01", order=[1, 2])


def test_a_choice_that_is_none():
    with pytest.raises(ConfigError, match="day-first or month-first"):
        read("05/06/26 08:00:00", choice="american")
