"""How much of an account's margin is in use: of what is held, and of what an entry would add."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain

import msgspec

from gammacore.contracts import Future, Instrument, Option, Perpetual, Settlement
from gammacore.episode import Episode
from gammacore.margin import Book, Holding, MarginSchedule
from gammacore.market import Market
from gammacore.orders import Leg
from gammacore.portfolio import Portfolio

__all__ = ["MarginLimit", "held_book", "margin_balance", "used"]


def held_book(positions: Mapping[Instrument, float], market: Market) -> Book:
    """Put positions at the market's marks, for their margin.

    Parameters
    ----------
    positions : mapping of instrument to float
        Signed: coins; USD for inverse futures. What has expired and awaits its delivery has no margin.
    market : Market

    Returns
    -------
    Book
        NaN where a mark is missing.
    """
    holdings = []
    for held, size in positions.items():
        if not isinstance(held, Perpetual) and held.expiry_ns < market.ts_ns:
            continue
        if isinstance(held, Option):
            # What rounding leaves of a value below zero is none.
            mark = max(float(market.exposure(held).value), 0.0)
            holdings.append(Holding(held, size, mark, market.forward(held.expiry_ns), market.iv(held)))
        else:
            holdings.append(Holding(held, size, market.future_price(held)))
    return Book(market.ts_ns, market.index, tuple(holdings))


def margin_balance(book: Book, equity: float, margins: MarginSchedule) -> float:
    """Return what margin is held against, settlement currency.

    Parameters
    ----------
    book : Book
    equity : float
        With the value of the options.
    margins : MarginSchedule

    Returns
    -------
    float
        Under standard margin the equity less the value of the options, which are no collateral there. Under
        portfolio margin the equity: the grid counts what options may lose. The latter is not confirmed.
    """
    if margins.model == "portfolio":
        return equity
    return equity - sum(
        held.size * held.price for held in book.holdings if isinstance(held.instrument, Option)
    )


def used(margin: float, balance: float) -> float:
    """Return the part of the margin balance that is in use, without limit if nothing is left of it."""
    if balance <= 0 and not math.isnan(margin):
        return math.inf if margin > 0 else 0.0
    return margin / balance


MISSING = "max_margin_use: a mark is missing, so the margin after the entry is not known"


class MarginLimit(msgspec.Struct, frozen=True):
    """Ceiling on the margin that an entry may leave in use.

    Attributes
    ----------
    most : float
        Initial margin over margin balance.
    margins : MarginSchedule
    """

    most: float
    margins: MarginSchedule

    def refusal(
        self,
        legs: Sequence[Leg],
        portfolio: Portfolio,
        market: Market,
        equity: float,
        hedge: Future | Perpetual | None,
        rolled: Episode | None = None,
    ) -> str | None:
        """Say why an entry may not be sent, None if it may.

        Parameters
        ----------
        legs : sequence of Leg
            Of the entry.
        portfolio : Portfolio
        market : Market
        equity : float
            Of the account, settlement currency; where it is NaN nothing is refused.
        hedge : Future, Perpetual or None
            What the entry's delta is hedged with at once; None: not at all.
        rolled : Episode, optional
            What the entry replaces.
        """
        if math.isnan(equity):
            return None
        after = portfolio.positions()
        waiting = (order.legs for episode in portfolio.open.values() for order in episode.pending.values())
        for leg in chain.from_iterable((*waiting, legs)):
            after[leg.instrument] = after.get(leg.instrument, 0.0) + leg.amount
        for option, amount in rolled.legs.items() if rolled is not None else ():
            after[option] = after.get(option, 0.0) - amount
        if hedge is not None:
            delta = _delta(legs, market, hedge)
            if math.isnan(delta):
                return MISSING
            after[hedge] = after.get(hedge, 0.0) - delta
        book = held_book({held: size for held, size in after.items() if size}, market)
        use = used(self.margins.margin(book).initial, margin_balance(book, equity, self.margins))
        if math.isnan(use):
            return MISSING
        if use > self.most:
            return f"max_margin_use: {use:.1%} of the margin balance after the entry exceeds {self.most:.1%}"
        return None


def _delta(legs: Sequence[Leg], market: Market, hedge: Future | Perpetual) -> float:
    """Delta of the options of an entry, in the unit of the hedge."""
    coins = 0.0
    for leg in legs:
        if isinstance(leg.instrument, Option):
            coins += leg.amount * float(market.exposure(leg.instrument).net_delta)
    return coins * (market.future_price(hedge) if hedge.settlement is Settlement.INVERSE else 1.0)
