"""Limits between a decision and its commands, and the figures they look at: pure, of portfolio and book.

Units: coins for deltas, coins of delta per 1 % of the price for gamma, USD per volatility point for
vega, USD per day for theta. A scenario moves the price, all volatilities (by a share of them) and time.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np

from gammacore.array_types import Floats
from gammacore.contracts import Option, Settlement
from gammacore.episode import Episode
from gammacore.market import Market
from gammacore.orders import Order, Purpose
from gammacore.portfolio import Portfolio
from gammacore.valuation import sensitivities, shape, value

__all__ = ["Grid", "Limits", "RiskLimits", "Totals", "scenario_profit", "totals"]

Positions = dict[Option, float]


class Limits(msgspec.Struct, frozen=True):
    """Ceilings on what an entry may add; hedges and closings always pass, for they reduce risk.

    Attributes
    ----------
    max_open_episodes : int or None
        Episodes held at the same time.
    max_contracts : float or None
        Coins of notional per leg, summed over open episodes.
    """

    max_open_episodes: int | None = None
    max_contracts: float | None = None

    def allows(self, order: Order, portfolio: Portfolio, rolled: Episode | None = None) -> bool:
        """Whether an order may be sent; ``portfolio`` counts its episode, which may replace ``rolled``."""
        if order.purpose is not Purpose.ENTRY:
            return True
        staying = [e for e in portfolio.open.values() if e is not rolled and not e.adopted]
        if self.max_open_episodes is not None and len(staying) > self.max_open_episodes:
            return False
        if self.max_contracts is None:
            return True
        held = sum(max(map(abs, e.legs.values()), default=0.0) for e in staying)
        return held + max(abs(leg.amount) for leg in order.legs) <= self.max_contracts


class Totals(NamedTuple):
    """A portfolio in one line; ``premium_usd`` is the value of its options, positive when long."""

    delta: float
    gamma: float
    vega_usd: float
    theta_usd: float
    premium_usd: float


class Grid(msgspec.Struct, frozen=True):
    """Scenarios: moves of the price, moves of all volatilities (both as a share), and days that pass."""

    spot: tuple[float, ...]
    vol: tuple[float, ...]
    days: tuple[float, ...]


class RiskLimits(msgspec.Struct, frozen=True):
    """Ceilings on the portfolio after an entry; None is no limit. Units as in :class:`Totals`.

    Attributes
    ----------
    max_order : float or None
        Coins of one leg.
    max_slice : float or None
        Coins of the parts that a hedge is sent in.
    max_scenario_loss_usd : float or None
        Worst loss on the grid.
    """

    grid: Grid
    max_delta: float | None = None
    max_gamma: float | None = None
    max_vega_usd: float | None = None
    max_premium_usd: float | None = None
    max_order: float | None = None
    max_scenario_loss_usd: float | None = None
    max_slice: float | None = None

    def refusal(self, order: Order, portfolio: Portfolio, market: Market) -> str | None:
        """Say which limit an order would break, None if it may be sent.

        Closings and hedges are only held to ``max_order``; an entry to everything, together with what
        is held and what is on its way. An entry's delta is not: its hedge follows at once.
        """
        for leg in order.legs:
            size = abs(leg.amount)
            if not isinstance(leg.instrument, Option) and leg.instrument.settlement is Settlement.INVERSE:
                size /= market.index
            if self.max_slice is not None and order.purpose is Purpose.HEDGE:
                size = min(size, self.max_slice)
            if self.max_order is not None and size > self.max_order * (1 + 1e-9):
                return f"max_order: {size:g} of {leg.instrument.name} exceeds {self.max_order:g}"
        if order.purpose is not Purpose.ENTRY:
            return None
        held = _options(portfolio)  # the order's own episode among them, as pending
        after = totals(portfolio, market, held)
        for name, amount, limit in (
            ("max_gamma", abs(after.gamma), self.max_gamma),
            ("max_vega_usd", abs(after.vega_usd), self.max_vega_usd),
            ("max_premium_usd", after.premium_usd, self.max_premium_usd),
        ):
            if why := _beyond(name, amount, limit, ",.6g"):
                return why
        if self.max_scenario_loss_usd is None:
            return None
        worst = -float(scenario_profit(portfolio, market, self.grid, held).min())
        return _beyond("max_scenario_loss_usd", worst, self.max_scenario_loss_usd, ",.2f")


def _beyond(name: str, amount: float, limit: float | None, digits: str) -> str | None:
    """Say that an amount is beyond a limit, or may be; None if it is within it, or there is none."""
    if limit is None or amount <= limit:
        return None
    if math.isnan(amount):
        return f"{name}: a mark is missing, so what it would be after the entry is not known"
    return f"{name}: {amount:{digits}} exceeds {limit:{digits}}"


def _options(portfolio: Portfolio, *, on_their_way: bool = True) -> Positions:
    """Options held, and on their way, summed over open episodes."""
    held: Positions = {}
    for episode in portfolio.open.values():
        pending = [leg for order in episode.pending.values() for leg in order.legs if on_their_way]
        for option, amount in [
            *episode.legs.items(),
            *((leg.instrument, leg.amount) for leg in pending if isinstance(leg.instrument, Option)),
        ]:
            held[option] = held.get(option, 0.0) + amount
    return held


def totals(portfolio: Portfolio, market: Market, options: Positions | None = None) -> Totals:
    """Sum up a portfolio at the market's marks.

    Parameters
    ----------
    portfolio : Portfolio
    market : Market
    options : dict of Option to float, optional
        Instead of those held.

    Returns
    -------
    Totals
        Net (premium-adjusted) delta for coin-settled options, hedges included.
    """
    if options is None:
        options = _options(portfolio, on_their_way=False)
    delta = gamma = vega = theta = premium = 0.0
    for option, amount in options.items():
        forward, tau, vol = market.forward(option.expiry_ns), market.tau(option.expiry_ns), market.vol(option)
        seen, left = shape(option, forward, tau, vol), market.settlement_weight(option.expiry_ns)
        unit = forward if option.settlement is Settlement.INVERSE else 1.0
        delta += amount * left * seen.net_delta
        gamma += amount * left**2 * seen.gamma * forward * 0.01
        vega += amount * seen.vega * 0.01
        decay = sensitivities(option, forward, tau, vol)
        theta += amount * left**2 * decay.theta * unit / 365.0  # the variance left goes with the cube of time
        premium += amount * decay.price * unit
    for episode in portfolio.hedged:
        delta += float(episode.hedge.delta(market.future_price(episode.hedge.instrument)))
    return Totals(float(delta), float(gamma), float(vega), float(theta), float(premium))


def scenario_profit(
    portfolio: Portfolio, market: Market, grid: Grid, options: Positions | None = None
) -> Floats:
    """Profit of options and hedges in every scenario, USD at the moved price.

    Parameters
    ----------
    portfolio, book, options
        As for :func:`totals`.
    grid : Grid

    Returns
    -------
    array, shape (spots, vols, days)
        Against the market's marks; balances in coin are not revalued.
    """
    if options is None:
        options = _options(portfolio, on_their_way=False)
    spot, vol, days = np.meshgrid(
        1.0 + np.array(grid.spot), 1.0 + np.array(grid.vol), np.array(grid.days), indexing="ij"
    )
    profit = np.zeros(spot.shape)
    for option, amount in options.items():
        forward, tau, sigma = (
            market.forward(option.expiry_ns),
            market.tau(option.expiry_ns),
            market.vol(option),
        )
        later = np.maximum(tau - days / 365.0, 0.0)
        traded = market.underlying(option.expiry_ns) * market.settlement_weight(option.expiry_ns)
        moved = forward + traded * (spot - 1.0)
        worth = value(option, moved, later, sigma * vol)
        now = value(option, forward, tau, sigma)
        if option.settlement is Settlement.INVERSE:
            worth, now = worth * moved, now * forward
        profit += amount * (worth - now)
    for episode in portfolio.hedged:
        hedge, price = episode.hedge, market.future_price(episode.hedge.instrument)
        # An inverse contract earns amount (1/S - 1/S') coin, which is amount (S'/S - 1) USD at S'.
        profit += hedge.amount * (spot - 1.0) * (1.0 if hedge.inverse else price)
    return profit
