"""What a ledger booked and what was filled, as rows of a transaction log.

Every row moves the balance by what the ledger moved cash, in whole units of 1e-8, so that the sum of the rows
is the cash of the ledger to the last unit. The profit of a future is paid when it is realised, and funding
when the ledger pays it: as settlements.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from gammacore.contracts import UNITS_PER_COIN, Future, Option, Perpetual, from_units, parse
from gammacore.daycount import format_time
from gammacore.errors import LedgerError
from gammacore.ledger import Account, Posting

from ..schemas import currency_of
from .rows import AccountRow

__all__ = ["Booking", "Expired", "Filled", "Statement", "bookings", "statement"]

FUNDING, HEDGE, TRADE, FEE = "funding", "hedge", "trade", "fee"
DELIVERY, DELIVERY_FEE = "delivery", "delivery fee"
GRAIN = Decimal(1).scaleb(-10)  # of a position: finer than any lot
EVERY = -1  # deliveries are those of all episodes
_MEMOS = {"funding at final rates": FUNDING}
NOT_CASH = (Account.NUMERAIRE, Account.CAPITAL)  # another currency's view; coins that were brought in


class Booking(NamedTuple):
    """What one entry of a ledger moved cash by, in units of 1e-8 of the settlement currency."""

    ts_ns: int
    episode: int
    memo: str
    instrument: str
    units: int


class Filled(NamedTuple):
    """One execution, as `gammacore.events.Fill` counts."""

    ts_ns: int
    episode: int
    instrument: str
    amount: float
    price: float
    mark: float
    fee: float
    trade_id: str
    order_id: str
    label: str


class Expired(NamedTuple):
    """All that was held of an expiry was delivered; ``price`` NaN if it is not known."""

    ts_ns: int
    expiry_ns: int
    price: float


class Statement(NamedTuple):
    """Rows of one account in one settlement currency.

    Attributes
    ----------
    name : str
        Of the session or run.
    currency : str
    rows : list of AccountRow
    """

    name: str
    currency: str
    rows: list[AccountRow]


def bookings(episode: int, entries: Iterable[Posting], native: int) -> list[Booking]:
    """List what the entries of a ledger moved cash by.

    Parameters
    ----------
    episode : int
    entries : iterable of Posting
    native : int
        0 where the settlement currency is the coin, 1 where it is USD.
    """
    found = []
    for entry in entries:
        sign = (entry.debit is Account.CASH) - (entry.credit is Account.CASH)
        if not sign or entry.debit in NOT_CASH or entry.credit in NOT_CASH:
            continue
        name = "" if entry.instrument is None else entry.instrument.name
        units = sign * (entry.usd if native else entry.coin)
        found.append(Booking(entry.ts_ns, episode, entry.memo, name, units))
    return found


def statement(
    name: str,
    booked: Sequence[Booking],
    filled: Sequence[Filled],
    expired: Sequence[Expired] = (),
) -> Statement:
    """Write the transaction log of what was filled and booked.

    Parameters
    ----------
    name : str
        Of the session or run.
    booked : sequence of Booking
    filled : sequence of Filled
    expired : sequence of Expired

    Returns
    -------
    Statement
        Whose rows change the balance, which begins at zero, by all that was booked.

    Raises
    ------
    LedgerError
        If cash was booked for which there is no fill, delivery or funding.
    """
    currencies = {currency_of(fill.instrument) for fill in filled}
    if len(currencies) > 1:
        raise LedgerError(f"{name}: fills in {' and '.join(sorted(currencies))}, expected one currency")
    made = _Statement(booked, filled)
    moments = sorted(
        [(one.ts_ns, 0, at, one) for at, one in enumerate(filled)]
        + [(one.ts_ns, 1, at, one) for at, one in enumerate(expired)],
        key=lambda moment: moment[:3],
    )
    for ts_ns, _, _, one in moments:
        made.pay_until(ts_ns)
        if isinstance(one, Filled):
            made.fill(one)
        else:
            made.deliver(one)
    made.pay_until(None)
    made.assert_complete(name)
    return Statement(name, currencies.pop() if currencies else "", made.rows)


class _Statement:
    """Rows as they are made, positions and balance with them."""

    def __init__(self, booked: Sequence[Booking], filled: Sequence[Filled]) -> None:
        self.rows: list[AccountRow] = []
        self._balance, self._seq = 0, 0
        self._held: dict[str, Decimal] = {}
        hedges = {fill.episode: fill.instrument for fill in filled if not _is_option(fill.instrument)}
        self._owed: dict[tuple[int, int, str, str], int] = {}
        for one in booked:
            memo = _MEMOS.get(one.memo, one.memo)
            instrument = one.instrument or hedges.get(one.episode, "")
            key = one.ts_ns, EVERY if memo in (DELIVERY, DELIVERY_FEE) else one.episode, memo, instrument
            self._owed[key] = self._owed.get(key, 0) + one.units
        filled_at = {(fill.ts_ns, fill.episode, fill.instrument) for fill in filled}
        # A hedge that one episode hands another is no trade: its profit is settled, as is done daily.
        self._settled = sorted(
            (
                key
                for key in self._owed
                if key[2] == FUNDING or (key[2] == HEDGE and (key[0], key[1], key[3]) not in filled_at)
            ),
            key=lambda key: key[0],
        )[::-1]

    def pay_until(self, ts_ns: int | None) -> None:
        """Write the settlements up to a moment, all of them for None."""
        while self._settled and (ts_ns is None or self._settled[-1][0] <= ts_ns):
            key = self._settled.pop()
            units = self._owed.pop(key)
            if not units:
                continue
            position = self._position(key[3])
            self._add(
                key[0],
                "settlement",
                key[3],
                units,
                side="long" if position > 0 else "short" if position < 0 else "-",
                amount=float(position),
                funding=from_units(units) if key[2] == FUNDING else 0.0,
            )

    def fill(self, fill: Filled) -> None:
        """Write a fill: in two rows if it goes through zero."""
        before, amount = self._position(fill.instrument), Decimal(repr(float(fill.amount)))
        closed = -before if before * amount < 0 and abs(amount) > abs(before) else Decimal(0)
        parts = [part for part in (closed, amount - closed) if part]
        memo = TRADE if _is_option(fill.instrument) else HEDGE
        cash = self._take(fill, memo, _premium(fill) if memo == TRADE else None)
        fee = -self._take(fill, FEE, -round(fill.fee * UNITS_PER_COIN))
        for at, part in enumerate(parts):
            last = at == len(parts) - 1
            share = (cash, fee) if last else _shares(memo, cash, fee, part, amount)
            cash, fee = cash - share[0], fee - share[1]
            # Amounts are floats of a few lots: what they are off by must not pile up.
            self._held[fill.instrument] = (self._position(fill.instrument) + part).quantize(GRAIN)
            opens = before * part >= 0
            before += part
            self._add(
                fill.ts_ns,
                "trade",
                fill.instrument,
                share[0] - share[1],
                fee=share[1],
                side=f"{'open' if opens else 'close'} {'buy' if part > 0 else 'sell'}",
                amount=float(part),
                price=fill.price,
                mark_price=fill.mark,
                trade_id=fill.trade_id,
                order_id=fill.order_id,
                label=fill.label,
            )

    def deliver(self, one: Expired) -> None:
        """Write what an expiry did to the positions; an option that expires worthless goes as well."""
        for name, held in list(self._held.items()):
            contract = parse(name)
            if isinstance(contract, Perpetual) or contract.expiry_ns != one.expiry_ns or not held:
                continue
            paid = self._owed.pop((one.ts_ns, EVERY, DELIVERY, name), None)
            if isinstance(contract, Future) and paid is None:
                continue  # nobody delivered it: it is still held
            fee = -self._owed.pop((one.ts_ns, EVERY, DELIVERY_FEE, name), 0)
            self._held[name] = Decimal(0)
            self._add(
                one.ts_ns,
                "delivery",
                name,
                (paid or 0) - fee,
                fee=fee,
                side=f"close {'sell' if held > 0 else 'buy'}",
                amount=float(-held),
                price=one.price,
            )

    def assert_complete(self, name: str) -> None:
        """Check that all cash that was booked is in a row."""
        left = {key: units for key, units in self._owed.items() if units}
        if left:
            (ts_ns, episode, memo, instrument), units = next(iter(left.items()))
            what = f"{memo} of {from_units(units):.8f} for {instrument or 'nothing'} at {format_time(ts_ns)}"
            raise LedgerError(f"{name}: episode {episode} booked {what}, and no fill or delivery says why")

    def _take(self, fill: Filled, memo: str, units: int | None) -> int:
        """Take what was booked for a fill; of several at one moment, the part that is its own."""
        key = fill.ts_ns, fill.episode, memo, fill.instrument
        if units is None:
            return self._owed.pop(key, 0)
        if units:
            self._owed[key] = self._owed.get(key, 0) - units
        return units

    def _position(self, instrument: str) -> Decimal:
        return self._held.get(instrument, Decimal(0))

    def _add(
        self,
        ts_ns: int,
        kind: str,
        instrument: str,
        change: int,
        *,
        fee: int = 0,
        **rest: float | str,
    ) -> None:
        self._balance += change
        # Grows with the microseconds since 1970, as the exchange's own grows with time.
        self._seq = max(self._seq + 1, ts_ns // 1_000)
        values: Mapping[str, object] = {"funding": 0.0, **rest}
        self.rows.append(
            AccountRow(
                ts_ns=ts_ns,
                row_id=str(self._seq),
                seq=self._seq,
                type=kind,
                instrument=instrument,
                position=float(self._position(instrument)),
                cashflow=from_units(change + fee),
                fee=from_units(fee),
                change=from_units(change),
                balance=from_units(self._balance),
                info="Source: gammacore",
                **values,  # type: ignore[arg-type]
            )
        )


def _is_option(name: str) -> bool:
    return isinstance(parse(name), Option)


def _premium(fill: Filled) -> int:
    """Cash that an option's trade moves, rounded as the ledger does."""
    return -round(fill.amount * fill.price * UNITS_PER_COIN)


def _shares(memo: str, cash: int, fee: int, part: Decimal, amount: Decimal) -> tuple[int, int]:
    """Cash and fee of the part of a fill that closes: all that a future realises, a share of a premium."""
    share = part / amount
    return cash if memo == HEDGE else round(cash * share), round(fee * share)
