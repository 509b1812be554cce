"""Files that others recorded: which columns they have, and what rows of the store they are.

The column names are those of tardis.dev's datasets (microseconds, ``local_timestamp`` is the arrival),
Binance's klines, and chain snapshots as `load_chains` reads them. Anything else goes through a mapping, see
`mapped`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import msgspec

from gammacore.errors import ConfigError, DataError

from .cells import time_sql, whole_sql
from .schemas import IS_COMBO, IS_OPTION, IS_SPOT, KINDS, kind_named
from .tables import lookalike

__all__ = ["FORMATS", "KLINES", "Format", "detect", "mapped", "value_sql"]


class Format(msgspec.Struct, frozen=True):
    """How to read one sort of file.

    Attributes
    ----------
    name : str
    kinds : dict of str to str
        Kinds of rows, and the condition in SQL for a row to be of it (empty for all).
    fields : dict of str to str
        Value in SQL of each column of the kinds, where the file has one. ``{column}`` is a column of the file
        as text; with ``:number``, ``:integer`` or ``:time`` it is cast, and a cell that is not one is an
        error.
    required : tuple of str
        Columns of the file that must be there.
    optional : tuple of str
        Columns that may be there; otherwise they count as blank.
    constants : dict of str to str
        Value in SQL, complete, of columns of the kinds that are the same in all rows.
    """

    name: str
    kinds: dict[str, str]
    fields: dict[str, str]
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    constants: dict[str, str] = {}


def _trades() -> dict[str, str]:
    """Kinds of trades, and what their instruments are called."""
    spot, combo, option = (f"regexp_matches({{symbol}}, '{name}')" for name in (IS_SPOT, IS_COMBO, IS_OPTION))
    return {
        "option_trades": f"{option} AND NOT {combo}",
        "future_trades": f"NOT {option} AND NOT {combo} AND NOT {spot}",
        "combo_trades": combo,
        "spot_trades": spot,
    }


_TARDIS = {"ts_ns": "{timestamp:time}", "known_ns": "{local_timestamp:time}", "instrument_name": "{symbol}"}
_BASE = ("exchange", "symbol", "timestamp", "local_timestamp")
_SIDES = {name: f"{{{name}:number}}" for name in ("bid_price", "bid_amount", "ask_price", "ask_amount")}


def _percent(column: str) -> str:
    return f"{{{column}:number}} / 100.0"


def _numbers(*columns: str) -> dict[str, str]:
    return {column: f"{{{column}:number}}" for column in columns}


def _levels(side: str, depth: int) -> str:
    """Levels of a side as the exchange writes them: [[price, amount], ...]."""
    parts = []
    for k in range(depth):
        price, amount = (f"CAST({{{side}[{k}].{what}:number}} AS VARCHAR)" for what in ("price", "amount"))
        parts.append(f"coalesce(',[' || {price} || ',' || coalesce({amount}, 'null') || ']', '')")
    return f"'[' || substr({' || '.join(parts)}, 2) || ']'"


def _book(depth: int) -> Format:
    columns = [
        f"{side}[{k}].{what}"
        for k in range(depth)
        for side in ("asks", "bids")
        for what in ("price", "amount")
    ]
    fields = {"type": "'snapshot'", "bids": _levels("bids", depth), "asks": _levels("asks", depth)}
    return Format(f"book_snapshot_{depth}", {"books": ""}, _TARDIS | fields, (*_BASE, *columns))


KLINES = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)
"""Columns of Binance's klines, which come with and without a header."""

_CHAIN = ("bid_price", "ask_price", "mark_price", "implied_volatility", "underlying")
_CHAIN_MORE = ("index_price", "delta", "vega", "open_interest")

FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        Format(
            "options_chain",
            {"tickers": ""},
            _TARDIS
            | _SIDES
            | _numbers("mark_price", "last_price", "open_interest", "delta", "gamma", "vega", "theta", "rho")
            | {name: _percent(name) for name in ("mark_iv", "bid_iv", "ask_iv")}
            | {"underlying_name": "{underlying_index}", "underlying": "{underlying_price:number}"},
            (
                *_BASE,
                *("type", "strike_price", "expiration", "open_interest", "last_price"),
                *("bid_price", "bid_amount", "bid_iv", "ask_price", "ask_amount", "ask_iv"),
                *("mark_price", "mark_iv", "underlying_index", "underlying_price"),
                *("delta", "gamma", "vega", "theta", "rho"),
            ),
        ),
        Format("quotes", {"quotes": ""}, _TARDIS | _SIDES, (*_BASE, *_SIDES)),
        Format(
            "trades",
            _trades(),
            _TARDIS | _numbers("price", "amount") | {"trade_id": "{id}", "direction": "{side}"},
            (*_BASE, "id", "side", "price", "amount"),
        ),
        Format(
            "derivative_ticker",
            {"tickers": ""},
            _TARDIS
            | _numbers("open_interest", "last_price", "index_price", "mark_price")
            | {"funding_8h": "{funding_rate:number}", "current_funding": "{predicted_funding_rate:number}"},
            (
                *(*_BASE, "funding_timestamp", "funding_rate", "predicted_funding_rate"),
                *("open_interest", "last_price", "index_price", "mark_price"),
            ),
        ),
        _book(25),
        _book(5),
        Format(
            "chains",
            {"chains": ""},
            _numbers(*_CHAIN, *_CHAIN_MORE)
            | {
                "ts_ns": "{timestamp:time}",
                "instrument_name": "{instrument_name}",
                "underlying_name": "coalesce(nullif({underlying_name}, ''), 'unknown')",
            },
            ("timestamp", "instrument_name", *_CHAIN),
            (*_CHAIN_MORE, "underlying_name"),
        ),
        Format(
            "klines",
            {"candles": ""},
            _numbers("open", "high", "low", "close", "volume")
            | {"ts_ns": "{open_time:time}", "cost": "{quote_volume:number}"},
            KLINES[:6],
            ("quote_volume",),
        ),
    )
}
"""Known sorts of files by name; one that has more columns comes before one that has a part of them."""


def detect(header: Sequence[str], name: str, path: str) -> Format:
    """Sort of a file by its header.

    Parameters
    ----------
    header : sequence of str
    name : str
        Of a format, or ``auto``.
    path : str
        For errors.

    Raises
    ------
    DataError
        Naming what is missing, and the nearest column there is.
    """
    if name == "auto":
        fitting = [one for one in FORMATS.values() if set(one.required) <= set(header)]
        if fitting:
            return max(fitting, key=lambda one: len(one.required))
        chosen = max(
            FORMATS.values(), key=lambda one: len(set(one.required) & set(header)) / len(one.required)
        )
    elif name in FORMATS:
        chosen = FORMATS[name]
    else:
        near = difflib.get_close_matches(name, FORMATS, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"format: {name!r} is none of auto, {', '.join(FORMATS)}{hint}")
    missing = [column for column in chosen.required if column not in header]
    if missing:
        hints = []
        for column in missing[:5]:
            near = difflib.get_close_matches(column, header, n=1, cutoff=0.5)
            hints.append(f"{column!r}" + (f" (nearest: {near[0]!r})" if near else ""))
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise DataError(
            f"{path}: missing columns {', '.join(hints)}{more} of {chosen.name}; found {list(header)}"
            f"{lookalike(header, chosen.required)}"
        )
    return chosen


def mapped(kind: str, mapping: Mapping[str, str], header: Sequence[str], path: str) -> Format:
    """Format of a file whose columns are named one by one.

    Parameters
    ----------
    kind : str
        Of rows.
    mapping : mapping of str to str
        Column of the kind to the file's; ``ts_ns`` and what tells rows apart are needed. Numbers are taken as
        they are, in the units of the kind; a name in single quotes is a text for all rows.
    header : sequence of str
    path : str
        For errors.

    Raises
    ------
    ConfigError
        If a column of the kind is unknown or missing.
    DataError
        If the file lacks a column.
    """
    schema = kind_named(kind)
    unset = {"known_ns", "seq", "interval_ns", "trade_seq"}
    for field in mapping:
        if field not in schema.columns:
            near = difflib.get_close_matches(field, schema.columns, n=1, cutoff=0.5)
            raise ConfigError(
                f"map: {kind} has no column {field!r}" + (f"; did you mean {near[0]}?" if near else "")
            )
    lacking = [
        name for name in dict.fromkeys(("ts_ns", *schema.key)) if name not in mapping and name not in unset
    ]
    if lacking:
        raise ConfigError(f"map: {kind} needs {', '.join(lacking)}; give --map {lacking[0]}=COLUMN")
    fields, constants, required = {}, {}, []
    for field, column in mapping.items():
        cast = _cast_of(schema.columns[field], field)
        if column.startswith("'") and column.endswith("'"):
            constants[field] = _checked("'" + column[1:-1].replace("'", "''") + "'", field, cast)
            continue
        if column not in header:
            near = difflib.get_close_matches(column, header, n=1, cutoff=0.5)
            hint = f" (nearest: {near[0]!r})" if near else ""
            found = f"{list(header)}{lookalike(header, [column])}"
            raise DataError(f"{path}: missing columns {column!r}{hint}; found {found}")
        fields[field] = f"{{{column}{':' * bool(cast)}{cast}}}"
        required.append(column)
    return Format("mapped", {kind: ""}, fields, tuple(required), constants=constants)


def _cast_of(sql: str, field: str) -> str:
    """How a cell of a column of the store is read."""
    if field.endswith("_ns") and field != "interval_ns":
        return "time"
    return {"BIGINT": "integer", "DOUBLE": "number", "VARCHAR": ""}[sql]


def value_sql(column: str, cast: str) -> str:
    """Write the SQL of one cell; where it is not what it should be the query fails with its text.

    Parameters
    ----------
    column : str
    cast : str
        ``number``, ``integer``, ``time`` or empty for text.
    """
    name = column.replace('"', '""')
    return _checked(f'trim("{name}")', column, cast)


def _checked(text: str, column: str, cast: str) -> str:
    """Write the SQL of a text as a value, which fails with the name of its column."""
    if not cast:
        return f"coalesce({text}, '')"
    shown = column.replace("'", "''")
    wrong = f"error('column ''{shown}'': ' || coalesce({text}, '') || ' is not a {cast}')"
    if cast == "time":
        return f"coalesce({time_sql(text)}, {wrong})"
    blank = f"coalesce(lower({text}), '') IN ('', 'nan', 'null', 'none', 'na')"
    value = f"TRY_CAST({text} AS DOUBLE)" if cast == "number" else whole_sql(text)
    good = f"isfinite({value})" if cast == "number" else f"{value} IS NOT NULL"
    return f"CASE WHEN {blank} THEN NULL WHEN {good} THEN {value} ELSE {wrong} END"


assert all(kind in KINDS for one in FORMATS.values() for kind in one.kinds)
