"""Recorded markets against figures that others computed from them.

The recorded data is optional; without it these tests skip. Figures: the data's own README
(checks 1, 3 and 7), and the year of minutes as plain loops and four engines end it.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from gammacore.backtest.figures.results import run_backtest
from gammacore.backtest.replay.market import load_market
from gammacore.config import load_config, with_overrides
from support.shared_data import recorded

CONFIG = Path(__file__).parents[1] / "config"


@cache
def weekly(name, currency):
    """A configuration of weekly straddles and its market."""
    data = {"data.chains": str(recorded("data/deribit_options")), "data.end": "2026-05-11"}
    config = load_config(CONFIG / name, data | {"currency": currency})
    return config, load_market(config)


@cache
def at_marks(currency):
    return run_backtest(*weekly("weekly_straddle_marks.yaml", currency))


@pytest.mark.parametrize(
    ("currency", "mean", "corr", "iv"),
    [("BTC", -0.0555651, 0.83807, 0.4529), ("ETH", -0.0007240, 0.81142, 0.616)],
)
def test_weekly_straddles_at_marks(currency, mean, corr, iv):
    # Expected: an independent calculation of the README's definition with pandas and scipy.
    results = at_marks(currency)
    summary = results.summary
    assert summary["n_episodes"] == 19
    assert summary["mean_pnl_over_premium"] == pytest.approx(mean, abs=1e-6)
    assert summary["corr_pnl_rv_over_iv"] == pytest.approx(corr, abs=1e-4)
    assert summary["mean_iv_entry"] == pytest.approx(iv, abs=1e-4)
    over = results.episodes.set_index(results.episodes["expiry"].str[:10])["pnl_over_premium"]
    if currency == "BTC":
        assert over["2026-03-06"] == over.max() == pytest.approx(0.736, abs=1e-3)
        assert over["2026-03-13"] == over.min() == pytest.approx(-0.44, abs=2e-3)


@pytest.mark.parametrize("instrument", ["perpetual", "future"])
@pytest.mark.parametrize("currency", ["BTC", "ETH"])
def test_the_same_straddles_as_traded(currency, instrument):
    config, market = weekly("weekly_straddle.yaml", currency)
    results = run_backtest(with_overrides(config, {"hedge.instrument": instrument}), market)
    summary = results.summary
    assert summary["n_episodes"] == 19
    marks = at_marks(currency)
    # The same contracts; dearer by the spread and the fees.
    strikes = [list(r.episodes["strikes"]) for r in (results, marks)]
    assert strikes[0] == strikes[1]
    assert summary["mean_pnl_over_premium"] < marks.summary["mean_pnl_over_premium"]
    assert summary["attribution"]["spread"]["coin"] < 0
    amounts = results.fills.loc[results.fills["kind"] == "hedge", "amount"]
    assert (amounts % (10 if currency == "BTC" else 1) == 0).all()
    assert set(summary["deliveries"]) <= {"average", "interpolated", "last"}


# Hedge every: deviation, mean (before fees) and mean fee over premium, from the README's table.
TABLE = {
    "1h": (0.216, -0.053, 0.091),
    "6h": (0.259, -0.059, 0.040),
    "1d": (0.419, -0.191, 0.017),
    "never": (0.537, -0.293, 0.0),
}


@pytest.fixture(scope="module")
def a_month_of_minutes():
    """Markets by whether their marks are interpolated: hedging more often changes nothing of them."""
    prices = recorded("data/prices/btcusdt_binance_spot_1m_close_2026-04-11_2026-05-10.csv.gz")
    data = {"chains": str(recorded("data/deribit_options")), "prices": str(prices), "end": "2026-05-11"}
    found = {}
    for interpolate in (True, False):
        chosen = {f"data.{name}": value for name, value in data.items()}
        chosen |= {"vary": {}, "marks.interpolate": interpolate, "report.html": False}
        config = load_config(CONFIG / "minute_hedge.yaml", chosen)
        found[interpolate] = config, load_market(config)
    return found


def minute_figures(every, config, market):
    done = run_backtest(with_overrides(config, {"hedge.every": every}), market).episodes
    fee = -done["fees_usd"] / done["premium_usd"]
    before = done["pnl_over_premium"] + fee
    return len(done), before.std(), before.mean(), fee.mean()


def test_hedging_more_often_costs_more_and_leaves_less_risk(a_month_of_minutes):
    found = {every: minute_figures(every, *a_month_of_minutes[True]) for every in TABLE}
    for every, (count, deviation, mean, fee) in found.items():
        assert count == 27
        assert (deviation, mean) == pytest.approx(TABLE[every][:2], abs=0.0011)
        assert fee == pytest.approx(TABLE[every][2], abs=0.005)
    deviations, fees = ([found[e][i] for e in found] for i in (1, 3))
    assert deviations == sorted(deviations)
    assert fees == sorted(fees, reverse=True)


def test_without_looking_ahead_the_order_is_the_same(a_month_of_minutes):
    found = [minute_figures(every, *a_month_of_minutes[False]) for every in ("5min", "1h", "1d", "never")]
    deviations, fees = ([figures[i] for figures in found] for i in (1, 3))
    assert deviations == sorted(deviations)
    assert fees == sorted(fees, reverse=True)


def test_year_of_minutes():
    config = load_config(
        CONFIG / "year_of_minutes.yaml",
        {"data.prices": str(recorded("data/prices")) + "/btcusdt_binance_spot_1m_2024-*.csv.gz"},
    )
    market = load_market(config)
    assert len(market.tape.prices) == 527_040
    summary = run_backtest(config, market).summary
    assert summary["n_episodes"] - summary["n_episodes_open"] == 52
    assert summary["n_hedges"] == 9661
    assert round(summary["fees"]["usd"], 2) == 21_024.97
    assert round(summary["total"]["usd"], 2) == -37_584.61
    assert np.isclose(
        summary["attribution"]["delta"]["usd"] + summary["attribution"]["hedge"]["usd"], 34.8, atol=0.1
    )
