"""Orders, trades, positions and accounts on the wire, field by field, and the same in the house's units."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gammacore.contracts import AccountFee, Future, Perpetual

from .market import WireTrade
from .news import (
    AccountNews,
    ComboTradeNews,
    OrderAnswer,
    OrderNews,
    OrderState,
    PositionMove,
    PositionNews,
    RateLimit,
    RateLimits,
    TradeNews,
    TradesPage,
)
from .units import (
    NAN,
    Amount,
    Counter,
    Milliseconds,
    Number,
    Word,
    instrument_of,
    ns,
    number,
    priced,
    quoted,
    sign,
    vol,
)


class WireOrder(msgspec.Struct, gc=False):
    """An order, as every method and channel shows it."""

    order_id: str
    instrument_name: str
    direction: str
    amount: Amount | None
    order_state: OrderState
    last_update_timestamp: Milliseconds
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
        ns(o.last_update_timestamp),
        o.order_id,
        o.label or "",
        instrument_of(o.instrument_name),
        sign(o.direction),
        number(o.amount),
        o.filled_amount or 0.0,
        priced(o.average_price, o.filled_amount, o.instrument_name),
        o.price if isinstance(o.price, float) else NAN,
        o.order_state,
        o.order_type or "",
        o.time_in_force or "",
        o.post_only or False,
        o.reduce_only or False,
        o.cancel_reason or "",
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
    """Trade in the house's units; one of nothing, or of a future for nothing, raises as unreadable."""
    instrument = instrument_of(t.instrument_name)
    if not t.amount > 0 or (isinstance(instrument, Future | Perpetual) and not t.price > 0):
        raise msgspec.ValidationError(f"trade {t.trade_id[:50]} of {t.amount} at {t.price}")
    return TradeNews(
        ns(t.timestamp),
        t.trade_id,
        t.trade_seq,
        t.order_id,
        t.label or "",
        instrument,
        sign(t.direction) * t.amount,
        t.price,
        number(t.mark_price),
        number(t.index_price),
        number(t.fee),
        t.fee_currency or "",
        t.liquidity or "",
        t.state,
        vol(t.iv),
        number(t.underlying_price),
        bool(t.liquidity and t.liquidity in (t.liquidation or "")),  # T, M or MT: whose side was forced
        t.combo_id or "",
        t.combo_trade_id or "",
    )


class WireComboTrade(WireUserTrade, gc=False, kw_only=True):
    """One of our trades in a combo, with its legs."""

    legs: list[WireUserTrade]


def combo_trade_news(t: WireComboTrade) -> ComboTradeNews:
    """Trade of a combo in the house's units."""
    return ComboTradeNews(ns(t.timestamp), trade_news(t), tuple(map(trade_news, t.legs)))


class WirePosition(msgspec.Struct, gc=False):
    """A position; sizes are signed."""

    instrument_name: str
    size: float
    average_price: Number = None
    mark_price: Number = None
    index_price: Number = None
    delta: Number = None
    gamma: Number = None
    vega: Number = None
    theta: Number = None
    initial_margin: Number = None
    maintenance_margin: Number = None


_POSITION_FIELDS = WirePosition.__struct_fields__[1:]


def position_news(p: WirePosition, now_ns: int) -> PositionNews:
    """Position in the house's units."""
    numbers = [number(getattr(p, name)) for name in _POSITION_FIELDS]
    return PositionNews(now_ns, instrument_of(p.instrument_name), *numbers)


class _Trading(msgspec.Struct, gc=False):
    total: RateLimit | None = None


class _Matching(msgspec.Struct, gc=False):
    trading: _Trading | None = None


class _Limits(msgspec.Struct, gc=False):
    non_matching_engine: RateLimit | None = None
    matching_engine: _Matching | None = None


class WireAccount(msgspec.Struct, gc=False):
    """Account in one currency: summaries and the portfolio channel."""

    currency: str
    equity: float
    balance: float
    margin_balance: Number = None
    available_funds: Number = None
    initial_margin: Number = None
    maintenance_margin: Number = None
    projected_initial_margin: Number = None
    projected_maintenance_margin: Number = None
    options_delta: Number = None
    margin_model: Word = None
    portfolio_margining_enabled: bool | None = None
    cross_collateral_enabled: bool | None = None
    limits: _Limits | None = None
    fees: Any = None
    id: Any = None  # whose account it is, where that is told


_ACCOUNT_NUMBERS = set(WireAccount.__struct_fields__) & set(AccountNews.__struct_fields__) - {
    "currency",
    "margin_model",
    "limits",
    "fees",
    "account",
}


def account_news(a: WireAccount, now_ns: int) -> AccountNews:
    """Account in the house's units."""
    return AccountNews(
        now_ns,
        currency=a.currency,
        margin_model=a.margin_model or "",
        portfolio_margining=a.portfolio_margining_enabled or False,
        cross_collateral=a.cross_collateral_enabled or False,
        limits=_limits(a.limits),
        fees=account_fees(a.fees),
        account=str(a.id) if isinstance(a.id, int) else "",
        **{name: number(getattr(a, name)) for name in _ACCOUNT_NUMBERS},
    )


def _limits(limits: _Limits | None) -> RateLimits | None:
    if limits is None:
        return None
    trading = limits.matching_engine.trading if limits.matching_engine is not None else None
    matching = trading.total if trading is not None else None
    return RateLimits(matching, limits.non_matching_engine)


def account_fees(given: Any) -> tuple[AccountFee, ...]:
    """Fees that an account has been given, of the sorts that gammacore trades.

    Parameters
    ----------
    given : list or dict or None
        A list of fees since December 2025, before that a dict by index; None and an empty one are those of
        the catalog. What has another form is left out.
    """
    if isinstance(given, dict):
        rows = [
            {"index_name": index, "kind": kind, "value": value}
            for index, kinds in given.items()
            if isinstance(kinds, dict)
            for kind, value in kinds.items()
        ]
    else:
        rows = given if isinstance(given, list) else []
    found = []
    for row in rows:
        try:
            told = msgspec.convert(row, _Fee, strict=False)
        except msgspec.ValidationError:
            continue
        base, _, quote = told.index_name.upper().partition("_")
        if quote in ("USD", "USDC") and told.kind in ("option", "future", "perpetual"):
            family = base if quote == "USD" else f"{base}_USDC"
            fee = told.value.default
            found.append(AccountFee(family, told.kind, fee.type == "relative", fee.maker, fee.taker))
    return tuple(found)


class _Rate(msgspec.Struct, gc=False):
    type: Literal["relative", "fixed"]
    maker: float
    taker: float


class _FeeValue(msgspec.Struct, gc=False):
    default: _Rate


class _Fee(msgspec.Struct, gc=False):
    index_name: str
    kind: Any
    value: _FeeValue


class WireChanges(msgspec.Struct, gc=False):
    """What changed with our orders."""

    orders: list[WireOrder] | None = None
    trades: list[WireUserTrade] | None = None
    positions: list[WirePosition] | None = None


MOVES = ("transfer", "position_move", "position move")  # in the log


class WireLogRow(msgspec.Struct, gc=False):
    """A row of the transaction log, as far as positions that move are told."""

    id: Counter
    timestamp: Milliseconds
    type: Word = None
    instrument_name: Word = None
    side: Word = None
    amount: Number = None
    price: Number = None


class WireLog(msgspec.Struct, gc=False):
    """A page of the transaction log."""

    logs: list[WireLogRow]


def position_moves(page: WireLog) -> tuple[PositionMove, ...]:
    """Find the positions that moved without a trade, oldest first."""
    found = []
    for row in page.logs:
        if row.type in MOVES and row.instrument_name and row.amount:
            word = (row.side or "").rpartition(" ")[2]
            side = sign(word) if word in ("buy", "sell") else 0
            instrument = instrument_of(row.instrument_name)
            found.append(
                PositionMove(ns(row.timestamp), row.id, instrument, side, abs(row.amount), quoted(row.price))
            )
    return tuple(sorted(found, key=lambda move: (move.ts_ns, move.number)))


class WireLock(msgspec.Struct, gc=False):
    """Lock of our account."""

    locked: bool
    currency: Word = None  # every one


class WireAccountLock(msgspec.Struct, gc=False):
    """Whether our account is locked in a currency, as asked for."""

    enabled: bool
    currency: Word = None


class WireUserTradesPage(msgspec.Struct, gc=False):
    """A page of our trades."""

    trades: list[WireUserTrade]
    has_more: bool | None = None


def trades_page(page: WireUserTradesPage) -> TradesPage:
    """Page in the house's units."""
    return TradesPage(tuple(map(trade_news, page.trades)), page.has_more or False)


class WireOrderAnswer(msgspec.Struct, gc=False):
    """Result of buy, sell, edit and close_position."""

    order: WireOrder
    trades: list[WireUserTrade] | None = None


def order_answer(answer: WireOrderAnswer) -> OrderAnswer:
    """Answer in the house's units."""
    return OrderAnswer(order_news(answer.order), tuple(map(trade_news, answer.trades or ())))


class WireSummaries(msgspec.Struct, gc=False):
    """Result of ``private/get_account_summaries``."""

    summaries: list[WireAccount]


class WireGranted(msgspec.Struct, gc=False):
    """Result of ``public/auth``; the only place where tokens are."""

    access_token: str
    refresh_token: str
    expires_in: float
    scope: str = ""
