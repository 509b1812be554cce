"""Small chain files, made here: four snapshots of two expiries with exact marks."""

import csv
import gzip
import io
from pathlib import Path

from gammacore import inverse
from gammacore.contracts import CALL, PUT, Option, Settlement
from gammacore.daycount import NS_PER_HOUR, expiry_ns, format_time, parse_time, year_fraction

START = parse_time("2026-01-05T04:00:00Z")
HEADER = [
    "timestamp",
    "instrument_name",
    "option_type",
    "strike",
    "expiry_datetime",
    "underlying",
    "index_price",
    "bid_price",
    "ask_price",
    "mark_price",
    "implied_volatility",
    "delta",
    "vega",
    "open_interest",
]


def rows(base="BTC", forward=90_000.0):
    """Dictionaries of text, one a quote, in the order of the exchange's files."""
    for step in range(4):
        ts_ns = START + step * 6 * NS_PER_HOUR
        for day in ("2026-01-16", "2026-03-27"):
            for strike in (float(round(share * forward)) for share in (0.9, 1.0, 1.1)):
                for kind in (CALL, PUT):
                    yield quote(
                        Option(base, Settlement.INVERSE, expiry_ns(day), strike, kind), ts_ns, forward
                    )


def quote(option, ts_ns, forward, vol=0.5):
    tau = year_fraction(ts_ns, option.expiry_ns)
    greeks = inverse.greeks(option.kind, forward, option.strike, tau, vol)
    return {
        "timestamp": format_time(ts_ns),
        "instrument_name": option.name,
        "option_type": "call" if option.kind == CALL else "put",
        "strike": f"{option.strike:g}",
        "expiry_datetime": format_time(option.expiry_ns),
        "underlying": f"{forward:.2f}",
        "index_price": f"{forward - 10:.2f}",
        "bid_price": "0.001",
        "ask_price": "",
        "mark_price": f"{greeks.price:.8f}",
        "implied_volatility": f"{vol:.4f}",
        "delta": f"{greeks.delta:.5f}",
        "vega": f"{greeks.vega / 100:.5f}",
        "open_interest": "1.5",
    }


def text(quotes, header=HEADER, newline="\n", delimiter=","):
    file = io.StringIO()
    writer = csv.DictWriter(file, header, delimiter=delimiter, lineterminator=newline, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(quotes)
    return file.getvalue()


def write(path: Path, content: str) -> Path:
    data = content.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path
