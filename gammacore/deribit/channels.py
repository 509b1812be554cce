"""Channels: their names, and their data as news."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from gammacore.contracts import Future, Option, Perpetual

from . import account as accounts
from . import market
from .news import (
    BookNews,
    DvolNews,
    EstimateNews,
    FundingNews,
    IndexNews,
    InstrumentStateNews,
    LockNews,
    OtherNews,
    PlatformNews,
    Said,
)
from .units import instrument_of, name_of, number, vol

Raw = msgspec.Raw
CHANGES = "user.changes.any.any.raw"
LOCK = "user.lock"
PLATFORM = "platform_state"
PUBLIC_METHODS_STATE = "platform_state.public_methods_state"
LOCKS = frozenset((PLATFORM, PUBLIC_METHODS_STATE, LOCK))
PRIVATE = ("user.", "block_rfq.", "block_trade_confirmations")


# --------------------------------------------------------------------------- names


def ticker(instrument: Option | Future | Perpetual | str, interval: str) -> str:
    """Channel of a ticker; the interval is ``raw``, ``100ms`` or ``agg2``."""
    return f"ticker.{name_of(instrument)}.{interval}"


def quote(name: str) -> str:
    """Channel of the best bid and ask."""
    return f"quote.{name}"


def book(name: str, interval: str) -> str:
    """Channel of a whole book."""
    return f"book.{name}.{interval}"


def trades(kind: str, currency: str, interval: str) -> str:
    """Channel of everybody's trades in ``option`` or ``future``."""
    return f"trades.{kind}.{currency}.{interval}"


def index(name: str) -> str:
    """Channel of an index."""
    return f"deribit_price_index.{name}"


def dvol(currency: str) -> str:
    """Channel of the volatility index of a coin."""
    return f"deribit_volatility_index.{currency.lower()}_usd"


def listings(currency: str) -> str:
    """Channel of what is listed and what expires."""
    return f"instrument.state.any.{currency}"


def portfolio(currency: str) -> str:
    """Channel of our account in a currency."""
    return f"user.portfolio.{currency.lower()}"


def account(currencies: Iterable[str]) -> tuple[str, ...]:
    """Channels of all that happens to our account."""
    return CHANGES, *map(portfolio, currencies)


def combo_trades(name: str, interval: str) -> str:
    """Channel of our trades in a combo, or, as ``option_combo.BTC``, in all of a kind and currency."""
    return f"user.combo_trades.{name}.{interval}"


def locks(*, private: bool) -> tuple[str, str]:
    """Channels of the locks of the exchange and of our account."""
    return PLATFORM, LOCK if private else PUBLIC_METHODS_STATE


def is_private(channel: str) -> bool:
    """Whether a channel needs a login."""
    return channel.startswith(PRIVATE)


def is_whole_book(channel: str) -> bool:
    """Whether its changes form a chain; more parts are windows, which form none."""
    return channel.startswith("book.") and channel.count(".") == 2


# --------------------------------------------------------------------------- data


def _decoder(kind: Any) -> Callable[[Any], Any]:
    return msgspec.json.Decoder(kind).decode


decode_book: Callable[[Any], market.WireBook] = _decoder(market.WireBook)
_ticker = _decoder(market.WireTicker)
_quote = _decoder(market.WireQuote)
_window = _decoder(market.WireWindow)
_trades = _decoder(list[market.WireTrade])
_index = _decoder(market.WireIndex)
_dvol = _decoder(market.WireDvol)
_estimate = _decoder(market.WireEstimate)
_marks = _decoder(list[market.WireMark])
_funding = _decoder(market.WireFunding)
_instrument_state = _decoder(market.WireInstrumentState)
_platform = _decoder(market.WirePlatform)
_public_methods = _decoder(market.WirePublicMethods)
_orders_or_one = _decoder(list[accounts.WireOrder] | accounts.WireOrder)
_user_trades = _decoder(list[accounts.WireUserTrade])
_combo_trades = _decoder(list[accounts.WireComboTrade])
_account = _decoder(accounts.WireAccount)
_changes = _decoder(accounts.WireChanges)
_lock = _decoder(accounts.WireLock)


def _second(channel: str) -> str:
    """Second part of a channel's name, empty if it has none."""
    return channel.partition(".")[2].partition(".")[0]


def _user(channel: str, data: Raw, now_ns: int) -> list[Said]:
    match _second(channel):
        case "orders":
            found = _orders_or_one(data)  # one object on raw channels
            orders = found if isinstance(found, list) else [found]
            return [accounts.order_news(order) for order in orders]
        case "trades":
            return [accounts.trade_news(trade) for trade in _user_trades(data)]
        case "combo_trades":
            return [accounts.combo_trade_news(trade) for trade in _combo_trades(data)]
        case "changes":
            changes = _changes(data)
            return [
                *map(accounts.order_news, changes.orders or ()),
                *map(accounts.trade_news, changes.trades or ()),
                *(accounts.position_news(position, now_ns) for position in changes.positions or ()),
            ]
        case "portfolio":
            return [accounts.account_news(_account(data), now_ns)]
        case "lock":
            lock = _lock(data)
            return [LockNews(now_ns, lock.currency or "ALL", lock.locked)]
    return [OtherNews(now_ns, channel, bytes(data))]


def _window_news(channel: str, data: Raw, now_ns: int) -> list[Said]:
    w = _window(data)
    at, instrument = w.ts_ns, instrument_of(w.instrument_name)
    return [BookNews(at, instrument, channel, w.change_id, w.bids, w.asks)]


def _trades_news(channel: str, data: Raw, now_ns: int) -> list[Said]:
    news = market.public_trades_news(_trades(data))
    return [] if news is None else [news]


def _index_news(channel: str, data: Raw, now_ns: int) -> list[Said]:
    i = _index(data)
    return [IndexNews(i.ts_ns, i.index_name, i.price)]


def _dvol_news(channel: str, data: Raw, now_ns: int) -> list[Said]:
    d = _dvol(data)
    return [DvolNews(d.ts_ns, d.index_name, vol(d.volatility))]


def _estimate_news(channel: str, data: Raw, now_ns: int) -> list[Said]:
    e = _estimate(data)
    name = channel.partition(".")[2]
    return [EstimateNews(now_ns, name, e.price, number(e.seconds), e.is_estimated or False)]


def _marks_news(channel: str, data: Raw, now_ns: int) -> list[Said]:
    return [market.marks_news(_marks(data), channel.rpartition(".")[2], now_ns)]


def _funding_news(channel: str, data: Raw, now_ns: int) -> list[Said]:
    f = _funding(data)
    instrument = instrument_of(_second(channel))
    return [FundingNews(f.ts_ns, instrument, f.index_price, f.interest)]


def _instrument_news(channel: str, data: Raw, now_ns: int) -> list[Said]:
    s = _instrument_state(data)
    instrument = instrument_of(s.instrument_name)
    return [InstrumentStateNews(s.ts_ns, instrument, s.state)]


def _platform_news(channel: str, data: Raw, now_ns: int) -> list[Said]:
    if channel == PUBLIC_METHODS_STATE:
        return [PlatformNews(now_ns, market.PUBLIC_METHODS, not _public_methods(data).allowed, False)]
    p = _platform(data)
    return [PlatformNews(now_ns, p.price_index or "", p.locked or False, p.maintenance or False)]


_CHANNELS: dict[str, Callable[[str, Raw, int], list[Said]]] = {
    "ticker": lambda channel, data, now_ns: [market.ticker_news(_ticker(data))],
    "quote": lambda channel, data, now_ns: [market.quote_news(_quote(data))],
    "book": _window_news,  # the grouped ones; whole books have state, see levels.py
    "trades": _trades_news,
    "deribit_price_index": _index_news,
    "deribit_volatility_index": _dvol_news,
    "estimated_expiration_price": _estimate_news,
    "markprice": _marks_news,
    "perpetual": _funding_news,
    "instrument": _instrument_news,
    "platform_state": _platform_news,
    "user": _user,
}


def decode_data(channel: str, data: Raw, now_ns: int) -> list[Said]:
    """News of a notification, all but whole books.

    Raises
    ------
    ValueError
        If it is not what the channel promises.
    """
    decode = _CHANNELS.get(channel.partition(".")[0])
    return [OtherNews(now_ns, channel, bytes(data))] if decode is None else decode(channel, data, now_ns)
