"""Options to be priced, and the few calls that every library is behind; see against.py.

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

from gammacore import black76

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
