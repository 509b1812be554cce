"""What a session looks at beside the market: its journal, its parent, the switch, and errors of its own."""

import io
import json
import logging
import os
import signal
import sqlite3

import pytest
from rich.console import Console

from gammacore.errors import JournalLostError
from gammacore.live import session, supervised
from gammacore.live.about import Orphaned, SwitchSeen
from gammacore.live.attempts import Placed
from gammacore.live.follow import Follower
from gammacore.live.journal import Journal, read
from gammacore.live.parity import check
from gammacore.live.records import decode_fact
from gammacore.live.session import CRASHED, NO_JOURNAL, REFUSED, FailedError
from gammacore.live.supervised import Supervised
from gammacore.live.tail import tail_of
from gammacore.live.view import final_report, screen
from gammacore.logging import configure
from support.live_world import Process, World, lively
from support.platforms import posix


def start(tmp_path, world=None, **options):
    """A session with hedges that rest in the book, under supervision."""
    config = lively(hedge__rule="ladder", hedge__band=0.05)
    process = Process(world or World(), tmp_path / "j.db", config)
    process.watch = Supervised(
        process.hedger, process.hedger, process.client, process.hedger.journal, **options
    )
    process.core, process.hedger = process.hedger, process.watch
    process.left = None  # resting when the session ended its connection, which would cancel it as well
    stop = process.client.stop

    def stopped():
        process.left = len(resting(process))
        process.ended_ns = process.world.now_ns
        stop()

    process.client.stop = stopped
    return process


def resting(process):
    account, orders = process.world.account.user_id, process.world.exchange.floor.engine.orders.values()
    return [o for o in orders if o.account == account and o.state == "open"]


def run(process, act, seconds=20.0):
    """Run until hedges rest, do something, and go on for so long unless the session ends before."""
    process.acted_ns = 0

    def done():
        if not process.acted_ns and resting(process):
            process.acted_ns = process.world.now_ns
            act()
        return process.acted_ns and process.world.now_ns - process.acted_ns > seconds * 1e9

    process.run(0, done)
    assert process.acted_ns
    process.took_s = (process.ended_ns - process.acted_ns) / 1e9


def facts(path, kind):
    return [decode_fact(r.body, kind) for r in read(path) if r.name == kind.__name__]


def test_an_error_cancels_what_rests_ends_the_session_and_is_in_the_log(tmp_path):
    configure(tmp_path / "j.db.log")
    process = start(tmp_path)

    def broken(now_ns):
        raise ZeroDivisionError("a fault of ours")

    run(process, lambda: setattr(process.core, "on_tick", broken))
    assert isinstance(process.watch.failure, ZeroDivisionError)
    assert process.left == 0
    assert process.took_s < supervised.CANCEL_S
    told = [json.loads(line) for line in (tmp_path / "j.db.log").read_text().splitlines()]
    (halt,) = [line for line in told if line["message"] == "halt"]
    assert halt["reason"] == "a fault of ours"
    assert "ZeroDivisionError" in halt["exception"]
    configure()
    process.close()


def test_an_error_while_news_are_handled_does_the_same(tmp_path):
    process = start(tmp_path)

    def broken(news):
        raise KeyError("a fault of ours")

    run(process, lambda: setattr(process.core, "on_news", broken))
    assert isinstance(process.watch.failure, KeyError)
    assert process.left == 0
    process.close()


@pytest.mark.parametrize("gone", ["", "-wal", ".tail", ".lock"])
def test_a_file_of_the_journal_that_is_removed_ends_the_session_within_seconds(tmp_path, gone):
    process = start(tmp_path)
    run(process, (tmp_path / f"j.db{gone}").unlink)
    assert isinstance(process.watch.failure, JournalLostError)
    assert str(process.watch.failure).startswith(f"{tmp_path / f'j.db{gone}'}: No such file or directory;")
    assert process.took_s < 2.0
    assert process.left == 0
    process.die()


def test_a_tail_that_is_cut_is_noticed(tmp_path):
    journal = Journal(tmp_path / "j.db")
    journal.check()
    os.truncate(tail_of(tmp_path / "j.db"), 100)
    with pytest.raises(JournalLostError, match="cut to 100 bytes"):
        journal.check()
    journal.close()


def test_a_full_disk_ends_the_session_and_a_restart_goes_on(tmp_path):
    process = start(tmp_path)

    def fill():  # as if the disk had no more room
        db = process.core.journal._db
        (pages,) = db.execute("pragma page_count").fetchone()
        db.execute(f"pragma max_page_count={pages}")

    run(process, fill, 50.0)
    assert isinstance(process.watch.failure, JournalLostError)
    assert "database or disk is full" in str(process.watch.failure)
    assert process.left == 0
    sent = process.core.dispatch.sent
    process.close()
    assert tail_of(tmp_path / "j.db").exists()  # it holds what the database does not
    again = start(tmp_path, process.world)
    assert len(facts(tmp_path / "j.db", Placed)) == sent
    again.run(60)
    assert again.watch.failure is None
    assert again.core.risk.reasons == ()
    again.close()
    assert check(tmp_path / "j.db").departure is None


def test_a_flush_that_fails_names_the_file(tmp_path):
    journal = Journal(tmp_path / "j.db")
    journal.start(1, b"{}")
    journal._db.execute("pragma query_only=1")
    journal.told(Orphaned(2, "stop"))
    with pytest.raises(JournalLostError, match="attempt to write a readonly database"):
        journal.flush()
    journal.close()
    with pytest.raises(sqlite3.ProgrammingError):
        journal._db.execute("select 1")  # closed all the same


@pytest.mark.parametrize("then", ["stop", "continue"])
def test_a_session_whose_parent_is_gone(tmp_path, monkeypatch, then):
    process = start(tmp_path, parent=os.getppid(), orphaned=then)
    run(process, lambda: monkeypatch.setattr(os, "getppid", lambda: 1))
    assert process.watch.asked == ("orphaned" if then == "stop" else "")
    assert (process.took_s < 3.0) is (then == "stop")
    assert (process.left == 0) is (then == "stop")
    process.close()
    assert [fact.then for fact in facts(tmp_path / "j.db", Orphaned)] == [then]  # once


def test_nobody_waits_for_the_parent_of_a_session_that_was_started_directly(tmp_path, monkeypatch):
    process = start(tmp_path)
    run(process, lambda: monkeypatch.setattr(os, "getppid", lambda: 1), 5.0)
    assert not process.watch.asked
    process.close()
    assert not facts(tmp_path / "j.db", Orphaned)


def test_two_signals_at_one_time_are_one_and_a_later_one_ends_at_once(tmp_path, monkeypatch):
    process, clock = start(tmp_path), [100.0]
    monkeypatch.setattr(supervised.time, "monotonic", lambda: clock[0])
    process.watch.signalled(signal.SIGINT, None)
    process.watch.signalled(signal.SIGTERM, None)  # a service manager to all, and the parent's
    assert process.watch.asked == "signal SIGINT"
    assert process.left is None  # not ended: what rests is cancelled first
    clock[0] += 0.5
    process.watch.signalled(signal.SIGINT, None)
    assert process.left == 0
    process.close()


@pytest.mark.parametrize("failed", [False, True])
def test_what_does_not_come_to_an_end_is_left_after_ten_seconds_and_a_cancellation_after_three(
    tmp_path, monkeypatch, failed
):
    process, clock = start(tmp_path), [100.0]
    monkeypatch.setattr(supervised.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(type(process.core), "quiet", property(lambda hedger: False))
    watch, wait_s = process.watch, 3.0 if failed else 10.0
    if failed:
        watch._fail(RuntimeError("a fault"))
        watch._cancels = {7}
    watch.asked = "killed"
    for now_s, ended in ((100.0, False), (100.0 + wait_s, False), (100.001 + wait_s, True)):
        clock[0] = now_s
        watch.on_tick(process.world.now_ns)
        assert (process.left is not None) is ended
    process.close()


def test_every_throw_of_the_switch_is_answered(tmp_path):
    process = start(tmp_path)
    switch, texts = tmp_path / "j.db.kill", iter(("halt 1", "halt 2", "flatten 3"))
    look = process.watch._look_at_switch

    def throw():
        if not process.acted_ns or process.world.now_ns < process.next_ns:
            return look()
        process.next_ns = process.world.now_ns + 5_000_000_000
        if (text := next(texts, "")) != "":
            switch.write_text(text)
        return look()

    process.next_ns, process.watch._look_at_switch = 0, throw
    run(process, lambda: None, 40.0)
    assert process.watch.asked == "killed"
    process.close()
    told = [(fact.flatten, fact.stage) for fact in facts(tmp_path / "j.db", SwitchSeen)]
    halts = [(False, "taken"), (False, "cancelled")]
    assert [stage for stage in told if stage not in [(True, "cancelled")]] == [
        *halts,
        *halts,
        (True, "taken"),
        (True, "flat"),
    ]


@pytest.mark.parametrize(
    ("words", "flattens"),
    [
        (b"", False),  # touch
        (b"\xff\xfeh\0a\0l\0t\0\r\0\n\0", False),  # echo of a Windows shell
        (b"\xff\xfef\0l\0a\0t\0t\0e\0n\0\r\0\n\0", True),
        (b"FLATTEN\n", True),
        (b"\x80\x81 stop", False),
        (None, False),  # a folder
    ],
)
def test_a_switch_thrown_by_hand_is_obeyed_whatever_wrote_it(words, flattens, tmp_path):
    process = start(tmp_path)
    switch = tmp_path / "j.db.kill"
    run(process, switch.mkdir if words is None else lambda: switch.write_bytes(words))
    assert process.watch.failure is None
    told = [(fact.flatten, fact.stage) for fact in facts(tmp_path / "j.db", SwitchSeen)]
    assert told[0] == (flattens, "taken")
    assert "kill switch" in process.core.risk.causes
    assert not resting(process)
    process.close()


def test_waiting_is_logged_once_for_every_change(tmp_path):
    configure(tmp_path / "j.db.log")
    world = World()  # a Wednesday; nothing is 20 days out in its two expiries
    config = lively(entry__min_days=19.0, entry__max_days=20.0, entry__expiries="fridays")
    process = Process(world, tmp_path / "j.db", config)
    process.hedger = Supervised(process.hedger, process.hedger, process.client, process.hedger.journal)
    process.run(60)
    lines = [json.loads(line) for line in (tmp_path / "j.db.log").read_text().splitlines()]
    told = [line["reason"] for line in lines if line["message"] == "waiting"]
    configure()
    wanted = "no Friday expiry 19 to 20 days out; next entry possible 28 November 08:00 UTC"
    assert told[-1] == wanted
    assert len(told) == len(set(told)) <= 4  # before prices, before a chain, and this
    process.close()
    follower = Follower(tmp_path / "j.db")
    follower.update()
    assert str(follower.waiting()) == wanted
    shown = io.StringIO()
    Console(file=shown, width=200).print(screen(follower, "local", paper=False), final_report(follower))
    assert shown.getvalue().count(wanted) == 2


@pytest.mark.parametrize("width", [80, 200])
def test_a_terminal_of_80_columns_shows_every_name_and_digit(width, tmp_path):
    process = Process(World(), tmp_path / "j.db", lively(hedge__band=0.01))
    assert process.run(0, lambda: process.hedger.filled >= 3)
    process.close()
    follower, shown = Follower(tmp_path / "j.db"), io.StringIO()
    follower.update()
    Console(file=shown, width=width).print(screen(follower, "local", paper=False))
    text = shown.getvalue()
    assert "…" not in text
    assert all(name in text for name in process.hedger.positions.own())
    assert f"{follower.explain().total.coin:+.8f}" in text


def test_a_session_that_ends_halted_says_so_in_its_report(tmp_path):
    process = start(tmp_path)
    run(process, lambda: process.core.risk.latch("positions", "positions differ: 1 here, 0 there"))
    process.close()
    follower, shown = Follower(tmp_path / "j.db"), io.StringIO()
    follower.update()
    Console(file=shown, width=200).print(final_report(follower))
    assert "HALT when it ended: positions differ: 1 here, 0 there" in shown.getvalue()


# ------------------------------------------------------------------------- exit codes


def failed(error):
    outer = FailedError()
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (failed(JournalLostError("disk is full")), NO_JOURNAL, "error: disk is full\n"),
        (failed(ZeroDivisionError("x")), CRASHED, "error: unexpected ZeroDivisionError: x; the log"),
        (JournalLostError("disk is full"), NO_JOURNAL, "error: disk is full\n"),
        (session.SessionError("no"), REFUSED, "error: no\n"),
        (
            OSError(28, "No space left on device", "j.db"),
            NO_JOURNAL,
            "error: j.db: No space left on device\n",
        ),
        (
            KeyError("x"),
            CRASHED,
            "error: unexpected KeyError: 'x'; the log beside the journal has the traceback\n",
        ),
    ],
)
def test_every_way_to_fail_has_a_line_and_a_code(tmp_path, monkeypatch, capsys, error, code, told):
    def fails(config, options):
        raise error

    given = {"config": {}, "options": {"venue": "local", "journal": str(tmp_path / "j.db")}}
    monkeypatch.setattr("sys.stdin", type("In", (), {"read": lambda self: json.dumps(given)})())
    monkeypatch.setattr(session, "run", fails)
    monkeypatch.setattr(session, "listen", lambda handler: None)
    assert session.main([]) == code
    err = capsys.readouterr().err
    assert err.startswith(told)
    assert err.count("\n") == 1
    configure()


def test_a_log_on_a_full_disk_prints_no_traceback(tmp_path, capsys):
    logger = configure(tmp_path / "j.log")
    handler = logger.handlers[0]

    class Full:
        def write(self, text):
            raise OSError(28, "No space left on device")

        def seek(self, *where):
            pass

        def tell(self):
            return 0

        def flush(self):
            pass

        def close(self):
            pass

    handler.stream.close()
    handler.stream = Full()
    logging.getLogger("gammacore.live").error("halt")
    assert capsys.readouterr().err == ""
    configure()


@posix
def test_hangup_stays_ignored_under_nohup():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN), signal.getsignal(signal.SIGTERM)
    try:
        session.listen(lambda number, frame: None)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    finally:
        signal.signal(signal.SIGHUP, before[0])
        signal.signal(signal.SIGTERM, before[1])
        signal.signal(signal.SIGINT, signal.default_int_handler)
