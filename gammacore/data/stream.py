"""Notifications of the exchange into rows of the store, and one-minute bars of an index.

What a channel says is kept as it was said; rows add when it was received (``known_ns``) and which one it was
(``seq``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from gammacore.daycount import NS_PER_MINUTE
from gammacore.deribit.market import WireBookText, WireDvol, WireIndex, WireQuote, WireTickerInFull, WireTrade
from gammacore.deribit.units import NAN, number, priced, vol
from gammacore.errors import DataError

from .normal import table, trade_row
from .schemas import currency_of, trades_of

__all__ = ["MinuteBars", "Row", "columns_of", "index_currency", "rows_of"]


class Row(NamedTuple):
    """A row, in the order of its kind's columns, and the currency it is filed under."""

    kind: str
    currency: str
    values: tuple[Any, ...]


def index_currency(index: str) -> str:
    """Currency an index is filed under: btc_usd with BTC, btc_usdc with USDC."""
    base, _, quote = index.partition("_")
    return base.upper() if quote in ("usd", "") else quote.upper()


def _decoder(wire: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(wire).decode


def _ticker(t: WireTickerInFull, known_ns: int, seq: int) -> list[Row]:
    values = (
        t.ts_ns,
        known_ns,
        seq,
        t.instrument_name,
        priced(t.best_bid_price, t.best_bid_amount, t.instrument_name),
        number(t.best_bid_amount),
        priced(t.best_ask_price, t.best_ask_amount, t.instrument_name),
        number(t.best_ask_amount),
        number(t.mark_price),
        number(t.index_price),
        number(t.last_price),
        number(t.open_interest),
        t.underlying,
        number(t.underlying_price),
        *t.vols,
        *t.sensitivities,
        number(t.current_funding),
        number(t.funding_8h),
    )
    return [Row("tickers", currency_of(t.instrument_name), values)]


def _quote(q: WireQuote, known_ns: int, seq: int) -> list[Row]:
    sides = (
        priced(q.best_bid_price, q.best_bid_amount, q.instrument_name),
        number(q.best_bid_amount),
        priced(q.best_ask_price, q.best_ask_amount, q.instrument_name),
        number(q.best_ask_amount),
    )
    values = (q.ts_ns, known_ns, seq, q.instrument_name, *sides)
    return [Row("quotes", currency_of(q.instrument_name), values)]


def _book(b: WireBookText, known_ns: int, seq: int) -> list[Row]:
    levels = (bytes(b.bids).decode(), bytes(b.asks).decode())
    chain = (b.type, b.change_id, b.prev_change_id or 0)
    values = (b.ts_ns, known_ns, seq, b.instrument_name, *chain, *levels)
    return [Row("books", currency_of(b.instrument_name), values)]


def _trades(found: list[WireTrade], known_ns: int, seq: int) -> list[Row]:
    kinds = [trades_of(trade.instrument_name) for trade in found]
    return [
        Row(kind, currency_of(trade.instrument_name), trade_row(kind, trade, known_ns))
        for kind, trade in zip(kinds, found, strict=True)
    ]


def _index(i: WireIndex, known_ns: int, seq: int) -> list[Row]:
    return [Row("index", index_currency(i.index_name), (i.ts_ns, known_ns, seq, i.index_name, i.price))]


def _dvol(d: WireDvol, known_ns: int, seq: int) -> list[Row]:
    """Keep a value of the volatility index as a bar without length."""
    values = (d.ts_ns, known_ns, d.index_name, 0, seq, *(vol(d.volatility),) * 4)
    return [Row("dvol", index_currency(d.index_name), values)]


_CHANNELS: dict[str, tuple[Callable[[bytes], Any], Callable[[Any, int, int], list[Row]]]] = {
    "ticker": (_decoder(WireTickerInFull), _ticker),
    "quote": (_decoder(WireQuote), _quote),
    "book": (_decoder(WireBookText), _book),
    "trades": (_decoder(list[WireTrade]), _trades),
    "deribit_price_index": (_decoder(WireIndex), _index),
    "deribit_volatility_index": (_decoder(WireDvol), _dvol),
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
    found = _CHANNELS.get(channel.partition(".")[0])
    if found is None:
        return []
    decode, make = found
    try:
        data = decode(payload)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{channel}: unreadable: {error}") from None
    return make(data, known_ns, seq)


class MinuteBars:
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
            values = (before, known_ns, index, NS_PER_MINUTE, *spread, NAN, NAN)
            bar = Row("candles", index_currency(index), values)
        # The first minute after a silence was heard in part only.
        self._minute[index], self._prices[index], self._whole[index] = minute, [price], before is not None
        return bar


def columns_of(kind: str, rows: list[Row]) -> dict[str, list[Any]]:
    """Columns of rows of one kind."""
    return table(kind, (row.values for row in rows))
