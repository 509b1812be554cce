"""Orders: what is accepted, refused, matched and told."""

import pytest

from gammacore.daycount import parse_time
from gammacore.exchange.invariants import assert_invariants
from support.local_exchange import Client, make

PERPETUAL = "BTC-PERPETUAL"


@pytest.fixture
def client():
    return Client(make(flow_per_minute=0.0))


def best(client, name=PERPETUAL):
    ticker = client.call("public/ticker", instrument_name=name)
    return ticker["best_bid_price"], ticker["best_ask_price"]


def an_option(client, kind="C"):
    names = [x.name for x in client.exchange.floor.catalog.by_name.values() if x.kind == "option"]
    inverse = [name for name in names if name.startswith("BTC-") and name.endswith(kind)]
    return inverse[len(inverse) // 4]


def buy(client, **params):
    return client.call("private/buy", **{"instrument_name": PERPETUAL, "amount": 10} | params)


def refused(client, **params):
    error = client.error("private/buy", **{"instrument_name": PERPETUAL, "amount": 10} | params)
    return error["code"], error.get("data")


def test_market_order_fills_at_the_quote_and_shows_the_band(client):
    _, ask = best(client)
    answer = buy(client, type="market", amount=100, label="mine")
    order, (trade,) = answer["order"], answer["trades"]
    assert order["order_state"] == "filled"
    assert order["average_price"] == trade["price"] == ask
    assert order["price"] > ask  # the edge of the band, not the fill
    assert (order["filled_amount"], order["contracts"], order["label"]) == (100.0, 10.0, "mine")
    assert trade["liquidity"] == "T"
    assert trade["state"] == "filled"
    assert trade["direction"] == "buy"


def test_a_large_market_order_walks_the_book_and_keeps_nothing(client):
    exchange = client.exchange
    client.call("public/ticker", instrument_name=PERPETUAL)
    listing = exchange.floor.find(PERPETUAL)
    levels = exchange.floor.views.levels(listing, -1, None)
    total = sum(amount for _, amount in levels)
    answer = buy(client, type="market", amount=total + 1_000)
    assert answer["order"]["order_state"] == "cancelled"
    assert answer["order"]["filled_amount"] == total
    assert [trade["price"] for trade in answer["trades"]] == [price for price, _ in levels]


@pytest.mark.parametrize(
    ("params", "code", "data"),
    [
        ({"price": 85_000.25}, -32602, {"reason": "must conform to tick size", "param": "price"}),
        (
            {"price": 85_000, "amount": 15},
            -32602,
            {"reason": "must be a multiple of contract size", "param": "amount"},
        ),
        (
            {"price": 85_000, "amount": -10},
            -32602,
            {"reason": "must be a positive number", "param": "amount"},
        ),
        ({"price": 85_000, "type": "banana"}, -32602, {"reason": "invalid value", "param": "type"}),
        (
            {"price": 85_000, "contracts": 3},
            -32602,
            {"reason": "amount and contracts do not agree", "param": "amount"},
        ),
        ({"price": 85_000, "label": "x" * 65}, -32602, {"reason": "label too long", "param": "label"}),
        ({"type": "limit"}, -32602, {"reason": "value required", "param": "price"}),
        ({"price": 85_000, "valid_until": 1}, 13888, None),
        ({"price": 85_000, "reduce_only": True}, 11030, {"reason": "reduce_only"}),
        ({"price": 85_000, "amount": 100_000_000}, 10009, None),
        ({"price": 85_000, "advanced": "usd"}, 10033, None),
        ({"type": "stop_market", "trigger": "index_price", "trigger_price": 84_000}, 10035, None),
        ({"type": "take_market", "trigger": "index_price", "trigger_price": 86_000}, 10034, None),
    ],
)
def test_refusals(client, params, code, data):
    assert refused(client, **params) == (code, data)


def test_contracts_instead_of_amount(client):
    answer = client.call("private/buy", instrument_name=PERPETUAL, contracts=2, price=84_000)
    assert answer["order"]["amount"] == 20.0


def test_price_bands_clamp_futures_and_refuse_options(client):
    ticker = client.call("public/ticker", instrument_name=PERPETUAL)
    order = buy(client, price=50_000)["order"]
    assert order["price"] == ticker["min_price"]
    option = an_option(client)
    limits = client.call("public/ticker", instrument_name=option)
    error = client.error("private/buy", instrument_name=option, amount=1, price=limits["max_price"] + 0.01)
    assert error["code"] == 10007
    assert refused(client, instrument_name=option, amount=1, price=0.00005)[1]["param"] == "price"


def test_tick_steps_of_options(client):
    option = an_option(client)
    assert refused(client, instrument_name=option, amount=1, price=0.0053)[1] == {
        "reason": "must conform to tick size",
        "param": "price",
    }
    assert buy(client, instrument_name=option, amount=0.1, price=0.0049)["order"]["order_state"] == "open"
    assert refused(client, instrument_name=option, amount=0.15, price=0.0049)[1]["param"] == "amount"


def test_post_only(client):
    bid, ask = best(client)
    order = buy(client, price=ask + 5, post_only=True)["order"]
    assert order["order_state"] == "open"
    assert order["price"] == ask - 0.5  # just inside the spread
    code, _ = refused(client, price=ask + 5, post_only=True, reject_post_only=True)
    assert code == 11054
    resting = buy(client, price=bid, post_only=True, reject_post_only=True)["order"]
    assert resting["order_state"] == "open"
    assert resting["reject_post_only"] is True


def test_fill_or_kill_and_immediate_or_cancel(client):
    bid, ask = best(client)
    killed = buy(client, price=ask, amount=1_000_000, time_in_force="fill_or_kill")
    assert killed["order"]["order_state"] == "cancelled"
    assert killed["trades"] == []
    part = buy(client, price=ask, amount=1_000_000, time_in_force="immediate_or_cancel")
    assert part["order"]["order_state"] == "cancelled"
    assert 0 < part["order"]["filled_amount"] < 1_000_000
    nothing = buy(client, price=bid, time_in_force="immediate_or_cancel")
    assert nothing["order"]["order_state"] == "cancelled"
    assert nothing["order"]["average_price"] == 0.0


def test_market_limit_rests_where_it_filled(client):
    _, ask = best(client)
    answer = buy(client, type="market_limit", amount=900_000)
    assert answer["order"]["order_state"] == "open"
    assert answer["order"]["price"] == ask
    assert answer["order"]["filled_amount"] > 0


def test_reduce_only_closes_no_more_than_there_is(client):
    buy(client, type="market", amount=100)
    answer = client.call(
        "private/sell", instrument_name=PERPETUAL, amount=500, type="market", reduce_only=True
    )
    assert answer["order"]["filled_amount"] == 100.0
    assert answer["order"]["order_state"] == "cancelled"
    position = client.call("private/get_position", instrument_name=PERPETUAL)
    assert (position["size"], position["direction"]) == (0.0, "zero")


def test_close_position(client):
    assert client.error("private/close_position", instrument_name=PERPETUAL, type="market")["code"] == 10010
    buy(client, type="market", amount=200)
    answer = client.call("private/close_position", instrument_name=PERPETUAL, type="market")
    assert answer["order"]["direction"] == "sell"
    assert answer["order"]["reduce_only"] is True
    assert answer["order"]["filled_amount"] == 200.0


def test_resting_order_is_filled_when_the_market_moves_through_it(client):
    bid, _ = best(client)
    order = buy(client, price=bid - 1, amount=1_000)["order"]
    client.call("private/subscribe", channels=["user.trades.any.any.raw"])
    client.wait(600, step=5)
    (trades,) = client.on("user.trades.any.any.raw")[:1]
    assert trades[0]["order_id"] == order["order_id"]
    assert trades[0]["price"] == bid - 1
    assert trades[0]["liquidity"] == "M"


def test_price_then_time():
    exchange = make(flow_per_minute=0.0, clients={"a": "1", "b": "2"})
    early, late = Client(exchange, "a", "1"), Client(exchange, "b", "2")
    bid, ask = best(early)
    inside = bid + 0.5 if ask - bid > 0.5 else bid
    first = early.call("private/buy", instrument_name=PERPETUAL, amount=10, price=inside)["order"]
    second = late.call("private/buy", instrument_name=PERPETUAL, amount=10, price=inside)["order"]
    seller = Client(exchange, "b", "2")
    seller.call(
        "private/sell",
        instrument_name=PERPETUAL,
        amount=10,
        price=inside,
        time_in_force="immediate_or_cancel",
    )
    assert early.call("private/get_order_state", order_id=first["order_id"])["order_state"] == "filled"
    assert late.call("private/get_order_state", order_id=second["order_id"])["order_state"] == "open"


def test_own_resting_order_gives_way(client):
    bid, ask = best(client)
    inside = (bid + ask) / 2 // 0.5 * 0.5
    resting = client.call("private/sell", instrument_name=PERPETUAL, amount=10, price=inside)["order"]
    answer = buy(client, price=inside)
    assert answer["trades"] == []
    state = client.call("private/get_order_state", order_id=resting["order_id"])
    assert state["order_state"] == "cancelled"


def test_edit(client):
    bid, ask = best(client)
    order = buy(client, price=bid - 10, amount=100)["order"]
    edited = client.call("private/edit", order_id=order["order_id"], amount=200, price=bid - 9)["order"]
    assert edited["order_id"] == order["order_id"]
    assert (edited["amount"], edited["price"], edited["replaced"]) == (200.0, bid - 9, True)
    taken = client.call("private/edit", order_id=order["order_id"], amount=200, price=ask)
    assert taken["order"]["order_state"] == "filled"
    assert taken["trades"][0]["price"] == ask
    again = client.error("private/edit", order_id=order["order_id"], amount=300, price=bid)
    assert again["code"] == 11044


def test_a_refused_edit_leaves_the_order(client):
    bid, _ = best(client)
    order = buy(client, price=bid - 10, amount=100)["order"]
    error = client.error("private/edit", order_id=order["order_id"], amount=10**9, price=bid - 10)
    assert error["code"] == 10009
    state = client.call("private/get_order_state", order_id=order["order_id"])
    assert (state["order_state"], state["amount"]) == ("open", 100.0)


def test_amount_of_an_edit_is_the_new_total(client):
    _, ask = best(client)
    order = buy(client, price=ask, amount=900_000)["order"]
    filled = order["filled_amount"]
    edited = client.call("private/edit", order_id=order["order_id"], amount=filled + 10, price=order["price"])
    assert (edited["order"]["amount"], edited["order"]["filled_amount"]) == (filled + 10, filled)
    error = client.error("private/edit", order_id=order["order_id"], amount=filled, price=order["price"])
    assert error["data"] == {"reason": "must be above the filled amount", "param": "amount"}


def test_edit_by_label(client):
    params = {"instrument_name": PERPETUAL, "label": "twin"}
    assert client.error("private/edit_by_label", **params, amount=20, price=84_000)["code"] == 10004
    buy(client, price=84_000, label="twin")
    edited = client.call("private/edit_by_label", **params, amount=20, price=84_100)["order"]
    assert (edited["amount"], edited["price"]) == (20.0, 84_100.0)
    buy(client, price=84_000, label="twin")
    assert client.error("private/edit_by_label", **params, amount=20, price=84_000)["code"] == 13032


def test_cancel_twice(client):
    order = buy(client, price=84_000)["order"]
    cancelled = client.call("private/cancel", order_id=order["order_id"])
    assert cancelled["order_state"] == "cancelled"
    assert cancelled["cancel_reason"] == "user_request"
    error = client.error("private/cancel", order_id=order["order_id"])
    assert (error["code"], error["message"]) == (11044, "not_open_order")
    assert client.error("private/cancel", order_id="9")["code"] == 10004


def test_the_order_of_another_is_not_mine():
    exchange = make(clients={"a": "1", "b": "2"})
    mine, other = Client(exchange, "a", "1"), Client(exchange, "b", "2")
    order = mine.call("private/buy", instrument_name=PERPETUAL, amount=10, price=84_000)["order"]
    assert other.error("private/cancel", order_id=order["order_id"])["code"] == 10029
    assert other.call("private/get_open_orders") == []


def test_cancelling_many(client):
    eth = "ETH-PERPETUAL"
    eth_bid, _ = best(client, eth)

    def place():
        buy(client, price=84_000, label="a")
        buy(client, price=84_000, label="b")
        buy(client, instrument_name=eth, amount=1, price=eth_bid - 5, label="a")

    place()
    assert client.call("private/cancel_all") == 3
    place()
    assert client.call("private/cancel_all_by_currency", currency="ETH") == 1
    assert client.call("private/cancel_all_by_instrument", instrument_name=PERPETUAL) == 2
    place()
    assert client.call("private/cancel_by_label", label="a", currency="BTC") == 1
    assert client.call("private/cancel_all_by_currency_pair", currency_pair="btc_usd") == 1
    (group,) = client.call("private/cancel_all_by_kind_or_type", currency="any", kind="future", detailed=True)
    assert (group["instrument_name"], group["type"], len(group["result"])) == (eth, "limit", 1)
    assert client.call("private/cancel_all") == 0


def test_queries_of_open_orders(client):
    buy(client, price=84_000, label="a")
    buy(client, price=84_000, label="b")
    assert len(client.call("private/get_open_orders")) == 2
    assert len(client.call("private/get_open_orders_by_currency", currency="BTC", kind="future")) == 2
    assert client.call("private/get_open_orders_by_currency", currency="ETH") == []
    assert len(client.call("private/get_open_orders_by_instrument", instrument_name=PERPETUAL)) == 2
    (row,) = client.call("private/get_open_orders_by_label", currency="BTC", label="b")
    client.call("private/cancel", order_id=row["order_id"])
    (found,) = client.call("private/get_order_state_by_label", currency="BTC", label="b")
    assert found["order_state"] == "cancelled"


def test_stops(client):
    stop = buy(client, type="stop_market", trigger="index_price", trigger_price=85_020.0)["order"]
    assert stop["order_state"] == "untriggered"
    assert stop["price"] == "market_price"
    assert "filled_amount" not in stop
    assert stop["order_id"].startswith("SLIB-")
    assert (
        client.error("private/buy", instrument_name=PERPETUAL, amount=10, type="stop_market")["code"]
        == -32602
    )
    client.call("private/subscribe", channels=["user.orders.BTC-PERPETUAL.raw"])
    client.wait(900, step=5)
    states = [
        (row["order_id"] == stop["order_id"], row["order_state"])
        for row in client.on("user.orders.BTC-PERPETUAL.raw")
    ]
    assert states == [(True, "triggered"), (False, "filled")]


def test_stops_can_be_edited_and_cancelled(client):
    stop = buy(client, type="stop_limit", price=85_100, trigger="mark_price", trigger_price=86_000.0)["order"]
    assert stop["price"] == 85_100.0
    edited = client.call(
        "private/edit", order_id=stop["order_id"], amount=20, price=85_200, trigger_price=86_100.0
    )["order"]
    assert (edited["trigger_price"], edited["amount"]) == (86_100.0, 20.0)
    assert client.call("private/get_open_orders", type="trigger_all")[0]["order_id"] == stop["order_id"]
    assert client.call("private/cancel", order_id=stop["order_id"])["order_state"] == "cancelled"


def test_good_til_day_ends_at_eight():
    client = Client(make(start_ns=parse_time("2026-11-26T07:59:50Z")))
    orders = [
        buy(client, price=84_000, time_in_force=t)["order"] for t in ("good_til_day", "good_til_cancelled")
    ]
    client.wait(12)
    states = [client.call("private/get_order_state", order_id=o["order_id"])["order_state"] for o in orders]
    assert states == ["cancelled", "open"]


def test_settlement_pauses_the_engine():
    client = Client(make(start_ns=parse_time("2026-11-26T07:59:58Z")))
    order = buy(client, price=84_000)["order"]
    client.wait(3)
    error = client.error("private/cancel", order_id=order["order_id"])
    assert (error["code"], error["message"]) == (10041, "settlement_in_progress")
    client.call("private/get_open_orders")
    client.wait(3)
    assert client.call("private/cancel", order_id=order["order_id"])["order_state"] == "cancelled"


def test_history_of_orders_and_trades(client):
    buy(client, type="market", amount=50)
    cancelled = buy(client, price=84_000)["order"]
    client.call("private/cancel", order_id=cancelled["order_id"])
    (filled,) = client.call("private/get_order_history_by_instrument", instrument_name=PERPETUAL)
    assert filled["order_state"] == "filled"
    both = client.call("private/get_order_history_by_currency", currency="BTC", include_unfilled=True)
    assert {row["order_state"] for row in both} == {"filled", "cancelled"}
    trades = client.call("private/get_user_trades_by_order", order_id=filled["order_id"])
    assert sum(trade["amount"] for trade in trades) == 50.0
    page = client.call("private/get_user_trades_by_instrument", instrument_name=PERPETUAL, count=1)
    assert page["has_more"] == (len(trades) > 1)
    old = client.call("private/get_user_trades_by_currency", currency="BTC", historical=True)
    assert old == {"trades": [], "has_more": False}
    stamp = trades[0]["timestamp"]
    within = client.call(
        "private/get_user_trades_by_currency_and_time",
        currency="BTC",
        start_timestamp=stamp,
        end_timestamp=stamp,
    )
    assert len(within["trades"]) == len(trades)


def test_margins_are_those_an_order_would_reserve(client):
    margins = client.call("private/get_margins", instrument_name=PERPETUAL, amount=10_000, price=85_000)
    assert margins["buy"] == margins["sell"] > 0
    assert margins["min_price"] < 85_000 < margins["max_price"]
    before = client.call("private/get_account_summary", currency="BTC")
    bid, _ = best(client)
    buy(client, amount=10_000, price=bid - 10)
    after = client.call("private/get_account_summary", currency="BTC")
    assert after["initial_margin"] - before["initial_margin"] == pytest.approx(margins["buy"], abs=2e-8)


def test_what_is_refused_leaves_the_order_as_it_is(client):
    order = buy(client, price=84_000)["order"]
    for wrong in ({"post_only": "yes"}, {"price": 0}, {"amount": 15}):
        changed = {"order_id": order["order_id"], "amount": 30, "price": 84_100} | wrong
        assert client.error("private/edit", **changed)["code"] == -32602
        assert client.call("private/get_order_state", order_id=order["order_id"]) == order
        assert_invariants(client.exchange.floor)
    assert client.error("private/cancel_all", detailed="yes")["code"] == -32602
    assert client.call("private/get_open_orders") == [order]
