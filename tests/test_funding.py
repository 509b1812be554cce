import numpy as np
import pytest

from gammacore.data.funding import load_funding
from gammacore.daycount import NS_PER_HOUR, NS_PER_MILLISECOND, parse_time
from gammacore.errors import DataError
from support.shared_data import recorded

DAY = parse_time("2026-01-05")


def write(tmp_path, content):
    path = tmp_path / "funding.csv"
    path.write_text(content)
    return path


@pytest.fixture
def funding(tmp_path):
    return load_funding(
        write(
            tmp_path,
            "timestamp,funding_rate\n2026-01-05T08:00:00+00:00,0.0001\n"
            "2026-01-05T16:00:00+00:00,-0.0002\n2026-01-06T00:00:00+00:00,0.0004\n",
        )
    )


def test_stamps_are_the_ends_of_periods(funding):
    assert funding.period_ns == 8 * NS_PER_HOUR
    assert funding.ts_ns[0] == DAY + 8 * NS_PER_HOUR
    assert len(funding) == 3
    assert funding.quality.problems == ()


def test_accrual_is_even_within_a_period_and_adds_up(funding):
    hour = NS_PER_HOUR
    assert funding.accrued(DAY, DAY + 24 * hour) == pytest.approx(0.0003, rel=1e-12)
    assert funding.accrued(DAY, DAY + 4 * hour) == pytest.approx(0.00005, rel=1e-12)
    assert funding.accrued(DAY + 6 * hour, DAY + 12 * hour) == pytest.approx(0.000025 - 0.0001, rel=1e-12)
    assert funding.accrued(DAY - 48 * hour, DAY) == 0.0
    assert funding.accrued(DAY + 24 * hour, DAY + 48 * hour) == 0.0
    times = DAY + np.arange(-10, 40) * hour
    steps = funding.accrued(times[:-1], times[1:])
    assert steps.sum() == pytest.approx(funding.accrued(times[0], times[-1]), rel=1e-12)


def test_gaps_accrue_nothing(tmp_path):
    path = write(
        tmp_path, "ts,rate\n1767600000000,0.01\n1767628800000,0.01\n1767657600000,0.01\n1767715200000,0.01\n"
    )
    funding = load_funding(path)
    assert funding.quality.count("gaps between periods") == 1
    last = 1_767_657_600_000 * NS_PER_MILLISECOND
    assert funding.accrued(last, last + 8 * NS_PER_HOUR) == 0.0
    assert funding.accrued(last, last + 16 * NS_PER_HOUR) == pytest.approx(0.01, rel=1e-12)


def test_newest_first_and_late_stamps(tmp_path):
    funding = load_funding(
        write(tmp_path, "ts,rate\n1767657600002,0.03\n1767628800009,0.02\n1767600000001,0.01\n")
    )
    assert funding.rate.tolist() == [0.01, 0.02, 0.03]
    assert funding.period_ns == 8 * NS_PER_HOUR


def test_period_filter(funding, tmp_path):
    path = tmp_path / "funding.csv"
    later = load_funding(path, start_ns=DAY + 9 * NS_PER_HOUR)
    assert later.rate.tolist() == [-0.0002, 0.0004]
    with pytest.raises(DataError, match="1 periods chosen; at least two"):
        load_funding(path, end_ns=DAY + 9 * NS_PER_HOUR)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ts,rate\n1767600000000,\n", "line 2, column 'rate': '' is not a rate"),
        ("ts,rate\n1767600000000,0.1 %\n", "line 2, column 'rate': '0.1 %' is not a finite number"),
        ("ts,rate\n1767600000000,1\n1767600000000,2\n", "two rates at 2026-01-05T08:00:00Z: 1 and 2"),
        ("ts,price\n1767600000000,1\n", "no column named funding_rate or rate"),
        ("when,rate\n1767600000000,1\n", "no column named timestamp or ts or time"),
    ],
)
def test_unusable_files_say_why(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        load_funding(write(tmp_path, content))


def test_a_directory_is_not_a_perpetual(tmp_path):
    write(tmp_path, "a\n")
    (tmp_path / "b.csv").touch()
    with pytest.raises(DataError, match="holds 2 files; name the one"):
        load_funding(tmp_path)


def test_recorded_funding_adds_up_by_year():
    funding = load_funding(recorded("data/funding/btc_perpetual_deribit_funding_8h_sum.csv.gz"))
    assert funding.period_ns == 8 * NS_PER_HOUR
    assert funding.quality.count("gaps between periods") == 1
    sums = {2021: 0.165, 2022: -0.023, 2023: 0.068, 2024: 0.103, 2025: 0.054}
    for year, total in sums.items():
        accrued = funding.accrued(parse_time(f"{year}-01-01"), parse_time(f"{year + 1}-01-01"))
        assert accrued == pytest.approx(total, abs=0.001)


@pytest.mark.parametrize(("venue", "hours"), [("binance", 8), ("bybit", 8), ("okx", 8), ("hyperliquid", 1)])
def test_recorded_funding_of_other_venues(venue, hours):
    funding = load_funding(recorded(f"data/funding/btc_perp_{venue}_funding.csv.gz"))
    assert funding.period_ns == hours * NS_PER_HOUR
    assert (np.diff(funding.ts_ns) > 0).all()
    assert funding.quality.problems == ()
