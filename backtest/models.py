"""Price models of the simulator: parameters, checked when made, and what the core makes of them.

Volatilities, drifts and intensities are per year. ``drift`` is that of the price: the mean of
``F(t)/F(0)`` is ``exp(drift t)``. A model of recorded returns moves by one of them a step.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from gammacore import _hedging
from gammacore.errors import ConfigError

if TYPE_CHECKING:
    from gammacore._arrays import Floats

__all__ = ["GBM", "Bootstrap", "Garch", "GivenPaths", "Heston", "Merton", "Model", "fit_garch"]

LAST_CHANCE = 1e-17  # of a number of jumps, below which it is not counted
STEP_TOLERANCE = 1e-6  # relative, between a model's own step and the grid's


class GBM(msgspec.Struct, frozen=True):
    """Geometric Brownian motion.

    Attributes
    ----------
    vol : float
    drift : float
    """

    vol: float
    drift: float = 0.0

    def __post_init__(self) -> None:
        _positive("model.vol", self.vol)
        _finite("model.drift", self.drift)

    def mean_vol(self, years: float) -> float:
        """Root of the mean variance per year over a time."""
        return self.vol

    def for_core(self, dt: float) -> dict[str, Any]:
        """Parameters per step, by the names of the core."""
        return {
            "kind": _hedging.GBM,
            "drift": (self.drift - 0.5 * self.vol**2) * dt,
            "step_vol": self.vol * math.sqrt(dt),
        }


class Heston(msgspec.Struct, frozen=True):
    """Stochastic variance ``dv = kappa (theta - v) dt + xi sqrt(v) dW``, full-truncation Euler.

    Attributes
    ----------
    v0, theta : float
        Variance at the start and in the long run, per year.
    kappa, xi : float
        Speed of reversion per year, volatility of variance.
    rho : float
        Correlation with the price.
    drift : float

    Notes
    -----
    R. Lord, R. Koekkoek, D. van Dijk, Quantitative Finance 10 (2010) 177-194.
    """

    v0: float
    kappa: float
    theta: float
    xi: float
    rho: float = 0.0
    drift: float = 0.0

    def __post_init__(self) -> None:
        for name in ("v0", "kappa", "theta"):
            _positive(f"model.{name}", getattr(self, name))
        _not_negative("model.xi", self.xi)
        _finite("model.drift", self.drift)
        if not -1.0 <= self.rho <= 1.0:
            raise ConfigError(f"model.rho: expected a number between -1 and 1, got {self.rho!r}")

    def mean_vol(self, years: float) -> float:
        """Root of the mean variance per year over a time."""
        share = -math.expm1(-self.kappa * years) / (self.kappa * years)
        return math.sqrt(self.theta + (self.v0 - self.theta) * share)

    def for_core(self, dt: float) -> dict[str, Any]:
        """Parameters per step, by the names of the core."""
        return {
            "kind": _hedging.HESTON,
            "drift": self.drift * dt,
            "variance": self.v0,
            "kappa": self.kappa,
            "theta": self.theta,
            "xi": self.xi,
            "rho": self.rho,
        }


class Merton(msgspec.Struct, frozen=True):
    """Brownian motion with normal jumps of the logarithm at Poisson times, drift compensated.

    Attributes
    ----------
    vol : float
        Of the Brownian motion alone.
    intensity : float
        Jumps a year.
    jump_mean, jump_sd : float
        Of one jump of the logarithm.
    drift : float
    """

    vol: float
    intensity: float
    jump_mean: float = 0.0
    jump_sd: float = 0.1
    drift: float = 0.0

    def __post_init__(self) -> None:
        _positive("model.vol", self.vol)
        _not_negative("model.intensity", self.intensity)
        _not_negative("model.jump_sd", self.jump_sd)
        _finite("model.jump_mean", self.jump_mean)
        _finite("model.drift", self.drift)

    def mean_vol(self, years: float) -> float:
        """Root of the mean variance per year over a time, jumps included."""
        return math.sqrt(self.vol**2 + self.intensity * (self.jump_mean**2 + self.jump_sd**2))

    def for_core(self, dt: float) -> dict[str, Any]:
        """Parameters per step, by the names of the core."""
        compensation = self.intensity * math.expm1(self.jump_mean + 0.5 * self.jump_sd**2)
        return {
            "kind": _hedging.MERTON,
            "drift": (self.drift - 0.5 * self.vol**2 - compensation) * dt,
            "step_vol": self.vol * math.sqrt(dt),
            "jump_mean": self.jump_mean,
            "jump_sd": self.jump_sd,
            "jump_cdf": self._jump_distribution(dt),
        }

    def _jump_distribution(self, dt: float) -> list[float]:
        """Chance of at most 0, 1, ... jumps in a step, as far as doubles tell it from 1."""
        mean = self.intensity * dt
        chance = total = math.exp(-mean)
        found = [total]
        while chance > LAST_CHANCE or len(found) < mean:
            if len(found) == _hedging.MAX_JUMPS:
                raise ConfigError(
                    f"model.intensity: {self.intensity:g} jumps a year are {mean:.3g} a step, too many "
                    "to count; take more steps"
                )
            chance *= mean / len(found)
            total += chance
            found.append(total)
        return found


class Garch(msgspec.Struct, frozen=True):
    """GARCH(1,1) or GJR-GARCH of the log returns of one step.

    ``r = mean + e``, ``e = sqrt(h) z``, ``h' = omega + (alpha + gamma [e < 0]) e^2 + beta h``.

    Attributes
    ----------
    omega, alpha, beta, gamma : float
        Of the variance per step.
    variance : float
        Of the first step.
    step : float
        Years a step takes; the grid must have the same.
    mean : float
        Of the log return per step.
    nu : float or None
        Degrees of freedom of Student innovations, scaled to unit variance; None is normal.
    """

    omega: float
    alpha: float
    beta: float
    variance: float
    step: float
    gamma: float = 0.0
    mean: float = 0.0
    nu: float | None = None

    def __post_init__(self) -> None:
        for name in ("omega", "variance", "step"):
            _positive(f"model.{name}", getattr(self, name))
        for name in ("alpha", "beta"):
            _not_negative(f"model.{name}", getattr(self, name))
        _finite("model.mean", self.mean)
        if not self.alpha + self.gamma >= 0.0:
            raise ConfigError(f"model.gamma: expected at least -alpha = {-self.alpha:g}, got {self.gamma!r}")
        if not self.persistence < 1.0:
            raise ConfigError(
                "model.beta: expected alpha + gamma/2 + beta below 1, or the variance has no mean, "
                f"got {self.persistence:.6g}"
            )
        if self.nu is not None and not 2.0 < self.nu < math.inf:
            raise ConfigError(f"model.nu: expected more than 2 degrees of freedom, got {self.nu!r}")

    @property
    def persistence(self) -> float:
        """Share of a shock to the variance that is left after one step."""
        return self.alpha + 0.5 * self.gamma + self.beta

    def mean_vol(self, years: float) -> float:
        """Root of the mean variance per year over a time."""
        mean, steps = self.omega / (1.0 - self.persistence), max(years / self.step, 1.0)
        decayed = (1.0 - self.persistence**steps) / (steps * (1.0 - self.persistence))
        return math.sqrt((mean + (self.variance - mean) * decayed) / self.step)

    def for_core(self, dt: float) -> dict[str, Any]:
        """Parameters per step, by the names of the core."""
        _same_step(self.step, dt)
        return {
            "kind": _hedging.GARCH,
            "drift": self.mean,
            "variance": self.variance,
            "omega": self.omega,
            "alpha": self.alpha,
            "gamma": self.gamma,
            "beta": self.beta,
            "nu": self.nu or 0.0,
        }


class Bootstrap(msgspec.Struct, frozen=True, eq=False):
    """Blocks of recorded log returns, drawn with replacement, the first following on the last.

    Attributes
    ----------
    returns : array of float, shape (n,)
        Log returns of one step each.
    step : float
        Years a step takes; the grid must have the same.
    block : float
        Length of a block in steps: the mean of geometric lengths, or the length of all.
    random : bool
        Whether lengths are geometric (stationary bootstrap) or fixed (circular).

    Notes
    -----
    D. Politis, J. Romano, "The stationary bootstrap", JASA 89 (1994) 1303-1313.
    """

    returns: Any
    step: float
    block: float = 24.0
    random: bool = True

    def __post_init__(self) -> None:
        returns = np.asarray(self.returns)
        if returns.ndim != 1 or returns.size < 2:
            raise ConfigError(f"model.returns: expected at least two in a row, got shape {returns.shape}")
        if not (np.issubdtype(returns.dtype, np.number) and np.isfinite(returns).all()):
            raise ConfigError("model.returns: expected finite numbers")
        _positive("model.step", self.step)
        if not 1.0 <= self.block <= returns.size:
            raise ConfigError(f"model.block: expected 1 to {returns.size} steps, got {self.block!r}")
        if not self.random and self.block != round(self.block):
            raise ConfigError(f"model.block: expected a whole number of steps, got {self.block!r}")

    def mean_vol(self, years: float) -> float:
        """Root of the mean variance per year of the returns."""
        return float(np.std(self.returns) / math.sqrt(self.step))

    def for_core(self, dt: float) -> dict[str, Any]:
        """Parameters per step, by the names of the core."""
        _same_step(self.step, dt)
        return {
            "kind": _hedging.BOOTSTRAP,
            "data": np.ascontiguousarray(self.returns, dtype=np.float64),
            "block": 0 if self.random else round(self.block),
            "jump_chance": 1.0 / self.block,
        }


class GivenPaths(msgspec.Struct, frozen=True, eq=False):
    """Prices of the caller.

    Attributes
    ----------
    prices : array of float, shape (paths, steps + 1)
        USD; every path starts at the experiment's forward.
    """

    prices: Any

    def __post_init__(self) -> None:
        prices = np.asarray(self.prices)
        if prices.ndim != 2 or prices.shape[0] < 1 or prices.shape[1] < 2:
            raise ConfigError(f"model.prices: expected shape (paths, steps + 1), got {prices.shape}")
        if not (np.issubdtype(prices.dtype, np.number) and (prices > 0).all() and np.isfinite(prices).all()):
            raise ConfigError("model.prices: expected positive finite numbers")

    def mean_vol(self, years: float) -> float:
        """Refuse: the paths do not say what they were made from."""
        raise ConfigError("hedge_vol: given paths have no 'actual' volatility; give a number")

    def for_core(self, dt: float) -> dict[str, Any]:
        """Parameters per step, by the names of the core."""
        return {"kind": _hedging.GIVEN, "data": np.ascontiguousarray(self.prices, dtype=np.float64)}


Model = GBM | Heston | Merton | Garch | Bootstrap | GivenPaths


def fit_garch(
    returns: npt.ArrayLike,
    step: float,
    *,
    asymmetric: bool = False,
    innovations: Literal["normal", "t"] = "normal",
) -> Garch:
    """Fit a GARCH model by maximum likelihood with the package ``arch``.

    Parameters
    ----------
    returns : array_like, shape (n,)
        Log returns, equally spaced, at least 100.
    step : float
        Years between them.
    asymmetric : bool
        Whether falls may weigh more than rises (GJR).
    innovations : {'normal', 't'}

    Returns
    -------
    Garch
        Starting from the variance forecast for the step after the last return.

    Raises
    ------
    ConfigError
        If there are too few returns, or they are not finite or do not vary.
    """
    series: Floats = np.asarray(returns, dtype=np.float64)
    if series.ndim != 1 or series.size < 100 or not np.isfinite(series).all() or not series.std() > 0:
        raise ConfigError(
            f"returns: expected at least 100 finite numbers that vary, got shape {series.shape}"
        )
    _positive("step", step)
    from arch import arch_model

    unit = float(series.std())  # the optimiser wants numbers about one
    model = arch_model(series / unit, p=1, o=int(asymmetric), q=1, dist=innovations, rescale=False)
    fitted = model.fit(disp="off", show_warning=False)
    found = fitted.params
    forecast = float(fitted.forecast(horizon=1, reindex=False).variance.to_numpy()[-1, 0])
    return Garch(
        omega=float(found["omega"]) * unit**2,
        alpha=float(found["alpha[1]"]),
        beta=float(found["beta[1]"]),
        gamma=float(found["gamma[1]"]) if asymmetric else 0.0,
        variance=forecast * unit**2,
        mean=float(found["mu"]) * unit,
        nu=float(found["nu"]) if innovations == "t" else None,
        step=step,
    )


def _same_step(own: float, dt: float) -> None:
    if abs(own / dt - 1.0) > STEP_TOLERANCE:
        raise ConfigError(
            f"steps: the model moves every {own:.6g} years, the grid every {dt:.6g}; choose "
            "horizon / steps to be the step of the data"
        )


def _finite(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise ConfigError(f"{name}: expected a finite number, got {value!r}")


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{name}: expected a positive number, got {value!r}")


def _not_negative(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ConfigError(f"{name}: expected a number of at least 0, got {value!r}")
