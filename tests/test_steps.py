"""The next step of an order at work: rest, take, wait, or give up."""

import msgspec
import pytest

from gammacore.contracts import Perpetual, Settlement
from gammacore.daycount import NS_PER_SECOND as S
from gammacore.execution.pricing import Settings
from gammacore.execution.steps import NO_QUOTE_NS, NOTHING, PAUSE_NS, GiveUp, Send, Tried, leaves, next_step
from gammacore.orders import Leg, Order, Purpose

T0 = 1_700_000_000 * S
SETTINGS = Settings(True, 3 * S, 3, 5e-4, 0.05, 5 * S)
LEG = (Leg(Perpetual("BTC", Settlement.INVERSE), -100.0),)
HEDGE = Order("0-hedge-1", 0, Purpose.HEDGE, LEG)
ENTRY = Order("0-entry-0", 0, Purpose.ENTRY, LEG)
RUNG = msgspec.structs.replace(HEDGE, limit=61_000.0)
RESTED = Tried(0, T0, rested=True, reason="user_request")


class Market(msgspec.Struct, frozen=True):
    """What a step is told; ``asked`` keeps what it looked at."""

    why: str = ""
    priceless: str = ""
    harm: bool = False
    leaving: bool = False
    bid: float | None = 60_000.0
    asked: list = []

    def forbidden(self):
        return self.why

    def refusal(self):
        return self.priceless

    def unwanted(self):
        return self.harm

    def waits(self):
        return self.leaving

    def limit(self, rests):
        self.asked.append(rests)
        return self.bid


def step(order=HEDGE, tried=NOTHING, now=T0, settings=SETTINGS, cancelled=False, **market):
    return next_step(order, tried, Market(**market), settings, T0, now, cancelled)


def test_a_hedge_rests_first_and_takes_after():
    assert step() == Send(60_000.0, rests=True)
    assert step(tried=RESTED, now=T0 + 3 * S) == Send(60_000.0, rests=False)


@pytest.mark.parametrize("order", [ENTRY, msgspec.structs.replace(HEDGE, purpose=Purpose.UNWIND)])
def test_nothing_but_hedges_rests(order):
    assert step(order) == Send(60_000.0, rests=False)


def test_who_takes_from_the_start_never_rests():
    assert step(settings=msgspec.structs.replace(SETTINGS, rest=False)) == Send(60_000.0, rests=False)


def test_an_order_of_its_own_price_rests_there_once():
    assert step(RUNG) == Send(61_000.0, rests=True)
    assert step(RUNG, bid=None) == Send(61_000.0, rests=True)
    assert step(RUNG, tried=RESTED) == GiveUp("user_request")


@pytest.mark.parametrize(("takers", "pause"), [(1, 2 * PAUSE_NS), (2, 4 * PAUSE_NS)])
def test_between_takers_there_are_longer_and_longer_pauses(takers, pause):
    tried = Tried(takers, T0, rested=False, reason="")
    assert step(tried=tried, now=T0 + pause - 1) is None
    assert step(tried=tried, now=T0 + pause) == Send(60_000.0, rests=False)


def test_after_so_many_takers_it_is_given_up():
    assert step(tried=Tried(3, T0, rested=False, reason="")) == GiveUp("not filled")
    assert step(tried=Tried(3, T0, rested=False, reason="no liquidity")) == GiveUp("no liquidity")


def test_what_is_asked_back_ends():
    assert step(cancelled=True) == GiveUp("cancelled")
    assert step(cancelled=True, tried=RESTED) == GiveUp("user_request")


def test_a_guard_ends_entries_and_holds_the_others():
    assert step(ENTRY, why="stopping") == GiveUp("stopping")
    assert step(why="stopping") is None


def test_an_order_that_could_not_leave_in_time_is_overdue():
    late = T0 + 5 * S + 1
    assert step(now=late) == GiveUp("overdue")
    assert step(now=late, priceless="no quote") == GiveUp("no quote")
    assert step(now=late - 1) == Send(60_000.0, rests=True)


def test_what_would_do_harm_is_not_tried_again():
    assert step(tried=RESTED, harm=True) == GiveUp("no longer wanted")
    assert step(harm=True) == Send(60_000.0, rests=True)  # it was wanted a moment ago


def test_cancelled_orders_are_waited_for():
    assert step(leaving=True) is None
    assert step(RUNG, leaving=True) == Send(61_000.0, rests=True)


def test_without_a_price_it_waits_and_then_gives_up():
    assert step(bid=None, now=T0 + NO_QUOTE_NS - 1) is None
    assert step(bid=None, now=T0 + NO_QUOTE_NS) == GiveUp("no quote")
    assert step(ENTRY, priceless="collar: too wide", now=T0 + NO_QUOTE_NS) == GiveUp("collar: too wide")
    assert step(ENTRY, priceless="collar: too wide") is None


def test_patience_ends_and_so_does_the_wish():
    def left(order=HEDGE, now=T0, cancelled=False, **market):
        return leaves(order, Market(**market), SETTINGS, T0, now, cancelled)

    assert not left(now=T0 + 3 * S - 1)
    assert left(now=T0 + 3 * S)
    assert left(harm=True)
    assert left(cancelled=True)
    assert not left(RUNG, now=T0 + 60 * S, harm=True)
    assert left(RUNG, cancelled=True)
