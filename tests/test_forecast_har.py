"""HAR and the daily measures it is fed with."""

import math

import numpy as np
import pytest

from gammacore.volatility import (
    HAR,
    VarianceClock,
    bipower_variance,
    daily_history,
    har_forecasts,
    realised_vol,
)
from gammacore.volatility.forecast.har import regressors, walk_forward
from gammacore.volatility.forecast.history import naive_forecasts, trailing_mean
from support.forecast_world import COEFFICIENTS, DAY, HOUR, START, prices, with_another_future


@pytest.fixture(scope="module")
def world():
    ts, price, x = prices(1_500)
    return ts, price, x, daily_history(ts, price)


def test_measures_are_those_of_each_day(world):
    ts, price, _, history = world
    for day in (0, 700, 1_499):
        end = history.end_ns[day]
        part = (ts >= end - DAY) & (ts <= end)
        assert history.variance[day] == pytest.approx(realised_vol(ts[part], price[part]) ** 2, rel=1e-9)
        bipower = bipower_variance(ts[part], price[part]).variance
        assert history.continuous[day] == pytest.approx(min(bipower, history.variance[day]), rel=1e-9)
        assert history.change[day] == pytest.approx(math.log(price[part][-1] / price[part][0]), rel=1e-9)


@pytest.mark.parametrize("hours", [6, 24, 24 * 5, 24 * 5 + 7])
def test_the_target_is_what_comes_after(world, hours):
    ts, price, _, history = world
    realised = history.realised(hours * HOUR)
    for day in (10, 900):
        part = (ts >= history.end_ns[day]) & (ts <= history.end_ns[day] + hours * HOUR)
        assert realised[day] == pytest.approx(realised_vol(ts[part], price[part]) ** 2, rel=1e-9)
    assert np.isnan(realised[-1])


def test_blocks_end_at_the_origin_and_its_time_of_day(world):
    ts, price, _, _ = world
    origin = START + 1_000 * DAY + 9 * HOUR
    history = daily_history(ts, price, origin_ns=origin)
    assert origin in history.end_ns
    assert ((history.end_ns - origin) % DAY == 0).all()
    assert history.end_ns[-1] <= ts[-1]


def test_days_with_few_prices_are_unknown_and_averages_over_them_too():
    ts, price, _ = prices(60)
    hole = (ts > START + 20 * DAY) & (ts < START + 21 * DAY)
    history = daily_history(ts[~hole], price[~hole])
    assert np.isnan(history.variance[20])
    assert np.isfinite(np.delete(history.variance, 20)).all()
    week = history.mean_of_last(7)
    assert np.isnan(week[20:27]).all()
    assert week[27] == pytest.approx(history.variance[21:28].mean())
    np.testing.assert_allclose(naive_forecasts(history, 1), history.variance, rtol=1e-9)


def test_rates_are_per_year_of_the_clock(world):
    ts, price, _, plain = world
    clock = VarianceClock(np.where(np.arange(168) >= 120, 0.5, 1.2))
    timed = daily_history(ts, price, clock=clock)
    days = clock.elapsed(plain.end_ns - DAY, plain.end_ns) * 365
    np.testing.assert_allclose(timed.variance * days, plain.variance, rtol=1e-9)
    ahead = timed.realised(3 * DAY) * timed.rate_to_calendar(3 * DAY)
    np.testing.assert_allclose(ahead, plain.realised(3 * DAY), rtol=1e-9)


def test_coefficients_of_a_har_are_recovered():
    """Regression of the true log variances on their own past: three standard errors."""
    rng = np.random.default_rng(11)
    from support.forecast_world import log_variances

    x = log_variances(6_000, rng)
    columns = np.stack([np.ones(x.size), x, trailing_mean(x, 7), trailing_mean(x, 30)], axis=1)
    ahead = np.append(x[1:], np.nan)
    beta, noise = walk_forward(columns, ahead, np.ones(x.size), 1, None, 250)
    rows = np.isfinite(columns).all(axis=1) & np.isfinite(ahead)
    errors = np.sqrt(np.diag(np.linalg.inv(columns[rows].T @ columns[rows])) * noise[-1])
    assert (np.abs(beta[-1, 1:] - COEFFICIENTS) < 3 * errors[1:]).all()
    assert noise[-1] == pytest.approx(0.35**2, rel=0.06)


@pytest.mark.parametrize("window", [None, 300])
@pytest.mark.parametrize("lag", [1, 5])
def test_all_fits_at_once_are_the_fits_one_by_one(window, lag):
    rng = np.random.default_rng(3)
    x = np.column_stack([np.ones(700), rng.standard_normal((700, 3))])
    x[50, 2] = np.nan
    y = x @ [0.1, 0.5, -0.3, 0.2] + 0.4 * rng.standard_normal(700)
    y[[100, 650]] = np.nan
    weight = rng.uniform(0.5, 2, 700)
    beta, noise = walk_forward(x, y, weight, lag, window, 250)
    assert np.isnan(beta[200]).all()
    for at in (400, 699):
        rows = np.arange(0 if window is None else max(at - lag - window + 1, 0), at - lag + 1)
        rows = rows[np.isfinite(x[rows]).all(axis=1) & np.isfinite(y[rows])]
        root = np.sqrt(weight[rows])
        one, _, _, _ = np.linalg.lstsq(x[rows] * root[:, None], y[rows] * root, rcond=None)
        np.testing.assert_allclose(beta[at], one, rtol=1e-6)
        left = root * (y[rows] - x[rows] @ one)
        expected = left @ left / weight[rows].sum() * rows.size / (rows.size - 4)
        assert noise[at] == pytest.approx(expected, rel=1e-6)


MODELS = {
    "levels": HAR(log=False),
    "weighted": HAR(log=False, weighted=True),
    "log": HAR(),
    "jumps": HAR(jumps=True),
    "leverage": HAR(leverage=True),
    "all": HAR(jumps=True, leverage=True, implied=True),
    "rolling": HAR(window=400),
    "all in levels": HAR(log=False, jumps=True, leverage=True, implied=True),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("days", [1, 5])
def test_the_future_changes_no_forecast(world, name, days):
    ts, price, _, history = world
    at = START + 1_000 * DAY
    other = daily_history(ts, with_another_future(ts, price, at))
    implied = np.full(history.end_ns.size, 0.36) + np.linspace(0, 0.1, history.end_ns.size)
    found, changed = (
        har_forecasts(one, days * DAY, MODELS[name], implied_variance=implied) for one in (history, other)
    )
    before = history.end_ns <= at
    np.testing.assert_allclose(found[before], changed[before], rtol=1e-9)
    assert np.isfinite(found[before]).sum() > 600
    assert not np.allclose(found[~before], changed[~before], equal_nan=True)


@pytest.mark.parametrize("name", ["levels", "log", "leverage"])
def test_it_beats_yesterday_and_the_mean_where_it_is_the_truth(world, name):
    from gammacore.volatility import qlike

    _, _, _, history = world
    found = har_forecasts(history, DAY, MODELS[name])
    realised = history.realised(DAY)
    use = np.isfinite(found) & np.isfinite(realised)
    loss = qlike(realised, found)[use].mean()
    assert loss < 0.9 * qlike(realised, history.variance)[use].mean()
    assert loss < 0.9 * qlike(realised, np.full(realised.size, realised[use].mean()))[use].mean()


def test_log_forecasts_are_means_not_medians(world):
    _, _, _, history = world
    found, realised = har_forecasts(history, DAY), history.realised(DAY)
    use = np.isfinite(found) & np.isfinite(realised)
    ratio = realised[use] / found[use]
    assert ratio.mean() == pytest.approx(1, abs=4 * ratio.std() / math.sqrt(use.sum()))
    assert np.median(ratio) < 0.95


def test_jumps_are_told_apart():
    ts, price, _ = prices(400, seed=2)
    price = price.copy()
    price[ts > START + 200 * DAY + 11 * HOUR] *= 1.1
    history = daily_history(ts, price)
    assert history.variance[200] > 365 * math.log(1.1) ** 2
    assert history.continuous[200] < 0.5 * history.variance[200]
    column = regressors(history, HAR(jumps=True))[:, 4]
    assert column.argmax() == 200


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda h: HAR(lags=(0, 7)), "lags: expected days of at least 1"),
        (lambda h: HAR(fewest=5), "fewest: expected at least 10 days, got 5"),
        (lambda h: HAR(window=100), "window: 100 days are fewer than the 250"),
        (lambda h: har_forecasts(h, 0), "horizon_ns: expected a positive time, got 0"),
        (lambda h: har_forecasts(h, DAY, HAR(implied=True)), "implied_variance: expected one for each"),
        (lambda h: daily_history([0, HOUR, 2 * HOUR], [1.0, 1.0, 1.0]), "at least two days before"),
    ],
)
def test_what_is_wrong_is_named(world, call, message):
    with pytest.raises(ValueError, match=message):
        call(world[3])


def test_short_histories_have_no_forecast():
    ts, price, _ = prices(100)
    assert np.isnan(har_forecasts(daily_history(ts, price), DAY)).all()
