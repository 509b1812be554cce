"""An account's past in the store, as rows of the kind ``transactions``, each once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import msgspec
import numpy as np

from gammacore.array_types import Array
from gammacore.daycount import NS_PER_DAY
from gammacore.errors import DataError

from ..schemas import KINDS
from ..store import Store, day_of
from ..tables import literal
from .cells import Records
from .reading import AccountHistory, AccountOptions, currency_told, typed_rows
from .rows import AccountRow

__all__ = ["AccountImport", "account_rows", "import_account"]

KIND = "transactions"
_RENAMED = {"instrument_name": "instrument"}  # the store's name, ours
_OURS = {column: _RENAMED.get(column, column) for column in KINDS[KIND].columns if column != "known_ns"}


class AccountImport(msgspec.Struct, frozen=True):
    """What an import of an account's past brought.

    Attributes
    ----------
    history : AccountHistory
    rows : dict of str to int
        By settlement currency.
    files : list of Path
    """

    history: AccountHistory
    rows: dict[str, int]
    files: list[Path]


def import_account(store: Store, records: Records, options: AccountOptions) -> AccountImport:
    """Put a file of an account's past into the store; again, and it is there once.

    Parameters
    ----------
    store : Store
    records : Records
    options : AccountOptions

    Returns
    -------
    AccountImport

    Raises
    ------
    DataError
        If the file cannot be right, or the store holds a row of the same account and name that says
        something else.
    """
    history = typed_rows(records, options)
    is_log = records.layout.source == "log"
    parts = history.by_currency(currency_told(records, options) if is_log else options.currency)
    name = _name(records.path, history.layout)
    files = []
    with store.commit() as commit:
        for currency, rows in parts.items():
            _refuse_others(store, currency, name, rows, records.path)
            days = sorted({row.ts_ns // NS_PER_DAY for row in rows})
            for day in days:
                held = [row for row in rows if row.ts_ns // NS_PER_DAY == day]
                text = day_of(day * NS_PER_DAY)
                files.append(commit.rows(KIND, currency, text, name, _columns(held)))
    return AccountImport(history, {currency: len(rows) for currency, rows in parts.items()}, files)


def account_rows(
    store: Store, currency: str, *, as_of_ns: int, start_ns: int | None = None, end_ns: int | None = None
) -> list[AccountRow]:
    """Read an account's past out of the store, in order of time.

    Parameters
    ----------
    store : Store
    currency : str
        Settlement currency.
    as_of_ns, start_ns, end_ns : int
        As for `gammacore.data.store.Store.read`.
    """
    found = store.read(KIND, currency, as_of_ns=as_of_ns, start_ns=start_ns, end_ns=end_ns)
    columns = [found[column].tolist() for column in _OURS]
    return [AccountRow(**dict(zip(_OURS.values(), row, strict=True))) for row in zip(*columns, strict=True)]


def _name(path: Path, layout: str) -> str:
    stem = re.sub(r"[^A-Za-z0-9]+", "-", path.name.split(".csv")[0].split(".json")[0]).strip("-")
    return f"import-{layout.replace('_', '-')}-{stem}-{crc32(path.name.encode()):08x}"


def _columns(rows: Sequence[AccountRow]) -> dict[str, Array]:
    columns = {
        column: np.array([getattr(row, ours) for row in rows], dtype=object if sql == "VARCHAR" else None)
        for (column, ours), sql in zip(
            _OURS.items(), (KINDS[KIND].columns[column] for column in _OURS), strict=True
        )
    }
    return columns | {"known_ns": columns["ts_ns"]}


def _refuse_others(store: Store, currency: str, name: str, rows: Sequence[AccountRow], path: Path) -> None:
    """Refuse a row that another file tells otherwise: another account's, or one of the two is wrong."""
    start, end = rows[0].ts_ns // NS_PER_DAY * NS_PER_DAY, rows[-1].ts_ns + 1
    others = [file for file in store.files(KIND, currency, start_ns=start, end_ns=end) if file.stem != name]
    if not others:
        return
    wanted = ["account", "source", "row_id", "instrument_name", "amount", "price", "change"]
    query = f"SELECT {', '.join(wanted)}, filename FROM read_parquet($files, filename = true)"
    held = (
        store.connection().cursor().execute(query, {"files": [literal(file) for file in others]}).fetchall()
    )
    known = {
        (account or "", source, row_id): (rest, Path(file)) for account, source, row_id, *rest, file in held
    }
    for row in rows:
        rest, file = known.get((row.account, row.source, row.row_id), (None, None))
        if rest is None or file is None:
            continue
        said = [row.instrument or None, *(None if x != x else x for x in (row.amount, row.price, row.change))]
        if list(rest) != said:
            raise DataError(
                f"{path}: line {row.line}: row {row.row_id} of account {row.account or '(none)'} is in the "
                f"store and says something else ({file.stem}); give --account if it is another's"
            )
