"""Break-even volatility against what it must be without costs, by hand, and in simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore import black76
from gammacore.backtest.simulation.experiment import Experiment
from gammacore.backtest.simulation.models import GBM
from gammacore.backtest.simulation.montecarlo import simulate
from gammacore.backtest.simulation.option_book import Costs, strangle
from gammacore.breakeven import Positions, TradePlan, breakevens, straddles
from gammacore.build import build_weigher
from gammacore.config import parse_config
from gammacore.contracts import CALL, PUT, Future, Perpetual, Settlement
from gammacore.data.margins import published_margins
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_YEAR, parse_time
from gammacore.events import ChainSlice
from gammacore.fees import DERIBIT
from gammacore.hedging import (
    Band,
    FixedCost,
    Interval,
    Ladder,
    Moment,
    Never,
    WhalleyWilmott,
    Zakamouline,
    theory,
)
from gammacore.hedging.policies import Banded
from gammacore.margin import Book, Holding, MarginRates, portfolio_margin
from gammacore.volatility import PRICE_LAWS, Density

F, NOW = 60_000.0, parse_time("2026-05-01T08:00")
FRIDAY, THURSDAY, JUNE = (parse_time(f"2026-{day}T08:00") for day in ("05-15", "05-14", "06-26"))
FREE = TradePlan(policy=Interval(4 * NS_PER_HOUR), hedge_cost=0.0)
SURE = Density.around(0.6, 1e-9)


def chain(strikes=(60_000.0,), expiries=(FRIDAY,), iv=0.6, inverse=True, half_spread=0.0, forward=F, index=F):
    """Every strike as call and put, at one volatility; the spread is in volatility."""
    rows = [(e, k, kind) for e in expiries for k in strikes for kind in (CALL, PUT)]
    expiry, strike, kind = (np.array(column) for column in zip(*rows, strict=True))
    tau, unit = (expiry - NOW) / NS_PER_YEAR, forward if inverse else 1.0

    def at(vol):
        return black76.price(kind, forward, strike, tau, np.full(len(rows), vol)) / unit

    settlement = Settlement.INVERSE if inverse else Settlement.LINEAR
    forwards = dict.fromkeys(expiries, forward)
    quotes = at(iv - half_spread), at(iv + half_spread), at(iv), np.full(len(rows), iv)
    return ChainSlice(
        "BTC", settlement, index, forwards, expiry.astype(np.int64), strike, kind.astype(np.int8), *quotes
    )


def weigh(quoted, plan=FREE, forecast=SURE, pairs=None):
    return breakevens(quoted, NOW, straddles(quoted) if pairs is None else pairs, plan, forecast)


# ---- what it must be ----------------------------------------------------------------


@given(
    st.floats(0.2, 1.5),
    st.floats(0.0, 0.05),
    st.sampled_from([48_000.0, 58_000.0, 60_000.0, 70_000.0]),
    st.booleans(),
)
def test_without_costs_it_breaks_even_at_what_was_paid(iv, half_spread, strike, inverse):
    found = weigh(chain((strike,), iv=iv, half_spread=half_spread, inverse=inverse))
    assert found.breakeven[0] == pytest.approx(found.paid_vol[0], rel=1e-6)
    assert iv * (1 - 1e-6) <= found.paid_vol[0] <= (iv + half_spread) * (1 + 1e-6)


@pytest.mark.parametrize("inverse", [True, False])
def test_profit_is_the_value_at_the_forecast_less_the_premium(inverse):
    found = weigh(chain(inverse=inverse), forecast=Density.around(0.7, 1e-9))
    tau = (FRIDAY - NOW) / NS_PER_YEAR
    gained = 2 * (black76.price("call", F, F, tau, 0.7) - black76.price("call", F, F, tau, 0.6))
    assert found.profit[0] * (F if inverse else 1.0) == pytest.approx(gained, rel=1e-9)
    assert found.edge[0] == pytest.approx(0.1, rel=1e-6)


@pytest.mark.parametrize("policy", [Interval(NS_PER_HOUR), Band(0.1), WhalleyWilmott(1e-3, 5e-4)])
@pytest.mark.parametrize("side", [True, False])
def test_nothing_is_earned_at_the_break_even(policy, side):
    plan = TradePlan(policy=policy, hedge_cost=5e-4, fees=DERIBIT.at(NOW), funding=0.1, long=side)
    quoted = chain((56_000.0, 60_000.0, 64_000.0), half_spread=0.01, index=59_500.0)
    first = weigh(quoted, plan)
    again = weigh(quoted, plan, Density.around(first.breakeven, 1e-9))
    assert np.all(np.abs(again.profit) < 3e-3 * first.premium)  # its paths are those of another forecast
    assert again.probability == pytest.approx(0.5, abs=0.1)  # profits are skewed
    worse = first.breakeven > first.paid_vol
    assert np.all(worse if side else ~worse)


def test_lelands_volatility_is_the_break_even_of_one_who_hedges_by_time():
    """To first order in the cost, but for the last hedge, which Leland leaves out."""
    cost, every = 1e-4, 1 / 365 / 24
    plan = TradePlan(policy=Interval(NS_PER_HOUR), hedge_cost=cost)
    found = weigh(chain(), plan)
    vega = 2 * black76.greeks("call", F, F, float(found.tau[0]), 0.6).vega
    last = cost * F / vega
    long = theory.leland_vol(0.6, cost, every, long=True)
    assert found.breakeven[0] - last == pytest.approx(0.6 + (0.6 - long), rel=2e-3)


def test_a_cost_that_eats_all_gamma_never_breaks_even():
    plan = TradePlan(policy=Interval(NS_PER_HOUR // 60), hedge_cost=0.02)
    found = weigh(chain(), plan)
    assert math.isnan(found.breakeven[0])
    assert math.isnan(found.edge[0])
    assert found.profit[0] < 0
    assert found.probability[0] < 0.01


# ---- costs by hand --------------------------------------------------------------------


def test_fees_by_the_schedule():
    """0.03 % a leg of the notional, 0.015 % for the one delivered on a Friday, none on a Thursday."""
    quoted = chain(expiries=(THURSDAY, FRIDAY))
    found = weigh(quoted, TradePlan(policy=Never(), hedge_cost=0.0, fees=DERIBIT.at(NOW)))
    assert found.fees[0] == pytest.approx(0.0006)
    assert found.fees[1] == pytest.approx(0.0006 + 0.00015, rel=0.1)  # one leg is in the money
    twice = TradePlan(policy=Never(), hedge_cost=0.0, fees=DERIBIT.at(NOW), exit_before_ns=NS_PER_HOUR)
    assert weigh(quoted, twice).fees == pytest.approx([0.0012, 0.0012])


def test_spread_is_paid_once_to_delivery_and_twice_to_an_exit():
    quoted = chain(half_spread=0.02)
    held = weigh(quoted)
    closed = weigh(
        quoted, TradePlan(policy=Interval(NS_PER_HOUR), hedge_cost=0.0, exit_before_ns=NS_PER_HOUR)
    )
    assert held.spread[0] == pytest.approx(quoted.ask.sum() - quoted.mark.sum())
    assert closed.spread[0] == pytest.approx(quoted.ask.sum() - quoted.bid.sum())
    mid = weigh(quoted, TradePlan(policy=Interval(NS_PER_HOUR), hedge_cost=0.0, fill="mid"))
    assert abs(mid.spread[0]) < 0.01 * held.spread[0]


def test_carry_is_funding_and_basis_on_the_delta():
    """A straddle far in its call is short a coin of perpetual: it receives funding and loses the basis."""
    index = 59_000.0
    quoted = chain((30_000.0,), inverse=False, index=index)
    tau = (FRIDAY - NOW) / NS_PER_YEAR
    plan = TradePlan(policy=Interval(NS_PER_HOUR), hedge_cost=0.0, funding=0.2)
    found = weigh(quoted, plan)
    assert found.carry[0] == pytest.approx(F * (math.log(F / index) - 0.2 * tau), rel=1e-3)
    future = TradePlan(policy=Interval(NS_PER_HOUR), hedge_cost=0.0, funding=0.2, instrument="future")
    assert weigh(quoted, future).carry[0] == 0.0
    unhedged = TradePlan(policy=Never(), hedge_cost=0.0, funding=0.2)
    assert weigh(quoted, unhedged).carry[0] == 0.0


def test_last_hedge_is_a_trade_or_a_delivery():
    """At expiry the hedge is close to a coin: traded away, or delivered with a monthly future for 0.025 %."""
    quoted, often = chain(expiries=(FRIDAY, JUNE)), Interval(NS_PER_HOUR)

    def hedging(instrument):
        plan = TradePlan(policy=often, hedge_cost=1e-3, fees=DERIBIT.at(NOW), instrument=instrument)
        return weigh(quoted, plan).hedging

    traded, delivered = hedging("perpetual"), hedging("future")
    assert traded - delivered == pytest.approx(
        [1e-3, 1e-3 - 0.00025], rel=0.05
    )  # the last hour is not hedged


def test_capital_is_premium_and_margin():
    quoted = chain()
    bought = weigh(quoted)
    assert bought.capital[0] == pytest.approx(bought.premium[0] + 0.02 + 0.00005)
    sold = weigh(quoted, TradePlan(policy=Interval(NS_PER_HOUR), hedge_cost=0.0, long=False))
    rates = MarginRates()
    assert sold.capital[0] == pytest.approx(2 * rates.option_initial + sold.premium[0] + 0.02 + 0.00005)
    assert sold.return_on_capital[0] == pytest.approx(sold.profit[0] / sold.capital[0])


@pytest.mark.parametrize("inverse", [True, False])
@pytest.mark.parametrize("long", [True, False])
@pytest.mark.parametrize("policy", [Interval(NS_PER_HOUR), Never()])
@pytest.mark.parametrize("instrument", ["perpetual", "future"])
def test_capital_under_portfolio_margin_is_that_of_options_and_hedge(inverse, long, policy, instrument):
    quoted = chain((55_000.0, 66_000.0), inverse=inverse, index=59_500.0)
    rates = published_margins().portfolio_at(NOW, "BTC")
    plan = TradePlan(
        policy=policy, hedge_cost=0.0, margin=rates, long=long, instrument=instrument, fees=DERIBIT.at(NOW)
    )
    found, sign = weigh(quoted, plan), 1.0 if long else -1.0
    hedge = Perpetual("BTC", quoted.settlement)
    hedge = hedge if instrument == "perpetual" else Future("BTC", quoted.settlement, FRIDAY)
    for row, (call, put) in enumerate(found.rows):
        held, delta = [], 0.0
        for leg in (call, put):
            option, mark = quoted.option(leg), float(quoted.mark[leg])
            held.append(Holding(option, sign, mark, F, 0.6))
            tau = (FRIDAY - NOW) / NS_PER_YEAR
            plain = float(black76.greeks(option.kind, F, option.strike, tau, 0.6).delta)
            delta += plain - (mark if inverse else 0.0)
        price = quoted.index if instrument == "perpetual" else F
        size = -sign * delta * (price if inverse else 1.0)
        if not isinstance(policy, Never):
            held.append(Holding(hedge, size, price))
        wanted = portfolio_margin(Book(NOW, quoted.index, tuple(held)), rates).initial + found.fees[row]
        assert found.capital[row] == pytest.approx(wanted, rel=1e-9, abs=2e-9 * (1.0 if inverse else F))


# ---- forecast ---------------------------------------------------------------------------


def test_a_wide_forecast_is_worth_its_mean_and_makes_profit_less_sure():
    quoted, plan = chain(), TradePlan(policy=Interval(NS_PER_HOUR), hedge_cost=0.0)
    sure, wide = (weigh(quoted, plan, Density.around(0.7, sd)) for sd in (1e-9, 0.3))
    assert sure.probability[0] > wide.probability[0] > 0.5
    assert wide.deviation[0] > sure.deviation[0]
    assert wide.profit[0] > sure.profit[0]  # a lognormal's mean is above its median


def test_one_forecast_for_all_or_one_each():
    quoted = chain((58_000.0, 60_000.0))
    each = weigh(quoted, forecast=Density.around(np.array([0.5, 0.7]), np.array([0.1, 0.2])))
    for row, (median, sd) in enumerate(((0.5, 0.1), (0.7, 0.2))):
        alone = weigh(quoted, forecast=Density.around(median, sd))
        assert each.probability[row] == pytest.approx(alone.probability[row], abs=0.03)
        assert each.profit[row] == pytest.approx(alone.profit[row], rel=1e-9)  # nothing is charged
    assert each.forecast == pytest.approx([0.5, 0.7])


@pytest.mark.parametrize("inverse", [True, False])
@pytest.mark.parametrize(("low", "high"), [(60_000.0, 60_000.0), (56_000.0, 66_000.0)])
@pytest.mark.parametrize("realised", [0.5, 0.6, 0.75])
@pytest.mark.parametrize("policy", [Interval(4 * NS_PER_HOUR), WhalleyWilmott(1e-3, 5e-4), Never()])
def test_against_simulation(inverse, low, high, realised, policy):
    tau, steps, cost = (FRIDAY - NOW) / NS_PER_YEAR, 14 * 24 * 6, 5e-4
    run = simulate(
        Experiment(
            book=strangle(low, high, tau),
            model=GBM(realised),
            policy=policy,
            forward=F,
            implied=0.6,
            steps=steps,
            costs=Costs(proportional=cost),
            settlement="inverse" if inverse else "linear",
            liquidate=True,
        ),
        paths=8_000,
        seed=5,
        columns=("fees",),
    )
    quoted = chain(sorted({low, high}), inverse=inverse)
    call = np.flatnonzero((quoted.strike == high) & (quoted.kind == CALL))
    put = np.flatnonzero((quoted.strike == low) & (quoted.kind == PUT))
    plan = TradePlan(policy=policy, hedge_cost=cost, look_every=tau / steps)
    found = weigh(
        quoted, plan, Density.around(realised, 1e-9), Positions(np.stack((call, put), 1), np.ones((1, 2)))
    )
    premium = found.premium[0]
    never = isinstance(policy, Never)
    # A coin is no martingale for the simulation's dollar counter: unhedged, it is worth convexity.
    slack = 0.05 * premium if never else 0.006 * premium
    assert found.profit[0] == pytest.approx(run.mean(), abs=slack + 4 * run.standard_error())
    wide = 0.25 if never and inverse else 0.09
    assert found.deviation[0] == pytest.approx(run.sd(), rel=wide)
    if not never:
        assert found.hedging[0] == pytest.approx(run.mean("fees"), rel=0.07)
        assert found.probability[0] == pytest.approx(np.mean(run["pnl"] > 0), abs=0.09)


@pytest.mark.parametrize(
    ("of_one", "of_all"),
    [
        (Band(0.1, lower=0.2), Band(10.0, lower=20.0)),
        (Ladder(0.1, 0.2), Ladder(10.0, 20.0)),
        (WhalleyWilmott(1e-3, 5e-4), WhalleyWilmott(1e-5, 5e-4)),
        (Zakamouline(1e-3, 5e-4), Zakamouline(1e-5, 5e-4)),
        (FixedCost(1e-3, 1.0), FixedCost(1e-5, 100.0)),
        (Interval(4 * NS_PER_HOUR), Interval(4 * NS_PER_HOUR)),
    ],
)
def test_bands_are_those_of_all_units_that_are_hedged_together(of_one, of_all):
    one = weigh(chain(), TradePlan(policy=of_one, hedge_cost=5e-4), Density.around(0.6, 0.2))
    all_units = weigh(
        chain(), TradePlan(policy=of_all, hedge_cost=5e-4, units=100.0), Density.around(0.6, 0.2)
    )
    for name in ("breakeven", "probability", "profit", "deviation", "hedging"):
        assert getattr(all_units, name) == pytest.approx(getattr(one, name), rel=1e-5), name
    if isinstance(
        of_all, Banded
    ):  # the same of the rule itself: a hundred units have a hundred times the gamma
        near, far = (
            policy.edges(Moment(NOW, 0.0, F, size * 1e-4, 0.6, 0.04, NOW, F))
            for policy, size in ((of_one, 1.0), (of_all, 100.0))
        )
        assert np.array(far) == pytest.approx(100.0 * np.array(near))


def test_an_entry_is_weighed_at_the_size_that_it_has():
    given = {"hedge": {"rule": "band", "band": 10.0}, "size": {"contracts": 100.0}}
    found = build_weigher(parse_config(given)).plan(chain(), NOW, 0.0)
    assert (found.policy, found.units) == (Band(10.0), 100.0)
    budget = {"size": {"contracts": 100.0, "premium_usd": 1e4}}  # how many that buys is not known before
    assert build_weigher(parse_config(given | budget)).units == 1.0


def test_no_hours_before_expiry_are_the_delivery():
    assert build_weigher(parse_config({"exit": {"hours_before_expiry": 0}})).exit_before_ns is None
    assert build_weigher(parse_config({"exit": {"hours_before_expiry": 2}})).exit_before_ns == 2 * NS_PER_HOUR
    earlier = {"hours_before_expiry": 2, "rules": {"days_to_expiry": 1.5}}
    assert build_weigher(parse_config({"exit": earlier})).exit_before_ns == 36 * NS_PER_HOUR
    rolled = {"roll": {"when": {"days_to_expiry": 2}}}
    assert build_weigher(parse_config(rolled)).exit_before_ns == 48 * NS_PER_HOUR


@pytest.mark.parametrize("realised", [0.5, 0.75])
def test_an_exit_before_expiry_against_simulation(realised):
    """Half of the life, then sold at the mark: the mean, the last hedge and the deviation."""
    tau, cost = (FRIDAY - NOW) / NS_PER_YEAR, 5e-4
    steps = 7 * 24 * 6
    run = simulate(
        Experiment(
            book=strangle(F, F, tau),
            model=GBM(realised),
            policy=Interval(4 * NS_PER_HOUR),
            forward=F,
            implied=0.6,
            steps=steps,
            horizon=0.5 * tau,
            costs=Costs(proportional=cost),
            liquidate=True,
        ),
        paths=8_000,
        seed=6,
        columns=("fees",),
    )
    plan = TradePlan(
        policy=Interval(4 * NS_PER_HOUR),
        hedge_cost=cost,
        fill="mark",
        look_every=0.5 * tau / steps,
        exit_before_ns=(FRIDAY - NOW) // 2,
    )
    found = weigh(chain(inverse=False), plan, Density.around(realised, 1e-9))
    assert found.hedging[0] == pytest.approx(run.mean("fees"), rel=0.05)
    assert found.profit[0] == pytest.approx(
        run.mean(), abs=4 * run.standard_error() + 0.005 * found.premium[0]
    )
    assert found.deviation[0] == pytest.approx(run.sd(), rel=0.1)


# ---- what to weigh ----------------------------------------------------------------------


def test_straddles_are_the_strikes_that_list_both():
    quoted = chain((50_000.0, 60_000.0, 70_000.0), expiries=(FRIDAY, JUNE))
    quoted.mark[0] = np.nan  # a call without a mark
    call, put = straddles(quoted).rows.T
    assert len(call) == 5
    assert np.array_equal(quoted.strike[call], quoted.strike[put])
    assert np.array_equal(quoted.expiry_ns[call], quoted.expiry_ns[put])
    assert np.all(quoted.kind[call] == CALL)
    assert np.all(quoted.kind[put] == PUT)


def test_a_side_without_a_quote_is_told_and_sorted_last():
    quoted = chain((58_000.0, 60_000.0))
    quoted.ask[0] = np.nan
    found = weigh(quoted)
    for name in ("premium", "breakeven", "probability", "profit", "deviation"):
        assert math.isnan(getattr(found, name)[0]), name
        assert math.isfinite(getattr(found, name)[1]), name
    assert quoted.strike[found.best_first().rows[:, 0]].tolist() == [60_000.0, 58_000.0]


def test_what_has_expired_or_is_closed_is_left_out():
    quoted = chain(expiries=(FRIDAY, JUNE))
    late = breakevens(quoted, FRIDAY, straddles(quoted), FREE, Density.around(np.array([0.5, 0.7]), 0.1))
    assert late.forecast == pytest.approx([0.7])
    for days, left in ((30, 1), (300, 0)):
        for law in (None, PRICE_LAWS["BTC"]):
            closing = TradePlan(policy=Never(), hedge_cost=0.0, exit_before_ns=days * NS_PER_DAY, law=law)
            assert len(weigh(quoted, closing).tau) == left
