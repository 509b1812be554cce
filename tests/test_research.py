"""Figures of an episode against their definitions, written down again from the tape and the fills."""

import dataclasses
import math

import numpy as np
import pytest

from gammacore.attribution import LINES, share_of
from gammacore.backtest.figures import research
from gammacore.backtest.figures.results import run_backtest
from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.tape import Tape
from gammacore.daycount import NS_PER_DAY, NS_PER_MINUTE
from gammacore.ledger import Money
from support.markets import FREE, START, build, chains_of, prices_of, random_path
from support.tapes import minute_tape

YEAR = 365 * NS_PER_DAY


@pytest.fixture(scope="module")
def run():
    return replay(build(FREE | {"hedge.band": 0.05}), minute_tape(days=7.1))


def test_break_even_is_price_times_volatility_over_the_root_of_365(run):
    for done in run.episode_runs:
        first = done.attribution.start
        vol = research.entry_vol(done.episode, run.tape, first)
        forward = done.attribution.forward[0]
        move = research.breakeven_move_a_day(done.episode, run.tape, first)
        # Both legs are struck alike, at volatilities a little apart.
        assert move == pytest.approx(forward * vol / math.sqrt(365), rel=0.02)


def test_volatility_at_the_hedges_knows_only_the_hedges(run):
    done = run.episode_runs[0]
    fills = [f for f in done.episode.fills if "PERPETUAL" in f.instrument.name]
    times = sorted({f.ts_ns for f in fills})
    entries = np.searchsorted(run.tape.ts_ns, times, side="right") - 1
    forward = run.tape.forward(done.episode.expiry_ns, 0, len(run.tape))[np.minimum(entries, done.last)]
    expected = math.sqrt((np.diff(np.log(forward)) ** 2).sum() / ((times[-1] - times[0]) / YEAR))
    assert research.rv_at_hedges(done.episode, done.attribution) == pytest.approx(expected, rel=1e-6)
    never = replay(build(FREE | {"hedge.rule": "never"}), run.tape).episode_runs[0]
    assert math.isnan(research.rv_at_hedges(never.episode, never.attribution))


def test_hedging_each_minute_for_nothing_captures_nearly_everything():
    """Where realised volatility is far from the implied one, at a volatility that stands still."""
    path = random_path(3, int(7.1 * 1440), vol=1.2)
    ts = START + NS_PER_MINUTE * np.arange(len(path))
    tape = Tape(chains_of(ts[::360], path[::360]), prices_of(ts, path, NS_PER_MINUTE))
    run = replay(build(FREE | {"hedge.rule": "interval", "hedge.every": "1min"}), tape)
    done = next(d for d in run.episode_runs if d.episode.close_reason == "delivery")
    kept = research.captured(done.attribution.totals, done.episode.ledger.profit(), 0)
    assert kept.gamma_over_theta > 2
    assert kept.ratio == pytest.approx(1.0, abs=0.1)


def totals(**lines):
    return {line: Money(lines.get(line, 0.0), 0.0) for line in LINES}


def test_capture_of_both_sides():
    long = research.captured(totals(gamma=3.0, theta=-2.0), Money(0.5, 0.0), 0)
    short = research.captured(totals(gamma=-3.0, theta=2.0), Money(-1.5, 0.0), 0)
    assert long == (0.5, 1.5)
    assert math.isnan(short.ratio)  # gamma cost more than theta brought: a loss has no share to keep
    assert short.gamma_over_theta == 1.5
    assert research.captured(totals(gamma=-2.0, theta=3.0), Money(0.5, 0.0), 0).ratio == 0.5
    lost = research.captured(totals(gamma=2.0, theta=-3.0), Money(-1.5, 0.0), 0)
    assert math.isnan(lost.ratio)
    even = research.captured(totals(gamma=2.0, theta=-2.0), Money(0.5, 0.0), 0)
    assert math.isnan(even.ratio)
    assert even.gamma_over_theta == 1.0
    assert math.isnan(research.captured(totals(), Money(0.5, 0.0), 0).gamma_over_theta)


def _wrong(chains, entries, rng, kind):
    """Recorded chains whose volatilities, marks or forwards are not of one model, but at the entries."""
    later = ~np.isin(chains.ts_ns, entries)
    noise = np.exp(0.2 * rng.standard_normal(len(chains.snapshot_ts)))
    noise = np.repeat(noise, np.diff(chains.offsets))
    changes = {
        "volatility too high": {"iv": np.where(later, 1.5 * chains.iv, chains.iv)},
        "volatility noisy by chain": {"iv": np.where(later, noise * chains.iv, chains.iv)},
        "marks noisy by chain": {"mark": np.where(later, noise * chains.mark, chains.mark)},
        "forward off": {"forward": np.where(later, 1.02 * chains.forward, chains.forward)},
        "marks stale": {"mark": np.where(later, np.roll(chains.mark, 8 * (len(chains) // 40)), chains.mark)},
        "right": {},
    }
    return dataclasses.replace(chains, **changes[kind])


@pytest.mark.parametrize(
    ("kind", "alarm"),
    [
        ("right", False),
        ("volatility too high", True),
        ("volatility noisy by chain", True),
        ("marks noisy by chain", True),
        ("forward off", True),
        ("marks stale", True),
    ],
)
def test_a_model_error_that_cancels_by_the_end_raises_the_alarm(kind, alarm):
    config = build({"market.days": 21, "exit.unfinished": "drop"})
    market = load_market(config)
    entries = [done.episode.entry_ns for done in replay(config, market.tape).episode_runs]
    chains = _wrong(market.tape.chains, entries, np.random.default_rng(1), kind)
    summary = run_backtest(config, market._replace(tape=Tape(chains, market.tape.prices))).summary
    total = abs(summary["attribution"]["unexplained"]["coin"])
    sizes = sum(abs(money["coin"]) for money in summary["attribution"].values())
    assert total < 1e-3 * sizes  # what a share of the totals would have shown
    assert (summary["unexplained_share"] > 0.05) == alarm, summary["unexplained_share"]
    assert bool(summary["unexplained_alarm"]["episodes"]) == alarm
    assert 0 < summary["higher_order_share"] < 0.1


def test_shares_are_of_the_steps():
    lines = {"gamma": 3.0, "unexplained": 1.0, "delta + hedge": 0.0}
    assert share_of("unexplained", [lines, lines | {"unexplained": 3.0}]) == pytest.approx(0.4)
    assert share_of("unexplained", []) == 0.0
