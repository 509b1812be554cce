"""Legs that code of the user's own chooses from a chain."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from gammacore.array_types import Floats, Ints
from gammacore.errors import CodeError
from gammacore.events import ChainSlice
from gammacore.strategy.structures import Picked

__all__ = ["ChainView", "OwnLegs", "pick_own"]


class ChainView(msgspec.Struct, frozen=True, eq=False):
    """A chain as a structure of one's own sees it; row i of every array is one option.

    Attributes
    ----------
    ts_ns : int
        Now.
    entry_expiry_ns : int
        Expiry that is to be entered: one that ``entry`` allows.
    index : float
        USD.
    forwards : mapping of expiry_ns to float
        USD.
    expiry_ns : int64, strike : float64, kind : int8
        Of each option; kind +1 call, -1 put.
    bid, ask, mark : float64
        Coin for inverse options, else USD; NaN where there is none.
    iv : float64
        Mark volatility.
    """

    ts_ns: int
    entry_expiry_ns: int
    index: float
    forwards: Mapping[int, float]
    expiry_ns: Ints
    strike: Floats
    kind: npt.NDArray[np.int8]
    bid: Floats
    ask: Floats
    mark: Floats
    iv: Floats

    @property
    def forward(self) -> float:
        """Forward of the expiry to be entered, NaN where there is none."""
        return self.forwards.get(self.entry_expiry_ns, math.nan)

    def nearest(self, kind: int, strike: float, expiry_ns: int | None = None) -> int | None:
        """Return the row of a marked option whose strike is nearest; None where there is none.

        Parameters
        ----------
        kind : int
            +1 call, -1 put.
        strike : float
            USD.
        expiry_ns : int, optional
            Instead of the expiry to be entered.
        """
        expiry = self.entry_expiry_ns if expiry_ns is None else expiry_ns
        mine = (self.expiry_ns == expiry) & (self.kind == kind) & (self.iv > 0) & np.isfinite(self.mark)
        rows = np.flatnonzero(mine)
        if not rows.size or not math.isfinite(strike):
            return None
        return int(rows[np.argmin(np.abs(self.strike[rows] - strike))])


OwnLegs = Callable[[ChainView], Sequence[tuple[int | None, float]]]


def pick_own(chain: ChainSlice, own: OwnLegs, expiry_ns: int, ts_ns: int) -> Picked | str:
    """Ask for the legs of one unit as bought: rows and coins; or why there are none.

    Raises
    ------
    CodeError
        If a row is none of the chain, or is named twice.
    """
    legs = own(view_of(chain, expiry_ns, ts_ns))
    who = getattr(own, "name", "the structure")
    if not legs:
        return f"{who} chooses no legs"
    rows = []
    for row, _ in legs:
        if row is None:
            return f"{who}: the chain has no marked option that it looks for"
        if row >= len(chain.strike) or row in rows:
            what = "is named twice" if row in rows else f"is none of {len(chain.strike)}"
            raise CodeError(f"{getattr(own, 'path', '')}: {who}: row {row} {what}")
        option = chain.option(row)
        if not (chain.iv[row] > 0 and math.isfinite(chain.mark[row]) and option.expiry_ns > ts_ns):
            return f"{who}: {option.name} has no mark"
        rows.append(row)
    return Picked(tuple(rows), tuple(amount for _, amount in legs))


def view_of(chain: ChainSlice, expiry_ns: int, ts_ns: int) -> ChainView:
    """View of a chain that cannot change it."""
    names = ("expiry_ns", "strike", "kind", "bid", "ask", "mark", "iv")
    columns: dict[str, Any] = {name: getattr(chain, name).view() for name in names}
    for column in columns.values():
        column.flags.writeable = False
    return ChainView(ts_ns, expiry_ns, chain.index, dict(chain.forwards), **columns)
