"""``gammacore breakeven``: every straddle of a chain, or a structure at every expiry, weighed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Column, Table

from gammacore.cli.books import currencies_of
from gammacore.cli.calibrate import OUT, refuse_options, run_calibration
from gammacore.cli.common import (
    ChainsOption,
    CurrencyOption,
    ForceOption,
    FromStoreOption,
    FundingOption,
    JsonOption,
    SetOption,
    configured,
    document,
    figure,
    of_data,
    read_moment,
    show_warnings,
    stoppable,
)
from gammacore.cli.own_code import TrustOption
from gammacore.daycount import NS_PER_DAY, format_time, parse_time
from gammacore.errors import ConfigError
from gammacore.terminal import numbers

if TYPE_CHECKING:
    from gammacore.backtest.figures.position_ranking import RankedPositions


def breakeven(
    config: Annotated[
        Path | None, typer.Argument(help="YAML file with hedge, costs, exit and signal.")
    ] = None,
    chains: ChainsOption = None,
    prices: Annotated[str | None, typer.Option(help="Price bars, for the forecast.")] = None,
    funding: FundingOption = None,
    store: FromStoreOption = None,
    currency: CurrencyOption = None,
    at: Annotated[
        str | None, typer.Option(help="Use the latest chain at or before this time (default: latest).")
    ] = None,
    structure: Annotated[
        str | None,
        typer.Option(help="Structure, such as strangle, or legs for entry.legs (default: entry.structure)."),
    ] = None,
    forecast: Annotated[
        str | None,
        typer.Option(
            help="Forecast of realised volatility: 0.55, har or combined (default: signal.forecast)."
        ),
    ] = None,
    log_sd: Annotated[
        float | None, typer.Option(help="Standard deviation of the forecast's logarithm.")
    ] = None,
    max_delta: Annotated[float, typer.Option(help="Largest delta of a straddle.")] = 0.6,
    top: Annotated[int, typer.Option(min=1, help="Rows to show.")] = 20,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Compare the chances told at all chains with what came.")
    ] = False,
    rule: Annotated[
        list[str] | None,
        typer.Option(help="With --calibrate: only this hedge rule, such as band; repeatable (default: all)."),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="With --calibrate: folder of the page, figures and recalibration.")
    ] = OUT,
    force_data: ForceOption = False,
    trust: TrustOption = False,
    as_json: JsonOption = False,
    overrides: SetOption = None,
) -> None:
    """Find the realised volatility at which each position breaks even after all costs; weigh a forecast."""
    from gammacore.config import MOST_VOL

    given: dict[str, Any] = {"currency": currency} | of_data(chains=chains, prices=prices, funding=funding)
    if calibrate:
        refuse_options({"--at": at, "--forecast": forecast})
        given |= {"signal.log_sd": log_sd} | ({} if structure is None else _structured(structure))
        configs = [
            configured(config, given | one, overrides, force_data=force_data, trust=trust, store=store)
            for one in _currencies(currency, store)
        ]
        with stoppable():
            run_calibration(configs, rule or (), out, as_json=as_json)
        return
    if rule:
        raise ConfigError("--rule: is about --calibrate; name the hedge rule with --set hedge.rule=...")
    settings = configured(config, given, overrides, force_data=force_data, trust=trust, store=store)
    from gammacore.forecasts import given_forecast

    weighed = given_forecast("--forecast", forecast)
    for option, value in (("--log-sd", log_sd), ("--max-delta", max_delta)):
        if value is not None and not 0.0 < value < MOST_VOL:
            raise ConfigError(f"{option}: expected a positive number, got {value:g}")
    from gammacore.backtest.figures.position_ranking import rank_positions

    with stoppable():
        ranked = rank_positions(
            settings,
            at_ns=None if at is None else read_moment(at, "--at"),
            structure=structure,
            forecast=weighed,
            log_sd=log_sd,
            max_delta=max_delta,
        )
    if as_json:
        document(_document(ranked))
    else:
        _show(Console(), ranked, top)


def _structured(structure: str) -> dict[str, Any]:
    """Entry of a structure that an option names; ``legs`` are those of the configuration."""
    return {} if structure == "legs" else {"entry.structure": structure, "entry.legs": []}


def _currencies(text: str | None, store: Path | None) -> list[dict[str, Any]]:
    """Read the coins to calibrate: several only of a store, which has prices of each."""
    found = currencies_of(text)
    if len(found) > 1 and store is None:
        raise ConfigError(f"--currency: {text} needs --store, as each coin has prices of its own")
    return [{"currency": one} for one in found] or [{}]


def _expiry(row: dict[str, Any]) -> str:
    """First expiry, and days from it to the last."""
    from gammacore.contracts import Future, Settlement

    first, last = (parse_time(row["expiries"][end]) for end in (0, -1))
    label = Future("BTC", Settlement.INVERSE, first).name.split("-")[1]
    return label if first == last else f"{label}+{(last - first) / NS_PER_DAY:.0f}d"


def _strike(value: float) -> str:
    return f"{value / 1e3:g}k" if value >= 1e3 else f"{value:g}"


def _decimals(premiums: Iterable[float]) -> int:
    """Decimals of amounts in USD: none, unless the options of a cheap coin cost less than a hundred."""
    largest = max((abs(each) for each in premiums if math.isfinite(each)), default=0.0)
    return max(0, 2 - math.floor(math.log10(largest))) if largest > 0.0 else 0


def _verdict(ranked: RankedPositions, rows: list[dict[str, Any]]) -> str:
    """Say in one sentence how many positions a forecast makes worth having, and the best of them."""
    best, unit = rows[0], _unit(rows)
    earning = sum(row[f"profit_{unit}"] > 0.0 for row in rows)
    several = f"{len(rows):,} position{'' if len(rows) == 1 else 's'}"
    count = f"{earning:,} of {several} are" if earning > 1 else f"{earning or 'None'} of {several} is"
    name = f"{_expiry(best)} {' + '.join(map(_strike, best['strikes']))}"
    even, forecast = (figure(best[key], ".1%") for key in ("breakeven", "forecast"))
    return (
        f"{count} expected to earn. The best, {name}, breaks even at {even}, the forecast is {forecast}; "
        f"chance of a profit {figure(best[_chance(ranked)], '.0%')}"
    )


def _unit(rows: list[dict[str, Any]]) -> str:
    return "coin" if "premium_coin" in rows[0] else "usd"


def _chance(ranked: RankedPositions) -> str:
    return "probability" if ranked.correction is None else "recalibrated"


def _document(ranked: RankedPositions) -> dict[str, object]:
    rows = ranked.rows()
    return {
        "verdict": _verdict(ranked, rows),
        "time": format_time(ranked.ts_ns),
        "simulated": ranked.simulated,
        "modelled": ranked.modelled,
        "policy": ranked.rule,
        "hedge_cost": ranked.plan.hedge_cost,
        "funding": ranked.funding,
        "forecast": ranked.forecast,
        "recalibration": ranked.told,
        "faults": ranked.faults,
        "refused": ranked.refused,
        "positions": rows,
    }


def _show(console: Console, ranked: RankedPositions, top: int) -> None:
    simulated = "quotes" if ranked.simulated else ""
    show_warnings(console, ranked.faults, simulated, ranked.modelled)
    side = "long" if ranked.plan.long else "short"
    rows = ranked.rows()
    chance, unit = _chance(ranked), _unit(rows)
    console.print(f"[bold]{_verdict(ranked, rows)}[/]", highlight=False)
    table = Table(
        Column("expiry", no_wrap=True),
        *numbers("days", no_wrap=True),
        Column("strike", no_wrap=True),
        *numbers("premium", "paid", "even at", "P", "profit", "sd", "return", no_wrap=True),
        title=f"{len(rows)} positions, {side}, {format_time(ranked.ts_ns)[:16]}",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=0,
    )
    decimals = 4 if unit == "coin" else _decimals(row["premium_usd"] for row in rows[:top])
    form = f",.{decimals}f"
    for row in rows[:top]:
        table.add_row(
            _expiry(row),
            f"{row['days']:.1f}",
            "/".join(map(_strike, row["strikes"])),
            figure(row[f"premium_{unit}"], form),
            *(figure(row[name], ".1%") for name in ("paid_vol", "breakeven", chance)),
            figure(row[f"profit_{unit}"], "+" + form),
            figure(row[f"deviation_{unit}"], form),
            figure(row["return_on_capital"], "+.1%"),
        )
    console.print(table)
    plan = ranked.plan
    medians = [row["forecast"] for row in rows[:top] if math.isfinite(row["forecast"])]
    span = "-" if not medians else f"{min(medians):.1%} to {max(medians):.1%}"
    console.print(
        f"forecast {span} ({ranked.forecast}); amounts in {unit} per unit of the structure; "
        f"hedge: {ranked.rule} at {plan.hedge_cost * 1e4:.2f} bp; funding {ranked.funding:.1%} a year",
        highlight=False,
    )
    told = ranked.told or "P as told; --calibrate compares it with what straddles brought"
    console.print(told, highlight=False)
    if ranked.refused:
        more = f" (and {len(ranked.refused) - 1} more)" if len(ranked.refused) > 1 else ""
        console.print(f"left out: {ranked.refused[0]}{more}", highlight=False, markup=False)
