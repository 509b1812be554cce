"""Forecasts of the GARCH family, fitted by the arch package, and of an exponential average."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gammacore._arrays import floats
from gammacore.array_types import Floats
from gammacore.volatility.result import unknown

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

_EGARCH_START = np.array([0.0, 0.1, 0.0, 0.95])  # omega, alpha, gamma, beta, of returns about 1
_MONTH = 30
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
    values = floats(variance)
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
        Days from one fit to the next. Each fit and each forecast sees no later return. A fit counts
        if the optimiser ended well and it is likelier than a constant variance; otherwise the last one
        that still is, or else the constant variance, gives the forecasts.
    seed : int, optional
        Of the simulated paths of EGARCH, which has no formula beyond the next day.

    Returns
    -------
    dict of int to array of float64, shape (n,)
        Annualised variance (365 days) by horizon, as known at the end of each day; NaN
        before the first fit, and while all returns are zero. No day's variance is more than the largest
        squared return by then, which a stationary GARCH does not exceed, nor less than a quarter of the
        calmest month's.

    Raises
    ------
    ValueError
        If the model is unknown or the history too short.
    """
    if model not in ARCH_MODELS:
        raise unknown("model", model, ARCH_MODELS)
    returns = floats(changes)
    if np.isinf(returns).any():
        raise ValueError(f"changes: expected log returns, got inf at day {int(np.isinf(returns).argmax())}")
    returns = np.nan_to_num(returns)
    if not 50 <= first < returns.size:
        raise ValueError(f"first: expected 50 to {returns.size - 1} days, got {first!r}")
    if refit < 1 or min(horizons) < 1:
        raise ValueError(f"refit, horizons: expected days of at least 1, got {refit!r} and {horizons!r}")
    result = {days: np.full(returns.size, np.nan) for days in horizons}
    low, high = _range(returns**2)
    rng = np.random.default_rng(seed)
    unit, last = 0.0, None
    for at in range(first, returns.size, refit):
        end = min(at + refit, returns.size)
        unit = unit or float(np.sqrt(np.mean(returns[: at + 1] ** 2)))  # the optimiser wants them about 1
        if unit == 0.0:
            continue
        scaled = returns[:end] / unit
        last = _fitted(scaled[: at + 1], model, last)
        if last is None:
            variance = np.full((end - at, max(horizons)), np.mean(scaled[: at + 1] ** 2))
        else:
            variance = _ahead(scaled, model, last, at, max(horizons), rng)
        variance = np.where(np.isnan(variance), np.inf, variance) * unit**2
        variance = np.clip(variance, low[at:end, None], high[at:end, None])
        for days in horizons:
            result[days][at:end] = 365.0 * variance[:, :days].mean(axis=1)
    return result


def _range(squares: Floats) -> tuple[Floats, Floats]:
    """Least and largest variance of a day that forecasts at each origin may have."""
    total = np.concatenate([[0.0], np.cumsum(squares)])
    month = np.maximum(total[_MONTH:] - total[:-_MONTH], 0.0) / _MONTH
    calmest = np.concatenate([np.zeros(_MONTH - 1), np.minimum.accumulate(month)])
    return 0.25 * calmest, np.maximum.accumulate(squares)


def _fitted(known: Floats, model: str, last: Any) -> Any:
    """Parameters of a fit, or the last ones, whichever is first likelier than a constant variance, or None.

    EGARCH's likelihood is not bounded from below where the optimiser walks: fits that it calls converged
    have had variances of 10^10. With a negative weight of |z| its variance collapses: the smaller it is,
    the larger are the |z| that make it smaller.
    """
    from arch.univariate import arch_model

    built = arch_model(known, mean="Zero", rescale=False, **ARCH_MODELS[model])
    constant = -0.5 * known.size * (np.log(2.0 * np.pi * np.mean(known**2)) + 1.0)
    for start in (None, _EGARCH_START) if model == "egarch" else (None,):
        with np.errstate(all="ignore"):  # the optimiser may leave the numbers; it is judged below
            fitted = built.fit(
                disp="off", show_warning=False, options={"maxiter": 200}, starting_values=start
            )
        sound = fitted.params.get("alpha[1]", 0.0) >= 0.0
        if fitted.convergence_flag == 0 and sound and fitted.loglikelihood > constant:
            return fitted.params
    return last if last is not None and built.fix(last).loglikelihood > constant else None


def _ahead(
    scaled: Floats, model: str, parameters: Any, at: int, days: int, rng: np.random.Generator
) -> Floats:
    """Variances of the next days, from each day of `at` on, by one set of parameters."""
    from arch.univariate import arch_model

    simulated = model == "egarch" and days > 1
    forecast = (
        arch_model(scaled, mean="Zero", rescale=False, **ARCH_MODELS[model])
        .fix(parameters)
        .forecast(
            horizon=days,
            start=at,
            method="simulation" if simulated else "analytic",
            simulations=_SIMULATIONS,
            reindex=False,
            rng=(lambda size: rng.standard_normal(size)) if simulated else None,
        )
    )
    return floats(forecast.variance)
