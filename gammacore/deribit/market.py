"""Market data on the wire, field by field, and the same in the house's units.

Fields that are not known are skipped; known ones of another type, or a number that no float holds, raise
:class:`msgspec.ValidationError`.
"""

from __future__ import annotations

import msgspec

from .news import (
    ComboListing,
    MarkPrice,
    MarkPricesNews,
    PublicTrade,
    PublicTradesNews,
    QuoteNews,
    StatusNews,
    SummaryRow,
    TickerNews,
)
from .units import (
    GRAIN_NS,
    KNOWN,
    NAN,
    PERCENT,
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

PUBLIC_METHODS = "public methods"  # in place of an index: they need a login


class Stamped(msgspec.Struct, gc=False):
    """Base: what carries the exchange's time."""

    timestamp: Milliseconds

    @property
    def ts_ns(self) -> int:
        """When it happened."""
        return ns(self.timestamp)


class WireTicker(Stamped, gc=False):
    """State of one instrument."""

    instrument_name: str
    mark_price: Number = None  # of an instrument that has just been listed
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
    """Ticker in the house's units; what it calls is written out, since every decision waits for it."""
    mark, estimate, underlying = t.mark_price, t.estimated_delivery_price, t.underlying_index
    if mark is None:
        raise msgspec.ValidationError("a ticker without mark_price")
    index, low, high, last = t.index_price, t.min_price, t.max_price, t.last_price
    interest, funding, paid = t.open_interest, t.current_funding, t.interest_value
    mark_vol, bid_vol, ask_vol, forward = t.mark_iv, t.bid_iv, t.ask_iv, t.underlying_price
    return TickerNews(
        t.timestamp * GRAIN_NS,
        KNOWN.get(t.instrument_name) or instrument_of(t.instrument_name),
        t.state or "",
        mark,
        NAN if index is None else index,
        t.best_bid_price or priced(t.best_bid_price, t.best_bid_amount, t.instrument_name),
        t.best_bid_amount or 0.0,
        t.best_ask_price or priced(t.best_ask_price, t.best_ask_amount, t.instrument_name),
        t.best_ask_amount or 0.0,
        NAN if low is None else low,
        NAN if high is None else high,
        NAN if last is None else last,
        estimate if isinstance(estimate, float) else NAN,
        NAN if interest is None else interest,
        NAN if mark_vol is None else mark_vol / PERCENT,
        NAN if bid_vol is None else bid_vol / PERCENT or NAN,
        NAN if ask_vol is None else ask_vol / PERCENT or NAN,
        NAN if forward is None else forward,
        underlying if isinstance(underlying, str) else "",
        NAN if funding is None else funding,
        NAN if paid is None else paid,
    )


class _Greeks(msgspec.Struct, gc=False):
    delta: Number = None
    gamma: Number = None
    vega: Number = None
    theta: Number = None
    rho: Number = None


class WireTickerInFull(WireTicker, gc=False):
    """A ticker with what no decision needs."""

    greeks: _Greeks | None = None
    funding_8h: Number = None

    @property
    def vols(self) -> tuple[float, float, float]:
        """Of the mark, the bid and the ask, decimal."""
        return vol(self.mark_iv), quoted(vol(self.bid_iv)), quoted(vol(self.ask_iv))

    @property
    def underlying(self) -> str:
        """Name of what an option is priced on."""
        return self.underlying_index if isinstance(self.underlying_index, str) else ""

    @property
    def sensitivities(self) -> tuple[float, ...]:
        """Delta, gamma, vega, theta, rho."""
        g = self.greeks or _Greeks()
        return tuple(map(number, (g.delta, g.gamma, g.vega, g.theta, g.rho)))


class WireQuote(Stamped, gc=False):
    """Best bid and ask."""

    instrument_name: str
    best_bid_price: Number = None
    best_bid_amount: Number = None
    best_ask_price: Number = None
    best_ask_amount: Number = None


def quote_news(q: WireQuote) -> QuoteNews:
    """Quote in the house's units."""
    return QuoteNews(
        ns(q.timestamp),
        instrument_of(q.instrument_name),
        priced(q.best_bid_price, q.best_bid_amount, q.instrument_name),
        q.best_bid_amount or 0.0,
        priced(q.best_ask_price, q.best_ask_amount, q.instrument_name),
        q.best_ask_amount or 0.0,
    )


class WireBook(Stamped, gc=False):
    """Snapshot or change of a whole book; levels are (action, price, amount)."""

    instrument_name: str
    change_id: Counter
    bids: list[tuple[str, float, float]]
    asks: list[tuple[str, float, float]]
    type: str = ""  # absent in old recordings
    prev_change_id: Counter | None = None


class WireBookText(Stamped, gc=False):
    """A book whose levels stay text, as they are kept."""

    instrument_name: str
    change_id: Counter
    bids: msgspec.Raw
    asks: msgspec.Raw
    type: str = "window"  # the grouped channels show a whole window each time
    prev_change_id: Counter | None = None


class WireWindow(Stamped, gc=False):
    """The best levels of a book."""

    instrument_name: str
    change_id: Counter
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]


class WireTrade(Stamped, gc=False):
    """Somebody's trade."""

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
    block_trade_id: str | None = None
    combo_id: Word = None  # of a trade that was a leg
    combo_trade_id: Word = None

    @property
    def vol(self) -> float:
        """Volatility of an option's price, decimal."""
        return vol(self.iv)


def public_trade(t: WireTrade) -> PublicTrade:
    """Trade in the house's units."""
    return PublicTrade(
        ns(t.timestamp),
        instrument_of(t.instrument_name),
        t.trade_id,
        t.trade_seq,
        sign(t.direction) * t.amount,
        t.price,
        number(t.mark_price),
        number(t.index_price),
        vol(t.iv),
        t.liquidation or "",
        t.combo_id or "",
    )


def public_trades_news(rows: list[WireTrade]) -> PublicTradesNews | None:
    """Trades in the house's units."""
    trades = tuple(map(public_trade, rows))
    return PublicTradesNews(trades[-1].ts_ns, trades) if trades else None


class WireTradesPage(msgspec.Struct, gc=False):
    """Result of ``public/get_last_trades_by_...``."""

    trades: list[WireTrade]
    has_more: bool | None = None


class WireComboLeg(msgspec.Struct, gc=False):
    """A leg of a combo; the amount is a signed ratio."""

    instrument_name: str
    amount: int


class WireCombo(msgspec.Struct, gc=False):
    """A combo as the exchange lists it."""

    id: str
    state: str
    legs: list[WireComboLeg]
    state_timestamp: Milliseconds = 0
    creation_timestamp: Milliseconds = 0


def combo_listing(c: WireCombo) -> ComboListing:
    """Combo in the house's units."""
    legs = tuple((instrument_of(leg.instrument_name), leg.amount) for leg in c.legs)
    return ComboListing(ns(c.state_timestamp), c.id, c.state, legs, ns(c.creation_timestamp))


class WireIndex(Stamped, gc=False):
    """Price of an index."""

    index_name: str
    price: float


class WireDvol(Stamped, gc=False):
    """Volatility index, percent."""

    index_name: str
    volatility: float


class WireEstimate(msgspec.Struct, gc=False):
    """Delivery price that is expected."""

    price: float
    seconds: Number = None
    is_estimated: bool | None = None


class WireMark(msgspec.Struct, gc=False):
    """Mark of one option."""

    instrument_name: str
    mark_price: float
    iv: Number = None  # a fraction here, percent everywhere else
    timestamp: Milliseconds = 0


class WireFunding(Stamped, gc=False):
    """Funding rate of a perpetual."""

    index_price: float
    interest: float


class WireInstrumentState(Stamped, gc=False):
    """What became of an instrument."""

    instrument_name: str
    state: str


class WirePlatform(msgspec.Struct, gc=False):
    """Lock of an index, or maintenance."""

    price_index: Word = None
    locked: bool | None = None
    maintenance: bool | None = None

    def __post_init__(self) -> None:
        if self.locked is None and (self.price_index is not None or self.maintenance is None):
            raise msgspec.ValidationError("neither locked nor maintenance is told")


class WirePublicMethods(
    msgspec.Struct, gc=False, rename={"allowed": "allow_unauthenticated_public_requests"}
):
    """Whether public methods need a login."""

    allowed: bool


class WireStatus(msgspec.Struct, gc=False):
    """Locks of the exchange."""

    locked: bool | str
    locked_indices: list[str] | None = None


def marks_news(rows: list[WireMark], index: str, now_ns: int) -> MarkPricesNews:
    """Take marks, each with the same moment."""
    at = max((row.timestamp for row in rows), default=0) * GRAIN_NS
    marks = tuple(MarkPrice(instrument_of(r.instrument_name), r.mark_price, number(r.iv)) for r in rows)
    return MarkPricesNews(at or now_ns, index, marks)


class WireSummary(msgspec.Struct, gc=False):
    """A row of a book summary."""

    instrument_name: str
    creation_timestamp: Milliseconds
    mark_price: Number = None
    bid_price: Number = None
    ask_price: Number = None
    mark_iv: Number = None
    underlying_price: Number = None
    underlying_index: str | float | None = None
    open_interest: Number = None


def summary_row(s: WireSummary) -> SummaryRow:
    """Row in the house's units."""
    return SummaryRow(
        ns(s.creation_timestamp),
        instrument_of(s.instrument_name),
        number(s.mark_price),
        number(s.bid_price),
        number(s.ask_price),
        vol(s.mark_iv),
        number(s.underlying_price),
        s.underlying_index if isinstance(s.underlying_index, str) else "",
        number(s.open_interest),
    )


def status_news(s: WireStatus, now_ns: int) -> StatusNews:
    """News of ``public/status``; ``locked`` is a boolean or its name as text, or "partial"."""
    return StatusNews(now_ns, str(s.locked).lower() == "true", tuple(s.locked_indices or ()))
