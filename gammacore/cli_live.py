"""Commands of the live side: ``gammacore parity``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from gammacore.cli_common import progress_bar, stoppable

__all__ = ["parity"]

DIFFERENT = 1


def parity(
    journal: Annotated[Path, typer.Argument(help="Journal of a live session.")],
) -> None:
    """Replay a session's journal through a fresh desk, and name the first decision that differs."""
    from gammacore.live.parity import check

    console = Console()
    with stoppable(), progress_bar() as report:
        found = check(journal, lambda done, total: report("events", done, total))
    head = f"{found.events:,} events and {found.commands:,} commands of {found.starts} start(s)"
    if found.difference is None:
        console.print(f"{head}: no difference", highlight=False)
        return
    console.print(f"{head}, then a difference at record {found.difference.seq}:", highlight=False)
    console.print(f"event    {found.difference.event}", highlight=False)
    _list(console, "recorded", found.difference.recorded)
    _list(console, "decided", found.difference.decided)
    raise typer.Exit(DIFFERENT)


def _list(console: Console, title: str, commands: tuple[Any, ...]) -> None:
    for line in commands or ("nothing",):
        console.print(f"{title:<8} {line}", highlight=False, markup=False)
