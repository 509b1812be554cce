"""A result directory as a statement of its account: what the run filled, paid and was paid."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from gammacore.contracts import UNITS_PER_COIN, Perpetual, Settlement, parse
from gammacore.data.account.statement import Booking, Expired, Filled, Statement, statement
from gammacore.daycount import parse_time
from gammacore.errors import ContractError, DataError, LedgerError
from gammacore.ledger import Account
from gammacore.orders import BOOK

__all__ = ["run_statement"]

TRANSFER = "transfer"  # of a hedge from one episode to another: no trade
NOT_CASH = (Account.NUMERAIRE.value, Account.CAPITAL.value)


def run_statement(folder: Path) -> Statement:
    """Make the statement of a run from its ``fills.csv``, ``ledger.csv`` and ``episodes.csv``.

    Parameters
    ----------
    folder : Path
        Result directory of ``gammacore backtest``.

    Returns
    -------
    Statement
        Its cash is that of the run's ledgers, to the last unit.

    Raises
    ------
    DataError
        If a file is missing, or was changed so that it fits the others no more.
    """
    fills, ledger, episodes = (_rows(folder, name) for name in ("fills.csv", "ledger.csv", "episodes.csv"))
    try:
        filled = [_filled(row, number) for number, row in enumerate(fills, 1) if row["purpose"] != TRANSFER]
        contracts = [parse(name) for name in sorted({fill.instrument for fill in filled})]
        linear = any(contract.settlement is Settlement.LINEAR for contract in contracts)
        booked = [one for row in ledger if (one := _booked(row, "usd" if linear else "coin")) is not None]
        if any(one.episode == BOOK for one in booked):  # the episodes of a book share what it traded
            booked = [one for one in booked if one.episode == BOOK]
            filled = [fill._replace(episode=BOOK) for fill in filled]
        prices = {
            parse_time(row["expiry"]): float(row["delivery_price_usd"])
            for row in episodes
            if row["delivery_price_usd"]
        }
        last_ns = max((parse_time(row["time"]) for row in ledger), default=0)
    except (KeyError, ValueError, ArithmeticError, ContractError) as error:
        raise DataError(f"{folder}: not as a backtest wrote it: {error}") from None
    expiries = sorted({one.expiry_ns for one in contracts if not isinstance(one, Perpetual)})
    expired = [Expired(at, at, prices.get(at, math.nan)) for at in expiries if at <= last_ns]
    try:
        return statement(folder.resolve().name, booked, filled, expired)
    except LedgerError as error:
        raise DataError(f"{folder}: fills.csv and ledger.csv differ: {error}") from None


def _rows(folder: Path, name: str) -> Sequence[dict[str, str]]:
    try:
        with (folder / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        raise DataError(f"{folder}: has no {name}; name the result directory of a backtest") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{folder / name}: cannot be read: {error}") from None


def _filled(row: dict[str, str], number: int) -> Filled:
    mark = float(row["mark"]) if row["mark"] else math.nan
    amount, price, fee = (float(row[name]) for name in ("amount", "price", "fee"))
    order = f"{row['episode']}-{row['purpose']}"
    return Filled(
        parse_time(row["time"]),
        int(row["episode"]),
        row["instrument"],
        amount,
        price,
        mark,
        fee,
        str(number),
        order,
        "",
    )


def _booked(row: dict[str, str], native: str) -> Booking | None:
    sides = row["debit"], row["credit"]
    sign = sides.count(Account.CASH.value) and (1 if sides[0] == Account.CASH.value else -1)
    if not sign or any(side in NOT_CASH for side in sides):
        return None
    units = int(Decimal(row[native]) * UNITS_PER_COIN)
    return Booking(parse_time(row["time"]), int(row["episode"]), row["memo"], row["instrument"], sign * units)
