"""Notifications of the exchange into rows of the store, and one-minute bars of an index.

What a channel says is kept as it was said; rows add when it was received (``known_ns``) and which one it was
(``seq``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from gammacore.daycount import NS_PER_MILLISECOND, NS_PER_MINUTE

from .normal import Milliseconds, Number, Trade, decode, number, table, trade_rows
from .schemas import currency_of, trades_of

__all__ = ["Bars", "Row", "columns_of", "index_currency", "rows_of"]

PERCENT = 100.0


class Row(NamedTuple):
    """A row, in the order of its kind's columns, and the currency it is filed under."""

    kind: str
    currency: str
    values: tuple[Any, ...]


class _Greeks(msgspec.Struct):
    delta: Number = None
    gamma: Number = None
    vega: Number = None
    theta: Number = None
    rho: Number = None


class _Ticker(msgspec.Struct):
    timestamp: Milliseconds
    instrument_name: str
    best_bid_price: Number = None
    best_bid_amount: Number = None
    best_ask_price: Number = None
    best_ask_amount: Number = None
    mark_price: Number = None
    index_price: Number = None
    last_price: Number = None
    open_interest: Number = None
    underlying_index: str | float | None = None
    underlying_price: Number = None
    mark_iv: Number = None
    bid_iv: Number = None
    ask_iv: Number = None
    greeks: _Greeks | None = None
    current_funding: Number = None
    funding_8h: Number = None


class _Quote(msgspec.Struct):
    timestamp: Milliseconds
    instrument_name: str
    best_bid_price: Number = None
    best_bid_amount: Number = None
    best_ask_price: Number = None
    best_ask_amount: Number = None


class _Book(msgspec.Struct):
    timestamp: Milliseconds
    instrument_name: str
    change_id: int
    bids: msgspec.Raw
    asks: msgspec.Raw
    type: str = "window"  # the grouped channels show a whole window each time
    prev_change_id: int | None = None


class _Index(msgspec.Struct):
    timestamp: Milliseconds
    index_name: str
    price: float


class _Dvol(msgspec.Struct):
    timestamp: Milliseconds
    index_name: str
    volatility: float


def index_currency(index: str) -> str:
    """Currency an index is filed under: btc_usd with BTC, btc_usdc with USDC."""
    base, _, quote = index.partition("_")
    return base.upper() if quote in ("usd", "") else quote.upper()


def _price(value: Number) -> float:
    """Price of a quote: absent, null or 0 when the side is empty."""
    return number(value or None)


def _ticker(payload: bytes, known_ns: int, seq: int, what: str) -> list[Row]:
    t: _Ticker = decode(_Ticker, payload, what)
    greeks = t.greeks or _Greeks()
    vols = (
        number(None if v is None else v / PERCENT) for v in (t.mark_iv, t.bid_iv or None, t.ask_iv or None)
    )
    values = (
        t.timestamp * NS_PER_MILLISECOND,
        known_ns,
        seq,
        t.instrument_name,
        _price(t.best_bid_price),
        number(t.best_bid_amount),
        _price(t.best_ask_price),
        number(t.best_ask_amount),
        number(t.mark_price),
        number(t.index_price),
        number(t.last_price),
        number(t.open_interest),
        t.underlying_index if isinstance(t.underlying_index, str) else "",
        number(t.underlying_price),
        *vols,
        *(number(value) for value in (greeks.delta, greeks.gamma, greeks.vega, greeks.theta, greeks.rho)),
        number(t.current_funding),
        number(t.funding_8h),
    )
    return [Row("tickers", currency_of(t.instrument_name), values)]


def _quote(payload: bytes, known_ns: int, seq: int, what: str) -> list[Row]:
    q: _Quote = decode(_Quote, payload, what)
    sides = (
        _price(q.best_bid_price),
        number(q.best_bid_amount),
        _price(q.best_ask_price),
        number(q.best_ask_amount),
    )
    values = (q.timestamp * NS_PER_MILLISECOND, known_ns, seq, q.instrument_name, *sides)
    return [Row("quotes", currency_of(q.instrument_name), values)]


def _book(payload: bytes, known_ns: int, seq: int, what: str) -> list[Row]:
    b: _Book = decode(_Book, payload, what)
    levels = (bytes(b.bids).decode(), bytes(b.asks).decode())
    values = (
        b.timestamp * NS_PER_MILLISECOND,
        known_ns,
        seq,
        b.instrument_name,
        b.type,
        b.change_id,
        b.prev_change_id or 0,
        *levels,
    )
    return [Row("books", currency_of(b.instrument_name), values)]


def _trades(payload: bytes, known_ns: int, seq: int, what: str) -> list[Row]:
    found = []
    for trade in decode(list[Trade], payload, what):
        kind = trades_of(trade.instrument_name)
        columns = trade_rows(kind, [trade], known_ns)
        found.append(Row(kind, currency_of(trade.instrument_name), tuple(c[0] for c in columns.values())))
    return found


def _index(payload: bytes, known_ns: int, seq: int, what: str) -> list[Row]:
    i: _Index = decode(_Index, payload, what)
    values = (i.timestamp * NS_PER_MILLISECOND, known_ns, seq, i.index_name, i.price)
    return [Row("index", index_currency(i.index_name), values)]


def _dvol(payload: bytes, known_ns: int, seq: int, what: str) -> list[Row]:
    """Keep a value of the volatility index as a bar without length."""
    d: _Dvol = decode(_Dvol, payload, what)
    level = d.volatility / PERCENT
    values = (d.timestamp * NS_PER_MILLISECOND, known_ns, d.index_name, 0, seq, level, level, level, level)
    return [Row("dvol", index_currency(d.index_name), values)]


_CHANNELS: dict[str, Callable[[bytes, int, int, str], list[Row]]] = {
    "ticker": _ticker,
    "quote": _quote,
    "book": _book,
    "trades": _trades,
    "deribit_price_index": _index,
    "deribit_volatility_index": _dvol,
}


def rows_of(channel: str, payload: bytes, known_ns: int, seq: int) -> list[Row]:
    """Rows of one notification; none for channels that are kept as received only.

    Parameters
    ----------
    channel : str
    payload : bytes
        Its data in JSON.
    known_ns : int
        When it was received, nanoseconds UTC.
    seq : int
        Count of notifications, which tells those of one moment apart.

    Raises
    ------
    DataError
        If it is not what the channel promises.
    """
    make = _CHANNELS.get(channel.partition(".")[0])
    return [] if make is None else make(payload, known_ns, seq, channel)


class Bars:
    """One-minute bars of an index out of its values, for minutes that were heard as a whole."""

    def __init__(self) -> None:
        self._minute: dict[str, int] = {}
        self._prices: dict[str, list[float]] = {}
        self._whole: dict[str, bool] = {}

    def interrupted(self) -> None:
        """Values may have been missed: no minute that is on its way counts, nor the one that comes next."""
        self._minute.clear()

    def add(self, index: str, ts_ns: int, price: float, known_ns: int) -> Row | None:
        """Take a value in; the bar that is complete with it."""
        minute = ts_ns // NS_PER_MINUTE * NS_PER_MINUTE
        before = self._minute.get(index)
        if before == minute:
            self._prices[index].append(price)
            return None
        bar = None
        if before is not None and self._whole[index] and minute > before:
            prices = self._prices[index]
            spread = (prices[0], max(prices), min(prices), prices[-1])
            values = (before, known_ns, index, NS_PER_MINUTE, *spread, number(None), number(None))
            bar = Row("candles", index_currency(index), values)
        # The first minute after a silence was heard in part only.
        self._minute[index], self._prices[index], self._whole[index] = minute, [price], before is not None
        return bar


def columns_of(kind: str, rows: list[Row]) -> dict[str, list[Any]]:
    """Columns of rows of one kind."""
    return table(kind, (row.values for row in rows))
