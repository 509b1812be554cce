"""Delivery prices: recorded ones, and the average of price bars that stands in for them."""

from pathlib import Path

import numpy as np

from gammacore.data.moments import moment
from gammacore.data.prices import Prices
from gammacore.data.tables import Column, data_files, pick_column, read_header, read_table
from gammacore.data.trees import only_series
from gammacore.daycount import (
    EXPIRY_HOUR,
    NS_PER_DAY,
    NS_PER_HOUR,
    NS_PER_MINUTE,
    SETTLEMENT_WINDOW_NS,
    expiry_ns,
    format_time,
    utc_date,
)
from gammacore.errors import DataError

__all__ = ["delivery_from_prices", "load_delivery"]

# A date says the exchange's hour of its day; a stamp is that hour, and some are late by seconds.
_LATE_NS = 5 * NS_PER_MINUTE


def load_delivery(
    path: str | Path, *, start_ns: int | None = None, end_ns: int | None = None
) -> dict[int, float]:
    """Load recorded delivery prices of one coin.

    Parameters
    ----------
    path : str or pathlib.Path
        A file with a ``date`` (a day, or 08:00 UTC of it) and a ``price`` (or ``delivery_price``) in USD, or
        a store's ``processed/delivery/BTC``.
    start_ns, end_ns : int, optional
        Keep expiries with ``start_ns <= expiry < end_ns``.

    Returns
    -------
    dict of int to float
        Price by expiry (08:00 UTC of the day, in nanoseconds), ascending.

    Raises
    ------
    DataError
        If the file is broken, a time is neither a day nor 08:00 UTC, a price is missing or not positive, or a
        day has two prices.
    """
    file, parts = only_series(path)
    if not parts:
        files = data_files(path)
        if len(files) != 1:
            raise DataError(f"{path}: holds {len(files)} files; name the one of the coin")
        file = files[0]
    header = read_header(parts[0] if parts else file)
    names = {"price": pick_column(file, header, ("price", "delivery_price"))}
    table = read_table(file, [Column("date", "time"), Column("price", "number")], names, parts)
    price = table.columns["price"]
    if not price.size:
        raise DataError(f"{file}: there is a header but no row")
    wrong = ~(price > 0)
    if wrong.any():
        raise table.error(int(np.argmax(wrong)), "price", "is not a positive price", names)
    hour = table.columns["date"] % NS_PER_DAY
    odd = (hour != 0) & ((hour < EXPIRY_HOUR * NS_PER_HOUR) | (hour > EXPIRY_HOUR * NS_PER_HOUR + _LATE_NS))
    if odd.any():
        raise table.error(int(np.argmax(odd)), "date", "is neither a day nor 08:00 UTC of one", names)
    prices: dict[int, float] = {}
    for ts_ns, value in sorted(zip(table.columns["date"].tolist(), price.tolist(), strict=True)):
        expiry = expiry_ns(utc_date(ts_ns))
        if prices.setdefault(expiry, value) != value:
            raise DataError(f"{file}: two prices for {format_time(expiry)}: {prices[expiry]:g} and {value:g}")
    return {
        expiry: value
        for expiry, value in prices.items()
        if (start_ns is None or expiry >= start_ns) and (end_ns is None or expiry < end_ns)
    }


def delivery_from_prices(prices: Prices, expiry_ns: int) -> float:
    """Delivery price that bars suggest: their mean over the half hour before expiry.

    Parameters
    ----------
    prices : Prices
    expiry_ns : int
        Expiry, nanoseconds UTC.

    Returns
    -------
    float
        USD. A bar counts with the middle of its open and close (its close, if opens are
        not known); bars have one length, so the mean is the time-weighted average of what
        bars there are. NaN if no bar lies wholly inside the window, as for hourly bars.
    """
    expiry_ns = moment("expiry_ns", expiry_ns)
    opens_ns = expiry_ns - SETTLEMENT_WINDOW_NS
    inside = slice(
        int(np.searchsorted(prices.ts_ns, opens_ns + prices.interval_ns, side="left")),
        int(np.searchsorted(prices.ts_ns, expiry_ns, side="right")),
    )
    if inside.start >= inside.stop:
        return float("nan")
    close = prices.close[inside]
    return float(np.mean(close if prices.open is None else 0.5 * (prices.open[inside] + close)))
