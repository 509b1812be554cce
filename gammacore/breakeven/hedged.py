"""The hedge of any positions by simulation: what it costs, and the distribution it leaves.

The positions of one expiry are hedged along the same paths (``src_pyx/fan_loops.h``), at a few volatilities
around the forecast. Common random numbers make cost and chance smooth in the volatility and in the strike,
and the same whenever they are asked for. Means do not come from the paths but from the engine, where they are
exact, less the costs found here; what the paths give is how profits are spread around them.

A rule that looks more often than the simulation has steps trades more and leaves less than the simulated one:
both are corrected step by step for the width of its band (``src_pyx/fan.h``).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from gammacore import _core, _hedging
from gammacore.array_types import Floats, Ints
from gammacore.breakeven.held import Held
from gammacore.breakeven.paths import Singles, moves_of, steps_of
from gammacore.hedging import Band, Custom, FixedCost, Interval, Ladder, Move, Never
from gammacore.hedging.compiled import compiled_policy
from gammacore.hedging.policies import years_between

__all__ = ["Hedged"]

KNOTS, APART = 9, 0.4  # positions of an expiry that are simulated at most, and as close as need be
FEW = 12  # simulated positions, up to which they take more steps and paths
WIDE = 0.2  # deviation of the logarithms of the outer simulated volatilities, however sure the forecast is
NEIGHBOURS = 4  # knots that a cubic goes through
SMOOTH = 0.04  # logarithms of volatilities whose distributions are taken together
RAMP = 0.06  # of the deviation: width of the step between loss and profit
LEAST = 0.3  # of the least simulated variance, that a fitted one may be
ALWAYS = 1e-12  # years between two looks of a rule that misses nothing
NOTHING = 1e-12  # of the price: a turnover that is as good as none
RIDGE = 1e-12  # keeps the fit of a variance at few volatilities from having none


class Knots(NamedTuple):
    """Positions of an expiry that are simulated, and where the others lie between them."""

    rows: Ints  # of the simulated ones among the positions
    at: Floats  # of all: how far from the money, in deviations, less the further
    between: Ints  # of each position, its two knots
    share: Floats  # and its distance from the first one, 0 to 1

    def smooth(self, known: Floats) -> Floats:
        """Bring what is known at knots, the last axis, to the positions: cubics through four neighbours."""
        if len(self.rows) < NEIGHBOURS:
            return self.straight(known)
        first = np.clip(self.between[:, 0] - 1, 0, len(self.rows) - NEIGHBOURS)
        which = first[:, None] + np.arange(NEIGHBOURS)
        x = self.at[self.rows][which]
        apart = x[:, :, None] - x[:, None, :] + np.eye(NEIGHBOURS)
        off = np.where(np.eye(NEIGHBOURS, dtype=bool), 1.0, self.at[:, None, None] - x[:, None, :])
        weights = (off / apart).prod(axis=2)  # Lagrange's
        return np.asarray((known[..., which] * weights).sum(axis=-1))

    def straight(self, known: Floats) -> Floats:
        """Return the same by straight lines."""
        one, other = (known[..., self.between[:, k]] for k in (0, 1))
        return np.asarray((1.0 - self.share) * one + self.share * other)


class Batch(NamedTuple):
    """Positions along the same paths: their numbers, and samples of profits at each knot and volatility.

    Samples have mean 0, in the price; shape (knots, volatilities, paths).
    """

    rows: Ints
    logs: Floats  # of the volatilities
    samples: Singles
    knots: Knots
    shrunk: Floats  # share of its deviation that a mean of two samples has, shape (positions, volatilities)


class Hedged:
    """Law of positions of any legs under a lognormal price.

    Parameters
    ----------
    held : Held
    outcomes : array, shape (n, m)
        Volatilities that may be realised.
    median, log_sd : array, shape (m,)
        Of the forecast, and the deviation of its logarithm.
    """

    def __init__(self, held: Held, outcomes: Floats, median: Floats, log_sd: Floats) -> None:
        self.held, self.plan, self.realised, self.median = held, held.plan, outcomes, median
        self.log_sd = log_sd
        self.policy, self.look = _looked(held.plan)
        self.last_rate = np.broadcast_to(held.last_rate(), held.price.shape)
        count = len(held.price)
        self._costs, self._variance = _Curves(count), _Parabola(count)
        batches = [(rows, _knots(held, rows)) for rows in _together(held)]
        few = sum(len(knots.rows) for _, knots in batches) <= FEW
        self._batches = [self._simulated(*batch, few) for batch in batches]

    # ------------------------------------------------------------- simulation

    def _simulated(self, rows: Ints, knots: Knots, few: bool) -> Batch:
        held, simulated = self.held, rows[knots.rows]
        ends = held.hold[:, rows[0]]
        times = steps_of(ends, held.tau[:, rows[0]] - ends, self.look, few)
        moves, pace, count = moves_of(times, few, held.plan.law)
        vols = self._vols(rows, count)
        out = np.empty((3, len(simulated), moves.shape[1]), np.float32)
        legs = _padded([_legs(held, int(row), times) for row in simulated])
        fields = _fields(self.policy, float(held.price[rows[0]]), held.plan.units)
        _hedging.fan(_level(), moves, pace, times, vols, self.look, legs, fields, out)
        gross, traded, last = out.reshape(3, len(simulated), count, -1)
        rate = self.last_rate[simulated, None, None].astype(np.float32)
        net = gross - np.float32(self.plan.hedge_cost) * traded - rate * last
        net -= net.mean(axis=2, keepdims=True)
        variance = np.maximum(np.einsum("kvp,kvp->kv", net, net) / net.shape[2], NOTHING**2)
        logs = np.log(vols)
        costs = np.stack([traded.mean(axis=2), last.mean(axis=2)])
        found = np.concatenate([_cubics(logs, costs), _parabolas(vols**2, variance)])
        found = knots.smooth(found)
        self._costs.take(rows, logs, found[:8])
        self._variance.take(rows, found[8:], LEAST * knots.straight(variance.min(axis=1)))
        return Batch(rows, logs, net, knots, _shrunk(net, variance, knots))

    def _vols(self, rows: Ints, count: int) -> Floats:
        """Return the volatilities that are simulated: equally likely, but wide enough for the costs."""
        from scipy.special import ndtri

        median = self.median[rows]
        median = median[np.isfinite(median)]
        logs = np.sort(np.log(median)) if median.size else np.zeros(1)
        inner = math.hypot(float(np.nanmax(self.log_sd[rows], initial=0.0)), float(logs[-1] - logs[0]))
        score = ndtri((np.arange(count) + 0.5) / count)
        spread = np.where(np.abs(score) < 1.0, inner, max(inner, WIDE))
        return np.asarray(np.exp(logs[len(logs) // 2] + spread * score))

    # ------------------------------------------------------------- costs

    @property
    def costs(self) -> Floats:
        """What :meth:`cost` is at every outcome."""
        return self.cost(self.realised)

    def cost(self, sigma: Floats) -> Floats:
        """Mean cost of the hedges after the first, USD; the last one, which gives the hedge up, included."""
        turnover, last = self._costs(np.log(sigma))
        return np.asarray((self.plan.hedge_cost * turnover + self.last_rate * last) * self.held.price)

    # ------------------------------------------------------------- chances

    def outcomes(self, means: Floats) -> tuple[Floats, Floats]:
        """Variance of the profit and chance of one at every outcome, whose mean profits are given."""
        known = np.isfinite(means) & np.isfinite(self.realised)
        sigma, means = np.where(known, self.realised, 1.0), means / self.held.price
        deviation, chances = np.sqrt(self._variance(sigma**2)), np.empty_like(means)
        # As wide as the mean moves from outcome to outcome: each stands for all between its neighbours.
        ramps = np.maximum(RAMP * deviation, np.abs(np.gradient(means, axis=0)))
        for batch in self._batches:
            weights = _weights(np.log(sigma[:, batch.rows]).T, batch.logs)
            there = np.sqrt(self._variance(np.exp(2.0 * batch.logs)[:, None])[:, batch.rows])
            scales = deviation[:, batch.rows].T[..., None] / (there.T * batch.shrunk)[:, None]
            mean, ramp, scale = (
                np.ascontiguousarray(each, np.float32)
                for each in (means[:, batch.rows].T, ramps[:, batch.rows].T, scales)
            )
            found, knots = np.empty(mean.shape), batch.knots
            where = knots.between, knots.share.astype(np.float32)
            _hedging.chances(_level(), batch.samples, *where, weights, scale, mean, ramp, found)
            chances[:, batch.rows] = found.T
        return np.where(known, (deviation * self.held.price) ** 2, np.nan), np.where(known, chances, np.nan)


class _Curves:
    """Two positive functions of the volatility for each position: cubics in logarithms through a few points.

    Beyond the points they go on straight in logarithms, and at most in proportion to the volatility.
    """

    def __init__(self, count: int) -> None:
        self.factors: Floats = np.zeros((4, 2, count))
        self.middle, self.reach = np.zeros(count), np.ones(count)

    def take(self, rows: Ints, logs: Floats, factors: Floats) -> None:
        """Take in the cubics of some positions, by :func:`_cubics` of these logarithms."""
        self.factors[:, :, rows] = factors.reshape(2, 4, -1).swapaxes(0, 1)
        self.middle[rows], self.reach[rows] = 0.5 * (logs[0] + logs[-1]), 0.5 * (logs[-1] - logs[0])

    def __call__(self, asked: Floats) -> Floats:
        """Both at logarithms of volatilities, shape (..., positions), on a first axis."""
        a, b, c, d = self.factors.reshape(4, 2, *(1,) * (asked.ndim - 1), -1)
        at = (asked - self.middle) / self.reach
        inside = np.clip(at, -1.0, 1.0)
        slope = b + inside * (2.0 * c + inside * 3.0 * d)
        slope = np.where(at > inside, np.minimum(slope, self.reach), np.maximum(slope, self.reach))
        return np.asarray(np.exp(a + inside * (b + inside * (c + inside * d)) + (at - inside) * slope))


class _Parabola:
    """Variance of the profit as a parabola in the variance that is realised, for each position.

    That of the path grows with the square of the distance from the implied variance, that of the hedge with
    the square of the realised one.
    """

    def __init__(self, count: int) -> None:
        self.factors: Floats = np.zeros((3, count))
        self.least = np.zeros(count)

    def take(self, rows: Ints, factors: Floats, least: Floats) -> None:
        """Take in the parabolas of some positions, by :func:`_parabolas`, and what they never go below."""
        self.factors[:, rows], self.least[rows] = factors, least

    def __call__(self, square: Floats) -> Floats:
        a, b, c = self.factors
        return np.asarray(np.maximum(a + square * (b + square * c), self.least))


def _cubics(logs: Floats, known: Floats) -> Floats:
    """Fit the logarithms of values at volatilities, (curves, knots, volatilities); four factors a curve."""
    middle, reach = 0.5 * (logs[0] + logs[-1]), 0.5 * (logs[-1] - logs[0])
    powers = ((logs - middle) / reach)[:, None] ** np.arange(4)
    values = np.log(np.maximum(known, NOTHING)).reshape(-1, len(logs))
    found = np.linalg.lstsq(powers, values.T)[0]
    return np.asarray(found.reshape(4, len(known), -1).swapaxes(0, 1).reshape(-1, known.shape[1]))


def _parabolas(squares: Floats, known: Floats) -> Floats:
    """Fit variances at squared volatilities, (knots, volatilities), whose errors are shares of themselves."""
    unit = float(squares[len(squares) // 2])
    powers = (squares / unit)[:, None] ** np.arange(3) / known[..., None]
    normal = powers.swapaxes(1, 2) @ powers
    normal += RIDGE * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    found = np.linalg.solve(normal, powers.sum(axis=1)[..., None])[..., 0]
    return np.asarray((found / unit ** np.arange(3)).T)


def _shrunk(samples: Singles, variance: Floats, knots: Knots) -> Floats:
    """Return how much narrower means of two knots' samples are than those: (positions, volatilities)."""
    if len(knots.rows) == len(knots.share):
        return np.ones((len(knots.share), 1))
    shared = np.einsum("kvp,kvp->kv", samples[:-1], samples[1:]) / samples.shape[2]
    low, share = knots.between[:, 0], knots.share[:, None]
    one, other, both = variance[low], variance[low + 1], shared[low]
    found = (1.0 - share) ** 2 * one + share**2 * other + 2.0 * share * (1.0 - share) * both
    return np.asarray(np.sqrt(found / ((1.0 - share) * one + share * other)))


def _level() -> int:
    return _core.LEVELS.index(_core.simd_level())


def _fields(policy: Any, price: float, units: float) -> dict[str, float]:
    """Return the policy as the core has it: for one of the units, amounts of USD relative to the price."""
    # An interval hedges at every step, whatever time that is.
    fields = compiled_policy(Interval(0) if isinstance(policy, Interval) else policy, 1.0)
    if "risk_aversion" in fields:
        fields["risk_aversion"] *= price * units
    if isinstance(policy, FixedCost):
        fields["cost"] /= price * units
    if isinstance(policy, Band):
        fields |= {edge: fields[edge] / units for edge in ("lower", "upper")}
    if isinstance(policy, Move) and policy.unit == "usd":
        fields["threshold"] /= price
    return fields


def _looked(plan: Any) -> tuple[Any, float]:
    """Policy that is simulated, and years between two of its looks."""
    policy = plan.policy.trigger if isinstance(plan.policy, Custom) else plan.policy
    if isinstance(policy, Never):
        return policy, math.inf
    if isinstance(policy, Interval):
        return policy, max(years_between(policy, plan.chain_every), plan.look_every)
    if isinstance(policy, Ladder):  # its orders rest: nothing is overlooked
        return Band(policy.half_width), ALWAYS
    return policy, max(plan.look_every, ALWAYS)


def _together(held: Held) -> list[Ints]:
    """Positions whose legs share their expiries."""
    if not len(held.price):
        return []
    _, group = np.unique(held.expiry_ns, axis=1, return_inverse=True)
    group = np.asarray(group).ravel()
    order = np.argsort(group, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def _knots(held: Held, rows: Ints) -> Knots:
    """Choose what is simulated: all, unless there are many of one strike each that differ in it alone."""
    every = np.arange(len(rows), dtype=np.int64)
    strike, size, kind = held.strike[:, rows], held.size[:, rows], held.kind[:, rows]
    alike = (strike == strike[0]).all() and all((each == each[:, :1]).all() for each in (size, kind))
    away = np.log(strike[0] / held.price[rows]) / (np.median(held.vol[:, rows]) * np.sqrt(held.tau[0, rows]))
    at = np.arcsinh(away)  # the nearer the money, the closer they are
    if len(rows) <= KNOTS or not alike:
        return Knots(every, every.astype(np.float64), np.stack((every, every), axis=1), np.zeros(len(rows)))
    order = np.argsort(at, kind="stable")
    low, high = float(at[order[0]]), float(at[order[-1]])
    wanted = np.linspace(low, high, max(min(math.ceil((high - low) / APART) + 1, KNOTS), 2))
    knots = order[np.unique(np.abs(at[order] - wanted[:, None]).argmin(axis=1))]
    place = np.clip(np.searchsorted(at[knots], at, side="right") - 1, 0, len(knots) - 2)
    share = (at - at[knots[place]]) / (at[knots[place + 1]] - at[knots[place]])
    return Knots(knots, at, np.stack((place, place + 1), axis=1), np.clip(share, 0.0, 1.0))


def _weights(asked: Floats, logs: Floats) -> Singles:
    """Shares of the simulated volatilities in the distributions asked for: (positions, outcomes, n)."""
    asked = np.clip(asked, logs[0], logs[-1])
    below = np.clip(np.searchsorted(logs, asked, side="right") - 1, 0, len(logs) - 2)
    reach = np.maximum(np.diff(logs)[below], SMOOTH)
    found = np.maximum(1.0 - np.abs(asked[..., None] - logs) / reach[..., None], 0.0)
    return np.ascontiguousarray(found / found.sum(axis=2, keepdims=True), np.float32)


def _legs(held: Held, row: int, times: Floats) -> list[tuple[float, ...]]:
    """Return the options of one strike and expiry as one leg each, in the order of the core."""
    found: dict[tuple[float, int, float], list[float]] = {}
    price = float(held.price[row])
    for leg in range(len(held.strike)):
        strike, size, vol = (float(each[leg, row]) for each in (held.strike, held.size, held.vol))
        key = strike, int(held.expiry_ns[leg, row]), vol
        if key not in found:
            end = int(np.abs(times - held.hold[leg, row]).argmin())
            found[key] = [math.log(strike / price), float(held.tau[leg, row]), end, 0.0, 0.0, vol]
        found[key][3] += size
        found[key][4] += size if held.kind[leg, row] < 0 else 0.0
    return [tuple(each) for each in found.values()]


def _padded(legs: list[list[tuple[float, ...]]]) -> list[list[tuple[float, ...]]]:
    """Give all positions as many legs, by options of no amount."""
    most = max(map(len, legs))
    return [each + [(*each[0][:3], 0.0, 0.0, each[0][5])] * (most - len(each)) for each in legs]
