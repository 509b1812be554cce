"""The command: what it prints, and what it refuses."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from support.commands import run as run_command
from support.dashboard_world import made
from support.platforms import linux, posix
from support.ports import free_port

PROGRAM = [sys.executable, "-c", "from gammacore.cli.main import main; main()", "dashboard"]


@pytest.fixture
def run(monkeypatch, capsys):
    return lambda *words: run_command(monkeypatch, capsys, "dashboard", *words)


def test_once_prints_the_state(run):
    code, out, _ = run("--journal", str(made().path), "--once", "--json")
    assert code == 0
    state = json.loads(out)
    assert {r["instrument"]: r["size"] for r in state["positions"]} == made().hedger.positions.own()
    assert state["session"]["filled"] == made().hedger.filled


def test_once_for_people(run):
    code, out, _ = run("--journal", str(made().path), "--once")
    assert code == 0
    assert "BTC-PERPETUAL" in out
    assert "the session has ended; this was at" in out


def test_the_newest_journal_is_taken(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    shutil.copy(made().path, tmp_path / "results" / "one.db")
    code, out, _ = run("--once", "--json")
    assert code == 0
    assert json.loads(out)["session"]["journal"] == "one.db"


@posix
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--host", "0.0.0.0"], "--token"),
        (["--token", "a-token-of-the-command-line"], "the only value is auto"),
        (["--token-file", "none"], "cannot be read"),
        (["--token-file", "token", "--token", "auto"], "goes without --token auto"),
        (["--token-file", "token"], "chmod 600"),
        (["--speed", "2"], "--speed: goes with --replay"),
        (["--replay"], "no journal in results"),
        (["--json"], "--json: goes with --once"),
        (["--once"], "waiting for a journal in results"),
        (["--journal", "none.db", "--once"], "none.db"),
        (["--journal", "none.db", "--replay"], "none.db"),
    ],
)
def test_mistakes_are_told(run, tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GAMMACORE_DASHBOARD_TOKEN", raising=False)
    (tmp_path / "token").write_text("a-token-that-others-can-read\n")
    (tmp_path / "token").chmod(0o644)
    code, _, err = run(*words)
    assert code == 2
    assert told in err
    assert "a-token-of-the-command-line" not in err


@posix
def test_a_token_that_is_too_short_is_refused_wherever_it_is_from(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GAMMACORE_DASHBOARD_TOKEN", raising=False)
    (tmp_path / "token").write_text("short\n")
    (tmp_path / "token").chmod(0o600)
    code, _, err = run("--token-file", "token")
    assert code == 2
    assert "at least 16" in err
    monkeypatch.setenv("GAMMACORE_DASHBOARD_TOKEN", "short")
    code, _, err = run()
    assert code == 2
    assert "at least 16" in err


def start(*words, **environment):
    return subprocess.Popen(
        [*PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


def fetch(url, **headers):
    until = time.monotonic() + 20.0
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.05)


@posix
def test_it_serves_until_ctrl_c_and_says_the_token_once_only_if_it_made_it():
    port = free_port()
    where = ["--journal", str(made().path), "--port", str(port)]
    process = start(*where, "--token", "auto")
    try:
        assert fetch(f"http://127.0.0.1:{port}/state") == 401
        lines = [process.stdout.readline(), process.stdout.readline()]
        token = lines[1].rstrip().rpartition("?token=")[2]
        state = fetch(f"http://127.0.0.1:{port}/state", Authorization=f"Bearer {token}")
        assert state["session"]["journal"] == made().path.name
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert "the session goes on" in err
    assert "Traceback" not in err
    assert "".join([*lines, out, err]).count(token) == 1


@linux
@pytest.mark.parametrize("place", ["environment", "file"])
def test_a_token_of_ours_is_never_printed_and_a_port_in_use_is_told(place, tmp_path):
    port, token = free_port(), "a-token-that-is-ours"
    where = ["--journal", str(made().path), "--port", str(port)]
    (tmp_path / "token").write_text(f"{token}\n")
    (tmp_path / "token").chmod(0o600)
    if place == "file":
        process = start(*where, "--token-file", str(tmp_path / "token"))
    else:
        process = start(*where, GAMMACORE_DASHBOARD_TOKEN=token)
    try:
        assert fetch(f"http://127.0.0.1:{port}/state") == 401
        assert fetch(f"http://127.0.0.1:{port}/?token=wrong-{token}") == 401
        with open(f"/proc/{process.pid}/cmdline", "rb") as words:
            assert token.encode() not in words.read()
        state = fetch(f"http://127.0.0.1:{port}/state", Authorization=f"Bearer {token}")
        assert state["session"]["journal"] == made().path.name
        again = subprocess.run([*PROGRAM, *where], capture_output=True, text=True, timeout=60, check=False)
        assert again.returncode == 2
        assert "--port" in again.stderr
        assert "Traceback" not in again.stderr
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert token not in out + err
