"""Portfolio margin as this exchange counts it: the same published formulas, in code of its own.

Nothing here is shared with :mod:`gammacore.margin` but the parameters: a session that held its figure against
one computed by itself would prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from gammacore import inverse
from gammacore.array_types import Floats
from gammacore.contracts import Option
from gammacore.data.margins import published_margins
from gammacore.daycount import NS_PER_DAY, NS_PER_YEAR
from gammacore.margin import PortfolioRates

from .catalog import ListedContract
from .mark_prices import Mark

__all__ = ["AccountRisk", "Exposure", "PortfolioRisk", "account_risk", "exposed", "portfolio_risk"]

MONTH_DAYS = 30.0  # at which the shock of volatility is its range


class Exposure(NamedTuple):
    """One position of one coin."""

    listing: ListedContract
    coins: float
    """Signed; of an inverse future its USD at the mark."""
    mark: Mark


class PortfolioRisk(NamedTuple):
    """Risk-matrix margin and its parts, settlement currency."""

    worst: float
    roll: float
    delta: float
    losses: dict[str, float]
    """Of each instrument in the scenario of the worst loss."""

    @property
    def margin(self) -> float:
        """Risk-matrix margin."""
        return self.worst + self.roll + self.delta


def portfolio_risk(
    exposures: Iterable[Exposure], rates: PortfolioRates, index: float, now_ns: int
) -> PortfolioRisk:
    """Margin the positions of one coin that settle in one currency.

    Parameters
    ----------
    exposures : iterable of Exposure
    rates : PortfolioRates
        In force for the coin.
    index : float
        USD.
    now_ns : int

    Returns
    -------
    PortfolioRisk
    """
    held = [one for one in exposures if one.coins]
    if not held:
        return PortfolioRisk(0.0, 0.0, 0.0, {})
    coin = held[0].listing.coin_settled if held[0].listing.kind == "option" else held[0].listing.inverse
    rows = {one.listing.name: one.coins * _profits(one, rates, now_ns, coin) for one in held}
    total = np.sum(list(rows.values()), axis=0)
    losses = -_damped(total, rates, index if coin else None)
    at = int(np.argmax(losses))
    worst = max(round(float(losses[at]), 9), 0.0)
    unit = 1.0 if coin else index
    return PortfolioRisk(
        worst,
        _roll(held, rates, now_ns) * unit,
        _delta_shock(held, rates, index) / (index if coin else 1.0),
        {name: float(-row[at]) for name, row in rows.items()},
    )


class AccountRisk(NamedTuple):
    """Margin of all positions in one currency; coins are not netted against each other."""

    initial: float
    maintenance: float
    orders: float
    """Initial margin that open orders add. How the exchange does that is not published: here the worse of all
    buys and all sells filled."""
    expiring_initial: float
    expiring_maintenance: float
    """Of them what the next delivery takes away."""
    losses: dict[str, tuple[float, float]]
    """Of each instrument in the worst scenario, and its share of maintenance margin."""


def exposed(listing: ListedContract, size: float, mark: Mark) -> Exposure:
    """Exposure of a size in the exchange's unit."""
    return Exposure(listing, size / mark.price if listing.inverse else size, mark)


def account_risk(
    held: list[Exposure],
    filled: list[list[Exposure]],
    index: Callable[[str], float],
    now_ns: int,
    next_delivery_ns: int,
) -> AccountRisk:
    """Margin an account in one currency.

    Parameters
    ----------
    held : list of Exposure
    filled : list of two lists of Exposure
        What all open buys, and all open sells, would add.
    index : callable(str) -> float
        USD, of a coin.
    now_ns, next_delivery_ns : int

    Returns
    -------
    AccountRisk
    """
    initial = maintenance = orders = expiring = expiring_maintenance = 0.0
    losses: dict[str, tuple[float, float]] = {}
    for base in sorted({one.listing.base for one in (*held, *filled[0], *filled[1])}):
        rates = published_margins().portfolio_at(now_ns, base)
        found = [
            portfolio_risk(_netted(part, base), rates, index(base), now_ns)
            for part in (
                held,
                [one for one in held if one.listing.expiry_ns != next_delivery_ns],
                *(held + more for more in filled),
            )
        ]
        whole, left, *worse = found
        initial += whole.margin
        maintenance += rates.mm_factor * whole.margin
        orders += max(*(one.margin for one in worse), whole.margin) - whole.margin
        expiring += whole.margin - left.margin
        expiring_maintenance += rates.mm_factor * (whole.margin - left.margin)
        losses |= {name: (loss, rates.mm_factor * loss) for name, loss in whole.losses.items()}
    return AccountRisk(initial, maintenance, orders, expiring, expiring_maintenance, losses)


def _netted(exposures: list[Exposure], base: str) -> list[Exposure]:
    """One exposure an instrument of a coin."""
    found: dict[str, Exposure] = {}
    for one in exposures:
        if one.listing.base == base:
            before = found.get(one.listing.name)
            coins = one.coins + (0.0 if before is None else before.coins)
            found[one.listing.name] = one._replace(coins=coins)
    return list(found.values())


def _profits(one: Exposure, rates: PortfolioRates, now_ns: int, coin: bool) -> Floats:
    """Profit of one coin: three volatilities at each price of the grid, then the extended moves."""
    steps = rates.price_range * np.arange(-rates.buckets_count, rates.buckets_count + 1) / rates.buckets_count
    far = np.array(rates.extended_moves)
    moves = np.concatenate([np.repeat(steps, 3), far])
    forward, after = one.mark.forward, one.mark.forward * (1.0 + moves)
    if one.listing.kind == "option":
        option = one.listing.instrument
        assert isinstance(option, Option)
        up, down = _shocked(one.mark.vol, option.expiry_ns - now_ns, rates)
        vols = np.concatenate([np.tile([up, one.mark.vol, down], len(steps)), np.full(len(far), up)])
        tau = max(option.expiry_ns - now_ns, 0) / NS_PER_YEAR
        case = option.kind, option.strike, tau
        worth = np.asarray(inverse.price(case[0], after, *case[1:], vols))
        now = float(inverse.price(case[0], forward, *case[1:], one.mark.vol))
        profit = worth - now if coin else worth * after - now * forward
    else:
        profit = 1.0 - forward / after if coin else after - forward
    # An extended move counts as its profit in USD times range over move, in coin at the edge of the range.
    share = rates.extended_table_factor * rates.price_range / np.abs(far)
    edge = 1.0 + np.sign(far) * rates.price_range
    profit[len(moves) - len(far) :] *= share * (1.0 + far) / edge if coin else share
    return np.asarray(profit)


def _shocked(vol: float, left_ns: int, rates: PortfolioRates) -> tuple[float, float]:
    """Volatility up and down."""
    days = left_ns / NS_PER_DAY
    if days <= 0.0:
        return max(vol, rates.min_volatility_for_shock_up), vol
    power = rates.short_term_vega_power if days < MONTH_DAYS else rates.long_term_vega_power
    scale = (MONTH_DAYS / days) ** power
    up = max(vol + vol * rates.volatility_range_up * scale, rates.min_volatility_for_shock_up)
    return up, max(vol - vol * rates.volatility_range_down * scale, 0.0)


def _damped(total: Floats, rates: PortfolioRates, index: float | None) -> Floats:
    """Bring the profits of extended moves toward zero; ``index`` is given where they are in coin."""
    far = np.array(rates.extended_moves)
    usd = (np.abs(far) / rates.price_range - 1.0) * rates.extended_dampener
    amount = usd if index is None else usd / (index * (1.0 + np.sign(far) * rates.price_range))
    tail = total[len(total) - len(far) :]
    found = total.copy()
    found[len(total) - len(far) :] = tail - np.sign(tail) * np.minimum(np.abs(tail), amount)
    return found


def _roll(held: list[Exposure], rates: PortfolioRates, now_ns: int) -> float:
    """Coins by which expiries may move against each other."""
    by_expiry: dict[int | None, float] = {}
    for one in held:
        expiry = one.listing.expiry_ns
        by_expiry[expiry] = by_expiry.get(expiry, 0.0) + one.coins * _delta(one)
    total = 0.0
    for expiry, delta in by_expiry.items():
        years = 0.0 if expiry is None else (expiry - now_ns) / NS_PER_YEAR
        growth = float(np.exp(rates.annualised_move_risk * years)) - 1.0
        total += abs(delta) * max(rates.min_annualised_move, growth)
    return total


def _delta(one: Exposure) -> float:
    """Delta of one coin; not the decayed one of the last half hour."""
    if one.listing.kind != "option":
        return 1.0
    return one.mark.delta / one.mark.decay if one.mark.decay else 0.0


def _delta_shock(held: list[Exposure], rates: PortfolioRates, index: float) -> float:
    """USD that a large delta would cost to close."""
    bought = sum(o.coins * _delta(o) for o in held if o.listing.kind == "option" and o.coins > 0)
    rest = sum(o.coins * _delta(o) for o in held if not (o.listing.kind == "option" and o.coins > 0))
    coins = abs(rest)
    if bought * rest < 0.0:
        coins = max(coins - abs(bought), 0.0)
    usd = coins * index
    over = max(usd - rates.delta_total_liq_shock_threshold, 0.0)
    return min(over * coins * rates.m_inc, rates.max_delta_shock * usd)
