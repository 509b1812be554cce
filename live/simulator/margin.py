"""Segregated standard margin, per instrument, and of an account with its open orders.

The formulas are the exchange's of before August 2026; its newer model for futures is not
public in figures.
"""

from __future__ import annotations

from dataclasses import dataclass

from gammacore.contracts import Option

from .catalog import Listing
from .pricing import Mark

__all__ = ["Rates", "future_rates", "initial_and_maintenance", "option_margin"]


@dataclass(frozen=True, slots=True)
class Rates:
    """Margin of a future as a fraction of its size: a base, and more per coin of size."""

    initial: float
    maintenance: float
    slope: float


BY_COIN = {"BTC": Rates(0.02, 0.01, 0.00005), "ETH": Rates(0.02, 0.01, 0.000004)}


def future_rates(base: str, coins: float) -> tuple[float, float]:
    """Give initial and maintenance margin of a future position of that many coins, as fractions."""
    rates = BY_COIN.get(base, BY_COIN["BTC"])
    extra = rates.slope * abs(coins)
    return rates.initial + extra, rates.maintenance + extra


def option_margin(kind: int, strike: float, forward: float, mark: float) -> tuple[float, float]:
    """Give initial and maintenance margin of one short option, in coin per coin.

    Parameters
    ----------
    kind : int
        +1 call, -1 put.
    strike, forward : float
        USD.
    mark : float
        Mark price in coin.

    Returns
    -------
    tuple of float

    Examples
    --------
    >>> option_margin(1, 110_000.0, 100_000.0, 0.01)
    (0.11, 0.085)
    """
    out_of_money = max(kind * (strike - forward), 0.0)
    initial = max(0.15 - out_of_money / forward, 0.10) + mark
    if kind > 0:
        return initial, 0.075 + mark
    maintenance = max(0.075, 0.075 * mark) + mark
    return max(initial, maintenance), maintenance


def initial_and_maintenance(listing: Listing, size: float, mark: Mark) -> tuple[float, float]:
    """Give the margin of a signed size of an instrument, in its settlement currency."""
    option = listing.instrument
    if isinstance(option, Option):
        if size >= 0:
            return 0.0, 0.0
        unit = 1.0 if listing.coin_settled else mark.forward
        initial, maintenance = option_margin(option.kind, option.strike, mark.forward, mark.price / unit)
        return -size * unit * initial, -size * unit * maintenance
    coins = size / mark.price if listing.inverse else size
    initial, maintenance = future_rates(listing.base, coins)
    notional = abs(coins) if listing.inverse else abs(coins) * mark.price
    return initial * notional, maintenance * notional
