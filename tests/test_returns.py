"""Daily marks against the attribution's steps, which are made in another way."""

import numpy as np
import pytest
from markets import START, build
from test_replay import minute_tape

from gammacore.backtest.returns import DayMarks, daily_profit
from gammacore.backtest.runner import replay
from gammacore.daycount import NS_PER_DAY

SETTINGS = [
    {},
    {"hedge.instrument": "future", "entry.side": "short"},
    {"hedge.instrument": "forward", "hedge.target": "black", "hedge.lots": False, "costs.fill": "mark"},
    {"exit.hours_before_expiry": 30.0, "hedge.rule": "interval"},
    {"entry.schedule": "roll", "entry.min_days": 1, "exit.hours_before_expiry": 24.0},
    {"hedge.rule": "never"},
]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_days_are_the_steps_of_the_attribution(setting):
    config = build({"entry.expiries": "any", "entry.max_days": 14.0} | setting)
    tape = minute_tape(days=14.2, linear=config.hedge.instrument == "forward")
    tape.interest = 1e-7 * np.sin((tape.ts_ns - START) / (2 * NS_PER_DAY))
    run, marks = replay(config, tape), DayMarks(tape)
    native = ("coin", "usd")[run.closed[0].episode.ledger.native]
    curve = np.zeros(len(tape))
    for done in run.closed:
        parts = getattr(done.attribution, native)
        earned = np.sum([parts[line] for line in parts if line != "unexplained"], axis=0)
        ends = np.minimum(done.first + 1 + np.arange(len(earned)), done.last)
        np.add.at(curve, ends, earned)
        curve[done.last] += parts["unexplained"].sum()
        # What the mark at entry differed from the model by is no profit yet.
        paid = sum(f.amount * f.mark for f in done.episode.option_fills() if f.ts_ns == done.episode.entry_ns)
        model = sum(
            amount * marks._price(option, done.first, done.first + 1)[0]
            for option, amount in done.episode.entered.items()
        )
        curve[done.first] += model - paid
        curve[done.last] -= model - paid
    daily = daily_profit(run.closed, marks)
    expected = np.diff(np.cumsum(curve)[marks.entries], prepend=0.0)
    scale = 1.0 if native == "coin" else 60e3
    np.testing.assert_allclose(daily, expected, atol=2e-6 * scale)
    total = sum(d.episode.ledger.profit()[d.episode.ledger.native] for d in run.closed)
    assert daily.sum() == pytest.approx(total, abs=1e-9 * scale)
    assert (daily != 0).sum() > 6


def test_no_episodes_no_profit():
    marks = DayMarks(minute_tape(days=2.5))
    assert daily_profit([], marks).tolist() == [0.0, 0.0, 0.0]
