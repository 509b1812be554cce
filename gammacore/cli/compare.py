"""``gammacore compare``: results of two or more runs side by side."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gammacore.cli.common import JsonOption, document, show_warnings, stoppable
from gammacore.terminal import numbers


def compare(
    results: Annotated[
        list[Path], typer.Argument(help="Result directories; the others are compared with the first.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Page to write (default: compare-<runs>.html beside the first).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare runs: figures, configuration, P&L, attribution, and the episodes that they share in pairs."""
    from gammacore.backtest.report.compare_figures import comparison
    from gammacore.backtest.report.compare_page import render_comparison
    from gammacore.backtest.report.compare_runs import load_runs
    from gammacore.backtest.report.script_file import script_of
    from gammacore.result_files import write_page

    with stoppable():
        runs = load_runs(results)
        found = comparison(runs)
        page = _default_out(results, [run.name for run in runs]) if out is None else out
        script = script_of(runs[0].plotly, page.parent, above=False)
        write_page(page, render_comparison(runs, found, script))
    if as_json:
        document({"page": str(page), **found})
        return
    console = Console()
    _show(console, found, runs[0].coin)
    console.print(f"\nPage: {page}", highlight=False, soft_wrap=True)


def _default_out(results: list[Path], names: list[str]) -> Path:
    short = "-".join(re.sub(r"[^\w.=,-]+", "_", name) for name in names)
    return results[0].resolve().parent / f"compare-{short[:100]}.html"


def _show(console: Console, found: dict[str, Any], coin: str) -> None:
    simulated = "market" if found["simulated_data"] else ""
    show_warnings(console, found["faults"], simulated, found["modelled"])
    for sentence in found["verdict"]:
        console.print(f"[bold]{_plain(sentence)}[/]", highlight=False)
    for note in found["notes"]:
        console.print(f"[bold yellow]Note:[/] {note}", highlight=False)
    names = [run["name"] for run in found["runs"]]
    console.print(_figures(found, names))
    console.print(_configuration(found, names))
    for pair in found["paired"]:
        if pair["pairs"]:
            console.print(_pairs(pair, names[0], coin))


def _plain(text: str) -> str:
    """Keep brackets of a name from becoming markup."""
    return text.replace("[", r"\[")


def _figures(found: dict[str, Any], names: list[str]) -> Table:
    from gammacore.backtest.report.compare_page import figure_row

    table = Table(title=f"Side by side; differences are from {_plain(names[0])}")
    table.add_column("", overflow="fold")
    for number, name in enumerate(names):
        table.add_column(_plain(name), justify="right", overflow="fold")
        if number:
            table.add_column("difference", justify="right", overflow="fold", style="dim")
    for row in found["figures"]:
        shown = figure_row(row)
        table.add_row(shown["name"], *(text for text, _ in shown["cells"]))
    return table


def _configuration(found: dict[str, Any], names: list[str]) -> Table:
    from gammacore.backtest.report.tables import configured

    table = Table(title="What differs in the configuration")
    table.add_column("parameter", overflow="fold")
    for name in names:
        table.add_column(_plain(name), overflow="fold")
    for row in found["configuration"]:
        table.add_row(row["path"], *(_plain(configured(value)) for value in row["values"]))
    if not found["configuration"]:
        table.add_row("nothing", *("" for _ in names))
    return table


def _pairs(pair: dict[str, Any], first: str, coin: str) -> Table:
    from gammacore.backtest.report.compare_page import paired_rows
    from gammacore.backtest.report.view import plural

    counted = f"{plural(pair['pairs'], 'pair')} of episodes of the same expiry and strike"
    table = Table(
        "mean difference of",
        *numbers("", "standard\nerror", "95 %\nfrom", "\nto"),
        title=f"{_plain(pair['run'])} less {_plain(first)}: {counted}",
    )
    for row in paired_rows(pair, coin):
        table.add_row(*(row[name] for name in ("name", "mean", "error", "low", "high")))
    return table
