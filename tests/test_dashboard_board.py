"""The whole state: sums, phases, restarts, and no work done twice."""

import json
import math
import random

import msgspec
import pytest

from gammacore.attribution import LINES
from gammacore.daycount import parse_time
from gammacore.live.about import Began
from gammacore.live.dashboard import board as board_module
from gammacore.live.dashboard.board import Board
from gammacore.live.dashboard.source import JournalTail, Replay
from gammacore.live.journal import Record, RecordKind, read
from gammacore.live.records import encode
from support.dashboard_world import LIMITS, LINEAR, board_of, made
from support.ledger_sums import by_the_ledger
from support.live_world import Process, World, lively


@pytest.mark.parametrize("more", [(), LINEAR], ids=["coin", "usd"])
def test_lines_sum_to_the_profit_in_both_currencies(more):
    one = made(60.0, more=more) if more else made()
    state = board_of(one.path).sections()
    profit, lines = state["profit"], state["lines"]
    desk = by_the_ledger(one.desk)
    assert {row["line"] for row in lines["rows"]} == set(LINES)
    for unit, whole in (("coin", desk.coin), ("usd", desk.usd)):
        assert math.fsum(row[unit] for row in lines["rows"]) == pytest.approx(whole, abs=1e-8)
        assert profit[unit] == pytest.approx(whole, abs=1e-8)
        assert lines[unit] == pytest.approx(whole, abs=1e-8)


def test_counts_are_those_of_the_journal():
    session = board_of(made().path).sections()["session"]
    records = made().records
    assert session["seq"] == len(records)
    assert session["events"] == sum(r.kind is RecordKind.EVENT for r in records)
    assert session["placed"] == sum(r.name == "Placed" for r in records)
    assert session["filled"] == sum(r.name == "Fill" for r in records) > 4
    assert session["hedges"] == made().desk.portfolio.hedges
    assert session["journal"] == "live-local-BTC.db"
    assert session["phase"] == "ended"


def test_the_state_is_the_same_however_it_was_read():
    """Record by record with looks in between, or at once."""
    rng, slow = random.Random(1), Board(JournalTail(made().path), clock=lambda: 0.0)
    while slow.read(rng.randint(1, 40)):
        if rng.random() < 0.2:
            slow.sections()
    fast = board_of(made().path)
    for name in ("positions", "greeks", "gauges", "pace", "orders", "fills", "marks", "scalps", "mode"):
        one, other = (msgspec.json.encode(board.sections()[name]) for board in (slow, fast))
        assert one == other, name
    for unit in ("coin", "usd", "today_usd"):
        assert slow.sections()["profit"][unit] == fast.sections()["profit"][unit]
    assert slow.curves["price"].columns() == fast.curves["price"].columns()


def test_the_curve_of_the_price_ends_where_the_desk_is():
    state = board_of(made().path).state()
    assert state["curves"]["price"]["last"][-1] == made().desk.market.index
    assert state["curves"]["profit"]["last"][-1] == state["profit"]["usd"]
    assert state["market"]["index"] == made().desk.market.index


def test_the_state_is_json_at_every_stage():
    board = Board(JournalTail(made().path))
    assert msgspec.json.encode(board.state())
    for record in made().records[:400]:
        board.take(record)
        if record.seq % 20 == 0:
            again = msgspec.json.decode(msgspec.json.encode(board.state()))
            assert again["session"]["seq"] == record.seq


def test_a_missing_journal_is_waited_for(tmp_path):
    board = Board(JournalTail(tmp_path / "j.db"))
    assert board.read(10) == 0
    state = board.state()
    assert state["session"]["phase"] == "waiting"
    assert str(tmp_path / "j.db") in state["session"]["waiting"]
    assert state["profit"] is None
    assert not state["health"]["stale"]


def test_a_restart_goes_on_in_the_same_desk(tmp_path):
    path, world = tmp_path / "j.db", World(seed=5)
    board = Board(JournalTail(path))
    first = Process(world, path, lively(**LIMITS))
    first.run(60)
    while board.read(100):
        pass
    assert board.sections()["session"]["phase"] == "live"
    first.die()
    second = Process(world, path, lively(**LIMITS))
    second.run(60)
    while board.read(100):
        pass
    state = board.sections()
    assert state["session"]["starts"] == 2
    assert state["health"]["parity"]
    profit, desk = state["profit"], by_the_ledger(second.hedger.desk)
    assert profit["coin"] == pytest.approx(desk.coin, abs=1e-8)
    assert {r["instrument"]: r["size"] for r in state["positions"]} == second.hedger.positions.own()
    assert any("goes on" in alert["text"] for alert in state["alerts"])
    second.close()
    board.read(100)
    assert board.sections()["session"]["phase"] == "ended"


def test_a_replay_ends_in_the_state_of_the_session():
    now = [0.0]
    board = Board(Replay(made().path, 100.0, clock=lambda: now[0]))
    while board.follower.seq < len(made().records):
        board.read(1_000)
        now[0] += 0.1
    state = board.sections()
    assert state["session"]["phase"] == "replay"
    assert state["positions"] == board_of(made().path).sections()["positions"]
    assert not state["health"]["stale"]


def test_the_attribution_is_paced_by_what_it_costs(monkeypatch):
    """One that takes half a second is not done again for fifty."""
    now = [100.0]
    board = Board(JournalTail(made().path), clock=lambda: now[0])
    for record in made().records[:-20]:
        board.take(record)
    calls = []

    def costly():
        calls.append(now[0])
        now[0] += 0.5

    monkeypatch.setattr(board.follower, "explain", costly)
    for record in made().records[-20:-1]:
        board.take(record)
        board.sections()
        now[0] += 5.0
    assert len(calls) == 2
    assert calls[1] - calls[0] >= 0.5 / board_module.SHARE


def test_nothing_is_explained_twice(monkeypatch):
    now = [100.0]
    board = Board(JournalTail(made().path), clock=lambda: now[0])
    while board.read(1_000):
        pass
    board.sections()
    monkeypatch.setattr(board.follower, "explain", lambda: pytest.fail("nothing is new"))
    now[0] += 1_000.0
    board.sections()


def test_silence_is_stale_unless_the_session_ended():
    board = Board(JournalTail(made().path))
    for record in made().records[:-1]:
        board.take(record)
    board.source.path.touch()
    assert not board.sections()["health"]["stale"]
    board.source = type(
        "Silent", (), {"path": made().path, "waiting": "", "replaying": False, "silent_s": 11.0}
    )
    assert board.sections()["health"]["stale"]
    assert board.sections()["health"]["price_age_s"] >= 11.0
    board.take(made().records[-1])
    assert not board.sections()["health"]["stale"]


def test_what_a_process_says_of_itself_is_shown():
    board = board_of(made().path)
    fact = Began(made().desk.market.ts_ns, "1.2.3", "testnet", True, 1.0)
    board.take(Record(10_000, RecordKind.FACT, "Began", fact.ts_ns, encode(fact)))
    session = board.sections()["session"]
    assert (session["venue"], session["version"], session["paper"]) == ("testnet", "1.2.3", True)


def test_a_decision_that_differs_is_told_once():
    board = Board(JournalTail(made().path))
    left_out = next(r for r in made().records if r.kind is RecordKind.COMMAND)
    for record in made().records:
        if record is not left_out:
            board.take(record)
            if record.seq > left_out.seq + 50:
                break
    for _ in range(2):
        state = board.sections()
        assert not state["health"]["parity"]
        assert sum("replay check failed" in alert["text"] for alert in state["alerts"]) == 1


def test_a_settlement_is_gone_through(tmp_path):
    """From before 08:00 to the delivery there is always a state, and in the end it is the ledger's profit."""
    path, now = tmp_path / "j.db", [0.0]
    world = World(seed=3, linear=(), start_ns=parse_time("2026-11-26T07:58:50Z"))
    process = Process(
        world,
        path,
        lively(
            entry__min_days=0.0,
            entry__max_days=0.5,
            hedge__band=0.01,
            execution__max_above_mark=None,
            execution__max_spread=None,
        ),
    )
    process.run(110)
    process.close()
    board, waited = Board(JournalTail(path), clock=lambda: now[0]), 0
    for record in read(path):
        board.take(record)
        if record.seq % 5 == 0:
            now[0] += 5.0
            state = json.loads(msgspec.json.encode(board.state()))
            desk = board.follower.desk
            waited += any(e.expiry_ns <= desk.market.ts_ns for e in desk.portfolio.open.values())
            if state["lines"] and state["lines"]["rows"]:
                assert state["lines"]["failed"] == ""
                assert all(row["usd"] is not None for row in state["lines"]["rows"])
                assert state["profit"]["usd"] is not None
    assert waited > 3  # looks between the expiry and the delivery
    now[0] += 5.0
    state, desk = board.sections(), by_the_ledger(process.hedger.desk)
    assert state["positions"] == []
    assert any("delivered at" in alert["text"] for alert in state["alerts"])
    assert math.fsum(row["coin"] for row in state["lines"]["rows"]) == pytest.approx(desk.coin, abs=1e-8)
    assert math.fsum(row["usd"] for row in state["lines"]["rows"]) == pytest.approx(desk.usd, abs=1e-8)
    assert state["profit"]["coin"] == pytest.approx(desk.coin, abs=1e-8)
    assert state["health"]["parity"]


def test_an_option_without_a_mark_leaves_gaps_and_no_ruin():
    board = board_of(made().path)
    market = board.follower.desk.market
    option = next(iter(board.follower.desk.portfolio.open[0].legs))
    market._vol[option] = math.nan
    state = json.loads(msgspec.json.encode(board.sections()))
    assert state["profit"]["usd"] is None
    assert [row["mark"] for row in state["positions"] if row["instrument"] == option.name] == [None]
    assert state["greeks"]["delta_coin"] is None
    market._vol[option] = 0.5
    assert board.sections()["profit"]["usd"] is not None


def test_a_record_that_cannot_be_understood_ends_the_reading_and_is_told():
    board = Board(JournalTail(made().path))
    board.read(100)
    bad = board.source.read
    board.source.read = lambda most: [record._replace(body=b"\x00\xc1") for record in bad(most)]
    assert board.read(50) == 0
    assert board.follower.seq == 100
    state = board.sections()
    assert state["session"]["phase"] == "broken"
    assert "101" in state["session"]["waiting"]
    assert state["alerts"][-1]["level"] == "critical"
    assert board.read(50) == 0
