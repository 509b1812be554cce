"""Option chains as DataFrames: columns of the exchange, of tardis.dev or of gammacore become one form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gammacore.contracts import Option, parse
from gammacore.daycount import NS_PER_YEAR
from gammacore.errors import ContractError, DataError

__all__ = ["NAMES", "analysed", "chain_table", "price_table"]

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
        One row per option: a name, a price in the settlement currency, the forward, and a time (column, or
        the index). Columns may be called as the exchange, tardis.dev or gammacore call them.
    at : time, optional
        Of all rows, where the frame has none.

    Returns
    -------
    DataFrame
        ``kind``, ``strike``, ``expiry``, ``forward``, ``tau`` (years), ``vol``, ``status`` and the Greeks of
        `gammacore.chain.ChainGreeks`, raw: vega per 1.00, theta per year.

    Raises
    ------
    DataError
        Naming the column that is missing, or the row whose name is no option.
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
    forward = found["underlying"].to_numpy(np.float64, na_value=np.nan)
    price = found["mark_price"].to_numpy(np.float64, na_value=np.nan)
    tau = np.maximum((expiry_ns - times) / NS_PER_YEAR, 0.0)
    if linear == {True}:
        price = price / forward  # the same option in coin has the same volatility
    told = chain.analyse(kind, price, forward, strike, tau)
    head = {"kind": kind, "strike": strike, "expiry": pd.to_datetime(expiry_ns, utc=True), "forward": forward}
    return pd.DataFrame(head | {"tau": tau} | told._asdict(), index=frame.index)


def chain_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Chain with the column names that :func:`gammacore.data.load_chains` reads."""
    needed = (*NEEDED, "bid_price", "ask_price", "implied_volatility")
    found = _columns(frame, needed)
    if "implied_volatility" not in frame and IN_PERCENT in frame:
        found["implied_volatility"] = found["implied_volatility"] / 100.0
    times = pd.to_datetime(_times(frame, None), utc=True)
    return found.assign(timestamp=times).reset_index(drop=True)


def price_table(prices: pd.Series | pd.DataFrame) -> pd.DataFrame:
    """Bars with the columns that :func:`gammacore.data.load_prices` reads.

    Parameters
    ----------
    prices : Series or DataFrame
        A Series of prices by the times at which they were known; or bars with ``close``, by their start, as
        exchanges publish them. Without a DatetimeIndex a frame needs a column ``timestamp``.
    """
    frame = prices.to_frame("close") if isinstance(prices, pd.Series) else prices
    if not isinstance(frame.index, pd.DatetimeIndex):
        if "timestamp" in frame:
            return frame
        raise DataError("prices: expected a DatetimeIndex or a column timestamp")
    times = frame.index.tz_localize("UTC") if frame.index.tz is None else frame.index.tz_convert("UTC")
    if isinstance(prices, pd.Series) and len(times) > 1:
        times = times - pd.Series(times).diff().min()  # a bar starts its length before its close is known
    return frame.assign(timestamp=times)


def _columns(frame: pd.DataFrame, needed: Sequence[str]) -> pd.DataFrame:
    """Columns under our names."""
    found = {}
    for ours, names in NAMES.items():
        known = next((name for name in names if name in frame), None)
        if known is not None:
            found[ours] = frame[known]
        elif ours in needed:
            raise DataError(f"chain: no column {ours} (or {', '.join(names[1:])}); there are {list(frame)}")
    return pd.DataFrame(found, index=frame.index)


def _times(frame: pd.DataFrame, at: Any) -> Any:
    """Time of each row, nanoseconds UTC."""
    if at is not None:
        times: Any = pd.Series(pd.Timestamp(at), index=frame.index)
    else:
        name = next((name for name in NAMES["timestamp"] if name in frame), None)
        if name is not None:
            times = frame[name]
        elif isinstance(frame.index, pd.DatetimeIndex):
            times = frame.index.to_series()
        else:
            raise DataError("chain: no time: give a column timestamp, a DatetimeIndex, or at=")
    if pd.api.types.is_numeric_dtype(times):
        unit = {13: "ms", 16: "us", 19: "ns", 10: "s"}.get(len(str(int(times.iloc[0]))))
        if unit is None:
            raise DataError(f"chain: timestamp {times.iloc[0]} is no time in s, ms, us or ns")
        stamps: Any = pd.to_datetime(times, unit=unit, utc=True)  # type: ignore[call-overload]
    else:
        stamps = pd.to_datetime(times, utc=True)
    return stamps.astype("datetime64[ns, UTC]").astype("int64").to_numpy()


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
