"""Steps of a position's life, and the moves of the price over them."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gammacore import _hedging
from gammacore.array_types import Floats, Ints
from gammacore.volatility.price_law import PriceLaw

__all__ = ["Moves", "Singles", "moves_of", "steps_of"]

Singles = npt.NDArray[np.float32]

STEPS = 64  # most steps of a life that is looked at more often
FEWEST = 8  # steps up to an expiry that others outlive
SEED = 20_211_001
WORK = 2**16  # path steps of a life: the shorter it is in steps, the more paths
SHORT = 4.0 / 365.0  # years: shorter lives, whose profit is more of the path than of the volatility, get
MORE = 2  # times as many paths
FINER, SURER = 2, 8  # how many times as many steps and path steps there are where few positions are simulated
FEWEST_PATHS, MOST_PATHS = 2**10, 2**13
VOLS = 16  # volatilities that share them
ROUNDING = 1e-9
ALIKE = 20  # lives are as long by the law that agree to one part in so many


def steps_of(ends: Floats, left: Floats, look: float, few: bool = False) -> Floats:
    """Return the times at which the price is looked at, from 0 to the last end, years.

    Parameters
    ----------
    ends : array, shape (k,)
        Years after which legs are delivered or closed: each is a step.
    left : array, shape (k,)
        Years that each leg lives beyond its end.
    look : float
        Years between two looks; infinite for none.
    few : bool
        Whether so few positions are simulated that each may take longer.

    Notes
    -----
    As often as the rule looks, or in :data:`STEPS` steps if those are fewer: short ones near an expiry,
    evenly spaced in the root of the time left, as then a hedge at the money moves by the same from step to
    step.
    """
    last, most = float(ends.max()), STEPS * (FINER if few else 1)
    stops = sorted({float(end) for end in ends})
    if last / look <= most:
        count = math.ceil(last / look) if last > look else 1
        looks = (look * k for k in range(1, count))
        near = ROUNDING * last  # a look that rounding puts beside an end is that end
        apart = (each for each in looks if all(abs(each - stop) > near for stop in stops))
        return np.array(sorted({0.0, *stops, *apart}))
    times, start = [0.0], 0.0
    for stop in stops:
        beyond = float(left[ends == stop].min())
        count = max(math.ceil(most * (stop - start) / last), FEWEST)
        roots = np.linspace(math.sqrt(stop - start + beyond), math.sqrt(beyond), count + 1)
        found = stop + beyond - roots**2
        short = np.flatnonzero(np.diff(found) < look)
        if short.size:  # no step is shorter than a look
            first = float(found[short[0]])
            rest = max(round((stop - first) / look), 1)
            found = np.concatenate([found[: short[0]], np.linspace(first, stop, rest + 1)])
        times += found[1:].tolist()
        times[-1], start = stop, stop
    return np.array(times)


class Moves(NamedTuple):
    """Moves of prices whose variance at the last time is 1 on average, shape (steps, paths).

    Attributes
    ----------
    moves : array of float32
        Of the logarithm.
    pace : array of float32
        Root of the variance that moves over what it is on average; negative where there is a jump.
    vols : int
        How many volatilities the paths are for: each has as many neighbours.
    """

    moves: Singles
    pace: Singles
    vols: int


def moves_of(times: Floats, few: bool = False, law: PriceLaw | None = None) -> Moves:
    """Draw moves of prices over a life.

    Parameters
    ----------
    times : array, shape (steps + 1,)
        Years, from 0.
    few : bool
        As in :func:`steps_of`.
    law : PriceLaw, optional
        Without it they are of a Brownian motion. With it, each path has a variance of its own that comes
        and goes, with the mean 1 less the jumps' share, and jumps beside it.

    Notes
    -----
    Scrambled Sobol points along a Brownian bridge, whose first dimension is where the path ends (Caflisch,
    Morokoff and Owen 1997), with the mean and variance of every step made exact. Always the same points.
    """
    steps, years = len(times) - 1, float(times[-1])
    work = WORK * (SURER if few else 1) * (MORE if years < SHORT else 1)
    paths = int(min(max(2 ** round(math.log2(work / steps)), FEWEST_PATHS), MOST_PATHS))
    vols = min(paths // _hedging.BLOCK, VOLS)
    at = tuple(np.round(times / years, 9).tolist())
    if law is None:
        return _brownian(at, paths, vols)
    # Lives that differ by a few percent share their paths.
    return _lawful(at, paths, vols, law, math.exp(round(math.log(years) * ALIKE) / ALIKE))


@lru_cache(maxsize=64)
def _brownian(at_times: tuple[float, ...], paths: int, vols: int) -> Moves:
    at = np.array(at_times)
    steps = len(at) - 1
    normal = _normals(-(-steps // 32) * 32, paths)
    walk = np.zeros((steps + 1, paths))
    walk[steps] = normal[0]
    ends, used = np.array([0, steps]), 1
    while len(ends) <= steps:  # halve every span that can be
        low, high = ends[:-1], ends[1:]
        low, high = low[high - low > 1], high[high - low > 1]
        middle = (low + high) // 2
        share = ((at[middle] - at[low]) / (at[high] - at[low]))[:, None]
        spread = np.sqrt(share * (at[high] - at[middle])[:, None])
        walk[middle] = walk[low] + share * (walk[high] - walk[low]) + spread * normal[used : used + len(low)]
        used += len(low)
        ends = np.sort(np.concatenate([ends, middle]))
    moves = np.diff(walk, axis=0).reshape(steps, vols, -1)
    moves -= moves.mean(axis=2, keepdims=True)
    moves *= (np.sqrt(np.diff(at))[:, None] / moves.std(axis=2))[..., None]
    found: Singles = moves.reshape(steps, paths).astype(np.float32)
    return Moves(found, np.ones_like(found), vols)


@lru_cache(maxsize=64)
def _lawful(at_times: tuple[float, ...], paths: int, vols: int, law: PriceLaw, years: float) -> Moves:
    from scipy.special import ndtri

    plain = _brownian(at_times, paths, vols)
    rng, share = np.random.Generator(np.random.Philox(SEED)), np.diff(at_times)
    pace = _reverting(rng, share * years * (365.0 / law.variance_days), paths)
    np.exp(np.float32(0.5 * law.variance_sd) * pace, out=pace)
    mean = share.astype(np.float32) @ np.square(pace)
    pace *= np.sqrt((1.0 - law.jump_share) / mean)
    moves = pace * plain.moves
    counts = _counts(rng, law, years, paths, vols)
    size = math.sqrt(law.jump_variance(years))
    for k in range(int(counts.max(initial=0))):
        which = np.flatnonzero(counts > k)
        step = np.searchsorted(np.array(at_times[1:-1]), rng.random(len(which)))
        moves[step, which] += size * ndtri(rng.random(len(which)))
        pace[step, which] = -np.abs(pace[step, which])
    return Moves(moves, pace, vols)


def _reverting(rng: np.random.Generator, steps: Floats, paths: int) -> Singles:
    """Draw standard normals that are alike by exp(-time between them), shape (steps, paths)."""
    found = rng.standard_normal((len(steps), paths), np.float32)
    for k in range(1, len(steps)):
        alike = math.exp(-0.5 * (steps[k - 1] + steps[k]))  # from middle to middle
        found[k] = np.float32(alike) * found[k - 1] + np.float32(math.sqrt(1.0 - alike**2)) * found[k]
    return found


def _counts(rng: np.random.Generator, law: PriceLaw, years: float, paths: int, vols: int) -> Ints:
    """Draw how often each path jumps: as often as it should within every volatility's share of the paths."""
    from scipy.special import pdtr

    mean, each = law.jumps_per_year * years, paths // vols
    below = pdtr(np.arange(int(mean + 8.0 * math.sqrt(mean) + 8.0)), mean)
    levels = (np.arange(each) + rng.random((vols, 1))) / each
    return np.asarray(np.searchsorted(below, rng.permuted(levels, axis=1).ravel()))


@lru_cache(maxsize=64)
def _normals(dimensions: int, paths: int) -> Floats:
    from scipy.special import ndtri
    from scipy.stats import qmc

    points = qmc.Sobol(dimensions, scramble=True, rng=SEED).random(paths)
    return np.ascontiguousarray(ndtri(np.clip(points, 1e-12, 1.0 - 1e-12)).T)
