"""Files of option chains: read, held against each other and against the names, reported on."""

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gammacore.array_types import Bools, Floats, Ints
from gammacore.contracts import Option, family, parse
from gammacore.data.chains import Chains
from gammacore.data.listings import price_grid
from gammacore.data.moments import period
from gammacore.data.quality import Finding, Quality
from gammacore.data.sweeps import gather, small_chains, sweep_findings
from gammacore.data.tables import (
    Column,
    Table,
    data_files,
    first_cells,
    missing_columns,
    read_header,
    read_table,
)
from gammacore.data.trees import only_series, read_series
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, format_time
from gammacore.errors import ContractError, DataError

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

MODELLED = "modelled from trades (no recording)"
"""Name of the check that counts rows of chains that nobody recorded."""

# Array of Chains, and the file's column it comes from.
_NUMBERS = {
    "forward": "underlying",
    "index": "index_price",
    "bid": "bid_price",
    "ask": "ask_price",
    "mark": "mark_price",
    "iv": "implied_volatility",
    "delta": "delta",
    "vega": "vega",
    "open_interest": "open_interest",
    "bid_size": "bid_amount",
    "ask_size": "ask_amount",
}

FIRST_ROWS = 1_000  # of a file, by which it is told to be of another currency

# A fraction never has a median of 500 % over a file; a percentage always has one above 5.
_LARGEST_MEDIAN_IV = 5.0


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
    names = dict(columns or {})
    tables, ignored = _read_files(path, names, currency)
    currency = _choose_currency(path, tables, currency)
    parts, codes = [], _Names()
    # A sweep counts where its last row is, so those at the edges are read whole.
    edge = sweep_ns or 0
    first_ns = None if start_ns is None else start_ns - delay_ns - edge
    last_ns = None if end_ns is None else end_ns - delay_ns + edge
    for table in tables:
        rows = _select(table, currency, first_ns, last_ns)
        if rows.size:
            parts.append((table.info, _check_file(table, rows, codes, names)))
    if not parts:
        raise DataError(f"{path}: no row of {currency} in the chosen period")
    data = {key: np.concatenate([part[key] for _, part in parts]) for key in parts[0][1]}
    data["ts_ns"] = data["ts_ns"] + delay_ns
    data, again = _ordered(data)
    data, again, swept = _swept(data, again, sweep_ns, start_ns, end_ns)
    if not data["ts_ns"].size:
        raise DataError(f"{path}: no row of {currency} in the chosen period")
    data, findings = _clean(data, again, codes.names)
    if not data["ts_ns"].size:
        raise DataError(f"{path}: every row of {currency} is at or after its expiry")
    snapshot_ts, first = np.unique(data["ts_ns"], return_index=True)
    findings += _findings(data, codes.names, codes.options[0])
    modelled, finding = _modelled(data.pop("modelled"), data, codes.names)
    findings += [finding, *swept, small_chains(snapshot_ts, np.diff(first, append=data["ts_ns"].size))]
    findings.append(_gap_finding(snapshot_ts, max_gap_ns))
    findings.append(
        Finding(
            "files ignored (not chains, or another currency)",
            len(ignored),
            len(tables) + len(ignored),
            ", ".join(ignored),
        )
    )
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
    path: str | Path, names: Mapping[str, str], currency: str | None
) -> tuple[list[Table], list[str]]:
    name, stored = only_series(path)
    if not stored and not Path(path).expanduser().exists() and _in_a_store(path):
        raise DataError(
            f"{path}: no chains here: downloads bring none, as the exchange keeps no history of them. "
            "Import or record them (gammacore data import, gammacore data record), model them from trades "
            "(gammacore data build-chains), or leave --chains out and backtest at a flat volatility "
            "(--set marks.source=flat)"
        )
    if stored:
        return [read_series(name, stored, COLUMNS, {"timestamp": "ts_ns", **names})], []
    files = data_files(path)
    one = len(files) == 1 and files[0] == Path(path).expanduser()
    other = [file for file in files if not one and missing_columns(read_header(file), COLUMNS, names)]
    other += [file for file in files if not one and file not in other and _of_another(file, names, currency)]
    # Unpacking a file keeps one core busy, so they are read side by side.
    with ThreadPoolExecutor() as pool:
        tables = list(
            pool.map(lambda file: read_table(file, COLUMNS, names), [f for f in files if f not in other])
        )
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
    found = sorted({family(name) for table in tables for name in pd.unique(table.columns["instrument_name"])})
    if not found:
        raise DataError(f"{path}: there is a header but no row")
    if currency is None and len(found) > 1:
        raise DataError(f"{path}: holds {', '.join(found)}; name one of them as the currency")
    if currency is not None and currency not in found:
        raise DataError(f"{path}: no instrument of currency {currency!r}; there is {', '.join(found)}")
    return currency or found[0]


def _select(table: Table, currency: str, start_ns: int | None, end_ns: int | None) -> Ints:
    """Rows of the currency and period."""
    codes, uniques = pd.factorize(table.columns["instrument_name"])
    keep = np.array([family(name) == currency for name in uniques], dtype=bool)[codes]
    ts_ns = table.columns["timestamp"]
    if start_ns is not None:
        keep &= ts_ns >= start_ns
    if end_ns is not None:
        keep &= ts_ns < end_ns
    return np.flatnonzero(keep)


class _Names:
    """Dictionary of instrument names over all files; each is parsed once."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.options: list[Option] = []
        self._code: dict[str, int] = {}

    def encode(self, values: npt.NDArray[np.object_]) -> npt.NDArray[np.int32]:
        """Codes of names; ContractError if one is not an option's."""
        local, uniques = pd.factorize(values)
        return np.array([self._encode(name) for name in uniques], dtype=np.int32)[local]

    def _encode(self, name: str) -> int:
        if name not in self._code:
            option = parse(name)
            if not isinstance(option, Option):
                raise ContractError(f"instrument name {name!r}: not an option")
            self._code[name] = len(self.names)
            self.names.append(name)
            self.options.append(option)
        return self._code[name]


def _check_file(table: Table, rows: Ints, codes: _Names, names: Mapping[str, str]) -> dict[str, Any]:
    """Row arrays of one file, after the checks that make a file unusable."""
    raw = {key: values[rows] for key, values in table.columns.items()}

    def refuse(wrong: Bools, column: str, why: str) -> None:
        if wrong.any():
            raise table.error(int(rows[np.argmax(wrong)]), column, why, names)

    try:
        code = codes.encode(raw["instrument_name"])
    except ContractError as error:
        name = str(error).split("'")[1]
        raise table.error(
            int(rows[np.argmax(raw["instrument_name"] == name)]), "instrument_name", str(error), names
        ) from None
    expiry = np.array([option.expiry_ns for option in codes.options], dtype=np.int64)[code]
    strike = np.array([option.strike for option in codes.options], dtype=np.float64)[code]
    kind = np.array([option.kind for option in codes.options], dtype=np.int8)[code]

    if "strike" in raw:
        refuse(raw["strike"] != strike, "strike", "contradicts the instrument name")
    if "option_type" in raw:
        said, texts = pd.factorize(raw["option_type"])
        kinds = np.array([_KINDS.get(text.lower(), 0) for text in texts], dtype=np.int8)[said]
        refuse(kinds != kind, "option_type", "contradicts the instrument name")
    if "expiry_datetime" in raw:
        # A date alone means the exchange's hour of that day.
        said = raw["expiry_datetime"]
        same = (said == expiry) | ((said % NS_PER_DAY == 0) & (said == expiry // NS_PER_DAY * NS_PER_DAY))
        refuse(~same, "expiry_datetime", "contradicts the instrument name")
    for column in ("bid_price", "ask_price", "mark_price"):
        refuse(raw[column] < 0, column, "is a negative price")
    for column in ("underlying", "index_price"):
        if column in raw:
            refuse(raw[column] <= 0, column, "is not a positive price")
    _refuse_percentages(table, raw["implied_volatility"], names)

    blank = np.full(rows.size, np.nan)
    numbers = {key: raw.get(column, blank) for key, column in _NUMBERS.items()}
    return {
        "ts_ns": raw["timestamp"],
        "expiry_ns": expiry,
        "strike": strike,
        "kind": kind,
        **numbers,
        "synthetic": _is_synthetic(raw, rows.size),
        "code": code,
        "modelled": raw.get("modelled", np.full(rows.size, "", dtype=object)),
    }


def _is_synthetic(raw: Mapping[str, Any], size: int) -> Bools:
    if "underlying_name" not in raw:
        return np.zeros(size, dtype=bool)
    said, texts = pd.factorize(raw["underlying_name"])
    names = [str(text) for text in texts]
    flags = [name.startswith("SYN.") or name == "index_price" for name in names]
    return np.array([*flags, False], dtype=bool)[said]  # -1, a blank name, is the last


def _modelled(
    texts: npt.NDArray[np.object_], data: Mapping[str, Any], names: Sequence[str]
) -> tuple[str, Finding]:
    """Say how rows that were not recorded were made, and count them."""
    said, uniques = pd.factorize(texts)
    mask = np.array([*map(bool, uniques), False], dtype=bool)[said]  # -1, a blank cell, is the last
    return "; ".join(sorted(filter(None, uniques))), _finding(MODELLED, mask, data, names)


_KINDS = {"call": 1, "c": 1, "put": -1, "p": -1}


def _refuse_percentages(table: Table, iv: Floats, names: Mapping[str, str]) -> None:
    known = iv[np.isfinite(iv)]
    if known.size and np.median(known) > _LARGEST_MEDIAN_IV:
        name = names.get("implied_volatility", "implied_volatility")
        raise DataError(
            f"{table.info.path}: column {name!r}: median {np.median(known):g} is no fraction; "
            "volatilities must be fractions (0.45), not percent (45)"
        )


def _ordered(data: dict[str, Any]) -> tuple[dict[str, Any], Bools]:
    """Order the rows, and say which repeat an instrument of their stamp."""
    order = np.lexsort((data["kind"], data["strike"], data["expiry_ns"], data["ts_ns"]))
    data = {key: values[order] for key, values in data.items()}
    ts_ns, code = data["ts_ns"], data["code"]
    again = np.zeros(ts_ns.size, dtype=bool)
    again[1:] = (ts_ns[1:] == ts_ns[:-1]) & (code[1:] == code[:-1])
    return data, again


def _swept(
    data: dict[str, Any], again: Bools, sweep_ns: int | None, start_ns: int | None, end_ns: int | None
) -> tuple[dict[str, Any], Bools, list[Finding]]:
    """Gather the rows of sweeps at the time of their last, and keep what is inside the period."""
    once = np.flatnonzero(~again) if again.any() else slice(None)
    found = None if sweep_ns is None else gather(data["ts_ns"][once], data["code"][once], sweep_ns)
    if found is not None:
        # The place of a repeated row is beside the one that it repeats.
        of = np.cumsum(~again) - 1
        again, replaced = again.copy(), found.replaced[of]
        data = data | {"ts_ns": found.ts_ns[of]}
        order = np.lexsort((data["kind"], data["strike"], data["expiry_ns"], data["ts_ns"]))
        order = order[~replaced[order]]
        data, again = {key: values[order] for key, values in data.items()}, again[order]
    ts_ns = data["ts_ns"]
    inside = slice(
        None if start_ns is None else np.searchsorted(ts_ns, start_ns),
        None if end_ns is None else np.searchsorted(ts_ns, end_ns),
    )
    data, again = {key: values[inside] for key, values in data.items()}, again[inside]
    return data, again, sweep_findings(found, data["ts_ns"])


def _clean(data: dict[str, Any], again: Bools, names: Sequence[str]) -> tuple[dict[str, Any], list[Finding]]:
    """Drop repeated and expired rows."""
    differs = np.zeros_like(again)
    for key in _NUMBERS:
        here, before = data[key][1:], data[key][:-1]
        differs[1:] |= (here != before) & ~(np.isnan(here) & np.isnan(before))
    expired = data["ts_ns"] >= data["expiry_ns"]

    def finding(check: str, mask: Bools) -> Finding:
        return _finding(check, mask, data, names)

    findings = [
        finding("repeated rows dropped (first kept)", again),
        finding("of these, with other values", again & differs),
        finding("expired rows dropped", expired & ~again),
    ]
    keep = ~(again | expired)
    if not keep.all():
        data = {key: values[keep] for key, values in data.items()}
    return data, findings


def _findings(data: dict[str, Any], names: Sequence[str], option: Option) -> list[Finding]:
    """Run the checks that keep the rows; a quote of zero becomes none."""

    def finding(check: str, mask: Bools) -> Finding:
        return _finding(check, mask, data, names)

    bid, ask, mark = data["bid"], data["ask"], data["mark"]
    findings = [finding("quotes of zero, read as none", (bid == 0) | (ask == 0))]
    bid[bid == 0] = np.nan
    ask[ask == 0] = np.nan
    findings += [
        finding("bid above ask", bid > ask),
        finding("mark outside bid and ask", (mark < bid) | (mark > ask)),
        finding("no mark", np.isnan(mark)),
        finding("no forward", np.isnan(data["forward"])),
        finding("no index", np.isnan(data["index"])),
        finding("no volatility", ~(data["iv"] > 0)),
        finding("no listed future (synthetic forward)", data["synthetic"]),
    ]
    for name, values in (("bid", bid), ("ask", ask)):
        findings.append(finding(f"{name} off tick", _off_tick(values, data["ts_ns"], option)))
    return findings


def _off_tick(values: Floats, ts_ns: Ints, option: Option) -> Bools:
    """Quotes, in order of time, off the grid that options had on their day; none where it is not known."""
    off = np.zeros(values.size, dtype=bool)
    days, first = np.unique(ts_ns // NS_PER_DAY, return_index=True)
    for day, begin, end in zip(days.tolist(), first, [*first[1:], values.size], strict=True):
        spec = price_grid(option, day * NS_PER_DAY)
        if spec is not None:
            part = values[begin:end]
            off[begin:end] = np.isfinite(part) & ~spec.is_on_tick(part)
    return off


def _finding(check: str, mask: Bools, data: Mapping[str, Any], names: Sequence[str]) -> Finding:
    count = int(np.count_nonzero(mask))
    example = ""
    if count:
        row = int(np.argmax(mask))
        example = (
            f"{format_time(data['ts_ns'][row])} {names[data['code'][row]]} "
            f"bid {data['bid'][row]:g} ask {data['ask'][row]:g} mark {data['mark'][row]:g}"
        )
    return Finding(check, count, mask.size, example)


def _gap_finding(snapshot_ts: Ints, max_gap_ns: int) -> Finding:
    steps = np.diff(snapshot_ts)
    if not steps.size:
        return Finding("gaps between snapshots", 0, 0)
    gaps = steps > max(max_gap_ns, 1.5 * float(np.median(steps)))
    longest = int(np.argmax(steps))
    example = f"longest {steps[longest] / NS_PER_HOUR:.1f} h from {format_time(snapshot_ts[longest])}"
    return Finding("gaps between snapshots", int(gaps.sum()), steps.size, example if gaps.any() else "")
