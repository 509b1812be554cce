"""Code of your own, named in config.yaml as ``rules:function``: hedge, forecast, structure, exit, size."""

import numpy as np

from gammacore.contracts import CALL, PUT
from gammacore.hedging import Moment
from gammacore.strategy.exits import Holding
from gammacore.strategy.own_legs import ChainView
from gammacore.strategy.sizes import OneUnit
from gammacore.volatility.own_estimate import PastPrices

YEAR_NS = 365 * 86_400 * 10**9


def half_at_night(at: Moment) -> float:
    """Remove the mismatch by day; from 22:00 to 06:00 UTC, when spreads are wide, only half of it."""
    hour = at.ts_ns // 3_600_000_000_000 % 24
    return float(-at.mismatch) * (0.5 if hour >= 22 or hour < 6 else 1.0)


def calm(past: PastPrices) -> float:
    """Forecast the volatility of the window without its largest moves."""
    moves = np.abs(np.diff(np.log(past.price)))
    capped = np.minimum(moves, np.quantile(moves, 0.999))
    return float(np.sqrt(np.sum(capped**2) * YEAR_NS / (past.ts_ns[-1] - past.ts_ns[0])))


def strangle(chain: ChainView) -> list[tuple[int | None, float]]:
    """Buy a call 5 % above the forward and a put 5 % below it."""
    strikes = (CALL, 1.05 * chain.forward), (PUT, 0.95 * chain.forward)
    return [(chain.nearest(kind, strike), 1.0) for kind, strike in strikes]


def enough(held: Holding) -> bool:
    """Leave with a third of the premium earned, or after five days with anything."""
    return held.profit > held.premium / 3 or (held.days_held > 5 and held.profit > 0)


def small(unit: OneUnit) -> float:
    """Buy what 2,000 USD pay for, two units at most."""
    return min(2.0, 2_000.0 / unit.premium)
