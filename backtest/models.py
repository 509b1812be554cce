"""Price models of the simulator: parameters, checked when made, and what the core makes of them.

Volatilities, drifts and intensities are per year. ``drift`` is that of the price: the mean of
``F(t)/F(0)`` is ``exp(drift t)`` in every model. A model of recorded returns moves by one of them a step.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from gammacore import _hedging
from gammacore.backtest import innovations as draws
from gammacore.config import MOST_VOL
from gammacore.errors import ConfigError

if TYPE_CHECKING:
    from gammacore._arrays import Floats

__all__ = ["GBM", "Bootstrap", "Garch", "GivenPaths", "Heston", "Merton", "Model", "fit_garch"]

LAST_CHANCE = 1e-17  # of a number of jumps, below which it is not counted
STEP_TOLERANCE = 1e-6  # relative, between a model's own step and the grid's

# Half of a shock is then gone after 138 steps, 6 days of hours. Estimates above it cannot be told from 1
# (their standard error is 0.006 on 5,000 returns), where the variance has no mean to return to.
MAX_PERSISTENCE = 0.995
CAP = 100.0  # times the long-run variance, unless said: ten times the volatility
NU = (2.5, 200.0)  # degrees of freedom of a fit: below, the cut decides on the variance


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
        volatility("model.vol", self.vol)
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
        _positive("model.kappa", self.kappa)
        for name in ("v0", "theta"):
            variance = getattr(self, name)
            _positive(f"model.{name}", variance)
            volatility(f"root of model.{name}", math.sqrt(variance))
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
        volatility("model.vol", self.vol)
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
            _positive(f"model.{name}", getattr(self, name))
        for name in ("alpha", "beta"):
            _not_negative(f"model.{name}", getattr(self, name))
        _finite("model.drift", self.drift)
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
        _same_step(self.step, dt)
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
    drift : float
        Replaces the mean growth of the returns.

    Notes
    -----
    The price at every step grows by ``drift`` in the mean over all draws: each step is shifted by one number,
    worked out exactly. Within a block, returns are as predictable as they were when recorded.

    D. Politis, J. Romano, "The stationary bootstrap", JASA 89 (1994) 1303-1313.
    """

    returns: Any
    step: float
    block: float = 24.0
    random: bool = True
    drift: float = 0.0

    def __post_init__(self) -> None:
        returns = np.asarray(self.returns)
        if returns.ndim != 1 or returns.size < 2:
            raise ConfigError(f"model.returns: expected at least two in a row, got shape {returns.shape}")
        if not (np.issubdtype(returns.dtype, np.number) and np.isfinite(returns).all()):
            raise ConfigError("model.returns: expected finite numbers")
        _positive("model.step", self.step)
        _finite("model.drift", self.drift)
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
            "shift": lambda steps: self.drift * dt - np.diff(_log_growth(self, steps), prepend=0.0),
        }


@lru_cache(maxsize=8)
def _log_growth(model: Bootstrap, steps: int) -> Floats:
    """Logarithm of the mean of the price over its start after 1 to `steps` steps, over all draws of blocks.

    ``ahead[i]`` is the mean growth of the steps to come after return i: a block goes on with the return
    that follows or another one starts.
    """
    factor = np.exp(np.asarray(model.returns, dtype=np.float64))
    chance = 1.0 / model.block if model.random else 0.0
    count = steps if model.random else min(round(model.block), steps)
    ahead, total = np.ones_like(factor), np.empty(count)
    for k in range(count):
        ahead *= factor
        total[k] = ahead.mean()
        ahead = np.roll(ahead, -1)
        if chance:
            ahead *= 1.0 - chance
            ahead += chance * total[k]
        ahead /= total[k]  # so that it stays about 1
    logs = np.cumsum(np.log(total))
    whole, part = np.divmod(np.arange(1, steps + 1), count)  # blocks of fixed length are independent
    return np.asarray(whole * logs[-1] + np.where(part > 0, logs[part - 1], 0.0))


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
    _positive("step", step)
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


def _same_step(own: float, dt: float) -> None:
    if abs(own / dt - 1.0) > STEP_TOLERANCE:
        raise ConfigError(
            f"steps: the model moves every {own:.6g} years, the grid every {dt:.6g}; choose "
            "horizon / steps to be the step of the data"
        )


def _finite(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise ConfigError(f"{name}: expected a finite number, got {value!r}")


def volatility(name: str, value: float) -> None:
    """Refuse what is no volatility as a fraction per root of a year.

    Raises
    ------
    ConfigError
    """
    _positive(name, value)
    if value > MOST_VOL:
        hint = f"; a percentage? fractions are meant: {value / 100.0:g}" if value <= 100.0 * MOST_VOL else ""
        raise ConfigError(f"{name}: expected at most {MOST_VOL:g}, got {value!r}{hint}")


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{name}: expected a positive number, got {value!r}")


def _not_negative(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ConfigError(f"{name}: expected a number of at least 0, got {value!r}")
