"""A forecast that learns from the prices so far: no look ahead, no explosion, better than what is simpler."""

import math

import numpy as np
import pytest

from gammacore.backtest.figures.position_ranking import rank_positions
from gammacore.backtest.replay.market import load_market
from gammacore.build import build_weigher
from gammacore.data import load_prices
from gammacore.data.dvol import load_dvol
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR
from gammacore.errors import ConfigError, DataError
from gammacore.forecasts import build_estimate, with_index
from gammacore.volatility import fit_clock
from gammacore.volatility.estimate import Estimate
from gammacore.volatility.forecast import (
    HAR,
    combine_inverse_loss,
    combined_forecasts,
    correct_level,
    daily_history,
    density_history,
    har_forecasts,
    qlike,
)
from gammacore.volatility.forecast_errors import forecast_errors
from gammacore.volatility.index_history import IndexHistory
from gammacore.volatility.learned_estimate import HORIZON_NS, LEARNS_NS, LearnedEstimate
from support.markets import build
from support.shared_data import recorded

START = 19_000 * NS_PER_DAY
DAYS = 800


@pytest.fixture(scope="module")
def path():
    """Hours whose volatility follows the time of day and a slow wave, and an index that knows the wave."""
    rng, hours = np.random.default_rng(4), np.arange(24 * DAYS)
    slow = 0.5 * np.exp(0.4 * np.sin(hours / 1_500.0) + np.cumsum(rng.normal(0.0, 0.01, len(hours))) * 0.3)
    daily = 1.0 + 0.5 * np.cos(2 * np.pi * (hours % 24) / 24)
    moves = slow * daily * rng.standard_normal(len(hours)) / math.sqrt(365 * 24)
    ts = START + NS_PER_HOUR * hours
    index = IndexHistory(ts[::24], 1.1 * slow[::24], NS_PER_DAY, NS_PER_DAY)
    return ts, 60e3 * np.exp(np.cumsum(moves)), index


@pytest.mark.parametrize("indexed", [False, True])
def test_the_last_value_is_that_of_the_series_which_knows_no_later_price(path, indexed):
    ts, price, index = path
    estimate = LearnedEstimate(index if indexed else None)
    whole = estimate.series(ts, price)
    assert np.isnan(whole[ts - ts[0] < LEARNS_NS]).all()
    assert np.isfinite(whole[ts - ts[0] >= LEARNS_NS + NS_PER_DAY]).all()
    for k in (10_000, 12_345, 17_002, len(ts) - 1):
        alone = LearnedEstimate(index if indexed else None)
        assert alone.last(ts[: k + 1], price[: k + 1]) == pytest.approx(whole[k], rel=1e-9)


def test_minutes_give_what_their_hours_give(path):
    ts, price, index = path
    minutes = ts[-5_000] + NS_PER_HOUR // 60 * np.arange(60 * 4_999 + 1)
    fine = np.interp(minutes, ts, price)
    both_ts, both = np.concatenate([ts[:-5_000], minutes]), np.concatenate([price[:-5_000], fine])
    found = LearnedEstimate(index).series(both_ts, both)
    at = np.searchsorted(both_ts, ts)
    np.testing.assert_allclose(found[at], LearnedEstimate(index).series(ts, price), rtol=1e-12)
    assert found[at[-2] + 59] == found[at[-2]]  # until the next hour ends


def test_an_index_that_ends_leaves_the_regression_and_a_short_or_broken_past_nothing(path):
    ts, price, index = path
    early = IndexHistory(*(np.array(column)[:600] for column in (index._ts_ns, index._vol)), 1, NS_PER_DAY)
    ended, whole, alone = (LearnedEstimate(one).series(ts, price) for one in (early, index, None))
    known = np.isfinite(alone)
    assert np.isfinite(ended[known]).all()
    assert not np.array_equal(ended[-24:], whole[-24:])
    assert np.isnan(LearnedEstimate(index).series(ts[:5_000], price[:5_000])).all()
    assert math.isnan(LearnedEstimate(index).last(ts[:5_000], price[:5_000]))
    gap = np.r_[0:18_000, 18_100 : len(ts)]
    holed = LearnedEstimate().series(ts[gap], price[gap])
    assert np.isnan(holed[18_000 : 18_000 + 12]).all()


def test_nothing_explodes_after_a_crash(path):
    ts, price, index = path
    fallen = np.where(np.arange(len(ts)) >= 15_000, 0.6, 1.0) * price
    found = LearnedEstimate(index).series(ts, fallen)[15_000:15_024]
    assert np.all((found > 0.2) & (found < 5.0))


def test_the_combination_is_that_of_its_parts(path):
    ts, price, index = path
    history = daily_history(ts, price, clock=fit_clock(ts[:8_760], price[:8_760]))
    implied = index.last_before(history.end_ns, NS_PER_DAY) ** 2
    ahead, realised = 5 * NS_PER_DAY, history.realised(5 * NS_PER_DAY)
    models = [
        har_forecasts(history, ahead, HAR(leverage=True)),
        har_forecasts(history, ahead, HAR(leverage=True, implied=True), implied_variance=implied),
        implied / history.rate_to_calendar(ahead),
    ]
    table = np.stack([correct_level(model, realised, 5) for model in models], axis=1)
    found = combined_forecasts(history, ahead, implied_variance=implied)
    np.testing.assert_array_equal(found, combine_inverse_loss(table, realised, 5))
    density, came = density_history(history, ahead, "combined", implied_variance=implied)
    good = np.isfinite(came) & np.isfinite(density.mean())
    assert 0.4 < np.mean(density.cdf(came)[good] < 0.5) < 0.6


def test_semivariance_splits_the_last_day(path):
    ts, price, _ = path
    history = daily_history(ts, price)
    falls = np.array(
        [
            np.sum(np.minimum(np.diff(np.log(price[24 * k - 1 : 24 * k + 24])), 0.0) ** 2)
            for k in range(100, 105)
        ]
    )
    at = np.searchsorted(history.end_ns, ts[24 * np.arange(100, 105) + 23])
    np.testing.assert_allclose(history.downside[at], 365.0 * falls, rtol=1e-9)
    assert np.isfinite(har_forecasts(history, NS_PER_DAY, HAR(semivariance=True))[400:]).all()
    with pytest.raises(ValueError, match="semivariance: splits the variance of the last day"):
        HAR(semivariance=True, jumps=True)


@pytest.mark.parametrize(
    ("prices", "index"),
    [
        ("btcusdt_binance_spot_1h.csv.gz", "btc_dvol_1h.csv.gz"),
        ("ethusdt_bybit_perp_1h.csv.gz", "eth_dvol_1d.csv.gz"),
    ],
)
def test_a_week_ahead_it_beats_the_weighted_one_and_keeps_up_with_the_index(prices, index):
    bars = load_prices(recorded(f"data/prices/{prices}"))
    dvol = load_dvol(recorded(f"data/dvol/{index}"))
    history = IndexHistory(dvol.ts_ns, dvol.vol, NS_PER_DAY, 2 * dvol.interval_ns)
    ts, close = bars.ts_ns, bars.close
    squares = np.concatenate([[0.0], np.cumsum(np.diff(np.log(close)) ** 2)])
    end = np.searchsorted(ts, ts + HORIZON_NS)
    start = np.flatnonzero(end < len(ts))[::24]
    came = (squares[end[start]] - squares[start]) * (365 / 7)
    found = {
        "combined": LearnedEstimate(history).series(ts, close)[start] ** 2,
        "har": LearnedEstimate().series(ts, close)[start] ** 2,
        "forecast": Estimate("forecast", 7 * NS_PER_DAY).series(ts, close)[start] ** 2,
        "dvol": history.last_before(ts, 2 * NS_PER_DAY)[start] ** 2,
    }
    losses = {name: qlike(came, variance) for name, variance in found.items()}
    both = np.all([np.isfinite(loss) for loss in losses.values()], axis=0)
    mean = {name: float(loss[both].mean()) for name, loss in losses.items()}
    assert both.sum() > 1_000
    assert mean["combined"] < mean["har"] < mean["forecast"]
    assert mean["combined"] < 1.05 * mean["dvol"]  # of ether the index alone is better


# ---- where it is asked for -------------------------------------------------------------


def test_a_signal_takes_it_with_its_errors():
    config = build({"signal.forecast": "combined", "signal.min_edge": 0.0, "data.dvol": "somewhere"})
    index = IndexHistory((), (), 1, 1)
    estimate = with_index(config, build_estimate(config), index)
    assert isinstance(estimate, LearnedEstimate)
    assert estimate.index is index
    assert build_weigher(config).errors == forecast_errors("BTC", "combined")
    alone = build({"signal.forecast": "har", "signal.min_edge": 0.0})
    assert with_index(alone, build_estimate(alone), index).index is None


def test_what_it_lacks_is_told():
    with pytest.raises(ConfigError, match=r"data\.dvol: signal looks at the volatility index"):
        load_market(build({"signal.forecast": "combined"}))
    short = build({"signal.forecast": "har", "market.days": 20})
    with pytest.raises(DataError, match=r"it needs data\.prices from 395 days before"):
        rank_positions(short)


@pytest.mark.parametrize("forecast", ["har", "combined"])
def test_a_ranking_on_recorded_chains(forecast):
    data = recorded("data/deribit_options").parent
    config = build(
        {
            "data.chains": str(data / "deribit_options"),
            "data.prices": str(data / "prices/btcusdt_binance_spot_1h.csv.gz"),
            "data.dvol": str(data / "dvol/btc_dvol_1h.csv.gz"),
            "data.start": "2026-01-18",
            "data.end": "2026-01-20",
            "signal.forecast": forecast,
        }
    )
    ranked = rank_positions(config, structure="strangle")
    tape = load_market(config, weighs=True).tape
    level = float(tape.estimate[np.searchsorted(tape.ts_ns, ranked.ts_ns)])
    mean, _ = forecast_errors("BTC", forecast).at(ranked.found.tau, level, ranked.ts_ns)
    assert 0.2 < level < 0.8
    assert ranked.found.forecast == pytest.approx(level * np.exp(mean))
    each = rank_positions(config, structure="strangle", forecast=forecast)
    assert (each.forecast, each.ts_ns) == (forecast, ranked.ts_ns)
    order = [np.argsort(found.tau) for found in (each.found, ranked.found)]
    assert each.found.forecast[order[0]] == pytest.approx(ranked.found.forecast[order[1]], rel=0.25)
