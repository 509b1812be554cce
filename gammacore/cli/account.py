"""What an import of an account's past brought, in words and for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console

from gammacore.daycount import format_time

if TYPE_CHECKING:
    from gammacore.data.account import AccountHistory


def account_figures(history: AccountHistory) -> dict[str, Any]:
    """Figures of an account's past."""
    from gammacore.data.account import cash, deliveries, executions

    rows = history.rows
    return {
        "executions": len(executions(rows)),
        "deliveries": len(deliveries(rows)),
        "start": format_time(rows[0].ts_ns) if rows else None,
        "end": format_time(rows[-1].ts_ns) if rows else None,
        "change": float(cash(rows)) if _tells_cash(history) else None,
        "skipped": [
            {"type": one.type, "rows": one.count, "change": float(one.change), "why": one.why}
            for one in history.skipped
        ],
    }


def show_account(console: Console, history: AccountHistory) -> None:
    """Print what came, and what was left out and why."""
    from gammacore.data.account import cash

    found = account_figures(history)
    lines = [f"  {found['executions']:,} executions, {found['deliveries']:,} deliveries"]
    if history.rows:
        lines.append(f"  from {found['start']} to {found['end']}")
    if _tells_cash(history):
        lines.append(f"  cash changed by {cash(history.rows):+.8f}")
    lines += [
        f"  left out: {one.count:,} rows of {one.type} ({one.why}), which changed cash by {one.change:+.8f}"
        for one in history.skipped
    ]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def _tells_cash(history: AccountHistory) -> bool:
    return any(row.source == "log" for row in history.rows)
