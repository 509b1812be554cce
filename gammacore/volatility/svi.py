"""One expiry's smile as raw SVI, and whether it is free of arbitrage."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from gammacore import _surface
from gammacore._arrays import floats
from gammacore.array_types import Floats

__all__ = ["SVI"]


class SVI(msgspec.Struct, frozen=True):
    """Total variance ``w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2))``, k = ln(K/F).

    Gatheral's (2004) raw parametrisation. Any parameters with positive variance are accepted, also
    those that allow arbitrage: `is_free` tells.

    Attributes
    ----------
    a, b, rho, m, sigma : float
        ``b >= 0``, ``|rho| < 1``, ``sigma > 0`` and a positive minimum.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    a: float
    b: float
    rho: float
    m: float
    sigma: float

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name}: expected a finite number, got {getattr(self, name)!r}")
        if self.b < 0:
            raise ValueError(f"b: expected a number >= 0, got {self.b!r}")
        if not -1.0 < self.rho < 1.0:
            raise ValueError(f"rho: expected a number between -1 and 1, got {self.rho!r}")
        if self.sigma <= 0:
            raise ValueError(f"sigma: expected a positive number, got {self.sigma!r}")
        if self.lowest <= 0:
            raise ValueError(f"a: expected a positive minimum of the variance, got {self.lowest!r}")

    @property
    def lowest(self) -> float:
        """Smallest total variance, ``a + b sigma sqrt(1 - rho^2)``."""
        return self.a + self.b * self.sigma * math.sqrt(1.0 - self.rho * self.rho)

    @property
    def steepest_wing(self) -> float:
        """``b (1 + |rho|)``, the slope of the steeper wing; at most 2 without arbitrage (Lee 2004)."""
        return self.b * (1.0 + abs(self.rho))

    def total_variance(self, k: npt.ArrayLike) -> Floats:
        """Variance times time at log-moneyness k; array of the shape of k."""
        return np.asarray(self._evaluate(k)[0])

    def density_factor(self, k: npt.ArrayLike) -> Floats:
        """Gatheral's g at log-moneyness k: negative where there is butterfly arbitrage.

        ``(1 - k w'/(2w))^2 - w'^2/4 (1/w + 1/4) + w''/2`` (Gatheral and Jacquier 2014, section 2.1).
        """
        return np.asarray(self._evaluate(k)[3])

    def lowest_factor(self) -> float:
        """Smallest g on two dense grids, around the vertex and around the money, to |k| of 3."""
        lowest, _ = _surface.check(self._raw())
        return float(lowest[0])

    def is_free(self) -> bool:
        """Whether there is no butterfly arbitrage: g >= 0 on the grids, and wings within Lee's bound."""
        return self.steepest_wing <= 2.0 and self.lowest_factor() >= 0.0

    def _raw(self) -> Floats:
        return np.array([[self.a, self.b, self.rho, self.m, self.sigma]])

    def _evaluate(self, k: npt.ArrayLike) -> Floats:
        at = floats(k)
        flat = np.ascontiguousarray(at).reshape(-1)
        found = _surface.evaluate(self._raw(), np.zeros(flat.size, np.int64), flat)
        return found.reshape(4, *at.shape)
