"""Statements as files of others."""

import csv
import io
from decimal import Decimal

import pytest

from gammacore.data.account import AccountOptions, cash, executions, read_account
from gammacore.data.account.forms import KOINLY, deribit_text, koinly_text, open_premium, simple_text
from gammacore.data.account.layouts import NEWEST_LOG
from gammacore.data.account.statement import Booking, Expired, Filled, statement
from gammacore.daycount import parse_time
from support.account_files import write

CALL, PERPETUAL = "BTC-10JAN25-60000-C", "BTC-PERPETUAL"
EXPIRY = parse_time("2025-01-10T08:00:00Z")
AT = EXPIRY - 10**15


def fill(at, instrument, amount, price, fee=0.0):
    return Filled(AT + at, 0, instrument, amount, price, price, fee, f"t{at}", f"o{at}", "g1-2")


@pytest.fixture(scope="module")
def made():
    filled = [
        fill(1, CALL, 2.0, 0.01, 0.0006),
        fill(2, PERPETUAL, -6000.0, 48000.0, 0.0000625),
        fill(3, PERPETUAL, 10000.0, 48500.0, -0.00010309),
        fill(4, CALL, -0.5, 0.03, 0.00015),
    ]
    booked = [
        Booking(AT + 1, 0, "trade", CALL, -2_000_000),
        Booking(AT + 1, 0, "fee", CALL, -60_000),
        Booking(AT + 2, 0, "fee", PERPETUAL, -6_250),
        Booking(AT + 3, 0, "funding", "", 12),
        Booking(AT + 3, 0, "hedge", PERPETUAL, -128_866),
        Booking(AT + 3, 0, "fee", PERPETUAL, 10_309),
        Booking(AT + 4, 0, "trade", CALL, 1_500_000),
        Booking(AT + 4, 0, "fee", CALL, -15_000),
        Booking(EXPIRY, 0, "delivery", CALL, 3_000_000),
        Booking(EXPIRY, 0, "delivery fee", CALL, -22_500),
    ]
    return statement("run", booked, filled, [Expired(EXPIRY, EXPIRY, 61000.0)])


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_the_log_is_read_back_to_the_last_unit_and_nanosecond(made, tmp_path):
    text = deribit_text(made)
    assert text.splitlines()[0] == ",".join(NEWEST_LOG)
    path = write(tmp_path, text, "transaction_log-1-BTC.csv")
    history = read_account(path)
    assert executions(history.rows) == executions(made.rows)
    assert [row.ts_ns for row in history.rows] == [row.ts_ns for row in made.rows]
    assert cash(history.rows) == cash(made.rows) == Decimal("0.02277705")
    assert Decimal(table(text)[-1]["Balance"]) == cash(made.rows)
    assert "e-" not in text.lower().replace("trade-", "")


def test_the_table_of_executions_is_read_back(made, tmp_path):
    history = read_account(write(tmp_path, simple_text(made), "t.csv"), AccountOptions(format="executions"))
    assert executions(history.rows) == executions(made.rows)


def test_realised_profits_and_fees_sum_to_the_cash_once_all_is_closed(made):
    rows = table(koinly_text(made))
    assert tuple(rows[0]) == KOINLY
    signed = [Decimal(row["Received Amount"] or 0) - Decimal(row["Sent Amount"] or 0) for row in rows]
    assert sum(signed) == cash(made.rows)
    assert open_premium(made) == 0.0
    told = [(row["Label"], row["Description"], f"{value:f}") for row, value in zip(rows, signed, strict=True)]
    assert told == [
        ("margin fee", f"{CALL} trade fee t1", "-0.00060000"),
        ("margin fee", f"{PERPETUAL} trade fee t2", "-0.00006250"),
        ("realized gain", f"{PERPETUAL} settlement profit", "0.00000012"),
        ("realized gain", f"{PERPETUAL} trade profit t3", "-0.00128866"),
        ("fee refund", f"{PERPETUAL} trade fee t3", "0.00006185"),
        ("fee refund", f"{PERPETUAL} trade fee t3", "0.00004124"),
        ("realized gain", f"{CALL} trade profit t4", "0.01000000"),  # 0.015 less a quarter of 0.02
        ("margin fee", f"{CALL} trade fee t4", "-0.00015000"),
        ("realized gain", f"{CALL} delivery profit", "0.01500000"),
        ("margin fee", f"{CALL} delivery fee", "-0.00022500"),
    ]
    assert rows[0]["Date"] == "2024-12-29 18:13:20 UTC"
    assert {row["Received Currency"] + row["Sent Currency"] for row in rows} == {"BTC"}
    assert len({row["TxHash"] for row in rows}) == len(rows)


def test_the_premium_of_open_options_is_in_no_row():
    made = statement("run", [Booking(AT + 1, 0, "trade", CALL, -2_000_000)], [fill(1, CALL, 2.0, 0.01)])
    assert table(koinly_text(made)) == []
    assert open_premium(made) == -0.02
