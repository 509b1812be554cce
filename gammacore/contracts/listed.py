"""What a catalog says of sorts of contracts: grid, contract size and fees, asked for by instrument."""

from __future__ import annotations

import difflib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from gammacore.contracts.grids import ContractSpec, spec_from_catalog
from gammacore.contracts.names import Future, Instrument, Option, Perpetual, Settlement, parse
from gammacore.errors import ContractError

__all__ = ["AccountFee", "Grids", "ListedGrid", "kind_of", "listed"]

Kind = Literal["option", "future", "perpetual"]
KINDS: dict[type[Instrument], Kind] = {Option: "option", Future: "future", Perpetual: "perpetual"}
HELP = (
    "name a catalog in data.instruments (gammacore data download --kinds instruments), "
    "or set hedge.lots: false"
)


class ListedGrid(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One sort of contracts as a catalog lists it.

    Attributes
    ----------
    family : str
        First part of the names: ``BTC`` or ``SOL_USDC``.
    kind : {'option', 'future', 'perpetual'}
    tick_size, contract_size, min_trade_amount : float
        As of :class:`ContractSpec`; amounts are coins, USD of inverse futures.
    tick_size_steps : tuple of (above_price, tick_size)
    maker, taker : float or None
        Commissions as fractions; None where the source does not tell.
    name : str
        The one instrument that it is about; empty for the whole sort.
    source : str
        Where the figures are from.
    since_ns : int or None
        Moment from which the commissions are known to hold; None where the source does not tell.
    """

    family: str
    kind: Kind
    tick_size: float
    contract_size: float
    min_trade_amount: float
    tick_size_steps: tuple[tuple[float, float], ...] = ()
    maker: float | None = None
    taker: float | None = None
    name: str = ""
    source: str = ""
    since_ns: int | None = None

    @property
    def spec(self) -> ContractSpec:
        """Its grid."""
        in_usd = self.kind != "option" and "_" not in self.family
        return ContractSpec(
            self.tick_size,
            self.contract_size,
            self.min_trade_amount,
            "USD" if in_usd else "coin",
            self.tick_size_steps,
        )


class AccountFee(msgspec.Struct, frozen=True):
    """What an account is charged for a sort of contracts.

    Attributes
    ----------
    family : str
        As of :class:`ListedGrid`.
    kind : {'option', 'future', 'perpetual'}
    relative : bool
        Whether the figures multiply the catalog's commissions (True), or are commissions themselves.
    maker, taker : float
    """

    family: str
    kind: Kind
    relative: bool
    maker: float
    taker: float

    def of(self, maker: float | None, taker: float | None) -> tuple[float | None, float | None]:
        """Return commissions of the account, from those of the catalog."""
        if not self.relative:
            return self.maker, self.taker
        return (
            None if maker is None else maker * self.maker,
            None if taker is None else taker * self.taker,
        )


class Grids:
    """Grids and fees of what is listed, the same for as long as the object lives.

    Parameters
    ----------
    rows : iterable of ListedGrid
        Of one sort or instrument the last counts.
    """

    def __init__(self, rows: Iterable[ListedGrid] = ()) -> None:
        self._rows = {(row.family, row.kind, row.name): row for row in rows}
        self._specs: dict[Instrument, ContractSpec] = {}

    @property
    def rows(self) -> tuple[ListedGrid, ...]:
        """What it was made of."""
        return tuple(self._rows.values())

    def over(self, others: Grids) -> Grids:
        """Add what others know of sorts that these do not."""
        known = {(row.family, row.kind) for row in self.rows}
        return Grids([row for row in others.rows if (row.family, row.kind) not in known] + [*self.rows])

    def charged(self, fees: Iterable[AccountFee], since_ns: int) -> Grids:
        """Replace commissions, which hold from a moment on, by those that an account has been given.

        Parameters
        ----------
        fees : iterable of AccountFee
        since_ns : int
            When catalog and account were read, nanoseconds UTC.
        """
        own = {(fee.family, fee.kind): fee for fee in fees}
        found = []
        for row in self.rows:
            fee = own.get((row.family, row.kind))
            maker, taker = (row.maker, row.taker) if fee is None else fee.of(row.maker, row.taker)
            source = row.source if fee is None else f"{row.source}, fees of the account"
            found.append(
                msgspec.structs.replace(row, maker=maker, taker=taker, source=source, since_ns=since_ns)
            )
        return Grids(found)

    def of(self, family: str, kind: Kind) -> ListedGrid | None:
        """Return what is known of a sort, None if nothing is."""
        return self._rows.get((family, kind, ""))

    def spec_for(self, instrument: Instrument) -> ContractSpec:
        """Grid of an instrument: its own, or that of its sort.

        Raises
        ------
        ContractError
            If nothing is known of its sort.
        """
        spec = self._specs.get(instrument)
        if spec is None:
            family, kind = instrument.family, kind_of(instrument)
            row = self._rows.get((family, kind, instrument.name)) or self.of(family, kind)
            if row is None:
                raise ContractError(f"{instrument.name}: {self.missing(family, kind)}")
            spec = self._specs[instrument] = row.spec
        return spec

    def missing(self, family: str, kind: Kind) -> str:
        """Say that a sort is not known, what is nearest to it, and what helps."""
        sorts = {f"{row.kind}s on {row.family}": None for row in self.rows if not row.name}
        near = difflib.get_close_matches(f"{kind}s on {family}", sorts, n=1, cutoff=0.0)
        nearest = f"; nearest of those known: {near[0]}" if near else ""
        return f"no tick and lot of {kind}s on {family} is known{nearest}; {HELP}"


def kind_of(instrument: Instrument) -> Kind:
    """Sort of an instrument."""
    return KINDS[type(instrument)]


def listed(rows: Iterable[Mapping[str, Any]], source: str, base: str | None = None) -> Grids:
    """Grids of a catalog.

    Parameters
    ----------
    rows : iterable of mapping
        As of the exchange's ``get_instruments``; what gammacore has no name for (spot, combos) is left out.
    source : str
        Told wherever the grids are shown.
    base : str, optional
        Coin of those that count; in USDC all coins are listed together.

    Returns
    -------
    Grids
        The most frequent grid of each sort, and those of instruments that have another.

    Raises
    ------
    ContractError
        If a row lacks a field, its figures cannot be, or an instrument is listed twice with different ones.
    """
    found: dict[str, ListedGrid] = {}
    for row in rows:
        try:
            instrument = parse(str(row["instrument_name"]))
        except ContractError:
            continue
        if base is not None and instrument.base != base:
            continue
        made = _row(row, instrument, source)
        if found.setdefault(made.name, made) != made:
            raise ContractError(f"{source}: {made.name} is listed twice with different figures")
    sorts: dict[tuple[str, Kind], list[ListedGrid]] = defaultdict(list)
    for one in found.values():
        sorts[one.family, one.kind].append(one)
    return Grids([row for members in sorts.values() for row in _common(members)])


def _row(row: Mapping[str, Any], instrument: Instrument, source: str) -> ListedGrid:
    spec = spec_from_catalog(row)
    linear_option = isinstance(instrument, Option) and instrument.settlement is Settlement.LINEAR
    if linear_option and spec.contract_size > 1.0 and spec.min_trade_amount % spec.contract_size:
        raise ContractError(
            f"{source}: {instrument.name}: min_trade_amount {spec.min_trade_amount:g} is no multiple of "
            f"contract_size {spec.contract_size:g}: its amounts are not coins, and gammacore counts in coins"
        )
    return ListedGrid(
        family=instrument.family,
        kind=kind_of(instrument),
        tick_size=spec.tick_size,
        contract_size=spec.contract_size,
        min_trade_amount=spec.min_trade_amount,
        tick_size_steps=spec.tick_size_steps,
        maker=_share(row, "maker_commission", source),
        taker=_share(row, "taker_commission", source),
        name=instrument.name,
        source=source,
    )


def _share(row: Mapping[str, Any], field: str, source: str) -> float | None:
    """Commission of a row; None where it has none."""
    given = row.get(field)
    if given is None or given == "" or given != given:
        return None
    try:
        share = float(given)
    except (TypeError, ValueError):
        share = math.nan
    if not -0.01 <= share <= 0.05:
        raise ContractError(
            f"{source}: {row['instrument_name']}: {field} must be a fraction such as 0.0005, got {given!r}"
        )
    return share


def _common(members: list[ListedGrid]) -> list[ListedGrid]:
    """Find what most of a sort have, and those that differ."""
    plain = [msgspec.structs.replace(row, name="") for row in members]
    usual, _ = Counter(plain).most_common(1)[0]
    return [usual, *(row for row, bare in zip(members, plain, strict=True) if bare != usual)]
