"""Errors of the built-in forecasts, as gammacore/volatility/forecast_errors.py has them.

    python tools/forecast_errors.py DATA

DATA holds ``prices/btcusdt_binance_spot_1h.csv.gz`` and ``prices/ethusdt_bybit_perp_1h.csv.gz``, and the
volatility index in ``dvol/btc_dvol_1h.csv.gz`` and ``dvol/eth_dvol_1d.csv.gz``. Every six
hours up to the end of 2025: the logarithm of the volatility realised over each horizon, by hours, over the
forecast. What few hours add to its mean and variance is taken off.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from gammacore.data import load_prices
from gammacore.data.dvol import load_dvol
from gammacore.daycount import NS_PER_DAY, NS_PER_YEAR, parse_time
from gammacore.volatility.estimate import Estimate
from gammacore.volatility.forecast_errors import HORIZONS, WINDOWS
from gammacore.volatility.index_history import IndexEstimate, IndexHistory

FILES = {"BTC": "btcusdt_binance_spot_1h.csv.gz", "ETH": "ethusdt_bybit_perp_1h.csv.gz"}
INDEX = {"BTC": "btc_dvol_1h.csv.gz", "ETH": "eth_dvol_1d.csv.gz"}
START, END = parse_time("2019-01-01"), parse_time("2025-12-30")


def main() -> None:
    """Print the table as Python."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    folder = parser.parse_args().data
    for coin in FILES:
        ts, close, total = _prices(folder, coin)
        for kind in ("forecast", "realised"):
            rows = []
            for window in WINDOWS:
                estimate = Estimate(kind, round(window * NS_PER_DAY)).series(ts, close)
                rows.append([errors(ts, total, estimate, horizon) for horizon in HORIZONS])
            _show(coin, kind, np.array(rows))
        _show(coin, "dvol", np.array([np.transpose(dvol_table(folder, coin))]))


def _show(coin: str, kind: str, table: np.ndarray) -> None:
    for name, part in (("mean", table[..., 0]), ("sd", table[..., 1])):
        lines = ", ".join("(" + ", ".join(f"{value:.3f}" for value in row) + ")" for row in part)
        print(f'("{coin}", "{kind}") {name}: ({lines}),')  # noqa: T201


def _prices(folder: Path, coin: str, start_ns: int = START) -> tuple[np.ndarray, ...]:
    """Load times, closes, and the squares of the moves so far."""
    prices = load_prices(folder / "prices" / FILES[coin], currency=coin)
    used = (prices.ts_ns >= start_ns) & (prices.ts_ns < END)
    close = prices.close[used]
    return prices.ts_ns[used], close, np.concatenate([[0.0], np.cumsum(np.diff(np.log(close)) ** 2)])


def dvol_table(folder: Path, coin: str) -> tuple[list[float], list[float]]:
    """Mean and deviation of the errors of the volatility index at all horizons."""
    index = load_dvol(folder / "dvol" / INDEX[coin])
    ts, close, total = _prices(folder, coin, int(index.ts_ns[0]))
    history = IndexHistory(index.ts_ns, index.vol, NS_PER_DAY, 2 * index.interval_ns)
    estimate = IndexEstimate(history).series(ts, close)
    found = [errors(ts, total, estimate, horizon) for horizon in HORIZONS]
    return [mean for mean, _ in found], [sd for _, sd in found]


def errors(ts: np.ndarray, total: np.ndarray, estimate: np.ndarray, days: float) -> tuple[float, float]:
    """Mean and deviation of the logarithm of realised over forecast volatility."""
    hours = round(24 * days)
    start = np.arange(0, len(ts) - hours, 6)
    start = start[ts[start + hours] - ts[start] == round(days * NS_PER_DAY)]
    realised = np.sqrt((total[start + hours] - total[start]) * (NS_PER_YEAR / (days * NS_PER_DAY)))
    found = np.log(realised / estimate[start])
    found = found[np.isfinite(found)]
    noise = 0.5 / hours  # of the logarithm of a root mean square of so many normal returns
    return float(found.mean()) + noise, float(np.sqrt(max(found.var() - noise, 0.0)))


if __name__ == "__main__":
    main()
