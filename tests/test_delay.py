"""The delay of chains, found again where it is known."""

import pytest

from gammacore.data import load_chains, load_prices
from gammacore.data.delay import estimate_delay
from gammacore.daycount import NS_PER_HOUR, NS_PER_MINUTE, NS_PER_SECOND
from support.late_chains import COUNT, chains, world
from support.markets import prices_of
from support.shared_data import recorded


@pytest.mark.parametrize(("delay_s", "seed"), [(0, 1), (108, 2), (240, 3), (-60, 4)])
@pytest.mark.parametrize(("width", "error_s"), [(1, 10), (15, 30)])
def test_a_known_delay_is_found(delay_s, seed, width, error_s):
    bars, price, told = world(delay_s, seed, spread_s=30.0 * (delay_s > 0), stray=0.05)
    found = estimate_delay(told, prices_of(bars[::width], price[::width], width * NS_PER_MINUTE))
    assert found.delay_ns / NS_PER_SECOND == pytest.approx(delay_s, abs=error_s)
    assert found.low_ns <= found.delay_ns <= found.high_ns
    assert found.chains == COUNT
    assert (found.parameter is not None) is (delay_s > 0)
    if delay_s > 0:
        assert found.parameter == f"{found.delay_ns // NS_PER_SECOND}s"
        assert f"set data.chain_delay: {found.parameter}" in str(found)
    else:
        assert str(found).endswith("nothing to set")


def test_what_the_delay_is_set_to_is_gone():
    bars, price, told = world(120, 5)
    prices = prices_of(bars, price, NS_PER_MINUTE)
    moved = chains(told.snapshot_ts + 120 * NS_PER_SECOND, told.forward[told.offsets[:-1]])
    assert abs(estimate_delay(moved, prices).delay_ns) <= 10 * NS_PER_SECOND


def test_bars_of_an_hour_are_too_coarse():
    bars, price, told = world(0, 6)
    found = estimate_delay(told, prices_of(bars[::60], price[::60], NS_PER_HOUR))
    assert (found.chains, found.parameter) == (0, None)
    assert str(found) == (
        "Delay of the chains: not measured: bars of 60 min are too coarse, 15 min or less are needed"
    )


def test_few_chains_within_the_bars_tell_nothing():
    bars, price, told = world(0, 7)
    found = estimate_delay(told, prices_of(bars[:5000], price[:5000], NS_PER_MINUTE))
    assert found.chains == 0
    assert found.why_not == "14 chains within the bars have options of under three days, 30 are needed"


@pytest.mark.parametrize(
    ("currency", "bars", "low_s", "high_s"),
    [
        ("ETH", "ethusdt_bybit_perp_15m.csv.gz", 72, 150),  # stamped about two minutes early
        ("BTC", "btcusdt_binance_spot_1m_close_2026-04-11_2026-05-10.csv.gz", -10, 15),
    ],
)
def test_recorded_chains(currency, bars, low_s, high_s):
    told = load_chains(recorded("data/deribit_options"), currency=currency)
    found = estimate_delay(told, load_prices(recorded(f"data/prices/{bars}"), currency=currency))
    assert low_s <= found.delay_ns / NS_PER_SECOND <= high_s
    assert (found.parameter is not None) is (currency == "ETH")
