"""HAR: realised variance regressed on its own averages over a day, a week and a month."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from gammacore._arrays import floats
from gammacore.array_types import Floats
from gammacore.daycount import NS_PER_DAY
from gammacore.volatility.forecast.bounds import within_realised
from gammacore.volatility.forecast.history import History, trailing_mean

__all__ = ["HAR", "har_forecasts"]

LEAST_SHARE = 1e-3


class HAR(msgspec.Struct, frozen=True):
    """Which regression.

    Attributes
    ----------
    lags : tuple of int
        Days of the averages (Corsi 2009); a market without closed days has weeks of 7.
    jumps : bool
        Continuous variance in the averages, and the last day's jumps apart (HAR-CJ: Andersen,
        Bollerslev and Diebold 2007).
    semivariance : bool
        The last day's variance of falling and of rising prices apart (Patton and Sheppard 2015).
    leverage : bool
        Negative returns over the same days as well (LHAR: Corsi and Reno 2012).
    implied : bool
        An implied variance as well (HAR-X).
    log : bool
        Logarithms, whose errors are nearly normal; the forecast is the mean of a lognormal.
    weighted : bool
        Weighted by the squared inverse of the mean of the averages (as Patton and Sheppard 2015);
        for a regression in levels, whose errors grow with the level.
    window : int or None
        Days of a rolling fit; all of the past without it.
    fewest : int
        Days that a fit needs.
    """

    lags: tuple[int, ...] = (1, 7, 30)
    jumps: bool = False
    semivariance: bool = False
    leverage: bool = False
    implied: bool = False
    log: bool = True
    weighted: bool = False
    window: int | None = None
    fewest: int = 250

    def __post_init__(self) -> None:
        if not self.lags or min(self.lags) < 1:
            raise ValueError(f"lags: expected days of at least 1, got {self.lags!r}")
        if self.semivariance and (self.jumps or 1 not in self.lags):
            raise ValueError(
                "semivariance: splits the variance of the last day, so lags have 1 and jumps are off"
            )
        if self.fewest < 10:
            raise ValueError(f"fewest: expected at least 10 days, got {self.fewest!r}")
        if self.window is not None and self.window < self.fewest:
            raise ValueError(f"window: {self.window} days are fewer than the {self.fewest} that a fit needs")


def regressors(history: History, model: HAR, implied_variance: Floats | None = None) -> Floats:
    """Columns of the regression at each origin, the constant first; NaN where one is unknown."""
    base = history.continuous if model.jumps else history.variance
    scale = np.log if model.log else np.asarray
    columns = [np.ones(base.size)]
    columns += [scale(trailing_mean(base, days)) for days in model.lags if days > 1 or not model.semivariance]
    if model.semivariance:
        least = LEAST_SHARE * history.variance  # a day may have none, whose logarithm would be infinite
        rises = history.variance - history.downside
        columns += [scale(np.maximum(part, least)) for part in (history.downside, rises)]
    if model.jumps:
        jump = np.maximum(history.variance - history.continuous, 0.0)
        columns.append(np.log1p(jump / history.continuous) if model.log else jump)
    if model.leverage:
        # As returns in units of the month's volatility in logs, of variance in levels.
        for days in model.lags:
            loss = np.minimum(trailing_mean(history.change, days), 0.0) * math.sqrt(365.0 * days)
            usual = np.sqrt(trailing_mean(history.variance, max(model.lags)))
            columns.append(loss / usual if model.log else loss * usual)
    if model.implied:
        if implied_variance is None or implied_variance.shape != base.shape:
            raise ValueError(f"implied_variance: expected one for each of {base.size} days")
        columns.append(scale(implied_variance))
    return np.stack(columns, axis=1)


def har_forecasts(
    history: History,
    horizon_ns: int,
    model: HAR | None = None,
    *,
    implied_variance: npt.ArrayLike | None = None,
) -> Floats:
    """Forecast of the variance rate over the horizon, at the end of every day.

    Parameters
    ----------
    history : History
    horizon_ns : int
        The mean over the horizon is forecast directly, not day by day.
    model : HAR, optional
    implied_variance : array_like, shape (n,), optional
        As known at the end of each day, for ``HAR(implied=True)``; NaN where there is none.

    Returns
    -------
    array of float64, shape (n,)
        Each by a fit to the days whose horizon had ended by then, all fits at once from cumulative
        normal equations; NaN where there are too few. Forecasts are kept within what had been realised
        (Swanson and White 1997).

    Raises
    ------
    ValueError
        If the horizon is not positive or an implied variance is missing.
    """
    chosen = HAR() if model is None else model
    implied = None if implied_variance is None else floats(implied_variance)
    x = regressors(history, chosen, implied)
    realised = history.realised(horizon_ns)
    y = np.log(realised) if chosen.log else realised
    if chosen.weighted:
        level = np.mean([trailing_mean(history.variance, days) for days in chosen.lags], axis=0)
        weight = 1.0 / level**2
    else:
        weight = np.ones(y.size)
    lag = -(-horizon_ns // NS_PER_DAY)
    coefficients, noise = walk_forward(x, y, weight, lag, chosen.window, chosen.fewest)
    fitted = np.einsum("ij,ij->i", x, coefficients)
    if chosen.log:
        with np.errstate(over="ignore"):  # of what is bounded next
            fitted = np.exp(fitted + 0.5 * noise)
    return within_realised(fitted, realised, lag)


def walk_forward(
    x: Floats, y: Floats, weight: Floats, lag: int, window: int | None, fewest: int
) -> tuple[Floats, Floats]:
    """Least squares at each row i of the rows up to i - lag, and the variance of their errors.

    Rows with a NaN are left out; NaN is returned where fewer than `fewest` rows remain. Columns are
    divided by their size over the rows before the first fit, which no later row can change.
    """
    n, p = x.shape
    good = np.isfinite(x).all(axis=1) & np.isfinite(y) & np.isfinite(weight)
    clean, target = np.where(good[:, None], x, 0.0), np.where(good, y, 0.0)
    mass = np.where(good, weight, 0.0)
    first = np.flatnonzero(np.cumsum(good) == min(fewest, max(int(good.sum()), 1)))
    rows = slice(0, int(first[0]) + 1 if first.size else n)
    size = np.sqrt(np.mean(clean[rows] ** 2, axis=0))
    size[size == 0] = 1.0
    clean = clean / size

    def cumulative(terms: Floats) -> Floats:
        """Sum over the rows that each origin may use."""
        total = np.cumsum(terms, axis=0)
        shifted = np.zeros_like(total)
        if lag < n:
            shifted[lag:] = total[: n - lag]
        if window is not None and lag + window < n:
            shifted[lag + window :] -= total[: n - lag - window]
        return shifted

    products = cumulative(mass[:, None, None] * clean[:, :, None] * clean[:, None, :])
    moments = cumulative((mass * target)[:, None] * clean)
    squares, weights = cumulative(mass * target**2), cumulative(mass)
    count = cumulative(good.astype(np.float64))
    coefficients, noise = np.full((n, p), np.nan), np.full(n, np.nan)
    enough = count >= max(fewest, p + 1)
    if not enough.any():
        return coefficients, noise
    # A column that is all zero so far (a jump that never was) gets no weight instead of a failure.
    ridge = 1e-10 * (np.trace(products[enough], axis1=1, axis2=2) / p)[:, None, None] * np.eye(p)
    found = np.linalg.solve(products[enough] + ridge, moments[enough][:, :, None])[:, :, 0]
    explained = np.einsum("ij,ij->i", found, moments[enough])
    coefficients[enough] = found / size
    left = np.maximum(squares[enough] - explained, 0.0) / weights[enough]
    noise[enough] = left * count[enough] / (count[enough] - p)
    return coefficients, noise
