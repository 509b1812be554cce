"""Forecasts of the GARCH family and of exponential averages."""

import numpy as np
import pytest

from gammacore.volatility import ARCH_MODELS, arch_forecasts, ewma_forecasts

OMEGA, ALPHA, BETA = 0.02, 0.08, 0.9


def garch(days, seed=0):
    """Daily log returns, and the variance of the next day, annualised."""
    rng = np.random.default_rng(seed)
    variance, returns, following = OMEGA / (1 - ALPHA - BETA), np.empty(days), np.empty(days)
    for t in range(days):
        returns[t] = np.sqrt(variance) * rng.standard_normal()
        variance = OMEGA + ALPHA * returns[t] ** 2 + BETA * variance
        following[t] = variance
    return returns / 100, following * 365 / 1e4


@pytest.fixture(scope="module")
def series():
    return garch(1_600)


def test_garch_finds_the_variance_of_the_next_day(series):
    returns, truth = series
    found = arch_forecasts(returns, "garch", (1,), first=1_000, refit=100)[1]
    assert np.isnan(found[:1_000]).all()
    ratio = found[1_000:] / truth[1_000:]
    assert np.abs(ratio - 1).mean() < 0.12  # parameters of 1,000 days
    assert np.corrcoef(found[1_000:], truth[1_000:])[0, 1] > 0.97


def test_garch_reverts_to_its_mean_by_its_formula(series):
    """Mean over h days of v + (a + b)^i (s - v), the long-run variance and persistence as fitted."""
    found = arch_forecasts(series[0], "garch", (1, 2, 10, 20), first=1_500, refit=1_000)
    one, two = found[1][1_500:], 2 * found[2][1_500:] - found[1][1_500:]
    slope, intercept = np.polyfit(one, two, 1)  # second day's on the first's: persistence
    assert np.corrcoef(one, two)[0, 1] == pytest.approx(1, abs=1e-9)
    mean = intercept / (1 - slope)
    for days in (10, 20):
        expected = mean + (one - mean) * (1 - slope**days) / (1 - slope) / days
        np.testing.assert_allclose(found[days][1_500:], expected, rtol=1e-8)


@pytest.mark.parametrize("model", ARCH_MODELS)
def test_the_future_changes_no_forecast(series, model):
    returns = series[0][:900]
    other = returns.copy()
    other[700:] *= -5
    found, changed = (arch_forecasts(one, model, (1, 5), first=600, refit=80) for one in (returns, other))
    for days in (1, 5):
        assert (found[days][600:] > 0).all()
        np.testing.assert_allclose(found[days][600:700], changed[days][600:700], rtol=1e-9)
        assert not np.allclose(found[days][700:], changed[days][700:])


def test_more_frequent_fits_agree_where_they_share_the_last_one(series):
    often, seldom = (arch_forecasts(series[0], "gjr", (1,), first=1_400, refit=n)[1] for n in (50, 200))
    np.testing.assert_allclose(often[1_400:1_450], seldom[1_400:1_450], rtol=1e-9)
    assert np.corrcoef(often[1_450:], seldom[1_450:])[0, 1] > 0.95


def test_the_exponential_average_is_its_recursion_and_archs():
    from arch.univariate import ZeroMean
    from arch.univariate.volatility import EWMAVariance

    values = np.random.default_rng(1).chisquare(1, 300)
    values[7] = np.nan
    found = ewma_forecasts(values)
    average = values[0]
    for t in range(1, 300):
        average = average if np.isnan(values[t]) else 0.94 * average + 0.06 * values[t]
        assert found[t] == pytest.approx(average, rel=1e-12)
    clean = np.delete(values, 7)
    theirs = ZeroMean(np.sqrt(clean), volatility=EWMAVariance(0.94), rescale=False).fix([])
    ahead = theirs.forecast(horizon=1, start=250, reindex=False).variance.to_numpy()[:, 0]
    np.testing.assert_allclose(ewma_forecasts(clean)[250:], ahead, rtol=1e-5)  # other first values


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: arch_forecasts(r, "grach", (1,)), "did you mean 'garch'"),
        (lambda r: arch_forecasts(np.r_[r, np.inf], "garch", (1,)), "changes: .*inf at day 1600"),
        (lambda r: arch_forecasts(r, "garch", (1,), first=5_000), "first: expected 50 to 1599 days"),
        (lambda r: arch_forecasts(r, "garch", (0,)), "horizons: expected days of at least 1"),
        (lambda r: ewma_forecasts(r, 1.0), "decay: expected a number between 0 and 1, got 1.0"),
    ],
)
def test_what_is_wrong_is_named(series, call, message):
    with pytest.raises(ValueError, match=message):
        call(series[0])


def student_garch(seed, sd=0.01, days=900):
    rng = np.random.default_rng(seed)
    variance, returns = sd**2, np.empty(days)
    for t in range(days):
        returns[t] = np.sqrt(variance * 3 / 5) * rng.standard_t(5)
        variance = sd**2 * (1 - ALPHA - BETA) + ALPHA * returns[t] ** 2 + BETA * variance
    return returns


@pytest.mark.parametrize(("seed", "sd"), [(21, 0.003), (19, 0.01), (21, 0.01)])
def test_a_fit_that_is_worse_than_none_gives_no_forecast(seed, sd):
    """Ordinary series whose EGARCH fits "converged" to volatilities of 2,900 and infinity."""
    returns = student_garch(seed, sd)
    found = arch_forecasts(returns, "egarch", (1, 5, 20), first=500, refit=100)
    garch = arch_forecasts(returns, "garch", (1,), first=500, refit=100)[1]
    for days in (1, 5, 20):
        ratio = np.sqrt(found[days][500:] / garch[500:])
        assert ratio.max() < 2.5
        assert ratio.min() > 0.2


def test_a_wild_fit_falls_back_to_the_last_one_and_then_to_a_constant(monkeypatch):
    from gammacore.volatility.forecast import arch_models

    returns = student_garch(3)
    wild = {"vol": "GARCH", "p": 1, "q": 1}
    monkeypatch.setitem(arch_models.ARCH_MODELS, "garch", wild)
    good = arch_models._fitted(returns[:600] / 0.01, "garch", None)

    class Worse:
        convergence_flag, loglikelihood, params = 0, -1e9, good * 1e6

    from arch.univariate import base

    monkeypatch.setattr(base.ARCHModel, "fit", lambda *args, **kwargs: Worse)
    assert arch_models._fitted(returns[:600] / 0.01, "garch", good) is good
    assert arch_models._fitted(returns[:600] / 0.01, "garch", good * 1e6) is None
    found = arch_forecasts(returns, "garch", (1, 5), first=600, refit=200)
    for days in (1, 5):
        np.testing.assert_allclose(found[days][600:800], 365 * np.mean(returns[:601] ** 2), rtol=1e-12)


@pytest.mark.parametrize("model", ARCH_MODELS)
def test_no_forecast_exceeds_the_largest_square(model):
    returns = student_garch(5)
    returns[700] = 0.3  # thirty deviations
    largest = 365 * np.maximum.accumulate(returns**2)
    found = arch_forecasts(returns, model, (1, 20), first=500, refit=150)
    for days in (1, 20):
        assert (found[days][500:] <= largest[500:] * (1 + 1e-12)).all()


def test_returns_that_are_all_zero_have_no_forecast():
    found = arch_forecasts(np.zeros(700), "garch", (1,), first=500, refit=50)[1]
    assert np.isnan(found).all()
    moving = np.zeros(900)
    moving[600:] = student_garch(1)[600:]
    found = arch_forecasts(moving, "garch", (1,), first=500, refit=50)[1]
    assert np.isnan(found[:600]).all()
    assert (found[700:] > 0).all()
    assert np.isfinite(found[700:]).all()


def test_nothing_known_is_nothing_forecast():
    assert np.isnan(ewma_forecasts([np.nan, np.nan])).all()
