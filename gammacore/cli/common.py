"""What the commands share: overrides, progress, interruptions."""

from __future__ import annotations

import json
import math
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from gammacore.cli.commands import STORE
from gammacore.cli.own_code import confirm_code
from gammacore.daycount import NS_PER_DAY, parse_time
from gammacore.errors import ConfigError

if TYPE_CHECKING:
    from gammacore.config import Config

INTERRUPTED = 130
ENDS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
ConfigArgument = Annotated[
    Path | None, typer.Argument(help="YAML file; config/params.yaml lists all parameters.")
]
ChainsOption = Annotated[
    str | None, typer.Option(help="Option chains: CSV, gzip CSV or Parquet, a file or a directory.")
]
PricesOption = Annotated[str | None, typer.Option(help="Price bars: a file, pattern or directory.")]
FundingOption = Annotated[str | None, typer.Option(help="Funding rates of the perpetual.")]
DeliveryOption = Annotated[str | None, typer.Option(help="File of delivery prices by date.")]
InstrumentsOption = Annotated[
    str | None, typer.Option(help="Ticks, lots and fees: a catalog as CSV or JSON, or a store.")
]
StartOption = Annotated[str | None, typer.Option(help="Use data from this time on (ISO 8601, UTC).")]
EndOption = Annotated[str | None, typer.Option(help="Use data before this time (ISO 8601, UTC).")]
CurrencyOption = Annotated[str | None, typer.Option(help="BTC or ETH; SOL_USDC for options in USDC.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE", help="Override a parameter, such as hedge.band=0.1; repeatable."
    ),
]
StoreOption = Annotated[Path, typer.Option("--store", help="Folder of the store.")]
DEFAULT_STORE = Path(STORE)
FromStoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store",
        help=f"Folder of a store, {STORE} if left out: what no other option names is read from there.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document to stdout.")]
ForceOption = Annotated[
    bool, typer.Option("--force-data", help="Run although the data contradicts itself; every page says so.")
]


def configured(
    config: Path | None,
    options: Mapping[str, Any],
    overrides: list[str] | None,
    *,
    force_data: bool,
    trust: bool = False,
    store: Path | None = None,
    takes: Collection[str] | None = None,
    grid: bool = False,
) -> Config:
    """Read a configuration with the options that were given, by their paths, and what ``--set`` overrides.

    What data is left open is looked for in ``store``: the fields that a command ``takes``, or all. Code of
    the user's own is confirmed and loaded. A command that runs every combination of ``vary`` (``grid``)
    takes no value of its parameters beside.
    """
    from gammacore.config import load_config

    named = {**options, "data.force": force_data or None}
    given = {path: value for path, value in named.items() if value is not None}
    given |= parse_overrides(overrides or [])
    settings = load_config(config, given)
    for path in given:
        if grid and path in settings.vary:
            option = f"--set {path}" if named.get(path) is None else f"--{path.removeprefix('data.')}"
            raise ConfigError(f"{option}: vary.{path} has the values of this grid; leave one out")
    if store is not None:
        from gammacore.store_paths import FIELDS, with_store

        settings = with_store(settings, store, takes=takes or FIELDS, named=given)
    confirm_code(settings, trust=trust)
    return settings


def of_data(**options: str | None) -> dict[str, str | None]:
    """Options that name data, by the paths of their fields."""
    return {f"data.{name}": value for name, value in options.items()}


def read_moment(text: str, option: str) -> int:
    """Read a time that an option gives, nanoseconds UTC."""
    try:
        return parse_time(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None


def read_day(text: str, option: str) -> int:
    """Read a day that an option gives, nanoseconds UTC of its midnight."""
    moment = read_moment(text, option)
    if moment % NS_PER_DAY:
        raise ConfigError(f"{option}: expected a day such as 2026-01-31, got {text!r}")
    return moment


def duration(text: str, option: str) -> int:
    """Read a duration that an option gives, nanoseconds; 0 and 0s are none."""
    from gammacore.config import parse_duration

    return 0 if text.strip() in ("0", "0s") else parse_duration(text, option)


def show_warnings(console: Console, faults: Sequence[str], simulated: str = "", modelled: str = "") -> None:
    """Say above any figure that its data was forced, and what of it was simulated or modelled."""
    if faults:
        told = "Data that contradicts itself was forced: no figure here can be trusted."
        console.print(f"[bold white on red]{told}[/]")
    for fault in faults:
        console.print(f"[red]{escape(fault)}[/]", highlight=False, soft_wrap=True)
    if simulated:
        console.print(f"[bold yellow]Simulated {simulated}:[/] the result says nothing about real profit.")
    if modelled:
        told = "[bold yellow]Modelled chains:[/] quotes and marks are estimated from"
        console.print(f"{told} {escape(modelled)}.", highlight=False, soft_wrap=True)


def document(found: Any) -> None:
    """Write JSON to stdout: no figure is null."""
    sys.stdout.write(json.dumps(_plain(found), indent=1, default=str) + "\n")


def _plain(found: Any) -> Any:
    if isinstance(found, dict):
        return {str(name): _plain(value) for name, value in found.items()}
    if isinstance(found, list | tuple):
        return [_plain(value) for value in found]
    if hasattr(found, "item"):  # a number of numpy
        found = found.item()
    return None if isinstance(found, float) and not math.isfinite(found) else found


def figure(value: float | None, form: str) -> str:
    """Write a figure; a dash for what there is not."""
    return "-" if value is None or not math.isfinite(value) else format(float(value), _unsigned_zero(form))


def _unsigned_zero(form: str) -> str:
    """Add to a format that a rounded zero has no minus."""
    sign = form[: form.startswith("+")]
    return f"{sign}z{form[len(sign) :]}"


@contextmanager
def stoppable(left: str = "nothing was written") -> Iterator[None]:
    """Say what an interruption left behind, before the framework ends the process without a word.

    A service manager, a batch queue or a terminal that is closed interrupts, too: files are put away, workers
    end.
    """
    ends = [number for number in ENDS if signal.getsignal(number) is signal.SIG_DFL and _first_thread()]
    for number in ends:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        Console(stderr=True).print(f"interrupted: {left}", highlight=False, soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        for number in ends:
            signal.signal(number, signal.SIG_DFL)


def _first_thread() -> bool:
    """Whether this thread may say what signals do."""
    return threading.current_thread() is threading.main_thread()


def pairs(option: str, texts: list[str]) -> dict[str, str]:
    """Split every ``NAME=VALUE``; of a name that comes again ``--set`` takes the last, as options do."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"{option} {text!r}: expected NAME=VALUE")
        if option != "--set" and found.get(name.strip(), value) != value:
            raise ConfigError(f"{option} {name.strip()}: given twice, {found[name.strip()]} and {value}")
        found[name.strip()] = value
    return found


def parse_overrides(texts: list[str], option: str = "--set", form: str = "{}") -> dict[str, Any]:
    """Read values as YAML (put into ``form``), so that numbers, lists and null mean themselves."""
    from gammacore.yaml_text import read_yaml

    return {
        path: read_yaml(form.format(value), f"{option} {path}")
        for path, value in pairs(option, texts).items()
    }


def where_results_are(out: Path) -> str:
    """Say where the files of a run are, and which to open; nothing is named that is not there."""
    page = out / "report.html"
    return f"Results in {out}" + (f"; open {page}" if page.exists() else "")


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each name; on a stream that is not a terminal, nothing."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def report(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name or "replay", total=total)
            bar.update(tasks[name], completed=done)

        yield report
