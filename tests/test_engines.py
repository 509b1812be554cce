"""The compiled hedger between chains against the desk, decision by decision and cent by cent."""

import numpy as np
import pytest

from gammacore.backtest.replay.runner import replay
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, parse_time
from gammacore.hedging import Band, Custom
from support.markets import build
from support.tapes import market

POLICIES = [
    {"hedge.rule": "interval", "hedge.every": "37min"},
    {"hedge.rule": "interval", "hedge.every": "2h", "hedge.leland": True},
    {"hedge.rule": "band", "hedge.band": 0.03},
    {"hedge.rule": "band", "hedge.band": 0.05, "hedge.band_lower": 0.02, "hedge.to": "edge"},
    {"hedge.rule": "move", "hedge.move": 0.3},
    {"hedge.rule": "move", "hedge.move": 350.0, "hedge.move_unit": "usd"},
    {"hedge.rule": "move", "hedge.move": 0.006, "hedge.move_unit": "relative"},
    {"hedge.rule": "whalley_wilmott", "hedge.risk_aversion": 2e-4},
    {"hedge.rule": "whalley_wilmott", "hedge.risk_aversion": 2e-3, "hedge.to": "centre"},
    {"hedge.rule": "zakamouline", "hedge.risk_aversion": 5e-4},
    {"hedge.rule": "fixed_cost", "hedge.risk_aversion": 1e-3, "hedge.cost_per_trade": 5.0},
    {"hedge.rule": "snapshot"},
    {"hedge.rule": "never"},
]
ACCOUNTS = [
    {"hedge.target": "coin_neutral", "costs.hedge_half_spread_bp": [0.05 * hour for hour in range(24)]},
    {"hedge.target": "usd_neutral"},
    {"hedge.target": "black", "hedge.instrument": "future"},
    {"hedge.target": "coin_neutral", "hedge.instrument": "future", "execution.hedges": "maker"},
    {"hedge.target": "black", "hedge.instrument": "forward", "hedge.lots": False},
    {
        "hedge.target": "black",
        "marks.settlement": "linear",
        "hedge.lots": False,
        "execution.hedges": "taker",
        "costs.hedge_taker_fee": 3e-4,
    },
    {"hedge.target": "black", "marks.settlement": "linear"},
    {
        "hedge.target": "coin_neutral",
        "hedge.ratio": 0.8,
        "hedge.target_delta": 0.05,
        "execution.hedges": "taker",
    },
    {"hedge.target": "coin_neutral", "hedge.vol": "realised", "hedge.vol_window": "1d"},
    {"hedge.target": "coin_neutral", "hedge.vol": "forecast", "hedge.vol_window": "6h"},
    {"hedge.target": "usd_neutral", "hedge.vol": 0.7, "hedge.lots": False},
    {"hedge.smile": "sticky_delta", "execution.patience": "10min", "costs.hedge_maker_fee": -1e-5},
    {"hedge.target": "coin_neutral", "hedge.smile": "minimum_variance"},
]
ENTRIES = [
    {"entry.structure": "straddle", "entry.min_days": 1},
    {"entry.structure": "strangle", "entry.side": "short", "entry.min_days": 1, "size.contracts": 2.5},
    {"entry.schedule": "roll", "entry.expiries": "any", "entry.min_days": 0.5},
    {"exit.hours_before_expiry": 5, "entry.min_days": 1},
    {"exit.delivery": "last", "entry.min_days": 1},
    {"exit.rules": {"take_profit": 0.05, "stop_loss": 0.08, "drawdown": 0.1}, "entry.min_days": 1},
    {
        "entry.min_days": 1,
        "exit.rules": {"gamma_over_theta": {"after": "1d", "below": 0.4}, "days_to_expiry": 0.77},
        "roll.when": {"moneyness": 0.4, "rv_pace": {"after": "2d", "above": 1.3}},
        "roll.into": {"expiries": "any", "max_days": 12},
    },
]


def assert_same(config, tape, policy=None):
    fast = replay(config, tape, policy=policy)
    slow = replay(config, tape, policy=policy, engine="desk")
    assert slow.engine == "desk: asked for"
    assert len(fast.episode_runs) == len(slow.episode_runs)
    for a, b in zip(fast.episode_runs, slow.episode_runs, strict=True):
        if config.hedge.lots:  # whole lots leave no room for the last bit of a delta
            assert a.episode.fills == b.episode.fills
            assert a.episode.ledger.entries == b.episode.ledger.entries
        columns = [
            np.array([[f.ts_ns, f.amount, f.price, f.mark, f.fee] for f in e.fills])
            for e in (a.episode, b.episode)
        ]
        np.testing.assert_allclose(*columns, rtol=1e-10, atol=1e-13)
        assert a.episode.ledger.profit() == pytest.approx(b.episode.ledger.profit(), rel=1e-10, abs=1e-10)
        assert a.episode.ledger.roundings == b.episode.ledger.roundings
        assert (a.episode.hedges, a.episode.orders_sent) == (b.episode.hedges, b.episode.orders_sent)
        assert (a.episode.close_ns, a.episode.close_reason) == (b.episode.close_ns, b.episode.close_reason)
        for line, money in a.attribution.totals.items():
            assert money == pytest.approx(b.attribution.totals[line], rel=1e-10, abs=1e-10)
    return fast


@pytest.mark.parametrize("seed", range(40))
def test_random_books_and_policies_end_alike(seed):
    """Fills, journal and profit are the same; where the compiled hedger is not exact it is not taken."""
    rng = np.random.default_rng(1000 + seed)
    policy = POLICIES[seed % len(POLICIES)]
    account = ACCOUNTS[int(rng.integers(len(ACCOUNTS)))]
    entry = ENTRIES[int(rng.integers(len(ENTRIES)))]
    config = build({"entry.max_days": 7, "costs.max_quote_age": None, **policy, **account, **entry})
    run = assert_same(config, market(seed, config))
    assert run.episode_runs
    wanted = "compiled" if policy["hedge.rule"] not in ("snapshot", "never") else "desk: the policy"
    assert run.engine.startswith(wanted)


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5, 6])
def test_rules_and_rolls_decide_alike(seed):
    """Profits are compared with their thresholds at the same chain, whoever booked the hedges before it."""
    rule = ENTRIES[-1 - seed % 2]
    policy = [{"hedge.band": 0.03}, {"hedge.rule": "interval", "hedge.every": "41min"}][seed // 2 % 2]
    config = build({"entry.max_days": 7, "costs.max_quote_age": None, **policy, **rule})
    run = assert_same(config, market(50 + seed, config))
    assert run.engine == "compiled"
    reasons = {done.episode.close_reason for done in run.episode_runs}
    assert reasons & {"take_profit", "stop_loss", "drawdown", "moneyness", "rv_pace", "gamma_over_theta"}


@pytest.mark.parametrize("account", ACCOUNTS, ids=str)
def test_every_account_hedges(account):
    config = build({"entry.min_days": 1, "hedge.band": 0.04, "costs.max_quote_age": None, **account})
    run = assert_same(config, market(5, config))
    assert sum(done.episode.hedges for done in run.episode_runs) > 20


def test_a_new_fee_schedule_takes_effect_within_a_run():
    start = parse_time("2026-08-01") - 2 * NS_PER_DAY - 11 * NS_PER_HOUR
    config = build({"entry.min_days": 1, "entry.expiries": "any", "hedge.band": 0.02})
    run = assert_same(config, market(8, config, start=start))
    rates = [
        f.fee * f.price / abs(f.amount)
        for done in run.episode_runs
        for f in done.episode.fills
        if "PERP" in f.instrument.name and abs(f.amount) > 500
    ]
    assert {round(rate, 5) for rate in rates} == {0.0005, 0.00035, 0.0, 0.00015}


def test_a_users_policy_is_asked_where_its_trigger_fires():
    config = build({"entry.min_days": 1, "hedge.lots": False, "costs.max_quote_age": None})
    asked = []

    def halve(at):
        asked.append(at)
        return -0.5 * at.mismatch if at.mismatch > 0 else -at.mismatch

    run = assert_same(config, market(2, config), Custom(Band(0.05), halve))
    half = len(asked) // 2
    assert half > 20
    seen = [at.mismatch for at in asked]
    assert seen[:half] == pytest.approx(seen[half:], rel=1e-10)
    assert all(abs(at.mismatch) > 0.05 for at in asked)
    assert sum(done.episode.hedges for done in run.episode_runs) == half
