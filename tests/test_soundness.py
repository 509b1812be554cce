"""Each mistake that a file can hold is found with its figure and words, and sound data passes."""

import numpy as np
import pytest

from gammacore import inverse
from gammacore.data import load_chains, load_funding, load_prices
from gammacore.data.soundness import (
    bars_against_forwards,
    price_at,
    shift_of_hours,
    sides_swapped,
    spikes,
    units_of_funding,
    units_of_iv,
)
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, parse_time
from support.shared_data import recorded

START = parse_time("2026-03-01")
BAR = 5 * NS_PER_MINUTE


@pytest.fixture(scope="module")
def market():
    """Two weeks of bars and a forward 0.1 % above them every three hours."""
    rng = np.random.default_rng(3)
    bar_ts = START + BAR * np.arange(1, 14 * 288 + 1)
    close = 90_000.0 * np.exp(np.cumsum(0.0015 * rng.standard_normal(bar_ts.size)))
    ts = START + 3 * NS_PER_HOUR * np.arange(1, 110) + 7 * NS_PER_MINUTE
    return bar_ts, close, ts, 1.001 * price_at(bar_ts, close, ts)


@pytest.fixture(scope="module")
def options():
    """Options around the money, with exact marks in coin."""
    rng = np.random.default_rng(4)
    n = 500
    kind = np.where(rng.random(n) < 0.5, 1, -1).astype(np.int8)
    forward = np.full(n, 90_000.0)
    strike, tau, iv = rng.uniform(80_000, 100_000, n), rng.uniform(0.02, 0.3, n), rng.uniform(0.3, 0.8, n)
    mark = inverse.greeks(kind, forward, strike, tau, iv).price
    return {"kind": kind, "mark": mark, "forward": forward, "strike": strike, "tau": tau, "iv": iv}


def test_prices_on_a_line_between_bars_and_none_in_holes():
    ts = np.array([0, 10, 20, 30, 100, 110])
    found = price_at(
        ts, np.array([1.0, 2.0, 4.0, 4.0, 8.0, 9.0]), np.array([-1, 0, 5, 15, 60, 100, 110, 111])
    )
    np.testing.assert_array_equal(found, [np.nan, 1.0, 1.5, 3.0, np.nan, 8.0, 9.0, np.nan])
    assert np.isnan(price_at(ts[:0], np.empty(0), ts)).all()


def test_sound_data_passes(market, options):
    verdicts = [bars_against_forwards(*market), shift_of_hours(*market), spikes(*market[:2])]
    verdicts.append(units_of_iv(**options, ts_ns=np.arange(500)))
    assert [str(v) for v in verdicts if not v.sound] == []
    assert verdicts[0].figure == pytest.approx(0.001, rel=1e-3)
    assert (verdicts[1].figure, verdicts[2].figure, verdicts[3].figure) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (1 / 30, "30 times below"),
        (100.0, "100 times above the forwards: another unit"),
        (0.05, "another coin"),
        (1.05, "5.1% above"),
    ],
)
def test_bars_of_another_market(market, factor, words):
    bar_ts, close, ts, forward = market
    found = bars_against_forwards(bar_ts, close * factor, ts, forward)
    assert found.figure == pytest.approx(abs(np.log(factor / 1.001)), rel=1e-3)
    assert (found.count, found.total, found.ts_ns) == (ts.size, ts.size, ts[0])
    # 1.05 of the price is 4.9 % above a forward that is 0.1 % above it.
    assert words.replace("5.1%", "4.9%") in found.why


def test_bars_that_are_wrong_for_a_part_of_the_time(market):
    bar_ts, close, ts, forward = market
    part = close.copy()
    part[bar_ts > START + 12 * NS_PER_DAY] *= 1.05
    found = bars_against_forwards(bar_ts, part, ts, forward)
    assert not found.sound
    assert found.figure == pytest.approx(np.log(1.05 / 1.001), rel=1e-3)
    assert found.ts_ns == ts[ts > START + 12 * NS_PER_DAY][0]


@pytest.mark.parametrize("hours", [-8, -3, -1, 0.5, 1, 2, 9])
def test_a_clock_that_is_off_by_hours(market, hours):
    bar_ts, close, ts, forward = market
    found = shift_of_hours(bar_ts, close, ts + int(hours * NS_PER_HOUR), forward)
    assert (found.figure, found.count) == (hours, ts.size)
    assert f"{abs(hours):g} h {'late' if hours > 0 else 'early'}" in found.why


def test_too_few_chains_tell_no_clock(market):
    bar_ts, close, ts, forward = market
    found = shift_of_hours(bar_ts, close, ts[:20] + NS_PER_HOUR, forward[:20])
    assert found.sound
    assert np.isnan(found.figure)


@pytest.mark.parametrize(
    ("field", "factor", "in_coin", "words"),
    [
        ("iv", 100.0, True, "100 times those of the marks: percent"),
        ("iv", 0.01, True, "divided by 100 once too often"),
        ("iv", 3.0, True, "3 times those of the marks"),
        ("mark", 90_000.0, True, "in USD; they must be in coin"),
        ("mark", 1.0, False, "in coin; they must be in USD"),
        ("mark", 1e9, True, "no implied volatility: another unit, coin or column"),
    ],
)
def test_units_of_volatilities_and_marks(options, field, factor, in_coin, words):
    wrong = options | {field: options[field] * factor}
    found = units_of_iv(**wrong, ts_ns=np.arange(500), in_coin=in_coin)
    assert found.figure > 0.98
    assert words in found.why


@pytest.mark.parametrize(("price", "found"), [(1.85, True), (0.6, True), (1.1, True), (1.02, False)])
@pytest.mark.parametrize("in_coin", [True, False])
def test_the_unit_of_marks_of_a_coin_that_is_worth_about_a_dollar(options, price, found, in_coin):
    cheap = options | {name: options[name] * price / 90_000.0 for name in ("forward", "strike")}
    right = cheap | {"mark": options["mark"] * (1.0 if in_coin else price)}
    assert units_of_iv(**right, ts_ns=np.arange(500), in_coin=in_coin).figure == 0.0
    other = cheap | {"mark": options["mark"] * (price if in_coin else 1.0)}
    told = units_of_iv(**other, ts_ns=np.arange(500), in_coin=in_coin)
    assert ("marks are probably in" in told.why) is found
    assert (told.figure > told.limit) is found
    volatile = right | {"iv": options["iv"] * 1.2}  # off, and no unit fits better
    assert units_of_iv(**volatile, ts_ns=np.arange(500), in_coin=in_coin).sound


def test_linear_options_have_marks_in_usd(options):
    usd = options | {"mark": options["mark"] * options["forward"]}
    assert units_of_iv(**usd, ts_ns=np.arange(500), in_coin=False).figure == 0.0


def test_swapped_sides():
    bid, ask = np.full(200, 1.0), np.full(200, 2.0)
    ts = np.arange(200)
    assert sides_swapped(bid, ask, ts).figure == 0.0
    found = sides_swapped(ask, bid, ts)
    assert (found.figure, found.count, found.why) == (1.0, 200, "bid and ask are probably swapped")
    ask[5:8], bid[:5] = 0.5, np.nan
    found = sides_swapped(bid, ask, ts)
    assert (found.figure, found.count, found.total, found.ts_ns) == (3 / 195, 3, 195, 5)
    assert sides_swapped(bid * np.nan, ask, ts).sound


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("factor", [10.0, 0.1, 1.3])
def test_spikes_that_come_back(market, factor, width):
    bar_ts, close, *_ = market
    spiked = close.copy()
    spiked[1_000 : 1_000 + width] *= factor
    found = spikes(bar_ts, spiked)
    assert (found.count, found.ts_ns) == (width, bar_ts[1_000])
    assert found.figure == pytest.approx(abs(np.log(factor)), rel=0.05)


@pytest.mark.parametrize("digits", [1, 2, 3, 4])
def test_the_last_number_of_a_file_that_was_cut(market, digits):
    bar_ts, close, *_ = market
    cut = close.copy()
    cut[-1] = float(str(int(close[-1]))[:digits])
    found = spikes(bar_ts, cut)
    assert (found.count, found.ts_ns) == (1, bar_ts[-1])


def test_a_price_that_stays_is_no_spike(market):
    bar_ts, close, *_ = market
    crash = close.copy()
    crash[1_000:] *= 0.6
    assert spikes(bar_ts, crash).count == 0
    assert spikes(bar_ts[:2], close[:2]).sound


def test_funding_in_percent():
    rate = 3e-5 * np.random.default_rng(1).standard_normal(300)
    ts = START + 8 * NS_PER_HOUR * np.arange(300)
    assert units_of_funding(ts, rate, 8 * NS_PER_HOUR).sound
    found = units_of_funding(ts, 10_000 * rate, 8 * NS_PER_HOUR)
    assert found.figure == pytest.approx(np.mean(np.abs(rate)) * 1e4 * 1_095)
    assert "percent" in found.why
    rate[7] = 0.5  # of 300 periods: their mean is in order
    found = units_of_funding(ts, rate, 8 * NS_PER_HOUR)
    assert (found.figure, found.count, found.ts_ns) == (0.5, 1, ts[7])
    assert "a row in percent" in found.why


@pytest.mark.parametrize(
    ("coin", "bars"), [("BTC", "btcusdt_binance_spot_1h.csv.gz"), ("ETH", "ethusdt_bybit_perp_15m.csv.gz")]
)
def test_recorded_data_is_sound_and_its_spoilt_copy_is_not(coin, bars):
    chains = load_chains(recorded(f"data/deribit_options/{coin}_2026-02.csv.gz"))
    prices = load_prices(recorded(f"data/prices/{bars}"))
    at, forward = chains.snapshot_ts, chains.forward[chains.offsets[:-1]]
    rows = (chains.kind, chains.mark, chains.forward, chains.strike, chains.tau, chains.iv, chains.ts_ns)
    sound = [
        bars_against_forwards(prices.ts_ns, prices.close, at, forward),
        shift_of_hours(prices.ts_ns, prices.close, at, forward),
        units_of_iv(*rows),
        sides_swapped(chains.bid, chains.ask, chains.ts_ns),
        spikes(prices.ts_ns, prices.close),
    ]
    assert [str(v) for v in sound if not v.sound] == []
    assert sound[0].figure < 0.002
    assert sound[2].figure < 0.02
    assert shift_of_hours(prices.ts_ns, prices.close, at + 2 * NS_PER_HOUR, forward).figure == 2.0
    assert bars_against_forwards(prices.ts_ns, prices.close / 30, at, forward).figure > 3.0


@pytest.mark.parametrize("name", ["btc_perp_binance_funding", "btc_perpetual_deribit_funding_8h_sum"])
def test_recorded_funding_is_sound_and_percent_is_not(name):
    funding = load_funding(recorded(f"data/funding/{name}.csv.gz"))
    assert units_of_funding(funding.ts_ns, funding.rate, funding.period_ns).sound
    assert not units_of_funding(funding.ts_ns, 100 * funding.rate, funding.period_ns).sound
