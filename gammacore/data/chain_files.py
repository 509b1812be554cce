"""Files of option chains: read, held against each other and against the names, reported on."""

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from gammacore.array_types import Bools, Ints
from gammacore.contracts import family
from gammacore.data.chain_checks import MODELLED, clean, findings_of, gap_finding, modelled_rows
from gammacore.data.chain_rows import Names, chosen_rows, rows_of_file
from gammacore.data.chains import Chains
from gammacore.data.kept_tables import KeptTables
from gammacore.data.moments import period
from gammacore.data.quality import Finding, Quality
from gammacore.data.sweeps import gather, small_chains, sweep_findings
from gammacore.data.tables import Column, Table, data_files, first_cells, missing_columns, read_header
from gammacore.data.trees import only_series
from gammacore.daycount import NS_PER_HOUR, NS_PER_MINUTE
from gammacore.errors import DataError

__all__ = ["COLUMNS", "MODELLED", "load_chains"]


COLUMNS = (
    Column("timestamp", "time"),
    Column("instrument_name", "text"),
    Column("underlying", "number"),
    Column("bid_price", "number"),
    Column("ask_price", "number"),
    Column("mark_price", "number"),
    Column("implied_volatility", "number"),
    Column("index_price", "number", required=False),
    Column("delta", "number", required=False),
    Column("vega", "number", required=False),
    Column("open_interest", "number", required=False),
    Column("bid_amount", "number", required=False),
    Column("ask_amount", "number", required=False),
    Column("underlying_name", "text", required=False),
    Column("modelled", "text", required=False),
    Column("option_type", "text", required=False),
    Column("strike", "number", required=False),
    Column("expiry_datetime", "time", required=False),
)
"""Columns of a chain file. The last three repeat what the name says and are held against it."""

FEW = (
    "its chains hold no option, as too few were traded to model any: download more days, or remove this "
    "folder and give gammacore data build-chains a lower --min-chain"
)
FIRST_ROWS = 1_000  # of a file, by which it is told to be of another currency


def load_chains(
    path: str | Path,
    *,
    currency: str | None = None,
    columns: Mapping[str, str] | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    max_gap_ns: int = 7 * NS_PER_HOUR + NS_PER_HOUR // 2,
    sweep_ns: int | None = 5 * NS_PER_MINUTE,
    delay_ns: int = 0,
) -> Chains:
    """Load option chains of one currency: recorded, or modelled from trades and then marked as such.

    Parameters
    ----------
    path : str or pathlib.Path
        A file (``.csv``, ``.csv.gz`` or ``.parquet``), a directory of them, or a store's
        ``processed/chains/BTC`` or ``processed/chains_modelled/BTC``. Files of a directory that lack the
        columns of a chain are left out and reported; a single file that lacks them is an error.
    currency : str, optional
        First part of the instrument names, ``BTC`` or ``BTC_USDC``; may be left out when
        all files hold the same one.
    columns : mapping of str to str, optional
        Our column name (see `COLUMNS`) to the file's, where they differ.
    start_ns, end_ns : int, optional
        Keep snapshots with ``start_ns <= time < end_ns``.
    max_gap_ns : int
        Snapshots further apart than this, and than 1.5 times the median, count as a gap.
    sweep_ns : int or None
        Rows with stamps of their own are one chain where the last follows the first within this
        time, see :func:`gammacore.data.sweeps.gather`; the chain's time is that of the last.
        None: every stamp is a chain.
    delay_ns : int
        Added to every stamp: how much later than it the rows were known.

    Returns
    -------
    Chains
        With the outcome of every check in ``quality``. Rows that repeat an instrument at
        a stamp are dropped but for the first, in a sweep but for the newest; rows at or after
        expiry are dropped, a bid or ask of zero becomes none; all of it is counted. ``modelled`` says how
        rows with a text in the column of that name were made.

    Raises
    ------
    DataError
        If a file is broken, a cell is not what its column says, a price is negative,
        a row contradicts its instrument name, the currency is missing or ambiguous, or
        no row is left.
    """
    start_ns, end_ns = period(start_ns, end_ns)
    name, stored = only_series(path)
    names = ({"timestamp": "ts_ns"} if stored else {}) | dict(columns or {})
    kept = KeptTables(COLUMNS, names)
    tables, ignored = ([kept.read(name, stored)], []) if stored else _read_files(path, names, currency, kept)
    currency = _choose_currency(path, tables, currency)
    parts, codes = [], Names()
    # A sweep counts where its last row is, so those at the edges are read whole.
    edge = sweep_ns or 0
    first_ns = None if start_ns is None else start_ns - delay_ns - edge
    last_ns = None if end_ns is None else end_ns - delay_ns + edge
    for table in tables:
        rows = chosen_rows(table, currency, first_ns, last_ns)
        if rows.size:
            parts.append((table.info, rows_of_file(table, rows, codes, names)))
    if not parts:
        raise DataError(f"{path}: no row of {currency} in the chosen period")
    places = codes.places()
    data, again = _ordered([part for _, part in parts], places)
    data["ts_ns"] += delay_ns
    data, again, swept = _swept(data, again, places, sweep_ns, start_ns, end_ns)
    if not data["ts_ns"].size:
        raise DataError(f"{path}: no row of {currency} in the chosen period")
    data, findings = clean(data, again, codes.names)
    if not data["ts_ns"].size:
        raise DataError(f"{path}: every row of {currency} is at or after its expiry")
    snapshot_ts, first = np.unique(data["ts_ns"], return_index=True)
    findings += findings_of(data, codes.names, codes.options[0])
    modelled, finding = modelled_rows(data.pop("made"), codes.made, data, codes.names)
    findings += [finding, *swept, small_chains(snapshot_ts, np.diff(first, append=data["ts_ns"].size))]
    findings.append(gap_finding(snapshot_ts, max_gap_ns))
    findings.append(
        Finding(
            "files ignored (not chains, or another currency)",
            len(ignored),
            len(tables) + len(ignored),
            ", ".join(ignored),
        )
    )
    kept.write()
    return Chains(
        currency=currency,
        names=tuple(codes.names),
        snapshot_ts=snapshot_ts,
        offsets=np.append(first, data["ts_ns"].size).astype(np.int64),
        files=tuple(info for info, _ in parts),
        quality=Quality(f"{currency} chains: {data['ts_ns'].size:,} rows", tuple(findings)),
        modelled=modelled,
        **data,
    )


def _read_files(
    path: str | Path, names: Mapping[str, str], currency: str | None, kept: KeptTables
) -> tuple[list[Table], list[str]]:
    """Tables of the files of a currency, and the names of the files that are no such."""
    if not Path(path).expanduser().exists() and _in_a_store(path):
        raise DataError(
            f"{path}: no chains here: the exchange keeps no history of them. "
            "Import or record them (gammacore data import, gammacore data record), model them from trades "
            "(gammacore data build-chains), or leave --chains out and backtest at a flat volatility "
            "(--set marks.source=flat)"
        )
    files = data_files(path)
    one = len(files) == 1 and files[0] == Path(path).expanduser()
    other = [file for file in files if not one and missing_columns(read_header(file), COLUMNS, names)]
    other += [file for file in files if not one and file not in other and _of_another(file, names, currency)]
    # Unpacking a file keeps one core busy, so they are read side by side.
    with ThreadPoolExecutor() as pool:
        tables = list(pool.map(kept.read, [file for file in files if file not in other]))
    ignored = [file.name for file in other]
    if not tables:
        wanted = [names.get(column.name, column.name) for column in COLUMNS if column.required]
        raise DataError(f"{path}: none of {ignored} has the columns of a chain, {wanted}")
    return tables, ignored


def _of_another(file: Path, names: Mapping[str, str], currency: str | None) -> bool:
    """Whether a CSV file is of another currency by its own name and by its first rows."""
    named = re.match(r"([A-Z]+(?:_USDC)?)[-_.]", file.name)
    if currency is None or named is None or named[1] == currency or file.name.endswith(".parquet"):
        return False
    column = names.get("instrument_name", "instrument_name")
    return {family(name) for name in first_cells(file, column, FIRST_ROWS)} == {named[1]}


def _in_a_store(path: str | Path) -> bool:
    """Whether a path is where a store that is there would have chains."""
    parents = Path(path).expanduser().parents
    return any(one.name == "processed" and one.is_dir() for one in parents)


def _choose_currency(path: str | Path, tables: Sequence[Table], currency: str | None) -> str:
    found = sorted({family(name) for table in tables for name in table.columns["instrument_name"].texts})
    if not found:
        modelled = "chains_modelled" in Path(path).parts
        raise DataError(f"{path}: {FEW if modelled else 'there is a header but no row'}")
    if currency is None and len(found) > 1:
        raise DataError(f"{path}: holds {', '.join(found)}; name one of them as the currency")
    if currency is not None and currency not in found:
        raise DataError(f"{path}: no instrument of currency {currency!r}; there is {', '.join(found)}")
    return currency or found[0]


def _order(ts_ns: Ints, place: Ints) -> Ints:
    """Order of rows by time and, at one time, by place."""
    if (ts_ns[1:] < ts_ns[:-1]).any():
        return np.lexsort((place, ts_ns))
    # Rows that are nearly in order, as those of recordings are, are quicker by one key.
    stamp = np.cumsum(np.diff(ts_ns, prepend=ts_ns[:1]) != 0)
    return np.argsort(stamp * (place.max() + 1) + place, kind="stable")


def _ordered(parts: Sequence[dict[str, Any]], places: Ints) -> tuple[dict[str, Any], Bools]:
    """Join the rows of all files in order, and say which repeat an instrument of their stamp."""

    def joined(key: str) -> Any:
        return np.concatenate([part[key] for part in parts])

    order = _order(joined("ts_ns"), places[joined("code")])
    data = {key: joined(key)[order] for key in parts[0]}
    ts_ns, code = data["ts_ns"], data["code"]
    again = np.zeros(ts_ns.size, dtype=bool)
    again[1:] = (ts_ns[1:] == ts_ns[:-1]) & (code[1:] == code[:-1])
    return data, again


def _swept(
    data: dict[str, Any],
    again: Bools,
    places: Ints,
    sweep_ns: int | None,
    start_ns: int | None,
    end_ns: int | None,
) -> tuple[dict[str, Any], Bools, list[Finding]]:
    """Gather the rows of sweeps at the time of their last, and keep what is inside the period."""
    once = np.flatnonzero(~again) if again.any() else slice(None)
    found = None if sweep_ns is None else gather(data["ts_ns"][once], data["code"][once], sweep_ns)
    if found is not None:
        # The place of a repeated row is beside the one that it repeats.
        of = np.cumsum(~again) - 1
        again, replaced = again.copy(), found.replaced[of]
        data = data | {"ts_ns": found.ts_ns[of]}
        order = _order(data["ts_ns"], places[data["code"]])
        order = order[~replaced[order]]
        data, again = {key: values[order] for key, values in data.items()}, again[order]
    ts_ns = data["ts_ns"]
    inside = slice(
        None if start_ns is None else np.searchsorted(ts_ns, start_ns),
        None if end_ns is None else np.searchsorted(ts_ns, end_ns),
    )
    data, again = {key: values[inside] for key, values in data.items()}, again[inside]
    return data, again, sweep_findings(found, data["ts_ns"])
