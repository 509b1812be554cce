"""What margin is asked for: positions of one settlement currency at their marks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.contracts import Instrument, Option, Perpetual, Settlement
from gammacore.daycount import NS_PER_YEAR, format_time
from gammacore.errors import ContractError

__all__ = ["Book", "Holding", "Margin", "lines_of"]


class Margin(NamedTuple):
    """Initial and maintenance margin, settlement currency, not negative; NaN where a mark is missing."""

    initial: float
    maintenance: float


class Holding(NamedTuple):
    """One position at its mark.

    Attributes
    ----------
    instrument : Option, Future or Perpetual
    size : float
        Signed: coins; USD for an inverse future or perpetual.
    price : float
        Mark: coin for an inverse option, else USD; NaN where there is none.
    forward : float
        Price of an option's underlying, USD; unused for futures.
    vol : float
        Mark volatility of an option (decimal a year); unused for futures, and by standard margin.
    """

    instrument: Instrument
    size: float
    price: float
    forward: float = math.nan
    vol: float = math.nan


class Book(msgspec.Struct, frozen=True):
    """Positions that share a settlement currency and a coin.

    Attributes
    ----------
    ts_ns : int
    index : float
        USD per coin.
    holdings : tuple of Holding

    Raises
    ------
    ContractError
        If settlement currencies or coins differ, a position is listed twice, an option has expired, or a
        size or a price is one that cannot be.
    """

    ts_ns: int
    index: float
    holdings: tuple[Holding, ...] = ()

    def __post_init__(self) -> None:
        _check_positive("index", self.index)
        seen: set[Instrument] = set()
        for held in self.holdings:
            _check(held, self.ts_ns)
            if held.instrument in seen:
                raise ContractError(f"{held.instrument.name} is in the book twice: add its sizes up")
            seen.add(held.instrument)
        families = {(held.instrument.base, held.instrument.settlement) for held in self.holdings}
        if len(families) > 1:
            names = sorted({held.instrument.family for held in self.holdings})
            raise ContractError(
                f"a book has one coin and one settlement currency, got {', '.join(names)}: split it"
            )

    @property
    def inverse(self) -> bool:
        """Whether it settles in coin; an empty book does."""
        return not self.holdings or self.holdings[0].instrument.settlement is Settlement.INVERSE

    @property
    def base(self) -> str:
        """Its coin, empty for an empty book."""
        return self.holdings[0].instrument.base if self.holdings else ""

    def without(self, instrument: Instrument) -> Book:
        """Take one position away."""
        left = tuple(held for held in self.holdings if held.instrument != instrument)
        return Book(self.ts_ns, self.index, left)

    def with_size(self, instrument: Instrument, size: float) -> Book:
        """Give a position that is held another size; with none it is gone."""
        held = (
            h._replace(size=size) if h.instrument == instrument else h
            for h in self.holdings
            if size or h.instrument != instrument
        )
        return Book(self.ts_ns, self.index, tuple(held))


def _check(held: Holding, ts_ns: int) -> None:
    name, option = held.instrument.name, isinstance(held.instrument, Option)
    if not math.isfinite(held.size):
        raise ContractError(f"size of {name}: expected a finite number, got {held.size:g}")
    if (option and held.price < 0) or math.isinf(held.price):
        raise ContractError(f"price of {name}: must not be negative or infinite, got {held.price:g}")
    if not option:
        _check_positive(f"price of {name}", held.price)
    else:
        _check_positive(f"forward of {name}", held.forward)
        if held.vol < 0 or math.isinf(held.vol):
            raise ContractError(f"vol of {name}: must not be negative or infinite, got {held.vol:g}")
    if not isinstance(held.instrument, Perpetual) and held.instrument.expiry_ns < ts_ns:
        raise ContractError(f"{name} has expired by {format_time(ts_ns)}: take it out of the book")


def _check_positive(name: str, value: float) -> None:
    """NaN is a mark that is missing, and passes."""
    if value <= 0 or math.isinf(value):
        raise ContractError(f"{name}: expected a positive number of USD, got {value:g}")


def lines_of(ts_ns: int, holdings: Iterable[Holding]) -> tuple[Floats, Ints, Floats]:
    """Return what the compiled core takes of positions.

    Returns
    -------
    lines : array, shape (n, 5)
        Kind (+1, -1, 0 for futures), strike (USD), life (years), volatility, price of the underlying (USD).
    groups : array of int64, shape (n,)
        Number of the expiry, from 0; the perpetual is one of its own.
    sizes : array, shape (n,)
        Coins.
    """
    rows, expiries, sizes = [], [], []
    for instrument, size, price, forward, vol in holdings:
        life = 0 if isinstance(instrument, Perpetual) else instrument.expiry_ns - ts_ns
        tau = life / NS_PER_YEAR
        if isinstance(instrument, Option):
            rows.append((float(instrument.kind), instrument.strike, tau, vol, forward))
            sizes.append(size)
        else:
            rows.append((0.0, 1.0, tau, 0.0, price))
            sizes.append(size / price if instrument.settlement is Settlement.INVERSE else size)
        expiries.append(-1 if isinstance(instrument, Perpetual) else instrument.expiry_ns)
    groups = np.unique(np.array(expiries, np.int64), return_inverse=True)[1]
    return np.array(rows, np.float64).reshape(-1, 5), groups.astype(np.int64), np.array(sizes, np.float64)
