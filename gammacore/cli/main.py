"""The command line: one table of all commands, in the order that a newcomer needs them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from gammacore import __version__, simd_level
from gammacore.cli.backtest import backtest
from gammacore.cli.breakeven import breakeven
from gammacore.cli.check import PROBLEMS, show_chains
from gammacore.cli.common import JsonOption, examples, pairs, stoppable
from gammacore.cli.compare import compare
from gammacore.cli.dashboard import dashboard
from gammacore.cli.data import data_app
from gammacore.cli.exchange import exchange
from gammacore.cli.export import export
from gammacore.cli.hedge import hedge
from gammacore.cli.init import init
from gammacore.cli.live import doctor, kill, live, parity, watch
from gammacore.cli.look_ahead import check as check_look_ahead
from gammacore.cli.simulate import simulate
from gammacore.cli.sweep import sweep
from gammacore.errors import GammacoreError

app = typer.Typer(
    help="Gamma scalping on Deribit: research, backtest, hedge.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
chains_app = typer.Typer(help="Look into recorded option chains.", no_args_is_help=True)

START, RESEARCH, DATA, LIVE = "Start here", "Research", "Data", "Live"
COMMANDS: tuple[tuple[str, Callable[..., Any], tuple[str, ...]], ...] = (
    (START, init, ("gammacore init", "gammacore init my-project")),
    (
        RESEARCH,
        backtest,
        (
            "gammacore backtest",
            "gammacore backtest --store data --currency ETH",
            "gammacore backtest config.yaml --chains DIR --prices DIR --currency ETH",
            "gammacore backtest --set hedge.rule=interval --set hedge.every=1h --json",
        ),
    ),
    (
        RESEARCH,
        compare,
        (
            "gammacore compare results/first results/second",
            "gammacore compare results/first results/second results/third --out compare.html",
            "gammacore compare results/first results/second --json",
        ),
    ),
    (
        RESEARCH,
        check_look_ahead,
        (
            "gammacore check",
            "gammacore check config.yaml --store data --trials 40",
            "gammacore check --set hedge.target=usd_neutral --json",
        ),
    ),
    (
        RESEARCH,
        breakeven,
        (
            "gammacore breakeven",
            "gammacore breakeven --store data --forecast har --at 2026-03-06T12:00",
            "gammacore breakeven --calibrate --store data --currency BTC",
            "gammacore breakeven --forecast 0.55 --log-sd 0.2 --structure strangle --set entry.delta=0.15",
        ),
    ),
    (
        RESEARCH,
        simulate,
        (
            "gammacore simulate",
            "gammacore simulate --set hedge.rule=whalley_wilmott --set simulate.realised_vol=0.7",
            "gammacore simulate config.yaml --prices FILES --set simulate.model=garch",
            "gammacore simulate --store data --currency ETH --set simulate.model=bootstrap",
        ),
    ),
    (
        RESEARCH,
        sweep,
        (
            "gammacore sweep --vary hedge.band=0.02,0.05,0.1 --vary entry.side=long,short",
            "gammacore sweep config.yaml --vary hedge.band=0.05,0.1 --workers 8 --out results/bands",
            "gammacore sweep --store data --currency ETH --vary hedge.band=0.05,0.1",
            "gammacore sweep config.yaml --vary hedge.band=0.05,0.1 --backend dask --address tcp://127.0.0.1:8786",
        ),
    ),
    (
        LIVE,
        live,
        (
            "gammacore live",
            "gammacore live config.yaml --venue testnet",
            "gammacore live config.yaml --venue production --dry-run",
        ),
    ),
    (
        LIVE,
        hedge,
        (
            "gammacore hedge --all",
            "gammacore hedge --expiry 27MAR26 --futures --venue testnet",
            "gammacore hedge config.yaml --instrument 'BTC-*-C' --venue production --shadow",
        ),
    ),
    (
        LIVE,
        dashboard,
        (
            "gammacore dashboard",
            "gammacore dashboard --journal results/JOURNAL.db --replay --speed 60",
            "gammacore dashboard --host 0.0.0.0 --token auto",
        ),
    ),
    (LIVE, doctor, ("gammacore doctor config.yaml --venue testnet",)),
    (
        LIVE,
        kill,
        (
            "gammacore kill results/JOURNAL.db",
            "gammacore kill results/JOURNAL.db --flatten",
            "gammacore kill results/JOURNAL.db --flatten --direct",
        ),
    ),
    (LIVE, watch, ("gammacore watch results/JOURNAL.db --metrics-port 9100",)),
    (LIVE, parity, ("gammacore parity results/JOURNAL.db",)),
    (
        LIVE,
        export,
        (
            "gammacore export results/JOURNAL.db",
            "gammacore export results/first --format simple --out executions.csv",
            "gammacore export results/first --format koinly --json",
        ),
    ),
    (LIVE, exchange, ("gammacore exchange", "gammacore exchange --replay FILE --speed 60")),
)
for panel, function, shown in COMMANDS:
    app.command(rich_help_panel=panel, epilog=examples(*shown))(function)
app.add_typer(data_app, name="data", rich_help_panel=DATA)
app.add_typer(chains_app, name="chains", rich_help_panel=DATA)

BAD_INPUT = 2


def main() -> None:
    """Run the command line; a user's mistake ends in one line, never in a traceback."""
    try:
        app(standalone_mode=True)
    except GammacoreError as error:
        _fail(str(error))
    except OSError as error:  # a full disk, a folder that may not be written, a port that is taken
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}")


def _fail(message: str) -> None:
    told = message.replace("[", r"\[")
    Console(stderr=True).print(f"[bold red]error:[/] {told}", highlight=False, soft_wrap=True)
    sys.exit(BAD_INPUT)


def _version(wanted: bool) -> None:
    if wanted:
        built = files("gammacore") / "commit.txt"
        commit = f"commit {built.read_text().strip()}, " if built.is_file() else ""
        Console().print(f"gammacore {__version__} ({commit}SIMD level {simd_level()})", highlight=False)
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Gamma scalping on Deribit: research, backtest, hedge."""


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
