"""``gammacore check``: whether a backtest knows the future."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from gammacore.cli.common import (
    ChainsOption,
    ConfigArgument,
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
    progress_bar,
    show_warnings,
    stoppable,
)
from gammacore.cli.own_code import TrustOption
from gammacore.terminal import numbers

if TYPE_CHECKING:
    from gammacore.backtest.replay.look_ahead import LookAhead
    from gammacore.backtest.replay.own_trial import OwnTrial

LOOKS_AHEAD = 1


def check(
    config: ConfigArgument = None,
    chains: ChainsOption = None,
    prices: PricesOption = None,
    funding: FundingOption = None,
    delivery: DeliveryOption = None,
    instruments: InstrumentsOption = None,
    store: FromStoreOption = None,
    currency: CurrencyOption = None,
    start: StartOption = None,
    end: EndOption = None,
    trials: Annotated[int, typer.Option(min=1, help="Decisions to test for each kind of data.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    overrides: SetOption = None,
    force_data: ForceOption = False,
    trust: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check a backtest for look-ahead bias: whether a decision changes when only later data does.

    Code of your own is tried as well: exceptions, the same answer twice, time per call. Exit code 1 if a
    decision changes, or own code answers differently or too slowly.
    """
    from gammacore.backtest.replay.look_ahead import check_look_ahead
    from gammacore.backtest.replay.own_trial import try_own_code
    from gammacore.terms import grids_of, sources

    given = {"currency": currency} | of_data(
        chains=chains,
        prices=prices,
        funding=funding,
        delivery=delivery,
        instruments=instruments,
        start=start,
        end=end,
    )
    settings = configured(config, given, overrides, force_data=force_data, trust=trust, store=store)
    grids = sources(settings, grids_of(settings))
    with stoppable(), progress_bar() as report:
        own = try_own_code(settings)
        found = check_look_ahead(
            settings, trials=trials, seed=seed, progress=lambda done, total: report("trials", done, total)
        )
    if as_json:
        told = [one._asdict() | {"sound": one.sound} for one in own]
        document(_document(found) | {"grids": grids, "own_code": told})
    else:
        _show(Console(), found, settings.marks.interpolate)
        _show_grids(Console(), grids)
        _show_own(Console(), own)
    if not found.clean or not all(one.sound for one in own):
        raise typer.Exit(LOOKS_AHEAD)


def _show_grids(console: Console, grids: list[str]) -> None:
    for line in grids:
        console.print(f"Grid of {line}", highlight=False, soft_wrap=True, markup=False)


def _show_own(console: Console, own: list[OwnTrial]) -> None:
    """Show what each function of the user's own did."""
    if not own:
        return
    table = Table(
        Column("field", overflow="fold"),
        Column("function", overflow="fold"),
        *numbers("lines", "calls", "median,\nµs", "99th,\nµs", "allowed,\nµs"),
    )
    table.title = "Code of your own"
    for one in own:
        times = (figure(value, ",.1f") for value in (one.median_us, one.p99_us, one.budget_us))
        table.add_row(one.field, one.name, f"{one.lines}", f"{one.calls:,}", *times)
    console.print(table)
    for one in own:
        wrong = [f"not the same twice: {one.difference}"] if one.difference else []
        wrong += ["slower than a session can bear"] if one.slow else []
        wrong += [] if one.calls else ["never asked on this data"]
        for what in wrong:
            console.print(f"[bold red]{one.name}:[/] {what}", highlight=False, soft_wrap=True)


def _document(found: LookAhead) -> dict[str, Any]:
    trials = [trial._asdict() for trial in found.trials]
    names = ("clean", "faults", "decisions", "parts")
    return {**{name: getattr(found, name) for name in names}, "trials": trials}


def _show(console: Console, found: LookAhead, interpolated: bool) -> None:
    from gammacore.backtest.replay.look_ahead import told
    from gammacore.daycount import format_time

    show_warnings(console, found.faults)
    counted = (
        "trials",
        "earlier orders\ncompared",
        "of them\ndifferent",
        "trials that changed\nlater orders",
    )
    title = f"Data changed after a decision ({found.decisions:,} moments with decisions)"
    table = Table("changed", *numbers(*counted), title=title)
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
