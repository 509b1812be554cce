"""What the desk holds: episodes, each a set of options with its own hedge and ledger.

An episode is one bet: opened by one entry order, hedged, and closed by an exit or by
delivery. Its state changes only by fills, deliveries and rejections.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from gammacore.array_types import Floats, Ints
from gammacore.book import Book
from gammacore.contracts import (
    Future,
    Instrument,
    Option,
    Perpetual,
    Settlement,
    inverse_pnl,
    linear_pnl,
    payoff_coin,
    payoff_usd,
)
from gammacore.errors import LedgerError
from gammacore.events import Delivery, Event, Fill, Outside, Rejected
from gammacore.fees import FeeSchedule, delivery_fee
from gammacore.ledger import Account, Ledger, Posting
from gammacore.orders import Cancel, Command, Order, Purpose
from gammacore.tolerances import DUST, ROUNDING
from gammacore.valuation import Exposure

CLOSED_OUTSIDE, LIQUIDATED = "closed outside", "liquidation"  # why options are gone that others sold

__all__ = [
    "CLOSED_OUTSIDE",
    "LIQUIDATED",
    "Booked",
    "Episode",
    "HedgeFills",
    "HedgePosition",
    "MarketView",
    "Portfolio",
    "Trades",
]


class MarketView(Protocol):
    """Prices to value an episode at: one moment (:class:`Book`) or an array of moments."""

    @property
    def ts_ns(self) -> Any: ...  # noqa: D102
    @property
    def interest(self) -> Any: ...  # noqa: D102
    @property
    def estimate(self) -> Any: ...  # noqa: D102
    def forward(self, expiry_ns: int) -> Any: ...  # noqa: D102
    def underlying(self, expiry_ns: int) -> Any: ...  # noqa: D102
    def tau(self, expiry_ns: int) -> Any: ...  # noqa: D102
    def vol(self, option: Option) -> Any: ...  # noqa: D102
    def slope(self, option: Option) -> Any: ...  # noqa: D102
    def future_price(self, instrument: Future | Perpetual) -> Any: ...  # noqa: D102
    def exposure(self, option: Option) -> Exposure: ...  # noqa: D102
    def options_delta(self, legs: Mapping[Option, float], plain: bool) -> Any: ...  # noqa: D102
    def settlement_weight(self, expiry_ns: int) -> Any: ...  # noqa: D102


class HedgePosition:
    """A position in one future or perpetual.

    ``amount`` is signed and constant in the contract's own unit: USD for an inverse
    contract (whose coin delta therefore moves with the price), coin for a linear one.
    """

    def __init__(self, instrument: Future | Perpetual) -> None:
        self.instrument = instrument
        self.inverse = instrument.settlement is Settlement.INVERSE
        self.amount = 0.0
        self.average = math.nan  # harmonic for an inverse contract, as the exchange prints it
        self.interest = 0.0  # accumulator reading up to which funding is paid

    def delta(self, price: Any) -> Any:
        """Delta in coin at a price (scalar or array)."""
        return self.amount / price if self.inverse else self.amount

    def profit(self, amount: float, price: Any) -> Any:
        """Profit of ``amount`` from the average entry to ``price``, settlement currency."""
        if amount == 0.0:
            return 0.0 * price
        return (inverse_pnl if self.inverse else linear_pnl)(amount, self.average, price)

    def unrealised(self, price: Any) -> Any:
        """Profit if closed at ``price``."""
        return self.profit(self.amount, price)

    def trade(self, amount: float, price: float) -> float:
        """Add ``amount`` at ``price``; returns the profit that this realises."""
        closing = 0.0
        if self.amount * amount < 0:
            closing = math.copysign(min(abs(amount), abs(self.amount)), self.amount)
        realised = float(self.profit(closing, price))
        kept = self.amount - closing
        opened = amount + closing
        total = kept + opened
        if abs(total) < ROUNDING * max(1.0, abs(self.amount)):
            total = 0.0
            self.average = math.nan
        elif kept == 0.0:
            self.average = price
        elif opened != 0.0:
            self.average = (
                total / (kept / self.average + opened / price)
                if self.inverse
                else (kept * self.average + opened * price) / total
            )
        self.amount = total
        return realised

    def accrued(self, interest: Any) -> Any:
        """Funding owed since the last payment, settlement currency, positive when paid."""
        if type(self.instrument) is not Perpetual or self.amount == 0.0:
            return 0.0
        return self.amount * (interest - self.interest)


class HedgeFills(NamedTuple):
    """Executions of an episode's hedge in order of time, as arrays of one length.

    ``amount`` is signed, in the contract's unit; ``price`` and ``mark`` are quotes, ``fee`` is in
    the settlement currency, positive when paid. ``excess`` is how much of the amount then held
    is owed to the rounding to whole lots. A dated future's own delivery is not among them.
    """

    ts_ns: Ints
    amount: Floats
    price: Floats
    mark: Floats
    fee: Floats
    excess: Floats


Booked = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Units of 1e-8 (coin, USD) credited as hedge profit (negative) and debited as fees and funding."""


class Trades(NamedTuple):
    """Hedges of one episode that were filled and booked in compiled code.

    Attributes
    ----------
    ts_ns, rate : arrays, shape (n,)
        Time, and USD per coin, of each.
    rows : structured array, shape (n,)
        See ``gammacore._replay.TRADE``.
    first_order : int
        Count of the episode's orders before the first of these.
    """

    ts_ns: Ints
    rate: Floats
    rows: npt.NDArray[Any]
    first_order: int

    def columns(self) -> list[npt.NDArray[Any]]:
        """Columns of :class:`HedgeFills`."""
        amount, price, mark, fee, wanted = (
            self.rows[name].copy() for name in ("amount", "price", "mark", "fee", "wanted")
        )
        return [self.ts_ns, amount, price, mark, fee, amount - wanted]

    def entries(self, instrument: Future | Perpetual) -> Callable[[], list[Posting]]:
        """Journal of these trades, written when somebody asks for it."""

        def write() -> list[Posting]:
            moved = [self.rows[name].tolist() for name in ("funding", "realised", "paid")]
            journal = []
            for ts, *amounts in zip(self.ts_ns.tolist(), *moved, strict=True):
                for (coin, usd), (memo, debit, credit) in zip(amounts, POSTINGS, strict=True):
                    if coin or usd:
                        about = None if memo == "funding" else instrument
                        journal.append(Posting(ts, memo, about, debit, credit, coin, usd))
            return journal

        return write


POSTINGS = (
    ("funding", Account.FUNDING, Account.CASH),
    ("hedge", Account.CASH, Account.HEDGE_PNL),
    ("fee", Account.FEES, Account.CASH),
)


class Episode:
    """One bet: options, hedge, ledger, and the facts a report needs.

    Attributes
    ----------
    legs : dict of Option to float
        Held amounts, signed, in coin; empty before entry and after the close.
    pending : dict of str to Order
        Orders sent and not yet answered; their deltas count as held.
    resting : dict of str to Order
        Limit orders in the exchange's book; their deltas do not count, and what fills
        of them calls for new ones.
    cancelled : dict of str to Order
        Resting orders that were asked to be cancelled; one may have filled before.
    delivery_fees : float
        Charged at delivery, settlement currency.
    """

    def __init__(self, number: int, expiry_ns: int, hedge: HedgePosition, index: float) -> None:
        self.number = number
        self.expiry_ns = expiry_ns
        self.hedge = hedge
        self.ledger = Ledger(hedge.instrument.settlement, index)
        self.legs: dict[Option, float] = {}
        self.entered: dict[Option, float] = {}
        self.pending: dict[str, Order] = {}
        self.resting: dict[str, Order] = {}
        self.cancelled: dict[str, Order] = {}
        self.orders_sent = 0
        self._fills: list[Fill | Trades] = []
        self._hedged: list[tuple[float, ...] | Trades] = []  # the rows of hedge_fills
        self.delivery_fees = 0.0
        self.entry_ns = 0
        self.close_ns = 0  # options gone
        self.end_ns = 0  # hedge gone as well
        self.last_hedge_ns = 0
        self.last_hedge_price = math.nan
        self.hedged_vol: dict[Option, float] = {}
        self.premium = 0.0
        self.hedges = 0
        self.delivery_price = math.nan
        self.close_reason = ""

    @property
    def open(self) -> bool:
        """Whether it holds options."""
        return bool(self.legs)

    @property
    def is_flat(self) -> bool:
        """Whether nothing is left of its options but rounding."""
        return all(abs(amount) < DUST for amount in self.legs.values())

    def cancel_resting(self) -> list[Command]:
        """Ask for every resting order back."""
        self.cancelled |= self.resting
        asked: list[Command] = [Cancel(order_id, self.number) for order_id in self.resting]
        self.resting.clear()
        return asked

    def orders_with(self, order_id: str) -> dict[str, Order]:
        """Where an order is kept.

        Raises
        ------
        LedgerError
            If it is not one of this episode's.
        """
        for kept in (self.resting, self.cancelled, self.pending):
            if order_id in kept:
                return kept
        raise LedgerError(f"episode {self.number}: no order {order_id}")

    @property
    def fills(self) -> list[Fill]:
        """Every execution, in order."""
        if any(isinstance(part, Trades) for part in self._fills):
            parts = [self._expand(part) if isinstance(part, Trades) else [part] for part in self._fills]
            self._fills = [fill for part in parts for fill in part]
        return self._fills  # type: ignore[return-value]

    def add(self, fill: Fill) -> None:
        """Keep a fill."""
        self._fills.append(fill)

    def take(self, trades: Trades, booked: Booked, postings: int) -> None:
        """Keep many hedges at once, already filled and booked elsewhere."""
        self._fills.append(trades)
        self._hedged.append(trades)
        self.orders_sent += len(trades.rows)
        self.hedges += len(trades.rows)
        self.ledger.take(trades.entries(self.hedge.instrument), booked, postings, float(trades.rate[-1]))

    def _expand(self, trades: Trades) -> list[Fill]:
        names = ("amount", "price", "mark", "fee")
        columns = zip(trades.ts_ns.tolist(), *(trades.rows[name].tolist() for name in names), strict=True)
        return [
            Fill(
                ts,
                f"{self.number}-{Purpose.HEDGE}-{trades.first_order + k}",
                self.number,
                self.hedge.instrument,
                *row,
            )
            for k, (ts, *row) in enumerate(columns)
        ]

    def option_fills(self) -> list[Fill]:
        """List the executions of options, in order."""
        own = [fill for fill in self._fills if not isinstance(fill, Trades)]
        return [fill for fill in own if isinstance(fill.instrument, Option)]

    def hedge_fills(self) -> HedgeFills:
        """Collect the executions of the hedge, in order."""
        parts = [
            part.columns() if isinstance(part, Trades) else [np.array([x]) for x in part]
            for part in self._hedged
        ]
        if not parts:
            return HedgeFills(np.empty(0, np.int64), *(np.empty(0) for _ in range(5)))
        return HedgeFills(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def twin(self) -> Episode:
        """Make another with the same facts, to be carried at marks while this one goes on."""
        other = copy.copy(self)
        other.hedge, other.ledger = copy.copy(self.hedge), self.ledger.twin()
        return other

    def fees_paid(self) -> float:
        """Fees of all fills and of the delivery, settlement currency."""
        return self.ledger.native_balance(Account.FEES)

    def pending_delta(self, price: Any) -> Any:
        """Delta of hedge orders on their way, so that a late answer is not hedged twice."""
        amount = sum(
            leg.amount
            for order in self.pending.values()
            for leg in order.legs
            if leg.instrument == self.hedge.instrument
        )
        return (amount / price if self.hedge.inverse else amount) if amount else 0.0

    def equity(self, view: MarketView) -> Any:
        """Net worth in the settlement currency, at marks."""
        value: Any = self.ledger.native_balance(Account.CASH)
        for option, amount in self.legs.items():
            value = value + amount * view.exposure(option).value
        value = value + self.hedge.unrealised(view.future_price(self.hedge.instrument))
        return value - self.hedge.accrued(view.interest)


class Portfolio:
    """All episodes, open and closed.

    Parameters
    ----------
    fees : FeeSchedule or None
        For delivery fees; None charges nothing.
    financed_in_usd : bool
        Whether a paid premium is bought with USD (USD-neutral account) rather than
        taken from a coin balance that is not part of the bet.
    """

    def __init__(self, fees: FeeSchedule | None = None, financed_in_usd: bool = False) -> None:
        self.fees = fees
        self.financed_in_usd = financed_in_usd
        self.episodes: list[Episode] = []
        self.open: dict[int, Episode] = {}
        self.missing_quotes = 0

    def begin(self, expiry_ns: int, hedge: Future | Perpetual, index: float) -> Episode:
        """Register an episode whose entry order is about to be sent."""
        episode = Episode(len(self.episodes), expiry_ns, HedgePosition(hedge), index)
        self.episodes.append(episode)
        self.open[episode.number] = episode
        return episode

    def apply(self, event: Event, book: Book) -> None:
        """Take over what the event says of our positions."""
        if isinstance(event, Outside):
            self._apply_outside(self.open[event.episode], event, book)
        elif isinstance(event, Fill):
            self._apply_fill(self.open[event.episode], event, book)
        elif isinstance(event, Rejected):
            self._apply_rejection(self.open[event.episode], event)
        elif isinstance(event, Delivery):
            for episode in [e for e in self.open.values() if e.open and e.expiry_ns == event.expiry_ns]:
                self._deliver(episode, event, book)

    def cancel(self, episode: Episode, order: Order, reason: str) -> None:
        """Forget an entry that was decided but not sent."""
        del episode.pending[order.order_id]
        del self.open[episode.number]
        episode.close_reason = reason

    def _apply_rejection(self, episode: Episode, event: Rejected) -> None:
        orders = episode.orders_with(event.order_id)
        order = orders.pop(event.order_id)
        if orders is not episode.pending:  # cancelled, or it would have crossed: the next look builds another
            return
        self.missing_quotes += 1
        if order.purpose is Purpose.ENTRY and not episode.open:  # else it holds what was filled before
            del self.open[episode.number]
            episode.close_reason = event.reason

    def _apply_fill(self, episode: Episode, fill: Fill, book: Book) -> None:
        episode.add(fill)
        orders = episode.orders_with(fill.order_id)
        order = orders[fill.order_id]
        if fill.last:
            del orders[fill.order_id]
        else:  # what is still on its way
            orders[fill.order_id] = order.without(fill.instrument, fill.amount)
        ledger, ts = episode.ledger, fill.ts_ns
        ledger.rate = book.index
        if isinstance(fill.instrument, Option):
            self._fill_option(episode, fill, order.purpose)
        else:
            self.settle_funding(episode, book)
            realised = episode.hedge.trade(fill.amount, fill.price)
            ledger.post(ts, Account.CASH, Account.HEDGE_PNL, realised, "hedge", fill.instrument)
            episode.hedges += order.purpose is Purpose.HEDGE
            excess = sum(leg.excess for leg in order.legs)
            episode._hedged.append((fill.ts_ns, fill.amount, fill.price, fill.mark, fill.fee, excess))
        ledger.post(ts, Account.FEES, Account.CASH, fill.fee, "fee", fill.instrument)
        if fill.last and order.purpose is Purpose.EXIT and episode.is_flat:
            self._close_options(episode, ts, "exit")

    def _apply_outside(self, episode: Episode, event: Outside, book: Book) -> None:
        """Book a trade that nobody here ordered; the account holds what it holds."""
        episode.pending[event.order_id] = Order(event.order_id, event.episode, Purpose.OUTSIDE, ())
        self._apply_fill(episode, event, book)
        for option in [
            o for o, amount in episode.legs.items() if abs(amount) < DUST and len(episode.legs) > 1
        ]:
            del episode.legs[option]
        if episode.open and episode.is_flat:
            self._close_options(episode, event.ts_ns, LIQUIDATED if event.liquidation else CLOSED_OUTSIDE)

    def positions(self) -> dict[Instrument, float]:
        """Sum up what all open episodes hold, options and hedges, in the exchange's unit."""
        held: dict[Instrument, float] = {}
        for episode in self.open.values():
            hedge = episode.hedge
            for instrument, amount in (*episode.legs.items(), (hedge.instrument, hedge.amount)):
                held[instrument] = held.get(instrument, 0.0) + amount
        return {instrument: amount for instrument, amount in held.items() if amount}

    def shares(self, instrument: Instrument, amount: float) -> list[tuple[int, float]]:
        """Split a trade that nobody here ordered among the open episodes that hold its instrument.

        What reduces a position goes to whoever holds it, in turn; the rest to the first.

        Returns
        -------
        list of (int, float)
            Numbers of episodes and their signed parts; empty if none holds the instrument.
        """
        held = [(e.number, e.legs[instrument]) for e in self.open.values() if instrument in e.legs]
        held += [
            (e.number, e.hedge.amount)
            for e in self.open.values()
            if e.hedge.instrument == instrument and (e.open or e.hedge.amount)
        ]
        if not held:
            return []
        left, parts = amount, {}
        for number, size in held:
            if size * left < 0:
                parts[number] = math.copysign(min(abs(size), abs(left)), left)
                left -= parts[number]
        if abs(left) > DUST:
            first = held[0][0]
            parts[first] = parts.get(first, 0.0) + left
        return list(parts.items())

    def _fill_option(self, episode: Episode, fill: Fill, purpose: Purpose) -> None:
        option, paid = fill.instrument, fill.amount * fill.price
        assert isinstance(option, Option)
        if self.financed_in_usd and purpose is Purpose.ENTRY and paid > 0:
            episode.ledger.post(fill.ts_ns, Account.CASH, Account.CAPITAL, paid, "premium financed in USD")
        episode.ledger.post(fill.ts_ns, Account.OPTIONS, Account.CASH, paid, "trade", option)
        episode.legs[option] = episode.legs.get(option, 0.0) + fill.amount
        if purpose is Purpose.EXIT and abs(episode.legs[option]) < DUST and len(episode.legs) > 1:
            del episode.legs[option]
        if purpose is Purpose.ENTRY:
            episode.premium += paid
            episode.entry_ns = episode.entry_ns or fill.ts_ns
            episode.entered[option] = episode.entered.get(option, 0.0) + fill.amount

    def _deliver(self, episode: Episode, event: Delivery, book: Book) -> None:
        ledger = episode.ledger
        ledger.rate = book.index
        for option, amount in episode.legs.items():
            payoff = payoff_coin if option.settlement is Settlement.INVERSE else payoff_usd
            value = payoff(option, event.price)
            ledger.post(event.ts_ns, Account.CASH, Account.OPTIONS, amount * value, "delivery", option)
            if self.fees is not None:
                rates = self.fees.at(event.ts_ns)
                fee = float(delivery_fee(rates, option, amount, event.price, value))
                self._charge_delivery(episode, event, option, fee)
        episode.delivery_price = event.price
        self._close_options(episode, event.ts_ns, "delivery")
        hedge = episode.hedge
        if (
            type(hedge.instrument) is Future
            and hedge.amount
            and hedge.instrument.expiry_ns == event.expiry_ns
        ):
            self._deliver_future(episode, event)

    def _deliver_future(self, episode: Episode, event: Delivery) -> None:
        hedge, ledger = episode.hedge, episode.ledger
        amount = hedge.amount
        realised = hedge.trade(-amount, event.price)
        ledger.post(event.ts_ns, Account.CASH, Account.HEDGE_PNL, realised, "delivery", hedge.instrument)
        if self.fees is not None:
            rates = self.fees.at(event.ts_ns)
            fee = float(delivery_fee(rates, hedge.instrument, amount, event.price))
            self._charge_delivery(episode, event, hedge.instrument, fee)

    def _charge_delivery(self, episode: Episode, event: Delivery, what: Instrument, fee: float) -> None:
        episode.ledger.post(event.ts_ns, Account.FEES, Account.CASH, fee, "delivery fee", what)
        episode.delivery_fees += fee

    def _close_options(self, episode: Episode, ts_ns: int, reason: str) -> None:
        episode.ledger.mark(ts_ns, Account.OPTIONS, Account.OPTION_PNL, 0.0, "options closed")
        episode.legs.clear()
        episode.close_ns, episode.close_reason = ts_ns, reason

    def settle_funding(self, episode: Episode, book: Book) -> None:
        """Pay the funding accrued so far and move the reading of the accumulator up."""
        owed = episode.hedge.accrued(book.interest)
        episode.ledger.post(book.ts_ns, Account.FUNDING, Account.CASH, owed, "funding")
        episode.hedge.interest = book.interest

    def true_up(self, episode: Episode, ts_ns: int, owed: float) -> None:
        """Pay what a closed episode owes beside the funding that was known when it traded."""
        episode.ledger.post(ts_ns, Account.FUNDING, Account.CASH, owed, "funding at final rates")
        episode.ledger.revalue(ts_ns, episode.ledger.rate)

    def hand_over(self, source: Episode, heir: Episode, book: Book) -> None:
        """Move a hedge to another episode at the mark, as a roll does: nothing is traded."""
        price, amount = book.future_price(source.hedge.instrument), source.hedge.amount
        if source.hedge.instrument != heir.hedge.instrument:
            raise LedgerError(f"cannot hand {source.hedge.instrument.name} to {heir.hedge.instrument.name}")
        for episode, signed in ((source, -amount), (heir, amount)):
            order_id = f"{episode.number}-transfer-{book.ts_ns}"
            fill = Fill(
                book.ts_ns, order_id, episode.number, episode.hedge.instrument, signed, price, price, 0.0
            )
            episode.pending[order_id] = Order(order_id, episode.number, Purpose.UNWIND, ())
            self._apply_fill(episode, fill, book)

    def finish(self, episode: Episode, book: Book) -> None:
        """Take a closed episode off the list of open ones, its cash at the rate of the moment."""
        episode.ledger.revalue(book.ts_ns, book.index)
        episode.end_ns = book.ts_ns
        del self.open[episode.number]

    def mark(self, episode: Episode, book: Book, values: dict[Option, float]) -> None:
        """Carry an open episode at marks (``values`` per coin of notional)."""
        ledger, ts = episode.ledger, book.ts_ns
        ledger.revalue(ts, book.index)
        self.settle_funding(episode, book)
        value = sum(amount * values[option] for option, amount in episode.legs.items())
        ledger.mark(ts, Account.OPTIONS, Account.OPTION_PNL, value, "options at mark")
        unrealised = episode.hedge.unrealised(book.future_price(episode.hedge.instrument))
        ledger.mark(ts, Account.HEDGE, Account.HEDGE_PNL, unrealised, "hedge at mark")
