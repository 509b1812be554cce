"""Layouts of files that hold an account's past: which column is what, by the header and never by place.

The transaction log has had four layouts: ``Size`` became ``Base Amount`` and ``Fee Paid`` ``Fee Charged``,
``Index Price``, ``Note`` and last ``Amount`` were added. The API's answers name the same things otherwise.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gammacore.errors import ConfigError, DataError

__all__ = ["LAYOUTS", "NEWEST_LOG", "Layout", "columns_of", "layout_of", "told_by_name"]

NEWEST_LOG = (
    "ID",
    "UserSeq",
    "Date",
    "Instrument",
    "Type",
    "Side",
    "Amount",
    "Base Amount",
    "Position",
    "Price",
    "Mark Price",
    "Index Price",
    "Cash Flow",
    "Funding",
    "Fee Rate",
    "Fee Charged",
    "Fee Balance",
    "Change",
    "Balance",
    "Equity",
    "Trade ID",
    "Order ID",
    "Info",
    "Note",
)
"""Columns of the transaction log as the exchange writes it now."""

NEARLY = 0.6  # a header with so much of a layout is meant to be of it


class Layout(NamedTuple):
    """One sort of file: the names that each of our fields may have, the first that is there counting."""

    name: str
    source: str
    required: dict[str, tuple[str, ...]]
    optional: dict[str, tuple[str, ...]]


LAYOUTS: dict[str, Layout] = {
    one.name: one
    for one in (
        Layout(
            "transaction_log",
            "log",
            {
                "seq": ("UserSeq", "user_seq"),
                "time": ("Date", "timestamp"),
                "instrument": ("Instrument", "instrument_name"),
                "type": ("Type", "type"),
                "side": ("Side", "side"),
                "position": ("Position", "position"),
                "price": ("Price", "price"),
                "cashflow": ("Cash Flow", "cashflow"),
                "fee": ("Fee Charged", "Fee Paid", "commission"),
                "change": ("Change", "change"),
                "balance": ("Balance", "balance"),
                "trade_id": ("Trade ID", "trade_id"),
                "order_id": ("Order ID", "order_id"),
            },
            {
                "amount": ("Amount", "Base Amount", "Size", "amount"),
                "mark_price": ("Mark Price", "mark_price"),
                "index_price": ("Index Price", "index_price"),
                "funding": ("Funding", "total_interest_pl"),
                "equity": ("Equity", "equity"),
                "info": ("Info", "info"),
                "label": ("Note",),
                "currency": ("currency",),
                "account": ("user_id",),
            },
        ),
        Layout(
            "user_trades",
            "trades",
            {
                "time": ("timestamp",),
                "instrument": ("instrument_name",),
                "direction": ("direction",),
                "amount": ("amount",),
                "price": ("price",),
                "fee": ("fee",),
                "trade_id": ("trade_id",),
                "order_id": ("order_id",),
            },
            {
                "label": ("label",),
                "mark_price": ("mark_price",),
                "index_price": ("index_price",),
                "account": ("user_id",),
            },
        ),
        Layout(
            "executions",
            "table",
            {"time": ("time",), "instrument": ("instrument",), "amount": ("amount",), "price": ("price",)},
            {"fee": ("fee",), "trade_id": ("trade_id",), "order_id": ("order_id",), "label": ("label",)},
        ),
    )
}
"""Layouts by name."""


def layout_of(header: Sequence[str], name: str, path: Path) -> Layout | None:
    """Layout of a header, None if it is none of an account's past.

    Parameters
    ----------
    header : sequence of str
    name : str
        Of a layout, or ``auto``; of anything else there is none.
    path : Path
        For errors.

    Raises
    ------
    DataError
        If columns of the layout that was named, or nearly found, are missing.
    """
    if name != "auto" and name not in LAYOUTS:
        return None
    tried = LAYOUTS.values() if name == "auto" else (LAYOUTS[name],)
    fitting = [one for one in tried if not _missing(one, header)]
    if fitting:
        return fitting[0]
    nearest = max(tried, key=lambda one: _share(one, header))
    if name == "auto" and (nearest.name != "transaction_log" or _share(nearest, header) < NEARLY):
        return None  # the names of the others are common
    hints = []
    for field in _missing(nearest, header):
        names = nearest.required[field]
        near = difflib.get_close_matches(names[0], header, n=1, cutoff=0.6)
        hints.append(" or ".join(map(repr, names)) + (f" (nearest: {near[0]!r})" if near else ""))
    raise DataError(f"{path}: missing columns {'; '.join(hints)} of {nearest.name}; found {list(header)}")


def columns_of(layout: Layout, header: Sequence[str]) -> dict[str, str]:
    """Column of each field that a header has."""
    fields = layout.required | layout.optional
    held = {field: next((name for name in names if name in header), "") for field, names in fields.items()}
    return {field: name for field, name in held.items() if name}


def told_by_name(path: Path, currency: str) -> tuple[str, str]:
    """Account and currency that the name of a transaction log tells, empty where it does not.

    Raises
    ------
    ConfigError
        If the currency is not the one given.
    """
    match = re.search(r"transaction_log-(\d+)-([A-Z][A-Z0-9]{1,7})(?=[-.])", path.name)
    if match is None:
        return "", ""
    if currency and currency != match[2]:
        raise ConfigError(f"currency: {path.name} is named after {match[2]}, got {currency}")
    return match[1], match[2]


def _missing(layout: Layout, header: Sequence[str]) -> list[str]:
    return [field for field, names in layout.required.items() if not set(names) & set(header)]


def _share(layout: Layout, header: Sequence[str]) -> float:
    return 1.0 - len(_missing(layout, header)) / len(layout.required)
