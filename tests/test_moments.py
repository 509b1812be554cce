"""Times that callers hand to the data layer: datetimes of any unit, or integers that can be nanoseconds."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from gammacore.data import Store, load_chains, load_funding, load_prices
from gammacore.data.delivery import delivery_from_prices
from gammacore.data.moments import moment, period
from gammacore.daycount import NS_PER_HOUR, NS_PER_MINUTE
from gammacore.errors import DataError
from support import chain_files
from support.markets import prices_of
from support.store_rows import START as STORED
from support.store_rows import index

START = chain_files.START  # 2026-01-05T04:00Z
UNITS = ("s", "ms", "us", "ns")


@pytest.mark.parametrize(
    "value", [START, datetime(2026, 1, 5, 4, tzinfo=UTC), pd.Timestamp("2026-01-05T05:00+01:00")]
)
def test_a_moment_is_nanoseconds(value):
    assert moment("at", value) == START


@pytest.mark.parametrize("unit", UNITS)
def test_a_moment_of_any_unit(unit):
    assert moment("at", np.datetime64("2026-01-05T04:00", unit)) == START


@pytest.mark.parametrize(
    "value",
    [START // 10**9, START // 10**6, START // 10**3, float(START), "2026-01-05", None, [START, START]],
)
def test_what_is_no_moment_is_refused(value):
    with pytest.raises(DataError, match=r"^at: expected"):
        moment("at", value)


def test_a_period_may_be_open():
    assert period(None, None) == (None, None)
    assert period(START, np.datetime64("2026-01-05T05:00")) == (START, START + NS_PER_HOUR)


@pytest.fixture
def prices():
    return prices_of(START + np.arange(1, 61) * NS_PER_MINUTE, np.arange(1.0, 61.0), NS_PER_MINUTE)


@pytest.mark.parametrize("unit", UNITS)
def test_prices_and_deliveries_take_datetimes(prices, unit):
    index = pd.DatetimeIndex(["2026-01-05T04:10", "2026-01-05T04:20"]).as_unit(unit)
    assert prices.asof(index).tolist() == [10.0, 20.0]
    assert prices.asof(index[0].to_datetime64()) == 10.0
    assert delivery_from_prices(prices, np.datetime64("2026-01-05T05:00", unit)) == 45.5


def test_prices_refuse_other_units(prices):
    with pytest.raises(ValueError, match="looks like milliseconds"):
        prices.asof(START // 10**6)
    with pytest.raises(DataError, match="looks like seconds"):
        delivery_from_prices(prices, START // 10**9)


@pytest.mark.parametrize("unit", UNITS)
def test_chains_and_their_loader_take_datetimes(tmp_path, unit):
    path = chain_files.write(tmp_path / "BTC.csv", chain_files.text(chain_files.rows()))
    ends = np.datetime64("2026-01-05T10:00", unit), np.datetime64("2026-01-05T22:00", unit)
    for chains in (load_chains(path).between(*ends), load_chains(path, start_ns=ends[0], end_ns=ends[1])):
        assert chains.snapshot_ts.tolist() == [START + 6 * NS_PER_HOUR, START + 12 * NS_PER_HOUR]


def test_loaders_refuse_other_units_instead_of_keeping_all_rows(tmp_path):
    path = chain_files.write(tmp_path / "BTC.csv", chain_files.text(chain_files.rows()))
    start = START // 10**6 + 12 * 3_600_000
    with pytest.raises(DataError, match=r"start_ns: .* looks like milliseconds"):
        load_chains(path, start_ns=start)
    (tmp_path / "btc_1h.csv").write_text("timestamp,close\n2026-01-05,1\n2026-01-05T01:00,2\n")
    with pytest.raises(DataError, match="looks like milliseconds"):
        load_prices(tmp_path / "btc_1h.csv", start_ns=start)
    rates = "timestamp,funding_rate\n2026-01-05T08:00,1e-4\n2026-01-05T16:00,2e-4\n2026-01-06,1e-4\n"
    (tmp_path / "funding.csv").write_text(rates)
    with pytest.raises(DataError, match="looks like milliseconds"):
        load_funding(tmp_path / "funding.csv", start_ns=start)
    funding, noon = load_funding(tmp_path / "funding.csv"), pd.Timestamp("2026-01-05T12:00")
    assert funding.accrued(noon, noon + pd.Timedelta("4h")) == pytest.approx(1e-4, rel=1e-12)
    with pytest.raises(ValueError, match="looks like milliseconds"):
        funding.accrued(start, start + 3_600_000)


@pytest.mark.parametrize("unit", UNITS)
def test_the_store_takes_datetimes(tmp_path, unit):
    with Store(tmp_path / "data") as store:
        day = str(np.datetime64(STORED, "ns").astype("datetime64[D]"))
        store.write("index", "BTC", day, "a", index([(0, 0, 1.0)]))
        at = np.datetime64(STORED, "ns").astype(f"datetime64[{unit}]")
        assert store.read("index", "BTC", as_of_ns=at)["price"].tolist() == [1.0]
        assert not store.read("index", "BTC", as_of_ns=at - np.timedelta64(1, "s"))["price"].size
        with pytest.raises(DataError, match=r"as_of_ns: .* looks like milliseconds"):
            store.read("index", "BTC", as_of_ns=STORED // 10**6)
