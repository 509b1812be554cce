"""Transport, authentication, heartbeats, limits: sections 1 to 4 of the protocol reference."""

import base64
import json

import pytest

from gammacore.exchange import Close, UnavailableError
from gammacore.exchange.auth import signature
from support.local_exchange import SECOND, Client, make, rest

LOGIN = {"grant_type": "client_credentials", "client_id": "gammacore", "client_secret": "local"}


def test_envelope():
    client = Client(make(), login=None)
    answer = client.ask("public/get_time")
    assert list(answer) == ["jsonrpc", "id", "result", "usIn", "usOut", "usDiff", "testnet"]
    assert answer["usOut"] - answer["usIn"] == answer["usDiff"] > 0
    assert answer["usIn"] * 1000 == client.exchange.now_ns
    assert answer["result"] == client.exchange.now_ns // 10**6


@pytest.mark.parametrize("number", [7, "nfm000100000001", None])
def test_id_is_echoed_with_its_type_and_may_be_missing(number):
    exchange = make()
    connection = exchange.connect(exchange.now_ns)
    request = {"jsonrpc": "2.0", "method": "public/test", "params": {}}
    connection.receive(json.dumps(request if number is None else request | {"id": number}), exchange.now_ns)
    (frame,) = connection.pop()
    answer = json.loads(frame)
    assert answer.get("id") == number
    assert ("id" in answer) == (number is not None)
    assert answer["result"] == {"version": "1.2.26"}


def test_what_is_not_json_leaves_the_socket_open():
    exchange = make()
    connection = exchange.connect(exchange.now_ns)
    connection.receive("hello {", exchange.now_ns)
    (frame,) = connection.pop()
    answer = json.loads(frame)
    assert answer["error"] == {"code": 11050, "message": "bad_request", "data": "invalid json"}
    assert "id" not in answer
    assert connection.closed is None


@pytest.mark.parametrize(
    ("method", "params", "code", "data"),
    [
        ("public/nothing", {}, -32601, None),
        ("public/ticker", {}, -32602, {"reason": "value required", "param": "instrument_name"}),
        (
            "public/ticker",
            {"instrument_name": "BTC-1JAN20"},
            -32602,
            {"reason": "instrument not found", "param": "instrument_name"},
        ),
        (
            "public/get_instruments",
            {"currency": "BTC", "kind": "banana"},
            -32602,
            {"reason": "invalid value", "param": "kind"},
        ),
        (
            "public/get_book_summary_by_currency",
            {"currency": "any"},
            -32602,
            {"reason": "invalid currency", "param": "currency"},
        ),
        (
            "public/set_heartbeat",
            {"interval": 9},
            -32602,
            {"reason": "value must be >= 10", "param": "interval"},
        ),
        ("private/get_positions", {"currency": "BTC"}, 13009, {"reason": "invalid_token"}),
        ("public/auth", LOGIN | {"client_secret": "wrong"}, 13004, None),
    ],
)
def test_errors_of_the_wire(method, params, code, data):
    error = Client(make(), login=None).error(method, **params)
    assert error["code"] == code
    assert error.get("data") == data


# REST


def test_rest_get_and_post():
    exchange = make()
    status, answer = rest(exchange, "/api/v2/public/get_index_price?index_name=btc_usd")
    assert (status, answer["result"]["index_price"], "id" in answer) == (200, 85_000.0, False)
    body = json.dumps(
        {"jsonrpc": "2.0", "id": 4, "method": "public/get_index_price", "params": {"index_name": "btc_usd"}}
    )
    for uri in ("/api/v2", "/api/v2/public/get_index_price"):
        status, answer = rest(exchange, uri, "POST", body)
        assert (status, answer["id"], answer["result"]["index_price"]) == (200, 4, 85_000.0)
    status, answer = rest(exchange, "/api/v2/public/get_index_price", "POST", '{"params": {}}')
    assert (status, answer["error"]["code"]) == (400, 11050)


def test_rest_errors_are_http_400():
    exchange = make()
    status, answer = rest(exchange, "/api/v2/public/ticker")
    assert status == 400
    assert answer["error"]["data"] == {"reason": "value is required", "param": "instrument_name"}
    status, answer = rest(exchange, "/api/v2/public/subscribe?channels=[]")
    assert (status, answer["error"]["code"]) == (400, 10030)
    assert answer["error"]["message"] == "must_be_websocket_request"


def signed(exchange, secret="local", uri="/api/v2/private/get_account_summary?currency=BTC", nonce="n1"):
    stamp = exchange.now_ns // 10**6
    mark = signature(secret, f"{stamp}\n{nonce}\nGET\n{uri}\n\n")
    return f"deri-hmac-sha256 sig={mark},ts={stamp},id=gammacore,nonce={nonce}"


def test_rest_header_schemes():
    exchange = make()
    uri = "/api/v2/private/get_account_summary?currency=BTC"
    token = Client(exchange).call("public/auth", **LOGIN)["access_token"]
    basic = base64.b64encode(b"gammacore:local").decode()
    for header in (f"Bearer {token}", f"Basic {basic}", signed(exchange)):
        status, answer = rest(exchange, uri, authorization=header)
        assert (status, answer["result"]["balance"]) == (200, 10.0), header
    wrong = base64.b64encode(b"gammacore:wrong").decode()
    replayed = signed(exchange)  # the nonce was used
    for header in ("Bearer x", f"Basic {wrong}", "Basic ?", replayed, signed(exchange, "no", nonce="n2")):
        status, answer = rest(exchange, uri, authorization=header)
        assert (status, answer["error"]["code"]) == (400, 13009), header
    assert rest(exchange, uri)[0] == 400


# Authentication


def test_check_vector_of_a_signature():
    text = "1576074319000\n1iqt2wls\n"
    expected = "56590594f97921b09b18f166befe0d1319b198bbcdad7ca73382de2f88fe9aa1"
    assert signature("AMANDASECRECT", text) == expected


def test_client_signature():
    client = Client(make(), login=None)
    stamp = client.exchange.now_ns // 10**6
    params = {
        "grant_type": "client_signature",
        "client_id": "gammacore",
        "timestamp": stamp,
        "nonce": "abcd",
        "data": "",
        "signature": signature("local", f"{stamp}\nabcd\n"),
        "state": "mine",
    }
    result = client.call("public/auth", **params)
    assert result["state"] == "mine"
    assert result["token_type"] == "bearer"
    assert result["expires_in"] == 31_536_000
    assert {"connection", "mainaccount", "trade:read_write"} <= set(result["scope"].split())
    assert client.error("public/auth", **params)["code"] == 13004  # used once
    late = stamp - 61_000
    stale = {"timestamp": late, "nonce": "z", "signature": signature("local", f"{late}\nz\n")}
    assert client.error("public/auth", **params | stale)["code"] == 13004


def test_refresh_and_expiry():
    exchange = make(token_life_s=20)
    client = Client(exchange)
    client.call("public/subscribe", channels=["deribit_price_index.btc_usd"])
    first = client.call("public/auth", **LOGIN)
    client.wait(15)
    second = client.call("public/auth", grant_type="refresh_token", refresh_token=first["refresh_token"])
    client.wait(10)  # the first is over, the second is not
    assert client.call("private/get_open_orders") == []
    assert client.error("private/get_open_orders", access_token=first["access_token"])["code"] == 13009
    assert client.call("private/get_open_orders", access_token=second["access_token"]) == []
    client.wait(11)
    assert client.error("private/get_open_orders")["data"] == {"reason": "invalid_token"}


def test_scopes_narrow_and_sessions_survive():
    exchange = make()
    client = Client(exchange, login=None)
    narrow = client.call("public/auth", **LOGIN, scope="trade:read session:desk expires:60")
    assert narrow["expires_in"] == 60
    assert "session:desk" in narrow["scope"]
    assert "trade:read" in narrow["scope"].split()
    order = {"instrument_name": "BTC-PERPETUAL", "amount": 10, "type": "market"}
    assert client.error("private/buy", **order)["code"] == 13021
    plain = Client(exchange)
    died = plain.call("public/auth", **LOGIN)["access_token"]
    for one in (client, plain):
        one.connection.lost(exchange.now_ns)
    other = Client(exchange, login=None)
    assert other.call("private/get_open_orders", access_token=narrow["access_token"]) == []
    assert other.error("private/get_open_orders", access_token=died)["code"] == 13009


# Heartbeats and endings


def test_test_requests_and_close_4000():
    client = Client(make(tick_ms=100), login=None)
    assert client.call("public/set_heartbeat", interval=10) == "ok"
    start = client.exchange.now_ns
    client.wait(13, step=0.1)
    beats = [note["params"]["type"] for note in client.notes]
    assert beats[-1] == "test_request"
    client.call("public/test")  # answered: the connection stays
    client.wait(10.6, step=0.1)
    assert client.notes[-1]["params"]["type"] == "test_request"
    assert client.end is None
    client.wait(10.2, step=0.1)  # not answered
    assert client.end == Close(4000, "heartbeat close")
    assert client.exchange.now_ns - start > 32 * SECOND


def test_quiet_sockets_get_heartbeats_and_busy_ones_do_not():
    exchange = make()
    quiet, busy = Client(exchange, login=None), Client(exchange, login=None)
    for one in (quiet, busy):
        one.call("public/set_heartbeat", interval=10)
    busy.call("public/subscribe", channels=["deribit_price_index.btc_usd"])
    quiet.wait(11)
    busy.read()
    assert {"type": "heartbeat"} in [note["params"] for note in quiet.notes]
    assert not [note for note in busy.notes if note["method"] == "heartbeat"]
    assert quiet.call("public/disable_heartbeat") == "ok"


def test_an_idle_socket_is_cut_after_a_minute():
    client = Client(make(), login=None)
    client.wait(60)
    assert client.end is None
    client.wait(1.5)
    assert client.end.code == 1006


def test_hello_status_and_forced_exception():
    client = Client(make(), login=None)
    assert client.call("public/hello", client_name="test", client_version="1") == {"version": "1.2.26"}
    assert client.call("public/status") == {"locked": "false"}
    assert client.error("public/test", expected_result="exception")["code"] == 10001


def test_cancel_on_disconnect_is_per_connection():
    exchange = make()
    keeps, cancels = Client(exchange), Client(exchange)
    assert cancels.call("private/enable_cancel_on_disconnect", scope="connection") == "ok"
    state = cancels.call("private/get_cancel_on_disconnect", scope="connection")
    assert state == {"scope": "connection", "enabled": True}
    far = {"instrument_name": "BTC-PERPETUAL", "amount": 10, "price": 84_000}
    kept = keeps.call("private/buy", **far)["order"]["order_id"]
    gone = cancels.call("private/buy", **far)["order"]["order_id"]
    cancels.connection.lost(exchange.now_ns)
    states = {one: keeps.call("private/get_order_state", order_id=one) for one in (kept, gone)}
    assert states[kept]["order_state"] == "open"
    assert states[gone]["order_state"] == "cancelled"
    assert states[gone]["cancel_reason"] == "cancel_on_disconnect"


def test_logout_leaves_orders():
    exchange = make()
    leaves, stays = Client(exchange), Client(exchange)
    leaves.call("private/enable_cancel_on_disconnect")
    order = leaves.call("private/buy", instrument_name="BTC-PERPETUAL", amount=10, price=84_000)["order"]
    leaves.ask("private/logout")
    assert leaves.end == Close(1000, "logout")
    state = stays.call("private/get_order_state", order_id=order["order_id"])
    assert state["order_state"] == "open"


def test_account_wide_cancel_on_disconnect_holds_for_new_connections():
    exchange = make()
    first = Client(exchange)
    first.call("private/enable_cancel_on_disconnect", scope="account")
    second = Client(exchange)
    order = second.call("private/buy", instrument_name="BTC-PERPETUAL", amount=10, price=84_000)["order"]
    second.connection.lost(exchange.now_ns)
    state = first.call("private/get_order_state", order_id=order["order_id"])
    assert state["order_state"] == "cancelled"


# Limits


def test_too_many_requests_end_the_session():
    client = Client(make(), login=None)
    for _ in range(100):
        client.call("public/get_time")
    assert client.error("public/get_time") == {"code": 10028, "message": "too_many_requests"}
    assert client.end is not None
    assert client.end.code == 1006


def test_matching_engine_has_its_own_bucket():
    exchange = make(matching_rate=5, matching_burst=20)
    client = Client(exchange)
    far = {"instrument_name": "BTC-PERPETUAL", "amount": 10, "price": 84_000}
    for _ in range(20):
        client.call("private/buy", **far)
    client.call("private/get_open_orders")  # not a matter of the matching engine
    client.wait(1)
    for _ in range(5):
        client.call("private/buy", **far)
    assert client.error("private/buy", **far)["code"] == 10028


def test_subscribing_costs_more():
    client = Client(make(), login=None)
    for _ in range(10):
        client.call("public/subscribe", channels=["quote.BTC-PERPETUAL"])
    assert client.error("public/subscribe", channels=["quote.BTC-PERPETUAL"])["code"] == 10028


def test_thirty_two_connections():
    exchange = make()
    open_ones = [exchange.connect(exchange.now_ns) for _ in range(32)]
    with pytest.raises(UnavailableError, match="too many") as refused:
        exchange.connect(exchange.now_ns)
    assert refused.value.status == 429
    open_ones[0].lost(exchange.now_ns)
    exchange.connect(exchange.now_ns)


@pytest.mark.parametrize(
    ("method", "name"),
    [("private/buy", "amount"), ("private/buy", "price"), ("private/get_margins", "amount"),
     ("public/set_heartbeat", "interval"), ("public/get_funding_rate_history", "start_timestamp")],
)  # fmt: skip
@pytest.mark.parametrize("value", [1e308, -1e308, 10**30])
def test_numbers_that_are_none_are_refused(method, name, value):
    client = Client(make())
    params = {"instrument_name": "BTC-PERPETUAL", "amount": 10, "price": 84_000, "type": "limit",
              "start_timestamp": 0, "end_timestamp": 1, name: value}  # fmt: skip
    assert client.error(method, **params)["code"] == -32602
