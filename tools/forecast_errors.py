"""Errors of the built-in forecasts, as gammacore/volatility/forecast_error_table.py has them.

    python tools/forecast_errors.py DATA > gammacore/volatility/forecast_error_table.py
    ruff format gammacore/volatility/forecast_error_table.py

DATA holds ``prices/btcusdt_binance_spot_1h.csv.gz`` and ``prices/ethusdt_bybit_perp_1h.csv.gz``, and the
volatility index in ``dvol/btc_dvol_1h.csv.gz`` and ``dvol/eth_dvol_1d.csv.gz``. Every six hours up to the end
of 2025: the logarithm of the volatility realised over each horizon, by hours and per variance time, over the
forecast, and how it depends on the forecast; and the clock that tells that time. What few hours add to mean
and variance is taken off.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.data import load_prices
from gammacore.data.dvol import load_dvol
from gammacore.daycount import NS_PER_DAY, parse_time
from gammacore.volatility.clock import VarianceClock, fit_clock
from gammacore.volatility.estimate import Estimate
from gammacore.volatility.forecast_errors import HORIZONS, LEVEL, WINDOWS
from gammacore.volatility.index_history import IndexEstimate, IndexHistory
from gammacore.volatility.learned_estimate import LearnedEstimate

FILES = {"BTC": "btcusdt_binance_spot_1h.csv.gz", "ETH": "ethusdt_bybit_perp_1h.csv.gz"}
INDEX = {"BTC": "btc_dvol_1h.csv.gz", "ETH": "eth_dvol_1d.csv.gz"}
COLUMNS = "mean", "slope", "sd"
MODULE = '''"""Mean, slope and deviation of the forecasts' errors by horizon: tools/forecast_errors.py."""

Row = tuple[float, ...]

TABLES: dict[str, dict[str, tuple[tuple[Row, Row, Row], ...]]] = '''
START, END = parse_time("2019-01-01"), parse_time("2025-12-30")


def main() -> None:
    """Print all tables as a module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    folder = parser.parse_args().data
    clocks = {coin: clock_of(folder, coin) for coin in FILES}
    found = {
        coin: {kind: table(folder, coin, kind, clock) for kind in series_of(folder, coin)}
        for coin, clock in clocks.items()
    }
    weights = {coin: tuple(round(float(x), 3) for x in clock.weights) for coin, clock in clocks.items()}
    rows = {
        coin: {kind: tuple(tuple(map(tuple, row.values())) for row in rows) for kind, rows in kinds.items()}
        for coin, kinds in found.items()
    }
    print(f"{MODULE}{rows!r}\n\n# fmt: off\nWEIGHTS: dict[str, Row] = {{")  # noqa: T201
    for coin, week in weights.items():
        halves = (", ".join(f"{x:.3f}" for x in week[k : k + 12]) for k in range(0, len(week), 12))
        print(f'    "{coin}": (  # half a day a line')  # noqa: T201
        print("".join(f"        {half},\n" for half in halves) + "    ),")  # noqa: T201
    print("}\n# fmt: on")  # noqa: T201


def clock_of(folder: Path, coin: str) -> VarianceClock:
    """Fit the clock of the same prices."""
    ts, close, _ = prices_of(folder, coin)
    return fit_clock(ts, close)


def table(folder: Path, coin: str, kind: str, clock: VarianceClock) -> list[dict[str, list[float]]]:
    """Errors of a kind of forecast: for each of its windows, or one."""
    ts, close, total = prices_of(folder, coin)
    rows = []
    for make in series_of(folder, coin)[kind]:
        estimate = make.series(ts, close)
        found = np.array([errors(ts, total, estimate, days, clock) for days in HORIZONS])
        names = zip(COLUMNS, found.T, strict=True)
        rows.append({name: [round(float(value), 3) for value in column] for name, column in names})
    return rows


def series_of(folder: Path, coin: str) -> dict[str, list[Estimate | IndexEstimate | LearnedEstimate]]:
    """Estimates by their kind."""
    index = load_dvol(folder / "dvol" / INDEX[coin])
    history = IndexHistory(index.ts_ns, index.vol, NS_PER_DAY, 2 * index.interval_ns)
    return {
        "forecast": [Estimate("forecast", round(days * NS_PER_DAY)) for days in WINDOWS],
        "realised": [Estimate("realised", round(days * NS_PER_DAY)) for days in WINDOWS],
        "dvol": [IndexEstimate(history)],
        "har": [LearnedEstimate()],
        "combined": [LearnedEstimate(history)],
    }


def prices_of(folder: Path, coin: str) -> tuple[Ints, Floats, Floats]:
    """Load times, closes, and the squares of the moves so far."""
    prices = load_prices(folder / "prices" / FILES[coin], currency=coin)
    used = (prices.ts_ns >= START) & (prices.ts_ns < END)
    close = prices.close[used]
    return prices.ts_ns[used], close, np.concatenate([[0.0], np.cumsum(np.diff(np.log(close)) ** 2)])


def errors(
    ts: Ints, total: Floats, estimate: Floats, days: float, clock: VarianceClock
) -> tuple[float, float, float]:
    """Mean at the level, slope and deviation of the logarithm of realised over forecast volatility."""
    hours = round(24 * days)
    start = np.arange(0, len(ts) - hours, 6)
    start = start[ts[start + hours] - ts[start] == round(days * NS_PER_DAY)]
    start = start[np.isfinite(estimate[start])]
    years = clock.elapsed(ts[start], ts[start + hours])
    realised = np.sqrt((total[start + hours] - total[start]) / years)
    found, above = np.log(realised / estimate[start]), np.log(estimate[start] / LEVEL)
    slope, mean = np.polyfit(above, found, 1)
    noise = 0.5 / hours  # of the logarithm of a root mean square of so many normal returns
    left = np.var(found - mean - slope * above)
    return float(mean) + noise, float(slope), float(np.sqrt(max(left - noise, 0.0)))


if __name__ == "__main__":
    main()
