"""Figures of return and risk, against numbers made by hand and against the sweep's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore.backtest.figures.performance import hit_rate, largest_drawdown, premium_of, returns_on_premium
from gammacore.backtest.figures.results import run_backtest
from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.tape import Tape
from gammacore.backtest.sweep.cell_runs import FIGURES, run_cell
from gammacore.backtest.sweep.grid import Cell
from gammacore.build import build_desk
from gammacore.daycount import NS_PER_MINUTE
from gammacore.events import Fill, IndexPrice
from support.markets import FREE, START, build, chains_of

SMALL = {"market.days": 21, "market.snapshot_hours": 6.0, "hedge.rule": "interval", "hedge.every": "4h"}


@pytest.fixture(scope="module")
def results():
    return run_backtest(build(SMALL))


@pytest.mark.parametrize(
    ("curve", "fall"),
    [
        ([1.0, 4.0, 2.0, 5.0, 4.5], -2.0),
        ([-3.0, -1.0, -2.0], -3.0),  # below its start at zero
        ([1.0, 2.0, 3.0], 0.0),
        ([0.0, 500.0, -1234.5, 9000.0], -1734.5),
        ([2.0, np.nan, 1.0], -1.0),
        ([], 0.0),
    ],
)
def test_drawdown_by_hand(curve, fall):
    assert largest_drawdown(curve) == fall


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40))
def test_drawdown_is_the_worst_of_all_pairs(curve):
    path = [0.0, *curve]
    worst = min(path[j] - path[i] for i in range(len(path)) for j in range(i, len(path)))
    assert largest_drawdown(curve) == pytest.approx(worst, abs=1e-9)


@pytest.mark.parametrize("size", [63, 255, 256, 257, 512, 1_000, 4_097])
@pytest.mark.parametrize("gaps", [False, True])
def test_drawdown_of_long_curves_is_that_of_a_running_maximum(size, gaps):
    rng = np.random.default_rng(size)
    for drift in (-0.3, 0.0, 0.3):
        curve = np.cumsum(rng.normal(drift, 1.0, size))
        if gaps:
            curve = np.where(rng.random(size) < 0.02, rng.choice([np.nan, np.inf, -np.inf], size), curve)
        known = curve[np.isfinite(curve)]
        falls = known - np.maximum(np.maximum.accumulate(known), 0.0)
        assert largest_drawdown(curve) == falls.min()


def test_hit_rate_by_hand():
    assert hit_rate([1.0, -2.0, 0.0, 3.0]) == 0.5
    assert np.isnan(hit_rate([]))


def test_returns_are_profit_over_what_was_paid_and_tied_up(results):
    s, episodes = results.summary, results.episodes
    assert s["return_on_premium"] == pytest.approx(
        episodes["pnl_coin"].sum() / episodes["premium_coin"].abs().sum(), rel=1e-12
    )
    assert s["return_on_margin"] == pytest.approx(s["total"]["coin"] / s["peak_capital"], rel=1e-12)
    assert s["hit_rate"] == (episodes["pnl_coin"] > 0).mean()
    assert s["peak_capital"] > episodes["premium_coin"].max()


def test_sharpe_ratio_is_that_of_a_sweep(results):
    config = build(SMALL)
    cell = run_cell(Cell(0, {}, config, "market of test_performance", "", ""))
    assert results.summary["sharpe"] == pytest.approx(cell["figures"]["sharpe"], rel=1e-12)
    daily = np.array(cell["daily"])
    assert results.summary["sharpe"] == pytest.approx(
        np.sqrt(365) * daily.mean() / daily.std(ddof=1), rel=1e-9
    )


@pytest.mark.parametrize("setting", [{}, {"hedge.instrument": "forward", "hedge.target": "black"}], ids=str)
def test_every_figure_of_a_sweep_is_that_of_a_backtest(setting):
    config = build(SMALL | setting | ({"hedge.lots": False} if setting else {}))
    s = run_backtest(config).summary
    cell = run_cell(Cell(0, {}, config, f"market of {setting}", "", ""))["figures"]
    native = "usd" if s["accounting_currency"] == "USD" else "coin"
    theirs = {
        **{name: s[name] for name in FIGURES if name in s and not isinstance(s[name], dict)},
        **{name: s[name][native] for name in ("total", "fees", "premium", "max_drawdown")},
        "total_usd": s["total"]["usd"],
    }
    assert set(theirs) == set(FIGURES) == set(cell)
    assert cell["max_drawdown"] < 0
    for name in FIGURES:
        assert cell[name] == pytest.approx(theirs[name], rel=1e-9, abs=1e-7), name


def test_the_premium_is_that_of_all_legs_whenever_they_were_bought():
    """The second leg is bought a minute later, at another index."""
    config = build(FREE | {"entry.expiries": "any", "entry.min_days": 1.0, "entry.max_days": 9.0})
    desk, tape = build_desk(config), Tape(chains_of([START], [60e3]))
    (order,) = desk.handle(tape.snapshot(0))
    one, other = order.legs
    desk.handle(Fill(START, order.order_id, 0, one.instrument, 1.0, 0.03, 0.03, 0.0, False))
    desk.handle(IndexPrice(START + NS_PER_MINUTE, 66e3))
    desk.handle(Fill(START + NS_PER_MINUTE, order.order_id, 0, other.instrument, 1.0, 0.02, 0.02, 0.0, True))
    (episode,) = desk.portfolio.episodes
    assert episode.entered == {one.instrument: 1.0, other.instrument: 1.0}
    assert premium_of(episode).coin == pytest.approx(0.05, rel=1e-12)
    assert premium_of(episode).coin == pytest.approx(episode.premium, rel=1e-12)
    assert premium_of(episode).usd == pytest.approx(0.03 * 60e3 + 0.02 * 66e3, rel=1e-9)
    assert returns_on_premium([0.01], [episode.premium])[0] == pytest.approx(0.2, rel=1e-12)


def test_an_option_for_nothing_has_no_return_on_premium():
    np.testing.assert_array_equal(returns_on_premium([1.0, -1.0], [2.0, 0.0]), [0.5, np.nan])


def test_no_figure_depends_on_the_grid_that_is_drawn(results):
    coarse = run_backtest(build(SMALL | {"report.pnl_every": "1d"}))
    assert len(coarse.profit) < len(results.profit) / 20
    assert coarse.summary == results.summary
    for currency in ("coin", "usd"):
        drawn = largest_drawdown(results.profit[f"pnl_{currency}"])
        assert results.summary["max_drawdown"][currency] <= drawn + 1e-12
    assert results.summary["max_drawdown"]["usd"] < largest_drawdown(coarse.profit["pnl_usd"])


def test_without_episodes_there_is_no_figure():
    config = build({"market.days": 10, "market.snapshot_hours": 24.0, "entry.weekday": "sunday"})
    s = run_backtest(config, load_market(config)).summary
    assert s["n_episodes"] == 0
    for name in ("return_on_premium", "return_on_margin", "sharpe", "hit_rate", "unexplained_share"):
        assert s[name] is None
    assert s["max_drawdown"] == {"coin": 0.0, "usd": 0.0}
