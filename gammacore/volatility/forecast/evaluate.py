"""How good forecasts of variance were: losses, regressions, tests of one against another."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from gammacore._arrays import floats
from gammacore._series import aligned, on_index, ordered
from gammacore.array_types import Floats

__all__ = ["Score", "confidence_set", "diebold_mariano", "mincer_zarnowitz", "qlike", "score_table"]


def qlike(realised: npt.ArrayLike, forecast: npt.ArrayLike) -> Floats:
    """``y/f - ln(y/f) - 1`` of variances: 0 for a perfect forecast; broadcast, NaN where one is unknown.

    It and the squared error are the losses whose ranking noise in the proxy does not change
    (Patton 2011).
    """
    index, given = aligned({"realised": realised, "forecast": forecast})
    y, f = map(floats, given.values())
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where((y > 0) & (f > 0), y / f, np.nan)
    loss: Floats = np.asarray(ratio - np.log(ratio) - 1.0)
    return loss if index is None else on_index(loss, index)


def _default_lags(n: int, horizon: int) -> int:
    """Overlapping horizons make errors dependent over horizon - 1 days, losses for longer."""
    return max(horizon - 1, int(4.0 * (n / 100.0) ** (2.0 / 9.0)))


def diebold_mariano(
    loss: npt.ArrayLike, other: npt.ArrayLike, horizon: int = 1, *, lags: int | None = None
) -> tuple[float, float]:
    """Test that two forecasts have the same expected loss.

    Parameters
    ----------
    loss, other : array_like, shape (n,)
        Losses at the same origins; rows with a NaN are left out.
    horizon : int, optional
        Days of the horizon.
    lags : int, optional
        Of the long-run variance; at least ``horizon - 1``, and by default Newey and West's rule.

    Returns
    -------
    statistic, p_value : float
        Negative where the first has the smaller loss; two-sided, with the small-sample
        correction and t distribution of Harvey, Leybourne and Newbold (1997).

    Raises
    ------
    ValueError
        If fewer than ten losses are there for both.
    """
    from arch.covariance.kernel import Bartlett
    from scipy.stats import t as student

    loss, other = ordered(loss=loss, other=other)
    gap = floats(loss) - floats(other)
    gap = gap[np.isfinite(gap)]
    n = gap.size
    if n < 10:
        raise ValueError(f"loss: expected at least 10 that both have, got {n}")
    use = _default_lags(n, horizon) if lags is None else lags
    variance = float(np.asarray(Bartlett(gap, bandwidth=use).cov.long_run)[0, 0])
    if variance <= 0:
        return 0.0, 1.0
    correction = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    statistic = float(gap.mean()) / math.sqrt(variance / n) * math.sqrt(max(correction, 0.0))
    return statistic, float(2.0 * student.sf(abs(statistic), n - 1))


class MincerZarnowitz(msgspec.Struct, frozen=True):
    """Regression of what came on its forecast.

    Attributes
    ----------
    intercept, slope : float
        0 and 1 for an unbiased forecast.
    intercept_error, slope_error : float
        Standard errors (Newey and West 1987).
    p_value : float
        Of both at once (Wald).
    r2 : float
        NaN where all that came is one number.
    n : int
    """

    intercept: float
    slope: float
    intercept_error: float
    slope_error: float
    p_value: float
    r2: float
    n: int


def mincer_zarnowitz(
    realised: npt.ArrayLike, forecast: npt.ArrayLike, horizon: int = 1, *, lags: int | None = None
) -> MincerZarnowitz:
    """Regress realised on forecast variance, with standard errors for overlapping horizons.

    Parameters
    ----------
    realised, forecast : array_like, shape (n,)
        Rows with a NaN are left out.
    horizon : int, optional
    lags : int, optional
        As in `diebold_mariano`.

    Returns
    -------
    MincerZarnowitz

    Raises
    ------
    ValueError
        If fewer than ten rows remain, or all forecasts are one number.
    """
    from statsmodels.regression.linear_model import OLS

    y, f = map(floats, ordered(realised=realised, forecast=forecast))
    good = np.isfinite(y) & np.isfinite(f)
    y, f = y[good], f[good]
    n = y.size
    if n < 10:
        raise ValueError(f"forecast: expected at least 10 with an outcome, got {n}")
    if np.ptp(f) == 0:
        raise ValueError(f"forecast: all are {f[0]}, so there is no slope")
    scale = float(f.mean())
    use = _default_lags(n, horizon) if lags is None else lags
    fit = OLS(y, np.stack([np.ones(n), f / scale], axis=1)).fit(
        cov_type="HAC", cov_kwds={"maxlags": use, "use_correction": False}
    )
    unbiased = fit.wald_test((np.eye(2), np.array([0.0, scale])), use_f=False, scalar=True)
    (intercept, slope), (intercept_error, slope_error) = fit.params.tolist(), fit.bse.tolist()
    return MincerZarnowitz(
        intercept=intercept,
        slope=slope / scale,
        intercept_error=intercept_error,
        slope_error=slope_error / scale,
        p_value=float(unbiased.pvalue),
        r2=float(fit.rsquared) if np.ptp(y) > 0 else math.nan,
        n=n,
    )


def confidence_set(
    losses: Mapping[str, npt.ArrayLike], *, horizon: int = 1, reps: int = 1000, seed: int = 0
) -> dict[str, float]:
    """Model confidence set of Hansen, Lunde and Nason (2011).

    Parameters
    ----------
    losses : mapping of str to array_like, shape (n,)
        Origins that one of them lacks are left out.
    horizon : int, optional
        The bootstrap's blocks are at least twice as long.
    reps, seed : int, optional
        Of the stationary bootstrap.

    Returns
    -------
    dict of str to float
        p-value of each model: those of at least 0.1 are the set that holds the best with 90 %.
    """
    from arch.bootstrap import MCS

    names, losses = list(losses), aligned(losses)[1]
    table = np.stack([floats(losses[name]) for name in names], axis=1)
    table = table[np.isfinite(table).all(axis=1)]
    if table.size and not np.ptp(table - table[:, :1], axis=0).any():  # no chance in it
        best = table[0].min()
        return {name: float(loss == best) for name, loss in zip(names, table[0], strict=True)}
    block = max(2 * horizon, int(table.shape[0] ** (1.0 / 3.0)))
    found = MCS(table, size=0.1, reps=reps, block_size=block, seed=seed)
    found.compute()
    values = found.pvalues
    return {names[int(at)]: float(values.loc[at].iloc[0]) for at in values.index}


class Score(msgspec.Struct, frozen=True):
    """One model's line of the table.

    Attributes
    ----------
    name : str
    n : int
        Origins that all models have.
    qlike, rmse : float
        Mean QLIKE of variances; root mean square error of volatilities.
    slope, intercept, unbiased_p, r2 : float
        Of Mincer and Zarnowitz's regression of variances.
    against : float
        Diebold and Mariano's statistic for QLIKE against the benchmark; negative is better.
    p_value : float
        Of the latter; NaN for the benchmark itself.
    set_p : float
        In the model confidence set.
    """

    name: str
    n: int
    qlike: float
    rmse: float
    slope: float
    intercept: float
    unbiased_p: float
    r2: float
    against: float
    p_value: float
    set_p: float


def score_table(
    realised: npt.ArrayLike,
    forecasts: Mapping[str, npt.ArrayLike],
    horizon: int,
    benchmark: str,
    *,
    reps: int = 1000,
    seed: int = 0,
) -> list[Score]:
    """Score all models on the origins that all of them have, best QLIKE first.

    Parameters
    ----------
    realised : array_like, shape (n,)
        Variance over the horizon that begins at each origin.
    forecasts : mapping of str to array_like, shape (n,)
    horizon : int
        Days.
    benchmark : str
        Name of the model that the others are tested against.
    reps, seed : int, optional
        See `confidence_set`.

    Returns
    -------
    list of Score

    Raises
    ------
    ValueError
        If the benchmark is none of the models or fewer than ten origins are common.
    """
    if benchmark not in forecasts:
        raise ValueError(f"benchmark: {benchmark!r} is none of {', '.join(forecasts)}")
    named = {f"forecasts[{name!r}]": column for name, column in forecasts.items()}
    y, *columns = map(floats, aligned({"realised": realised, **named})[1].values())
    table = dict(zip(forecasts, columns, strict=True))
    common = np.isfinite(y) & np.all(
        [np.isfinite(column) & (column > 0) for column in table.values()], axis=0
    )
    if common.sum() < 10:
        raise ValueError(f"forecasts: expected at least 10 origins that all have, got {int(common.sum())}")
    y = y[common]
    table = {name: column[common] for name, column in table.items()}
    losses = {name: qlike(y, column) for name, column in table.items()}
    inside = confidence_set(losses, horizon=horizon, reps=reps, seed=seed) if len(losses) > 1 else {}
    scores = []
    for name, column in table.items():
        line = mincer_zarnowitz(y, column, horizon)
        against, p_value = 0.0, math.nan
        if name != benchmark:
            against, p_value = diebold_mariano(losses[name], losses[benchmark], horizon)
        scores.append(
            Score(
                name=name,
                n=y.size,
                qlike=float(losses[name].mean()),
                rmse=float(np.sqrt(np.mean((np.sqrt(column) - np.sqrt(y)) ** 2))),
                slope=line.slope,
                intercept=line.intercept,
                unbiased_p=line.p_value,
                r2=line.r2,
                against=against,
                p_value=p_value,
                set_p=inside.get(name, 1.0),
            )
        )
    return sorted(scores, key=lambda one: one.qlike)
