"""The exact utility-based hedge of Hodges and Neuberger, solved on a lattice.

The oracle of the asymptotic rules in :mod:`gammacore.hedging.widths`: slow, and right.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from gammacore.array_types import Floats
from gammacore.errors import ConfigError

__all__ = ["NoTradeRegion", "hodges_neuberger"]


class NoTradeRegion(NamedTuple):
    """Hedge between which nothing is traded, at the start and the spot given.

    ``lower`` and ``upper`` are coins held against the option; ``delta`` is Black's, with
    its sign as the hedge that would replicate.
    """

    lower: float
    upper: float
    delta: float

    @property
    def half_width(self) -> float:
        """Half the distance of the edges."""
        return 0.5 * (self.upper - self.lower)


def hodges_neuberger(
    spot: float,
    strike: float,
    tau: float,
    vol: float,
    cost: float,
    risk_aversion: float,
    *,
    amount: float = -1.0,
    steps: int = 200,
    spacing: float = 0.005,
) -> NoTradeRegion:
    """No-trade region of a call hedged under constant absolute risk aversion.

    Parameters
    ----------
    spot, strike : float
        USD.
    tau : float
        Years.
    vol : float
    cost : float
        One-way proportional cost.
    risk_aversion : float
        Per USD.
    amount : float
        Calls held, -1 for one sold.
    steps : int
        Time steps of the binomial lattice.
    spacing : float
        Distance of the holdings considered, coins.

    Returns
    -------
    NoTradeRegion

    Raises
    ------
    ConfigError
        If an input is not positive, or the grid is too coarse for the region.

    Notes
    -----
    With zero drift and interest and U(w) = -exp(-a w), the value of holding h coins at price
    S is exp(-a (cash + h S)) J(S, h, t), where J = min over trades of E[J'] weighed with
    exp(a cost S |dh|): wealth factors out (Hodges and Neuberger 1989; Davis, Panas and
    Zariphopoulou 1993). The recursion works on ln J. Buying and selling are each one sweep
    over the grid of holdings, as the no-trade region is an interval. At the end the hedge is
    sold without cost and the option settles in cash.
    """
    for name, number in (
        ("spot", spot),
        ("strike", strike),
        ("tau", tau),
        ("vol", vol),
        ("cost", cost),
        ("risk_aversion", risk_aversion),
        ("spacing", spacing),
    ):
        if not (math.isfinite(number) and number > 0):
            raise ConfigError(f"{name}: expected a positive number, got {number!r}")
    if steps < 2 or amount == 0.0:
        raise ConfigError(f"steps, amount: expected at least 2 and not 0, got {steps!r}, {amount!r}")
    up = math.exp(vol * math.sqrt(tau / steps))
    rise = (1.0 - 1.0 / up) / (up - 1.0 / up)  # martingale
    margin = 0.5
    held = np.arange(min(0.0, -amount) - margin, max(0.0, -amount) + margin + spacing / 2, spacing)
    price = spot * up ** np.arange(-steps, steps + 1, 2, dtype=np.float64)
    log_j = np.repeat(-risk_aversion * amount * np.maximum(price - strike, 0.0)[:, None], len(held), axis=1)
    region = (held[0], held[-1])
    for step in range(steps - 1, -1, -1):
        price = spot * up ** np.arange(-step, step + 1, 2, dtype=np.float64)
        log_j = _expected(log_j, price, held, up, rise, risk_aversion)
        log_j, region = _trade(log_j, price, held, risk_aversion * cost)
    if region[0] <= held[0] or region[1] >= held[-1]:
        raise ConfigError(f"spacing, steps: the region {region} reaches the end of the grid of holdings")
    total = vol * math.sqrt(tau)
    d1 = math.log(spot / strike) / total + total / 2
    delta = -amount * 0.5 * math.erfc(-d1 / math.sqrt(2.0))
    return NoTradeRegion(region[0], region[1], delta)


def _expected(
    log_j: Floats, price: Floats, held: Floats, up: float, rise: float, risk_aversion: float
) -> Floats:
    """Log of E[exp(-a h dS) J'] over one step, rows of prices, columns of holdings."""
    gain = risk_aversion * price[:, None] * held
    above = math.log(rise) - gain * (up - 1.0) + log_j[1:]
    below = math.log(1.0 - rise) - gain * (1.0 / up - 1.0) + log_j[:-1]
    return np.logaddexp(above, below)


def _trade(log_j: Floats, price: Floats, held: Floats, weight: float) -> tuple[Floats, tuple[float, float]]:
    """Best of keeping, buying and selling; edges of the region at the middle price."""
    paid = weight * price[:, None] * held
    # min over h' >= h of J(h') + w (h' - h), and the mirror image
    buying = np.minimum.accumulate((log_j + paid)[:, ::-1], axis=1)[:, ::-1] - paid
    selling = np.minimum.accumulate(log_j - paid, axis=1) + paid
    middle = len(price) // 2
    kept = (log_j <= np.minimum(buying, selling) + 1e-13)[middle]
    inside = np.flatnonzero(kept)
    return np.minimum(buying, selling), (float(held[inside[0]]), float(held[inside[-1]]))
