"""GARCH models of recorded returns: parameters, their fit, and what the core makes of them."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from gammacore import _hedging
from gammacore.array_types import Floats
from gammacore.errors import ConfigError

from . import innovations as draws
from .number_checks import check_number, check_step

# Half of a shock is then gone after 138 steps, 6 days of hours. Estimates above it cannot be told from 1
# (their standard error is 0.006 on 5,000 returns), where the variance has no mean to return to.
MAX_PERSISTENCE = 0.995
CAP = 100.0  # times the long-run variance, unless said: ten times the volatility
NU = (2.5, 200.0)  # degrees of freedom of a fit: below, the cut decides on the variance


class Garch(msgspec.Struct, frozen=True, eq=False):
    """GARCH(1,1) or GJR-GARCH of the log returns of one step, its price a martingale but for the drift.

    ``r = drift dt + e - ln E exp(e)``, ``e = sqrt(h) z``,
    ``h' = min(omega + (alpha + gamma [e < 0]) e^2 + beta h, cap)``.

    Attributes
    ----------
    omega, alpha, beta, gamma : float
        Of the variance per step. ``alpha + gamma/2 + beta`` is at most `MAX_PERSISTENCE`.
    variance : float
        Of the first step.
    step : float
        Years a step takes; the grid must have the same.
    drift : float
    nu : float or None
        Degrees of freedom of Student innovations, scaled to unit variance and cut at one in 2,000 on
        each side: without the cut the price has no mean.
    innovations : array of float, shape (n,), optional
        Drawn with replacement, mean 0 and variance 1. Normal if neither is given.
    cap : float, optional
        Largest variance of a step; 100 times the long-run variance (or the first) without it. With heavy
        tails returns have no fourth moment otherwise, and the profit of a gamma position no deviation.
    """

    omega: float
    alpha: float
    beta: float
    variance: float
    step: float
    gamma: float = 0.0
    drift: float = 0.0
    nu: float | None = None
    innovations: Any = None
    cap: float | None = None

    def __post_init__(self) -> None:
        for name in ("omega", "variance", "step"):
            check_number(f"model.{name}", getattr(self, name), above=0.0)
        for name in ("alpha", "beta"):
            check_number(f"model.{name}", getattr(self, name), at_least=0.0)
        check_number("model.drift", self.drift)
        if not self.alpha + self.gamma >= 0.0:
            raise ConfigError(f"model.gamma: expected at least -alpha = {-self.alpha:g}, got {self.gamma!r}")
        if not self.persistence <= MAX_PERSISTENCE + 1e-9:
            raise ConfigError(
                f"model.beta: expected alpha + gamma/2 + beta of at most {MAX_PERSISTENCE:g}, or shocks "
                f"to the variance hardly fade, got {self.persistence:.7g}"
            )
        if self.nu is not None and not 2.0 < self.nu < math.inf:
            raise ConfigError(f"model.nu: expected more than 2 degrees of freedom, got {self.nu!r}")
        if not self.largest_variance >= self.variance:
            raise ConfigError(f"model.cap: expected at least variance = {self.variance:g}, got {self.cap!r}")
        self._check_innovations()

    def _check_innovations(self) -> None:
        if self.innovations is None:
            return
        given = np.asarray(self.innovations, dtype=np.float64)
        if self.nu is not None:
            raise ConfigError("model.innovations: expected nu or innovations, got both")
        if given.ndim != 1 or given.size < 2 or not np.isfinite(given).all():
            raise ConfigError(f"model.innovations: expected finite numbers in a row, got shape {given.shape}")
        if abs(given.mean()) > 1e-6 or abs(given.var() - 1.0) > 1e-6:
            raise ConfigError(
                "model.innovations: expected mean 0 and variance 1, "
                f"got {given.mean():.3g} and {given.var():.6g}"
            )

    @property
    def persistence(self) -> float:
        """Share of a shock to the variance that is left after one step."""
        return self.alpha + 0.5 * self.gamma + self.beta

    @property
    def largest_variance(self) -> float:
        """Variance that no step exceeds."""
        if self.cap is not None:
            return self.cap
        return CAP * max(self.omega / (1.0 - self.persistence), self.variance)

    def mean_vol(self, years: float) -> float:
        """Root of the mean variance per year over a time, as if there were no cap."""
        mean, steps = self.omega / (1.0 - self.persistence), max(years / self.step, 1.0)
        decayed = (1.0 - self.persistence**steps) / (steps * (1.0 - self.persistence))
        return math.sqrt((mean + (self.variance - mean) * decayed) / self.step)

    def for_core(self, dt: float) -> dict[str, Any]:
        """Parameters per step, by the names of the core."""
        check_step(self.step, dt)
        return {
            "kind": _hedging.GARCH,
            "drift": self.drift * dt,
            "variance": self.variance,
            "omega": self.omega,
            "alpha": self.alpha,
            "gamma": self.gamma,
            "beta": self.beta,
            "cap": self.largest_variance,
            **_innovations_for_core(self),
        }


@lru_cache(maxsize=8)  # a frontier asks for the same model sixty times
def _innovations_for_core(model: Garch) -> dict[str, Any]:
    if model.nu is None and model.innovations is None:
        return {}
    if model.nu is None:
        z = np.ascontiguousarray(model.innovations, dtype=np.float64)
    else:
        z = draws.student(model.nu)
    cumulant, per_unit = draws.cumulants(z, math.sqrt(model.largest_variance))
    return {"data": z, "cumulant": cumulant, "per_unit": per_unit}


def fit_garch(
    returns: npt.ArrayLike,
    step: float,
    *,
    asymmetric: bool = False,
    innovations: Literal["historical", "normal", "t"] = "historical",
    drift: float = 0.0,
) -> Garch:
    """Fit a GARCH model by quasi maximum likelihood with variance targeting.

    Parameters
    ----------
    returns : array_like, shape (n,)
        Log returns, equally spaced, at least 100.
    step : float
        Years between them.
    asymmetric : bool
        Whether falls may weigh more than rises (GJR).
    innovations : {'historical', 'normal', 't'}
        Drawn from the fit's own standardised residuals, or from a distribution.
    drift : float
        Of the price, per year; the mean of the returns is left out.

    Returns
    -------
    Garch
        Starting from the variance forecast for the step after the last return. Its long-run variance is
        that of the returns, its cap the largest variance fitted, its persistence at most `MAX_PERSISTENCE`.

    Raises
    ------
    ConfigError
        If there are too few returns, or they are not finite or do not vary.

    Notes
    -----
    The normal likelihood is consistent whatever the innovations are; with the variance given by the sample,
    no fit ends with a variance that nobody saw. C. Francq, L. Horvath, J.-M. Zakoian, "Merits and
    drawbacks of variance targeting in GARCH models", J. Financial Econometrics 9 (2011). Historical
    innovations: G. Barone-Adesi, K. Giannopoulos, L. Vosper, J. Futures Markets 19 (1999).
    """
    series: Floats = np.asarray(returns, dtype=np.float64)
    if series.ndim != 1 or series.size < 100 or not np.isfinite(series).all() or not series.std() > 0:
        raise ConfigError(
            f"returns: expected at least 100 finite numbers that vary, got shape {series.shape}"
        )
    check_number("step", step, above=0.0)
    if innovations not in ("historical", "normal", "t"):
        raise ConfigError(f"innovations: expected 'historical', 'normal' or 't', got {innovations!r}")
    unit = float(series.std())  # the optimiser wants numbers about one
    scaled = (series - series.mean()) / unit
    (alpha, gamma, beta), variances = _quasi_likelihood(scaled, asymmetric)
    residuals = scaled / np.sqrt(variances[:-1])
    return Garch(
        omega=(1.0 - alpha - 0.5 * gamma - beta) * unit**2,
        alpha=alpha,
        beta=beta,
        gamma=gamma,
        variance=float(variances[-1]) * unit**2,
        drift=drift,
        nu=_degrees_of_freedom(residuals) if innovations == "t" else None,
        innovations=draws.standardised(residuals) if innovations == "historical" else None,
        cap=float(variances.max()) * unit**2,
        step=step,
    )


def _quasi_likelihood(scaled: Floats, asymmetric: bool) -> tuple[tuple[float, float, float], Floats]:
    """Alpha, gamma and beta for a series of unit variance; variances of its steps and of the next one."""
    from scipy.optimize import LinearConstraint, minimize
    from scipy.signal import lfilter

    squares, falls = scaled**2, np.where(scaled < 0, scaled**2, 0.0)

    def filtered(x: Floats) -> Floats:
        drive = (1.0 - x[0] - 0.5 * x[1] - x[2]) + x[0] * squares + x[1] * falls
        return np.asarray(lfilter([1.0], [1.0, -x[2]], np.concatenate([[1.0], drive])))

    def loss(x: Floats) -> float:
        h = filtered(x)[:-1]
        return 0.5 * float(np.mean(np.log(h) + squares / h))

    constant = np.zeros(3)  # the variance, which every fit must beat
    best: tuple[float, Floats] = (loss(constant), constant)
    room = LinearConstraint([[1.0, 0.5, 1.0]], -np.inf, MAX_PERSISTENCE)
    for alpha, persistence in ((0.05, 0.98), (0.1, 0.9), (0.2, 0.7)):
        gamma = 0.25 * alpha if asymmetric else 0.0
        found = minimize(
            loss,
            [alpha, gamma, persistence - alpha - 0.5 * gamma],
            method="SLSQP",
            bounds=[(0.0, 1.0), (0.0, 1.0 if asymmetric else 0.0), (0.0, MAX_PERSISTENCE)],
            constraints=room,
        )
        inside = np.clip(np.asarray(found.x, dtype=np.float64), 0.0, 1.0)
        inside *= min(1.0, MAX_PERSISTENCE / max(float(inside @ (1.0, 0.5, 1.0)), 1e-300))
        best = min(best, (loss(inside), inside), key=lambda pair: pair[0])
    alpha, gamma, beta = (float(x) for x in best[1])
    return (alpha, gamma, beta), filtered(best[1])


def _degrees_of_freedom(residuals: Floats) -> float:
    """Most likely degrees of freedom of residuals of unit variance."""
    from scipy.optimize import minimize_scalar
    from scipy.special import gammaln

    squares = draws.standardised(residuals) ** 2

    def loss(nu: float) -> float:
        constant = gammaln(0.5 * (nu + 1.0)) - gammaln(0.5 * nu) - 0.5 * math.log(nu - 2.0)
        return float(0.5 * (nu + 1.0) * np.log1p(squares / (nu - 2.0)).mean() - constant)

    return float(minimize_scalar(loss, bounds=NU, method="bounded").x)
