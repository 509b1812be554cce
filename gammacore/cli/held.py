"""``gammacore backtest --positions``: an account's own past, hedged in other ways."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from gammacore.cli.common import document, figure, progress_bar, show_warnings, where_results_are
from gammacore.errors import ConfigError
from gammacore.terminal import numbers

if TYPE_CHECKING:
    from gammacore.backtest.sweep.held_book import HeldBook
    from gammacore.config import Config


def run_held(settings: Config, files: Sequence[Path], out: Path, console: Console, as_json: bool) -> None:
    """Read what the account traded, hedge it in several ways, and write and show what came of it.

    Raises
    ------
    ConfigError
        If no recorded chains are named.
    DataError
        If a file cannot be read, or nothing of it lies within the time of the prices.
    """
    from gammacore.result_files import result_directory

    if settings.data.chains is None:
        raise ConfigError("--positions: needs option chains of that time; name them with --chains or --store")
    from gammacore.backtest.replay.holder import holder_past
    from gammacore.backtest.replay.market import load_market
    from gammacore.backtest.report.files import HELD_PAGE, write_held
    from gammacore.backtest.sweep.held_book import compare_hedges, held_config
    from gammacore.data.account.reading import AccountOptions, read_account
    from gammacore.data.account.rows import deliveries, executions

    config, options = held_config(settings), AccountOptions(currency=settings.settles_in)
    rows = [row for file in files for row in read_account(file, options).rows]
    with result_directory(out) as folder:
        market = load_market(config)
        past = holder_past(executions(rows), deliveries(rows), market.tape, config.coin)
        with progress_bar() as report:
            found = compare_hedges(config, market, past, report)
        write_held(found, market, folder, out)
    summary = found.summary()
    if as_json:
        document({"directory": str(out), **summary})
        return
    show_warnings(console, market.faults, modelled=market.modelled)
    console.print(_table(found))
    _tell(console, found, summary)
    page = out / HELD_PAGE
    told = f"; all the hedges are compared in {page}" if page.is_file() else ""
    console.print(f"\n{where_results_are(out)}{told}", highlight=False, soft_wrap=True)


def _table(found: HeldBook) -> Table:
    shown = ("burden", "costs", "day's sd", "trades", "P&L", "less\nactual", "better")
    table = Table(
        Column("hedge", overflow="fold"),
        *numbers(*shown, no_wrap=True),
        title="Your options, hedged in different ways; USD",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for one in found.hedged:
        seen = one.figures
        table.add_row(
            one.name,
            figure(seen["burden_usd"], ",.0f"),
            f"{seen['hedge_fees_usd'] + seen['spread_usd']:,.0f}",
            figure(seen["daily_sd_usd"], ",.0f"),
            f"{seen['hedge_trades']:,}",
            f"{seen['pnl_usd']:+,.0f}",
            f"{seen['less_actual_usd']:+,.0f}",
            figure(seen["better"], ".0%"),
            style="bold" if one is found.best else "",
        )
    return table


def _tell(console: Console, found: HeldBook, summary: dict[str, Any]) -> None:
    aversion = found.config.hedge.risk_aversion
    console.print(
        f"Least burden: [bold]{escape(found.best.name)}[/]. Burden is costs, and half of hedge.risk_aversion "
        f"({aversion:g} per USD) times the variance of daily profits.",
        highlight=False,
    )
    for reason, count in summary["left_out"].items():
        console.print(f"[bold yellow]Left out:[/] {count:,} trades {escape(reason)}", highlight=False)
