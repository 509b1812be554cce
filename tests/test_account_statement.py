"""Ledgers and fills as a transaction log: positions, fills through zero, deliveries, every unit."""

import math
from decimal import Decimal

import pytest

from gammacore.contracts import Settlement, parse
from gammacore.data.account.rows import cash, deliveries, executions
from gammacore.data.account.statement import Booking, Expired, Filled, bookings, statement
from gammacore.daycount import parse_time
from gammacore.errors import LedgerError
from gammacore.ledger import Account, Ledger

CALL, PUT, PERPETUAL = "BTC-10JAN25-60000-C", "BTC-10JAN25-55000-P", "BTC-PERPETUAL"
EXPIRY = parse_time("2025-01-10T08:00:00Z")
START = EXPIRY - 10**15


def fill(at, instrument, amount, price, fee=0.0, episode=0, order="o"):
    return Filled(START + at, episode, instrument, amount, price, price, fee, f"t{at}", order, "label")


def book(at, memo, units, instrument="", episode=0):
    return Booking(START + at, episode, memo, instrument, units)


def test_a_fill_through_zero_is_two_rows_that_join():
    filled = [
        fill(1, PERPETUAL, -6000.0, 48000.0, 0.0000625),
        fill(2, PERPETUAL, 10000.0, 48500.0, 0.00010309),
    ]
    booked = [
        book(1, "fee", -6250, PERPETUAL),
        book(2, "hedge", -128866, PERPETUAL),
        book(2, "fee", -10309, PERPETUAL),
    ]
    made = statement("s", booked, filled)
    assert made.currency == "BTC"
    rows = [(r.side, r.amount, r.position, r.cashflow, r.fee, r.change, r.balance) for r in made.rows]
    assert rows == [
        ("open sell", -6000.0, -6000.0, 0.0, 0.0000625, -0.0000625, -0.0000625),
        ("close buy", 6000.0, 0.0, -0.00128866, 0.00006185, -0.00135051, -0.00141301),
        ("open buy", 4000.0, 4000.0, 0.0, 0.00004124, -0.00004124, -0.00145425),
    ]
    joined = executions(made.rows)[1]
    assert (joined.amount, joined.fee, joined.order_id, joined.label) == (10000.0, 0.00010309, "o", "label")
    assert cash(made.rows) == Decimal(sum(one.units for one in booked)).scaleb(-8)


def test_options_that_expire_worthless_go_too():
    filled = [fill(1, CALL, 1.0, 0.01), fill(1, PUT, 2.0, 0.005)]
    booked = [book(1, "trade", -1_000_000, CALL), book(1, "trade", -1_000_000, PUT)]
    paid = [Booking(EXPIRY, 0, "delivery", CALL, 250_000), Booking(EXPIRY, 0, "delivery fee", CALL, -15_000)]
    made = statement("s", booked + paid, filled, [Expired(EXPIRY, EXPIRY, 61000.0)])
    assert [
        (one.instrument, one.amount, one.change, one.fee, one.price) for one in deliveries(made.rows)
    ] == [
        (CALL, -1.0, 0.00235, 0.00015, 61000.0),
        (PUT, -2.0, 0.0, 0.0, 61000.0),
    ]
    assert {row.position for row in made.rows[-2:]} == {0.0}


def test_funding_and_a_hedge_handed_over_are_settlements():
    filled = [fill(1, PERPETUAL, 1000.0, 50000.0), fill(9, PERPETUAL, -1000.0, 50000.0, episode=1)]
    booked = [
        book(5, "hedge", 777, PERPETUAL),
        book(5, "funding", -3),
        book(9, "funding at final rates", 1, episode=1),
    ]
    made = statement("s", booked, filled)
    settled = [(row.type, row.side, row.instrument, row.funding, row.change) for row in made.rows]
    assert settled == [
        ("trade", "open buy", PERPETUAL, 0.0, 0.0),
        ("settlement", "long", PERPETUAL, 0.0, 0.00000777),
        ("settlement", "long", PERPETUAL, -0.00000003, -0.00000003),
        ("settlement", "long", PERPETUAL, 0.00000001, 0.00000001),
        ("trade", "close sell", PERPETUAL, 0.0, 0.0),
    ]


def test_two_fills_at_one_moment_have_their_own_premium():
    filled = [fill(1, CALL, 1.0, 0.01, 0.0003), fill(1, CALL, 2.0, 0.02, 0.0006)]
    booked = [book(1, "trade", -5_000_000, CALL), book(1, "fee", -90_000, CALL)]
    made = statement("s", booked, filled)
    assert [row.change for row in made.rows] == [-0.0103, -0.0406]
    assert len({row.row_id for row in made.rows}) == 2


@pytest.mark.parametrize(
    "booked", [book(2, "hedge", 5, CALL), book(1, "fee", -1, CALL), book(3, "delivery", 7, CALL)]
)
def test_cash_that_no_fill_explains_is_an_error(booked):
    with pytest.raises(
        LedgerError, match=r"s: episode -?\d booked \w+ of -?0.0000000\d for BTC-10JAN25-60000-C"
    ):
        statement(
            "s",
            [book(1, "trade", -1_000_000, CALL), booked],
            [fill(1, CALL, 1.0, 0.01), fill(2, CALL, 1.0, 0.0)],
        )


def test_a_future_that_nobody_delivered_is_still_held():
    future = "BTC-10JAN25"
    made = statement("s", [], [fill(1, future, 1000.0, 50000.0)], [Expired(EXPIRY, EXPIRY, math.nan)])
    assert [row.type for row in made.rows] == ["trade"]
    paid = [Booking(EXPIRY, 0, "delivery", future, 42)]
    made = statement("s", paid, [fill(1, future, 1000.0, 50000.0)], [Expired(EXPIRY, EXPIRY, 51000.0)])
    assert deliveries(made.rows)[0].amount == -1000.0


def test_two_currencies_are_two_statements():
    with pytest.raises(LedgerError, match="fills in BTC and USDC"):
        statement("s", [], [fill(1, PERPETUAL, 10.0, 1.0), fill(1, "BTC_USDC-PERPETUAL", 1.0, 1.0)])


def test_bookings_are_cash_less_capital_and_views():
    ledger = Ledger(Settlement.INVERSE, 50000.0)
    ledger.post(1, Account.CASH, Account.CAPITAL, 1.0, "premium financed in USD")
    ledger.post(1, Account.OPTIONS, Account.CASH, 0.5, "trade", parse(CALL))
    ledger.mark(2, Account.OPTIONS, Account.OPTION_PNL, 0.4, "options at mark")
    ledger.revalue(3, 51000.0)
    assert bookings(4, ledger.entries, 0) == [Booking(1, 4, "trade", CALL, -50_000_000)]
