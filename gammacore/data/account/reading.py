"""A file of an account's past as rows of one form, checked against themselves.

What a transaction log says of positions and balances repeats itself, row after row. Both are checked, so that
a file that was cut, filtered or misread is refused with the line at which it shows.
"""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from gammacore.contracts import parse
from gammacore.daycount import NS_PER_MICROSECOND
from gammacore.errors import ConfigError, ContractError, DataError

from ..schemas import IS_COMBO, IS_SPOT, currency_of
from ..tables import existing
from .cells import Record, Records, read_records, times_of
from .dates import read_times
from .layouts import told_by_name
from .rows import DELIVERY_TYPES, KNOWN_TYPES, NO_CASH, TRADE_TYPES, AccountRow

__all__ = ["BALANCE", "POSITION", "AccountHistory", "AccountOptions", "Skipped", "read_account", "typed_rows"]

BALANCE, POSITION = "balance", "position"
UNIT = Decimal(1).scaleb(-8)  # of a coin or a dollar: what the exchange rounds to
AMOUNT = Decimal("1e-9")  # relative, of what was printed of a position
NUMBERS = (
    *("position", "price", "mark_price", "index_price"),
    *("cashflow", "funding", "fee", "change", "balance", "equity"),
)
_SIGNS = {"buy": 1, "sell": -1}
_BY_TYPE = {"assignment": 1, "exercise": -1}  # a short option is bought back, a long one is given up


class AccountOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to read a file.

    Attributes
    ----------
    format : str
        Of `layouts.LAYOUTS`, or ``auto`` to go by the header.
    currency : str
        Of a transaction log whose name does not tell.
    account : str
        Which of several accounts; else what the file tells.
    skip : tuple of str
        Types of rows to leave out; ``balance`` and ``position`` leave out these checks.
    dates : str
        ``day-first`` or ``month-first``, where the file leaves it open.
    """

    format: str = "auto"
    currency: str = ""
    account: str = ""
    skip: tuple[str, ...] = ()
    dates: str = ""


class Skipped(msgspec.Struct, frozen=True):
    """Rows that were left out: how many of a type, and what they did to the balance."""

    type: str
    count: int
    change: Decimal
    why: str


class AccountHistory(msgspec.Struct, frozen=True):
    """What a file holds.

    Attributes
    ----------
    path : Path
    layout : str
    rows : list of AccountRow
        In order of time.
    skipped : tuple of Skipped
    """

    path: Path
    layout: str
    rows: list[AccountRow]
    skipped: tuple[Skipped, ...] = ()

    def by_currency(self, currency: str) -> dict[str, list[AccountRow]]:
        """Rows by what they settle in; of a transaction log all are of the ``currency`` given."""
        found: dict[str, list[AccountRow]] = {}
        for row in self.rows:
            found.setdefault(currency or currency_of(row.instrument), []).append(row)
        return found


def read_account(path: str | Path, options: AccountOptions | None = None) -> AccountHistory:
    """Read a transaction log, a trade history, or a table of time, instrument, amount and price.

    Parameters
    ----------
    path : str or Path
        ``.csv``, ``.csv.gz`` or an answer of the API as ``.json``.
    options : AccountOptions, optional

    Returns
    -------
    AccountHistory

    Raises
    ------
    DataError
        If the file is of no such sort, or a row cannot be right: with the line.
    ConfigError
        If the currency is not told.
    """
    path, options = existing(path), options or AccountOptions()
    records = read_records(path, options.format)
    if records is None:
        raise DataError(
            f"{path}: neither a transaction log, nor a trade history, nor a table with the columns time, "
            "instrument, amount, price"
        )
    return typed_rows(records, options)


def typed_rows(records: Records, options: AccountOptions) -> AccountHistory:
    """Turn the records of a file into rows; see `read_account`."""
    if records.layout.source == "log":
        return _Log(records, options).history()
    return _trades(records, options)


def currency_told(records: Records, options: AccountOptions) -> str:
    """Settlement currency of a transaction log.

    Raises
    ------
    ConfigError
        If neither an option, nor the name of the file, nor a column tells it.
    """
    _, named = told_by_name(records.path, options.currency)
    column = sorted({row.text("currency") for row in records.rows} - {""})
    told = options.currency or named or (column[0] if len(column) == 1 else "")
    if not told:
        raise ConfigError(
            f"currency: {records.path.name} has no column and no name that tells; give --currency"
        )
    if column and column != [told]:
        raise ConfigError(
            f"currency: {records.path.name} holds rows of {', '.join(column)}, not of {told} alone"
        )
    return told


# ------------------------------------------------------------------ transaction log


class _Log:
    """A transaction log on its way into rows."""

    def __init__(self, records: Records, options: AccountOptions) -> None:
        self._records, self._options = records, options
        self._currency = currency_told(records, options)
        self._named, _ = told_by_name(records.path, options.currency)
        self._positions: dict[str, Decimal] = {}
        self._skipped: dict[str, tuple[int, Decimal]] = {}

    def history(self) -> AccountHistory:
        rows, before = [], None
        for seq, time, record in self._ordered():
            if BALANCE not in self._options.skip:
                _check_balance(record, before)
                before = record if _type(record) not in NO_CASH else before
            row = self._row(seq, time, record)
            if row is not None:
                rows.append(row)
        skipped = [Skipped(name, n, change, "as asked") for name, (n, change) in self._skipped.items()]
        return AccountHistory(self._records.path, self._records.layout.name, rows, tuple(skipped))

    def _ordered(self) -> list[tuple[int, int, Record]]:
        """Rows as they followed each other, each with its place and its time.

        A file of whole seconds has many rows in one; the n-th of these is n microseconds later.
        """
        rows = self._records.rows
        order = [_whole(record, "seq") for record in rows]
        column, cells, lines = times_of(self._records)
        times, whole = read_times(self._records.path, column, cells, lines, order, self._options.dates)
        found = sorted(zip(order, times, rows, strict=True), key=lambda one: one[0])
        kept: list[tuple[int, int, Record]] = []
        last, rank = 0, 0
        for seq, time, record in found:
            if kept and seq == kept[-1][0]:
                if record.cells != kept[-1][2].cells:
                    raise record.error(
                        "seq", f"is that of line {kept[-1][2].line}, which says something else"
                    )
                continue
            if time < last:
                raise record.error("time", "is before the time of the row that it follows by its sequence")
            rank = rank + 1 if time == last else 0
            last = time
            kept.append((seq, time + rank * NS_PER_MICROSECOND * whole, record))
        return kept

    def _row(self, seq: int, time: int, record: Record) -> AccountRow | None:
        kind = _type(record)
        if kind in self._options.skip:
            count, change = self._skipped.get(kind, (0, Decimal(0)))
            self._skipped[kind] = count + 1, change + (record.decimal("change") or 0)
            return None
        if kind not in KNOWN_TYPES:
            change = record.decimal("change") or Decimal(0)
            why = f"is unknown, and changes the balance by {change:f}; --skip {kind} leaves such rows out"
            raise record.error("type", why)
        self._check_instrument(record)
        amount = self._amount(kind, record)
        if kind == "trade" and BALANCE not in self._options.skip:
            _check_change(record)
        values: dict[str, Any] = {name: record.number(name) for name in NUMBERS}
        values |= {name: record.text(name) for name in ("trade_id", "order_id", "label", "info")}
        return AccountRow(
            ts_ns=time,
            account=self._options.account or record.text("account") or self._named,
            row_id=str(seq),
            seq=seq,
            type=kind,
            side=record.text("side").lower(),
            instrument=record.text("instrument"),
            amount=float("nan") if amount is None else float(amount),
            line=record.line,
            **values,
        )

    def _check_instrument(self, record: Record) -> None:
        name = record.text("instrument")
        _check_name(record)
        if not name or re.search(IS_SPOT, name) or currency_of(name) == self._currency:
            return
        raise record.error("instrument", f"does not settle in {self._currency}: another currency's log")

    def _amount(self, kind: str, record: Record) -> Decimal | None:
        """Signed change of the position; of a settlement, the position."""
        name, size, side = record.text("instrument"), record.decimal("amount"), record.text("side").lower()
        after, before = record.decimal("position"), self._positions.get(name)
        if name and after is not None:
            self._positions[name] = after
        sign: int = next((_SIGNS[word] for word in side.split() if word in _SIGNS), 0)
        if kind == "settlement":
            return after
        if kind in DELIVERY_TYPES:
            return self._delivered(kind, record, size, sign, before)
        if kind not in TRADE_TYPES or (not sign and kind != "trade"):
            return None
        if size is None or not sign:
            raise record.error(
                "side" if size is not None else "amount", "tells no trade: buy or sell how much?"
            )
        amount = sign * abs(size)
        if after is not None and before is not None and POSITION not in self._options.skip:
            self._check_position(record, amount, before, after)
        return amount

    def _check_position(self, record: Record, amount: Decimal, before: Decimal, after: Decimal) -> None:
        if abs(before + amount - after) > AMOUNT * max(abs(before), abs(after), Decimal(1)):
            raise record.error(
                "position",
                f"does not follow: {before:f} before, {amount:+f} traded; rows are missing (is the "
                f"download filtered?) or amounts are of another unit; --skip {POSITION} reads it anyway",
            )

    def _delivered(
        self, kind: str, record: Record, size: Decimal | None, sign: int, before: Decimal | None
    ) -> Decimal:
        if before:
            return -before
        sign = sign or _BY_TYPE.get(kind, 0)
        if size is None or not sign:
            raise record.error("side", f"does not tell whether a long or a short position went by {kind}")
        return sign * abs(size)


def _type(record: Record) -> str:
    return re.sub(r"[\s_-]+", "_", record.text("type").lower())


def _whole(record: Record, field: str) -> int:
    value = record.decimal(field)
    if value is None or value != value.to_integral_value():
        raise record.error(field, "is not an integer, by which rows are ordered")
    return int(value)


def _check_balance(record: Record, before: Record | None) -> None:
    """Hold a balance against the one before: they differ by what the row changed."""
    if _type(record) in NO_CASH:
        return
    change, balance = record.decimal("change"), record.decimal("balance")
    if change is None or balance is None:
        raise record.error("change" if change is None else "balance", "is missing")
    last = None if before is None else before.decimal("balance")
    if before is None or last is None or abs(last + change - balance) <= UNIT:
        return
    raise record.error(
        "balance",
        f"does not follow: {last:f} on line {before.line}, changed by {change:f}, is {last + change:f}. "
        f"Rows are missing (was the download filtered?); --skip {BALANCE} reads it anyway",
    )


def _check_change(record: Record) -> None:
    """Check that a trade changed the balance by its cash, less its fee, or by one of the two alone.

    The profit of an inverse future is paid at the settlement, and a fee can be paid from the fee balance.
    """
    paid, fee, change = (record.decimal(name) or Decimal(0) for name in ("cashflow", "fee", "change"))
    if min(abs(change - one) for one in (paid - fee, paid, -fee)) > UNIT:
        raise record.error(
            "change",
            f"is neither the cash flow {paid:f} less the fee {fee:f}, nor one of them; "
            f"--skip {BALANCE} reads it anyway",
        )


def _check_name(record: Record) -> None:
    name = record.text("instrument")
    if not name or re.search(IS_SPOT, name) or re.search(IS_COMBO, name):
        return
    try:
        parse(name)
    except ContractError as error:
        raise record.error("instrument", f"is no instrument of the exchange: {error}") from None


# ------------------------------------------------------------------ trade histories


def _trades(records: Records, options: AccountOptions) -> AccountHistory:
    """Rows of a trade history or a table; combos are left out, whose legs are trades of their own."""
    column, cells, lines = times_of(records)
    times, _ = read_times(records.path, column, cells, lines, None, options.dates)
    source, combos = records.layout.source, 0
    rows: list[AccountRow] = []
    seen: Counter[str] = Counter()
    for time, record in zip(times, records.rows, strict=True):
        name = record.text("instrument")
        if not name:
            raise record.error("instrument", "is missing")
        _check_name(record)
        if options.currency and currency_of(name) != options.currency:
            raise record.error("instrument", f"does not settle in {options.currency}; leave --currency out")
        if re.search(IS_COMBO, name):
            combos += 1
            continue
        amount = _signed(record)
        trade_id = record.text("trade_id")
        row_id = f"{trade_id}:{'buy' if amount > 0 else 'sell'}" if source == "trades" else ""
        row_id = row_id or f"{time}:{name}:{amount:f}:{record.text('price')}:{trade_id}"
        seen[row_id] += 1
        if source == "trades" and seen[row_id] > 1:
            continue  # pages of an answer overlap
        values: dict[str, Any] = {
            field: record.number(field) for field in ("price", "mark_price", "index_price", "fee")
        }
        values |= {field: record.text(field) for field in ("order_id", "label")}
        rows.append(
            AccountRow(
                ts_ns=time,
                account=options.account or record.text("account"),
                source=source,
                row_id=row_id if source == "trades" else f"{row_id}:{seen[row_id]}",
                seq=len(rows),
                instrument=name,
                amount=float(amount),
                trade_id=trade_id,
                line=record.line,
                **values,
            )
        )
    skipped = (Skipped("combo", combos, Decimal(0), "their legs are trades of their own"),) if combos else ()
    rows.sort(key=lambda row: (row.ts_ns, row.seq))
    return AccountHistory(records.path, records.layout.name, rows, skipped)


def _signed(record: Record) -> Decimal:
    """Return the amount of a trade, signed; a price that is missing is refused as well."""
    amount, price = record.decimal("amount"), record.decimal("price")
    if price is None:
        raise record.error("price", "is missing")
    if not amount:
        raise record.error("amount", "is no amount of a trade")
    if "direction" not in record.columns:
        return amount
    sign = _SIGNS.get(record.text("direction").lower())
    if sign is None:
        raise record.error("direction", "is neither buy nor sell")
    if amount < 0:
        raise record.error("amount", "is negative beside a direction")
    return sign * amount
