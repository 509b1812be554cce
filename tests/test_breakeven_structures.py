"""Break-evens of butterflies, calendars and the rest, against simulation and what they must be."""

import json
import math

import numpy as np
import pytest
from typer.testing import CliRunner

from gammacore import black76
from gammacore.backtest.figures.position_ranking import rank_positions
from gammacore.backtest.replay.tape import Tape
from gammacore.backtest.simulation.experiment import Experiment
from gammacore.backtest.simulation.models import GBM
from gammacore.backtest.simulation.montecarlo import simulate
from gammacore.backtest.simulation.option_book import Costs, OptionLeg
from gammacore.breakeven import Positions, TradePlan, breakevens
from gammacore.breakeven.roots import nearest_root, rising_root
from gammacore.build import build_desk, build_weigher
from gammacore.cli.main import app
from gammacore.config import parse_config
from gammacore.contracts import CALL, PUT, Settlement
from gammacore.daycount import FRIDAY, NS_PER_DAY, NS_PER_HOUR, NS_PER_YEAR, parse_time, weekday
from gammacore.errors import ConfigError, DataError
from gammacore.events import ChainSlice
from gammacore.fees import DERIBIT
from gammacore.hedging import Band, Custom, Interval, Ladder, Never, WhalleyWilmott
from gammacore.legs import STRUCTURES
from gammacore.portfolio import Portfolio
from gammacore.strategy.structures import Picked
from gammacore.volatility import Density
from support.markets import START, build, chains_of

F, NOW, COST = 60_000.0, parse_time("2026-05-01T08:00"), 5e-4
NEAR, FAR = parse_time("2026-05-15T08:00"), parse_time("2026-05-22T08:00")
TEN_MINUTES = 1.0 / 365 / 24 / 6
LEGS = {
    "butterfly": [(NEAR, 60e3, CALL, -2.0), (NEAR, 54e3, CALL, 1.0), (NEAR, 66e3, CALL, 1.0)],
    "iron butterfly": [
        (NEAR, 60e3, CALL, 1.0),
        (NEAR, 60e3, PUT, 1.0),
        (NEAR, 66e3, CALL, -1.0),
        (NEAR, 54e3, PUT, -1.0),
    ],
    "calendar": [(NEAR, 60e3, CALL, -1.0), (FAR, 60e3, CALL, 1.0)],
    "ratio": [(NEAR, 60e3, CALL, 1.0), (NEAR, 66e3, CALL, -2.0)],
    "risk reversal": [(NEAR, 66e3, CALL, 1.0), (NEAR, 54e3, PUT, -1.0)],
    "call": [(NEAR, 60e3, CALL, 1.0)],
    "straddle": [(NEAR, 60e3, CALL, 1.0), (NEAR, 60e3, PUT, 1.0)],
}


def quoted(half_spread=0.0, inverse=False, forwards=(F, F), iv=(0.6, 0.6)):
    """Three strikes at two expiries, each with a forward and a volatility of its own."""
    rows = [
        (expiry, strike, kind)
        for expiry in (NEAR, FAR)
        for strike in (54e3, 60e3, 66e3)
        for kind in (CALL, PUT)
    ]
    expiry, strike, kind = (np.array(column) for column in zip(*rows, strict=True))
    forward = np.where(expiry == NEAR, *forwards)
    vol = np.where(expiry == NEAR, *iv)
    tau, unit = (expiry - NOW) / NS_PER_YEAR, forward if inverse else 1.0
    bid, ask, mark = (
        black76.price(kind, forward, strike, tau, vol + off) / unit
        for off in (-half_spread, half_spread, 0.0)
    )
    settlement = Settlement.INVERSE if inverse else Settlement.LINEAR
    columns = expiry.astype(np.int64), strike, kind.astype(np.int8), bid, ask, mark, vol
    return ChainSlice("BTC", settlement, F, dict(zip((NEAR, FAR), forwards, strict=True)), *columns)


def position(chain, legs):
    def row(expiry, strike, kind):
        mine = (chain.expiry_ns == expiry) & (chain.strike == strike) & (chain.kind == kind)
        return int(np.flatnonzero(mine)[0])

    rows = [row(*leg[:3]) for leg in legs]
    return Positions(np.array([rows]), np.array([[leg[3] for leg in legs]]))


def weigh(name, plan, realised=0.6, sd=1e-9, **market):
    chain = quoted(**market)
    return breakevens(chain, NOW, position(chain, LEGS[name]), plan, Density.around(realised, sd))


# ---- against simulation --------------------------------------------------------------


@pytest.mark.parametrize("policy", [Interval(4 * NS_PER_HOUR), Band(0.05), WhalleyWilmott(1e-3, COST)])
@pytest.mark.parametrize("name", ["butterfly", "calendar", "ratio", "risk reversal"])
@pytest.mark.parametrize("realised", [0.5, 0.7])
def test_against_simulation(name, policy, realised):
    """Looked at every ten minutes, some thirty times as often as the engine's own paths have steps."""
    legs = LEGS[name]
    last = max(leg[0] for leg in legs)
    run = simulate(
        Experiment(
            book=tuple(
                OptionLeg("call" if kind > 0 else "put", strike, (expiry - NOW) / NS_PER_YEAR, amount)
                for expiry, strike, kind, amount in legs
            ),
            model=GBM(realised),
            policy=policy,
            forward=F,
            implied=0.6,
            steps=round((last - NOW) / NS_PER_YEAR / TEN_MINUTES),
            costs=Costs(proportional=COST),
            liquidate=True,
        ),
        paths=8_000,
        seed=5,
        columns=("fees",),
    )
    plan = TradePlan(policy=policy, hedge_cost=COST, look_every=TEN_MINUTES)
    found = weigh(name, plan, realised)
    assert found.hedging[0] == pytest.approx(run.mean("fees"), rel=0.13)
    assert found.profit[0] == pytest.approx(
        run.mean(), abs=4 * run.standard_error() + 0.15 * found.hedging[0]
    )
    assert found.deviation[0] == pytest.approx(run.sd(), rel=0.17)
    assert found.probability[0] == pytest.approx(np.mean(run["pnl"] > 0), abs=0.06)


# ---- what it must be ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["butterfly", "iron butterfly", "ratio", "call"])
@pytest.mark.parametrize("long", [True, False])
def test_without_costs_one_expiry_breaks_even_at_what_was_paid(name, long):
    plan = TradePlan(policy=Interval(4 * NS_PER_HOUR), hedge_cost=0.0, long=long)
    found = weigh(name, plan, half_spread=0.01)
    assert found.breakeven[0] == pytest.approx(found.paid_vol[0], rel=1e-6)
    assert found.breakeven[0] != pytest.approx(0.6, abs=1e-4)  # the spread is in it


@pytest.mark.parametrize("name", ["butterfly", "calendar", "ratio"])
def test_nothing_is_earned_at_the_break_even(name):
    plan = TradePlan(policy=Interval(4 * NS_PER_HOUR), hedge_cost=COST, fees=DERIBIT.at(NOW), funding=0.1)
    first = weigh(name, plan, half_spread=0.005)
    again = weigh(name, plan, float(first.breakeven[0]), half_spread=0.005)
    assert abs(again.profit[0]) < 0.002 * abs(first.premium[0])  # its paths are those of another forecast


def test_the_edge_is_positive_where_the_forecast_earns_and_a_butterfly_wants_little_movement():
    plan = TradePlan(policy=Interval(4 * NS_PER_HOUR), hedge_cost=COST)
    calm, wild = weigh("butterfly", plan, 0.4), weigh("butterfly", plan, 0.8)
    assert calm.profit[0] > 0 > wild.profit[0]
    assert calm.edge[0] == pytest.approx(calm.breakeven[0] - 0.4, rel=1e-9)
    assert wild.edge[0] == pytest.approx(wild.breakeven[0] - 0.8, rel=1e-9)
    bought, sold = (
        weigh("iron butterfly", TradePlan(policy=Never(), hedge_cost=0.0, long=long), 0.7)
        for long in (True, False)
    )
    assert sold.profit[0] == pytest.approx(-bought.profit[0], rel=1e-9)
    assert sold.premium[0] == pytest.approx(bought.premium[0], rel=1e-9)
    assert sold.probability[0] == pytest.approx(1.0 - bought.probability[0], abs=1e-3)


def test_two_volatilities_at_which_nothing_is_left_give_the_nearest():
    """A function of the volatility that is nil at 0.3 and at 0.9."""

    def excess(vol):
        return (vol - 0.3) * (vol - 0.9)

    found = nearest_root(excess, np.array([0.2, 0.31, 0.6, 0.89, 2.0]))
    assert found == pytest.approx([0.3, 0.3, 0.9, 0.9, 0.9], rel=1e-9)
    assert math.isnan(nearest_root(lambda vol: 1.0 + vol, np.array([0.6]))[0])


def test_a_root_that_is_found_is_not_left_again():
    """At the nearest number to a root something tiny may be left, and a step from there leads nowhere."""
    at, asked = np.linspace(0.3, 1.5, 200), []

    def excess(vol):
        asked.append(1)
        return 2e3 * ((vol - at) + 0.1 * (vol - at) ** 2) - 3e-14

    assert rising_root(excess, np.full(200, 0.6)) == pytest.approx(at, abs=1e-10)
    assert len(asked) <= 10


def test_a_calendar_with_forwards_and_volatilities_of_its_own():
    """Value at the forecast by hand: both legs at the forecast, each from its forward."""
    forwards, iv = (60_000.0, 60_600.0), (0.7, 0.5)
    plan = TradePlan(policy=Interval(4 * NS_PER_HOUR), hedge_cost=0.0)
    for inverse in (False, True):
        found = weigh("calendar", plan, 0.55, forwards=forwards, iv=iv, inverse=inverse)
        unit = forwards if inverse else (1.0, 1.0)
        tau = [(expiry - NOW) / NS_PER_YEAR for expiry in (NEAR, FAR)]

        def worth(vols, tau=tau, unit=unit):
            near, far = (
                black76.price(CALL, f, 60e3, t, vol) / u
                for f, t, vol, u in zip(forwards, tau, vols, unit, strict=True)
            )
            return far - near

        carry = found.carry[0]
        assert found.premium[0] == pytest.approx(worth(iv), rel=1e-9)
        assert found.profit[0] == pytest.approx(worth((0.55, 0.55)) - worth(iv) - carry, rel=1e-9)
        assert found.tau[0] == pytest.approx(tau[1])


def test_a_calendar_that_is_closed_before_its_first_expiry_keeps_the_marks_of_the_rest():
    plan = TradePlan(policy=Interval(4 * NS_PER_HOUR), hedge_cost=0.0, exit_before_ns=NS_PER_DAY)
    found = weigh("calendar", plan, 0.5, iv=(0.7, 0.6))
    hold = (NEAR - NS_PER_DAY - NOW) / NS_PER_YEAR
    gained = []
    for expiry, vol in ((NEAR, 0.7), (FAR, 0.6)):
        tau = (expiry - NOW) / NS_PER_YEAR
        mixed = math.sqrt((0.5**2 * hold + vol**2 * (tau - hold)) / tau)
        gained.append(black76.price(CALL, F, 60e3, tau, mixed) - black76.price(CALL, F, 60e3, tau, vol))
    assert found.profit[0] == pytest.approx(gained[1] - gained[0], rel=1e-9)
    gone = TradePlan(policy=Never(), hedge_cost=0.0, exit_before_ns=15 * NS_PER_DAY)
    assert len(weigh("calendar", gone).tau) == 0


def test_a_hedge_that_is_never_changed_is_given_up_as_it_was_taken():
    plan = TradePlan(policy=Interval(400 * NS_PER_DAY), hedge_cost=1e-3)
    chain = quoted()
    found = breakevens(chain, NOW, position(chain, LEGS["butterfly"]), plan, Density.around(0.6, 1e-9))
    tau = (NEAR - NOW) / NS_PER_YEAR
    call = [float(black76.greeks(CALL, F, k, tau, 0.6).delta) for k in (54e3, 60e3, 66e3)]
    first = abs(call[0] - 2 * call[1] + call[2])
    assert found.hedging[0] == pytest.approx(1e-3 * F * 2.0 * first, rel=1e-4)


def test_the_last_hedge_of_a_butterfly_is_nothing_beyond_its_wings():
    """Half an hour before delivery: the first hedge and the last are the delta between the strikes."""
    plan = TradePlan(policy=Interval(NS_PER_HOUR), hedge_cost=1e-3)
    chain = quoted()
    ts_ns = NEAR - NS_PER_HOUR // 2
    found = breakevens(chain, ts_ns, position(chain, LEGS["butterfly"]), plan, Density.around(0.6, 1e-9))
    first = abs(1.0 - 2.0 * 0.5)  # at the body, with no time left to reach a wing
    assert found.hedging[0] == pytest.approx(1e-3 * F * 2.0 * first, abs=0.01 * F * 1e-3)


def test_rules_that_look_in_their_own_way():
    """A custom rule counts as its trigger; a ladder's orders rest, so that nothing is overlooked."""
    hourly = TradePlan(policy=Band(0.05), hedge_cost=COST, look_every=1 / 365 / 24)
    custom = TradePlan(
        policy=Custom(Band(0.05), lambda moment: 0.0), hedge_cost=COST, look_every=1 / 365 / 24
    )
    always = TradePlan(policy=Band(0.05), hedge_cost=COST)
    ladder = TradePlan(policy=Ladder(0.05, 0.1), hedge_cost=COST, look_every=1 / 365 / 24)
    costs = [weigh("butterfly", plan).hedging[0] for plan in (hourly, custom, always, ladder)]
    assert costs[0] == costs[1] < costs[2] == costs[3]


def test_it_is_the_same_whenever_it_is_asked():
    plan = TradePlan(policy=Band(0.05), hedge_cost=COST)
    one, other = (weigh("ratio", plan, 0.6, 0.25) for _ in range(2))
    assert one.probability[0] == other.probability[0]
    assert one.breakeven[0] == other.breakeven[0]


def test_capital_is_premium_of_what_is_bought_and_margin_of_what_is_sold():
    found = weigh("iron butterfly", TradePlan(policy=Never(), hedge_cost=0.0), inverse=True)
    chain = quoted(inverse=True)
    rows = position(chain, LEGS["iron butterfly"]).rows[0]
    marks, strikes = chain.mark[rows], chain.strike[rows]
    bought = marks[0] + marks[1]
    out = [
        max(0.15 - abs(k - F) / F, 0.1) for k in strikes[2:]
    ]  # of the index, less what it is out of the money
    assert found.capital[0] == pytest.approx(
        bought + sum(out) + marks[2] + marks[3] + 0.02 + 0.00005, rel=1e-3
    )


# ---- signal, size, command ---------------------------------------------------------------


def calendar_desk(**asked):
    settings = {
        "entry.structure": "calendar",
        "entry.far_days": 7,
        "signal.window": "1d",
        "signal.log_sd": 0.25,
    }
    return build_desk(build(settings | asked)), build_weigher(build(settings | asked))


def two_weeks(iv=0.6):
    expiries = tuple(
        START + days * NS_PER_DAY for days in range(1, 20) if weekday(START + days * NS_PER_DAY) == FRIDAY
    )
    return Tape(chains_of([START], [60e3], vol=iv, half=0.0002, expiries=expiries)).snapshot(0).chain


def test_a_signal_waits_for_a_calendar_to_pay():
    chain = two_weeks()
    desk, weigher = calendar_desk(**{"signal.min_edge": 0.0})
    free, _ = calendar_desk()
    (entry,) = free.strategy.entries(START, chain, Portfolio(), 0.6, 0.0)
    picked = Picked(
        tuple(chain.find(leg.instrument) for leg in entry.legs),
        tuple(np.sign(leg.amount) for leg in entry.legs),
    )
    breakeven = float(weigher.weigh(chain, START, picked, 0.7, 0.0).breakeven[0])
    assert 0.6 < breakeven < 1.0
    assert desk.strategy.entries(START, chain, Portfolio(), breakeven * 1.03, 0.0)
    assert not desk.strategy.entries(START, chain, Portfolio(), breakeven * 0.97, 0.0)


def test_kelly_sizes_a_calendar_by_its_profit_over_its_variance():
    chain = two_weeks()
    desk, weigher = calendar_desk(**{"size.kelly": 0.25, "size.equity": 10.0, "size.contracts": 1e4})
    (entry,) = desk.strategy.entries(START, chain, Portfolio(), 1.2, 0.0)
    rows = tuple(chain.find(leg.instrument) for leg in entry.legs)
    found = weigher.weigh(chain, START, Picked(rows, (-1.0, 1.0)), 1.2, 0.0)
    wanted = 0.25 * 10.0 * found.profit[0] / found.deviation[0] ** 2
    assert entry.sized_by == "kelly"
    assert entry.legs[1].amount == pytest.approx(math.floor(wanted * 10 + 1e-9) / 10)


def command(*words):
    return CliRunner().invoke(app, ["breakeven", "--set", "market.days=20", "--forecast", "0.6", *words])


@pytest.mark.parametrize("structure", [name for name in STRUCTURES if name not in ("none", "straddle")])
def test_every_structure_can_be_weighed(structure):
    found = command("--structure", structure, "--json")
    assert found.exit_code == 0, found.output
    rows = json.loads(found.stdout)["positions"]
    assert rows
    config = parse_config({"entry": {"structure": structure}})
    amounts = [leg.amount for leg in config.entry.wanted]
    for row in rows:
        assert [leg["amount"] for leg in row["legs"]] == amounts
    quoted_ones = [row for row in rows if row["profit_coin"] is not None]  # a wing may have no bid
    assert quoted_ones
    assert all(0.0 <= row["probability"] <= 1.0 for row in quoted_ones)


def test_what_the_configuration_enters_is_weighed(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(
        "entry:\n  legs:\n    - {kind: call, amount: 1}\n    - {kind: call, strike: atm+2, amount: -1}\n"
    )
    document = json.loads(command(str(path), "--json").stdout)
    assert [leg["amount"] for leg in document["positions"][0]["legs"]] == [1.0, -1.0]
    assert json.loads(command(str(path), "--structure", "legs", "--json").stdout) == document
    straddle = json.loads(command(str(path), "--structure", "straddle", "--json").stdout)
    assert [leg["amount"] for leg in straddle["positions"][0]["legs"]] == [1.0, 1.0]


def test_expiries_without_the_structure_are_told():
    found = command("--structure", "calendar")
    assert "left out: 2025-02-21: leg 2: no expiry 7 days after leg 1 in the chain" in found.stdout
    longest = max(map(len, found.stdout.splitlines()))
    assert longest <= 80


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        ({"structure": "legs"}, ConfigError, "structure: legs are those of entry.legs, and there are none"),
        ({"structure": "calender"}, ConfigError, "got 'calender'; did you mean 'calendar'"),
        ({"structure": "none"}, ConfigError, "expected what to weigh, got none"),
    ],
)
def test_what_there_is_not_is_refused(asked, error, told):
    with pytest.raises(error, match=told):
        rank_positions(parse_config({"market": {"days": 20}}), forecast=0.6, **asked)


def test_a_chain_that_offers_none_says_why():
    config = parse_config({"market": {"days": 20}, "entry": {"far_days": 300}})
    with pytest.raises(
        DataError, match=r"offers calendar \(2025-01-24: leg 2: no expiry 300 days after leg 1"
    ):
        rank_positions(config, forecast=0.6, structure="calendar")
