"""The exchange's side of a session, for tests: reads our frames, writes its own."""

import json

from gammacore.deribit.methods import METHODS, Method
from gammacore.live.credentials import Credentials
from gammacore.live.news import State
from gammacore.live.protocol import DeribitProtocol

NOW = 1_790_000_000_000_000_000
SECOND = 1_000_000_000
KEY = ("an-id", "Zm9vYmFyLXNlY3JldA")
TOKEN = {
    "access_token": "Ac-cess.7331",
    "refresh_token": "Re-fresh.4711",
    "expires_in": 900,
    "scope": "connection trade:read_write",
    "token_type": "bearer",
}


def method(name):
    """Method of a name, also of one that gammacore never asks."""
    return METHODS.get(name) or Method(name, lambda raw, now_ns: json.loads(bytes(raw)))


def credentials():
    return Credentials(*KEY)


def answer(id_, result, now_ns=NOW):
    at = now_ns // 1_000
    return json.dumps(
        {"jsonrpc": "2.0", "id": id_, "result": result, "usIn": at, "usOut": at, "usDiff": 0, "testnet": True}
    ).encode()


def refusal(id_, code, message="no", data=None):
    error = {"code": code, "message": message} | ({} if data is None else {"data": data})
    return json.dumps({"jsonrpc": "2.0", "id": id_, "error": error}).encode()


def notification(channel, data):
    params = {"channel": channel, "data": data}
    return json.dumps({"jsonrpc": "2.0", "method": "subscription", "params": params}).encode()


def heartbeat(kind="test_request"):
    return json.dumps({"params": {"type": kind}, "method": "heartbeat", "jsonrpc": "2.0"}).encode()


def reply(message):
    """What the exchange answers to a request that keeps a session going."""
    method, params = message["method"], message["params"]
    if method == "public/auth":
        return TOKEN
    if method.endswith("/subscribe") or method.endswith("/unsubscribe"):
        return sorted(params["channels"])
    if method == "public/test":
        return {"version": "1.2.26"}
    if method == "public/get_time":
        return NOW // 1_000_000
    if method == "public/status":
        return {"locked": "false"}
    return "ok"


def sent(protocol):
    """Requests that wait to be sent, as dictionaries."""
    return [json.loads(frame) for frame in protocol.data_to_send()]


def serve(protocol, now_ns=NOW, rounds=10):
    """Answer all that the session asks until it asks no more; what it asked."""
    asked = []
    for _ in range(rounds):
        messages = sent(protocol)
        if not messages:
            return asked
        asked += messages
        for message in messages:
            protocol.receive(answer(message["id"], reply(message), now_ns), now_ns)
    raise AssertionError("the session does not come to rest")


def ready(*, public=False, now_ns=NOW, **options):
    """A session that is READY, its news so far forgotten."""
    protocol = DeribitProtocol(None if public else credentials(), **options)
    protocol.connection_made(now_ns)
    serve(protocol, now_ns)
    assert protocol.state is State.READY
    protocol.events_received()
    return protocol


ORDER = {
    "order_id": "77",
    "instrument_name": "BTC-PERPETUAL",
    "direction": "buy",
    "amount": 10.0,
    "filled_amount": 0.0,
    "average_price": 0.0,
    "price": 60_000.0,
    "order_state": "open",
    "order_type": "limit",
    "label": "h",
    "last_update_timestamp": NOW // 1_000_000,
    "creation_timestamp": NOW // 1_000_000,
}
TRADE = {
    "trade_id": "t1",
    "trade_seq": 1,
    "order_id": "77",
    "label": "h",
    "instrument_name": "BTC-PERPETUAL",
    "direction": "buy",
    "amount": 10.0,
    "price": 60_000.0,
    "fee": 5e-8,
    "fee_currency": "BTC",
    "liquidity": "T",
    "state": "filled",
    "timestamp": NOW // 1_000_000,
}
