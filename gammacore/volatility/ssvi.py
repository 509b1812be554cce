"""A whole surface with three parameters beyond the at-the-money variances: SSVI."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from gammacore._arrays import floats
from gammacore.array_types import Floats
from gammacore.volatility.quotes import Points

__all__ = ["SSVI", "fit_ssvi"]

_HUBER = 3.0  # half spreads from which an error counts linearly


class SSVI(msgspec.Struct, frozen=True, eq=False):
    """``w = theta/2 (1 + rho phi k + sqrt((phi k + rho)^2 + 1 - rho^2))`` (Gatheral and Jacquier 2014).

    ``phi(theta) = eta / (theta^gamma (1 + theta)^(1 - gamma))``. With ``eta (1 + |rho|) <= 2``, gamma in
    (0, 1/2] and theta increasing in time it has neither butterfly nor calendar arbitrage (their
    corollary 4.1 and remark 4.4).

    Attributes
    ----------
    rho, eta, gamma : float
    theta : array of float64, shape (m,)
        At-the-money total variance of each expiry, not decreasing.

    Raises
    ------
    ValueError
        If they are outside of these conditions.
    """

    rho: float
    eta: float
    gamma: float
    theta: Floats

    def __post_init__(self) -> None:
        if not -1.0 < self.rho < 1.0:
            raise ValueError(f"rho: expected a number between -1 and 1, got {self.rho!r}")
        if not 0.0 < self.eta * (1.0 + abs(self.rho)) <= 2.0 + 1e-12:
            raise ValueError(f"eta: expected above 0 and at most 2 / (1 + |rho|), got {self.eta!r}")
        if not 0.0 < self.gamma <= 0.5:
            raise ValueError(f"gamma: expected above 0 and at most 0.5, got {self.gamma!r}")
        if not (np.all(self.theta > 0) and np.all(np.diff(self.theta) >= 0)):
            raise ValueError("theta: expected positive variances that do not decrease in time")

    def raw(self, theta: npt.ArrayLike | None = None) -> Floats:
        """Return the same slices as raw SVI, rows (a, b, rho, m, sigma)."""
        at = self.theta if theta is None else np.atleast_1d(floats(theta))
        phi = self.eta / (at**self.gamma * (1.0 + at) ** (1.0 - self.gamma))
        flat = 1.0 - self.rho**2
        return np.stack(
            [
                0.5 * at * flat,
                0.5 * at * phi,
                np.full(at.size, self.rho),
                -self.rho / phi,
                math.sqrt(flat) / phi,
            ],
            axis=1,
        )


def _variance(theta: Floats, rho: float, eta: float, gamma: float, k: Floats) -> tuple[Floats, Floats]:
    """Variance of each point, and its derivatives in (rho, eta, gamma, theta) as rows."""
    phi = eta / (theta**gamma * (1.0 + theta) ** (1.0 - gamma))
    z = phi * k + rho
    root = np.sqrt(z * z + 1.0 - rho * rho)
    w = 0.5 * theta * (1.0 + rho * phi * k + root)
    in_phi = 0.5 * theta * k * (rho + z / root)
    return w, np.stack(
        [
            0.5 * theta * (phi * k + (z - rho) / root),
            in_phi * phi / eta,
            in_phi * phi * (np.log1p(theta) - np.log(theta)),
            w / theta - in_phi * phi * (gamma / theta + (1.0 - gamma) / (1.0 + theta)),
        ]
    )


def fit_ssvi(points: Points) -> SSVI:
    """Fit all expiries at once.

    Parameters
    ----------
    points : Points
        At least five.

    Returns
    -------
    SSVI
        Least squares in half spreads (linear beyond three), in coordinates that keep the
        conditions: tanh for rho, a share of the bound for eta, logarithms of the steps of theta.

    Raises
    ------
    ValueError
        If there are fewer than five points.
    """
    from scipy.optimize import least_squares

    if points.k.size < 5:
        raise ValueError(f"points: expected at least 5, got {points.k.size}")
    expiry = np.repeat(np.arange(points.tau.size), np.diff(points.offsets))
    root = np.sqrt(points.tau)[expiry]
    weight = 1.0 / points.half_spread
    start = np.maximum.accumulate(
        [
            float(np.interp(0.0, points.k[part], points.vol[part])) ** 2 * tau
            for part, tau in zip(_parts(points), points.tau, strict=True)
        ]
    )
    steps = np.maximum(np.diff(start, prepend=0.0), 0.01 * start)

    def decode(u: Floats) -> tuple[float, float, float, Floats]:
        rho = 0.999 * math.tanh(u[0])
        eta = 2.0 / (1.0 + abs(rho)) / (1.0 + math.exp(-u[1]))
        gamma = 1e-3 + 0.499 / (1.0 + math.exp(-u[2]))
        return rho, eta, gamma, np.cumsum(np.exp(u[3:]))

    def errors(u: Floats) -> Floats:
        rho, eta, gamma, theta = decode(u)
        w, _ = _variance(theta[expiry], rho, eta, gamma, points.k)
        return np.asarray(weight * (np.sqrt(w) / root - points.vol))

    def jacobian(u: Floats) -> Floats:
        rho, eta, gamma, theta = decode(u)
        w, rows = _variance(theta[expiry], rho, eta, gamma, points.k)
        d_rho = 0.999 * (1.0 - math.tanh(u[0]) ** 2)
        share = 1.0 / (1.0 + math.exp(-u[1]))
        part = 1.0 / (1.0 + math.exp(-u[2]))
        in_rho = d_rho * (rows[0] - rows[1] * eta * math.copysign(1.0, rho) / (1.0 + abs(rho)))
        in_theta = np.where(expiry[:, None] >= np.arange(theta.size), rows[3][:, None], 0.0) * np.exp(u[3:])
        columns = [in_rho, rows[1] * eta * (1.0 - share), rows[2] * 0.499 * part * (1.0 - part)]
        return np.asarray(
            (0.5 * weight / (np.sqrt(w) * root))[:, None] * np.column_stack([*columns, in_theta])
        )

    first = np.concatenate([[-0.1, 0.0, 1.0], np.clip(np.log(steps), -29.0, 4.0)])
    bounds = np.concatenate([np.full(3, 15.0), np.full(steps.size, 5.0)])
    lower = np.concatenate([np.full(3, -15.0), np.full(steps.size, -30.0)])
    found = least_squares(
        errors, first, jacobian, (lower, bounds), loss="huber", f_scale=_HUBER, max_nfev=40,
        ftol=1e-5, xtol=1e-5, gtol=1e-8,
    )  # fmt: skip
    return SSVI(*decode(found.x))


def _parts(points: Points) -> list[slice]:
    return [slice(a, b) for a, b in zip(points.offsets[:-1], points.offsets[1:], strict=True)]
