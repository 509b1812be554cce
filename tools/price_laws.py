"""Laws of the coins' prices, as gammacore/volatility/price_law.py has them.

    python tools/price_laws.py DATA

DATA holds ``prices/btcusdt_binance_spot_1h.csv.gz`` and ``prices/ethusdt_bybit_perp_1h.csv.gz``. Prints
the law of each coin up to the end of 2025, and of both halves of that time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gammacore.data import load_prices
from gammacore.daycount import parse_time
from gammacore.volatility.price_law import fit_price_law

FILES = {"BTC": "btcusdt_binance_spot_1h.csv.gz", "ETH": "ethusdt_bybit_perp_1h.csv.gz"}
SPANS = (("2019-01-01", "2025-12-30"), ("2019-01-01", "2023-01-01"), ("2023-01-01", "2025-12-30"))


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    folder = parser.parse_args().data / "prices"
    for coin, file in FILES.items():
        prices = load_prices(folder / file, currency=coin)
        for start, end in SPANS:
            used = (prices.ts_ns >= parse_time(start)) & (prices.ts_ns < parse_time(end))
            law = fit_price_law(prices.ts_ns[used], prices.close[used])
            text = ", ".join(f"{name} {getattr(law, name):.4g}" for name in law.__struct_fields__)
            print(f"{coin} {start} to {end}: {text}")  # noqa: T201


if __name__ == "__main__":
    main()
