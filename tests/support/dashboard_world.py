"""One session on the local exchange, kept in a journal that the tests of the dashboard share."""

import tempfile
from functools import cache
from pathlib import Path

from gammacore.live.dashboard.board import Board
from gammacore.live.dashboard.source import JournalTail
from gammacore.live.journal import read
from support.live_world import Process, World, lively

LIMITS = {
    "hedge__band": 0.01,
    "risk__max_delta": 0.5,
    "risk__max_daily_loss_usd": 5_000.0,
    "risk__max_drawdown_usd": {"1h": 4_000.0},
    "risk__max_margin_use": 0.9,
}


class Made:
    """A journal, and the desk that wrote it: what the page must agree with."""

    def __init__(self, path, process):
        self.path, self.desk, self.hedger = path, process.hedger.desk, process.hedger
        self.records = list(read(path))


LINEAR = (("marks__settlement", "linear"), ("hedge__target", "black"))


@cache
def made(seconds=150.0, seed=3, more=()):
    """A session that entered, hedged and was stopped; nobody changes it."""
    path = Path(tempfile.mkdtemp(prefix="dashboard-")) / "live-local-BTC.db"
    world = World(seed=seed)
    process = Process(world, path, lively(**LIMITS, **dict(more)))
    assert process.run(seconds)
    process.close()
    return Made(path, process)


def board_of(path):
    """Board that has read all of a journal."""
    board = Board(JournalTail(path))
    while board.read(500):
        pass
    return board


def lines_of(frames):
    """Server-sent events of some bytes: (kind, id, data); comments are left out."""
    found = []
    for block in frames.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if "data" in fields:
            found.append((fields["event"], fields["id"], fields["data"]))
    return found
