"""The hedge of one episode, trade by trade: what each scalp earned, and each interval between hedges.

A scalp is an amount that was bought and later sold, or sold and later bought back, paired
first in, first out. Since the position is closed in the order in which it was opened, even
through zero, the n-th unit ever bought always belongs to the n-th unit ever sold: the pairs
are the stretches between all the running sums of purchases and of sales.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gammacore.array_types import Bools, Floats, Ints
from gammacore.attribution import LINES, Attribution, slippage
from gammacore.contracts import Settlement
from gammacore.episode import Episode, HedgeFills
from gammacore.tolerances import ROUNDING

__all__ = ["Intervals", "Pairs", "Scalps", "intervals", "pair_first_in_first_out", "scalps"]


class Pairs(NamedTuple):
    """Amounts bought in one trade and sold in another; -1 where the other trade never came."""

    amount: Floats
    bought: Ints
    sold: Ints


class Scalps(NamedTuple):
    """Scalps of one episode, arrays of one length; the open rest is closed at the last mark.

    ``amount`` is positive for a purchase first, in the contract's unit; ``pnl`` is before
    fees, from fill to fill; ``fees`` are negative. The USD of an inverse contract, and the coin of
    a linear one, are those of each moment of the path, so that over all scalps ``pnl`` sums
    to the lines hedge, basis and lots and the hedges' part of the spread in both currencies.
    """

    opened_ns: Ints
    closed_ns: Ints
    still_open: Bools
    amount: Floats
    open_price: Floats
    close_price: Floats
    pnl_coin: Floats
    pnl_usd: Floats
    fees_coin: Floats
    fees_usd: Floats


class Intervals(NamedTuple):
    """From the entry to the first hedge, from each hedge to the next, to the end.

    ``first`` is the point (see :class:`~gammacore.attribution.Attribution`) at which each starts;
    ``coin`` and ``usd`` hold the profit of each line within it. The costs of a hedge belong to
    the interval that it ends.
    """

    first: Ints
    coin: dict[str, Floats]
    usd: dict[str, Floats]


def pair_first_in_first_out(amount: Floats) -> Pairs:
    """Pair purchases (positive) with sales, first in, first out.

    Parameters
    ----------
    amount : array, shape (n,)
        Signed amounts in order of time.

    Returns
    -------
    Pairs
        In order of the running sum.
    """
    sides = np.flatnonzero(amount > 0), np.flatnonzero(amount < 0)
    sums = [np.cumsum(np.abs(amount[side])) for side in sides]
    cuts = np.unique(np.concatenate([[0.0], *sums]))
    real = np.diff(cuts) > ROUNDING * cuts[-1]
    start, size = cuts[:-1][real], np.diff(cuts)[real]
    middle = start + 0.5 * size  # safely inside its stretch
    found = [
        np.append(side, -1)[np.searchsorted(total, middle)] for side, total in zip(sides, sums, strict=True)
    ]
    return Pairs(size, *found)


def scalps(episode: Episode, parts: Attribution) -> Scalps:
    """Scalps of an episode.

    Parameters
    ----------
    episode : Episode
    parts : Attribution
        Its attribution; both methods give the same scalps.

    Returns
    -------
    Scalps
    """
    fills = episode.hedge_fills()
    inverse = episode.hedge.instrument.settlement is Settlement.INVERSE
    pairs = pair_first_in_first_out(fills.amount)
    sides = _Sides(fills, parts, inverse)
    buy, sell = pairs.bought, pairs.sold
    native, other = (pairs.amount * (sides.worth[i][sell] - sides.worth[i][buy]) for i in (0, 1))
    fees = [-pairs.amount * (sides.fee[i][sell] + sides.fee[i][buy]) for i in (0, 1)]
    rest = (buy < 0) | (sell < 0)
    long = (sell < 0) | ((buy >= 0) & (buy < sell))
    opened, closed = np.where(long, buy, sell), np.where(long, sell, buy)
    coin, usd = (0, 1) if inverse else (1, 0)
    return Scalps(
        sides.ts_ns[opened],
        sides.ts_ns[closed],
        rest,
        np.where(long, pairs.amount, -pairs.amount),
        sides.price[opened],
        sides.price[closed],
        (native, other)[coin],
        (native, other)[usd],
        fees[coin],
        fees[usd],
    )


class _Sides:
    """What one unit of each fill was worth; the last one stands for the mark at the end.

    ``worth`` is the running profit of one unit held from the start of the path to the fill, at
    the fill's price, native and other currency: a scalp earns the difference of two. A unit's fee
    likewise.
    """

    def __init__(self, fills: HedgeFills, parts: Attribution, inverse: bool) -> None:
        mark = parts.hedge_price
        self.ts_ns = np.append(fills.ts_ns, parts.ts_ns[-1])
        self.price = np.append(fills.price, mark[-1])
        rate = parts.rate if inverse else 1.0 / parts.rate
        points = np.append(parts.points(fills.ts_ns), len(mark) - 1)
        running = -1.0 / mark if inverse else mark
        running = running - running[0]
        converted = np.concatenate([[0.0], np.cumsum(np.diff(running) * rate[1:])])
        # As the attribution does: the costs of a fill at the rate of the step that ends there.
        paid = rate[np.maximum(points, 1)]
        slip = np.append(slippage(fills, inverse), 0.0)
        fee = np.append(fills.fee / np.abs(fills.amount), 0.0)
        self.worth = running[points] - slip, converted[points] - slip * paid
        self.fee = fee, fee * paid


def intervals(episode: Episode, parts: Attribution) -> Intervals:
    """Lines of an episode between its hedges; ``parts`` is its attribution."""
    steps = len(parts.rate) - 1
    points = parts.points(episode.hedge_fills().ts_ns)
    first = np.unique(np.append(points[points < steps], 0))
    coin, usd = (
        {line: np.add.reduceat(values[line], first) for line in LINES} for values in (parts.coin, parts.usd)
    )
    return Intervals(first, coin, usd)
