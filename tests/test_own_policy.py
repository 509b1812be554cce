"""Hedging by one's own rule on simulated paths: told to do what a built-in rule does, it does the same."""

import math

import msgspec
import numpy as np
import pytest

from gammacore.backtest.simulation.experiment import Experiment
from gammacore.backtest.simulation.models import GBM
from gammacore.backtest.simulation.montecarlo import LINES, simulate
from gammacore.backtest.simulation.option_book import Costs, straddle
from gammacore.backtest.simulation.own_policy import simulate_own
from gammacore.daycount import NS_PER_HOUR
from gammacore.errors import ConfigError
from gammacore.hedging import Band, Custom, FixedCost, Interval, Move, WhalleyWilmott, Zakamouline

BASE = Experiment(
    book=straddle(60_000.0, 30 / 365),
    model=GBM(0.7),
    policy=Band(0.05),
    forward=60_000.0,
    implied=0.6,
    steps=120,
    costs=Costs(proportional=5e-4, fixed=1e-6, half_spread_bp=1.0, funding=0.1),
)
TRIGGERS = [
    Interval(6 * 12 * NS_PER_HOUR // 2),
    Band(0.1),
    Move(0.02, "relative"),
    Move(0.7),
    WhalleyWilmott(1e-3, 5e-4, False),
    FixedCost(1e-3, 5.0),
]


@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize(
    "accounts", [{}, {"settlement": "inverse", "ratio": 0.8, "target_delta": 0.02, "liquidate": True}]
)
def test_it_hedges_like_the_compiled_simulator(trigger, accounts):
    experiment = msgspec.structs.replace(BASE, policy=trigger, **accounts)
    wanted = simulate(experiment, paths=200, seed=3, columns=LINES)
    found = simulate_own(experiment, Custom(trigger, lambda at: -at.mismatch), paths=200, seed=3)
    money = 1.0 if experiment.inverse else experiment.forward
    for name in ("pnl", "trades", "turnover", *LINES):
        assert found[name] == pytest.approx(wanted[name], rel=1e-9, abs=1e-10 * money), name


def test_a_rule_that_waits_never_trades_and_sees_what_a_desk_shows():
    seen = []

    def wait(at):
        seen.append(at)
        return 0.0

    found = simulate_own(BASE, Custom(Band(0.1), wait), paths=5, seed=1)
    assert found["trades"].sum() == found["hedge"].sum() == 0.0
    first = seen[0]
    assert first.ts_ns // NS_PER_HOUR % 24 == 8
    assert (type(first.mismatch), type(first.price), first.gamma) == (float, float, None)
    assert math.isnan(first.last_price)
    assert not any(math.isnan(at.last_price) for at in seen[5:])
    assert all(abs(at.mismatch) > 0.1 for at in seen[5:])


def test_what_does_not_fit_is_refused():
    rule = Custom(Band(0.1), lambda at: 0.0)
    with pytest.raises(ConfigError, match=r"simulate\.paths: expected at most 413,223"):
        simulate_own(BASE, rule, paths=1_000_000, seed=1)
    with pytest.raises(ConfigError, match=r"hedge\.trigger: Zakamouline"):
        simulate_own(BASE, Custom(Zakamouline(1e-3, 5e-4), lambda at: 0.0), paths=10, seed=1)
    usd = msgspec.structs.replace(BASE, settlement="inverse", target="usd_neutral")
    with pytest.raises(ConfigError, match=r"hedge\.target: a rule of your own"):
        simulate_own(usd, rule, paths=10, seed=1)


def test_half_a_hedge_leaves_half_the_delta():
    half = simulate_own(BASE, Custom(Interval(0), lambda at: -0.5 * at.mismatch), paths=50, seed=2)
    whole = simulate_own(BASE, Custom(Interval(0), lambda at: -at.mismatch), paths=50, seed=2)
    assert np.all(half["turnover"] < whole["turnover"])
