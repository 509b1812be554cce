"""The command line."""

from __future__ import annotations

import os
import sys
from importlib.resources import files
from typing import Annotated

import typer

from gammacore import __version__, simd_level
from gammacore.cli.commands import Program
from gammacore.errors import GammacoreError

app = typer.Typer(
    cls=Program,
    help="Gamma scalping on Deribit: research, backtest, hedge.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
BAD_INPUT = 2


def main() -> None:
    """Run the command line; a user's mistake ends in one line, never in a traceback."""
    if not os.environ.get("COLUMNS", "").strip("0"):  # of a shell without a terminal: nothing would be shown
        os.environ.pop("COLUMNS", None)
    try:
        app(standalone_mode=True)
    except GammacoreError as error:
        _fail(str(error))
    except OSError as error:  # a full disk, a folder that may not be written, a port that is taken
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}")


def _fail(message: str) -> None:
    from rich.console import Console

    told = message.replace("[", r"\[")
    Console(stderr=True).print(f"[bold red]error:[/] {told}", highlight=False, soft_wrap=True)
    sys.exit(BAD_INPUT)


def _version(wanted: bool) -> None:
    if wanted:
        built = files("gammacore") / "commit.txt"
        commit = f"commit {built.read_text().strip()}, " if built.is_file() else ""
        typer.echo(f"gammacore {__version__} ({commit}SIMD level {simd_level()})")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Gamma scalping on Deribit: research, backtest, hedge."""
