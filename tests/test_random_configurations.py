"""Lines sum to ledgers in both currencies, whatever is held, hedged, left, and in which coin.

``GAMMACORE_CONFIGURATIONS=500`` sets how many random configurations are run (default: a few), and
``GAMMACORE_CONFIGURATIONS_SEED`` the first seed.
"""

import dataclasses
import math
import os

import numpy as np
import pytest

from gammacore.backtest.figures.results import tabulate
from gammacore.backtest.replay.market import LoadedMarket
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.tape import Tape
from gammacore.contracts import Settlement
from gammacore.daycount import NS_PER_MINUTE
from gammacore.legs import STRUCTURES
from support.markets import EXPIRIES, START, STRIKES, build, chains_of, prices_of, random_path

CONFIGURATIONS = int(os.environ.get("GAMMACORE_CONFIGURATIONS", "24"))
FIRST_SEED = int(os.environ.get("GAMMACORE_CONFIGURATIONS_SEED", "0"))
COINS = {"BTC": 60e3, "ETH": 3e3, "BTC_USDC": 60e3, "SOL_USDC": 150.0}
NAMES = sorted(set(STRUCTURES) - {"none"})
LEGS = (
    [
        {"kind": "call", "strike": "delta 0.25", "amount": 2.0},
        {"kind": "put", "strike": "atm-2", "amount": -1.0},
    ],
    [
        {"kind": "call", "strike": "atm"},
        {"kind": "call", "strike": "moneyness 1.05", "expiry": "leg 1 + 7d", "amount": -1.5},
    ],
)
RULES = {
    "take_profit": 0.1,
    "stop_loss": 0.1,
    "max_days": 3.0,
    "days_to_expiry": 2.0,
    "moneyness": 1.0,
    "drawdown": 0.2,
    "gamma_over_theta": {"after": "1d", "below": 0.8},
}
POLICIES = ["band", "interval", "move", "whalley_wilmott", "fixed_cost", "never"]


def market_of(currency, seed, vol, delivery):
    """Three weeks of half-hourly prices and six-hourly chains of a coin, in which three Fridays expire."""
    steps, linear = 22 * 48, "_" in currency
    ratio = COINS[currency] / 60e3
    path = random_path(seed, steps, vol=vol, dt=30 / (365 * 1440))
    ts = START + np.arange(steps + 1) * 30 * NS_PER_MINUTE
    at = np.arange(0, steps - 10, 12)
    chains = chains_of(ts[at] + 1, path[at], strikes=STRIKES, expiries=EXPIRIES, vol=vol)
    unit = chains.forward * ratio if linear else 1.0
    chains = dataclasses.replace(
        chains,
        currency=currency,
        strike=chains.strike * ratio,
        forward=chains.forward * ratio,
        **({"index": chains.index * ratio} if hasattr(chains, "index") else {}),
        **{name: getattr(chains, name) * unit for name in ("bid", "ask", "mark")},
    )
    prices = dataclasses.replace(prices_of(ts, path * ratio, 30 * NS_PER_MINUTE))
    return Tape(chains, prices, linear=linear, averaging=delivery == "average")


def random_run(seed):
    rng = np.random.default_rng(10_000 + seed)

    def pick(values):
        return values[rng.integers(len(values))]

    currency, structure = pick(list(COINS)), pick([*NAMES, *LEGS])
    linear, delivery = "_" in currency, pick(["average", "last"])
    settings = {
        "currency": currency,
        "entry.side": pick(["long", "short"]),
        "entry.max_days": pick([9, 16, 23]),
        "hedge.scope": pick(["episode", "book"]),
        "hedge.rule": pick(POLICIES),
        "hedge.band": float(rng.uniform(0.02, 0.3)),
        "hedge.to": pick(["centre", "edge"]),
        "hedge.target": "black" if linear else pick(["coin_neutral", "usd_neutral", "black"]),
        "hedge.ratio": pick([1.0, 0.8]),
        "hedge.risk_aversion": 1e-5,
        "hedge.lots": currency != "SOL_USDC",  # its lot is told by a catalog
        "costs.fill": pick(["cross", "mid", "mark"]),
        "size.contracts": 2.0 * math.ceil(rng.uniform(0, 10)),  # lots of each leg
        "exit.delivery": delivery,
        "report.attribution": pick(["taylor", "revaluation"]),
    }
    settings |= {"entry.structure": structure} if isinstance(structure, str) else {"entry.legs": structure}
    if rng.random() < 0.7:
        name = pick(list(RULES))
        place = "exit.rules" if rng.random() < 0.6 else "roll.when"
        settings[place] = {name: RULES[name]}
    elif rng.random() < 0.5:
        settings["exit.hours_before_expiry"] = 5.0
    settings["execution.hedges"] = pick(["post_only", "post_only", "taker", "maker"])
    if settings["execution.hedges"] == "maker":  # it may earn more than it pays
        settings["hedge.cost"] = 5e-4
    settings["execution.patience"] = pick(["3s", "2min", "2h"])
    settings["costs.hedge_half_spread_bp"] = pick([0.1, 2.0, [0.1 * hour for hour in range(24)]])
    tape = market_of(currency, seed, float(rng.uniform(0.4, 0.9)), delivery)
    if settings["costs.fill"] == "cross" and currency != "SOL_USDC":  # what rests needs quotes and ticks
        ways = ["take", "post", "mid_then_take"]
        settings |= {"execution.options": pick(ways), "execution.option_exits": pick(ways)}
        settings["execution.option_patience"] = pick(["10min", "2h", "1d"])
        settings["costs.max_quote_age"] = None
        settings["execution.improve_every"] = pick(["10min", "3h"])
        settings["execution.max_from_smile"] = pick([None, 0.1])
    settings["execution.combo"] = pick(["never", "prefer"])
    return settings, replay(build(settings), tape), tape


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + CONFIGURATIONS))
def test_lines_sum_to_ledgers_in_both_currencies(seed):
    settings, run, tape = random_run(seed)
    one = COINS[settings["currency"]]  # a cent of what a coin costs at 60,000
    assert run.accounts or run.missing_quotes, settings  # every entry may be beyond the collar
    for done in run.accounts:
        steps, profit = done.attribution, done.episode.ledger.profit()
        assert sum(v.sum() for v in steps.coin.values()) == pytest.approx(profit.coin, abs=1e-9 * 60e3 / one)
        assert sum(v.sum() for v in steps.usd.values()) == pytest.approx(profit.usd, abs=1e-4)
    coin = math.fsum(done.episode.ledger.profit().coin for done in run.accounts)
    usd = math.fsum(done.episode.ledger.profit().usd for done in run.accounts)
    if settings["hedge.scope"] == "book":
        whole = run.desk.portfolio.book.ledger.profit()
        assert (coin, usd) == (pytest.approx(whole.coin, abs=1e-12), pytest.approx(whole.usd, abs=1e-8))
    found = tabulate(run, LoadedMarket(tape, False, {"start": "", "end": ""}, [], ()))
    lines = found.summary["attribution"]
    for name, total in (("coin", coin), ("usd", usd)):
        parts = math.fsum(line[name] for part, line in lines.items() if part != "total" and line[name])
        assert parts == pytest.approx(total, abs=1e-8 * max(1.0, abs(total)) * len(run.accounts))
        assert found.summary["total"][name] == pytest.approx(total, abs=1e-9 * max(1.0, abs(total)))


def test_the_configurations_are_of_every_kind():
    """What is summed above is not one kind alone."""
    seen = [random_run(seed) for seed in range(40)]
    assert {s["currency"] for s, *_ in seen} == set(COINS)
    assert {s["hedge.scope"] for s, *_ in seen} == {"episode", "book"}
    reasons = {e.close_reason for _, run, _ in seen for e in run.desk.portfolio.episodes}
    assert {"delivery", "take_profit", "stop_loss", "max_days"} <= reasons
    assert any(e.heir is not None for _, run, _ in seen for e in run.desk.portfolio.episodes)
    fills = [f for _, run, _ in seen for e in run.desk.portfolio.episodes for f in e.option_fills()]
    assert {f.maker for f in fills} == {True, False}
    settlements = {o.settlement for _, run, _ in seen for e in run.desk.portfolio.episodes for o in e.entered}
    assert settlements == set(Settlement)
    assert sum(e.hedges for _, run, _ in seen for e in run.desk.portfolio.episodes) > 0
