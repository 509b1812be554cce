"""Two sound days of bars, funding, chains, quotes and tickers, as rows that a test can spoil."""

import numpy as np

from gammacore import inverse
from gammacore.contracts import parse
from gammacore.data.rows import day_of
from gammacore.data.schemas import KINDS
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, parse_time, year_fraction

START = parse_time("2026-03-02")
DAYS = 2
OPTIONS = [f"BTC-27MAR26-{strike}-{side}" for strike in (84_000, 88_000, 92_000, 96_000) for side in "CP"]
HALF_HOUR = 30 * NS_PER_MINUTE


def price():
    """Closes of all minutes, which are known at the end of theirs."""
    steps = 0.0006 * np.random.default_rng(8).standard_normal(DAYS * 1_440)
    return np.round(2.0 * 90_000.0 * np.exp(np.cumsum(steps))) / 2.0


def at(closes, ts_ns):
    return closes[np.maximum((ts_ns - START) // NS_PER_MINUTE - 1, 0)]


def table(kind, ts_ns, names, **columns):
    size = len(ts_ns)
    blank = {"BIGINT": 0, "DOUBLE": np.nan, "VARCHAR": ""}
    rows = {
        name: np.full(size, blank[sql], dtype=object if sql == "VARCHAR" else None)
        for name, sql in KINDS[kind].columns.items()
    }
    rows |= {"ts_ns": np.array(ts_ns), "known_ns": np.array(ts_ns)}
    if names is not None:
        rows["index_name" if "index_name" in rows else "instrument_name"] = np.array(names, dtype=object)
    return rows | {name: np.array(values) for name, values in columns.items()}


def sound():
    """Rows by kind."""
    closes = price()
    minutes = START + NS_PER_MINUTE * np.arange(closes.size)
    opens = np.concatenate((closes[:1], closes[:-1]))
    candles = table(
        "candles",
        minutes,
        ["BTC-PERPETUAL"] * closes.size,
        open=opens,
        close=closes,
        high=np.maximum(opens, closes),
        low=np.minimum(opens, closes),
        volume=np.ones(closes.size),
        cost=np.ones(closes.size),
        interval_ns=np.full(closes.size, NS_PER_MINUTE),
        known_ns=minutes + NS_PER_MINUTE,
    )
    hours = START + NS_PER_HOUR * np.arange(24 * DAYS)
    rates = 1e-6 * np.sin(np.arange(hours.size))
    funding = table("funding", hours, ["BTC-PERPETUAL"] * hours.size, funding_rate=rates)
    half = START + HALF_HOUR * np.arange(1, 48 * DAYS)
    middle = at(closes, half)
    sides = {"bid_price": middle - 0.5, "ask_price": middle + 0.5}
    amounts = {"bid_amount": np.ones(half.size), "ask_amount": np.ones(half.size)}
    quotes = table(
        "quotes", half, ["BTC-PERPETUAL"] * half.size, **sides, **amounts, known_ns=half + 1_000_000
    )
    return {"candles": candles, "funding": funding, "chains": chains(closes), "quotes": quotes}


def chains(closes):
    """One chain an hour, five minutes past it."""
    ts = np.repeat(START + NS_PER_HOUR * np.arange(24 * DAYS) + 5 * NS_PER_MINUTE, len(OPTIONS))
    names = OPTIONS * (24 * DAYS)
    parsed = [parse(name) for name in names]
    kind = np.array([one.kind for one in parsed], dtype=np.int8)
    strike = np.array([one.strike for one in parsed])
    tau = year_fraction(ts, np.array([one.expiry_ns for one in parsed]))
    forward = 1.001 * at(closes, ts)
    vol = np.full(ts.size, 0.5)
    mark = inverse.greeks(kind, forward, strike, tau, vol).price
    tick = np.where(mark > 0.0052, 0.0005, 0.0001)
    return table(
        "chains",
        ts,
        names,
        underlying=forward,
        index_price=at(closes, ts),
        mark_price=mark,
        implied_volatility=vol,
        bid_price=np.round((np.floor(mark / tick) * tick), 4),
        ask_price=np.round((np.ceil(mark / tick) + 1) * tick, 4),
        underlying_name=["BTC-27MAR26"] * ts.size,
    )


def write(store, world, currency="BTC"):
    """Write all rows, by day, under a currency."""
    for kind, rows in world.items():
        days = rows["ts_ns"] // NS_PER_DAY
        for day in np.unique(days):
            part = {name: column[days == day] for name, column in rows.items()}
            store.write(kind, currency, day_of(int(day) * NS_PER_DAY), "BTC-PERPETUAL_1m_x", part)
