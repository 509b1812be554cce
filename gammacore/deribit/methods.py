"""Methods: what each is called, and what its result is.

A method's type says what an answer is, so that ``client.call(GET_TIME)`` is a number of nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from . import account, market
from .catalog import Listing
from .history import Candles, Deliveries, FundingHour, VolatilityPage
from .news import (
    AccountNews,
    ComboListing,
    LockNews,
    OrderAnswer,
    OrderNews,
    PositionMove,
    PositionNews,
    StatusNews,
    SummaryRow,
    TickerNews,
    TradeNews,
    TradesPage,
)
from .units import Instrument, name_of, ns, span

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
W = TypeVar("W")
MOST_TRADES = 1_000  # of one answer
MOST_ROWS = 250  # the same, of the log
METHODS: dict[str, Method[Any]] = {}


@dataclass(frozen=True, slots=True)
class Method(Generic[T_co]):
    """A method of the exchange.

    Attributes
    ----------
    name : str
        With its scope, such as ``public/ticker``.
    decode : callable(result, now_ns) -> T
        Result in the house's units, from JSON; raises ValueError if it is not what the method promises. The
        moment is for what the exchange does not date.
    private : bool
        Whether it needs a login.
    reads : bool
        Whether asking twice harms nobody.
    """

    name: str
    decode: Callable[[bytes | msgspec.Raw, int], T_co]
    private: bool = field(init=False)
    reads: bool = field(init=False)

    def __post_init__(self) -> None:
        private = self.name.startswith("private/")
        object.__setattr__(self, "private", private)
        object.__setattr__(self, "reads", not private or self.name.startswith("private/get_"))


def _decoder(wire: Any) -> Callable[[Any], Any]:
    return msgspec.json.Decoder(wire).decode


def _known(name: str, decode: Callable[[Any, int], T]) -> Method[T]:
    method = METHODS[name] = Method(name, decode)
    return method


def _plain(name: str) -> Method[Any]:
    """Leave a result as it is: nobody reads it."""
    return _known(name, lambda raw, now_ns: msgspec.json.decode(raw))


def _as(wire: type[W], name: str) -> Method[W]:
    """Read a result that is of use as it stands."""
    read = _decoder(wire)
    return _known(name, lambda raw, now_ns: read(raw))


def _made(wire: type[W] | Any, make: Callable[[Any], T], name: str) -> Method[T]:
    """Make something of a result that the exchange dates."""
    read = _decoder(wire)
    return _known(name, lambda raw, now_ns: make(read(raw)))


def _dated(wire: type[W] | Any, make: Callable[[Any, int], T], name: str) -> Method[T]:
    """Make something of a result that we date."""
    read = _decoder(wire)
    return _known(name, lambda raw, now_ns: make(read(raw), now_ns))


def _each(wire: type[W], make: Callable[[W], T], name: str) -> Method[tuple[T, ...]]:
    read = _decoder(list[wire])  # type: ignore[valid-type]
    return _known(name, lambda raw, now_ns: tuple(map(make, read(raw))))


def _of_channels(verb: str) -> dict[bool, Method[list[str]]]:
    """Make both methods of a name, by whether a channel needs a login."""
    scopes = {True: "private", False: "public"}
    return {private: _made(list[str], list, f"{scope}/{verb}") for private, scope in scopes.items()}


def _positions(rows: list[account.WirePosition], now_ns: int) -> tuple[PositionNews, ...]:
    return tuple(account.position_news(row, now_ns) for row in rows)


def _accounts(found: account.WireSummaries, now_ns: int) -> tuple[AccountNews, ...]:
    return tuple(account.account_news(row, now_ns) for row in found.summaries)


def _locks(rows: list[account.WireAccountLock], now_ns: int) -> tuple[LockNews, ...]:
    return tuple(LockNews(now_ns, row.currency or "ALL", row.enabled) for row in rows)


def _version(answer: Any) -> str:
    return str(answer["version"]) if isinstance(answer, dict) and "version" in answer else ""


def trades_between(start_ns: int, end_ns: int, *, historical: bool, **whose: str) -> dict[str, Any]:
    """Parameters of a page of our trades, oldest first, of one of the two stores that they are kept in."""
    page = {"count": MOST_TRADES, "sorting": "asc", "historical": historical}
    return {**whose, **span(start_ns, end_ns), **page}


def log_between(start_ns: int, end_ns: int, currency: str) -> dict[str, Any]:
    """Parameters of the newest rows of the transaction log in a period."""
    return {"currency": currency, **span(start_ns, end_ns), "count": MOST_ROWS}


def combo_of(legs: Iterable[tuple[Instrument, float]]) -> dict[str, Any]:
    """Parameters of ``private/create_combo``: what one combo buys, and sells where the number is negative."""
    trades = [
        {"instrument_name": name_of(leg), "amount": abs(ratio), "direction": "buy" if ratio > 0 else "sell"}
        for leg, ratio in legs
    ]
    return {"trades": trades}


# --------------------------------------------------------------------------- session

TEST: Method[str] = _made(Any, _version, "public/test")
GET_TIME: Method[int] = _made(int, ns, "public/get_time")
STATUS: Method[StatusNews] = _dated(market.WireStatus, market.status_news, "public/status")
AUTH = _as(account.WireGranted, "public/auth")
SET_HEARTBEAT = _plain("public/set_heartbeat")
ENABLE_CANCEL_ON_DISCONNECT = _plain("private/enable_cancel_on_disconnect")
SUBSCRIBE, UNSUBSCRIBE = _of_channels("subscribe"), _of_channels("unsubscribe")

# --------------------------------------------------------------------------- market

TICKER: Method[TickerNews] = _made(market.WireTicker, market.ticker_news, "public/ticker")
GET_INSTRUMENT = _as(Listing, "public/get_instrument")
GET_INSTRUMENTS: Method[list[Listing]] = _made(list[Listing], list, "public/get_instruments")
GET_BOOK_SUMMARY_BY_CURRENCY: Method[tuple[SummaryRow, ...]] = _each(
    market.WireSummary, market.summary_row, "public/get_book_summary_by_currency"
)
GET_LAST_TRADES_BY_CURRENCY = _as(market.WireTradesPage, "public/get_last_trades_by_currency")
GET_LAST_TRADES_BY_CURRENCY_AND_TIME = _as(
    market.WireTradesPage, "public/get_last_trades_by_currency_and_time"
)
GET_COMBO_IDS: Method[list[str]] = _made(list[str], list, "public/get_combo_ids")
GET_COMBO_DETAILS: Method[ComboListing] = _made(
    market.WireCombo, market.combo_listing, "public/get_combo_details"
)
GET_COMBOS: Method[tuple[ComboListing, ...]] = _each(
    market.WireCombo, market.combo_listing, "public/get_combos"
)
GET_TRADINGVIEW_CHART_DATA = _as(Candles, "public/get_tradingview_chart_data")
GET_VOLATILITY_INDEX_DATA = _as(VolatilityPage, "public/get_volatility_index_data")
GET_DELIVERY_PRICES = _as(Deliveries, "public/get_delivery_prices")
GET_FUNDING_RATE_VALUE = _as(float, "public/get_funding_rate_value")
GET_FUNDING_RATE_HISTORY: Method[list[FundingHour]] = _made(
    list[FundingHour], list, "public/get_funding_rate_history"
)

# --------------------------------------------------------------------------- orders and account

CREATE_COMBO: Method[ComboListing] = _made(market.WireCombo, market.combo_listing, "private/create_combo")
BUY, SELL = (
    _made(account.WireOrderAnswer, account.order_answer, f"private/{side}") for side in ("buy", "sell")
)
EDIT: Method[OrderAnswer] = _made(account.WireOrderAnswer, account.order_answer, "private/edit")
CLOSE_POSITION: Method[OrderAnswer] = _made(
    account.WireOrderAnswer, account.order_answer, "private/close_position"
)
CANCEL: Method[OrderNews] = _made(account.WireOrder, account.order_news, "private/cancel")
CANCEL_BY_LABEL = _plain("private/cancel_by_label")
CANCEL_ALL = _plain("private/cancel_all")
CANCEL_ALL_BY_CURRENCY = _plain("private/cancel_all_by_currency")
GET_OPEN_ORDERS: Method[tuple[OrderNews, ...]] = _each(
    account.WireOrder, account.order_news, "private/get_open_orders"
)
GET_ORDER_STATE: Method[OrderNews] = _made(account.WireOrder, account.order_news, "private/get_order_state")
GET_ORDER_STATE_BY_LABEL: Method[tuple[OrderNews, ...]] = _each(
    account.WireOrder, account.order_news, "private/get_order_state_by_label"
)
GET_USER_TRADES_BY_ORDER: Method[tuple[TradeNews, ...]] = _each(
    account.WireUserTrade, account.trade_news, "private/get_user_trades_by_order"
)
GET_USER_TRADES_BY_CURRENCY_AND_TIME: Method[TradesPage] = _made(
    account.WireUserTradesPage, account.trades_page, "private/get_user_trades_by_currency_and_time"
)
GET_USER_TRADES_BY_INSTRUMENT_AND_TIME: Method[TradesPage] = _made(
    account.WireUserTradesPage, account.trades_page, "private/get_user_trades_by_instrument_and_time"
)
GET_TRANSACTION_LOG: Method[tuple[PositionMove, ...]] = _made(
    account.WireLog, account.position_moves, "private/get_transaction_log"
)
GET_POSITION: Method[PositionNews] = _dated(
    account.WirePosition, account.position_news, "private/get_position"
)
GET_POSITIONS: Method[tuple[PositionNews, ...]] = _dated(
    list[account.WirePosition], _positions, "private/get_positions"
)
GET_ACCOUNT_SUMMARY: Method[AccountNews] = _dated(
    account.WireAccount, account.account_news, "private/get_account_summary"
)
GET_USER_LOCKS: Method[tuple[LockNews, ...]] = _dated(
    list[account.WireAccountLock], _locks, "private/get_user_locks"
)
GET_ACCOUNT_SUMMARIES: Method[tuple[AccountNews, ...]] = _dated(
    account.WireSummaries, _accounts, "private/get_account_summaries"
)
