"""Figures of an episode against their definitions, written down again from the tape and the fills."""

import math

import numpy as np
import pytest
from markets import FREE, START, build, chains_of, prices_of, random_path
from test_replay import minute_tape

from gammacore.attribution import LINES
from gammacore.backtest import research
from gammacore.backtest.replay import Tape
from gammacore.backtest.runner import replay
from gammacore.daycount import NS_PER_DAY, NS_PER_MINUTE
from gammacore.ledger import Money

YEAR = 365 * NS_PER_DAY


@pytest.fixture(scope="module")
def run():
    return replay(build(FREE | {"hedge.band": 0.05}), minute_tape(days=7.1))


def test_break_even_is_price_times_volatility_over_the_root_of_365(run):
    for done in run.closed:
        first = done.attribution.start
        vol = research.entry_vol(done.episode, run.tape, first)
        forward = done.attribution.forward[0]
        move = research.breakeven_move_a_day(done.episode, run.tape, first)
        # Both legs are struck alike, at volatilities a little apart.
        assert move == pytest.approx(forward * vol / math.sqrt(365), rel=0.02)


def test_volatility_at_the_hedges_knows_only_the_hedges(run):
    done = run.closed[0]
    fills = [f for f in done.episode.fills if "PERPETUAL" in f.instrument.name]
    times = sorted({f.ts_ns for f in fills})
    entries = np.searchsorted(run.tape.ts_ns, times, side="right") - 1
    forward = run.tape.forward(done.episode.expiry_ns, 0, len(run.tape))[np.minimum(entries, done.last)]
    expected = math.sqrt((np.diff(np.log(forward)) ** 2).sum() / ((times[-1] - times[0]) / YEAR))
    assert research.rv_at_hedges(done.episode, done.attribution) == pytest.approx(expected, rel=1e-6)
    never = replay(build(FREE | {"hedge.rule": "never"}), run.tape).closed[0]
    assert math.isnan(research.rv_at_hedges(never.episode, never.attribution))


def test_hedging_each_minute_for_nothing_captures_nearly_everything():
    """Where realised volatility is far from the implied one, at a volatility that stands still."""
    path = random_path(3, int(7.1 * 1440), vol=1.2)
    ts = START + NS_PER_MINUTE * np.arange(len(path))
    tape = Tape(chains_of(ts[::360], path[::360]), prices_of(ts, path, NS_PER_MINUTE))
    run = replay(build(FREE | {"hedge.rule": "interval", "hedge.every": "1min"}), tape)
    done = next(d for d in run.closed if d.episode.close_reason == "delivery")
    kept = research.captured(done.attribution.totals, done.episode.ledger.profit(), 0)
    assert kept.gamma_over_theta > 2
    assert kept.ratio == pytest.approx(1.0, abs=0.1)


def totals(**lines):
    return {line: Money(lines.get(line, 0.0), 0.0) for line in LINES}


def test_capture_of_both_sides():
    long = research.captured(totals(gamma=3.0, theta=-2.0), Money(0.5, 0.0), 0)
    short = research.captured(totals(gamma=-3.0, theta=2.0), Money(-1.5, 0.0), 0)
    assert long == (0.5, 1.5)
    assert short == (1.5, 1.5)
    even = research.captured(totals(gamma=2.0, theta=-2.0), Money(0.5, 0.0), 0)
    assert math.isnan(even.ratio)
    assert even.gamma_over_theta == 1.0
    assert math.isnan(research.captured(totals(), Money(0.5, 0.0), 0).gamma_over_theta)


def test_unexplained_is_weighed_against_the_size_of_all_lines():
    lines = totals(delta=10.0, hedge=-9.0, gamma=4.0, theta=-3.0, unexplained=-2.0, rounding=5.0)
    assert research.unexplained_share(lines, 0) == pytest.approx(2.0 / (1 + 4 + 3 + 2))
    assert research.unexplained_share(totals(), 0) == 0.0
