"""The exchange on a port, and its command."""

import json
import re
import socket as socket_module
import subprocess
import sys
import time
import typing
import urllib.error
import urllib.request

import pytest
import websocket

from gammacore import serving as serving_module
from gammacore.exchange import Exchange, ExchangeConfig, faults, server
from gammacore.exchange.server import serving

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
        if exchange.floor.engine.orders[number].state == "cancelled":
            break
        time.sleep(0.05)
    assert exchange.floor.engine.orders[number].cancel_reason == "cancel_on_disconnect"


def test_a_client_that_does_not_read_is_cut_off(monkeypatch):
    exchange = Exchange(CONFIG)
    with serving(exchange, speed=600.0) as port:
        socket = connect(port)
        login(socket)
        channels = [f"{kind}.BTC-PERPETUAL.raw" for kind in ("book", "ticker", "trades")]
        call(socket, "private/subscribe", channels=channels)
        monkeypatch.setattr(server, "SLOW_S", 0.5)  # not before: this process reads, however busy the machine
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
    command = [sys.executable, "-c", "from gammacore.cli.main import main; main()", "exchange", *arguments]
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


OWN = "http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:80"}, 403),
        ({"Origin": OWN}, 200),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://203.0.113.7"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
    ],
)
def test_pages_of_other_sites_are_refused(headers, status, port, exchange):
    headers = {name: value.format(port=port) for name, value in headers.items()}
    for path in ("/api/v2/public/get_time", "/_control/fault"):
        data = json.dumps({"kind": "restart"}).encode() if path.startswith("/_") else None
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
        if data is None or status != 200:
            assert fetch(request)[0] == status
    assert all(
        exchange.faults.fires(kind, "", exchange.now_ns) is None for kind in typing.get_args(faults.Kind)
    )
    options = {"host": headers["Host"]} if "Host" in headers else {}
    origin = headers.get("Origin", OWN.format(port=port))

    def connected():
        url = f"ws://127.0.0.1:{port}/ws/api/v2"
        return websocket.create_connection(url, timeout=SECONDS, origin=origin, **options)

    if status == 200:
        connected().close()
    else:
        with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
            connected()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null", b"[]", b'{"method": 5}', b'{"method":"\xff"}']
)
def test_a_broken_body_is_answered_400(body, port):
    for path in ("/api/v2", "/api/v2/public/test", "/_control/fault"):
        status, answer = fetch(f"http://127.0.0.1:{port}{path}", body)
        assert status == 400, (path, answer)
    socket = connect(port)
    socket.send("[" * 100_000)
    assert json.loads(socket.recv())["error"]["code"] == 11050
    assert "result" in call(socket, "public/get_time")
    socket.close()


@pytest.mark.parametrize("part", ["nothing", "headers", "second request"])
def test_a_request_that_does_not_arrive_is_ended(part, port, monkeypatch):
    monkeypatch.setattr(serving_module, "HEADERS_S", 0.3)
    with socket_module.create_connection(("127.0.0.1", port), timeout=SECONDS) as client:
        if part == "second request":
            client.sendall(b"GET /api/v2/public/get_time HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(65_536).startswith(b"HTTP/1.1 200")
        started = time.monotonic()
        if part != "nothing":
            client.sendall(b"GET /api/v2/public/get_time HTTP/1.1\r\n")
        ended = False
        while not ended and time.monotonic() - started < 3.0:
            try:
                if part != "nothing":
                    client.sendall(b"X: y\r\n")
                time.sleep(0.05)
                client.settimeout(0.01)
                ended = client.recv(100) == b""
            except TimeoutError:
                continue
            except OSError:
                ended = True
        assert ended
        assert 0.2 < time.monotonic() - started < 2.0


def test_a_socket_outlives_the_time_for_its_headers(port, monkeypatch):
    monkeypatch.setattr(serving_module, "HEADERS_S", 0.2)
    socket = connect(port)
    time.sleep(0.4)
    assert "result" in call(socket, "public/get_time")
    socket.close()
