"""The hedge of any position by simulation: what it costs on the way, and the distribution it leaves.

The gamma of a butterfly or a calendar changes its sign, and then no law of powers of gamma holds. So the
compiled simulator hedges each position along the same few hundred paths at every volatility: common random
numbers make cost and chance smooth in the volatility, and the same whenever they are asked for. Means do
not come from the paths but from the engine, where they are exact, less the cost found here.

Where the policy looks more often than a simulation can step, the cost is found at two steps and carried on
to the one asked for. That of hedges by time falls with the root of the time between them; that of a band
overshoots by a part of a step's move, so that its inverse is straight in the root of the step
(:data:`gammacore.hedging.theory.MONITORING`).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from gammacore import _core, _hedging
from gammacore.array_types import Floats
from gammacore.breakeven.held import Held
from gammacore.hedging import Band, Custom, Interval, Ladder, Never
from gammacore.hedging.compiled import compiled_policy
from gammacore.hedging.turnover import years_between
from gammacore.tolerances import ROUNDING

__all__ = ["Simulated"]

STEPS, COARSE = 256, 4  # most steps of a life, and how many fewer the second look has
PATHS, VALUES = 512, 50_000  # least paths, and path steps of lives that take few steps
AROUND = (0.25, 0.5, 0.75, 1.0, 1.35, 2.0, 4.0)  # of the forecast: volatilities at which the cost is found
SEED = 20_211_001


class Grid(NamedTuple):
    """Steps of a position's life: their number and length in years, and the step each leg ends at."""

    steps: int
    dt: float
    ends: Any


class Simulated:
    """Law of positions of any legs under a lognormal price.

    Parameters
    ----------
    held : Held
    outcomes : array, shape (n, m)
        Volatilities that may be realised.
    median : array, shape (m,)
        Of the forecast.
    """

    def __init__(self, held: Held, outcomes: Floats, median: Floats) -> None:
        self.held, self.plan, self.realised = held, held.plan, outcomes
        self.policy, self.look = _looked(held.plan)
        rows = range(len(held.price))
        self._known = [self._costs(row, float(median[row])) for row in rows]
        self._centred_profits = [self._profits(row, outcomes[:, row]) for row in rows]

    def _costs(self, row: int, median: float) -> tuple[Floats, Floats]:
        """Logarithms of volatilities around the forecast, and the mean cost between the hedges at each."""
        vols = median * np.array(AROUND)
        return np.log(vols), np.array([self._cost(row, float(vol)) for vol in vols])

    def _profits(self, row: int, outcomes: Floats) -> list[tuple[float, Floats]]:
        """Weights and profits at every outcome less their mean, USD: shape (outcomes, paths).

        Variance and chance are straight in the step: what is found at two is carried on to the look.
        """
        grid = _grid(self.held, row, self.look)
        fine = self._centred(row, outcomes, grid)
        if not self._finer(grid):
            return [(1.0, fine)]
        coarse = _grid(self.held, row, COARSE * grid.dt)
        share = (grid.dt - self.look) / (coarse.dt - grid.dt)
        return [(1.0 + share, fine), (-share, self._centred(row, outcomes, coarse))]

    def _centred(self, row: int, outcomes: Floats, grid: Grid) -> Floats:
        found = [self._simulate(row, float(vol), grid, block)[0] for block, vol in enumerate(outcomes, 1)]
        return np.array([profit - profit.mean() for profit in found])

    def _finer(self, grid: Grid) -> bool:
        """Whether the policy looks more often than the grid has steps."""
        return self.held.hedged and self.look < grid.dt * (1.0 - 1e-9)

    @property
    def costs(self) -> Floats:
        """What :meth:`between` is at every outcome."""
        return np.array([self.between(sigma) for sigma in self.realised])

    def between(self, sigma: Floats) -> Floats:
        """Mean cost of the hedges between the first and the last, USD."""
        asked = np.log(sigma)
        return np.array([_along(float(at), *known) for at, known in zip(asked, self._known, strict=True)])

    def outcomes(self, means: Floats) -> tuple[Floats, Floats]:
        """Variance of the profit and chance of one at every outcome, whose mean profits are given."""
        variances, chances = np.zeros_like(means), np.zeros_like(means)
        for row, parts in enumerate(self._centred_profits):
            for weight, profits in parts:
                variances[:, row] += weight * np.mean(profits**2, axis=1)
                chances[:, row] += weight * np.mean(profits + means[:, row, None] > 0.0, axis=1)
        return np.maximum(variances, 0.0), np.clip(chances, 0.0, 1.0)

    def _cost(self, row: int, sigma: float) -> float:
        """Mean cost between the first hedge and the last, USD."""
        if not self.held.hedged:
            return 0.0
        grid = _grid(self.held, row, self.look)
        cost = self._simulate(row, sigma, grid)[1]
        if not self._finer(grid):
            return cost
        near, asked = math.sqrt(grid.dt), math.sqrt(self.look)
        if isinstance(self.policy, Interval):
            return cost * near / asked
        coarse = _grid(self.held, row, COARSE * grid.dt)
        return _carried_on(cost, self._simulate(row, sigma, coarse)[1], near, math.sqrt(coarse.dt), asked)

    def _simulate(self, row: int, sigma: float, grid: Grid, block: int = 0) -> tuple[Floats, float]:
        """Profits of one block of paths, USD, and their mean cost between the first hedge and the last."""
        held, plan = self.held, self.plan
        # An interval hedges at every step: the step is what is between its hedges, or the cost is carried on.
        policy = Interval(0) if isinstance(self.policy, Interval) else self.policy
        price, size = float(held.price[row]), float(np.abs(held.size[:, row]).sum())
        engine = _hedging.Engine(
            grid=(grid.steps, grid.dt, price, 0),
            model={
                "kind": _hedging.GBM,
                "drift": -0.5 * sigma**2 * grid.dt,
                "step_vol": sigma * math.sqrt(grid.dt),
            },
            book=_groups(held, row, grid),
            policy={"dust": ROUNDING * size, **compiled_policy(policy, grid.dt)},
            accounts=(False, _hedging.DELTA_BLACK, held.hedged, False, 1.0, 0.0, 0.0, 0.0, 0.0),
            costs=(plan.hedge_cost, 0.0, 0.0, 0.0),
            seed=SEED,
        )
        paths = max(PATHS, VALUES // grid.steps)
        found = {name: np.empty(paths) for name in ("pnl", "fees")}
        level = _core.LEVELS.index(_core.simd_level())
        engine.run(level, block * paths, (block + 1) * paths, found)
        first = plan.hedge_cost * abs(float(held.plain_delta()[row])) * price * held.hedged
        return found["pnl"], max(float(found["fees"].mean()) - first, 0.0)


def _looked(plan: Any) -> tuple[Any, float]:
    """Policy that the simulator has, and years between two of its looks."""
    policy = plan.policy.trigger if isinstance(plan.policy, Custom) else plan.policy
    if isinstance(policy, Never):
        return policy, math.inf
    if isinstance(policy, Interval):
        return policy, max(years_between(policy, plan.chain_every), plan.look_every)
    if isinstance(policy, Ladder):  # its orders rest: nothing is overlooked
        return Band(policy.half_width), 0.0
    return policy, plan.look_every


def _grid(held: Held, row: int, look: float) -> Grid:
    """Take steps as long as a look, or as short as they may be; the first leg to end does so on one."""
    ends = held.hold[:, row]
    first, last = float(ends.min()), float(ends.max())
    step = min(max(look, last / STEPS), first)
    dt = first / math.ceil(first / step * (1.0 - 1e-9))
    steps = np.maximum(np.round(ends / dt), 1).astype(np.int64)
    return Grid(int(steps.max()), dt, steps)


def _groups(held: Held, row: int, grid: Grid) -> list[tuple[float, ...]]:
    """Return legs as the simulator has them: those delivered end on their step, the rest live on."""
    found: list[tuple[float, ...]] = []
    price = float(held.price[row])
    for leg in range(len(held.strike)):
        strike, size, vol = (float(each[leg, row]) for each in (held.strike, held.size, held.vol))
        left = float(held.tau[leg, row] - held.hold[leg, row])
        end = int(grid.ends[leg])
        puts = size if held.kind[leg, row] < 0 else 0.0
        at = grid.steps + 1 if left > 0.0 else end
        expiry = end * grid.dt + left
        found.append((strike, math.log(strike / price), expiry, at, size, puts, vol, vol, vol, abs(size)))
    return found


def _carried_on(fine: float, coarse: float, near: float, far: float, asked: float) -> float:
    """Cost at a shorter step, from that at two: the roots of all three are given."""
    share = (near - asked) / (far - near)
    if coarse > 0.25 * fine > 0.0:
        inverse = 1.0 / fine - share * (1.0 / coarse - 1.0 / fine)
        return 1.0 / max(inverse, 0.25 / fine)
    return fine + share * (fine - coarse)


def _along(at: float, logs: Floats, costs: Floats) -> float:
    """Cost at a volatility between or beyond those known, where it grows in proportion."""
    if at < logs[0]:
        return float(costs[0] * math.exp(at - logs[0]))
    if at > logs[-1]:
        return float(costs[-1] * math.exp(at - logs[-1]))
    return float(np.interp(at, logs, costs))
