"""Corrections and combinations of forecasts, by what was known at each origin."""

from __future__ import annotations

import numpy as np

from gammacore._arrays import floats
from gammacore.array_types import Floats
from gammacore.volatility.forecast.bounds import within_realised
from gammacore.volatility.forecast.evaluate import qlike

__all__ = ["combine_constrained", "combine_equal", "combine_inverse_loss", "correct_level"]


def _checked(forecasts: Floats, realised: Floats | None = None, lag: int = 1) -> Floats:
    table = floats(forecasts)
    if table.ndim != 2:
        raise ValueError(f"forecasts: expected a column for each model, got shape {table.shape}")
    if realised is not None and np.shape(realised) != table.shape[:1]:
        raise ValueError(f"realised: expected {table.shape[0]} values, got shape {np.shape(realised)}")
    if lag < 1:
        raise ValueError(f"lag: expected at least 1 day, got {lag!r}")
    return table


def correct_level(forecast: Floats, realised: Floats, lag: int, *, memory: float = 365.0) -> Floats:
    """Forecast times the mean ratio of what came to what had been forecast.

    A model that is fitted to squared daily returns has their scale, not that of later variances
    of hourly ones, and one that is fitted to all of the past the level of its stormiest years.

    Parameters
    ----------
    forecast, realised : array of float64, shape (n,)
        Of variances; NaN is unknown.
    lag : int
        Days of the horizon: a ratio is known that many days after its origin.
    memory : float, optional
        Days over which the weight of a past ratio falls to 1/e.

    Returns
    -------
    array of float64, shape (n,)
        As given where no ratio is known yet; at most the largest, at least the smallest variance
        realised by then.
    """
    from scipy.signal import lfilter

    given = _checked(np.asarray(forecast)[:, None], realised, lag)[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = floats(realised) / given
    known = np.isfinite(ratio)
    decay = np.exp(-1.0 / memory)
    sums = [
        np.concatenate([np.zeros(lag), lfilter([1.0], [1.0, -decay], one)])[: given.size]
        for one in (np.where(known, ratio, 0.0), known.astype(np.float64))
    ]
    factor = np.where(sums[1] > 1e-9, sums[0] / np.maximum(sums[1], 1e-9), 1.0)
    corrected = np.asarray(given * factor)
    bounded = within_realised(corrected, floats(realised), lag)
    return np.where(factor == 1.0, corrected, bounded)


def combine_equal(forecasts: Floats) -> Floats:
    """Mean of the forecasts that there are.

    Parameters
    ----------
    forecasts : array of float64, shape (n, m)
        A column for each model.

    Returns
    -------
    array of float64, shape (n,)
        NaN where there is none.
    """
    table = _checked(forecasts)
    known = np.isfinite(table)
    count = known.sum(axis=1)
    total = np.where(known, table, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def combine_inverse_loss(forecasts: Floats, realised: Floats, lag: int, *, memory: float = 250.0) -> Floats:
    """Weights in inverse proportion to each model's past QLIKE (Bates and Granger 1969, with that loss).

    Parameters
    ----------
    forecasts : array of float64, shape (n, m)
    realised : array of float64, shape (n,)
        What came over the horizon that began at each origin.
    lag : int
        Days of the horizon: a loss is known that many days after its origin.
    memory : float, optional
        Days over which a past loss's weight falls to 1/e.

    Returns
    -------
    array of float64, shape (n,)
        Equal weights as long as no loss is known; a model without a forecast is left out.
    """
    from scipy.signal import lfilter

    table = _checked(forecasts, realised, lag)
    losses = qlike(np.asarray(realised)[:, None], table)
    known = np.isfinite(losses)
    decay = np.exp(-1.0 / memory)
    total = lfilter([1.0], [1.0, -decay], np.where(known, losses, 0.0), axis=0)
    count = lfilter([1.0], [1.0, -decay], known.astype(np.float64), axis=0)
    blank = np.zeros((lag, table.shape[1]))
    total, count = (np.concatenate([blank, one])[: table.shape[0]] for one in (total, count))
    seen = count > 1e-9
    mean = np.where(seen, total / np.where(seen, count, 1.0), np.nan)
    with np.errstate(divide="ignore"):
        weight = np.where(seen, 1.0 / np.maximum(mean, 1e-12), 0.0)
    weight = np.where(weight.sum(axis=1, keepdims=True) > 0, weight, 1.0)
    weight = np.where(np.isfinite(table), weight, 0.0)
    size = weight.sum(axis=1)
    mixed = (weight * np.where(np.isfinite(table), table, 0.0)).sum(axis=1)
    return np.where(size > 0, mixed / np.where(size > 0, size, 1.0), np.nan)


def combine_constrained(
    forecasts: Floats, realised: Floats, lag: int, *, refit: int = 30, fewest: int = 200
) -> Floats:
    """Regression on the forecasts with weights >= 0 that sum to 1 (Granger and Ramanathan 1984).

    Parameters
    ----------
    forecasts : array of float64, shape (n, m)
    realised : array of float64, shape (n,)
    lag : int
        Days of the horizon.
    refit : int, optional
        Days from one regression to the next.
    fewest : int, optional
        Past days that a regression needs; equal weights before.

    Returns
    -------
    array of float64, shape (n,)
        Errors are weighted by the inverse of the models' mean forecast, so that stormy months do
        not decide alone.
    """
    from scipy.optimize import nnls

    table = _checked(forecasts, realised, lag)
    target = floats(realised)
    result = combine_equal(table)
    with np.errstate(invalid="ignore"):
        good = np.isfinite(table).all(axis=1) & (table > 0).all(axis=1) & np.isfinite(target)
    if refit < 1:
        raise ValueError(f"refit: expected at least 1 day, got {refit!r}")
    for at in range(0, table.shape[0], refit):
        past = np.flatnonzero(good[: max(at - lag + 1, 0)])
        if past.size < fewest:
            continue
        scale = 1.0 / table[past].mean(axis=1)
        # A heavy row makes the weights sum to 1.
        heavy = 1e3 * np.sqrt(past.size)
        matrix = np.vstack([table[past] * scale[:, None], np.full(table.shape[1], heavy)])
        weight, _ = nnls(matrix, np.append(target[past] * scale, heavy))
        part = slice(at, at + refit)
        mixed = table[part] @ (weight / weight.sum())
        result[part] = np.where(np.isfinite(mixed), mixed, result[part])
    return result
