"""gammacore next to every other option library that is installed here.

    python benchmarks/against.py --out DIR

Installs nothing: a library that is missing, or does not import, is named and left out; the extra
`bench` lists them all. In each round every library is timed once, so a slow moment of the machine
hits all of them; the best and the median of the rounds are kept. Everything is on one thread. A
library is first held against gammacore on the same options and is not timed where it disagrees.
Writes against.md and, with matplotlib, against.png.

Inputs are shaped before the clock starts: a library that knows one forward per call gets the strikes
of that forward, one that knows total volatility gets total volatility, one that takes a single
call/put flag gets the calls and then the puts. Units of results (vega per 1 %, theta per day) are
brought to ours after the clock stops. There are no rates, as on Deribit.
"""

# ruff: noqa: E402 (the pools of threads read the environment when they are imported)

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import math
import os
import statistics
import sys
import timeit
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

# One thread for all.
for _pool in ("RAYON", "NUMBA", "OMP", "OPENBLAS", "MKL"):
    os.environ[f"{_pool}_NUM_THREADS"] = "1"

import mpmath as mp
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from scipy.special import ndtr

import gammacore
from gammacore import black76, chain

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from reference import mp_black

Floats = NDArray[np.float64]
Columns = dict[str, Floats]

FIVE = ("delta", "gamma", "vega", "theta", "rho")
TASKS = {
    "price": "Price",
    "greeks": "Five Greeks",
    "implied_vol": "Implied volatility",
    "fused": "Implied volatility and Greeks in one call",
}
AGREE = 1e-6  # relative; a library further than this from gammacore is not timed
FULL = 8  # units of 2**-53, after conditioning: full accuracy
WINDOW = 2e-3  # seconds that one timing lasts at least


# ---- Options ------------------------------------------------------------------------


@dataclass(frozen=True)
class Market:
    """Options without rates; `price` is the undiscounted price in the forward's currency."""

    kind: NDArray[np.int8]
    forward: Floats
    strike: Floats
    tau: Floats
    vol: Floats
    price: Floats

    def __len__(self) -> int:
        return self.kind.size

    def take(self, rows: Any) -> Market:
        return Market(*(np.ascontiguousarray(column[rows]) for column in vars(self).values()))

    @property
    def flags(self) -> NDArray[np.str_]:
        return np.where(self.kind == 1, "c", "p")

    @property
    def total_vol(self) -> Floats:
        return self.vol * np.sqrt(self.tau)

    def on_one_forward(self) -> tuple[float, Market]:
        """Return the same options scaled to the first forward, for those that take one forward per call."""
        ratio = self.forward / self.forward[0]
        market = Market(
            self.kind, self.forward / ratio, self.strike / ratio, self.tau, self.vol, self.price / ratio
        )
        return float(self.forward[0]), market

    def rows(self, *names: str) -> list[tuple[Any, ...]]:
        """Return Python floats, option by option."""
        return list(zip(*(getattr(self, name).tolist() for name in names), strict=True))


def random_market(n: int, seed: int = 1) -> Market:
    """Strikes within two standard deviations, a day to a year (log-uniform), vol 0.3 to 1.2."""
    rng = np.random.default_rng(seed)
    kind = np.where(rng.random(n) < 0.5, 1, -1).astype(np.int8)
    forward = 60_000 * np.exp(0.05 * rng.normal(size=n))
    tau = np.exp(rng.uniform(math.log(1 / 365), 0, n))
    vol = rng.uniform(0.3, 1.2, n)
    strike = forward * np.exp(rng.uniform(-2, 2, n) * vol * np.sqrt(tau))
    return Market(kind, forward, strike, tau, vol, black76.price(kind, forward, strike, tau, vol))


# ---- Libraries ----------------------------------------------------------------------


class Job(NamedTuple):
    """A call to time, and how its result reads in our names and units."""

    run: Callable[[], Any]
    read: Callable[[Any], Columns]


class Peer:
    """A library. The tasks that it offers are its methods named like them; `how` says by what calls."""

    name: str
    package: str  # of the installed distribution
    how: Mapping[str, str] = MappingProxyType({})
    rho = "forward"  # or "spot": what is held fixed as the rate moves
    greek_count = 5  # of the five, in a batch

    @property
    def version(self) -> str:
        return importlib.metadata.version(self.package)

    def before(self) -> None:
        """Prepare whatever is global; called outside the clock before every timing."""

    def job(self, task: str, market: Market) -> Job:
        return getattr(self, task)(market)


def one(name: str) -> Callable[[Any], Columns]:
    return lambda found: {name: np.atleast_1d(np.asarray(found, float))}


def named(found: dict[str, Any], scale: dict[str, float] | None = None) -> Columns:
    return {
        name: np.atleast_1d(np.asarray(found[name], float)) * (scale or {}).get(name, 1.0)
        for name in FIVE
        if name in found
    }


def each(function: Callable[..., Any], rows: Sequence[tuple[Any, ...]]) -> Callable[[], Any]:
    """A Python loop over scalar calls, or the bare call if there is one option."""
    if len(rows) == 1:
        return partial(function, *rows[0])
    return lambda: [function(*row) for row in rows]


def columns_of(names: Sequence[str], found: Any) -> Columns:
    """Read a tuple per option, or the only one."""
    return dict(zip(names, np.atleast_2d(np.asarray(found, float)).T, strict=True))


def by_kind(market: Market, call: Callable[[int, Market], Callable[[], Any]]) -> Job:
    """One call for the calls and one for the puts, put back in order afterwards."""
    rows = [(kind, np.flatnonzero(market.kind == kind)) for kind in (1, -1)]
    rows = [(kind, index) for kind, index in rows if index.size]
    runs = [call(kind, market.take(index)) for kind, index in rows]

    def read(found: list[Any]) -> Columns:
        out: Columns = {}
        for (_, index), part in zip(rows, found, strict=True):
            part = part if isinstance(part, dict) else {"": part}
            for name, column in part.items():
                out.setdefault(name, np.empty(len(market)))[index] = column
        return out

    return Job(lambda: [run() for run in runs], read)


def renamed(job: Job, name: str) -> Job:
    return Job(job.run, lambda found: {name: job.read(found)[""]})


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


class Lbriv(Peer):
    name = package = "lbriv"
    how = MappingProxyType(
        {
            "price": "one forward per call",
            "greeks": "loop, a call per Greek",
            "implied_vol": "one forward per call",
            "fused": "3 Greeks",
        }
    )
    greek_count = 3

    def __init__(self) -> None:
        import lbriv

        self.lib = lbriv

    def price(self, m: Market) -> Job:
        forward, scaled = m.on_one_forward()
        ratio = m.forward / forward

        def call(kind: int, part: Market) -> Callable[[], Any]:
            return partial(self.lib.black76_undiscounted, forward, part.strike, part.total_vol, kind)

        job = by_kind(scaled, call)
        return Job(job.run, lambda found: {"price": job.read(found)[""] * ratio})

    def greeks(self, m: Market) -> Job:
        lib, root = self.lib, np.sqrt(m.tau)

        def three(kind: int, f: float, k: float, s: float) -> tuple[float, ...]:
            return lib.black_delta(f, k, s, kind), lib.black_gamma(f, k, s), lib.black_vega(f, k, s)

        rows = m.rows("kind", "forward", "strike", "total_vol")

        def read(found: Any) -> Columns:
            out = columns_of(FIVE[:3], found)
            return out | {"vega": out["vega"] * 100 * root}

        return Job(each(three, rows), read)

    def implied_vol(self, m: Market) -> Job:
        root = np.sqrt(m.tau)
        if len(m) == 1:
            run = each(self.lib.implied_vol, m.rows("price", "forward", "strike", "kind"))
            return Job(run, lambda found: {"vol": np.atleast_1d(found) / root})
        forward, m = m.on_one_forward()

        def call(kind: int, part: Market) -> Callable[[], Any]:
            return partial(self.lib.vectorized_implied_vol_strikes, part.price, forward, part.strike, kind)

        job = renamed(by_kind(m, call), "vol")
        return Job(job.run, lambda found: {"vol": job.read(found)["vol"] / root})

    def fused(self, m: Market) -> Job:
        out = [np.empty(len(m)) for _ in range(4)]
        calls, discount = (m.kind == 1).astype(np.int8), np.ones(len(m))
        inputs = m.price, m.forward, m.strike, calls, discount
        root = np.sqrt(m.tau)

        def read(_: Any) -> Columns:
            vol, delta, gamma, vega = out
            return {"vol": vol / root, "delta": delta, "gamma": gamma, "vega": vega * 100 * root}

        return Job(partial(self.lib.compute_trades_greeks, *inputs, *out), read)


class IvEngine(Peer):
    name = package = "iv-engine"
    how = MappingProxyType({"greeks": "a call per Greek; theta for one option only"})
    greek_count = 3

    def __init__(self) -> None:
        import iv_engine

        self.lib = iv_engine

    def price(self, m: Market) -> Job:
        if len(m) == 1:
            row = m.rows("forward", "strike", "tau", "vol")[0]
            return Job(partial(self.lib.black_price, *row, bool(m.kind[0] == 1)), one("price"))

        def call(kind: int, p: Market) -> Callable[[], Any]:
            return partial(self.lib.black_prices, p.forward, p.strike, p.tau, p.vol, kind == 1, False)

        return renamed(by_kind(m, call), "price")

    def greeks(self, m: Market) -> Job:
        lib = self.lib
        if len(m) == 1:

            def four(*row: Any) -> tuple[float, ...]:
                inputs = row[:4]
                return lib.delta(*row), lib.gamma(*inputs), lib.vega(*inputs), lib.theta(*inputs)

            row = (*m.rows("forward", "strike", "tau", "vol")[0], bool(m.kind[0] == 1))
            return Job(partial(four, *row), lambda found: columns_of(FIVE[:4], found))

        def call(kind: int, p: Market) -> Callable[[], Any]:
            inputs = p.forward, p.strike, p.tau, p.vol
            return lambda: {
                "delta": lib.deltas(*inputs, kind == 1, False),
                "gamma": lib.gammas(*inputs, False),
                "vega": lib.vegas(*inputs, False),
            }

        return by_kind(m, call)

    def implied_vol(self, m: Market) -> Job:
        if len(m) == 1:
            row = m.rows("price", "forward", "strike", "tau")[0]
            return Job(partial(self.lib.implied_volatility, *row, bool(m.kind[0] == 1)), one("vol"))

        def call(kind: int, p: Market) -> Callable[[], Any]:
            inputs = p.price, p.forward, p.strike, p.tau
            return partial(self.lib.implied_volatilities, *inputs, kind == 1, False)

        return renamed(by_kind(m, call), "vol")


PER_CENT = {"vega": 100.0, "theta": 365.0, "rho": 100.0}


class FastVollib(Peer):
    package = "fast-vollib"
    how = MappingProxyType({"fused": "data frame"})
    rho = "spot"

    def __init__(self, backend: str):
        import fast_vollib

        if backend == "numba":
            import numba  # noqa: F401
        self.lib, self.backend = fast_vollib, backend
        self.name = f"fast-vollib ({backend})"
        self.keys = {"return_as": "numpy", "backend": backend}

    def price(self, m: Market) -> Job:
        inputs = m.flags, m.forward, m.strike, m.tau, 0.0, m.vol
        return Job(partial(self.lib.fast_black, *inputs, **self.keys), one("price"))

    def greeks(self, m: Market) -> Job:
        inputs = m.flags, m.forward, m.strike, m.tau, 0.0, m.vol
        run = partial(self.lib.get_all_greeks, *inputs, model="black", return_as="dict", backend=self.backend)
        return Job(run, lambda found: named(found, PER_CENT))

    def implied_vol(self, m: Market) -> Job:
        inputs = m.price, m.forward, m.strike, 0.0, m.tau, m.flags
        return Job(partial(self.lib.fast_implied_volatility_black, *inputs, **self.keys), one("vol"))

    def fused(self, m: Market) -> Job:
        import pandas as pd

        frame = pd.DataFrame(
            {"flag": m.flags, "F": m.forward, "K": m.strike, "t": m.tau, "r": 0.0, "price": m.price}
        )
        names = {"underlying_price": "F", "strike": "K", "annualized_tte": "t", "riskfree_rate": "r"}
        keys = {
            f"{name}_col": column for name, column in (names | {"flag": "flag", "price": "price"}).items()
        }
        run = partial(self.lib.price_dataframe, frame, **keys, model="black", backend=self.backend)
        return Job(run, lambda found: named(found, PER_CENT) | {"vol": found["IV"].to_numpy()})


class VollibVectorized(Peer):
    name = package = "py_vollib_vectorized"
    how = MappingProxyType({"greeks": "finite differences", "fused": "data frame"})
    rho = "spot"

    def __init__(self) -> None:
        import py_vollib_vectorized

        self.lib = py_vollib_vectorized

    def price(self, m: Market) -> Job:
        inputs = m.flags, m.forward, m.strike, m.tau, 0.0, m.vol
        return Job(partial(self.lib.vectorized_black, *inputs, return_as="numpy"), one("price"))

    def greeks(self, m: Market) -> Job:
        inputs = m.flags, m.forward, m.strike, m.tau, 0.0, m.vol
        run = partial(self.lib.api.get_all_greeks, *inputs, model="black", return_as="dict")
        return Job(run, lambda found: named(found, PER_CENT))

    def implied_vol(self, m: Market) -> Job:
        inputs = m.price, m.forward, m.strike, 0.0, m.tau, m.flags
        run = partial(self.lib.vectorized_implied_volatility_black, *inputs, return_as="numpy")
        return Job(run, one("vol"))


class Vollib(Peer):
    name = package = "vollib"
    how = MappingProxyType({"price": "loop", "implied_vol": "loop", "greeks": "loop, a call per Greek"})

    def __init__(self) -> None:
        from vollib.black import black
        from vollib.black.greeks import analytical
        from vollib.black.implied_volatility import implied_volatility

        # Held here because py_vollib_vectorized replaces some of them when it is imported.
        self._black, self._implied_volatility = black, implied_volatility
        self._five = tuple(getattr(analytical, name) for name in FIVE)

    def price(self, m: Market) -> Job:
        rows = [
            (flag, *row, 0.0, vol) for flag, *row, vol in m.rows("flags", "forward", "strike", "tau", "vol")
        ]
        return Job(each(self._black, rows), one("price"))

    def greeks(self, m: Market) -> Job:
        functions = self._five

        def five(*row: Any) -> list[float]:
            return [function(*row) for function in functions]

        rows = [
            (flag, *row, 0.0, vol) for flag, *row, vol in m.rows("flags", "forward", "strike", "tau", "vol")
        ]
        return Job(each(five, rows), lambda found: named(columns_of(FIVE, found), PER_CENT))

    def implied_vol(self, m: Market) -> Job:
        rows = [
            (*row, 0.0, tau, flag) for *row, tau, flag in m.rows("price", "forward", "strike", "tau", "flags")
        ]
        return Job(each(self._implied_volatility, rows), one("vol"))


class LetsBeRational(Peer):
    how = MappingProxyType({"price": "loop", "implied_vol": "loop"})

    def __init__(self, package: str):
        self.name = self.package = package
        self.lib = importlib.import_module(package)

    def price(self, m: Market) -> Job:
        rows = m.rows("forward", "strike", "vol", "tau", "kind")
        return Job(each(self.lib.black, rows), one("price"))

    def implied_vol(self, m: Market) -> Job:
        rows = m.rows("price", "forward", "strike", "tau", "kind")
        return Job(each(self.lib.implied_volatility_from_a_transformed_rational_guess, rows), one("vol"))


class VanillaOptionPricers(Peer):
    name = package = "vanilla-option-pricers"
    how = MappingProxyType(
        {
            "price": "one forward and expiry per call",
            "greeks": "a call per Greek, gamma and theta by numpy.vectorize",
            "implied_vol": "one forward and expiry per call",
        }
    )
    greek_count = 4

    def __init__(self) -> None:
        import vanilla_option_pricers

        self.lib = vanilla_option_pricers

    def price(self, m: Market) -> Job:
        kinds = np.where(m.kind == 1, "C", "P")
        if len(m) == 1:
            row = (*m.rows("forward", "strike", "tau", "vol")[0], str(kinds[0]), 1.0)
            return Job(partial(self.lib.compute_bsm_vanilla_price, *row), one("price"))
        forward, scaled = m.on_one_forward()
        inputs = 1.0, forward, scaled.strike, scaled.total_vol, kinds
        ratio = m.forward / forward
        run = partial(self.lib.compute_bsm_vanilla_slice_prices, *inputs)
        return Job(run, lambda found: {"price": found * ratio})

    def greeks(self, m: Market) -> Job:
        lib, kinds = self.lib, np.where(m.kind == 1, "C", "P")
        if len(m) == 1:
            kind = str(kinds[0])

            def four(f: float, k: float, tau: float, vol: float) -> tuple[float, ...]:
                return (
                    lib.compute_bsm_vanilla_delta(tau, f, k, vol, kind, 1.0),
                    lib.compute_bsm_vanilla_gamma(tau, f, k, vol),
                    lib.compute_bsm_vanilla_vega(tau, f, k, vol, 1.0),
                    lib.compute_bsm_vanilla_theta(tau, f, k, vol, kind, 1.0, 0.0),
                )

            run = each(four, m.rows("forward", "strike", "tau", "vol"))
            return Job(run, lambda found: columns_of(FIVE[:4], found))
        forward, scaled = m.on_one_forward()
        strike, total = scaled.strike, scaled.total_vol
        ratio, root = m.forward / forward, np.sqrt(m.tau)

        def run_all() -> tuple[Any, ...]:
            return (
                lib.compute_bsm_vanilla_slice_deltas(1.0, forward, strike, total, kinds),
                lib.compute_bsm_vanilla_gamma_vector(m.tau, m.forward, m.strike, m.vol),
                lib.compute_bsm_slice_vegas(1.0, forward, strike, total),
                lib.compute_bsm_vanilla_theta_vector(m.tau, m.forward, m.strike, m.vol, kinds, 1.0, 0.0),
            )

        def read(found: Any) -> Columns:
            delta, gamma, vega, theta = found
            return {"delta": delta, "gamma": gamma, "vega": vega * ratio * root, "theta": theta}

        return Job(run_all, read)

    def implied_vol(self, m: Market) -> Job:
        kinds, wide = np.where(m.kind == 1, "C", "P"), (1e-9, 100.0)
        if len(m) == 1:
            forward, strike, tau, price = m.rows("forward", "strike", "tau", "price")[0]
            row = forward, tau, strike, price, 1.0, str(kinds[0]), 1e-8, *wide, 100, True
            return Job(partial(self.lib.infer_bsm_implied_vol, *row), one("vol"))
        forward, scaled = m.on_one_forward()
        root = np.sqrt(m.tau)
        inputs = 1.0, forward, scaled.strike, kinds, scaled.price, 1.0, *wide
        run = partial(self.lib.infer_bsm_ivols_from_model_slice_prices, *inputs)
        return Job(run, lambda found: {"vol": found / root})


class Quantkit(Peer):
    name = package = "quantkit-rs"
    rho = "spot"

    def __init__(self) -> None:
        import quantkit

        quantkit.set_num_threads(1)
        self.lib = quantkit

    def price(self, m: Market) -> Job:
        if len(m) == 1:
            f, k, tau, vol = m.rows("forward", "strike", "tau", "vol")[0]
            return Job(partial(self.lib.bs_price, f, k, 0.0, vol, tau, bool(m.kind[0] == 1)), one("price"))

        def call(kind: int, p: Market) -> Callable[[], Any]:
            return partial(self.lib.bs_price_batch, p.forward, p.strike, 0.0, p.vol, p.tau, kind == 1)

        return renamed(by_kind(m, call), "price")

    def greeks(self, m: Market) -> Job:
        if len(m) == 1:
            f, k, tau, vol = m.rows("forward", "strike", "tau", "vol")[0]
            return Job(partial(self.lib.bs_greeks, f, k, 0.0, vol, tau, bool(m.kind[0] == 1)), named)

        def call(kind: int, p: Market) -> Callable[[], Any]:
            return partial(self.lib.bs_greeks_batch, p.forward, p.strike, 0.0, p.vol, p.tau, kind == 1)

        return by_kind(m, call)

    def implied_vol(self, m: Market) -> Job:
        if len(m) == 1:
            price, f, k, tau = m.rows("price", "forward", "strike", "tau")[0]
            return Job(partial(self.lib.implied_vol, price, f, k, 0.0, tau, bool(m.kind[0] == 1)), one("vol"))

        def call(kind: int, p: Market) -> Callable[[], Any]:
            inputs = p.price, p.forward, p.strike, 0.0, p.tau, kind == 1
            return partial(self.lib.implied_vol_batch, *inputs, errors="nan")

        return renamed(by_kind(m, call), "vol")


class Pyvolr(Peer):
    name = package = "pyvolr"

    def __init__(self) -> None:
        from pyvolr import black76 as lib

        self.lib = lib

    def _inputs(self, m: Market, *names: str) -> tuple[Any, ...]:
        if len(m) == 1:
            return m.rows(*names)[0]
        return tuple(m.kind if name == "flags" else getattr(m, name) for name in names)

    def _priced(self, m: Market) -> tuple[Any, ...]:
        *inputs, vol = self._inputs(m, "flags", "forward", "strike", "tau", "vol")
        return (*inputs, 0.0, vol)

    def price(self, m: Market) -> Job:
        return Job(partial(self.lib.price, *self._priced(m)), one("price"))

    def greeks(self, m: Market) -> Job:
        return Job(partial(self.lib.greeks, *self._priced(m)), named)

    def implied_vol(self, m: Market) -> Job:
        inputs = self._inputs(m, "price", "flags", "forward", "strike", "tau")
        return Job(partial(self.lib.implied_vol, *inputs, 0.0, on_error="ignore"), one("vol"))


class Moneyness(Peer):
    name = package = "moneyness"
    how = MappingProxyType({"price": "loop", "implied_vol": "loop", "greeks": "loop, a call per Greek"})

    def __init__(self) -> None:
        import moneyness
        from moneyness import greeks, implied

        self.lib, self.implied = moneyness, implied
        self.functions = [getattr(greeks, name) for name in FIVE]
        self.kinds = {"c": moneyness.OptionType.CALL, "p": moneyness.OptionType.PUT}

    def price(self, m: Market) -> Job:
        inputs, price = self.lib.Inputs.on_future, self.lib.price

        def value(flag: Any, f: float, k: float, tau: float, vol: float) -> float:
            return price(inputs(f, k, tau, 0.0, vol), flag)

        return Job(each(value, self._rows(m)), one("price"))

    def _rows(self, m: Market) -> list[tuple[Any, ...]]:
        rows = m.rows("flags", "forward", "strike", "tau", "vol")
        return [(self.kinds[flag], *rest) for flag, *rest in rows]

    def greeks(self, m: Market) -> Job:
        inputs, (delta, gamma, vega, theta, rho) = self.lib.Inputs.on_future, self.functions

        def five(flag: Any, f: float, k: float, tau: float, vol: float) -> tuple[float, ...]:
            state = inputs(f, k, tau, 0.0, vol)
            return delta(state, flag), gamma(state), vega(state), theta(state, flag), rho(state, flag)

        return Job(each(five, self._rows(m)), lambda found: columns_of(FIVE, found))

    def implied_vol(self, m: Market) -> Job:
        quote, solve = self.implied.Quote, self.implied.implied_vol

        def value(flag: Any, f: float, k: float, tau: float, price: float) -> float:
            return solve(quote(f, k, tau, 0.0, price, 0.0), flag)

        rows = m.rows("flags", "forward", "strike", "tau", "price")
        return Job(each(value, [(self.kinds[flag], *rest) for flag, *rest in rows]), one("vol"))


class QuantLib(Peer):
    name = package = "QuantLib"
    how = MappingProxyType(
        {"price": "loop", "greeks": "loop, an object each", "implied_vol": "loop, accuracy 1e-13 asked"}
    )
    greek_count = 4

    def __init__(self) -> None:
        import QuantLib

        self.lib = QuantLib
        self.kinds = {1: QuantLib.Option.Call, -1: QuantLib.Option.Put}

    def price(self, m: Market) -> Job:
        rows = [(self.kinds[kind], *row) for kind, *row in m.rows("kind", "strike", "forward", "total_vol")]
        return Job(each(self.lib.blackFormula, rows), one("price"))

    def greeks(self, m: Market) -> Job:
        payoff, calculator = self.lib.PlainVanillaPayoff, self.lib.BlackCalculator

        def four(kind: int, k: float, f: float, s: float, tau: float) -> tuple[float, ...]:
            state = calculator(payoff(kind, k), f, s)
            return state.deltaForward(), state.gammaForward(), state.vega(tau), state.theta(f, tau)

        rows = m.rows("kind", "strike", "forward", "total_vol", "tau")
        run = each(four, [(self.kinds[kind], *row) for kind, *row in rows])
        return Job(run, lambda found: columns_of(FIVE[:4], found))

    def implied_vol(self, m: Market) -> Job:
        root, solve = np.sqrt(m.tau), self.lib.blackFormulaImpliedStdDev
        last = 1.0, 0.0, self.lib.nullDouble(), 1e-13, 200  # its own first guess, but not its 1e-6

        def value(kind: int, k: float, f: float, price: float) -> float:
            return solve(kind, k, f, price, *last)

        rows = [(self.kinds[kind], *row) for kind, *row in m.rows("kind", "strike", "forward", "price")]
        return Job(each(value, rows), lambda found: {"vol": np.atleast_1d(found) / root})


class Opengreeks(Peer):
    name = package = "opengreeks"
    how = MappingProxyType({"greeks": "a call per Greek"})

    def __init__(self) -> None:
        from opengreeks import black76 as lib

        self.lib = lib

    def price(self, m: Market) -> Job:
        if len(m) == 1:
            flag, f, k, tau, vol = m.rows("flags", "forward", "strike", "tau", "vol")[0]
            return Job(partial(self.lib.black, flag, f, k, tau, 0.0, vol), one("price"))

        def call(kind: int, p: Market) -> Callable[[], Any]:
            flag = "c" if kind == 1 else "p"
            return partial(self.lib.black_array, flag, p.forward, p.strike, p.tau, 0.0, p.vol)

        return renamed(by_kind(m, call), "price")

    def greeks(self, m: Market) -> Job:
        if len(m) == 1:
            functions = [getattr(self.lib, name) for name in FIVE]
            flag, f, k, tau, vol = m.rows("flags", "forward", "strike", "tau", "vol")[0]
            row = flag, f, k, tau, 0.0, vol
            run = partial(lambda: [function(*row) for function in functions])
            return Job(run, lambda found: named(columns_of(FIVE, found), PER_CENT))
        arrays = {name: getattr(self.lib, f"{name}_array") for name in FIVE}

        def call(kind: int, p: Market) -> Callable[[], Any]:
            row = "c" if kind == 1 else "p", p.forward, p.strike, p.tau, 0.0, p.vol
            return lambda: {name: function(*row) for name, function in arrays.items()}

        job = by_kind(m, call)
        return Job(job.run, lambda found: named(job.read(found), PER_CENT))

    def implied_vol(self, m: Market) -> Job:
        if len(m) == 1:
            price, f, k, tau, flag = m.rows("price", "forward", "strike", "tau", "flags")[0]
            return Job(partial(self.lib.implied_volatility, price, f, k, 0.0, tau, flag), one("vol"))

        def call(kind: int, p: Market) -> Callable[[], Any]:
            row = p.price, p.forward, p.strike, 0.0, p.tau, "c" if kind == 1 else "p"
            return partial(self.lib.implied_volatility_array, *row)

        return renamed(by_kind(m, call), "vol")


def ours() -> list[Peer]:
    levels = gammacore.supported_levels()
    return [Gammacore(level, level == levels[-1]) for level in reversed(levels)]


OTHERS: dict[str, Callable[[], Peer]] = {
    "numpy": Numpy,
    "numba": Numba,
    "lbriv": Lbriv,
    "iv-engine": IvEngine,
    "pyvolr": Pyvolr,
    "quantkit-rs": Quantkit,
    "opengreeks": Opengreeks,
    "fast-vollib-numpy": partial(FastVollib, "numpy"),
    "fast-vollib-numba": partial(FastVollib, "numba"),
    "vanilla-option-pricers": VanillaOptionPricers,
    "QuantLib": QuantLib,
    "vollib": Vollib,
    "lets_be_rational": partial(LetsBeRational, "lets_be_rational"),
    "py_lets_be_rational": partial(LetsBeRational, "py_lets_be_rational"),
    "moneyness": Moneyness,
    "py_vollib_vectorized": VollibVectorized,  # after vollib, which it changes
}


def present(only: Sequence[str]) -> tuple[list[Peer], dict[str, str]]:
    """Return the libraries that import, and why the others do not."""
    peers, absent = ours(), {}
    for name, make in OTHERS.items():
        if only and name not in only:
            continue
        try:
            peers.append(make())
        except Exception as error:
            absent[name] = reason(error)
    return peers, absent


def reason(error: BaseException) -> str:
    text = str(error).strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    known = [line for line in lines if line.startswith("cannot ")] or lines
    brief = known[0] if len(known[0]) < 90 else known[0].split("/")[-1][:90]
    return f"{type(error).__name__}: {brief}"


# ---- Accuracy -----------------------------------------------------------------------


def market_of(cases: Sequence[mp_black.Case], prices: Sequence[float]) -> Market:
    """Expiry in a year, so that total volatility is volatility."""
    kind, forward, strike, s = (np.array(column) for column in zip(*cases, strict=True))
    return Market(kind.astype(np.int8), forward, strike, np.ones(len(cases)), s, np.array(prices))


@dataclass(frozen=True)
class Truth:
    """Options with exact answers, and the errors of those that others give."""

    market: Market
    exact: list[mp.mpf]
    condition: list[mp.mpf]  # what the relative error is divided by

    def units(self, found: Floats) -> Floats:
        """Errors in units of 2**-53; infinite where there is no answer."""
        out = np.full(len(self.exact), np.inf)
        with mp.workdps(mp_black.DIGITS):
            for i, (value, exact, condition) in enumerate(
                zip(found.tolist(), self.exact, self.condition, strict=True)
            ):
                if math.isfinite(value) and value > 0:
                    out[i] = float(abs(mp.mpf(value) - exact) / (exact * condition)) / mp_black.UNIT
        return out


@cache
def price_truth(stride: int) -> Truth:
    cases, exact, condition = [], [], []
    with mp.workdps(mp_black.DIGITS):
        for case in mp_black.hard_grid()[::stride]:
            kind, *numbers, s = case
            value, vega = mp_black.black(kind, *map(mp.mpf, numbers), mp.mpf(s))
            if value > mp.mpf("1e-290"):
                cases.append(case)
                exact.append(value)
                condition.append(1 + s * vega / value)
    return Truth(market_of(cases, [0.0] * len(cases)), exact, condition)


@cache
def vol_truth(stride: int) -> Truth:
    """Vols of the rounded prices; only prices that hold at least four digits of their volatility."""
    cases, prices, exact, condition = [], [], [], []
    with mp.workdps(mp_black.DIGITS):
        for case in mp_black.hard_grid()[::stride]:
            price = mp_black.rounded_price(case)
            if mp_black.has_implied_vol(case, price):
                value, elasticity = mp_black.implied_total_vol(*case[:3], price, case[3])
                cases.append(case)
                prices.append(price)
                exact.append(value)
                condition.append(max(mp.mpf(1), elasticity))
    return Truth(market_of(cases, prices), exact, condition)


@cache
def greek_truth(n: int) -> tuple[Market, dict[str, list[mp.mpf]]]:
    market = random_market(n, seed=2)
    exact: dict[str, list[mp.mpf]] = {}
    with mp.workdps(mp_black.DIGITS):
        for kind, *row in market.rows("kind", "forward", "strike", "tau", "vol"):
            inputs = [mp.mpf(value) for value in row]
            greeks = mp_black.black76_greeks(kind, *inputs, mp.mpf(0))
            spot = mp_black.black_scholes_greeks(kind, *inputs, mp.mpf(0), mp.mpf(0))
            for name, value in (greeks | {"spot rho": spot["rho"]}).items():
                exact.setdefault(name, []).append(value)
    return market, exact


def answers(peer: Peer, task: str, market: Market, name: str) -> Floats:
    """Return NaN where the library raises."""
    peer.before()
    with np.errstate(all="ignore"):
        try:
            job = peer.job(task, market)
            return job.read(job.run())[name]
        except Exception:
            out = np.full(len(market), np.nan)
            for i in range(len(market)):
                try:
                    job = peer.job(task, market.take([i]))
                    out[i] = job.read(job.run())[name][0]
                except Exception:
                    continue
            return out


def accuracy(peer: Peer, task: str, quick: bool) -> str:
    """Say how exact a library is, in a table cell."""
    if task == "greeks":
        market, exact = greek_truth(20 if quick else 200)
        peer.before()
        job = peer.job(task, market)
        worst = ("", -1.0)
        for name, column in job.read(job.run()).items():
            truth = exact["spot rho" if name == "rho" and peer.rho == "spot" else name]
            with mp.workdps(mp_black.DIGITS):
                errors = [
                    float(abs(mp.mpf(v) - e) / abs(e)) for v, e in zip(column.tolist(), truth, strict=True)
                ]
            worst = max(worst, (name, max(errors)), key=lambda entry: entry[1])
        return f"{worst[1]:.1e} ({worst[0]})"
    name = "price" if task == "price" else "vol"
    stride = 40 if quick else 7 if task == "price" else 5
    truth = (price_truth if task == "price" else vol_truth)(stride)
    units = truth.units(answers(peer, task, truth.market, name))
    full = int(np.count_nonzero(units <= FULL))
    missing = int(np.count_nonzero(~np.isfinite(units)))
    wrong = int(np.count_nonzero(np.isfinite(units) & (units * mp_black.UNIT > AGREE)))
    worst_unit = units[np.isfinite(units)].max(initial=0.0)
    return f"{full} of {units.size} | {worst_unit:.2g} | {wrong + missing}"


ACCURACY = {
    "price": f"within {FULL} u | worst u | wrong or missing",
    "greeks": "worst relative error",
    "implied_vol": f"within {FULL} u | worst u | wrong or missing",
    "fused": f"vol within {FULL} u | worst u | wrong or missing",
}


def disagreement(peer: Peer, task: str, reference: Peer) -> str:
    """Say how a library differs from gammacore on market options; empty if it does not."""
    market = random_market(200, seed=3)
    for sample in (market, market.take([0])):
        reference.before()
        ours = reference.job(task, sample)
        expected = ours.read(ours.run())
        try:
            peer.before()
            job = peer.job(task, sample)
            found = job.read(job.run())
        except Exception as error:
            return f"does not run: {reason(error)}"
        for name, column in found.items():
            if name not in expected:
                continue
            truth = expected[name]
            if name == "rho" and peer.rho == "spot":
                _, d2 = d_terms(sample.forward, sample.strike, sample.total_vol)
                truth = sample.kind * sample.strike * sample.tau * ndtr(sample.kind * d2)
            with np.errstate(all="ignore"):
                worst = float(np.max(np.abs(column / truth - 1)))
            if not worst <= AGREE:
                return f"{name} off by {worst:.1e}, not timed"
    return ""


# ---- Timing -------------------------------------------------------------------------


@dataclass
class Cell:
    """Times of one library, task and size, in ns per option."""

    repeats: int
    times: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        return min(self.times)

    @property
    def median(self) -> float:
        return statistics.median(self.times)


@dataclass
class Row:
    """One library at one task."""

    peer: Peer
    task: str
    trouble: str = ""
    exactness: str = ""
    cells: dict[int, Cell] = field(default_factory=dict)

    @property
    def label(self) -> str:
        fewer = self.task == "greeks" and self.peer.greek_count < 5
        return self.peer.name + (f" ({self.peer.greek_count} of 5)" if fewer else "")


def measure(rows: list[Row], task: str, n: int, rounds: int, budget: float, tick: Callable[[], None]) -> None:
    """Time all rows at one size, in turn, round by round."""
    market = random_market(n)
    jobs: list[tuple[Row, Callable[[], Any]]] = []
    for row in rows:
        # The time at a tenth of the size or less tells; below 100 options the call itself is what costs.
        known = [cell.best * n * 1e-9 for size, cell in row.cells.items() if 100 <= size < n]
        if not row.trouble and min(known, default=0.0) <= budget:
            row.peer.before()
            run = row.peer.job(task, market).run
            run()
            once = min(timeit.repeat(run, number=1, repeat=2))
            row.cells[n] = Cell(max(1, math.ceil(WINDOW / once)))
            jobs.append((row, run))
    gc.collect()
    for _ in range(rounds):
        for row, run in jobs:
            row.peer.before()
            cell = row.cells[n]
            cell.times.append(timeit.timeit(run, number=cell.repeats) / cell.repeats / n * 1e9)
        tick()


# ---- Report -------------------------------------------------------------------------


def short(ns: float) -> str:
    return f"{ns:,.0f}" if ns >= 100 else f"{ns:.1f}" if ns >= 10 else f"{ns:.2f}"


def order(rows: list[Row], sizes: Sequence[int]) -> list[Row]:
    """Fastest first, by the size that most of them have."""
    at = chart_size(sizes)
    return sorted(rows, key=lambda row: row.cells[at].best if at in row.cells else math.inf)


def chart_size(sizes: Sequence[int]) -> int:
    return 10_000 if 10_000 in sizes else sizes[-1]


def markdown(results: dict[str, list[Row]], sizes: Sequence[int], absent: dict[str, str]) -> str:
    """Return all tables."""
    lines = []
    for task, rows in results.items():
        reference = rows[0]
        titles = ["library", *(f"n = {size:,}" for size in sizes), "ratio", ACCURACY[task], "how"]
        titles = [part.strip() for title in titles for part in title.split("|")]
        lines += [f"### {TASKS[task]}", "", "| " + " | ".join(titles) + " |"]
        lines += ["|---|" + "---:|" * (len(titles) - 2) + "---|"]
        at = chart_size(sizes)
        for row in order(rows, sizes):
            name = f"**{row.label}**" if row is reference else row.label
            cells = [f"{name} {row.peer.version}"]
            for size in sizes:
                cell = row.cells.get(size)
                cells.append(f"{short(cell.best)} ({short(cell.median)})" if cell else "–")
            cell = row.cells.get(at)
            cells.append(f"{cell.best / reference.cells[at].best:.3g}" if cell else "–")
            blanks = ["–"] * len(ACCURACY[task].split("|"))
            cells += [part.strip() for part in row.exactness.split("|")] if row.exactness else blanks
            cells.append(row.trouble or row.peer.how.get(task, ""))
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    lines.append(
        f"ns per option, best of the rounds (median in brackets); ratio of the best times to gammacore's at "
        f"n = {chart_size(sizes):,}. u = 2^-53. One thread. A dash: not offered or too slow."
    )
    if absent:
        lines += ["", "Not here: " + "; ".join(f"{name} ({why})" for name, why in absent.items()) + "."]
    return "\n".join(lines) + "\n"


def plot(results: dict[str, list[Row]], sizes: Sequence[int], path: Path) -> None:
    """Draw a bar per library, a panel per task."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    at = chart_size(sizes)
    timed = {task: [row for row in order(rows, sizes) if at in row.cells] for task, rows in results.items()}
    heights = [len(rows) + 1.2 for rows in timed.values()]
    figure, panels = plt.subplots(
        len(timed),
        1,
        figsize=(9, 0.24 * sum(heights) + 0.7),
        height_ratios=heights,
        sharex=True,
        squeeze=False,
    )
    longest = max(row.cells[at].best for rows in timed.values() for row in rows)
    least = min(row.cells[at].best for rows in timed.values() for row in rows)
    for panel, (task, rows) in zip(panels[:, 0], timed.items(), strict=True):
        base = next(row for row in rows if row is results[task][0]).cells[at].best
        for i, row in enumerate(rows):
            ns = row.cells[at].best
            mine = isinstance(row.peer, Gammacore)
            colour = "#0072B2" if mine and row.peer.best else "#56B4E9" if mine else "#B8B8B8"
            panel.barh(i, ns, color=colour, height=0.72)
            ratio = "" if row is results[task][0] else f"   {ns / base:.3g}×"
            panel.text(ns * 1.08, i, f"{short(ns)} ns{ratio}", va="center", fontsize=8)
        panel.set_yticks(range(len(rows)), [row.label for row in rows], fontsize=8.5)
        for label, row in zip(panel.get_yticklabels(), rows, strict=True):
            if isinstance(row.peer, Gammacore):
                label.set_fontweight("bold")
        panel.set_ylim(len(rows) - 0.4, -0.6)
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        panel.set_xlim(10 ** math.floor(math.log10(least)), longest * 8)
        panel.set_title(TASKS[task], loc="left", fontsize=10.5, fontweight="bold", pad=4)
        panel.grid(axis="x", color="#e4e4e4", linewidth=0.7)
        panel.set_axisbelow(True)
        panel.tick_params(length=0, axis="y")
        for side in ("top", "right", "left"):
            panel.spines[side].set_visible(False)
    panels[-1, 0].set_xlabel(
        f"ns per option, one thread, {at:,} options, best of all rounds (log scale; × = times gammacore's)",
        fontsize=9,
    )
    figure.tight_layout(h_pad=0.9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def run(
    sizes: Sequence[int],
    rounds: int,
    only: Sequence[str],
    budget: float,
    quick: bool,
    console: Console,
) -> tuple[dict[str, list[Row]], dict[str, str]]:
    """Check, judge and time every library at every task that it offers."""
    peers, absent = present(only)
    for name, why in absent.items():
        console.log(f"left out: {name} ({why})")
    results: dict[str, list[Row]] = {}
    for task in TASKS:
        results[task] = [Row(peer, task) for peer in peers if hasattr(peer, task)]
    before = gammacore.simd_level()
    try:
        with Progress(console=console, transient=True) as progress:
            for task, rows in results.items():
                bar = progress.add_task(f"{TASKS[task]}: checking", total=len(rows))
                for row in rows:
                    row.trouble = disagreement(row.peer, task, rows[0].peer)
                    if "does not run" not in row.trouble:
                        row.exactness = accuracy(row.peer, task, quick)
                    if row.trouble:
                        console.log(f"{task}: {row.peer.name}: {row.trouble}")
                    progress.advance(bar)
                progress.reset(bar, description=f"{TASKS[task]}: timing", total=len(sizes) * rounds)
                for n in sizes:
                    measure(rows, task, n, rounds, budget, partial(progress.advance, bar))
                progress.remove_task(bar)
    finally:
        gammacore.use_level(before)
    return results, absent


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 100, 10_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for against.md and .png")
    parser.add_argument(
        "--only", nargs="+", default=[], choices=OTHERS, metavar="NAME", help=" ".join(OTHERS)
    )
    parser.add_argument("--budget", type=float, default=1.0, help="skip a call expected to take longer, s")
    parser.add_argument("--quick", action="store_true", help="a few seconds: few rounds, sizes and points")
    options = parser.parse_args(argv)
    if options.quick:
        options.sizes = [n for n in options.sizes if n <= 10_000]
        options.rounds, options.budget = min(options.rounds, 3), 0.05
    options.sizes = sorted(set(options.sizes))
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run, then write the tables and the picture."""
    options = arguments(argv)
    console = Console(stderr=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results, absent = run(
            options.sizes, options.rounds, options.only, options.budget, options.quick, console
        )
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "against.md").write_text(markdown(results, options.sizes, absent), encoding="utf-8")
    console.log(f"wrote {options.out / 'against.md'}")
    try:
        plot(results, options.sizes, options.out / "against.png")
        console.log(f"wrote {options.out / 'against.png'}")
    except ImportError:
        console.log("no matplotlib, no picture")


if __name__ == "__main__":
    main()
