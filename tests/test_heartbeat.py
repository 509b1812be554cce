"""The dead-man's switch: called while all is well, never in the way."""

import http.server
import logging
import threading

import pytest

from gammacore.errors import ConfigError
from gammacore.live import heartbeat
from gammacore.live.follow import Follower
from gammacore.live.heartbeat import VARIABLE, Heartbeat, heartbeat_of
from gammacore.live.watch import SILENT_S, Watcher
from gammacore.logging import BLOT, redact
from support.live_world import Process, World, lively


@pytest.fixture
def service():
    """Counts calls on loopback, and answers with a status."""

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.paths.append(self.path)
            self.send_response(self.server.status)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        server.paths, server.status = [], 200
        server.url = f"http://127.0.0.1:{server.server_port}/ping/a-token-of-mine"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def beat(heart):
    called = heart.beat()
    if called:
        for thread in threading.enumerate():
            if thread.name == "heartbeat":
                thread.join(5)
    return called


def test_it_is_called_at_its_interval(service):
    clock = Clock()
    heart = Heartbeat(service.url, 60.0, clock)
    for clock.now in (0.0, 30.0, 59.9, 60.0, 61.0, 120.0):
        beat(heart)
    assert service.paths == ["/ping/a-token-of-mine"] * 3
    assert heart.failed == 0


def test_failing_calls_are_counted_logged_without_the_address_and_hurt_nothing(service, caplog):
    caplog.set_level(logging.WARNING, "gammacore.alerts")
    logging.getLogger("gammacore").propagate = True
    clock = Clock()
    service.status = 503
    heart = Heartbeat(service.url, 1.0, clock)
    beat(heart)
    refused = Heartbeat("http://127.0.0.1:9/a-token-of-mine", 1.0, clock)
    beat(refused)
    assert (heart.failed, refused.failed) == (1, 1)
    assert [record.reason for record in caplog.records] == ["status 503", "ConnectionError"]
    assert redact(service.url) == BLOT


def test_a_call_that_hangs_is_not_followed_by_another(monkeypatch):
    clock, hangs = Clock(), threading.Event()
    monkeypatch.setattr(heartbeat, "fetch", lambda url, most_s: (hangs.wait(5) and 200, {}, b""))
    heart = Heartbeat("http://127.0.0.1:9/", 1.0, clock)
    assert heart.beat()
    clock.now = 100.0
    assert not heart.beat()
    hangs.set()


def test_where_the_address_comes_from():
    assert heartbeat_of(lively(), {}) is None
    stated = lively(alerts__heartbeat="https://example.com/a", alerts__heartbeat_every="30s")
    assert heartbeat_of(stated, {}).url == "https://example.com/a"
    assert heartbeat_of(stated, {}).every_s == 30.0
    assert heartbeat_of(stated, {VARIABLE: "https://example.com/b"}).url == "https://example.com/b"


@pytest.mark.parametrize(
    "address",
    [
        "token.com/x",
        "ftp://token.com/x",
        "https:///token",
        "http://token b/",
        "http://[::token/",
        "http://token:0/",
    ],
)
def test_what_is_no_web_address_is_refused_and_not_shown(address):
    with pytest.raises(ConfigError, match=VARIABLE) as error:
        heartbeat_of(lively(), {VARIABLE: address})
    assert "token" not in str(error.value)
    with pytest.raises(ConfigError, match=r"alerts\.heartbeat: expected an address"):
        lively(alerts__heartbeat=address)


class Heart:
    def __init__(self):
        self.beats = 0

    def beat(self):
        self.beats += 1


def test_it_beats_only_while_a_session_lives_writes_and_says_its_mode(tmp_path):
    process = Process(World(linear=()), tmp_path / "j.db", lively())
    heart, clock, alive = Heart(), Clock(), [True]
    follower = Follower(tmp_path / "j.db")
    watcher = Watcher(follower, clock=clock, alive=lambda: alive[0], heartbeat=heart)
    watcher.update()
    assert heart.beats == 0  # nothing has begun
    process.run(10)
    process.journal.flush()
    watcher.update()
    assert heart.beats == 1
    clock.now = SILENT_S + 1.0  # nothing new in the journal
    watcher.update()
    assert heart.beats == 1
    process.run(5)
    process.journal.flush()
    watcher.update()
    assert heart.beats == 2
    alive[0] = False
    watcher.update()
    assert heart.beats == 2
    alive[0] = True
    process.close()
    watcher.update()
    assert heart.beats == 2  # it has ended
