"""The result directories of runs, simulations and sweeps: figures, tables and the page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gammacore.daycount import format_time
from gammacore.errors import DataError
from gammacore.result_files import SUMMARY, config_files, json_text

from ..figures.results import Results, tabulate, write_tables
from ..replay.market import LoadedMarket
from .page import write_report
from .script_file import script_of

if TYPE_CHECKING:  # each page is loaded when it is written
    from ..figures.calibration import RuleCalibration
    from ..simulation.frontier import Frontier
    from ..simulation.run import Simulated
    from ..sweep.held_book import HeldBook
    from ..sweep.run import Sweep

PAGE, HELD_PAGE, CALIBRATION_PAGE = "report.html", "hedges.html", "calibration.html"


def write_results(results: Results, folder: Path, place: Path | None = None) -> None:
    """Write all files of a run into an existing directory.

    ``place`` is where the directory will stand, if not where it is: a shared script is written beside it.
    """
    write_tables(results, folder)
    report = results.config.report
    if report.html:
        write_report(results, folder / PAGE, script_of(report.plotly, place or folder))


def write_held(found: HeldBook, market: LoadedMarket, folder: Path, place: Path | None = None) -> None:
    """Write all files of an account's own book: those of the configured rule's run, and the comparison.

    ``place`` as of :func:`write_results`.
    """
    from .held_page import render_held

    write_results(tabulate(found.hedged[0].run, market), folder, place)
    rows = [{"hedge": one.name, **one.figures} for one in found.hedged]
    pd.DataFrame(rows).to_csv(folder / "hedges.csv", index=False)
    (folder / "hedges.json").write_text(json_text(found.summary()), encoding="utf-8")
    report = found.config.report
    if report.html:
        page = render_held(found, market, script_of(report.plotly, place or folder))
        (folder / HELD_PAGE).write_text(page, encoding="utf-8")


def write_calibration(
    found: Sequence[RuleCalibration],
    markets: Sequence[LoadedMarket],
    folder: Path,
    place: Path | None = None,
) -> None:
    """Write a calibration: page, figures, every life, and the recalibration of each coin for a signal.

    ``place`` as of :func:`write_results`.
    """
    from gammacore.data.recalibrations import recalibration_text

    from ..figures.calibration import by_coin, headline
    from .calibration_page import render_calibration

    own = defaultdict(list)
    for one in found:
        own[one.lives.config.currency].append((one.lives.config, one.recalibration))
    for currency, fitted in own.items():
        (folder / f"recalibration_{currency}.json").write_text(recalibration_text(fitted), encoding="utf-8")
    pd.concat([_lives_table(one) for one in found]).to_csv(folder / "lives.csv", index=False)
    verdicts = {coin: headline(own) for coin, own in by_coin(found).items()}
    text = json_text({"verdict": verdicts, "rules": [one.document() for one in found]})
    (folder / "calibration.json").write_text(text, encoding="utf-8")
    faults = tuple(fault for market in markets for fault in market.faults)
    modelled = "; ".join(dict.fromkeys(market.modelled for market in markets if market.modelled))
    simulated = any(market.simulated for market in markets)
    script = script_of(found[0].lives.config.report.plotly, place or folder)
    page = render_calibration(found, faults, modelled, simulated, script)
    (folder / CALIBRATION_PAGE).write_text(page, encoding="utf-8")


def _lives_table(one: RuleCalibration) -> pd.DataFrame:
    lives = one.lives
    return pd.DataFrame(
        {
            "coin": lives.coin,
            "rule": one.label,
            **{
                name: [format_time(int(ts)) for ts in getattr(lives, f"{name}_ns")]
                for name in ("entry", "end", "expiry")
            },
            "days": lives.days,
            "probability": lives.probability,
            "profit": lives.profit,
            "premium": lives.premium,
        }
    )


def write_simulation(found: Simulated, folder: Path, place: Path | None = None) -> None:
    """Write all files of a simulation into an existing directory; ``place`` as of :func:`write_results`."""
    from .simulation_page import render_simulation

    for name, text in config_files(found.config).items():
        (folder / name).write_bytes(text.encode())
    np.savez_compressed(folder / "paths.npz", allow_pickle=False, **found.run.columns)
    if found.frontier is not None:
        (folder / "frontier.csv").write_text(_frontier_csv(found.frontier), encoding="utf-8")
    report = found.config.report
    if report.html:
        page = render_simulation(found, script_of(report.plotly, place or folder))
        (folder / PAGE).write_text(page, encoding="utf-8")
    (folder / SUMMARY).write_text(json_text(found.summary), encoding="utf-8")


def write_sweep(sweep: Sweep) -> None:
    """Write what a sweep found beside its cells.

    Raises
    ------
    DataError
        If the directory cannot be written, or holds a file of somebody else under one of these names.
    """
    from .sweep_page import render_sweep

    folder = sweep.directory
    try:
        for name, text in config_files(sweep.config).items():
            folder.write(name, text)
        folder.write("cells.csv", sweep.table.to_csv(index_label="cell"))
        report = sweep.config.report
        if report.html:
            script = script_of(report.plotly, folder.folder)
            folder.write(PAGE, render_sweep(sweep.config, sweep.table, sweep.summary, script))
        folder.write(SUMMARY, json_text(sweep.summary))
    except OSError as error:
        raise DataError(f"{folder.folder}: cannot write results: {error.strerror or error}") from None


def _frontier_csv(found: Frontier) -> str:
    lines = ["family,parameter,unit,cost,cost_error,sd,sd_error,mean_pnl,hedges"]
    for family in found.families:
        for p in found.points[family.name]:
            numbers = (p.cost, p.cost_error, p.sd, p.sd_error, p.mean_pnl, p.trades)
            lines.append(
                f"{family.name},{p.parameter:.10g},{family.unit}," + ",".join(f"{x:.10g}" for x in numbers)
            )
    return "\n".join(lines) + "\n"
