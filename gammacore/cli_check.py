"""What ``gammacore data check`` and ``gammacore chains check`` show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gammacore.cli_common import document

__all__ = ["coverage_table", "day_table", "show_chains"]


def show_chains(path: Path, currency: str | None, columns: dict[str, str], *, as_json: bool = False) -> None:
    """Show the quality of recorded chains, and how well mark volatilities follow from mark prices."""
    from gammacore.contracts import Settlement
    from gammacore.data import load_chains, quality_table
    from gammacore.data.check import iv_reproduction

    loaded = load_chains(path, currency=currency, columns=columns)
    figures = iv_reproduction(loaded) if loaded.settlement is Settlement.INVERSE else {}
    if as_json:
        findings = [{"check": f.check, "found": f.count, "of": f.total} for f in loaded.quality.findings]
        document({"checks": findings, "iv_reproduction": figures})
        return
    console = Console()
    console.print(quality_table(loaded.quality))
    if figures:
        console.print(_reproduction_table(figures))


def _reproduction_table(figures: dict[str, Any]) -> Table:
    table = Table(title="Mark volatility recomputed from the mark price, error in volatility points")
    for name in ("forward", "rows", "no solution", "median", "90 %", "99 %", "within 0.1", "within 0.5"):
        table.add_column(name, justify="left" if name == "forward" else "right")
    for forward, found in figures.items():
        table.add_row(
            forward,
            f"{found['rows']:,}",
            f"{found['failed']:,}",
            *(f"{found[quantile]:.4f}" for quantile in ("median", "p90", "p99")),
            *(f"{found[share]:.2%}" for share in ("within_0_1", "within_0_5")),
        )
    return table


FOUND = ("repeated", "missing", "crossed", "off_tick", "stale")


def coverage_table(reports: list[Any]) -> Table:
    """Kinds and currencies of a store, and all that was found."""
    table = Table(title="In the store")
    for name in ("kind", "currency", "from", "to", "days", "rows", "found"):
        table.add_column(
            name, justify="right" if name in ("days", "rows") else "left", no_wrap=name != "found"
        )
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
    table = Table(title="Days")
    for name in ("kind", "currency", "day", "rows", "found", "example"):
        table.add_column(
            name, justify="right" if name == "rows" else "left", no_wrap=name in ("kind", "currency", "day")
        )
    for one in reports:
        table.add_row(one.kind, one.currency, one.day, f"{one.rows:,}", _found([one]), one.example)
    return table


def _found(reports: list[Any]) -> str:
    counts = {name: sum(getattr(one, name) for one in reports) for name in FOUND}
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)
