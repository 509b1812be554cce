"""Volatilities at which something is nil, one a position."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gammacore.array_types import Floats

__all__ = ["Excess", "nearest_root", "rising_root"]

LOWEST, HIGHEST = 0.01, 8.0  # volatilities between which one is looked for
STEPS, TOLERANCE = 40, 1e-11  # of the search
GRID = 48  # volatilities at which a sign is looked at, evenly spaced in logarithms

Excess = Callable[[Floats], Floats]


def rising_root(excess: Excess, start: Floats) -> Floats:
    """Where an increasing function of the volatility crosses zero; NaN where it does not.

    Secant steps inside a bracket that only shrinks, for the functions are close to straight; where two steps
    in a row do not halve the way, the bracket is halved instead.
    """
    low, high = np.full_like(start, LOWEST), np.full_like(start, HIGHEST)
    return _between(excess, low, high, start)


def nearest_root(excess: Excess, start: Floats) -> Floats:
    """Zero of any function of the volatility that is nearest ``start``, in logarithms; NaN without one.

    Looked for between neighbours of a grid whose signs differ.
    """
    grid = np.geomspace(LOWEST, HIGHEST, GRID)
    seen = np.array([excess(np.full_like(start, vol)) for vol in grid])
    crosses = np.signbit(seen[1:]) != np.signbit(seen[:-1])
    crosses &= np.isfinite(seen[1:]) & np.isfinite(seen[:-1])
    inside = np.log(grid[:-1, None]), np.log(grid[1:, None])
    away = np.maximum(np.maximum(inside[0] - np.log(start), np.log(start) - inside[1]), 0.0)
    # Where the start's own cell does not cross, the nearer of two cells; in cells, nearest in the middle.
    middle = np.abs(0.5 * (inside[0] + inside[1]) - np.log(start))
    at = np.argmin(np.where(crosses, away + 1e-3 * middle, np.inf), axis=0)
    column = np.arange(len(start))
    rises = seen[at, column] < 0.0
    sign = np.where(rises, 1.0, -1.0)
    low, high = grid[at], grid[at + 1]
    found = _between(lambda vol: sign * excess(vol), low, high, np.sqrt(low * high))
    return np.where(crosses.any(axis=0), found, np.nan)


def _between(excess: Excess, low: Floats, high: Floats, start: Floats) -> Floats:
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
        # Before a step that leaves the bracket by rounding is replaced: it may be the last.
        done |= (here == 0.0) | (np.abs(step - found) < TOLERANCE)
        good = (step > low) & (step < high) & (np.abs(step - found) < 0.5 * earlier)
        step = np.where(good, step, 0.5 * (low + high))
        before, at_before, earlier, way = found, here, way, np.abs(step - found)
        found = np.where(done, found, step)
        if np.all(done):
            break
    return np.where(inside, found, np.nan)
