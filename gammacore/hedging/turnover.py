"""Expected turnover and error of a hedge policy over a position's life, in closed form.

While a hedge is followed, its mismatch is close to a Brownian motion of speed ``gamma price vol``, so that
turnover and squared mismatch are known for every policy (``tests/support/reference/band_law.py``). Each is
a power of price and gamma, and the expectation of such a power along a lognormal price is a Gaussian
integral; only the integral over time is left to quadrature.

Prices in USD, deltas in coin, volatilities per year, times in years. Shapes: ``(m,)`` positions, ``(m, n)``
positions by nodes of time. The price is a martingale. Where gamma is so large that the band is wider than the
delta's whole range (hours before expiry, at the strike), these formulas overstate turnover.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from gammacore.array_types import Floats
from gammacore.daycount import NS_PER_YEAR
from gammacore.errors import ConfigError
from gammacore.hedging import widths
from gammacore.hedging.policies import (
    Band,
    Custom,
    FixedCost,
    Interval,
    Ladder,
    Move,
    Never,
    Policy,
    WhalleyWilmott,
    Zakamouline,
)
from gammacore.hedging.theory import MONITORING

__all__ = ["HedgeRates", "LognormalPath", "Power", "hedge_rates", "years_between"]

NODES = 16  # of time; see tests/test_turnover.py for what they are worth


class Power(NamedTuple):
    """``factor * vol**k * price**p * gamma**q`` per year; ``factor`` is a scalar or one value a node."""

    factor: Any
    k: float
    p: float
    q: float


class HedgeRates(NamedTuple):
    """What a policy costs and leaves, per year: coins traded, and variance of the P&L in USD^2."""

    turnover: Power
    variance: Power


NOTHING = Power(0.0, 0.0, 0.0, 0.0)


class LognormalPath:
    """Positions of one or two strikes along a lognormal price, from now to their exit.

    Parameters
    ----------
    forward, tau, hold : array, shape (m,)
        USD; years to expiry; years to the exit, at most ``tau``.
    low, high : array, shape (m,)
        Strikes, USD; equal for a straddle.
    vol : array, shape (m,)
        Volatility that deltas and gammas are taken at.
    amount : float
        Options of each leg.
    """

    def __init__(
        self,
        forward: Floats,
        tau: Floats,
        hold: Floats,
        low: Floats,
        high: Floats,
        vol: Floats,
        amount: float = 1.0,
    ) -> None:
        x, weight = np.polynomial.legendre.leggauss(NODES)
        # Gamma grows like 1/sqrt(time left): in u = sqrt(time left) every integrand is smooth.
        first, last = np.sqrt(np.maximum(tau - hold, 0.0))[:, None], np.sqrt(tau)[:, None]
        u = first + 0.5 * (last - first) * (x + 1.0)
        self.weight: Floats = (last - first) * weight * u
        self.left: Floats = u * u
        self.t: Floats = tau[:, None] - self.left
        self.after: Floats = (tau - hold)[:, None]
        self.forward, self.vol, self.amount = forward[:, None], vol[:, None], amount
        self.low, self.high = low[:, None], high[:, None]
        self._single = bool(np.all(low == high))
        self._w: Floats = self.vol**2 * self.left
        self._log_w: Floats = np.log(2.0 * math.pi * self._w)

    def integral(self, power: Power, realised: Floats) -> Floats:
        """Mean of the integral of a power over the life, at a realised volatility of shape (m,)."""
        sigma = realised[:, None]
        found = self.moment(power.p, power.q, sigma) * power.factor * self.weight
        return np.asarray(found.sum(axis=1) * realised**power.k)

    def moment(self, p: float, q: float, sigma: Floats) -> Floats:
        """Mean of ``price**p gamma**q`` at every node, gamma being that of all legs.

        Notes
        -----
        Exact for one strike, and for two with q = 0, 1 or 2. Between, the first two moments are
        interpolated as one strike's would be, which is also exact for legs that are far apart.
        """
        if q == 0.0:
            return np.asarray(self._one(self.low, p, 0.0, sigma))
        if self._single:
            return np.asarray((2.0 * self.amount) ** q * self._one(self.low, p, q, sigma))
        legs = (self.low, self.high)
        if q in (1.0, 2.0):
            return np.asarray(self.amount**q * self._two(p, q, sigma))
        parts = [self._one(strike, p, q, sigma) for strike in legs]
        alone = sum(
            self._one(strike, p, 1.0, sigma) ** (2.0 - q) * self._one(strike, p, 2.0, sigma) ** (q - 1.0)
            for strike in legs
        )
        both = self._two(p, 1.0, sigma) ** (2.0 - q) * self._two(p, 2.0, sigma) ** (q - 1.0)
        ratio = np.divide(sum(parts), alone, out=np.ones_like(both), where=alone > 0)
        return np.asarray(self.amount**q * both * ratio)

    def _two(self, p: float, q: float, sigma: Floats) -> Floats:
        """Of the sum of both strikes' gammas, for q of 1 or 2."""
        total = self._one(self.low, p, q, sigma) + self._one(self.high, p, q, sigma)
        if q == 2.0:
            apart = np.log(self.high / self.low)
            shared = np.exp(-(apart**2) / (4.0 * self._w))
            total = total + 2.0 * shared * self._one(np.sqrt(self.low * self.high), p, q, sigma)
        return np.asarray(total)

    def _one(self, strike: Floats, p: float, q: float, sigma: Floats) -> Floats:
        """Of one option.

        With gamma = phi(d1)/(F vol sqrt(left)) and x = ln F normal with variance v, the expectation of
        exp((p - q) x) exp(-q (x - k)^2/(2 w)), w = vol^2 left, k = ln K - w/2.
        """
        r, v, w = p - q, sigma**2 * self.t, self._w
        wide = w + q * v
        shifted = np.log(self.forward / strike) + 0.5 * w + (r - 0.5) * v
        power = r * np.log(self.forward) - 0.5 * q * self._log_w + 0.5 * r * (r - 1.0) * v
        return np.asarray(np.sqrt(w / wide) * np.exp(power - (0.5 * q) * shifted**2 / wide))

    def error(self, power: Power, realised: Floats) -> Floats:
        """Variance that a mismatch of given mean square leaves, with what it shares with the gamma to come.

        Parameters
        ----------
        power : Power
            ``vol^2 price^2`` times the mean square of the mismatch.
        realised : array, shape (m,)

        Notes
        -----
        A move that adds to the mismatch also changes what the position will earn where realised and
        hedged volatility differ: by half its square times the gamma of (V(realised) - V(hedged)). So the
        variance is multiplied by 2 gamma(realised)/gamma(hedged) - 1, here by the means of both with
        F^4 gamma(hedged). A mismatch cannot be more than what its options' delta still moves: its mean square
        is held to (F gamma vol)^2 times the time left.
        """
        sigma = realised[:, None]
        strikes = (self.low,) if self._single else (self.low, self.high)
        own = sum(self._one(strike, 4.0, 2.0, sigma) for strike in strikes)
        mixed = sum(self._mixed(strike, sigma) for strike in strikes)
        share = np.divide(mixed, own, out=np.ones_like(own), where=own > 0)
        most = self.moment(4.0, 2.0, sigma) * sigma**4 * self.left
        found = np.minimum(self.moment(power.p, power.q, sigma) * power.factor * sigma**power.k, most)
        return np.asarray((found * np.maximum(2.0 * share - 1.0, 0.0) * self.weight).sum(axis=1))

    def typical_gamma(self, realised: Floats) -> Floats:
        """Gamma at every node where there is some: its mean square over its mean."""
        sigma = realised[:, None]
        mean = self.moment(0.0, 1.0, sigma)
        return np.divide(self.moment(0.0, 2.0, sigma), mean, out=np.zeros_like(mean), where=mean > 0)

    def _mixed(self, strike: Floats, sigma: Floats) -> Floats:
        """Mean of F^4 gamma(hedged) gamma(realised): two Gaussians in ln F make one."""
        v, w = sigma**2 * self.t, self._w
        other = sigma**2 * (self.left - self.after) + self.vol**2 * self.after  # realised until the exit only
        both, total = w * other / (w + other), w + other
        # Centres ln K - w/2 and ln K - other/2: they are apart by (w - other)/2, and meet at ln K - both.
        apart = np.exp(-((w - other) ** 2) / (8.0 * total))
        mean = np.log(self.forward) - 0.5 * v
        shifted = mean + 2.0 * v - np.log(strike) + both
        scale = apart * np.sqrt(both / (both + v)) / (2.0 * math.pi * np.sqrt(w * other))
        return np.asarray(scale * np.exp(2.0 * mean + 2.0 * v - shifted**2 / (2.0 * (both + v))))

    def gamma_moments(self, realised: Floats) -> tuple[Floats, Floats]:
        """Mean and deviation of ``1/2 * integral of F^2 gamma dt``, USD per unit of variance.

        Times ``realised^2 - vol^2`` they are those of a position that is hedged continuously at
        ``vol`` (Ahmad and Wilmott 2005).
        """
        single = self._single
        strikes = (self.low,) if single else (self.low, self.high)
        each = 2.0 * self.amount if single else self.amount
        mean = sum(self._one(strike, 2.0, 1.0, realised[:, None]) for strike in strikes)
        first = 0.5 * each * (mean * self.weight).sum(axis=1)
        second = 0.25 * each**2 * self._second_moment(strikes, realised)
        return first, np.sqrt(np.maximum(second - first**2, 0.0))

    def _second_moment(self, strikes: tuple[Floats, ...], realised: Floats) -> Floats:
        """Of ``integral of F^2 gamma dt``: a bivariate Gaussian at every pair of times."""
        sigma = realised[:, None, None]
        vol, lnf = self.vol[:, :, None], np.log(self.forward)[:, :, None]
        # Within the square the integrand peaks where both times are late: nodes of the later time, and
        # of the earlier one as (1 - y^2) of it, as in theory.ahmad_wilmott_sd.
        y, weight_y = np.polynomial.legendre.leggauss(NODES)
        y, weight_y = 0.5 * (y + 1.0), 0.5 * weight_y
        late = self.t[:, :, None]
        early = late * (1.0 - y**2)
        weight = self.weight[:, :, None] * 2.0 * late * y * weight_y
        tau = (self.t + self.left)[:, :1, None]
        v = [sigma**2 * t + vol**2 * (tau - t) for t in (early, late)]
        shared = sigma**2 * early
        det = v[0] * v[1] - shared**2
        total = np.zeros(len(realised))
        a = [
            [
                lnf - 0.5 * sigma**2 * t - np.log(k)[:, :, None] - 0.5 * vol**2 * (tau - t)
                for t in (early, late)
            ]
            for k in strikes
        ]
        for i, one in enumerate(strikes):
            for j, other in enumerate(strikes):
                form = v[1] * a[i][0] ** 2 - 2.0 * shared * a[i][0] * a[j][1] + v[0] * a[j][1] ** 2
                density = np.exp(-0.5 * form / det) / (2.0 * math.pi * np.sqrt(det))
                total += (one * other)[:, 0] * 2.0 * (density * weight).sum(axis=(1, 2))
        return total


def hedge_rates(
    policy: Policy, path: LognormalPath, realised: Floats, every: float | None = None, look: float = 0.0
) -> HedgeRates:
    """Return what a policy trades and leaves along a path, per year.

    Parameters
    ----------
    policy : Policy
        A custom rule counts as its trigger.
    path : LognormalPath
    realised : array, shape (m,)
        For the widths that depend on where the price may go.
    every : float, optional
        Years between two published chains, for a policy that hedges at each.
    look : float
        Years between two looks at a band; 0 is continuous. See :data:`theory.MONITORING`.

    Returns
    -------
    HedgeRates

    Raises
    ------
    ConfigError
        If the policy hedges at every price or chain, and ``every`` does not say how often that is.
    """
    match policy:
        case Never():
            return HedgeRates(NOTHING, NOTHING)
        case Custom():
            return hedge_rates(policy.trigger, path, realised, every, look)
        case Interval():
            return _timed(years_between(policy, every))
    gamma = path.typical_gamma(realised) if look or isinstance(policy, Zakamouline) else np.zeros(1)
    # A mismatch that is looked at now and then leaves its band by a part of a step.
    past = MONITORING * gamma * path.forward * realised[:, None] * math.sqrt(look)
    match policy:
        case Band():
            lower = policy.half_width if policy.lower is None else policy.lower
            return _banded(policy.half_width + past, lower + past, policy.to_edge)
        case Ladder():  # its orders rest: nothing is overlooked
            return _banded(policy.half_width, policy.half_width, False)
        case Move():
            return _moved(_relative(policy, path) + MONITORING * realised[:, None] * math.sqrt(look))
        case WhalleyWilmott():
            factor = 1.5 if policy.to_edge else 6.0
            scale = (factor * policy.cost / policy.risk_aversion) ** (1.0 / 3.0)
            return _powered(scale, 1.0 / 3.0, 2.0 / 3.0, policy.to_edge, past, path, gamma)
        case FixedCost():
            scale = (12.0 * policy.cost_per_trade / policy.risk_aversion) ** 0.25
            return _powered(scale, 0.0, 0.5, False, past, path, gamma)
        case Zakamouline():
            # Its width is no power of gamma: that at the node's typical gamma stands for it.
            band = widths.zakamouline(
                path.forward, gamma, path.vol, path.left, policy.cost, policy.risk_aversion
            )
            return _banded(band.width + past, band.width + past, True)
    raise ConfigError(f"hedge: the expected turnover of {type(policy).__name__} is not known")


def years_between(policy: Interval, every: float | None) -> float:
    """Years between two hedges by time; ``every`` is that between two chains, where it hedges at each.

    Raises
    ------
    ConfigError
        If it is needed and not known.
    """
    years = policy.every_ns / NS_PER_YEAR
    if policy.snapshots_only or years == 0.0:
        if every is None:
            raise ConfigError("hedge.rule: how often chains are published is not known; use interval")
        years = max(years, every)
    return years


def _timed(every: float) -> HedgeRates:
    """Mean |dx| of a Brownian motion, and half the square it has gathered at the end of a step."""
    return HedgeRates(
        Power(math.sqrt(2.0 / (math.pi * every)), 1.0, 1.0, 1.0), Power(0.5 * every, 4.0, 4.0, 2.0)
    )


def _banded(above: Any, below: Any, to_edge: bool) -> HedgeRates:
    """Rates of a band from -below to above: exit and local times of a Brownian motion from 0."""
    share = 1.0 if to_edge else 2.0
    square = (above**2 - above * below + below**2) / (3.0 * share)
    return HedgeRates(Power(share / (above + below), 2.0, 2.0, 2.0), Power(square, 2.0, 2.0, 0.0))


def _powered(
    scale: float, p: float, q: float, to_edge: bool, past: Floats, path: LognormalPath, gamma: Floats
) -> HedgeRates:
    """Rates of a band of half-width ``scale * price**p * gamma**q``, overshot by ``past``."""
    share = 1.0 if to_edge else 2.0
    wider = 1.0 + (past / np.maximum(scale * path.forward**p * gamma**q, 1e-300) if np.any(past) else 0.0)
    return HedgeRates(
        Power(0.5 * share / (scale * wider), 2.0, 2.0 - p, 2.0 - q),
        Power((scale * wider) ** 2 / (3.0 * share), 2.0, 2.0 + 2.0 * p, 2.0 * q),
    )


def _moved(move: Any) -> HedgeRates:
    """Rates of hedges whenever the logarithm of the price has moved by ``move``: a band in the price."""
    return HedgeRates(Power(1.0 / move, 2.0, 1.0, 1.0), Power(move**2 / 6.0, 2.0, 4.0, 2.0))


def _relative(policy: Move, path: LognormalPath) -> Any:
    if policy.unit == "usd":
        return policy.threshold / path.forward
    if policy.unit == "relative":
        return policy.threshold
    return policy.threshold * path.vol * math.sqrt(policy.horizon_ns / NS_PER_YEAR)
