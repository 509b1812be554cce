"""A result directory: written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import yaml

from gammacore import __version__
from gammacore.backtest.following import Moments, follow
from gammacore.backtest.journal import write_journal
from gammacore.backtest.market import Market, load_market
from gammacore.backtest.metrics import (
    episode_table,
    fill_table,
    interval_table,
    profit_table,
    scalp_table,
    summarise,
)
from gammacore.backtest.report import write_report
from gammacore.backtest.runner import Run, replay
from gammacore.config import Config
from gammacore.errors import DataError
from gammacore.ledger import Ledger

__all__ = ["Results", "result_directory", "run_backtest", "write_results"]

SUMMARY = "summary.json"


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
    moments: list[Moments]


def run_backtest(
    config: Config, market: Market | None = None, progress: Callable[[int, int], None] | None = None
) -> Results:
    """Load the market, replay it, and make the tables.

    Parameters
    ----------
    config : Config
    market : Market, optional
        Use this one instead of loading.
    progress : callable(done, total), optional

    Returns
    -------
    Results
    """
    market = load_market(config) if market is None else market
    return tabulate(replay(config, market.tape, progress), market)


def tabulate(run: Run, market: Market) -> Results:
    """Tables of a finished run."""
    episodes, scalped, seen = episode_table(run), scalp_table(run), follow(run)
    return Results(
        config=run.config,
        summary={"gammacore": __version__, **summarise(run, market, episodes, scalped)},
        episodes=episodes,
        fills=fill_table(run, seen),
        profit=profit_table(run, seen),
        scalps=scalped,
        intervals=interval_table(run),
        ledgers=[(done.episode.number, done.episode.ledger) for done in run.closed],
        moments=seen.moments,
    )


@contextmanager
def result_directory(out: Path) -> Iterator[Path]:
    """Directory that appears under its name only when the block ends well.

    An earlier result of ours is replaced; any other directory that holds something is refused.

    Raises
    ------
    DataError
        If ``out`` exists and is not an earlier result, or cannot be written.
    """
    if out.exists() and not (out.is_dir() and ((out / SUMMARY).exists() or not any(out.iterdir()))):
        raise DataError(f"{out}: exists and is not a result directory; choose another with --out")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise DataError(f"{out}: cannot write results: {error.strerror or error}") from None
    try:
        work.chmod(0o755)
        yield work
        if out.exists():
            shutil.rmtree(out)
        os.replace(work, out)
    except OSError as error:
        raise DataError(f"{out}: cannot write results: {error.strerror or error}") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_results(results: Results, folder: Path) -> None:
    """Write all files of a run into an existing directory."""
    config = msgspec.to_builtins(results.config)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    (folder / SUMMARY).write_text(
        json.dumps(results.summary, indent=2, allow_nan=False) + "\n", encoding="utf-8"
    )
    results.episodes.to_csv(folder / "episodes.csv", index=False)
    results.fills.drop(columns="ts_ns").to_csv(folder / "fills.csv", index=False)
    results.profit.drop(columns="ts_ns").to_csv(folder / "pnl.csv", index=False)
    # Ten decimals are below the ledger's unit, and half the size of the file.
    results.scalps.round(10).to_csv(folder / "scalps.csv", index=False)
    results.intervals.round(10).to_csv(folder / "intervals.csv", index=False)
    write_journal(results.ledgers, folder / "ledger.csv")
    if results.config.report.html:
        write_report(results, folder / "report.html")
