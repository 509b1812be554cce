"""The journal: exact to the bit, out of a kill's reach in time, one writer, and parity with a fresh desk."""

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore.backtest.replay.build import build_exchange
from gammacore.backtest.replay.tape import Tape
from gammacore.build import build_desk
from gammacore.config import stated
from gammacore.contracts import parse
from gammacore.daycount import NS_PER_HOUR, NS_PER_MINUTE
from gammacore.errors import JournalError
from gammacore.events import Delivery, Fill, IndexPrice, Rejected, Snapshot, Ticker, Timer
from gammacore.live import parity
from gammacore.live.journal import Journal, RecordKind, length, read
from gammacore.live.records import decode_command, decode_event, encode
from gammacore.live.retold import Retold
from gammacore.live.tail import HEAD, tail_of
from gammacore.orders import Cancel, Leg, Order, Purpose
from support.commands import run
from support.markets import FRIDAY, START, build, chains_of, prices_of, random_path
from support.platforms import posix

OPTION = parse("BTC-16JAN26-60000-C")
PERPETUAL = parse("BTC-PERPETUAL")
number = st.floats(allow_nan=False)
times = st.integers(0, 2**62)
EVENTS = st.one_of(
    st.builds(IndexPrice, times, number, number, number, number),
    st.builds(Ticker, times, st.just(OPTION), number, number, number),
    st.builds(
        Fill, times, st.text(), times, st.sampled_from([OPTION, PERPETUAL]), *[number] * 4, st.booleans()
    ),
    st.builds(Rejected, times, st.text(), times, st.text()),
    st.builds(Delivery, times, times, number, st.none() | number),
    st.builds(Timer, times),
)


def chain(at=START, index=60e3):
    tape = Tape(chains_of([at], [index]), prices_of([at, at + 1], [index, index], 1))
    return tape.snapshot(int(np.flatnonzero(tape.chain_at >= 0)[0])).chain


@given(EVENTS)
def test_events_come_back_to_the_bit(event):
    assert decode_event(encode(event)) == event


def test_chains_come_back_to_the_bit():
    wanted = chain()
    event = Snapshot(START, wanted, 0.25)
    found = decode_event(encode(event)).chain
    for name in wanted.__struct_fields__:
        was, now = getattr(wanted, name), getattr(found, name)
        if isinstance(was, np.ndarray):
            assert now.dtype == was.dtype
            assert now.tobytes() == was.tobytes()
        else:
            assert now == was
    assert (
        len(encode(event)) < len(msgspec.msgpack.encode([x.tolist() for x in (wanted.iv, wanted.mark)])) * 8
    )


def test_commands_come_back():
    for command in (
        Order("0-hedge-1", 0, Purpose.HEDGE, (Leg(PERPETUAL, -20.0, 1.5),), 60_000.5),
        Order("1-entry-0", 1, Purpose.ENTRY, (Leg(OPTION, 1.0), Leg(OPTION, -1.0))),
        Cancel("0-hedge-1", 0),
    ):
        assert decode_command(encode(command)) == command


@pytest.mark.parametrize("data", [b"", b"\x02abc", b"\x00\xff", encode(Timer(1))[:-1], b"\x01notzlib"])
def test_what_is_no_record_is_refused(data):
    with pytest.raises(ValueError, match=r"\w"):
        decode_event(data)


def market(seed, hours=24 * 8):
    """Events of a market, as a session would see them: chains, prices, the delivery."""
    path = random_path(seed, hours * 12, vol=0.8, dt=1 / (365 * 288))
    for i, price in enumerate(path):
        ts = START + i * 5 * NS_PER_MINUTE
        if ts == FRIDAY:
            yield Delivery(ts, FRIDAY, float(price))
        if i % 144 == 0 and ts < FRIDAY - NS_PER_HOUR:
            yield Snapshot(ts, chain(ts, float(price)))
        yield IndexPrice(ts, float(price))


def session(path, config, events, stop_after=None, desk=None):
    """Trade against the simulated exchange and keep the journal; returns desk, exchange and commands."""
    desk, exchange, sent = desk or build_desk(config, scope="book"), build_exchange(config), []
    with Journal(path) as journal:
        journal.start(START, msgspec.json.encode(stated(config)))
        for n, event in enumerate(events):
            if n == stop_after:
                break
            queue = [*exchange.observe(event), event]
            while queue:
                head = queue.pop(0)
                commands = desk.handle(head)
                journal.handled(head, commands)
                sent += commands
                queue += [answer for command in commands for answer in exchange.submit(command)]
    return desk, exchange, sent


CONFIG = {"entry.min_days": 1, "hedge.band": 0.03, "costs.max_quote_age": None}


@pytest.mark.parametrize("rule", ["band", "interval", "ladder", "whalley_wilmott"])
def test_a_journal_leads_to_the_same_commands(tmp_path, rule):
    config = build({**CONFIG, "hedge.rule": rule, "hedge.risk_aversion": 1e-3, "hedge.every": "1h"})
    desk, _, sent = session(tmp_path / "j.db", config, market(1))
    assert len(sent) > 20
    restored = parity.check(tmp_path / "j.db")
    assert restored.departure is None
    assert restored.commands == len(sent)
    assert [e.ledger.entries for e in restored.desk.portfolio.episodes] == [
        e.ledger.entries for e in desk.portfolio.episodes
    ]


def test_a_session_goes_on_where_its_journal_ends(tmp_path):
    config, events = build(CONFIG), list(market(2))
    whole, _, all_sent = session(tmp_path / "whole.db", config, events)
    _, exchange, first = session(tmp_path / "j.db", config, events, stop_after=700)
    restored = parity.check(tmp_path / "j.db")
    with Journal(tmp_path / "j.db") as journal:
        journal.start(START, b"{}")
        rest = []
        for event in events[700:]:
            queue = [*exchange.observe(event), event]
            while queue:
                head = queue.pop(0)
                commands = restored.desk.handle(head)
                journal.handled(head, commands)
                rest += commands
                queue += [answer for command in commands for answer in exchange.submit(command)]
    assert first + rest == all_sent
    assert restored.desk.portfolio.episodes[0].ledger.entries == whole.portfolio.episodes[0].ledger.entries
    found = parity.check(tmp_path / "j.db")
    assert (found.starts, found.departure) == (2, None)


def test_the_first_difference_is_named(tmp_path):
    config = build(CONFIG)
    _, _, sent = session(tmp_path / "j.db", config, market(3))
    with sqlite3.connect(tmp_path / "j.db") as db:
        (seq, body) = db.execute(
            "select seq, body from records where kind = 'command' order by seq limit 1 offset 7"
        ).fetchone()
        order = decode_command(body)
        changed = msgspec.structs.replace(order, order_id="forged")
        db.execute("update records set body = ? where seq = ?", (encode(changed), seq))
    found = parity.check(tmp_path / "j.db").departure
    assert found.recorded == (changed,)
    assert found.decided == (sent[7],)
    assert found.seq < seq
    with sqlite3.connect(tmp_path / "j.db") as db:
        (last,) = db.execute("select max(seq) from records where kind = 'command'").fetchone()
        db.execute("update records set body = ? where seq = ?", (encode(changed), last))
    told = Retold()
    for record in read(tmp_path / "j.db"):  # who looks on goes on; what departs first stays told
        told.take(record)
    assert (told.departure.seq, told.departure.recorded) == (found.seq, found.recorded)


def test_decisions_before_a_restart_are_held_against_the_journal_too(tmp_path):
    session(tmp_path / "j.db", build(CONFIG), market(3))
    records, told = list(read(tmp_path / "j.db")), Retold()
    first = next(at for at, record in enumerate(records) if record.kind is RecordKind.COMMAND)
    for record in records[:first]:
        told.take(record)
    assert (len(told.decided) > 0, told.departure) == (True, None)
    told.take(records[0])  # another process begins, and what this desk decided is not in the journal
    assert (told.departure.seq, told.departure.recorded, told.starts) == (records[first - 1].seq, (), 2)


KILLED = """
import os, signal, sys
from gammacore.config import stated
from gammacore.contracts import parse
from gammacore.events import Fill, IndexPrice
from gammacore.live.journal import Journal
from gammacore.orders import Cancel
journal = Journal(sys.argv[1])
journal.start(1, b"{}")
journal.handled(IndexPrice(2, 60e3))
journal.handled(IndexPrice(3, 61e3), [Cancel("0-hedge-1", 0)])
journal.handled(IndexPrice(4, 62e3))
journal.handled(Fill(5, "0-hedge-1", 0, parse("BTC-PERPETUAL"), 10.0, 6e4, 6e4, 0.0))
journal.secure()
journal.handled(IndexPrice(6, 63e3))
os.kill(os.getpid(), signal.SIGKILL)
"""


@posix
def test_a_kill_loses_only_what_was_not_secured(tmp_path):
    path = tmp_path / "j.db"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], timeout=60)
    assert done.returncode == -signal.SIGKILL
    kept = [(record.kind, record.ts_ns) for record in read(path)]
    assert kept == [
        (RecordKind.START, 1),
        (RecordKind.EVENT, 2),
        (RecordKind.EVENT, 3),
        (RecordKind.COMMAND, 3),
        (RecordKind.EVENT, 4),
        (RecordKind.EVENT, 5),
    ]
    with Journal(path) as journal:  # the lock died with its holder
        journal.told(Timer(7))
    assert [record.seq for record in read(path, after=5)] == [6, 7]


def test_one_writer_many_readers(tmp_path):
    path = tmp_path / "j.db"
    with Journal(path) as journal:
        journal.handled(Timer(1))
        journal.flush()
        journal.handled(Timer(2))
        with pytest.raises(JournalError, match=r"j\.db: another process"):
            Journal(path)
        assert [record.ts_ns for record in read(path)] == [1]  # what is committed, while it is written
        journal.secure()
        assert [record.ts_ns for record in read(path)] == [1, 2]  # and what waits for it
        assert length(path) == 2
    assert [record.ts_ns for record in read(path)] == [1, 2]
    journal.close(9)  # closed already: nothing happens
    Journal(path).close(3)
    assert [record.kind for record in read(path)][-1] is RecordKind.STOP


def events(path, after=0):
    return [(record.seq, record.ts_ns) for record in read(path, after)]


def killed(path):
    """Leave a journal of one committed record and two blocks in its tail; returns where the second begins."""
    journal = Journal(path)
    journal.handled(Timer(1))
    journal.flush()
    for first in (2, 4):
        for ts_ns in (first, first + 1):
            journal.handled(Timer(ts_ns))
        journal.secure()
    journal.abandon()
    size, _, _ = HEAD.unpack_from(tail_of(path).read_bytes())
    return HEAD.size + size


ALL = [(n, n) for n in range(1, 6)]


def test_the_next_writer_puts_a_tail_into_the_database(tmp_path):
    path = tmp_path / "j.db"
    killed(path)
    assert events(path) == ALL
    assert events(path, after=3) == ALL[3:]
    with Journal(path) as journal:
        assert events(path) == ALL
        with sqlite3.connect(path) as db:
            assert db.execute("select max(seq) from records").fetchone() == (5,)
        journal.handled(Timer(6))
        journal.secure()
        assert events(path, after=5) == [(6, 6)]
    assert events(path) == [*ALL, (6, 6)]
    assert not tail_of(path).exists()  # a clean end leaves none


@pytest.fixture(scope="module")
def torn(tmp_path_factory):
    """A journal that was killed, where the second block of its tail begins, and the tail's bytes."""
    path = tmp_path_factory.mktemp("torn") / "j.db"
    return path, killed(path), tail_of(path).read_bytes().rstrip(b"\0")


@given(data=st.data())
def test_whatever_a_tail_ends_in_is_not_read(data, torn):
    path, second, known = torn
    whole = bytearray(known)
    at = data.draw(st.integers(second, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    tail_of(path).write_bytes(whole)
    assert events(path) == ALL[:3]
    tail_of(path).write_bytes(whole[:at])
    assert events(path) == ALL[:3]


def test_a_tail_that_does_not_go_on_where_the_database_ends_is_another_ones(tmp_path):
    killed(tmp_path / "j.db")
    path = tmp_path / "new.db"
    with Journal(path) as journal:
        pass
    shutil.copy(tail_of(tmp_path / "j.db"), tail_of(path))  # begins at record 2
    assert events(path) == []
    with Journal(path) as journal:
        journal.handled(Timer(1))
    assert events(path) == [(1, 1)]


def test_blocks_of_before_a_commit_are_not_read_after_it(tmp_path):
    path = tmp_path / "j.db"
    kept = 0
    with Journal(path) as journal:
        for n in range(1, 200):
            journal.handled(Timer(n))
            if n % 3 == 0:
                journal.secure()
            if n % 10 == 0:
                journal.flush()
            kept = n if n % 3 == 0 or n % 10 == 0 else kept
            assert events(path) == [(k, k) for k in range(1, kept + 1)]


def test_what_has_no_room_in_the_tail_is_committed(tmp_path):
    path = tmp_path / "j.db"
    fill = Fill(1, os.urandom(400_000).hex(), 0, PERPETUAL, 10.0, 6e4, 6e4, 0.0)
    with Journal(path) as journal:
        for _ in range(3):
            journal.handled(fill)
            journal.secure()
        with sqlite3.connect(path) as db:
            assert db.execute("select count(*) from records").fetchone()[0] >= 1
        assert len(events(path)) == 3


def test_a_tail_that_cannot_be_made_ends_the_start(tmp_path):
    path = tmp_path / "j.db"
    tail_of(path).mkdir()
    with pytest.raises(JournalError, match=r"j\.db\.tail"):
        Journal(path)
    tail_of(path).rmdir()
    Journal(path).close()  # the lock was let go


@posix
def test_only_the_owner_reads_it(tmp_path):
    with Journal(tmp_path / "j.db") as journal:
        journal.handled(Timer(1))
        for path in tmp_path.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert len(list(tmp_path.iterdir())) >= 3


def test_what_is_no_journal_is_refused_by_name(tmp_path):
    with pytest.raises(JournalError, match=r"nowhere.*no such directory"):
        Journal(tmp_path / "nowhere" / "j.db")
    with pytest.raises(JournalError, match="no such file"):
        list(read(tmp_path / "none.db"))
    (tmp_path / "text.db").write_text("not a database, " * 100)
    for use in (Journal, lambda path: list(read(path))):
        with pytest.raises(JournalError, match=r"text\.db: file is not a database"):
            use(tmp_path / "text.db")
    with Journal(tmp_path / "new.db"):
        pass
    with pytest.raises(JournalError, match="empty"):
        parity.check(tmp_path / "new.db")
    with sqlite3.connect(tmp_path / "new.db") as db:
        db.execute("update about set value = '99'")
    with pytest.raises(JournalError, match="version 99, expected 2"):
        Journal(tmp_path / "new.db")
    with Journal(tmp_path / "headless.db") as journal:
        journal.handled(Timer(1))
    with pytest.raises(JournalError, match="record 1 comes before any start"):
        parity.check(tmp_path / "headless.db")


def test_parity_on_the_command_line(monkeypatch, capsys, tmp_path):
    path = tmp_path / "j.db"
    session(path, build(CONFIG), market(4, hours=48))
    code, out, _ = run(monkeypatch, capsys, "parity", str(path))
    assert code == 0
    assert "no difference" in out
    with sqlite3.connect(path) as db:
        db.execute("delete from records where kind = 'command'")
        db.execute("update records set seq = (select count(*) from records r where r.seq <= records.seq)")
    code, out, _ = run(monkeypatch, capsys, "parity", str(path))
    assert code == 1
    assert "recorded nothing" in out
    assert "decided  Order(order_id='0-entry-0'" in out
    code, _, err = run(monkeypatch, capsys, "parity", str(tmp_path / "none.db"))
    assert code == 2
    assert "none.db: no such file" in err


def test_a_journal_whose_tables_are_not_made_yet_is_empty(tmp_path):
    path = tmp_path / "j.db"
    path.touch()
    assert list(read(path)) == []
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("create table something (x)")
    other.close()
    with pytest.raises(JournalError, match="no such table"):
        list(read(tmp_path / "other.db"))
    (tmp_path / "noise.db").write_bytes(b"no database at all, but long enough" * 100)
    with pytest.raises(JournalError):
        list(read(tmp_path / "noise.db"))


def test_tables_that_come_while_somebody_asks_are_read(tmp_path, monkeypatch):
    with Journal(tmp_path / "j.db") as journal:
        journal.start(START, b"{}")
    connect, left = sqlite3.connect, [1]

    class Late(sqlite3.Connection):
        """Its tables are not there yet when it is asked first."""

        def execute(self, query, *values):
            if "from records" in query and left:
                left.pop()
                raise sqlite3.OperationalError("no such table: records")
            return super().execute(query, *values)

    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, factory=Late, **k))
    assert [record.kind for record in read(tmp_path / "j.db")] == [RecordKind.START]
