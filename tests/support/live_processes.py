"""Sessions as processes, on an exchange of their own."""

import time

from gammacore.live.follow import Follower
from gammacore.live.journal import read
from gammacore.live.killing import own_positions
from gammacore.live.launch import exchange_process
from gammacore.live.records import decode_event
from support.commands import run

PATIENCE_S = 60.0
SECRET = "a-secret-of-the-local-exchange"
KEY = {"GAMMACORE_CLIENT_ID_TESTNET": "gammacore", "GAMMACORE_CLIENT_SECRET_TESTNET": SECRET}


class Result:
    def __init__(self, code, out, err):
        self.exit_code, self.output = code, out + err


def program(monkeypatch, capsys):
    """Run commands of the program as `run(*words)`."""
    return lambda *words: Result(*run(monkeypatch, capsys, *words))


def started(speed=10.0):
    """Start an exchange; a context that gives its address."""
    return exchange_process("gammacore", SECRET, speed, 3)


def wait_for(condition, process=None):
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if condition():
            return
        assert process is None or process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    raise TimeoutError


def positions_in(journal):
    """Positions that a journal's desk holds, by instrument."""
    follower = Follower(journal)
    follower.update()
    return own_positions(follower)


def filled(journal, of=""):
    """How many trades a journal has (of instruments with some name), 0 while there is none."""
    records = read(journal) if journal.exists() else ()
    fills = (decode_event(record.body) for record in records if record.name == "Fill")
    return sum(of in fill.instrument.name for fill in fills)
