"""Break-evens of all positions at once; see the package for what they mean."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from gammacore.array_types import Bools, Floats
from gammacore.breakeven.capital import capital_of
from gammacore.breakeven.hedged import Hedged
from gammacore.breakeven.held import Held
from gammacore.breakeven.jumps import Jumps
from gammacore.breakeven.plan import Breakevens, TradePlan
from gammacore.breakeven.roots import Excess, nearest_root, rising_root
from gammacore.breakeven.structures import Positions
from gammacore.breakeven.unhedged import Unhedged
from gammacore.events import ChainSlice
from gammacore.volatility import Density

__all__ = ["breakevens"]

OUTCOMES = 16  # of the forecast, equally likely


def breakevens(
    chain: ChainSlice, ts_ns: int, positions: Positions, plan: TradePlan, forecast: Density
) -> Breakevens:
    """Weigh positions.

    Parameters
    ----------
    chain : ChainSlice
    ts_ns : int
        Now.
    positions : Positions
        Of m positions; see :func:`straddles`.
    plan : TradePlan
    forecast : Density
        Of the volatility realised until each position's exit: one, or one a position.

    Returns
    -------
    Breakevens
        In the order of ``positions``, less those of which a leg has expired or would be closed already.

    Notes
    -----
    Positions that are not hedged have exact laws (:mod:`gammacore.breakeven.unhedged`); all others are
    simulated (:mod:`gammacore.breakeven.hedged`).
    """
    first = chain.expiry_ns[positions.rows].min(axis=1)
    alive = first - (plan.exit_before_ns or 0) > ts_ns
    left = Positions(positions.rows[alive], positions.amounts[alive])
    return _Case(Held(chain, ts_ns, left, plan), left, plan, forecast, alive).solve()


@cache
def _scores() -> Floats:
    """Return the outcomes in standard deviations."""
    from scipy.special import ndtri

    return np.asarray(ndtri((np.arange(OUTCOMES) + 0.5) / OUTCOMES))


class _Case:
    """The positions of one call of :func:`breakevens`; money in USD until the end."""

    def __init__(
        self, held: Held, positions: Positions, plan: TradePlan, forecast: Density, alive: Bools
    ) -> None:
        self.held, self.positions, self.plan = held, positions, plan
        self.sign = 1.0 if plan.long else -1.0
        self.median = _shaped(forecast.quantile(0.5), alive)
        log_sd = _shaped(forecast.log_sd, alive)
        self.jumps = Jumps(held)
        # What is realised is what the law's jumps make of an outcome: these are as many less uncertain.
        centre, log_sd = self.jumps.without(self.median, log_sd)
        self.outcomes = centre * np.exp(_scores()[:, None] * log_sd)
        self.law: Hedged | Unhedged
        if Unhedged.knows(held):
            self.law = Unhedged(held, self.outcomes, self.jumps)
        else:
            self.law = Hedged(held, self.outcomes, centre, log_sd)
        self.premium, self.fees, self.carry = held.premium(), held.fees(), held.carry()
        self.paid = self.premium + held.closing() + self.fees + self.carry
        self.first = held.first()

    def hedging(self, sigma: Floats, cost: Floats | None = None) -> Floats:
        """Mean cost of all hedges, the first and the last included, USD."""
        return np.asarray(self.first + (self.law.cost(sigma) if cost is None else cost))

    def mean(self, sigma: Floats, cost: Floats | None = None) -> Floats:
        """Mean profit, USD; ``cost`` is that of the hedges after the first by the law, where it is known."""
        return np.asarray(self.held.value(sigma) - self.paid - self.hedging(sigma, cost))

    def solve(self) -> Breakevens:
        """Everything, in the settlement currency."""
        unit = self.held.unit
        paid, costs = self.paid + self.first, self.law.costs
        means = np.array([self.jumps.value(sigma) for sigma in self.outcomes]) - paid - costs
        variances, chances = self.law.outcomes(means)
        with np.errstate(invalid="ignore", divide="ignore"):
            profit = means.mean(axis=0)
            deviation = np.sqrt(variances.mean(axis=0) + means.var(axis=0) / _scores().var())
            hedging = self.hedging(self.median)
            earned = self.held.value(self.median) - self.paid - hedging
            breakeven = self._root(lambda sigma: self.sign * self.mean(sigma), self.median)
            capital = capital_of(self.held)
            return Breakevens(
                self.positions.rows,
                self.positions.amounts,
                self.held.tau.max(axis=0),
                self.sign * self.premium / unit,
                self._paid_vol(),
                breakeven,
                self.median,
                np.copysign(np.abs(self.median - breakeven), earned),
                np.where(np.isfinite(profit), chances.mean(axis=0), np.nan),
                profit / unit,
                deviation / unit,
                self.fees / unit,
                self.held.spread() / unit,
                hedging / unit,
                self.carry / unit,
                capital / unit,
                profit / capital,
            )

    def _paid_vol(self) -> Floats:
        mark = self.held.vol.mean(axis=0)
        return self._root(lambda sigma: self.sign * (self.held.worth(sigma) - self.premium), mark)

    def _root(self, excess: Excess, near: Floats) -> Floats:
        """Volatility at which something is nil: the only one there can be, or the nearest to another."""
        if self.held.rises:
            return rising_root(excess, self.held.vol.mean(axis=0))
        return nearest_root(excess, near)


def _shaped(found: Any, alive: Bools) -> Floats:
    """One value a position that is alive."""
    return np.array(np.broadcast_to(np.asarray(found, np.float64), alive.shape)[alive])
