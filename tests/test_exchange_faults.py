"""Faults on demand, one by one, and that the same seed breaks the same things."""

import json

import pytest

from gammacore.exchange import Close, Fault, UnavailableError
from gammacore.exchange.invariants import assert_invariants
from support.local_exchange import SECOND, Client, make

PERPETUAL = "BTC-PERPETUAL"
BOOK = "book.BTC-PERPETUAL.100ms"
ORDER = {"instrument_name": PERPETUAL, "amount": 10, "price": 84_000}


def client_with(*faults, **settings):
    return Client(make(faults, **settings))


def test_lost_response_after_acceptance():
    client = client_with(Fault(kind="lost_response", match="private/buy"))
    assert client.ask("private/buy", **ORDER, label="lost") is None
    assert client.end.code == 1006
    again = Client(client.exchange)
    (found,) = again.call("private/get_order_state_by_label", currency="BTC", label="lost")
    assert found["order_state"] == "open"  # it was accepted


def test_lost_request_was_never_read():
    client = client_with(Fault(kind="lost_request", match="private/buy"))
    assert client.ask("private/buy", **ORDER, label="lost") is None
    assert client.end.code == 1006
    again = Client(client.exchange)
    assert again.call("private/get_order_state_by_label", currency="BTC", label="lost") == []


def test_too_many_requests_on_demand():
    client = client_with(Fault(kind="too_many_requests", match="private/buy"))
    assert client.error("private/buy", **ORDER)["code"] == 10028
    assert client.end.code == 1006


def test_settlement_on_demand():
    client = client_with(Fault(kind="settlement", match="private/buy", count=2))
    for _ in range(2):
        assert client.error("private/buy", **ORDER)["code"] == 10041
    assert client.call("private/buy", **ORDER)["order"]["order_state"] == "open"


def test_drop_on_a_notification():
    client = client_with(Fault(kind="drop", match="book."))
    client.call("public/subscribe", channels=[BOOK])
    assert client.end == Close(1006, "dropped")
    assert client.exchange.connections == {}


def test_slow_reader():
    client = client_with(Fault(kind="slow_reader", match="book."))
    client.call("public/subscribe", channels=[BOOK])
    assert client.end.reason == "connection_too_slow"
    lazy = Client(make(max_queue=50))
    lazy.call("public/subscribe", channels=[BOOK, "ticker.BTC-PERPETUAL.100ms"])
    lazy.exchange.advance(lazy.exchange.now_ns + 60 * SECOND)
    lazy.read()
    assert lazy.end.reason == "connection_too_slow"


def test_duplicate_and_malformed():
    client = client_with(
        Fault(kind="duplicate", match="quote."), Fault(kind="malformed", match="deribit_price_index.")
    )
    client.call("public/subscribe", channels=["quote.BTC-PERPETUAL", "deribit_price_index.btc_usd"])
    client.wait(0.2)
    first, second = client.on("quote.BTC-PERPETUAL")[:2]
    assert first == second
    assert len(client.broken) == 1


def test_gap_breaks_the_chain_once():
    client = client_with(Fault(kind="gap", match="book.", at_s=2.0))
    client.call("public/subscribe", channels=[BOOK])
    client.wait(5)
    first, *changes = client.on(BOOK)
    ids = [first["change_id"], *(change["change_id"] for change in changes)]
    broken = [c for c, last in zip(changes, ids, strict=False) if c["prev_change_id"] != last]
    assert len(broken) == 1


def test_delay_holds_everything_and_reorder_lets_others_pass():
    delayed = client_with(Fault(kind="delay", match="public/get_time", seconds=2.0))
    assert delayed.ask("public/get_time") is None
    assert delayed.ask("public/test") is None
    delayed.wait(1.9, step=0.1)
    assert delayed.end is None
    assert [message["id"] for message in delayed.wait(0.2, step=0.1)] == [2, 3]
    other = client_with(Fault(kind="reorder", match="public/get_time", seconds=2.0))
    assert other.ask("public/get_time") is None
    assert other.call("public/test")
    assert [message["id"] for message in other.wait(2.1, step=0.1)] == [2]


def test_restart_keeps_the_orders():
    client = client_with(Fault(kind="restart", at_s=5.0, seconds=3.0))
    exchange = client.exchange
    kept = client.call("private/buy", **ORDER)["order"]["order_id"]
    client.wait(6)
    assert client.end == Close(1006, "restart")
    with pytest.raises(UnavailableError, match="restarting"):
        exchange.connect(exchange.now_ns)
    exchange.advance(exchange.now_ns + 3 * SECOND)
    again = Client(exchange)
    assert again.call("private/get_order_state", order_id=kept)["order_state"] == "open"
    assert_invariants(exchange.floor)


def test_restart_cancels_where_that_was_asked_for():
    client = Client(make())
    client.call("private/enable_cancel_on_disconnect")
    order = client.call("private/buy", **ORDER)["order"]["order_id"]
    client.exchange.restart(client.exchange.now_ns, 0.0)
    state = Client(client.exchange).call("private/get_order_state", order_id=order)
    assert state["cancel_reason"] == "cancel_on_disconnect"


def test_faults_of_rest():
    exchange = make(
        [
            Fault(kind="lost_request", match="public/get_time"),
            Fault(kind="lost_response", match="public/test"),
        ]
    )
    for method in ("get_time", "test"):
        uri = f"/api/v2/public/{method}"
        assert exchange.request("GET", uri, {}, "", exchange.now_ns) == (502, "")
        assert exchange.request("GET", uri, {}, "", exchange.now_ns)[0] == 200
    exchange.restart(exchange.now_ns, 1.0)
    assert exchange.request("GET", "/api/v2/public/test", {}, "", exchange.now_ns) == (503, "")


def test_windows_counts_and_probabilities():
    rule = Fault(kind="settlement", at_s=1.0, until_s=2.0, count=None)
    client = client_with(rule)
    codes = []
    for _ in range(6):
        codes.append(client.ask("private/buy", **ORDER).get("error", {}).get("code"))
        client.wait(0.5)
    assert codes == [None, None, 10041, 10041, None, None]
    some = client_with(Fault(kind="settlement", probability=0.3, count=None))
    hits = sum("error" in some.ask("private/buy", **ORDER) for _ in range(200))
    assert 30 < hits < 90


def test_injected_while_running():
    client = Client(make())
    client.exchange.inject(Fault(kind="settlement", match="private/cancel_all"))
    assert client.error("private/cancel_all")["code"] == 10041
    assert client.exchange.faults.fired == [(client.exchange.now_ns, "settlement", "private/cancel_all")]


def transcript(seed):
    plan = [
        Fault(kind="drop", probability=0.005, count=None),
        Fault(kind="duplicate", probability=0.05, count=None),
        Fault(kind="reorder", probability=0.05, count=None),
        Fault(kind="gap", match="book.", probability=0.05, count=None),
        Fault(kind="settlement", probability=0.2, count=None),
    ]
    client = Client(make(plan, seed=seed), login=None)
    frames = []
    for k in range(40):
        if client.connection.closed is not None:
            client = Client(client.exchange, login=None)
        client.connection.receive(
            json.dumps(
                {
                    "id": k,
                    "method": "public/auth",
                    "params": {
                        "grant_type": "client_credentials",
                        "client_id": "gammacore",
                        "client_secret": "local",
                    },
                }
            ),
            client.exchange.now_ns,
        )
        for method, params in (
            (
                "private/subscribe",
                {"channels": [BOOK, "user.orders.any.any.raw", "ticker.BTC-PERPETUAL.raw"]},
            ),
            ("private/buy", {"instrument_name": PERPETUAL, "amount": 10, "type": "market"}),
        ):
            text = json.dumps({"id": f"{k}{method}", "method": method, "params": params})
            client.connection.receive(text, client.exchange.now_ns)
        frames += client.connection.pop(client.exchange.now_ns + SECOND)
    return frames, client.exchange.faults.fired


def test_the_same_seed_gives_the_same_frames():
    frames, fired = transcript(3)
    assert transcript(3) == (frames, fired)
    assert transcript(4)[0] != frames
    assert {kind for _, kind, _ in fired} >= {"drop", "duplicate", "reorder", "gap", "settlement"}


MARKET = {"instrument_name": PERPETUAL, "amount": 10, "type": "market"}
IN_USDC = MARKET | {"instrument_name": "BTC_USDC-PERPETUAL", "amount": 0.001}


@pytest.mark.parametrize(
    ("lock", "channel", "on", "code", "passes"),
    [
        (("lock", "btc_usd"), "platform_state", {"price_index": "btc_usd", "locked": True}, 10019, IN_USDC),
        (("lock", ""), "platform_state", {"price_index": "btc_usd", "locked": True}, 10019, None),
        (("maintain",), "platform_state", {"maintenance": True}, 11051, None),
        (("lock_account", "gammacore"), "user.lock", {"locked": True}, 11098, None),
    ],
)
def test_what_is_locked_is_told_and_refuses_orders_but_no_cancellation(lock, channel, on, code, passes):
    method, *what = lock
    client = client_with()
    client.call("private/subscribe", channels=[channel])
    resting = client.call("private/buy", **ORDER)["order"]["order_id"]
    setting = getattr(client.exchange.locks, method)
    setting(*what, True)
    client.read()
    assert on in client.on(channel)
    for method in ("private/buy", "private/sell"):
        assert client.error(method, **MARKET)["code"] == code
    assert client.error("private/edit", order_id=resting, amount=20, price=84_000)["code"] == code
    assert client.error("private/close_position", instrument_name=PERPETUAL, type="market")["code"] == code
    if passes is not None:
        assert client.call("private/buy", **passes)["order"]["order_state"] == "filled"
    assert client.call("private/cancel", order_id=resting)["order_state"] == "cancelled"
    setting(*what, False)
    client.read()
    assert {**on, **{name: False for name, value in on.items() if value is True}} in client.on(channel)
    assert client.call("private/buy", **MARKET)["order"]["order_state"] == "filled"


def test_the_status_names_what_is_locked():
    client = client_with()
    assert client.call("public/status") == {"locked": "false"}
    client.exchange.locks.lock("btc_usd")
    assert client.call("public/status") == {"locked": "partial", "locked_indices": ["btc_usd"]}
    client.exchange.locks.lock()
    assert client.call("public/status")["locked"] is True


def test_a_lock_for_a_while_by_a_plan():
    client = client_with(Fault(kind="lock", match="btc_usd", at_s=2.0, seconds=3.0))
    client.wait(1)
    assert client.call("public/status") == {"locked": "false"}
    client.wait(2)
    assert client.call("public/status")["locked_indices"] == ["btc_usd"]
    client.wait(4)
    assert client.call("public/status") == {"locked": "false"}


def test_a_revoked_key():
    client = client_with()
    client.call("private/subscribe", channels=["user.changes.any.any.raw"])
    client.exchange.revoke("gammacore")
    assert client.error("private/get_positions", currency="any")["code"] == 13009
    key = {"grant_type": "client_credentials", "client_id": "gammacore", "client_secret": "local"}
    assert client.error("public/auth", **key)["code"] == 13004
    assert client.call("public/status") == {"locked": "false"}  # no login is needed for it
    client.exchange.revoke("gammacore", False)
    client.call("public/auth", **key)
    client.call("private/buy", **MARKET)
    assert client.on("user.changes.any.any.raw") == []  # its channels ended with it
