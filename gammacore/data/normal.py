"""Answers of the exchange's history into rows of the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from gammacore.daycount import expiry_ns
from gammacore.deribit.catalog import Listing
from gammacore.deribit.history import Candles, DvolBar, FundingHour
from gammacore.deribit.market import WireTrade
from gammacore.deribit.methods import Method
from gammacore.deribit.units import number
from gammacore.errors import DataError

from .schemas import KINDS

__all__ = [
    "candle_rows",
    "catalog_rows",
    "delivery_rows",
    "dvol_rows",
    "funding_rows",
    "read",
    "table",
    "trade_rows",
]

T = TypeVar("T")
Rows = dict[str, list[Any]]


def read(method: Method[T], payload: bytes) -> T:
    """Decode a result.

    Raises
    ------
    DataError
        Naming the method, if it is not what the method promises.
    """
    try:
        return method.decode(payload, 0)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{method.name}: unreadable answer: {error}") from None


def table(kind: str, rows: Iterable[Sequence[Any]]) -> Rows:
    """Columns of rows that are in the order of the kind's columns."""
    names = list(KINDS[kind].columns)
    columns: list[list[Any]] = [[] for _ in names]
    for row in rows:
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    return dict(zip(names, columns, strict=True))


def catalog_rows(rows: Iterable[Listing]) -> Rows:
    """Rows of ``instruments``, without what changes in its life: its state now was not known then."""
    return table("instruments", map(_catalog_row, rows))


def _catalog_row(row: Listing) -> tuple[Any, ...]:
    if not row.created_ns or not row.kind:
        raise DataError(f"{row.instrument_name}: listed without creation_timestamp or kind")
    return (
        row.created_ns,
        row.created_ns,
        row.instrument_name,
        row.kind,
        row.expiry_ns,
        number(row.strike),
        row.option_type or "",
        row.base_currency,
        row.quote_currency,
        row.settlement_currency,
        row.index,
        number(row.contract_size),
        number(row.min_trade_amount),
        row.tick_size,
        row.ticks,
        *row.fees,
    )


def trade_rows(kind: str, trades: Iterable[WireTrade], known_ns: int | None = None) -> Rows:
    """Rows of one of the kinds of trades; a trade is known when it happens, or at ``known_ns``."""
    return table(kind, (trade_row(kind, trade, known_ns) for trade in trades))


def trade_row(kind: str, trade: WireTrade, known_ns: int | None) -> tuple[Any, ...]:
    """Row of a trade, in the order of its kind's columns."""
    if trade.direction not in ("buy", "sell"):
        raise DataError(f"trade {trade.trade_id}: direction {trade.direction!r} is neither buy nor sell")
    return (
        trade.ts_ns,
        trade.ts_ns if known_ns is None else known_ns,
        trade.instrument_name,
        trade.trade_id,
        trade.trade_seq,
        trade.direction,
        trade.price,
        trade.amount,
        number(trade.mark_price),
        number(trade.index_price),
        *((trade.vol,) if kind == "option_trades" else ()),
        trade.liquidation or "",
        trade.block_trade_id or "",
    )


def candle_rows(name: str, interval_ns: int, bars: Candles) -> Rows:
    """Rows of ``candles``; a bar is known when it ends."""
    rows = zip(bars.start_ns, *bars.columns, strict=True)
    return table("candles", ((at, at + interval_ns, name, interval_ns, *values) for at, *values in rows))


def dvol_rows(index: str, length_ns: int, bars: Iterable[DvolBar]) -> Rows:
    """Rows of ``dvol``; a bar is known when it ends."""
    return table("dvol", ((at, at + length_ns, index, length_ns, 0, *values) for at, *values in bars))


def funding_rows(name: str, hours: Iterable[FundingHour]) -> Rows:
    """Rows of ``funding``; a rate is known when its hour is over, which is its stamp."""
    found = (
        (
            hour.ts_ns,
            hour.ts_ns,
            name,
            hour.interest_1h,
            number(hour.interest_8h),
            number(hour.index_price),
            number(hour.prev_index_price),
        )
        for hour in hours
    )
    return table("funding", found)


def delivery_rows(index: str, prices: Mapping[str, float]) -> Rows:
    """Rows of ``delivery``; a price is known at its expiry, 08:00 UTC of its day."""
    return table("delivery", ((at := expiry_ns(day), at, index, day, price) for day, price in prices.items()))
