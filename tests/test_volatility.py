import numpy as np
import pytest

from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_YEAR, parse_time
from gammacore.errors import ConfigError
from gammacore.volatility import realised_vol
from gammacore.volatility.estimate import Estimate
from gammacore.volatility.smile import regressed_slope, sticky_slope


def test_times_of_any_unit_are_one_volatility():
    """pandas 3 has microseconds: its integers were taken for nanoseconds, and 0.587 became 18.56."""
    import pandas as pd

    ns = parse_time("2026-01-01") + np.arange(500) * NS_PER_HOUR
    price = 60_000 * np.exp(np.cumsum(0.006 * np.random.default_rng(4).standard_normal(500)))
    expected = realised_vol(ns, price)
    assert expected == pytest.approx(0.006 * np.sqrt(8760), rel=0.1)
    for unit in ("s", "ms", "us", "ns"):
        index = pd.DatetimeIndex(pd.to_datetime(ns, utc=True)).as_unit(unit)
        for times in (index, index.tz_convert("Asia/Tokyo"), index.tz_localize(None), index.to_series()):
            assert realised_vol(times, price) == expected
        assert realised_vol(index.tz_localize(None).to_numpy(), price) == expected
        if unit != "ns":
            name = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}[unit]
            with pytest.raises(ValueError, match=f"ts_ns: .*looks like {name} .2026-01-01T00:00:00Z"):
                realised_vol(index.astype("int64"), price)


@pytest.mark.parametrize(
    ("price", "message"),
    [([1.0, 0.0], r"price\[1\]"), ([1.0, np.nan], r"price\[1\]"), ([1.0], "two columns")],
)
def test_prices_that_are_none_are_refused(price, message):
    with pytest.raises(ValueError, match=message):
        realised_vol(np.array([0, NS_PER_DAY]), price)


def test_constant_moves():
    ts = np.arange(11) * NS_PER_DAY
    price = 100 * 1.02 ** np.tile([0, 1], 6)[:11]
    assert realised_vol(ts, price) == pytest.approx(np.log(1.02) * np.sqrt(365))


def test_geometric_brownian_motion_is_recovered():
    n, sigma = 20_000, 0.6
    rng = np.random.default_rng(3)
    price = np.exp(np.cumsum(sigma / np.sqrt(n) * rng.standard_normal(n + 1)))
    ts = np.linspace(0, NS_PER_YEAR, n + 1).astype(np.int64)
    # The estimator's relative deviation is 1/sqrt(2 n) = 0.5 %.
    assert realised_vol(ts, price) == pytest.approx(sigma, rel=0.02)


@pytest.mark.parametrize("ts", [[], [NS_PER_DAY], [NS_PER_DAY] * 2])
def test_no_time_no_volatility(ts):
    assert np.isnan(realised_vol(np.array(ts, np.int64), np.ones(len(ts))))


def minutes(n, seed=0, vol=0.6):
    rng = np.random.default_rng(seed)
    ts = np.cumsum(rng.integers(20, 100, n)) * 10**9
    steps = np.sqrt(np.diff(ts, prepend=ts[0]) / NS_PER_YEAR)
    return ts, 100 * np.exp(np.cumsum(vol * steps * rng.standard_normal(n)))


def test_the_trailing_estimate_is_the_realised_volatility_of_its_window():
    ts, price = minutes(800)
    window = 4 * 3600 * 10**9
    series = Estimate("realised", window).series(ts, price)
    assert np.isnan(series[0])
    for i in (400, 799):
        inside = ts >= ts[i] - window
        inside[i + 1 :] = False
        assert series[i] == pytest.approx(realised_vol(ts[inside], price[inside]), rel=1e-9)


def test_the_weighted_estimate_is_its_recursion_also_over_many_half_lives():
    ts, price = minutes(3000, seed=2)
    window = 600 * 10**9  # 300 half-lives
    series = Estimate("forecast", window).series(ts, price)
    squares = years = 0.0
    for i in range(1, len(ts)):
        decay = 0.5 ** ((ts[i] - ts[i - 1]) / window)
        squares = squares * decay + np.log(price[i] / price[i - 1]) ** 2
        years = years * decay + (ts[i] - ts[i - 1]) / NS_PER_YEAR
        if ts[i] - ts[0] >= window:
            assert series[i] == pytest.approx(np.sqrt(squares / years), rel=1e-10)
        else:
            assert np.isnan(series[i])


@pytest.mark.parametrize("kind", ["realised", "forecast"])
def test_an_estimate_does_not_look_ahead(kind):
    ts, price = minutes(500)
    rule = Estimate(kind, 3600 * 10**9)
    cut = rule.series(ts[:300], price[:300])
    np.testing.assert_allclose(rule.series(ts, price)[:300], cut, rtol=1e-12)


def test_an_estimate_needs_a_window():
    with pytest.raises(ConfigError, match="window_ns: expected a positive time, got 0"):
        Estimate("realised", 0)


def test_slopes_follow_the_skew_by_the_stickiness():
    x = np.array([-0.2, -0.2, 0.0, 0.1, 0.3])
    iv = 0.6 - 0.25 * x
    np.testing.assert_array_equal(sticky_slope(x, iv, 1.0), 0.0)
    np.testing.assert_allclose(sticky_slope(x, iv, 0.0), 0.25)  # the smile moves with the forward
    np.testing.assert_allclose(sticky_slope(x, iv, 2.0), -0.25)
    iv[4] = np.nan
    np.testing.assert_allclose(sticky_slope(x, iv, 0.0), 0.25)
    np.testing.assert_array_equal(sticky_slope(x[:2], iv[:2], 0.0), 0.0)


def test_sticky_delta_is_the_derivative_of_a_smile_in_moneyness():
    """d sigma / d ln F at a fixed strike of sigma(ln K/F), by differences."""
    k = np.linspace(-0.5, 0.5, 401)

    def smile(x):
        return 0.5 - 0.1 * x + 0.4 * x**2

    h = 1e-6
    exact = (smile(k - h) - smile(k + h)) / (2 * h)
    np.testing.assert_allclose(sticky_slope(k, smile(k), 0.0)[1:-1], exact[1:-1], atol=2e-4)


def test_the_regressed_slope_finds_what_the_past_did():
    rng = np.random.default_rng(4)
    x = np.cumsum(0.01 * rng.standard_normal(200))
    iv = 0.6 - 0.8 * x + 1e-5 * rng.standard_normal(200)
    slope = regressed_slope(x, iv)
    assert (slope[:12] == 0).all()
    np.testing.assert_allclose(slope[20:], -0.8, atol=0.01)
    np.testing.assert_allclose(regressed_slope(x[:90], iv[:90]), slope[:90])
    gaps = iv.copy()
    gaps[50:60] = np.nan
    np.testing.assert_allclose(regressed_slope(x, gaps)[20:], -0.8, atol=0.02)
