"""What a series of prices realised."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, overload

import numpy as np
import pandas as pd

from gammacore import volatility
from gammacore.api.frames import numbers, price_table
from gammacore.array_types import Floats, Ints
from gammacore.data import load_prices
from gammacore.data.soundness import spikes
from gammacore.data.soundness.result import FEWEST
from gammacore.errors import DataError
from gammacore.volatility.estimate import Estimate


@overload
def realised_vol(
    prices: str | Path | pd.Series | pd.DataFrame, window: None = None, *, currency: str | None = None
) -> float: ...


@overload
def realised_vol(
    prices: str | Path | pd.Series | pd.DataFrame, window: str | pd.Timedelta, *, currency: str | None = None
) -> pd.Series: ...


def realised_vol(
    prices: str | Path | pd.Series | pd.DataFrame,
    window: str | pd.Timedelta | None = None,
    *,
    currency: str | None = None,
) -> float | pd.Series:
    """Annualised close-to-close volatility of prices, or of every window of them.

    Parameters
    ----------
    prices : str, Path, Series or DataFrame
        Price bars: a file, pattern or directory; a Series by the times at which its prices were known, or
        bars with ``close`` by their start.
    window : str or Timedelta, optional
        Length of the window before each moment, such as ``"7D"``; without it one figure for all prices.
    currency : str, optional
        Coin, where the files do not say which.

    Returns
    -------
    float or Series
        Decimals a year (ACT/365F), without subtracting the mean. A Series is by the times at which prices
        were known, NaN until one window has passed.

    Raises
    ------
    DataError
        If files or frames cannot be read or contradict themselves, a price is missing or not positive, there
        is one price only, or the window is no length, holds no two prices or is longer than they are.

    Examples
    --------
    >>> import pandas as pd, gammacore as gc
    >>> days = pd.date_range("2026-01-01", periods=4, tz="UTC")
    >>> prices = pd.Series([60_000, 61_200, 60_000, 61_200], days)
    >>> round(gc.realised_vol(prices), 4)
    0.3783
    >>> gc.realised_vol(prices, "2D").round(4).tolist()
    [nan, nan, 0.3783, 0.3783]
    """
    times, closes = _closes(prices, currency)
    whole = volatility.realised_vol(times, closes)  # refuses what cannot be right
    if math.isnan(whole):
        raise DataError(f"prices: two or more are needed, at different times; got {len(times):,}")
    if not (found := spikes(times, closes)).sound and len(times) > FEWEST:
        raise DataError(f"prices: {found}; leave it out")
    if window is None:
        return whole
    try:
        length = pd.Timedelta(window).as_unit("ns").value
    except ValueError:
        raise DataError(f"window: expected a length such as 7D or 12h, got {window!r}") from None
    step, span = int(np.median(np.diff(times))), int(times[-1] - times[0])
    if not step <= length <= span:
        known = f"{pd.Timedelta(step)} (a step of them) to {pd.Timedelta(span)} (all prices)"
        raise DataError(f"window: expected a length of {known}, got {window!r}")
    series = Estimate("realised", length).series(times, closes)
    return pd.Series(series, pd.to_datetime(times, utc=True), name="realised_vol")


def _closes(prices: str | Path | pd.Series | pd.DataFrame, currency: str | None) -> tuple[Ints, Floats]:
    """Find the times at which prices were known, and the prices."""
    if isinstance(prices, str | Path):
        loaded = load_prices(prices, currency=currency)
        return loaded.ts_ns, loaded.close
    bars = price_table(prices)
    closes = numbers("prices", bars["close"])
    wrong = ~((closes > 0) & (closes < np.inf))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(f"prices: row {bars.index[row]}: expected a positive price, got {closes[row]}")
    starts: Any = bars["timestamp"].astype("int64").to_numpy()
    order = np.argsort(starts, kind="stable")
    starts, closes = starts[order], closes[order]
    again = np.flatnonzero(np.diff(starts) == 0)
    clash = again[closes[again] != closes[again + 1]]
    if clash.size:
        one, other = closes[clash[0] : clash[0] + 2]
        row = bars.index[order[clash[0] + 1]]
        raise DataError(f"prices: row {row}: another row of this time has {one:g}, not {other:g}; keep one")
    starts, closes = np.delete(starts, again), np.delete(closes, again)
    length = int(np.diff(starts).min()) if len(starts) > 1 else 0
    return starts + length, closes
