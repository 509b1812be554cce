"""Innovations of a GARCH model: finite sets of numbers, and the mean growth of a price that they move.

A finite set has all moments, whatever it was taken from, so the price can be made a martingale. A
Student variate itself cannot move the logarithm of a price: ``E exp(s z)`` is infinite for every ``s``.
"""

from __future__ import annotations

import math

import numpy as np

from gammacore.array_types import Floats

QUANTILES = 1_024  # that stand for a Student distribution: cut at one in 2,000 on each side
REACH = 0.02  # of the largest innovation times the length of a piece: cubics are then within 1e-9


def standardised(values: Floats) -> Floats:
    """Shift and scale numbers to mean 0 and variance 1."""
    return np.ascontiguousarray((values - values.mean()) / values.std())


def student(nu: float) -> Floats:
    """Return equally likely quantiles of Student's distribution, scaled to unit variance."""
    from scipy.special import stdtrit

    return standardised(np.asarray(stdtrit(nu, (np.arange(QUANTILES) + 0.5) / QUANTILES), dtype=np.float64))


def cumulants(innovations: Floats, largest: float) -> tuple[Floats, float]:
    """Tabulate ``ln E exp(s z)`` for ``s`` from 0 to the largest standard deviation of a step.

    Returns
    -------
    coefficients : array of float64, shape (4 * pieces,)
        Of one cubic for each piece, lowest power first, in the share of the piece.
    per_unit : float
        Pieces per unit of ``s``.
    """
    count = max(math.ceil(largest * float(np.abs(innovations).max()) / REACH), 16)
    spacing = largest / count
    values, slopes = np.empty(count + 1), np.empty(count + 1)
    for i in range(count + 1):
        grown = np.exp(i * spacing * innovations)
        values[i] = np.log(grown.mean())
        slopes[i] = spacing * (grown @ innovations) / grown.sum()
    rise = np.diff(values)
    pieces = [
        values[:-1],
        slopes[:-1],
        3.0 * rise - 2.0 * slopes[:-1] - slopes[1:],
        slopes[:-1] + slopes[1:] - 2.0 * rise,
    ]
    return np.ascontiguousarray(np.stack(pieces, axis=1).ravel()), 1.0 / spacing
