"""Positions to weigh: rows of a chain and coins of each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gammacore.array_types import Bools, Floats, Ints
from gammacore.contracts import CALL, PUT
from gammacore.events import ChainSlice

__all__ = ["Positions", "forwards_of", "straddles"]


class Positions(NamedTuple):
    """Positions of as many legs each.

    Attributes
    ----------
    rows : array of int64, shape (m, k)
        Of the chain.
    amounts : array of float64, shape (m, k)
        Coins of each leg in one unit, as bought: negative for legs that are sold then.
    """

    rows: Ints
    amounts: Floats


def straddles(chain: ChainSlice) -> Positions:
    """Find calls and puts that share expiry and strike; the call comes first."""
    calls = np.flatnonzero(_usable(chain) & (chain.kind == CALL))
    puts = np.flatnonzero(_usable(chain) & (chain.kind == PUT))
    _, expiry = np.unique(chain.expiry_ns, return_inverse=True)
    strikes, strike = np.unique(chain.strike, return_inverse=True)
    key = expiry * len(strikes) + strike
    _, mine, theirs = np.intersect1d(key[calls], key[puts], assume_unique=True, return_indices=True)
    rows = np.column_stack((calls[mine], puts[theirs]))
    return Positions(rows, np.ones(rows.shape))


def _usable(chain: ChainSlice) -> Bools:
    return np.asarray((chain.iv > 0) & np.isfinite(chain.mark))


def forwards_of(chain: ChainSlice, expiry_ns: Ints) -> Floats:
    """Forward of each expiry, USD; of the same shape."""
    known, where = np.unique(expiry_ns, return_inverse=True)
    found = np.array([chain.forwards[int(e)] for e in known], np.float64)
    return np.asarray(found[where].reshape(expiry_ns.shape))
