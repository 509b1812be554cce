"""Densities of realised volatility: the lognormal, its calibration, and recorded prices."""

import math

import numpy as np
import pytest
from scipy.stats import kstest, lognorm

from gammacore.data import load_prices
from gammacore.volatility import (
    HAR,
    Density,
    VarianceClock,
    arch_forecasts,
    daily_history,
    density_history,
    diebold_mariano,
    forecast_density,
    har_forecasts,
    naive_forecasts,
    qlike,
)
from support.forecast_world import DAY, HOUR, START, prices, with_another_future
from support.shared_data import recorded


def test_it_is_the_lognormal_of_that_mean():
    density = Density(0.6, 0.35)
    peer = lognorm(0.35, scale=0.6 * math.exp(-(0.35**2) / 2))
    assert float(density.mean()) == pytest.approx(peer.mean())
    assert float(density.median()) == pytest.approx(peer.median())
    vol = np.array([-1.0, 0.0, 0.3, 0.6, 1.5])
    np.testing.assert_allclose(density.cdf(vol), peer.cdf(vol), atol=1e-15)
    p = np.array([0.0, 0.05, 0.5, 0.99, 1.0])
    np.testing.assert_allclose(density.quantile(p), peer.ppf(p))
    np.testing.assert_allclose(density.cdf(density.quantile(p[1:-1])), p[1:-1])


def test_arrays_broadcast_and_unknowns_stay_unknown():
    density = Density(np.array([0.5, np.nan, 0.7]), np.array([0.2, np.nan, 0.0]))
    np.testing.assert_allclose(density.cdf(0.7), [Density(0.5, 0.2).cdf(0.7), np.nan, 1.0])
    np.testing.assert_allclose(density.quantile(0.1), [Density(0.5, 0.2).quantile(0.1), np.nan, 0.7])
    assert density.cdf(np.full((4, 1), 0.6)).shape == (4, 3)
    assert float(Density(0.5, 0.1).cdf(np.nan)) != float(Density(0.5, 0.1).cdf(np.nan))


@pytest.fixture(scope="module")
def world():
    ts, price, _ = prices(2_500, seed=5)
    return ts, price, daily_history(ts, price)


@pytest.mark.parametrize("hours", [12, 24, 72])
def test_transforms_are_uniform_where_the_model_holds(world, hours):
    """Kolmogorov and Smirnov at 1 % on horizons that do not overlap."""
    density, realised = density_history(world[2], hours * HOUR, HAR())
    pit = density.cdf(realised)
    pit = pit[np.isfinite(pit)][:: max(hours // 24, 1)]
    assert pit.size > 600
    assert kstest(pit, "uniform").pvalue > 0.01
    for level in (0.05, 0.5, 0.95):
        error = math.sqrt(level * (1 - level) / pit.size)
        assert np.mean(pit < level) == pytest.approx(level, abs=4 * error)


def test_longer_horizons_are_known_better(world):
    """A mean over more days varies less, so its density is narrower."""
    sds = [forecast_density(world[2], days * DAY).log_sd for days in (1, 5, 20)]
    assert sds[0] > sds[1] > sds[2]


@pytest.mark.parametrize("model", [None, HAR(), HAR(jumps=True)])
def test_the_future_changes_no_density(world, model):
    ts, price, history = world
    at = START + 2_000 * DAY
    other = daily_history(ts, with_another_future(ts, price, at))
    here, there = (forecast_density(one, 5 * DAY, model, origin_ns=at) for one in (history, other))
    assert here.mean_vol == pytest.approx(there.mean_vol, rel=1e-9)
    assert here.log_sd == pytest.approx(there.log_sd, rel=1e-9)
    # And what is given at that origin is what a history that ends there gives at its end.
    past = ts <= at
    alone = forecast_density(daily_history(ts[past], price[past]), 5 * DAY, model)
    assert alone.mean_vol == pytest.approx(here.mean_vol, rel=1e-9)
    assert alone.log_sd == pytest.approx(here.log_sd, rel=1e-9)


def test_a_clock_moves_the_mean_with_the_hours_ahead(world):
    """The prices know no weekend: under a clock that does, a weekend is forecast quieter."""
    ts, price, _ = world
    clock = VarianceClock(np.where(np.arange(168) >= 120, 0.4, 1.24))
    friday = START + 2_000 * DAY
    friday += (4 - 2_000 % 7) % 7 * DAY + DAY  # START is a Monday: now Saturday 00:00
    history = daily_history(ts, price, origin_ns=friday, clock=clock)
    weekend = forecast_density(history, 2 * DAY, origin_ns=friday)
    week = forecast_density(history, 14 * DAY, origin_ns=friday)
    assert weekend.mean_vol == pytest.approx(week.mean_vol * math.sqrt(0.4), rel=0.35)
    assert weekend.mean_vol < 0.85 * week.mean_vol


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda h: Density(0.0, 0.1), "mean_vol: expected a positive volatility, got 0"),
        (
            lambda h: Density(np.array([0.5, np.inf]), 0.1),
            "mean_vol: expected a positive volatility, got inf",
        ),
        (lambda h: Density(0.5, np.inf), "log_sd: expected a number >= 0, got inf"),
        (lambda h: Density(0.5, -0.1), "log_sd: expected a number >= 0, got -0.1"),
        (lambda h: Density(0.5, 0.1).quantile(1.5), "p: expected probabilities"),
        (lambda h: forecast_density(h, DAY, origin_ns=START + 7), "is not the end of a day"),
        (
            lambda h: forecast_density(h, DAY, origin_ns=START + 99 * DAY),
            "99 days before the origin are too few",
        ),
        (lambda h: forecast_density(h, DAY, memory=0), "memory: expected a positive number"),
    ],
)
def test_what_is_wrong_is_named(world, call, message):
    with pytest.raises(ValueError, match=message):
        call(world[2])


# ---- recorded prices ----------------------------------------------------------------


@pytest.fixture(scope="module")
def bitcoin():
    bars = load_prices(recorded("data/prices/btcusdt_binance_spot_1h.csv.gz"))
    midnight = int(bars.ts_ns[-1]) // DAY * DAY
    return daily_history(bars.ts_ns, bars.close, origin_ns=midnight)


@pytest.mark.parametrize("days", [1, 5, 20])
def test_har_beats_garch_and_the_random_walk_on_bitcoin(bitcoin, days):
    """As found for 2017-2026 by others: one-sided at 5 %, out of sample since 2021-05."""
    realised = bitcoin.realised(days * DAY)
    losses = {
        "har": qlike(realised, har_forecasts(bitcoin, days * DAY, HAR(leverage=True))),
        "garch": qlike(realised, arch_forecasts(bitcoin.change, "garch", (days,))[days]),
        "naive": qlike(realised, naive_forecasts(bitcoin, days)),
    }
    common = np.isfinite(list(losses.values())).all(axis=0)
    assert common.sum() > 1_500
    for other in ("garch", "naive"):
        statistic, p_value = diebold_mariano(losses["har"][common], losses[other][common], days)
        assert statistic < 0
        assert p_value < (0.1 if days < 20 else 0.25)


@pytest.mark.parametrize("days", [1, 5, 20])
def test_densities_of_bitcoin_are_about_right(bitcoin, days):
    """The lognormal is somewhat too symmetric: shares are within seven points, tails within three."""
    density, realised = density_history(bitcoin, days * DAY)
    pit = density.cdf(realised)
    pit = pit[np.isfinite(pit)]
    assert pit.size > 1_800
    for level, slack in ((0.05, 0.03), (0.25, 0.07), (0.5, 0.1), (0.75, 0.07), (0.95, 0.03)):
        assert np.mean(pit < level) == pytest.approx(level, abs=slack)
