"""All commands, in the order that a newcomer needs them; each is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import pairwise
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

START, RESEARCH, DATA, LIVE = "Start here", "Research", "Data", "Live"
STORE = "data"  # the folder that downloads fill


@dataclass(frozen=True, slots=True)
class Command:
    """A command: panel of ``--help``, name, ``module:function`` (or ``module:group``), what it does."""

    panel: str
    name: str
    where: str
    does: str
    examples: tuple[str, ...] = ()


@cache
def build(command: Command) -> Any:
    """Import the module of a command and build the command, or the group of commands."""
    module, _, name = command.where.partition(":")
    found = getattr(import_module(f"gammacore.cli.{module}"), name)
    around = typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False)
    around.callback()(lambda: None)  # a program of one command would have no name for it
    if isinstance(found, typer.Typer):
        around.add_typer(found, name=command.name, rich_help_panel=command.panel)
    else:
        shown = examples(*command.examples)
        around.command(command.name, rich_help_panel=command.panel, epilog=shown)(found)
    group: Any = typer.main.get_command(around)
    return group.commands[command.name]


def examples(*commands: str) -> str:
    """Write the last paragraph of a help text."""
    return "\n\n".join(["Examples:", *commands])


COMMANDS: tuple[Command, ...] = (
    Command(
        START,
        "init",
        "init:init",
        "Start a project: commented configuration, folders, an example rule, a notebook.",
        (
            "gammacore init",
            "gammacore init my-project",
        ),
    ),
    Command(
        RESEARCH,
        "backtest",
        "backtest:backtest",
        "Backtest gamma scalping on recorded chains, or without data on a simulated market.",
        (
            "gammacore backtest",
            "gammacore backtest --store data --currency ETH",
            "gammacore backtest config.yaml --chains DIR --prices DIR --currency ETH",
            "gammacore backtest --set hedge.rule=interval --set hedge.every=1h --json",
        ),
    ),
    Command(
        RESEARCH,
        "compare",
        "compare:compare",
        "Compare runs: figures, configuration, P&L, attribution, and the episodes that they share in pairs.",
        (
            "gammacore compare results/first results/second",
            "gammacore compare results/first results/second results/third --out compare.html",
            "gammacore compare results/first results/second --json",
        ),
    ),
    Command(
        RESEARCH,
        "check",
        "look_ahead:check",
        "Check a backtest for look-ahead bias: whether a decision changes when only later data does.",
        (
            "gammacore check",
            "gammacore check config.yaml --store data --trials 40",
            "gammacore check --set hedge.target=usd_neutral --json",
        ),
    ),
    Command(
        RESEARCH,
        "breakeven",
        "breakeven:breakeven",
        "Find the realised volatility at which each position breaks even after all costs; weigh a forecast.",
        (
            "gammacore breakeven",
            "gammacore breakeven --store data --forecast har --at 2026-03-06T12:00",
            "gammacore breakeven --calibrate --store data --currency BTC",
            "gammacore breakeven --forecast 0.55 --log-sd 0.2 --structure strangle --set entry.delta=0.15",
        ),
    ),
    Command(
        RESEARCH,
        "simulate",
        "simulate:simulate",
        "Hedge a position on simulated paths: distribution of the P&L, and the frontier of the policies.",
        (
            "gammacore simulate",
            "gammacore simulate --set hedge.rule=whalley_wilmott --set simulate.realised_vol=0.7",
            "gammacore simulate config.yaml --prices FILES --set simulate.model=garch",
            "gammacore simulate --store data --currency ETH --set simulate.model=bootstrap",
        ),
    ),
    Command(
        RESEARCH,
        "sweep",
        "sweep:sweep",
        "Run every combination of a grid; run the command again to resume.",
        (
            "gammacore sweep --vary hedge.band=0.02,0.05,0.1 --vary entry.side=long,short",
            "gammacore sweep config.yaml --vary hedge.band=0.05,0.1 --workers 8 --out results/bands",
            "gammacore sweep --store data --currency ETH --vary hedge.band=0.05,0.1",
            "gammacore sweep config.yaml --vary hedge.band=0.05,0.1 --backend dask --address tcp://127.0.0.1:8786",
        ),
    ),
    Command(
        LIVE,
        "live",
        "live:live",
        "Trade live: on a local exchange, on Deribit's test exchange, or for real.",
        (
            "gammacore live",
            "gammacore live config.yaml --venue testnet",
            "gammacore live config.yaml --venue production --dry-run",
        ),
    ),
    Command(
        LIVE,
        "hedge",
        "hedge:hedge",
        "Hedge the options in an account while you trade them; never trades options itself.",
        (
            "gammacore hedge --all",
            "gammacore hedge --expiry 27MAR26 --futures --venue testnet",
            "gammacore hedge config.yaml --instrument 'BTC-*-C' --venue production --shadow",
        ),
    ),
    Command(
        LIVE,
        "dashboard",
        "dashboard:dashboard",
        "Show a session in the browser: positions, profit, hedges, limits. Reads its journal only.",
        (
            "gammacore dashboard",
            "gammacore dashboard --journal results/JOURNAL.db --replay --speed 60",
            "gammacore dashboard --host 0.0.0.0 --token auto",
        ),
    ),
    Command(
        LIVE,
        "doctor",
        "live:doctor",
        "Check configuration, limits, credentials, connection, clock, permissions and account.",
        ("gammacore doctor config.yaml --venue testnet",),
    ),
    Command(
        LIVE,
        "kill",
        "live:kill",
        "Cancel everything and block trading until reset.",
        (
            "gammacore kill results/JOURNAL.db",
            "gammacore kill results/JOURNAL.db --flatten",
            "gammacore kill results/JOURNAL.db --flatten --direct",
        ),
    ),
    Command(
        LIVE,
        "watch",
        "live:watch",
        "Send alerts (addresses in GAMMACORE_ALERTS) and serve metrics of a session, from another process.",
        ("gammacore watch results/JOURNAL.db --metrics-port 9100",),
    ),
    Command(
        LIVE,
        "parity",
        "live:parity",
        "Replay a session's journal, and name the first decision that differs.",
        ("gammacore parity results/JOURNAL.db",),
    ),
    Command(
        LIVE,
        "export",
        "export:export",
        "Export the fills of a session or backtest for other tools and for gammacore data import.",
        (
            "gammacore export results/JOURNAL.db",
            "gammacore export results/first --format simple --out executions.csv",
            "gammacore export results/first --format koinly --json",
        ),
    ),
    Command(
        LIVE,
        "exchange",
        "exchange:exchange",
        "Run a local exchange that speaks Deribit's protocol.",
        (
            "gammacore exchange",
            "gammacore exchange --replay FILE --speed 60",
        ),
    ),
    Command(DATA, "data", "data:data_app", "Download, import, record and check market data."),
    Command(DATA, "chains", "chains:chains_app", "Look into recorded option chains."),
)


class Commands(Mapping[str, Any]):
    """Commands by name, imported and built when looked up."""

    def __init__(self) -> None:
        self._table = {command.name: command for command in COMMANDS}

    def __getitem__(self, name: str) -> Any:
        return build(self._table[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)

    def told(self, name: str) -> TyperCommand | None:
        """Return what a list of commands says of one, without importing it."""
        found = self._table.get(name)
        return None if found is None else TyperCommand(name, help=found.does, rich_help_panel=found.panel)


class Program(TyperGroup):
    """The program: lists its commands without importing them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = Commands()

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the table."""
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return what a list shows of a command, or what suggestions are made from."""
        return self.commands.told(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Find the command that is run."""
        name, told, rest = super().resolve_command(ctx, args)
        return name, None if told is None else self.commands[name], _with_store(rest)


def _with_store(words: list[str]) -> list[str]:
    """Let ``--store`` without a folder name the one that downloads fill."""
    found = list[str]()
    for word, following in pairwise([*words, "-"]):
        found.append(word)
        if word == "--store" and following.startswith("-"):
            found.append(STORE)
    return found
