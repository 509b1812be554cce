"""Processes on loopback: the live command, Ctrl-C, kill -9, the kill switch, the doctor."""

import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from gammacore.errors import JournalError, SessionError
from gammacore.exchange import Exchange, ExchangeConfig
from gammacore.exchange.server import serving
from gammacore.live import doctor, launch
from gammacore.live.about import Began
from gammacore.live.checkpoint import Checkpoints, recall
from gammacore.live.clock import SteadyClock, demand_speed, scaled_clock
from gammacore.live.flatten import flatten_directly, held_by
from gammacore.live.follow import Follower
from gammacore.live.journal import Journal, RecordKind, length, read
from gammacore.live.killing import pull
from gammacore.live.launch import Signals, start_session
from gammacore.live.limits import REQUIRED, missing_limits
from gammacore.live.parity import check
from gammacore.live.records import decode_fact
from gammacore.live.session import NO_JOURNAL, REFUSED, SessionOptions, kill_file
from support.live_processes import KEY, PATIENCE_S, SECRET, filled, program, started, wait_for
from support.live_world import lively
from support.platforms import linux

resource = pytest.importorskip("resource", reason="sessions are ended here by the signals of POSIX")
COMMAND = [sys.executable, "-m", "gammacore.live"]


@pytest.fixture
def run(monkeypatch, capsys):
    return program(monkeypatch, capsys)


@pytest.fixture(scope="module")
def exchange():
    with started() as url:
        yield url


@pytest.fixture
def unused():
    """One on which nobody has traded: trades just before a first start look like the holder's at the next."""
    with started() as url:
        yield url


@pytest.fixture(scope="module")
def steady():
    """One whose time is ours, as the exchange's signatures want it."""
    with started(speed=1.0) as url:
        yield url


def session(exchange, journal, venue="local", key=KEY, **changes):
    options = SessionOptions(venue=venue, journal=str(journal), url=exchange, speed=10.0, **changes)
    return start_session(lively(hedge__band=0.01), options, dict(os.environ) | key)


def test_the_live_command_buys_hedges_and_explains_and_stops_on_ctrl_c(tmp_path):
    journal = tmp_path / "j.db"
    process = subprocess.Popen(
        [
            *COMMAND,
            "--journal",
            str(journal),
            "--set",
            "hedge.band=0.005",
            "--set",
            "currency=BTC_USDC",
            "--set",
            "hedge.target=black",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    try:
        wait_for(lambda: filled(journal, "PERPETUAL") >= 1, process)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "BTC_USDC-PERPETUAL" in output
    assert "gamma" in output
    assert "replay check passed: same decisions" in " ".join(output.split())
    records = list(read(journal))
    assert records[-1].kind is RecordKind.STOP
    for name in ("Placed", "Booked", "Baseline"):
        assert any(record.name == name for record in records)
    for file in tmp_path.iterdir():
        if file.is_file():
            assert file.stat().st_mode & 0o077 == 0, file


def test_signals_go_to_the_session_and_interrupt_nothing_here():
    sent = []
    session = type("Session", (), {"send_signal": lambda self, number: sent.append(number)})()
    numbers = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
    before = [signal.getsignal(number) for number in numbers]
    with Signals() as signals:
        signals.pass_on_to(session)
        assert not signals.asked
        for number in numbers:
            signal.raise_signal(number)
        assert signals.asked == list(numbers)
    assert sent == [signal.SIGINT] * 3
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_before_there_is_a_session_a_signal_ends_what_was_started(number):
    with pytest.raises(SystemExit) as end, Signals():
        signal.raise_signal(number)
    assert end.value.code == 128 + number


def children(process):
    """Ids of the processes that one has started."""
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


def running(pid):
    """Whether a process is there; one that nobody has waited for has ended."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(found.stdout.strip()) and not found.stdout.startswith("Z")


def live(journal, *words, **more):
    return subprocess.Popen(
        [*COMMAND, "--journal", str(journal), "--set", "hedge.band=0.005", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=journal.parent,
        env=os.environ | more,
    )


def test_parent_session_and_exchange_end_together(tmp_path):
    journal = tmp_path / "j.db"
    process = live(journal)
    try:
        wait_for(lambda: filled(journal) >= 3, process)
        started = children(process)
        assert len(started) == 2
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "replay check passed" in " ".join(output.split())  # the final report
    assert errors == ""
    assert not [pid for pid in started if running(pid)]
    assert list(read(journal))[-1].kind is RecordKind.STOP


def test_a_parent_that_is_killed_leaves_nothing_behind(tmp_path):
    journal = tmp_path / "j.db"
    process = live(journal)
    try:
        wait_for(lambda: filled(journal) >= 3, process)
        started = children(process)
    finally:
        process.kill()
        process.wait()
    killed_s = time.monotonic()
    wait_for(lambda: list(read(journal))[-1].kind is RecordKind.STOP)
    assert time.monotonic() - killed_s < 5.0
    assert [r.name for r in read(journal) if r.name == "Orphaned"] == ["Orphaned"]
    wait_for(lambda: not [pid for pid in started if running(pid)])
    assert time.monotonic() - killed_s < 15.0


class Service(http.server.ThreadingHTTPServer):
    """Receives alerts (POST) and heartbeats (GET)."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Hook)
        self.alerts, self.beats = [], 0
        self.variables = {
            "GAMMACORE_ALERTS": f"json://127.0.0.1:{self.server_port}/",
            "GAMMACORE_HEARTBEAT": f"http://127.0.0.1:{self.server_port}/beat",
        }


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.alerts.append((told["type"], told["title"], told["message"]))
        self.send_response(200)
        self.end_headers()

    def do_GET(self):
        self.server.beats += 1
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def service():
    pytest.importorskip("apprise", reason="needs pip install 'gammacore[alerts]'")
    with Service() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_session_that_is_killed_is_told_at_once(service, tmp_path):
    journal = tmp_path / "j.db"
    process = live(journal, **service.variables)
    try:
        wait_for(lambda: filled(journal) >= 3, process)
        (began,) = [decode_fact(r.body, Began) for r in read(journal) if r.name == "Began"]
        assert began.pid in children(process)
        assert service.alerts == []
        wait_for(lambda: service.beats == 1, process)
        os.kill(began.pid, signal.SIGKILL)
        output, errors = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == 128 + signal.SIGKILL
    ((kind, title, message),) = service.alerts
    assert (kind, title) == ("failure", "gammacore: session")
    assert f"{journal}: its process was ended by SIGKILL; " in message
    assert "its process was ended by SIGKILL" in " ".join(output.split())
    assert "Traceback" not in output + errors


def test_watch_tells_that_a_process_is_gone(service, unused, tmp_path):
    journal = tmp_path / "j.db"
    process = session(unused, journal)
    watcher = None
    try:
        wait_for(lambda: filled(journal) >= 2, process)
        words = [sys.executable, "-c", "from gammacore.cli.main import main; main()", "watch", str(journal)]
        watcher = subprocess.Popen(words, env=os.environ | service.variables)
        wait_for(lambda: service.beats == 1, process)
        assert service.alerts == []
        process.kill()
        killed_s = time.monotonic()
        wait_for(lambda: service.alerts)
        assert time.monotonic() - killed_s < 10.0
    finally:
        process.kill()
        process.wait()
        if watcher is not None:
            watcher.terminate()
            watcher.wait()
    told = f"{journal}: the session's process is gone, nobody hedges"
    assert service.alerts == [("failure", "gammacore: gone", told)]


@linux
def test_a_full_disk_halts_a_session_without_a_traceback_and_a_restart_goes_on(unused, tmp_path):
    journal = tmp_path / "j.db"
    process = session(unused, journal)
    try:
        wait_for(lambda: filled(journal) >= 2, process)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (100_000, 100_000))
        assert process.wait(PATIENCE_S) == NO_JOURNAL
    finally:
        process.kill()
    told = process.stderr.read().decode()
    assert told.startswith(f"error: {journal}: disk I/O error (is the disk full?); the journal can no longer")
    assert told.count("\n") == 1
    assert "Traceback" not in Path(f"{journal}.log").read_text()

    def prices():
        return sum(record.name == "IndexPrice" for record in read(journal))

    before = prices()
    again = session(unused, journal)
    try:
        wait_for(lambda: prices() > before + 20, again)
    finally:
        again.send_signal(signal.SIGTERM)
        assert again.wait(PATIENCE_S) == 0
    assert check(journal).departure is None
    follower = Follower(journal)
    follower.update()
    assert (follower.mode.mode, follower.mode.reasons, follower.departure) == (0, (), None)


def test_a_session_that_is_asked_to_end_while_it_connects_does_so_without_a_word(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}/"
        options = SessionOptions("testnet", str(tmp_path / "j.db"), url=url, paper=True, account=False)
        process = start_session(lively(), options, dict(os.environ))
        log = tmp_path / "j.db.log"
        wait_for(lambda: log.exists() and "connecting" in log.read_text(), process)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr.read() == b""
        # The same before it has read anything: its parent held the signal back until it listened.
        process = start_session(lively(), options, dict(os.environ))
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    ("currency", "missing"),
    [
        ("ETH_USDC", "ETH_USDC-PERPETUAL nor options on ETH that settle in USDC"),
        ("SOL_USDC", "SOL_USDC-PERPETUAL"),
    ],
)
def test_what_the_exchange_does_not_list_is_refused(exchange, tmp_path, currency, missing):
    options = SessionOptions(venue="local", journal=str(tmp_path / "j.db"), url=exchange, speed=10.0)
    config = lively(currency=currency, hedge__target="black", hedge__lots=False)
    process = start_session(config, options, dict(os.environ) | KEY)
    assert process.wait(PATIENCE_S) == 2
    told = process.stderr.read().decode()
    assert told.startswith(
        f"error: currency: {currency} cannot be traded here, the exchange does not list {missing}"
    )
    assert told.count("\n") == 1


def test_a_session_that_is_killed_goes_on_where_it_was(exchange, tmp_path):
    journal, kills = tmp_path / "j.db", 0
    for _ in range(3):
        process = session(exchange, journal)
        try:
            before = filled(journal)
            wait_for(lambda before=before: filled(journal) > before, process)
        finally:
            process.kill()
            process.wait()
        kills += 1
    process = session(exchange, journal)
    starts = kills + 1
    wait_for(lambda: sum(r.kind is RecordKind.START for r in read(journal)) == starts, process)
    time.sleep(2.0)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0
    assert check(journal).departure is None
    facts = [r for r in read(journal) if r.name == "Booked"]
    assert len(facts) == filled(journal)
    told = Path(f"{journal}.log").read_text()
    assert told.count('"past funding"') >= 1  # of the times it was down, as far as a hedge was held
    assert "no past funding" not in told
    assert not [r for r in read(journal) if r.name == "ModeChanged" and b"positions" in r.body]
    follower = Follower(journal)
    follower.update()
    lines = follower.explain()
    assert sum(money.coin for money in lines.lines.values()) == pytest.approx(lines.total.coin, abs=1e-9)


def test_a_session_leaves_checkpoints_and_the_next_one_begins_there(unused, tmp_path, monkeypatch, run):
    journal = tmp_path / "j.db"
    monkeypatch.setattr(launch, "Checkpoints", partial(Checkpoints, every=20))
    for name, value in KEY.items():
        monkeypatch.setenv(name, value)
    words = ["--url", unused, "--journal", str(journal), "--seconds", "8", "--set", "entry.expiries=any"]
    words += ["--set", "entry.min_days=0.1", "--set", "entry.max_days=3"]
    assert run("live", *words).exit_code == 0
    begins = recall(journal).seq
    assert begins >= 20
    left = length(journal) - begins
    assert run("live", *words).exit_code == 0
    told = [json.loads(line) for line in Path(f"{journal}.log").read_text().splitlines()]
    (replayed,) = [line for line in told if line["message"] == "replayed"]
    assert replayed["of"] == begins + left
    assert replayed["records"] in (left, 0)  # 0: who looks on left another one meanwhile
    assert recall(journal).seq > begins + left
    assert check(journal).departure is None
    assert check(journal).starts == 2


def test_the_kill_switch_stops_a_session_and_keeps_it_stopped(exchange, tmp_path, run):
    journal = tmp_path / "j.db"
    process = session(exchange, journal)
    wait_for(lambda: filled(journal) >= 2, process)
    result = run("kill", str(journal), "--flatten", "--direct")
    assert result.exit_code == 0, result.output
    told = "--direct is not needed: the session has closed all positions and ends"
    assert told in " ".join(result.output.split())
    assert process.wait(PATIENCE_S) == 0
    follower = Follower(journal)
    follower.update()
    assert not follower.desk.portfolio.open  # flat
    assert follower.desk.closing
    again = session(exchange, journal)
    assert again.wait(PATIENCE_S) == 2
    assert "kill switch is on" in again.stderr.read().decode()
    assert kill_file(journal).stat().st_mode & 0o077 == 0


def test_one_journal_has_one_session(exchange, tmp_path):
    journal = tmp_path / "j.db"
    first = session(exchange, journal)
    try:
        # Not the start: a signal before the session listens to it is no clean end.
        wait_for(lambda: journal.exists() and any(r.name == "Baseline" for r in read(journal)), first)
        second = session(exchange, journal)
        assert second.wait(PATIENCE_S) == 2
        assert "another process writes this journal" in second.stderr.read().decode()
    finally:
        first.send_signal(signal.SIGHUP)
        assert first.wait(PATIENCE_S) == 0
    assert list(read(journal))[-1].kind is RecordKind.STOP


def test_a_journal_goes_on_only_where_its_positions_are(tmp_path, monkeypatch):
    clients = {"gammacore": SECRET, "other": SECRET}
    config = ExchangeConfig(clients=clients, start_ns=time.time_ns(), expiries=2, strikes=4, history_days=1)
    journal, local = tmp_path / "j.db", Exchange(config)
    accounts = {account.name: account for account in local.floor.accounts.values()}
    with serving(local, speed=10.0) as port:
        url = f"ws://127.0.0.1:{port}/ws/api/v2"
        process = session(url, journal)
        wait_for(lambda: filled(journal) >= 2, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        length = len(list(read(journal)))
        other = KEY | {"GAMMACORE_CLIENT_ID_TESTNET": "other"}
        numbers = [accounts[name].user_id for name in clients]
        for changes, told in (
            (
                {"key": other},
                "kept with a key of account {}, and this key is of account {};".format(*numbers),
            ),
            ({"venue": "testnet"}, "start it with --venue local"),
            ({"paper": True}, "go on without --dry-run and --shadow"),
        ):
            again = session(url, journal, **changes)
            assert again.wait(PATIENCE_S) == REFUSED
            assert told in again.stderr.read().decode()
        for name, value in other.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(JournalError, match="this key is of account"):
            flatten_directly(held_by(journal), print, url=url)
    assert not accounts["other"].positions
    assert len(list(read(journal))) == length


def test_a_local_exchange_is_not_started_for_the_journal_of_another(exchange, tmp_path):
    journal = tmp_path / "j.db"
    process = session(exchange, journal)
    wait_for(lambda: filled(journal) >= 2, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0
    again = live(journal)
    assert again.wait(PATIENCE_S) == 2
    told = " ".join(again.communicate()[1].split())
    assert "belongs to another local exchange than the one that would be started" in told


def test_what_was_filled_on_paper_is_not_taken_for_real(exchange, tmp_path):
    journal = tmp_path / "j.db"
    process = session(exchange, journal, paper=True, account=False)
    wait_for(lambda: filled(journal) >= 2, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0
    again = session(exchange, journal)
    assert again.wait(PATIENCE_S) == REFUSED
    assert "filled on paper, so the account does not hold its positions" in again.stderr.read().decode()


def test_a_wrong_secret_is_said_and_nothing_is_traded(steady, tmp_path):
    options = SessionOptions(venue="local", journal=str(tmp_path / "j.db"), url=steady)
    wrong = KEY | {"GAMMACORE_CLIENT_SECRET_TESTNET": "wrong"}
    process = start_session(lively(), options, dict(os.environ) | wrong)
    code = process.wait(PATIENCE_S)
    told = process.stderr.read().decode()
    assert code == 2
    assert "13004" in told or "invalid_credentials" in told
    assert "wrong" not in told.replace("wrong secret", "")


@pytest.mark.parametrize(("currency", "account"), [("BTC", "BTC"), ("BTC_USDC", "USDC")])
def test_the_doctor_of_a_healthy_account(currency, account, steady, tmp_path, monkeypatch, run):
    for name, value in KEY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(f"currency: {currency}\nhedge:\n  target: black\n")
    result = run("doctor", "config.yaml", "--venue", "local", "--url", steady)
    text = " ".join(result.output.split())
    assert result.exit_code == 0, result.output
    assert SECRET not in result.output
    assert "failed" not in text
    off = re.search(r"clock \S* ?([+-]\d+\.\d+) s from the exchange's, give or take (\d+\.\d+) s", text)
    assert abs(float(off[1])) < 2.0 + float(off[2]), text
    for word in ("configuration", "limits", "credentials", "connection", "permissions", "contracts"):
        assert word in text
    assert f" {account}, available" in text
    assert f"{currency}-PERPETUAL" in text
    assert "risk.max_delta" in text
    assert "may trade and read the account" in text


def test_the_doctor_names_another_margin_model(steady, tmp_path, monkeypatch, run):
    for name, value in KEY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("margin:\n  model: portfolio\n")
    text = " ".join(run("doctor", "config.yaml", "--venue", "local", "--url", steady).output.split())
    assert ", standard margin" in text
    assert "set margin.model: standard" in text


@pytest.mark.parametrize(("ahead_s", "fails"), [(600.0, True), (-600.0, True), (0.0, False)])
def test_the_doctor_names_a_clock_that_is_off(ahead_s, fails, steady, tmp_path, monkeypatch, run):
    class Off(SteadyClock):
        def __call__(self):
            return super().__call__() + int(ahead_s * 1e9)

    for name, value in KEY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gammacore.live.client.SteadyClock", Off)
    result = run("doctor", "--venue", "local", "--url", steady)
    text = " ".join(result.output.split())
    assert result.exit_code == int(fails), result.output
    off = float(re.search(r"([+-]\d+\.\d+) s from the exchange's", text)[1])
    assert off == pytest.approx(ahead_s, abs=2.0)
    assert ("set the clock by NTP" in text) == fails
    assert "logged in" in text  # the key is good, and is not blamed
    assert text.count("failed") == int(fails)


def test_the_doctor_blames_a_wrong_key_and_not_the_network(steady, tmp_path, monkeypatch, run):
    for name, value in (KEY | {"GAMMACORE_CLIENT_SECRET_TESTNET": "wrong"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    result = run("doctor", "--venue", "local", "--url", steady)
    text = " ".join(result.output.split())
    assert result.exit_code == 1
    assert "13004 invalid_credentials" in text
    assert "was not revoked" in text
    assert "check the network" not in text


def test_the_doctor_asks_for_room_for_the_journal(tmp_path, monkeypatch):
    free = SimpleNamespace(free=9_900_000_000)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: free)

    def found():
        seen = {d.subject: d for d in doctor.examine(lively(), "testnet", journal=tmp_path / "j.db")}
        return seen["journal"]

    assert found()[1:] == (
        doctor.Health.WARNING,
        f"{tmp_path}: its disk has 9.9 GB left",
        "make room: a month of a session takes some 10 GB",
    )
    free.free = 10_000_000_000
    assert found().verdict is doctor.Health.OK


def test_the_doctor_says_what_is_missing(tmp_path, monkeypatch, run):
    for name in KEY:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "j.txt").write_text("no journal")
    with Journal(tmp_path / "j.db") as journal:
        journal.told(Began(1, "1", "production", paper=False, speed=1.0))
    for name, told in (
        ("j.txt", "j.txt: file is not a database"),
        ("j.db", "j.db: kept on production, so its"),
    ):
        result = run("doctor", "--venue", "testnet", "--journal", name)
        assert result.exit_code == 1
        assert "GAMMACORE_CLIENT_ID_TESTNET" in result.output
        assert told in " ".join(result.output.split())
    for name, value in KEY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("gammacore.live.doctor.TIMEOUT_S", 1.0)
    result = run("doctor", "--venue", "local", "--url", "ws://127.0.0.1:9/ws/api/v2")
    assert result.exit_code == 1
    assert re.search(
        "failed.*connection.*check the network|connection.*failed.*check the network",
        " ".join(result.output.split()),
    )


def test_production_needs_limits_and_words(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    result = run("live", "--venue", "production", "--confirm", "yes")
    assert result.exit_code == 1
    assert "not confirmed" in result.output
    result = run("live", "--venue", "production", "--confirm", "trade with real money")
    assert result.exit_code == 2
    for name in REQUIRED:
        if name != "max_orders_per_minute":  # has a default
            assert f"risk.{name}" in result.output
    limits = {f"risk.{name}": 0.5 for name in REQUIRED} | {"risk.max_orders_per_minute": 10}
    assert not missing_limits(lively(**{k.replace(".", "__"): v for k, v in limits.items()}))
    assert not (tmp_path / "results").exists()


def test_a_switch_needs_a_journal(tmp_path, run):
    result = run("kill", str(tmp_path / "none.db"))
    assert result.exit_code == 2
    assert "none.db: no such file" in " ".join(result.output.split())
    (tmp_path / "j.db").touch()
    assert pull(tmp_path / "j.db", flatten=False).read_text().startswith("halt ")


def test_options_come_back():
    options = SessionOptions("testnet", "live/j.db", paper=True)
    assert msgspec.convert(msgspec.to_builtins(options), SessionOptions) == options


@pytest.mark.parametrize("body", [b"", b"[]", b'{"result": null}', b"<html>"])
def test_a_local_exchange_that_tells_no_time_ends_with_the_reason(body, monkeypatch):
    monkeypatch.setattr("gammacore.live.clock.fetch", lambda url, timeout_s: (200, body, {}))
    with pytest.raises(SessionError, match=r"http://127\.0\.0\.1:9/api/v2/public/get_time.*tells no time"):
        scaled_clock("ws://127.0.0.1:9/ws/api/v2", 10.0)


def test_a_speed_that_the_exchange_does_not_run_at_is_refused(exchange, steady):
    demand_speed(exchange, 10.0)
    demand_speed(steady, 1.0)
    for url, speed in ((exchange, 1.0), (steady, 10.0)):
        with pytest.raises(SessionError, match=rf"runs about .* as a clock, not {speed:g}; give its own"):
            demand_speed(url, speed)
