"""What is kept of episodes for their replay: ends, hedges and sums are those of the run."""

import numpy as np
import pytest

from gammacore.backtest.figures import run_exposures
from gammacore.backtest.figures.run_exposures import GROUPS, expose_run
from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from support.markets import build

SMALL = {"market.days": 21, "market.snapshot_hours": 6.0, "hedge.rule": "interval", "hedge.every": "2h"}


@pytest.fixture(scope="module")
def run():
    config = build(SMALL)
    return replay(config, load_market(config).tape)


def test_profit_ends_at_the_ledgers(run):
    for done, seen in zip(run.episode_runs, expose_run(run).moments, strict=True):
        profit = done.episode.ledger.profit()
        assert seen.coin["P&L"][-1] == pytest.approx(profit.coin, abs=1e-9)
        assert seen.usd["P&L"][-1] == pytest.approx(profit.usd, abs=1e-5)
        assert seen.coin["gamma"][-1] == pytest.approx(done.attribution.totals["gamma"].coin, abs=1e-12)
        for lines in (seen.coin, seen.usd):
            parts = [lines[name] for name in (*GROUPS, "other")]
            assert np.sum(parts, axis=0) == pytest.approx(lines["P&L"], abs=1e-6)
            assert lines["P&L"][0] == 0.0


def test_hedges_are_shown_and_counted(run):
    for done, seen in zip(run.episode_runs, expose_run(run).moments, strict=True):
        assert seen.hedges[-1] == done.episode.hedges
        assert np.all(np.diff(seen.ts_ns) > 0)
        fills = done.episode.hedge_fills()
        assert seen.traded.sum() == pytest.approx(fills.amount.sum(), abs=1e-9)
        assert (seen.traded != 0).sum() == len(np.unique(fills.ts_ns))
        change = seen.traded / seen.price
        assert seen.after - seen.before == pytest.approx(change, abs=1e-12)


def test_of_many_moments_some_are_kept_and_counts_stay_whole(run, monkeypatch):
    monkeypatch.setattr(run_exposures, "MOST", 30)
    assert max(done.episode.hedges for done in run.episode_runs) > 60
    for done, seen in zip(run.episode_runs, expose_run(run).moments, strict=True):
        assert len(seen.ts_ns) <= 32
        assert seen.hedges[-1] == done.episode.hedges
        assert seen.ts_ns[0] == done.attribution.ts_ns[0]
        assert seen.ts_ns[-1] == done.attribution.ts_ns[-1]


def test_gamma_and_theta_are_summed_over_what_is_open(run):
    seen = expose_run(run)
    assert np.all(seen.gamma >= 0)
    assert np.all(seen.theta <= 0)
    open_ = np.zeros(len(run.tape), bool)
    for done in run.episode_runs:
        open_[done.attribution.start : done.last + 1] = True
    assert not seen.gamma[~open_].any()
    assert seen.gamma[open_].max() > 0.01
