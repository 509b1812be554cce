"""``gammacore parity --fills``: hedges of a session beside the same orders in a recorded book."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Column, Table

from gammacore.cli.common import document, parse_overrides, stoppable
from gammacore.daycount import NS_PER_HOUR, NS_PER_MINUTE
from gammacore.errors import DataError
from gammacore.terminal import numbers

BEFORE_NS, AFTER_NS = NS_PER_HOUR, 10 * NS_PER_MINUTE  # of the hedges, that the book is read for


def compare_fills(journal: Path, root: Path, overrides: list[str], as_json: bool) -> None:
    """Compare the hedges of a session with what a backtest makes of the recorded book.

    Raises
    ------
    DataError
        If there is no hedge, or no book was recorded meanwhile.
    """
    from gammacore.backtest.figures.fill_parity import fill_parity
    from gammacore.backtest.replay.recorded_hedges import open_book
    from gammacore.config import with_overrides
    from gammacore.live.hedges_told import hedges_told
    from gammacore.terms import fees_of, grids_of

    with stoppable():
        told = hedges_told(journal)
        config = with_overrides(told.config, parse_overrides(overrides))
        if not told.hedges:
            raise DataError(f"{journal}: no hedge was ordered, so there is none to compare")
        times = [hedge.ts_ns for hedge in told.hedges]
        book = open_book(config, root, min(times) - BEFORE_NS, max(times) + AFTER_NS, told.hedges)
        found = fill_parity(told.hedges, book, fees_of(config, grids_of(config)))
    if as_json:
        document({"summary": found.summary(), "hedges": found.rows()})
    else:
        _show_fills(Console(), found.summary(), config.settles_in)


def _show_fills(console: Console, summary: dict[str, Any], currency: str) -> None:
    table = Table(Column(""), *numbers("session", "simulated"), box=box.SIMPLE_HEAD, pad_edge=False)
    makers = summary["maker_share"], summary["simulated_maker_share"]
    table.add_row("filled at rest", *("-" if share is None else f"{share:.1%}" for share in makers))
    table.add_row(f"fees, {currency}", *(f"{summary[name]:.8f}" for name in ("fees", "simulated_fees")))
    console.print(table)
    left = f"{summary['without_book']} without a known book, {summary['unfilled']} filled on one side alone"
    left += f", {summary['neither']} on none"
    console.print(f"{summary['compared']} of {summary['hedges']} hedges compared; {left}", highlight=False)
    if summary["compared"]:
        share = "" if summary["cost_over_fees"] is None else f", {summary['cost_over_fees']:+.1%} of fees"
        more = f"{summary['cost']:+.8f} {currency} more than the simulated ones{share}"
        later = f"price {summary['price_bp']:+.3f} bp, {summary['later_s_median']:+.2f} s later in the median"
        console.print(f"the session's fills cost {more}; {later}", highlight=False)
