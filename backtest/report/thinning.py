"""What is drawn of a long series: fewer points, fewer digits. For display only."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gammacore._arrays import distinct
from gammacore.array_types import Ints

CURVE_POINTS = 2_400  # lowest and highest of more stretches than the page has columns
LINE_POINTS = 900  # a curve among many
MARKER_POINTS = 600  # a side; each marker is an element of the page, and slow to draw
BROWSER_NS = 1_000_000  # browsers count milliseconds


def thin(values: npt.ArrayLike, cap: int) -> Ints:
    """Positions to draw: both ends, and the lowest and highest value of every stretch.

    Parameters
    ----------
    values : array_like of float
        The series; NaN is a gap, and never an extreme.
    cap : int
        Most positions to keep, at least 4.

    Returns
    -------
    array of int
        Increasing positions, all of them if they are no more than ``cap``.
    """
    series = np.asarray(values, dtype=np.float64)
    n = len(series)
    if n <= cap:
        return np.arange(n)
    width = -(-n // ((cap - 2) // 2))
    buckets = -(-n // width)
    starts = width * np.arange(buckets)
    kept = [np.array([0, n - 1])]
    for fill, extreme in ((np.inf, np.argmin), (-np.inf, np.argmax)):
        padded = np.full(buckets * width, fill)
        padded[:n] = np.where(np.isnan(series), fill, series)
        kept.append(starts + extreme(padded.reshape(buckets, width), axis=1))
    return distinct(np.concatenate(kept)).astype(np.int64)


def extent(values: npt.ArrayLike) -> float:
    """Largest finite magnitude; zero if there is none."""
    series = np.asarray(values, dtype=np.float64)
    finite = np.abs(series[np.isfinite(series)])
    return float(finite.max()) if len(finite) else 0.0


def rounded(values: npt.ArrayLike, decimals: int) -> list[float | None]:
    """Round for display: to seven digits of the largest, or as the currency is written."""
    series = np.asarray(values, dtype=np.float64)
    largest = extent(series)
    digits = 6 - math.floor(math.log10(largest)) if largest > 0 else 0
    shown = np.round(series, min(max(digits, 0), decimals)).tolist()
    return [value if math.isfinite(value) else None for value in shown]


def milliseconds(ts_ns: npt.ArrayLike) -> list[int]:
    """Milliseconds, as charts count them."""
    return (np.asarray(ts_ns, dtype=np.int64) // BROWSER_NS).tolist()  # type: ignore[no-any-return]
