"""One deadline for a web request, whatever the server does with it."""

import socket
import threading
import time

import pytest

from gammacore.errors import RequestError
from gammacore.live.deadline import fetch
from gammacore.live.rest import Rest

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
WHOLE = b'{"jsonrpc": "2.0", "result": 1}'


def trickle(connection, data, pause=0.05):
    for k in range(len(data)):
        connection.sendall(data[k : k + 1])
        time.sleep(pause)


def body_trickles(connection):
    connection.sendall(HEAD % 500)
    trickle(connection, b" " * 500)


def headers_trickle(connection):
    trickle(connection, b"HTTP/1.1 200 OK\r\n" + b"X-Word: aaaa\r\n" * 100)


def body_hangs(connection):
    connection.sendall(HEAD % 500 + b"{")
    time.sleep(20)


def says_nothing(connection):
    time.sleep(20)


def trickles_without_length(connection):
    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
    trickle(connection, b" " * 500)


def body_is_cut(connection):
    connection.sendall(HEAD % len(WHOLE) + WHOLE[:10])


def json_is_cut(connection):
    connection.sendall(HEAD % 10 + WHOLE[:10])


def drops(connection):
    pass


def resets(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def fails(connection):
    connection.sendall(b"HTTP/1.1 500 Oops\r\nContent-Length: 500\r\n\r\nx")


SLOW = [body_trickles, headers_trickle, body_hangs, says_nothing, trickles_without_length]
QUICK = [body_is_cut, json_is_cut, drops, resets, fails]


@pytest.fixture
def serve():
    """Server that treats its first connections as told, and answers wholly from then on."""
    listener = socket.create_server(("127.0.0.1", 0))
    faults, seen = [], []

    def answer(connection):
        with connection:
            try:
                connection.recv(65_536)
                fault = faults.pop(0) if faults else None
                seen.append(fault)
                if fault is None:
                    connection.sendall(HEAD % len(WHOLE) + WHOLE)
                else:
                    fault(connection)
            except OSError:
                pass

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()

    def start(*given):
        faults[:], seen[:] = given, []
        return f"http://127.0.0.1:{listener.getsockname()[1]}", seen

    yield start
    listener.close()


@pytest.mark.parametrize("fault", SLOW)
def test_the_deadline_holds_for_the_whole_request(serve, fault):
    url, _ = serve(fault)
    begun = time.monotonic()
    with pytest.raises(TimeoutError, match=r"^no whole answer within 0.3 s$"):
        fetch(url, 0.3)
    assert time.monotonic() - begun < 1.0


def test_a_read_that_times_out_before_the_watch_wakes_is_told_alike(serve, monkeypatch):
    monkeypatch.setattr("threading.Timer.start", lambda timer: None)
    url, _ = serve(says_nothing)
    with pytest.raises(TimeoutError, match=r"^no whole answer within 0.3 s$"):
        fetch(url, 0.3)


@pytest.mark.parametrize("fault", [*SLOW, *QUICK])
def test_an_answer_that_is_none_is_asked_for_again(serve, fault):
    url, seen = serve(fault, fault)
    assert Rest(url, timeout_s=0.3, sleep=lambda seconds: None).raw("public/get_index") == b"1"
    assert seen == [fault, fault, None]


def test_patience_is_bounded_over_all_attempts(serve):
    url, seen = serve(*[body_trickles] * 20)
    begun = time.monotonic()
    with pytest.raises(RequestError, match=r"2 attempts failed, the last with .*try again later"):
        Rest(url, timeout_s=0.3, patience_s=1.0, sleep=lambda seconds: None).raw("public/get_index")
    assert time.monotonic() - begun < 2.0
    assert seen == [body_trickles] * 2


def test_an_error_keeps_its_body_and_headers(serve):
    def refuses(connection):
        connection.sendall(b"HTTP/1.1 429 Busy\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno")

    url, _ = serve(refuses)
    status, body, headers = fetch(url, 5.0)
    assert (status, body, headers["Retry-After"]) == (429, b"no", "7")
    assert fetch(url, 5.0)[:2] == (200, WHOLE)
    with pytest.raises(TimeoutError):
        fetch(url, 0.0)


def test_a_connection_is_kept_and_its_deadline_is_that_of_the_question(serve):
    """The second question goes by the first one's connection, and has a time of its own."""

    def keeps(connection):
        connection.sendall(HEAD % len(WHOLE) + WHOLE)
        assert connection.recv(65_536).startswith(b"GET /public/b")
        asked.append("b")
        body_trickles(connection)

    asked = []
    url, seen = serve(keeps)
    rest = Rest(url, timeout_s=0.3, sleep=lambda seconds: None)
    assert rest.raw("public/a") == b"1"
    begun = time.monotonic()
    assert rest.raw("public/b") == b"1"
    assert time.monotonic() - begun < 5.0  # of 25 that the answer would take
    assert (asked, seen) == (["b"], [keeps, None])


def test_redirections_are_followed_within_the_deadline(serve):
    def moved(connection):
        connection.sendall(
            b"HTTP/1.1 302 Found\r\nLocation: /there\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        )

    url, seen = serve(moved)
    assert fetch(url, 5.0)[:2] == (200, WHOLE)
    assert seen == [moved, None]
