"""Processes on loopback: the live command, Ctrl-C, kill -9, the kill switch, the doctor."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from live_world import lively
from test_cli import run as run_command

from gammacore.errors import JournalError, SessionError
from gammacore.live.client import SteadyClock
from gammacore.live.follow import Follower
from gammacore.live.journal import Journal, Kind, read
from gammacore.live.launch import (
    REQUIRED,
    _passing_on,
    _start,
    _update,
    exchange_process,
    missing_limits,
    pull,
)
from gammacore.live.parity import check
from gammacore.live.session import Options, kill_file, scaled_clock

PATIENCE_S = 60.0
SECRET = "a-secret-of-the-local-exchange"
KEY = {"GAMMACORE_CLIENT_ID_TESTNET": "gammacore", "GAMMACORE_CLIENT_SECRET_TESTNET": SECRET}
COMMAND = [sys.executable, "-m", "gammacore.live"]


class Result:
    def __init__(self, code, out, err):
        self.exit_code, self.output = code, out + err


@pytest.fixture
def run(monkeypatch, capsys):
    return lambda *words: Result(*run_command(monkeypatch, capsys, *words))


def wait_for(condition, process=None):
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if condition():
            return
        assert process is None or process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    raise TimeoutError


@pytest.fixture(scope="module")
def exchange():
    with exchange_process("gammacore", SECRET, 10.0, 3) as url:
        yield url


@pytest.fixture(scope="module")
def steady():
    """One whose time is ours, as the exchange's signatures want it."""
    with exchange_process("gammacore", SECRET, 1.0, 3) as url:
        yield url


def session(exchange, journal, **changes):
    options = Options(venue="local", journal=str(journal), url=exchange, speed=10.0, **changes)
    return _start(lively(hedge__band=0.01), options, dict(os.environ) | KEY)


def filled(journal):
    """How many trades a journal has, 0 while there is none."""
    return sum(record.name == "Fill" for record in read(journal)) if journal.exists() else 0


@pytest.mark.parametrize(
    ("perpetual", "settings"),
    [
        ("BTC-PERPETUAL", ()),
        ("BTC_USDC-PERPETUAL", ("--set", "currency=BTC_USDC", "--set", "hedge.target=black")),
    ],
)
def test_the_live_command_buys_hedges_and_explains_and_stops_on_ctrl_c(perpetual, settings, tmp_path):
    journal = tmp_path / "j.db"
    process = subprocess.Popen(
        [*COMMAND, "--journal", str(journal), "--set", "hedge.band=0.005", *settings],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    try:
        wait_for(lambda: filled(journal) >= 3, process)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert perpetual in output
    assert "gamma" in output
    assert "every decision was taken again by a fresh desk" in " ".join(output.split())
    records = list(read(journal))
    assert records[-1].kind is Kind.STOP
    for name in ("Placed", "Booked", "Baseline"):
        assert any(record.name == name for record in records)
    for file in tmp_path.iterdir():
        if file.is_file():
            assert file.stat().st_mode & 0o077 == 0, file


def test_ctrl_c_goes_to_the_session_and_interrupts_nothing_here():
    sent = []
    session = type("Session", (), {"send_signal": lambda self, number: sent.append(number)})()
    before = signal.getsignal(signal.SIGINT)
    with _passing_on(session) as asked:
        assert not asked
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert len(asked) == 2
    assert sent == [signal.SIGINT, signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is before


def test_the_view_waits_for_a_journal_and_misses_one_that_is_gone(tmp_path):
    follower = Follower(tmp_path / "j.db")
    _update(follower)
    (tmp_path / "j.db").touch()  # as a session begins: a file without tables
    _update(follower)
    assert follower.desk is None
    (tmp_path / "j.db").unlink()
    with Journal(tmp_path / "j.db") as journal:
        journal.start(1, msgspec.json.encode(msgspec.to_builtins(lively())))
    _update(follower)
    assert follower.desk is not None
    (tmp_path / "j.db").unlink()
    with pytest.raises(JournalError):
        _update(follower)


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
    wait_for(lambda: sum(r.kind is Kind.START for r in read(journal)) == starts, process)
    time.sleep(2.0)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0
    assert check(journal).difference is None
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


def test_the_kill_switch_stops_a_session_and_keeps_it_stopped(exchange, tmp_path, run):
    journal = tmp_path / "j.db"
    process = session(exchange, journal)
    wait_for(lambda: filled(journal) >= 2, process)
    result = run("kill", str(journal), "--flatten")
    assert result.exit_code == 0
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
        first.send_signal(signal.SIGTERM)
        assert first.wait(PATIENCE_S) == 0


def test_a_wrong_secret_is_said_and_nothing_is_traded(steady, tmp_path):
    options = Options(venue="local", journal=str(tmp_path / "j.db"), url=steady)
    wrong = KEY | {"GAMMACORE_CLIENT_SECRET_TESTNET": "wrong"}
    process = _start(lively(), options, dict(os.environ) | wrong)
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


def test_the_doctor_says_what_is_missing(tmp_path, monkeypatch, run):
    for name in KEY:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    result = run("doctor", "--venue", "testnet")
    assert result.exit_code == 1
    assert "GAMMACORE_CLIENT_ID_TESTNET" in result.output
    for name, value in KEY.items():
        monkeypatch.setenv(name, value)
    result = run("doctor", "--venue", "local", "--url", "ws://127.0.0.1:9/ws/api/v2")
    assert result.exit_code == 1
    assert "check the network" in " ".join(result.output.split())


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
    assert "no such journal" in result.output
    (tmp_path / "j.db").touch()
    assert pull(tmp_path / "j.db", flatten=False).read_text() == "halt\n"


def test_options_come_back():
    options = Options("testnet", "live/j.db", paper=True)
    assert msgspec.convert(msgspec.to_builtins(options), Options) == options


@pytest.mark.parametrize("body", [b"", b"[]", b'{"result": null}', b"<html>"])
def test_a_local_exchange_that_tells_no_time_ends_with_the_reason(body, monkeypatch):
    monkeypatch.setattr("gammacore.live.session.fetch", lambda url, timeout_s: (200, body, {}))
    with pytest.raises(SessionError, match=r"http://127\.0\.0\.1:9/api/v2/public/get_time.*tells no time"):
        scaled_clock("ws://127.0.0.1:9/ws/api/v2", 10.0)
