"""Journals as they grow, are missing, are replaced, or are replayed."""

import os

import msgspec
import pytest

from gammacore.config import stated
from gammacore.errors import ConfigError, JournalError
from gammacore.events import Timer
from gammacore.live.dashboard.board import Board
from gammacore.live.dashboard.source import LONGEST_WAIT_S, JournalTail, Replay, newest
from gammacore.live.journal import Journal
from support.dashboard_world import made
from support.live_world import lively

SECOND = 1_000_000_000
CONFIG = msgspec.json.encode(stated(lively()))


def test_a_journal_is_read_once_and_as_it_grows(tmp_path):
    tail = JournalTail(tmp_path / "j.db")
    seen = []
    with Journal(tmp_path / "j.db") as journal:
        journal.start(SECOND, CONFIG)
        for k in range(2, 30):
            journal.handled(Timer(k * SECOND))
            journal.flush()
            if k % 3 == 0:
                seen += tail.read(2)
    while records := tail.read(5):
        seen += records
    assert [record.seq for record in seen] == list(range(1, 30))
    assert tail.left() == 0


def test_what_is_left_is_counted():
    tail, records = JournalTail(made().path), made().records
    tail.read(10)
    assert tail.left() == len(records) - 10


def test_it_waits_for_a_folder_a_file_and_a_start(tmp_path):
    tail = JournalTail(None, tmp_path / "results")
    assert tail.read(10) == []
    assert "results" in tail.waiting
    (tmp_path / "results").mkdir()
    path = tmp_path / "results" / "j.db"
    path.touch()
    assert tail.read(10) == []
    assert "begin" in tail.waiting
    path.unlink()
    with Journal(path) as journal:
        journal.start(SECOND, CONFIG)
        assert len(tail.read(10)) == 1
    assert tail.waiting == ""
    path.unlink()
    assert tail.read(10) == []
    assert str(path) in tail.waiting


def test_another_file_under_the_name_begins_anew(tmp_path):
    path = tmp_path / "j.db"
    board = Board(JournalTail(path))
    for start in (SECOND, 50 * SECOND):
        with Journal(tmp_path / "new.db") as journal:
            journal.start(start, CONFIG)
            journal.handled(Timer(start + 1))
        os.replace(tmp_path / "new.db", path)
        while board.read(10):
            pass
        assert board.follower.first_ns == start
        assert board.follower.events == 1
        assert board.starts == 1


def test_the_newest_is_the_one_written_to_last(tmp_path):
    assert newest(tmp_path) is None
    for name, age in (("a", 10), ("b", 2), ("c", 30)):
        (tmp_path / f"{name}.db").write_text("something")
        os.utime(tmp_path / f"{name}.db", (1e9 - age, 1e9 - age))
    (tmp_path / "d.db").mkdir()
    assert newest(tmp_path).name == "b.db"
    (tmp_path / "c.db-wal").touch()  # as who reads it leaves behind
    assert newest(tmp_path).name == "b.db"
    (tmp_path / "c.db-wal").write_text("something")  # where its commits go first
    assert newest(tmp_path).name == "c.db"


def test_a_replay_keeps_the_times_of_the_journal():
    records, now = made().records, [0.0]
    replay = Replay(made().path, 8.0, clock=lambda: now[0])
    seen = replay.read(10_000)
    first = records[0].ts_ns
    for eighth in range(1, 120):
        now[0] = eighth / 8
        seen += replay.read(10_000)
        due = 0  # in the order of the records, whose times may be out of it by a moment
        while due < len(records) and records[due].ts_ns - first <= eighth * SECOND:
            due += 1
        assert len(seen) == due
    assert len(seen) < len(records)
    now[0] = 100.0
    while more := replay.read(100):
        seen += more
    assert [r.seq for r in seen] == [r.seq for r in records]


def test_a_replay_does_not_sit_through_a_night(tmp_path):
    with Journal(tmp_path / "j.db") as journal:
        journal.start(SECOND, CONFIG)
        journal.handled(Timer(36_000 * SECOND))
    now = [0.0]
    replay = Replay(tmp_path / "j.db", 1.0, clock=lambda: now[0])
    assert len(replay.read(10)) == 2
    now[0] += LONGEST_WAIT_S
    assert replay.read(10) == []


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf")])
def test_a_speed_is_positive(speed):
    with pytest.raises(ConfigError, match="--speed"):
        Replay(made().path, speed)


def test_a_replay_needs_a_journal(tmp_path):
    with pytest.raises(JournalError, match="no such file"):
        Replay(tmp_path / "j.db")
    (tmp_path / "j.db").touch()
    with pytest.raises(JournalError, match="empty"):
        Replay(tmp_path / "j.db")


def test_no_journal_is_an_error_that_names_it(tmp_path):
    (tmp_path / "j.db").write_text("not a database, but long enough to look like something " * 20)
    with pytest.raises(JournalError, match=r"j\.db"):
        JournalTail(tmp_path / "j.db").read(10)
