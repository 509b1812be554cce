"""Marks at every entry against the attribution's steps, which are made in another way."""

import numpy as np
import pytest

from gammacore.backtest.figures.returns import Marks, daily_profit, profit_curves
from gammacore.backtest.replay.runner import replay
from gammacore.daycount import NS_PER_DAY
from support.markets import START, build
from support.tapes import minute_tape

SETTINGS = [
    {},
    {"hedge.instrument": "future", "entry.side": "short"},
    {"hedge.instrument": "forward", "hedge.target": "black", "hedge.lots": False, "costs.fill": "mark"},
    {"exit.hours_before_expiry": 30.0, "hedge.rule": "interval"},
    {"entry.schedule": "roll", "entry.min_days": 1, "exit.hours_before_expiry": 24.0},
    {"hedge.rule": "never"},
]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_curves_are_the_steps_of_the_attribution(setting):
    config = build({"entry.expiries": "any", "entry.max_days": 14.0} | setting)
    tape = minute_tape(days=14.2, linear=config.hedge.instrument == "forward")
    tape.interest = 1e-7 * np.sin((tape.ts_ns - START) / (2 * NS_PER_DAY))
    tape.owed = 1.1 * tape.interest
    run, marks = replay(config, tape), Marks(tape)
    found = profit_curves(run.episode_runs, marks)
    for currency, scale in (("coin", 1.0), ("usd", 60e3)):
        expected = np.zeros(len(tape))
        for done in run.episode_runs:
            parts = getattr(done.attribution, currency)
            earned = np.sum(list(parts.values()), axis=0)
            ends = np.minimum(done.first + 1 + np.arange(len(earned)), done.last)
            np.add.at(expected, ends, earned)
        # What the entry cost belongs to the first step of the attribution; here it is paid at once.
        entries = {done.first for done in run.episode_runs}
        shown = np.array([k not in entries for k in range(len(tape))])
        np.testing.assert_allclose(
            found[currency][shown], np.cumsum(expected)[shown], atol=1e-6 * scale, rtol=0
        )
        total = sum(getattr(d.episode.ledger.profit(), currency) for d in run.episode_runs)
        assert found[currency][-1] == pytest.approx(total, abs=1e-9 * scale)
        daily = daily_profit(found[currency], marks)
        assert daily.sum() == pytest.approx(total, abs=1e-9 * scale)
        assert (daily != 0).sum() > 6


def test_no_episodes_no_profit():
    marks = Marks(minute_tape(days=2.5))
    assert daily_profit(profit_curves([], marks)["coin"], marks).tolist() == [0.0, 0.0, 0.0]


def test_marks_are_kept_up_to_a_size(monkeypatch):
    monkeypatch.setattr("gammacore.backtest.figures.returns.KEPT", 2_000)
    marks = Marks(minute_tape(days=2.5))
    options = [option for d in replay(build({}), marks.tape).episode_runs for option in d.episode.entered]
    first = marks.option(options[0], 0, 1_500)
    assert marks.option(options[0], 0, 1_500) is first
    second = marks.option(options[1], 0, 1_500)
    assert marks.option(options[1], 0, 1_500) is second
    again = marks.option(options[0], 0, 1_500)
    assert again is not first
    np.testing.assert_array_equal(again, first)
