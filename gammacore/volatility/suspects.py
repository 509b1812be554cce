"""Quotes that their neighbours contradict: runs of stale strikes, and expiries that cross in the calendar.

A least-squares fit does not show them: a smile bends to three neighbouring strikes that stood still, and
slices that may not cross are fitted between quotes that do.
"""

from __future__ import annotations

import numpy as np

from gammacore.array_types import Bools, Floats, Ints
from gammacore.volatility.quotes import Points

__all__ = ["crossing", "stale_runs"]


_SIDE = 3  # points on either side of a run that say where it should be
_LONGEST = 4  # strikes of a run
_LIMIT = 5.0  # half spreads, or root mean squares of what the neighbours' own parabola leaves


def stale_runs(points: Points) -> Bools:
    """Mark runs of two to four neighbouring strikes that lie off the smile of the strikes around them.

    Parameters
    ----------
    points : Points

    Returns
    -------
    array of bool, shape (n,)
        The run of an expiry, if there is one, whose points are all more than five half spreads on one side of
        the parabola through three points on either side; at most a quarter of the expiry's points.
    """
    found = np.zeros(points.k.size, dtype=bool)
    for first, end in zip(points.offsets[:-1], points.offsets[1:], strict=True):
        part = slice(first, end)
        worst = (1.0, 0, 0)
        for length in range(2, min((end - first) // 4, _LONGEST) + 1):
            size, start = _runs(points.k[part], points.vol[part], points.half_spread[part], length)
            if size.size:
                at = int(np.argmax(size))
                worst = max(worst, (float(size[at]), first + int(start[at]), length))
        found[worst[1] : worst[1] + worst[2]] = True
    return found


def _runs(k: Floats, vol: Floats, half: Floats, length: int) -> tuple[Floats, Ints]:
    """Least error of every run's points over the limit (0 if their signs differ), and where it begins."""
    start = np.arange(_SIDE, k.size - length - _SIDE + 1)
    if not start.size:
        return np.empty(0), start
    inner = start[:, None] + np.arange(length)
    outer = np.concatenate(
        [start[:, None] - 1 - np.arange(_SIDE), start[:, None] + length + np.arange(_SIDE)], axis=1
    )
    centre = k[outer].mean(axis=1, keepdims=True)
    scale = np.ptp(k[outer], axis=1)[:, None]

    def powers(at: Floats) -> Floats:
        x = (at - centre) / scale
        return np.stack([np.ones_like(x), x, x * x], axis=-1)

    weight = 1.0 / half[outer]
    matrix = powers(k[outer]) * weight[:, :, None]
    target = vol[outer] * weight
    normal = np.einsum("rni,rnj->rij", matrix, matrix)
    solution = np.linalg.solve(normal, np.einsum("rni,rn->ri", matrix, target)[:, :, None])
    left = target - (matrix @ solution)[:, :, 0]
    usual = np.sqrt((left**2).sum(axis=1) / (2 * _SIDE - 3))  # six points, three parameters
    error = (vol[inner] - (powers(k[inner]) @ solution)[:, :, 0]) / half[inner]
    one_side = np.abs(np.sign(error).sum(axis=1)) == length
    size = np.abs(error).min(axis=1) / (_LIMIT * np.maximum(1.0, usual))
    return np.where(one_side, size, 0.0), start


def crossing(points: Points) -> Bools:
    """Mark points whose variance, even at the bid, is above the next expiry's at the ask.

    Parameters
    ----------
    points : Points

    Returns
    -------
    array of bool, shape (n,)
        At the same log-moneyness, within the strikes of the next expiry, linear between them.
    """
    found = np.zeros(points.k.size, dtype=bool)
    low = (points.vol - points.half_spread) * np.abs(points.vol - points.half_spread)
    high = (points.vol + points.half_spread) ** 2
    for i in range(points.tau.size - 1):
        here = np.arange(points.offsets[i], points.offsets[i + 1])
        there = slice(points.offsets[i + 1], points.offsets[i + 2])
        ceiling = np.interp(points.k[here], points.k[there], high[there], left=np.inf, right=np.inf)
        found[here] = low[here] * points.tau[i] > ceiling * points.tau[i + 1]
    return found
