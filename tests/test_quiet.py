"""Bars that are skipped: the desk would do nothing at them, and misses none at which it would."""

import numpy as np
import pytest

from gammacore import _replay
from gammacore.backtest.replay import runner
from gammacore.backtest.replay.fills import SimulatedExchange
from gammacore.backtest.replay.market import build_stickiness
from gammacore.backtest.replay.price_block import PriceBlock
from gammacore.backtest.replay.quiet import QuietBars
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.tape import Tape
from gammacore.build import build_desk
from gammacore.data.listings import published
from gammacore.daycount import NS_PER_HOUR, NS_PER_MINUTE
from gammacore.fees import DERIBIT
from support.markets import FRIDAY, START, build, chains_of, prices_of, random_path
from support.tapes import minute_tape

BARS = 600
RULES = [
    {"hedge.rule": "band", "hedge.band": 0.03},
    {"hedge.rule": "band", "hedge.band": 0.2, "hedge.to": "edge"},
    {"hedge.rule": "interval", "hedge.every": "7min"},
    {"hedge.rule": "band", "hedge.target": "usd_neutral"},
    {"hedge.rule": "band", "hedge.target": "black", "entry.side": "short"},
    {"hedge.rule": "band", "hedge.instrument": "future"},
    {"hedge.rule": "band", "hedge.target_delta": 0.1, "hedge.ratio": 0.8},
    {"hedge.rule": "band", "hedge.ignore_vol": True},
    {"hedge.rule": "move", "hedge.move": 0.05},
    {"hedge.rule": "move", "hedge.move": 150.0, "hedge.move_unit": "usd"},
    {"hedge.rule": "whalley_wilmott", "hedge.risk_aversion": 2e-4},
    {"hedge.rule": "zakamouline", "hedge.risk_aversion": 5e-3},
    {"hedge.rule": "never"},
    {"hedge.rule": "snapshot"},
]


def entered(rule, seed, start=START, bars=BARS):
    """A tape of a chain and minutes, and desk and exchange that have seen the chain and what followed."""
    path = random_path(seed, bars, vol=1.5)
    ts = start + NS_PER_MINUTE * np.arange(1, bars + 1)
    tape = Tape(chains_of([start], [60e3]), prices_of(ts, path[1:], NS_PER_MINUTE))
    desk, venue = build_desk(build(rule)), SimulatedExchange("cross", DERIBIT, grids=published())
    queue = [tape.snapshot(0)]
    for event in queue:
        venue.observe(event)
        for order in desk.handle(event):
            queue += venue.submit(order)
    return tape, desk, venue


@pytest.mark.parametrize("smile", ["minimum_variance", "sticky_delta"])
def test_no_bar_is_missed_where_marks_are_interpolated(monkeypatch, smile):
    """A mark is published at every bar, and the slope of the smile with chains alone."""
    config = build({"hedge.smile": smile, "hedge.band": 0.02, "hedge.lots": False, "marks.interpolate": True})
    tape = minute_tape(seed=3, days=3.0, interpolate=True, stickiness=build_stickiness(config))

    class Every:
        def __init__(self, desk, block):
            pass

        def next(self, i):
            return i

    some = replay(config, tape, engine="desk")
    monkeypatch.setattr(runner, "QuietBars", Every)
    (one,), (other,) = some.episode_runs, replay(config, tape, engine="desk").episode_runs
    assert one.episode.hedges > 20
    assert one.episode.fills == other.episode.fills


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("seed", [1, 2])
def test_quiet_bars_are_those_at_which_the_desk_does_nothing(rule, seed):
    tape, desk, venue = entered(rule, seed)
    i, decided = 1, 0
    quiet = QuietBars(desk, PriceBlock(tape, 1, len(tape)))
    while i < len(tape):
        noisy = quiet.next(i)
        for k in range(i, noisy):
            assert desk.handle(tape.price(k)) == []
            venue.observe(tape.price(k))
        i = noisy
        if i < len(tape):
            venue.observe(tape.price(i))
            orders = desk.handle(tape.price(i))
            # A decision may come to less than a lot; then there is no order.
            decided += bool(orders)
            for order in orders:
                for answer in venue.submit(order):
                    desk.handle(answer)
            i += 1
    assert (decided > 0) == (rule["hedge.rule"] not in ("never", "snapshot"))


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("hours", [168, 4])
def test_compiled_code_finds_the_bars_at_which_the_policy_fires(rule, hours):
    """From any bar on and for any hedge, also in the settlement window."""
    rule = rule | {"entry.min_days": 0.0, "entry.expiries": "any"}
    tape, desk, _ = entered(rule, 3, FRIDAY - hours * NS_PER_HOUR, 239)
    quiet = QuietBars(desk, PriceBlock(tape, 1, len(tape)))
    (account,) = desk.portfolio.hedged
    held, found = account.hedge.amount, set()
    for i in range(1, len(tape), 7):
        account.hedge.amount = held * (1.0 + 0.2 * np.sin(i))
        first = quiet.next(i)
        assert first == (len(tape) if desk.policy.snapshots_only else quiet._asked(account, i))
        found.add(first)
    assert (len(found) > 1) == (not desk.policy.snapshots_only)


def test_options_that_changed_are_looked_at_anew():
    tape, desk, _ = entered({"hedge.rule": "band", "hedge.band": 0.03}, 1)
    quiet = QuietBars(desk, PriceBlock(tape, 1, len(tape)))
    (account,) = desk.portfolio.hedged
    first = quiet.next(1)
    assert first > 1
    account.legs[next(iter(account.legs))] *= 3.0
    assert quiet.next(1) == 1
    account.legs.clear()
    assert quiet.next(1) == len(tape)


def test_a_search_refuses_edges_of_another_length_and_bars_before_the_first():
    ts, two, three = np.arange(3), np.ones(2), np.ones(3)
    contract = _replay.Contract(False, True, np.zeros(24), (0.0, False), (0.0, False))
    bars = _replay.Bars(contract, 0, ts, three, three, three, three)
    plan = _replay.Plan(_replay.OUTSIDE, two, two, 0, True, 0.0)
    with pytest.raises(ValueError, match="below and above must have one entry, or one per bar"):
        plan.next(bars, 0, 0.0, 0, 0.0)
    plan = _replay.Plan(_replay.OUTSIDE, three, three, 0, True, 0.0)
    assert plan.next(bars, 0, 0.0, 0, 0.0) == 3
    assert plan.next(bars, 1, 0.5, 0, 0.0) == 1
    assert plan.next(bars, 3, 0.5, 0, 0.0) == 3
    with pytest.raises(ValueError, match="bar must not be negative"):
        plan.next(bars, -1, 0.0, 0, 0.0)
    with pytest.raises(ValueError, match="the equity counts as delta"):
        _replay.Plan(_replay.OUTSIDE, three, three, 0, True, 0.0, True).next(bars, 0, 0.0, 0, 0.0)
