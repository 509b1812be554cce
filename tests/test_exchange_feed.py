"""Channels: names, first notifications, chains of change ids, shapes; section 5 of the reference."""

import itertools
import json

import pytest

from support.local_exchange import Client, make

PERPETUAL = "BTC-PERPETUAL"


@pytest.fixture
def client():
    return Client(make(tick_ms=500))


def option_name(exchange):
    return next(x.name for x in exchange.floor.catalog.by_name.values() if x.kind == "option")


def test_bad_channels_are_dropped_without_a_word(client):
    wanted = ["quote.BTC-PERPETUAL", "nonsense", "book.BTC-PERPETUAL.banana", "ticker.XXX.100ms", "book"]
    assert client.call("public/subscribe", channels=wanted) == ["quote.BTC-PERPETUAL"]
    assert client.call("public/subscribe", channels=["user.orders.any.any.raw"]) == []
    assert client.call("public/subscribe", channels=[]) == []


def test_raw_needs_a_user():
    stranger = Client(make(), login=None)
    error = stranger.error("public/subscribe", channels=["book.BTC-PERPETUAL.raw"])
    assert (error["code"], error["message"]) == (
        13778,
        "raw_subscriptions_not_available_for_unauthorized",
    )
    assert stranger.call("public/subscribe", channels=["book.BTC-PERPETUAL.100ms"])


def apply(book, data):
    """Keep a book as a client would."""
    for side in ("bids", "asks"):
        for action, price, amount in data[side]:
            if action == "delete":
                assert amount == 0.0
                del book[side][price]
            else:
                assert (action == "new") == (price not in book[side])
                book[side][price] = amount


@pytest.mark.parametrize("interval", ["raw", "100ms", "agg2"])
def test_book_is_a_snapshot_and_an_unbroken_chain(client, interval):
    channel = f"book.BTC-PERPETUAL.{interval}"
    client.call("public/subscribe", channels=[channel])
    bid = client.call("public/ticker", instrument_name=PERPETUAL)["best_bid_price"]
    for k in range(6):
        client.call("private/buy", instrument_name=PERPETUAL, amount=10, price=bid - k)
        client.wait(3.0, step=0.1)
    client.wait(2.0, step=0.1)
    first, *changes = client.on(channel)
    assert first["type"] == "snapshot"
    assert "prev_change_id" not in first
    assert {level[0] for level in first["bids"] + first["asks"]} == {"new"}
    book, last = {"bids": {}, "asks": {}}, first["change_id"]
    apply(book, first)
    jumps = set()
    for change in changes:
        assert change["type"] == "change"
        assert change["prev_change_id"] == last < change["change_id"]
        jumps.add(change["change_id"] - last)
        last = change["change_id"]
        apply(book, change)
    assert len(changes) > 10
    assert max(jumps) > 1  # counters are shared between books
    views, listing = client.exchange.floor.views, client.exchange.floor.find(PERPETUAL)
    assert book["bids"] == dict(views.levels(listing, 1, None))
    assert book["asks"] == dict(views.levels(listing, -1, None))


def test_a_second_subscriber_joins_the_same_chain():
    exchange = make()
    early, late = Client(exchange), Client(exchange)
    channel = "book.BTC-PERPETUAL.100ms"
    early.call("public/subscribe", channels=[channel])
    early.wait(3)
    late.call("public/subscribe", channels=[channel])
    early.wait(3)
    late.read()
    snapshot, change, *_ = late.on(channel)
    assert change["prev_change_id"] == snapshot["change_id"]
    assert early.on(channel)[-1] == late.on(channel)[-1]


def test_subscribing_again_sends_no_second_snapshot(client):
    channel = "book.BTC-PERPETUAL.100ms"
    client.call("public/subscribe", channels=[channel])
    client.wait(1)
    assert client.call("public/subscribe", channels=[channel]) == [channel]
    client.wait(1)
    assert [data["type"] for data in client.on(channel)].count("snapshot") == 1
    assert client.call("public/unsubscribe", channels=[channel, "quote.BTC-PERPETUAL"]) == [channel]
    client.notes.clear()
    client.wait(2)
    assert client.on(channel) == []
    client.call("public/subscribe", channels=[channel])
    assert client.on(channel)[0]["type"] == "snapshot"
    assert client.call("public/unsubscribe_all") == "ok"


def test_answer_comes_before_the_snapshot(client):
    exchange, connection = client.exchange, client.connection
    channels = '["book.BTC-PERPETUAL.100ms"]'
    text = f'{{"jsonrpc":"2.0","id":99,"method":"public/subscribe","params":{{"channels":{channels}}}}}'
    connection.receive(text, exchange.now_ns)
    first, second = connection.pop()
    assert '"id":99' in first
    assert '"snapshot"' in second


def test_grouped_book(client):
    channels = [
        "book.BTC-PERPETUAL.none.10.100ms",
        "book.BTC-PERPETUAL.10.20.100ms",
        "book.BTC-PERPETUAL.3.10.100ms",
    ]
    assert client.call("public/subscribe", channels=channels) == sorted(channels[:2])
    client.wait(1)
    plain, grouped = client.on(channels[0])[-1], client.on(channels[1])[-1]
    assert set(plain) == {"timestamp", "instrument_name", "change_id", "bids", "asks"}
    assert len(plain["bids"]) == 10
    assert all(price % 10 == 0 for price, _ in grouped["bids"] + grouped["asks"])
    assert grouped["bids"] == sorted(grouped["bids"], reverse=True)
    assert grouped["bids"][0][0] <= plain["bids"][0][0]


def test_groups_of_ether_are_cents(client):
    channel = "book.ETH-PERPETUAL.25.10.100ms"
    client.call("public/subscribe", channels=[channel])
    client.wait(1)
    prices = [price for price, _ in client.on(channel)[-1]["bids"]]
    assert all(abs(price * 4 - round(price * 4)) < 1e-9 for price in prices)
    assert len(set(prices)) == len(prices) > 1


def test_answers_and_what_they_cause_come_in_either_order(client):
    client.call("private/subscribe", channels=["user.orders.any.any.raw"])
    first, params = set(), {"instrument_name": PERPETUAL, "amount": 10, "price": 84_000}
    for k in range(20):
        request = {"id": "x", "method": "private/buy", "params": params}
        client.connection.receive(json.dumps(request), client.exchange.now_ns)
        frames = client.connection.pop()
        assert len(frames) == 2, k
        first.add('"id":"x"' in frames[0])
    assert first == {True, False}


def test_quotes_come_on_change_only(client):
    client.call("public/subscribe", channels=["quote.BTC-PERPETUAL"])
    client.wait(20)
    quotes = [{**quote, "timestamp": 0} for quote in client.on("quote.BTC-PERPETUAL")]
    assert len(quotes) > 5
    assert all(a != b for a, b in itertools.pairwise(quotes))
    assert set(quotes[0]) == {
        "timestamp",
        "instrument_name",
        "best_bid_price",
        "best_bid_amount",
        "best_ask_price",
        "best_ask_amount",
    }


def test_incremental_ticker(client):
    channel = "incremental_ticker.BTC-PERPETUAL"
    client.call("public/subscribe", channels=[channel])
    client.wait(5)
    first, *later = client.on(channel)
    assert first["type"] == "snapshot"
    assert len(first) > 15
    assert {data["type"] for data in later} == {"change"}
    assert all(len(data) < len(first) for data in later)
    assert len(later) <= 6  # at most one a second


def test_trades_of_a_family(client):
    client.call("public/subscribe", channels=["trades.future.BTC.100ms", "trades.option.any.100ms"])
    option = option_name(client.exchange)
    client.call("private/buy", instrument_name=PERPETUAL, amount=10, type="market")
    client.call("private/buy", instrument_name=option, amount=1, type="market")
    client.wait(0.2, step=0.1)
    (future,), *_ = client.on("trades.future.BTC.100ms")
    (traded,), *_ = client.on("trades.option.any.100ms")
    assert future["instrument_name"] == PERPETUAL
    assert traded["instrument_name"] == option
    assert traded["iv"] > 1.0  # percent
    assert "order_id" not in traded


def test_orders_are_single_on_raw_and_lists_otherwise(client):
    channels = ["user.orders.BTC-PERPETUAL.raw", "user.orders.future.BTC.raw", "user.orders.any.any.100ms"]
    assert client.call("private/subscribe", channels=channels) == sorted(channels)
    order = client.call("private/buy", instrument_name=PERPETUAL, amount=10, price=84_000)["order"]
    client.call("private/cancel", order_id=order["order_id"])
    client.wait(0.2, step=0.1)
    for channel in channels[:2]:
        assert [data["order_state"] for data in client.on(channel)] == ["open", "cancelled"]
    lists = client.on(channels[2])
    assert [row["order_state"] for rows in lists for row in rows] == ["open", "cancelled"]


def test_changes_hold_orders_trades_and_positions(client):
    client.call("private/subscribe", channels=["user.changes.any.any.raw", "user.trades.BTC-PERPETUAL.raw"])
    client.call("private/buy", instrument_name=PERPETUAL, amount=10, type="market")
    (change,) = client.on("user.changes.any.any.raw")
    assert set(change) == {"instrument_name", "orders", "trades", "positions"}
    assert change["orders"][0]["order_state"] == "filled"
    assert change["positions"][0]["size"] == 10.0
    (trades,) = client.on("user.trades.BTC-PERPETUAL.raw")
    assert trades == change["trades"]  # a list, on raw too


def test_portfolio_in_either_case(client):
    names = client.call("private/subscribe", channels=["user.portfolio.BTC", "user.portfolio.eth"])
    assert names == ["user.portfolio.btc", "user.portfolio.eth"]
    client.wait(2)
    assert client.on("user.portfolio.btc")[-1]["currency"] == "BTC"
    assert client.on("user.portfolio.eth")[-1]["balance"] == 200.0
    assert client.call("private/unsubscribe", channels=["user.portfolio.BTC"]) == ["user.portfolio.btc"]


def test_nobody_hears_of_another_account():
    exchange = make(clients={"a": "1", "b": "2"})
    a, b = Client(exchange, "a", "1"), Client(exchange, "b", "2")
    for one in (a, b):
        one.call("private/subscribe", channels=["user.orders.any.any.raw"])
    a.call("private/buy", instrument_name=PERPETUAL, amount=10, price=84_000)
    b.read()
    assert len(a.on("user.orders.any.any.raw")) == 1
    assert b.on("user.orders.any.any.raw") == []


@pytest.mark.parametrize(
    ("channel", "fields"),
    [
        ("deribit_price_index.btc_usd", {"timestamp", "price", "index_name"}),
        ("deribit_volatility_index.eth_usd", {"timestamp", "volatility", "index_name"}),
        ("estimated_expiration_price.btc_usd", {"is_estimated", "price", "seconds"}),
        (
            "deribit_price_statistics.btc_usd",
            {"index_name", "low24h", "high24h", "change24h", "high_volatility"},
        ),
        ("perpetual.BTC-PERPETUAL.100ms", {"timestamp", "index_price", "interest"}),
    ],
)
def test_shapes_of_small_channels(client, channel, fields):
    assert client.call("public/subscribe", channels=[channel]) == [channel]
    client.wait(3)
    assert len(client.on(channel)) >= 3
    assert {frozenset(data) for data in client.on(channel)} == {frozenset(fields)}


def test_mark_prices_have_fractions_where_tickers_have_percent(client):
    client.call("public/subscribe", channels=["markprice.options.btc_usd"])
    client.wait(1)
    rows = client.on("markprice.options.btc_usd")[-1]
    row = rows[len(rows) // 2]
    ticker = client.call("public/ticker", instrument_name=row["instrument_name"])
    assert 100.0 * row["iv"] == pytest.approx(ticker["mark_iv"])
    assert 0.1 < row["iv"] < 3.0


def test_labels_and_platform_state(client):
    client.call("private/subscribe", channels=["platform_state"], label="mine")
    notes = [note for note in client.notes if note["params"].get("label") == "mine"]
    states = [note["params"]["data"] for note in notes]
    assert {"locked": False, "price_index": "btc_usd"} in states


def test_chart_channel(client):
    client.call("public/subscribe", channels=["chart.trades.BTC-PERPETUAL.1"])
    client.call("private/buy", instrument_name=PERPETUAL, amount=100, type="market")
    client.wait(2)
    bar = client.on("chart.trades.BTC-PERPETUAL.1")[-1]
    assert set(bar) == {"tick", "open", "high", "low", "close", "volume", "cost"}
    assert bar["cost"] >= 100.0


def test_the_settlement_window_in_the_feed():
    from gammacore.daycount import parse_time

    client = Client(make(start_ns=parse_time("2026-11-26T07:44:00Z"), expiries=1))
    client.call("public/subscribe", channels=["estimated_expiration_price.btc_usd"])
    client.wait(60)
    data = client.on("estimated_expiration_price.btc_usd")[-1]
    assert data["is_estimated"] is True
    assert (data["total_ticks"], data["left_ticks"]) == (1_800, 900)
