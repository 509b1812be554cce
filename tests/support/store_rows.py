"""Rows of a store, by kind."""

import numpy as np

from gammacore.daycount import NS_PER_MINUTE, NS_PER_SECOND, parse_time

DAY = "2026-03-01"
START = parse_time(DAY)


def index(rows):
    """Columns of (ts, known, price), seconds into the day."""
    return {
        "ts_ns": [START + ts * NS_PER_SECOND for ts, _, _ in rows],
        "known_ns": [START + known * NS_PER_SECOND for _, known, _ in rows],
        "seq": list(range(len(rows))),
        "index_name": ["btc_usd"] * len(rows),
        "price": [price for _, _, price in rows],
    }


def candles(minutes, name="BTC-PERPETUAL"):
    ts = START + NS_PER_MINUTE * np.asarray(minutes)
    rows = {"ts_ns": ts, "known_ns": ts + NS_PER_MINUTE, "instrument_name": [name] * ts.size}
    rows |= {"interval_ns": [NS_PER_MINUTE] * ts.size}
    return rows | {column: [1.0] * ts.size for column in ("open", "high", "low", "close", "volume", "cost")}
