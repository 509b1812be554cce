"""What positions are worth at a volatility, and what they cost before anything is hedged on the way."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from gammacore import black76
from gammacore.array_types import Bools, Floats, Ints
from gammacore.breakeven.plan import TradePlan
from gammacore.breakeven.structures import Positions, forwards_of
from gammacore.contracts import CALL, PUT, Settlement
from gammacore.daycount import FRIDAY, NS_PER_YEAR, is_month_end_friday, weekday
from gammacore.events import ChainSlice
from gammacore.hedging import Never

__all__ = ["Held"]


class Held:
    """Positions as they are held: arrays of legs have shape (k, m), of positions (m,); money in USD.

    Attributes
    ----------
    kind, expiry_ns, tau, vol, forward : array, shape (k, m)
        Of each leg.
    amount : array, shape (k, m)
        Coins, negative if sold.
    hold : array, shape (k, m)
        Years until a leg is delivered or closed.
    price : array, shape (m,)
        The forward of the first leg, which the coins of the hedge are traded at.
    strike, size : array, shape (k, m)
        As if all legs had that forward: the forwards move together, so that strikes are scaled by them, and
        with them what USD a linear option is on; an inverse one is on a coin whatever its forward.
    """

    def __init__(self, chain: ChainSlice, ts_ns: int, positions: Positions, plan: TradePlan) -> None:
        self.chain, self.plan, self.rows = chain, plan, np.ascontiguousarray(positions.rows.T)
        amounts = np.ascontiguousarray(positions.amounts.T)
        self.amount: Floats = amounts if plan.long else -amounts
        self.bought = self.amount > 0.0
        rows = self.rows
        self.kind, self.vol = chain.kind[rows], chain.iv[rows]
        self.expiry_ns: Ints = chain.expiry_ns[rows]
        self.tau: Floats = (self.expiry_ns - ts_ns) / NS_PER_YEAR
        self.hold: Floats = self.tau
        if plan.exit_before_ns is not None:  # all are closed before the first expiry
            left = self.tau.min(axis=0) - plan.exit_before_ns / NS_PER_YEAR
            self.hold = np.broadcast_to(left, self.tau.shape)
        self.forward = forwards_of(chain, self.expiry_ns)
        self.price: Floats = self.forward[0]
        self.inverse = chain.settlement is Settlement.INVERSE
        scale = self.forward / self.price
        self.strike: Floats = chain.strike[rows] / scale
        self.size: Floats = self.amount if self.inverse else self.amount * scale
        self.unit = self.price if self.inverse else np.ones_like(self.price)  # USD of one settled unit
        self.hedged = not isinstance(plan.policy, Never)
        if self._one_option:  # one volatility for both legs
            self.vol = np.broadcast_to(self.vol.mean(axis=0), self.vol.shape)

    @property
    def rises(self) -> bool:
        """Whether all are one call and one put of one coin and expiry each: worth more the more moves."""
        if len(self.kind) != 2:
            return False
        pairs = (self.kind[0] == CALL) & (self.kind[1] == PUT) & (self.strike[0] >= self.strike[1])
        same = (self.expiry_ns[0] == self.expiry_ns[1]) & (self.amount[0] == self.amount[1])
        return bool(np.all(pairs & same & (np.abs(self.amount[0]) == 1.0)))

    # ------------------------------------------------------------- quotes

    def premium(self) -> Floats:
        """Price of opening, USD, negative if it is received."""
        return self._sum(self._quote(opening=True))

    def bought_for(self) -> Floats:
        """Price of the legs that are bought, USD."""
        return self._sum(np.where(self.bought, self._quote(opening=True), 0.0))

    def spread(self) -> Floats:
        """Paid over the marks to open, and to close where that is a trade, in price as it is today."""
        mark = self.chain.mark[self.rows]
        paid = self._sum(self._quote(opening=True) - mark)
        if self.plan.exit_before_ns is not None:
            paid = paid + self._sum(mark - self._quote(opening=False))
        return paid

    def closing(self) -> Floats:
        """Return what of the spread is paid to close, USD."""
        if self.plan.exit_before_ns is None:
            return np.zeros_like(self.price)
        return self._sum(self.chain.mark[self.rows] - self._quote(opening=False))

    def _quote(self, opening: bool) -> Floats:
        chain, rows = self.chain, self.rows
        if self.plan.fill == "mark":
            return np.asarray(chain.mark[rows])
        if self.plan.fill == "mid":
            return np.asarray(0.5 * (chain.bid[rows] + chain.ask[rows]))
        return np.where(self.bought == opening, chain.ask[rows], chain.bid[rows])

    def _sum(self, each: Floats) -> Floats:
        """Over the legs, from the settlement currency to USD."""
        return np.asarray((self.amount * each).sum(axis=0) * self.unit)

    # ------------------------------------------------------------- fixed costs

    def fees(self) -> Floats:
        """Fees of the options, both ways or at delivery, USD."""
        plan, fees = self.plan, self.plan.fees
        if fees is None:
            return np.zeros_like(self.price)
        notional = 1.0 if self.inverse else self.chain.index

        def charged(price: Floats) -> Floats:
            each = np.minimum(fees.option_taker * notional, fees.option_cap * price)
            return np.asarray((np.abs(self.amount) * each).sum(axis=0) * self.unit)

        opened = charged(self._quote(opening=True))
        if plan.exit_before_ns is not None:
            return opened + charged(self._quote(opening=False))
        rate = np.where(_is_friday(self.expiry_ns), fees.option_delivery, 0.0)
        reached = np.abs(self._deltas())  # expected deliveries in the money
        return np.asarray(opened + (np.abs(self.size) * rate * reached).sum(axis=0) * self.price)

    def first(self) -> Floats:
        """Cost of the first hedge, USD."""
        return np.asarray(self.plan.hedge_cost * np.abs(self.delta()) * self.price * self.hedged)

    def delta(self) -> Floats:
        """Coins of hedge at the start: the plain delta, less the marks of options that settle in coin."""
        return np.asarray(self._hedges().sum(axis=0))

    def _hedges(self) -> Floats:
        each = self._deltas() - (self.chain.mark[self.rows] if self.inverse else 0.0)
        return np.asarray(self.size * each)

    def _deltas(self) -> Floats:
        return np.asarray(black76.greeks(self.kind, self.price, self.strike, self.tau, self.vol).delta)

    def carry(self) -> Floats:
        """Funding and basis of a perpetual, USD, positive when paid.

        The delta is a martingale: on average it stays what it is at first. A perpetual does not have the
        forward's premium, which an option loses on its way; a future of that expiry does.
        """
        if self.plan.instrument != "perpetual" or not self.hedged:
            return np.zeros_like(self.price)
        basis = np.log(self.forward / self.chain.index) - self.plan.funding * self.hold
        return np.asarray((self._hedges() * basis).sum(axis=0) * self.price)

    def last_rate(self) -> Floats | float:
        """Cost of giving the last hedge up: a trade, or with a future its delivery."""
        plan = self.plan
        if not self.hedged:
            return 0.0
        if plan.instrument == "perpetual" or plan.exit_before_ns is not None:
            return plan.hedge_cost
        rate = 0.0 if plan.fees is None else plan.fees.future_delivery
        return np.where([is_month_end_friday(int(e)) for e in self.expiry_ns.max(axis=0)], rate, 0.0)

    # ------------------------------------------------------------- at a volatility

    def value(self, sigma: Floats) -> Floats:
        """Mean of what the options bring, hedged on the way, USD; at an exit they are at their marks."""
        left = self.vol**2 * (self.tau - self.hold)
        return self._worth(np.sqrt((sigma**2 * self.hold + left) / self.tau))

    def worth(self, sigma: Floats) -> Floats:
        """Value at one volatility, USD."""
        return self._worth(np.broadcast_to(sigma, self.tau.shape))

    def _worth(self, sigma: Floats) -> Floats:
        """By calls alone: the puts by parity."""
        if self._one_option:
            call = black76.price(CALL, self.price, self.strike[0], self.tau[0], sigma[0])
            return np.asarray(self._calls * call - self._parity)
        call = black76.price(CALL, self.price, self.strike, self.tau, sigma)
        return np.asarray((self.size * call).sum(axis=0) - self._parity)

    @cached_property
    def _one_option(self) -> bool:
        """Whether the legs of every position share strike and expiry."""
        same = (self.strike == self.strike[0]) & (self.expiry_ns == self.expiry_ns[0])
        return bool(np.all(same))

    @cached_property
    def _calls(self) -> Floats:
        return np.asarray(self.size.sum(axis=0))

    @cached_property
    def _parity(self) -> Floats:
        return np.asarray((self.size * (self.kind == PUT) * (self.price - self.strike)).sum(axis=0))


def _is_friday(expiry_ns: Ints) -> Bools:
    known, where = np.unique(expiry_ns, return_inverse=True)
    friday = np.array([weekday(int(e)) == FRIDAY for e in known], np.bool_)
    return np.asarray(friday[where].reshape(expiry_ns.shape))
