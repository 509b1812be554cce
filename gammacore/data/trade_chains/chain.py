"""One chain from the trades of a window: volatilities, surface, marks and quotes."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from gammacore import inverse
from gammacore.array_types import Array, Floats, Ints
from gammacore.contracts import CALL, Future, Option
from gammacore.daycount import SETTLEMENT_WINDOW_NS, year_fraction
from gammacore.volatility.fit import fit_surface
from gammacore.volatility.surface import Surface

from ..listings import published
from ..schemas import KINDS
from .forwards import SOURCES, Observations, basis_at
from .level import as_of_now
from .recipe import SHAPE, ChainRecipe
from .spread_model import SURE, UNSURE, SpreadModel
from .trades import Trades, sizes

__all__ = ["KIND", "Chain", "Volatilities", "model_chain", "volatilities"]

KIND = "chains_modelled"
OLDEST = 100.0  # half-lives: a weight is never nothing
FEWEST_STRIKES = 8  # of all expiries, as the fit demands
CELL = 0.01  # of the root of the years to expiry, in logarithms of strikes
ALONE = 16  # strikes of an expiry from which its smile needs no support by the others


class Volatilities(NamedTuple):
    """One volatility a strike, ordered by expiry and strike.

    Attributes
    ----------
    expiry_ns, strike, vol : array
    weight : array
        Trades of median amount and no age that it is worth.
    trades : array of int64
        Trades of its expiry.
    """

    expiry_ns: Ints
    strike: Floats
    vol: Floats
    weight: Floats
    trades: Ints


class Chain(NamedTuple):
    """What became of one chain.

    Attributes
    ----------
    rows : dict of str to array
        Rows of `KIND`; None if it was not built.
    why : str
        Why it was not.
    dropped : Counter of str
        Expiries that were not built, by reason.
    forwards : Counter of str
        Expiries built, by the source of the forward.
    """

    rows: dict[str, Array] | None
    why: str
    dropped: Counter[str]
    forwards: Counter[str]


def volatilities(ts_ns: int, trades: Trades, forward: Floats, recipe: ChainRecipe) -> Volatilities:
    """Volatility of every strike: mean over its trades, weighted by age and amount.

    Parameters
    ----------
    ts_ns : int
    trades : Trades
        Of the window. Strikes closer than :data:`CELL` count as one.
    forward : array
        Of each trade's expiry.
    recipe : ChainRecipe

    Returns
    -------
    Volatilities
        A weight is ``0.5 ** (age / half-life of smiles) * size``, see :func:`sizes`; call and put of a strike
        share one volatility.
    """
    age = np.minimum((ts_ns - trades.ts_ns) / (SHAPE * recipe.half_life_ns), OLDEST)
    weight = 0.5**age * sizes(trades, recipe)
    tau = np.asarray(year_fraction(ts_ns, trades.expiry_ns))
    cell = np.rint(np.log(trades.strike / forward) / (CELL * np.sqrt(tau))).astype(np.int64)
    points, place = np.unique(np.stack([trades.expiry_ns, cell]), axis=1, return_inverse=True)
    place = place.reshape(-1)
    total = np.bincount(place, weight).astype(np.float64)
    vol, strike = (np.bincount(place, weight * each) / total for each in (trades.vol, trades.strike))
    of_expiry, counts = np.unique(trades.expiry_ns, return_counts=True)
    behind = counts[np.searchsorted(of_expiry, points[0])]
    return Volatilities(points[0], strike, vol, total, behind)


def model_chain(
    ts_ns: int,
    trades: Trades,
    listed: list[Option],
    basis: list[Observations],
    recipe: ChainRecipe,
    spreads: SpreadModel,
) -> Chain:
    """Build the chain of a moment.

    Parameters
    ----------
    ts_ns : int
        Nothing later is looked at.
    trades : Trades
        In order of time; those of the window are used.
    listed : list of Option
        Options whose strikes are listed.
    basis : list of Observations
        Of forwards, in the order of `SOURCES`.
    recipe : ChainRecipe
    spreads : SpreadModel
    """
    dropped: Counter[str] = Counter()

    def none(why: str) -> Chain:
        return Chain(None, why, dropped, Counter())

    first, last = np.searchsorted(trades.ts_ns, [ts_ns - recipe.window_ns, ts_ns], side="right")
    window = trades.part(slice(int(first), int(last)))
    window = window.part(window.expiry_ns - ts_ns > SETTLEMENT_WINDOW_NS)
    if window.ts_ns.size < recipe.min_chain:
        return none(f"fewer than {recipe.min_chain} trades")
    index = float(window.index_price[-1])
    expiries, of_trade, counts = np.unique(window.expiry_ns, return_inverse=True, return_counts=True)
    enough = counts >= recipe.min_expiry
    dropped[f"fewer than {recipe.min_expiry} trades"] += int((~enough).sum())
    alive = {one.expiry_ns for one in listed if one.expiry_ns - ts_ns > SETTLEMENT_WINDOW_NS}
    dropped["no trade in the window"] += len(alive - set(expiries.tolist()))
    window, expiries = window.part(enough[of_trade]), expiries[enough]
    found = basis_at(ts_ns, recipe.window_ns, expiries, basis)
    # As far from the money as they were when they traded.
    of_trade = np.searchsorted(expiries, window.expiry_ns)
    forwards = index * np.exp(found.basis)
    window = window._replace(strike=window.strike * index / window.index_price)
    try:
        known = volatilities(ts_ns, window, forwards[of_trade], recipe)
        if known.vol.size < FEWEST_STRIKES:
            return none(f"fewer than {FEWEST_STRIKES} strikes with a volatility")
        of_strike = forwards[np.searchsorted(expiries, known.expiry_ns)]
        surface = _surface(ts_ns, known, of_strike, spreads)
        window = as_of_now(ts_ns, window, forwards[of_trade], surface, recipe, spreads)
        known = volatilities(ts_ns, window, forwards[of_trade], recipe)
        surface = _surface(ts_ns, known, of_strike, spreads)
    except ValueError:
        return none("no surface fits")
    dropped["no usable volatility"] += expiries.size - surface.expiry_ns.size
    sources = dict(zip(expiries.tolist(), found.source.tolist(), strict=True))
    return _quoted(ts_ns, index, surface, known, sources, listed, recipe, spreads, dropped)


def _surface(ts_ns: int, known: Volatilities, forward: Floats, spreads: SpreadModel) -> Surface:
    """Fit to the volatilities as if they were quoted as wide as they are unsure.

    A strike's width is the half spread over the root of its weight: one trade is off by about the half
    spread, as it was at a bid or an ask.
    """
    tau = np.asarray(year_fraction(ts_ns, known.expiry_ns))
    kind = np.where(known.strike >= forward, 1, -1).astype(np.int8)
    half = spreads.half_vol(kind.astype(np.float64), forward, known.strike, tau, known.vol)
    unsure = np.minimum(np.clip(half / np.sqrt(known.weight), SURE, UNSURE), 0.5 * known.vol)
    bid, ask = (
        np.asarray(inverse.price(kind, forward, known.strike, tau, known.vol + sign * unsure))
        for sign in (-1.0, 1.0)
    )
    return fit_surface(ts_ns, known.expiry_ns, known.strike, kind, forward, bid=bid, ask=ask, fewest=ALONE)


def _quoted(
    ts_ns: int,
    index: float,
    surface: Surface,
    known: Volatilities,
    sources: dict[int, int],
    listed: list[Option],
    recipe: ChainRecipe,
    spreads: SpreadModel,
    dropped: Counter[str],
) -> Chain:
    """Value what is listed at the surface, and quote it."""
    fitted = surface.expiry_ns.tolist()
    strikes = sorted({(one.expiry_ns, one.strike) for one in listed if one.expiry_ns in set(fitted)})
    options = [
        Option(
            base=listed[0].base, settlement=listed[0].settlement, expiry_ns=expiry, strike=strike, kind=kind
        )
        for expiry, strike in strikes
        for kind in (-CALL, CALL)
    ]
    expiry_ns = np.array([one.expiry_ns for one in options], dtype=np.int64)
    strike = np.array([one.strike for one in options])
    kind = np.array([one.kind for one in options], dtype=np.int8)
    place = np.searchsorted(surface.expiry_ns, expiry_ns)
    forward, tau = surface.forward[place], np.asarray(year_fraction(ts_ns, expiry_ns))
    vol = surface.vol(strike, expiry_ns)
    mark, delta, vega = inverse.sensitivities(("price", "delta", "vega"), kind, forward, strike, tau, vol)
    half = spreads.half_width(kind.astype(np.float64), forward, strike, tau, vol)
    bid, ask = spreads.quotes(mark, half, published().spec_for(options[0]))
    behind = dict(zip(known.expiry_ns.tolist(), known.trades.tolist(), strict=True))
    source = [sources[expiry] for expiry in expiry_ns.tolist()]
    names = {
        expiry: Future(base=options[0].base, settlement=options[0].settlement, expiry_ns=expiry).name
        for expiry in fitted
    }
    size = len(options)
    columns: dict[str, Any] = {
        "ts_ns": np.full(size, ts_ns),
        "known_ns": np.full(size, ts_ns),
        "instrument_name": np.array([one.name for one in options], dtype=object),
        "underlying_name": [
            f"{'' if number < 2 else 'SYN.'}{names[expiry]}"
            for number, expiry in zip(source, expiry_ns.tolist(), strict=True)
        ],
        "underlying": forward,
        "index_price": np.full(size, index),
        "bid_price": bid,
        "ask_price": ask,
        "mark_price": mark,
        "implied_volatility": vol,
        "delta": delta,
        "vega": 0.01 * vega,
        "open_interest": np.full(size, np.nan),
        "forward_source": [SOURCES[number] for number in source],
        "trades": [behind[expiry] for expiry in expiry_ns.tolist()],
        "modelled": [recipe.told(spreads.name)] * size,
    }
    told = Counter(SOURCES[sources[expiry]] for expiry in fitted)
    return Chain({name: np.asarray(columns[name]) for name in KINDS[KIND].columns}, "", dropped, told)
