"""What the exchange knows of coins: the file beside this module, and the grids that were published."""

from __future__ import annotations

import difflib
from functools import lru_cache
from pathlib import Path

import msgspec

from gammacore.contracts import Grids, ListedGrid
from gammacore.data.listings import published
from gammacore.errors import ConfigError

from .config import ExchangeConfig, MarketModel

__all__ = ["CoinFacts", "coin", "grids", "has_inverse", "with_families"]


class CoinFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One coin.

    Attributes
    ----------
    long_name, coin_type : str
    model : MarketModel or None
        How it moves, where nobody says otherwise; None of what is money alone.
    funding_cap : float
        Largest rate of the inverse perpetual in eight hours.
    liquidation_before : float
        Fee of a liquidation before August 2026.
    groups : tuple of str
        Widths of the levels of grouped books, in ``group_unit``.
    group_unit : float
    """

    long_name: str = ""
    coin_type: str = "BITCOIN"
    model: MarketModel | None = None
    funding_cap: float = 0.05
    liquidation_before: float = 0.0075
    groups: tuple[str, ...] = ("none", "1", "2", "5", "10")
    group_unit: float = 1.0


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    about: str
    coins: dict[str, CoinFacts]
    grids: tuple[ListedGrid, ...]


@lru_cache(maxsize=1)
def _file() -> _File:
    return msgspec.json.decode(Path(__file__).with_name("coins.json").read_bytes(), type=_File)


def coin(base: str) -> CoinFacts:
    """Facts of a coin; of one that the file does not name, the usual ones."""
    return _file().coins.get(base) or CoinFacts(long_name=base)


@lru_cache(maxsize=1)
def grids() -> Grids:
    """Grids of all that can be listed."""
    own = {(row.family, row.kind) for row in _file().grids}
    return Grids([row for row in published().rows if (row.family, row.kind) not in own] + [*_file().grids])


def has_inverse(base: str) -> bool:
    """Whether contracts that settle in the coin can be listed."""
    return grids().of(base, "perpetual") is not None


def with_families(config: ExchangeConfig, families: tuple[str, ...]) -> ExchangeConfig:
    """List more families, such as ``SOL_USDC``.

    Raises
    ------
    ConfigError
        If the grids of one are not known; the message names the nearest.
    """
    models, linear = dict(config.models), list(config.linear)
    for family in families:
        base = family.removesuffix("_USDC")
        if grids().of(family, "option") is None or (model := coin(base).model) is None:
            known = sorted({row.family for row in grids().rows if row.kind == "option"})
            near = difflib.get_close_matches(family, known, n=1, cutoff=0.3)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"--list {family}: expected of {', '.join(known)}{hint}")
        models.setdefault(base, model)
        if family != base and base not in linear:
            linear.append(base)
    return msgspec.structs.replace(config, models=models, linear=tuple(linear))
