"""Fit a surface to every recorded chain of a data directory, and say how well it went.

    python tools/surface_table.py DATA [--every N]

DATA holds ``deribit_options/{BTC,ETH}_*.csv.gz`` and, for the comparison of indices,
``dvol/btc_dvol_1h.csv.gz`` (closes of hours as fractions). Prints the tables of docs/volatility-evidence.md.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

import numpy as np

from gammacore import inverse
from gammacore.array_types import Floats
from gammacore.data import Chains, load_chains
from gammacore.data.surfaces import best_forward, snapshot_index, snapshot_surface
from gammacore.data.tables import Column, read_table
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, year_fraction
from gammacore.volatility import Reason, SliceReport, Surface, surface_index
from gammacore.volatility.fit import FEWEST

CUTS = (1.0, 1.5, 2.0, 3.0)
GRID = np.concatenate([np.linspace(-3, 3, 3_001), np.linspace(-0.3, 0.3, 3_001)])
BUCKETS = ((0, 2), (2, 8), (8, 35), (35, 100), (100, 400))


def say(text: str = "") -> None:
    """Print a line at once: a run takes half a minute."""
    print(text, flush=True)  # noqa: T201


def elsewhere(surface: Surface) -> tuple[float, float]:
    """Lowest g, and highest w over the next slice's less 1, on plain grids by formulas written out here.

    The fit enforces both on grids of its own, so what it says of itself is no evidence.
    """
    k = GRID
    lowest, excess, before = np.inf, -np.inf, None
    for a, b, rho, m, sigma in surface.raw:
        x = k - m
        h = np.sqrt(x * x + sigma * sigma)
        w, w1, w2 = a + b * (rho * x + h), b * (rho + x / h), b * sigma**2 / h**3
        g = (1 - k * w1 / (2 * w)) ** 2 - w1**2 / 4 * (1 / w + 0.25) + w2 / 2
        lowest = min(lowest, float(g.min()))
        if before is not None:
            excess = max(excess, float((before / w).max()) - 1)
        before = w
    return lowest, excess


def inside(surface: Surface, chains: Chains, i: int, forward: Floats) -> tuple[int, int]:
    """Quotes with bid and ask, used or dropped as outliers, and how many the surface lies between."""
    rows = slice(chains.offsets[i], chains.offsets[i + 1])
    asked = np.isin(surface.reason, (Reason.USED, Reason.OUTLIER))
    asked &= (chains.bid[rows] > 0) & (chains.ask[rows] > 0)
    strike, kind, expiry = (getattr(chains, name)[rows][asked] for name in ("strike", "kind", "expiry_ns"))
    known = forward[rows][asked]
    vol = surface.vol(np.log(strike / known), expiry, log_moneyness=True)
    price = inverse.price(kind, known, strike, year_fraction(surface.ts_ns, expiry), vol)
    within = (price >= chains.bid[rows][asked]) & (price <= chains.ask[rows][asked])
    return int(asked.sum()), int(within.sum())


def fits(currency: str, reports: list[SliceReport], took: list[float]) -> None:
    """Print counts of one currency, by days to expiry."""
    enough = [one for one in reports if one.quotes >= FEWEST]
    say(f"\n{currency}: {len(took)} chains, median {1e3 * np.median(took):.1f} ms, 99 % in "
        f"{1e3 * np.quantile(took, 0.99):.0f} ms")  # fmt: skip
    say(f"expiries {len(reports)}, with {FEWEST} quotes {len(enough)}; "
        f"by method {dict(Counter(one.method for one in reports))}")  # fmt: skip
    say("| days | expiries | g >= 0 | and calendar | moved to flat | retried | rms error, points "
        "| median error in half spreads | inside one |")  # fmt: skip
    say("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for low, high in (*BUCKETS, (0, 400)):
        part = [one for one in enough if low <= one.tau * 365 < high]
        if not part:
            continue
        name = f"{low}-{high}" if (low, high) != (0, 400) else "all"
        say(
            f"| {name} | {len(part)} | {np.mean([one.lowest_g >= 0 for one in part]):.2%} "
            f"| {np.mean([one.free for one in part]):.2%} | {np.mean([one.projected for one in part]):.2%} "
            f"| {np.mean([one.retries > 0 for one in part]):.1%} "
            f"| {100 * np.median([one.rms_vol for one in part]):.2f} "
            f"| {np.median([one.median_half_spreads for one in part]):.2f} "
            f"| {np.mean([one.median_half_spreads < 1 for one in part]):.1%} |"
        )
    dropped: Counter[str] = Counter()
    for one in reports:
        dropped.update(one.dropped)
    points = sum(one.quotes for one in reports)
    far, outliers = dropped["FAR"], dropped["OUTLIER"]
    share = far / (points + far + outliers)
    say(f"strikes: {points} fitted, {far} too far ({share:.1%}), {outliers} outliers")


def main() -> None:
    """Read, fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--every", type=int, default=1, help="use every N-th chain")
    chosen = parser.parse_args()
    columns = (Column("timestamp", "time"), Column("iv", "number"))
    dvol = read_table(chosen.data / "dvol" / "btc_dvol_1h.csv.gz", columns).columns
    closes = dvol["timestamp"] + NS_PER_HOUR
    indices: dict[str, list[float]] = {}
    for currency in ("BTC", "ETH"):
        reports: list[SliceReport] = []
        seen: list[tuple[float, float]] = []
        quoted = np.zeros(2, np.int64)
        took: list[float] = []
        for path in sorted((chosen.data / "deribit_options").glob(f"{currency}_*.csv.gz")):
            chains = load_chains(path)
            forward = best_forward(chains)
            for i in range(0, chains.snapshot_ts.size, chosen.every):
                start = time.perf_counter()
                surface = snapshot_surface(chains, i, forward)
                took.append(time.perf_counter() - start)
                reports += surface.report
                seen.append(elsewhere(surface))
                quoted += inside(surface, chains, i, forward)
                if currency != "BTC" or surface.ts_ns > closes[-1]:
                    continue
                horizon = surface.ts_ns + 30 * NS_PER_DAY
                found = {"DVOL": float(np.interp(surface.ts_ns, closes, dvol["iv"]))}
                found["VIX formula, quotes with a bid"] = snapshot_index(chains, i, forward)
                found["whole smile"] = surface_index(surface, flat_beyond=None)
                found["at the money"] = float(surface.vol(0.0, horizon, log_moneyness=True))
                for cut in CUTS:
                    found[f"flat beyond {cut:g} sd"] = surface_index(surface, flat_beyond=cut)
                for name, value in found.items():
                    indices.setdefault(name, []).append(value)
        fits(currency, reports, took)
        lowest, excess = np.array(seen).T
        say(f"on other grids: g below 0 in {np.mean(lowest < 0):.2%} of chains, at worst {lowest.min():.1e}")
        say(f"w above the next expiry's in {np.mean(excess > 0):.2%} of chains, at worst {excess.max():.1e}")
        say(f"between bid and ask, outliers included: {quoted[1] / quoted[0]:.1%} of {quoted[0]} quotes")
    recorded = 100 * np.array(indices.pop("DVOL"))
    say(f"\n| 30-day index, BTC, {recorded.size} chains | correlation with DVOL | bias, points | sd |")
    say("|---|---:|---:|---:|")
    for name, values in indices.items():
        gap = 100 * np.array(values) - recorded
        say(f"| {name} | {np.corrcoef(100 * np.array(values), recorded)[0, 1]:.4f} "
            f"| {gap.mean():+.2f} | {gap.std():.2f} |")  # fmt: skip


if __name__ == "__main__":
    main()
