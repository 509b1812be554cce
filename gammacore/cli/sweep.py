"""``gammacore sweep``: a grid of configurations, and what its best is worth."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from gammacore.cli.common import (
    ChainsOption,
    CurrencyOption,
    DeliveryOption,
    EndOption,
    ForceOption,
    FromStoreOption,
    FundingOption,
    InstrumentsOption,
    JsonOption,
    PricesOption,
    SetOption,
    StartOption,
    configured,
    document,
    figure,
    of_data,
    parse_overrides,
    progress_bar,
    show_warnings,
    stoppable,
    where_results_are,
)
from gammacore.cli.own_code import TrustOption
from gammacore.errors import ConfigError
from gammacore.terminal import numbers

if TYPE_CHECKING:
    from gammacore.config import Config

SHOWN = 5  # cells from either end
SOME_FAILED = 1


def sweep(
    config: Annotated[
        Path | None, typer.Argument(help="YAML file; its `vary` and --vary make the grid.")
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option("--vary", metavar="PATH=V1,V2,...", help="Values of a parameter: hedge.band=0.02,0.05"),
    ] = None,
    chains: ChainsOption = None,
    prices: PricesOption = None,
    funding: FundingOption = None,
    delivery: DeliveryOption = None,
    instruments: InstrumentsOption = None,
    store: FromStoreOption = None,
    currency: CurrencyOption = None,
    start: StartOption = None,
    end: EndOption = None,
    overrides: SetOption = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes or threads (default: all processors).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Result directory (default: named after the grid).")
    ] = None,
    backend: Annotated[str, typer.Option(help="loky, dask or serial.")] = "loky",
    address: Annotated[str | None, typer.Option(help="Dask scheduler: tcp://HOST:PORT")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start again, whatever is there.")] = False,
    force_data: ForceOption = False,
    trust: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run every combination of a grid; run the command again to resume.

    Exit code 1 if some of its cells failed, 2 if none could be run.
    """
    given = {"currency": currency, **_grid(vary or [])} | of_data(
        chains=chains,
        prices=prices,
        funding=funding,
        delivery=delivery,
        instruments=instruments,
        start=start,
        end=end,
    )
    settings = configured(
        config, given, overrides, force_data=force_data, trust=trust, store=store, grid=True
    )
    from gammacore.backtest.replay.market import is_simulated
    from gammacore.backtest.report import write_sweep
    from gammacore.backtest.sweep.grid import cells, digest
    from gammacore.backtest.sweep.run import plan_of, run_sweep
    from gammacore.backtest.sweep.workers import check_backend

    check_backend(backend, address)
    grid = cells(settings)
    if out is None:
        stem = config.stem if config is not None else "simulated" if is_simulated(settings) else "recorded"
        out = Path("results") / f"sweep-{stem}-{digest(plan_of(settings, grid))[:8]}"
    left = f"finished cells are kept in {out}; the same command goes on from there"
    with stoppable(left), progress_bar() as report:
        found = run_sweep(
            settings,
            out,
            backend=backend,
            workers=workers or os.cpu_count() or 1,
            address=address,
            fresh=fresh,
            progress=lambda done, total: report("cells", done, total),
            grid=grid,
        )
        if found.summary["n_failed"] == found.summary["n_cells"]:
            cell, why = found.summary["failed"][0].values()
            raise ConfigError(f"no cell could be run; {_told(cell)}: {why}")
        write_sweep(found)
    if as_json:
        document({"directory": str(out), **found.summary})
    else:
        _show(Console(), settings, found.table, found.summary, out)
    if found.summary["n_failed"]:
        raise typer.Exit(SOME_FAILED)


def _grid(texts: list[str]) -> dict[str, Any]:
    """Values of ``--vary`` as entries of the configuration's ``vary``, whose names have dots themselves."""
    found = parse_overrides(texts, "--vary", "[{}]")
    return {"vary": found} if found else {}


def _show(console: Console, settings: Config, table: Any, summary: dict[str, Any], out: Path) -> None:
    from gammacore.backtest.report.sweep_page import verdict_rows

    simulated = "market" if summary["simulated_data"] else ""
    show_warnings(console, summary["faults"], simulated, summary["modelled"])
    console.print(f"[bold]{escape(summary['verdict'])}[/]", highlight=False)
    ranked = table.sort_values("sharpe", ascending=False, kind="stable", na_position="last")
    console.print(_cells(ranked, list(settings.vary)))
    verdict = Table(title="What the best is worth", show_header=False)
    for name, words in verdict_rows(summary):
        verdict.add_row(name, words)
    if verdict.row_count:
        console.print(verdict)
    for note in summary["notes"]:
        console.print(note, highlight=False)
    compiled = summary["engines"].get("compiled", 0)
    console.print(
        f"Hedged by compiled replay in {compiled:,} of {summary['n_cells']:,} cells.", highlight=False
    )
    if summary["n_failed"]:
        console.print(f"[bold yellow]Failed:[/] {summary['n_failed']} of {summary['n_cells']:,} cells")
        for cell in summary["failed"][:SHOWN]:
            told = f"  {_told(cell['cell'])}: {cell['why']}"
            console.print(told, markup=False, highlight=False, soft_wrap=True)
    console.print(f"\n{where_results_are(out)}", highlight=False, soft_wrap=True)


def _told(cell: dict[str, Any]) -> str:
    """Name a cell by what varies."""
    return ", ".join(f"{path} = {value}" for path, value in cell.items())


def _cells(ranked: Any, varied: list[str]) -> Table:
    table = Table(
        *(Column(name, overflow="fold") for name in varied),
        *numbers("Sharpe", "P&L /\npremium", "P&L,\nUSD", "episodes", "hedges", no_wrap=True),
        title=f"Cells by Sharpe ratio, {len(ranked):,} in all",
    )
    rows = ranked.to_dict("records")
    head = rows if len(rows) <= 2 * SHOWN else rows[:SHOWN]
    for row in head:
        table.add_row(*_cell(row, varied))
    if len(rows) > len(head):
        table.add_section()
        for row in rows[-SHOWN:]:
            table.add_row(*_cell(row, varied))
    return table


def _cell(row: dict[str, Any], varied: list[str]) -> list[str]:
    forms = {
        "sharpe": "+.2f",
        "mean_pnl_over_premium": "+.2%",
        "total_usd": "+,.0f",
        "n_episodes": ",.0f",
        "n_hedges": ",.0f",
    }
    known = [figure(row[name], form) for name, form in forms.items()]
    return [*(str(row[name]) for name in varied), *known]
