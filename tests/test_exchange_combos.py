"""Combos at the local exchange: what is listed, quoted, refused, filled leg by leg and told."""

import math
import random
import re
from decimal import Decimal

import pytest

from gammacore.contracts import CALL, PUT, parse_combo
from gammacore.data.schemas import IS_COMBO
from gammacore.daycount import NS_PER_DAY, NS_PER_MILLISECOND, parse_time
from gammacore.errors import ContractError
from gammacore.exchange.combos import leg_prices
from gammacore.exchange.invariants import assert_invariants
from gammacore.exchange.saved_state import load, save
from support.local_exchange import Client, make

START_NS = parse_time("2026-11-26T07:59:10Z")
EIGHT_MS = parse_time("2026-11-26T08:00") // NS_PER_MILLISECOND
CLIENTS = {"gammacore": "local", "other": "local"}
CHANNELS = ["user.changes.any.any.raw", "user.combo_trades.option_combo.BTC.raw", "user.orders.any.any.raw"]


def exact(number):
    return Decimal(repr(number))


@pytest.fixture
def client():
    return Client(make(flow_per_minute=0.0, start_ns=START_NS, expiries=3, clients=CLIENTS))


def to_eight(client):
    """Let the earliest options be delivered; what is said meanwhile is in the client's notes."""
    for _ in range(2):
        client.wait(26)
        client.call("public/test")


def chain(client, family="BTC", back=1):
    """Options of a late expiry by type and rank of the strike, as names."""
    chains = client.exchange.floor.catalog.chains
    expiry = sorted(when for name, when in chains if name == family)[-back]
    found = {CALL: [], PUT: []}
    for listing in chains[family, expiry]:
        found[listing.instrument.kind].append(listing.name)
    return found


def straddle(client, family="BTC"):
    found = chain(client, family)
    middle = len(found[CALL]) // 2
    return {found[CALL][middle]: 1, found[PUT][middle]: 1}


def spread(client):
    found = chain(client)[CALL]
    return {found[2]: 1, found[4]: -1}


def trades_of(legs):
    return [
        {"instrument_name": name, "amount": abs(ratio), "direction": "buy" if ratio > 0 else "sell"}
        for name, ratio in legs.items()
    ]


def create(client, legs):
    return client.call("private/create_combo", trades=trades_of(legs))["id"]


def quoted(client, name):
    ticker = client.call("public/ticker", instrument_name=name)
    return ticker["best_bid_price"], ticker["best_ask_price"]


def send(client, side, name, price, amount=0.3, **params):
    named = {"instrument_name": name, "amount": amount, "price": price}
    return client.call(f"private/{side}", **named | params)


def summed(ratios, legs):
    """Price that prices of legs add up to, exactly."""
    return sum(ratios[leg["instrument_name"]] * exact(leg["price"]) for leg in legs)


# Listing


def test_a_combo_is_made_once_whichever_way_it_is_asked_for(client):
    legs = straddle(client)
    client.call("private/subscribe", channels=["instrument.state.option_combo.BTC"])
    made = client.call("private/create_combo", trades=trades_of(legs))
    assert {leg["instrument_name"]: leg["amount"] for leg in made["legs"]} == legs
    assert (made["state"], made["creation_timestamp"]) == ("active", START_NS // NS_PER_MILLISECOND)
    sold = {name: -3 * ratio for name, ratio in legs.items()}
    assert client.call("private/create_combo", trades=trades_of(sold)) == made
    texts = [{**trade, "amount": "1"} for trade in trades_of(legs)]
    assert client.call("private/create_combo", trades=texts) == made
    (told,) = client.on("instrument.state.option_combo.BTC")
    assert (told["instrument_name"], told["state"]) == (made["id"], "created")
    assert client.call("public/get_combos", currency="BTC") == [made]
    assert client.call("public/get_combos", currency="USDC") == []
    assert client.call("public/get_combo_ids", currency="BTC") == [made["id"]]
    assert client.call("public/get_combo_ids", currency="BTC", state="inactive") == []
    assert client.call("public/get_combo_details", combo_id=made["id"]) == made
    error = client.error("public/get_combo_details", combo_id="BTC-PERPETUAL")
    assert (error["code"], error["data"]["param"]) == (-32602, "combo_id")


def shapes(client):
    near, late = chain(client, back=2), chain(client)
    (c, p), middle = (late[CALL], late[PUT]), len(late[CALL]) // 2
    far = c[middle].split("-")[1]
    strike = c[middle].split("-")[2]
    sooner = [next(n for n in near[kind] if n.split("-")[2] == strike) for kind in (CALL, PUT)]
    other = next(n for n in near[CALL] if n.split("-")[2] != strike)
    yield {c[0]: 1, p[0]: 1}
    yield {p[0]: 1, c[3]: 1}
    yield {c[0]: 1, p[0]: -1}
    yield {c[3]: 1, p[0]: -1}
    yield {c[0]: 1, c[3]: -1}
    yield {p[3]: 1, p[0]: -1}
    for a, b in ((1, 2), (1, 3), (2, 3)):
        yield {c[0]: a, c[3]: -b}
        yield {p[3]: a, p[0]: -b}
    for one in (c, p):
        yield {one[0]: 1, one[2]: -2, one[3]: 1}
        yield {one[0]: 1, one[1]: -1, one[2]: -1, one[3]: 1}
    yield {p[0]: 1, p[2]: -1, c[2]: -1, c[4]: 1}
    yield {p[0]: 1, p[1]: -1, c[3]: -1, c[4]: 1}
    yield {c[0]: 1, c[2]: -1, p[0]: -1, p[2]: 1}
    yield {c[middle]: 1, sooner[0]: -1}
    yield {p[middle]: 1, sooner[1]: -1}
    yield {c[middle]: 1, other: -1}
    yield {f"BTC-{far}": 1, "BTC-PERPETUAL": -1}
    yield {f"BTC-{far}": 1, f"BTC-{other.split('-')[1]}": -1}


def test_the_names_that_it_gives_are_read_as_the_legs_that_it_was_given(client):
    codes = set()
    for legs in shapes(client):
        for side in (-1, 1):
            name = create(client, {leg: side * ratio for leg, ratio in legs.items()})
            combo = parse_combo(name)
            assert {leg.name: ratio for leg, ratio in combo.legs} == legs
            row = client.call("public/get_instrument", instrument_name=name)
            assert row["kind"] == combo.kind
            codes.add(name.split("-")[1])
    assert len(codes) == 23
    for kind, count in (("option_combo", 22), ("future_combo", 2)):
        rows = client.call("public/get_instruments", currency="BTC", kind=kind)
        assert len(rows) == count, kind
        assert {row["tick_size"] for row in rows} == {0.0001 if kind == "option_combo" else 0.5}
        assert {row["taker_commission"] for row in rows} == {0.0}
    assert all(
        row["kind"] == "option"
        for row in client.call("public/get_instruments", currency="BTC", kind="option")
    )


def test_legs_without_a_code_of_their_own_make_a_combo_all_the_same(client):
    calls = chain(client)[CALL]
    legs = {calls[0]: 1, calls[1]: 2, calls[3]: -4}
    name = create(client, legs)
    assert name.startswith("BTC-CUSTOM-")
    assert re.search(IS_COMBO, name)
    with pytest.raises(ContractError, match="take its legs from the exchange"):
        parse_combo(name)
    assert create(client, legs) == name
    _, ask = quoted(client, name)
    (trade,) = send(client, "buy", name, ask)["trades"]
    assert summed(legs, trade["legs"]) == exact(trade["price"])
    dates = [{n.split("-")[2]: n[:-1] for n in chain(client, back=back)[CALL]} for back in (1, 2, 3)]
    low, high = sorted(set.intersection(*map(set, dates)), key=float)[:2]
    late, near, soon = dates
    box = {f"{late[low]}C": 1, f"{soon[high]}C": -1, f"{near[low]}P": -1, f"{soon[high]}P": 1}
    assert create(client, box).startswith("BTC-CUSTOM-")  # of three dates


INVALID = -32602


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        (lambda t: t[:1], INVALID, "trades"),
        (lambda t: [t[0], t[0]], INVALID, "trades"),
        (lambda t: [], INVALID, "trades"),
        (lambda t: "nonsense", INVALID, "trades"),
        (lambda t: [t[0], 5], INVALID, "trades"),
        (lambda t: [t[0], t[1] | {"instrument_name": "BTC-1JAN30-5-C"}], INVALID, "instrument_name"),
        (lambda t: [t[0], t[1] | {"instrument_name": "BTC-PERPETUAL"}], INVALID, "trades"),
        (lambda t: [t[0], t[1] | {"amount": 0.5}], INVALID, "amount"),
        (lambda t: [t[0], t[1] | {"amount": 0}], INVALID, "amount"),
        (lambda t: [t[0], t[1] | {"amount": -1}], INVALID, "amount"),
        (lambda t: [t[0], t[1] | {"amount": 11}], INVALID, "amount"),
        (lambda t: [t[0], t[1] | {"direction": "up"}], INVALID, "direction"),
        (lambda t: [t[0], {"amount": 1, "direction": "buy"}], INVALID, "instrument_name"),
    ],
)
def test_trades_that_make_no_combo_are_refused(client, change, code, param):
    error = client.error("private/create_combo", trades=change(trades_of(straddle(client))))
    assert (error["code"], error["data"]["param"]) == (code, param)


def test_legs_of_two_families_combos_and_past_contracts_are_refused(client):
    inverse, linear = straddle(client), straddle(client, "BTC_USDC")
    mixed = dict([*list(inverse.items())[:1], *list(linear.items())[:1]])
    assert client.error("private/create_combo", trades=trades_of(mixed))["data"]["param"] == "trades"
    nested = {create(client, inverse): 1, **mixed}
    error = client.error("private/create_combo", trades=trades_of(nested))
    assert (error["code"], error["data"]["param"]) == (INVALID, "instrument_name")
    soon = {chain(client, back=3)[kind][3]: 1 for kind in (CALL, PUT)}
    to_eight(client)
    assert client.error("private/create_combo", trades=trades_of(soon))["code"] == 10020
    assert Client(client.exchange, login=None).error("private/create_combo", trades=[])["code"] == 13009


# Quotes


@pytest.mark.parametrize("legs_of", [straddle, spread])
def test_the_book_stands_around_the_sum_of_the_marks(client, legs_of):
    legs = legs_of(client)
    name = create(client, legs)
    ticker = client.call("public/ticker", instrument_name=name)
    marks, widths = [], []
    for leg, ratio in legs.items():
        listing = client.exchange.floor.find(leg)
        mark = client.exchange.floor.pricing.mark(listing)
        marks.append((ratio, mark))
        widths.append(abs(ratio) * 2.0 * client.exchange.floor.pricing.half_spread(listing))
    total = math.fsum(ratio * mark.price for ratio, mark in marks)
    assert ticker["mark_price"] == pytest.approx(total, abs=1e-8)
    assert ticker["mark_iv"] == pytest.approx(
        100.0 * sum(ratio * mark.vol for ratio, mark in marks), abs=0.02
    )
    assert ticker["greeks"]["delta"] == pytest.approx(sum(r * m.delta for r, m in marks), abs=1e-5)
    assert ticker["best_bid_price"] < ticker["mark_price"] < ticker["best_ask_price"]
    width = ticker["best_ask_price"] - ticker["best_bid_price"]
    assert 0.6 * sum(widths) - 1e-9 <= width <= 0.6 * sum(widths) + 2e-4
    book = client.call("public/get_order_book", instrument_name=name)
    assert [level[0] for level in book["asks"]] == sorted(level[0] for level in book["asks"])
    (summary,) = client.call("public/get_book_summary_by_instrument", instrument_name=name)
    assert summary["ask_price"] == ticker["best_ask_price"]


def test_what_is_about_contracts_is_refused_for_combos(client):
    name = create(client, straddle(client))
    for method in ("private/get_position", "private/get_margins", "public/get_tradingview_chart_data"):
        assert client.error(method, instrument_name=name, amount=1, price=0.1)["code"] == 10020
    error = client.error("private/simulate_portfolio", currency="BTC", simulated_positions={name: 1})
    assert error["code"] == INVALID
    assert name.split("-")[1] not in str(client.call("public/get_expirations", currency="any"))


# Orders and fills


def test_a_fill_is_one_trade_of_the_combo_and_one_of_each_leg(client):
    legs = straddle(client)
    name = create(client, legs)
    client.call("private/subscribe", channels=CHANNELS)
    _, ask = quoted(client, name)
    answer = send(client, "buy", name, ask, label="mine")
    (trade,) = answer["trades"]
    assert (trade["instrument_name"], trade["price"], trade["amount"]) == (name, ask, 0.3)
    assert (trade["fee"], trade["profit_loss"], trade["trade_seq"]) == (0.0, None, 1)
    assert summed(legs, trade["legs"]) == exact(ask)
    assert {leg["combo_trade_id"] for leg in trade["legs"]} == {trade["trade_id"]}
    assert {(leg["combo_id"], leg["label"], leg["state"]) for leg in trade["legs"]} == {
        (name, "mine", "filled")
    }
    assert len({trade["order_id"], *(leg["order_id"] for leg in trade["legs"])}) == 3
    assert len({trade["trade_id"], *(leg["trade_id"] for leg in trade["legs"])}) == 3
    # the combo first, then its legs in their order; each leg with its position
    changes = client.on(CHANNELS[0])
    assert [change["instrument_name"] for change in changes] == [name, *legs]
    assert (changes[0]["trades"], changes[0]["positions"]) == ([trade], [])
    for change in changes[1:]:
        assert change["orders"] == []
        assert change["trades"][0] in trade["legs"]
        assert change["positions"][0]["size"] == 0.3
    assert client.on(CHANNELS[1]) == [[trade]]
    assert [order["instrument_name"] for order in client.on(CHANNELS[2])] == [name]
    assert {p["instrument_name"] for p in client.call("private/get_positions", currency="BTC")} == set(legs)
    found = client.call("private/get_user_trades_by_order", order_id=trade["legs"][0]["order_id"])
    assert found == trade["legs"][:1]
    public = client.call("public/get_last_trades_by_instrument", instrument_name=name)["trades"][0]
    assert [leg["price"] for leg in public["legs"]] == [leg["price"] for leg in trade["legs"]]
    assert "order_id" not in public["legs"][0]
    leg = client.call("public/get_last_trades_by_instrument", instrument_name=next(iter(legs)))["trades"][0]
    assert (leg["combo_id"], leg["combo_trade_id"]) == (name, trade["trade_id"])
    assert_invariants(client.exchange.floor)


def test_a_straddle_has_one_direction_and_no_discount(client):
    name = create(client, straddle(client))
    bid, _ = quoted(client, name)
    (trade,) = send(client, "sell", name, bid, amount=0.3)["trades"]
    assert [leg["fee"] for leg in trade["legs"]] == [9e-5, 9e-5]  # 0.3 times 0.0003
    balance = client.call("private/get_account_summary", currency="BTC")["balance"]
    assert exact(balance) == 10 + Decimal("0.3") * exact(bid) - 2 * Decimal("9e-5")


def test_a_taker_pays_nothing_on_the_cheaper_direction(client):
    calls = chain(client)[CALL]
    legs = {calls[0]: 1, calls[1]: -2}
    name = create(client, legs)
    _, ask = quoted(client, name)
    (trade,) = send(client, "buy", name, ask, amount=0.3)["trades"]
    fees = {leg["instrument_name"]: leg["fee"] for leg in trade["legs"]}
    assert all(leg["price"] > 0.0024 for leg in trade["legs"])  # below it the cap counts
    assert fees == {
        calls[0]: 0.0,
        calls[1]: 1.8e-4,
    }  # 0.3 and 0.6 coins at 0.0003: the bought ones are cheaper
    assert {leg["instrument_name"]: leg["amount"] for leg in trade["legs"]} == {calls[0]: 0.3, calls[1]: 0.6}
    row = client.call("private/get_transaction_log", currency="BTC", start_timestamp=0, end_timestamp=2**43)
    trades = [entry for entry in row["logs"] if entry["type"] == "trade"]
    assert {entry["instrument_name"] for entry in trades} == set(legs)  # the combo's own moves nothing
    assert sum(exact(entry["change"]) for entry in trades) == -Decimal("0.3") * exact(ask) - Decimal("1.8e-4")


def test_a_futures_spread_is_free_on_its_cheaper_leg(client):
    future = "-".join(chain(client)[CALL][0].split("-")[:2])
    legs = {future: 1, "BTC-PERPETUAL": -1}
    name = create(client, legs)
    bid, ask = quoted(client, name)
    assert ask - bid < 3.0
    trade, *_ = send(client, "buy", name, ask, amount=10_000)["trades"]
    assert summed(legs, trade["legs"]) == exact(ask)
    by_name = {leg["instrument_name"]: leg for leg in trade["legs"]}
    dear, cheap = sorted(by_name, key=lambda leg: by_name[leg]["price"])
    assert by_name[cheap]["fee"] == 0.0
    owed = Decimal("0.00035") * exact(trade["amount"]) / exact(by_name[dear]["price"])
    assert exact(by_name[dear]["fee"]) == owed.quantize(Decimal("1e-8"))
    assert_invariants(client.exchange.floor)


def test_prices_below_zero(client):
    found = chain(client)
    middle = len(found[CALL]) // 2
    legs = {
        found[PUT][middle - 1]: 1,
        found[PUT][middle]: -1,
        found[CALL][middle]: -1,
        found[CALL][middle + 1]: 1,
    }
    name = create(client, legs)
    assert "-IBUT-" in name
    bid, ask = quoted(client, name)
    assert bid < ask < 0.0
    order = send(client, "buy", name, ask)["order"]
    assert (order["order_state"], order["average_price"]) == ("filled", ask)
    order = send(client, "buy", name, round(bid - 0.001, 4), post_only=True)["order"]
    assert (order["order_state"], order["price"]) == ("open", round(bid - 0.001, 4))
    assert client.call("public/ticker", instrument_name=name)["stats"]["low"] == ask
    leg = found[CALL][0]
    error = client.error("private/buy", instrument_name=leg, amount=0.3, price=-0.01)
    assert (error["code"], error["data"]) == (
        INVALID,
        {"reason": "must be a positive number", "param": "price"},
    )
    name = create(client, straddle(client))  # every leg costs something
    error = client.error("private/buy", instrument_name=name, amount=0.3, price=0.0)
    assert error["data"] == {"reason": "must be a positive number", "param": "price"}
    error = client.error("private/buy", instrument_name=name, amount=0.3, price=0.0001)
    assert (error["code"], error["data"]["reason"]) == (10005, "price_too_low 0.0002")
    error = client.error("private/buy", instrument_name=name, amount=0.3, price=0.9)
    assert error["code"] == 10007
    error = client.error("private/buy", instrument_name=name, amount=0.3, price=0.01005)
    assert error["data"]["reason"] == "must conform to tick size"
    assert_invariants(client.exchange.floor)


def test_orders_rest_are_edited_and_cancelled_in_the_book_of_the_combo(client):
    legs = straddle(client)
    name = create(client, legs)
    bid, ask = quoted(client, name)
    client.call("private/subscribe", channels=[f"book.{name}.raw", f"user.orders.{name}.raw"])
    order = send(client, "buy", name, bid, post_only=True, label="rests")["order"]
    assert order["order_state"] == "open"
    (shown,) = client.call("private/get_open_orders")
    assert (shown["instrument_name"], shown["label"]) == (name, "rests")
    (shown,) = client.call("private/get_open_orders_by_currency", currency="BTC", kind="option_combo")
    assert client.call("private/get_open_orders_by_currency", currency="BTC", kind="option") == []
    edited = client.call("private/edit", order_id=order["order_id"], amount=0.5, price=round(bid + 0.0001, 4))
    assert (edited["order"]["amount"], edited["order"]["price"]) == (0.5, round(bid + 0.0001, 4))
    levels = [level for data in client.on(f"book.{name}.raw") for level in data["bids"]]
    assert ["new", round(bid + 0.0001, 4), 0.5] in levels
    assert client.call("private/cancel", order_id=order["order_id"])["order_state"] == "cancelled"
    inside = send(client, "buy", name, bid, time_in_force="immediate_or_cancel")["order"]
    assert (inside["order_state"], inside["filled_amount"]) == ("cancelled", 0.0)
    order = send(client, "buy", name, ask, post_only=True)["order"]
    assert order["price"] < ask  # moved to stay out of the ask
    error = client.error("private/buy", instrument_name=name, amount=1, price=ask, reduce_only=True)
    assert error["code"] == 11030
    assert client.on(f"user.orders.{name}.raw")[-1]["order_state"] == "open"
    assert client.call("private/get_user_trades_by_currency", currency="BTC")["trades"] == []
    assert_invariants(client.exchange.floor)


def test_a_resting_order_is_filled_in_parts_under_the_same_leg_orders(client):
    legs = straddle(client)
    name = create(client, legs)
    bid, ask = quoted(client, name)
    order = send(client, "buy", name, round((bid + ask) / 2.0, 4), amount=1.0, label="rests", post_only=True)
    other = Client(client.exchange, login="other")
    for amount in (0.2, 0.8):
        send(other, "sell", name, order["order"]["price"], amount=amount)
    trades = client.call("private/get_user_trades_by_order", order_id=order["order"]["order_id"])
    assert [(t["amount"], t["state"], t["liquidity"]) for t in trades] == [
        (0.2, "open", "M"),
        (0.8, "filled", "M"),
    ]
    for k in range(2):
        parts = [trade["legs"][k] for trade in trades]
        assert len({part["order_id"] for part in parts}) == 1
        assert [part["state"] for part in parts] == ["open", "filled"]
        assert {part["label"] for part in parts} == {"rests"}
    assert {p["size"] for p in client.call("private/get_positions", currency="BTC")} == {1.0}
    assert_invariants(client.exchange.floor)


def test_margin_of_an_open_order_is_that_of_its_legs(client):
    legs = straddle(client)
    name = create(client, legs)
    bid, _ = quoted(client, name)
    send(client, "buy", name, bid, amount=1.0, post_only=True)
    summary = client.call("private/get_account_summary", currency="BTC")
    assert summary["initial_margin"] == pytest.approx(bid, abs=1e-8)  # the premium of both options
    client.call("private/cancel_all")
    client.call(
        "private/sell", instrument_name=name, amount=1.0, price=quoted(client, name)[1], post_only=True
    )
    needed = client.call("private/get_account_summary", currency="BTC")["initial_margin"]
    client.call("private/cancel_all")
    for leg in legs:
        _, ask = quoted(client, leg)
        client.call("private/sell", instrument_name=leg, amount=1.0, price=ask, post_only=True)
    single = client.call("private/get_account_summary", currency="BTC")["initial_margin"]
    assert needed == pytest.approx(single, abs=1e-8)
    assert needed > 0.1
    error = client.error("private/sell", instrument_name=name, amount=200.0, price=quoted(client, name)[0])
    assert error["code"] == 10009


@pytest.mark.parametrize("model", ["segregated_pm", "cross_pm"])
def test_portfolio_margin_takes_orders_of_combos_by_their_legs(model):
    client = Client(make(flow_per_minute=0.0, margin_model=model))
    name = create(client, straddle(client))
    before = client.call("private/get_account_summary", currency="BTC")["initial_margin"]
    client.call(
        "private/sell", instrument_name=name, amount=5.0, price=quoted(client, name)[1], post_only=True
    )
    assert client.call("private/get_account_summary", currency="BTC")["initial_margin"] > before


def test_a_combo_ends_with_its_first_leg(client):
    soon = chain(client, back=3)
    legs = {soon[CALL][3]: 1, soon[PUT][3]: 1}
    name = create(client, legs)
    _, ask = quoted(client, name)
    send(client, "buy", name, ask)
    send(client, "sell", name, round(ask + 0.01, 4), post_only=True)
    client.call(
        "private/subscribe", channels=[f"user.orders.{name}.raw", "instrument.state.option_combo.any"]
    )
    to_eight(client)
    assert client.on(f"user.orders.{name}.raw")[-1]["order_state"] == "cancelled"
    assert client.on("instrument.state.option_combo.any")[-1]["state"] == "closed"
    assert client.call("public/get_combo_details", combo_id=name)["state"] == "inactive"
    assert client.call("public/get_combo_details", combo_id=name)["state_timestamp"] == EIGHT_MS
    settled = client.call("public/get_last_settlements_by_instrument", instrument_name=name)["settlements"]
    assert settled == []  # its legs were delivered
    assert client.call("public/get_combos", currency="BTC") == []
    assert client.call("public/get_combo_ids", currency="BTC", state="inactive") == [name]
    expired = client.call("public/get_instruments", currency="BTC", kind="option_combo", expired=True)
    assert [row["instrument_name"] for row in expired] == [name]
    client.wait(10)
    assert client.error("private/buy", instrument_name=name, amount=0.3, price=0.01)["code"] == 10020
    assert client.call("private/get_positions", currency="BTC") == []
    assert_invariants(client.exchange.floor)
    client.exchange.floor.catalog.refresh(START_NS + 3 * NS_PER_DAY)
    assert client.exchange.floor.find(name) is None


def test_options_in_usdc(client):
    legs = straddle(client, "BTC_USDC")
    name = create(client, legs)
    assert name.startswith("BTC_USDC-STRD-")
    _, ask = quoted(client, name)
    (trade,) = send(client, "buy", name, ask, amount=0.05)["trades"]
    assert summed(legs, trade["legs"]) == exact(ask)
    assert ask % 5.0 == 0.0
    assert {leg["fee_currency"] for leg in trade["legs"]} == {"USDC"}
    assert client.call("public/get_combo_ids", currency="USDC") == [name]
    assert_invariants(client.exchange.floor)


def test_a_saved_exchange_keeps_its_combos(client, tmp_path):
    legs = spread(client)
    name = create(client, legs)
    bid, ask = quoted(client, name)
    send(client, "buy", name, ask)
    send(client, "buy", name, bid, post_only=True, amount=0.7)
    save(client.exchange, tmp_path / "state.json")
    again = Client(load(tmp_path / "state.json"))
    assert again.call("public/get_combo_details", combo_id=name)["legs"] == [
        {"instrument_name": leg, "amount": ratio} for leg, ratio in legs.items()
    ]
    assert [order["amount"] for order in again.call("private/get_open_orders")] == [0.7]
    trades = again.call("private/get_user_trades_by_currency", currency="BTC", kind="combo")["trades"]
    assert summed(legs, trades[0]["legs"]) == exact(ask)
    assert create(again, legs) == name
    assert_invariants(again.exchange.floor)


def test_prices_of_legs_always_add_up(client):
    rng, floor = random.Random(5), client.exchange.floor
    found = chain(client)
    odd = {found[CALL][-1]: 2, found[PUT][0]: 3}, {found[CALL][0]: 5, found[PUT][0]: 7, found[CALL][4]: -3}
    for legs in (*shapes(client), *odd):
        combo = floor.find(create(client, legs))
        marks = [floor.pricing.mark(leg).price for leg, _ in combo.legs]
        low, high = floor.engine.band(combo)
        for ticks in {low, low + 1, low + 2, high, *(rng.randint(low, high) for _ in range(50))}:
            prices = leg_prices(combo, ticks, marks)
            assert (
                sum(p * r for p, (_, r) in zip(prices, combo.legs, strict=True)) * combo.tick[1]
                == ticks * combo.tick[0]
            )
            assert min(prices) > 0


def test_a_split_as_it_was_recorded(client):
    """A call spread of 2026 sold at 0.0639: the exchange's legs were 0.0813 and 0.0174, a tick from these."""
    combo = client.exchange.floor.find(create(client, spread(client)))
    assert [float(price) for price in leg_prices(combo, 639, [0.08114403, 0.01733488])] == [0.0812, 0.0173]


def test_random_trading_adds_up():
    client = Client(make(flow_per_minute=60.0, start_ns=START_NS, expiries=3))
    rng = random.Random(3)
    names = [create(client, legs) for legs in shapes(client)]
    for _ in range(120):
        name = rng.choice(names)
        bid, ask = quoted(client, name)
        listing = client.exchange.floor.find(name)
        if bid is None or ask is None:
            continue
        side, price = rng.choice([("buy", bid), ("buy", ask), ("sell", ask), ("sell", bid)])
        amount = listing.amount(rng.randint(1, 5))
        answer = client.ask(f"private/{side}", instrument_name=name, amount=amount, price=price)
        assert "result" in answer or answer["error"]["code"] in (10009, 10041), answer
        client.exchange.advance(client.exchange.now_ns + rng.choice([10**8, 10**9]))
        assert_invariants(client.exchange.floor)
    trades = client.call("private/get_user_trades_by_currency", currency="BTC", kind="combo", count=1000)[
        "trades"
    ]
    assert len(trades) > 30
    for trade in trades:
        ratios = {leg.name: ratio for leg, ratio in parse_combo(trade["instrument_name"]).legs}
        assert summed(ratios, trade["legs"]) == exact(trade["price"])
