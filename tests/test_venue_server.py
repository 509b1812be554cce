"""The exchange on a port, and its command."""

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
import websocket

from gammacore.live.simulator import Exchange, ExchangeConfig, server
from gammacore.live.simulator.server import serving

CONFIG = ExchangeConfig(expiries=1, strikes=2, tick_ms=100)
SECONDS = 10


@pytest.fixture
def exchange():
    return Exchange(CONFIG)


@pytest.fixture
def port(exchange):
    with serving(exchange) as number:
        yield number


def connect(port):
    return websocket.create_connection(f"ws://127.0.0.1:{port}/ws/api/v2", timeout=SECONDS)


def call(socket, method, **params):
    socket.send(json.dumps({"jsonrpc": "2.0", "id": method, "method": method, "params": params}))
    for _ in range(1_000):
        message = json.loads(socket.recv())
        if message.get("id") == method:
            return message
    raise AssertionError(method)


def login(socket):
    return call(
        socket,
        "public/auth",
        grant_type="client_credentials",
        client_id="gammacore",
        client_secret="local",
    )


def fetch(url, data=None):
    try:
        with urllib.request.urlopen(url, data, timeout=SECONDS) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_a_session_over_a_socket(port):
    socket = connect(port)
    assert "result" in login(socket)
    assert call(socket, "private/subscribe", channels=["book.BTC-PERPETUAL.raw"])["result"]
    order = call(socket, "private/buy", instrument_name="BTC-PERPETUAL", amount=10, type="market")
    assert order["result"]["order"]["order_state"] == "filled"
    kinds = {json.loads(socket.recv())["params"]["data"]["type"] for _ in range(3)}
    assert kinds <= {"snapshot", "change"}
    socket.close()


def test_rest_over_http(port):
    root = f"http://127.0.0.1:{port}/api/v2"
    status, body = fetch(f"{root}/public/ticker?instrument_name=BTC-PERPETUAL")
    assert status == 200
    assert json.loads(body)["result"]["instrument_name"] == "BTC-PERPETUAL"
    status, body = fetch(f"{root}/public/ticker")
    assert status == 400
    assert json.loads(body)["error"]["code"] == -32602
    request = {"jsonrpc": "2.0", "id": 1, "method": "public/test", "params": {}}
    for uri in (root, f"{root}/public/test"):
        assert json.loads(fetch(uri, json.dumps(request).encode())[1])["id"] == 1


def test_both_kinds_of_ending(port, exchange):
    def arm(**fault):
        return fetch(f"http://127.0.0.1:{port}/_control/fault", json.dumps(fault).encode())

    socket = connect(port)
    assert arm(kind="drop", match="public/get_time")[0] == 200
    socket.send('{"id":1,"method":"public/get_time"}')
    with pytest.raises(websocket.WebSocketConnectionClosedException):
        socket.recv()  # no close frame
    socket = connect(port)
    assert arm(kind="slow_reader", match="public/get_time")[0] == 200
    socket.send('{"id":1,"method":"public/get_time"}')
    code, data = socket.recv_data()
    assert code == websocket.ABNF.OPCODE_CLOSE
    assert data[2:] == b"connection_too_slow"
    assert arm(kind="banana")[0] == 400
    assert [kind for _, kind, _ in exchange.faults.fired] == ["drop", "slow_reader"]


def test_a_restart_refuses_for_a_while(port):
    socket = connect(port)
    login(socket)
    order = call(socket, "private/buy", instrument_name="BTC-PERPETUAL", amount=10, price=84_000)
    body = json.dumps({"kind": "restart", "seconds": 0.5}).encode()
    fetch(f"http://127.0.0.1:{port}/_control/fault", body)
    with pytest.raises(websocket.WebSocketConnectionClosedException):
        socket.recv()
    with pytest.raises(websocket.WebSocketBadStatusException, match="503"):
        connect(port)
    assert fetch(f"http://127.0.0.1:{port}/api/v2/public/get_time")[0] == 503
    time.sleep(1.0)
    again = connect(port)
    login(again)
    found = call(again, "private/get_order_state", order_id=order["result"]["order"]["order_id"])
    assert found["result"]["order_state"] == "open"


def test_a_client_that_leaves_is_noticed(port, exchange):
    socket = connect(port)
    login(socket)
    call(socket, "private/enable_cancel_on_disconnect")
    order = call(socket, "private/buy", instrument_name="BTC-PERPETUAL", amount=10, price=84_000)
    socket.sock.close()  # without a close frame
    number = order["result"]["order"]["order_id"]
    for _ in range(100):
        if exchange.engine.orders[number].state == "cancelled":
            break
        time.sleep(0.05)
    assert exchange.engine.orders[number].cancel_reason == "cancel_on_disconnect"


def test_a_client_that_does_not_read_is_cut_off(monkeypatch):
    monkeypatch.setattr(server, "SLOW_S", 0.5)
    exchange = Exchange(CONFIG)
    with serving(exchange, speed=600.0) as port:
        socket = connect(port)
        login(socket)
        channels = [f"{kind}.BTC-PERPETUAL.raw" for kind in ("book", "ticker", "trades")]
        call(socket, "private/subscribe", channels=channels)
        for _ in range(200):
            if not exchange.connections:
                break
            time.sleep(0.1)
        assert not exchange.connections
        socket.close()


def test_time_may_run_faster(exchange):
    with serving(exchange, speed=600.0) as port:
        url = f"http://127.0.0.1:{port}/api/v2/public/get_time"
        first = json.loads(fetch(url)[1])["result"]
        time.sleep(0.5)
        second = json.loads(fetch(url)[1])["result"]
    assert second - first > 200_000


def start(*arguments):
    command = [sys.executable, "-c", "from gammacore.cli import main; main()", "exchange", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def free_port():
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(url):
    for _ in range(150):
        try:
            return fetch(url)
        except urllib.error.URLError:
            time.sleep(0.1)
    raise AssertionError(url)


def test_command_keeps_its_state(tmp_path):
    number = free_port()
    arguments = ["--port", str(number), "--expiries", "1", "--strikes", "2"]
    arguments += ["--state", str(tmp_path / "state")]
    for run in range(2):
        process = start(*arguments)
        try:
            wait_for(f"http://127.0.0.1:{number}/api/v2/public/get_time")
            socket = connect(number)
            login(socket)
            if run == 0:
                call(socket, "private/buy", instrument_name="BTC-PERPETUAL", amount=10, price=50_000)
            assert len(call(socket, "private/get_open_orders")["result"]) == 1
        finally:
            process.terminate()
            process.communicate(timeout=SECONDS)


def test_command_follows_recorded_prices_with_faults(tmp_path):
    bars = ["open_time_ms,open,high,low,close"]
    bars += [f"{1_767_225_600_000 + 60_000 * k},{c},{c},{c},{c}" for k, c in enumerate(range(90_000, 90_060))]
    recorded = tmp_path / "btcusdt_spot_1m_2026-01.csv"
    recorded.write_text("\n".join(bars) + "\n")
    plan = tmp_path / "faults.yaml"
    plan.write_text("seed: 3\nfaults:\n- {kind: settlement, match: private/cancel_all, count: null}\n")
    number = free_port()
    process = start(
        "--port", str(number), "--replay", str(recorded), "--faults", str(plan),
        "--expiries", "1", "--strikes", "2", "--client-id", "me", "--client-secret", "mine",
    )  # fmt: skip
    try:
        root = f"http://127.0.0.1:{number}/api/v2"
        _, body = wait_for(f"{root}/public/get_index_price?index_name=btc_usd")
        assert 90_000 <= json.loads(body)["result"]["index_price"] < 90_060
        stamp = json.loads(fetch(f"{root}/public/get_time")[1])["result"]
        assert stamp - 1_767_225_660_000 < 60_000  # the close of the first bar is where it begins
        socket = connect(number)
        signed = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "mine"}
        assert "result" in call(socket, "public/auth", **signed)
        assert call(socket, "private/cancel_all")["error"]["code"] == 10041
        socket.close()
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=SECONDS)
    assert re.search(rf"ws://127.0.0.1:{number}/ws/api/v2", output)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--start", "soon"], "--start: time 'soon' is not"),
        (["--faults", "no.yaml"], "--faults no.yaml"),
    ],
)
def test_mistakes_are_one_line(arguments, message):
    process = start(*arguments)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert message in output
    assert "Traceback" not in output
