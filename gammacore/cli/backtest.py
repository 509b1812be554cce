"""``gammacore backtest``: recorded chains, or a simulated market."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
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
    where_results_are,
)
from gammacore.cli.held import run_held
from gammacore.cli.own_code import TrustOption
from gammacore.terminal import money_table, numbers

if TYPE_CHECKING:
    from gammacore.config import Config


def backtest(
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
    positions: Annotated[
        list[Path] | None,
        typer.Option(
            help="Your own transaction logs or trade histories: backtest hedges of the book you held."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Result directory (default: results/<run>).")] = None,
    overrides: SetOption = None,
    force_data: ForceOption = False,
    trust: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Backtest gamma scalping on recorded chains, or without data on a simulated market."""
    given = {"currency": currency} | of_data(
        chains=chains,
        prices=prices,
        funding=funding,
        delivery=delivery,
        instruments=instruments,
        start=start,
        end=end,
    )
    settings = configured(
        config, given, overrides, force_data=force_data, trust=trust, store=store, grid=True
    )
    out = _default_out(config, settings) if out is None else out
    console = Console()
    with stoppable():
        if positions:
            run_held(settings, positions, out, console, as_json)
            return
        (_run_variants if settings.vary else _run_one)(settings, out, console, as_json)


def _run_one(settings: Config, out: Path, console: Console, as_json: bool) -> None:
    from gammacore.backtest.figures.results import run_backtest
    from gammacore.backtest.report import write_results
    from gammacore.result_files import result_directory

    with result_directory(out) as folder:
        with progress_bar() as report:
            results = run_backtest(settings, progress=lambda done, total: report("replay", done, total))
        write_results(results, folder, out)
    if as_json:
        document({"directory": str(out), **results.summary})
        return
    _show(console, results.summary)
    findings = results.summary["data"]["findings"]
    if findings:
        console.print(_findings(findings))
    console.print(f"\n{where_results_are(out)}", highlight=False, soft_wrap=True)


def _run_variants(settings: Config, out: Path, console: Console, as_json: bool) -> None:
    import pandas as pd

    from gammacore.backtest.figures.results import compared
    from gammacore.backtest.report import write_results
    from gammacore.backtest.sweep.cell_runs import run_whole
    from gammacore.backtest.sweep.grid import cells
    from gammacore.result_files import result_directory

    rows = []
    with result_directory(out) as folder:
        with progress_bar() as report:
            for cell in cells(settings):
                results = run_whole(cell, partial(report, cell.label))
                target = folder / cell.label
                target.mkdir()
                write_results(results, target)
                rows.append({**cell.overrides, **compared(results)})
        comparison = pd.DataFrame(rows)
        comparison.to_csv(folder / "comparison.csv", index=False)
        comparison.to_json(folder / "summary.json", orient="records", indent=2)
    if as_json:
        document({"directory": str(out), "variants": comparison.to_dict("records")})
        return
    console.print(_variant_table(comparison, list(settings.vary)))
    console.print(f"\nResults in {out}, a directory for each variant", highlight=False, soft_wrap=True)


def _default_out(config: Path | None, settings: Config) -> Path:
    from gammacore.backtest.replay.market import is_simulated

    stem = config.stem if config is not None else "simulated" if is_simulated(settings) else "backtest"
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return Path("results") / f"{stem}-{settings.currency}-{stamp}"


def _show(console: Console, summary: dict[str, Any]) -> None:
    from gammacore.backtest.report.view import plural

    span = summary["data"]
    simulated = "market" if summary["simulated_data"] else ""
    show_warnings(console, span["faults"], simulated, span["modelled"])
    console.print(f"[bold]{escape(summary['verdict'])}[/]", highlight=False)
    console.print(_headline(summary, f"{summary['currency']} {span['start'][:10]} to {span['end'][:10]}"))
    lines, total = summary["attribution"], summary["total"]
    lines = _with_parts(lines, summary["vega_parts"] or {})
    console.print(money_table("Where it came from", _coin(summary), lines, total))
    for reason in summary["reasons"]:
        console.print(f"[bold yellow]Note:[/] {escape(reason)}", highlight=False)
    alarm = summary["unexplained_alarm"]
    if alarm["episodes"]:
        console.print(
            f"[bold yellow]Unexplained:[/] more than {alarm['allowed']:.1%} of all moves in "
            f"{plural(len(alarm['episodes']), 'episode')} ({_few(alarm['episodes'])}), "
            f"largest {alarm['largest']:.1%}.",
            highlight=False,
        )


def _with_parts(lines: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    """Put the parts of vega, indented, below it."""
    shown: dict[str, Any] = {}
    for name, money in lines.items():
        shown[name] = money
        if name == "vega":
            shown |= {f"  {part}": amount for part, amount in parts.items()}
    return shown


def _coin(summary: dict[str, Any]) -> str:
    return str(summary["currency"]).partition("_")[0]


def _few(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:10])) + (", ..." if len(numbers) > 10 else "")


def _recalibrated(told: dict[str, Any]) -> str:
    if told["since"] is None:
        return "as told: too few straddles had ended to recalibrate it"
    counted = f"{told['straddles']:,} straddles in {told['weeks']:,} weeks by the end"
    return f"recalibrated since {told['since'][:10]}, on {counted}"


def _headline(summary: dict[str, Any], title: str) -> Table:
    from gammacore.backtest.report.tables import DELIVERY_WORDS

    table = Table("", *numbers(""), title=title, show_header=False)
    coin, total, premium = _coin(summary), summary["total"], summary["premium"]
    table.add_row("P&L", f"{total['coin']:+z,.8f} {coin}")
    table.add_row("", f"{total['usd']:+z,.2f} USD")
    table.add_row("premium paid", f"{premium['coin']:z,.8f} {coin}")
    table.add_row("", f"{premium['usd']:z,.2f} USD")
    table.add_row("episodes (still open)", f"{summary['n_episodes']} ({summary['n_episodes_open']})")
    closed = ", ".join(f"{reason} {count:,}" for reason, count in summary["closed_by"].items())
    table.add_row("why they closed", closed)
    table.add_row("hedges", f"{summary['n_hedges']:,}")
    if (told := summary["recalibration"]) is not None:
        table.add_row("probability of a profit", _recalibrated(told))
    fills = summary["hedge_fills"]
    if fills["maker_share_expected"] is not None:
        band = f"{fills['maker_share_low']:.0%} to {fills['maker_share_high']:.0%}"
        table.add_row("hedges filled at rest", f"{fills['maker_share']:.0%} (by the fill model {band})")
    if (options := summary["option_fills"]) is not None:
        told = f"{options['at_rest']:,} at rest, {options['took']:,} took"
        table.add_row("legs of options that may rest", told)
    drawdown = summary["max_drawdown"]
    table.add_row("largest drawdown", f"{drawdown['coin']:z,.8f} {coin}")
    table.add_row("", f"{drawdown['usd']:z,.2f} USD")
    for name, key, form in (
        ("return on premium", "return_on_premium", "+.2%"),
        ("return on margin", "return_on_margin", "+.2%"),
        ("Sharpe ratio, of daily profits", "sharpe", "+.2f"),
        ("hit rate", "hit_rate", ".1%"),
        ("mean P&L / premium", "mean_pnl_over_premium", "+.2%"),
        ("std of P&L / premium", "std_pnl_over_premium", ".2%"),
        ("IV paid, mean", "mean_iv_entry", ".2%"),
        ("RV realised, mean", "mean_rv", ".2%"),
        ("RV at the hedges, mean", "mean_rv_at_hedges", ".2%"),
        ("break-even move a day, mean", "mean_breakeven_move_a_day", ".2%"),
        ("gamma earned / theta paid", "gamma_over_theta", ".3f"),
        ("capture ratio, P&L / (gamma + theta)", "capture_ratio", ".3f"),
        ("unexplained, of all moves", "unexplained_share", ".3%"),
        ("higher order, of all moves", "higher_order_share", ".3%"),
        ("corr(P&L, RV/IV - 1)", "corr_pnl_rv_over_iv", ".3f"),
    ):
        table.add_row(name, figure(summary[key], form))
    forced = summary["liquidation"]
    if forced["rounds"]:
        table.add_row("liquidated, rounds", f"{forced['rounds']:,}, first at {forced['first']}")
    scalps, theta = summary["scalps"], summary["theta_paid"]
    table.add_row("theta paid", f"{theta['coin']:z,.8f} {coin}")
    table.add_row("", f"{theta['usd']:z,.2f} USD")
    table.add_row("scalps (with profit)", f"{scalps['n']:,} ({figure(scalps['won'], '.1%')})")
    table.add_row("hedged by", summary["engine"].partition(":")[0])
    for source, count in summary["deliveries"].items():
        table.add_row(f"delivery price: {DELIVERY_WORDS[source]}", f"{count:,}")
    least, median, most = summary["data"]["chains"]["rows_per_chain"]
    table.add_row("rows per chain: least, median, most", f"{least:,}, {median:,.0f}, {most:,}")
    table.add_row("orders not filled (no quote, collar, patience)", f"{summary['quotes_missing']:,}")
    if summary["n_episodes_future_not_listed"]:
        table.add_row("episodes whose future was not listed", f"{summary['n_episodes_future_not_listed']}")
    return table


def _findings(findings: dict[str, int]) -> Table:
    table = Table("check", *numbers("count"), title="Found in the data")
    for check, count in findings.items():
        table.add_row(check, f"{count:,}")
    return table


def _variant_table(comparison: Any, varied: list[str]) -> Table:
    known = ("hedges", "before\nfees", "its\nstd", "fees", "after\nfees", "its\nstd", "total\nUSD")
    table = Table(
        *(Column(name.rpartition(".")[2], overflow="fold") for name in varied),
        *numbers(*known, no_wrap=True),
        title="Variants: mean P&L over premium",
    )
    shares = (
        "mean_before_fees",
        "std_before_fees",
        "mean_fees_over_premium",
        "mean_pnl_over_premium",
        "std_pnl_over_premium",
    )
    for row in comparison.to_dict("records"):
        table.add_row(
            *(str(row[name]) for name in varied),
            f"{row['n_hedges']:,}",
            *(figure(row[name], ".1%") for name in shares),
            f"{row['total_usd']:,.0f}",
        )
    return table
