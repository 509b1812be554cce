"""What theory says of hedging error and cost, as pure functions.

Scalars in, scalars out. Prices in USD, deltas in coin (or shares), volatilities per year, times in
years, risk aversion per USD, ``cost`` one way as a fraction of notional. Interest is zero unless
a function takes a rate. ``vega`` is that of the position, per 1.00 of volatility.

Sources: E. Derman, M. Kamal, "When you cannot hedge continuously", Goldman Sachs 1999; D. Bertsimas,
L. Kogan, A. Lo, "When is time continuous?", J. Financial Economics 55 (2000); R. Ahmad, P. Wilmott,
"Which free lunch would you like today, Sir?", Wilmott 2005; H. Leland, J. Finance 40 (1985);
M. Broadie, P. Glasserman, S. Kou, Mathematical Finance 7 (1997); A. Sepp, "When you hedge
discretely", 2013. What bands are optimal is in :mod:`gammacore.hedging.widths`.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from gammacore.hedging import widths

__all__ = [
    "MONITORING",
    "ahmad_wilmott_mean",
    "ahmad_wilmott_sd",
    "bertsimas_kogan_lo",
    "derman_kamal",
    "expected_cost_of_time_hedging",
    "leland_vol",
]

MONITORING = 0.5825971579390107
"""-zeta(1/2)/sqrt(2 pi): steps that a random walk overshoots a barrier by (Broadie, Glasserman, Kou)."""

NODES = 400  # of the quadratures: 1e-10 for any position a desk sees


# ---- discrete hedging without cost --------------------------------------------------


def derman_kamal(vega: float, vol: float, hedges: float) -> float:
    """Return the standard deviation of the P&L of a hedge repeated ``hedges`` times.

    Notes
    -----
    sqrt(pi/4) vega vol / sqrt(N): for options at the money and small total volatility;
    :func:`bertsimas_kogan_lo` holds for every strike.
    """
    return math.sqrt(math.pi / 4.0) * abs(vega) * vol / math.sqrt(hedges)


def bertsimas_kogan_lo(
    forward: float,
    strike: float,
    tau: float,
    vol: float,
    hedges: float,
    drift: float = 0.0,
    *,
    coin: bool = False,
) -> float:
    """Return the standard deviation of the P&L of one option hedged ``hedges`` times, to first order.

    Parameters
    ----------
    forward, strike, tau, vol : float
        ``vol`` is both realised and hedged at.
    hedges : float
        Equally spaced in time.
    drift : float
    coin : bool
        The error in coin of an inverse option hedged with its net delta.

    Returns
    -------
    float
        USD, or coin; the error of the formula is O(1/hedges) of it.

    Notes
    -----
    Var = vol^2 K^2 T/(4 pi N) * integral over t of (T^2 - t^2)^(-1/2)
    exp(-(ln(S/K) + drift t - vol^2 T/2)^2 / (vol^2 (T + t))), with t = T sin(angle). In coin without
    K^2 and with ln(S/K) + drift t + vol^2 T/2 - vol^2 t.
    """
    angle, weight = _nodes(0.0, 0.5 * math.pi)
    t = tau * np.sin(angle)
    carry = 0.5 * vol**2 * tau - vol**2 * t if coin else np.full_like(t, -0.5 * vol**2 * tau)
    distance = math.log(forward / strike) + drift * t + carry
    integral = float(weight @ np.exp(-(distance**2) / (vol**2 * (tau + t))))
    unit = 1.0 if coin else strike
    return unit * math.sqrt(vol**2 * tau / (4.0 * math.pi * hedges) * integral)


# ---- realised volatility other than implied --------------------------------------------


def ahmad_wilmott_mean(
    spot: float,
    strike: float,
    tau: float,
    implied: float,
    realised: float,
    rate: float = 0.0,
    drift: float = 0.0,
) -> float:
    """Return the mean present value of a long option hedged continuously at implied volatility.

    Notes
    -----
    K e^(-rT) (realised^2 - implied^2)/(2 sqrt(2 pi)) * integral over s of v^(-1/2) exp(-a^2/(2v)),
    v = realised^2 s + implied^2 (T - s),
    a = ln(S/K) + (drift - realised^2/2) s + (rate - implied^2/2)(T - s).
    """
    s, weight = _nodes(0.0, tau)
    v, a = _moments(s, spot, strike, tau, implied, realised, rate, drift)
    scale = strike * math.exp(-rate * tau) * (realised**2 - implied**2) / (2.0 * math.sqrt(2.0 * math.pi))
    return scale * float(weight @ (np.exp(-(a**2) / (2.0 * v)) / np.sqrt(v)))


def ahmad_wilmott_sd(
    spot: float,
    strike: float,
    tau: float,
    implied: float,
    realised: float,
    rate: float = 0.0,
    drift: float = 0.0,
) -> float:
    """Return the standard deviation that goes with :func:`ahmad_wilmott_mean`.

    Notes
    -----
    The second moment is (K e^(-rT) (realised^2 - implied^2)/2)^2 / pi times the integral over
    0 < s < u < T of exp(-m' C^-1 m/2)/sqrt(det C), m = (a(s), a(u)) and
    C = [[v(s), realised^2 s], [realised^2 s, realised^2 u + implied^2 (T - u)]].
    det C vanishes at s = u = T only; u = T (1 - x^2), s = u (1 - y^2) leave it integrable.
    """
    x, weight_x = _nodes(0.0, 1.0)
    u, along_u = tau * (1.0 - x**2), 2.0 * tau * x * weight_x
    y, weight_y = _nodes(0.0, 1.0)
    s, along_s = np.outer(u, 1.0 - y**2), np.outer(u, 2.0 * y * weight_y)
    v_s, a_s = _moments(s, spot, strike, tau, implied, realised, rate, drift)
    v_u, a_u = (part[:, None] for part in _moments(u, spot, strike, tau, implied, realised, rate, drift))
    shared = realised**2 * s
    det = v_s * v_u - shared**2
    form = (v_u * a_s**2 - 2.0 * shared * a_s * a_u + v_s * a_u**2) / det
    integral = float(along_u @ (along_s * np.exp(-0.5 * form) / np.sqrt(det)).sum(axis=1))
    scale = strike * math.exp(-rate * tau) * (realised**2 - implied**2) / 2.0
    mean = ahmad_wilmott_mean(spot, strike, tau, implied, realised, rate, drift)
    return math.sqrt(max(scale**2 / math.pi * integral - mean**2, 0.0))


def _moments(
    s: np.ndarray,
    spot: float,
    strike: float,
    tau: float,
    implied: float,
    realised: float,
    rate: float,
    drift: float,
) -> tuple[np.ndarray, np.ndarray]:
    v = realised**2 * s + implied**2 * (tau - s)
    a = math.log(spot / strike) + (drift - 0.5 * realised**2) * s + (rate - 0.5 * implied**2) * (tau - s)
    return v, a


@cache
def _legendre() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(NODES)


def _nodes(low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Gauss and Legendre's nodes and weights on an interval."""
    x, weight = _legendre()
    return low + 0.5 * (high - low) * (x + 1.0), 0.5 * (high - low) * weight


# ---- costs of hedging by time ----------------------------------------------------------


def expected_cost_of_time_hedging(cost: float, vega: float, tau: float, hedges: float) -> float:
    """Return the mean cost of ``hedges`` equally spaced hedges, the first and the last excepted.

    Notes
    -----
    cost vega sqrt(2 N/(pi T)), hedged at the volatility that is realised (Leland 1985).
    """
    return cost * abs(vega) * math.sqrt(2.0 * hedges / (math.pi * tau))


def leland_vol(vol: float, cost: float, every: float, *, long: bool) -> float:
    """Volatility that prices the mean cost of hedging in: vol sqrt(1 - Le) long, vol sqrt(1 + Le) short.

    Raises
    ------
    ValueError
        If the cost is so large that a long position has no such volatility.
    """
    share = 1.0 + (-1.0 if long else 1.0) * widths.leland_number(cost, vol, every)
    if share <= 0.0:
        raise ValueError(
            f"every: no Leland volatility for hedges as often as {every:g} years at cost {cost:g}"
        )
    return vol * math.sqrt(share)
