"""Episodes hedged apart from the event loop against whole replays by the desk."""

import numpy as np
import pytest

from gammacore.backtest.figures.performance import earned_by, performance
from gammacore.backtest.figures.returns import Marks
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.synthetic import flat_chains
from gammacore.backtest.replay.tape import Tape
from gammacore.backtest.sweep.held_episodes import HeldEpisodes
from gammacore.build import build_policy
from gammacore.daycount import NS_PER_HOUR, NS_PER_MINUTE
from gammacore.errors import ConfigError
from support.markets import START, build, prices_of, random_path
from support.tapes import YEAR, funding_of, market, minute_tape

POLICIES = [
    {"hedge.rule": "band", "hedge.band": 0.03},
    {"hedge.rule": "band", "hedge.band": 0.06, "hedge.to": "edge"},
    {"hedge.rule": "interval", "hedge.every": "50min"},
    {"hedge.rule": "move", "hedge.move": 0.4},
    {"hedge.rule": "whalley_wilmott", "hedge.risk_aversion": 5e-4},
    {"hedge.rule": "zakamouline", "hedge.risk_aversion": 5e-4},
    {"hedge.rule": "fixed_cost", "hedge.cost_per_trade": 4.0},
]
SETTINGS = [
    {"hedge.target": "coin_neutral", "entry.expiries": "any"},
    {"hedge.target": "usd_neutral", "exit.hours_before_expiry": 7},
    {
        "hedge.target": "coin_neutral",
        "entry.schedule": "roll",
        "entry.expiries": "any",
        "entry.min_days": 0.5,
    },
    {
        "hedge.target": "black",
        "marks.settlement": "linear",
        "hedge.lots": False,
        "execution.hedges": "taker",
        "costs.hedge_taker_fee": 3e-4,
    },
    {"hedge.target": "coin_neutral", "entry.side": "short", "exit.delivery": "last", "hedge.vol": 0.5},
    {
        "hedge.target": "coin_neutral",
        "entry.expiries": "any",
        "exit.rules": {"moneyness": 0.6, "gamma_over_theta": {"after": "1d", "below": 0.5}, "max_days": 4.3},
    },
]


@pytest.mark.parametrize("setting", range(len(SETTINGS)))
def test_episodes_end_as_replays_do(setting):
    base = {"entry.min_days": 1, "entry.max_days": 7, "costs.max_quote_age": None, **SETTINGS[setting]}
    compare(base, market(20 + setting, build(base), minutes=3))


@pytest.mark.parametrize("schedule", ["roll", "each_expiry"])
def test_an_entry_at_the_moment_of_a_delivery_waits_for_it(schedule):
    """Its chain and the bar of that moment are not looked at; one that takes the hedge over looks at once."""
    # What a hedge costs is hedged at the next look.
    base = {"marks.source": "flat", "hedge.target": "usd_neutral", "hedge.lots": False}
    base |= {"entry.schedule": schedule, "entry.expiries": "any", "entry.min_days": 1, "entry.max_days": 1}
    base |= {"size.contracts": 1000.0, "costs.max_quote_age": None}
    path = prices_of(START + NS_PER_HOUR * np.arange(150), random_path(3, 149, dt=1 / 8760), NS_PER_HOUR)
    tape = Tape(flat_chains(path, "BTC", 0.55, 1.0), path)
    held = compare(base, tape)
    late = [one for one in held.episodes[1:] if one.parts[0][0].start == 1]
    assert len(held.episodes) >= 5
    assert len(late) == (len(held.episodes) - 1 if schedule == "each_expiry" else 0)


@pytest.mark.parametrize("target", ["coin_neutral", "usd_neutral", "black"])
def test_rolled_hedges_are_handed_over(target):
    base = YEAR | {"hedge.target": target, "hedge.lots": target != "black"}
    base |= {"execution.hedges": "post_only", "costs.hedge_taker_fee": None}
    if target != "black":
        base |= {"marks.settlement": "listed", "hedge.vol": 0.5}
    path = prices_of(START + NS_PER_MINUTE * np.arange(7200), random_path(2, 7199), NS_PER_MINUTE)
    chains = flat_chains(path, "BTC", 0.55, 1.0)
    funding = funding_of(START + NS_PER_HOUR * np.arange(1, 121), np.full(120, 2e-5), NS_PER_HOUR)
    tape = Tape(chains, path, funding, linear=target == "black", averaging=False)
    held = compare(base, tape)
    assert sum(one.heir for one in held.episodes) >= 3


def test_options_that_rules_close_at_a_chain_are_hedged_until_then_and_no_further():
    """With a bar at the chain's own moment: it comes after the closing."""
    rules = {"exit.rules": {"moneyness": 0.5}, "costs.max_quote_age": None, "entry.min_days": 1}
    held = compare(rules, minute_tape(seed=4))
    closed = [one for one in held.episodes if one.done.episode.close_reason == "moneyness"]
    assert closed
    ts = held.tape.ts_ns
    assert all(np.count_nonzero(ts == one.done.episode.close_ns) == 2 for one in closed)


def compare(base, tape):
    held = HeldEpisodes(build(base), tape)
    assert held.episodes
    for policy in POLICIES:
        config = build({**base, **policy})
        fast = held.hedge(build_policy(config))
        slow = replay(config, tape, engine="desk")
        profits = np.array([done.episode.ledger.profit() for done in slow.episode_runs])
        native = 1 if config.hedge.target == "black" else 0
        mine = np.column_stack([fast.coin, fast.usd])
        np.testing.assert_allclose(mine[:, native], profits[:, native], rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(mine, profits, rtol=1e-10, atol=1e-10)
        np.testing.assert_array_equal(fast.hedges, [done.episode.hedges for done in slow.episode_runs])
        fees = [done.episode.fees_paid() for done in slow.episode_runs]
        np.testing.assert_allclose(fast.fees, fees, rtol=1e-12, atol=1e-12)
        marks = Marks(tape)
        figures = performance(*held.earned([build_policy(config)], marks))
        theirs = performance(earned_by(slow, marks))
        assert figures.keys() == theirs.keys()
        currency = "usd" if native else "coin"
        theirs["max_drawdown"] = {currency: theirs["max_drawdown"][currency]}  # all that a sweep shows
        for name, value in theirs.items():
            close = value if value is None else pytest.approx(value, rel=1e-9, abs=5e-8)
            assert figures[name] == close, name
    return held


def test_what_is_not_exact_is_refused():
    config = build({"entry.min_days": 1, "costs.max_quote_age": None, "hedge.instrument": "future"})
    with pytest.raises(ConfigError, match="futures are delivered by the event loop only"):
        HeldEpisodes(config, market(1, config))
    for rules, words in (
        ({"exit.rules": {"take_profit": 5.0}}, "exit.rules.take_profit looks at the hedge's profit"),
        ({"exit.rules": {"drawdown": 5.0}}, "exit.rules.drawdown looks at the hedge's profit"),
        ({"roll.when": {"moneyness": 9.0}}, "roll.when hands hedges over within the event loop"),
        ({"hedge.scope": "book"}, "hedge.scope: a book has one hedge for all of them"),
    ):
        config = build({"entry.min_days": 1, "costs.max_quote_age": None} | rules)
        with pytest.raises(ConfigError, match=words):
            HeldEpisodes(config, market(1, config))
    plain = build({"entry.min_days": 1, "costs.max_quote_age": None})
    ladder = build({"hedge.rule": "ladder"})
    with pytest.raises(ConfigError, match="resting orders"):
        HeldEpisodes(plain, market(1, plain)).hedge(build_policy(ladder))
