"""Chances corrected by how earlier ones came true, known at each moment from lives that had ended before it.

The logarithm of the odds is corrected in a straight line (Platt 1999), drawn towards a constant: four months
hold some twenty independent weeks, which cannot tell a slope, and where chances have no skill the constant is
what scores best. Isotonic and beta calibration (Kull et al. 2017) scored worse out of sample;
``docs/calibration.md`` has the figures.
"""

from __future__ import annotations

import bisect
import math

import msgspec
import numpy as np

from gammacore.array_types import Bools, Floats, Ints
from gammacore.breakeven.calibration import FEW_STRADDLES, FEW_WEEKS, week_of
from gammacore.daycount import NS_PER_DAY

__all__ = ["LONGEST_DAYS", "Correction", "Recalibration", "recalibration"]

LONGEST_DAYS = 14.5  # to expiry at entry, of the lives that corrections are fitted to

PRIOR_WEEKS = 4.0  # in which what was promised came: what the level is drawn to
SLOPE_SD = 0.5  # of the slope around none: a slope of 1, the chance as it is, is two of them away
LEAST = 0.01  # chances are taken to be at least so far from 0 and 1
STEPS, CLOSE = 50, 1e-10


class Correction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How chances are corrected from a moment on.

    Attributes
    ----------
    from_ns : int
        Every life behind it had ended by then.
    centre, level, slope : float
        ``logit(corrected) = level + slope (logit(p) - centre)``.
    constant : float
        The chance that is the same for all, by the same lives.
    straddles, weeks : int
        How many lives, and in how many weeks they were bought.
    """

    from_ns: int
    centre: float
    level: float
    slope: float
    constant: float
    straddles: int
    weeks: int

    def apply(self, probability: Floats | float) -> Floats:
        """Correct chances; NaN stays NaN."""
        from scipy.special import expit, logit

        odds = logit(np.clip(probability, LEAST, 1.0 - LEAST))
        return np.asarray(expit(self.level + self.slope * (odds - self.centre)))


class Recalibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Corrections in order of time, each fitted to what was known at its beginning."""

    corrections: tuple[Correction, ...] = ()

    def at(self, ts_ns: int) -> Correction | None:
        """Return the last correction known at a moment; None while lives are too few for one."""
        known = bisect.bisect_right(self.corrections, ts_ns, key=lambda each: each.from_ns)
        return self.corrections[known - 1] if known else None


def recalibration(probability: Floats, paid: Bools, entry_ns: Ints, end_ns: Ints) -> Recalibration:
    """Fit corrections walk-forward: one for each day at whose beginning more lives had ended.

    Parameters
    ----------
    probability, paid, entry_ns, end_ns : array, shape (n,)
        As of :func:`gammacore.breakeven.calibration.calibrate`.

    Returns
    -------
    Recalibration
        Without a correction before :data:`FEW_STRADDLES` lives of :data:`FEW_WEEKS` weeks had ended.
    """
    known = -(-np.asarray(end_ns) // NS_PER_DAY) * NS_PER_DAY  # midnight after each end
    found = []
    for day in np.unique(known).tolist():
        past = known <= day
        weeks = len(np.unique(week_of(entry_ns[past])))
        if past.sum() >= FEW_STRADDLES and weeks >= FEW_WEEKS:
            found.append(_fitted(day, probability[past], paid[past], week_of(entry_ns[past])))
    return Recalibration(tuple(found))


def _fitted(from_ns: int, probability: Floats, paid: Bools, week: Ints) -> Correction:
    """Fit to the past: every week counts once, however many straddles it has."""
    from scipy.special import logit

    weeks, at, counts = np.unique(week, return_inverse=True, return_counts=True)
    weight, y = 1.0 / counts[at], np.asarray(paid, np.float64)
    odds = logit(np.clip(probability, LEAST, 1.0 - LEAST))
    promised, centre = float(weight @ probability) / len(weeks), float(weight @ odds) / len(weeks)
    constant = (float(weight @ y) + PRIOR_WEEKS * promised) / (len(weeks) + PRIOR_WEEKS)
    # The weeks of the prior are at the centre, where they say what the level is and nothing of the slope.
    x = np.append(odds - centre, 0.0)
    y, weight = np.append(y, promised), np.append(weight, PRIOR_WEEKS)
    level, slope = _line(x, y, weight, float(logit(np.clip(constant, LEAST, 1.0 - LEAST))))
    return Correction(from_ns, centre, level, slope, constant, len(probability), len(weeks))


def _line(x: Floats, y: Floats, weight: Floats, level: float) -> tuple[float, float]:
    """Return level and slope of the logistic line that is likeliest given the slope's prior, by Newton."""
    from scipy.special import expit

    design, at = np.column_stack([np.ones_like(x), x]), np.array([level, 0.0])
    prior = np.array([0.0, SLOPE_SD**-2])
    for _ in range(STEPS):
        chance = expit(design @ at)
        slope = design.T @ (weight * (chance - y)) + prior * at
        curve = (design * (weight * chance * (1.0 - chance))[:, None]).T @ design + np.diag(prior)
        step = np.linalg.solve(curve, slope)
        at = at - step * min(1.0, 1.0 / math.hypot(*step)) if step.any() else at
        if np.abs(step).max() < CLOSE:
            break
    return float(at[0]), float(at[1])
