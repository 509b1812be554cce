"""The hedge of straddles and strangles in closed form: what it costs on the way, and what it leaves."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.special import ndtr

from gammacore.array_types import Floats
from gammacore.breakeven.held import Held
from gammacore.contracts import CALL, PUT
from gammacore.hedging.turnover import HedgeRates, LognormalPath, hedge_rates

__all__ = ["ClosedForm"]


class ClosedForm:
    """Law of one call and one put of one expiry each, see :mod:`gammacore.hedging.turnover`.

    Parameters
    ----------
    held : Held
        Of which :meth:`knows` says yes.
    outcomes : array, shape (n, m)
        Volatilities that may be realised.
    median : array, shape (m,)
        Of the forecast.
    """

    def __init__(self, held: Held, outcomes: Floats, median: Floats) -> None:
        self.held, self.plan, self.realised, self.median = held, held.plan, outcomes, median
        self.sign = 1.0 if held.plan.long else -1.0
        call, put = held.strike
        self.vol: Floats = held.vol[0]
        tau, hold = held.tau[0], held.hold[0]
        self.hold = hold
        low, high = np.minimum(call, put), np.maximum(call, put)
        self.path = LognormalPath(held.price, tau, hold, low, high, self.vol)
        self._hedgings = [self._hedging(sigma) for sigma in outcomes]

    @property
    def costs(self) -> Floats:
        """What :meth:`between` is at every outcome."""
        return np.array([cost for _, cost in self._hedgings])

    @staticmethod
    def knows(held: Held) -> bool:
        """Whether all are one call and one put of one coin each, not struck below its put."""
        if len(held.kind) != 2:
            return False
        call, put = held.kind
        pairs = (call == CALL) & (put == PUT) & (held.strike[0] >= held.strike[1])
        same = held.expiry_ns[0] == held.expiry_ns[1]
        coins = np.abs(held.amount) == 1.0
        return bool(np.all(pairs & same & coins.all(axis=0) & (held.amount[0] == held.amount[1])))

    def between(self, sigma: Floats) -> Floats:
        """Mean cost of the hedges between the first and the last, USD."""
        return self._hedging(sigma)[1]

    def _hedging(self, sigma: Floats) -> tuple[HedgeRates, Floats]:
        plan = self.plan
        rates = hedge_rates(plan.policy, self.path, sigma, plan.chain_every, plan.look_every)
        turnover = rates.turnover._replace(p=rates.turnover.p + 1.0)
        return rates, plan.hedge_cost * self.path.integral(turnover, sigma)

    def outcomes(self, means: Floats) -> tuple[Floats, Floats]:
        """Variance of the profit and chance of one at every outcome, whose mean profits are given."""
        pairs = zip(self.realised, self._hedgings, strict=True)
        variances = np.array([self._variance(sigma, *hedging) for sigma, hedging in pairs])
        with np.errstate(invalid="ignore", divide="ignore"):
            return variances, ndtr(means / np.sqrt(variances))

    @cached_property
    def _gained(self) -> tuple[Floats, Floats]:
        return self.path.gamma_moments(self.median)

    def _variance(self, sigma: Floats, rates: HedgeRates, between: Floats) -> Floats:
        """Of the path where realised is not implied, and of what the hedging leaves.

        Paths with much gamma also have many hedges: their cost counts as a part of the variance that is
        earned.
        """
        unhedged = self._unhedged(sigma)
        if not self.held.hedged:
            return unhedged
        earned = sigma**2 - self.vol**2 - self.sign * between / self._gained[0]
        variance = (earned * self._gained[1]) ** 2 + self.path.error(rates.variance, sigma)
        # No hedge leaves more than none: the formulas overstate bands wider than the delta can go.
        return np.asarray(np.minimum(variance, unhedged))

    def _unhedged(self, sigma: Floats) -> Floats:
        """Of the payoff at the exit, as if that were the expiry."""
        total = sigma * np.sqrt(self.hold)
        price = self.held.price
        first, second = np.zeros_like(sigma), np.zeros_like(sigma)
        for kind, strike in zip((CALL, PUT), self.held.strike, strict=True):
            d1 = np.log(price / strike) / total + 0.5 * total
            up, at, down = (ndtr(kind * (d1 + step * total)) for step in (1.0, 0.0, -1.0))
            first += kind * (price * at - strike * down)
            second += price**2 * np.exp(total**2) * up - 2.0 * price * strike * at + strike**2 * down
        return np.maximum(second - first**2, 0.0)
