"""Results of requests, by method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gammacore.contracts import spec_from_catalog
from gammacore.daycount import NS_PER_MILLISECOND
from gammacore.errors import ContractError

from . import structs as wire
from .messages import decode_status
from .news import (
    AccountNews,
    Listing,
    OrderAnswer,
    OrderNews,
    PositionNews,
    PublicTradesPage,
    SummaryRow,
    TickerNews,
    TradeNews,
    TradesPage,
)

__all__ = ["decode_result"]

Raw = msgspec.Raw


class _Page(msgspec.Struct, gc=False):
    trades: list[wire.WireUserTrade]
    has_more: bool | None = None


class _PublicPage(msgspec.Struct, gc=False):
    trades: list[wire.WireTrade]
    has_more: bool | None = None


class _OrderAnswer(msgspec.Struct, gc=False):
    order: wire.WireOrder
    trades: list[wire.WireUserTrade] | None = None


class _Summaries(msgspec.Struct, gc=False):
    summaries: list[wire.WireAccount]


class _Summary(msgspec.Struct, gc=False):
    instrument_name: str
    creation_timestamp: wire.Milliseconds
    mark_price: wire.Number = None
    bid_price: wire.Number = None
    ask_price: wire.Number = None
    mark_iv: wire.Number = None
    underlying_price: wire.Number = None
    underlying_index: str | float | None = None
    open_interest: wire.Number = None


class _Step(msgspec.Struct):
    above_price: float
    tick_size: float


class _Listing(msgspec.Struct):
    instrument_name: str
    tick_size: float
    contract_size: wire.Number = None  # absent for some spot pairs
    min_trade_amount: wire.Number = None
    tick_size_steps: list[_Step] = []
    state: wire.Word = None
    is_active: bool = True
    creation_timestamp: wire.Milliseconds = 0
    price_index: wire.Word = None
    maker_commission: wire.Number = None
    taker_commission: wire.Number = None


class _DeliveryRow(msgspec.Struct):
    date: wire.Word = None
    delivery_price: wire.Number = None


class _Deliveries(msgspec.Struct):
    data: list[_DeliveryRow]


def _decoder(kind: Any) -> Callable[[Any], Any]:
    return msgspec.json.Decoder(kind).decode


_order_answer = _decoder(_OrderAnswer)
_order = _decoder(wire.WireOrder)
_orders = _decoder(list[wire.WireOrder])
_page = _decoder(_Page)
_public_page = _decoder(_PublicPage)
_user_trades = _decoder(list[wire.WireUserTrade])
_position = _decoder(wire.WirePosition)
_positions = _decoder(list[wire.WirePosition])
_account = _decoder(wire.WireAccount)
_accounts = _decoder(_Summaries)
_listing = _decoder(_Listing)
_listings = _decoder(list[_Listing])
_summaries = _decoder(list[_Summary])
_ticker = _decoder(wire.WireTicker)
_deliveries = _decoder(_Deliveries)
_integer = _decoder(int)


def _placed(raw: Raw, now_ns: int) -> OrderAnswer:
    answer = _order_answer(raw)
    return OrderAnswer(wire.order_news(answer.order), tuple(map(wire.trade_news, answer.trades or ())))


def _one_order(raw: Raw, now_ns: int) -> OrderNews:
    return wire.order_news(_order(raw))


def _many_orders(raw: Raw, now_ns: int) -> tuple[OrderNews, ...]:
    return tuple(map(wire.order_news, _orders(raw)))


def _trades_page(raw: Raw, now_ns: int) -> TradesPage:
    page = _page(raw)
    return TradesPage(tuple(map(wire.trade_news, page.trades)), page.has_more or False)


def _public_trades_page(raw: Raw, now_ns: int) -> PublicTradesPage:
    page = _public_page(raw)
    return PublicTradesPage(tuple(map(wire.public_trade, page.trades)), page.has_more or False)


def _trades(raw: Raw, now_ns: int) -> tuple[TradeNews, ...]:
    return tuple(map(wire.trade_news, _user_trades(raw)))


def _one_position(raw: Raw, now_ns: int) -> PositionNews:
    return wire.position_news(_position(raw), now_ns)


def _many_positions(raw: Raw, now_ns: int) -> tuple[PositionNews, ...]:
    return tuple(wire.position_news(position, now_ns) for position in _positions(raw))


def _one_account(raw: Raw, now_ns: int) -> AccountNews:
    return wire.account_news(_account(raw), now_ns)


def _many_accounts(raw: Raw, now_ns: int) -> tuple[AccountNews, ...]:
    return tuple(wire.account_news(account, now_ns) for account in _accounts(raw).summaries)


def _as_listing(row: _Listing) -> Listing:
    try:
        spec = spec_from_catalog(msgspec.to_builtins(row))
    except ContractError:
        spec = None
    return Listing(
        wire.instrument_of(row.instrument_name),
        spec,
        row.state or "",
        row.is_active,
        row.creation_timestamp * NS_PER_MILLISECOND,
        row.price_index or "",
        wire.or_nan(row.maker_commission),
        wire.or_nan(row.taker_commission),
    )


def _one_listing(raw: Raw, now_ns: int) -> Listing:
    return _as_listing(_listing(raw))


def _many_listings(raw: Raw, now_ns: int) -> tuple[Listing, ...]:
    return tuple(map(_as_listing, _listings(raw)))


def _as_row(s: _Summary) -> SummaryRow:
    return SummaryRow(
        s.creation_timestamp * NS_PER_MILLISECOND,
        wire.instrument_of(s.instrument_name),
        wire.or_nan(s.mark_price),
        wire.or_nan(s.bid_price),
        wire.or_nan(s.ask_price),
        wire.or_nan(s.mark_iv) / wire.PERCENT,
        wire.or_nan(s.underlying_price),
        s.underlying_index if isinstance(s.underlying_index, str) else "",
        wire.or_nan(s.open_interest),
    )


def _rows(raw: Raw, now_ns: int) -> tuple[SummaryRow, ...]:
    return tuple(map(_as_row, _summaries(raw)))


def _ticker_news(raw: Raw, now_ns: int) -> TickerNews:
    return wire.ticker_news(_ticker(raw))


def _delivery_prices(raw: Raw, now_ns: int) -> dict[str, float]:
    """Price by day, without the rows that lack one or the other: they are published later."""
    rows = _deliveries(raw).data
    return {row.date: row.delivery_price for row in rows if row.date and (row.delivery_price or 0.0) > 0.0}


def _time(raw: Raw, now_ns: int) -> int:
    return int(_integer(raw)) * NS_PER_MILLISECOND


_RESULTS: dict[str, Callable[[Raw, int], Any]] = {
    **dict.fromkeys(("buy", "sell", "edit", "edit_by_label", "close_position"), _placed),
    **dict.fromkeys(("cancel", "get_order_state"), _one_order),
    "get_open_orders": _many_orders,
    "get_open_orders_by_currency": _many_orders,
    "get_open_orders_by_instrument": _many_orders,
    "get_open_orders_by_label": _many_orders,
    "get_order_state_by_label": _many_orders,
    "get_user_trades_by_currency": _trades_page,
    "get_user_trades_by_currency_and_time": _trades_page,
    "get_user_trades_by_instrument": _trades_page,
    "get_user_trades_by_instrument_and_time": _trades_page,
    "get_user_trades_by_order": _trades,
    "get_last_trades_by_currency": _public_trades_page,
    "get_last_trades_by_currency_and_time": _public_trades_page,
    "get_last_trades_by_instrument": _public_trades_page,
    "get_last_trades_by_instrument_and_time": _public_trades_page,
    "get_position": _one_position,
    "get_positions": _many_positions,
    "get_account_summary": _one_account,
    "get_account_summaries": _many_accounts,
    "get_instrument": _one_listing,
    "get_instruments": _many_listings,
    "get_book_summary_by_currency": _rows,
    "get_book_summary_by_instrument": _rows,
    "ticker": _ticker_news,
    "get_delivery_prices": _delivery_prices,
    "get_time": _time,
    "status": decode_status,
}


def decode_result(method: str, raw: Raw, now_ns: int) -> Any:
    """Decode the result of a method: typed for those in the table, plain Python for the others.

    Raises
    ------
    ValueError
        If it is not what the method promises.
    """
    decode = _RESULTS.get(method.rpartition("/")[2])
    return msgspec.json.decode(raw) if decode is None else decode(raw, now_ns)
