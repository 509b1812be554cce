"""The tables of a run, and their files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from gammacore import __version__
from gammacore.config import Config
from gammacore.ledger import Ledger
from gammacore.result_files import SUMMARY, config_files, json_text, write_csv

from ..replay.journal import write_journal
from ..replay.market import LoadedMarket, load_market
from ..replay.runner import replay
from ..replay.runs import Run
from .book_greeks import book_table
from .margins import liquidation_table, margin_table
from .metrics import episode_table, fill_table, interval_table, profit_table, scalp_table, summarise
from .performance import earned_by
from .returns import Marks, profit_curves
from .run_exposures import EpisodeMoments, expose_run
from .vega_parts import part_columns, vega_parts

COMPARED = (
    "n_episodes",
    "n_hedges",
    "mean_pnl_over_premium",
    "std_pnl_over_premium",
    "corr_pnl_rv_over_iv",
)


class Results(msgspec.Struct, frozen=True):
    """Tables of one run, as they are written; ``ledgers`` come with the numbers of their episodes.

    ``moments`` are what the report replays of each episode.
    """

    config: Config
    summary: dict[str, Any]
    episodes: pd.DataFrame
    fills: pd.DataFrame
    profit: pd.DataFrame
    scalps: pd.DataFrame
    intervals: pd.DataFrame
    ledgers: list[tuple[int, Ledger]]
    moments: list[EpisodeMoments]
    book: pd.DataFrame
    margins: pd.DataFrame
    liquidations: pd.DataFrame


def run_backtest(
    config: Config, market: LoadedMarket | None = None, progress: Callable[[int, int], None] | None = None
) -> Results:
    """Load the market, replay it, and make the tables.

    Parameters
    ----------
    config : Config
    market : LoadedMarket, optional
        Use this one instead of loading.
    progress : callable(done, total), optional

    Returns
    -------
    Results
    """
    market = load_market(config) if market is None else market
    return tabulate(replay(config, market.tape, progress), market)


def tabulate(run: Run, market: LoadedMarket) -> Results:
    """Tables of a finished run."""
    parts = vega_parts(run)
    episodes, scalped, seen = episode_table(run), scalp_table(run), expose_run(run)
    if parts is not None:
        episodes = pd.concat([episodes, part_columns(parts[: len(episodes)])], axis=1)
    marks = Marks(run.tape)
    curves = profit_curves(run.accounts, marks)
    margins = margin_table(run, curves)
    earned = earned_by(run, marks, curves)
    summary = summarise(run, market, episodes, scalped, margins, earned, parts)
    booked = run.accounts + ([] if run.book is None else [run.book])
    return Results(
        config=run.config,
        summary={"verdict": summary["verdict"], "gammacore": __version__} | summary,
        episodes=episodes,
        fills=fill_table(run, seen),
        profit=profit_table(run, seen),
        scalps=scalped,
        intervals=interval_table(run),
        ledgers=[(done.episode.number, done.episode.ledger) for done in booked],
        moments=seen.moments,
        book=book_table(run),
        margins=margins,
        liquidations=liquidation_table(run),
    )


def write_tables(results: Results, folder: Path) -> None:
    """Write configuration, summary and tables of a run into an existing directory."""
    for name, text in config_files(results.config).items():
        (folder / name).write_bytes(text.encode())
    (folder / SUMMARY).write_text(json_text(results.summary), encoding="utf-8")
    write_csv(results.episodes, folder / "episodes.csv")
    write_csv(results.fills.drop(columns="ts_ns"), folder / "fills.csv")
    write_csv(results.profit.drop(columns="ts_ns"), folder / "pnl.csv")
    # Ten decimals are below the ledger's unit, and half the size of the file.
    write_csv(results.scalps.round(10), folder / "scalps.csv")
    write_csv(results.intervals.round(10), folder / "intervals.csv")
    write_csv(results.book.drop(columns="ts_ns").round(10), folder / "book.csv")
    write_csv(results.margins.drop(columns="ts_ns").round(10), folder / "margins.csv")
    write_csv(results.liquidations, folder / "liquidations.csv")
    write_journal(results.ledgers, folder / "ledger.csv")


def compared(results: Results) -> dict[str, Any]:
    """Headline figures to compare runs by, before and after the fees of each episode."""
    summary, episodes = results.summary, results.episodes
    native = "usd" if summary["accounting_currency"] == "USD" else "coin"
    fee = -episodes[f"fees_{native}"] / episodes[f"premium_{native}"].abs()
    before = episodes["pnl_over_premium"] + fee
    return {
        **{name: summary[name] for name in COMPARED},
        "mean_before_fees": before.mean(),
        "std_before_fees": before.std(),
        "mean_fees_over_premium": fee.mean(),
        "total_coin": summary["total"]["coin"],
        "total_usd": summary["total"]["usd"],
    }
