"""Several runs from one configuration: every combination of the values under ``vary``."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from gammacore.backtest.market import load_market, market_part
from gammacore.backtest.results import Results, run_backtest
from gammacore.config import Config, with_overrides

__all__ = ["comparison_table", "run_variants", "variants"]

COMPARED = (
    "n_episodes",
    "n_hedges",
    "mean_pnl_over_premium",
    "std_pnl_over_premium",
    "corr_pnl_rv_over_iv",
)


def variants(config: Config) -> list[dict[str, Any]]:
    """List the overrides of every combination; one empty mapping when nothing varies."""
    names, choices = config.vary.keys(), config.vary.values()
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*choices)]


def label(overrides: dict[str, Any]) -> str:
    """Directory name of a variant, such as ``hedge.every=1h,marks.interpolate=true``."""
    texts = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in overrides.items()
    }
    return ",".join(f"{name}={text}" for name, text in texts.items())


def run_variants(
    config: Config, progress: Callable[[str, int, int], None] | None = None
) -> Iterator[tuple[dict[str, Any], Results]]:
    """Run every combination in turn; the market is loaded again only where it differs."""
    market, loaded = None, None
    for overrides in variants(config):
        varied = with_overrides(config, {"vary": {}, **overrides})
        source = market_part(varied)
        if market is None or source != loaded:
            market, loaded = load_market(varied), source
        name = label(overrides)
        report = None if progress is None else lambda done, total, name=name: progress(name, done, total)
        yield overrides, run_backtest(varied, market, report)


def comparison_table(rows: list[tuple[dict[str, Any], Results]]) -> pd.DataFrame:
    """One row per variant: what varied, then the headline figures."""
    table = []
    for overrides, results in rows:
        summary, episodes = results.summary, results.episodes
        native = "usd" if summary["accounting_currency"] == "USD" else "coin"
        premium = episodes[f"premium_{native}"].abs()
        fee = -episodes[f"fees_{native}"] / premium
        before = episodes["pnl_over_premium"] + fee
        table.append(
            {
                **overrides,
                **{name: summary[name] for name in COMPARED},
                "mean_before_fees": before.mean(),
                "std_before_fees": before.std(),
                "mean_fees_over_premium": fee.mean(),
                "total_coin": summary["total"]["coin"],
                "total_usd": summary["total"]["usd"],
            }
        )
    return pd.DataFrame(table)
