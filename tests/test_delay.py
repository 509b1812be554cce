"""The delay of chains, found again where it is known."""

import numpy as np
import pytest
from markets import prices_of
from shared_data import recorded

from gammacore import inverse
from gammacore.backtest.replay.synthetic import chains_from_rows
from gammacore.data import load_chains, load_prices
from gammacore.data.delay import estimate_delay
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_SECOND, NS_PER_YEAR, parse_time

START = parse_time("2026-01-01T00:00Z")
MINUTES = 130 * 1440
COUNT = 520


def world(delay_s, seed, spread_s=0.0, stray=0.0):
    """Minutes of a price, and chains stamped earlier than their quotes; a share of them quote nonsense."""
    rng = np.random.default_rng(seed)
    bars = START + np.arange(MINUTES) * NS_PER_MINUTE
    price = 60e3 * np.exp(np.cumsum(rng.standard_normal(MINUTES) * 0.6 / np.sqrt(365 * 1440)))
    at = START + (np.arange(COUNT) * 6 + 3) * NS_PER_HOUR + rng.integers(0, 1800, COUNT) * NS_PER_SECOND
    quoted = at + ((delay_s + spread_s * rng.standard_normal(COUNT)) * NS_PER_SECOND).astype(np.int64)
    basis = 0.004 * np.sin(np.arange(COUNT) / 60) + 2e-4 * rng.standard_normal(COUNT)
    forward = np.interp(quoted, bars, price) * (1.0 + basis)
    forward = np.where(rng.random(COUNT) < stray, forward * 1.02, forward)
    return bars, price, chains(at, forward)


def chains(at, forward):
    ts, index = np.repeat(at, 10), np.repeat(forward, 10)
    expiry = ts // NS_PER_DAY * NS_PER_DAY + 32 * NS_PER_HOUR
    strike = np.round(index / 500) * 500 + np.tile(np.repeat([-1e3, -5e2, 0.0, 5e2, 1e3], 2), at.size)
    kind = np.tile([-1, 1], 5 * at.size).astype(np.int8)
    iv = np.full(ts.size, 0.6)
    mark = inverse.price(kind, index, strike, (expiry - ts) / NS_PER_YEAR, iv)
    return chains_from_rows("BTC", ts, expiry, strike, kind, index, index, mark, mark, mark, iv)


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
