"""How true chances were: the Brier score, its parts, the constant's score, and intervals over whole weeks.

Straddles of one week share their market, so that intervals come from drawing weeks again, and runs of weeks
where lives are longer than one. All statistics follow from sums over weeks: a draw is one row of counts.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from gammacore.array_types import Bools, Floats, Ints
from gammacore.daycount import NS_PER_DAY

__all__ = [
    "FEW_STRADDLES",
    "FEW_WEEKS",
    "Calibration",
    "Estimated",
    "ReliabilityBin",
    "calibrate",
    "mean_over_weeks",
    "week_of",
]

BINS = 10  # of equal width
DRAWS, SEED = 2_000, 20_260_101
LOW, HIGH = 0.025, 0.975
FEW_STRADDLES, FEW_WEEKS, FEW_RUNS = 30, 6, 4  # below any of them nothing is concluded
MOST_LIVES = 0.9
NORMAL = 1.959964  # standard deviations that an interval of 95 % reaches to either side
WEEK_NS = 7 * NS_PER_DAY


class Estimated(NamedTuple):
    """A figure and its 95 % interval; NaN where straddles or weeks are too few for one."""

    value: float
    low: float = math.nan
    high: float = math.nan


class ReliabilityBin(NamedTuple):
    """Straddles whose chances lie between two tenths: what was promised, and how many paid."""

    low: float
    high: float
    straddles: int
    weeks: int
    promised: float
    paid: Estimated


class Calibration(NamedTuple):
    """How true chances were.

    Attributes
    ----------
    straddles, weeks : int
        Straddles, and weeks in which they were bought.
    promised, paid : float
        Mean chance, and share of straddles that paid.
    excess : Estimated
        The first less the second.
    brier : Estimated
        Mean squared distance of the chance from what came (1 or 0).
    constant : float
        The same of a constant chance, the share that paid: what nobody knew beforehand.
    gain : Estimated
        ``constant`` less ``brier``: above zero there is skill.
    skill : Estimated
        ``gain`` over ``constant``.
    reliability, resolution : Estimated
        Murphy's parts over the bins: ``brier = reliability - resolution + constant + within``.
    within : float
        What the bins hide of the score, so that the sum is exact.
    auc : Estimated
        How often, of a straddle that paid and one that did not, the first had the larger chance; 0.5 is
        chance.
    bins : list of ReliabilityBin
    run : int
        Weeks that are drawn together.
    """

    straddles: int
    weeks: int
    promised: float
    paid: float
    excess: Estimated
    brier: Estimated
    constant: float
    gain: Estimated
    skill: Estimated
    reliability: Estimated
    resolution: Estimated
    within: float
    auc: Estimated
    bins: list[ReliabilityBin]
    run: int

    @property
    def enough(self) -> bool:
        """Whether there is enough to conclude anything from."""
        return _enough(self.straddles, self.weeks, self.run)


def week_of(ts_ns: Ints) -> Ints:
    """Return the number of the week of a moment, UTC, weeks beginning on Mondays."""
    return np.asarray((ts_ns // NS_PER_DAY + 3) // 7)


def calibrate(probability: Floats, paid: Bools, entry_ns: Ints, end_ns: Ints) -> Calibration:
    """Hold chances against what came.

    Parameters
    ----------
    probability : array, shape (n,)
        Between 0 and 1.
    paid : array of bool, shape (n,)
    entry_ns, end_ns : array, shape (n,)
        When each was bought, and when it ended: long lives have weeks drawn together.

    Notes
    -----
    Intervals are percentiles of the draws less twice their bias, the sample's own and the draws': reliability
    and resolution are squares, which chance alone makes larger, and true chances must have an interval that
    holds zero. In a draw the constant is that of the drawn weeks.

    Raises
    ------
    ValueError
        If there is no straddle, or a chance that is none.
    """
    p, y = np.asarray(probability, np.float64), np.asarray(paid, np.float64)
    if not len(p):
        raise ValueError("probability: expected at least one")
    if not np.all((p >= 0.0) & (p <= 1.0)):
        raise ValueError(f"probability: expected 0 to 1, got {p[~((p >= 0.0) & (p <= 1.0))][0]:g}")
    weeks, at = np.unique(week_of(entry_ns), return_inverse=True)
    run = _run(entry_ns, end_ns)
    sums, pairs = _sums(p, y, at, len(weeks)), _pairs(p, y, at, len(weeks))
    whole = np.ones((1, len(weeks)))
    value = _statistics(sums, pairs, whole)
    enough = _enough(len(p), len(weeks), run)
    drawn = _statistics(sums, pairs, _draws(len(weeks), run)) if enough else None

    def estimated(name: str) -> Estimated:
        return _estimated(float(value[name][0]), None if drawn is None else drawn[name])

    return Calibration(
        straddles=len(p),
        weeks=len(weeks),
        promised=float(p.mean()),
        paid=float(y.mean()),
        excess=estimated("excess"),
        brier=estimated("brier"),
        constant=float(value["constant"][0]),
        gain=estimated("gain"),
        skill=estimated("skill"),
        reliability=estimated("reliability"),
        resolution=estimated("resolution"),
        within=float(value["within"][0]),
        auc=estimated("auc"),
        bins=_bins(p, at, value, drawn),
        run=run,
    )


def mean_over_weeks(values: Floats, entry_ns: Ints, end_ns: Ints) -> Estimated:
    """Mean of one figure for each straddle, with the interval that :func:`calibrate` would give it."""
    weeks, at = np.unique(week_of(entry_ns), return_inverse=True)
    if not len(weeks):
        return Estimated(math.nan)
    drawn, run = None, _run(entry_ns, end_ns)
    if _enough(len(values), len(weeks), run):
        counts = _draws(len(weeks), run)
        drawn = (counts @ np.bincount(at, values)) / (counts @ np.bincount(at))
    return _estimated(float(np.mean(values)), drawn)


def _run(entry_ns: Ints, end_ns: Ints) -> int:
    """Weeks to draw together: as many as nine of ten lives end within."""
    return max(1, math.ceil(float(np.quantile(end_ns - entry_ns, MOST_LIVES)) / WEEK_NS))


def _enough(straddles: int, weeks: int, run: int) -> bool:
    """Whether there are enough to draw from."""
    return straddles >= FEW_STRADDLES and weeks >= max(FEW_WEEKS, FEW_RUNS * run)


def _estimated(one: float, drawn: Floats | None) -> Estimated:
    if drawn is None or not math.isfinite(one):
        return Estimated(one)
    low, high = np.nanquantile(drawn, (LOW, HIGH))
    bias = float(np.nanmean(drawn)) - one
    return Estimated(one, float(low) - 2.0 * bias, float(high) - 2.0 * bias)


def _bin_of(p: Floats) -> Ints:
    return np.asarray(np.minimum((p * BINS).astype(np.int64), BINS - 1))


def _sums(p: Floats, y: Floats, at: Ints, weeks: int) -> Floats:
    """Sum over each week, shape (weeks, 5 + 3 bins): n, p, y, pp, py, and n, p, y of each bin."""
    found, bins = np.zeros((weeks, 5 + 3 * BINS)), _bin_of(p)
    for column, each in enumerate((np.ones_like(p), p, y, p * p, p * y)):
        np.add.at(found[:, column], at, each)
    for block, each in enumerate((np.ones_like(p), p, y)):
        np.add.at(found, (at, 5 + block * BINS + bins), each)
    return found


def _pairs(p: Floats, y: Floats, at: Ints, weeks: int) -> Floats:
    """Pairs of one that paid (of a week) and one that did not (of another) in order; ties are half."""
    found, lost = np.zeros((weeks, weeks)), y == 0.0
    for chance, week in zip(p[~lost], at[~lost], strict=True):
        beaten = (chance > p[lost]) + 0.5 * (chance == p[lost])
        found[week] += np.bincount(at[lost], beaten, weeks)
    return found


def _draws(weeks: int, run: int) -> Floats:
    """How often each draw has each week: runs of weeks around a circle, as many weeks as there are."""
    rng, blocks = np.random.default_rng(SEED), -(-weeks // run)
    starts = rng.integers(0, weeks, (DRAWS, blocks))
    picked = ((starts[:, :, None] + np.arange(run)) % weeks).reshape(DRAWS, -1)[:, :weeks]
    counts = np.zeros((DRAWS, weeks))
    np.add.at(counts, (np.arange(DRAWS)[:, None], picked), 1.0)
    return counts


def _statistics(sums: Floats, pairs: Floats, counts: Floats) -> dict[str, Floats]:
    """All figures of each draw, whose weeks are counted."""
    total = counts @ sums
    n, p, y, pp, py = total[:, :5].T
    bin_n, bin_p, bin_y = total[:, 5:].reshape(len(total), 3, BINS).transpose(1, 0, 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(bin_n > 0.0, 1.0 / bin_n, 0.0)
        paid = y / n
        brier, constant = (pp - 2.0 * py + y) / n, paid * (1.0 - paid)
        hidden = pp - (bin_p**2 * share).sum(axis=1) - 2.0 * (py - (bin_p * bin_y * share).sum(axis=1))
        won = np.einsum("dw,wv,dv->d", counts, pairs, counts, optimize=True)
        return {
            "brier": brier,
            "constant": constant,
            "gain": constant - brier,
            "skill": np.where(constant > 0.0, 1.0 - brier / constant, np.nan),
            "excess": p / n - paid,
            "reliability": ((bin_p - bin_y) ** 2 * share).sum(axis=1) / n,
            "resolution": (bin_y**2 * share).sum(axis=1) / n - paid**2,
            "within": hidden / n,
            "auc": won / (y * (n - y)),
            "bin_n": bin_n,
            "bin_promised": bin_p / bin_n,
            "bin_paid": bin_y / bin_n,
        }


def _bins(
    p: Floats, at: Ints, value: dict[str, Floats], drawn: dict[str, Floats] | None
) -> list[ReliabilityBin]:
    """Bins that hold anything, with the interval of the share that paid."""
    found, bins = [], _bin_of(p)
    for k in np.flatnonzero(value["bin_n"][0]).tolist():
        weeks = len(np.unique(at[bins == k]))
        paid = Estimated(float(value["bin_paid"][0, k]))
        if drawn is not None and weeks >= FEW_WEEKS:
            low, high = np.nanquantile(drawn["bin_paid"][:, k], (LOW, HIGH))
            # Where all or none paid, drawing again knows no doubt: as if each week were one straddle.
            paid = (
                Estimated(paid.value, float(low), float(high)) if low < high else _wilson(paid.value, weeks)
            )
        count, promised = int(value["bin_n"][0, k]), float(value["bin_promised"][0, k])
        found.append(ReliabilityBin(k / BINS, (k + 1) / BINS, count, weeks, promised, paid))
    return found


def _wilson(share: float, count: int) -> Estimated:
    """Wilson's interval of a share."""
    squared = NORMAL**2 / count
    centre = (share + 0.5 * squared) / (1.0 + squared)
    half = NORMAL * math.sqrt(share * (1.0 - share) / count + 0.25 * squared / count) / (1.0 + squared)
    return Estimated(share, max(centre - half, 0.0), min(centre + half, 1.0))
