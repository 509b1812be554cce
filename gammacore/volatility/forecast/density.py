"""What the realised volatility over a horizon will be, as a distribution."""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from gammacore._arrays import floats
from gammacore.array_types import Floats
from gammacore.daycount import NS_PER_DAY, format_time, times_ns
from gammacore.volatility.forecast.combined import combined_forecasts
from gammacore.volatility.forecast.har import HAR, har_forecasts
from gammacore.volatility.forecast.history import History

__all__ = ["Density", "density_history", "forecast_density"]


class Density(msgspec.Struct, frozen=True, eq=False):
    """Lognormal distribution of realised volatility, one or an array of them.

    Attributes
    ----------
    mean_vol : float or array of float64
        Expected volatility, annualised in calendar time (ACT/365F).
    log_sd : float or array of float64
        Standard deviation of its logarithm, >= 0.

    Raises
    ------
    ValueError
        If the mean is not positive, the deviation negative, or one of them infinite.
    """

    mean_vol: float | Floats
    log_sd: float | Floats

    def __post_init__(self) -> None:
        mean, sd = np.asarray(self.mean_vol), np.asarray(self.log_sd)
        if (mean <= 0).any() or np.isinf(mean).any():
            bad = mean[(mean <= 0) | np.isinf(mean)]
            raise ValueError(f"mean_vol: expected a positive volatility, got {bad.flat[0]}")
        if (sd < 0).any() or np.isinf(sd).any():
            raise ValueError(f"log_sd: expected a number >= 0, got {sd[(sd < 0) | np.isinf(sd)].flat[0]}")

    @classmethod
    def around(cls, median: float | Floats, log_sd: float | Floats) -> Density:
        """Make the density of a median."""
        return cls(np.asarray(median) * np.exp(0.5 * np.square(log_sd)), log_sd)

    def median(self) -> Floats:
        """Volatility that is exceeded half of the time."""
        return np.asarray(self.mean_vol * np.exp(-0.5 * np.square(self.log_sd)))

    def mean(self) -> Floats:
        """Return the expected volatility."""
        return floats(self.mean_vol)

    def cdf(self, vol: npt.ArrayLike) -> Floats:
        """Probability that the realised volatility is at most ``vol``; broadcast."""
        from scipy.special import ndtr

        at = floats(vol)
        with np.errstate(divide="ignore", invalid="ignore"):
            score = (np.log(at) - np.log(self.median())) / self.log_sd
        certain = np.where(at >= self.median(), 1.0, 0.0)
        found = np.where(np.asarray(self.log_sd) == 0, certain, ndtr(score))
        unknown = np.isnan(at) | np.isnan(self.mean_vol) | np.isnan(self.log_sd)
        return np.asarray(np.where(unknown, np.nan, np.where(at > 0, found, 0.0)))

    def quantile(self, p: npt.ArrayLike) -> Floats:
        """Volatility that is not exceeded with probability p in [0, 1]; broadcast."""
        from scipy.special import ndtri

        at = floats(p)
        if ((at < 0) | (at > 1)).any():
            raise ValueError(f"p: expected probabilities, got {at.min()} to {at.max()}")
        with np.errstate(invalid="ignore"):
            shift = np.where(np.asarray(self.log_sd) == 0, 0.0, self.log_sd * ndtri(at))
        return np.asarray(self.median() * np.exp(shift))


def density_history(
    history: History,
    horizon_ns: int,
    model: HAR | Literal["combined"] | None = None,
    *,
    implied_variance: npt.ArrayLike | None = None,
    fewest: int = 100,
    memory: float = 365.0,
) -> tuple[Density, Floats]:
    """Densities that would have been given at the end of every day, and what came.

    Parameters
    ----------
    history : History
    horizon_ns : int
    model : HAR or 'combined', optional
        Regression of the centre, or `combined_forecasts`; in logarithms with leverage without it.
    implied_variance : array_like, shape (n,), optional
        See `har_forecasts`.
    fewest : int, optional
        Past forecasts, made out of sample and with their horizon over, that the width needs.
    memory : float, optional
        Days over which the weight of a past error falls to 1/e.

    Returns
    -------
    density : Density
        Arrays of shape (n,), NaN where not enough was known.
    realised : array of float64, shape (n,)
        Annualised volatility over the horizon in calendar time, as the path's sampling sees it.

    Notes
    -----
    Weighted mean and standard deviation of ``ln realised - ln forecast`` over earlier out-of-sample
    forecasts are the density's centre and width: whatever the model missed before, the density
    includes. The weights forget, as both move over the years.
    """
    if model == "combined":
        forecast = combined_forecasts(history, horizon_ns, implied_variance=implied_variance)
    else:
        chosen = HAR(leverage=True) if model is None else model
        forecast = har_forecasts(history, horizon_ns, chosen, implied_variance=implied_variance)
    rate = history.realised(horizon_ns)
    error = 0.5 * (np.log(rate) - np.log(forecast))
    lag = -(-horizon_ns // NS_PER_DAY)
    centre, spread = _moments(error, lag, memory, max(fewest, 2))
    to_calendar = history.rate_to_calendar(horizon_ns)
    median = np.sqrt(forecast * to_calendar) * np.exp(centre)
    density = Density(median * np.exp(0.5 * spread**2), spread)
    return density, np.asarray(np.sqrt(rate * to_calendar))


def _moments(error: Floats, lag: int, memory: float, fewest: int) -> tuple[Floats, Floats]:
    """Weighted mean and standard deviation of the errors known at each origin, NaN where too few are."""
    from scipy.signal import lfilter

    if not memory > 0:
        raise ValueError(f"memory: expected a positive number of days, got {memory!r}")
    known = np.isfinite(error)
    clean = np.where(known, error, 0.0)
    decay = np.exp(-1.0 / memory)

    def seen(values: Floats, factor: float) -> Floats:
        total = lfilter([1.0], [1.0, -factor], values)
        return np.asarray(np.concatenate([np.zeros(lag), total])[: values.size])

    weight, squared = seen(known.astype(np.float64), decay), seen(known.astype(np.float64), decay**2)
    enough = seen(known.astype(np.float64), 1.0) >= fewest
    safe = np.where(enough, weight, 1.0)
    centre = seen(clean, decay) / safe
    variance = np.maximum(seen(clean**2, decay) / safe - centre**2, 0.0)
    # Unbiased for weights: 1 - sum w^2 / (sum w)^2, which is (n - 1)/n for equal ones.
    correction = np.where(enough, 1.0 - squared / safe**2, 1.0)
    spread = np.sqrt(variance / np.maximum(correction, 1e-12))
    return np.where(enough, centre, np.nan), np.where(enough, spread, np.nan)


def forecast_density(
    history: History,
    horizon_ns: int,
    model: HAR | Literal["combined"] | None = None,
    *,
    origin_ns: int | None = None,
    implied_variance: npt.ArrayLike | None = None,
    fewest: int = 100,
    memory: float = 365.0,
) -> Density:
    """Density of the realised volatility from an origin to a horizon after it.

    Parameters
    ----------
    history : History
        Its blocks end at the origin's time of day; with a clock, the density's volatility is what
        the clock makes of the hours and events ahead.
    horizon_ns : int
        An option's remaining life; any, also parts of a day.
    model, implied_variance, fewest, memory
        As in `density_history`.
    origin_ns : int, optional
        End of a block of the history; the last one without it. Nothing after it is used.

    Returns
    -------
    Density
        Two numbers.

    Raises
    ------
    ValueError
        If the origin is not the end of a block, or the past before it is too short.
    """
    at = history.end_ns.size - 1
    if origin_ns is not None:
        origin_ns = int(times_ns("origin_ns", origin_ns))
        at = int(np.searchsorted(history.end_ns, origin_ns))
        if at >= history.end_ns.size or history.end_ns[at] != origin_ns:
            raise ValueError(f"origin_ns: {format_time(origin_ns)} is not the end of a day of the history")
    density, _ = density_history(
        history, horizon_ns, model, implied_variance=implied_variance, fewest=fewest, memory=memory
    )
    mean, sd = float(np.asarray(density.mean_vol)[at]), float(np.asarray(density.log_sd)[at])
    if not math.isfinite(mean):
        days = int(np.isfinite(history.variance[: at + 1]).sum())
        raise ValueError(f"history: {days} days before the origin are too few for this model and horizon")
    return Density(mean, sd)
