"""Cells that hold the same options share their episodes; each has the figures of its own replay."""

import numpy as np
import pytest

from gammacore.backtest.figures.performance import earned_by, performance
from gammacore.backtest.figures.results import run_backtest
from gammacore.backtest.figures.returns import Marks
from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.sweep import cell_runs
from gammacore.backtest.sweep.cell_runs import run_cell, run_together
from gammacore.backtest.sweep.grid import cells
from gammacore.backtest.sweep.held_episodes import HeldEpisodes
from gammacore.build import build_policy
from support.markets import build

SMALL = {"market.days": 21, "market.snapshot_hours": 6.0}


def groups_of(vary, **settings):
    """Cells by what they hold, as positions in the grid."""
    grid = cells(build(SMALL | settings | {"vary": vary}))
    return [
        [cell.number for cell in grid if cell.held == held] for held in dict.fromkeys(c.held for c in grid)
    ]


def test_cells_that_differ_in_the_rule_alone_hold_the_same():
    assert groups_of({"hedge.band": [0.1, 0.2], "hedge.rule": ["band", "ladder"]}) == [[0, 1, 2, 3]]
    assert groups_of({"hedge.band": [0.1, 0.2], "entry.side": ["long", "short"]}) == [[0, 2], [1, 3]]
    assert groups_of({"hedge.band": [0.1, 0.2], "market.seed": [1, 2]}) == [[0, 2], [1, 3]]
    assert len(groups_of({"hedge.target": ["coin_neutral", "usd_neutral"]})) == 2
    # The rule decides the delta (leland), or which entries pay (signal).
    interval = {"hedge.rule": "interval", "hedge.leland": True}
    assert len(groups_of({"hedge.every": ["1h", "2h"]}, **interval)) == 2
    assert len(groups_of({"hedge.band": [0.1, 0.2]}, **{"signal.min_edge": 0.0})) == 2


def test_episodes_are_found_once_for_all_rules(monkeypatch):
    found = []

    def counted(config, tape):
        found.append(config)
        return HeldEpisodes(config, tape)

    monkeypatch.setattr(cell_runs, "HeldEpisodes", counted)
    monkeypatch.setattr(cell_runs, "replay", None)  # no cell is replayed by itself
    cell_runs._worker.markets.clear()
    grid = cells(
        build(SMALL | {"vary": {"hedge.band": [0.05, 0.1, 0.2], "hedge.rule": ["band", "interval"]}})
    )
    totals = {run_cell(cell)["figures"]["total"] for cell in grid}
    assert len(found) == 1
    assert len(totals) == 4  # bands do not matter to the interval


@pytest.mark.parametrize("rules", [["band", "interval"], ["band", "whalley_wilmott"], ["band", "ladder"]])
@pytest.mark.parametrize("overlapping", [False, True])
def test_cells_that_run_together_are_those_that_run_alone(rules, overlapping):
    """Whether the rules look at deltas alone, at gammas too, or are for the event loop."""
    entry = {"entry.expiries": "any", "entry.max_days": 14.0} if overlapping else {}
    vary = {"hedge.band": [0.05, 0.1, 0.2], "hedge.rule": rules}
    grid = cells(build(SMALL | entry | {"vary": vary}))
    assert len({cell.held for cell in grid}) == 1
    alone = [run_cell(cell) for cell in grid]
    for threads in (1, 2):
        assert run_together(grid, threads) == alone


@pytest.mark.parametrize(
    ("rule", "instrument", "engine"),
    [
        ("never", "perpetual", "desk: the policy looks at chains only"),
        ("ladder", "perpetual", "desk: resting orders are filled by the event loop only"),
        ("band", "future", "compiled"),
    ],
)
def test_what_cannot_be_shared_is_replayed(rule, instrument, engine):
    config = build(SMALL | {"hedge.instrument": instrument, "vary": {"hedge.rule": [rule]}})
    (cell,) = cells(config)
    found, (_, theirs) = run_cell(cell), replayed(cell.config)
    figures = performance(theirs)
    assert found["engine"] == engine
    assert found["figures"]["total"] == figures["total"]["coin"]
    assert found["figures"]["n_hedges"] == figures["n_hedges"]


def replayed(config):
    run = replay(config, load_market(config).tape)
    marks = Marks(run.tape)
    return marks, earned_by(run, marks)


@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize("rule", ["band", "whalley_wilmott"])
def test_a_cell_that_shares_its_episodes_has_the_figures_of_a_replay(side, rule):
    settings = {"market.days": 21, "hedge.band": 0.02, "entry.side": side, "vary": {"hedge.rule": [rule]}}
    (cell,) = cells(build(settings))
    found, (marks, earned) = run_cell(cell), replayed(cell.config)
    theirs = performance(earned)
    assert found["engine"] == "compiled"
    assert found["daily"] == pytest.approx(theirs["daily"], rel=1e-12, abs=1e-14)
    for name in ("sharpe", "n_hedges", "std_pnl_over_premium", "quotes_missing"):
        assert found["figures"][name] == pytest.approx(theirs[name], rel=1e-12), name
    assert found["figures"]["total"] == theirs["total"]["coin"]
    assert found["figures"]["total_usd"] == theirs["total"]["usd"]
    # Chains and bars of one moment are two entries: a trade is booked with the later.
    (mine,) = HeldEpisodes(cell.config, marks.tape).earned([build_policy(cell.config)], marks)
    np.testing.assert_allclose(mine.daily, earned.daily, rtol=1e-11, atol=1e-11)
    assert mine.falls["coin"] == pytest.approx(earned.falls["coin"], rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("funding", [True, False])
@pytest.mark.parametrize(("settlement", "target"), [("listed", "coin_neutral"), ("linear", "black")])
def test_cells_that_enter_nothing_have_the_figures_of_a_replay(settlement, target, funding):
    settings = {
        "market.days": 14,
        "marks.settlement": settlement,
        "hedge.target": target,
        "costs.funding": funding,
        "entry.min_days": 200,
        "entry.max_days": 300,
        "vary": {"hedge.rule": ["band", "whalley_wilmott"], "hedge.band": [0.05, 0.1]},
    }
    grid = cells(build(settings))
    plain = [cell for cell in grid if cell.config.hedge.rule == "band"]
    theirs = performance(replayed(grid[0].config)[1])
    assert theirs["n_episodes"] == 0
    for found in (*map(run_cell, grid), *run_together(plain, 2)):
        assert found["daily"] == theirs["daily"].tolist()
        for name in ("n_episodes", "n_hedges", "sharpe", "mean_pnl_over_premium"):
            assert found["figures"][name] == theirs[name], name
        for name in ("total", "premium", "max_drawdown"):
            assert found["figures"][name] == theirs[name]["coin"] == 0.0, name


def test_a_book_without_whole_episodes_is_told_in_the_settlement_currency():
    """Its hedge made a profit, though all episodes are left out for want of chains."""
    settings = {
        "market.days": 14,
        "market.snapshot_hours": 24.0,
        "marks.settlement": "linear",
        "hedge.target": "black",
        "hedge.scope": "book",
        "entry.expiries": "any",
        "entry.min_days": 1,
        "entry.min_snapshots": 20,
        "vary": {"hedge.band": [0.05, 0.1]},
    }
    cell = cells(build(settings))[0]
    found, theirs = run_cell(cell), performance(replayed(cell.config)[1])
    assert theirs["n_episodes"] == 0
    assert found["figures"]["total"] == found["figures"]["total_usd"] == theirs["total"]["usd"] != 0.0
    assert run_backtest(cell.config).summary["accounting_currency"] == "USD"


def test_a_cell_looks_at_the_chain_of_its_entry_and_at_the_bar_of_that_moment():
    """Where the equity is hedged, too, the costs of the first hedge may call for another one at once."""
    settings = {
        "market.days": 11,
        "market.seed": 95,
        "entry.side": "short",
        "entry.structure": "strangle",
        "entry.schedule": "roll",
        "entry.expiries": "any",
        "entry.min_days": 6,
        "entry.max_days": 8,
        "hedge.to": "edge",
        "hedge.target": "usd_neutral",
        "execution.hedges": "taker",
        "vary": {"hedge.band": [0.02, 0.05]},
    }
    for cell in cells(build(settings)):
        theirs = performance(replayed(cell.config)[1])
        for found in (run_cell(cell)["figures"], run_together([cell], 1)[0]["figures"]):
            assert found["n_hedges"] == theirs["n_hedges"]
            assert found["total"] == theirs["total"]["coin"]
