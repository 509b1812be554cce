"""Where options rest: on the grid, never across, never beyond the collar; what legs know of others."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore.contracts import parse
from gammacore.data.listings import published
from gammacore.daycount import NS_PER_DAY, NS_PER_YEAR
from gammacore.daycount import NS_PER_SECOND as S
from gammacore.events import ChainSlice
from gammacore.execution.collar import Case, Collar
from gammacore.execution.options import Legs, Tactic, beginning, legs_filled, rest_price
from gammacore.execution.pricing import Pricing, Settings
from gammacore.execution.smile import FittedSmiles
from gammacore.orders import Leg, Order, Purpose
from gammacore.valuation import value
from support.messages import CALL, PUT, ticker

SPEC = published().spec_for(CALL)
POST, MID = Tactic("post", 600 * S, 30 * S, 2), Tactic("mid_then_take", 600 * S)
NOW = CALL.expiry_ns - 7 * NS_PER_DAY
TAU = 7 * NS_PER_DAY / NS_PER_YEAR


def price(tactic=POST, bid=0.0300, ask=0.0400, buys=True, last=None, worst=None):
    bound = (math.inf if buys else 0.0) if worst is None else worst
    return rest_price(tactic, ticker(CALL, bid, ask), SPEC, buys=buys, last=last, worst=bound)


@pytest.mark.parametrize(
    ("case", "at"),
    [
        ({}, 0.0300),  # joins the best on its own side
        ({"buys": False}, 0.0400),
        ({"last": 0.0300}, 0.0310),  # two ticks of 0.0005 nearer
        ({"last": 0.0320}, 0.0330),  # from where it was, others are behind
        ({"last": 0.0290}, 0.0310),  # from the best, others are ahead
        ({"last": 0.0395}, 0.0395),  # at most a tick before the other side
        ({"buys": False, "last": 0.0400}, 0.0390),
        ({"buys": False, "last": 0.0305}, 0.0305),
        ({"worst": 0.0287}, 0.0285),  # the collar, on the grid
        ({"buys": False, "worst": 0.0421}, 0.0425),
        ({"tactic": MID}, 0.0350),
        ({"tactic": MID, "ask": 0.0405}, 0.0350),  # away from the other side
        ({"tactic": MID, "ask": 0.0405, "buys": False}, 0.0355),
        ({"tactic": MID, "ask": 0.0305}, 0.0300),  # a tick wide: its own side
        ({"ask": 0.0}, 0.0300),
        ({"tactic": MID, "ask": 0.0}, None),
        ({"bid": 0.0}, None),
        ({"bid": math.nan}, None),
        ({"bid": 0.0001, "ask": 0.0001, "tactic": MID}, None),  # a tick below the ask is nothing
    ],
)
def test_the_price_to_rest_at(case, at):
    assert price(**case) == (None if at is None else pytest.approx(at, abs=1e-12))


@given(
    st.integers(1, 400), st.integers(1, 400), st.booleans(), st.sampled_from([POST, MID]),
    st.none() | st.integers(1, 800), st.none() | st.floats(0.0001, 0.2),
)  # fmt: skip
def test_what_rests_is_on_the_grid_does_not_take_and_keeps_to_the_collar(
    low, wide, buys, tactic, last, worst
):
    bid, ask = low * 0.0005, (low + wide) * 0.0005
    at = price(tactic, bid, ask, buys, None if last is None else last * 0.0005, worst)
    if at is None:
        return
    assert SPEC.round_price(at) == pytest.approx(at, abs=1e-12)
    assert at < ask if buys else at > bid
    if worst is not None:
        assert at <= worst + 1e-12 if buys else at >= worst - 1e-12


ENTRY = Order("0-entry-0", 0, Purpose.ENTRY, (Leg(CALL, 1.0), Leg(PUT, 1.0)))
EXIT = msgspec.structs.replace(ENTRY, purpose=Purpose.EXIT)
ONE = msgspec.structs.replace(ENTRY, legs=ENTRY.legs[:1])


@pytest.mark.parametrize(
    ("order", "left", "given_up", "of"),
    [
        (ENTRY, (1.0, 1.0), ("", ""), Legs.EVEN),
        (ENTRY, (0.4, 1.0), ("", ""), Legs.PARTLY),
        (ENTRY, (1.0, 0.4), ("", ""), Legs.PARTLY),
        (ENTRY, (1.0, 0.0), ("", ""), Legs.FILLED),
        (ENTRY, (1.0, 1.0), ("", "no quote"), Legs.LOST),
        (ENTRY, (1.0, 0.4), ("", "no quote"), Legs.PARTLY),
        (EXIT, (1.0, 1.0), ("", "no quote"), Legs.EVEN),
        (ONE, (0.4,), ("",), Legs.EVEN),
    ],
)
def test_a_leg_knows_what_became_of_the_others(order, left, given_up, of):
    assert legs_filled(order, left, given_up, 0) is of


def test_an_entry_begins_with_all_its_legs():
    assert list(beginning(ENTRY, 1, begun=False)) == [0, 1]
    assert list(beginning(ENTRY, 1, begun=True)) == [1]
    assert list(beginning(EXIT, 1, begun=False)) == [1]


def case(vol, buys=True, enters=True, smile=math.nan, forward=60e3):
    """The other side's best price is worth so much volatility."""
    at = float(value(CALL, 60e3, TAU, vol))
    quote = ticker(CALL, 0.0001 if buys else at, at if buys else 1.0)
    quote = msgspec.structs.replace(quote, mark=0.0335, mark_iv=0.5, forward=forward)
    return Case(CALL, quote, SPEC, buys, enters, NOW, smile)


def test_an_entry_pays_no_more_than_a_volatility_and_sells_at_no_less():
    collar = Collar(iv_limit=0.46)
    edge = float(value(CALL, 60e3, TAU, 0.46))
    assert collar.refusal(case(0.4599)) == collar.refusal(case(0.4601, buys=False)) == ""
    ask = f"{value(CALL, 60e3, TAU, 0.47):g}"
    told = f"collar: ask {ask} of {CALL.name} is beyond {edge:.6g}, at 46 % volatility"
    assert collar.refusal(case(0.47)) == told
    assert collar.refusal(case(0.45, buys=False)).endswith(f"is beyond {edge:.6g}, at 46 % volatility")
    assert collar.refusal(case(0.47, enters=False)) == ""  # what is held is closed at any volatility
    assert collar.worst(case(0.47)) == collar.worst(case(0.47, buys=False)) == pytest.approx(edge)
    assert collar.worst(case(0.47, enters=False)) == math.inf


def test_an_entry_keeps_to_the_fitted_smile():
    collar = Collar(max_from_smile=0.02)
    assert collar.refusal(case(0.499, smile=0.48)) == ""
    assert collar.refusal(case(0.501, smile=0.48)).endswith("2 points from the smile's 48.0 % volatility")
    assert collar.refusal(case(0.459, buys=False, smile=0.48)).endswith("smile's 48.0 % volatility")
    assert collar.refusal(case(0.461, buys=False, smile=0.48)) == ""


@pytest.mark.parametrize(
    ("collar", "unknown", "told"),
    [
        (Collar(iv_limit=0.46), {"forward": math.nan}, "has no forward to tell its volatility by"),
        (Collar(max_from_smile=0.02), {}, "no smile could be fitted to the expiry of"),
    ],
)
def test_a_limit_that_cannot_be_told_is_no_leave_to_pay_anything(collar, unknown, told):
    assert told in collar.refusal(case(0.4, **unknown))
    assert told in collar.unknown(case(0.4, **unknown))
    assert collar.refusal(case(0.4, enters=False, **unknown)) == ""


def test_the_tightest_limit_decides_and_bounds_what_rests_and_what_takes():
    collar = Collar(max_above_mark=0.15, iv_limit=0.46, max_from_smile=0.02)
    one = case(0.5, smile=0.42)
    bounds = [0.0335 * 1.15, value(CALL, 60e3, TAU, 0.46), value(CALL, 60e3, TAU, 0.44)]
    assert collar.worst(one) == pytest.approx(min(bounds))
    settings = Settings(True, S, 3, 5e-4, 0.5, S, collar, enter=POST)
    asked = []
    quote = msgspec.structs.replace(one.quote, bid=0.0330, ask=0.0331)

    def smile(option):
        asked.append(option)
        return 0.42

    pricing = Pricing(settings, lambda _: SPEC, {CALL: quote}, smile)
    leg = Leg(CALL, 1.0)
    rests = pricing.limit(leg, 1.0, rests=True, purpose=Purpose.ENTRY, now_ns=NOW)
    takes = pricing.limit(leg, 1.0, rests=False, purpose=Purpose.ENTRY, now_ns=NOW)
    assert rests == pytest.approx(SPEC.round_price(min(bounds), "down"))
    assert takes == pytest.approx(SPEC.round_price(0.0331, "up"))  # the ask itself, and nothing beyond it
    assert asked == [CALL, CALL]
    pricing.limit(leg, 1.0, rests=False, purpose=Purpose.EXIT, now_ns=NOW)
    assert asked == [CALL, CALL]


class Known:
    """A market with one chain, of a smile that is a parabola."""

    chain_ts_ns = NOW

    def __init__(self, strikes):
        strike = np.repeat(np.asarray(strikes, float), 2)
        kind = np.tile(np.array([1, -1], np.int8), len(strikes))
        vol = smile_at(strike)
        mark = np.array(
            [float(value(option(k, c), 60e3, TAU, v)) for k, c, v in zip(strike, kind, vol, strict=True)]
        )
        self.chain = ChainSlice(
            "BTC", CALL.settlement, 60e3, {CALL.expiry_ns: 60e3}, np.full(len(strike), CALL.expiry_ns),
            strike, kind, mark * 0.98, mark * 1.02, mark, vol,
        )  # fmt: skip


def option(strike, kind):
    return msgspec.structs.replace(CALL, strike=float(strike), kind=int(kind))


def smile_at(strike):
    return 0.45 + 0.8 * np.log(strike / 60e3) ** 2


def test_the_smile_is_fitted_to_the_last_chain_once_and_unknown_where_there_are_too_few_quotes(monkeypatch):
    market = Known(np.arange(48e3, 74e3, 2e3))
    smiles = FittedSmiles(market)
    for strike in (52e3, 60e3, 70e3):
        assert smiles(option(strike, 1)) == pytest.approx(float(smile_at(strike)), abs=0.004)
    kept = smiles._surfaces
    smiles(CALL)
    assert smiles._surfaces is kept
    market.chain = Known([58e3, 60e3, 62e3]).chain
    assert math.isnan(smiles(CALL))
    assert math.isnan(smiles(parse("BTC-25DEC26-60000-C")))
    market.chain = None
    assert math.isnan(smiles(CALL))
