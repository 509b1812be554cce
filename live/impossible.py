"""Trades that cannot be, whatever the exchange tells: a position made of them would be hedged.

The bounds are far outside of what happens, also in liquidations and blocks agreed upon elsewhere.
"""

from __future__ import annotations

import math

from gammacore.contracts import Option, Settlement
from gammacore.deribit.news import TradeNews
from gammacore.execution.quotes import Tradable
from gammacore.tolerances import DUST

from .attempts import Placed

FURTHEST = 3.0  # price over index, and index over price
PAST_LIMIT = 0.1  # of a coin's price; the exchange moves limits of futures into its band
MOST_FEE = 0.02  # of the notional
MOST_USD = 1e10  # that a trade is about
ROUNDING = 1e-6


def why_impossible(trade: TradeNews, index: float, placed: Placed | None, left: float) -> str:
    """Say why a trade cannot be; empty if it can.

    Parameters
    ----------
    trade : TradeNews
        Not of a combo itself.
    index : float
        USD; NaN or 0 if it is not known.
    placed : Placed or None
        The order at work that it fills, if it does.
    left : float
        What it may fill of that, not negative.
    """
    amount, price = abs(trade.amount), trade.price
    assert not isinstance(trade.instrument, str)
    if not (amount < math.inf and 0.0 <= price < math.inf):
        return f"{trade.amount:g} at {price:g}"
    if amount > left + DUST:
        return f"{amount:g} of an order of which {left:g} is left"
    if not 0.0 < index < math.inf:
        return ""
    if placed is not None and placed.combo is None:
        worse = math.copysign(1.0, placed.amount) * (price - placed.limit)
        if worse > PAST_LIMIT * _coin(trade.instrument, index):
            return f"at {price:g}, its limit is {placed.limit:g}"
    return _against_index(trade, index)


def _coin(instrument: Tradable, index: float) -> float:
    """Price of a coin in what an instrument is quoted in; options of inverse settlement are in coins."""
    in_coins = isinstance(instrument, Option) and instrument.settlement is Settlement.INVERSE
    return 1.0 if in_coins else index


def _against_index(trade: TradeNews, index: float) -> str:
    """Say what of a trade is out of proportion to the price of its coin."""
    amount, price, instrument = abs(trade.amount), trade.price, trade.instrument
    assert not isinstance(instrument, str)
    inverse = instrument.settlement is Settlement.INVERSE
    if isinstance(instrument, Option):
        usd, worth = amount * index, price * (index if inverse else 1.0)
        far = worth > FURTHEST * (index + instrument.strike)
    else:
        usd = amount if inverse else amount * price
        far = not index / FURTHEST < price < index * FURTHEST
    if far:
        return f"at {price:g}, the index is {index:g}"
    if usd > MOST_USD:
        return f"of {usd:g} USD"
    fee = trade.fee * (index if inverse else 1.0)
    if abs(fee) > MOST_FEE * usd + ROUNDING * index:
        return f"with a fee of {trade.fee:g} {trade.fee_currency}"
    return ""
