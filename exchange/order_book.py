"""Orders and their queue: price-time priority on integer prices and amounts."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from .catalog import ListedContract

__all__ = ["BUY", "SELL", "ExchangeOrder", "OrderBook"]

BUY, SELL = 1, -1


@dataclass(slots=True, eq=False)
class ExchangeOrder:
    """One order.

    Attributes
    ----------
    order_id : str
    account : int
        User id.
    listing : ListedContract
    side : int
        +1 buy, -1 sell.
    lots : int
        Total amount, filled or not.
    price : int
        Limit, in the finest ticks of the instrument.
    filled : int
        Lots filled.
    value : float
        Sum of lots times price of the fills.
    connection : int, optional
        Connection it came over.
    resting : bool
        Whether it is in the book.
    legs : tuple of ExchangeOrder
        Of a combo's order that was filled: orders under which its legs were traded.
    """

    order_id: str
    account: int
    listing: ListedContract
    side: int
    lots: int
    price: int
    order_type: str = "limit"
    time_in_force: str = "good_til_cancelled"
    label: str = ""
    post_only: bool = False
    reject_post_only: bool = False
    reduce_only: bool = False
    state: str = "open"
    filled: int = 0
    value: float = 0.0
    created_ns: int = 0
    updated_ns: int = 0
    connection: int | None = None
    trigger: str | None = None
    trigger_price: float = 0.0
    stop_id: str | None = None
    triggered: bool = False
    replaced: bool = False
    cancel_reason: str | None = None
    resting: bool = False
    is_liquidation: bool = False
    legs: tuple[ExchangeOrder, ...] = ()

    @property
    def left(self) -> int:
        """Lots not filled."""
        return self.lots - self.filled

    @property
    def live(self) -> bool:
        """Whether it can still do something."""
        return self.state in ("open", "untriggered", "speed_bumped")


class OrderBook:
    """Resting orders of one instrument."""

    def __init__(self) -> None:
        self._queues: dict[int, dict[int, deque[ExchangeOrder]]] = {BUY: {}, SELL: {}}
        self._prices: dict[int, list[int]] = {BUY: [], SELL: []}

    def best(self, side: int) -> int | None:
        """Best price of a side in ticks, or None."""
        prices = self._prices[side]
        if not prices:
            return None
        return prices[-1] if side == BUY else prices[0]

    def first(self, side: int) -> ExchangeOrder:
        """First order in the queue at the best price."""
        best = self.best(side)
        assert best is not None
        return self._queues[side][best][0]

    def add(self, order: ExchangeOrder) -> None:
        """Put an order at the end of the queue of its price."""
        queues = self._queues[order.side]
        if order.price not in queues:
            queues[order.price] = deque()
            insort(self._prices[order.side], order.price)
        queues[order.price].append(order)
        order.resting = True

    def remove(self, order: ExchangeOrder) -> None:
        """Take an order out."""
        queue = self._queues[order.side][order.price]
        queue.remove(order)
        order.resting = False
        if not queue:
            del self._queues[order.side][order.price]
            prices = self._prices[order.side]
            del prices[bisect_left(prices, order.price)]

    def levels(self, side: int, depth: int | None = None) -> list[tuple[int, int]]:
        """Prices and lots, best first."""
        prices, queues = self._prices[side], self._queues[side]
        ordered = prices[::-1] if side == BUY else prices
        return [(price, sum(order.left for order in queues[price])) for price in ordered[:depth]]

    def orders(self, side: int) -> Iterator[ExchangeOrder]:
        """Resting orders of a side, best first, oldest first."""
        prices = self._prices[side]
        for price in prices[::-1] if side == BUY else prices:
            yield from self._queues[side][price]
