"""Frames to news, and wishes to frames.

With :mod:`.wire` the only place that knows milliseconds, percent and Deribit's ``amount``. A frame is
decoded in two steps, its envelope first, then the part that its channel or method names, so that what
nobody reads costs nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, Required, TypedDict, get_args

import msgspec

from gammacore.contracts import Future, Option, Perpetual
from gammacore.daycount import NS_PER_MILLISECOND
from gammacore.errors import SessionError
from gammacore.live.news import News

from . import structs as wire
from .news import (
    BookNews,
    DvolNews,
    EstimateNews,
    FundingNews,
    IndexNews,
    Instrument,
    InstrumentStateNews,
    LockNews,
    OtherNews,
    PlatformNews,
    StatusNews,
)

__all__ = [
    "Envelope",
    "Failure",
    "Granted",
    "OrderOptions",
    "TimeInForce",
    "decode_book",
    "decode_channels",
    "decode_data",
    "decode_envelope",
    "decode_granted",
    "decode_status",
    "encode_order",
    "encode_request",
    "name_of",
    "text_of",
]

Raw = msgspec.Raw
NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
LABEL = re.compile(r"[A-Za-z0-9_.:/#-]{1,64}")
TimeInForce = Literal["good_til_cancelled", "good_til_day", "fill_or_kill", "immediate_or_cancel"]

TIMES = get_args(TimeInForce)
PUBLIC_METHODS = "public methods"  # in place of an index: they need a login


class OrderOptions(TypedDict, total=False):
    """How an order is to be executed.

    Attributes
    ----------
    label : str
        Ours, 1 to 64 characters; unique, so that an order of unknown fate can be found.
    limit : float or None
        Price, on its grid; without one the order takes at the market.
    post_only : bool
        Never take; the exchange moves a crossing price.
    reject_post_only : bool
        Never take; the exchange rejects a crossing price.
    reduce_only : bool
        Never open or turn a position.
    time_in_force : str
    valid_until_ns : int or None
        The exchange executes nothing after it.
    """

    label: Required[str]
    limit: float | None
    post_only: bool
    reject_post_only: bool
    reduce_only: bool
    time_in_force: TimeInForce
    valid_until_ns: int | None


# --------------------------------------------------------------------------- in


class Failure(msgspec.Struct, gc=False):
    """The ``error`` of an answer."""

    code: int
    message: str = ""
    data: Raw = Raw()


class Params(msgspec.Struct, gc=False):
    """Of a notification or a heartbeat."""

    channel: str = ""
    data: Raw = Raw()
    type: str = ""


class Envelope(msgspec.Struct, gc=False):
    """Every frame: an answer has ``id``, a notification ``method`` and ``params``; times in microseconds."""

    method: str = ""
    params: Params | None = None
    id: int | str | None = None
    result: Raw = Raw()
    error: Failure | None = None
    usIn: int = 0  # noqa: N815
    usOut: int = 0  # noqa: N815


class Granted(msgspec.Struct, gc=False):
    """Result of ``public/auth``; the only place where tokens are."""

    access_token: str
    refresh_token: str
    expires_in: float
    scope: str = ""


decode_envelope: Callable[[bytes | str], Envelope] = msgspec.json.Decoder(Envelope).decode


def _decoder(kind: Any) -> Callable[[Any], Any]:
    return msgspec.json.Decoder(kind).decode


decode_book: Callable[[Any], wire.WireBook] = _decoder(wire.WireBook)
decode_granted: Callable[[Any], Granted] = _decoder(Granted)
decode_channels: Callable[[Any], list[str]] = _decoder(list[str])
_ticker = _decoder(wire.WireTicker)
_quote = _decoder(wire.WireQuote)
_window = _decoder(wire.WireWindow)
_trades = _decoder(list[wire.WireTrade])
_index = _decoder(wire.WireIndex)
_dvol = _decoder(wire.WireDvol)
_estimate = _decoder(wire.WireEstimate)
_marks = _decoder(list[wire.WireMark])
_funding = _decoder(wire.WireFunding)
_instrument_state = _decoder(wire.WireInstrumentState)
_platform = _decoder(wire.WirePlatform)
_public_methods = _decoder(wire.WirePublicMethods)
_status = _decoder(wire.WireStatus)
_orders_or_one = _decoder(list[wire.WireOrder] | wire.WireOrder)
_user_trades = _decoder(list[wire.WireUserTrade])
_account = _decoder(wire.WireAccount)
_changes = _decoder(wire.WireChanges)
_lock = _decoder(wire.WireLock)


def text_of(data: Raw) -> str:
    """Short text of an error's ``data``: its reason and parameter, or as it is."""
    try:
        return str(msgspec.json.decode(data))[:200] if bytes(data) else ""
    except (ValueError, RecursionError):
        return ""


# Data of a channel, by the first part of its name.


def _second(channel: str) -> str:
    """Second part of a channel's name, empty if it has none."""
    return channel.partition(".")[2].partition(".")[0]


def _user(channel: str, data: Raw, now_ns: int) -> list[News]:
    match _second(channel):
        case "orders":
            found = _orders_or_one(data)  # one object on raw channels
            orders = found if isinstance(found, list) else [found]
            return [wire.order_news(order) for order in orders]
        case "trades":
            return [wire.trade_news(trade) for trade in _user_trades(data)]
        case "changes":
            changes = _changes(data)
            return [
                *map(wire.order_news, changes.orders or ()),
                *map(wire.trade_news, changes.trades or ()),
                *(wire.position_news(position, now_ns) for position in changes.positions or ()),
            ]
        case "portfolio":
            return [wire.account_news(_account(data), now_ns)]
        case "lock":
            lock = _lock(data)
            return [LockNews(now_ns, lock.currency or "ALL", lock.locked)]
    return [OtherNews(now_ns, channel, bytes(data))]


def _window_news(channel: str, data: Raw, now_ns: int) -> list[News]:
    w = _window(data)
    at, instrument = w.timestamp * NS_PER_MILLISECOND, wire.instrument_of(w.instrument_name)
    return [BookNews(at, instrument, channel, w.change_id, w.bids, w.asks)]


def _trades_news(channel: str, data: Raw, now_ns: int) -> list[News]:
    news = wire.public_trades_news(_trades(data))
    return [] if news is None else [news]


def _index_news(channel: str, data: Raw, now_ns: int) -> list[News]:
    i = _index(data)
    return [IndexNews(i.timestamp * NS_PER_MILLISECOND, i.index_name, i.price)]


def _dvol_news(channel: str, data: Raw, now_ns: int) -> list[News]:
    d = _dvol(data)
    return [DvolNews(d.timestamp * NS_PER_MILLISECOND, d.index_name, d.volatility / wire.PERCENT)]


def _estimate_news(channel: str, data: Raw, now_ns: int) -> list[News]:
    e = _estimate(data)
    name = channel.partition(".")[2]
    return [EstimateNews(now_ns, name, e.price, wire.or_nan(e.seconds), e.is_estimated or False)]


def _marks_news(channel: str, data: Raw, now_ns: int) -> list[News]:
    return [wire.marks_news(_marks(data), channel.rpartition(".")[2], now_ns)]


def _funding_news(channel: str, data: Raw, now_ns: int) -> list[News]:
    f = _funding(data)
    instrument = wire.instrument_of(_second(channel))
    return [FundingNews(f.timestamp * NS_PER_MILLISECOND, instrument, f.index_price, f.interest)]


def _instrument_news(channel: str, data: Raw, now_ns: int) -> list[News]:
    s = _instrument_state(data)
    instrument = wire.instrument_of(s.instrument_name)
    return [InstrumentStateNews(s.timestamp * NS_PER_MILLISECOND, instrument, s.state)]


def _platform_news(channel: str, data: Raw, now_ns: int) -> list[News]:
    if channel == "platform_state.public_methods_state":
        return [PlatformNews(now_ns, PUBLIC_METHODS, not _public_methods(data).allowed, False)]
    p = _platform(data)
    return [PlatformNews(now_ns, p.price_index or "", p.locked or False, p.maintenance or False)]


def decode_status(data: Raw, now_ns: int) -> StatusNews:
    """News of ``public/status``; ``locked`` is a boolean or its name as text, or "partial"."""
    s = _status(data)
    return StatusNews(now_ns, str(s.locked).lower() == "true", tuple(s.locked_indices or ()))


_CHANNELS: dict[str, Callable[[str, Raw, int], list[News]]] = {
    "ticker": lambda channel, data, now_ns: [wire.ticker_news(_ticker(data))],
    "quote": lambda channel, data, now_ns: [wire.quote_news(_quote(data))],
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


def decode_data(channel: str, data: Raw, now_ns: int) -> list[News]:
    """News of a notification, all but whole books.

    Raises
    ------
    ValueError
        If it is not what the channel promises.
    """
    decode = _CHANNELS.get(channel.partition(".")[0])
    return [OtherNews(now_ns, channel, bytes(data))] if decode is None else decode(channel, data, now_ns)


# --------------------------------------------------------------------------- out


def encode_request(id_: int, method: str, params: Mapping[str, Any]) -> bytes:
    """Frame of any request."""
    return msgspec.json.encode({"jsonrpc": "2.0", "id": id_, "method": method, "params": params})


_instrument_names: dict[Option | Future | Perpetual, str] = {}


def name_of(instrument: Instrument) -> str:
    """Exchange's name of an instrument, worked out once."""
    if isinstance(instrument, str):
        if not NAME.fullmatch(instrument):
            raise SessionError(f"not an instrument's name: {instrument!r}")
        return instrument
    name = _instrument_names.get(instrument)
    if name is None:
        if len(_instrument_names) >= wire.MOST_NAMES:
            _instrument_names.clear()
        name = _instrument_names[instrument] = instrument.name
    return name


def encode_order(
    id_: int,
    instrument: Instrument,
    amount: float,
    *,
    label: str,
    limit: float | None = None,
    post_only: bool = False,
    reject_post_only: bool = False,
    reduce_only: bool = False,
    time_in_force: TimeInForce = "good_til_cancelled",
    valid_until_ns: int | None = None,
) -> bytes:
    """Frame of a buy or sell, by the sign of ``amount``; see `DeribitProtocol.send_order`.

    Raises
    ------
    SessionError
        If an amount or a limit is not a number to trade at, or the label not one.
    """
    if not (math.isfinite(amount) and amount != 0.0):
        raise SessionError(f"amount must be finite and not zero, got {amount!r}")
    if limit is not None and not math.isfinite(limit):
        raise SessionError(f"limit must be finite, got {limit!r}")
    if limit is None and (post_only or reject_post_only):
        raise SessionError("an order that must not take needs a limit")
    if not LABEL.fullmatch(label):
        raise SessionError(f"label must be 1 to 64 letters, digits and -_.:/#, got {label!r}")
    if time_in_force not in TIMES:
        raise SessionError(f"time_in_force must be one of {', '.join(TIMES)}, got {time_in_force!r}")
    # Written by hand: a third of a microsecond, and every value is a number or a checked word.
    text = (
        f'{{"jsonrpc":"2.0","id":{id_},"method":"private/{"buy" if amount > 0.0 else "sell"}","params":{{'
        f'"instrument_name":"{name_of(instrument)}","amount":{abs(amount)!r},"label":"{label}",'
        f'"time_in_force":"{time_in_force}"'
    )
    text += ',"type":"market"' if limit is None else f',"type":"limit","price":{limit!r}'
    if post_only or reject_post_only:
        text += ',"post_only":true'
    if reject_post_only:
        text += ',"reject_post_only":true'
    if reduce_only:
        text += ',"reduce_only":true'
    if valid_until_ns is not None:
        text += f',"valid_until":{valid_until_ns // NS_PER_MILLISECOND}'
    return (text + "}}").encode()
