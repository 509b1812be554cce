"""What ``gammacore data check`` and ``gammacore chains check`` show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from gammacore.cli.common import document
from gammacore.terminal import numbers

PROBLEMS = 1  # exit code of a check that found something


def show_chains(
    path: Path,
    currency: str | None,
    columns: dict[str, str],
    *,
    prices: Path | None = None,
    as_json: bool = False,
) -> bool:
    """Show the quality of recorded chains, and how well mark volatilities follow from mark prices.

    Returns
    -------
    bool
        Whether nothing is wrong with them.
    """
    from gammacore.contracts import Settlement
    from gammacore.data import load_chains, load_prices, quality_table
    from gammacore.data.check import chain_faults, chain_verdicts, iv_reproduction
    from gammacore.data.delay import estimate_delay

    loaded = load_chains(path, currency=currency, columns=columns)
    bars = load_prices(prices, currency=loaded.base) if prices is not None else None
    figures = iv_reproduction(loaded) if loaded.settlement is Settlement.INVERSE else {}
    faults, verdicts = chain_faults(loaded), chain_verdicts(loaded, bars)
    delay = None if bars is None else estimate_delay(loaded, bars)
    wrong = [verdict for verdict in verdicts if not verdict.sound]
    if as_json:
        findings = [
            {"check": f.check, "found": f.count, "of": f.total, "fault": f in faults, "example": f.example}
            for f in dict.fromkeys((*loaded.quality.findings, *faults))
        ]
        told = [_verdict(verdict) for verdict in verdicts]
        document(
            {
                "checks": findings,
                "rows_per_chain": dict(zip(("least", "median", "most"), loaded.rows_per_chain, strict=True)),
                "delay": None if delay is None else _delay(delay),
                "verdicts": told,
                "iv_reproduction": figures,
            }
        )
        return not faults and not wrong
    console = Console()
    console.print(quality_table(loaded.quality))
    least, median, most = loaded.rows_per_chain
    console.print(
        f"{loaded.snapshot_ts.size:,} chains; rows per chain: "
        f"least {least:,}, median {median:,.0f}, most {most:,}",
        highlight=False,
    )
    if delay is not None:
        console.print(str(delay), soft_wrap=True, highlight=False, markup=False)
    if figures:
        console.print(_reproduction_table(figures))
    lines = [f"{one.check}: {one.count:,} of {one.total:,}; {one.example}" for one in faults]
    for line in (*lines, *map(str, wrong)):
        console.print(f"wrong: {line}", style="red", soft_wrap=True, highlight=False, markup=False)
    return not faults and not wrong


def _verdict(verdict: Any) -> dict[str, Any]:
    """One check as JSON has it: a figure that could not be measured is null."""
    from gammacore.daycount import format_time

    return {
        "check": verdict.check,
        "figure": verdict.figure if verdict.figure == verdict.figure else None,
        "limit": verdict.limit,
        "found": verdict.count,
        "of": verdict.total,
        "time": format_time(verdict.ts_ns) if verdict.ts_ns else None,
        "why": verdict.why,
    }


def _delay(delay: Any) -> dict[str, Any]:
    """Delay as JSON has it: seconds, null where it could not be measured."""
    seconds = {name: getattr(delay, f"{name}_ns") / 1e9 for name in ("delay", "low", "high")}
    if not delay.chains:
        seconds = dict.fromkeys(seconds)
    return {**seconds, "chains": delay.chains, "set": delay.parameter, "why": str(delay)}


def _reproduction_table(figures: dict[str, Any]) -> Table:
    counted = ("rows", "no solution", "median", "90 %", "99 %", "within 0.1", "within 0.5")
    title = "Mark volatility recomputed from the mark price, error in volatility points"
    table = Table("forward", *numbers(*counted), title=title)
    for forward, found in figures.items():
        table.add_row(
            forward,
            f"{found['rows']:,}",
            f"{found['failed']:,}",
            *(f"{found[quantile]:.4f}" for quantile in ("median", "p90", "p99")),
            *(f"{found[share]:.2%}" for share in ("within_0_1", "within_0_5")),
        )
    return table


def coverage_table(reports: list[Any]) -> Table:
    """Kinds and currencies of a store, and all that was found."""
    named = (Column(name, no_wrap=True) for name in ("kind", "currency", "from", "to"))
    table = Table(*named, *numbers("days", "rows", no_wrap=True), "found", title="In the store")
    groups: dict[tuple[str, str], list[Any]] = {}
    for one in reports:
        groups.setdefault((one.kind, one.currency), []).append(one)
    for (kind, currency), days in groups.items():
        cells = (days[0].day, days[-1].day, f"{len(days):,}", f"{sum(day.rows for day in days):,}")
        found = _found(days)
        table.add_row(kind, currency, *cells, found, style="yellow" if found else "")
    return table


def day_table(reports: list[Any]) -> Table:
    """Days one by one."""
    named = (Column(name, no_wrap=True) for name in ("kind", "currency", "day"))
    table = Table(*named, *numbers("rows"), "found", "example", title="Days")
    for one in reports:
        table.add_row(one.kind, one.currency, one.day, f"{one.rows:,}", _found([one]), one.example)
    return table


def _found(reports: list[Any]) -> str:
    counts = {"repeated": sum(one.repeated for one in reports)}
    for report in reports:
        for one in report.found:
            counts[one.check] = counts.get(one.check, 0) + one.count
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
