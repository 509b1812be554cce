"""Executions: what was traded, by whom, and what a call has changed."""

from __future__ import annotations

from dataclasses import dataclass, field

from .catalog import ListedContract
from .order_book import ExchangeOrder

__all__ = ["Side", "Touched", "Trade", "tick_direction"]


@dataclass(slots=True, eq=False)
class Side:
    """One party of a trade; of a combo's trade fee and profit are with its legs."""

    order: ExchangeOrder
    maker: bool
    state: str
    fee: int = 0
    profit: int | None = None
    position: int = 0
    closed: int = 0
    balance: int = 0


@dataclass(slots=True, eq=False)
class Trade:
    """One execution.

    Attributes
    ----------
    sides : tuple of Side
        The taker's and the maker's; none before the start.
    exact : float, optional
        Price of a leg that is finer than its contract's ticks.
    combo : Trade, optional
        Trade of the combo that it was a leg of.
    legs : tuple of Trade
        Trades of a combo's legs, in the order of the legs.
    """

    number: int
    seq: int
    listing: ListedContract
    ts_ns: int
    price: int
    lots: int
    side: int
    tick_direction: int
    mark: float
    index: float
    iv: float
    forward: float = 0.0
    sides: tuple[Side, ...] = ()
    exact: float | None = None
    combo: Trade | None = None
    legs: tuple[Trade, ...] = ()

    @property
    def paid(self) -> float:
        """Price."""
        return self.listing.price(self.price) if self.exact is None else self.exact


@dataclass(slots=True)
class Touched:
    """What changed since the world was last told."""

    books: set[str] = field(default_factory=set)
    trades: list[Trade] = field(default_factory=list)
    orders: list[ExchangeOrder] = field(default_factory=list)
    moved: list[tuple[int, ListedContract]] = field(default_factory=list)  # positions, without a trade


def tick_direction(last: Trade | None, price: int) -> int:
    """0 up, 1 level after up, 2 down, 3 level after down."""
    if last is None or price > last.price:
        return 0
    if price < last.price:
        return 2
    return 1 if last.tick_direction in (0, 1) else 3
