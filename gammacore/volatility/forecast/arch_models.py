"""Forecasts of the GARCH family, fitted by the arch package, and of an exponential average."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gammacore.volatility.result import Floats, unknown

__all__ = ["ARCH_MODELS", "arch_forecasts", "ewma_forecasts"]

ARCH_MODELS: dict[str, dict[str, Any]] = {
    "garch": {"vol": "GARCH", "p": 1, "q": 1},
    "gjr": {"vol": "GARCH", "p": 1, "o": 1, "q": 1},
    "egarch": {"vol": "EGARCH", "p": 1, "o": 1, "q": 1},
    "figarch": {"vol": "FIGARCH", "p": 1, "q": 1},
    "harch": {"vol": "HARCH", "p": [1, 7, 30]},
}
"""GARCH (Bollerslev 1986), GJR (1993), EGARCH (Nelson 1991), FIGARCH (Baillie, Bollerslev and
Mikkelsen 1996), HARCH (Muller et al. 1997), as arguments of ``arch.univariate.arch_model``."""

_PERCENT = 100.0  # arch's optimiser wants returns of order 1
_SIMULATIONS = 400  # paths a day of a model without a formula beyond the next day


def ewma_forecasts(variance: npt.ArrayLike, decay: float = 0.94) -> Floats:
    """Exponentially weighted average of daily variances: a martingale, so any horizon's forecast.

    Parameters
    ----------
    variance : array_like, shape (n,)
        Realised variances, or squared returns times 365. NaN is skipped.
    decay : float, optional
        Weight of the average against the new day; 0.94 is that of RiskMetrics (1996).

    Returns
    -------
    array of float64, shape (n,)
        As known at the end of each day, begun at the first day's.
    """
    from scipy.signal import lfilter

    if not 0.0 < decay < 1.0:
        raise ValueError(f"decay: expected a number between 0 and 1, got {decay!r}")
    values = np.asarray(variance, np.float64)
    known = np.flatnonzero(np.isfinite(values))
    result = np.full(values.size, np.nan)
    if not known.size:
        return result
    dense = values[known]
    averaged, _ = lfilter([1.0 - decay], [1.0, -decay], dense, zi=[decay * dense[0]])
    result[known] = averaged
    latest = np.maximum.accumulate(np.where(np.isfinite(result), np.arange(values.size), -1))
    return np.where(latest >= 0, result[np.maximum(latest, 0)], np.nan)


def arch_forecasts(
    changes: npt.ArrayLike,
    model: str,
    horizons: tuple[int, ...],
    *,
    first: int = 500,
    refit: int = 30,
    seed: int = 0,
) -> dict[int, Floats]:
    """Mean variance over the next days, by a model refitted now and then and filtered every day.

    Parameters
    ----------
    changes : array_like, shape (n,)
        Daily log returns; NaN counts as none.
    model : str
        One of `ARCH_MODELS`; zero mean, normal likelihood.
    horizons : tuple of int
        Days.
    first : int, optional
        Days before the first fit.
    refit : int, optional
        Days from one fit to the next. Each fit and each forecast sees no later return.
    seed : int, optional
        Of the simulated paths of EGARCH, which has no formula beyond the next day.

    Returns
    -------
    dict of int to array of float64, shape (n,)
        Annualised variance (365 days) by horizon, as known at the end of each day; NaN
        before the first fit.

    Raises
    ------
    ValueError
        If the model is unknown or the history too short.
    """
    from arch.univariate import arch_model

    if model not in ARCH_MODELS:
        raise unknown("model", model, ARCH_MODELS)
    returns = np.nan_to_num(np.asarray(changes, np.float64)) * _PERCENT
    if not 50 <= first < returns.size:
        raise ValueError(f"first: expected 50 to {returns.size - 1} days, got {first!r}")
    if refit < 1 or min(horizons) < 1:
        raise ValueError(f"refit, horizons: expected days of at least 1, got {refit!r} and {horizons!r}")
    result = {days: np.full(returns.size, np.nan) for days in horizons}
    rng = np.random.default_rng(seed)
    last: Any = None
    for at in range(first, returns.size, refit):
        end = min(at + refit, returns.size)
        known = arch_model(returns[: at + 1], mean="Zero", rescale=False, **ARCH_MODELS[model])
        fitted = known.fit(disp="off", show_warning=False, options={"maxiter": 200})
        if fitted.convergence_flag == 0 or last is None:
            last = fitted.params  # a fit that failed gives way to the one before
        # The same parameters, run over the days until the next fit.
        ahead = arch_model(returns[:end], mean="Zero", rescale=False, **ARCH_MODELS[model]).fix(last)
        simulated = model == "egarch" and max(horizons) > 1
        forecast = ahead.forecast(
            horizon=max(horizons),
            start=at,
            method="simulation" if simulated else "analytic",
            simulations=_SIMULATIONS,
            reindex=False,
            rng=(lambda size: rng.standard_normal(size)) if simulated else None,
        )
        variance = np.asarray(forecast.variance) * 365.0 / _PERCENT**2
        for days in horizons:
            result[days][at:end] = variance[:, :days].mean(axis=1)
    return result
