"""``gammacore chains``: look into recorded option chains."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gammacore.cli.check import PROBLEMS, show_chains
from gammacore.cli.commands import examples
from gammacore.cli.common import JsonOption, pairs, stoppable

chains_app = typer.Typer(help="Look into recorded option chains.", no_args_is_help=True)


@chains_app.callback()
def _group() -> None:
    """Look into recorded option chains."""


@chains_app.command(epilog=examples("gammacore chains check DIR --currency BTC"))
def check(
    path: Annotated[Path, typer.Argument(help="File or directory of option chains.")],
    currency: Annotated[str | None, typer.Option(help="BTC or ETH, where the files hold several.")] = None,
    columns: Annotated[
        list[str] | None, typer.Option("--column", metavar="OURS=THEIRS", help="Another name of a column.")
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(help="Price bars of the coin, to hold forwards and clocks against.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the quality of recorded chains, and how well mark volatilities follow from mark prices.

    Exit code 1 if something is wrong with them.
    """
    names = {ours: str(theirs) for ours, theirs in pairs("--column", columns or []).items()}
    with stoppable():
        sound = show_chains(path, currency, names, prices=prices, as_json=as_json)
    if not sound:
        raise typer.Exit(PROBLEMS)
