"""REST: typed answers, refusals, patience."""

import json
import random
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from gammacore.errors import RequestError, SessionError
from gammacore.live.rest import TRIES, Rest
from support.deribit_wire import NOW


@pytest.fixture
def server():
    """Answers from a list of (status, body); remembers the paths."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            found.paths.append(self.path)
            status, body = found.answers.pop(0) if len(found.answers) > 1 else found.answers[0]
            self.send_response(status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        def log_message(self, *what):
            pass

    found = HTTPServer(("127.0.0.1", 0), Handler)
    found.paths, found.answers, found.headers = [], [], {}
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join(5)


def rest(server, slept=None):
    sleep = (lambda seconds: None) if slept is None else slept.append
    url = f"http://127.0.0.1:{server.server_port}/api/v2"
    return Rest(url, sleep=sleep, rng=random.Random(1), timeout_s=5)


def error(code, **more):
    return (400, {"jsonrpc": "2.0", "error": {"code": code, "message": "m", **more}})


def test_what_is_asked_and_answered(server):
    server.answers = [(200, {"jsonrpc": "2.0", "result": NOW // 1_000_000, "usIn": 1, "usOut": 2})]
    params = {"currency": "BTC", "expired": True, "count": 5, "channels": ["a", "b"]}
    assert rest(server).raw("public/get_time", params) == str(NOW // 1_000_000).encode()
    [path] = server.paths
    assert (
        path == "/api/v2/public/get_time?currency=BTC&expired=true&count=5&channels=%5B%22a%22%2C+%22b%22%5D"
    )


def test_a_busy_exchange_is_asked_again_ever_later(server):
    server.answers = [(429, b""), (503, b"x"), error(10028), error(10041), (200, {"result": 1})]
    slept = []
    assert rest(server, slept).raw("public/get_index") == b"1"
    assert len(slept) == 4
    assert all(0.25 * 2**i <= seconds <= 0.5 * 2**i for i, seconds in enumerate(slept))


def test_patience_ends(server):
    server.answers = [(429, b"too many")]
    with pytest.raises(RequestError, match="429 too many"):
        rest(server).raw("public/get_index")
    assert len(server.paths) == TRIES


def test_a_refusal_is_final(server):
    server.answers = [error(-32602, data={"param": "currency"})]
    with pytest.raises(RequestError, match=r"-32602 m .*currency"):
        rest(server).raw("public/get_index")
    assert len(server.paths) == 1


@pytest.mark.parametrize("body", [b"<html>", b"", b"["])
def test_what_cannot_be_read(server, body):
    server.answers = [(200, body)]
    with pytest.raises(RequestError, match="unreadable"):
        rest(server).raw("public/get_time")


def test_nobody_there(server):
    url = f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    with pytest.raises(RequestError, match="attempts failed"):
        Rest(url, sleep=lambda seconds: None, timeout_s=1).raw("public/get_time")


def test_what_is_not_asked_this_way(server):
    with pytest.raises(SessionError):
        rest(server).raw("private/get_positions")
    with pytest.raises(SessionError):
        Rest("file:///etc")


def test_a_result_as_received(server):
    body = b'{"jsonrpc": "2.0", "usIn": 1, "result": {"b": 1.50, "a": [1e3, null]}, "testnet": true}'
    server.answers = [(503, b""), (200, body)]
    assert rest(server).raw("public/anything") == b'{"b": 1.50, "a": [1e3, null]}'
    server.answers = [(200, {"result": None})]
    assert rest(server).raw("public/anything") == b"null"
    server.answers = [error(-32602)]
    with pytest.raises(RequestError, match="-32602"):
        rest(server).raw("public/anything")
    server.answers = [(200, {"jsonrpc": "2.0"})]
    with pytest.raises(RequestError, match="unreadable"):
        rest(server).raw("public/anything")


@pytest.mark.parametrize(
    ("header", "waited"), [("7", 7.0), ("0", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("1e9", 300.0)]
)
def test_a_server_that_says_how_long_to_wait(server, header, waited):
    server.answers, server.headers = [(429, b""), (200, {"result": 1})], {"Retry-After": header}
    slept = []
    assert rest(server, slept).raw("public/get_index") == b"1"
    assert slept == [waited] if waited else 0.25 <= slept[0] <= 0.5
