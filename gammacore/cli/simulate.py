"""``gammacore simulate``: what hedging a position leaves and costs, on simulated paths."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gammacore.cli.common import (
    CurrencyOption,
    ForceOption,
    FromStoreOption,
    JsonOption,
    SetOption,
    configured,
    document,
    progress_bar,
    show_warnings,
    stoppable,
    where_results_are,
)
from gammacore.cli.own_code import TrustOption
from gammacore.terminal import numbers


def simulate(
    config: Annotated[
        Path | None, typer.Argument(help="YAML file; its `simulate`, `hedge` and `costs` are used.")
    ] = None,
    paths: Annotated[int | None, typer.Option(help="Paths to simulate.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; the same one, the same paths.")] = None,
    prices: Annotated[str | None, typer.Option(help="Price bars, for garch and bootstrap.")] = None,
    store: FromStoreOption = None,
    currency: CurrencyOption = None,
    out: Annotated[Path | None, typer.Option(help="Result directory (default: results/<run>).")] = None,
    overrides: SetOption = None,
    force_data: ForceOption = False,
    trust: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Hedge a position on simulated paths: distribution of the P&L, and the frontier of the policies."""
    from gammacore.result_files import result_directory

    given = {
        "simulate.paths": paths,
        "simulate.seed": seed,
        "data.prices": prices,
        "currency": currency,
    }
    settings = configured(
        config, given, overrides, force_data=force_data, trust=trust, store=store, takes=("prices",)
    )
    from gammacore.backtest.report import write_simulation
    from gammacore.backtest.simulation.run import experiment_of, refuse_unread, run_simulation

    if prices is not None:
        refuse_unread(settings, "--prices")
    experiment_of(settings)  # a mistake is told before a directory is made
    if out is None:
        stem = config.stem if config is not None else settings.simulate.model
        out = Path("results") / f"simulate-{stem}-{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}"
    with stoppable(), result_directory(out) as folder:
        with progress_bar() as report:
            found = run_simulation(settings, report)
        write_simulation(found, folder, out)
    if as_json:
        document({"directory": str(out), **found.summary})
    else:
        _show(Console(), found.summary, out)


def _show(console: Console, summary: dict[str, Any], out: Path) -> None:
    show_warnings(console, summary["faults"], "paths")
    console.print(f"[bold]{escape(summary['verdict'])}[/]", highlight=False)
    unit = summary["accounting_currency"]
    title = f"{summary['paths']:,} paths of {summary['model']}, {unit}"
    table = Table("", *numbers(""), title=title, show_header=False)
    rows = [("premium", summary["premium"]), ("mean P&L", summary["mean"])]
    rows += [("  its standard error", summary["standard_error"]), ("std of P&L", summary["sd"])]
    rows += [("expected shortfall, worst 5 %", summary["expected_shortfall_5"])]
    rows += [(f"quantile {float(q):.0%}", value) for q, value in summary["quantiles"].items()]
    for name, value in rows:
        table.add_row(name, f"{value:+,.6g}")
    table.add_row("probability of profit", f"{summary['probability_of_profit']:.1%}")
    table.add_row("hedges, mean", f"{summary['mean_hedges']:,.1f}")
    console.print(table)
    lines = Table("line", *numbers(unit), title=f"Where it came from, mean, {unit}")
    for line, value in summary["attribution"].items():
        lines.add_row(line, f"{value:+,.6g}")
    console.print(lines)
    if summary["parameters"]:
        console.print(_parameters(summary, unit))
        console.print(f"Use the best: {summary['parameters'][0]['options']}", highlight=False, soft_wrap=True)
    for note in summary["notes"]:
        console.print(note, highlight=False)
    console.print(f"\n{where_results_are(out)}", highlight=False, soft_wrap=True)


def _parameters(summary: dict[str, Any], unit: str) -> Table:
    cost = summary["parameters"][0]["cost"]
    title = f"Parameter to use at a cost of {cost:,.4g} {unit}, best first"
    table = Table("policy", *numbers("parameter"), "unit", *numbers("std of P&L"), title=title)
    for row in summary["parameters"]:
        table.add_row(row["title"], f"{row['parameter']:.4g}", row["unit"], f"{row['sd']:,.4g}")
    own = summary["chosen"]
    table.add_section()
    table.add_row(f"yours: {summary['policy']}", "", "", f"{own['sd']:,.4g}", style="bold")
    return table
