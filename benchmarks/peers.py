"""Option libraries, each behind the same few calls; see against.py.

An adapter shapes the inputs, outside the clock, to what its library takes, and leaves the bare call
to be timed; `read` brings the result to our names and units afterwards.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

import gammacore
from gammacore import black76, chain

# One thread for all: pools read this when they are imported, which is when an adapter is made.
for _pool in ("RAYON", "NUMBA", "OMP"):
    os.environ[f"{_pool}_NUM_THREADS"] = "1"

Floats = NDArray[np.float64]
Columns = dict[str, Floats]

FIVE = ("delta", "gamma", "vega", "theta", "rho")


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
            "implied_vol": "one forward and expiry per call, which refuses prices below 1e-8",
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
