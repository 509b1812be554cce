"""A session's journal as a statement of its account: what it filled, paid and was paid."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from gammacore.contracts import Settlement
from gammacore.data.account.statement import Expired, Filled, Statement, bookings, statement
from gammacore.errors import JournalError, LedgerError
from gammacore.events import Delivery, Fill, Outside
from gammacore.orders import BOOK

from .attempts import Booked
from .journal import read
from .retold import Retold

__all__ = ["session_statement"]


def session_statement(path: str | os.PathLike[str]) -> Statement:
    """Make the statement of a journal, also while its session writes.

    What the account's holder traded beside the session is not in it.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Statement
        Its cash is that of the session's ledgers, to the last unit.

    Raises
    ------
    JournalError
        If it is no journal, is empty, or this version of gammacore cannot book what it says.
    """
    told, filled, expired = Retold(), list[Filled](), list[Expired]()
    booked: Booked | None = None
    for record in read(path):
        try:
            found: Any = told.take(record)
        except JournalError as error:
            raise JournalError(f"{path}: {error}") from None
        except LedgerError as error:
            why = f"record {record.seq} cannot be booked: {error}; gammacore parity says where versions part"
            raise JournalError(f"{path}: {why}") from None
        if isinstance(found, Booked):
            booked = found
        elif isinstance(found, Fill):
            filled.append(_filled(found, booked))
            booked = None
        elif isinstance(found, Delivery):
            expired.append(Expired(found.ts_ns, found.expiry_ns, found.price))
    if told.desk is None:
        raise JournalError(f"{path}: empty")
    cash = [
        one
        for episode in told.desk.portfolio.traded
        for one in bookings(
            episode.number,
            episode.ledger.entries,
            int(episode.hedge.instrument.settlement is Settlement.LINEAR),
        )
    ]
    if told.desk.portfolio.book is not None:
        filled = [fill._replace(episode=BOOK) for fill in filled]
    return statement(Path(path).stem, cash, filled, expired)


def _filled(fill: Fill, booked: Booked | None) -> Filled:
    """Fill with the exchange's name of the trade, which the journal has before it."""
    trade_id, label = ("", "") if booked is None else (booked.trade_id, booked.label)
    if isinstance(fill, Outside):
        trade_id, label = fill.order_id.split("-", 2)[2], ""
    mark = fill.mark if math.isfinite(fill.mark) else math.nan
    return Filled(
        fill.ts_ns,
        fill.episode,
        fill.instrument.name,
        fill.amount,
        fill.price,
        mark,
        fill.fee,
        trade_id,
        fill.order_id,
        label,
    )
