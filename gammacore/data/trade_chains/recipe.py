"""How chains are built from trades: every choice, checked, named and put into words."""

from __future__ import annotations

import math
from zlib import crc32

import msgspec

from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_SECOND
from gammacore.errors import ConfigError

from ..schemas import bar_label

__all__ = ["ChainRecipe"]

LONGEST_NS = 7 * NS_PER_DAY
SHAPE = 3  # half-lives of the level, that of smiles: they keep their shape while volatility moves


class ChainRecipe(msgspec.Struct, frozen=True, kw_only=True):
    """How to build chains from trades.

    Attributes
    ----------
    every_ns, offset_ns : int
        Chains are at midnight UTC plus the offset, and every so many nanoseconds after it. A day is a whole
        number of these steps.
    window_ns : int
        Trades up to this age count.
    half_life_ns : int
        Age at which a trade counts half for the level of volatility, and :data:`SHAPE` times that for the
        shape of the smiles.
    size_cap : float
        A trade counts by its amount, up to this many times the median amount of the window.
    listed_ns : int
        A strike is listed while its last trade is no older.
    min_expiry, min_chain : int
        Fewest trades of the window that make an expiry, and a chain.
    blocks, liquidations : bool
        Whether block trades and liquidations count.

    Raises
    ------
    ConfigError
        Naming the choice that is out of its range.
    """

    every_ns: int = 6 * NS_PER_HOUR
    offset_ns: int = 0
    window_ns: int = NS_PER_DAY
    half_life_ns: int = 2 * NS_PER_HOUR
    size_cap: float = 5.0
    listed_ns: int = LONGEST_NS
    min_expiry: int = 5
    min_chain: int = 600
    blocks: bool = True
    liquidations: bool = False

    def __post_init__(self) -> None:
        _demand("every", NS_PER_MINUTE <= self.every_ns <= NS_PER_DAY and NS_PER_DAY % self.every_ns == 0,
                "1min to 1d, and a whole number of them a day", self.every_ns)  # fmt: skip
        _demand("offset", 0 <= self.offset_ns < self.every_ns, "less than the step", self.offset_ns)
        _demand("window", NS_PER_MINUTE <= self.window_ns <= LONGEST_NS, "1min to 7d", self.window_ns)
        _demand("half_life", self.half_life_ns >= NS_PER_MINUTE, "at least 1min", self.half_life_ns)
        within = self.window_ns <= self.listed_ns <= 90 * NS_PER_DAY
        _demand("listed", within, "the window to 90d", self.listed_ns)
        if not (math.isfinite(self.size_cap) and self.size_cap > 0):
            raise ConfigError(f"size_cap: expected a positive number, got {self.size_cap!r}")
        for name in ("min_expiry", "min_chain"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected at least one trade, got {getattr(self, name)}")

    def times(self, day_ns: int) -> range:
        """Return the times of the chains of a day that begins at ``day_ns``."""
        return range(day_ns + self.offset_ns, day_ns + NS_PER_DAY, self.every_ns)

    @property
    def days_before(self) -> int:
        """Whole days before its own that the window of a chain may reach into."""
        return max(0, -(-(self.window_ns - self.offset_ns) // NS_PER_DAY))

    def told(self, spreads: str) -> str:
        """Say in one short line what a chain is made of; it is in every row.

        Parameters
        ----------
        spreads : str
            Name of the spread model.
        """
        words = (
            f"trades of {bar_label(self.window_ns)}",
            f"levels of {bar_label(self.half_life_ns)}",
            f"smiles of {bar_label(SHAPE * self.half_life_ns)}",
            f"cap {self.size_cap:g}",
            *(["no blocks"] if not self.blocks else []),
            *(["liquidations"] if self.liquidations else []),
            f"least {self.min_expiry} and {self.min_chain}",
            f"listed {bar_label(self.listed_ns)}",
            f"spreads {spreads}",
        )
        return ", ".join(words)

    def label(self, spreads: str) -> str:
        """Name of the series in the store: step and a hash of everything else."""
        everything = f"{self.offset_ns} {self.told(spreads)}"
        return f"{bar_label(self.every_ns)}-{crc32(everything.encode()):08x}"


def _demand(name: str, holds: bool, expected: str, value_ns: int) -> None:
    if not holds:
        raise ConfigError(f"{name}: expected {expected}, got {value_ns / NS_PER_SECOND:g} s")
