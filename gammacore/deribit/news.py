"""What the exchange says, in the house's units.

Times are nanoseconds UTC and end in ``_ns``, volatilities are decimals, amounts are signed or positive as
said and counted as in :class:`gammacore.events.Fill`, a price that is not there is NaN. An instrument that
gammacore cannot name (combos, spot) stays the exchange's name. Everything carries ``ts_ns``: the exchange's
time where it tells one, ours otherwise.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from gammacore.contracts import AccountFee, Combo, listed_combo

from .units import Instrument, name_of


class Dated(msgspec.Struct, frozen=True, gc=False):
    """Base: when it happened."""

    ts_ns: int


# --------------------------------------------------------------------------- market


class TickerNews(Dated, frozen=True, gc=False, tag=True):
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


class QuoteNews(Dated, frozen=True, gc=False, tag=True):
    """Best bid and ask."""

    instrument: Instrument
    bid: float
    bid_amount: float
    ask: float
    ask_amount: float


class BookNews(Dated, frozen=True, gc=False, tag=True):
    """The best levels of a book after a change, best first, as (price, amount)."""

    instrument: Instrument
    channel: str
    change_id: int
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]


class IndexNews(Dated, frozen=True, gc=False, tag=True):
    """Price of an index such as ``btc_usd``."""

    index: str
    price: float


class MarkPrice(msgspec.Struct, frozen=True, gc=False):
    """Mark of one option; ``iv`` is a decimal."""

    instrument: Instrument
    mark: float
    iv: float


class MarkPricesNews(Dated, frozen=True, gc=False, tag=True):
    """Marks of the options on an index."""

    index: str
    marks: tuple[MarkPrice, ...]


class DvolNews(Dated, frozen=True, gc=False, tag=True):
    """The exchange's 30-day volatility index, decimal."""

    index: str
    vol: float


class EstimateNews(Dated, frozen=True, gc=False, tag=True):
    """Estimated delivery price of the next expiry; ``seconds`` remain."""

    index: str
    price: float
    seconds: float
    averaging: bool


class FundingNews(Dated, frozen=True, gc=False, tag=True):
    """Funding rate of a perpetual per 8 hours."""

    instrument: Instrument
    index: float
    rate: float


class PublicTrade(Dated, frozen=True, gc=False):
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
    combo_id: str = ""  # of the combo whose leg it was


class PublicTradesNews(Dated, frozen=True, gc=False, tag=True):
    """Trades of everybody, in the order received; ``ts_ns`` is that of the last."""

    trades: tuple[PublicTrade, ...]


class InstrumentStateNews(Dated, frozen=True, gc=False, tag=True):
    """An instrument was created, started, settled, closed or terminated."""

    instrument: Instrument
    state: str


class PlatformNews(Dated, frozen=True, gc=False, tag=True):
    """State of the exchange: an index (all of them when empty) is locked, or maintenance begins."""

    index: str
    locked: bool
    maintenance: bool


class StatusNews(Dated, frozen=True, gc=False, tag=True):
    """Answer to ``public/status``: the whole exchange is locked, or only these indices."""

    locked: bool
    indices: tuple[str, ...]


class OtherNews(Dated, frozen=True, gc=False, tag=True):
    """Data of a channel that has no type here, as received."""

    channel: str
    data: bytes


class ComboListing(Dated, frozen=True, gc=False):
    """A combo as the exchange lists it; ``ts_ns`` is when its state last changed.

    ``state`` is ``active`` or ``inactive``; one combo buys its legs, and sells those of a negative number.
    """

    name: str
    state: str
    legs: tuple[tuple[Instrument, int], ...]
    created_ns: int

    @property
    def combo(self) -> Combo:
        """Combo of these legs; raises ContractError where one is no contract of gammacore's."""
        return listed_combo(self.name, ((name_of(leg), ratio) for leg, ratio in self.legs))


class SummaryRow(Dated, frozen=True, gc=False):
    """A row of a book summary: the fastest way to a whole chain. ``mark_iv`` decimal."""

    instrument: Instrument
    mark: float
    bid: float
    ask: float
    mark_iv: float
    forward: float
    underlying_index: str
    open_interest: float


# --------------------------------------------------------------------------- account


class OrderState(StrEnum):
    """State of an order at the exchange."""

    OPEN = "open"
    FILLED = "filled"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    UNTRIGGERED = "untriggered"
    SPEED_BUMPED = "speed_bumped"  # it has not entered its book, and may fill whatever is asked of it
    TRIGGERED = "triggered"
    OTHER = "other"  # one that the exchange invented since

    @classmethod
    def _missing_(cls, value: object) -> OrderState:
        return cls.OTHER


class OrderNews(Dated, frozen=True, gc=False, tag=True):
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


class TradeNews(Dated, frozen=True, gc=False, tag=True):
    """One of our trades: ``amount`` signed, ``fee`` positive when paid, ``liquidity`` M or T.

    ``forced`` if the exchange liquidated our side of it. A combo's own trade has the combo's name as its
    instrument and no fee; those of its legs carry ``combo_id`` and, as ``combo_trade_id``, its ``trade_id``.
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
    combo_id: str = ""
    combo_trade_id: str = ""


class ComboTradeNews(Dated, frozen=True, gc=False, tag=True):
    """Our trade in a combo with those of its legs, which count; the same legs come as trades of their own."""

    trade: TradeNews
    legs: tuple[TradeNews, ...]


class PositionNews(Dated, frozen=True, gc=False, tag=True):
    """A position, when we heard of it: ``size`` signed, in the unit of amounts, ``delta`` in coin."""

    instrument: Instrument
    size: float
    average_price: float
    mark: float
    index: float
    delta: float
    gamma: float
    vega: float
    theta: float
    initial_margin: float
    maintenance_margin: float


class PositionMove(Dated, frozen=True, gc=False):
    """A position that came or went without a trade, by a transfer between accounts.

    ``amount`` is positive and ``direction`` +1 or -1, 0 where the exchange tells none; ``price`` is NaN
    where it tells none.
    """

    number: int
    instrument: Instrument
    direction: int
    amount: float
    price: float


class RateLimit(msgspec.Struct, frozen=True, gc=False):
    """Requests a second, and how many at once."""

    rate: float
    burst: float


class RateLimits(msgspec.Struct, frozen=True, gc=False):
    """Our own rate limits, where the exchange told them."""

    matching: RateLimit | None
    other: RateLimit | None


class AccountNews(Dated, frozen=True, gc=False, tag=True):
    """The account in one currency, amounts in it; ``ts_ns`` when we heard of it.

    ``account`` is its number, where that is told.
    """

    currency: str
    equity: float
    balance: float
    margin_balance: float
    available_funds: float
    initial_margin: float
    maintenance_margin: float
    projected_initial_margin: float
    projected_maintenance_margin: float
    options_delta: float
    margin_model: str
    portfolio_margining: bool
    cross_collateral: bool
    limits: RateLimits | None
    fees: tuple[AccountFee, ...] = ()
    account: str = ""


class LockNews(Dated, frozen=True, gc=False, tag=True):
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


Said = (
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
    | ComboTradeNews
    | PositionNews
    | AccountNews
    | LockNews
)
