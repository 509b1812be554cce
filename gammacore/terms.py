"""Which grids, fees and margin a configuration decides by, and whether they are all it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from gammacore.config import Config
from gammacore.contracts import Grids
from gammacore.data.listings import load_listings, published, scheduled
from gammacore.data.margins import load_margins, published_margins
from gammacore.errors import ConfigError, ContractError
from gammacore.fees import DERIBIT, FeeSchedule
from gammacore.margin import MarginSchedule

__all__ = ["check_grids", "family_of", "fees_of", "grids_of", "margins_of", "sources"]


def family_of(config: Config) -> str:
    """Family of the contracts that hedge and are accounted for: ``BTC``, or ``BTC_USDC`` also in theory."""
    linear = config.linear or config.hedge.instrument == "forward"
    return f"{config.coin}_USDC" if linear else config.coin


def grids_of(config: Config) -> Grids:
    """Grids of a backtest: of ``data.instruments``, else of the store of its chains, else published ones.

    Raises
    ------
    DataError
        If the catalog cannot be used.
    """
    family = family_of(config)
    if config.data.instruments is not None:
        return load_listings(config.data.instruments, family).over(published())
    root = _store_of(config.data.chains)
    if root is not None and (root / "processed" / "instruments" / config.settles_in).is_dir():
        return load_listings(root, family, needed=False).over(published())
    return published()


def _store_of(chains: str | None) -> Path | None:
    """Folder of the store that chains are read from, if they are."""
    if chains is None:
        return None
    folders = Path(chains).expanduser().absolute().parents
    return next((folder.parent for folder in folders if folder.name == "processed"), None)


def check_grids(config: Config, grids: Grids) -> None:
    """Refuse whole lots of contracts whose lot is not known.

    Raises
    ------
    ConfigError
        Naming the contracts, those nearest to them that are known, and what to do.
    """
    for kind in _needed(config):
        if grids.of(family_of(config), kind) is None:
            raise ConfigError(f"hedge.lots: {grids.missing(family_of(config), kind)}")


def _needed(config: Config) -> list[Literal["option", "future", "perpetual"]]:
    """Sorts of contracts of which a configuration asks for whole lots."""
    hedge, size = config.hedge, config.size
    if not hedge.lots:
        return []
    needed: list[Literal["option", "future", "perpetual"]] = []
    needed += ["perpetual"] if hedge.instrument in ("perpetual", "cheapest") else []
    needed += ["future"] if hedge.instrument != "perpetual" else []
    needed += ["option"] if size.budgets else []
    return needed


def fees_of(config: Config, grids: Grids) -> FeeSchedule:
    """Fees of a configuration: the dated schedule, or the catalog's for coins that it is not about.

    Commissions of a catalog are those of the day it was read; caps and fees of deliveries are the
    schedule's, which no catalog tells.
    """
    family = family_of(config)
    if scheduled(family):
        return DERIBIT
    rows = {kind: grids.of(family, kind) for kind in ("option", "future", "perpetual")}
    told: dict[str, float] = {}
    for kind, fields in (("option", "option"), ("perpetual", "future"), ("future", "weekly")):
        row = rows[kind]
        if row is not None and row.maker is not None and row.taker is not None:
            told |= {f"{fields}_maker": row.maker, f"{fields}_taker": row.taker}
    if not told:
        return DERIBIT
    return FeeSchedule(
        tuple((since, msgspec.structs.replace(rates, **told)) for since, rates in DERIBIT.steps)
    )


def margins_of(config: Config) -> MarginSchedule:
    """Margin of a configuration: the model of ``margin.model``, with dated parameters.

    Raises
    ------
    ConfigError
        If the model is portfolio margin and nobody knows its parameters for the coin.
    DataError
        If the file of ``margin.parameters`` cannot be used.
    """
    margin = config.margin
    known = published_margins() if margin.parameters is None else load_margins(margin.parameters)
    found = msgspec.structs.replace(known, model=margin.model)
    try:
        found.at(0, config.coin)
    except ContractError as error:
        raise ConfigError(f"margin.model: {error}") from None
    return found


def sources(config: Config, grids: Grids) -> list[str]:
    """Say of each sort of contracts what grid a configuration decides by, and where it is from."""
    family, found = family_of(config), []
    for kind in ("perpetual", "future", "option"):
        row = grids.of(family, kind)
        if row is not None:
            fees = "" if row.taker is None else f", fees {row.maker or 0.0:.3%} / {row.taker:.3%}"
            found.append(
                f"{kind}s on {family}: tick {row.tick_size:g}, lot {row.min_trade_amount:g}, "
                f"contract {row.contract_size:g}{fees}; {row.source}"
            )
    return found
