"""Fills, scalps, orders and alerts against the records of the journal."""

from collections import deque

import pytest

from gammacore.contracts import Option
from gammacore.events import Fill
from gammacore.live.attempts import Placed
from gammacore.live.dashboard.board import Board
from gammacore.live.dashboard.source import JournalTail
from gammacore.live.journal import Record, RecordKind, read
from gammacore.live.news import Gap, State, StateChanged
from gammacore.live.positions import Adopted
from gammacore.live.records import decode_event, decode_fact, encode
from gammacore.live.risk_manager import Mode, ModeChanged
from support.dashboard_world import board_of, made
from support.live_world import Process, World, lively


def fills():
    events = [decode_event(r.body) for r in made().records if r.name == "Fill"]
    assert all(isinstance(event, Fill) for event in events)
    return events


def test_the_last_fills_are_the_journals():
    shown = board_of(made().path).sections()["fills"]
    expected = fills()[-50:]
    assert [(r["order"], r["instrument"], r["amount"], r["price"], r["fee"]) for r in shown] == [
        (f.order_id, f.instrument.name, f.amount, f.price, f.fee) for f in expected
    ]
    assert [r["ts_ms"] for r in shown] == [f.ts_ns // 1_000_000 for f in expected]
    assert {r["purpose"] for r in shown} == {"entry", "hedge"}


def test_hedges_are_on_the_chart_at_their_prices():
    marks = board_of(made().path).sections()["marks"]
    hedges = [m for m in marks if m["kind"] == "hedge"]
    expected = [f for f in fills() if not isinstance(f.instrument, Option)]
    assert [(m["price"], m["amount"]) for m in hedges] == [(f.price, f.amount) for f in expected]


def test_scalps_are_paired_first_in_first_out():
    """Lot by lot, with a queue: an inverse contract earns amount (1/buy - 1/sell) coin."""
    held, count, earned = deque(), 0, 0.0
    for fill in (f for f in fills() if not isinstance(f.instrument, Option)):
        left = fill.amount
        while left and held and held[0][0] * left < 0:
            lot, price = held[0]
            part = min(abs(lot), abs(left))
            buy, sell = (price, fill.price) if lot > 0 else (fill.price, price)
            earned, count = earned + part * (1 / buy - 1 / sell), count + 1
            left += part if lot > 0 else -part
            held[0] = lot - (part if lot > 0 else -part), price
            if not held[0][0]:
                held.popleft()
        if left:
            held.append((left, fill.price))
    scalps = board_of(made().path).sections()["scalps"]
    assert scalps["count"] == count > 0
    assert scalps["gross"] == pytest.approx(earned, rel=1e-12)
    assert sum(s["gross"] for s in scalps["last"]) == pytest.approx(earned, rel=1e-12)


def test_every_change_of_the_mode_is_an_alert():
    told = [r["text"] for r in board_of(made().path).sections()["alerts"]]
    changes = [decode_fact(r.body, ModeChanged) for r in made().records if r.name == "ModeChanged"]
    assert changes
    for change in changes:
        assert any(text.startswith(f"{Mode(change.mode).name}: ") for text in told)
        assert all(any(reason in text for text in told) for reason in change.reasons)
    assert told[0] == "the session has begun"
    assert told[-1] == "the session has ended"


def test_orders_at_work_are_those_of_the_desk():
    """At every record; each with what was sent for it."""
    board, placed, seen = Board(JournalTail(made().path)), {}, 0
    for record in made().records:
        board.take(record)
        if record.name == "Placed":
            fact = decode_fact(record.body, Placed)
            placed[fact.order_id] = placed.get(fact.order_id, 0) + 1
        desk = board.follower.desk
        rows = {row["order"]: row for row in board.story.orders(desk)}
        accounts = (*desk.portfolio.open.values(), *desk.portfolio.hedged) if desk else ()
        assert set(rows) == {o for e in accounts for o in (*e.pending, *e.resting)}
        seen += len(rows)
        for name, row in rows.items():
            assert row["tries"] == placed.get(name, 0)
            assert row["legs"]
            if row["tries"]:
                assert row["since_ms"] is not None
    assert seen > 10


def test_a_connection_that_was_lost_is_counted(tmp_path):
    world = World(seed=4)
    process = Process(world, tmp_path / "j.db", lively())
    process.run(20)
    before = board_of(tmp_path / "j.db").sections()["health"]
    assert before["reconnects"] == 0
    for connection in list(world.exchange.connections.values()):
        connection.lost(world.now_ns)
    process.run(20)
    process.close()
    states = [
        decode_fact(r.body, StateChanged).after for r in read(tmp_path / "j.db") if r.name == "StateChanged"
    ]
    board = board_of(tmp_path / "j.db")
    ready = [k for k, state in enumerate(states) if state is State.READY]
    assert len(ready) == 2
    assert State.LOST in states[ready[0] : ready[1]]
    assert board.sections()["health"]["reconnects"] == 1
    assert any("connection lost" in alert["text"] for alert in board.sections()["alerts"])


def test_gaps_are_counted():
    board = board_of(made().path)
    for k in range(3):
        fact = Gap(made().desk.market.ts_ns, "book.BTC-PERPETUAL.100ms")
        board.take(Record(10_000 + k, RecordKind.FACT, "Gap", fact.ts_ns, encode(fact)))
    assert board.sections()["health"]["gaps"] == 3


@pytest.mark.parametrize(
    ("forced", "level", "what"), [(True, "critical", "liquidated"), (False, "warning", "traded outside")]
)
def test_trades_that_nobody_here_ordered_are_alerts(forced, level, what):
    board = board_of(made().path)
    fact = Adopted(made().desk.market.ts_ns, "7", "BTC-PERPETUAL", -500.0, 85e3, forced)
    board.take(Record(10_000, RecordKind.FACT, "Adopted", fact.ts_ns, encode(fact)))
    last = board.sections()["alerts"][-1]
    assert (last["level"], last["text"]) == (level, f"{what}: -500 BTC-PERPETUAL at 85000")
