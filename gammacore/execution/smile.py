"""The fitted smile as a price limit of entries sees it: of the last chain, one expiry at a time."""

from __future__ import annotations

import math
from typing import Protocol

from gammacore.contracts import Option, Settlement
from gammacore.events import ChainSlice
from gammacore.volatility.fit import fit_surface
from gammacore.volatility.surface import Surface

__all__ = ["FittedSmiles"]


class Chained(Protocol):
    """Who knows the last chain, and when it was published."""

    @property
    def chain(self) -> ChainSlice | None: ...
    @property
    def chain_ts_ns(self) -> int: ...


class FittedSmiles:
    """Volatilities of smiles fitted to the mid quotes of the last chain, when somebody asks.

    Parameters
    ----------
    market : Market
    """

    def __init__(self, market: Chained) -> None:
        self._market = market
        self._of: ChainSlice | None = None
        self._surfaces: dict[int, Surface | None] = {}

    def __call__(self, option: Option) -> float:
        """Volatility of the smile at an option's strike (decimal), NaN where none can be fitted."""
        chain, expiry = self._market.chain, option.expiry_ns
        if chain is None:
            return math.nan
        if chain is not self._of:
            self._of, self._surfaces = chain, {}
        if expiry not in self._surfaces:
            self._surfaces[expiry] = _fitted(chain, self._market.chain_ts_ns, expiry)
        surface = self._surfaces[expiry]
        return math.nan if surface is None else float(surface.vol(option.strike, expiry))


def _fitted(chain: ChainSlice, ts_ns: int, expiry_ns: int) -> Surface | None:
    """Fit one expiry; None where there are too few quotes."""
    rows = chain.expiry_ns == expiry_ns
    if expiry_ns not in chain.forwards or expiry_ns <= ts_ns or not rows.any():
        return None
    try:
        return fit_surface(
            ts_ns,
            chain.expiry_ns[rows],
            chain.strike[rows],
            chain.kind[rows],
            chain.forwards[expiry_ns],
            bid=chain.bid[rows],
            ask=chain.ask[rows],
            mark=chain.mark[rows],
            mark_vol=chain.iv[rows],
            inverse_settled=chain.settlement is Settlement.INVERSE,
        )
    except ValueError:
        return None
