"""What older trades say of the volatility now: as much more or less as its level has changed since.

Over some hours smiles mostly move as a whole, those of short expiries more. The level at any time is what all
trades around it were off a first surface; its change since a trade is added to the trade's volatility. So
trades of hours ago still tell the shape, and each new one the level of all.
"""

from __future__ import annotations

import numpy as np

from gammacore.array_types import Array, Floats
from gammacore.daycount import year_fraction
from gammacore.volatility.surface import Surface

from .recipe import ChainRecipe
from .spread_model import SpreadModel
from .trades import Trades, sizes

__all__ = ["as_of_now"]

BINS = 4  # of time, in a half-life of the level
USUAL = 30.0 / 365.0  # years to an expiry whose volatility moves as the level; others by the root of it
CALM, WILD = 0.3, 4.0  # least and most that an expiry moves with the level
WORST = 0.1  # a trade counts for the level as if it were no farther off the surface,
WORST_REST = 5.0  # half spreads: and no farther off the surface at that level
LEAST_VOL = 0.02
NONE = 1e-12  # of a weight


def as_of_now(
    ts_ns: int,
    trades: Trades,
    forward: Floats,
    surface: Surface,
    recipe: ChainRecipe,
    spreads: SpreadModel,
) -> Trades:
    """Bring the volatilities of trades to a moment.

    Parameters
    ----------
    ts_ns : int
    trades : Trades
        With strikes as they are to the forwards of now.
    forward : array
        Of each trade's expiry, now.
    surface : Surface
        Fitted to the trades as they were.
    recipe : ChainRecipe
    spreads : SpreadModel

    Returns
    -------
    Trades
        Those of expiries without a slice are left as they were.
    """
    there = np.isin(trades.expiry_ns, surface.expiry_ns)
    part, now = trades.part(there), forward[there]
    tau = np.asarray(year_fraction(ts_ns, part.expiry_ns))
    kind = np.where(part.strike >= now, 1.0, -1.0)
    half = spreads.half_vol(kind, now, part.strike, tau, part.vol)
    off = part.vol - surface.vol(part.strike, part.expiry_ns)
    moves = np.clip(np.sqrt(USUAL / tau), CALM, WILD)
    age = (ts_ns - part.ts_ns) / recipe.half_life_ns
    weight = sizes(part, recipe) * (moves / half) ** 2
    now_off, then_off = _level(age, np.clip(off, -WORST, WORST) / moves, weight)
    rest = np.clip(off - moves * then_off, -WORST_REST * half, WORST_REST * half)
    now_rest, then_rest = _level(age, rest / moves, weight)
    change = now_off + now_rest - then_off - then_rest
    vol: Array = trades.vol.copy()
    vol[there] = np.maximum(part.vol + moves * change, LEAST_VOL)
    return trades._replace(vol=vol)


def _level(age: Floats, level: Floats, weight: Floats) -> tuple[float, Floats]:
    """Level now and at each trade, a mean over all trades by their distance in time; ages in half-lives."""
    place = (age * BINS).astype(np.int64)
    total, sums = np.bincount(place, weight), np.bincount(place, weight * level)
    middle = (np.arange(total.size) + 0.5) / BINS
    at = np.concatenate([[0.0], middle])
    near = 0.5 ** np.abs(at[:, None] - middle)
    found = (near @ sums) / np.maximum(near @ total, NONE)
    return float(found[0]), np.asarray(np.interp(age, at, found))
