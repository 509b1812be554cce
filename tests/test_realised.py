"""Realised variance, bipower and kernels on simulated paths and on recorded minutes."""

import math
import time

import numpy as np
import pandas as pd
import pytest

from gammacore.data import load_prices
from gammacore.daycount import NS_PER_DAY, NS_PER_MINUTE
from gammacore.volatility import (
    bipower_variance,
    jump_test,
    kernel_bandwidth,
    noise_variance,
    parzen,
    realised_kernel,
    realised_variance,
    realised_vol,
    rolling_kernel,
    sample,
    tripower_variance,
    two_scale,
)
from support.markets import START
from support.shared_data import recorded

VOL = 0.6
N = 1_440


def path(rng, n=N, jumps=(), noise=0.0):
    """A day of prices with jumps of that size at random places, and noise in the log."""
    returns = VOL / math.sqrt(365 * n) * rng.standard_normal(n)
    returns[rng.integers(0, n, len(jumps))] += jumps
    logs = np.concatenate([[0.0], np.cumsum(returns)]) + noise * rng.standard_normal(n + 1)
    return np.arange(n + 1) * (NS_PER_DAY // n), 60_000 * np.exp(logs)


def many(function, count=400, seed=1, **case):
    rng = np.random.default_rng(seed)
    return [function(*path(rng, **case)) for _ in range(count)]


def mean_of(found):
    values = np.array([one.variance for one in found])
    return values.mean() / VOL**2, values.std() / math.sqrt(values.size) / VOL**2


def coverage(found):
    return np.mean([one.low < VOL < one.high for one in found])


ESTIMATORS = [realised_variance, bipower_variance, tripower_variance, realised_kernel, two_scale]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_unbiased_on_brownian_motion_and_the_interval_holds(estimator):
    found = many(estimator)
    mean, error = mean_of(found)
    assert abs(mean - 1) < 4 * error
    assert coverage(found) == pytest.approx(0.95, abs=4 * math.sqrt(0.05 * 0.95 / len(found)) + 0.01)


def test_the_variance_of_realised_variance_is_twice_quarticity_over_n():
    values = [one.variance for one in many(realised_variance, 2_000)]
    # The relative error of a variance from m normal draws is sqrt(2 / m).
    assert np.var(values) == pytest.approx(2 * VOL**4 / N, rel=4 * math.sqrt(2 / 2_000))


@pytest.mark.parametrize(("subsamples", "share"), [(1, 1.0), (5, 51 / 75)])
def test_subsampling_lowers_the_variance(subsamples, share):
    """Overlapping sums of K returns have (2 K^2 + 1) / (3 K^2) of the variance of one grid."""

    def of(ts, price):
        return realised_variance(ts, price, step_ns=5 * NS_PER_MINUTE, subsamples=subsamples)

    found = many(of, 2_000)
    mean, error = mean_of(found)
    assert abs(mean - 1) < 4 * error
    values = [one.variance for one in found]
    assert np.var(values) == pytest.approx(share * 2 * VOL**4 / 288, rel=4 * math.sqrt(2 / 2_000))
    assert coverage(found) == pytest.approx(0.95, abs=4 * math.sqrt(0.05 * 0.95 / len(found)))


@pytest.mark.parametrize("price", [-1.0, 0.0, np.nan])
def test_a_price_that_cannot_be_is_refused(price):
    with pytest.raises(ValueError, match=rf"^price\[1\]: expected a positive price, got {price}$"):
        realised_vol(START + np.arange(3), [60e3, price, 60e3])


def test_no_time_has_no_volatility():
    assert np.isnan(realised_vol([START], [60e3]))
    assert np.isnan(realised_vol([START, START], [60e3, 61e3]))
    year = 365 * 86_400 * 10**9
    assert realised_vol([START, START + year], [60e3, 60e3 * np.e**0.5]) == pytest.approx(0.5, rel=1e-12)


def test_all_prices_give_the_plain_realised_volatility():
    ts, price = path(np.random.default_rng(3))
    assert realised_variance(ts, price).vol == pytest.approx(realised_vol(ts, price), rel=1e-12)


def test_sampling_takes_the_last_price_and_bridges_gaps():
    ts = np.array([0, 3, 10, 11, 30])
    grid, price = sample(ts, np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 5)
    np.testing.assert_array_equal(grid, [0, 5, 10, 15, 30])
    np.testing.assert_array_equal(price, [1, 2, 3, 4, 5])
    grid, _ = sample(ts, np.ones(5), 5, 2)
    np.testing.assert_array_equal(grid, [2, 7, 12])


STEP_SD = VOL / math.sqrt(365 * N)


@pytest.mark.parametrize(
    ("estimator", "met"),
    [
        # What two jumps J add in the 2 or 3 products that each is in, less what was there.
        (bipower_variance, 2 * 2 * (math.sqrt(math.pi / 2) * 0.02 * STEP_SD - STEP_SD**2)),
        (tripower_variance, 2 * 3 * (0.02 ** (2 / 3) * STEP_SD ** (4 / 3) / 0.802366 - STEP_SD**2)),
    ],
)
def test_powers_of_neighbours_hardly_see_jumps(estimator, met):
    """Two jumps of 2 % in a day: thirty standard deviations of a minute."""
    jumps = (0.02, -0.02)
    mean, _ = mean_of(many(realised_variance, jumps=jumps))
    assert mean == pytest.approx(1 + 365 * 2 * 0.02**2 / VOL**2, rel=0.02)
    mean, error = mean_of(many(estimator, jumps=jumps))
    assert abs(mean - 1 - 365 * met / VOL**2) < 4 * error


def test_the_jump_test_has_its_size_and_its_power():
    at_five = np.mean([one.p_value < 0.05 for one in many(jump_test, 1_000)])
    assert at_five == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 1_000))
    found = many(jump_test, 200, jumps=(0.02,))
    assert np.mean([one.p_value < 0.001 for one in found]) > 0.95
    truth = 365 * 0.02**2 / (365 * 0.02**2 + VOL**2)
    assert np.mean([one.share for one in found]) == pytest.approx(truth, rel=0.1)


NOISE = 0.0004  # 4 bp: most of the variance of a minute is then noise


@pytest.mark.parametrize("estimator", [realised_kernel, two_scale])
def test_kernels_survive_noise(estimator):
    noisy, _ = mean_of(many(realised_variance, noise=NOISE))
    assert noisy == pytest.approx(1 + 2 * N * 365 * NOISE**2 / VOL**2, rel=0.02)
    found = many(estimator, noise=NOISE)
    mean, error = mean_of(found)
    # The kernel's own bias is of order n^(-1/5), of two scales that of the small sample.
    assert abs(mean - 1) < 4 * error + 0.03
    assert coverage(found) > 0.9


def test_two_scales_and_the_kernel_are_tighter_than_sparse_sampling():
    def sparse(ts, price):
        return realised_variance(ts, price, step_ns=20 * NS_PER_MINUTE)

    spread = {f: np.std([one.variance for one in many(f, noise=NOISE)]) for f in (sparse, realised_kernel)}
    assert spread[realised_kernel] < spread[sparse]


def test_noise_and_bandwidth_follow_the_noise():
    rng = np.random.default_rng(5)
    _, price = path(rng, n=50_000, noise=NOISE)
    assert noise_variance(price) == pytest.approx(NOISE**2, rel=0.05)
    bandwidths = [kernel_bandwidth(path(rng, noise=size)[1]) for size in (1e-4, 8e-4, 32e-4)]
    assert bandwidths == sorted(bandwidths)
    assert bandwidths[0] < bandwidths[2]
    assert kernel_bandwidth(np.ones(50)) == 0


def test_the_parzen_kernel_is_the_one_of_the_papers():
    x = np.linspace(0, 1, 100_001)
    assert np.trapezoid(parzen(x) ** 2, x) == pytest.approx(0.269, abs=1e-3)  # k00, table 1 of 2009
    assert parzen([0.0, 1.0, 2.0]).tolist() == [1.0, 0.0, 0.0]
    assert (parzen(1e-3) - 1) / 1e-6 == pytest.approx(-6, rel=2e-3)  # k''(0) = -12


def test_a_kernel_of_no_lags_is_realised_variance():
    ts, price = path(np.random.default_rng(2))
    found = realised_kernel(ts, price, bandwidth=0)
    assert found.variance == pytest.approx(realised_variance(ts, price).variance, rel=1e-12)


def test_the_rolling_kernel_is_the_kernel_of_every_window():
    rng = np.random.default_rng(8)
    ts, price = path(rng, n=600, noise=NOISE)
    rolled = rolling_kernel(np.diff(np.log(price)), 150, 12)
    assert np.isnan(rolled[:149]).all()
    for end in (149, 150, 333, 599):
        part = slice(end - 149, end + 2)
        one = realised_kernel(ts[part], price[part], bandwidth=12)
        assert rolled[end] == pytest.approx(one.variance * one.years, rel=1e-9)


def test_a_year_of_minutes_rolls_fast():
    returns = np.random.default_rng(0).standard_normal(525_600)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        rolling_kernel(returns, 1_440, 30)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.25  # 20 ms on a quiet machine; a window at a time takes minutes


def test_the_volatility_index_stood_above_what_followed():
    """DVOL at the end of a day less the volatility of the following 30 days of hours, 2021-03 to 2026-04.

    Measured independently, on prices that reach three weeks further: mean +8.0, positive on 74.9 % of days.
    """
    prices = load_prices(recorded("data/prices") / "btcusdt_binance_spot_1h.csv.gz")
    dvol = pd.read_csv(recorded("data/dvol") / "btc_dvol_1d.csv.gz", parse_dates=["timestamp"])
    start = dvol["timestamp"].to_numpy("datetime64[ns]").astype(np.int64) + NS_PER_DAY
    end = start + 30 * NS_PER_DAY
    known = end <= prices.ts_ns[-1]
    first, last = (np.searchsorted(prices.ts_ns, at[known], side="right") - 1 for at in (start, end))
    paths = [slice(a, b + 1) for a, b in zip(first, last, strict=True)]
    followed = [100 * realised_vol(prices.ts_ns[path], prices.close[path]) for path in paths]
    premium = dvol["close"].to_numpy()[known] - np.array(followed)
    assert premium.mean() == pytest.approx(8.5, abs=0.1)
    assert np.mean(premium > 0) == pytest.approx(0.754, abs=0.003)
    assert abs(premium.mean() - 8.0) < 0.6


def test_recorded_minutes_have_one_volatility_at_every_sampling():
    """Figures measured independently on the same files: 48.8 % by minutes to 48.4 % by days."""
    files = recorded("data/prices")
    prices = load_prices(
        [files / name for name in (
            "btcusdt_binance_spot_1m_2023-01-01_2023-06-30.csv.gz",
            "btcusdt_binance_spot_1m_2023-07-01_2023-12-31.csv.gz",
            "btcusdt_binance_spot_1m_2024-01-01_2024-06-30.csv.gz",
            "btcusdt_binance_spot_1m_2024-07-01_2024-12-31.csv.gz",
        )]
    )  # fmt: skip
    known = {1: 48.8, 5: 48.0, 15: 47.4, 60: 47.5, 240: 48.1, 480: 47.4, 1_440: 48.4}
    for minutes, percent in known.items():
        path = prices.ts_ns[::minutes], prices.close[::minutes]
        assert 100 * realised_vol(*path) == pytest.approx(percent, abs=0.051)
        found = realised_variance(*path)
        assert found.low < realised_vol(*path) < found.high
    grids = realised_variance(prices.ts_ns, prices.close, step_ns=5 * NS_PER_MINUTE, subsamples=5)
    assert 0.480 < grids.vol < 0.4906  # between its calmest and its busiest grid


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ts": [0, 5, 5, 9, 10, 11, 12, 13, 14]}, r"ts_ns\[2\]: expected a later time"),
        ({"price": [1, 2, -1, 4, 5, 4, 5, 4, 5]}, r"price\[2\]: expected a positive price, got -1"),
        ({"price": [1, 2, 3]}, "expected two columns"),
        ({"ts": [0, 1], "price": [1, 2]}, "expected at least"),
        ({"level": 1.0}, "level: expected a number between 0 and 1, got 1.0"),
    ],
)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_bad_paths_are_named(estimator, change, message):
    case = {"ts": list(range(9)), "price": [1, 2, 3, 2, 3, 4, 3, 2, 1.5], "level": 0.95} | change
    with pytest.raises(ValueError, match=message):
        estimator(np.array(case["ts"]) * 10**9, np.array(case["price"], float), level=case["level"])


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("n", [8, 9, 200])
def test_a_price_that_never_moves_has_no_volatility_and_no_interval(estimator, n):
    found = estimator(np.arange(n) * NS_PER_DAY, np.full(n, 60_000.0))
    assert (found.vol, found.variance) == (0.0, 0.0)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_masked_and_missing_prices_are_refused():
    price = np.ma.array(np.full(9, 60_000.0), mask=np.arange(9) == 4)
    for estimator in ESTIMATORS:
        with pytest.raises(ValueError, match=r"price\[4\]: expected a positive price, got nan"):
            estimator(np.arange(9) * NS_PER_DAY, price)
    for function in (noise_variance, kernel_bandwidth):
        with pytest.raises(ValueError, match=r"price\[4\]: expected a positive price, got nan"):
            function(price)
        with pytest.raises(ValueError, match="price: expected at least"):
            function(price[:1])


def test_a_float_time_is_no_time():
    with pytest.raises(
        TypeError, match="ts_ns: expected integer nanoseconds or datetimes, got dtype float64"
    ):
        realised_variance([0.0, 1.0, 2.0], [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ts, p: realised_variance(ts, p, subsamples=3), "3 grids need a step_ns"),
        (lambda ts, p: realised_variance(ts, p, step_ns=-1), "step_ns: expected a positive time"),
        (lambda ts, p: realised_variance(ts, p, step_ns=NS_PER_DAY), "leaves fewer than two"),
        (lambda ts, p: realised_kernel(ts, p, bandwidth=N), "bandwidth: expected 0 to 1439"),
        (lambda ts, p: two_scale(ts, p, grids=1), "grids: expected 2 to 720, got 1"),
        (lambda ts, p: rolling_kernel(p, 5, 5), "bandwidth: expected 0 to 4, got 5"),
    ],
)
def test_choices_out_of_range_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(*path(np.random.default_rng(0)))
