"""One bet: the options of an entry, their hedge and their ledger.

Its state changes only by fills, deliveries and rejections; see :mod:`gammacore.portfolio`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from gammacore.array_types import Bools, Floats, Ints
from gammacore.contracts import Future, Option, Perpetual, Settlement, inverse_pnl, linear_pnl
from gammacore.errors import LedgerError
from gammacore.events import Fill
from gammacore.ledger import Account, Ledger, Posting
from gammacore.orders import Cancel, Command, Order, Purpose, order_id_of
from gammacore.tolerances import DUST, ROUNDING
from gammacore.valuation import Exposure

DELIVERED = "delivery"  # why options are gone that expired

__all__ = [
    "DELIVERED",
    "RESTED",
    "TOOK",
    "Booked",
    "Capital",
    "Episode",
    "HedgeFills",
    "HedgePosition",
    "MarketView",
    "Now",
    "Trades",
]


class MarketView(Protocol):
    """Prices to value an episode at: one moment (:class:`Market`) or an array of moments."""

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


class Now(Protocol):
    """What a ledger looks at when a trade is booked: the moment, USD per coin, the funding accumulator."""

    @property
    def ts_ns(self) -> int: ...  # noqa: D102
    @property
    def index(self) -> float: ...  # noqa: D102
    @property
    def interest(self) -> float: ...  # noqa: D102


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
    ``worked`` says of a hedge order whether it took (``TOOK``) or was filled at rest (``RESTED``); it is 0 of
    every other fill.
    """

    ts_ns: Ints
    amount: Floats
    price: Floats
    mark: Floats
    fee: Floats
    excess: Floats
    worked: Ints

    def of(self, which: Bools) -> HedgeFills:
        """Keep some of them."""
        return HedgeFills(
            self.ts_ns[which],
            self.amount[which],
            self.price[which],
            self.mark[which],
            self.fee[which],
            self.excess[which],
            self.worked[which],
        )


TOOK, RESTED = 1, 2
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
            self.rows[name] for name in ("amount", "price", "mark", "fee", "wanted")
        )
        return [self.ts_ns, amount, price, mark, fee, amount - wanted, TOOK + self.rows["maker"]]

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


class Capital(NamedTuple):
    """What was put in at a moment: settlement currency, and USD per coin then."""

    ts_ns: int
    amount: float
    rate: float


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
    expiries : tuple of int
        Of the options it was begun with, ascending.
    anchor_ns : int
        The expiry that its entry is counted by.
    adopted : bool
        Whether its options are the account holder's: they are hedged, and never traded.
    delivered : dict of expiry_ns to float
        Delivery prices, USD, of what it held at an expiry.
    put_in : list of Capital
        Of a book what financed its premiums, of its residual what episodes that ended left.
    stops : list of int
        Deliveries of others at which its hedge changed.
    delivery_fees : dict of expiry_ns to float
        Charged at deliveries, settlement currency.
    """

    def __init__(
        self,
        number: int,
        expiry_ns: int,
        hedge: HedgePosition,
        index: float,
        expiries: tuple[int, ...] | None = None,
    ) -> None:
        self.number = number
        self.anchor_ns = expiry_ns
        self.expiries = (expiry_ns,) if expiries is None else expiries
        self.hedge = hedge
        self.ledger = Ledger(hedge.instrument.settlement, index)
        self.legs: dict[Option, float] = {}
        self.entered: dict[Option, float] = {}
        self.pending: dict[str, Order] = {}
        self.resting: dict[str, Order] = {}
        self.cancelled: dict[str, Order] = {}
        self.orders_sent = 0
        self._fills: list[Fill | Trades] = []
        self._option_fills: list[Fill] = []
        self._hedged: list[tuple[float, ...] | Trades | HedgeFills] = []  # the rows of hedge_fills
        self.delivery_fees: dict[int, float] = {}
        self.put_in: list[Capital] = []
        self.stops: list[int] = []
        self.entry_ns = 0
        self.close_ns = 0  # options gone
        self.end_ns = 0  # hedge gone as well
        self.last_hedge_ns = 0
        self.last_hedge_price = math.nan
        self.hedged_vol: dict[Option, float] = {}
        self.premium = 0.0
        self.hedges = 0
        self.adopted = False
        self.delivered: dict[int, float] = {}
        self.close_reason = ""
        self.sized_by = "contracts"  # field of ``size`` that set the amounts
        self.exit_reason = ""  # rule of the last order to close
        self.heir: int | None = None  # episode that it is rolled into

    @property
    def expiry_ns(self) -> int:
        """The last of its expiries."""
        return self.expiries[-1] if self.expiries else self.anchor_ns

    @property
    def next_expiry_ns(self) -> int:
        """The first expiry of what it holds; before the entry, of what it is to hold."""
        if len(self.expiries) == 1:
            return self.expiries[0]
        return min((option.expiry_ns for option in self.legs), default=self.anchor_ns)

    def legs_by_expiry(self) -> Iterable[tuple[int, Mapping[Option, float]]]:
        """Held amounts of each expiry."""
        if len(self.expiries) == 1:
            return ((self.expiries[0], self.legs),)
        groups: dict[int, dict[Option, float]] = {}
        for option, amount in self.legs.items():
            groups.setdefault(option.expiry_ns, {})[option] = amount
        return groups.items()

    @property
    def delivery_price(self) -> float:
        """Price of the delivery that ended it, USD, NaN if none did."""
        return next(reversed(self.delivered.values())) if self.close_reason == DELIVERED else math.nan

    @property
    def open(self) -> bool:
        """Whether it holds options."""
        return bool(self.legs)

    @property
    def exited(self) -> bool:
        """Whether an order of the desk closed its options."""
        return bool(self.exit_reason) and self.close_reason == self.exit_reason

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
        if type(fill.instrument) is Option:
            self._option_fills.append(fill)

    def take(self, trades: Trades, booked: Booked, postings: int) -> None:
        """Keep many hedges at once, already filled and booked elsewhere."""
        self._fills.append(trades)
        self._hedged.append(trades)
        self.orders_sent += len(trades.rows)
        self.hedges += len(trades.rows)
        self.ledger.take(trades.entries(self.hedge.instrument), booked, postings, float(trades.rate[-1]))

    def _expand(self, trades: Trades) -> list[Fill]:
        names = ("maker", "amount", "price", "mark", "fee")
        columns = zip(trades.ts_ns.tolist(), *(trades.rows[name].tolist() for name in names), strict=True)
        return [
            Fill(
                ts,
                order_id_of(self.number, Purpose.HEDGE, trades.first_order + k),
                self.number,
                self.hedge.instrument,
                amount,
                price,
                mark,
                fee,
                maker=bool(maker),
            )
            for k, (ts, maker, amount, price, mark, fee) in enumerate(columns)
        ]

    def capital(self, first_rate: float) -> list[Capital]:
        """Return what was put into it: at its entry, at a rate that is given, what financed its premium."""
        amount = -self.ledger.native_balance(Account.CAPITAL)
        return self.put_in or ([Capital(self.entry_ns, amount, first_rate)] if amount else [])

    def option_fills(self) -> list[Fill]:
        """List the executions of options, in order."""
        return self._option_fills

    def hedge_fills(self) -> HedgeFills:
        """Collect the executions of the hedge, in order."""
        if not self._hedged:
            times, numbers = np.empty(0, np.int64), np.empty(0)
            return HedgeFills(times, numbers, numbers, numbers, numbers, numbers, times)
        first = self._hedged[0]
        if len(self._hedged) > 1 or not isinstance(first, HedgeFills):
            first = _collected(self._hedged)
            self._hedged = [first]  # what comes later is added to it
        return first

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


def _collected(parts: list[tuple[float, ...] | Trades | HedgeFills]) -> HedgeFills:
    """Join fills, which came one by one or many at once."""
    sizes = [1 if type(part) is tuple else len(part[0]) for part in parts]  # type: ignore[arg-type]
    kinds = np.int64, *[np.float64] * 5, np.int64
    joined, start = HedgeFills._make(np.empty(sum(sizes), kind) for kind in kinds), 0
    for part, size in zip(parts, sizes, strict=True):
        columns: Iterable[Any] = part.columns() if type(part) is Trades else part
        for column, values in zip(joined, columns, strict=True):
            column[start : start + size] = values
        start += size
    return joined
