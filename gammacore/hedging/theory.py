"""What theory says of hedging error and cost, as pure functions.

Scalars in, scalars out. Prices in USD, deltas in coin (or shares), volatilities per year, times in
years, risk aversion per USD, ``cost`` one way as a fraction of notional. Interest is zero unless
a function takes a rate. ``vega`` is that of the position, per 1.00 of volatility.

Sources: E. Derman, M. Kamal, "When you cannot hedge continuously", Goldman Sachs 1999; D. Bertsimas,
L. Kogan, A. Lo, "When is time continuous?", J. Financial Economics 55 (2000); R. Ahmad, P. Wilmott,
"Which free lunch would you like today, Sir?", Wilmott 2005; H. Leland, J. Finance 40 (1985);
E. Whalley, P. Wilmott, Mathematical Finance 7 (1997); V. Zakamouline, Eur. J. Finance 12 (2006); M. Broadie,
P. Glasserman, S. Kou, Mathematical Finance 7 (1997); A. Sepp, "When you hedge discretely", 2013.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Literal, NamedTuple

import numpy as np

__all__ = [
    "MONITORING",
    "BandLaw",
    "SharpeOptimum",
    "ZakamoulineTerms",
    "ahmad_wilmott_mean",
    "ahmad_wilmott_sd",
    "band_law",
    "bertsimas_kogan_lo",
    "derman_kamal",
    "expected_cost_of_time_hedging",
    "fixed_cost_width",
    "leland_number",
    "leland_vol",
    "sharpe_optimum",
    "whalley_wilmott_width",
    "zakamouline",
    "zakamouline_range",
]

MONITORING = 0.5825971579390107
"""-zeta(1/2)/sqrt(2 pi): steps that a random walk overshoots a barrier by (Broadie, Glasserman, Kou)."""

NODES = 400  # of the quadratures: 1e-10 for any position a desk sees
SMALLEST_VARIANCE_SHARE = 0.01  # of the variance that Zakamouline's K may leave


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


def leland_number(cost: float, vol: float, every: float) -> float:
    """Leland's number sqrt(8/pi) cost / (vol sqrt(every)), ``every`` in years."""
    return math.sqrt(8.0 / math.pi) * cost / (vol * math.sqrt(every))


def leland_vol(vol: float, cost: float, every: float, *, long: bool) -> float:
    """Volatility that prices the mean cost of hedging in: vol sqrt(1 - Le) long, vol sqrt(1 + Le) short.

    Raises
    ------
    ValueError
        If the cost is so large that a long position has no such volatility.
    """
    share = 1.0 + (-1.0 if long else 1.0) * leland_number(cost, vol, every)
    if share <= 0.0:
        raise ValueError(
            f"every: no Leland volatility for hedges as often as {every:g} years at cost {cost:g}"
        )
    return vol * math.sqrt(share)


class SharpeOptimum(NamedTuple):
    """Number of hedges with the best ratio of mean to deviation, and that ratio."""

    hedges: float
    sharpe: float


def sharpe_optimum(gain: float, vega: float, vol: float, cost: float, tau: float) -> SharpeOptimum:
    """How often to hedge at the actual volatility for the best Sharpe ratio of one trade.

    Parameters
    ----------
    gain : float
        Value at the actual volatility less what was paid, USD.
    vega, vol, cost, tau : float

    Notes
    -----
    The mean is A - B sqrt(N) and the deviation C/sqrt(N), with B = cost vega sqrt(2/(pi T)) and
    C = sqrt(pi/4) vega vol: N = (A/2B)^2 and the ratio A^2/(4BC), not per year.
    """
    a = abs(gain)
    b = expected_cost_of_time_hedging(cost, vega, tau, 1.0)
    c = derman_kamal(vega, vol, 1.0)
    return SharpeOptimum((a / (2.0 * b)) ** 2, a * a / (4.0 * b * c))


# ---- bands -----------------------------------------------------------------------------


class BandLaw(NamedTuple):
    """Long-run averages of a hedge whose mismatch is a Brownian motion.

    ``turnover`` in coin a year, ``trades`` a year (infinite to the edge in continuous time),
    ``mean_square`` of the mismatch in coin^2.
    """

    turnover: float
    trades: float
    mean_square: float


def band_law(
    rule: Literal["edge", "centre", "time"], speed: float, size: float, step: float = 0.0
) -> BandLaw:
    """Turnover and tracking error of a rule at constant gamma.

    Parameters
    ----------
    rule : {'edge', 'centre', 'time'}
        Trade to the nearest edge of a band or to its centre, or to zero at fixed times.
    speed : float
        Of the mismatch: gamma * price * vol, coin per root year.
    size : float
        Half-width in coin, or years between hedges.
    step : float
        Years between two looks at a band; 0 is continuous. The band then acts as one that is wider
        by :data:`MONITORING` standard deviations of a step.

    Notes
    -----
    Edge: s^2/(2H) and H^2/3. Centre: s^2/H, s^2/H^2 trades, H^2/6. Time: s sqrt(2/(pi d)), 1/d, s^2 d/2.
    """
    if rule == "time":
        return BandLaw(speed * math.sqrt(2.0 / (math.pi * size)), 1.0 / size, 0.5 * speed**2 * size)
    width = size + MONITORING * speed * math.sqrt(step)
    if rule == "edge":
        return BandLaw(speed**2 / (2.0 * width), math.inf, width**2 / 3.0)
    if rule == "centre":
        return BandLaw(speed**2 / width, (speed / width) ** 2, width**2 / 6.0)
    raise ValueError(f"rule: expected edge, centre or time, got {rule!r}")


def whalley_wilmott_width(
    price: float, gamma: float, cost: float, risk_aversion: float, *, to_edge: bool = True
) -> float:
    """Half-width in coin of the asymptotically optimal band for a proportional cost.

    Notes
    -----
    H = (3/2 cost S gamma^2/a)^(1/3), which minimises cost S s^2/(2H) + a vol^2 S^2 H^2/6 with
    s = gamma S vol; trading to the centre (6 cost S gamma^2/a)^(1/3), which minimises
    cost S s^2/H + a vol^2 S^2 H^2/12.
    """
    return math.cbrt((1.5 if to_edge else 6.0) * cost * price * gamma**2 / risk_aversion)


def fixed_cost_width(gamma: float, cost_per_trade: float, risk_aversion: float) -> float:
    """Half-width in coin for a cost in USD per trade, hedged to the centre: (12 k gamma^2/a)^(1/4).

    Notes
    -----
    Minimises k s^2/H^2 + a vol^2 S^2 H^2/12 with s = gamma S vol.
    """
    return float((12.0 * cost_per_trade * gamma**2 / risk_aversion) ** 0.25)


class ZakamoulineTerms(NamedTuple):
    """Band h0 + h1 (coin) around the delta at ``vol``, and the K that gave it."""

    h0: float
    h1: float
    k: float
    vol: float


def zakamouline(
    price: float,
    gamma: float,
    vol: float,
    tau: float,
    cost: float,
    risk_aversion: float,
) -> ZakamoulineTerms:
    """Band and volatility fitted to the exact utility-based hedge.

    Parameters
    ----------
    price, gamma, vol, tau : float
        ``gamma`` of the position at ``vol``, negative if short.
    cost, risk_aversion : float

    Notes
    -----
    H0 = cost/(a S vol^2 tau), H1 = 1.12 cost^0.31 tau^0.05 vol^-0.25 (|gamma|/a)^0.5,
    K = -4.76 cost^0.78 tau^-0.02 vol^-0.25 (a S^2 |gamma|)^0.15; the volatility is vol sqrt(1 + K)
    long and vol sqrt(1 - K) short, 1 + K kept positive. The fit depends on the unit of money, see
    :func:`zakamouline_range`.
    """
    root = vol**-0.25
    h0 = cost / (risk_aversion * price * vol**2 * tau)
    h1 = 1.12 * cost**0.31 * tau**0.05 * root * math.sqrt(abs(gamma) / risk_aversion)
    k = -4.76 * cost**0.78 * tau**-0.02 * root * (risk_aversion * price**2 * abs(gamma)) ** 0.15
    share = 1.0 - k if gamma < 0 else max(1.0 + k, SMALLEST_VARIANCE_SHARE)
    return ZakamoulineTerms(h0, h1, k, vol * math.sqrt(share))


def zakamouline_range(vol: float, cost: float, tau: float) -> list[str]:
    """Sentences on what leaves the range that :func:`zakamouline` was fitted for; empty if nothing does.

    The fit covers volatilities of 10 % to 40 %, costs of 0.1 % to 2 %, and up to a year.
    """
    bounds = (("vol", vol, 0.1, 0.4), ("cost", cost, 0.001, 0.02), ("tau", tau, 0.0, 1.0))
    return [
        f"{name} {value:g} is outside the range {low:g} to {high:g} that Zakamouline's formula was fitted for"
        for name, value, low, high in bounds
        if not low <= value <= high
    ]
