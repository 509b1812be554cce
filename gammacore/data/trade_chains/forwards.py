"""Forwards of expiries at a moment, as a basis over the index: from dated futures, else from option trades.

The basis is ``ln(F / index)``. An option trade tells the forward that the exchange priced it with: the one at
which the trade's volatility gives the trade's price. That is put-call parity without the need for a pair: a
call and a put of one volatility imply the same forward, and either implies it alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gammacore import inverse
from gammacore.array_types import Array, Bools, Floats, Ints
from gammacore.contracts import Future, Settlement
from gammacore.daycount import NS_PER_DAY, parse_time, year_fraction

from ..store import Store
from .trades import Trades

__all__ = ["Basis", "Observations", "basis_at", "future_basis", "implied_basis"]

HALF_LIFE_NS = NS_PER_DAY // 24  # of the basis, which moves slower than a trade is wrong
FEWEST = 3  # observations of one source that make a basis
ROUNDED_VOL = 5e-5  # the exchange rounds volatilities to a hundredth of a point
WORST_BASIS = 3e-4  # what that rounding may do to a trade's basis
LARGEST_RATE = 2.0  # a basis of more than 200 % a year is none
NEWTON_STEPS = 8

SOURCES = ("future trades", "future candles", "option trades", "interpolated")
"""Where a forward comes from, best first."""


class Observations(NamedTuple):
    """Values of the basis, in order of time: when known, for which expiry, and ln(F / index)."""

    ts_ns: Ints
    expiry_ns: Ints
    basis: Floats

    def part(self, keep: Bools | Ints) -> Observations:
        """Return some of the rows."""
        return Observations._make(np.asarray(column[keep]) for column in self)


class Basis(NamedTuple):
    """Basis of expiries at a moment, with where each comes from (positions in `SOURCES`)."""

    basis: Floats
    source: Ints


def future_basis(store: Store, currency: str, day: str, as_of_ns: int, options: Trades) -> list[Observations]:
    """Read what dated futures say of the basis, from their trades and from their candles.

    Parameters
    ----------
    store : Store
    currency, day : str
    as_of_ns : int
    options : Trades
        Of the day and those before it that a window reaches into; futures of their expiries are read over the
        same time, and closes of candles are held against their index.
    """
    expiries = np.unique(options.expiry_ns).tolist()
    by_name = {
        Future(base=currency, settlement=Settlement.INVERSE, expiry_ns=one).name: one for one in expiries
    }
    end_ns = parse_time(day) + NS_PER_DAY
    start_ns = min(int(options.ts_ns[0]) if options.ts_ns.size else end_ns, parse_time(day))

    def rows(kind: str, *columns: str) -> list[Array]:
        found = store.read(
            kind,
            currency,
            as_of_ns=as_of_ns,
            start_ns=start_ns,
            end_ns=end_ns,
            instruments=list(by_name),
            columns=("known_ns", "instrument_name", *columns),
        )
        expiry_ns = np.array([by_name[name] for name in found.pop("instrument_name")], dtype=np.int64)
        return [found.pop("known_ns"), expiry_ns, *found.values()]

    known_ns, expiry_ns, close = rows("candles", "close")
    before = np.searchsorted(options.ts_ns, known_ns, side="right") - 1
    index = np.append(options.index_price, np.nan)[before]  # -1, before any trade, is the last
    return [
        _observed(*rows("future_trades", "price", "index_price")),
        _observed(known_ns, expiry_ns, close, index),
    ]


def _observed(known_ns: Ints, expiry_ns: Ints, price: Floats, index: Floats) -> Observations:
    keep = (expiry_ns > known_ns) & (price > 0) & (index > 0)
    found = Observations(known_ns[keep], expiry_ns[keep], np.log(price[keep] / index[keep]))
    return found.part(np.argsort(found.ts_ns, kind="stable").astype(np.int64))


def implied_basis(trades: Trades) -> Observations:
    """Basis that price and volatility of option trades imply.

    Parameters
    ----------
    trades : Trades

    Returns
    -------
    Observations
        Of trades whose basis the rounding of their volatility moves by less than three basis points.

    Notes
    -----
    Newton's method in ln F on Black (1976) in coin: d(V/F)/d(ln F) is the delta less the price.
    """
    tau = np.asarray(year_fraction(trades.ts_ns, trades.expiry_ns))
    kind = trades.kind.astype(np.int8)
    log_f = np.log(trades.index_price)
    with np.errstate(all="ignore"):
        for _ in range(NEWTON_STEPS):
            price, slope, vega = inverse.sensitivities(
                ("price", "net_delta", "vega"), kind, np.exp(log_f), trades.strike, tau, trades.vol
            )
            log_f = log_f - np.clip((price - trades.price) / slope, -0.2, 0.2)
        basis = log_f - np.log(trades.index_price)
        rounding = ROUNDED_VOL * vega / np.exp(log_f) / np.abs(slope)
        met = np.abs(price - trades.price) <= 1e-9
        keep = met & (rounding < WORST_BASIS) & (np.abs(basis) <= LARGEST_RATE * tau + 0.005)
    return Observations(trades.ts_ns[keep], trades.expiry_ns[keep], basis[keep])


def basis_at(ts_ns: int, window_ns: int, expiry_ns: Ints, sources: list[Observations]) -> Basis:
    """Basis of expiries, from the best source that has enough observations.

    Parameters
    ----------
    ts_ns : int
        Nothing later counts.
    window_ns : int
        Nothing older counts.
    expiry_ns : array of int64, shape (m,)
        Ascending.
    sources : list of Observations
        In the order of `SOURCES`, the last left out.

    Returns
    -------
    Basis
        Median weighted by age, half-life an hour. Where no source has three observations: linear in time to
        expiry between the expiries that have a basis (0 at no time), at the last one's rate beyond.
    """
    source = np.full(expiry_ns.size, len(SOURCES) - 1, dtype=np.int64)
    known_basis: dict[int, float] = {}  # also of expiries that were not asked for: they help to interpolate
    for number, found in enumerate(sources):
        inside = (found.ts_ns <= ts_ns) & (found.ts_ns > ts_ns - window_ns) & (found.expiry_ns > ts_ns)
        known = found.part(inside)
        for expiry in np.unique(known.expiry_ns).tolist():
            if expiry in known_basis:
                continue
            part = known.expiry_ns == expiry
            if part.sum() >= FEWEST:
                age = (ts_ns - known.ts_ns[part]) / HALF_LIFE_NS
                known_basis[expiry] = _weighted_median(known.basis[part], 0.5**age)
                source[expiry_ns == expiry] = number
    known_ns = np.array(sorted(known_basis), dtype=np.int64)
    tau = np.asarray(year_fraction(ts_ns, expiry_ns))
    at = np.concatenate([[0.0], np.asarray(year_fraction(ts_ns, known_ns)).reshape(-1)])
    values = np.array([0.0, *(known_basis[one] for one in known_ns.tolist())])
    basis = np.interp(tau, at, values)
    if at.size > 1:
        basis = np.where(tau > at[-1], values[-1] / at[-1] * tau, basis)
    return Basis(np.asarray(basis), source)


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])
