"""The result directory of a backtest as a statement: its executions, and its cash to the last unit."""

from decimal import Decimal

import pandas as pd
import pytest

from gammacore.backtest.figures.results import tabulate, write_tables
from gammacore.backtest.figures.statement import run_statement
from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.contracts import Settlement
from gammacore.data.account import AccountOptions, cash, deliveries, executions, read_account
from gammacore.data.account.forms import FORMS
from gammacore.errors import DataError
from gammacore.ledger import Account
from support.account_files import write
from support.markets import build

LINEAR = {"currency": "BTC_USDC", "hedge.target": "black"}
CASES = {
    "inverse": {},
    "roll": {"entry.schedule": "roll", "entry.expiries": "any", "entry.min_days": 1.0, "entry.max_days": 3.0},
    "usd neutral": {"hedge.target": "usd_neutral"},
    "short strangle": {"entry.structure": "strangle", "entry.delta": 0.1, "entry.side": "short"},
    "linear": LINEAR,
    "dated": {"hedge.instrument": "future"},
}


def run(folder, changes):
    config = build({"market.days": 16, "market.snapshot_hours": 8.0, "report.html": False} | changes)
    market = load_market(config)
    finished = replay(config, market.tape)
    write_tables(tabulate(finished, market), folder)
    return finished


def expected_cash(finished):
    """Cash of all ledgers that is not capital, from their balances."""
    total = 0
    for done in finished.episode_runs:
        ledger = done.episode.ledger
        native = int(done.episode.hedge.instrument.settlement is Settlement.LINEAR)
        total += ledger.units(Account.CASH)[native] + ledger.units(Account.CAPITAL)[native]
    return Decimal(total).scaleb(-8)


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_the_export_of_a_run_read_back_is_the_run(tmp_path, changes):
    folder = tmp_path / "run"
    folder.mkdir()
    finished = run(folder, changes)
    made = run_statement(folder)
    path = write(tmp_path, FORMS["deribit"].write(made), f"transaction_log-1-{made.currency}.csv")
    history = read_account(path)
    assert cash(history.rows) == expected_cash(finished)
    fills = sorted(
        (
            fill
            for done in finished.episode_runs
            for fill in done.episode.fills
            if "-transfer-" not in fill.order_id
        ),
        key=lambda fill: fill.ts_ns,
    )
    found = executions(history.rows)
    assert [(one.ts_ns, one.instrument, one.amount, one.price) for one in found] == [
        (fill.ts_ns, fill.instrument.name, fill.amount, fill.price) for fill in fills
    ]
    assert [one.fee for one in found] == pytest.approx([fill.fee for fill in fills], abs=1e-8)
    assert executions(read_account(write(tmp_path, FORMS["simple"].write(made), "t.csv")).rows) == found
    gone = {(one.instrument, one.ts_ns) for one in deliveries(history.rows)}
    ended = [done.episode for done in finished.episode_runs if done.episode.close_reason == "delivery"]
    assert {(option.name, e.expiry_ns) for e in ended for option in e.entered} <= gone
    last = {row.instrument: row.position for row in history.rows}
    assert {name for name, position in last.items() if position} <= {
        instrument.name
        for done in finished.episode_runs
        if done.episode.number in finished.desk.portfolio.open
        for instrument in (*done.episode.legs, done.episode.hedge.instrument)
    }


def test_a_folder_that_is_no_result_is_named(tmp_path):
    with pytest.raises(DataError, match=r"has no fills\.csv; name the result directory of a backtest"):
        run_statement(tmp_path)


def test_a_run_that_was_edited_is_refused(tmp_path):
    run(tmp_path, {})
    fills = pd.read_csv(tmp_path / "fills.csv")
    fills[1:].to_csv(tmp_path / "fills.csv", index=False)
    with pytest.raises(DataError, match=r"fills\.csv and ledger\.csv differ: .* booked (trade|fee) of -"):
        run_statement(tmp_path)
    fills.drop(columns="purpose").to_csv(tmp_path / "fills.csv", index=False)
    with pytest.raises(DataError, match="not as a backtest wrote it: 'purpose'"):
        run_statement(tmp_path)


def test_the_form_needs_a_currency_where_the_name_tells_none(tmp_path):
    run(tmp_path, {})
    path = write(tmp_path, FORMS["deribit"].write(run_statement(tmp_path)), "mine.csv")
    assert read_account(path, AccountOptions(currency="BTC")).rows


def test_a_hedge_that_a_roll_hands_over_is_settled_and_not_traded(tmp_path):
    """By hand: 1000 USD sold at 50,000, handed to the next episode at 51,000, bought back at 52,000."""
    at = [f"2025-01-0{day}T08:00:00Z" for day in (1, 2, 3)]
    (tmp_path / "fills.csv").write_text(
        "time,episode,purpose,instrument,kind,amount,price,mark,fee,delta_before,delta_after\n"
        f"{at[0]},0,hedge,BTC-PERPETUAL,hedge,-1000.0,50000.0,50000.0,1e-05,,\n"
        f"{at[1]},0,transfer,BTC-PERPETUAL,hedge,1000.0,51000.0,51000.0,0.0,,\n"
        f"{at[1]},1,transfer,BTC-PERPETUAL,hedge,-1000.0,51000.0,51000.0,0.0,,\n"
        f"{at[2]},1,unwind,BTC-PERPETUAL,hedge,1000.0,52000.0,,1e-05,,\n"
    )
    (tmp_path / "ledger.csv").write_text(
        "time,episode,memo,instrument,debit,credit,coin,usd\n"
        f"{at[0]},0,fee,BTC-PERPETUAL,fees,cash,0.00001000,0.50000000\n"
        f"{at[1]},0,hedge,BTC-PERPETUAL,cash,hedge_pnl,-0.00039216,-20.00000000\n"
        f"{at[2]},1,hedge,BTC-PERPETUAL,cash,hedge_pnl,-0.00037707,-19.60000000\n"
        f"{at[2]},1,fee,BTC-PERPETUAL,fees,cash,0.00001000,0.52000000\n"
    )
    (tmp_path / "episodes.csv").write_text("episode,expiry,delivery_price_usd\n")
    made = run_statement(tmp_path)
    told = [(row.type, row.side, row.amount, row.position, row.change) for row in made.rows]
    assert told == [
        ("trade", "open sell", -1000.0, -1000.0, -0.00001),
        ("settlement", "short", -1000.0, -1000.0, -0.00039216),
        ("trade", "close buy", 1000.0, 0.0, -0.00038707),
    ]
    assert [one.amount for one in executions(made.rows)] == [-1000.0, 1000.0]
