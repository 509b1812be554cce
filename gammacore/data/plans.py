"""What to download, and what a download did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from gammacore.daycount import NS_PER_DAY, format_time
from gammacore.deribit.history import bar_length_ns
from gammacore.deribit.methods import MOST_TRADES
from gammacore.errors import ConfigError

__all__ = ["DOWNLOADED", "Downloaded", "Payloads", "Plan"]

DOWNLOADED = ("instruments", "option_trades", "future_trades", "candles", "dvol", "funding", "delivery")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to download.

    Attributes
    ----------
    currencies : tuple of str
        Settlement currencies as the exchange lists instruments: BTC, ETH, USDC.
    kinds : tuple of str
        Of `DOWNLOADED`.
    start_ns, end_ns : int
        Whole UTC days, the end exclusive.
    instruments : str
        Pattern of names; empty for all trades, and the perpetuals' bars and funding.
    resolution : str
        Of bars: minutes, or ``1D``.
    count : int
        Trades a page, at most 1,000.
    """

    currencies: tuple[str, ...] = ("BTC",)
    kinds: tuple[str, ...] = DOWNLOADED
    start_ns: int
    end_ns: int
    instruments: str = ""
    resolution: str = "1"
    count: int = MOST_TRADES

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in DOWNLOADED:
                raise ConfigError(f"kinds: {kind!r} cannot be downloaded; there are {', '.join(DOWNLOADED)}")
        if self.start_ns % NS_PER_DAY or self.end_ns % NS_PER_DAY or self.start_ns >= self.end_ns:
            raise ConfigError(
                "start and end: expected midnights UTC in order, "
                f"got {format_time(self.start_ns)} and {format_time(self.end_ns)}"
            )
        if not 1 <= self.count <= MOST_TRADES:
            raise ConfigError(f"count: expected 1 to {MOST_TRADES}, got {self.count}")
        bar_length_ns(self.resolution)


class Downloaded(msgspec.Struct):
    """What a download did.

    Attributes
    ----------
    files : int
        Written now.
    before : int
        That were there.
    rows : dict of str to int
        Written by kind.
    until : str
        Day the period was cut at, since it is not over; empty if it was not.
    """

    files: int = 0
    before: int = 0
    rows: dict[str, int] = {}
    until: str = ""


class Payloads:
    """Answers of one unit, as they will lie in the raw file."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str]] = []

    def add(self, method: str, params: Mapping[str, Any], result: bytes) -> None:
        """Keep an answer and its question."""
        self.rows.append(
            (method, msgspec.json.encode(dict(params), order="sorted").decode(), result.decode())
        )

    def columns(self) -> dict[str, Any]:
        """Columns of the raw file."""
        names = ("method", "params", "result")
        parts = zip(*self.rows, strict=True) if self.rows else ((), (), ())
        found = {name: np.array(list(part), dtype=object) for name, part in zip(names, parts, strict=True)}
        return {"n": np.arange(len(self.rows), dtype=np.int64)} | found
