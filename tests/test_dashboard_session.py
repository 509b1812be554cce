"""Ages, phases and modes of a session."""

import math
from types import SimpleNamespace

import pytest

from gammacore.daycount import format_time
from gammacore.live.about import Began
from gammacore.live.dashboard.session import health_of, mode_of, past_words, price_age_s, session_of
from gammacore.live.follow import Follower
from gammacore.live.journal import Record, RecordKind
from gammacore.live.records import decode_fact, encode
from gammacore.live.risk_manager import ModeChanged
from support.dashboard_world import board_of, made
from support.live_world import Process, World, lively

SECOND = 1_000_000_000


def silent(board, seconds):
    board.source = SimpleNamespace(path=made().path, waiting="", replaying=False, silent_s=seconds)
    return board


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_a_price_is_as_old_as_the_silence_and_what_came_after_it(speed):
    """Records after the last price count by the journal's clock, which may run faster than ours."""
    board = silent(board_of(made().path), 4.0)
    board.story.began = Began(0, "0", "local", False, speed)
    board.follower.last_ns = board.follower.desk.market.data_ns + 3 * SECOND
    assert price_age_s(board) == pytest.approx(4.0 + 3.0 / speed)


def test_there_is_no_age_before_a_price():
    board = SimpleNamespace(follower=Follower("none"), story=SimpleNamespace(began=None))
    assert math.isnan(price_age_s(board))


def test_the_mode_is_the_last_that_was_told():
    last = [decode_fact(r.body, ModeChanged) for r in made().records if r.name == "ModeChanged"][-1]
    shown = mode_of(board_of(made().path).follower)
    assert shown == {"name": "NORMAL", "reasons": list(last.reasons), "since_ms": last.ts_ns // 1_000_000}
    assert mode_of(Follower("none")) is None


def test_a_new_process_begins_without_the_causes_of_the_one_before():
    """It tells what it finds; nothing is told of a mode that it does not find."""
    board = board_of(made().path)
    halt = ModeChanged(made().desk.market.ts_ns, 2, ("kill switch",))
    board.take(Record(10_000, RecordKind.FACT, "ModeChanged", halt.ts_ns, encode(halt)))
    assert mode_of(board.follower)["name"] == "HALT"
    start = made().records[0]
    board.take(start._replace(seq=10_001, ts_ns=halt.ts_ns + 1))
    assert mode_of(board.follower)["name"] == "NORMAL"
    assert mode_of(board.follower)["reasons"] == []


@pytest.mark.parametrize(
    ("change", "phase"),
    [
        ({}, "ended"),
        ({"behind": 5}, "catching up"),
        ({"broken": "record 7 cannot be understood"}, "broken"),
    ],
)
def test_phases(change, phase):
    board = board_of(made().path)
    for name, value in change.items():
        setattr(board, name, value)
    assert session_of(board)["phase"] == phase
    board.follower.stopped = False
    if not change:
        assert session_of(board)["phase"] == "live"


def test_times_are_those_of_the_records():
    session = session_of(board_of(made().path))
    records = made().records
    assert session["first_ms"] == session["started_ms"] == records[0].ts_ns // 1_000_000
    assert session["last_ms"] == max(r.ts_ns for r in records) // 1_000_000
    assert session["uptime_s"] == (max(r.ts_ns for r in records) - records[0].ts_ns) / SECOND


@pytest.mark.parametrize(("seconds", "stale"), [(9.0, False), (11.0, True)])
def test_silence_is_stale_only_while_it_should_not_be(seconds, stale):
    board = silent(board_of(made().path), seconds)
    assert not health_of(board)["stale"]  # it has ended
    board.follower.stopped = False
    assert health_of(board)["stale"] == stale


def test_what_is_not_of_now_is_said_in_words():
    board = silent(board_of(made().path), 3_600.0)
    at = format_time(board.follower.last_ns)[:19]
    assert past_words(board) == f"the session has ended; this was at {at} UTC"
    board.follower.stopped = False
    told = f"nothing was written for 3,600 s: the session hangs or is gone; this was at {at} UTC"
    assert past_words(board) == told
    assert past_words(silent(board, 1.0)) == ""


def test_why_nothing_is_held_is_said_while_nothing_is(tmp_path):
    config = lively(entry__min_days=19.0, entry__max_days=20.0, entry__expiries="fridays")
    process = Process(World(), tmp_path / "j.db", config)
    process.run(20)
    process.close()
    idle = board_of(tmp_path / "j.db").state()["session"]["idle"]
    assert idle == "no Friday expiry 19 to 20 days out; next entry possible 28 November 08:00 UTC"
    assert board_of(made().path).state()["session"]["idle"] is None  # it holds a straddle
