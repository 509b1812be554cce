"""The journal of the ledgers as a file, to the last unit."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from gammacore.contracts import UNITS_PER_COIN
from gammacore.daycount import format_time
from gammacore.ledger import Ledger

HEADER = ("time", "episode", "memo", "instrument", "debit", "credit", "coin", "usd")


def write_journal(ledgers: Iterable[tuple[int, Ledger]], path: Path) -> None:
    """Write one row per entry: what moved, from which account to which, in both currencies.

    Parameters
    ----------
    ledgers : iterable of (episode number, Ledger)
    path : Path
        CSV file; amounts are exact decimals of 1e-8, so that the sums of a column by account are
        the balances to the last unit.
    """
    moment, name = cache(format_time), cache(lambda instrument: instrument.name if instrument else "")
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(HEADER)
        for number, ledger in ledgers:
            rows.writerows(
                (
                    moment(entry.ts_ns),
                    number,
                    entry.memo,
                    name(entry.instrument),
                    entry.debit.value,
                    entry.credit.value,
                    _decimal(entry.coin),
                    _decimal(entry.usd),
                )
                for entry in ledger.entries
            )


def _decimal(units: int) -> str:
    """Units of 1e-8 as a decimal number, exactly."""
    whole, part = divmod(abs(units), UNITS_PER_COIN)
    return f"{'-' if units < 0 else ''}{whole}.{part:08d}"
