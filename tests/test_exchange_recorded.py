"""Shapes of what the exchange sends, against recorded payloads; skips without the recordings."""

import json

import pytest

from support.local_exchange import Client, make
from support.shared_data import recorded as find

PERPETUAL = "BTC-PERPETUAL"

# What the exchange has and a local one does not model.
FOREIGN = {
    "block_trade_id",
    "combo_id",
    "combo_trade_id",
    "base_currency_uuid",
    "quote_currency_uuid",
    "index_id",
}


def lines(name):
    return [json.loads(line) for line in find(f"fixtures/deribit/{name}").read_text().splitlines()]


def whole(name):
    return json.loads(find(f"fixtures/deribit/{name}").read_text())


def missing(recorded, ours):
    """Fields, of objects in objects too, that the recording has and ours lacks."""
    found = set()
    for name, value in recorded.items():
        if name not in ours:
            found.add(name)
        elif isinstance(value, dict) and isinstance(ours[name], dict) and not name.endswith("_map"):
            found |= missing(value, ours[name])
    return found - FOREIGN


@pytest.fixture(scope="module")
def client():
    client = Client(make())
    client.call("private/subscribe", channels=["user.changes.any.any.raw", "user.portfolio.btc"])
    client.call("private/buy", instrument_name=PERPETUAL, amount=20, type="market")
    client.call("private/sell", instrument_name=PERPETUAL, amount=10, type="market")
    client.wait(2)
    return client


def option(client):
    return next(
        x.name
        for x in client.exchange.floor.catalog.by_name.values()
        if x.name.startswith("BTC-2") and x.kind == "option"
    )


def test_option_ticker_and_row(client):
    recorded = whole("fastmm/ticker_option_prod.json")["params"]["data"]
    ours = client.call("public/ticker", instrument_name=option(client))
    # Before the first settlement there is no settlement price.
    assert missing(recorded, ours) <= {"settlement_price"}
    (row, *_) = whole("fastmm/get_instruments_option.json")["result"]
    assert missing(row, client.call("public/get_instrument", instrument_name=option(client))) == set()


def test_perpetual_row_and_book(client):
    row = whole("nautilus/http_get_instrument.json")["result"]
    assert missing(row, client.call("public/get_instrument", instrument_name=PERPETUAL)) == set()
    book = whole("nautilus/http_get_order_book.json")["result"]
    ours = client.call("public/get_order_book", instrument_name=PERPETUAL, depth=20)
    assert missing(book, ours) <= {"settlement_price"}


def test_changes_of_a_fill(client):
    _, recorded = lines("roq/user_changes.jsonl")
    data, ours = recorded["params"]["data"], client.on("user.changes.any.any.raw")[-1]
    assert set(data) == set(ours)
    for part in ("orders", "trades", "positions"):
        assert missing(data[part][0], ours[part][0]) == set(), part


def test_portfolio(client):
    data = whole("roq/user_portfolio_btc.json")["params"]["data"]
    assert missing(data, client.on("user.portfolio.btc")[-1]) == set()


def test_orders_and_stops(client):
    recorded = whole("nautilus/ws_order_buy_response.json")["result"]["order"]
    params = {"instrument_name": PERPETUAL, "amount": 10, "price": 84_000, "post_only": True}
    ours = client.call("private/buy", **params)["order"]
    assert missing(recorded, ours) == set()
    recorded = whole("nautilus/ws_order_stop_market_no_filled_amount.json")["result"]["order"]
    ours = client.call(
        "private/sell",
        instrument_name=PERPETUAL,
        amount=10,
        type="stop_market",
        trigger="mark_price",
        trigger_price=80_000,
        reduce_only=True,
    )["order"]
    assert missing(recorded, ours) == set()
    assert ours["price"] == recorded["price"]
    assert "filled_amount" not in ours


def test_public_trades(client):
    recorded = whole("nautilus/http_get_last_trades.json")["result"]
    ours = client.call("public/get_last_trades_by_instrument", instrument_name=PERPETUAL, count=1_000)
    assert set(recorded) == set(ours)
    kinds = {frozenset(trade) for trade in ours["trades"]}  # from before and after the start
    assert kinds == {frozenset(recorded["trades"][0])}


def test_errors_and_book_frames(client):
    unauthorized, bad, echo, snapshot = lines("fastmm/rpc_errors_and_quirks.jsonl")
    stranger = Client(client.exchange, login=None)
    assert stranger.error("private/get_positions") == unauthorized["error"]
    assert stranger.error("public/get_instruments", currency="BTC", kind="x") == bad["error"]
    assert stranger.call("public/test") == echo["result"]
    stranger.call("public/subscribe", channels=["book.BTC-PERPETUAL.100ms"])
    assert set(stranger.on("book.BTC-PERPETUAL.100ms")[0]) == set(snapshot["params"]["data"])
    _, _, change, _, raw, _ = lines("mainnet-20260923/frames.jsonl")
    stranger.wait(2)
    assert set(stranger.on("book.BTC-PERPETUAL.100ms")[1]) == set(change["params"]["data"])
    assert stranger.error("public/subscribe", channels=["ticker.BTC-PERPETUAL.raw"]) == raw["error"]


def test_expirations_and_summaries(client):
    recorded = whole("nautilus/http_get_expirations_any.json")["result"]
    ours = client.call("public/get_expirations", currency="any", kind="any")
    assert set(ours) == set(recorded)
    assert ours["future"][-1] == recorded["future"][-1] == "PERPETUAL"
    frames = lines("crypto-msg-parser/messages.jsonl")
    (summary, *_) = [f["result"] for f in frames if isinstance(f.get("result"), list)]
    ours = client.call("public/get_book_summary_by_instrument", instrument_name=option(client))
    assert missing(summary[0], ours[0]) == set()


def test_transaction_log(client):
    rows = whole("doc-examples/private-get_transaction_log.json")["result"]["logs"]
    recorded = next(row for row in rows if row["type"] == "trade")
    (ours, *_) = client.call(
        "private/get_transaction_log", currency="BTC", start_timestamp=0, end_timestamp=10**14, query="trade"
    )["logs"]
    assert missing(recorded, ours) <= {"ip"}
