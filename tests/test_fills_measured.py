"""The error band of simulated fills, measured on sessions, beside the P&L of a backtest."""

import json

import numpy as np
import pytest

from gammacore.backtest.figures.fills_measured import measured_fills
from gammacore.backtest.figures.hedge_fills import hedge_fills
from gammacore.backtest.replay.runner import replay
from gammacore.errors import DataError
from support.markets import build
from support.tapes import market


def written(path, hedges):
    columns = ("filled", "maker", "simulated_maker", "fee", "cost")
    rows = [dict(zip(columns, hedge, strict=True)) for hedge in hedges]
    path.write_text(json.dumps({"summary": {}, "hedges": rows}))
    return str(path)


def test_the_cost_over_fees_of_all_hedges_is_carried_to_the_fees_of_a_backtest(tmp_path):
    one = written(tmp_path / "a.json", [(100.0, 1.0, 0.5, 2e-6, 1e-6), (-300.0, 0.0, 0.5, 6e-6, 3e-6)])
    two = written(tmp_path / "b.json", [(100.0, 1.0, 1.0, 2e-6, 1e-6)])
    found = measured_fills([one, two], profit=0.5, fees=0.01)
    assert found["hedges"] == 3
    assert found["maker_share"] == pytest.approx((100 + 100) / 500)
    assert found["simulated_maker_share"] == pytest.approx((50 + 150 + 100) / 500)
    assert found["cost_over_fees"] == {name: pytest.approx(0.5) for name in ("low", "mean", "high")}
    assert found["pnl"] == {name: pytest.approx(0.5 - 0.005) for name in ("low", "mean", "high")}


def test_the_band_covers_the_truth_as_often_as_it_says(tmp_path):
    """Hedges of one fee whose cost is drawn around a tenth of it: 90 of 100 bands hold that tenth."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        costs = 1e-6 * (0.1 + 0.5 * rng.standard_normal(60))
        name = written(tmp_path / "one.json", [(10.0, 1.0, 1.0, 1e-6, cost) for cost in costs])
        band = measured_fills([name], 0.0, 1.0)["cost_over_fees"]
        held += band["low"] <= 0.1 <= band["high"]
    assert 0.84 <= held / 200 <= 0.95


def test_without_files_nothing_is_said():
    assert measured_fills([], 1.0, 1.0) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "expected what gammacore parity --fills --json writes"),
        ('{"hedges": [{"filled": 1}]}', "KeyError: 'maker'"),
        ('{"hedges": []}', "no hedge was compared"),
        ('{"hedges": [{"filled": 0, "maker": 1, "simulated_maker": 1, "fee": 1, "cost": 0}]}', "no figures"),
        (
            '{"hedges": [{"filled": 1, "maker": 1, "simulated_maker": 1, "fee": 0, "cost": 0}]}',
            "paid no fees to compare with",
        ),
        (None, "No such file"),
    ],
)
def test_a_file_that_says_nothing_is_refused(tmp_path, text, told):
    path = tmp_path / "parity.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=r"report\.fill_parity") as refused:
        measured_fills([str(path)], 1.0, 1.0)
    assert told in str(refused.value)


def test_a_run_shows_it_beside_its_profit(tmp_path):
    name = written(tmp_path / "a.json", [(100.0, 1.0, 0.5, 2e-6, 1e-6), (-100.0, 0.0, 0.5, 2e-6, -2e-6)])
    config = build(
        {
            "entry.max_days": 7,
            "entry.min_days": 1,
            "costs.max_quote_age": None,
            "hedge.band": 0.03,
            "report.fill_parity": [name],
        }
    )
    run = replay(config, market(4, config))
    ledgers = [done.episode.ledger for done in run.episode_runs]
    profit = sum(ledger.profit()[ledger.native] for ledger in ledgers)
    fees = sum(float(done.episode.hedge_fills().fee.sum()) for done in run.episode_runs)
    pnl = hedge_fills(run)["measured"]["pnl"]
    assert pnl["mean"] == pytest.approx(profit + 0.25 * fees)
    assert pnl["low"] < profit < pnl["high"]
    assert hedge_fills(replay(build({"report.fill_parity": []}), market(4, config)))["measured"] is None
