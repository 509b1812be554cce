"""``gammacore check``: whether a backtest knows the future."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
)
from gammacore.config import load_config

if TYPE_CHECKING:
    from gammacore.backtest.replay.look_ahead import LookAhead

__all__ = ["check"]

LOOKS_AHEAD = 1


def check(
    config: Annotated[
        Path | None, typer.Argument(help="YAML file; config/params.yaml lists all parameters.")
    ] = None,
    chains: Annotated[str | None, typer.Option(help="Option chains, as of gammacore backtest.")] = None,
    prices: Annotated[str | None, typer.Option(help="Price bars: a file, pattern or directory.")] = None,
    funding: Annotated[str | None, typer.Option(help="Funding rates of the perpetual.")] = None,
    delivery: Annotated[str | None, typer.Option(help="Delivery prices by date.")] = None,
    currency: Annotated[str | None, typer.Option(help="BTC, ETH, or BTC_USDC of linear options.")] = None,
    trials: Annotated[int, typer.Option(min=1, help="Decisions tried for each kind of data.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Override a parameter: hedge.band=0.1"),
    ] = None,
    force_data: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check a backtest for look-ahead bias: whether a decision changes when only later data does.

    Exit code 1 if one does.
    """
    from gammacore.backtest.replay.look_ahead import check_look_ahead

    named = {
        "data.chains": chains,
        "data.prices": prices,
        "data.funding": funding,
        "data.delivery": delivery,
        "data.force": force_data or None,
        "currency": currency,
    }
    given = {path: value for path, value in named.items() if value is not None}
    settings = load_config(config, {**given, **parse_overrides(overrides or [])})
    with stoppable(), progress_bar() as report:
        found = check_look_ahead(
            settings, trials=trials, seed=seed, progress=lambda done, total: report("trials", done, total)
        )
    if as_json:
        document(_document(found))
    else:
        _show(Console(), found, settings.marks.interpolate)
    if not found.clean:
        raise typer.Exit(LOOKS_AHEAD)


def _document(found: LookAhead) -> dict[str, Any]:
    trials = [trial._asdict() for trial in found.trials]
    names = ("clean", "faults", "decisions", "parts")
    return {**{name: getattr(found, name) for name in names}, "trials": trials}


def _show(console: Console, found: LookAhead, interpolated: bool) -> None:
    from gammacore.backtest.replay.look_ahead import told
    from gammacore.daycount import format_time

    show_faults(console, found.faults)
    table = Table(title=f"Data changed after a decision ({found.decisions:,} moments with decisions)")
    table.add_column("changed")
    for name in (
        "trials",
        "earlier orders\ncompared",
        "of them\ndifferent",
        "trials that changed\nlater orders",
    ):
        table.add_column(name, justify="right")
    for part in ("all", *found.parts):
        trials = [trial for trial in found.trials if trial.part == part]
        compared, different = (sum(getattr(t, n) for t in trials) for n in ("compared", "differences"))
        changed = sum(t.later_changed for t in trials)
        table.add_row(part, f"{len(trials)}", f"{compared:,}", f"{different:,}", f"{changed}")
    console.print(table)
    if found.clean:
        console.print("No look-ahead bias found: no earlier order changed.", highlight=False)
        return
    worst = next(trial for trial in found.trials if trial.first is not None)
    assert worst.first is not None
    reason = " marks.interpolate looks ahead by definition." if interpolated else ""
    console.print(
        f"[bold red]Look-ahead bias:[/] with {worst.part} changed after {format_time(worst.ts_ns)}, "
        f"{told(worst.first)}.{reason}",
        highlight=False,
        soft_wrap=True,
    )
