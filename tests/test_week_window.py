import pytest

from gammacore.config.week_window import WeekWindow


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("mon 08:00-16:00", ((480, 960),)),
        ("Sat", ((7200, 8640),)),
        ("fri-mon 00:30-24:00", ((5790, 7200), (7230, 8640), (8670, 10080), (30, 1440))),
        (" tue - wed  01:00 - 02:00 ", ((1500, 1560), (2940, 3000))),
    ],
)
def test_minutes_of_the_week(text, minutes):
    window = WeekWindow(text)
    assert (window, window.minutes) == (text, minutes)


@pytest.mark.parametrize(
    "text",
    ["monday", "mon 8:00-16:00", "mon 16:00-08:00", "mon 08:00-25:00", "mon 08:60-09:00", "abc", 5, ""],
)
def test_what_is_no_window(text):
    with pytest.raises(
        ValueError, match="expected a window such as 'mon 08:00-16:00', 'mon-fri' or 'sat', got"
    ):
        WeekWindow(text)
