"""Parameters of hedge policies by the names of the compiled simulator."""

from __future__ import annotations

import math
from typing import Any

from gammacore import _hedging
from gammacore.daycount import NS_PER_YEAR
from gammacore.errors import ConfigError
from gammacore.hedging.policies import Band, FixedCost, Interval, Move, Never, WhalleyWilmott, Zakamouline

__all__ = ["ON_GRID", "compiled_policy"]

ON_GRID = 1e-6  # of a step, that a time may be off the grid by rounding
MOVES = {
    "usd": _hedging.MOVE_USD,
    "relative": _hedging.MOVE_RELATIVE,
    "sigma": _hedging.MOVE_SIGMA,
}


def compiled_policy(policy: Any, dt: float) -> dict[str, float]:
    """Fields of the core's policy.

    Parameters
    ----------
    policy : Interval, Band, Move, WhalleyWilmott, Zakamouline, FixedCost or Never
    dt : float
        Years a step takes.

    Raises
    ------
    ConfigError
        For another policy, and an interval that is no whole number of steps.
    """
    if isinstance(policy, Never):
        return {"kind": _hedging.NEVER}
    if isinstance(policy, Interval):
        return {"kind": _hedging.INTERVAL, "every": _every_steps(policy, dt)}
    if isinstance(policy, Band):
        lower = policy.half_width if policy.lower is None else policy.lower
        return {"kind": _hedging.BAND, "upper": policy.half_width, "lower": lower, "to_edge": policy.to_edge}
    if isinstance(policy, Move):
        return {
            "kind": MOVES[policy.unit],
            "threshold": policy.threshold,
            "root_horizon": math.sqrt(policy.horizon_ns / NS_PER_YEAR),
        }
    kind: int
    if isinstance(policy, WhalleyWilmott):
        kind, cost, to_edge = _hedging.WHALLEY_WILMOTT, policy.cost, policy.to_edge
    elif isinstance(policy, Zakamouline):
        kind, cost, to_edge = _hedging.ZAKAMOULINE, policy.cost, True
    elif isinstance(policy, FixedCost):
        kind, cost, to_edge = _hedging.FIXED_COST, policy.cost_per_trade, False
    else:
        raise ConfigError(f"policy: the simulator has no {type(policy).__name__}, got {policy!r}")
    return {"kind": kind, "cost": cost, "to_edge": to_edge, "risk_aversion": policy.risk_aversion}


def _every_steps(policy: Interval, dt: float) -> int:
    """Count the steps between two hedges of an interval; 0 ns is every step."""
    if policy.snapshots_only:
        raise ConfigError("policy.snapshots_only: the simulator has no snapshots of chains, got True")
    if policy.every_ns == 0:
        return 1
    steps = policy.every_ns / NS_PER_YEAR / dt
    if round(steps) < 1 or abs(steps / max(round(steps), 1) - 1.0) > ON_GRID:
        raise ConfigError(
            f"policy.every_ns: expected a multiple of the step of {dt * NS_PER_YEAR:.0f} ns, "
            f"got {policy.every_ns!r}"
        )
    return round(steps)
