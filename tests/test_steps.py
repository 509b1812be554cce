"""The next step of an order at work: rest, take, wait, or give up."""

import msgspec
import pytest

from gammacore.contracts import Perpetual, Settlement
from gammacore.daycount import NS_PER_SECOND as S
from gammacore.execution.options import Legs, Tactic
from gammacore.execution.pricing import Settings
from gammacore.execution.steps import (
    NO_QUOTE_NS,
    NOTHING,
    PAUSE_NS,
    GiveUp,
    Resting,
    Send,
    Tried,
    leaves,
    next_step,
)
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
    others: Legs = Legs.EVEN
    nearer: float | None = 60_001.0

    def forbidden(self):
        return self.why

    def refusal(self, rests):
        return self.priceless

    def unwanted(self):
        return self.harm

    def waits(self):
        return self.leaving

    def legs(self):
        return self.others

    def limit(self, rests, last):
        self.asked.append(rests)
        return self.bid if last is None else self.nearer


def step(order=HEDGE, tried=NOTHING, now=T0, settings=SETTINGS, cancelled=False, **market):
    return next_step(order, tried, Market(**market), settings, T0, now, cancelled)


def test_a_hedge_rests_first_and_takes_after():
    assert step() == Send(60_000.0, rests=True)
    assert step(tried=RESTED, now=T0 + 3 * S) == Send(60_000.0, rests=False)


@pytest.mark.parametrize("order", [ENTRY, msgspec.structs.replace(HEDGE, purpose=Purpose.UNWIND)])
def test_nothing_but_hedges_rests_unless_it_is_asked_to(order):
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
        resting = Resting(T0, 60_000.0)
        return leaves(order, resting, Market(**market), SETTINGS, T0, now, cancelled=cancelled)

    assert not left(now=T0 + 3 * S - 1)
    assert left(now=T0 + 3 * S)
    assert left(harm=True)
    assert left(cancelled=True)
    assert not left(RUNG, now=T0 + 60 * S, harm=True)
    assert left(RUNG, cancelled=True)


POST = msgspec.structs.replace(SETTINGS, enter=Tactic("post", 60 * S, 10 * S, 1))
MID = msgspec.structs.replace(SETTINGS, enter=Tactic("mid_then_take", 60 * S, 10 * S, 1))
EXIT = msgspec.structs.replace(ENTRY, purpose=Purpose.EXIT)


@pytest.mark.parametrize("settings", [POST, MID])
def test_an_entry_rests_for_its_patience_and_other_orders_for_options_take(settings):
    assert step(ENTRY, settings=settings) == Send(60_000.0, rests=True)
    assert step(ENTRY, settings=settings, now=T0 + 60 * S - 1, tried=RESTED).rests
    assert step(EXIT, settings=settings) == Send(60_000.0, rests=False)
    leaving = msgspec.structs.replace(SETTINGS, leave=settings.enter)
    assert step(EXIT, settings=leaving) == Send(60_000.0, rests=True)
    assert step(ENTRY, settings=leaving) == Send(60_000.0, rests=False)


def test_when_patience_ends_post_gives_up_and_mid_takes():
    end = T0 + 60 * S
    assert step(ENTRY, settings=POST, tried=RESTED, now=end) == GiveUp("not filled at rest within 60 s")
    assert step(ENTRY, settings=MID, tried=RESTED, now=end) == Send(60_000.0, rests=False)


def test_once_something_of_several_legs_is_filled_the_rest_is_taken_and_not_given_up():
    end = T0 + 60 * S
    partly, filled = {"others": Legs.PARTLY}, {"others": Legs.FILLED}
    assert step(ENTRY, settings=POST, tried=RESTED, now=end - 1, **partly).rests
    assert step(ENTRY, settings=POST, tried=RESTED, now=end, **partly) == Send(60_000.0, rests=False)
    assert step(ENTRY, settings=POST, tried=RESTED, now=T0 + S, **filled) == Send(60_000.0, rests=False)
    assert step(ENTRY, settings=POST, tried=RESTED, now=T0 + S, others=Legs.LOST) == GiveUp(
        "another leg was given up"
    )


def test_what_rests_comes_nearer_only_when_it_is_time():
    rested = RESTED._replace(limit=60_000.0)
    soon, due = T0 + 10 * S - 1, T0 + 10 * S
    assert step(ENTRY, settings=POST, tried=rested, now=soon) == Send(60_000.0, rests=True)
    assert step(ENTRY, settings=POST, tried=rested, now=due) == Send(60_001.0, rests=True)
    assert step(ENTRY, settings=MID, tried=rested, now=due) == Send(60_000.0, rests=True)
    assert step(ENTRY, settings=POST, tried=rested, now=T0 + PAUSE_NS - 1) is None


def test_a_resting_option_leaves_when_it_may_not_or_need_not_rest_or_can_be_nearer():
    def left(settings=POST, now=T0, order=ENTRY, **market):
        resting = Resting(T0, 60_000.0)
        return leaves(order, resting, Market(**market), settings, T0, now, cancelled=False)

    assert not left(now=T0 + 10 * S - 1)
    assert left(now=T0 + 10 * S)
    assert not left(now=T0 + 10 * S, nearer=60_000.0)  # it would lose its place for nothing
    assert not left(now=T0 + 10 * S, nearer=None)
    assert not left(MID, now=T0 + 10 * S)
    assert left(MID, now=T0 + 60 * S)
    assert left(others=Legs.FILLED)
    assert left(why="stopping")
    leaving = msgspec.structs.replace(POST, leave=POST.enter)
    assert not left(leaving, order=EXIT, why="stopping")  # what is held is closed all the same


def test_without_a_price_to_rest_at_it_is_given_up():
    late = T0 + NO_QUOTE_NS
    assert step(ENTRY, settings=POST, bid=None, now=late - 1) is None
    assert step(ENTRY, settings=POST, bid=None, now=late) == GiveUp("no price to rest at")
