"""``gammacore simulate``: what hedging a position leaves and costs, on simulated paths."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gammacore.cli.common import (
    ForceOption,
    JsonOption,
    document,
    parse_overrides,
    progress_bar,
    show_faults,
    stoppable,
    where_results_are,
)
from gammacore.config import load_config
from gammacore.result_files import result_directory

__all__ = ["simulate"]


def simulate(
    config: Annotated[
        Path | None, typer.Argument(help="YAML file; its `simulate`, `hedge` and `costs` are used.")
    ] = None,
    paths: Annotated[int | None, typer.Option(help="Paths to simulate.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; the same one, the same paths.")] = None,
    prices: Annotated[str | None, typer.Option(help="Price bars, for garch and bootstrap.")] = None,
    out: Annotated[Path | None, typer.Option(help="Result directory (default: results/<run>).")] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Override a parameter: simulate.days=7"),
    ] = None,
    force_data: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Hedge a position on simulated paths: distribution of the P&L, and the frontier of the policies."""
    named = {
        "simulate.paths": paths,
        "simulate.seed": seed,
        "data.prices": prices,
        "data.force": force_data or None,
    }
    given = {path: value for path, value in named.items() if value is not None}
    settings = load_config(config, {**given, **parse_overrides(overrides or [])})
    from gammacore.backtest.report import write_simulation
    from gammacore.backtest.simulation.run import experiment_of, run_simulation

    experiment_of(settings)  # a mistake is told before a directory is made
    if out is None:
        stem = config.stem if config is not None else settings.simulate.model
        out = Path("results") / f"simulate-{stem}-{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}"
    with stoppable(), result_directory(out) as folder:
        with progress_bar() as report:
            found = run_simulation(settings, report)
        write_simulation(found, folder)
    if as_json:
        document({"directory": str(out), **found.summary})
    else:
        _show(Console(), found.summary, out)


def _show(console: Console, summary: dict[str, Any], out: Path) -> None:
    show_faults(console, summary["faults"])
    console.print("[bold yellow]Simulated data:[/] made-up paths, not evidence of profit or loss.")
    unit = summary["accounting_currency"]
    table = Table(title=f"{summary['paths']:,} paths of {summary['model']}, {unit}", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    rows = [("premium", summary["premium"]), ("mean P&L", summary["mean"])]
    rows += [("  its standard error", summary["standard_error"]), ("std of P&L", summary["sd"])]
    rows += [("expected shortfall, worst 5 %", summary["expected_shortfall_5"])]
    rows += [(f"quantile {float(q):.0%}", value) for q, value in summary["quantiles"].items()]
    for name, value in rows:
        table.add_row(name, f"{value:+,.6g}")
    table.add_row("probability of profit", f"{summary['probability_of_profit']:.1%}")
    table.add_row("hedges, mean", f"{summary['mean_hedges']:,.1f}")
    console.print(table)
    lines = Table(title=f"Where it came from, mean, {unit}")
    lines.add_column("line")
    lines.add_column(unit, justify="right")
    for line, value in summary["attribution"].items():
        lines.add_row(line, f"{value:+,.6g}")
    console.print(lines)
    if summary["parameters"]:
        console.print(_parameters(summary, unit))
    for note in summary["notes"]:
        console.print(note, highlight=False)
    console.print(f"\n{where_results_are(out)}", highlight=False, soft_wrap=True)


def _parameters(summary: dict[str, Any], unit: str) -> Table:
    cost = summary["parameters"][0]["cost"]
    table = Table(title=f"Parameter to use at a cost of {cost:,.4g} {unit}, best first")
    for name in ("policy", "parameter", "unit", "std of P&L"):
        table.add_column(name, justify="right" if name in ("parameter", "std of P&L") else "left")
    for row in summary["parameters"]:
        table.add_row(row["title"], f"{row['parameter']:.4g}", row["unit"], f"{row['sd']:,.4g}")
    own = summary["chosen"]
    table.add_section()
    table.add_row(f"yours: {summary['policy']}", "", "", f"{own['sd']:,.4g}", style="bold")
    return table
