"""Grids and fees of contracts, from a catalog: a file, a store, or what is published for BTC and ETH."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from gammacore.contracts import ContractSpec, Grids, Instrument, ListedGrid, kind_of, listed
from gammacore.daycount import parse_time
from gammacore.errors import ContractError, DataError

from .csv_files import named, open_text
from .store import Store
from .tables import existing

__all__ = ["coin_names", "load_listings", "price_grid", "published", "scheduled"]

_NEEDED = ("instrument_name", "tick_size", "contract_size", "min_trade_amount")
_CHECKED_NS = parse_time("2025-12-30")  # first day of the recorded chains that obey what is published
_CHANGED_NS = parse_time("2026-08-18")  # grids of perpetuals in USDC
_LAST_NS = 2**62  # all that a store ever came to know


class _Published(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file beside this module.

    ``schedule`` are the families that the dated fees are about, ``coins`` names that files begin with.
    """

    about: str
    schedule: tuple[str, ...]
    coins: tuple[str, ...]
    grids: tuple[ListedGrid, ...]


@lru_cache(maxsize=1)
def _file() -> _Published:
    return msgspec.json.decode(Path(__file__).with_name("published.json").read_bytes(), type=_Published)


@lru_cache(maxsize=1)
def published() -> Grids:
    """Grids that the exchange published, for where there is no catalog."""
    return Grids(msgspec.structs.replace(row, source=f"published ({row.source})") for row in _file().grids)


def coin_names() -> tuple[str, ...]:
    """Coins that the name of a file may begin with."""
    return _file().coins


def scheduled(family: str) -> bool:
    """Whether :data:`gammacore.fees.DERIBIT` is about contracts of a family."""
    return family in _file().schedule


def price_grid(instrument: Instrument, ts_ns: int) -> ContractSpec | None:
    """Grid that recorded prices of a day must lie on, where it is known.

    Parameters
    ----------
    instrument : Option, Future or Perpetual
    ts_ns : int
        A moment of the day, nanoseconds UTC.

    Returns
    -------
    ContractSpec or None
        None before what is published was checked against recorded prices, and where it has changed since:
        ticks of dated futures were finer in 2020, those of linear perpetuals are new since 18 August 2026.
    """
    family, kind = instrument.family, kind_of(instrument)
    until_ns = _CHANGED_NS if kind == "perpetual" and "_" in family else None
    if ts_ns < _CHECKED_NS or (until_ns is not None and ts_ns >= until_ns):
        return None
    return published().spec_for(instrument) if published().of(family, kind) is not None else None


def load_listings(path: str | Path, family: str, *, needed: bool = True) -> Grids:
    """Grids of one family from a catalog on disk.

    Parameters
    ----------
    path : str or path-like
        CSV or JSON with the exchange's own columns (``instrument_name``, ``tick_size``, ``contract_size``,
        ``min_trade_amount``, and where it has them ``tick_size_steps``, ``maker_commission``,
        ``taker_commission``); JSON may be the whole answer of ``get_instruments``. Or the folder of a store.
    family : str
        Such as ``SOL_USDC``.
    needed : bool
        Whether a catalog without any of them is refused.

    Returns
    -------
    Grids

    Raises
    ------
    DataError
        If it cannot be read, lacks a column, holds a figure that cannot be, or nothing of the family.
    """
    place = existing(path)
    if place.is_dir():
        seen = tuple(_state(file) for file in Store(place).files("instruments", _currency(family)))
    else:
        seen = (_state(place),)
    grids = _loaded(str(place), family, seen)
    if needed and not grids.rows:
        raise DataError(f"{place}: no instrument of {family}; expected names such as {family}-PERPETUAL")
    return grids


def _state(file: Path) -> tuple[str, int, int]:
    found = os.stat(file)
    return str(file), found.st_mtime_ns, found.st_size


@lru_cache(maxsize=16)
def _loaded(text: str, family: str, seen: tuple[tuple[str, int, int], ...]) -> Grids:
    """Read a catalog again only where its files have changed."""
    place = Path(text)
    if place.is_dir():
        rows: Iterable[tuple[str, Mapping[str, Any]]] = ((text, row) for row in _stored(place, family))
    elif place.suffix == ".json":
        rows = _answered(place)
    else:
        rows = _tabled(place)
    try:
        return listed(_of_family(rows, family), text)
    except ContractError as error:
        told = str(error)
        raise DataError(told if told.startswith(text) else f"{text}: {told}") from None


def _of_family(rows: Iterable[tuple[str, Mapping[str, Any]]], family: str) -> Iterator[Mapping[str, Any]]:
    """Choose rows, each with where it is; of others, such as spot pairs, only the name matters."""
    for where, row in rows:
        _demand(row, where, _NEEDED[:1])
        if str(row["instrument_name"]).startswith(f"{family}-"):  # the spot pair has the family's very name
            _demand(row, where)
            yield row


def _currency(family: str) -> str:
    return "USDC" if "_" in family else family


def _stored(root: Path, family: str) -> list[dict[str, Any]]:
    with Store(root) as store:
        columns = store.read("instruments", _currency(family), as_of_ns=_LAST_NS)
    latest: dict[str, dict[str, Any]] = {}
    for values in zip(*columns.values(), strict=True):  # in order of time
        row = dict(zip(columns, values, strict=True))
        row["tick_size_steps"] = _steps(root, row)
        latest[row["instrument_name"]] = row
    return list(latest.values())


def _answered(file: Path) -> list[tuple[str, dict[str, Any]]]:
    """Rows of a JSON file, each with its place: a list, or an answer that holds one as its result."""
    try:
        found = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read: {error}") from None
    rows = found.get("result") if isinstance(found, dict) else found
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{file}: expected a list of instruments, or an answer with one as its result")
    return [(f"{file}: instrument {number}", row) for number, row in enumerate(rows)]


def _tabled(file: Path) -> list[tuple[str, dict[str, Any]]]:
    """Rows of a CSV file, each with its place; an empty cell is no value."""
    with named(file), open_text(file) as text:
        reader = csv.DictReader(text)
        _demand({name: name for name in reader.fieldnames or ()}, f"{file}: line 1")
        rows = []
        for row in reader:
            kept = {name: cell for name, cell in row.items() if name is not None and cell not in (None, "")}
            where = f"{file}: line {reader.line_num}"
            rows.append((where, {**kept, "tick_size_steps": _steps(file, kept)}))
    return rows


def _demand(row: Mapping[str, Any], where: str, fields: Sequence[str] = _NEEDED) -> None:
    for field in fields:
        if row.get(field) is None:
            had = ", ".join(name for name, value in row.items() if value is not None) or "nothing"
            raise DataError(f"{where}: expected a value of {field}, got {had}")


def _steps(where: Path, row: Mapping[str, Any]) -> list[dict[str, float]]:
    """Read the steps of a tick, in JSON: pairs as the store keeps them, or the exchange's objects."""
    text = row.get("tick_size_steps") or "[]"
    try:
        return [
            step if isinstance(step, dict) else {"above_price": step[0], "tick_size": step[1]}
            for step in json.loads(text)
        ]
    except (ValueError, TypeError, LookupError):
        raise DataError(
            f"{where}: {row.get('instrument_name')}: tick_size_steps must be JSON such as "
            f"[[0.005, 0.0005]], got {text!r}"
        ) from None
