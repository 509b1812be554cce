"""What a break-even signal would have changed: the same straddles with and without it, on recorded chains.

    python tools/signal_table.py DIR [--currency BTC] [--rule interval]

DIR holds deribit_options/, prices/ and dvol/. Unconditional entries beside those that wait for the signal, at
several thresholds, by two forecasts: exponentially weighted over seven days, and ``combined``. Differences of
the mean profit per straddle, in percent of its premium, with an sd by resampling whole weeks of entry (10,000
draws), as straddles of one week share their market.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.config import Config, load_config
from gammacore.daycount import NS_PER_DAY, format_time

DRAWS = 10_000
COMMON = {
    "entry.expiries": "any",
    "entry.min_days": 1.5,
    "entry.max_days": 9.0,
    "marks.forward": "parity",
    "hedge.every": "6h",
    "hedge.band": 0.2,
    "costs.max_quote_age": None,
}
ASKED = {
    "unconditional": {},
    "P(profit) >= 0.5": {"signal.min_probability": 0.5},
    "edge >= -5 points": {"signal.min_edge": -0.05},
    "edge >= 0": {"signal.min_edge": 0.0},
    "edge >= 5 points": {"signal.min_edge": 0.05},
}
COMBINED = {"signal.forecast": "combined"}
ROWS = [*ASKED.items(), *((f"combined, {name}", asked | COMBINED) for name, asked in ASKED.items() if asked)]


def outcomes(config: Config) -> np.ndarray:
    """Week of entry, profit over premium, and profit in coin, of every straddle that was closed."""
    tape = load_market(config).tape
    run = replay(config, tape)
    rows = []
    for done in run.episode_runs:
        episode = done.episode
        if episode.premium and episode.close_ns:
            profit = episode.ledger.profit().coin
            rows.append((episode.entry_ns // (7 * NS_PER_DAY), profit / episode.premium, profit))
    return np.array(rows).reshape(-1, 3)


def resampled(first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Differences of the mean profit when the weeks are drawn again, the same ones for both."""
    weeks = np.unique(np.concatenate([first[:, 0], second[:, 0]]))

    def sums(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        at = np.searchsorted(weeks, rows[:, 0])
        return np.bincount(at, rows[:, 1], len(weeks)), np.bincount(at, minlength=len(weeks))

    drawn = rng.integers(0, len(weeks), (DRAWS, len(weeks)))
    (one, n_one), (other, n_other) = sums(first), sums(second)
    with np.errstate(invalid="ignore"):
        return other[drawn].sum(1) / n_other[drawn].sum(1) - one[drawn].sum(1) / n_one[drawn].sum(1)


def main(words: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--currency", default="BTC")
    parser.add_argument("--rule", default="interval")
    options = parser.parse_args(words)
    prices = {"BTC": "btcusdt_binance_spot_1h.csv.gz", "ETH": "ethusdt_bybit_perp_1h.csv.gz"}
    index = {"BTC": "btc_dvol_1h.csv.gz", "ETH": "eth_dvol_1d.csv.gz"}
    named = {
        "currency": options.currency,
        "data.chains": str(options.data / "deribit_options"),
        "data.prices": str(options.data / "prices" / prices[options.currency]),
        "data.dvol": str(options.data / "dvol" / index[options.currency]),
        "hedge.rule": options.rule,
    }
    out = sys.stdout.write
    rng = np.random.default_rng(1)
    base = None
    out(
        "| entries | straddles | mean % of premium | sd | difference | its sd | 5 % to 95 % | total, coin |\n"
    )
    out("|" + "---|" * 8 + "\n")
    for name, asked in ROWS:
        config = load_config(None, COMMON | named | asked)
        found = outcomes(config)
        base = found if base is None else base
        if not len(found):
            out(f"| {name} | 0 | | | | | | 0 |\n")
            continue
        mean, sd = 100 * found[:, 1].mean(), 100 * found[:, 1].std()
        row = f"| {name} | {len(found)} | {mean:+.1f} | {sd:.1f} "
        if found is base:
            row += "| | | "
        else:
            apart = 100 * resampled(base, found, rng)
            apart = apart[np.isfinite(apart)]
            low, high = np.quantile(apart, (0.05, 0.95))
            gained = mean - 100 * base[:, 1].mean()
            row += f"| {gained:+.1f} | {apart.std():.1f} | {low:+.1f} to {high:+.1f} "
        out(row + f"| {found[:, 2].sum():+.3f} |\n")
    span = load_market(load_config(None, COMMON | named)).tape.ts_ns
    first, last = (format_time(int(ts))[:10] for ts in (span[0], span[-1]))
    out(f"\n{options.currency}, hedge {options.rule}, {first} to {last}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
