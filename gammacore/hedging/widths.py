"""Widths of no-trade bands for a hedger with constant absolute risk aversion.

Scalars or arrays throughout. Deltas in coin, prices in USD, gamma in coin per USD, risk
aversion per USD, costs one way: ``cost`` as a fraction of notional, ``cost_per_trade`` in USD.
Interest is zero, as everywhere against the forward.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "ZakamoulineBand",
    "fixed_cost",
    "leland_number",
    "leland_vol",
    "whalley_wilmott",
    "zakamouline",
    "zakamouline_range",
]

SMALLEST_VARIANCE_SHARE = 0.01  # of the variance that Zakamouline's K may leave


def whalley_wilmott(price: Any, gamma: Any, cost: float, risk_aversion: float, to_edge: bool = True) -> Any:
    """Half-width of the asymptotically optimal band, in coin.

    Parameters
    ----------
    price, gamma : float or array
    cost, risk_aversion : float
    to_edge : bool
        The optimal rule; False gives the band that is best when trading to the centre,
        4^(1/3) times as wide.

    Notes
    -----
    H = (3/2 cost S Gamma^2 / risk_aversion)^(1/3) minimises the sum of expected cost
    cost S s^2/(2H) and risk 1/2 risk_aversion sigma^2 S^2 H^2/3 per time, with s = Gamma S
    sigma (Whalley and Wilmott 1997); to the centre they are cost S s^2/H and H^2/6.
    """
    factor = 1.5 if to_edge else 6.0
    return np.cbrt(factor * cost * price * gamma * gamma / risk_aversion)


def fixed_cost(gamma: Any, cost_per_trade: float, risk_aversion: float) -> Any:
    """Half-width in coin for a fixed cost per trade, hedged to the centre.

    Notes
    -----
    H = (12 k Gamma^2 / risk_aversion)^(1/4) minimises k s^2/H^2 + 1/2 risk_aversion
    sigma^2 S^2 H^2/6 (Whalley and Wilmott 1997).
    """
    return np.sqrt(np.sqrt(12.0 * cost_per_trade * gamma * gamma / risk_aversion))


class ZakamoulineBand(NamedTuple):
    """HedgeInputs of :func:`zakamouline`; ``width`` is h0 + h1, coin."""

    h0: Any
    h1: Any
    k: Any
    vol_factor: Any

    @property
    def width(self) -> Any:
        """Half-width of the band."""
        return self.h0 + self.h1


def zakamouline(
    price: Any, gamma: Any, vol: Any, tau: Any, cost: float, risk_aversion: float
) -> ZakamoulineBand:
    """Band and modified volatility fitted to the exact utility-based hedge.

    Parameters
    ----------
    price, gamma, vol, tau : float or array
        ``gamma`` is signed: positive for long options.
    cost, risk_aversion : float

    Returns
    -------
    ZakamoulineBand
        With ``vol_factor`` = sqrt(1 + K) for long gamma, sqrt(1 - K) for short.

    Notes
    -----
    Zakamouline (2006): H0 = cost/(a S vol^2 tau),
    H1 = 1.12 cost^0.31 tau^0.05 vol^-0.25 (|Gamma|/a)^0.5,
    K = -4.76 cost^0.78 tau^-0.02 vol^-0.25 (a S^2 |Gamma|)^0.15, with a the risk aversion.
    The fit depends on the unit of money; see :func:`zakamouline_range`. 1 + K is kept positive.
    """
    size = np.maximum(np.abs(gamma), 1e-300)
    years = np.maximum(tau, 1e-9)  # a third of a second: the formula has no limit at expiry
    root = vol**-0.25
    h0 = cost / (risk_aversion * price * vol * vol * years)
    h1 = 1.12 * cost**0.31 * years**0.05 * root * np.sqrt(size / risk_aversion)
    k = -4.76 * cost**0.78 * years**-0.02 * root * (risk_aversion * price * price * size) ** 0.15
    share = np.where(np.asarray(gamma) < 0, 1.0 - k, np.maximum(1.0 + k, SMALLEST_VARIANCE_SHARE))
    return ZakamoulineBand(h0, h1, k, np.sqrt(share))


def zakamouline_range(vol: float, cost: float, tau: float) -> list[str]:
    """Sentences on what leaves the range that :func:`zakamouline` was fitted for; empty if nothing does.

    The fit covers volatilities of 10 % to 40 %, costs of 0.1 % to 2 % and up to a year.
    """
    bounds = (("vol", vol, 0.1, 0.4), ("cost", cost, 0.001, 0.02), ("tau", tau, 0.0, 1.0))
    return [
        f"{name} {value:g} is outside the range {low:g} to {high:g} that Zakamouline's formula was fitted for"
        for name, value, low, high in bounds
        if not low <= value <= high
    ]


def leland_number(cost: float, vol: Any, every_years: float) -> Any:
    """Leland's number sqrt(8/pi) cost / (vol sqrt(dt)), with ``cost`` one way."""
    return math.sqrt(8.0 / math.pi) * cost / (vol * math.sqrt(every_years))


def leland_vol(vol: Any, cost: float, every_years: float, gamma: Any) -> Any:
    """Volatility at which the expected cost of hedging every ``every_years`` is priced in.

    Leland (1985): vol^2 (1 + Le) for short options, vol^2 (1 - Le) for long ones, the sign
    taken from ``gamma``. Never below a tenth of ``vol``.
    """
    number = leland_number(cost, vol, every_years)
    signed = np.where(np.asarray(gamma) < 0, number, -number)
    return vol * np.sqrt(np.maximum(1.0 + signed, 0.01))
