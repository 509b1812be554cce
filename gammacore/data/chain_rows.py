"""Rows of one chain file in arrays, held against the names of their instruments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gammacore.array_types import Bools, Floats, Ints
from gammacore.contracts import Option, family, parse
from gammacore.daycount import NS_PER_DAY
from gammacore.errors import ContractError, DataError

from .tables import Table
from .texts import Texts

__all__ = ["NUMBERS", "Names", "chosen_rows", "rows_of_file"]

NUMBERS = {
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
"""Array of Chains, and the file's column it comes from."""

_KINDS = {"call": 1, "c": 1, "put": -1, "p": -1}

# A fraction never has a median of 500 % over a file; a percentage always has one above 5.
_LARGEST_MEDIAN_IV = 5.0


class Names:
    """Texts of all files and their codes; each instrument name is parsed once."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.options: list[Option] = []
        self.made: list[str] = [""]
        self._code: dict[str, int] = {}

    def encode(self, names: Texts) -> npt.NDArray[np.int32]:
        """Codes of instrument names; ContractError if one is not an option's."""
        return names.each(self._encode, np.int32)

    def _encode(self, name: str) -> int:
        if name not in self._code:
            option = parse(name)
            if not isinstance(option, Option):
                raise ContractError(
                    f"instrument name {name!r}: not an option; remove rows of other contracts"
                )
            self._code[name] = len(self.names)
            self.names.append(name)
            self.options.append(option)
        return self._code[name]

    def places(self) -> Ints:
        """Place of each instrument by expiry, strike and kind."""
        order = sorted(range(len(self.options)), key=lambda code: _place(self.options[code]))
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        return place

    def encode_made(self, text: str) -> int:
        """Code of how a row was made, 0 where it was recorded."""
        if text not in self.made:
            self.made.append(text)
        return self.made.index(text)


def _place(option: Option) -> tuple[int, float, int]:
    return option.expiry_ns, option.strike, option.kind


def chosen_rows(table: Table, currency: str, start_ns: int | None, end_ns: int | None) -> Ints:
    """Rows of the currency and period."""
    keep = table.columns["instrument_name"].each(lambda name: family(name) == currency, bool)
    ts_ns = table.columns["timestamp"]
    if start_ns is not None:
        keep &= ts_ns >= start_ns
    if end_ns is not None:
        keep &= ts_ns < end_ns
    return np.flatnonzero(keep)


def rows_of_file(table: Table, rows: Ints, codes: Names, names: Mapping[str, str]) -> dict[str, Any]:
    """Row arrays of one file, after the checks that make a file unusable.

    Raises
    ------
    DataError
        Naming file, line, column and cell of the first row that contradicts its name or cannot be right.
    """
    raw = _taken(table.columns, rows)

    def refuse(wrong: Bools, column: str, why: str) -> None:
        if wrong.any():
            raise table.error(int(rows[np.argmax(wrong)]), column, why, names)

    try:
        code = codes.encode(raw["instrument_name"])
    except ContractError as error:
        name = str(error).split("'")[1]
        refuse(raw["instrument_name"].each(lambda text: text == name, bool), "instrument_name", str(error))
        raise
    expiry = np.array([option.expiry_ns for option in codes.options], dtype=np.int64)[code]
    strike = np.array([option.strike for option in codes.options], dtype=np.float64)[code]
    kind = np.array([option.kind for option in codes.options], dtype=np.int8)[code]

    if "strike" in raw:
        refuse(raw["strike"] != strike, "strike", "contradicts the instrument name")
    if "option_type" in raw:
        kinds = raw["option_type"].each(lambda text: _KINDS.get(text.lower(), 0), np.int8)
        refuse(kinds != kind, "option_type", "contradicts the instrument name")
    if "expiry_datetime" in raw:
        # A date alone means the exchange's hour of that day.
        said = raw["expiry_datetime"]
        other = said != expiry
        other[other] = said[other] != expiry[other] // NS_PER_DAY * NS_PER_DAY
        refuse(other, "expiry_datetime", "contradicts the instrument name")
    for column in ("bid_price", "ask_price", "mark_price"):
        refuse(raw[column] < 0, column, "is a negative price")
    for column in ("underlying", "index_price"):
        if column in raw:
            refuse(raw[column] <= 0, column, "is not a positive price")
    _refuse_percentages(table, raw["implied_volatility"], names)

    blank = np.full(rows.size, np.nan)
    return {
        "ts_ns": raw["timestamp"],
        "expiry_ns": expiry,
        "strike": strike,
        "kind": kind,
        **{key: raw.get(column, blank) for key, column in NUMBERS.items()},
        "synthetic": _texts(raw, "underlying_name", _is_synthetic, bool, rows.size),
        "code": code,
        "made": _texts(raw, "modelled", codes.encode_made, np.int32, rows.size),
    }


def _taken(columns: Mapping[str, Any], rows: Ints) -> dict[str, Any]:
    """Rows of all columns; whole columns as they are."""
    if rows.size == len(columns["timestamp"]):
        return dict(columns)
    return {
        key: values.take(rows) if isinstance(values, Texts) else values[rows]
        for key, values in columns.items()
    }


def _texts(raw: Mapping[str, Any], column: str, value: Any, dtype: npt.DTypeLike, size: int) -> Any:
    """Return what each text of a column says, zeros if the file does not have it."""
    return raw[column].each(value, dtype) if column in raw else np.zeros(size, dtype)


def _is_synthetic(name: str) -> bool:
    return name.startswith("SYN.") or name == "index_price"


def _refuse_percentages(table: Table, iv: Floats, names: Mapping[str, str]) -> None:
    known = iv[np.isfinite(iv)]
    if known.size and np.median(known) > _LARGEST_MEDIAN_IV:
        name = names.get("implied_volatility", "implied_volatility")
        raise DataError(
            f"{table.info.path}: column {name!r}: median {np.median(known):g} is no fraction; "
            "volatilities must be fractions (0.45), not percent (45)"
        )
