"""``gammacore data``: download, import, record and check market data."""

from __future__ import annotations

import math
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from gammacore.cli.build_chains import EXAMPLES, build_chains, model_chains
from gammacore.cli.check import PROBLEMS, coverage_table, day_table, show_chains
from gammacore.cli.commands import examples
from gammacore.cli.common import (
    DEFAULT_STORE,
    JsonOption,
    StoreOption,
    document,
    duration,
    pairs,
    progress_bar,
    read_day,
    stoppable,
)
from gammacore.errors import ConfigError

if TYPE_CHECKING:
    from gammacore.data.trade_chains.build import Built

data_app = typer.Typer(help="Download, import, record and check market data.", no_args_is_help=True)

data_app.command("build-chains", epilog=examples(*EXAMPLES))(build_chains)


@data_app.command(
    epilog=examples(
        "gammacore data download --currency BTC --start 2026-01-01 --end 2026-02-01",
        "gammacore data download --currency BTC,ETH --kinds candles,funding --start 2025-01-01",
        "gammacore data download --url http://127.0.0.1:8765/api/v2 --start 2026-11-01",
    )
)
def download(
    start: Annotated[str | None, typer.Option(help="First day (ISO 8601, UTC; default: see --days).")] = None,
    days: Annotated[int, typer.Option(help="Days before the end, without --start.", min=1)] = 7,
    end: Annotated[
        str | None, typer.Option(help="Day after the last (default: today, which is not complete).")
    ] = None,
    currency: Annotated[str, typer.Option(help="Settlement currencies: BTC,ETH,USDC.")] = "BTC",
    kinds: Annotated[
        str | None, typer.Option(help="Kinds of data, separated by commas (default: all).")
    ] = None,
    instruments: Annotated[
        str,
        typer.Option(help="Pattern of names, such as 'BTC-*26' (default: bars and funding of perpetuals)."),
    ] = "",
    resolution: Annotated[str, typer.Option(help="Length of bars: minutes, or 1D.")] = "1",
    store: StoreOption = DEFAULT_STORE,
    url: Annotated[str | None, typer.Option(help="REST address of an exchange (default: Deribit).")] = None,
    rate: Annotated[float, typer.Option(help="Requests a second.", min=0.01)] = 10.0,
    no_chains: Annotated[
        bool, typer.Option("--no-chains", help="Model no option chains from the trades.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Download public history, day by day, and model chains from its trades; run it again to resume."""
    from gammacore.data.download import DOWNLOADED, Plan
    from gammacore.data.download import download as run
    from gammacore.data.store import Store
    from gammacore.data.throttle import Throttle
    from gammacore.daycount import NS_PER_DAY
    from gammacore.deribit.addresses import HISTORY, REST
    from gammacore.deribit.methods import GET_TIME
    from gammacore.errors import DataError, RequestError
    from gammacore.live.rest import Rest

    end_ns = read_day(end, "--end") if end is not None else (time.time_ns() // NS_PER_DAY + 1) * NS_PER_DAY
    plan = Plan(
        currencies=tuple(_words(currency.upper())),
        kinds=tuple(_words(kinds)) if kinds else DOWNLOADED,
        start_ns=end_ns - days * NS_PER_DAY if start is None else read_day(start, "--start"),
        end_ns=end_ns,
        instruments=instruments,
        resolution=resolution,
    )
    exchange, archive = Rest(url or REST), Rest(url or HISTORY)
    burst = max(1, min(20, int(2 * rate)))
    left = f"complete days are in {store}; run the command again to resume"
    with stoppable(left), Store(store) as opened, progress_bar() as report:
        try:
            exchange.raw(GET_TIME.name, {})
        except RequestError as error:
            offer = "gammacore backtest runs on a simulated market meanwhile"
            raise DataError(f"no connection to {url or REST}: {error}. {offer}") from None
        throttle = Throttle(rate, burst)
        done = run(opened, plan, exchange.raw, archive=archive.raw, throttle=throttle, progress=report)
        whole = not (no_chains or kinds or instruments)
        coins = plan.currencies if whole else ()
        built, refused = model_chains(opened, coins, plan.start_ns, plan.end_ns, report)
    chains = sum(one.chains for one in built)
    if as_json:
        counts = {"rows": done.rows, "written": done.files, "before": done.before, "chains": chains}
        document({**counts, "until": done.until})
        return
    console = Console()
    rows = ", ".join(f"{count:,} {kind}" for kind, count in done.rows.items()) or "nothing new"
    summary = f"{rows}; {done.files:,} files written, {done.before:,} were there"
    console.print(summary, highlight=False, soft_wrap=True)
    if whole:
        console.print(_modelled(built, refused, store), highlight=False, soft_wrap=True, markup=False)
    if done.until and end is not None:
        console.print(f"Until {done.until}: later days are not over yet", highlight=False)


def _modelled(built: list[Built], refused: list[str], store: Path) -> str:
    """Say what chains there are now, or why there are none."""
    chains, before = (sum(getattr(one, name) for one in built) for name in ("chains", "before"))
    if not chains and not before:
        return f"No chains modelled from trades: {'; '.join(refused)}"
    where = "--store" if store == DEFAULT_STORE else f"--store {shlex.quote(str(store))}"
    days = f", {before:,} days were there" if before else ""
    return f"{chains:,} chains modelled from trades{days}; replay them: gammacore backtest {where}"


@data_app.command(
    "import",
    epilog=examples(
        "gammacore data import deribit_options_chain_2026-03-01_OPTIONS.csv.gz",
        "gammacore data import BTCUSDT-1m-2026-03.csv --currency BTC --instrument BTCUSDT",
        "gammacore data import FILE.csv --currency BTC --skip usdc_reward",
        "gammacore data import FILE --kind index --map ts_ns=time --map price=last --map index_name=name",
    ),
)
def import_(
    files: Annotated[list[Path], typer.Argument(help="CSV or gzip CSV files; JSON of your own trades.")],
    format_: Annotated[str, typer.Option("--format", help="File format; auto reads the header.")] = "auto",
    kind: Annotated[str, typer.Option(help="With --map: what the rows are.")] = "",
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="OURS=THEIRS",
            help="Map a column: OURS=THEIRS. ours='text' sets one value for all rows.",
        ),
    ] = None,
    map_file: Annotated[
        Path | None, typer.Option(help="YAML file with the mapping, one 'ours: theirs' a line.")
    ] = None,
    currency: Annotated[str, typer.Option(help="Set this if the file does not tell.")] = "",
    instrument: Annotated[str, typer.Option(help="Set this if the file does not tell.")] = "",
    delay: Annotated[
        str, typer.Option(help="Delay from a row's time to when it was known, if the file lacks it.")
    ] = "0s",
    snapshot: Annotated[
        str, typer.Option(help="Interval of chains built from option tickers; 0s builds none.")
    ] = "1h",
    memory_limit: Annotated[str, typer.Option(help="Memory limit, such as 500MB.")] = "1GB",
    account: Annotated[str, typer.Option(help="Account to import, if the file holds several.")] = "",
    skip: Annotated[
        list[str] | None,
        typer.Option(
            help="Transaction log: leave out this row type, or skip this check (balance, position)."
        ),
    ] = None,
    dates: Annotated[
        str,
        typer.Option(help="Order of dates such as 05/06/26: day-first or month-first."),
    ] = "",
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Import market data, or your own transaction logs, trade histories and tables of trades."""
    from gammacore.cli.account import account_figures, show_account
    from gammacore.data.importing import ImportOptions, import_file
    from gammacore.data.store import Store

    names = (_yaml(map_file) if map_file is not None else {}) | pairs("--map", mapping or [])
    options = ImportOptions(
        format=format_,
        kind=kind,
        mapping=names,
        currency=currency.upper(),
        instrument=instrument,
        delay_ns=duration(delay, "--delay"),
        snapshot_ns=duration(snapshot, "--snapshot"),
        memory_limit=memory_limit,
        account=account,
        skip=tuple(skip or ()),
        dates=dates,
    )
    console, told = Console(), []
    with stoppable("files that were named above are imported"), Store(store) as opened:
        for file in files:
            with progress_bar() as report:
                found = import_file(opened, file, options, progress=report)
            if as_json:
                past = {} if found.history is None else account_figures(found.history)
                told.append({"file": str(file), "format": found.format, "rows": found.rows, **past})
                continue
            rows = ", ".join(f"{count:,} {name}" for name, count in found.rows.items()) or "no rows"
            console.print(f"{file}: {found.format}, {rows}", highlight=False, soft_wrap=True)
            if found.history is not None:
                show_account(console, found.history)
    if as_json:
        document(told)


@data_app.command(
    epilog=examples(
        "gammacore data record --currency BTC,ETH",
        "gammacore data record --currency BTC --options tickers --snapshot 5min",
        "gammacore data record --url ws://127.0.0.1:8765/ws/api/v2 --seconds 60",
    )
)
def record(
    currency: Annotated[str, typer.Option(help="Settlement currencies: BTC,ETH,USDC.")] = "BTC",
    options: Annotated[
        str, typer.Option(help="Source of chains: summary, tickers (of all options), or none.")
    ] = "summary",
    interval: Annotated[str, typer.Option(help="Interval of channels: 100ms or agg2.")] = "100ms",
    snapshot: Annotated[str, typer.Option(help="Interval of chains.")] = "1min",
    rotate: Annotated[str, typer.Option(help="Interval of files.")] = "5min",
    seconds: Annotated[float | None, typer.Option(help="Stop after this many seconds.", min=0.1)] = None,
    url: Annotated[str | None, typer.Option(help="WebSocket address (default: Deribit).")] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Record trades, books, tickers, indices and chains until Ctrl-C, with a log of gaps."""
    from gammacore.config import parse_duration
    from gammacore.data.store import Store
    from gammacore.deribit.addresses import PRODUCTION
    from gammacore.live.client import Client
    from gammacore.live.recorder import Recorder, RecorderOptions
    from gammacore.live.recording import last_heard_ns
    from gammacore.live.recording import record as run

    chosen = RecorderOptions(
        currencies=tuple(_words(currency.upper())),
        options=options,
        interval=interval,
        snapshot_ns=parse_duration(snapshot, "--snapshot"),
        rotate_ns=parse_duration(rotate, "--rotate"),
    )
    with stoppable(f"what was heard is in {store}"), Store(store) as opened:
        opened.recover()
        recorder = Recorder(opened, chosen, heard_ns=last_heard_ns(opened))
        client = Client(url or PRODUCTION, tap=recorder.tap, watch_state=False)
        run(opened, client, recorder, chosen, seconds if seconds is not None else math.inf)
    if as_json:
        document({"notifications": recorder.seq, "writes": recorder.files, "store": str(store)})
        return
    place = f", in {store}" if recorder.files else ""
    told = f"{recorder.seq:,} notifications in {recorder.files:,} writes{place}"
    Console().print(told, highlight=False, soft_wrap=True)


@data_app.command(
    epilog=examples(
        "gammacore data check", "gammacore data check --json", "gammacore data check --chains DIR"
    )
)
def check(
    store: StoreOption = DEFAULT_STORE,
    chains: Annotated[
        Path | None, typer.Option(help="Check a file or folder of option chains instead of the store.")
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="Currency of the chains, if the files hold several.")
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(help="With --chains: price bars to check them against.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Show days without problems too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON to standard output: one object a day.")] = False,
) -> None:
    """Show what the store holds and what is wrong with it. Exit code 1 if something is."""
    import msgspec

    from gammacore.data.coverage import check_store
    from gammacore.data.store import Store
    from gammacore.data.tables import existing

    if chains is not None:
        if not show_chains(chains, currency, {}, prices=prices, as_json=json):
            raise typer.Exit(PROBLEMS)
        return
    existing(store)
    with Store(store) as opened, progress_bar() as report:
        reports = list(check_store(opened, as_of_ns=time.time_ns(), progress=report))
    console = Console()
    if json:
        for one in reports:
            console.print(msgspec.json.encode(one).decode(), soft_wrap=True, markup=False, highlight=False)
    else:
        console.print(coverage_table(reports))
        shown = [one for one in reports if every or one.problems]
        if shown:
            console.print(day_table(shown))
    if any(one.problems for one in reports):
        raise typer.Exit(PROBLEMS)


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _yaml(path: Path) -> dict[str, str]:
    from gammacore.yaml_text import read_yaml_file

    found = read_yaml_file(path, "--map-file ")
    if not isinstance(found, dict):
        raise ConfigError(f"--map-file {path}: expected lines of ours: theirs")
    return {str(ours): str(theirs) for ours, theirs in found.items()}
