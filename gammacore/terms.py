"""Which grids, fees and margin a configuration decides by, and whether they are all it needs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, cast

import msgspec

from gammacore.config import Config
from gammacore.contracts import Grids
from gammacore.contracts.listed import Kind
from gammacore.data.listings import load_listings, published, scheduled
from gammacore.data.margins import load_margins, published_margins
from gammacore.data.spreads import half_spreads
from gammacore.errors import ConfigError, ContractError
from gammacore.execution.costs import HOURS
from gammacore.fees import TIERS, FeeSchedule
from gammacore.margin import MarginSchedule

__all__ = [
    "check_grids",
    "family_of",
    "fees_of",
    "grids_of",
    "half_spreads_of",
    "margins_of",
    "sources",
    "store_of",
]


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
    root = store_of(config.data.chains)
    if root is not None and (root / "processed" / "instruments" / config.settles_in).is_dir():
        return load_listings(root, family, needed=False).over(published())
    return published()


def store_of(chains: str | None) -> Path | None:
    """Folder of the store that chains are read from, if they are."""
    if chains is None:
        return None
    folders = Path(chains).expanduser().absolute().parents
    return next((folder.parent for folder in folders if folder.name == "processed"), None)


def check_grids(config: Config, grids: Grids) -> None:
    """Refuse whole lots of contracts whose lot is not known, and entries of other than whole lots.

    Raises
    ------
    ConfigError
        Naming the contracts, those nearest to them that are known, and what to do.
    """
    family, size = family_of(config), config.size
    for kind in _needed(config):
        if grids.of(family, kind) is None:
            raise ConfigError(f"hedge.lots: {grids.missing(family, kind)}")
    options = grids.of(family, "option")
    if not config.hedge.lots or size.budgets or options is None:
        return
    for leg, units in _entered(config):
        amount = size.contracts * units
        whole = options.spec.round_amount(amount, "nearest")
        if whole == 0.0 or not math.isclose(whole, amount, rel_tol=1e-9):
            raise ConfigError(
                f"size.contracts: expected whole lots of options on {family}, {options.min_trade_amount:g} "
                f"{config.coin} each, got {size.contracts:g}{leg} (lots: {options.source})"
            )


def _entered(config: Config) -> list[tuple[str, float]]:
    """List the legs of one unit, in words and coins; none of a structure by code of the user's own."""
    entry = config.entry
    if entry.legs:
        return [(f" times {abs(leg.amount):g} of a leg", abs(leg.amount)) for leg in entry.legs]
    if entry.structure == "none" or ":" in entry.structure:
        return []
    sold = [(f" times entry.ratio {entry.ratio:g}", entry.ratio)] if entry.structure == "ratio" else []
    return [("", 1.0), *sold]


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
    """Fees of a configuration by date.

    The account's and the catalog's commissions hold from the moment they were read, where that is known, as
    it is in a session; before, and in a backtest, there is the published schedule of ``costs.tier``. A coin
    that the schedule is not about has the commissions of its catalog at all times. Caps and fees of
    deliveries are always the schedule's, which no catalog tells. ``costs.fees`` wins over all.
    """
    schedule = TIERS[config.costs.tier]
    told, since_ns = _commissions(family_of(config), grids)
    if told and not scheduled(family_of(config)):
        schedule = schedule.changed(**told)
    elif told and since_ns is not None:
        rates = msgspec.structs.replace(schedule.at(since_ns), **told)
        schedule = schedule.since(since_ns, rates)
    return schedule.changed(**config.costs.fees.given)


def _commissions(family: str, grids: Grids) -> tuple[dict[str, float], int | None]:
    """Rates that a catalog tells of a family, by the names of :class:`FeeRates`, and since when."""
    told: dict[str, float] = {}
    since_ns: int | None = None
    for kind, fields in (("option", "option"), ("perpetual", "future"), ("future", "weekly")):
        row = grids.of(family, cast(Kind, kind))
        if row is not None and row.maker is not None and row.taker is not None:
            told |= {f"{fields}_maker": row.maker, f"{fields}_taker": row.taker}
            since_ns = row.since_ns if since_ns is None else since_ns
    return told, since_ns


def half_spreads_of(config: Config) -> tuple[float, ...]:
    """Half spread of hedges by the hour (UTC), 24 shares of the price: as configured, or as recorded.

    Raises
    ------
    ConfigError
        If recorded quotes are asked for and the chains are of no store, or the hedge is no perpetual.
    DataError
        If the store has no quote of the perpetual.
    """
    given = config.costs.hedge_half_spread_bp
    if given != "recorded":
        hours = [given] * HOURS if isinstance(given, float | int) else given
        return tuple(one * 1e-4 for one in hours)
    root, family = store_of(config.data.chains), family_of(config)
    what = (
        "costs.hedge_half_spread_bp: 'recorded' reads quotes of the perpetual from the store of data.chains"
    )
    if root is None:
        raise ConfigError(f"{what}, got {config.data.chains!r}; name chains of a store, or give basis points")
    if config.hedge.instrument != "perpetual":
        raise ConfigError(
            f"{what}; hedge.instrument is {config.hedge.instrument!r}, give basis points for it"
        )
    return half_spreads(root, config.settles_in, f"{family}-PERPETUAL")


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
