"""What a taker of options may pay: figures at the edges of the collar."""

import math

import msgspec
import pytest

from gammacore import inverse
from gammacore.contracts import parse
from gammacore.data.listings import published
from gammacore.daycount import NS_PER_DAY, NS_PER_YEAR
from gammacore.execution.collar import Case, Collar
from gammacore.valuation import shape
from support.messages import CALL, ticker

spec_for = published().spec_for

SPEC = spec_for(CALL)
NOW = CALL.expiry_ns - 7 * NS_PER_DAY
FORWARD, VOL = 60e3, 0.5
VEGA = (
    float(inverse.greeks(1, FORWARD, 60e3, 7 * NS_PER_DAY / NS_PER_YEAR, VOL).vega) / FORWARD
)  # coin a unit


def quoted(bid, ask, mark=0.03125, vol=VOL, forward=FORWARD, option=CALL):
    return msgspec.structs.replace(ticker(option, bid, ask), mark=mark, mark_iv=vol, forward=forward)


def worst(collar, quote):
    return [collar.worst(Case(CALL, quote, SPEC, buys, True, NOW)) for buys in (True, False)]


def refusal(collar, quote, buys=True, enters=True, option=CALL):
    return collar.refusal(Case(option, quote, spec_for(option), buys, enters, NOW))


@pytest.mark.parametrize(
    ("buys", "mark", "price", "refused"),
    [
        (True, 0.03125, 0.0390625, False),  # a quarter above: floats have these figures exactly
        (True, 0.03125, 0.0390626, True),
        (False, 0.03125, 0.0234375, False),
        (False, 0.03125, 0.0234374, True),
        (True, 0.0001, 0.0004, False),  # three ticks are always allowed
        (True, 0.0001, 0.00041, True),
    ],
)
def test_the_other_sides_price_may_be_a_share_of_the_mark_away_or_three_ticks(buys, mark, price, refused):
    assert SPEC.tick_at(0.0001) == 0.0001
    quote = quoted(0.0, price, mark) if buys else quoted(price, 1.0, mark)
    said = refusal(Collar(max_above_mark=0.25), quote, buys)
    allowed = max(0.25 * mark, 3 * SPEC.tick_at(mark))
    side, edge = ("ask", mark + allowed) if buys else ("bid", mark - allowed)
    assert said == (
        f"collar: {side} {price:g} of {CALL.name} is beyond {edge:.6g}, mark {mark:g}" if refused else ""
    )


@pytest.mark.parametrize(("mark", "edges"), [(0.03125, (0.0390625, 0.0234375)), (0.0001, (0.0004, -0.0002))])
def test_the_worst_price_is_the_edge_of_the_collar(mark, edges):
    quote, collar = quoted(0.0, 1.0, mark), Collar(max_above_mark=0.25)
    assert worst(collar, quote) == pytest.approx(list(edges))


@pytest.mark.parametrize(
    ("collar", "mark"), [(Collar(max_spread=0.1), 0.03), (Collar(0.25), 0.0), (Collar(0.25), math.nan)]
)
def test_without_a_limit_or_a_mark_no_price_is_the_worst(collar, mark):
    quote = quoted(0.02, 0.05, mark)
    assert worst(collar, quote) == [
        math.inf,
        0.0,
    ]


@pytest.mark.parametrize("mark", [0.0, math.nan, math.inf])
@pytest.mark.parametrize(
    ("collar", "enters", "refused"),
    [
        (Collar(0.25), True, True),
        (Collar(max_spread=0.1), True, True),
        (Collar(), True, False),
        (Collar(0.25, 0.1), False, False),  # what is held must be closed
    ],
)
def test_without_a_mark_nothing_is_entered_that_has_limits(mark, collar, enters, refused):
    said = refusal(collar, quoted(0.02, 0.05, mark), enters=enters)
    assert said == (f"collar: {CALL.name} has no mark" if refused else "")


@pytest.mark.parametrize(("share", "refused"), [(0.999, False), (1.001, True)])
@pytest.mark.parametrize("bid", [0.025, 0.0])
def test_an_entry_is_not_taken_from_quotes_wider_than_so_many_points(share, refused, bid):
    ask = bid + share * 0.2 * VEGA
    said = refusal(Collar(max_spread=0.2), quoted(bid, ask))
    told = f"collar: {CALL.name} is quoted {bid:g} to {ask:g}, 20 points of volatility wide; at most 20"
    assert said == (told if refused else "")
    assert refusal(Collar(max_spread=0.2), quoted(bid, ask), enters=False) == ""
    assert refusal(Collar(max_above_mark=9.0), quoted(bid, ask)) == ""
    assert refusal(Collar(max_spread=0.2), quoted(math.nan if bid == 0.0 else bid, ask)) == said


def test_points_of_a_linear_option_are_in_usd():
    option = parse("BTC_USDC-16JAN26-60000-C")
    vega = float(shape(option, FORWARD, 7 * NS_PER_DAY / NS_PER_YEAR, VOL).vega)
    for share, refused in ((0.99, False), (1.01, True)):
        quote = quoted(1_500.0, 1_500.0 + share * 0.2 * vega, 1_700.0, option=option)
        assert bool(refusal(Collar(max_spread=0.2), quote, option=option)) is refused


@pytest.mark.parametrize("unknown", [{"vol": 0.0}, {"forward": 0.0}, {"vol": math.nan}])
def test_without_a_volatility_a_width_in_points_says_nothing(unknown):
    assert refusal(Collar(max_spread=0.01), quoted(0.01, 0.09, **unknown)) == ""


def test_three_ticks_of_width_are_always_allowed_and_without_vega_no_more():
    expired = CALL.expiry_ns
    for ask, refused in ((0.0004, False), (0.00045, True)):
        quote = quoted(0.0001, ask, 0.0002)
        said = Collar(max_spread=0.01).refusal(Case(CALL, quote, SPEC, True, True, expired + 1))
        assert ("inf points" in said) is refused
