"""How long orders wait after refusals in a row, and what ends the pause."""

import pytest

from gammacore.daycount import NS_PER_SECOND as S
from gammacore.deribit.codes import LOCAL
from gammacore.live.refusals import FORGET_NS, Refusals

T0 = 1_000 * S
NO_FUNDS, INVALID, PRICE_TOO_HIGH = 10009, 11029, 10007


def refused(count, code=INVALID, message=""):
    refusals = Refusals()
    for _ in range(count):
        refusals.refused(code, message, T0)
    return refusals


@pytest.mark.parametrize(
    ("code", "count", "pause_s"),
    [
        *((NO_FUNDS, count, pause) for count, pause in ((1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (40, 60))),
        *((INVALID, count, pause) for count, pause in ((3, 1), (4, 2), (5, 4), (8, 32), (9, 60), (40, 60))),
    ],
)
def test_the_pause_doubles_to_a_minute_and_is_the_one_that_is_said(code, count, pause_s):
    refusals = refused(count, code)
    assert refusals.until_ns - T0 == pause_s * S
    assert refusals.waits(T0 + pause_s * S - 1)
    assert not refusals.waits(T0 + pause_s * S)
    assert refusals.reason.endswith(f", {count} in a row; the next one waits up to {pause_s} s")


@pytest.mark.parametrize(
    ("code", "count", "holds"), [(INVALID, 2, False), (INVALID, 3, True), (NO_FUNDS, 1, True)]
)
def test_a_lack_of_funds_is_a_cause_at_once_and_others_from_the_third_on(code, count, holds):
    refusals = refused(count, code)
    assert refusals.holds is holds
    assert refusals.waits(T0) is holds
    assert ("; the next one waits" in refusals.reason) is holds
    assert refusals.guard == ("no funds" if code == NO_FUNDS else "refusals")


@pytest.mark.parametrize("code", [INVALID, NO_FUNDS])
def test_an_order_that_is_accepted_ends_it(code):
    refusals = refused(5, code)
    refusals.accepted()
    assert (refusals.count, refusals.until_ns, refusals.holds) == (0, 0, False)


def test_refusals_are_forgotten_after_five_minutes_without_one():
    refusals = refused(3)
    refusals.tick(T0 + FORGET_NS)
    assert refusals.count == 3
    refusals.tick(T0 + FORGET_NS + 1)
    assert (refusals.count, refusals.until_ns) == (0, 0)


def test_a_refused_price_counts_only_after_ten_that_no_new_price_cured():
    refusals = refused(12, PRICE_TOO_HIGH)
    assert (refusals.count, refusals.holds) == (2, False)
    refusals.refused(PRICE_TOO_HIGH, "", T0)
    assert refusals.waits(T0)
    told = "the exchange refuses orders: 10007 price_too_high, 13 in a row; the next one waits up to 1 s"
    assert refusals.reason == told
    refusals.accepted()
    refusals.refused(PRICE_TOO_HIGH, "", T0)
    assert (refusals.count, refusals.in_a_row) == (0, 1)
    refusals.tick(T0 + FORGET_NS + 1)
    assert refusals.in_a_row == 0


def test_an_order_held_back_here_counts_only_if_the_exchange_did_not_refuse_before():
    refusals = refused(3, LOCAL, "the budget of requests is used up")
    assert (refusals.count, refusals.holds) == (3, True)
    assert refusals.reason.startswith("the exchange refuses orders: the budget of requests is used up, 3 in")
    refusals = refused(1, NO_FUNDS)
    refusals.refused(LOCAL, "held back", T0 + S)
    assert (refusals.count, refusals.code, refusals.until_ns) == (1, NO_FUNDS, T0 + S)
    assert refusals.reason.startswith("the exchange refuses orders: 10009 not_enough_funds, 1 in a row")
