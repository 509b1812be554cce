"""Standard margin: instrument by instrument, segregated, without open orders.

Amounts are in the settlement currency: coin for inverse contracts, USDC for linear ones. Sources: the
exchange's pages as third parties kept them, for options; its notice of 2022-01-11 for futures. Not confirmed:
that linear options take the same percentages, here of their forward. The model for futures of August 2026 is
not public in figures, so the rates before it are carried on.
"""

from __future__ import annotations

import msgspec
import numpy as np

from gammacore.array_types import Floats
from gammacore.contracts import Instrument, Option, Settlement

from .book import Book, Margin

__all__ = [
    "FutureRates",
    "MarginRates",
    "future_margins",
    "future_rates",
    "option_margin",
    "option_margins",
    "position_margin",
    "standard_margin",
]


class FutureRates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Margin of a future as a fraction of its size: a base, and ``slope`` more per coin of size.

    ``liquidation`` is the fee of a forced trade, as a fraction of its size.
    """

    initial: float
    maintenance: float
    slope: float
    liquidation: float = 0.0075


class MarginRates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates in force at one time.

    Attributes
    ----------
    option_initial, option_least : float
        Initial margin of a short option at the money, and what moneyness leaves of it at least.
    option_maintenance : float
        Of a short option; for a put also a share of its mark, if that is more.
    futures : dict of str to FutureRates
        Perpetuals and dated futures by coin.
    other : FutureRates
        Of coins that ``futures`` does not name.
    """

    option_initial: float = 0.15
    option_least: float = 0.10
    option_maintenance: float = 0.075
    futures: dict[str, FutureRates] = {}
    other: FutureRates = FutureRates(0.02, 0.01, 0.00005)


def future_rates(rates: MarginRates, base: str, coins: float) -> Margin:
    """Margin of a future or perpetual as fractions of its size.

    Parameters
    ----------
    rates : MarginRates
    base : str
        Such as ``BTC``.
    coins : float
        Size of the position; the sign does not matter.

    Returns
    -------
    Margin

    Examples
    --------
    >>> future_rates(MarginRates(), "BTC", 100.0)
    Margin(initial=0.025, maintenance=0.015)
    """
    found = rates.futures.get(base, rates.other)
    extra = found.slope * abs(coins)
    return Margin(found.initial + extra, found.maintenance + extra)


def option_margin(rates: MarginRates, kind: int, strike: float, forward: float, mark: float) -> Margin:
    """Margin of one short option, in coin per coin of notional.

    Parameters
    ----------
    rates : MarginRates
    kind : int
        +1 call, -1 put.
    strike, forward : float
        USD.
    mark : float
        Mark price in coin, not negative.

    Returns
    -------
    Margin
        With ``otm = max(0, kind (strike - forward))``: initial
        ``max(0.15 - otm / forward, 0.10) + mark``, maintenance ``0.075 + mark``; of a put
        maintenance ``max(0.075, 0.075 mark) + mark``, and initial not less than that.

    Examples
    --------
    >>> option_margin(MarginRates(), 1, 110_000.0, 100_000.0, 0.03)
    Margin(initial=0.13, maintenance=0.105)
    """
    out_of_money = max(kind * (strike - forward), 0.0)
    initial = max(rates.option_initial - out_of_money / forward, rates.option_least) + mark
    if kind > 0:
        return Margin(initial, rates.option_maintenance + mark)
    maintenance = rates.option_maintenance * max(1.0, mark) + mark
    return Margin(max(initial, maintenance), maintenance)


def option_margins(
    rates: MarginRates, kind: int, strike: Floats | float, forward: Floats, mark: Floats
) -> tuple[Floats, Floats]:
    """Return initial and maintenance margin of short options, as :func:`option_margin` but of arrays."""
    out_of_money = np.maximum(kind * (strike - forward), 0.0)
    initial = np.maximum(rates.option_initial - out_of_money / forward, rates.option_least) + mark
    if kind > 0:
        return initial, rates.option_maintenance + mark
    maintenance = rates.option_maintenance * np.maximum(1.0, mark) + mark
    return np.maximum(initial, maintenance), maintenance


def future_margins(rates: MarginRates, base: str, coins: Floats) -> tuple[Floats, Floats]:
    """Return initial and maintenance margin of futures, as fractions of their size, of arrays."""
    found = rates.futures.get(base, rates.other)
    extra = found.slope * np.abs(coins)
    return found.initial + extra, found.maintenance + extra


def position_margin(
    rates: MarginRates, instrument: Instrument, size: float, price: float, forward: float
) -> Margin:
    """Margin of a position, in its settlement currency.

    Parameters
    ----------
    rates : MarginRates
    instrument : Option, Future or Perpetual
    size : float
        Signed: coins, USD for an inverse future. A long option needs none beyond its premium.
    price : float
        Mark: coin for an inverse option, else USD.
    forward : float
        Price of the option's underlying, USD; unused for futures.

    Returns
    -------
    Margin
    """
    inverse = instrument.settlement is Settlement.INVERSE
    if isinstance(instrument, Option):
        if size >= 0:
            return Margin(0.0, 0.0)
        unit = 1.0 if inverse else forward
        each = option_margin(rates, instrument.kind, instrument.strike, forward, price / unit)
        return Margin(-size * unit * each.initial, -size * unit * each.maintenance)
    coins = abs(size) / price if inverse else abs(size)
    share = future_rates(rates, instrument.base, coins)
    notional = coins if inverse else coins * price
    return Margin(notional * share.initial, notional * share.maintenance)


def standard_margin(book: Book, rates: MarginRates) -> Margin:
    """Return the margin of a book: the sum over its positions, nothing is netted between instruments.

    Parameters
    ----------
    book : Book
    rates : MarginRates

    Returns
    -------
    Margin
        NaN where a mark is missing.
    """
    each = [position_margin(rates, h.instrument, h.size, h.price, h.forward) for h in book.holdings]
    return Margin(sum(m.initial for m in each), sum(m.maintenance for m in each))
