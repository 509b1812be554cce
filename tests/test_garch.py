"""Fits of GARCH models: what made the returns is found again, and what it leaves is a sound price."""

import math

import numpy as np
import pytest

from gammacore.backtest.simulation.experiment import Experiment
from gammacore.backtest.simulation.garch import Garch, fit_garch
from gammacore.backtest.simulation.innovations import standardised
from gammacore.backtest.simulation.montecarlo import price_paths, simulate
from gammacore.backtest.simulation.option_book import straddle
from gammacore.data import load_prices
from gammacore.errors import ConfigError
from gammacore.hedging import Never
from support.shared_data import recorded as recorded_file


def test_fit_garch_recovers_what_made_the_returns():
    true = Garch(2e-6, 0.10, 0.85, 4e-5, 1 / 365, nu=6.0)
    e = Experiment(book=straddle(100.0, 4000 / 365), model=true, policy=Never(), steps=4000, hedge_vol=0.6)
    returns = np.diff(np.log(price_paths(e, paths=1, seed=2)[0]))
    found = fit_garch(returns, 1 / 365, innovations="t")
    assert found.alpha == pytest.approx(true.alpha, abs=0.04)
    assert found.beta == pytest.approx(true.beta, abs=0.06)
    assert found.nu == pytest.approx(true.nu, abs=2.0)
    assert found.omega / (1 - found.persistence) == pytest.approx(4e-5, rel=0.3)
    assert found.omega / (1 - found.persistence) == pytest.approx(returns.var(), rel=1e-9)
    recorded = fit_garch(returns, 1 / 365)
    assert (recorded.alpha, recorded.beta) == (found.alpha, found.beta)
    h, residuals = returns.var(), []
    for r in returns - returns.mean():
        residuals.append(r / math.sqrt(h))
        h = recorded.omega + recorded.alpha * r**2 + recorded.beta * h
    assert recorded.variance == pytest.approx(h, rel=1e-9)
    np.testing.assert_allclose(recorded.innovations, standardised(np.array(residuals)), rtol=1e-9)
    with pytest.raises(ConfigError, match="returns"):
        fit_garch(returns[:50], 1 / 365)
    with pytest.raises(ConfigError, match=r"innovations: .*'gauss'"):
        fit_garch(returns, 1 / 365, innovations="gauss")


@pytest.mark.parametrize("asymmetric", [False, True])
def test_fit_of_returns_that_trend_in_variance_stays_below_the_bound(asymmetric):
    """Variance that doubles for good half way: every GARCH fit wants a persistence of 1."""
    rng = np.random.default_rng(8)
    returns = rng.standard_normal(4_000) * np.repeat([0.002, 0.008], 2_000)
    found = fit_garch(returns, 1 / 8760, asymmetric=asymmetric)
    assert found.persistence <= 0.995 + 1e-12
    assert found.persistence > 0.98
    assert found.mean_vol(1e4) == pytest.approx(returns.std() * math.sqrt(8760), rel=1e-3)


def test_fit_of_independent_returns_is_no_worse_than_a_constant_variance():
    returns = np.random.default_rng(9).standard_normal(300) * 0.01
    found = fit_garch(returns, 1 / 365, asymmetric=True)
    scaled, h, loss = returns - returns.mean(), returns.var(), 0.0
    for r in scaled:
        loss += math.log(h) + r * r / h
        h = found.omega + (found.alpha + found.gamma * (r < 0)) * r * r + found.beta * h
    assert loss <= 300 * (math.log(returns.var()) + 1.0) + 1e-6


def test_garch_of_recorded_hours_leaves_a_sound_price():
    """Six years of BTC: once a persistence of 0.9999998, and a mean price that one path made."""
    prices = load_prices(recorded_file("data/prices/btcusdt_binance_spot_1h.csv.gz"), currency="BTC")
    returns = np.diff(np.log(prices.close))[np.diff(prices.ts_ns) == prices.interval_ns]
    model = fit_garch(returns, 1 / 8760, asymmetric=True)
    assert 0.97 < model.persistence < 0.99
    assert model.mean_vol(1e4) == pytest.approx(returns.std() * math.sqrt(8760), rel=1e-3)
    for innovations in ("historical", "t", "normal"):
        model = fit_garch(returns, 1 / 8760, asymmetric=True, innovations=innovations)
        e = Experiment(book=straddle(100.0, 30 / 365), model=model, implied=0.6, steps=720, policy=Never())
        run = simulate(e, paths=10_000, seed=7, columns=("price", "realised_variance"))
        assert abs(run["price"].mean() - 100.0) < 4.0 * run["price"].std() / math.sqrt(len(run))
        assert 0.5 < math.sqrt(run["realised_variance"].mean()) < 0.7
        assert run.heaviest() < 0.19
