"""Each budget by hand on a made chain, and which of several counts."""

import logging
import math

import msgspec
import numpy as np
import pytest

from gammacore import black76, inverse
from gammacore.backtest.figures.results import run_backtest
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.tape import Tape
from gammacore.build import build_desk, build_weigher
from gammacore.contracts import Perpetual, Settlement
from gammacore.data.listings import published
from gammacore.data.margins import published_margins
from gammacore.daycount import NS_PER_YEAR
from gammacore.errors import ConfigError
from gammacore.exchange import MarketModel
from gammacore.legs import preset
from gammacore.live.parity import check
from gammacore.margin import Book, Holding, portfolio_margin
from gammacore.portfolio import Portfolio
from gammacore.risk import Limits
from gammacore.strategy import EntryRule, ExitRule, GammaScalp, SizeRule
from gammacore.strategy.sizes import one_unit, sized, steepest
from gammacore.strategy.structures import Picked, pick
from gammacore.strategy.waiting import waiting
from support.live_world import Process, World, lively
from support.markets import FREE, FRIDAY, START, STRIKES, build, chains_of, tape_of

TAU = (FRIDAY - START) / NS_PER_YEAR
SPOT = 60e3
MARGINS = msgspec.structs.replace(published_margins(), model="portfolio")
SIDES = [(name, long) for name in ("straddle", "iron_butterfly") for long in (True, False)]


def chain():
    return Tape(chains_of([START], [SPOT], strikes=STRIKES)).snapshot(0).chain


def entry_of(name, long, size, **told):
    scalp = GammaScalp(EntryRule(preset(name), long=long), size, ExitRule())
    return scalp.plan(chain(), FRIDAY, START, told.pop("forecast", math.nan), 0.0, **told)


def legs_of(name):
    """Strike, kind, amount, and a quoted row of each leg of one unit as bought."""
    quoted = chain()
    rows, amounts = pick(quoted, preset(name), FRIDAY, [FRIDAY], START)
    return [
        (float(quoted.strike[r]), int(quoted.kind[r]), a, r, quoted)
        for r, a in zip(rows, amounts, strict=True)
    ]


def units(entry, name):
    ratios = [
        abs(leg.amount / amount) for leg, (_, _, amount, _, _) in zip(entry.legs, legs_of(name), strict=True)
    ]
    assert ratios == pytest.approx([ratios[0]] * len(ratios), rel=1e-12)
    return ratios[0]


def figure(name, greek, scale):
    seen = [(a, inverse.greeks(kind, SPOT, strike, TAU, 0.6)) for strike, kind, a, _, _ in legs_of(name)]
    return abs(sum(a * getattr(g, greek) for a, g in seen)) * scale


def premium(name):
    """USD of one unit: bought at the ask, its sold legs at the bid."""
    return abs(sum(a * (q.ask if a > 0 else q.bid)[r] for _, _, a, r, q in legs_of(name))) * SPOT


def margin(name, long, count):
    """By the exchange's formulas: of each short option, and of a hedge of one coin a unit."""
    total = 0.0
    for strike, kind, amount, row, quoted in legs_of(name):
        short = -amount if long else amount
        if short <= 0:
            continue
        mark = float(quoted.mark[row])
        initial = max(0.15 - max(kind * (strike - SPOT), 0.0) / SPOT, 0.10) + mark
        total += short * max(initial, (0.075 + mark) if kind < 0 else 0.0)
    return total * count + count * (0.02 + 0.00005 * count)


@pytest.mark.parametrize(("name", "long"), SIDES)
def test_each_budget_by_hand(name, long):
    for budget, one in {
        "premium_usd": premium(name),
        "theta_usd": figure(name, "theta", 1 / 365),
        "vega_usd": figure(name, "vega", 0.01),
        "gamma": figure(name, "gamma", SPOT * 0.01),
    }.items():
        found = entry_of(name, long, SizeRule(lots=False, **{budget: 2.5 * one}))
        assert units(found, name) == pytest.approx(2.5, rel=1e-12), budget
        assert found.sized_by == budget
        assert math.copysign(1.0, found.legs[0].amount) == (1.0 if long else -1.0) * legs_of(name)[0][2]


@pytest.mark.parametrize(("name", "long"), SIDES)
def test_shares_of_the_equity_by_hand(name, long):
    found = entry_of(name, long, SizeRule(lots=False, equity_share=0.2), equity=7.0)
    assert units(found, name) == pytest.approx(0.2 * 7.0 * SPOT / premium(name), rel=1e-12)
    for equity in (3.0, 400.0):  # of many coins the hedge asks for more than of one
        found = entry_of(name, long, SizeRule(lots=False, margin_share=0.3), equity=equity)
        assert margin(name, long, units(found, name)) == pytest.approx(0.3 * equity, rel=1e-12)
        assert found.sized_by == "margin_share"


def of_portfolio(name, long, count):
    """Portfolio margin of so many units with the perpetual against their delta."""
    held, delta, rates = [], 0.0, MARGINS.portfolio_at(START, "BTC")
    for strike, kind, amount, row, quoted in legs_of(name):
        size = count * (amount if long else -amount)
        mark = float(quoted.mark[row])
        held.append(Holding(quoted.option(row), size, mark, SPOT, 0.6))
        delta += size * (float(black76.greeks(kind, SPOT, strike, TAU, 0.6).delta) - mark)
    hedge = Holding(Perpetual("BTC", Settlement.INVERSE), -delta * SPOT, SPOT)
    return portfolio_margin(Book(START, SPOT, (*held, hedge)), rates).initial


@pytest.mark.parametrize(("name", "long"), SIDES)
def test_a_share_of_the_equity_by_portfolio_margin(name, long):
    rule = SizeRule(lots=False, margin_share=0.3, margin=MARGINS)
    for equity in (3.0, 40_000.0):  # of thousands of coins the delta shock asks for more than of one
        count = units(entry_of(name, long, rule, equity=equity), name)
        assert of_portfolio(name, long, count) == pytest.approx(0.3 * equity, rel=1e-6)
    quoted = chain()
    known = quoted, pick(quoted, preset(name), FRIDAY, [FRIDAY], START), START, long, (math.nan,) * 3
    unit = one_unit(rule, *known)
    assert unit.margin == pytest.approx(of_portfolio(name, long, 1.0), rel=1e-9)
    assert unit.margin_of(7.0) == pytest.approx(of_portfolio(name, long, 7.0), rel=1e-9)
    asked = one_unit(SizeRule(lots=False, margin_share=0.3), *known)
    assert asked.margin_of(7.0) == pytest.approx(margin(name, long, 7.0), rel=1e-12)


def test_portfolio_margin_without_a_mark_enters_nothing():
    quoted = chain()
    picked = pick(quoted, preset("straddle"), FRIDAY, [FRIDAY], START)
    quoted.iv[picked.rows[0]] = math.nan
    rule = SizeRule(lots=False, margin_share=0.3, margin=MARGINS)
    why = sized(rule, quoted, picked, START, True, (math.nan, 0.0, 5.0))
    assert why == "size.margin_share: the margin is not known, a mark is missing"


def test_the_hedge_that_margin_counts_is_as_large_as_the_delta_can_be():
    quoted = chain()
    for name in ("straddle", "iron_butterfly", "call", "ratio", "condor"):
        assert steepest(quoted, pick(quoted, preset(name), FRIDAY, [FRIDAY], START)) == 1.0, name
    twice = Picked(tuple(legs_of("straddle")[k][3] for k in (0, 1)), (2.0, 3.0))
    assert steepest(quoted, twice) == 3.0


def test_linear_options_are_margined_and_weighed_in_usdc():
    inverse_chain = chain()
    quoted = type(inverse_chain)(
        **{
            name: getattr(inverse_chain, name)
            for name in inverse_chain.__struct_fields__
            if name not in ("settlement", "bid", "ask", "mark")
        },
        settlement=Settlement.LINEAR,
        **{name: getattr(inverse_chain, name) * SPOT for name in ("bid", "ask", "mark")},
    )
    picked = Picked(tuple(leg[3] for leg in legs_of("straddle")), (1.0, 1.0))
    for long in (True, False):
        coin = one_unit(SizeRule(), inverse_chain, picked, START, long, (math.nan, 0.0, 1.0))
        usd = one_unit(SizeRule(), quoted, picked, START, long, (math.nan, 0.0, 1.0))
        assert usd.premium == pytest.approx(coin.premium, rel=1e-12)
        assert usd.margin == pytest.approx(coin.margin * SPOT, rel=1e-12)
        assert usd.margin_slope == pytest.approx(coin.margin_slope * SPOT, rel=1e-12)


@pytest.mark.parametrize("long", [True, False])
def test_kelly_is_the_mean_over_the_variance(long):
    asked = {"size.kelly": 0.5, "size.equity": 10.0, "hedge.lots": False}
    config = build(asked | {"entry.side": "long" if long else "short"})
    strategy = build_desk(config).strategy
    forecast = 0.9 if long else 0.35
    quoted = chain()
    picked = Picked(tuple(leg[3] for leg in legs_of("straddle")), (1.0, 1.0))
    weighed = build_weigher(config).weigh(quoted, START, picked, forecast, 0.0)
    mean, deviation = float(weighed.profit[0]), float(weighed.deviation[0])
    (found,) = strategy.entries(START, quoted, Portfolio(), forecast)
    wanted = 0.5 * 10.0 * mean / deviation**2
    assert mean > 0
    assert units(found, "straddle") == pytest.approx(wanted, rel=1e-12)
    assert found.sized_by == "kelly"
    # The bet with the largest expected logarithm, where the profit is one of two equally likely ones.
    bets = np.linspace(0.5, 1.5, 2001) * 10.0 * mean / deviation**2
    grown = [np.log1p(bets * (mean + sign * deviation) / 10.0) for sign in (1, -1)]
    best = bets[np.argmax(np.mean(grown, axis=0))]
    assert best == pytest.approx(10.0 * mean / deviation**2, rel=2.5 * (mean / deviation) ** 2)


def test_kelly_bets_nothing_on_a_loss_or_without_a_forecast():
    strategy = build_desk(build({"size.kelly": 0.5, "size.equity": 10.0, "hedge.lots": False})).strategy
    assert strategy.plan(chain(), FRIDAY, START, 0.3, 0.0).reason == (
        "size.kelly: the expected profit is not positive"
    )
    assert strategy.plan(chain(), FRIDAY, START, math.nan, 0.0).reason == (
        "size.kelly: no forecast of volatility yet"
    )


def test_the_tightest_counts_and_of_equals_the_first():
    one = premium("straddle")
    theta = figure("straddle", "theta", 1 / 365)
    rule = SizeRule(lots=False, premium_usd=3 * one, theta_usd=2 * theta, equity_share=1.0)
    assert entry_of("straddle", True, rule, equity=1e3).sized_by == "theta_usd"
    assert entry_of("straddle", True, rule, equity=one / SPOT).sized_by == "equity_share"
    tie = SizeRule(lots=False, equity_share=0.5, premium_usd=0.5 * one)
    assert entry_of("straddle", True, tie, equity=one / SPOT).sized_by == "premium_usd"
    assert entry_of("straddle", True, SizeRule(contracts=2.0)).sized_by == "contracts"


def test_lots_round_the_tightest_down_and_less_than_one_is_nothing():
    one = premium("straddle")
    rule = SizeRule(premium_usd=2.57 * one, grids=published())
    assert units(entry_of("straddle", True, rule), "straddle") == 2.5
    found = entry_of("straddle", True, SizeRule(premium_usd=0.05 * one, grids=published()))
    assert found.reason == "size.premium_usd does not buy a lot of every leg"


@pytest.mark.parametrize(
    ("ratio", "bought", "whole"),
    [
        (1.5, 2.57, 2.4),  # 0.1 beside 0.15 is no order: lots are 0.1
        (1.5, 0.19, 0.0),
        (0.25, 2.57, 2.4),
        (1 / 3, 2.57, 2.4),
        (2.0, 2.57, 2.5),
        (3.7, 2.57, 2.0),
    ],
)
def test_budgets_buy_whole_lots_of_every_leg(ratio, bought, whole):
    quoted, own = chain(), SizeRule(rule=lambda unit: bought, grids=published())
    rows, _ = pick(quoted, preset("straddle"), FRIDAY, [FRIDAY], START)
    found = sized(own, quoted, Picked(rows, (1.0, -ratio)), START, True, (math.nan, 0.0, math.nan))
    if not whole:
        assert found == "size.rule does not buy a lot of every leg"
        return
    assert found.units == pytest.approx(whole, rel=1e-12)
    lots = found.units * ratio / 0.1
    assert lots == pytest.approx(round(lots), rel=1e-9)


def test_a_unit_of_two_coins_a_leg_is_bought_by_half_lots():
    quoted, own = chain(), SizeRule(rule=lambda unit: 0.29, grids=published())
    rows, _ = pick(quoted, preset("straddle"), FRIDAY, [FRIDAY], START)
    found = sized(own, quoted, Picked(rows, (2.0, 2.0)), START, True, (math.nan, 0.0, math.nan))
    assert found.units == pytest.approx(0.25, rel=1e-12)  # 0.5 coins a leg


def test_without_equity_nothing_is_a_share_of_it():
    for name in ("margin_share", "equity_share"):
        rule = SizeRule(**{name: 0.1})
        assert entry_of("straddle", True, rule).reason == f"size.{name}: the equity is not known"
        assert entry_of("straddle", True, rule, equity=-1.0).reason == f"size.{name}: no equity is left"


def test_waiting_says_which_budget_counts():
    rule = SizeRule(lots=False, equity_share=0.1, equity=premium("straddle") / SPOT)
    scalp = GammaScalp(EntryRule(), rule, ExitRule())
    told = str(waiting(scalp, START, chain(), Portfolio(), Limits()))
    assert told.endswith("may be entered at the next chain, 0.1 coin a leg by size.equity_share")


def amount_of(episode):
    return abs(next(iter(episode.entered.values())))


def asked_at(tape, episode):
    """Coins that one unit of an episode's options was offered at when it was entered."""
    at = int(np.flatnonzero((tape.ts_ns <= episode.entry_ns) & (tape.chain_at >= 0))[-1])
    quoted = tape.snapshot(at).chain
    return float(sum(quoted.ask[quoted.find(option)] for option in episode.entered))


def test_equity_compounds_over_three_episodes():
    tape, _, _ = tape_of(3)
    config = build(
        FREE
        | {
            "size.equity_share": 0.25,
            "size.equity": 10.0,
            "entry.schedule": "roll",
            "entry.min_days": 5,
            "entry.max_days": 7,
            "hedge.band": 0.2,
        }
    )
    run = replay(config, tape)
    episodes = [done.episode for done in run.episode_runs]
    assert len(episodes) == 3
    assert len({abs(next(iter(e.entered.values()))) for e in episodes}) == 3
    equity = 10.0
    for episode in episodes:
        assert amount_of(episode) == pytest.approx(0.25 * equity / asked_at(tape, episode), rel=1e-9)
        assert episode.sized_by == "equity_share"
        equity += episode.ledger.profit().coin


def test_open_profits_count_at_their_marks():
    tape, _, _ = tape_of(3)
    config = build(FREE | {"size.equity_share": 0.25, "size.equity": 10.0, "entry.max_days": 21.5})
    first, second, third = (done.episode for done in replay(config, tape).episode_runs)
    assert first.entry_ns == second.entry_ns == third.entry_ns  # the first chain lists all three
    wanted = [0.25 * 10.0 / asked_at(tape, e) for e in (first, second, third)]  # nothing is earned yet
    assert [amount_of(e) for e in (first, second, third)] == pytest.approx(wanted, rel=1e-9)


def test_the_table_of_episodes_says_what_sized_them():
    found = run_backtest(build({"market.days": 20, "size.margin_share": 0.4, "size.equity": 5.0}))
    assert set(found.episodes["sized_by"]) == {"margin_share"}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"size.equity_share": 0.1},
            r"size\.equity: expected the equity to start with, in BTC, for size\.equ",
        ),
        ({"size.margin_share": 0.1, "currency": "BTC_USDC", "hedge.target": "black"}, r"in USDC, for"),
        ({"size.equity_share": 1.5, "size.equity": 1.0}, r"size\.equity_share: expected a number <= 1"),
        (
            {"size.kelly": 0.5, "size.equity": 1.0, "hedge.rule": "snapshot"},
            r"hedge\.rule: size\.kelly cannot know",
        ),
        ({"size.gama": 1.0}, r"size\.gama: unknown parameter; did you mean size\.gamma"),
    ],
)
def test_what_cannot_be_reckoned_is_refused(asked, message):
    with pytest.raises(ConfigError, match=message):
        build(asked)


def test_a_session_takes_a_share_of_its_accounts_equity(tmp_path, caplog):
    world = World(models={"BTC": MarketModel(vol=1.5)}, linear=())
    asked = {"size__equity_share": 0.01, "size__equity": 1e-3, "hedge__band": 0.01}
    process = Process(world, tmp_path / "j.db", lively(**asked))
    with caplog.at_level(logging.INFO, logger="gammacore.live"):
        assert process.run(40)
    desk, account = process.hedger.desk, process.hedger.feed.equity
    episode = desk.portfolio.episodes[0]
    # With the equity of the configuration it would not buy a lot; marks are a few per cent below asks.
    assert account > 1.0
    assert desk.market.equity == pytest.approx(account, rel=1e-3)
    assert 0.008 * account < episode.premium <= 0.0101 * account
    said = [r.sized_by for r in caplog.records if getattr(r, "order", "") == "0-entry-0"]
    assert said[0] == "equity_share"
    process.close()
    assert check(tmp_path / "j.db").departure is None
