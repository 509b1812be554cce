"""Option libraries of others, each behind the calls of adapters.py."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from adapters import FIVE, Columns, Job, Market, Peer, by_kind, columns_of, each, named, one, renamed
from baselines import Numba, Numpy


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
