"""Slopes of recorded volatilities, row by row of a chain store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from gammacore.array_types import Floats, Ints
from gammacore.data import Chains
from gammacore.volatility.smile import Stickiness, regressed_slope, sticky_slope


def smile_slopes(chains: Chains, forwards: Sequence[Mapping[int, float]], stickiness: Stickiness) -> Floats:
    """Change of every row's volatility with the logarithm of its forward.

    Parameters
    ----------
    chains : Chains
    forwards : sequence of mapping of expiry_ns to USD
        One per chain.
    stickiness : 'minimum_variance' or float
        See :mod:`gammacore.volatility.smile`.

    Returns
    -------
    array of float64, shape (rows,)
        From the past and present of each row alone.
    """
    forward = np.empty(len(chains.iv))
    for number, known in enumerate(forwards):
        rows = slice(*chains.offsets[number : number + 2])
        expiries, where = np.unique(chains.expiry_ns[rows], return_inverse=True)
        forward[rows] = np.array([known.get(int(e), np.nan) for e in expiries])[where]
    slopes = np.zeros(len(forward))
    iv = np.where(chains.iv > 0, chains.iv, np.nan)
    if stickiness == "minimum_variance":
        for option in _by_option(chains):
            slopes[option] = regressed_slope(np.log(forward[option]), iv[option])
    else:
        moneyness = np.log(chains.strike / forward)
        for expiry in _by_expiry(chains):
            slopes[expiry] = sticky_slope(moneyness[expiry], iv[expiry], float(stickiness))
    return slopes


def _by_option(chains: Chains) -> Iterator[Ints]:
    """Rows of each option in order of time."""
    number = np.searchsorted(chains.offsets, np.arange(len(chains.iv)), side="right")
    return _runs((number, chains.kind, chains.strike, chains.expiry_ns))


def _by_expiry(chains: Chains) -> Iterator[Ints]:
    """Rows of each expiry of each chain."""
    number = np.searchsorted(chains.offsets, np.arange(len(chains.iv)), side="right")
    return _runs((chains.strike, chains.expiry_ns, number))


def _runs(keys: tuple[npt.NDArray[np.generic], ...]) -> Iterator[Ints]:
    """Sort by the last key first; cut where any key but the first changes."""
    order = np.lexsort(keys)
    changed = np.zeros(len(order), bool)
    for key in keys[1:]:
        changed[1:] |= np.diff(key[order].astype(np.float64)) != 0
    yield from np.split(order, np.flatnonzero(changed))
