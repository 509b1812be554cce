"""``gammacore kill`` on sessions that answer, hang, are gone or have lost their journal."""

import base64
import contextlib
import json
import os
import signal
import threading
import urllib.parse
import urllib.request

import pytest

from gammacore.errors import SessionError
from gammacore.live import killing
from gammacore.live.flatten import held_by
from gammacore.live.journal import read
from gammacore.live.killing import kill
from gammacore.live.launch import start_session
from gammacore.live.session import NO_JOURNAL, SessionOptions, kill_file
from support.live_processes import KEY, PATIENCE_S, SECRET, filled, positions_in, program, started, wait_for
from support.live_world import Process, World, lively
from support.platforms import posix

pytestmark = posix  # sessions are stopped, woken and ended by signals


@pytest.fixture
def run(monkeypatch, capsys):
    return program(monkeypatch, capsys)


@pytest.fixture(scope="module")
def exchange():
    with started() as url:
        yield url


def ask(exchange, method, **params):
    """Result of a private question, over REST."""
    address = exchange.replace("ws://", "http://").replace("/ws/", "/")
    request = urllib.request.Request(f"{address}/{method}?{urllib.parse.urlencode(params)}")
    request.add_header("Authorization", "Basic " + base64.b64encode(f"gammacore:{SECRET}".encode()).decode())
    with urllib.request.urlopen(request, timeout=10.0) as answer:
        return json.load(answer)["result"]


def account(exchange):
    """Positions of the account, by instrument."""
    found = ask(exchange, "private/get_positions", currency="BTC")
    return {row["instrument_name"]: row["size"] for row in found if row["size"]}


@contextlib.contextmanager
def trading(exchange, journal):
    options = SessionOptions(venue="local", journal=str(journal), url=exchange, speed=10.0)
    # A call, not a straddle: its hedge is there at once and never passes through zero.
    config = lively(entry__structure="call", hedge__band=0.001, execution__hedges="taker")
    process = start_session(config, options, dict(os.environ) | KEY)
    try:
        wait_for(lambda: filled(journal, "PERPETUAL") >= 1, process)
        yield process
    finally:
        process.kill()
        process.wait()


def words(result):
    return " ".join(result.output.split())


def test_a_dead_session(exchange, tmp_path, run, monkeypatch):
    for name, value in KEY.items():
        monkeypatch.setenv(name, value)
    journal = tmp_path / "j.db"
    before = account(exchange)  # others' positions, of tests before; they must stay
    with trading(exchange, journal) as process:
        process.kill()
        process.wait()
    own = positions_in(journal)
    assert len(own) == 2
    for flatten in ((), ("--flatten",)):
        result = run("kill", str(journal), *flatten)
        assert result.exit_code == 1
        assert "no session runs on this journal" in words(result)
        assert "2 positions of it remain: " in words(result)
        assert f"{journal} --flatten --direct closes them" in words(result)
    assert account(exchange) != before
    result = run("kill", str(journal), "--flatten", "--direct")
    assert result.exit_code == 2
    assert "--url: the local venue needs the address" in words(result)
    result = run("kill", str(journal), "--flatten", "--direct", "--url", exchange)
    assert result.exit_code == 0, result.output
    assert words(result).endswith("flat: nothing of the journal remains")
    assert account(exchange) == pytest.approx(before)
    assert not ask(exchange, "private/get_open_orders_by_currency", currency="BTC")
    # Again: the journal still names what is closed, and nothing more is.
    result = run("kill", str(journal), "--flatten", "--direct", "--url", exchange, "--json")
    assert result.exit_code == 0
    told, _ = json.JSONDecoder().raw_decode(result.output)
    assert told["done"] is True
    assert account(exchange) == pytest.approx(before)
    assert kill_file(journal).read_text().startswith("halt ")  # none starts, and none would close again


def test_a_hung_session(exchange, tmp_path, run, monkeypatch):
    for name, value in KEY.items():
        monkeypatch.setenv(name, value)
    journal = tmp_path / "j.db"
    before = account(exchange)
    with trading(exchange, journal) as process:
        process.send_signal(signal.SIGSTOP)
        result = run("kill", str(journal), "--wait", "0.5")
        assert result.exit_code == 1
        assert f"did not answer within 0.5 s, but its process {process.pid} is there" in words(result)
        assert "kill -9" in words(result)
        result = run("kill", str(journal), "--flatten", "--direct", "--url", exchange, "--wait", "5")
        assert result.exit_code == 0, result.output
        assert account(exchange) == pytest.approx(before)
        process.send_signal(signal.SIGCONT)  # it wakes up, and halts instead of closing once more
        wait_for(lambda: [r for r in read(journal) if r.name == "SwitchSeen"], process)
        assert account(exchange) == pytest.approx(before)


def test_a_session_that_answers_each_time(exchange, tmp_path, run):
    journal = tmp_path / "j.db"
    with trading(exchange, journal) as process:
        for _ in range(2):
            result = run("kill", str(journal), "--json")
            told = json.loads(result.output)
            assert result.exit_code == 0
            assert (told["session"], told["stage"], told["done"]) == ("answered", "cancelled", True)
            assert told["positions"] == positions_in(journal) != {}
            assert told["said"].startswith("the session has halted, its orders are cancelled; 2 positions")
        result = run("kill", str(journal), "--flatten")
        assert result.exit_code == 0
        assert words(result).endswith("the session has closed all positions and ends")
        assert process.wait(PATIENCE_S) == 0
    assert positions_in(journal) == {}


def test_a_session_that_has_lost_its_journal_is_not_out_of_reach(exchange, tmp_path, run):
    journal = tmp_path / "j.db"
    with trading(exchange, journal) as process:
        process.send_signal(signal.SIGSTOP)
        for name in ("", "-wal", "-shm", ".tail"):
            (tmp_path / f"j.db{name}").unlink()
        wakes = threading.Timer(1.0, process.send_signal, [signal.SIGCONT])
        wakes.start()
        result = run("kill", str(journal))
        wakes.join()
        assert result.exit_code == 0
        assert "the session has ended" in words(result)
        assert "its journal cannot be read" in words(result)
        assert process.wait(PATIENCE_S) == NO_JOURNAL


@pytest.mark.parametrize(
    ("stage", "done"), [("", False), ("taken", False), ("cancelled", True), ("flat", True)]
)
def test_a_kill_has_happened_once_the_session_says_that_all_is_cancelled(stage, done, tmp_path, monkeypatch):
    journal = tmp_path / "j.db"
    journal.touch()
    monkeypatch.setattr(killing, "is_held", lambda path: True)
    monkeypatch.setattr(killing, "_wait", lambda *args: (stage, "answered" if stage else "silent"))
    assert kill(journal, flatten=False, wait_s=1.0).done is done


def test_a_folder_of_several_books_names_their_journals(tmp_path, run):
    for name in ("BTC.db", "ETH.db"):
        (tmp_path / name).touch()
    for command in ("kill", "watch", "parity"):
        result = run(command, str(tmp_path))
        assert result.exit_code == 2
        told = f"a folder, not a journal; name one of its journals: {tmp_path}/BTC.db, {tmp_path}/ETH.db"
        assert told in words(result)


def test_words_that_do_not_go_together(tmp_path, run):
    (tmp_path / "j.db").touch()
    result = run("kill", str(tmp_path / "j.db"), "--direct")
    assert result.exit_code == 2
    assert "needs --flatten" in words(result)
    result = run("kill", str(tmp_path / "j.db"), "--url", "ws://127.0.0.1:9/")
    assert result.exit_code == 2
    assert not kill_file(tmp_path / "j.db").exists()


def test_closing_without_a_session_needs_a_journal_that_can_be_read(tmp_path):
    journal = tmp_path / "j.db"
    journal.write_bytes(b"SQLite format 3\0" + os.urandom(4_000))
    with pytest.raises(SessionError, match="close them at the exchange by hand"):
        held_by(journal)
    outcome = kill(journal, flatten=False, wait_s=1.0)
    assert (outcome.done, outcome.session, outcome.positions) == (False, "none", None)
    assert "positions are not known here" in outcome.said


def test_what_a_journal_holds_is_what_its_desk_holds(tmp_path):
    process = Process(World(), tmp_path / "j.db", lively(hedge__band=0.01))
    process.run(60)
    own = process.hedger.positions.own()
    process.close()
    assert positions_in(tmp_path / "j.db") == own != {}
    with pytest.raises(SessionError, match="no session has traded on it"):  # its process did not say Began
        held_by(tmp_path / "j.db")
