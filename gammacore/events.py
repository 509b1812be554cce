"""Facts that reach the desk: market data, fills, deliveries, the passing of time.

Every event carries ``ts_ns``, nanoseconds since 1970-01-01 UTC; silence is a :class:`Timer`.
Events are frozen: state changes only in the book and the portfolio that apply them. Their tags let a
journal read them back.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from gammacore import _core
from gammacore.array_types import Floats, Ints
from gammacore.contracts import Future, Option, Perpetual, Settlement

__all__ = [
    "ChainSlice",
    "Delivery",
    "Event",
    "Fill",
    "Flatten",
    "IndexPrice",
    "Outside",
    "Rejected",
    "Snapshot",
    "Ticker",
    "Timer",
]


class ChainSlice(msgspec.Struct, frozen=True, eq=False):
    """One option chain as it was quoted at one moment; row i of every array is one option.

    Prices are per coin of notional in the contract's own currency: coin for
    inverse options, USD for linear ones. NaN means that there was no quote. ``slope`` is the
    change of a strike's ``iv`` with the logarithm of its forward, where it was estimated;
    ``bid_size`` and ``ask_size`` are coins quoted, NaN where unknown.
    """

    base: str
    settlement: Settlement
    index: float
    forwards: dict[int, float]  # expiry_ns -> forward, USD
    expiry_ns: Ints
    strike: Floats
    kind: npt.NDArray[np.int8]
    bid: Floats
    ask: Floats
    mark: Floats
    iv: Floats
    slope: Floats | None = None
    bid_size: Floats | None = None
    ask_size: Floats | None = None

    def option(self, row: int) -> Option:
        """Contract of a row."""
        return Option(
            self.base,
            self.settlement,
            int(self.expiry_ns[row]),
            float(self.strike[row]),
            int(self.kind[row]),
        )

    def find(self, option: Option) -> int | None:
        """Row of a contract, None when the chain does not list it."""
        wanted = option.expiry_ns, option.strike, option.kind
        row = _core.row_of(self.expiry_ns, self.strike, self.kind, *wanted)
        return None if row < 0 else row


class Snapshot(msgspec.Struct, frozen=True, eq=False, tag=True):
    """A whole option chain was published; interest, estimate and fixed are as in :class:`IndexPrice`.

    ``dvol`` is the exchange's volatility index as last published (decimal) and ``dvol_rank`` the share of its
    window that was lower, ``equity`` the account's as the exchange says it (settlement currency), all NaN
    where unknown; without ``entries`` nothing is entered or rolled on this chain.
    """

    ts_ns: int
    chain: ChainSlice
    interest: float = 0.0
    estimate: float = math.nan
    fixed: float = math.nan
    dvol: float = math.nan
    dvol_rank: float = math.nan
    entries: bool = True
    equity: float = math.nan


class IndexPrice(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The underlying traded: one bar's close or one tick.

    ``interest`` is the running sum of funding that one unit of a long
    perpetual has paid since the start (coin per USD of an inverse contract,
    USD per coin of a linear one), so that funding over any stretch of time
    is a difference of two readings, as with the exchange's own accumulator.
    ``estimate`` is an estimate of volatility from the prices so far, NaN where there is none.
    ``fixed`` is the average of the index over the part of a settlement window that has passed, NaN outside.
    """

    ts_ns: int
    price: float
    interest: float = 0.0
    estimate: float = math.nan
    fixed: float = math.nan


class Ticker(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Mark volatility of one option, with the forward and index it was computed from."""

    ts_ns: int
    option: Option
    forward: float
    index: float
    iv: float


class Fill(msgspec.Struct, frozen=True, gc=False, tag=True):
    """One leg of an order was executed.

    ``amount`` is signed and counted as the exchange counts it (coin for options
    and linear contracts, USD for inverse futures); ``price`` and ``mark`` are in
    the contract's quote, ``fee`` is positive when paid, in the settlement currency.
    A ``maker`` was filled while it rested in the book.
    """

    ts_ns: int
    order_id: str
    episode: int
    instrument: Option | Future | Perpetual
    amount: float
    price: float
    mark: float
    fee: float
    last: bool = True
    maker: bool = False


class Outside(Fill, frozen=True, gc=False, tag=True):
    """A change of the account's positions that the desk did not order, in what the episode holds.

    By hand, transferred, there before, or forced: ``liquidation``. The number of an episode that there is not
    yet adopts the position: see :meth:`gammacore.portfolio.Portfolio.adopter`.
    """

    liquidation: bool = False


class Rejected(msgspec.Struct, frozen=True, gc=False, tag=True):
    """An order was not executed, with the reason; nothing of it remains."""

    ts_ns: int
    order_id: str
    episode: int
    reason: str


class Delivery(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Everything that expires at ``expiry_ns`` settles at ``price`` (USD).

    Where no other event has the price of the underlying at that moment, ``spot`` is an estimate
    from its neighbours in time: hedges of what is delivered are closed at it, nothing else is decided.
    """

    ts_ns: int
    expiry_ns: int
    price: float
    spot: float | None = None

    @property
    def estimated(self) -> bool:
        """Whether the price of the underlying is an estimate that later prices went into."""
        return self.spot is not None


class Timer(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Time passed without other news."""

    ts_ns: int


class Flatten(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Somebody wants everything closed, and nothing entered from now on."""

    ts_ns: int


Event = Snapshot | IndexPrice | Ticker | Fill | Outside | Rejected | Delivery | Timer | Flatten
