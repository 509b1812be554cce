"""What a session tells its user, in the house's units.

Times are nanoseconds UTC and end in ``_ns``, volatilities are decimals, amounts are signed or positive as
said and counted as in :class:`gammacore.events.Fill`, a price that is not there is NaN. An instrument that
gammacore cannot name (combos, spot) stays the exchange's name. Everything carries ``ts_ns``: the exchange's
time for its own news, ours for news of the session.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from gammacore.contracts import ContractSpec, Future, Option, Perpetual

__all__ = [
    "AccountNews",
    "Answered",
    "BadFrame",
    "BookNews",
    "ClockSkew",
    "DvolNews",
    "EstimateNews",
    "Expired",
    "Fate",
    "FundingNews",
    "Gap",
    "IndexNews",
    "Instrument",
    "InstrumentStateNews",
    "Limit",
    "Limits",
    "Listing",
    "LockNews",
    "Lost",
    "MarkPrice",
    "MarkPricesNews",
    "News",
    "OrderAnswer",
    "OrderNews",
    "OrderState",
    "OtherNews",
    "PlatformNews",
    "PositionNews",
    "PublicTrade",
    "PublicTradesNews",
    "PublicTradesPage",
    "QuoteNews",
    "Reconciled",
    "Reconnecting",
    "Refused",
    "State",
    "StateChanged",
    "SubscriptionMissing",
    "SummaryRow",
    "TickerNews",
    "TradeNews",
    "TradesPage",
]

NAN = float("nan")
Instrument = Option | Future | Perpetual | str


class _News(msgspec.Struct, frozen=True, gc=False):
    """Base: when it happened."""

    ts_ns: int


# --------------------------------------------------------------------------- market


class TickerNews(_News, frozen=True, gc=False, tag=True):
    """State of one instrument.

    Prices are in the instrument's quote (coin for inverse options). ``forward`` is what the exchange
    prices an option on, ``underlying_index`` its name. ``current_funding`` is the rate per 8 hours,
    ``interest_value`` the accumulator whose differences are funding paid.
    """

    instrument: Instrument
    state: str
    mark: float
    index: float
    bid: float
    bid_amount: float
    ask: float
    ask_amount: float
    min_price: float
    max_price: float
    last: float
    estimated_delivery: float
    open_interest: float
    mark_iv: float
    bid_iv: float
    ask_iv: float
    forward: float
    underlying_index: str
    current_funding: float
    interest_value: float


class QuoteNews(_News, frozen=True, gc=False, tag=True):
    """Best bid and ask."""

    instrument: Instrument
    bid: float
    bid_amount: float
    ask: float
    ask_amount: float


class BookNews(_News, frozen=True, gc=False, tag=True):
    """The best levels of a book after a change, best first, as (price, amount)."""

    instrument: Instrument
    channel: str
    change_id: int
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]


class IndexNews(_News, frozen=True, gc=False, tag=True):
    """Price of an index such as ``btc_usd``."""

    index: str
    price: float


class MarkPrice(msgspec.Struct, frozen=True, gc=False):
    """Mark of one option; ``iv`` is a decimal."""

    instrument: Instrument
    mark: float
    iv: float


class MarkPricesNews(_News, frozen=True, gc=False, tag=True):
    """Marks of the options on an index."""

    index: str
    marks: tuple[MarkPrice, ...]


class DvolNews(_News, frozen=True, gc=False, tag=True):
    """The exchange's 30-day volatility index, decimal."""

    index: str
    vol: float


class EstimateNews(_News, frozen=True, gc=False, tag=True):
    """Estimated delivery price of the next expiry; ``seconds`` remain."""

    index: str
    price: float
    seconds: float
    averaging: bool


class FundingNews(_News, frozen=True, gc=False, tag=True):
    """Funding rate of a perpetual per 8 hours."""

    instrument: Instrument
    index: float
    rate: float


class PublicTrade(_News, frozen=True, gc=False):
    """Somebody's trade; ``amount`` is positive when the taker bought; ``iv`` decimal, NaN for futures."""

    instrument: Instrument
    trade_id: str
    trade_seq: int
    amount: float
    price: float
    mark: float
    index: float
    iv: float
    liquidation: str


class PublicTradesNews(_News, frozen=True, gc=False, tag=True):
    """Trades of everybody, in the order received; ``ts_ns`` is that of the last."""

    trades: tuple[PublicTrade, ...]


class PublicTradesPage(msgspec.Struct, frozen=True, gc=False):
    """A page of everybody's trades."""

    trades: tuple[PublicTrade, ...]
    has_more: bool


class InstrumentStateNews(_News, frozen=True, gc=False, tag=True):
    """An instrument was created, started, settled, closed or terminated."""

    instrument: Instrument
    state: str


class PlatformNews(_News, frozen=True, gc=False, tag=True):
    """State of the exchange: an index (all of them when empty) is locked, or maintenance begins."""

    index: str
    locked: bool
    maintenance: bool


class StatusNews(_News, frozen=True, gc=False, tag=True):
    """Answer to ``public/status``: the whole exchange is locked, or only these indices."""

    locked: bool
    indices: tuple[str, ...]


class OtherNews(_News, frozen=True, gc=False, tag=True):
    """Data of a channel that has no type here, as received."""

    channel: str
    data: bytes


class SummaryRow(_News, frozen=True, gc=False):
    """A row of a book summary: the fastest way to a whole chain. ``mark_iv`` decimal."""

    instrument: Instrument
    mark: float
    bid: float
    ask: float
    mark_iv: float
    forward: float
    underlying_index: str
    open_interest: float


class Listing(msgspec.Struct, frozen=True):
    """A row of the catalog; ``spec`` is None where gammacore has no name for the instrument."""

    instrument: Instrument
    spec: ContractSpec | None
    state: str
    is_active: bool
    creation_ns: int
    index: str
    maker_fee: float
    taker_fee: float


# --------------------------------------------------------------------------- account


class OrderState(StrEnum):
    """State of an order at the exchange."""

    OPEN = "open"
    FILLED = "filled"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    UNTRIGGERED = "untriggered"
    TRIGGERED = "triggered"
    OTHER = "other"  # one that the exchange invented since

    @classmethod
    def _missing_(cls, value: object) -> OrderState:
        return cls.OTHER


class OrderNews(_News, frozen=True, gc=False, tag=True):
    """An order as it stands; ``ts_ns`` is its last update.

    ``direction`` is +1 or -1, amounts are positive; ``average_price`` is NaN before the first fill,
    ``price`` NaN for orders that wait for a trigger to become market orders.
    """

    order_id: str
    label: str
    instrument: Instrument
    direction: int
    amount: float
    filled_amount: float
    average_price: float
    price: float
    state: OrderState
    order_type: str
    time_in_force: str
    post_only: bool
    reduce_only: bool
    cancel_reason: str
    creation_ns: int


class TradeNews(_News, frozen=True, gc=False, tag=True):
    """One of our trades: ``amount`` signed, ``fee`` positive when paid, ``liquidity`` M or T.

    ``forced`` if the exchange liquidated our side of it.
    """

    trade_id: str
    trade_seq: int
    order_id: str
    label: str
    instrument: Instrument
    amount: float
    price: float
    mark: float
    index: float
    fee: float
    fee_currency: str
    liquidity: str
    order_state: OrderState
    iv: float
    forward: float
    forced: bool = False


class PositionNews(_News, frozen=True, gc=False, tag=True):
    """A position, when we heard of it: ``size`` signed, in the unit of amounts, ``delta`` in coin."""

    instrument: Instrument
    size: float
    size_currency: float
    average_price: float
    mark: float
    index: float
    delta: float
    gamma: float
    vega: float
    theta: float
    initial_margin: float
    maintenance_margin: float
    open_orders_margin: float
    estimated_liquidation_price: float
    floating_profit: float
    realized_profit: float
    total_profit: float
    realized_funding: float
    settlement_price: float


class Limit(msgspec.Struct, frozen=True, gc=False):
    """Requests a second, and how many at once."""

    rate: float
    burst: float


class Limits(msgspec.Struct, frozen=True, gc=False):
    """Our own rate limits, where the exchange told them."""

    matching: Limit | None
    other: Limit | None


class AccountNews(_News, frozen=True, gc=False, tag=True):
    """The account in one currency, amounts in it; ``ts_ns`` when we heard of it.

    ``delta_total`` is net of the options' value, ``delta_total_map`` is not (per index).
    """

    currency: str
    equity: float
    balance: float
    margin_balance: float
    available_funds: float
    available_withdrawal_funds: float
    initial_margin: float
    maintenance_margin: float
    projected_initial_margin: float
    projected_maintenance_margin: float
    delta_total: float
    projected_delta_total: float
    delta_total_map: dict[str, float]
    options_delta: float
    options_gamma: float
    options_vega: float
    options_theta: float
    options_value: float
    session_rpl: float
    session_upl: float
    futures_session_rpl: float
    futures_session_upl: float
    options_session_rpl: float
    options_session_upl: float
    total_pl: float
    fee_balance: float
    estimated_liquidation_ratio: float
    margin_model: str
    portfolio_margining: bool
    cross_collateral: bool
    limits: Limits | None


class LockNews(_News, frozen=True, gc=False, tag=True):
    """Our account is locked, or no longer, in a currency (``ALL`` for every one)."""

    currency: str
    locked: bool


class OrderAnswer(msgspec.Struct, frozen=True, gc=False):
    """Answer to buy, sell, edit or close_position."""

    order: OrderNews
    trades: tuple[TradeNews, ...]


class TradesPage(msgspec.Struct, frozen=True, gc=False):
    """A page of our trades."""

    trades: tuple[TradeNews, ...]
    has_more: bool


# --------------------------------------------------------------------------- session


class State(StrEnum):
    """Where a session is; see :mod:`.states`."""

    CONNECTING = "connecting"
    AUTHENTICATING = "authenticating"
    CONFIGURING = "configuring"
    SUBSCRIBING = "subscribing"
    READY = "ready"
    CLOSING = "closing"
    LOST = "lost"
    __hash__ = str.__hash__  # Enum's own is a call of Python code


class Fate(StrEnum):
    """What became of a request that was not answered with a result."""

    REJECTED = "rejected"  # nothing happened; the same again would be rejected again
    RETRY = "retry"  # nothing happened; the same may be sent again
    UNKNOWN = "unknown"  # it may have taken effect


class StateChanged(_News, frozen=True, gc=False, tag=True):
    """The session moved on."""

    before: State
    after: State
    reason: str


class Answered(_News, frozen=True, gc=False, tag=True):
    """A request got its result, typed for the methods that `messages.decode_result` knows."""

    id: int
    method: str
    result: Any


class Refused(_News, frozen=True, gc=False, tag=True):
    """A request got an error.

    ``code`` is the exchange's; 0 when the session itself did not send the request, -1 when the answer
    could not be read.
    """

    id: int
    method: str
    code: int
    message: str
    data: str
    fate: Fate


class Expired(_News, frozen=True, gc=False, tag=True):
    """A request that was sent has no answer in time."""

    id: int
    method: str
    fate: Fate


class Lost(_News, frozen=True, gc=False, tag=True):
    """The connection ended before the answer; the fate is REJECTED if it had not been sent yet."""

    id: int
    method: str
    fate: Fate


class Unauthorised(_News, frozen=True, gc=False, tag=True):
    """The exchange refuses our key, or what the key may do: the same again would be refused again."""

    code: int
    reason: str


class SubscriptionMissing(_News, frozen=True, gc=False, tag=True):
    """Channels that were asked for and not granted; ``reason`` is empty if there was none."""

    channels: tuple[str, ...]
    reason: str


class Gap(_News, frozen=True, gc=False, tag=True):
    """A book missed a change: not valid until its next :class:`BookNews`; the session asks for it."""

    channel: str


class BadFrame(_News, frozen=True, gc=False, tag=True):
    """Something unreadable was received and skipped; ``channel`` is empty if unknown."""

    channel: str
    reason: str


class ClockSkew(_News, frozen=True, gc=False, tag=True):
    """Our clock is ``seconds`` behind the exchange's (negative: ahead), give or take ``uncertainty``."""

    seconds: float
    uncertainty: float


class Reconnecting(_News, frozen=True, gc=False, tag=True):
    """The connection is gone or could not be made; the next attempt comes in ``delay_s`` seconds."""

    attempt: int
    delay_s: float
    reason: str


class Reconciled(_News, frozen=True, gc=False, tag=True):
    """What the exchange says we have, after every (re)connection and before any market news.

    ``trades`` are those not handed over before, oldest first; ``earlier`` the ids of those that a first
    connection found, and that its ``positions`` include.
    """

    open_orders: tuple[OrderNews, ...]
    trades: tuple[TradeNews, ...]
    positions: tuple[PositionNews, ...]
    accounts: tuple[AccountNews, ...]
    earlier: tuple[str, ...] = ()


News = (
    TickerNews
    | QuoteNews
    | BookNews
    | IndexNews
    | MarkPricesNews
    | DvolNews
    | EstimateNews
    | FundingNews
    | PublicTradesNews
    | InstrumentStateNews
    | PlatformNews
    | StatusNews
    | OtherNews
    | OrderNews
    | TradeNews
    | PositionNews
    | AccountNews
    | LockNews
    | StateChanged
    | Answered
    | Refused
    | Expired
    | Lost
    | Unauthorised
    | SubscriptionMissing
    | Gap
    | BadFrame
    | ClockSkew
    | Reconnecting
    | Reconciled
)
