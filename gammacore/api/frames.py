"""Option chains as DataFrames: columns of the exchange, of tardis.dev or of gammacore become one form."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from gammacore.array_types import Floats, Ints
from gammacore.contracts import Option, parse
from gammacore.data.cells import time_sql, why_no_time
from gammacore.data.moments import moment
from gammacore.data.prices import TIME_NAMES
from gammacore.data.tables import connect
from gammacore.daycount import NS_PER_YEAR, parse_time
from gammacore.errors import ContractError, DataError

__all__ = ["NAMES", "analysed", "chain_table", "coins_of", "nanoseconds", "numbers", "price_table"]

# What a column may be called: ours first, then the exchange's and tardis'.
NAMES: dict[str, tuple[str, ...]] = {
    "instrument_name": ("instrument_name", "symbol", "instrument"),
    "timestamp": ("timestamp", "creation_timestamp", "time", "ts"),
    "underlying": ("underlying", "underlying_price", "forward"),
    "bid_price": ("bid_price", "best_bid_price", "bid"),
    "ask_price": ("ask_price", "best_ask_price", "ask"),
    "mark_price": ("mark_price", "mark", "price"),
    "implied_volatility": ("implied_volatility", "mark_iv", "iv"),
    "index_price": ("index_price", "estimated_delivery_price", "index"),
}
NEEDED = ("instrument_name", "underlying", "mark_price")
IN_PERCENT = "mark_iv"  # the exchange and tardis give percent under this name


def analysed(frame: pd.DataFrame, *, at: Any = None) -> pd.DataFrame:
    """Implied volatilities and Greeks of a chain, on its own index.

    Parameters
    ----------
    frame : DataFrame
        One row per option: a name, a price in the settlement currency, the forward, and a time (columns, or
        levels of the index). They may be called as the exchange, tardis.dev or gammacore call them.
    at : time or ISO 8601 text, optional
        Of all rows, in place of the frame's own.

    Returns
    -------
    DataFrame
        ``kind``, ``strike``, ``expiry``, ``forward``, ``tau`` (years), ``vol``, ``status`` and the Greeks of
        `gammacore.chain.ChainGreeks`, raw: vega per 1.00, theta per year. ``net_delta`` of options in USDC is
        their ``delta``.

    Raises
    ------
    DataError
        Naming the column that is missing, or the row whose name is no option, whose time no time or whose
        price no number.
    """
    from gammacore import chain

    found, times = _columns(frame, NEEDED), _times(frame, at)
    options = _options(found["instrument_name"])
    kind = np.array([option.kind for option in options], np.int8)
    strike = np.array([option.strike for option in options])
    expiry_ns = np.array([option.expiry_ns for option in options], np.int64)
    linear = {option.settlement.value == "linear" for option in options}
    if linear == {True, False}:
        raise DataError("chain: options settled in coin and in USDC are two chains; analyse them one by one")
    forward, price = (numbers("chain", found[name]) for name in ("underlying", "mark_price"))
    tau = np.maximum((expiry_ns - times) / NS_PER_YEAR, 0.0)
    in_usdc = linear == {True}
    # The same option in coin has the same volatility; in USDC it has no value in coin to hedge.
    told = chain.analyse(kind, price / forward if in_usdc else price, forward, strike, tau)
    if in_usdc:
        told = told._replace(net_delta=told.delta)
    head = {"kind": kind, "strike": strike, "expiry": pd.to_datetime(expiry_ns, utc=True), "forward": forward}
    return pd.DataFrame(head | {"tau": tau} | told._asdict(), index=frame.index)


def coins_of(frame: pd.DataFrame) -> list[str]:
    """Coins of a chain's options, by name."""
    return sorted({str(name).partition("-")[0] for name in _columns(frame, NEEDED)["instrument_name"]})


def chain_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Chain with the column names that :func:`gammacore.data.load_chains` reads."""
    needed = (*NEEDED, "bid_price", "ask_price", "implied_volatility")
    found = _columns(frame, needed)
    if "implied_volatility" not in frame and IN_PERCENT in frame:
        found["implied_volatility"] = numbers("chain", found["implied_volatility"]) / 100.0
    times = pd.to_datetime(_times(frame, None), utc=True)
    return found.assign(timestamp=times).reset_index(drop=True)


def price_table(prices: pd.Series | pd.DataFrame) -> pd.DataFrame:
    """Bars with the columns that :func:`gammacore.data.load_prices` reads, in the order of the rows.

    Parameters
    ----------
    prices : Series or DataFrame
        A Series of prices by the times at which they were known; or bars with ``close``, by their start, as
        exchanges publish them: a DatetimeIndex, or a column ``timestamp``, ``open_time`` or the like.

    Raises
    ------
    DataError
        If there are no times or no ``close``.
    """
    if not isinstance(prices, pd.Series | pd.DataFrame):
        got = type(prices).__name__  # type: ignore[unreachable]
        raise DataError(f"prices: expected a path, a pandas Series or DataFrame, got {got}")
    frame = prices.to_frame("close") if isinstance(prices, pd.Series) else prices
    held = {name: _column("prices", frame, (name,)) for name in ("close", "open", "high", "low")}
    if held["close"] is None:
        raise DataError(f"prices: no column close; there are {list(frame)}")
    timed = isinstance(frame.index, pd.DatetimeIndex)
    given = frame.index.to_series() if timed else _column("prices", frame, TIME_NAMES)
    if given is None:
        raise DataError(f"prices: expected a DatetimeIndex or a column of {', '.join(TIME_NAMES)}")
    times = nanoseconds("prices", given)
    if isinstance(prices, pd.Series) and (steps := np.diff(np.unique(times))).size:
        times = times - steps.min()  # a bar starts its length before its close is known
    bars = {name: column for name, column in held.items() if column is not None}
    return pd.DataFrame({"timestamp": pd.to_datetime(times, utc=True).array} | bars, index=frame.index)


def nanoseconds(argument: str, times: pd.Series) -> Ints:
    """Return times of a column in UTC; what is no datetime is read as a cell of a file would be.

    Raises
    ------
    DataError
        Naming the first row without a time.
    """
    if pd.api.types.is_datetime64_any_dtype(times):
        wrong = times.isna().to_numpy()
        found = pd.to_datetime(times, utc=True).astype("datetime64[ns, UTC]").astype("int64").to_numpy()
    else:
        with connect() as database:
            database.register("given", {"cell": times.astype(object).map(str).to_numpy(object)})
            read = database.execute(f"SELECT {time_sql('trim(cell)')} AS ns FROM given")
            told: Any = read.fetchnumpy()["ns"]
        wrong, found = np.ma.getmaskarray(told), np.ma.getdata(told)
    if wrong.any():
        row = int(np.argmax(wrong))
        cell = str(times.iloc[row])
        raise DataError(f"{argument}: row {times.index[row]}: time {cell!r} {why_no_time(cell)}")
    return np.asarray(found, np.int64)


def numbers(argument: str, column: pd.Series) -> Floats:
    """Numbers of a column, NaN where one is missing.

    Raises
    ------
    DataError
        Naming the first row that holds something else.
    """
    try:
        if column.dtype.kind in "bc":
            raise TypeError
        return column.to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        told = pd.to_numeric(column.astype(object).map(str), errors="coerce").isna() & column.notna()
        row = int(np.argmax(told))
        raise DataError(
            f"{argument}: row {column.index[row]}, column {column.name}: {column.iloc[row]!r} is not a number"
        ) from None


def _columns(frame: pd.DataFrame, needed: Sequence[str]) -> pd.DataFrame:
    """Columns under our names."""
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"chain: expected a pandas DataFrame, got {type(frame).__name__}")
    found = {}
    for ours, names in NAMES.items():
        column = _column("chain", frame, names)
        if column is not None:
            found[ours] = column
        elif ours in needed:
            raise DataError(f"chain: no column {ours} (or {', '.join(names[1:])}); there are {list(frame)}")
    return pd.DataFrame(found, index=frame.index)


def _column(argument: str, frame: pd.DataFrame, names: Sequence[str]) -> pd.Series | None:
    """Return the column, or level of the index, that has the first of the names; None if there is none."""
    for name in names:
        if name in frame:
            if isinstance(frame[name], pd.DataFrame):
                raise DataError(f"{argument}: column {name} is there more than once")
            return frame[name]
        if name in frame.index.names:
            return pd.Series(frame.index.get_level_values(name), frame.index, name=name)
    return None


def _times(frame: pd.DataFrame, at: Any) -> Ints:
    """Time of each row, nanoseconds UTC."""
    if at is not None:
        return np.full(len(frame), _moment(at))
    times = _column("chain", frame, NAMES["timestamp"])
    if times is None:
        if not isinstance(frame.index, pd.DatetimeIndex):
            raise DataError("chain: no time: give a column timestamp, a DatetimeIndex, or at=")
        times = frame.index.to_series()
    return nanoseconds("chain", times)


def _moment(at: Any) -> int:
    if not isinstance(at, str | date) or isinstance(at, datetime):
        return moment("at", at)
    try:
        return parse_time(at)
    except ValueError as error:
        raise DataError(f"at: {error}") from None


def _options(names: pd.Series) -> list[Option]:
    found = []
    for row, name in names.items():
        try:
            option = parse(str(name))
        except ContractError as error:
            raise DataError(f"chain: row {row}: {error}") from None
        if not isinstance(option, Option):
            raise DataError(f"chain: row {row}: {name} is no option")
        found.append(option)
    return found
