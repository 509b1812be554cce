"""What the exchange remembers: bars, its volatility index, funding and delivery prices."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from gammacore.daycount import NS_PER_DAY, NS_PER_MINUTE, NS_PER_SECOND
from gammacore.errors import DataError

from .market import Stamped
from .units import PERCENT, Milliseconds, Number, Word, ns

MOST_BARS = 5_000  # of one answer
MOST_DELIVERIES = 1_000
WITH_DVOL = ("BTC", "ETH")  # coins that have a volatility index
RESOLUTIONS = (1, 3, 5, 10, 15, 30, 60, 120, 180, 360, 720)  # of bars, minutes; besides 1D


def bar_length_ns(resolution: str) -> int:
    """Length of a bar: minutes, or ``1D``.

    Raises
    ------
    DataError
        If the exchange has no such bars.
    """
    known = (*map(str, RESOLUTIONS), "1D")
    if resolution not in known:
        raise DataError(f"resolution {resolution!r}: expected one of {', '.join(known)}")
    return NS_PER_DAY if resolution == "1D" else int(resolution) * NS_PER_MINUTE


def volatility_bar_ns(resolution: str) -> int:
    """Length of a bar of the volatility index: seconds, or ``1D``."""
    return NS_PER_DAY if resolution == "1D" else int(resolution) * NS_PER_SECOND


class Candles(msgspec.Struct):
    """Result of ``public/get_tradingview_chart_data``: columns of one length, by the start of each bar."""

    status: str = ""
    ticks: list[Milliseconds] = []
    open: list[float] = []
    high: list[float] = []
    low: list[float] = []
    close: list[float] = []
    volume: list[float] = []
    cost: list[float] = []

    def __post_init__(self) -> None:
        if any(len(part) != len(self.ticks) for part in self.columns):
            raise msgspec.ValidationError("columns of bars differ in length")

    @property
    def columns(self) -> tuple[list[float], ...]:
        """Open, high, low, close, volume in coin and in USD."""
        return self.open, self.high, self.low, self.close, self.volume, self.cost

    @property
    def start_ns(self) -> list[int]:
        """Start of each bar."""
        return [ns(tick) for tick in self.ticks]


class DvolBar(NamedTuple):
    """A bar of the volatility index, decimal."""

    ts_ns: int
    open: float
    high: float
    low: float
    close: float


class VolatilityPage(msgspec.Struct):
    """Result of ``public/get_volatility_index_data``; pages go backwards by the continuation."""

    data: list[tuple[Milliseconds, float, float, float, float]]
    continuation: Milliseconds | None = None

    @property
    def bars(self) -> list[DvolBar]:
        """Candles in the house's units."""
        return [DvolBar(ns(at), *(value / PERCENT for value in values)) for at, *values in self.data]

    @property
    def continuation_ns(self) -> int | None:
        """Where the page before this one ends; None for the first."""
        return None if self.continuation is None else ns(self.continuation)


class FundingHour(Stamped):
    """A row of ``public/get_funding_rate_history``: the hour that ends at its stamp."""

    interest_1h: float
    interest_8h: Number = None
    index_price: Number = None
    prev_index_price: Number = None


class _Delivery(msgspec.Struct):
    date: Word = None
    delivery_price: Number = None


class Deliveries(msgspec.Struct):
    """Result of ``public/get_delivery_prices``, newest first."""

    data: list[_Delivery]
    records_total: int = 0

    @property
    def prices(self) -> dict[str, float]:
        """Price by day, without the rows that lack one or the other: they are published later."""
        rows = ((row.date, row.delivery_price) for row in self.data)
        return {day: price for day, price in rows if day and price is not None and price > 0.0}
