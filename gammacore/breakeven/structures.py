"""Which calls and puts of a chain make positions."""

from __future__ import annotations

import numpy as np

from gammacore import black76
from gammacore.array_types import Bools, Floats, Ints
from gammacore.contracts import CALL, PUT
from gammacore.daycount import NS_PER_YEAR
from gammacore.events import ChainSlice

__all__ = ["Pairs", "forwards_of", "straddles", "strangles"]

Pairs = tuple[Ints, Ints]


def straddles(chain: ChainSlice) -> Pairs:
    """Rows of calls and puts that share expiry and strike.

    Returns
    -------
    tuple of two arrays of int64, shape (m,)
    """
    calls = np.flatnonzero(_usable(chain) & (chain.kind == CALL))
    puts = np.flatnonzero(_usable(chain) & (chain.kind == PUT))
    _, expiry = np.unique(chain.expiry_ns, return_inverse=True)
    strikes, strike = np.unique(chain.strike, return_inverse=True)
    key = expiry * len(strikes) + strike
    _, mine, theirs = np.intersect1d(key[calls], key[puts], assume_unique=True, return_indices=True)
    return calls[mine], puts[theirs]


def strangles(chain: ChainSlice, ts_ns: int, delta: float = 0.25) -> Pairs:
    """Rows of the call and the put of every expiry whose Black deltas are nearest ``delta``.

    Returns
    -------
    tuple of two arrays of int64, shape (m,)
        Without expiries of which both would have the same strike, or only one side.
    """
    rows = np.flatnonzero(_usable(chain))
    expiry = chain.expiry_ns[rows]
    forward = forwards_of(chain, expiry)
    tau = (expiry - ts_ns) / NS_PER_YEAR
    seen = black76.greeks(chain.kind[rows], forward, chain.strike[rows], tau, chain.iv[rows]).delta
    picked: list[tuple[int, int]] = []
    for one in np.unique(expiry):
        both = []
        for kind in (CALL, PUT):
            side = np.flatnonzero((expiry == one) & (chain.kind[rows] == kind) & (tau > 0))
            if side.size:
                both.append(int(rows[side[np.argmin(np.abs(seen[side] - kind * delta))]]))
        if len(both) == 2 and chain.strike[both[0]] > chain.strike[both[1]]:
            picked.append((both[0], both[1]))
    found = np.array(picked, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _usable(chain: ChainSlice) -> Bools:
    return np.asarray((chain.iv > 0) & np.isfinite(chain.mark))


def forwards_of(chain: ChainSlice, expiry_ns: Ints) -> Floats:
    """Forward of each expiry, USD."""
    known, where = np.unique(expiry_ns, return_inverse=True)
    return np.array([chain.forwards[int(e)] for e in known], np.float64)[where]
