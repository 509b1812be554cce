"""A recording of 24 simulated days as files, and ways to get them wrong."""

import gzip
from functools import cache

import numpy as np
import pandas as pd

from gammacore.backtest.figures.results import run_backtest
from gammacore.backtest.replay.synthetic import simulate
from gammacore.daycount import NS_PER_HOUR
from gammacore.errors import GammacoreError
from support.markets import build

HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
MARKS = ("bid_price", "ask_price", "mark_price")
BARS = ("open", "high", "low", "close")
EPOCH = pd.Timestamp("1970-01-01", tz="UTC")


@cache
def recording():
    """Chains each six hours, bars of an hour, funding each eight, delivery prices: tables by part."""
    config = build({"market.days": 24, "market.snapshot_hours": 6.0, "market.seed": 4})
    chains, prices, funding = simulate(config.market, "BTC")
    whole = np.flatnonzero(prices.ts_ns % NS_PER_HOUR == 0)
    close = prices.close[whole]
    first = np.append(close[0], close[:-1])
    opened = pd.to_datetime(prices.ts_ns[whole] - NS_PER_HOUR, utc=True)
    expired = opened.hour == 7
    return {
        "chains": pd.DataFrame(
            {
                "timestamp": pd.to_datetime(chains.ts_ns, utc=True),
                "instrument_name": np.array(chains.names)[chains.code],
                "underlying": chains.forward.round(2),
                "index_price": chains.index.round(2),
                "bid_price": chains.bid,
                "ask_price": chains.ask,
                "mark_price": chains.mark,
                "implied_volatility": chains.iv,
            }
        ),
        "prices": pd.DataFrame(
            {
                "open_time": opened,
                "open": first,
                "high": np.maximum(first, close),
                "low": np.minimum(first, close),
                "close": close,
                "volume": 100.0 + np.arange(len(close)) % 7,
            }
        ),
        "funding": pd.DataFrame(
            {"timestamp": pd.to_datetime(funding.ts_ns, utc=True), "funding_rate": funding.rate}
        ),
        "delivery": pd.DataFrame(
            {"date": (opened[expired] + HOUR).strftime("%Y-%m-%d"), "price": close[expired]}
        ),
    }


def timed(column):
    """Times as text; other columns as they are."""
    if not isinstance(column.dtype, pd.DatetimeTZDtype):
        return column
    times = column.unique()
    return column.map(dict(zip(times, times.strftime("%Y-%m-%dT%H:%M:%SZ"), strict=True)))


def texts(column):
    return ["" if value != value else str(value) for value in timed(column).tolist()]


@cache
def sound_texts(part, name):
    return texts(recording()[part][name])


def csv(table, **how):
    """Write a table as the files of a recording are written; what is the recording's is written once."""
    if how:
        return table.apply(timed).to_csv(index=False, **how).encode()
    columns = []
    for name in table:
        parts = [part for part, whole in recording().items() if table[name].equals(whole.get(name))]
        columns.append(sound_texts(parts[0], name) if parts else texts(table[name]))
    return "\n".join([",".join(table), *map(",".join, zip(*columns, strict=True)), ""]).encode()


@cache
def sound(part):
    """Write a part as it is."""
    return csv(recording()[part])


def outcome(folder, changes=None, settings=None):
    """Run on a recording with some files replaced by tables or bytes, None for left out.

    Returns ``refused`` and why, or ``done`` and the summary.
    """
    named = {}
    for part, table in recording().items():
        content = (changes or {}).get(part, table)
        if content is None:
            continue
        data = content if isinstance(content, bytes) else sound(part) if content is table else csv(content)
        path = folder / f"btc_{part}.csv{'.gz' if data[:2] == bytes([31, 139]) else ''}"
        path.write_bytes(data)
        named[f"data.{part}"] = str(path)
    try:
        return "done", run_backtest(build({"report.html": False, **named, **(settings or {})})).summary
    except GammacoreError as error:
        return "refused", str(error).replace(str(folder), "")


# ---- ways to get a part wrong: functions of nothing that return {part: table or bytes}
def part(name, function):
    return lambda: {name: function(recording()[name].copy())}


def columns(name, **functions):
    """Some columns computed from the table, a factor where a number is given."""

    def change(table):
        whole = table.copy()
        for column, function in functions.items():
            table[column] = function(whole) if callable(function) else whole[column] * function
        return table

    return part(name, change)


def chains(**functions):
    return columns("chains", **functions)


def bars(*, factor=None, **functions):
    return columns("prices", **(functions or dict.fromkeys(BARS, factor)))


def cell(name, column, row, value):
    """One value changed, multiplied where it is a function."""

    def change(table):
        table[column] = table[column].astype(object) if isinstance(value, str) else table[column]
        table.loc[row, column] = value(table.loc[row, column]) if callable(value) else value
        return table

    return part(name, change)


def swapped(name, a, b):
    return part(name, lambda t: t.rename(columns={a: b, b: a}))


def moved(name, column, by):
    return part(name, lambda t: t.assign(**{column: t[column] + by}))


def stamped(name, column, form):
    def change(table):
        return table.assign(**{column: table[column].map({x: form(x) for x in table[column].unique()})})

    return part(name, change)


def named(function):
    return part("chains", lambda t: t.assign(instrument_name=function(t["instrument_name"].str)))


def text(name, function):
    return lambda: {name: function(sound(name).decode()).encode()}


def raw(name, function):
    return lambda: {name: function(sound(name))}


def packed(data):
    return gzip.compress(data)


def strikes(keep):
    """Chains of the strikes whose ratio to the forward is kept."""

    def change(table):
        strike = table["instrument_name"].str.split("-").str[2].astype(float)
        return table[keep(strike / table["underlying"])]

    return part("chains", change)


def since(unit):
    return lambda t: (t - EPOCH) // pd.Timedelta(1, unit)
