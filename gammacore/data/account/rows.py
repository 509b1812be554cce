"""Rows of an account's history, and the executions and deliveries that they tell.

Units are the store's: times in nanoseconds UTC, ``amount`` signed and in the exchange's unit (USD for inverse
futures, coin for options and linear contracts), money in the settlement currency, ``fee`` positive when paid.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from gammacore.daycount import NS_PER_SECOND
from gammacore.errors import DataError

from ..schemas import IS_COMBO, IS_SPOT

__all__ = [
    "CASH_TYPES",
    "DELIVERY_TYPES",
    "KNOWN_TYPES",
    "NO_CASH",
    "TRADE_TYPES",
    "AccountRow",
    "Delivered",
    "Execution",
    "cash",
    "deliveries",
    "executions",
    "money",
]

TRADE_TYPES = frozenset({"trade", "liquidation", "position_move"})
"""Types that can change a position at a price."""

DELIVERY_TYPES = frozenset({"delivery", "expiry", "assignment", "exercise"})
"""Types by which an expired position goes."""

NO_CASH = frozenset({"options_settlement_summary"})
"""Types that repeat what other rows paid: no sum of cash counts them."""

CASH_TYPES = frozenset(
    {
        "settlement",
        "deposit",
        "withdrawal",
        "transfer",
        "swap",
        "correction",
        "negative_balance_fee",
        "usdc_reward",
        "transfer_from_insurance",
        "socialized_fund",
    }
)
"""Types that move cash and no position."""

KNOWN_TYPES = TRADE_TYPES | DELIVERY_TYPES | NO_CASH | CASH_TYPES
NAN = math.nan


class AccountRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of an account's history; NaN and empty texts where its source has nothing.

    Attributes
    ----------
    ts_ns : int
    account : str
        Which account of several; empty if the file does not tell.
    source : str
        ``log`` (transaction log), ``trades`` (trade history) or ``table`` (time, instrument, amount, price).
    row_id : str
        Tells rows of one account and source apart.
    seq : int
        Order of rows within their time.
    type, side : str
        As the transaction log has them, in lower case with underscores; ``trade`` for other sources.
    instrument : str
    amount : float
        Signed change of the position; of a settlement, the position.
    position : float
        After the row.
    price, mark_price, index_price : float
    cashflow, funding, fee, change, balance, equity : float
        In the settlement currency. ``change`` is what moved the balance, ``funding`` positive when received.
    trade_id, order_id, label, info : str
    line : int
        Of the file, for errors.
    """

    ts_ns: int
    account: str = ""
    source: str = "log"
    row_id: str
    seq: int = 0
    type: str = "trade"
    side: str = ""
    instrument: str = ""
    amount: float = NAN
    position: float = NAN
    price: float = NAN
    mark_price: float = NAN
    index_price: float = NAN
    cashflow: float = NAN
    funding: float = NAN
    fee: float = NAN
    change: float = NAN
    balance: float = NAN
    equity: float = NAN
    trade_id: str = ""
    order_id: str = ""
    label: str = ""
    info: str = ""
    line: int = 0


class Execution(msgspec.Struct, frozen=True):
    """One trade of the account in a contract.

    ``amount`` is signed, ``fee`` positive when paid and NaN where the source does not tell it. ``type`` is
    ``trade``, ``liquidation`` or ``position_move`` (from or to another account, at the price given).
    """

    ts_ns: int
    instrument: str
    amount: float
    price: float
    fee: float
    trade_id: str
    order_id: str
    label: str
    type: str = "trade"


class Delivered(msgspec.Struct, frozen=True):
    """A position that expired.

    ``amount`` is the signed change of the position, ``price`` as the row has it, ``change`` what it paid less
    its fee. ``type`` is ``delivery``, ``expiry``, ``assignment`` or ``exercise``.
    """

    ts_ns: int
    instrument: str
    amount: float
    price: float
    change: float
    fee: float
    type: str


def money(value: float) -> Decimal:
    """Amount of money as the decimal that its float was written as; nothing for NaN."""
    return Decimal(0) if math.isnan(value) else Decimal(repr(float(value)))


def cash(rows: Iterable[AccountRow]) -> Decimal:
    """Sum what rows changed balances by, exactly: ``change``, and never ``cashflow``.

    Trade histories and tables do not say what a trade changed; their rows count nothing.
    """
    return sum((money(row.change) for row in rows if row.type not in NO_CASH), Decimal(0))


def executions(rows: Iterable[AccountRow]) -> list[Execution]:
    """List the trades in contracts, in order of time.

    A fill through zero is two rows of the transaction log with one trade id, which are joined. A trade that
    both a transaction log and a trade history hold counts once. Combos are left out, as their legs are rows
    of their own, and so is spot.

    Parameters
    ----------
    rows : iterable of AccountRow

    Raises
    ------
    DataError
        If a row of a trade has no amount or price.
    """
    traded = sorted(
        (row for row in rows if _is_execution(row)), key=lambda row: (row.ts_ns, row.seq, row.source)
    )
    logged = {_trade(row) for row in traded if row.source == "log" and row.trade_id}
    found: list[list[AccountRow]] = []
    for row in traded:
        if row.source != "log" and _trade(row) in logged:
            continue
        if found and _completes(row, found[-1][-1]):
            found[-1].append(row)
        else:
            found.append([row])
    return [_joined(parts) for parts in found]


def deliveries(rows: Iterable[AccountRow]) -> list[Delivered]:
    """List the positions that expired, in order of time."""
    expired = sorted((row for row in rows if row.type in DELIVERY_TYPES), key=lambda r: (r.ts_ns, r.seq))
    return [
        Delivered(row.ts_ns, row.instrument, row.amount, row.price, row.change, row.fee, row.type)
        for row in expired
    ]


def _is_execution(row: AccountRow) -> bool:
    if row.type not in TRADE_TYPES or not row.instrument:
        return False
    if re.search(IS_COMBO, row.instrument) or re.search(IS_SPOT, row.instrument):
        return False
    if row.type != "trade" and math.isnan(row.amount):  # such as the fee of a liquidation
        return False
    if math.isnan(row.amount) or math.isnan(row.price):
        raise DataError(f"line {row.line}: a trade of {row.instrument} without an amount or a price")
    return True


def _trade(row: AccountRow) -> tuple[str, str, bool]:
    return row.instrument, row.trade_id, row.amount > 0


def _completes(row: AccountRow, before: AccountRow) -> bool:
    """Whether a row opens with what is left of the trade that closed in the row before."""
    same = ("account", "source", "instrument", "trade_id", "order_id", "price", "type")
    return (
        bool(row.trade_id)
        and before.side.startswith("close")
        and row.side.startswith("open")
        and row.ts_ns - before.ts_ns < NS_PER_SECOND
        and row.amount * before.amount > 0
        and all(getattr(row, name) == getattr(before, name) for name in same)
    )


def _joined(parts: list[AccountRow]) -> Execution:
    first = parts[0]
    amount, fee = (
        first_value if len(parts) == 1 else float(sum(money(getattr(row, name)) for row in parts))
        for name, first_value in (("amount", first.amount), ("fee", first.fee))
    )
    return Execution(
        first.ts_ns,
        first.instrument,
        amount,
        first.price,
        fee,
        first.trade_id,
        first.order_id,
        first.label,
        first.type,
    )
