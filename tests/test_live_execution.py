"""Orders at work: tries, patience, cancellations, doubt, restarts; by hand and under random answers."""

import math
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gammacore.config import parse_config
from gammacore.contracts import Option
from gammacore.data.listings import published
from gammacore.deribit.codes import Fate
from gammacore.errors import ConfigError
from gammacore.events import Fill, Rejected
from gammacore.exchange.config import MarketModel
from gammacore.execution.collar import Collar
from gammacore.execution.options import TAKE, Tactic
from gammacore.execution.pricing import Pricing, Settings
from gammacore.execution.steps import PAUSE_NS
from gammacore.live.actions import CancelPlaced, Place, Query, QueryKind
from gammacore.live.attempts import MARGIN_NS, Booked, Placed
from gammacore.live.execution import ASK_AGAIN_NS, WATCH_NS, Execution
from gammacore.live.hedges_told import hedges_told
from gammacore.live.journal import read
from gammacore.live.records import decode_fact
from gammacore.orders import Cancel, Leg, Order, Purpose
from gammacore.risk import Grid, RiskLimits
from support.live_world import Process, World, lively
from support.messages import CALL, PERPETUAL, PUT, T0, S, order, ticker, trade

spec_for = published().spec_for


def made(rest=True, tries=3, patience_s=3, valid_s=5):
    execution = Execution("g1", Settings(rest, patience_s * S, tries, 5e-4, 0.05, valid_s * S), spec_for)
    execution.quote(ticker(PERPETUAL, 60_000.0, 60_010.0))
    execution.quote(ticker(CALL, 0.0300, 0.0320))
    execution.quote(ticker(PUT, 0.0310, 0.0330))
    return execution


def hedge(amount=-100.0, number=1, limit=None):
    return Order(f"0-hedge-{number}", 0, Purpose.HEDGE, (Leg(PERPETUAL, amount),), limit)


ENTRY = Order("0-entry-0", 0, Purpose.ENTRY, (Leg(CALL, 1.0), Leg(PUT, 1.0)))


def placed(execution):
    return [action.placed for action in execution.actions() if isinstance(action, Place)]


def events(execution):
    return [event for _, event in execution.events()]


def test_a_hedge_rests_then_takes_what_is_left():
    execution = made()
    execution.submit(hedge(), T0)
    (first,) = placed(execution)
    assert (first.label, first.rests, first.limit, first.amount) == (
        "g1-0-hedge-1-0-0",
        True,
        60_010.0,
        -100.0,
    )
    execution.order(order(first), T0)
    execution.trade(trade(first, -30.0), T0 + S)
    execution.tick(T0 + 2 * S)
    assert not execution.actions()
    execution.tick(T0 + 3 * S)
    assert execution.actions() == [CancelPlaced(first.label, f"x-{first.label}")]
    execution.order(order(first, "cancelled", 30.0, reason="user_request"), T0 + 4 * S)
    (second,) = placed(execution)
    assert (second.label, second.rests, second.amount) == ("g1-0-hedge-1-0-1", False, -70.0)
    assert second.limit == pytest.approx(60_000 * (1 - 5e-4), abs=0.5)
    execution.trade(trade(second, -70.0), T0 + 4 * S)
    one, two = events(execution)
    assert (one.amount, one.last) == (-30.0, False)
    assert (two.amount, two.last) == (-70.0, True)
    assert not execution.busy


def test_a_large_hedge_is_worked_in_slices_one_after_the_other():
    """0.02 coins at 60,010 are 1,200 USD: 2,500 USD are three parts, each rests before it takes."""
    execution = made()
    execution.settings = msgspec.structs.replace(execution.settings, max_slice=0.02)
    execution.submit(hedge(-2_500.0), T0)
    (first,) = placed(execution)
    assert (first.amount, first.rests) == (-1_200.0, True)
    execution.trade(trade(first, -1_200.0), T0 + S)
    (second,) = placed(execution)
    assert (second.label, second.amount, second.rests) == ("g1-0-hedge-1-0-1", -1_200.0, True)
    execution.order(order(second), T0 + S)
    execution.trade(trade(second, -200.0), T0 + 2 * S)
    assert not placed(execution)  # its fate is not known yet
    execution.tick(T0 + 4 * S)
    assert execution.actions() == [CancelPlaced(second.label, f"x-{second.label}")]
    execution.order(order(second, "cancelled", 200.0, reason="user_request"), T0 + 5 * S)
    (rest,) = placed(execution)
    assert (rest.amount, rest.rests) == (-1_100.0, False)  # of what is left, no more than 0.02 coins
    execution.trade(trade(rest, -1_100.0), T0 + 6 * S)
    told = events(execution)
    assert [(event.amount, event.last) for event in told] == [
        (-1_200.0, False),
        (-200.0, False),
        (-1_100.0, True),
    ]
    assert not execution.busy


def test_a_slice_that_is_due_long_after_the_order_is_not_overdue_and_one_that_would_harm_is_not_sent():
    execution = made(patience_s=3, valid_s=5)
    execution.settings = msgspec.structs.replace(execution.settings, max_slice=0.02)
    execution.submit(hedge(-2_400.0), T0)
    (first,) = placed(execution)
    execution.order(order(first), T0)
    execution.unwanted = lambda order, left: True
    execution.trade(trade(first, -1_200.0), T0 + 2 * S)
    fill, end = events(execution)
    assert (fill.amount, end.reason) == (-1_200.0, "no longer wanted")
    execution.unwanted = lambda order, left: False
    execution.submit(hedge(-2_400.0, number=2), T0)
    (first,) = placed(execution)
    execution.order(order(first), T0)
    execution.paused = True
    execution.trade(trade(first, -1_200.0), T0 + 20 * S)
    execution.paused = False
    execution.tick(T0 + 20 * S)
    (second,) = placed(execution)
    assert second.amount == -1_200.0


def test_the_order_at_work_for_longest_is_told():
    execution = made(rest=False)
    for k in range(3):
        execution.submit(hedge(number=k), T0 + k * S)
    first, *_ = placed(execution)
    found = execution.oldest(T0 + 9 * S)
    assert (found.order.order_id, found.since_ns) == ("0-hedge-0", T0)
    assert found.why == "its order at the exchange is sent"
    execution.trade(trade(first, -100.0), T0 + 9 * S)
    assert execution.oldest(T0 + 9 * S).order.order_id == "0-hedge-1"


def test_an_order_that_outlived_its_connection_is_taken_back_at_once():
    """It was in the book all the time, and the hedge's patience is over."""
    execution = made()
    execution.submit(hedge(), T0)
    (first,) = placed(execution)
    execution.order(order(first), T0)
    execution.paused = True
    execution.disconnected(T0 + S)
    execution.paused = False
    execution.reconciled([order(first, filled=20.0)], T0 + 4 * S)
    assert execution.actions() == [CancelPlaced(first.label, f"x-{first.label}")]


@pytest.mark.parametrize(("amount", "rests", "sent"), [(-900.0, 120.0, 50.0), (900.0, 50.0, 120.0)])
def test_a_part_is_a_share_of_the_size_shown_at_its_price(amount, rests, sent):
    """A fifth of 250 bid and of 600 asked for: of its own side to rest, of the other's to take."""
    for rest, most in ((True, rests), (False, sent)):
        execution = made(rest=rest)
        execution.settings = msgspec.structs.replace(execution.settings, max_share=0.2)
        quote = ticker(PERPETUAL, 60_000.0, 60_010.0)
        execution.quote(msgspec.structs.replace(quote, bid_amount=250.0, ask_amount=600.0))
        execution.submit(hedge(amount), T0)
        (p,) = placed(execution)
        assert (p.amount, p.rests) == (math.copysign(most, amount), rest)


@pytest.mark.parametrize("number", range(3))
def test_what_is_no_hedge_is_never_sliced(number):
    execution = made()
    execution.settings = msgspec.structs.replace(execution.settings, max_slice=0.001)
    at_own_price = hedge(-2_500.0, limit=60_100.0)
    unwinds = Order("0-unwind-1", 0, Purpose.UNWIND, (Leg(PERPETUAL, -2_500.0),))
    given = (ENTRY, at_own_price, unwinds)[number]
    execution.submit(given, T0)
    assert [p.amount for p in placed(execution)] == [leg.amount for leg in given.legs]


def test_all_legs_are_worked_and_the_last_fill_ends_the_order():
    execution = made()
    execution.submit(ENTRY, T0)
    call, put = placed(execution)
    assert call.limit == pytest.approx(
        0.0340
    )  # 5 % above the ask, on the coarse grid of prices from 0.005 up
    assert not call.rests
    execution.trade(trade(put, 1.0), T0)
    execution.trade(trade(call, 1.0), T0)
    assert [(e.instrument, e.last) for e in events(execution)] == [(PUT, False), (CALL, True)]
    assert not execution.busy


def test_tries_run_out_and_the_rest_is_given_up():
    execution = made(rest=False, tries=2)
    execution.submit(hedge(), T0)
    now = T0
    for number in range(2):
        (p,) = placed(execution)
        execution.order(order(p, "cancelled", 0.0), now)
        if number == 0:
            assert not placed(execution)  # a pause first
            now += 2 * PAUSE_NS
            execution.tick(now)
    (event,) = events(execution)
    assert isinstance(event, Rejected)
    assert event.order_id == "0-hedge-1"
    assert not execution.busy


def test_a_partial_fill_before_giving_up_is_told_before_the_end():
    execution = made(rest=False, tries=1)
    execution.submit(hedge(), T0)
    (p,) = placed(execution)
    execution.trade(trade(p, -40.0), T0)
    execution.order(order(p, "cancelled", 40.0), T0)
    fill, end = events(execution)
    assert (fill.amount, fill.last) == (-40.0, False)
    assert isinstance(end, Rejected)


def test_a_trade_is_booked_once():
    execution = made(rest=False)
    execution.submit(hedge(), T0)
    (p,) = placed(execution)
    for _ in range(3):
        execution.trade(trade(p, -40.0), T0)
    assert [e.amount for e in events(execution)] == [-40.0]
    assert execution.has_booked(f"t1-{p.label}")


@pytest.mark.parametrize(("mark", "booked"), [(59_990.0, 59_990.0), (math.nan, 60_005.0)])
def test_a_fill_has_the_trades_mark_or_its_price(mark, booked):
    execution = made()
    execution.submit(hedge(), T0)
    (p,) = placed(execution)
    execution.trade(msgspec.structs.replace(trade(p, -40.0, price=60_005.0), mark=mark), T0)
    (fill,) = events(execution)
    assert (fill.amount, fill.price, fill.mark, fill.last) == (-40.0, 60_005.0, booked, False)


def test_an_order_that_ends_before_its_fills_are_seen_is_asked_for():
    execution = made(rest=False)
    execution.submit(hedge(), T0)
    (p,) = placed(execution)
    execution.order(order(p, "filled", 100.0), T0)
    assert execution.busy
    execution.tick(T0 + 3 * S)
    assert execution.actions() == [Query(QueryKind.FILLS, p, f"x-{p.label}")]
    execution.trade(trade(p, -100.0), T0 + 3 * S)
    assert [e.last for e in events(execution)] == [True]
    assert not execution.busy


@pytest.mark.parametrize("known", [True, False])
def test_an_unknown_fate_blocks_until_the_exchange_has_said(known):
    execution = made(rest=False)
    execution.submit(hedge(), T0)
    (p,) = placed(execution)
    execution.refused(p.label, Fate.UNKNOWN, "expired", T0 + 5 * S)
    execution.tick(T0 + 5 * S)
    assert not execution.actions()  # it could still be accepted
    late = p.valid_until_ns + MARGIN_NS
    execution.tick(late)
    assert execution.actions() == [Query(QueryKind.STATE, p, "")]
    execution.looked_up(p.label, [order(p, "cancelled", 0.0)] if known else [], late + S)
    if not known:  # the exchange may have forgotten it: its trades decide
        assert execution.actions() == [Query(QueryKind.TRADES, p, "")]
        execution.all_trades_seen(p.label, late + S)
    execution.tick(late + 2 * S)
    (again,) = placed(execution)
    assert again.label == "g1-0-hedge-1-0-1"


def test_an_order_filled_in_part_that_the_exchange_has_forgotten_is_decided_from_its_trades():
    execution = made(rest=False)
    execution.submit(hedge(), T0)
    (p,) = placed(execution)
    execution.disconnected(T0 + S)
    execution.trade(trade(p, -30.0), T0 + 2 * S)
    late = p.valid_until_ns + MARGIN_NS + S
    execution.looked_up(p.label, [], late)
    assert execution.actions() == [Query(QueryKind.TRADES, p, f"x-{p.label}")]
    execution.trade(trade(p, -20.0, number=2), late)  # one that no message had brought
    execution.all_trades_seen(p.label, late)
    execution.tick(late + S)
    (again,) = placed(execution)
    assert again.amount == -50.0


def test_a_refusal_that_another_order_would_meet_too_ends_the_order():
    execution = made(rest=False)
    execution.submit(hedge(), T0)
    (p,) = placed(execution)
    execution.refused(p.label, Fate.REJECTED, "10009 not_enough_funds", T0 + S, hopeless=True)
    assert [e.reason for e in events(execution)] == ["10009 not_enough_funds"]
    assert not execution.busy


@pytest.mark.parametrize(
    ("bid", "ask", "collar", "reason"),
    [
        (
            0.0050,
            0.0800,
            Collar(0.15, None),
            "collar: ask 0.08 of BTC-16JAN26-60000-C is beyond 0.036455, mark 0.0317",
        ),
        (0.0290, 0.0345, Collar(None, 0.02), "points of volatility wide; at most 2"),
        (0.0310, 0.0325, Collar(0.15, 0.10), None),
        (0.0050, 0.0800, Collar(None, None), None),
    ],
)
def test_an_entry_is_not_bought_far_above_its_mark_or_from_a_wide_quote(bid, ask, collar, reason):
    now_ns = CALL.expiry_ns - 7 * 86_400 * S
    quoted = {"mark": 0.0317, "mark_iv": 0.5, "forward": 60e3}
    execution = Execution("g1", Settings(False, S, 3, 5e-4, 0.05, 60 * S, collar), spec_for)
    execution.quote(msgspec.structs.replace(ticker(CALL, bid, ask), **quoted))
    execution.quote(msgspec.structs.replace(ticker(PUT, 0.0310, 0.0325), **quoted))
    execution.submit(ENTRY, now_ns)
    sent = placed(execution)
    if reason is None:
        assert len(sent) == 2
        return
    assert not sent  # nor the put alone
    execution.tick(now_ns + 5 * S)
    (rejected,) = events(execution)
    assert reason in rejected.reason


def test_options_are_not_sold_far_below_their_mark_and_slippage_ends_at_the_collar():
    execution = Execution("g1", Settings(False, S, 3, 5e-4, 0.5, 60 * S, Collar(0.15, 0.10)), spec_for)
    execution.quote(msgspec.structs.replace(ticker(CALL, 0.0100, 0.0320), mark=0.0300))
    order_ = Order("0-exit-1", 0, Purpose.EXIT, (Leg(CALL, -1.0),), None)
    execution.submit(order_, T0)
    assert not placed(execution)
    execution.quote(msgspec.structs.replace(ticker(CALL, 0.0280, 0.0320), mark=0.0300))
    execution.tick(T0 + S)
    (p,) = placed(execution)
    assert p.limit == 0.0255  # 15 % below the mark; the slippage alone would allow 0.014


def test_what_is_bid_a_tick_for_is_sold_for_a_tick_whatever_the_slippage():
    execution = made()
    execution.quote(ticker(CALL, 0.0001, 0.0003))
    execution.submit(Order("0-exit-1", 0, Purpose.EXIT, (Leg(CALL, -1.0),)), T0)
    execution.tick(T0)
    (p,) = placed(execution)
    assert p.limit == 0.0001


def test_a_resting_hedge_that_is_no_longer_wanted_is_withdrawn():
    execution = made()
    execution.submit(hedge(), T0)
    (p,) = placed(execution)
    execution.order(order(p), T0)
    execution.tick(T0 + S)
    assert not execution.actions()  # its patience is not over
    execution.unwanted = lambda order, left: left == -100.0
    execution.tick(T0 + S)
    assert execution.actions() == [CancelPlaced(p.label, f"x-{p.label}")]
    execution.order(order(p, "cancelled"), T0 + S)
    assert [e.reason for e in events(execution)] == ["no longer wanted"]


def test_a_cancellation_without_an_answer_is_asked_about_after_a_while_and_every_two_seconds():
    execution = made(patience_s=3)
    execution.submit(hedge(), T0)
    (p,) = placed(execution)
    execution.order(order(p), T0)
    execution.tick(T0 + 3 * S - 1)
    assert execution.actions() == []
    execution.tick(T0 + 3 * S)
    assert execution.actions() == [CancelPlaced(p.label, f"x-{p.label}")]
    execution.tick(T0 + 3 * S + WATCH_NS - 1)
    assert execution.actions() == []
    for asked in (0, ASK_AGAIN_NS):
        execution.tick(T0 + 3 * S + WATCH_NS + asked)
        assert execution.actions() == [Query(QueryKind.STATE, p, f"x-{p.label}")]
        execution.tick(T0 + 3 * S + WATCH_NS + asked + ASK_AGAIN_NS - 1)
        assert execution.actions() == []


def test_trades_seen_before_the_validity_is_over_decide_nothing():
    execution = made(rest=False)
    execution.submit(hedge(), T0)
    (p,) = placed(execution)
    execution.disconnected(T0 + S)
    execution.all_trades_seen(p.label, T0 + 2 * S)
    execution.tick(T0 + 3 * S)
    assert execution.busy
    assert not placed(execution)


def test_the_oldest_order_is_named_with_what_it_waits_for():
    execution = made(rest=False)
    assert execution.oldest(T0) is None
    execution.submit(hedge(limit=61_000.0, number=7), T0)  # rests, and is meant to
    assert execution.oldest(T0 + 90 * S) is None
    execution.submit(hedge(), T0 + 5 * S)
    (_, p) = placed(execution)
    execution.refused(p.label, Fate.UNKNOWN, "expired", T0 + 10 * S)
    found = execution.oldest(T0 + 65 * S)
    assert (found.order.order_id, found.since_ns) == ("0-hedge-1", T0 + 5 * S)
    assert found.why == "its order at the exchange is unknown"


def test_a_lost_connection_leaves_what_was_open_in_doubt_and_what_was_over_counting():
    execution = made(valid_s=5)
    execution.submit(hedge(), T0)
    (p,) = placed(execution)
    execution.order(order(p), T0)
    execution.disconnected(T0 + S)
    assert execution.oldest(T0 + S).why == "its order at the exchange is unknown"
    execution.tick(T0 + 5 * S + MARGIN_NS - 1)  # its patience is over, but it may not be there
    assert execution.actions() == []
    execution.tick(T0 + 5 * S + MARGIN_NS)
    assert execution.actions() == [Query(QueryKind.STATE, p, f"x-{p.label}")]
    execution.order(order(p, "cancelled", filled=50.0), T0 + 7 * S)
    execution.disconnected(T0 + 8 * S)
    assert execution.oldest(T0 + 8 * S).why == "its order at the exchange is counting"
    execution.tick(T0 + 9 * S)
    assert execution.actions() == [Query(QueryKind.FILLS, p, f"x-{p.label}")]


def test_an_order_that_a_guard_holds_back_has_no_other_reason_to_wait():
    execution = made()
    execution.paused = True
    execution.submit(hedge(), T0)
    assert execution.oldest(T0 + S).why == "it was not sent"
    execution.forbidden = lambda order: "halt: stale"
    assert execution.oldest(T0 + S).why == ""


def test_an_empty_answer_before_the_validity_is_over_says_nothing():
    execution = made(rest=False)
    execution.submit(hedge(), T0)
    (p,) = placed(execution)
    execution.disconnected(T0 + S)
    execution.looked_up(p.label, [], T0 + 2 * S)
    execution.tick(T0 + 3 * S)
    assert not placed(execution)
    execution.trade(trade(p, -100.0), T0 + 3 * S)  # it had been accepted
    assert not execution.busy


def test_rejected_for_sure_is_tried_again_at_once_it_may():
    execution = made(rest=True)
    execution.submit(hedge(), T0)
    (p,) = placed(execution)
    execution.refused(p.label, Fate.REJECTED, "11054", T0)
    (second,) = placed(execution)
    assert not second.rests


def test_nothing_is_sent_while_paused():
    execution = made()
    execution.paused = True
    execution.submit(hedge(), T0)
    assert not execution.actions()
    execution.paused = False
    execution.tick(T0 + S)
    assert len(placed(execution)) == 1


def test_what_waited_too_long_is_decided_anew():
    execution = made()
    execution.paused = True
    execution.submit(hedge(), T0)
    execution.paused = False
    execution.tick(T0 + 6 * S)
    assert not execution.actions()
    assert [e.reason for e in events(execution)] == ["overdue"]


def test_forbidden_entries_end_and_forbidden_hedges_wait():
    execution = made()
    execution.forbidden = lambda order: "halt"
    execution.submit(ENTRY, T0)
    execution.submit(hedge(), T0)
    assert not execution.actions()
    assert [(e.order_id, e.reason) for e in events(execution)] == [("0-entry-0", "halt")]
    execution.forbidden = lambda order: ""
    execution.tick(T0 + S)
    assert len(placed(execution)) == 1


def test_a_hedge_that_the_market_has_overtaken_is_taken_back():
    execution = made()
    execution.submit(hedge(), T0)
    (p,) = placed(execution)
    execution.order(order(p), T0)
    execution.unwanted = lambda order, left: True
    execution.tick(T0 + S)
    assert [type(action) for action in execution.actions()] == [CancelPlaced]
    execution.order(order(p, "cancelled", 0.0), T0 + S)
    assert [e.reason for e in events(execution)] == ["no longer wanted"]


def test_a_resting_order_of_the_desk_stays_until_it_is_withdrawn_or_filled():
    execution = made()
    execution.submit(hedge(limit=60_500.0), T0)
    (p,) = placed(execution)
    assert (p.rests, p.fixed, p.limit) == (True, True, 60_500.0)
    execution.order(order(p), T0)
    execution.tick(T0 + 100 * S)
    assert not [a for a in execution.actions() if not isinstance(a, Query)]
    execution.cancel(Cancel("0-hedge-1", 0), T0 + 101 * S)
    assert execution.actions() == [CancelPlaced(p.label, f"x-{p.label}")]
    execution.trade(trade(p, -60.0), T0 + 101 * S)  # filled in part on the way
    execution.order(order(p, "cancelled", 60.0), T0 + 101 * S)
    fill, end = events(execution)
    assert fill.amount == -60.0
    assert isinstance(end, Rejected)


def test_a_halt_takes_back_what_rests_at_the_desks_price():
    execution = made()
    execution.submit(hedge(limit=60_500.0), T0)
    execution.submit(hedge(number=2), T0)
    fixed, own = placed(execution)
    for p in (fixed, own):
        execution.order(order(p), T0)
    execution.cancel_resting(T0 + S)
    assert execution.actions() == [CancelPlaced(fixed.label, f"x-{fixed.label}")]


def test_a_taker_waits_for_withdrawn_orders_of_its_episode():
    execution = made(rest=False)
    execution.submit(hedge(limit=60_500.0), T0)
    (p,) = placed(execution)
    execution.order(order(p), T0)
    execution.cancel(Cancel("0-hedge-1", 0), T0)
    execution.submit(hedge(50.0, number=2), T0)
    assert [type(action) for action in execution.actions()] == [CancelPlaced]
    execution.order(order(p, "cancelled", 0.0), T0 + S)
    execution.tick(T0 + S)
    assert [q.order_id for q in placed(execution)] == ["0-hedge-2"]


def test_a_cancellation_that_failed_is_looked_into():
    execution = made()
    execution.submit(hedge(), T0)
    (p,) = placed(execution)
    execution.order(order(p), T0)
    execution.tick(T0 + 3 * S)
    execution.actions()
    execution.not_cancelled(p.label, T0 + 4 * S)
    assert execution.actions() == [Query(QueryKind.STATE, p, f"x-{p.label}")]
    execution.looked_up(p.label, [order(p)], T0 + 4 * S)
    assert execution.actions() == [CancelPlaced(p.label, f"x-{p.label}")]


def test_without_a_quote_nothing_is_sent_and_in_the_end_given_up():
    execution = Execution("g1", Settings(False, S, 3, 5e-4, 0.05, 60 * S), spec_for)
    execution.submit(hedge(), T0)
    assert not execution.actions()
    execution.tick(T0 + 5 * S)
    assert [e.reason for e in events(execution)] == ["no quote"]


def test_prices_stay_within_the_exchanges_band():
    execution = made(rest=False)
    execution.quote(ticker(PERPETUAL, 60_000.0, 60_010.0, low=59_990.25, high=60_011.25))
    execution.submit(hedge(100.0), T0)
    assert placed(execution)[0].limit == 60_011.0
    execution.submit(hedge(-100.0, number=2), T0)
    assert placed(execution)[0].limit == 59_990.5


def test_restart_takes_up_what_was_at_work():
    execution = made()
    first = Placed(
        T0, "g1-0-hedge-1-0-0", "0-hedge-1", 0, PERPETUAL, -100.0, 60_010.0, True, False, T0 + 5 * S
    )
    gone = Placed(T0, "g1-0-hedge-0-0-0", "0-hedge-0", 0, PERPETUAL, -50.0, 60_010.0, True, False, T0 + 5 * S)
    left = hedge().without(PERPETUAL, -30.0)
    execution.restore([left], [gone, first], [Booked(T0, "t1", first.label, -30.0)])
    execution.tick(T0 + 10 * S)
    assert execution.actions() == [Query(QueryKind.STATE, first, "")]
    assert not execution.knows(gone.label)
    assert execution.has_booked("t1")
    execution.looked_up(first.label, [order(first, "cancelled", 30.0)], T0 + 11 * S)
    (second,) = placed(execution)
    assert (second.label, second.amount) == ("g1-0-hedge-1-0-1", -70.0)


def test_giving_up_cancels_what_rests_and_ends_every_order():
    execution = made()
    execution.submit(hedge(), T0)
    execution.submit(ENTRY, T0)
    p, call, put = placed(execution)
    execution.order(order(p), T0)
    execution.give_up("stop")
    execution.tick(T0)
    assert execution.actions() == [CancelPlaced(p.label, f"x-{p.label}")]
    for q in (p, call, put):
        execution.order(order(q, "cancelled", 0.0), T0)
    assert {e.reason for e in events(execution)} == {"stop"}
    assert not execution.busy


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_the_exchange_answers_no_more_than_the_order_is_ever_filled(data):
    """A made-up exchange that loses answers and fills in parts: sums agree, labels are used once."""
    execution, now, filled = made(), T0, 0.0
    execution.submit(hedge(-100.0), T0)
    book, seen, told = {}, [], 0
    for _ in range(60):
        now += data.draw(st.sampled_from([S // 10, S, 3 * S]))
        execution.tick(now)
        for action in execution.actions():
            if isinstance(action, Place):
                seen.append(action.placed.label)
                accepted = data.draw(st.booleans())
                heard = data.draw(st.booleans())
                if accepted:
                    book[action.placed.label] = [action.placed, 0.0, "open"]
                if not heard:
                    execution.refused(action.placed.label, Fate.UNKNOWN, "lost", now)
                elif not accepted:
                    execution.refused(action.placed.label, Fate.REJECTED, "no", now)
                else:
                    execution.order(order(action.placed), now)
            elif isinstance(action, CancelPlaced):
                if data.draw(st.booleans()):
                    book[action.label][2] = (
                        "cancelled" if book[action.label][2] == "open" else book[action.label][2]
                    )
                    p, done, state = book[action.label]
                    execution.order(order(p, state, done), now)
                else:
                    execution.not_cancelled(action.label, now)
            elif data.draw(st.booleans()):
                known = (
                    [order(*(p, state, done)) for p, done, state in [book[action.label]]]
                    if action.label in book
                    else []
                )
                execution.looked_up(action.label, known, now)
        for label, (p, done, state) in list(book.items()):
            if state != "open":
                continue
            left = abs(p.amount) - done
            size = data.draw(st.sampled_from([0.0, 10.0, left]))
            if size and size <= left:
                told += 1
                filled += size
                book[label][1] += size
                book[label][2] = "filled" if book[label][1] == abs(p.amount) else "open"
                execution.trade(trade(p, -size, number=told), now)
            elif not p.rests:
                book[label][2] = "cancelled"
                execution.order(order(p, "cancelled", done), now)
        if not execution.busy:
            break
    told_to_desk = -sum(e.amount for e in events(execution) if isinstance(e, Fill))
    assert told_to_desk == filled <= 100.0
    assert len(set(seen)) == len(seen)


def test_a_session_hedges_in_slices(tmp_path):
    asked = {"execution__max_slice": 0.02, "hedge__band": 0.05}
    world, path = World(seed=3, models={"BTC": MarketModel(vol=1.5)}, linear=()), tmp_path / "j.db"
    process = Process(world, path, lively(**asked, entry__structure="call", size__contracts=0.2))
    assert process.run(240)
    process.close()
    told, index = hedges_told(path), process.hedger.desk.market.index
    sent = [decode_fact(record.body, Placed) for record in read(path) if record.name == "Placed"]
    hedges = [abs(one.amount) / index for one in sent if not isinstance(one.instrument, Option)]
    asked_for = [hedge.order.legs[0].amount for hedge in told.hedges]
    assert max(hedges) < 0.0205 < 0.05 < max(map(abs, asked_for)) / index
    filled = [math.fsum(fill.amount for fill in hedge.fills) for hedge in told.hedges]
    assert max(got / amount for got, amount in zip(filled, asked_for, strict=True)) == 1.0


def test_a_hedge_in_slices_is_held_to_the_size_of_a_slice():
    limits = RiskLimits(Grid((0.0,), (0.0,), (0.0,)), max_order=0.02)
    market = SimpleNamespace(index=60_000.0)
    why = "max_order: 0.0416667 of BTC-PERPETUAL exceeds 0.02"
    assert limits.refusal(hedge(-2_500.0), None, market) == why
    sliced = msgspec.structs.replace(limits, max_slice=0.02)
    assert sliced.refusal(hedge(-2_500.0), None, market) is None
    unwinds = Order("0-unwind-1", 0, Purpose.UNWIND, (Leg(PERPETUAL, -2_500.0),))
    assert "max_order" in sliced.refusal(unwinds, None, market)


def test_a_slice_larger_than_an_order_may_be_is_refused():
    with pytest.raises(ConfigError, match=r"max_slice: expected at most risk\.max_order = 0\.5 coins"):
        parse_config({"execution": {"max_slice": 1.0}, "risk": {"max_order": 0.5}})


def rests(way="post", patience_s=60, improve_s=10, both=False, **options):
    tactic = Tactic(way, patience_s * S, improve_s * S, 1)
    execution = made(**options)
    execution.settings = msgspec.structs.replace(
        execution.settings, enter=tactic, leave=tactic if both else TAKE
    )
    execution.pricing = Pricing(execution.settings, spec_for, execution.quotes)
    return execution


def told_open(execution, sent, now=T0):
    for one in sent:
        execution.order(order(one), now)


def test_a_straddle_rests_comes_nearer_and_takes_its_other_leg_when_one_is_filled():
    execution = rests()
    execution.submit(ENTRY, T0)
    call, put = placed(execution)
    assert [(p.limit, p.rests, p.amount) for p in (call, put)] == [(0.0300, True, 1.0), (0.0310, True, 1.0)]
    told_open(execution, (call, put))
    execution.tick(T0 + 10 * S - 1)
    assert not execution.actions()
    execution.tick(T0 + 10 * S)
    assert {a.label for a in execution.actions()} == {call.label, put.label}
    execution.order(order(call, "cancelled"), T0 + 11 * S)
    execution.order(order(put, "cancelled"), T0 + 11 * S)
    nearer = placed(execution)
    assert [(p.limit, p.rests) for p in nearer] == [
        (pytest.approx(0.0305), True),
        (pytest.approx(0.0315), True),
    ]
    told_open(execution, nearer, T0 + 11 * S)
    execution.trade(trade(nearer[0], 1.0), T0 + 12 * S)
    (left,) = execution.actions()
    assert left == CancelPlaced(nearer[1].label, f"x-{nearer[1].label}")
    execution.order(order(nearer[1], "cancelled"), T0 + 12 * S)
    (taker,) = placed(execution)
    assert (taker.rests, taker.amount, taker.limit) == (False, 1.0, pytest.approx(0.0350))
    execution.trade(trade(taker, 1.0), T0 + 13 * S)
    assert [(e.instrument, e.last) for e in events(execution)] == [(CALL, False), (PUT, True)]
    assert not execution.busy


def test_a_straddle_that_nobody_sells_is_given_up_whole():
    execution = rests(improve_s=3600)
    execution.submit(ENTRY, T0)
    told_open(execution, sent := placed(execution))
    execution.tick(T0 + 60 * S)
    assert {a.label for a in execution.actions()} == {p.label for p in sent}
    for p in sent:
        execution.order(order(p, "cancelled"), T0 + 61 * S)
    assert not placed(execution)
    (end,) = events(execution)
    assert (type(end), end.reason) == (Rejected, "not filled at rest within 60 s")
    assert not execution.busy


def test_what_is_left_of_a_straddle_of_which_something_was_filled_is_taken_at_the_end():
    execution = rests(improve_s=3600)
    execution.submit(ENTRY, T0)
    call, put = placed(execution)
    told_open(execution, (call, put))
    execution.trade(trade(call, 0.4), T0 + S)
    execution.tick(T0 + 59 * S)
    assert not [a for a in execution.actions() if isinstance(a, CancelPlaced)]
    execution.tick(T0 + 60 * S)
    execution.order(order(call, "cancelled", 0.4), T0 + 60 * S)
    execution.order(order(put, "cancelled"), T0 + 60 * S)
    assert [(p.instrument, p.amount, p.rests) for p in placed(execution)] == [
        (CALL, 0.6, False),
        (PUT, 1.0, False),
    ]


def test_mid_then_take_stays_in_the_middle_and_takes_at_the_end():
    execution = rests("mid_then_take")
    execution.submit(ENTRY, T0)
    call, put = placed(execution)
    assert [p.limit for p in (call, put)] == [pytest.approx(0.0310), pytest.approx(0.0320)]
    told_open(execution, (call, put))
    execution.tick(T0 + 59 * S)
    assert not [a for a in execution.actions() if isinstance(a, CancelPlaced)]
    execution.tick(T0 + 60 * S)
    execution.order(order(call, "cancelled"), T0 + 60 * S)
    assert [p.rests for p in placed(execution)] == [False]


@pytest.mark.parametrize("why", ["asked back", "a guard", "the end"])
def test_options_at_rest_are_withdrawn_when_nothing_may_be_entered(why):
    execution = rests()
    execution.submit(ENTRY, T0)
    told_open(execution, sent := placed(execution))
    if why == "asked back":
        execution.cancel(Cancel(ENTRY.order_id, 0), T0 + S)
    elif why == "a guard":
        execution.forbidden = lambda order: "risk: too much"
    else:
        execution.give_up("stopping")
    execution.tick(T0 + S)
    assert {a.label for a in execution.actions()} == {p.label for p in sent}
    for p in sent:
        execution.order(order(p, "cancelled", reason="user_request"), T0 + S)
    (end,) = events(execution)
    reasons = {"asked back": "user_request", "a guard": "risk: too much", "the end": "stopping"}
    assert end.reason == reasons[why]


def test_options_may_rest_for_their_patience_before_they_count_as_stuck():
    execution = rests()
    execution.submit(ENTRY, T0)
    told_open(execution, placed(execution))
    assert execution.oldest(T0 + 59 * S) is None
    stuck = execution.oldest(T0 + 60 * S)
    assert (stuck.order, stuck.since_ns) == (ENTRY, T0)
    execution.cancel(Cancel(ENTRY.order_id, 0), T0 + S)
    assert execution.oldest(T0 + 2 * S).order is ENTRY


def test_an_exit_rests_where_it_is_asked_to():
    closes = Order("0-exit-1", 0, Purpose.EXIT, (Leg(CALL, -1.0),))
    for both, expected in ((True, (0.0320, True)), (False, (0.0285, False))):
        execution = rests(both=both)
        execution.submit(closes, T0)
        (p,) = placed(execution)
        assert (p.limit, p.rests) == (pytest.approx(expected[0]), expected[1])


def test_a_leg_that_is_refused_for_good_ends_an_entry_of_which_nothing_is_filled():
    execution = rests()
    execution.submit(ENTRY, T0)
    call, put = placed(execution)
    execution.order(order(call), T0)
    execution.refused(put.label, Fate.REJECTED, "not_enough_funds", T0 + S, hopeless=True)
    assert execution.actions() == [CancelPlaced(call.label, f"x-{call.label}")]
    execution.order(order(call, "cancelled"), T0 + S)
    (end,) = events(execution)
    assert end.reason == "not_enough_funds"
    assert not execution.busy
