"""Each rule closes at the chain at which it should and not one before, by figures worked out here."""

import math
import re

import numpy as np
import pytest
from scipy.stats import norm

from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.tape import Tape
from gammacore.contracts import parse
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_YEAR
from gammacore.forecasts import build_estimate
from gammacore.strategy.exits import (
    PRICE_RULES,
    TIME_RULES,
    ExitRule,
    Holding,
    PaceBounds,
    Rule,
    breakeven_vol,
    premium_of,
)
from gammacore.strategy.filters import FILTERS
from support.markets import FREE, FRIDAY, START, build, chains_of, random_path
from support.pages import ROOT

EVERY = 6 * NS_PER_HOUR
TIMES = np.arange(START, FRIDAY, EVERY)
PLAIN = FREE | {"hedge.rule": "never", "exit.delivery": "last"}
STRIKE = 60e3


class Straddle:
    """What a straddle of a coin at 60,000 is worth and has seen at every chain, by formulas of its own."""

    def __init__(self, seed, vol_of_chains=0.6, moves=0.6):
        steps = len(TIMES) - 1
        self.price = random_path(seed, steps, vol=moves, dt=0.25 / 365)
        self.price[0] = 60e3
        self.vol = np.broadcast_to(vol_of_chains, len(TIMES)).astype(float)
        tau = (FRIDAY - TIMES) / NS_PER_YEAR
        self.total = self.vol * np.sqrt(tau)
        f = self.price
        d1 = np.log(f / STRIKE) / self.total + 0.5 * self.total
        d2 = d1 - self.total
        usd = f * (2 * norm.cdf(d1) - 1) - STRIKE * (2 * norm.cdf(d2) - 1)
        self.value = usd / f
        self.profit = self.value - self.value[0]
        self.gamma = 2 * norm.pdf(d1) * f / self.total  # times the forward squared
        self.theta = -f * norm.pdf(d1) * self.vol / np.sqrt(tau)
        self.moneyness = np.abs(np.log(f / STRIKE)) / self.total
        moved = np.diff(np.log(f)) ** 2
        years = np.diff(TIMES) / NS_PER_YEAR
        with np.errstate(invalid="ignore"):
            self.realised = np.append(np.nan, np.sqrt(np.cumsum(moved) / np.cumsum(years)))
            gained, paid = np.cumsum(0.5 * self.gamma[:-1] * moved), np.cumsum(-self.theta[:-1] * years)
            self.gamma_over_theta = np.append(np.nan, gained / paid)

    def tape(self, config):
        chains = chains_of(TIMES, self.price, strikes=(50e3, 55e3, STRIKE, 65e3, 70e3))
        of = np.searchsorted(TIMES, chains.ts_ns)
        chains.iv[:] = self.vol[of]
        tau = (FRIDAY - chains.ts_ns) / NS_PER_YEAR
        total, f = chains.iv * np.sqrt(tau), self.price[of]
        d1 = np.log(f / chains.strike) / total + 0.5 * total
        sign = chains.kind
        chains.mark[:] = sign * (norm.cdf(sign * d1) - chains.strike / f * norm.cdf(sign * (d1 - total)))
        return Tape(chains, averaging=False, estimate=build_estimate(config))


def closed(straddle, changes):
    """Chain and reason of the close, -1 where it is still held at the end."""
    config = build(PLAIN | changes)
    run = replay(config, straddle.tape(config))
    episode = run.desk.portfolio.episodes[0]
    assert episode.entry_ns == START
    at = np.flatnonzero(episode.close_ns == TIMES)
    return (int(at[0]) if at.size else -1), episode.close_reason


def first(condition):
    hits = np.flatnonzero(condition[1:]) + 1
    return int(hits[0]) if hits.size else -1


def check(straddle, name, condition, rule, **changes):
    expected = first(condition)
    assert 1 < expected < len(TIMES)
    rule = rule if isinstance(rule, dict) else float(rule)
    found = closed(straddle, {"exit.rules": {name: rule}} | changes)
    assert found == (expected, name)


@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_shares_of_the_premium(seed, side):
    s = Straddle(seed, moves=0.9)
    sign = 1 if side == "long" else -1
    profit, premium = sign * s.profit, s.value[0]
    peak = np.maximum.accumulate(np.maximum(profit, 0.0))
    for name, seen in (("take_profit", profit), ("stop_loss", -profit), ("drawdown", peak - profit)):
        share = 0.6 * seen[:-1].max() / premium
        if share > 0 and first(seen >= share * premium) > 1:
            check(s, name, seen >= share * premium, share, **{"entry.side": side})
        # A share that is not reached closes nothing.
        never = {"exit.rules": {name: float(1.0001 * seen.max() / premium) if seen.max() > 0 else 0.5}}
        assert closed(s, never | {"entry.side": side}) == (-1, "")


def test_shares_of_the_premium_were_looked_at():
    """The loop above skips what does not happen in a path: each rule happens in some."""
    for name in ("profit", "loss", "drawdown"):
        found = []
        for seed in (1, 2, 3):
            profit = Straddle(seed, moves=0.9).profit
            peak = np.maximum.accumulate(np.maximum(profit, 0.0))
            seen = {"profit": profit, "loss": -profit, "drawdown": peak - profit}[name]
            found.append(first(seen >= 0.6 * seen[:-1].max()) > 1)
        assert any(found), name


def test_moneyness_is_of_the_nearest_strike():
    s = Straddle(2, moves=1.2)
    limit = 0.7 * s.moneyness.max()
    check(s, "moneyness", s.moneyness >= limit, limit)


def test_moneyness_of_a_strangle_is_that_of_the_nearer_leg():
    s = Straddle(2, moves=1.2)
    changes = {"entry.structure": "strangle", "entry.delta": 0.2}
    config = build(PLAIN | changes)
    legs = [o.strike for o in replay(config, s.tape(config)).desk.portfolio.episodes[0].entered]
    assert len(set(legs)) == 2
    nearest = np.min([np.abs(np.log(s.price / k)) / s.total for k in legs], axis=0)
    limit = 0.8 * nearest.max()
    check(s, "moneyness", nearest >= limit, limit, **changes)


@pytest.mark.parametrize("side", ["long", "short"])
def test_the_edge_is_the_forecast_less_the_volatility_of_holding_on(side):
    vols = 0.6 + 0.25 * np.sin(np.arange(len(TIMES)) / 4)
    s = Straddle(4, vols)
    setting = {"signal.forecast": "realised", "signal.window": "2d", "entry.side": side}
    config = build(PLAIN | setting | {"exit.rules": {"edge_gone": 0.0}})
    forecast = s.tape(config).estimate
    edge = (forecast - vols) * (1 if side == "long" else -1)
    with np.errstate(invalid="ignore"):
        least = float(np.nanquantile(edge, 0.3))
        assert first(edge < least) >= 8  # no forecast, no rule
        check(s, "edge_gone", edge < least, least, **setting)


@pytest.mark.parametrize("bound", ["below", "above"])
@pytest.mark.parametrize("name", ["rv_pace", "gamma_over_theta"])
def test_paces_count_from_the_entry_and_only_after_a_while(name, bound):
    s = Straddle(5)
    ratio = s.realised / 0.6 if name == "rv_pace" else s.gamma_over_theta
    late = TIMES - START >= 2 * NS_PER_DAY
    edge = float(np.nanquantile(ratio[8:], 0.25 if bound == "below" else 0.75))
    with np.errstate(invalid="ignore"):
        out = ratio < edge if bound == "below" else ratio > edge
    assert first(out) < first(out & late) or first(out & late) > 8
    check(s, name, out & late, {"after": "2d", bound: edge})


def test_time_rules_close_at_their_moment_and_the_first_names_the_reason():
    s = Straddle(6)
    for rule, at in (
        ({"days_to_expiry": 2.3}, FRIDAY - 2.3 * NS_PER_DAY),
        ({"max_days": 3.1}, START + 3.1 * NS_PER_DAY),
    ):
        config = build(PLAIN | {"exit.rules": rule})
        episode = replay(config, s.tape(config)).desk.portfolio.episodes[0]
        assert (episode.close_ns, episode.close_reason) == (round(at), next(iter(rule)))
    both = {"exit.rules": {"days_to_expiry": 2.3, "max_days": 3.1}, "exit.hours_before_expiry": 5 * 24.0}
    config = build(PLAIN | both)
    episode = replay(config, s.tape(config)).desk.portfolio.episodes[0]
    assert (episode.close_ns, episode.close_reason) == (FRIDAY - 5 * NS_PER_DAY, "hours_before_expiry")


def test_the_profit_counts_the_hedge_and_its_costs():
    """At the mark and without costs of closing, the ledger's profit is the one that the rule saw."""
    s = Straddle(7, moves=1.0)
    hedged = {"hedge.rule": "snapshot", "execution.hedges": "taker", "costs.hedge_taker_fee": 5e-4}
    shares = []
    for least in (0.02, 0.06):
        config = build(PLAIN | hedged | {"exit.rules": {"take_profit": least}})
        run = replay(config, s.tape(config))
        (done,) = run.episode_runs
        assert done.episode.close_reason == "take_profit"
        paid = done.episode.hedge_fills()
        unwound = float(paid.fee[-1])  # after the decision
        shares.append((done.episode.ledger.profit().coin + unwound) / s.value[0])
        assert shares[-1] >= least
    assert shares[0] < shares[1]
    unhedged = closed(s, {"exit.rules": {"take_profit": 0.06}})
    assert unhedged[0] != int(np.flatnonzero(done.episode.close_ns == TIMES)[0])


# ------------------------------------------------------------- by themselves


def holding(**changes):
    fields = dict.fromkeys(Holding.__struct_fields__, 1.0) | {
        "ts_ns": 4 * NS_PER_DAY, "entry_ns": NS_PER_DAY, "first_expiry_ns": 6 * NS_PER_DAY,
        "legs": (), "premium": 2.0, "profit": 0.0, "peak": 0.0,
    }  # fmt: skip
    return Holding(**(fields | changes))


@pytest.mark.parametrize(
    ("rule", "value", "kept", "left"),
    [
        ("take_profit", 0.5, {"profit": 0.999}, {"profit": 1.0}),
        ("stop_loss", 0.5, {"profit": -0.999}, {"profit": -1.0}),
        ("drawdown", 0.5, {"profit": 0.5, "peak": 1.499}, {"profit": 0.5, "peak": 1.5}),
        ("moneyness", 1.5, {"moneyness": 1.499}, {"moneyness": 1.5}),
        ("edge_gone", 0.125, {"forecast": 0.75, "breakeven": 0.625}, {"forecast": 0.7, "breakeven": 0.625}),
        (
            "edge_gone",
            0.1,
            {"gamma": -1.0, "forecast": 0.5, "breakeven": 0.625},
            {"gamma": -1.0, "forecast": 0.7, "breakeven": 0.6},
        ),
        ("rv_pace", PaceBounds(3 * NS_PER_DAY, below=0.8), {"realised": 0.8}, {"realised": 0.79}),
        ("rv_pace", PaceBounds(3 * NS_PER_DAY, above=1.2), {"realised": 1.2}, {"realised": 1.21}),
        (
            "rv_pace",
            PaceBounds(0, below=0.8),
            {"realised": 0.7, "breakeven_entry": math.nan},
            {"realised": 0.7},
        ),
        ("gamma_over_theta", PaceBounds(0, 0.5, 2.0), {"gamma_over_theta": 2.0}, {"gamma_over_theta": 2.1}),
        ("gamma_over_theta", PaceBounds(0, 0.5), {"gamma_over_theta": math.nan}, {"gamma_over_theta": 0.4}),
    ],
)
def test_bounds(rule, value, kept, left):
    exits = ExitRule(rules=(Rule(rule, value),))
    assert exits.fired(holding(**kept)) == ""
    assert exits.fired(holding(**left)) == rule
    assert PRICE_RULES[rule](holding(**left), value)


def test_a_pace_waits_until_its_time_has_come():
    rule = ExitRule(rules=(Rule("rv_pace", PaceBounds(3 * NS_PER_DAY, below=0.8)),))
    assert rule.fired(holding(realised=0.1, ts_ns=4 * NS_PER_DAY - 1)) == ""
    assert rule.fired(holding(realised=0.1)) == "rv_pace"


def test_what_is_not_known_closes_nothing():
    everything = ExitRule(
        rules=tuple(
            Rule(
                name,
                PaceBounds(0, 9.0, 0.1) if "_" in name and name in ("rv_pace", "gamma_over_theta") else 0.1,
            )
            for name in PRICE_RULES
        )
    )
    unknown = {name: math.nan for name, kind in Holding.__annotations__.items() if kind == "float"}
    assert everything.fired(holding(**unknown)) == ""


@pytest.mark.parametrize(
    ("paid", "premium"),
    [
        ([0.03, 0.03], 0.06),
        ([-0.03, -0.03], 0.06),
        ([0.06, -0.04], 0.02),  # a calendar
        ([-0.05, 0.01, -0.04, 0.01], 0.07),  # an iron condor, sold
        ([0.02, -0.0199], 0.00399),  # a risk reversal: a tenth of what both cost
        ([], 0.0),
    ],
)
def test_the_premium_that_shares_refer_to(paid, premium):
    assert premium_of(paid) == pytest.approx(premium, rel=1e-12)


def test_the_break_even_of_holding_on():
    gamma = 0.8
    assert breakeven_vol(gamma, -0.5 * gamma * 0.6**2) == pytest.approx(0.6)
    assert breakeven_vol(-gamma, 0.5 * gamma * 0.6**2) == pytest.approx(0.6)
    assert math.isnan(breakeven_vol(gamma, 0.1))
    assert math.isnan(breakeven_vol(0.0, -0.1))


def test_every_rule_has_its_name():
    assert list(PRICE_RULES) == [rule.__name__ for rule in PRICE_RULES.values()]
    assert list(TIME_RULES) == [rule.__name__ for rule in TIME_RULES.values()]
    names = set(build({}).exit.rules.__struct_fields__)
    assert names - {"own"} == {*PRICE_RULES, *TIME_RULES} - {"hours_before_expiry"}


def test_a_holding_tells_days():
    held = holding()
    assert (held.days_held, held.days_left) == (3.0, 2.0)
    assert parse("BTC-16JAN26-60000-C").expiry_ns == FRIDAY


def test_the_docs_list_every_rule_in_the_order_in_which_it_names_the_reason():
    page = (ROOT / "docs" / "howto" / "exits.md").read_text(encoding="utf-8")
    rules = re.findall(r"^\| `(\w+)` \|", page.split("## Rules")[1].split("## Rolls")[0], re.MULTILINE)
    built_in = [name for name in (*TIME_RULES, *PRICE_RULES) if name != "hours_before_expiry"]
    assert rules == [*built_in, "own"]
    filters = re.findall(r"^\| `(\w+)` \|", page.split("## Filters")[1], re.MULTILINE)
    assert filters == list(FILTERS)
