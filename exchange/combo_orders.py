"""Orders of combos as orders of their legs: what a fill trades, and what margin an open one needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from .combos import ListedCombo, leg_lots, leg_prices
from .mark_prices import MarkPrices
from .order_book import ExchangeOrder

__all__ = ["by_legs", "leg_orders"]


def leg_orders(order: ExchangeOrder, combo: ListedCombo, lots: int) -> list[ExchangeOrder]:
    """Orders of the legs for lots of a combo's order; they rest nowhere and have no price yet."""
    return [
        ExchangeOrder(
            order_id="",
            account=order.account,
            listing=leg,
            side=order.side if ratio > 0 else -order.side,
            lots=leg_lots(combo, lots, leg, ratio),
            price=0,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            label=order.label,
            post_only=order.post_only,
        )
        for leg, ratio in combo.legs
    ]


def by_legs(orders: Iterable[ExchangeOrder], pricing: MarkPrices) -> Iterator[ExchangeOrder]:
    """Replace orders of combos by orders of their legs, at the prices that a fill would have."""
    for order in orders:
        combo = order.listing
        if not isinstance(combo, ListedCombo):
            yield order
        elif combo.state == "open":
            marks = [pricing.mark(leg).price for leg, _ in combo.legs]
            prices = leg_prices(combo, order.price, marks)
            for leg, price in zip(leg_orders(order, combo, order.left), prices, strict=True):
                leg.price = round(price / Fraction(*leg.listing.tick))
                yield leg
