"""Files of a market in SOL that settles in USDC: a week of chains, hourly bars and a catalog."""

import csv
import json

import numpy as np

from gammacore import inverse
from gammacore.config import parse_config
from gammacore.contracts import CALL, PUT, Option, Settlement
from gammacore.data import Store
from gammacore.data.normal import catalog_rows
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, expiry_ns, format_time, year_fraction
from gammacore.deribit.catalog import Listing

FRIDAY = expiry_ns("2026-01-16")
START = FRIDAY - 7 * NS_PER_DAY
STRIKES = (120.0, 130.0, 140.0, 147.5, 160.0)
CATALOG = [
    {
        "instrument_name": "SOL_USDC-PERPETUAL",
        "kind": "future",
        "tick_size": 0.01,
        "contract_size": 0.1,
        "min_trade_amount": 0.1,
        "maker_commission": 0.0001,
        "taker_commission": 0.0004,
    },
    *(
        {
            "instrument_name": Option("SOL", Settlement.LINEAR, FRIDAY, strike, kind).name,
            "kind": "option",
            "tick_size": 0.1,
            "contract_size": 10.0,
            "min_trade_amount": 10.0,
            "maker_commission": 0.0002,
            "taker_commission": 0.0006,
        }
        for strike in STRIKES
        for kind in (CALL, PUT)
    ),
]


def path():
    """Hourly closes of the week, SOL from 140."""
    moves = 0.01 * np.random.default_rng(4).standard_normal(7 * 24 + 1)
    return START + NS_PER_HOUR * np.arange(moves.size), np.round(140.0 * np.exp(np.cumsum(moves)), 2)


def write(folder):
    """Write ``chains.csv``, ``prices.csv`` and ``catalog.json``."""
    ts, close = path()
    lines = [
        "timestamp,instrument_name,underlying,index_price,bid_price,ask_price,mark_price,implied_volatility"
    ]
    for ts_ns, spot in zip(ts[:-1:6].tolist(), close[:-1:6].tolist(), strict=True):
        for strike in STRIKES:
            for kind in (CALL, PUT):
                option = Option("SOL", Settlement.LINEAR, FRIDAY, strike, kind)
                tau = year_fraction(ts_ns, FRIDAY)
                mark = spot * float(inverse.price(kind, spot, strike, tau, 0.8))
                bid, ask = max(round(mark - 0.1, 1), 0.1), round(mark + 0.2, 1)
                lines.append(
                    f"{format_time(ts_ns)},{option.name},{spot},{spot},{bid:.1f},{ask:.1f},{mark:.6f},0.8"
                )
    (folder / "chains.csv").write_text("\n".join(lines) + "\n")
    bars = ["timestamp,open,high,low,close"]
    bars += [
        f"{format_time(ts_ns)},{p},{p},{p},{p}" for ts_ns, p in zip(ts.tolist(), close.tolist(), strict=True)
    ]
    (folder / "SOL_prices.csv").write_text("\n".join(bars) + "\n")
    (folder / "catalog.json").write_text(json.dumps({"jsonrpc": "2.0", "result": CATALOG}))
    return folder


def config_of(folder, **data):
    files = {"chains": str(folder / "chains.csv"), "prices": str(folder / "SOL_prices.csv")}
    return parse_config(
        {
            "currency": "SOL_USDC",
            "data": files | {"force": True} | data,
            "entry": {"min_days": 6.0, "max_days": 8.0},
            "size": {"premium_usd": 475.0},
            "hedge": {"target": "black", "rule": "band", "band": 2.0},
            "costs": {"funding": False, "hedge_half_spread_bp": 0.0},
        }
    )


def as_csv(path):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*CATALOG[0], "tick_size_steps"])
        writer.writeheader()
        writer.writerows(row | {"tick_size_steps": "[[100, 0.2]]"} for row in CATALOG)
    return path


def as_store(root):
    rows = [
        Listing(**row, creation_timestamp=START // 10**6, base_currency="SOL", settlement_currency="USDC")
        for row in CATALOG
    ]
    with Store(root) as store:
        store.write("instruments", "USDC", "2026-01-09", "SOL_download", catalog_rows(rows))
    return root
