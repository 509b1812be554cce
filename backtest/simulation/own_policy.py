"""Hedging by a rule of the user's own on simulated paths.

What the options bring does not depend on the hedge: that comes from the compiled simulator. The hedge is
worked out here, all paths together from step to step; the rule is called where its trigger fires.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import numpy as np

from gammacore import black76
from gammacore.array_types import Bools, Floats
from gammacore.contracts import CALL, PUT
from gammacore.daycount import NS_PER_YEAR, parse_time
from gammacore.errors import ConfigError
from gammacore.hedging import Custom, Moment, Never, Zakamouline
from gammacore.tolerances import ROUNDING

from .experiment import Experiment
from .montecarlo import LINES, Simulation, price_paths, simulate

START_NS = parse_time("2026-01-02T08:00")  # the moment that a path begins at: an hour of deliveries
MOST_PRICES = 50_000_000  # of all paths, kept in memory

Progress = Callable[[int, int], None]


def simulate_own(
    experiment: Experiment, policy: Custom, *, paths: int, seed: int, progress: Progress | None = None
) -> Simulation:
    """Hedge by a rule of the user's own; like :func:`.montecarlo.simulate` with all :data:`LINES`.

    Parameters
    ----------
    experiment : Experiment
        Its own policy does not matter; deliveries are at the last price.
    policy : Custom
    paths, seed : int
    progress : callable(done, total), optional
        Counts steps.

    Raises
    ------
    ConfigError
        If the paths do not fit in memory, or the rule asks for what is not simulated.
    CodeError
        If the rule raises.
    """
    if isinstance(policy.trigger, Zakamouline) or policy.snapshots_only:
        raise ConfigError(f"hedge.trigger: {type(policy.trigger).__name__} cannot ask a rule in a simulation")
    if experiment.delta == "usd_neutral":
        raise ConfigError("hedge.target: a rule of your own is simulated with black or coin_neutral alone")
    most = MOST_PRICES // (experiment.steps + 1)
    if paths > most:
        raise ConfigError(f"simulate.paths: expected at most {most:,} for a rule of your own, got {paths:,}")
    plain = msgspec.structs.replace(experiment, policy=Never(), hedge_at_start=False, window=0.0)
    options = simulate(plain, paths=paths, seed=seed, columns=LINES)
    hedge = _Hedge(experiment, policy, price_paths(plain, paths=paths, seed=seed))
    for step in range(experiment.steps):
        hedge.advance(step)
        if progress is not None:
            progress(step + 1, experiment.steps)
    hedge.finish()
    columns = dict(options.columns)
    for name, column in hedge.columns.items():
        columns[name] = columns[name] + column
    costs = hedge.columns["fees"] + hedge.columns["spread"]
    columns["pnl"] = columns["pnl"] + hedge.columns["hedge"] - costs + hedge.columns["funding"]
    return Simulation(experiment, seed, columns)


class _Hedge:
    """The hedges of all paths; columns as of a :class:`Simulation`, of the hedge alone."""

    def __init__(self, experiment: Experiment, policy: Custom, prices: Floats) -> None:
        self.e, self.policy, self.prices = experiment, policy, prices
        names = ("hedge", "fees", "spread", "funding", "trades", "turnover")
        self.columns = {name: np.zeros(len(prices)) for name in names}
        self.position = np.zeros(len(prices))  # coins, or USD of an inverse contract
        self.last_ns = np.zeros(len(prices), np.int64)
        self.last_price = prices[:, 0].copy()
        self.step_ns = round(experiment.dt * NS_PER_YEAR)
        self.dust = ROUNDING * math.fsum(abs(leg.amount) for leg in experiment.book)

    def advance(self, step: int) -> None:
        """Decide at a step, and hold what is held until the next."""
        price, following = self.prices[:, step], self.prices[:, step + 1]
        self._trade(self._wanted(step, price), price)
        held = self.position / price if self.e.inverse else self.position * price
        self.columns["funding"] -= self.e.costs.funding * self.e.dt * held
        moved = 1.0 / price - 1.0 / following if self.e.inverse else following - price
        self.columns["hedge"] += self.position * moved

    def finish(self) -> None:
        """Close the hedge, if it is not to be marked."""
        if self.e.liquidate:
            price = self.prices[:, -1]
            self._trade(-self.position / price if self.e.inverse else -self.position, price)

    def _wanted(self, step: int, price: Floats) -> Floats:
        """Coins to add: what the rule says where its trigger fires, and on every path at the start."""
        e, rule = self.e, self.policy
        delta, gamma, vol, tau = self._options(step, price)
        held = self.position / price if e.inverse else self.position
        mismatch = e.ratio * delta + held - e.target_delta
        looks = rule.needs
        shown = Moment(
            START_NS + step * self.step_ns,
            mismatch,
            price,
            e.ratio * gamma if "gamma" in looks else None,
            vol if "vol" in looks else None,
            tau if "vol" in looks else None,
            self.last_ns,  # type: ignore[arg-type]  # of every path
            self.last_price,  # type: ignore[arg-type]
        )
        first = step == 0 and e.hedge_at_start
        fired: Bools = np.broadcast_to(first or rule.fires(shown), mismatch.shape)
        found = np.zeros_like(mismatch)
        for i in np.flatnonzero(fired).tolist():
            each = msgspec.structs.replace(
                shown,
                mismatch=float(mismatch[i]),
                price=float(price[i]),
                gamma=None if shown.gamma is None else float(shown.gamma[i]),
                last_ns=int(self.last_ns[i]),
                last_price=float(self.last_price[i]) if step else math.nan,
            )
            found[i] = rule.trade(each)
        self.last_ns[fired], self.last_price[fired] = shown.ts_ns, price[fired]
        return found

    def _options(self, step: int, price: Floats) -> tuple[Floats, Floats, float, float]:
        """Delta and gamma of the options alive, and their mean volatility and life by size."""
        e = self.e
        now = step * e.dt
        alive = [leg for leg in e.book if leg.expiry > now + 1e-9 * e.dt]
        delta, gamma = np.zeros_like(price), np.zeros_like(price)
        for leg in alive:
            kind = CALL if leg.kind == "call" else PUT
            told = kind, price, leg.strike, leg.expiry - now, e.hedge_vol_of(leg)
            seen = black76.greeks(*told)
            net = 0.0 if e.delta == "black" else black76.price(*told) / price
            delta += leg.amount * (seen.delta - net)
            gamma += leg.amount * seen.gamma
        size = math.fsum(abs(leg.amount) for leg in alive) or math.inf
        vol = math.fsum(abs(leg.amount) * e.hedge_vol_of(leg) for leg in alive) / size
        return delta, gamma, vol, math.fsum(abs(leg.amount) * (leg.expiry - now) for leg in alive) / size

    def _trade(self, coins: Floats, price: Floats) -> None:
        """Book trades: the spread is on the mark, fees on the price of the fill."""
        e, found = self.e, self.columns
        coins = np.where(np.abs(coins) > self.dust, coins, 0.0)
        half = 1e-4 * e.costs.half_spread_bp
        away = 1.0 + np.sign(coins) * half
        notional = np.abs(coins) / away if e.inverse else np.abs(coins) * price * away
        self.position = self.position + coins * (price if e.inverse else 1.0)
        found["trades"] += coins != 0.0
        found["turnover"] += np.abs(coins)
        found["fees"] += e.costs.proportional * notional + e.costs.fixed * (coins != 0.0)
        found["spread"] += half * (notional if e.inverse else np.abs(coins) * price)
