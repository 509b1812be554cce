"""The hedging simulator from its definitions: numpy, a loop over steps, every option by itself.

Shares no code with the core: own prices and Greeks (scipy's normal distribution), no parity, accounts
kept as sums of position times price change. Paths are given, so that both see the same.
"""

import numpy as np
from scipy.special import ndtr

from gammacore.daycount import NS_PER_YEAR
from gammacore.hedging import Band, FixedCost, Interval, Move, Never, WhalleyWilmott, Zakamouline

SIGN = {"call": 1.0, "put": -1.0}


def density(d):
    return np.exp(-0.5 * d * d) / np.sqrt(2 * np.pi)


def greeks(leg, F, tau, vol):
    """USD value, delta, gamma, theta per year of one option."""
    s = vol * np.sqrt(tau)
    d1 = np.log(F / leg.strike) / s + 0.5 * s
    d2 = d1 - s
    sign = SIGN[leg.kind]
    value = sign * (F * ndtr(sign * d1) - leg.strike * ndtr(sign * d2))
    gamma = density(d1) / (F * s)
    return value, sign * ndtr(sign * d1), gamma, -0.5 * vol**2 * F**2 * gamma


class Slow:
    """One experiment along given paths; `columns` as those of the simulator."""

    def __init__(self, e, paths):
        self.e, self.paths = e, np.asarray(paths, dtype=np.float64)
        n = len(self.paths)
        zero = np.zeros
        self.position = zero(n)  # coins (linear) or USD of inverse futures
        self.hedge, self.fees, self.spread, self.funding = zero(n), zero(n), zero(n), zero(n)
        self.unsure = np.zeros(n, bool)
        self.trades, self.turnover, self.squares, self.variance = zero(n), zero(n), zero(n), zero(n)
        self.lines = {name: zero(n) for name in ("delta", "gamma", "theta")}
        self.settled = zero(n)
        self.fees += e.entry_fee
        self.size = sum(abs(leg.amount) for leg in e.book)
        self.last_step, self.last_price = 0, self.paths[:, 0].copy()

    def alive(self, step):
        return [leg for leg in self.e.book if leg.expiry > step * self.e.dt + 1e-9 * self.e.dt]

    def values(self, step, end=False):
        """Value, first and second derivative in the hedge's price, time decay; settlement currency."""
        F, out = self.paths[:, step], [0.0, 0.0, 0.0, 0.0]
        for leg in self.alive(step):
            vol = self.e.end_vol if end and self.e.end_vol is not None else self.e.implied_of(leg)
            value, delta, gamma, theta = greeks(leg, F, leg.expiry - step * self.e.dt, vol)
            if self.e.inverse:  # in X = 1/F
                terms = value / F, -F * (delta - value / F), F**3 * gamma, theta / F
            else:
                terms = value, delta, gamma, theta
            out = [a + leg.amount * b for a, b in zip(out, terms, strict=True)]
        return [np.broadcast_to(np.asarray(x, dtype=float), F.shape) for x in out]

    def book_delta(self, step, factor=1.0):
        """Delta that is hedged (coin) and gamma (coin per USD)."""
        F = self.paths[:, step]
        delta, gamma = np.zeros_like(F), np.zeros_like(F)
        for leg in self.alive(step):
            vol = self.e.hedge_vol_of(leg) * factor
            value, black, g, _ = greeks(leg, F, leg.expiry - step * self.e.dt, vol)
            delta += leg.amount * (black if self.e.delta == "black" else black - value / F)
            gamma += leg.amount * g
        return delta, gamma

    def averages(self, step):
        live = self.alive(step)
        size = sum(abs(leg.amount) for leg in live)
        if not size:
            return 1.0, 1.0
        vol = sum(abs(leg.amount) * self.e.hedge_vol_of(leg) for leg in live) / size
        tau = sum(abs(leg.amount) * (leg.expiry - step * self.e.dt) for leg in live) / size
        return vol, tau

    def mismatch(self, step):
        e, F = self.e, self.paths[:, step]
        factor = 1.0
        if isinstance(e.policy, Zakamouline):
            factor = self.zakamouline(step)[1]
        delta, _ = self.book_delta(step, factor)
        held = self.position / F if e.inverse else self.position
        total = e.ratio * delta + held - e.target_delta
        if e.delta == "usd_neutral":
            equity = self.settled + self.values(step)[0] - e.premium + self.financed() + self.hedge
            total = total + equity - self.fees - self.spread + self.funding
        return total

    def financed(self):
        """Coins of premium that were bought with borrowed USD: what was paid, not what was received."""
        paid = [leg.amount * self.e.premium_of(leg) for leg in self.e.book if leg.amount > 0]
        return sum(paid) if self.e.financed_in_usd else 0.0

    def zakamouline(self, step):
        e, F, p = self.e, self.paths[:, step], self.e.policy
        vol, tau = self.averages(step)
        gamma = e.ratio * self.book_delta(step)[1]
        size = np.maximum(np.abs(gamma), 1e-300)
        h0 = p.cost / (p.risk_aversion * F * vol**2 * tau)
        h1 = 1.12 * p.cost**0.31 * tau**0.05 * vol**-0.25 * np.sqrt(size / p.risk_aversion)
        k = -4.76 * p.cost**0.78 * tau**-0.02 * vol**-0.25 * (p.risk_aversion * F**2 * size) ** 0.15
        factor = np.sqrt(np.maximum(np.where(gamma < 0, 1 - k, 1 + k), 0.01))
        return h0 + h1, factor

    def trade(self, step):
        """Coins to add."""
        e, p, F = self.e, self.e.policy, self.paths[:, step]
        y = self.mismatch(step)
        if isinstance(p, Never):
            return np.zeros_like(y)
        if step == 0 and e.hedge_at_start:
            return -y
        if isinstance(p, Interval):
            every = max(round(p.every_ns / NS_PER_YEAR / e.dt), 1)
            due = step - self.last_step >= every
            if due:
                self.last_step = step
            return -y if due else np.zeros_like(y)
        if isinstance(p, Move):
            if p.unit == "usd":
                move, bound = np.abs(F - self.last_price), p.threshold
            elif p.unit == "relative":
                move, bound = np.abs(F / self.last_price - 1), p.threshold
            else:
                move = np.abs(np.log(F / self.last_price))
                bound = p.threshold * self.averages(step)[0] * np.sqrt(p.horizon_ns / NS_PER_YEAR)
            fired = move > bound
            self.last_price = np.where(fired, F, self.last_price)
            return np.where(fired, -y, 0.0)
        gamma = e.ratio * self.book_delta(step)[1]
        to_edge = True
        if isinstance(p, Band):
            upper, lower, to_edge = p.half_width, p.half_width if p.lower is None else p.lower, p.to_edge
        elif isinstance(p, WhalleyWilmott):
            upper = lower = np.cbrt((1.5 if p.to_edge else 6.0) * p.cost * F * gamma**2 / p.risk_aversion)
            to_edge = p.to_edge
        elif isinstance(p, Zakamouline):
            upper = lower = self.zakamouline(step)[0]
        elif isinstance(p, FixedCost):
            upper = lower = (12 * p.cost_per_trade * gamma**2 / p.risk_aversion) ** 0.25
            to_edge = False
        goal = np.where(y > upper, upper, -lower) * to_edge
        return np.where((y > upper) | (y < -lower), goal - y, 0.0)

    def book_trade(self, x, F):
        e = self.e
        # Of a wish near the dust rounding decides whether it is one.
        self.unsure |= (np.abs(x) > 1e-13 * self.size) & (np.abs(x) < 1e-11 * self.size)
        x = np.where(np.abs(x) > 1e-12 * self.size, x, 0.0)
        half = 1e-4 * e.costs.half_spread_bp
        away = 1.0 + np.sign(x) * half  # of the fill from the mark
        notional = np.abs(x) / away if e.inverse else np.abs(x) * F * away
        self.position = self.position + x * (F if e.inverse else 1.0)
        self.trades += x != 0
        self.turnover += np.abs(x)
        self.fees += e.costs.proportional * notional + e.costs.fixed * (x != 0)
        self.spread += half * (notional if e.inverse else np.abs(x) * F)
        return x

    def run(self):
        e = self.e
        for step in range(e.steps):
            F, following = self.paths[:, step], self.paths[:, step + 1]
            _, slope, curve, decay = self.values(step)
            left = self.mismatch(step)  # before the costs of the trade itself
            left += self.book_trade(self.trade(step), F)
            self.squares += left**2
            held = self.position / F if e.inverse else self.position * F
            self.funding -= e.costs.funding * e.dt * held
            move = 1 / following - 1 / F if e.inverse else following - F
            self.hedge += -self.position * move if e.inverse else self.position * move
            self.lines["delta"] += slope * move
            self.lines["gamma"] += 0.5 * curve * move**2
            self.lines["theta"] += decay * e.dt
            self.variance += np.log(following / F) ** 2
            for leg in e.book:
                if abs(leg.expiry / e.dt - (step + 1)) < 1e-6:
                    payoff = np.maximum(SIGN[leg.kind] * (following - leg.strike), 0.0)
                    self.settled += leg.amount * (payoff / following if e.inverse else payoff)
        return self.finish()

    def finish(self):
        e, F = self.e, self.paths[:, -1]
        if e.liquidate:
            self.book_trade(-self.position / F if e.inverse else -self.position, F)
        at_mark, at_end = self.values(e.steps)[0], self.values(e.steps, end=True)[0]
        options = self.settled + at_end - e.premium
        pnl = options + self.hedge - self.fees - self.spread + self.funding
        usd = pnl * F + self.financed() * (F - e.forward)
        return {
            "pnl": pnl,
            "pnl_usd": usd if e.inverse else pnl,
            "trades": self.trades,
            "turnover": self.turnover,
            "fees": self.fees,
            "spread": self.spread,
            "funding": self.funding,
            "hedge": self.hedge,
            "options": options,
            **self.lines,
            "vega": at_end - at_mark,
            "higher_order": options - sum(self.lines.values()) - (at_end - at_mark),
            "mean_square_mismatch": self.squares / e.steps,
            "realised_variance": self.variance / e.years,
            "price": F,
        }
