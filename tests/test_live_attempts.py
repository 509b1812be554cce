"""One order at the exchange: what its news and trades make of it."""

import pytest

from gammacore.live.attempts import Attempt, Placed, Stage
from support.messages import PERPETUAL, T0, S, order, trade

PLACED = Placed(T0, "g1-0-hedge-1-0-0", "0-hedge-1", 0, PERPETUAL, -100.0, 6e4, True, False, T0 + 5 * S)


def attempt(*fills, stage=None):
    made = Attempt(PLACED)
    if stage is not None:
        made.stage = stage
    for number, amount in enumerate(fills):
        made.trade(trade(PLACED, amount, number))
    return made


def test_what_is_left_is_signed():
    assert attempt().left == -100.0
    assert attempt(-30.0, -20.0).left == -50.0


@pytest.mark.parametrize("stage", [Stage.SENT, Stage.OPEN, Stage.LEAVING, Stage.UNKNOWN])
def test_an_order_that_is_filled_is_over_whatever_else_is_known(stage):
    made = attempt(-30.0, stage=stage)
    assert (made.stage, made.told, made.exchange_id) == (stage, 30.0, f"x-{PLACED.label}")
    made.trade(trade(PLACED, -70.0, 2))
    assert (made.stage, made.left, made.told) == (Stage.ENDED, 0.0, 100.0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Stage.SENT, Stage.OPEN),
        (Stage.UNKNOWN, Stage.OPEN),
        (Stage.OPEN, Stage.OPEN),
        (Stage.LEAVING, Stage.LEAVING),  # its cancellation is on its way
        (Stage.COUNTING, Stage.COUNTING),  # news that are older than its end
    ],
)
def test_an_open_order(before, after):
    made = attempt(stage=before)
    made.unlisted = True
    made.order(order(PLACED, filled=20.0))
    assert (made.stage, made.told, made.unlisted) == (after, 20.0, False)
    made.order(order(PLACED, filled=10.0))  # older
    assert made.told == 20.0


def test_a_cancelled_order_is_over_once_all_its_fills_were_seen():
    made = attempt(-30.0)
    made.order(order(PLACED, "cancelled", filled=50.0, reason="user_request"))
    assert (made.stage, made.reason) == (Stage.COUNTING, "user_request")
    made.trade(trade(PLACED, -10.0, 1))
    assert made.stage is Stage.COUNTING
    made.trade(trade(PLACED, -10.0, 2))
    assert (made.stage, made.left) == (Stage.ENDED, -50.0)


@pytest.mark.parametrize("state", ["cancelled", "rejected"])
def test_an_order_without_fills_is_over_at_once_and_its_state_is_the_reason(state):
    made = attempt()
    made.order(order(PLACED, state))
    assert (made.stage, made.reason) == (Stage.ENDED, state)


def test_what_is_over_stays_as_it_is():
    made = attempt()
    made.end("the exchange does not know it")
    assert (made.over, made.reason, made.exchange_id) == (True, "the exchange does not know it", "")
    made.order(order(PLACED, filled=20.0))
    made.end("again")
    assert (made.stage, made.told, made.exchange_id) == (Stage.ENDED, 0.0, "")
    assert made.reason == "the exchange does not know it"


def test_an_end_waits_for_fills_that_are_counted():
    made = attempt()
    made.order(order(PLACED, filled=20.0))
    made.end("cancelled")
    assert made.stage is Stage.COUNTING
    made.trade(trade(PLACED, -20.0))
    assert made.over
