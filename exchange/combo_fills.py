"""Fills of combos: one trade of the combo, which moves nothing, and one of each leg, which does."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

from gammacore.fees import combo_shares

from .catalog import ListedContract
from .combo_orders import leg_orders
from .combos import ListedCombo, leg_lots, leg_prices
from .mark_prices import MarkPrices
from .order_book import ExchangeOrder
from .trades import Side, Trade

__all__ = ["fill_legs"]


class Bookkeeper(Protocol):
    """What fills need of the matching engine."""

    pricing: MarkPrices

    def new_id(self, listing: ListedContract) -> str:
        """Order id as the exchange forms them."""

    def owed(self, order: ExchangeOrder, price: float, lots: int, now_ns: int, *, maker: bool) -> int:
        """Fee of one side of a trade in units."""

    def book_sides(
        self, orders: Sequence[ExchangeOrder], lots: int, price: float, fees: Sequence[int]
    ) -> list[Side]:
        """Book a trade into the accounts of its taker and its maker."""

    def record(self, listing: ListedContract, price: int, lots: int, sides: list[Side], now_ns: int) -> Trade:
        """Add a trade to those of its instrument and of all, under the next numbers."""


def fill_legs(engine: Bookkeeper, whole: Trade, combo: ListedCombo, now_ns: int) -> None:
    """Trade the legs of a combo's trade between the same two accounts.

    Parameters
    ----------
    engine : Bookkeeper
    whole : Trade
        Of the combo, just recorded.
    combo : ListedCombo
    now_ns : int
    """
    prices = leg_prices(combo, whole.price, [engine.pricing.mark(leg).price for leg, _ in combo.legs])
    counts = [leg_lots(combo, whole.lots, leg, ratio) for leg, ratio in combo.legs]
    orders, fees = [], []
    for side in whole.sides:
        own = _orders(engine, side.order, combo)
        orders.append(own)
        fees.append(_fees(engine, own, prices, counts, now_ns, maker=side.maker))
    for k, (exact, count) in enumerate(zip(prices, counts, strict=True)):
        leg, paid = combo.legs[k][0], float(exact)
        sides = engine.book_sides([own[k] for own in orders], count, paid, [owed[k] for owed in fees])
        part = engine.record(leg, round(exact / Fraction(*leg.tick)), count, sides, now_ns)
        part.exact, part.combo = paid, whole
        whole.legs = (*whole.legs, part)


def _orders(engine: Bookkeeper, order: ExchangeOrder, combo: ListedCombo) -> Sequence[ExchangeOrder]:
    """Orders of the legs, the same ones for all fills of a combo's order."""
    if not order.legs:
        order.legs = tuple(leg_orders(order, combo, order.lots))
        for leg in order.legs:
            leg.order_id = engine.new_id(leg.listing)
    for leg in order.legs:
        leg.state = order.state
    return order.legs


def _fees(
    engine: Bookkeeper,
    orders: Sequence[ExchangeOrder],
    prices: Sequence[Fraction],
    counts: Sequence[int],
    now_ns: int,
    *,
    maker: bool,
) -> list[int]:
    """Fees of one party, the cheaper direction at its discount."""
    full = [
        engine.owed(order, float(price), count, now_ns, maker=maker)
        for order, price, count in zip(orders, prices, counts, strict=True)
    ]
    option = orders[0].listing.kind == "option"
    shares = combo_shares(now_ns, [order.side for order in orders], full, option=option, maker=maker)
    return [round(fee * share) for fee, share in zip(full, shares, strict=True)]
