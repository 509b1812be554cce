"""Where each contract is in a store of chains."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.contracts import Option
from gammacore.data import Chains


class ContractRows:
    """Columns of one contract over all chains.

    Parameters
    ----------
    chains : Chains
    """

    def __init__(self, chains: Chains) -> None:
        self._chains = chains

    def rows(self, option: Option) -> tuple[Ints, Ints]:
        """Rows of an option, and the chain that each belongs to."""
        places, starts, order, numbers = self._sorted
        place = places.get((option.expiry_ns, option.strike, option.kind))
        part = slice(0, 0) if place is None else slice(*starts[place : place + 2].tolist())
        return order[part], numbers[part]

    def quoted(self, option: Option, column: Floats) -> Floats:
        """Value of a column for an option in every chain, NaN where the chain has no volatility of it."""
        rows, numbers = self.rows(option)
        quoted, values = self._chains.iv[rows] > 0, self.nothing.copy()
        values[numbers[quoted]] = column[rows[quoted]]
        return values

    @cached_property
    def nothing(self) -> Floats:
        """NaN for every chain."""
        return np.full(len(self._chains.snapshot_ts), np.nan)

    @cached_property
    def _sorted(self) -> tuple[dict[tuple[int, float, int], int], Ints, Ints, Ints]:
        """Sort the rows by contract.

        Returns the place of each contract by expiry, strike and kind; where the rows of each place start, and
        the end of all; the rows; and the chain that each belongs to.
        """
        chains = self._chains
        order = chains.code.argsort(kind="stable")
        code = chains.code[order]
        (starts,) = np.nonzero(np.diff(code, prepend=-1))
        columns = (
            column[order[starts]].tolist() for column in (chains.expiry_ns, chains.strike, chains.kind)
        )
        places = {contract: place for place, contract in enumerate(zip(*columns, strict=True))}
        numbers = np.repeat(np.arange(len(chains.snapshot_ts)), np.diff(chains.offsets))
        return places, np.append(starts, len(order)), order, numbers[order]
