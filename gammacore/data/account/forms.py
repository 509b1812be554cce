"""Statements as files: the exchange's transaction log, a table of executions, a form that tax tools read."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from gammacore.contracts import Option, Settlement, from_units, parse
from gammacore.daycount import NS_PER_SECOND, format_time

from .layouts import NEWEST_LOG
from .rows import DELIVERY_TYPES, AccountRow, executions
from .statement import Statement

__all__ = ["FORMS", "Form", "deribit_text", "koinly_text", "open_premium", "simple_text"]

KOINLY = (
    "Date",
    "Sent Amount",
    "Sent Currency",
    "Received Amount",
    "Received Currency",
    "Fee Amount",
    "Fee Currency",
    "Net Worth Amount",
    "Net Worth Currency",
    "Label",
    "Description",
    "TxHash",
)
"""Columns of Koinly's universal template (help article "How to create a custom CSV file with your data")."""

# Koinly's article on futures: rows of profit and loss are deposits and withdrawals with the label "realized
# gain"; its list of tags has "margin fee" for withdrawals and "fee refund" for deposits.
GAIN, PAID, REFUNDED = "realized gain", "margin fee", "fee refund"


def deribit_text(made: Statement) -> str:
    """Write the newest layout of the transaction log, times to the nanosecond."""
    return _table(NEWEST_LOG, (_log_row(row) for row in made.rows))


def simple_text(made: Statement) -> str:
    """Write the executions alone: time, instrument, signed amount, price, fee and names."""
    names = ("time", "instrument", "amount", "price", "fee", "trade_id", "order_id", "label")
    rows = (
        (
            format_time(one.ts_ns),
            one.instrument,
            _number(one.amount),
            _number(one.price),
            _number(one.fee),
            one.trade_id,
            one.order_id,
            one.label,
        )
        for one in executions(made.rows)
    )
    return _table(names, rows)


def koinly_text(made: Statement) -> str:
    """Write realised profits and fees as Koinly's universal template.

    An option's profit is realised when it is closed or delivered, from the average premium; what options that
    are still open have cost is in no row, see `open_premium`.
    """
    return _table(KOINLY, _Gains().rows(made))


def open_premium(made: Statement) -> float:
    """Premium paid (negative) or received of options still open, which `koinly_text` leaves out."""
    gains = _Gains()
    for _ in gains.rows(made):
        pass
    return from_units(sum(gains.basis.values()))


class Form(NamedTuple):
    """A form that statements are written in, and the name of its files."""

    write: Callable[[Statement], str]
    file: str


FORMS: dict[str, Form] = {
    # The exchange's names say whose file it is; this account has no number, and gets that of its name.
    "deribit": Form(deribit_text, "transaction_log-{account}-{currency}-{name}.csv"),
    "simple": Form(simple_text, "executions-{name}.csv"),
    "koinly": Form(koinly_text, "koinly-{name}.csv"),
}
"""Forms by name."""


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _number(value: float) -> str:
    """Write a number with the digits that its float needs, without an exponent."""
    return "" if math.isnan(value) else format(Decimal(repr(float(value))), "f")


def _money(value: float) -> str:
    return "" if math.isnan(value) else f"{Decimal(repr(float(value))):.8f}"


def _exact(ts_ns: int) -> str:
    """Write a moment with all nine decimals: whole seconds would be told from each other by their order."""
    return f"{format_time(ts_ns - ts_ns % NS_PER_SECOND)[:19]}.{ts_ns % NS_PER_SECOND:09d}Z"


def _log_row(row: AccountRow) -> list[str]:
    amount = abs(row.amount)
    contract = parse(row.instrument)
    in_usd = contract.settlement is Settlement.INVERSE and not isinstance(contract, Option)
    base = amount if not in_usd else amount / row.price if row.price > 0 else math.nan
    cells: dict[str, Any] = {
        "ID": row.row_id,
        "UserSeq": row.row_id,
        "Date": _exact(row.ts_ns),
        "Instrument": row.instrument,
        "Type": row.type,
        "Side": row.side,
        "Amount": _number(amount),
        "Base Amount": _money(round(base, 8)),
        "Position": _number(row.position),
        "Price": _number(row.price),
        "Mark Price": _number(row.mark_price),
        "Index Price": _number(row.index_price),
        "Cash Flow": _money(row.cashflow),
        "Funding": _money(row.funding),
        "Fee Charged": _money(row.fee),
        "Fee Balance": "0",
        "Change": _money(row.change),
        "Balance": _money(row.balance),
        "Trade ID": row.trade_id,
        "Order ID": row.order_id,
        "Info": row.info,
        "Note": row.label,
    }
    return [cells.get(name, "") for name in NEWEST_LOG]


class _Gains:
    """Realised profits, and the premium of each open option: units of 1e-8."""

    def __init__(self) -> None:
        self.basis: dict[str, int] = {}

    def rows(self, made: Statement) -> Iterable[list[str]]:
        for row in made.rows:
            units, fee = (round(Decimal(_money(x)) * 10**8) for x in (row.cashflow, row.fee))
            if isinstance(parse(row.instrument), Option):
                units = self._option(row, units)
            about = f"{row.instrument} {row.type}"
            if units:
                yield _koinly(made.currency, row, units, GAIN, f"{about} profit")
            if fee:
                yield _koinly(made.currency, row, -fee, PAID if fee > 0 else REFUNDED, f"{about} fee")

    def _option(self, row: AccountRow, units: int) -> int:
        """Profit that a trade or delivery of an option realises; a premium that opens is kept."""
        held = self.basis.get(row.instrument, 0)
        if row.side.startswith("open"):
            self.basis[row.instrument] = held + units
            return 0
        before = abs(row.position) + abs(row.amount)
        gone = (
            held if row.type in DELIVERY_TYPES or not row.position else round(held * abs(row.amount) / before)
        )
        self.basis[row.instrument] = held - gone
        return units + gone


def _koinly(currency: str, row: AccountRow, units: int, label: str, about: str) -> list[str]:
    amount = f"{Decimal(abs(units)).scaleb(-8):.8f}"
    date = format_time(row.ts_ns - row.ts_ns % NS_PER_SECOND)
    cells = {
        "Date": f"{date[:10]} {date[11:19]} UTC",
        "Label": label,
        "Description": f"{about} {row.trade_id}".strip(),
        # Rows of one moment and amount are told apart by it.
        "TxHash": f"{row.row_id}-{label.replace(' ', '-')}",
    }
    way = "Received" if units > 0 else "Sent"
    cells |= {f"{way} Amount": amount, f"{way} Currency": currency}
    return [cells.get(name, "") for name in KOINLY]
