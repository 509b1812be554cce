"""An order of several legs as one combo: when it is one, at which price, and what a session makes of it."""

import math

import msgspec
import pytest

from gammacore.contracts import Combo, parse
from gammacore.data.listings import published
from gammacore.daycount import NS_PER_DAY
from gammacore.deribit.codes import Fate
from gammacore.events import Rejected
from gammacore.execution.collar import Collar
from gammacore.execution.combos import ComboSeen, combined
from gammacore.execution.options import TAKE, Tactic
from gammacore.execution.pricing import Pricing, Settings
from gammacore.live.actions import CancelPlaced, MakeCombo, Place, Query, QueryKind
from gammacore.live.execution import COMBO_NS, Execution
from gammacore.orders import Leg, Order, Purpose
from support.messages import CALL, PERPETUAL, PUT, T0, S, order, ticker, trade

spec_for = published().spec_for
STRADDLE = Combo("BTC-STRD-16JAN26-60000", ((CALL, 1), (PUT, 1)))
ENTRY = Order("0-entry-0", 0, Purpose.ENTRY, (Leg(CALL, 1.5), Leg(PUT, 1.5)))
NOW = CALL.expiry_ns - 7 * NS_PER_DAY
WIDE = Collar(0.15)


def legs(*amounts, purpose=Purpose.ENTRY, limit=None):
    return Order("0-x-0", 0, purpose, tuple(Leg(*each) for each in amounts), limit)


STRIKE = parse("BTC-16JAN26-65000-C")


@pytest.mark.parametrize(
    ("order_", "count", "ratios"),
    [
        (legs((CALL, 1.5), (PUT, 1.5)), 1.5, (1, 1)),
        (legs((CALL, -0.3), (PUT, -0.3), purpose=Purpose.EXIT), -0.3, (1, 1)),
        (legs((CALL, 0.4), (PUT, 0.2)), 0.2, (2, 1)),
        (legs((CALL, 0.3), (PUT, 0.9), (STRIKE, 0.6)), 0.3, (1, 3, 2)),  # no 0.9 among floats
        (legs((CALL, 1.0), (STRIKE, -1.0)), 1.0, (1, -1)),
        (legs((CALL, -0.4), (STRIKE, 0.8), purpose=Purpose.EXIT), -0.4, (1, -2)),
        (legs((CALL, 1.0)), None, None),
        (legs((CALL, 1.0), (CALL, 1.0)), None, None),
        (legs((CALL, 1.0), (PERPETUAL, 10.0)), None, None),
        (legs((CALL, 1.0), (PUT, 1.0), purpose=Purpose.UNWIND), None, None),
        (legs((CALL, 1.0), (PUT, 1.0), limit=0.1), None, None),
    ],
)
def test_legs_are_a_number_of_combos(order_, count, ratios):
    found = combined(order_)
    if count is None:
        assert found is None
        return
    assert found.count == pytest.approx(count)
    assert found.legs == tuple((leg.instrument, r) for leg, r in zip(order_.legs, ratios, strict=True))


def seen(bid=0.0620, ask=0.0640, left=1.5, collar=WIDE, tactic=TAKE, **quotes):
    """A call of 0.0300 to 0.0320 and a put of 0.0310 to 0.0330, marks 0.0310 and 0.0320."""
    settings = Settings(True, S, 3, 5e-4, 0.05, S, collar, enter=tactic)
    known = {CALL: ticker(CALL, 0.0300, 0.0320), PUT: ticker(PUT, 0.0310, 0.0330)} | quotes.get("legs", {})
    pricing = Pricing(settings, spec_for, known)
    combos = {} if math.isnan(bid) else {STRADDLE.name: ticker(STRADDLE.name, bid, ask)}
    return ComboSeen(pricing, STRADDLE, combos, ENTRY, left, NOW, lambda: "")


def test_a_combo_is_taken_beyond_its_best_price_by_the_slippage_up_to_what_its_legs_may_cost():
    assert seen().refusal(rests=False) == ""
    assert seen().limit(False, None) == pytest.approx(0.0672)  # 5 % above 0.0640, on ticks of 0.0001
    assert seen(collar=Collar(0.03)).limit(False, None) == pytest.approx(0.0660)  # three ticks of each leg
    assert seen(left=-1.5).limit(False, None) == pytest.approx(0.0589)  # 5 % below 0.0620
    assert seen(0.0620, 0.0662, collar=Collar(0.03)).limit(False, None) == pytest.approx(0.0662)  # the best
    assert seen().spec.tick_size == 0.0001


@pytest.mark.parametrize(
    ("bid", "ask", "left", "collar", "told"),
    [
        (0.0620, 0.0651, 1.5, WIDE, "ask 0.0651 of BTC-STRD-16JAN26-60000 is worse than 0.065 for"),
        (0.0620, 0.0650, 1.5, WIDE, ""),
        (0.0609, 0.0640, -1.5, WIDE, "bid 0.0609 of BTC-STRD-16JAN26-60000 is worse than 0.061 for"),
        (0.0610, 0.0640, -1.5, WIDE, ""),
        (0.0620, 0.0, 1.5, WIDE, "no ask for BTC-STRD-16JAN26-60000"),
        (math.nan, 0.0, 1.5, WIDE, "no ask for BTC-STRD-16JAN26-60000"),
        (0.0620, 0.0640, 1.5, Collar(iv_limit=0.46), "has no forward to tell its volatility by"),
    ],
)
def test_a_combo_is_taken_where_it_is_no_worse_than_its_legs(bid, ask, left, collar, told):
    said = seen(bid, ask, left, collar).refusal(rests=False)
    assert told in said
    assert bool(told) == bool(said)


def test_a_combo_keeps_to_the_limits_of_its_legs_together():
    dear = {CALL: msgspec.structs.replace(ticker(CALL, 0.0300, 0.0420), mark=0.0310)}
    said = seen(0.0620, 0.0735, legs=dear).refusal(rests=False)
    edge = 1.15 * (0.0310 + 0.0320)
    assert said == f"collar: ask 0.0735 of {STRADDLE.name} is beyond {edge:.6g}, what its legs may cost"
    assert seen(0.0620, 0.0720, legs=dear).refusal(rests=False) == ""


SPREAD = Combo("BTC-CS-16JAN26-60000_65000", ((CALL, 1), (STRIKE, -1)))
OPPOSITE = Combo("BTC-X-16JAN26", ((CALL, -1), (STRIKE, 1)))


def spread(bid, ask, left=1.0, collar=WIDE, tactic=TAKE, combo=SPREAD):
    """A call of 0.0300 to 0.0320 less one of 0.0150 to 0.0160: 0.0140 to 0.0170 by the legs."""
    settings = Settings(True, S, 3, 5e-4, 0.05, S, collar, enter=tactic)
    known = {CALL: ticker(CALL, 0.0300, 0.0320), STRIKE: ticker(STRIKE, 0.0150, 0.0160)}
    quotes = {combo.name: ticker(combo.name, bid, ask)}
    return ComboSeen(Pricing(settings, spec_for, known), combo, quotes, ENTRY, left, NOW, lambda: "")


@pytest.mark.parametrize(
    ("seen_", "told", "limit"),
    [
        (spread(0.0145, 0.0165), "", 0.0174),  # 5 % above, on ticks of 0.0001
        (spread(0.0145, 0.0170), "", 0.0179),
        (spread(0.0145, 0.0171), "ask 0.0171 of BTC-CS-16JAN26-60000_65000 is worse than 0.017 for", 0.018),
        (spread(0.0140, 0.0165, -1.0), "", 0.0133),
        (
            spread(0.0139, 0.0165, -1.0),
            "bid 0.0139 of BTC-CS-16JAN26-60000_65000 is worse than 0.014 for",
            0.0132,
        ),
        (spread(-0.0165, -0.0145, -1.0, combo=OPPOSITE), "", -0.0174),
        (
            spread(-0.0171, -0.0145, -1.0, combo=OPPOSITE),
            "bid -0.0171 of BTC-X-16JAN26 is worse than -0.017 for",
            -0.018,
        ),
        (spread(-0.0010, 0.0, combo=OPPOSITE), "ask 0 of BTC-X-16JAN26 is beyond", 0.0),
        (spread(0.0145, math.nan), "no ask for BTC-CS", None),
    ],
)
def test_a_spread_is_taken_by_the_legs_that_it_buys_and_sells(seen_, told, limit):
    said = seen_.refusal(rests=False)
    assert told in said
    assert bool(told) == bool(said)
    found = seen_.limit(False, None)
    assert found is None if limit is None else found == pytest.approx(limit, abs=1e-12)


def test_a_spread_rests_at_negative_prices_too():
    post = Tactic("post", 60 * S, 10 * S, 2)
    assert spread(-0.0165, -0.0145, tactic=post, combo=OPPOSITE).limit(True, None) == pytest.approx(-0.0165)
    assert spread(-0.0165, -0.0145, tactic=post, combo=OPPOSITE).limit(True, -0.0165) == pytest.approx(
        -0.0163
    )
    middle = Tactic("mid_then_take", S)
    assert spread(-0.0165, -0.0145, tactic=middle, combo=OPPOSITE).limit(True, None) == pytest.approx(-0.0155)
    assert spread(math.nan, -0.0145, tactic=post, combo=OPPOSITE).limit(True, None) is None


def test_the_band_of_a_spread_holds_at_negative_prices():
    case = spread(-0.0165, -0.0145, combo=OPPOSITE)
    case.quotes[OPPOSITE.name] = msgspec.structs.replace(
        case.quotes[OPPOSITE.name], min_price=-0.03, max_price=-0.0144
    )
    assert case.limit(False, None) == pytest.approx(-0.0144)


def test_a_combo_rests_at_its_own_side_on_its_own_ticks():
    post = Tactic("post", 60 * S, 10 * S, 2)
    assert seen(tactic=post).limit(True, None) == pytest.approx(0.0620)
    assert seen(tactic=post).limit(True, 0.0620) == pytest.approx(0.0622)
    assert seen(tactic=post, left=-1.5).limit(True, None) == pytest.approx(0.0640)
    assert seen(tactic=Tactic("mid_then_take", S)).limit(True, None) == pytest.approx(0.0630)
    assert seen(math.nan, 0.0, tactic=post).limit(True, None) is None
    missing = {CALL: None}
    assert "no quote of a leg" in seen(legs=missing).refusal(rests=True)


# ---- a session -----------------------------------------------------------------------


def made(tactic=None, tries=3):
    settings = Settings(True, S, tries, 5e-4, 0.05, 5 * S, Collar(0.15), combo=True)
    if tactic is not None:
        settings = msgspec.structs.replace(settings, enter=tactic)
    execution = Execution("g1", settings, spec_for)
    execution.quote(ticker(CALL, 0.0300, 0.0320))
    execution.quote(ticker(PUT, 0.0310, 0.0330))
    return execution


def begun(execution, order_=ENTRY, quote=(0.0620, 0.0640)):
    """Submit an order and answer that its combo exists."""
    execution.submit(order_, T0)
    (asked,) = execution.actions()
    assert asked == MakeCombo(order_.order_id, ((CALL, 1), (PUT, 1)))
    execution.quote(ticker(STRADDLE.name, *quote))
    execution.combo_made(order_.order_id, STRADDLE, "", T0)
    return [a.placed for a in execution.actions() if isinstance(a, Place)]


def leg_trade(p, leg, amount, number):
    news = trade(p, amount, number=number)
    return msgspec.structs.replace(news, instrument=leg, order_id=f"leg-{leg.kind}", price=0.0315)


def told(execution):
    return [event for _, event in execution.events()]


def test_an_entry_is_one_order_for_the_combo_and_its_legs_are_booked():
    execution = made()
    (p,) = begun(execution)
    assert (p.traded, p.amount, p.limit, p.rests) == (STRADDLE.name, 1.5, pytest.approx(0.0672), False)
    assert execution.instruments == {CALL, PUT, STRADDLE.name}
    whole = msgspec.structs.replace(trade(p, 1.5), instrument=STRADDLE.name)
    execution.trade(whole, T0)  # the combo's own trade moves nothing
    execution.trade(leg_trade(p, CALL, 1.5, 2), T0)
    execution.trade(leg_trade(p, PUT, 1.0, 3), T0)
    assert execution.busy
    execution.trade(leg_trade(p, PUT, 0.5, 4), T0)
    facts = execution.events()
    assert [(f.leg, f.amount) for f, _ in facts] == [(CALL.name, 1.5), (PUT.name, 1.0), (PUT.name, 0.5)]
    fills = [event for _, event in facts]
    assert [(f.instrument, f.amount, f.last) for f in fills] == [
        (CALL, 1.5, False),
        (PUT, 1.0, False),
        (PUT, 0.5, True),
    ]
    assert not execution.busy


@pytest.mark.parametrize(("listed", "amount", "limit"), [(SPREAD, 0.5, 0.0174), (OPPOSITE, -0.5, -0.0174)])
def test_a_spread_trades_as_the_exchange_lists_it(listed, amount, limit):
    execution = made()
    execution.quote(ticker(STRIKE, 0.0150, 0.0160))
    wanted = legs((CALL, 0.5), (STRIKE, -0.5))
    execution.submit(wanted, T0)
    assert execution.actions() == [MakeCombo(wanted.order_id, ((CALL, 1), (STRIKE, -1)))]
    execution.quote(ticker(listed.name, *((0.0145, 0.0165) if listed is SPREAD else (-0.0165, -0.0145))))
    execution.combo_made(wanted.order_id, listed, "", T0)
    (p,) = [a.placed for a in execution.actions() if isinstance(a, Place)]
    assert (p.traded, p.amount, p.limit) == (listed.name, amount, pytest.approx(limit))
    execution.trade(leg_trade(p, CALL, 0.5, 1), T0)
    execution.trade(leg_trade(p, STRIKE, -0.5, 2), T0)
    assert [(e.instrument, e.amount, e.last) for e in told(execution)] == [
        (CALL, 0.5, False),
        (STRIKE, -0.5, True),
    ]
    assert not execution.busy


def test_what_is_left_of_a_combo_is_tried_again_and_then_given_up():
    execution = made(tries=2)
    (p,) = begun(execution)
    execution.order(order(p, "cancelled", 0.5, reason="immediate_or_cancel"), T0)
    assert not [a for a in execution.actions() if isinstance(a, Place)]  # trades of its legs are awaited
    execution.trade(leg_trade(p, CALL, 0.5, 1), T0)
    execution.trade(leg_trade(p, PUT, 0.5, 2), T0)
    execution.tick(T0 + S)
    (second,) = [a.placed for a in execution.actions() if isinstance(a, Place)]
    assert (second.traded, second.amount, second.label) == (STRADDLE.name, 1.0, "g1-0-entry-0-c-1")
    execution.order(order(second, "cancelled", 0.0, reason="immediate_or_cancel"), T0 + S)
    execution.tick(T0 + 10 * S)
    end = told(execution)[-1]
    assert (type(end), end.reason) == (Rejected, "immediate_or_cancel")
    assert not execution.busy


@pytest.mark.parametrize(
    "what", ["refused", "inactive", "other legs", "no answer", "dear", "no quote", "no funds"]
)
def test_without_a_combo_the_legs_are_worked(what):
    execution = made()
    execution.submit(ENTRY, T0)
    execution.actions()
    at = T0
    if what == "no answer":
        execution.tick(T0 + COMBO_NS - 1)
        assert not execution.actions()
        at = T0 + COMBO_NS
        execution.tick(at)
    elif what in ("dear", "no quote", "no funds"):
        if what != "no quote":
            execution.quote(ticker(STRADDLE.name, 0.0620, 0.0640 if what == "no funds" else 0.0660))
        execution.combo_made(ENTRY.order_id, STRADDLE, "", T0)
        if what == "no funds":
            (p,) = [a.placed for a in execution.actions() if isinstance(a, Place)]
            execution.refused(p.label, Fate.REJECTED, "not_enough_funds", T0, hopeless=True)
        else:
            assert not execution.actions()
            at = T0 + COMBO_NS
            execution.tick(at)
    else:
        other = Combo("BTC-CS-16JAN26-60000_65000", ((CALL, 1), (STRIKE, -1)))
        execution.combo_made(ENTRY.order_id, other if what == "other legs" else None, what, T0)
    sent = [a.placed for a in execution.actions() if isinstance(a, Place)]
    assert [(p.traded, p.amount, p.label) for p in sent] == [
        (CALL, 1.5, "g1-0-entry-0-0-0"),
        (PUT, 1.5, "g1-0-entry-0-1-0"),
    ]
    execution.combo_made(ENTRY.order_id, STRADDLE, "", at)  # too late
    assert not execution.actions()


def test_a_combo_that_rests_comes_nearer_and_is_given_up_with_its_legs():
    execution = made(Tactic("post", 60 * S, 10 * S, 2))
    (p,) = begun(execution)
    assert (p.limit, p.rests) == (pytest.approx(0.0620), True)
    execution.order(order(p), T0)
    execution.tick(T0 + 10 * S)
    assert CancelPlaced(p.label, f"x-{p.label}") in execution.actions()
    execution.order(order(p, "cancelled"), T0 + 10 * S)
    (nearer,) = [a.placed for a in execution.actions() if isinstance(a, Place)]
    assert nearer.limit == pytest.approx(0.0622)
    execution.order(order(nearer), T0 + 10 * S)
    execution.tick(T0 + 60 * S)
    execution.order(order(nearer, "cancelled"), T0 + 60 * S)
    (end,) = told(execution)
    assert end.reason == "not filled at rest within 60 s"
    assert not execution.busy


def test_a_combo_in_doubt_is_asked_for_and_its_trades_by_their_currency():
    execution = made()
    (p,) = begun(execution)
    execution.disconnected(T0)
    execution.tick(T0 + 7 * S)
    (asked,) = execution.actions()
    assert (asked.kind, asked.label) == (QueryKind.STATE, p.label)
    execution.looked_up(p.label, [order(p, "cancelled", 1.5)], T0 + 7 * S)
    execution.tick(T0 + 10 * S)
    (asked,) = [a for a in execution.actions() if isinstance(a, Query)]
    assert asked.kind is QueryKind.TRADES  # trades of legs have ids of their own
    execution.trade(leg_trade(p, CALL, 1.5, 1), T0 + 10 * S)
    execution.trade(leg_trade(p, PUT, 1.5, 2), T0 + 10 * S)
    assert [e.last for e in told(execution)] == [False, True]
    assert not execution.busy


@pytest.mark.parametrize("filled", [0.0, 0.5, 1.5])
def test_a_restart_takes_up_a_combo_and_works_what_is_left_by_its_legs(filled):
    first = made()
    (p,) = begun(first)
    booked = []
    if filled:
        first.trade(leg_trade(p, CALL, filled, 1), T0)
        booked = [fact for fact, _ in first.events()]
    left = ENTRY.without(CALL, filled) if filled else ENTRY
    second = made()
    second.restore([left], [p], booked)
    second.tick(T0 + 7 * S)
    (asked,) = [a for a in second.actions() if isinstance(a, Query)]
    assert asked.label == p.label
    second.looked_up(p.label, [order(p, "cancelled", filled, reason="immediate_or_cancel")], T0 + 7 * S)
    if filled:
        second.trade(leg_trade(p, PUT, filled, 2), T0 + 7 * S)
    second.tick(T0 + 8 * S)
    sent = [a.placed for a in second.actions() if isinstance(a, Place)]
    rest = 1.5 - filled
    assert [(s.traded, s.amount) for s in sent] == ([(CALL, rest), (PUT, rest)] if rest else [])
    assert second.busy is bool(rest)


def test_nothing_is_made_where_nothing_may_be_sent():
    execution = made()
    execution.forbidden = lambda order: "risk: too much"
    execution.submit(ENTRY, T0)
    execution.tick(T0 + COMBO_NS)
    assert not [a for a in execution.actions() if isinstance(a, MakeCombo | Place)]
