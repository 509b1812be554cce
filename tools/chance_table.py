"""How often straddles would have paid, and the chance that each law gave them.

    python tools/chance_table.py DATA

DATA holds ``prices/btcusdt_binance_spot_1h.csv.gz`` and ``prices/ethusdt_bybit_perp_1h.csv.gz``. Every day a
straddle at the money is bought at 55 % of a volatility scaled so that the forecast (exponentially weighted,
half-life a week) is 60 %, and held to its end along the recorded hours. The forecast's mean error and its
deviation are those of all lives, in logarithms: what is tested is the law. Prints a table of
docs/breakeven.md.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from test_breakeven_law import COST, DAY, RULES, F, Straddle, chain, first_cost, weigh

from gammacore.breakeven import TradePlan
from gammacore.data import load_prices
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR
from gammacore.volatility.estimate import Estimate
from gammacore.volatility.price_law import PRICE_LAWS

FILES = {"BTC": "btcusdt_binance_spot_1h.csv.gz", "ETH": "ethusdt_bybit_perp_1h.csv.gz"}
NAMES = ("interval", "band", "whalley_wilmott")
WARM_UP = 60 * 24  # hours


def main() -> None:
    """Print one row a coin, life and rule."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    folder = parser.parse_args().data / "prices"
    say("| coin | days | rule | lives | paid, % | gbm, % | fitted, % |")
    say("|---|---|---|---|---|---|---|")
    for coin, file in FILES.items():
        prices = load_prices(folder / file, currency=coin)
        for days in (1, 2, 5, 11):
            moves, median, log_sd = lives(prices.ts_ns, prices.close, days)
            for name in NAMES:
                profit, _ = Straddle(RULES[name], days, F, DAY / 24).run(moves)
                row = []
                for law in (None, PRICE_LAWS[coin]):
                    plan = TradePlan(policy=RULES[name], hedge_cost=COST, look_every=DAY / 24, law=law)
                    found = weigh(chain((F,), days, half_spread=-0.05), plan, median, log_sd)
                    row.append(100.0 * float(found.probability[0]))
                paid = 100.0 * np.mean(profit > float(found.premium[0]) + first_cost(RULES[name], days, F))
                figures = " | ".join(f"{value:.1f}" for value in (paid, *row))
                say(f"| {coin} | {days} | {name} | {len(profit)} | {figures} |")


def lives(ts_ns: np.ndarray, close: np.ndarray, days: int) -> tuple[np.ndarray, float, float]:
    """Hourly log moves of every life without a gap, scaled, and the forecast that fits them."""
    steps, returns = 24 * days, np.concatenate([[0.0], np.diff(np.log(close))])
    start = np.arange(WARM_UP, len(close) - steps - 1, 24)
    start = start[ts_ns[start + steps] - ts_ns[start] == steps * NS_PER_HOUR]
    forecast = Estimate("forecast", 7 * NS_PER_DAY).series(ts_ns, close)[start]
    moves = np.stack([returns[start + 1 + step] for step in range(steps)]) * (0.6 / forecast)
    logs = 0.5 * np.log(np.square(moves).sum(axis=0) / (days * DAY))
    return moves - moves.mean(), math.exp(float(logs.mean())), float(logs.std())


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
