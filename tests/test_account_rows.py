"""Executions and deliveries of rows, whatever file they came from."""

import math
from decimal import Decimal

import pytest

from gammacore.data.account.rows import KNOWN_TYPES, AccountRow, cash, deliveries, executions, money
from gammacore.errors import DataError

PERPETUAL = "BTC-PERPETUAL"


def row(at, amount=1.0, **changes):
    given = {"row_id": str(at), "seq": at, "instrument": PERPETUAL, "price": 5.0, "fee": 0.1, "trade_id": "t"}
    side = "open buy" if amount > 0 else "open sell"
    return AccountRow(ts_ns=at, amount=amount, **({"side": side} | given | changes))


def test_cash_is_exact_where_floats_are_not():
    rows = [row(k, change=0.1) for k in range(3)] + [
        row(4),
        row(5, change=7.0, type="options_settlement_summary"),
    ]
    assert cash(rows) == Decimal("0.3")  # 0.1 + 0.1 + 0.1 is 0.30000000000000004
    assert (money(math.nan), money(4.467e-05)) == (0, Decimal("0.00004467"))


def test_only_what_closes_and_then_opens_is_one_trade():
    closed = row(1, side="close buy")
    assert [one.amount for one in executions([row(2, 2.0), closed])] == [3.0]
    assert executions([row(2, 2.0), closed])[0].fee == 0.2
    for other in (
        row(2, trade_id="u"),
        row(2, order_id="o"),
        row(2, price=6.0),
        row(2, -1.0),
        row(2, side="close buy"),
        row(2, account="8"),
        row(2, instrument="ETH-PERPETUAL"),
        row(10**9 + 1),
    ):
        assert len(executions([closed, other])) == 2, other
    assert len(executions([row(1, side="close buy", trade_id=""), row(2, trade_id="")])) == 2


def test_a_log_counts_before_a_history():
    logged, told = row(1), row(1, source="trades", fee=0.3)
    assert [one.fee for one in executions([told, logged])] == [0.1]
    assert len(executions([row(1, source="trades", trade_id="u"), logged])) == 2
    # Both sides of a trade with oneself have one id.
    assert len(executions([row(1, -1.0, source="trades"), logged])) == 2


def test_what_is_no_execution():
    others = [row(1, type=kind) for kind in sorted(KNOWN_TYPES - {"trade", "liquidation", "position_move"})]
    others += [row(2, instrument="BTC_USDC"), row(3, instrument="BTC-FS-26FEB21_PERP"), row(4, instrument="")]
    others += [row(5, math.nan, type="liquidation")]
    assert executions(others) == []
    assert len(deliveries(others)) == 4
    with pytest.raises(DataError, match="line 9: a trade of BTC-PERPETUAL without an amount or a price"):
        executions([row(1, price=math.nan, line=9)])
