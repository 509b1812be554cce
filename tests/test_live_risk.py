"""Limits of a moment, guards over time, and the states they put a session in."""

import logging
import math
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from gammacore import black76, inverse
from gammacore.backtest.replay.tape import Tape
from gammacore.build import build_desk
from gammacore.contracts import Settlement, parse
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_SECOND, NS_PER_YEAR
from gammacore.events import Fill, IndexPrice
from gammacore.live.assemble import guards_of
from gammacore.live.risk_manager import NEAR_LIQUIDATION, DayStart, Mode, ProfitHigh, RiskManager
from gammacore.live.solvency import liquidation_distance, profit_usd
from gammacore.margin import MarginSchedule
from gammacore.market import Market
from gammacore.orders import Leg, Order, Purpose
from gammacore.portfolio import Portfolio
from gammacore.risk import Grid, RiskLimits, scenario_profit, totals
from gammacore.settlement import greeks
from support.live_world import lively
from support.markets import FRIDAY, START, chains_of
from support.messages import account, perpetual

GRID = Grid((-0.2, 0.0, 0.2), (-0.5, 0.0, 0.5), (0.0, 1.0))
CALL, PUT = parse("BTC-16JAN26-60000-C"), parse("BTC-16JAN26-60000-P")
PERPETUAL = parse("BTC-PERPETUAL")
TAU = (FRIDAY - START) / NS_PER_YEAR


def straddle(**changes):
    """A desk that holds a straddle."""
    desk = build_desk(lively(entry__max_days=10.0, entry__expiries="fridays", hedge__band=5.0, **changes))
    (order,) = desk.handle(Tape(chains_of([START], [60e3])).snapshot(0))
    for k, leg in enumerate(order.legs):
        desk.handle(Fill(START, order.order_id, 0, leg.instrument, leg.amount, 0.035, 0.034, 0.0003, k == 1))
    return desk


@pytest.fixture
def held():
    """The same, with a hedge of -6,000 USD."""
    desk = straddle()
    desk.portfolio.open[0].hedge.trade(-6_000.0, 60e3)
    return desk


@pytest.fixture
def told():
    """What is logged, as (text, record)."""
    lines, logger = [], logging.getLogger("gammacore.live")
    handler, level = logging.Handler(), logger.level
    handler.emit = lambda record: lines.append((record.getMessage(), record))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(level)


def entry(amount=1.0, number=1):
    return Order(f"{number}-entry-0", number, Purpose.ENTRY, (Leg(CALL, amount), Leg(PUT, amount)))


def test_totals_of_a_straddle(held):
    seen = totals(held.portfolio, held.market)
    tau, vol = held.market.tau(FRIDAY), held.market.vol(CALL)
    call, put = (inverse.greeks(kind, 60e3, 60e3, tau, vol) for kind in (1, -1))
    assert seen.premium_usd == pytest.approx(60e3 * inverse.price([1, -1], 60e3, 60e3, TAU, 0.6).sum())
    assert seen.delta == pytest.approx(call.net_delta + put.net_delta - 0.1)
    assert seen.gamma == pytest.approx((call.gamma + put.gamma) * 600)
    assert seen.vega_usd == pytest.approx((call.vega + put.vega) / 100)
    assert seen.theta_usd == pytest.approx((call.theta + put.theta) / 365)
    assert seen.premium_usd == pytest.approx((call.price + put.price) * 60e3)


def test_options_that_two_episodes_hold_count_twice(held):
    one, lost = totals(held.portfolio, held.market), scenario_profit(held.portfolio, held.market, GRID)
    again = held.portfolio.begin(FRIDAY, PERPETUAL, 60e3)
    again.legs = dict(held.portfolio.open[0].legs)
    again.hedge.trade(-6_000.0, 60e3)
    assert list(totals(held.portfolio, held.market)) == pytest.approx([2 * figure for figure in one])
    assert scenario_profit(held.portfolio, held.market, GRID) == pytest.approx(2 * lost)


@pytest.mark.parametrize(("hedge", "amount"), [(PERPETUAL, 30_000.0), (parse("BTC_USDC-PERPETUAL"), 0.5)])
def test_scenarios_of_half_a_coin_of_a_hedge(hedge, amount):
    market, portfolio = Market(), Portfolio()
    market.apply(IndexPrice(START, 60e3))
    portfolio.begin(FRIDAY, hedge, 60e3).hedge.trade(amount, 60e3)
    found = scenario_profit(portfolio, market, GRID)
    assert found[:, 1, 0] == pytest.approx([-6_000.0, 0.0, 6_000.0])


def test_totals_decay_in_the_settlement_window(held):
    """A straddle 15 minutes before delivery: against the exact price of the average, moved by a dollar."""
    market, left = held.market, 15 * NS_PER_MINUTE
    market.apply(IndexPrice(FRIDAY - left, 60_020.0, fixed=59_990.0))
    seen, vol = totals(held.portfolio, market), market.vol(CALL)

    def usd(index, minutes=15.0, fixed=59_990.0):
        tau = minutes / (60 * 24 * 365)
        return sum(
            float(g.price) * (minutes / 30 * index + (1 - minutes / 30) * fixed)
            for g in (greeks(kind, index, 60e3, tau, vol, fixed) for kind in (1, -1))
        )

    up, mid, down = usd(60_021.0), usd(60_020.0), usd(60_019.0)
    assert seen.premium_usd == pytest.approx(mid, rel=2e-3)
    hedge = -6_000 / 60_020.0
    assert seen.delta - hedge == pytest.approx((up - down) / 2 - mid / 60_005.0 / 2, abs=2e-3)
    assert seen.gamma == pytest.approx((up - 2 * mid + down) * 600.05, rel=0.02)
    # A second later at the same index: the average has taken it in.
    passed = usd(60_020.0, 15 - 1 / 60, (900 * 59_990.0 + 60_020.0) / 901) - mid
    assert seen.theta_usd == pytest.approx(passed * 86_400, rel=0.02)


def test_scenarios_reprice_options_and_hedge(held):
    tau, now = held.market.tau(FRIDAY), held.market.vol(CALL)
    found = scenario_profit(held.portfolio, held.market, GRID)
    assert found.shape == (3, 3, 2)
    assert found[1, 1, 0] == pytest.approx(0.0, abs=1e-9)
    for i, spot in enumerate(GRID.spot):
        for j, vol in enumerate(GRID.vol):
            for k, days in enumerate(GRID.days):
                price = 60e3 * (1 + spot)
                worth = sum(
                    inverse.price(kind, price, 60e3, tau - days / 365, now * (1 + vol)) * price
                    - inverse.price(kind, 60e3, 60e3, tau, now) * 60e3
                    for kind in (1, -1)
                )
                hedge = -6_000 * (1 / 60e3 - 1 / price) * price
                assert found[i, j, k] == pytest.approx(worth + hedge, rel=1e-9)
    assert found.min() < 0 < found.max()


def test_scenarios_of_options_that_settle_in_usdc(held):
    """In coin and in USDC the USD at each price are Black's, without a coin that changes its worth."""
    inverse_profit = scenario_profit(held.portfolio, held.market, GRID)
    legs = held.portfolio.open[0].legs
    linear = [msgspec.structs.replace(option, settlement=Settlement.LINEAR) for option in (CALL, PUT)]
    held.portfolio.open[0].legs = dict.fromkeys(linear, legs[CALL])
    held.market._vol |= dict.fromkeys(linear, held.market.vol(CALL))
    found = scenario_profit(held.portfolio, held.market, GRID)
    assert found == pytest.approx(inverse_profit, rel=1e-9)
    tau, vol = held.market.tau(FRIDAY), held.market.vol(CALL)
    usd = black76.price([1, -1], [[72e3], [60e3]], 60e3, tau, vol).sum(axis=1)
    assert found[2, 1, 0] + 6_000 * 0.2 == pytest.approx(usd[0] - usd[1])


@pytest.mark.parametrize(
    ("limit", "least"),
    [("max_gamma", "gamma"), ("max_vega_usd", "vega_usd"), ("max_premium_usd", "premium_usd")],
)
def test_an_entry_is_held_to_what_the_portfolio_would_be(held, limit, least):
    order = entry()
    episode = held.portfolio.begin(FRIDAY, PERPETUAL, 60e3)
    episode.pending[order.order_id] = order
    after = 2 * getattr(totals(held.portfolio, held.market), least)
    tight, loose = (RiskLimits(GRID, **{limit: after * factor}) for factor in (0.99, 1.01))
    assert limit in tight.refusal(order, held.portfolio, held.market)
    assert loose.refusal(order, held.portfolio, held.market) is None


def test_the_worst_scenario_gates_entries(held):
    order = entry()
    episode = held.portfolio.begin(FRIDAY, PERPETUAL, 60e3)
    episode.pending[order.order_id] = order
    options = {CALL: 2.0, PUT: 2.0}
    worst = -scenario_profit(held.portfolio, held.market, GRID, options).min()
    assert worst > 0
    for factor, refused in ((0.99, True), (1.01, False)):
        limits = RiskLimits(GRID, max_scenario_loss_usd=worst * factor)
        assert bool(limits.refusal(order, held.portfolio, held.market)) is refused


@pytest.mark.parametrize("limit", ["max_gamma", "max_vega_usd", "max_premium_usd", "max_scenario_loss_usd"])
def test_an_entry_waits_where_what_is_held_has_no_mark(held, limit):
    """As of options that expired days ago, while the price that they were delivered at is not told."""
    order, limits = entry(), RiskLimits(GRID, **{limit: 1e9})
    held.portfolio.begin(FRIDAY, PERPETUAL, 60e3).pending[order.order_id] = order
    assert limits.refusal(order, held.portfolio, held.market) is None
    held.market._vol[CALL] = math.nan
    assert limits.refusal(order, held.portfolio, held.market).startswith(f"{limit}: a mark is missing")
    assert RiskLimits(GRID).refusal(order, held.portfolio, held.market) is None


def test_hedges_are_held_to_the_largest_order_only(held):
    limits = RiskLimits(GRID, max_gamma=1e-9, max_vega_usd=1e-9, max_order=0.2, max_scenario_loss_usd=1e-9)
    hedge = Order("0-hedge-1", 0, Purpose.HEDGE, (Leg(PERPETUAL, 11_000.0),))
    assert limits.refusal(hedge, held.portfolio, held.market) is None
    large = Order("0-hedge-1", 0, Purpose.HEDGE, (Leg(PERPETUAL, 13_000.0),))
    assert "max_order" in limits.refusal(large, held.portfolio, held.market)


# --------------------------------------------------------------------------- over time


def manager(desk=None, **risk):
    config = lively(**{f"risk__{name}": value for name, value in risk.items()})
    return RiskManager(guards_of(config), desk or build_desk(config))


T0 = START
S = NS_PER_SECOND


def news(price=60e3, ts=T0, **changes):
    return msgspec.structs.replace(perpetual(price, ts=ts), **changes)


def test_without_prices_nothing_is_sent():
    risk = manager(stale_after="10s")
    risk.tick(T0)
    assert risk.mode is Mode.HALT
    risk.ticker(news(), T0)
    risk.tick(T0 + 9 * S)
    assert risk.mode is Mode.NORMAL
    risk.tick(T0 + 11 * S)
    assert (risk.mode, risk.reasons) == (Mode.HALT, ("last price 11 s ago",))
    risk.ticker(news(ts_ns=T0 + 2 * S), T0 + 12 * S)
    risk.tick(T0 + 12 * S)
    assert risk.mode is Mode.NORMAL
    risk.ticker(news(ts_ns=T0 + 3 * S), T0 + 14 * S)  # held up on its way
    risk.tick(T0 + 14 * S)
    assert (risk.mode, risk.reasons) == (Mode.HALT, ("last price 11 s ago",))
    risk.ticker(news(ts_ns=T0 + 60 * S), T0 + 15 * S)  # of a clock ahead of ours
    risk.tick(T0 + 26 * S)
    assert (risk.mode, risk.reasons) == (Mode.HALT, ("last price 11 s ago",))


@pytest.mark.parametrize(
    ("odd", "guard"),
    [
        ({"mark": 60_700.0}, "divergence"),
        ({"index": math.nan}, "divergence"),
        ({"index": 0.0}, "divergence"),
        ({"bid": 60_010.0, "ask": 60_000.0}, "crossed book"),
        ({"state": "halted"}, "market"),
    ],
)
def test_an_odd_market_halts_while_it_is_odd(odd, guard):
    risk = manager()
    risk.ticker(news(**odd), T0)
    assert guard in risk.causes
    assert risk.mode is Mode.HALT
    assert risk.refusal(entry()).startswith("halt:")
    risk.ticker(news(), T0 + S)
    assert risk.mode is Mode.NORMAL
    assert risk.refusal(entry()) == ""


@pytest.mark.parametrize(
    ("quote", "crossed"),
    [
        ({"bid": 60_000.0, "ask": 60_000.0}, True),
        ({"bid": 59_999.5, "ask": 60_000.0}, False),
        ({"bid": 60_000.0, "ask": 0.0}, False),  # nobody offers
        ({"bid": 0.0, "ask": 0.0}, False),
    ],
)
def test_a_book_is_crossed_if_both_sides_are_quoted_and_meet(quote, crossed):
    risk = manager()
    risk.ticker(news(**quote), T0)
    assert ("crossed book" in risk.causes) is crossed


def test_a_guard_holds_beyond_its_limit_not_at_it(held):
    """Figures that floats have exactly: 1/2, 3/4, whole seconds."""
    risk = manager(
        max_margin_use=0.5, max_divergence=0.25, max_clock_skew="2s", stale_after="10s", max_funding=0.25
    )
    risk.margins(account(initial_margin=5.0, maintenance_margin=10.0 * NEAR_LIQUIDATION))
    risk.ticker(news(mark=75_000.0, current_funding=0.25), T0)
    risk.skew(2.0)
    risk.tick(T0 + 10 * S)
    assert risk.causes == {}
    risk.margins(account(initial_margin=5.001, maintenance_margin=10.0 * NEAR_LIQUIDATION + 0.001))
    risk.ticker(news(mark=75_001.0, current_funding=0.2501), T0)
    risk.skew(2.001)
    risk.tick(T0 + 10 * S + 1)
    assert set(risk.causes) == {"margin", "liquidation", "divergence", "funding", "clock", "stale"}


def test_a_loss_a_drawdown_and_exposure_hold_beyond_their_limits_not_at_them(held):
    lost, delta = 128.0, abs(totals(held.portfolio, held.market).delta)
    for limit, holds in ((lost, False), (lost - 1e-9, True)):
        changes = {"max_daily_loss_usd": limit, "max_drawdown_usd": {"1h": limit}}
        risk = manager(held, max_delta=delta if not holds else delta - 1e-9, **changes)
        start = DayStart(T0, profit_usd(held) + lost)
        risk = RiskManager(risk.guards, held, start, [ProfitHigh(T0, start.profit_usd)])
        risk.ticker(news(), T0)
        risk.tick(T0)
        assert start.profit_usd - risk.profit_usd == lost
        assert set(risk.causes) == ({"daily loss", "drawdown 1 h", "delta"} if holds else set())


def order_of(purpose, *legs, episode=0):
    return Order(f"{episode}-{purpose}-1", episode, purpose, tuple(Leg(*leg) for leg in legs))


def refused_thrice(held):
    risk = manager(held)
    risk.ticker(news(), T0)
    risk.tick(T0)
    for _ in range(3):
        risk.refused(11029, "invalid_arguments", T0)
    assert risk.causes.keys() == {"refusals"}
    assert risk.mode is Mode.HEDGE_ONLY
    return risk


@pytest.mark.parametrize(
    ("legs", "leaves"),
    [
        ([(PERPETUAL, 10.0)], True),
        ([(PERPETUAL, 6_000.0)], True),
        ([(PERPETUAL, 6_010.0)], False),  # it turns the position over
        ([(PERPETUAL, -10.0)], False),
        ([(CALL, -1.0), (PUT, -0.5)], True),
        ([(CALL, -1.0), (PUT, 0.5)], False),  # a part of it opens
        ([(CALL, -1.1)], False),
    ],
)
def test_after_refusals_only_what_reduces_a_position_leaves_at_once(held, legs, leaves):
    risk = refused_thrice(held)
    purpose = Purpose.HEDGE if legs[0][0] == PERPETUAL else Purpose.EXIT
    told = risk.refusal(order_of(purpose, *legs))
    assert told == "" if leaves else told.startswith("the exchange refuses orders: 11029")
    assert risk.refusal(order_of(purpose, *legs, episode=7))  # of an episode that is over
    risk.ticker(news(), T0 + 2 * S)
    risk.tick(T0 + 2 * S)  # the pause has passed
    assert risk.refusal(order_of(purpose, *legs)) == ""
    assert risk.refusal(entry()).startswith("hedge_only: ")


def test_refusals_hold_until_an_order_is_accepted_or_five_minutes_have_passed(held):
    risk = refused_thrice(held)
    risk.accepted()
    assert risk.causes == {}
    risk = refused_thrice(held)
    for seconds, holds in ((300, True), (301, False)):
        risk.ticker(news(ts=T0 + seconds * S), T0 + seconds * S)
        risk.tick(T0 + seconds * S)
        assert ("refusals" in risk.causes) is holds


def test_funding_against_the_hedge_stops_entries(held):
    risk = manager(held, max_funding=0.003)
    risk.ticker(news(current_funding=-0.004), T0)  # shorts pay, and we are short
    assert risk.mode is Mode.HEDGE_ONLY
    risk.ticker(news(current_funding=0.004), T0)  # a flip: now we receive it
    assert risk.mode is Mode.NORMAL
    hedge = Order("0-hedge-1", 0, Purpose.HEDGE, (Leg(PERPETUAL, 10.0),))
    risk.ticker(news(current_funding=-0.004), T0)
    assert risk.refusal(hedge) == ""
    assert risk.refusal(entry()).startswith("hedge_only: funding")


def test_a_clock_that_is_off_halts():
    risk = manager(max_clock_skew="2s")
    risk.skew(-2.5)
    assert "clock" in risk.causes
    risk.skew(0.1)
    assert risk.mode is Mode.NORMAL


def test_who_flattens_passes_latches_but_no_guard_of_the_market():
    risk = manager()
    risk.latch("positions", "differ")
    close = Order("0-exit-1", 0, Purpose.EXIT, (Leg(CALL, -1.0),))
    assert risk.refusal(close) == "halt: differ"
    risk.desk.closing = True
    assert risk.refusal(close) == ""
    assert risk.refusal(entry()) == "halt: differ"
    risk.locked("btc_usd", locked=True)
    assert risk.refusal(close).startswith("halt:")


def test_a_hedge_that_is_too_large_is_said():
    risk = manager(max_order=0.2)
    risk.desk.market.apply(IndexPrice(T0, 60e3))
    hedge, large = (
        Order("0-hedge-1", 0, Purpose.HEDGE, (Leg(PERPETUAL, usd),)) for usd in (11_000.0, 13_000.0)
    )
    assert risk.refusal(entry(0.3)) != ""
    assert risk.refusal(hedge) == ""
    assert risk.mode is Mode.NORMAL
    assert "max_order" in risk.refusal(large)
    assert risk.mode is Mode.NORMAL  # asking changes nothing
    assert "max_order" in risk.admit(large)
    assert (risk.mode, set(risk.causes)) == (Mode.HEDGE_ONLY, {"order size"})
    assert risk.refusal(hedge) == ""
    risk.desk.closing = True
    assert risk.admit(large) == ""


def test_locks_halt():
    risk = manager()
    risk.locked("btc_usd", locked=True)
    assert risk.mode is Mode.HALT
    risk.locked("btc_usd", locked=False)
    assert risk.mode is Mode.NORMAL


def test_margins_are_the_exchanges_own():
    risk = manager(max_margin_use=0.5)
    risk.margins(account(initial_margin=4.0, maintenance_margin=3.0))
    assert risk.mode is Mode.NORMAL
    risk.margins(account(initial_margin=6.0, maintenance_margin=5.0))
    assert (risk.mode, set(risk.causes)) == (Mode.HEDGE_ONLY, {"margin"})
    risk.margins(account(initial_margin=9.0, maintenance_margin=8.5))
    assert set(risk.causes) == {"margin", "liquidation"}
    risk.margins(account(initial_margin=math.nan))
    assert risk.reasons == ("the exchange does not tell how much of the margin is in use",)
    risk.margins(account(maintenance_margin=math.nan))
    assert risk.reasons == ("the exchange does not tell how much of the way to liquidation",)
    assert (risk.mode, set(risk.causes)) == (Mode.HEDGE_ONLY, {"liquidation"})
    risk.margins(account())
    assert risk.mode is Mode.NORMAL
    unlimited = manager(max_margin_use=None)
    unlimited.margins(account(initial_margin=math.nan))
    assert unlimited.mode is Mode.NORMAL


def test_an_account_with_nothing_left_is_at_liquidation():
    risk = manager(max_margin_use=0.5)
    risk.margins(account(margin_balance=0.0))  # nor is anything in use
    assert risk.mode is Mode.NORMAL
    risk.margins(account(margin_balance=-0.1, initial_margin=0.2, maintenance_margin=0.1))
    assert set(risk.causes) == {"margin", "liquidation"}


def short_of(call):
    """A desk that is short a call and a future, from the day of the held straddle."""
    call.portfolio.open[0].legs[CALL] = -2.0
    del call.portfolio.open[0].legs[PUT]
    return call


def test_margin_is_held_against_our_own_formulas(held):
    risk = manager(short_of(held))
    assert np.isnan([risk.margin_gap, risk.liquidation_distance]).all()
    mark, coins = inverse.price(1, 60e3, 60e3, TAU, 0.6), 0.1
    ours = 2 * (0.15 + mark) + coins * (0.02 + 0.00005 * coins)
    risk.margins(account(initial_margin=ours + 0.01, maintenance_margin=2.0))
    assert risk.margin_gap == pytest.approx(0.01, abs=1e-12)
    assert risk.liquidation_distance == pytest.approx(0.8)
    risk.margins(account(initial_margin=0.0, maintenance_margin=0.0))
    assert risk.margin_gap == pytest.approx(-ours)


def test_positions_of_one_instrument_are_one_position(held):
    again = held.portfolio.begin(FRIDAY, PERPETUAL, 60e3)
    again.hedge.trade(6_000.0, 60e3)  # the first is short as much
    risk = manager(held)
    risk.margins(account(initial_margin=0.5))
    assert risk.margin_gap == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("balance", "maintenance", "distance"),
    [(10.0, 0.0, 1.0), (10.0, 11.0, -0.1), (0.0, 1.0, -np.inf), (0.0, 0.0, 1.0)],
)
def test_the_way_to_liquidation(balance, maintenance, distance):
    seen = liquidation_distance(account(margin_balance=balance, maintenance_margin=maintenance))
    assert seen == pytest.approx(distance)


def test_margin_that_we_cannot_explain_is_told_once_and_stops_nothing(held, told):
    risk = manager(short_of(held))
    risk.margins(account())
    ours = -risk.margin_gap
    for excess in (0.05, 0.15, 0.2, 0.0, 0.15):  # as a share of ours
        risk.margins(account(initial_margin=ours * (1 + excess), margin_balance=1.0))
    assert [round(record.exchange / record.ours, 9) for _, record in told] == [1.15, 1.15]
    assert {text for text, _ in told} == {"more margin than our positions need"}
    assert risk.mode is Mode.NORMAL


def test_under_portfolio_margin_less_than_ours_is_told_too(held, told):
    risk = manager(short_of(held))
    pm = {"margin_model": "segregated_pm", "portfolio_margining": True}
    risk.margins(account(**pm))
    ours = -risk.margin_gap
    assert 0.1 < ours < 0.4
    for factor in (1.05, 0.8, 0.97, 1.2):
        risk.margins(account(initial_margin=ours * factor, margin_balance=1.0, **pm))
    found = [text for text, _ in told]
    assert found.count("less margin than our positions need") == 2  # before anything was known, and at 0.8
    assert found.count("more margin than our positions need") == 1
    assert found.count("margin model of the account is not margin.model") == 1
    assert risk.mode is Mode.NORMAL


def test_portfolio_margin_of_a_coin_without_parameters_is_not_known(held):
    held.margins = MarginSchedule()
    risk = manager(held)
    risk.margins(account(margin_model="cross_pm"))
    assert np.isnan(risk.margin_gap)


def test_margin_too_small_to_matter_or_of_an_order_at_work_is_not_told(held, told):
    risk = manager(held)  # long options need none
    risk.margins(account(initial_margin=0.09))
    order = entry()
    held.portfolio.open[0].pending[order.order_id] = order
    risk.margins(account(initial_margin=0.5))
    assert not told
    del held.portfolio.open[0].pending[order.order_id]
    risk.margins(account(initial_margin=0.5))
    assert len(told) == 1


def test_too_many_orders_halt_for_good():
    risk = manager(max_orders_per_minute=3)
    for k in range(3):
        risk.sent(T0 + k * S)
    assert risk.mode is Mode.NORMAL
    risk.sent(T0 + 61 * S)  # the first is more than a minute ago
    assert risk.mode is Mode.NORMAL
    for _ in range(2):
        risk.sent(T0 + 62 * S - 1)  # two seconds' and 61 seconds' are still among the last minute's
    risk.tick(T0 + 1000 * S)
    assert "order rate" in risk.causes
    risk.lift("order rate")
    assert "order rate" not in risk.causes


def test_too_many_hedges_halt():
    risk = manager(max_hedges_per_hour=2)
    hedge = Order("0-hedge-1", 0, Purpose.HEDGE, (Leg(PERPETUAL, 10.0),))
    resting = Order("0-hedge-1", 0, Purpose.HEDGE, (Leg(PERPETUAL, 10.0),), 60e3)
    for k in range(2):
        risk.decided(hedge, T0 + k * S)
        risk.decided(resting, T0 + k * S)
        risk.decided(entry(), T0 + k * S)
    assert risk.mode is Mode.NORMAL
    risk.decided(hedge, T0 + 3 * S)
    assert "hedge count" in risk.causes


def test_profit_is_that_of_the_ledgers_at_marks(held):
    value = sum(inverse.price(kind, 60e3, 60e3, TAU, 0.6) for kind in (1, -1))
    assert profit_usd(held) == pytest.approx((value - 0.07 - 0.0006) * 60e3)
    held.handle(IndexPrice(START + 1, 61e3))
    higher = sum(inverse.price(kind, 61e3, 60e3, TAU, 0.6) for kind in (1, -1))
    hedge = -6_000 * (1 / 60e3 - 1 / 61e3)
    assert profit_usd(held) == pytest.approx((higher - 0.07 - 0.0006 + hedge) * 61e3, rel=1e-6)


@pytest.mark.parametrize(
    ("hedge", "amount", "open_usd", "ended_usd"),
    [
        (PERPETUAL, 6_000.0, 2 * 6_000 * (1 / 60e3 - 1 / 75e3) * 120e3, 6_000 * (1 / 60e3 - 1 / 75e3) * 75e3),
        (parse("BTC_USDC-PERPETUAL"), 0.1, 2 * 1_500.0, 1_500.0),
    ],
)
def test_profit_of_what_has_ended_is_at_the_price_of_its_end(hedge, amount, open_usd, ended_usd):
    """Two trades from 60,000 to 75,000, of which one has ended; then the price goes to 120,000."""
    market, portfolio = Market(), Portfolio()

    def traded(episode, signed, price):
        market.apply(IndexPrice(market.ts_ns + 1, price))
        fill = Fill(market.ts_ns, "0-hedge-1", episode.number, hedge, signed, price, price, 0.0)
        portfolio._fill_hedge(episode, fill, 0.0, market)

    desk = SimpleNamespace(portfolio=portfolio, market=market)
    market.apply(IndexPrice(START, 60e3))
    for size in (1, 2):
        episode = portfolio.begin(FRIDAY, hedge, 60e3)
        traded(episode, size * amount, 60e3)
        traded(episode, -size * amount, 75e3)
        if size == 1:
            portfolio.finish(episode, market)
    assert profit_usd(desk) == pytest.approx(3 * ended_usd, rel=1e-5)
    market.apply(IndexPrice(START + 100, 120e3))
    assert profit_usd(desk) == pytest.approx(ended_usd + open_usd, rel=1e-5)


def test_a_premium_that_is_financed_in_usd_is_owed_in_usd():
    desk = straddle(hedge__target="usd_neutral")
    desk.handle(IndexPrice(START + 1, 61e3))
    worth = sum(inverse.price(kind, 61e3, 60e3, TAU, 0.6) for kind in (1, -1))
    assert profit_usd(desk) == pytest.approx((worth - 0.0006) * 61e3 - 0.07 * 60e3, rel=1e-6)


def test_a_daily_loss_stops_entries_until_the_next_day(held):
    risk = manager(held, max_daily_loss_usd=200.0)
    risk.ticker(news(), T0)
    risk.tick(T0)  # the day starts here
    held.handle(IndexPrice(T0 + 1, 61_500.0))
    held.portfolio.open[0].hedge.trade(-60_000.0, 61_500.0)
    held.handle(IndexPrice(T0 + 2, 63_000.0))
    risk.tick(T0 + 2 * S)
    assert "daily loss" in risk.causes
    held.portfolio.open[0].hedge.trade(66_000.0, 63_000.0)
    held.handle(IndexPrice(T0 + 3, 80_000.0))  # won back: it stays
    risk.tick(T0 + 4 * S)
    assert "daily loss" in risk.causes
    risk.tick((T0 // NS_PER_DAY + 1) * NS_PER_DAY + S)
    assert "daily loss" not in risk.causes


def test_a_restart_does_not_forget_the_days_loss(held):
    first = manager(held, max_daily_loss_usd=200.0)
    first.tick(T0)
    (start,) = first.facts()
    assert (start.ts_ns, start.profit_usd) == (T0, profit_usd(held))
    assert first.facts() == []  # told once
    held.handle(IndexPrice(T0 + 1, 60_100.0))
    held.portfolio.open[0].hedge.trade(600_000.0, 60_400.0)
    guards = guards_of(lively(risk__max_daily_loss_usd=200.0))
    again = RiskManager(guards, held, start)
    again.tick(T0 + S)
    assert "daily loss" in again.causes
    fresh = RiskManager(guards, held)
    fresh.tick(T0 + S)
    assert "daily loss" not in fresh.causes
    later = RiskManager(guards, held, start)
    later.tick(T0 + NS_PER_DAY)
    assert [fact.ts_ns for fact in later.facts()] == [T0 + NS_PER_DAY]


def test_a_drawdown_stops_entries_while_it_lasts(held):
    risk = manager(held, max_drawdown_usd={"1h": 100.0})
    risk.tick(T0)
    held.handle(IndexPrice(T0 + 1, 64e3))
    risk.tick(T0 + 2 * S)
    held.handle(IndexPrice(T0 + 3 * S, 61e3))
    risk.tick(T0 + 4 * S)
    assert risk.causes["drawdown 1 h"][0] is Mode.HEDGE_ONLY
    risk.tick(T0 + 2 * NS_PER_HOUR)  # the peak has left the window
    assert not any(name.startswith("drawdown") for name in risk.causes)


def test_a_restart_does_not_forget_a_drawdown(held):
    limits = {"1h": 100.0, "1d": 1e6}
    first = manager(held, max_drawdown_usd=limits)
    for minute, price in ((0, 60e3), (1, 64e3), (2, 62e3), (3, 62e3)):
        for second in (0, 20, 40):
            at = T0 + minute * NS_PER_MINUTE + second * S
            held.handle(IndexPrice(at, price - second))
            first.tick(at)
    highs = [fact for fact in first.facts() if isinstance(fact, ProfitHigh)]
    assert [fact.ts_ns // NS_PER_MINUTE - T0 // NS_PER_MINUTE for fact in highs] == [0, 1, 2]
    assert max(highs, key=lambda fact: fact.profit_usd).ts_ns == T0 + NS_PER_MINUTE
    assert "drawdown 1 h" in first.causes
    guards = guards_of(lively(risk__max_drawdown_usd=limits))
    again = RiskManager(guards, held, None, highs)
    again.tick(T0 + 5 * NS_PER_MINUTE)
    assert again.causes["drawdown 1 h"] == first.causes["drawdown 1 h"]
    again.tick(T0 + 90 * NS_PER_MINUTE)
    assert "drawdown 1 h" not in again.causes
    fresh = RiskManager(guards, held)
    fresh.tick(T0 + 5 * NS_PER_MINUTE)
    assert "drawdown 1 h" not in fresh.causes


def test_exposure_beyond_its_limits_stops_entries(held):
    risk = manager(held, max_delta=0.05, max_gamma=100.0)
    risk.tick(T0)
    assert "delta" in risk.causes
    assert "gamma" not in risk.causes
    held.portfolio.open[0].hedge.trade(6_000.0, 60e3)
    risk.tick(T0 + 2 * S)
    assert "delta" not in risk.causes
    held.market._vol[CALL] = math.nan
    risk.tick(T0 + 4 * S)
    for name in ("delta", "gamma"):
        assert risk.causes[name] == (Mode.HEDGE_ONLY, f"{name} is not known: a mark is missing")


def test_guards_are_logged_once(told):
    risk = manager()
    for _ in range(3):
        risk.locked("btc_usd", locked=True)
    risk.locked("btc_usd", locked=False)
    assert [(text, record.guard) for text, record in told] == [
        ("guard", "lock btc_usd"),
        ("guard lifted", "lock btc_usd"),
    ]


def test_every_limit_of_the_configuration_reaches_its_guard():
    limits = {
        "max_delta": 1.5,
        "max_gamma": 2.5,
        "max_vega_usd": 3.5,
        "max_premium_usd": 4.5,
        "max_order": 6.5,
        "max_scenario_loss_usd": 7.5,
    }
    others = {"max_margin_use": 0.55, "max_orders_per_minute": 8, "max_hedges_per_hour": 9}
    others |= {"max_daily_loss_usd": 10.5, "max_divergence": 0.11, "max_funding": 0.012}
    config = lively(**{f"risk__{name}": value for name, value in (limits | others).items()})
    guards = guards_of(config)
    for name, value in limits.items():
        assert getattr(guards.limits, name) == value
    for name, value in others.items():
        assert getattr(guards, name) == value
    named = {field.name for field in msgspec.structs.fields(type(config.risk))}
    assert set(limits) | set(others) <= named
    assert np.allclose(guards.limits.grid.spot, config.risk.scenario_spot)


def test_a_missing_mark_does_not_switch_loss_guards_off(held):
    risk = manager(held, max_daily_loss_usd=200.0)
    risk.tick(T0)
    known = risk.profit_usd
    held.market.index = math.nan
    risk._profit(T0 + 2 * S)
    assert risk.profit_usd == known
    held.market.index = 61_500.0
    held.portfolio.open[0].hedge.trade(-60_000.0, 61_500.0)
    held.handle(IndexPrice(T0 + 3, 63_000.0))
    risk.tick(T0 + 4 * S)
    assert "daily loss" in risk.causes
