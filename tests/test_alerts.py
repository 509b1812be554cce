"""Alerts: levels, repetition, rates, addresses; and what a session's journal makes of them."""

import http.server
import json
import math
import re
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from gammacore.alerts import RETRY_NS, VARIABLE, Alerts, Level, apprise_sender
from gammacore.daycount import NS_PER_HOUR, NS_PER_MINUTE
from gammacore.errors import ConfigError, JournalLostError
from gammacore.live import room
from gammacore.live.follow import Follower
from gammacore.live.journal import Journal, is_held
from gammacore.live.positions import Adopted
from gammacore.live.risk_manager import Mode
from gammacore.live.watch import SILENT_S, Metrics, Watcher
from gammacore.logging import BLOT
from support.live_world import Process, World, lively

W, C, I = Level.WARNING, Level.CRITICAL, Level.INFO  # noqa: E741


class Postbox:
    def __init__(self, works=True):
        self.got, self.works = [], works

    def __call__(self, level, title, text):
        if self.works:
            self.got.append((level, title, text))
        return self.works


def test_levels_below_the_least_are_not_sent():
    box = Postbox()
    alerts = Alerts(box, least=W)
    assert not alerts.tell(I, "start", "up", 0)
    assert alerts.tell(W, "mode", "halt", 0)
    assert box.got == [(W, "gammacore: mode", "halt")]


def test_the_same_is_told_once_in_a_while_unless_it_gets_worse_or_was_over():
    box = Postbox()
    alerts = Alerts(box, repeat_ns=NS_PER_HOUR)
    assert alerts.tell(W, "mode", "a", 0)
    assert not alerts.tell(W, "mode", "b", NS_PER_HOUR - 1)
    assert alerts.tell(W, "mode", "c", NS_PER_HOUR)
    assert alerts.tell(C, "mode", "d", NS_PER_HOUR + 1)
    assert not alerts.tell(W, "mode", "e", NS_PER_HOUR + 2)
    alerts.over("mode")
    assert alerts.tell(W, "mode", "f", NS_PER_HOUR + 3)
    assert [text for _, _, text in box.got] == ["a", "c", "d", "f"]


def test_more_than_so_many_an_hour_are_counted_and_critical_ones_pass():
    box = Postbox()
    alerts = Alerts(box, per_hour=2)
    for k in range(4):
        alerts.tell(W, f"k{k}", "x", k)
    assert len(box.got) == 2
    assert alerts.tell(C, "worse", "y", 5)
    assert box.got[-1][2] == "y (2 others were left out)"
    assert alerts.tell(W, "later", "z", NS_PER_HOUR + 3)
    assert box.got[-1][2] == "z"


def test_what_could_not_be_sent_is_tried_again():
    box = Postbox(works=False)
    alerts = Alerts(box)
    assert not alerts.tell(W, "mode", "a", 0)
    box.works = True
    assert not alerts.tell(W, "mode", "a", RETRY_NS - 1)
    assert alerts.tell(W, "mode", "a", RETRY_NS)


def test_secrets_are_blotted_out():
    box = Postbox()
    Alerts(box).tell(C, "x", "client_secret=abcdefgh", 0)
    assert BLOT in box.got[0][2]
    assert "abcdefgh" not in box.got[0][2]


def test_a_rate_must_be_positive():
    with pytest.raises(ConfigError, match="per_hour"):
        Alerts(Postbox(), per_hour=0)


def test_addresses_come_from_the_environment():
    pytest.importorskip("apprise", reason="needs pip install 'gammacore[alerts]'")
    assert apprise_sender({}) is None
    with pytest.raises(ConfigError) as error:
        apprise_sender({VARIABLE: "nonsense://token-of-mine"})
    assert "token-of-mine" not in str(error.value)
    assert VARIABLE in str(error.value)


def test_a_webhook_is_reached():
    pytest.importorskip("apprise", reason="needs pip install 'gammacore[alerts]'")
    got = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        send = apprise_sender({VARIABLE: f"json://127.0.0.1:{server.server_port}/hook"})
        assert Alerts(send).tell(C, "mode", "HALT: last price 11 s ago", 0)
        thread.join(10)
    assert got[0]["title"] == "gammacore: mode"
    assert got[0]["message"] == "HALT: last price 11 s ago"
    assert got[0]["type"] == "failure"


# --------------------------------------------------------------------------- of a session


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def watched(tmp_path):
    world = World(linear=())
    process = Process(world, tmp_path / "j.db", lively())
    process.run(20)
    process.journal.flush()
    box, clock = Postbox(), Clock()
    follower = Follower(tmp_path / "j.db")
    follower.update()
    watcher = Watcher(follower, Alerts(box, least=I), clock=clock)
    yield process, follower, watcher, box, clock
    process.close()


def test_a_healthy_session_says_nothing(watched):
    _, _, watcher, box, _ = watched
    watcher.look()
    assert box.got == []


def test_a_second_reason_is_told_beside_the_first_and_figures_that_change_are_no_news(watched):
    process, follower, watcher, box, _ = watched

    def look():
        process.hedger.on_tick(process.world.now_ns)
        process.journal.flush()
        follower.update()
        watcher.look()

    risk = process.hedger.risk
    risk.latch("one", "margin 81.5% in use", Mode.HEDGE_ONLY)
    look()
    risk.latch("two", "options are not closed", Mode.HEDGE_ONLY)
    risk.latch("one", "margin 82.5% in use", Mode.HEDGE_ONLY)
    look()
    assert [text for _, _, text in box.got] == [
        "HEDGE_ONLY: margin 81.5% in use",
        "HEDGE_ONLY: options are not closed",
    ]


def test_a_start_is_no_alert_unless_it_lasts(watched):
    process, follower, watcher, box, clock = watched
    process.hedger.risk.latch("one", "last price never")
    process.hedger.on_tick(process.world.now_ns)
    process.journal.flush()
    follower.update()
    watcher.look()
    clock.now += 14.0
    watcher.look()
    assert box.got == []
    clock.now += 1.0
    watcher.look()
    assert box.got == [(C, "gammacore: mode", "HALT: last price never")]


def test_a_disk_that_fills_up_is_told_in_time(watched, monkeypatch):
    _, follower, watcher, box, clock = watched
    follower.last_ns = follower.first_ns + 3_600 * 10**9  # so it writes its size in an hour
    a_hour, now = Path(follower.path).stat().st_size, SimpleNamespace(free=0)
    monkeypatch.setattr(room.shutil, "disk_usage", lambda folder: now)
    for hours in (72.1, 71.9, 12.1, 11.9, 11.0, 80.0, 71.0):
        now.free = int(hours * a_hour)
        clock.now += 40.0
        watcher.look()
    told = [(level, text) for level, title, text in box.got if title == "gammacore: disk"]
    lasts = [(level, re.search(r"which last (\d+ \w+);", text)[1]) for level, text in told]
    assert lasts == [(W, "3 days"), (C, "12 hours"), (W, "3 days")]
    follower.last_ns = follower.first_ns + 9 * 60 * 10**9
    assert follower.room() == (now.free, math.inf)  # too early to say


def test_a_reason_that_did_not_arrive_is_told_again(watched):
    process, follower, watcher, box, clock = watched
    process.hedger.risk.latch("one", "nobody hears")
    process.hedger.on_tick(process.world.now_ns)
    process.journal.flush()
    follower.update()
    box.works = False
    watcher.look()
    box.works = True
    watcher.look()
    assert box.got == []  # not at once
    clock.now += 10.0
    watcher.look()
    watcher.look()
    assert box.got == [(C, "gammacore: mode", "HALT: nobody hears")]


@pytest.mark.parametrize("forced", [True, False])
def test_every_trade_that_nobody_here_ordered_is_told_once(watched, forced):
    process, follower, watcher, box, _ = watched
    watcher.look()
    told = [(C, "gammacore: liquidation") if forced else (W, "gammacore: traded outside")]
    for number in ("7", "8"):
        process.journal.told(Adopted(process.world.now_ns, number, "BTC-PERPETUAL", -500.0, 85e3, forced))
        process.journal.flush()
        follower.update()
        watcher.look()
        watcher.look()
    expected = [(*told[0], f"-500 BTC-PERPETUAL at 85000, trade {number}") for number in ("7", "8")]
    assert box.got == expected


def test_a_watch_that_begins_later_tells_the_trades_of_before_in_one_message_a_kind(watched):
    process, follower, watcher, box, _ = watched
    for number in range(30):
        forced = number in (3, 4)
        process.journal.told(Adopted(process.world.now_ns, f"{number}", "BTC-PERPETUAL", -5.0, 85e3, forced))
    process.journal.flush()
    box.works = False
    follower.update()
    watcher.look()
    box.works, watcher.alerts = True, Alerts(box, per_hour=20)
    watcher.look()
    watcher.look()
    assert box.got == [
        (
            W,
            "gammacore: traded outside",
            "-5 BTC-PERPETUAL at 85000, trade 29 (the last of 28 in the journal)",
        ),
        (C, "gammacore: liquidation", "-5 BTC-PERPETUAL at 85000, trade 4 (the last of 2 in the journal)"),
    ]
    process.journal.told(Adopted(process.world.now_ns, "30", "BTC-PERPETUAL", 5.0, 85e3, False))
    process.journal.flush()
    follower.update()
    watcher.look()
    assert box.got[2:] == [(W, "gammacore: traded outside", "+5 BTC-PERPETUAL at 85000, trade 30")]


def test_a_halt_is_told_with_its_reasons_and_again_when_it_comes_back(watched):
    process, follower, watcher, box, clock = watched
    watcher.look()
    for reason in ("one", "two"):
        process.hedger.risk.latch("test", reason)
        process.hedger.on_tick(0)
        process.journal.flush()
        follower.update()
        watcher.look()
        assert box.got[-1] == (C, "gammacore: mode", f"HALT: {reason}")
        process.hedger.risk.lift("test")
        process.hedger.on_tick(0)
        process.journal.flush()
        follower.update()
        clock.now += 1
        watcher.look()
    assert len(box.got) == 2


def test_silence_is_told(watched):
    _, _, watcher, box, clock = watched
    watcher.look()
    clock.now = SILENT_S + 1
    watcher.look()
    assert box.got[0][:2] == (C, "gammacore: silence")


def test_the_end_is_told(watched):
    process, follower, watcher, box, _ = watched
    watcher.look()
    assert box.got == []
    process.close()
    follower.update()
    watcher.look()
    assert box.got == [(I, "gammacore: end", "the session has ended")]


def test_metrics_are_served(watched):
    pytest.importorskip("prometheus_client", reason="needs pip install 'gammacore[metrics]'")
    process, follower, _, _, _ = watched
    metrics = Metrics(0)
    try:
        Watcher(follower, metrics=metrics).look()
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics.port}/metrics", timeout=5) as answer:
            lines = dict(
                line.split() for line in answer.read().decode().splitlines() if not line.startswith("#")
            )
    finally:
        metrics.close()
    assert float(lines["gammacore_price_usd"]) == process.hedger.desk.market.index
    assert float(lines["gammacore_fills"]) == process.hedger.filled > 0
    assert float(lines["gammacore_mode"]) == 0
    assert float(lines["gammacore_margin_gap"]) == pytest.approx(follower.margin_gap)
    assert 0.9 < float(lines["gammacore_liquidation_distance"]) <= 1.0
    for name, _ in Metrics.GAUGES:
        assert f"gammacore_{name}" in lines


def test_repetition_is_in_minutes_of_the_clock():
    box = Postbox()
    alerts = Alerts(box, repeat_ns=5 * NS_PER_MINUTE)
    sent = [alerts.tell(W, "k", "x", k * NS_PER_MINUTE) for k in range(11)]
    assert sent == [k % 5 == 0 for k in range(11)]


def test_a_service_that_fails_ends_nobody():
    def broken(level, title, text):
        raise OSError("no route")

    assert not Alerts(broken).tell(C, "mode", "HALT", 0)


class Holder:
    alive = True

    def __call__(self):
        return self.alive


@pytest.fixture
def supervised(watched):
    process, follower, _, box, clock = watched
    holder = Holder()
    return process, Watcher(follower, Alerts(box, least=I), clock=clock, alive=holder), box, clock, holder


def test_a_process_that_is_gone_without_a_word_is_told_at_once(supervised):
    _, watcher, box, clock, holder = supervised
    watcher.update()
    assert box.got == []
    holder.alive, clock.now = False, 1.0
    watcher.update()
    ((level, title, text),) = box.got
    assert (level, title) == (C, "gammacore: gone")
    assert text.endswith("j.db: the session's process is gone, nobody hedges")


def test_a_process_that_has_said_stop_is_not_gone(supervised):
    process, watcher, box, _, holder = supervised
    process.close()
    holder.alive = False
    watcher.update()
    assert box.got == [(I, "gammacore: end", "the session has ended")]


def test_a_journal_that_is_gone_is_told_once(supervised):
    process, watcher, box, _, _ = supervised
    process.journal.path.rename(f"{process.journal.path}.moved")
    for _ in range(2):
        watcher.update()
    ((level, title, text),) = box.got
    assert (level, title) == (C, "gammacore: journal")
    assert "j.db: no such file" in text


def test_the_lock_tells_whether_a_session_is_there(tmp_path):
    assert not is_held(tmp_path / "j.db")
    journal = Journal(tmp_path / "j.db")
    journal.start(1, b"{}")
    # Another process: locks of one's own are not seen.
    ask = f"from gammacore.live.journal import is_held; print(is_held({str(tmp_path / 'j.db')!r}))"
    asked = [sys.executable, "-c", ask]
    assert subprocess.run(asked, capture_output=True, text=True).stdout == "True\n"
    (tmp_path / "j.db").unlink()
    assert is_held(tmp_path / "j.db")
    with pytest.raises(JournalLostError):
        journal.check()
    journal.close()
    assert not is_held(tmp_path / "j.db")
