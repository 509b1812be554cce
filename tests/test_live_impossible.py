"""Which trades are believed: all that happen, however far from the market, and none that cannot be."""

import math
import re

import msgspec
import pytest

from gammacore.contracts import Combo, parse
from gammacore.live.attempts import Attempt, Placed
from gammacore.live.impossible import why_impossible
from support.messages import trade

INDEX = 60_000.0
CALL, PERPETUAL, LINEAR = map(parse, ("BTC-16JAN26-60000-C", "BTC-PERPETUAL", "SOL_USDC-PERPETUAL"))


def placed(instrument, amount, limit, combo=None):
    return Placed(0, "a", "0-hedge-0", 0, instrument, amount, limit, False, False, 0, combo)


def told(instrument, amount, price, fee=0.0):
    made = trade(placed(instrument, amount, price), amount, price=price)
    return msgspec.structs.replace(made, price=price, fee=fee)


@pytest.mark.parametrize(
    ("instrument", "amount", "price", "fee", "index"),
    [
        (PERPETUAL, -1e6, 45_000.0, 0.125, INDEX),  # a liquidation in a crash, of which 0.75 % are paid
        (CALL, 5_000.0, 0.0001, 0.000_05, INDEX),
        (CALL, 1.0, 0.0, 0.0, INDEX),
        (CALL, -10.0, 0.9, 0.003, INDEX),
        (LINEAR, 1_000.0, 140.0, -70.0, 141.0),
        (PERPETUAL, 1.0, 60_000.0, 1e-6, INDEX),  # the least fee is more than 2 % of a dollar
        (PERPETUAL, 1e9, 1e12, 5.0, math.nan),  # before the first price nothing is held against it
        (PERPETUAL, 10.0, 60_000.0, math.nan, INDEX),  # the published fee is booked
    ],
)
def test_trades_that_happen(instrument, amount, price, fee, index):
    assert why_impossible(told(instrument, amount, price, fee), index, None, math.inf) == ""


@pytest.mark.parametrize(
    ("instrument", "amount", "price", "fee", "why"),
    [
        (PERPETUAL, 10.0, 200_000.0, 0.0, "at 200000, the index is 60000"),
        (CALL, 10.0, 7.0, 0.0, "at 7, the index is 60000"),
        (CALL, 10.0, -0.1, 0.0, "10 at -0.1"),
        (CALL, 10.0, math.inf, 0.0, "10 at inf"),
        (PERPETUAL, -1e12, 60_000.0, 0.0, "of 1e[+]12 USD"),
        (CALL, 1e9, 0.01, 0.0, "of 6e[+]13 USD"),
        (PERPETUAL, 1_000.0, 60_000.0, 0.001, "with a fee of 0.001 BTC"),
        (PERPETUAL, 1_000.0, 60_000.0, -math.inf, "with a fee of -inf BTC"),
    ],
)
def test_trades_that_cannot_be(instrument, amount, price, fee, why):
    found = why_impossible(told(instrument, amount, price, fee), INDEX, None, math.inf)
    assert re.fullmatch(why, found), found


def test_a_coin_of_less_than_a_dollar_has_the_same_bounds():
    coin = parse("XRP_USDC-PERPETUAL")
    assert why_impossible(told(coin, 1_000.0, 0.6), 0.5, None, math.inf) == ""
    assert why_impossible(told(coin, 1_000.0, 2.0), 0.5, None, math.inf) == "at 2, the index is 0.5"
    assert why_impossible(told(coin, 1_000.0, 0.5, 20.0), 0.5, None, math.inf) == "with a fee of 20 BTC"


@pytest.mark.parametrize(
    ("name", "limit", "near", "far"),
    [("BTC-16JAN26-60000-C", 0.03, 0.12, 0.14), ("BTC_USDC-16JAN26-60000-C", 1_800.0, 7_700.0, 7_900.0)],
)
def test_limits_of_options_are_in_their_own_currency(name, limit, near, far):
    option = parse(name)
    order = placed(option, 1.0, limit)
    assert why_impossible(told(option, 1.0, near), INDEX, order, 1.0) == ""
    assert why_impossible(told(option, 1.0, far), INDEX, order, 1.0).endswith(f"its limit is {limit:g}")


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_fill_is_within_its_order_and_near_its_limit(side):
    order = placed(PERPETUAL, side * 100.0, 60_000.0)

    def why(amount, price, left=100.0):
        return why_impossible(told(PERPETUAL, side * amount, price), INDEX, order, left)

    assert why(100.0, 60_000.0) == why(100.0, 60_000.0 - side * 20_000.0) == ""
    assert why(100.0, 60_000.0 + side * 5_000.0) == ""  # the exchange's band had moved the limit
    assert why(100.0, 60_000.0 + side * 7_000.0).endswith("its limit is 60000")
    assert why(60.0, 60_000.0, left=50.0) == "60 of an order of which 50 is left"


def test_what_is_left_of_a_combo_is_counted_leg_by_leg():
    legs = (CALL, 1), (PERPETUAL, -2)
    attempt = Attempt(placed(CALL, 10.0, 0.01, Combo("BTC-FS", legs)))
    attempt.count(4.0, CALL.name)
    assert [attempt.left_of(one.name) for one, _ in legs] == [6.0, 20.0]
    assert attempt.left_of("another") == 0.0
