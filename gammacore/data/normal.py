"""Answers of the exchange's history into rows of the store; milliseconds and percent end here.

Fields that are not known are skipped; known ones of another type raise :class:`gammacore.errors.DataError`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import msgspec

from gammacore.daycount import NS_PER_DAY, NS_PER_MILLISECOND, NS_PER_MINUTE, NS_PER_SECOND, expiry_ns
from gammacore.errors import DataError

from .schemas import KINDS

__all__ = [
    "Candles",
    "CatalogRow",
    "Deliveries",
    "DvolPage",
    "FundingRow",
    "Trade",
    "TradesPage",
    "bar_length_ns",
    "candle_rows",
    "catalog_rows",
    "decode",
    "delivery_rows",
    "dvol_rows",
    "funding_rows",
    "table",
    "trade_rows",
]

Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=9_000_000_000_000)]  # fits 64 bits in nanoseconds
Number = float | None
PERCENT = 100.0
NAN = float("nan")
PERPETUAL_FROM_MS = 32_000_000_000_000  # the catalog gives perpetuals an expiry in the year 3000
Rows = dict[str, list[Any]]


def decode(kind: Any, payload: bytes | str, what: str) -> Any:
    """Decode a result.

    Raises
    ------
    DataError
        Naming the request, if it is not what its method promises.
    """
    try:
        return msgspec.json.decode(payload, type=kind, strict=True)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{what}: unreadable answer: {error}") from None


def table(kind: str, rows: Iterable[Sequence[Any]]) -> Rows:
    """Columns of rows that are in the order of the kind's columns."""
    names = list(KINDS[kind].columns)
    columns: list[list[Any]] = [[] for _ in names]
    for row in rows:
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    return dict(zip(names, columns, strict=True))


def number(value: Number) -> float:
    """NaN for none."""
    return NAN if value is None else value


# --------------------------------------------------------------------------- catalog


class _Step(msgspec.Struct):
    above_price: float
    tick_size: float


class CatalogRow(msgspec.Struct):
    """A row of ``public/get_instruments``."""

    instrument_name: str
    kind: str
    creation_timestamp: Milliseconds
    tick_size: float
    expiration_timestamp: int | None = None
    strike: Number = None
    option_type: str | None = None
    base_currency: str = ""
    quote_currency: str = ""
    settlement_currency: str = ""
    price_index: str = ""
    contract_size: Number = None
    min_trade_amount: Number = None
    tick_size_steps: list[_Step] = []
    maker_commission: Number = None
    taker_commission: Number = None

    @property
    def created_ns(self) -> int:
        """When it was listed."""
        return self.creation_timestamp * NS_PER_MILLISECOND

    @property
    def expiry_ns(self) -> int:
        """When it expires; 0 if it does not."""
        stamp = self.expiration_timestamp or 0
        return 0 if stamp >= PERPETUAL_FROM_MS else stamp * NS_PER_MILLISECOND


def catalog_rows(rows: Iterable[CatalogRow]) -> Rows:
    """Rows of ``instruments``, without what changes in its life: its state now was not known then."""
    return table("instruments", map(_catalog_row, rows))


def _catalog_row(row: CatalogRow) -> tuple[Any, ...]:
    steps = json.dumps([[step.above_price, step.tick_size] for step in row.tick_size_steps])
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
        row.price_index,
        number(row.contract_size),
        number(row.min_trade_amount),
        row.tick_size,
        steps,
        number(row.maker_commission),
        number(row.taker_commission),
    )


# --------------------------------------------------------------------------- trades


class Trade(msgspec.Struct):
    """A trade as the public methods and channels show it."""

    trade_id: str
    trade_seq: int
    instrument_name: str
    timestamp: Milliseconds
    direction: str
    price: float
    amount: float
    mark_price: Number = None
    index_price: Number = None
    iv: Number = None
    liquidation: str | None = None
    block_trade_id: str | None = None


class TradesPage(msgspec.Struct):
    """Result of ``public/get_last_trades_by_...``."""

    trades: list[Trade]
    has_more: bool = False


def trade_rows(kind: str, trades: Iterable[Trade], known_ns: int | None = None) -> Rows:
    """Rows of one of the kinds of trades; a trade is known when it happens, or at ``known_ns``."""
    return table(kind, (_trade_row(kind, trade, known_ns) for trade in trades))


def _trade_row(kind: str, trade: Trade, known_ns: int | None) -> tuple[Any, ...]:
    if trade.direction not in ("buy", "sell"):
        raise DataError(f"trade {trade.trade_id}: direction {trade.direction!r} is neither buy nor sell")
    ts_ns = trade.timestamp * NS_PER_MILLISECOND
    return (
        ts_ns,
        ts_ns if known_ns is None else known_ns,
        trade.instrument_name,
        trade.trade_id,
        trade.trade_seq,
        trade.direction,
        trade.price,
        trade.amount,
        number(trade.mark_price),
        number(trade.index_price),
        *((number(trade.iv) / PERCENT,) if kind == "option_trades" else ()),
        trade.liquidation or "",
        trade.block_trade_id or "",
    )


# --------------------------------------------------------------------------- bars


class Candles(msgspec.Struct):
    """Result of ``public/get_tradingview_chart_data``."""

    status: str
    ticks: list[Milliseconds] = []
    open: list[float] = []
    high: list[float] = []
    low: list[float] = []
    close: list[float] = []
    volume: list[float] = []
    cost: list[float] = []


def bar_length_ns(resolution: str) -> int:
    """Length of a bar: minutes, or ``1D``.

    Raises
    ------
    DataError
        If the exchange has no such bars.
    """
    known = ("1", "3", "5", "10", "15", "30", "60", "120", "180", "360", "720", "1D")
    if resolution not in known:
        raise DataError(f"resolution {resolution!r}: expected one of {', '.join(known)}")
    return NS_PER_DAY if resolution == "1D" else int(resolution) * NS_PER_MINUTE


def candle_rows(name: str, interval_ns: int, bars: Candles) -> Rows:
    """Rows of ``candles``; a bar is known when it ends."""
    parts = (bars.open, bars.high, bars.low, bars.close, bars.volume, bars.cost)
    if any(len(part) != len(bars.ticks) for part in parts):
        raise DataError(f"bars of {name}: columns differ in length")
    rows = (
        (tick * NS_PER_MILLISECOND, tick * NS_PER_MILLISECOND + interval_ns, name, interval_ns, *values)
        for tick, *values in zip(bars.ticks, *parts, strict=True)
    )
    return table("candles", rows)


class DvolPage(msgspec.Struct):
    """Result of ``public/get_volatility_index_data``."""

    data: list[tuple[Milliseconds, float, float, float, float]]
    continuation: int | None = None


def dvol_rows(index: str, resolution: str, bars: Iterable[tuple[int, float, float, float, float]]) -> Rows:
    """Rows of ``dvol``, decimal; a bar is known when it ends."""
    length = NS_PER_DAY if resolution == "1D" else int(resolution) * NS_PER_SECOND
    rows = (
        (
            ms * NS_PER_MILLISECOND,
            ms * NS_PER_MILLISECOND + length,
            index,
            length,
            0,
            *(v / PERCENT for v in values),
        )
        for ms, *values in bars
    )
    return table("dvol", rows)


# --------------------------------------------------------------------------- funding, deliveries


class FundingRow(msgspec.Struct):
    """A row of ``public/get_funding_rate_history``: the hour that ends at its stamp."""

    timestamp: Milliseconds
    interest_1h: float
    interest_8h: Number = None
    index_price: Number = None
    prev_index_price: Number = None


def funding_rows(name: str, rows: Iterable[FundingRow]) -> Rows:
    """Rows of ``funding``; a rate is known when its hour is over, which is its stamp."""
    found = (
        (
            row.timestamp * NS_PER_MILLISECOND,
            row.timestamp * NS_PER_MILLISECOND,
            name,
            row.interest_1h,
            number(row.interest_8h),
            number(row.index_price),
            number(row.prev_index_price),
        )
        for row in rows
    )
    return table("funding", found)


class Delivery(msgspec.Struct):
    """A row of ``public/get_delivery_prices``."""

    date: str
    delivery_price: float


class Deliveries(msgspec.Struct):
    """Result of ``public/get_delivery_prices``."""

    data: list[Delivery]
    records_total: int = 0


def delivery_rows(index: str, rows: Iterable[Delivery]) -> Rows:
    """Rows of ``delivery``; a price is known at its expiry, 08:00 UTC of its day."""
    return table(
        "delivery", ((at := expiry_ns(row.date), at, index, row.date, row.delivery_price) for row in rows)
    )
