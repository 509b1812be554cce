"""Break-evens of all positions at once; see the package for what they mean."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from scipy.special import ndtr

from gammacore import black76
from gammacore.array_types import Bools, Floats, Ints
from gammacore.breakeven.plan import Breakevens, TradePlan
from gammacore.breakeven.structures import Pairs, forwards_of
from gammacore.contracts import CALL, PUT, Settlement
from gammacore.daycount import FRIDAY, NS_PER_YEAR, is_month_end_friday, weekday
from gammacore.errors import ContractError
from gammacore.events import ChainSlice
from gammacore.hedging import Never, Policy
from gammacore.hedging.turnover import HedgeRates, LognormalPath, hedge_rates
from gammacore.margin import (
    Books,
    MarginRates,
    PortfolioRates,
    future_rates,
    option_margins,
    portfolio_margins,
)
from gammacore.volatility import Density

__all__ = ["breakevens"]

OUTCOMES = 11  # of the forecast, equally likely
LOWEST, HIGHEST = 0.01, 8.0  # volatilities between which a break-even is looked for
STEPS, TOLERANCE = 40, 1e-11  # of its search


def breakevens(chain: ChainSlice, ts_ns: int, pairs: Pairs, plan: TradePlan, forecast: Density) -> Breakevens:
    """Weigh positions of one call and one put each.

    Parameters
    ----------
    chain : ChainSlice
    ts_ns : int
        Now.
    pairs : tuple of two arrays of int64, shape (m,)
        Rows of calls and puts of one expiry each, see :func:`straddles` and :func:`strangles`.
    plan : TradePlan
    forecast : Density
        Of the volatility realised until each position's exit: one, or one a position.

    Returns
    -------
    Breakevens
        In the order of ``pairs``, less those that have expired or are closed already.

    Raises
    ------
    ContractError
        If a pair mixes expiries, or its call is struck below its put: the hedge of such a position at
        delivery is another.
    """
    call, put = pairs
    if np.any(chain.expiry_ns[call] != chain.expiry_ns[put]):
        raise ContractError("pairs: call and put of a position must have one expiry")
    if np.any(chain.strike[call] < chain.strike[put]):
        raise ContractError("pairs: the call of a position must not be struck below its put")
    alive = chain.expiry_ns[call] - (plan.exit_before_ns or 0) > ts_ns
    return _Case(chain, ts_ns, call[alive], put[alive], plan, forecast, alive).solve()


class _Case:
    """The positions of one call of :func:`breakevens`; money in USD until the end."""

    def __init__(
        self,
        chain: ChainSlice,
        ts_ns: int,
        call: Ints,
        put: Ints,
        plan: TradePlan,
        forecast: Density,
        alive: Bools,
    ) -> None:
        self.chain, self.plan, self.rows = chain, plan, (call, put)
        self.inverse = chain.settlement is Settlement.INVERSE
        self.sign = 1.0 if plan.long else -1.0
        expiry = chain.expiry_ns[call]
        self.expiry_ns = expiry
        self.forward = forwards_of(chain, expiry)
        self.tau: Floats = (expiry - ts_ns) / NS_PER_YEAR
        self.hold = self.tau - (plan.exit_before_ns or 0) / NS_PER_YEAR
        self.unit = self.forward if self.inverse else np.ones_like(self.forward)  # USD of one settled unit
        self.strikes = chain.strike[call], chain.strike[put]
        self.vol: Floats = 0.5 * (chain.iv[call] + chain.iv[put])
        low, high = np.minimum(*self.strikes), np.maximum(*self.strikes)
        self.straddles = bool(np.all(low == high))
        self.path = LognormalPath(self.forward, self.tau, self.hold, low, high, self.vol)
        outcomes = [forecast.quantile((k + 0.5) / OUTCOMES) for k in range(OUTCOMES)]
        self.outcomes = [_shaped(found, alive) for found in outcomes]
        self.median = _shaped(forecast.quantile(0.5), alive)
        self._quote()
        self._fixed_costs()

    # ------------------------------------------------------------- what does not depend on the outcome

    def _quote(self) -> None:
        """Take prices to open and to close at, and the marks, of both legs."""
        chain, buy = self.chain, self.plan.long
        self.open, self.close, self.mark = (np.zeros_like(self.tau) for _ in range(3))
        self.option_fees = np.zeros_like(self.tau)
        fees = self.plan.fees
        for rows in self.rows:
            mark = chain.mark[rows]
            bid, ask = {
                "cross": (chain.bid[rows], chain.ask[rows]),
                "mid": (0.5 * (chain.bid[rows] + chain.ask[rows]),) * 2,
                "mark": (mark, mark),
            }[self.plan.fill]
            opened, closed = (ask, bid) if buy else (bid, ask)
            self.open += opened
            self.close += closed
            self.mark += mark
            if fees is not None:
                notional = 1.0 if self.inverse else chain.index
                self.option_fees += np.minimum(fees.option_taker * notional, fees.option_cap * opened)
                if self.plan.exit_before_ns is not None:
                    self.option_fees += np.minimum(fees.option_taker * notional, fees.option_cap * closed)
        self.premium_usd = self.open * self.unit
        self.spread_usd = self.sign * (self.open - self.mark) * self.unit
        if self.plan.exit_before_ns is not None:  # half the spread once more, in price as it is today
            self.spread_usd += self.sign * (self.mark - self.close) * self.unit

    def _fixed_costs(self) -> None:
        """Add up fees, first hedge, funding and basis."""
        plan, chain = self.plan, self.chain
        delta = np.zeros_like(self.tau)
        reached = np.zeros_like(self.tau)  # expected deliveries in the money
        for kind, strike, rows in zip((CALL, PUT), self.strikes, self.rows, strict=True):
            plain = black76.greeks(kind, self.forward, strike, self.tau, self.vol).delta
            delta += plain - (chain.mark[rows] if self.inverse else 0.0)
            reached += np.abs(plain)
        held = not _is_never(plan.policy)
        fees = self.option_fees * self.unit
        if plan.fees is not None and plan.exit_before_ns is None:
            rate = np.where(_is_friday(self.expiry_ns), plan.fees.option_delivery, 0.0)
            fees = fees + rate * reached * self.forward
        self.fees_usd = fees
        self.first_usd = plan.hedge_cost * np.abs(delta) * self.forward * held
        # The delta is a martingale: on average it stays what it is at first. A perpetual does not have the
        # forward's premium, which an option loses on its way; a future of that expiry does.
        basis = np.log(self.forward / chain.index)
        carry = delta * (basis - plan.funding * self.hold) * self.forward
        self.carry_usd = self.sign * carry if plan.instrument == "perpetual" and held else 0.0 * carry

    # ------------------------------------------------------------- what does

    def value(self, sigma: Floats) -> Floats:
        """Mean of what the options bring, hedged on the way, USD; at the exit they are at their marks."""
        return self.worth(np.sqrt((sigma**2 * self.hold + self.vol**2 * (self.tau - self.hold)) / self.tau))

    def worth(self, sigma: Floats, tau: Floats | None = None) -> Floats:
        """Value at one volatility, USD."""
        tau = self.tau if tau is None else tau
        call, put = self.strikes
        total = black76.price(CALL, self.forward, call, tau, sigma)
        if self.straddles:  # the put by parity
            return np.asarray(2.0 * total - (self.forward - call))
        return np.asarray(total + black76.price(PUT, self.forward, put, tau, sigma))

    def hedging(self, sigma: Floats) -> tuple[HedgeRates, Floats, Floats]:
        """Law of the policy, its mean cost on the way, and with the first hedge and the last, USD."""
        plan = self.plan
        rates = hedge_rates(plan.policy, self.path, sigma, plan.chain_every, plan.look_every)
        turnover = rates.turnover._replace(p=rates.turnover.p + 1.0)
        between = plan.hedge_cost * self.path.integral(turnover, sigma)
        last = self._last_rate() * self._last_delta(sigma) * self.forward
        return rates, between, self.first_usd + between + last

    def _last_rate(self) -> Any:
        """Cost of giving the last hedge up: a trade, or with a future its delivery."""
        plan = self.plan
        if _is_never(plan.policy):
            return 0.0
        if plan.instrument == "perpetual" or plan.exit_before_ns is not None:
            return plan.hedge_cost
        rate = 0.0 if plan.fees is None else plan.fees.future_delivery
        return np.where([is_month_end_friday(int(e)) for e in self.expiry_ns], rate, 0.0)

    def _last_delta(self, sigma: Floats) -> Floats:
        """Mean of ``|delta| F/F0`` at the exit; at expiry it is 1 where an option is in the money."""
        spread = sigma * np.sqrt(self.hold)
        if self.plan.exit_before_ns is None:
            d1 = [np.log(self.forward / strike) / spread + 0.5 * spread for strike in self.strikes]
            return np.asarray(ndtr(d1[0]) + ndtr(-d1[1]))
        x, weight = _normal()
        price = self.forward[:, None] * np.exp(spread[:, None] * x - 0.5 * spread[:, None] ** 2)
        width = self.vol[:, None] * np.sqrt((self.tau - self.hold)[:, None])
        d1 = [np.log(price / strike[:, None]) / width + 0.5 * width for strike in self.strikes]
        return np.asarray((np.abs(ndtr(d1[0]) - ndtr(-d1[1])) * price) @ weight / self.forward)

    def mean(self, sigma: Floats) -> Floats:
        """Mean profit, USD."""
        return self.before_hedging(sigma) - self.hedging(sigma)[2]

    def before_hedging(self, sigma: Floats) -> Floats:
        """Mean profit without the costs of hedging, USD."""
        gross = self.sign * (self.value(sigma) - self.premium_usd)
        if self.plan.exit_before_ns is not None:
            gross = gross - self.sign * (self.mark - self.close) * self.unit
        return np.asarray(gross - self.fees_usd - self.carry_usd)

    def outcome(self, sigma: Floats, gained: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
        """Mean and variance of the profit: of the path where realised is not implied, and of the hedging.

        ``gained`` is :meth:`Path.gamma_moments`. Paths with much gamma also have many hedges: their cost
        counts as a part of the variance that is earned.
        """
        rates, between, cost = self.hedging(sigma)
        mean, unhedged = self.before_hedging(sigma) - cost, self._unhedged_variance(sigma)
        if _is_never(self.plan.policy):
            return mean, unhedged
        earned = sigma**2 - self.vol**2 - self.sign * between / gained[0]
        variance = (earned * gained[1]) ** 2 + self.path.error(rates.variance, sigma)
        # No hedge leaves more than none: the formulas overstate bands wider than the delta can go.
        return mean, np.minimum(variance, unhedged)

    def _unhedged_variance(self, sigma: Floats) -> Floats:
        """Of the payoff at the exit, as if that were the expiry."""
        total = sigma * np.sqrt(self.hold)
        second = np.zeros_like(sigma)
        for kind, strike in zip((CALL, PUT), self.strikes, strict=True):
            d1 = np.log(self.forward / strike) / total + 0.5 * total
            second += (
                self.forward**2 * np.exp(total**2) * ndtr(kind * (d1 + total))
                - 2.0 * self.forward * strike * ndtr(kind * d1)
                + strike**2 * ndtr(kind * (d1 - total))
            )
        return np.maximum(second - self.worth(sigma, self.hold) ** 2, 0.0)

    # ------------------------------------------------------------- answers

    def solve(self) -> Breakevens:
        """Everything, in the settlement currency."""
        gained = self.path.gamma_moments(self.median)
        means, variances = np.array([self.outcome(sigma, gained) for sigma in self.outcomes]).swapaxes(0, 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            chances = ndtr(means / np.sqrt(variances))
            profit = means.mean(axis=0)
            deviation = np.sqrt(variances.mean(axis=0) + means.var(axis=0))
            breakeven = self._breakeven()
            capital = self._capital()
            return Breakevens(
                *self.rows,
                self.tau,
                self.open,
                self._paid_vol(),
                breakeven,
                self.median,
                self.sign * (self.median - breakeven),
                np.where(np.isfinite(profit), chances.mean(axis=0), np.nan),
                profit / self.unit,
                deviation / self.unit,
                self.fees_usd / self.unit,
                self.spread_usd / self.unit,
                self.hedging(self.median)[2] / self.unit,
                self.carry_usd / self.unit,
                capital / self.unit,
                profit / capital,
            )

    def _paid_vol(self) -> Floats:
        return _root(lambda sigma: self.worth(sigma) - self.premium_usd, self.vol)

    def _breakeven(self) -> Floats:
        return _root(lambda sigma: self.sign * self.mean(sigma), self.vol)

    def _capital(self) -> Floats:
        """Add up what the position ties up, USD, by the model that the plan's margin is of."""
        margin = self.plan.margin
        if isinstance(margin, PortfolioRates):
            return self._portfolio_capital(margin)
        return self._standard_capital(margin)

    def _standard_capital(self, rates: MarginRates) -> Floats:
        """Premium and fees of a long position, margin of a short one, and that of a hedge of one coin."""
        chain = self.chain
        hedge = future_rates(rates, chain.base, 1.0).initial * self.forward
        if self.plan.long:
            return np.asarray(self.premium_usd + self.fees_usd + hedge)
        needed = np.zeros_like(self.tau)
        for kind, strike, rows in zip((CALL, PUT), self.strikes, self.rows, strict=True):
            needed += option_margins(rates, kind, strike, self.forward, self._coins(rows))[0]
        return np.asarray(needed * self.forward + hedge)

    def _coins(self, rows: Ints) -> Floats:
        """Return marks in coin."""
        return np.asarray(self.chain.mark[rows] * self.unit / self.forward)

    def _portfolio_capital(self, rates: PortfolioRates) -> Floats:
        """Margin of the options with their first hedge, and the fees.

        The premium counts as equity for as long as the options have it: it is no capital beside the margin.
        """
        m, plan = len(self.tau), self.plan
        lines, sizes, delta = np.zeros((m, 3, 5)), np.zeros((m, 3)), np.zeros(m)
        for leg, (kind, strike, rows) in enumerate(zip((CALL, PUT), self.strikes, self.rows, strict=True)):
            vol = self.chain.iv[rows]
            lines[:, leg] = np.column_stack([np.full(m, kind), strike, self.tau, vol, self.forward])
            plain = black76.greeks(kind, self.forward, strike, self.tau, vol).delta
            delta += plain - (self.chain.mark[rows] if self.inverse else 0.0)
        sizes[:, :2] = self.sign
        sizes[:, 2] = 0.0 if _is_never(plan.policy) else -self.sign * delta
        perpetual = plan.instrument == "perpetual"
        lines[:, 2, 1] = 1.0
        lines[:, 2, 2] = 0.0 if perpetual else self.tau
        lines[:, 2, 4] = self.chain.index if perpetual else self.forward
        groups = np.tile([0, 0, 1 if perpetual else 0], m)
        books = Books(
            np.full(m, self.chain.index), 3 * np.arange(m + 1), lines.reshape(-1, 5), groups, sizes.ravel()
        )
        return portfolio_margins(books, rates, inverse=self.inverse) * self.unit + self.fees_usd


def _root(excess: Any, start: Floats) -> Floats:
    """Where an increasing function of the volatility crosses zero; NaN where it does not.

    Secant steps inside a bracket that only shrinks, for the functions are close to straight; where two steps
    in a row do not halve the way, the bracket is halved instead.
    """
    low, high = np.full_like(start, LOWEST), np.full_like(start, HIGHEST)
    at_low, at_high = excess(low), excess(high)
    inside = (at_low < 0) & (at_high > 0)
    done = ~inside
    before, found = start * 0.95, start.copy()
    at_before = excess(before)
    way = earlier = np.full_like(start, np.inf)
    for _ in range(STEPS):
        here = excess(found)
        below = here < 0
        low, high = np.where(below, found, low), np.where(below, high, found)
        with np.errstate(invalid="ignore", divide="ignore"):
            step = found - here * (found - before) / (here - at_before)
        good = (step > low) & (step < high) & (np.abs(step - found) < 0.5 * earlier)
        step = np.where(good, step, 0.5 * (low + high))
        done |= (here == 0.0) | (np.abs(step - found) < TOLERANCE)
        before, at_before, earlier, way = found, here, way, np.abs(step - found)
        found = np.where(done, found, step)
        if np.all(done):
            break
    return np.where(inside, found, np.nan)


def _is_never(policy: Policy) -> bool:
    return isinstance(policy, Never)


def _is_friday(expiry_ns: Ints) -> Bools:
    return np.array([weekday(int(e)) == FRIDAY for e in expiry_ns], np.bool_)


@cache
def _normal() -> tuple[Floats, Floats]:
    """Nodes and weights for the mean of a function of a standard normal."""
    x, weight = np.polynomial.hermite_e.hermegauss(32)
    return x, weight / weight.sum()


def _shaped(found: Any, alive: Bools) -> Floats:
    """One value a position that is alive."""
    return np.array(np.broadcast_to(np.asarray(found, np.float64), alive.shape)[alive])
