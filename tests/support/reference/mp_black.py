"""Black's formula, its Greeks and its inverse, in mpmath to sixty digits.

Every input is taken as the exact value of the double it is. Each Greek is written out
from its definition, sharing nothing with the library but the formula itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from itertools import product

import mpmath as mp
import numpy as np

UNIT = 2.0**-53  # half an ulp of 1

# The hard grid: log-moneyness and total volatility.
LOG_MONEYNESS = (0, 1e-8, 1e-4, 0.01, 0.1, 0.3, 0.5, 0.9, 1, 1.5, 2, 4, 8)
TOTAL_VOL = (
    *(1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.05, 0.1, 0.2, 0.3, 0.4),
    *(0.49, 0.51, 0.6, 0.8, 0.99, 1.01, 1.5, 2.0, 3.0, 4.0, 6.0),
)

Case = tuple[int, float, float, float]  # kind, forward, strike, total vol


def hard_grid() -> list[Case]:
    """Calls and puts, in and out of the money; forward 1."""
    cases = []
    for x, side, s, kind in product(LOG_MONEYNESS, (1, -1), TOTAL_VOL, (1, -1)):
        if x or side == 1:
            cases.append((kind, 1.0, float(mp.exp(-side * mp.mpf(x))), s))
    return cases


def random_cases(n: int, seed: int) -> list[Case]:
    """Within eight standard deviations and total vol 1e-3 to 2.5."""
    rng = np.random.default_rng(seed)
    s = np.exp(rng.uniform(math.log(1e-3), math.log(2.5), n))
    x = np.clip(rng.uniform(-8, 8, n) * s, -2.9, 2.9)
    forward = 100 * np.exp(0.1 * rng.normal(size=n))
    kind = np.where(rng.random(n) < 0.5, 1, -1)
    columns = kind, forward, forward * np.exp(x), s
    return list(zip(*(column.tolist() for column in columns), strict=True))


DIGITS = 60  # N(-y) is relatively accurate in mpmath, so the tails need no more than the centre


def black(kind: int, forward: mp.mpf, strike: mp.mpf, s: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    """Undiscounted price and its derivative in s."""
    d1 = mp.log(forward / strike) / s + s / 2
    price = kind * (forward * mp.ncdf(kind * d1) - strike * mp.ncdf(kind * (d1 - s)))
    return price, forward * mp.npdf(d1)


def price_error(price: float, case: Case) -> float:
    """Relative error in units, over 1 + elasticity in the total vol; NaN if the price underflows."""
    if math.isnan(price):
        return math.inf  # a missing answer, not one that cannot be judged
    kind, forward, strike, s = case
    with mp.workdps(DIGITS):
        exact, vega = black(kind, *map(mp.mpf, (forward, strike, s)))
        if exact < mp.mpf("1e-290"):
            return float("nan")
        return float(abs(mp.mpf(price) - exact) / exact / (1 + s * vega / exact)) / UNIT


@cache
def rounded_price(case: Case) -> float:
    """The double nearest to the exact price."""
    kind, forward, strike, s = case
    with mp.workdps(DIGITS):
        return float(black(kind, *map(mp.mpf, (forward, strike, s)))[0])


def has_implied_vol(case: Case, price: float) -> bool:
    """Whether `price`, near that of `case`, holds at least four digits of its volatility."""
    kind, forward, strike, s = case
    if price < 1e-290 or not max(kind * (forward - strike), 0.0) < price < (forward if kind == 1 else strike):
        return False
    with mp.workdps(DIGITS):
        exact, vega = black(kind, *map(mp.mpf, (forward, strike, s)))
        return bool(exact * UNIT < mp.mpf("1e-4") * vega * s)


def implied_error(total_vol: float, case: Case, price: float) -> float:
    """Relative error in attainable units: over max(1, price / (s vega_s)) * 2**-53."""
    kind, forward, strike, s = case
    with mp.workdps(DIGITS):
        exact, elasticity = implied_total_vol(kind, forward, strike, price, s)
        return float(abs(mp.mpf(total_vol) - exact) / exact / max(1, elasticity)) / UNIT


@cache
def implied_total_vol(
    kind: int, forward: float, strike: float, price: float, start: float
) -> tuple[mp.mpf, mp.mpf]:
    """Total vol whose price is exactly `price`, and the elasticity price / (s * vega_s) there."""
    f, k, target, s = (mp.mpf(v) for v in (forward, strike, price, start))
    for _ in range(100):
        value, vega = black(kind, f, k, s)
        step = (value - target) / vega
        s = s - step if s > step else s / 2
        if abs(step) < mp.mpf(10) ** -35 * s:
            break
    value, vega = black(kind, f, k, s)
    return s, value / (s * vega)


# ---- Greeks -------------------------------------------------------------------------
# Each takes kind and then the model's inputs, and is a closed form in them.


def _d(f: mp.mpf, k: mp.mpf, tau: mp.mpf, vol: mp.mpf) -> tuple[mp.mpf, mp.mpf]:
    s = vol * mp.sqrt(tau)
    d1 = mp.log(f / k) / s + s / 2
    return d1, d1 - s


def _spot_greeks(
    kind: int, spot: mp.mpf, k: mp.mpf, tau: mp.mpf, vol: mp.mpf, rate: mp.mpf, dividend: mp.mpf
) -> dict[str, mp.mpf]:
    d1, d2 = _d(spot * mp.exp((rate - dividend) * tau), k, tau, vol)
    dr, dq, root = mp.exp(-rate * tau), mp.exp(-dividend * tau), mp.sqrt(tau)
    n1, n2, phi = mp.ncdf(kind * d1), mp.ncdf(kind * d2), mp.npdf(d1)
    vega = spot * dq * phi * root
    s = vol * root
    gamma = dq * phi / (spot * s)
    w = (rate - dividend) / s - d2 / (2 * tau)  # d d1 / d tau
    return {
        "price": kind * (spot * dq * n1 - k * dr * n2),
        "delta": kind * dq * n1,
        "gamma": gamma,
        "vega": vega,
        "theta": -spot * dq * phi * vol / (2 * root)
        + kind * (dividend * spot * dq * n1 - rate * k * dr * n2),
        "rho": kind * k * tau * dr * n2,
        "vanna": -dq * phi * d2 / vol,
        "volga": vega * d1 * d2 / vol,
        "charm": kind * dividend * dq * n1 - dq * phi * w,
        "speed": -gamma / spot * (1 + d1 / s),
        "zomma": gamma * (d1 * d2 - 1) / vol,
        "color": gamma * (dividend + d1 * w + 1 / (2 * tau)),
        "veta": vega * (dividend + d1 * w - 1 / (2 * tau)),
        "ultima": -vega / vol**2 * (d1 * d2 * (1 - d1 * d2) + d1**2 + d2**2),
        "dual_delta": -kind * dr * n2,
        "dual_gamma": dr * mp.npdf(d2) / (k * s),
    }


def black_scholes_greeks(
    kind: int, spot: mp.mpf, k: mp.mpf, tau: mp.mpf, vol: mp.mpf, rate: mp.mpf, dividend: mp.mpf
) -> dict[str, mp.mpf]:
    return _spot_greeks(kind, spot, k, tau, vol, rate, dividend)


def black76_greeks(
    kind: int, forward: mp.mpf, k: mp.mpf, tau: mp.mpf, vol: mp.mpf, rate: mp.mpf
) -> dict[str, mp.mpf]:
    """A forward is a spot that yields the rate; only rho differs (forward held fixed)."""
    greeks = _spot_greeks(kind, forward, k, tau, vol, rate, rate)
    return greeks | {"rho": -tau * greeks["price"]}


def inverse_greeks(kind: int, forward: mp.mpf, k: mp.mpf, tau: mp.mpf, vol: mp.mpf) -> dict[str, mp.mpf]:
    """USD Greeks with no rate; the price in coin and the net delta."""
    greeks = _spot_greeks(kind, forward, k, tau, vol, mp.mpf(0), mp.mpf(0))
    _, d2 = _d(forward, k, tau, vol)
    return greeks | {
        "price": greeks["price"] / forward,
        "net_delta": kind * k / forward * mp.ncdf(kind * d2),
    }


def inverse_coin_greeks(kind: int, forward: mp.mpf, k: mp.mpf, tau: mp.mpf, vol: mp.mpf) -> dict[str, mp.mpf]:
    """Derivatives of the USD value over the forward, by the product rule from those of the USD value."""
    usd, f = inverse_greeks(kind, forward, k, tau, vol), forward
    value = usd["price"] * f

    def times_inverse(*derivatives: mp.mpf) -> mp.mpf:
        """n-th derivative in f of g/f from g, g', ..., g^(n)."""
        n = len(derivatives) - 1
        return mp.fsum(
            mp.binomial(n, j) * derivatives[j] * (-1) ** (n - j) * mp.factorial(n - j) / f ** (n - j + 1)
            for j in range(n + 1)
        )

    coin = {name: usd[name] / f for name in ("vega", "theta", "rho", "volga", "veta", "ultima")}
    coin |= {name: usd[name] / f for name in ("dual_delta", "dual_gamma")}
    return coin | {
        "price": usd["price"],
        "net_delta": usd["net_delta"],
        "delta": times_inverse(value, usd["delta"]),
        "gamma": times_inverse(value, usd["delta"], usd["gamma"]),
        "speed": times_inverse(value, usd["delta"], usd["gamma"], usd["speed"]),
        "vanna": times_inverse(usd["vega"], usd["vanna"]),
        "charm": times_inverse(usd["theta"], usd["charm"]),
        "zomma": times_inverse(usd["vega"], usd["vanna"], usd["zomma"]),
        "color": times_inverse(usd["theta"], usd["charm"], usd["color"]),
    }


# Each Greek as a derivative of the price: the variable(s) and a sign. Variables by position
# among the model's inputs: 0 underlying, 1 strike, 2 tau, 3 vol, 4 rate.
DERIVATIVES: dict[str, tuple[tuple[int, ...], int]] = {
    "delta": ((0,), 1),
    "gamma": ((0, 0), 1),
    "vega": ((3,), 1),
    "theta": ((2,), -1),
    "rho": ((4,), 1),
    "vanna": ((0, 3), 1),
    "volga": ((3, 3), 1),
    "charm": ((0, 2), -1),
    "speed": ((0, 0, 0), 1),
    "zomma": ((0, 0, 3), 1),
    "color": ((0, 0, 2), -1),
    "veta": ((3, 2), -1),
    "ultima": ((3, 3, 3), 1),
    "dual_delta": ((1,), 1),
    "dual_gamma": ((1, 1), 1),
}


def differentiate(
    price: Callable[..., mp.mpf], inputs: tuple[mp.mpf, ...], variables: tuple[int, ...]
) -> mp.mpf:
    """Mixed partial derivative of `price` by mpmath's differences."""
    orders = tuple(variables.count(i) for i in range(len(inputs)))
    with mp.workdps(120):
        return mp.diff(price, inputs, orders)


def greek_errors(
    greeks: Callable[..., dict[str, mp.mpf]], kind: int, inputs: tuple[float, ...], found: Mapping[str, float]
) -> dict[str, float]:
    """Errors in units, over |greek| + sum over inputs of |input * d greek / d input|.

    That sum, by differences, is what an error of one unit in each input does.
    Greeks below the range of doubles are left out.
    """
    with mp.workdps(DIGITS):
        exact = [mp.mpf(value) for value in inputs]
        centre = greeks(kind, *exact)
        scale = {name: abs(value) for name, value in centre.items()}
        bump = mp.mpf(10) ** -20
        for i, value in enumerate(exact):
            if value != 0:
                bumped = greeks(kind, *exact[:i], value * (1 + bump), *exact[i + 1 :])
                for name in scale:
                    scale[name] += abs(bumped[name] - centre[name]) / bump
        tiny = mp.mpf("1e-290")
        return {
            # NaN would slip through a maximum.
            name: math.inf
            if math.isnan(found[name])
            else float(abs(mp.mpf(found[name]) - value) / scale[name]) / UNIT
            for name, value in centre.items()
            if scale[name] > tiny
        }
