"""A session's journal as a statement: its executions with the exchange's names, its cash to the last unit."""

import json
from decimal import Decimal

import pytest

from gammacore.contracts import Settlement
from gammacore.data.account import cash, deliveries, executions, read_account
from gammacore.data.account.forms import FORMS
from gammacore.data.account.rows import money
from gammacore.daycount import parse_time
from gammacore.errors import JournalError
from gammacore.exchange import MarketModel
from gammacore.ledger import Account
from gammacore.live.follow import Follower
from gammacore.live.journal import Journal
from gammacore.live.statement import session_statement
from support.account_files import write
from support.live_world import Process, World, lively

USDC = {"currency": "BTC_USDC", "hedge__target": "black"}


def session(path, seconds=90, world=None, **changes):
    world = world or World(models={"BTC": MarketModel(vol=2.0)})
    process = Process(world, path, lively(hedge__band=0.01, **changes))
    assert process.run(seconds)
    process.close()
    return world


def cash_of(path):
    follower = Follower(path)
    follower.update()
    total = 0
    for episode in follower.desk.portfolio.traded:
        native = int(episode.hedge.instrument.settlement is Settlement.LINEAR)
        total += sum(episode.ledger.units(account)[native] for account in (Account.CASH, Account.CAPITAL))
    return follower, Decimal(total).scaleb(-8)


@pytest.mark.parametrize("changes", [{}, USDC], ids=["BTC", "USDC"])
def test_the_export_of_a_session_read_back_is_the_session(tmp_path, changes):
    path = tmp_path / "j.db"
    world = session(path, **changes)
    made = session_statement(path)
    currency = "USDC" if changes else "BTC"
    assert made.currency == currency
    text = write(tmp_path, FORMS["deribit"].write(made), f"transaction_log-1-{currency}.csv")
    history = read_account(text)
    follower, expected = cash_of(path)
    assert cash(history.rows) == expected
    found = executions(history.rows)
    assert len(found) >= 4
    assert [(one.ts_ns, one.instrument, one.amount, one.price, one.fee, one.order_id) for one in found] == [
        (fill.ts_ns, fill.instrument.name, fill.amount, fill.price, fill.fee, fill.order_id)
        for fill in follower.fills
    ]
    # The trades are those that the exchange knows, by its own names.
    theirs = {
        row["trade_id"]: row
        for row in world.exchange.floor.statements.logs[world.account.user_id]
        if row["type"] == "trade"
    }
    assert {one.trade_id for one in found} == set(theirs)
    assert [one.fee for one in found] == [theirs[one.trade_id]["commission"] for one in found]
    assert all(one.label.startswith("g") for one in found)


def test_the_exchanges_own_log_tells_the_same_trades(tmp_path):
    """What the account's holder downloads from the exchange, and what the session exports."""
    path = tmp_path / "j.db"
    world = session(path)
    rows = [
        row for row in world.exchange.floor.statements.logs[world.account.user_id] if row["currency"] == "BTC"
    ]
    log = write(tmp_path, json.dumps({"result": {"logs": rows[::-1]}}), "log.json")
    theirs = {one.trade_id: one for one in executions(read_account(log).rows)}
    for one in executions(session_statement(path).rows):
        same = theirs[one.trade_id]
        assert (one.instrument, one.amount, one.price, one.fee) == (
            same.instrument,
            same.amount,
            same.price,
            same.fee,
        )


def test_no_journal_and_an_empty_one(tmp_path):
    with pytest.raises(JournalError, match="no such file"):
        session_statement(tmp_path / "none.db")
    Journal(tmp_path / "j.db").close()
    with pytest.raises(JournalError, match=r"j\.db: empty"):
        session_statement(tmp_path / "j.db")


@pytest.mark.parametrize("day", ["2026-07-10", "2026-11-20"], ids=["at once", "in two steps"])
def test_a_session_over_a_delivery_and_a_restart(tmp_path, day):
    """What the exchange paid at the delivery is what the statement says; its log reads without a fault."""
    path, start_ns = tmp_path / "j.db", parse_time(f"{day}T07:57:00Z")
    world = World(models={"BTC": MarketModel(vol=2.0)}, linear=(), start_ns=start_ns, expiries=3)
    changes = {"entry__min_days": 0.001, "entry__max_days": 1.0}
    session(path, 60, world, **changes)
    session(path, 240, world, **changes)
    made = session_statement(path)
    _, expected = cash_of(path)
    assert cash(made.rows) == expected
    gone = deliveries(made.rows)
    assert len(gone) >= 2
    assert {row.position for row in made.rows if row.type == "delivery"} == {0.0}
    logs = world.exchange.floor.statements.logs[world.account.user_id]
    rows = [row for row in logs if row["currency"] == "BTC"]
    log = read_account(write(tmp_path, json.dumps({"result": {"logs": rows[::-1]}}), "log.json")).rows
    theirs = deliveries(log)
    options = {one.instrument for one in theirs if one.instrument.endswith(("C", "P"))}
    assert {one.instrument for one in gone} == options
    # In two steps the payment comes with the future that the option became.
    assert sum(money(one.change) for one in gone) == sum(money(one.change) for one in theirs)
    assert float(cash(log)) == world.account.wallets["BTC"].balance / 10**8
