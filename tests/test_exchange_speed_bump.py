"""Takers that wait ten milliseconds: where, since when, and what a cancel or an edit does meanwhile."""

import json

import pytest

from gammacore.daycount import NS_PER_MILLISECOND, parse_time
from gammacore.exchange import ExchangeConfig
from gammacore.exchange.coins import with_families
from gammacore.exchange.floor import Floor
from gammacore.exchange.invariants import assert_invariants
from gammacore.exchange.saved_state import load, save
from gammacore.exchange.speed_bump import bump_ns
from support.local_exchange import Client, make

LINEAR, INVERSE = "BTC_USDC-PERPETUAL", "BTC-PERPETUAL"
MS = NS_PER_MILLISECOND


def market(start="2026-11-27T12:00", **settings):
    exchange = make(start_ns=parse_time(start), deposits={"BTC": 10.0, "USDC": 2e7}, **settings)
    return exchange, Client(exchange)


def send(client, method, **params):
    """Send without waiting for the answer; its number."""
    client._id += 1
    asked = {"jsonrpc": "2.0", "id": client._id, "method": method, "params": params}
    client.connection.receive(json.dumps(asked), client.exchange.now_ns)
    return client._id


def answered(client, number):
    return next((m for m in client.read() if m.get("id") == number), None)


def best(client, name):
    book = client.call("public/get_order_book", instrument_name=name, depth=1)
    return book["best_bid_price"], book["best_ask_price"]


def taker(client, name=LINEAR, amount=0.01, **params):
    _, ask = best(client, name)
    return send(
        client, "private/buy", instrument_name=name, amount=amount, price=ask * 1.002 // 10 * 10, **params
    )


@pytest.mark.parametrize(
    ("name", "start", "held"),
    [
        (INVERSE, "2026-11-27", 0),
        ("ETH-PERPETUAL", "2026-11-27", 0),
        (LINEAR, "2026-11-27", 10),
        (LINEAR, "2026-09-22T23:59:59", 0),
        (LINEAR, "2026-09-23", 10),
        ("SOL_USDC-PERPETUAL", "2026-09-16T23:59:59", 0),
        ("SOL_USDC-PERPETUAL", "2026-09-17", 10),
        ("option", "2026-11-27", 10),
        ("option", "2026-09-20", 0),
        ("future", "2026-11-27", 10),
    ],
)
def test_where_and_since_when(name, start, held):
    floor = Floor(
        with_families(ExchangeConfig(start_ns=parse_time("2026-11-27T12:00"), expiries=4), ("SOL_USDC",))
    )
    listings = floor.catalog.by_name
    sort = [x for x in listings.values() if x.kind == name and x.expiry_ns is not None and x.coin_settled]
    listing = listings[name] if name in listings else sort[0]
    assert bump_ns(listing, parse_time(start), 10.0) == held * MS


def test_a_taker_waits_and_its_answer_too():
    exchange, client = market()
    number = taker(client)
    began = exchange.now_ns
    assert answered(client, number) is None
    (held,) = client.call("private/get_open_orders")
    assert (held["order_state"], held["filled_amount"]) == ("speed_bumped", 0)
    exchange.advance(began + 10 * MS - 1)
    assert answered(client, number) is None
    exchange.advance(began + 10 * MS)
    result = answered(client, number)["result"]
    assert result["order"]["order_state"] == "filled"
    assert sum(trade["amount"] for trade in result["trades"]) == pytest.approx(0.01)
    assert result["trades"][0]["timestamp"] == (began + 10 * MS) // MS
    assert client.call("private/get_open_orders") == []
    assert_invariants(exchange.floor)


def test_what_does_not_take_enters_at_once():
    _, client = market()
    bid, ask = best(client, LINEAR)
    resting = client.ask("private/buy", instrument_name=LINEAR, amount=0.01, price=bid - 100)
    assert resting["result"]["order"]["order_state"] == "open"
    post = client.ask("private/buy", instrument_name=LINEAR, amount=0.01, price=ask + 10, post_only=True)
    assert post["result"]["order"]["order_state"] == "open"
    number = taker(client, INVERSE, 10.0)
    assert answered(client, number)["result"]["order"]["order_state"] == "filled"
    never, other = market(speed_bump_ms=0.0)
    assert answered(other, taker(other))["result"]["order"]["order_state"] == "filled"
    assert not never.floor.engine.held


def test_a_cancelled_one_is_immediate_or_cancel_and_may_still_fill():
    exchange, client = market()
    number = taker(client)
    (held,) = client.call("private/get_open_orders")
    told = client.call("private/cancel", order_id=held["order_id"])
    assert (told["order_state"], told["time_in_force"]) == ("speed_bumped", "immediate_or_cancel")
    exchange.advance(exchange.now_ns + 10 * MS)
    assert answered(client, number)["result"]["order"]["order_state"] == "filled"


def test_what_of_it_does_not_fill_is_cancelled():
    exchange, client = market()
    _, ask = best(client, LINEAR)
    number = send(client, "private/buy", instrument_name=LINEAR, amount=100.0, price=ask)
    assert client.call("private/cancel_all") == 1
    exchange.advance(exchange.now_ns + 10 * MS)
    order = answered(client, number)["result"]["order"]
    assert (order["order_state"], order["cancel_reason"]) == ("cancelled", "time_in_force")
    assert 0 < order["filled_amount"] < 100
    assert client.call("private/get_open_orders") == []
    assert_invariants(exchange.floor)


def test_one_that_is_not_cancelled_rests_what_does_not_fill():
    exchange, client = market()
    _, ask = best(client, LINEAR)
    number = send(client, "private/buy", instrument_name=LINEAR, amount=50.0, price=ask)
    exchange.advance(exchange.now_ns + 10 * MS)
    assert answered(client, number)["result"]["order"]["order_state"] == "open"


def test_a_lost_connection_makes_it_immediate_or_cancel():
    exchange, client = market()
    client.call("private/enable_cancel_on_disconnect", scope="connection")
    taker(client, amount=100.0)
    client.connection.lost(exchange.now_ns)
    exchange.advance(exchange.now_ns + 10 * MS)
    again = Client(exchange)
    assert again.call("private/get_open_orders") == []
    (position,) = again.call("private/get_positions", currency="USDC", kind="future")
    assert 0 < position["size"] < 100
    assert_invariants(exchange.floor)


@pytest.mark.parametrize(("start", "refused"), [("2026-11-25T12:00", False), ("2026-11-26T12:00", True)])
def test_an_edit_is_refused_since_november(start, refused):
    exchange, client = market(start)
    number = taker(client)
    (held,) = client.call("private/get_open_orders")
    bid, _ = best(client, LINEAR)
    answer = client.ask("private/edit", order_id=held["order_id"], amount=0.01, price=bid - 100)
    if refused:
        assert answer["error"]["code"] == 11044
        exchange.advance(exchange.now_ns + 10 * MS)
        assert answered(client, number)["result"]["order"]["order_state"] == "filled"
    else:  # re-priced to rest, it enters at once
        assert answer["result"]["order"]["order_state"] == "open"
        assert not exchange.floor.engine.held
    assert_invariants(exchange.floor)


def test_a_resting_order_that_is_edited_to_take_leaves_its_book_and_waits():
    exchange, client = market()
    bid, ask = best(client, LINEAR)
    order = client.call("private/buy", instrument_name=LINEAR, amount=0.01, price=bid - 100)["order"]
    number = send(client, "private/edit", order_id=order["order_id"], amount=0.01, price=ask + 100)
    assert answered(client, number) is None
    assert [o["order_state"] for o in client.call("private/get_open_orders")] == ["speed_bumped"]
    exchange.advance(exchange.now_ns + 10 * MS)
    assert answered(client, number)["result"]["order"]["order_state"] == "filled"


def test_over_rest_the_answer_takes_as_long():
    exchange, client = market()
    _, ask = best(client, LINEAR)
    token = client.call(
        "public/auth", grant_type="client_credentials", client_id="gammacore", client_secret="local"
    )
    began = exchange.now_ns
    uri = f"/api/v2/private/buy?instrument_name={LINEAR}&amount=0.01&price={ask + 100:g}"
    status, body = exchange.request(
        "GET", uri, {"authorization": f"Bearer {token['access_token']}"}, "", exchange.now_ns
    )
    assert (status, json.loads(body)["result"]["order"]["order_state"]) == (200, "filled")
    assert exchange.now_ns == began + 10 * MS


def test_a_state_that_is_saved_meanwhile_goes_on(tmp_path):
    exchange, client = market()
    taker(client)
    save(exchange, tmp_path / "state.json")
    again = load(tmp_path / "state.json")
    again.advance(again.now_ns + 10 * MS)
    (position,) = Client(again).call("private/get_positions", currency="USDC", kind="future")
    assert position["size"] == pytest.approx(0.01)
