"""Price models of the simulator: parameters, checked when made, and what the core makes of them.

Volatilities, drifts and intensities are per year. ``drift`` is that of the price: the mean of
``F(t)/F(0)`` is ``exp(drift t)`` in every model. A model of recorded returns moves by one of them a step.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np

from gammacore import _hedging
from gammacore.array_types import Floats
from gammacore.errors import ConfigError

from .garch import Garch
from .number_checks import check_number, check_step, check_volatility

LAST_CHANCE = 1e-17  # of a number of jumps, below which it is not counted


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
        check_volatility("model.vol", self.vol)
        check_number("model.drift", self.drift)

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
        check_number("model.kappa", self.kappa, above=0.0)
        for name in ("v0", "theta"):
            variance = getattr(self, name)
            check_number(f"model.{name}", variance, above=0.0)
            check_volatility(f"root of model.{name}", math.sqrt(variance))
        check_number("model.xi", self.xi, at_least=0.0)
        check_number("model.drift", self.drift)
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
        check_volatility("model.vol", self.vol)
        check_number("model.intensity", self.intensity, at_least=0.0)
        check_number("model.jump_sd", self.jump_sd, at_least=0.0)
        check_number("model.jump_mean", self.jump_mean)
        check_number("model.drift", self.drift)

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
        check_number("model.step", self.step, above=0.0)
        check_number("model.drift", self.drift)
        if not 1.0 <= self.block <= returns.size:
            raise ConfigError(f"model.block: expected 1 to {returns.size} steps, got {self.block!r}")
        if not self.random and self.block != round(self.block):
            raise ConfigError(f"model.block: expected a whole number of steps, got {self.block!r}")

    def mean_vol(self, years: float) -> float:
        """Root of the mean variance per year of the returns."""
        return float(np.std(self.returns) / math.sqrt(self.step))

    def for_core(self, dt: float) -> dict[str, Any]:
        """Parameters per step, by the names of the core."""
        check_step(self.step, dt)
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
