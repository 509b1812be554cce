"""gammacore itself, and what one would write without a library: numpy with scipy, and a compiled loop."""

from __future__ import annotations

import math
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from adapters import FIVE, Floats, Job, Market, Peer, named, one
from scipy.special import ndtr

import gammacore
from gammacore import black76, chain


class Gammacore(Peer):
    package = "gammacore"
    how = MappingProxyType({"fused": "from coin marks: 8 Greeks, net delta, status"})

    def __init__(self, level: str, best: bool):
        self.level = level
        self.name = "gammacore" if best else f"gammacore ({level})"
        self.best = best

    def before(self) -> None:
        gammacore.use_level(self.level)

    def _inputs(self, m: Market, *last: str) -> tuple[Any, ...]:
        names = ("kind", "forward", "strike", "tau", *last)
        return m.rows(*names)[0] if len(m) == 1 else tuple(getattr(m, name) for name in names)

    def price(self, m: Market) -> Job:
        return Job(partial(black76.price, *self._inputs(m, "vol")), one("price"))

    def greeks(self, m: Market) -> Job:
        inputs = self._inputs(m, "vol")
        run = partial(black76.sensitivities, FIVE, *inputs)
        return Job(run, lambda found: named(dict(zip(FIVE, found, strict=True))))

    def implied_vol(self, m: Market) -> Job:
        kind, *rest = self._inputs(m)
        price = m.price if len(m) > 1 else m.price.item()
        return Job(partial(black76.implied_vol, kind, price, *rest), one("vol"))

    def fused(self, m: Market) -> Job:
        run = partial(chain.analyse, m.kind, m.price / m.forward, m.forward, m.strike, m.tau)
        return Job(
            run, lambda found: {name: getattr(found, name) for name in ("vol", "delta", "gamma", "vega")}
        )


def d_terms(forward: Floats, strike: Floats, total_vol: Floats) -> tuple[Floats, Floats]:
    d1 = np.log(forward / strike) / total_vol + 0.5 * total_vol
    return d1, d1 - total_vol


def numpy_price(kind: Any, forward: Floats, strike: Floats, tau: Floats, vol: Floats) -> Floats:
    d1, d2 = d_terms(forward, strike, vol * np.sqrt(tau))
    return kind * (forward * ndtr(kind * d1) - strike * ndtr(kind * d2))


def numpy_greeks(kind: Any, forward: Floats, strike: Floats, tau: Floats, vol: Floats) -> tuple[Floats, ...]:
    root = np.sqrt(tau)
    d1, d2 = d_terms(forward, strike, vol * root)
    delta = kind * ndtr(kind * d1)
    density = np.exp(-0.5 * d1 * d1) / math.sqrt(2 * math.pi)
    vega = forward * density * root
    price = forward * delta - strike * kind * ndtr(kind * d2)
    return delta, density / (forward * vol * root), vega, -0.5 * vega * vol / tau, -tau * price


def numpy_implied_vol(kind: Any, price: Floats, forward: Floats, strike: Floats, tau: Floats) -> Floats:
    """Newton from the inflection point of the price, from where it converges, until nothing moves."""
    s = np.maximum(np.sqrt(2 * np.abs(np.log(forward / strike))), 1e-3)
    for _ in range(50):
        d1, d2 = d_terms(forward, strike, s)
        error = kind * (forward * ndtr(kind * d1) - strike * ndtr(kind * d2)) - price
        step = error / (forward * np.exp(-0.5 * d1 * d1) / math.sqrt(2 * math.pi))
        s = np.maximum(s - step, 0.1 * s)
        if not np.any(np.abs(step) > 1e-13 * s):
            break
    return s / np.sqrt(tau)


class Numpy(Peer):
    name = "numpy + scipy"
    package = "scipy"
    how = MappingProxyType(
        {"price": "formula with ndtr", "greeks": "formula with ndtr", "implied_vol": "Newton, all at once"}
    )

    def price(self, m: Market) -> Job:
        return Job(partial(numpy_price, m.kind, m.forward, m.strike, m.tau, m.vol), one("price"))

    def greeks(self, m: Market) -> Job:
        run = partial(numpy_greeks, m.kind, m.forward, m.strike, m.tau, m.vol)
        return Job(run, lambda found: named(dict(zip(FIVE, found, strict=True))))

    def implied_vol(self, m: Market) -> Job:
        return Job(partial(numpy_implied_vol, m.kind, m.price, m.forward, m.strike, m.tau), one("vol"))


class Numba(Peer):
    name = "numba"
    package = "numba"
    how = MappingProxyType(
        {"price": "compiled loop", "greeks": "compiled loop", "implied_vol": "compiled loop, Newton"}
    )

    def __init__(self) -> None:
        from numba import njit

        root_half, root_tau = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)

        @njit
        def normal(x: float) -> float:
            return 0.5 * math.erfc(-root_half * x)

        @njit
        def value(kind: int, f: float, k: float, s: float) -> float:
            d1 = math.log(f / k) / s + 0.5 * s
            return kind * (f * normal(kind * d1) - k * normal(kind * (d1 - s)))

        @njit
        def price(kind, f, k, tau, vol):
            out = np.empty(f.size)
            for i in range(f.size):
                out[i] = value(kind[i], f[i], k[i], vol[i] * math.sqrt(tau[i]))
            return out

        @njit
        def greeks(kind, f, k, tau, vol):
            out = np.empty((5, f.size))
            for i in range(f.size):
                root = math.sqrt(tau[i])
                s = vol[i] * root
                d1 = math.log(f[i] / k[i]) / s + 0.5 * s
                delta = kind[i] * normal(kind[i] * d1)
                density = root_tau * math.exp(-0.5 * d1 * d1)
                vega = f[i] * density * root
                out[0, i] = delta
                out[1, i] = density / (f[i] * s)
                out[2, i] = vega
                out[3, i] = -0.5 * vega * vol[i] / tau[i]
                out[4, i] = -tau[i] * (f[i] * delta - k[i] * kind[i] * normal(kind[i] * (d1 - s)))
            return out

        @njit
        def implied_vol(kind, target, f, k, tau):
            out = np.empty(f.size)
            for i in range(f.size):
                s = max(math.sqrt(2 * abs(math.log(f[i] / k[i]))), 1e-3)
                for _ in range(50):
                    d1 = math.log(f[i] / k[i]) / s + 0.5 * s
                    vega = f[i] * root_tau * math.exp(-0.5 * d1 * d1)
                    if vega == 0:
                        s = math.nan
                        break
                    step = (value(kind[i], f[i], k[i], s) - target[i]) / vega
                    s = max(s - step, 0.1 * s)
                    if abs(step) <= 1e-13 * s:
                        break
                out[i] = s / math.sqrt(tau[i])
            return out

        self._price, self._greeks, self._implied_vol = price, greeks, implied_vol

    def price(self, m: Market) -> Job:
        return Job(partial(self._price, m.kind, m.forward, m.strike, m.tau, m.vol), one("price"))

    def greeks(self, m: Market) -> Job:
        run = partial(self._greeks, m.kind, m.forward, m.strike, m.tau, m.vol)
        return Job(run, lambda found: named(dict(zip(FIVE, found, strict=True))))

    def implied_vol(self, m: Market) -> Job:
        return Job(partial(self._implied_vol, m.kind, m.price, m.forward, m.strike, m.tau), one("vol"))


def ours() -> list[Peer]:
    levels = gammacore.supported_levels()
    return [Gammacore(level, level == levels[-1]) for level in reversed(levels)]
