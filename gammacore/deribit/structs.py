"""What is on the wire, field by field, and the same in the house's units.

Fields that are not known are skipped; known ones of another type, or a number that no float holds, raise
:class:`msgspec.ValidationError`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from gammacore.contracts import parse
from gammacore.daycount import NS_PER_MILLISECOND
from gammacore.errors import ContractError

from .news import (
    NAN,
    AccountNews,
    Instrument,
    Limit,
    Limits,
    MarkPrice,
    MarkPricesNews,
    OrderNews,
    OrderState,
    PositionNews,
    PublicTrade,
    PublicTradesNews,
    QuoteNews,
    TickerNews,
    TradeNews,
)

__all__ = ["instrument_of"]

Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=9_000_000_000_000)]  # fits 64 bits in nanoseconds
Counter = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Amount = Annotated[float, msgspec.Meta(ge=0.0)]
Number = float | None
Word = str | None  # one that nothing depends on: news of our orders are not thrown away over it
PERCENT = 100.0
MOST_NAMES = 50_000  # of instruments remembered; the catalog has some 6,000


_names: dict[str, Instrument] = {}


def instrument_of(name: str) -> Instrument:
    """Instrument of a name, or the name where gammacore has none for it."""
    found = _names.get(name)
    if found is None:
        try:
            found = parse(name)
        except ContractError:
            found = name
        if len(_names) >= MOST_NAMES:
            _names.clear()
        _names[name] = found
    return found


def or_nan(value: Number) -> float:
    return NAN if value is None else value


def _price(value: Number) -> float:
    """Price of a quote: absent, null or 0 when the side is empty."""
    return value or NAN


# --------------------------------------------------------------------------- market


class WireTicker(msgspec.Struct, gc=False):
    timestamp: Milliseconds
    instrument_name: str
    mark_price: float
    state: Word = None
    index_price: Number = None
    best_bid_price: Number = None
    best_bid_amount: Number = None
    best_ask_price: Number = None
    best_ask_amount: Number = None
    min_price: Number = None
    max_price: Number = None
    last_price: Number = None
    estimated_delivery_price: float | str | None = None  # "expired" once it is
    open_interest: Number = None
    mark_iv: Number = None
    bid_iv: Number = None
    ask_iv: Number = None
    underlying_price: Number = None
    underlying_index: str | float | None = None  # the documentation has a number, the wire a name
    current_funding: Number = None
    interest_value: Number = None


def ticker_news(t: WireTicker) -> TickerNews:
    name, estimate, underlying = t.instrument_name, t.estimated_delivery_price, t.underlying_index
    return TickerNews(
        t.timestamp * NS_PER_MILLISECOND,
        _names.get(name) or instrument_of(name),
        t.state or "",
        t.mark_price,
        or_nan(t.index_price),
        t.best_bid_price or NAN,
        t.best_bid_amount or 0.0,
        t.best_ask_price or NAN,
        t.best_ask_amount or 0.0,
        or_nan(t.min_price),
        or_nan(t.max_price),
        or_nan(t.last_price),
        estimate if isinstance(estimate, float) else NAN,
        or_nan(t.open_interest),
        NAN if t.mark_iv is None else t.mark_iv / PERCENT,
        NAN if t.bid_iv is None else t.bid_iv / PERCENT or NAN,
        NAN if t.ask_iv is None else t.ask_iv / PERCENT or NAN,
        or_nan(t.underlying_price),
        underlying if isinstance(underlying, str) else "",
        or_nan(t.current_funding),
        or_nan(t.interest_value),
    )


class WireQuote(msgspec.Struct, gc=False):
    timestamp: Milliseconds
    instrument_name: str
    best_bid_price: Number = None
    best_bid_amount: Number = None
    best_ask_price: Number = None
    best_ask_amount: Number = None


def quote_news(q: WireQuote) -> QuoteNews:
    return QuoteNews(
        q.timestamp * NS_PER_MILLISECOND,
        instrument_of(q.instrument_name),
        _price(q.best_bid_price),
        q.best_bid_amount or 0.0,
        _price(q.best_ask_price),
        q.best_ask_amount or 0.0,
    )


class WireBook(msgspec.Struct, gc=False):
    """Snapshot or change of a whole book; levels are (action, price, amount)."""

    timestamp: Milliseconds
    instrument_name: str
    change_id: Counter
    bids: list[tuple[str, float, float]]
    asks: list[tuple[str, float, float]]
    type: str = ""  # absent in old recordings
    prev_change_id: Counter | None = None


class WireWindow(msgspec.Struct, gc=False):
    timestamp: Milliseconds
    instrument_name: str
    change_id: Counter
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]


class WireTrade(msgspec.Struct, gc=False):
    timestamp: Milliseconds
    instrument_name: str
    trade_id: str
    trade_seq: Counter
    direction: str
    amount: Amount
    price: float
    mark_price: Number = None
    index_price: Number = None
    iv: Number = None
    liquidation: str | None = None


def _sign(direction: str) -> int:
    if direction == "buy":
        return 1
    if direction == "sell":
        return -1
    raise msgspec.ValidationError(f"direction {direction[:20]!r} is neither buy nor sell")


def public_trade(t: WireTrade) -> PublicTrade:
    return PublicTrade(
        t.timestamp * NS_PER_MILLISECOND,
        instrument_of(t.instrument_name),
        t.trade_id,
        t.trade_seq,
        _sign(t.direction) * t.amount,
        t.price,
        or_nan(t.mark_price),
        or_nan(t.index_price),
        or_nan(t.iv) / PERCENT,
        t.liquidation or "",
    )


def public_trades_news(rows: list[WireTrade]) -> PublicTradesNews | None:
    trades = tuple(map(public_trade, rows))
    return PublicTradesNews(trades[-1].ts_ns, trades) if trades else None


class WireIndex(msgspec.Struct, gc=False):
    timestamp: Milliseconds
    index_name: str
    price: float


class WireDvol(msgspec.Struct, gc=False):
    timestamp: Milliseconds
    index_name: str
    volatility: float


class WireEstimate(msgspec.Struct, gc=False):
    price: float
    seconds: Number = None
    is_estimated: bool | None = None


class WireMark(msgspec.Struct, gc=False):
    instrument_name: str
    mark_price: float
    iv: Number = None  # a fraction here, percent everywhere else
    timestamp: Milliseconds = 0


class WireFunding(msgspec.Struct, gc=False):
    timestamp: Milliseconds
    index_price: float
    interest: float


class WireInstrumentState(msgspec.Struct, gc=False):
    timestamp: Milliseconds
    instrument_name: str
    state: str


class WirePlatform(msgspec.Struct, gc=False):
    price_index: Word = None
    locked: bool | None = None
    maintenance: bool | None = None

    def __post_init__(self) -> None:
        if self.locked is None and (self.price_index is not None or self.maintenance is None):
            raise msgspec.ValidationError("neither locked nor maintenance is told")


class WirePublicMethods(
    msgspec.Struct, gc=False, rename={"allowed": "allow_unauthenticated_public_requests"}
):
    allowed: bool


class WireStatus(msgspec.Struct, gc=False):
    locked: bool | str
    locked_indices: list[str] | None = None


def marks_news(rows: list[WireMark], index: str, now_ns: int) -> MarkPricesNews:
    at = max((row.timestamp for row in rows), default=0) * NS_PER_MILLISECOND
    marks = tuple(MarkPrice(instrument_of(r.instrument_name), r.mark_price, or_nan(r.iv)) for r in rows)
    return MarkPricesNews(at or now_ns, index, marks)


# --------------------------------------------------------------------------- account


class WireOrder(msgspec.Struct, gc=False):
    """An order, as every method and channel shows it."""

    order_id: str
    instrument_name: str
    direction: str
    amount: Amount | None
    order_state: OrderState
    last_update_timestamp: Milliseconds
    creation_timestamp: Milliseconds = 0
    filled_amount: Amount | None = None  # absent on some that wait for a trigger
    average_price: Number = None
    price: float | str | None = None  # "market_price" before the trigger
    label: Word = None
    order_type: Word = None
    time_in_force: Word = None
    post_only: bool | None = None
    reduce_only: bool | None = None
    cancel_reason: Word = None


def order_news(o: WireOrder) -> OrderNews:
    """Order in the house's units."""
    return OrderNews(
        o.last_update_timestamp * NS_PER_MILLISECOND,
        o.order_id,
        o.label or "",
        instrument_of(o.instrument_name),
        _sign(o.direction),
        or_nan(o.amount),
        o.filled_amount or 0.0,
        _price(o.average_price),
        o.price if isinstance(o.price, float) else NAN,
        o.order_state,
        o.order_type or "",
        o.time_in_force or "",
        o.post_only or False,
        o.reduce_only or False,
        o.cancel_reason or "",
        o.creation_timestamp * NS_PER_MILLISECOND,
    )


class WireUserTrade(WireTrade, gc=False, kw_only=True):
    """One of our trades."""

    order_id: str
    fee: Number = None  # without it the published schedule's is booked
    fee_currency: Word = None
    state: OrderState = OrderState.OTHER
    label: Word = None
    liquidity: Word = None
    underlying_price: Number = None


def trade_news(t: WireUserTrade) -> TradeNews:
    """Trade in the house's units."""
    return TradeNews(
        t.timestamp * NS_PER_MILLISECOND,
        t.trade_id,
        t.trade_seq,
        t.order_id,
        t.label or "",
        instrument_of(t.instrument_name),
        _sign(t.direction) * t.amount,
        t.price,
        or_nan(t.mark_price),
        or_nan(t.index_price),
        or_nan(t.fee),
        t.fee_currency or "",
        t.liquidity or "",
        t.state,
        or_nan(t.iv) / PERCENT,
        or_nan(t.underlying_price),
        bool(t.liquidity and t.liquidity in (t.liquidation or "")),  # T, M or MT: whose side was forced
    )


class WirePosition(msgspec.Struct, gc=False):
    """A position; sizes are signed."""

    instrument_name: str
    size: float
    size_currency: Number = None
    average_price: Number = None
    mark_price: Number = None
    index_price: Number = None
    delta: Number = None
    gamma: Number = None
    vega: Number = None
    theta: Number = None
    initial_margin: Number = None
    maintenance_margin: Number = None
    open_orders_margin: Number = None
    estimated_liquidation_price: Number = None
    floating_profit_loss: Number = None
    realized_profit_loss: Number = None
    total_profit_loss: Number = None
    realized_funding: Number = None
    settlement_price: Number = None


_POSITION_FIELDS = WirePosition.__struct_fields__[1:]


def position_news(p: WirePosition, now_ns: int) -> PositionNews:
    """Position in the house's units."""
    numbers = [or_nan(getattr(p, name)) for name in _POSITION_FIELDS]
    return PositionNews(now_ns, instrument_of(p.instrument_name), *numbers)


class _Pair(msgspec.Struct, gc=False):
    rate: float
    burst: float


class _Trading(msgspec.Struct, gc=False):
    total: _Pair | None = None


class _Matching(msgspec.Struct, gc=False):
    trading: _Trading | None = None


class _Limits(msgspec.Struct, gc=False):
    non_matching_engine: _Pair | None = None
    matching_engine: _Matching | None = None


class WireAccount(msgspec.Struct, gc=False):
    """Account in one currency: summaries and the portfolio channel."""

    currency: str
    equity: float
    balance: float
    margin_balance: Number = None
    available_funds: Number = None
    available_withdrawal_funds: Number = None
    initial_margin: Number = None
    maintenance_margin: Number = None
    projected_initial_margin: Number = None
    projected_maintenance_margin: Number = None
    delta_total: Number = None
    projected_delta_total: Number = None
    delta_total_map: dict[str, float] | None = None
    options_delta: Number = None
    options_gamma: Number = None
    options_vega: Number = None
    options_theta: Number = None
    options_value: Number = None
    session_rpl: Number = None
    session_upl: Number = None
    futures_session_rpl: Number = None
    futures_session_upl: Number = None
    options_session_rpl: Number = None
    options_session_upl: Number = None
    total_pl: Number = None
    fee_balance: Number = None
    estimated_liquidation_ratio: Number = None
    margin_model: Word = None
    portfolio_margining_enabled: bool | None = None
    cross_collateral_enabled: bool | None = None
    limits: _Limits | None = None


_ACCOUNT_FIELDS = WireAccount.__struct_fields__
_ACCOUNT_NUMBERS = [name for name in _ACCOUNT_FIELDS[1:27] if name != "delta_total_map"]


def account_news(a: WireAccount, now_ns: int) -> AccountNews:
    """Account in the house's units."""
    return AccountNews(
        now_ns,
        currency=a.currency,
        delta_total_map=a.delta_total_map or {},
        margin_model=a.margin_model or "",
        portfolio_margining=a.portfolio_margining_enabled or False,
        cross_collateral=a.cross_collateral_enabled or False,
        limits=_limits(a.limits),
        **{name: or_nan(getattr(a, name)) for name in _ACCOUNT_NUMBERS},
    )


def _limit(pair: _Pair | None) -> Limit | None:
    return None if pair is None else Limit(pair.rate, pair.burst)


def _limits(limits: _Limits | None) -> Limits | None:
    if limits is None:
        return None
    trading = limits.matching_engine.trading if limits.matching_engine is not None else None
    matching = trading.total if trading is not None else None
    return Limits(_limit(matching), _limit(limits.non_matching_engine))


class WireChanges(msgspec.Struct, gc=False):
    orders: list[WireOrder] | None = None
    trades: list[WireUserTrade] | None = None
    positions: list[WirePosition] | None = None


class WireLock(msgspec.Struct, gc=False):
    locked: bool
    currency: Word = None  # every one
