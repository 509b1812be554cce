"""Double-entry ledger of one episode, in coin and in USD, in exact integer units of 1e-8.

Every transaction debits one account and credits another with the same amount, in both
currencies. Amounts arise in the *native* currency of the contracts (coin for inverse ones,
USD for linear ones); the other currency is carried at the rate of the moment, and
``revalue`` restates the assets at a new rate against the account ``numeraire``. So the
balances of all accounts sum to zero in either currency at every moment, and the profit is
the credit balance of the income accounts.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

import msgspec

from gammacore.contracts import UNITS_PER_COIN, Instrument, Settlement
from gammacore.errors import LedgerError

__all__ = ["UNIT", "Account", "Ledger", "Money", "Posting", "check_gap"]

UNIT = 1.0 / UNITS_PER_COIN  # of a dollar as well


class Account(StrEnum):
    """Accounts of an episode: assets, capital, income."""

    __hash__ = str.__hash__  # the enum's own is written in Python, and ledgers look accounts up all day

    CASH = "cash"
    OPTIONS = "options"
    HEDGE = "hedge"
    CAPITAL = "capital"
    OPTION_PNL = "option_pnl"
    HEDGE_PNL = "hedge_pnl"
    FEES = "fees"
    FUNDING = "funding"
    NUMERAIRE = "numeraire"


ASSETS = (Account.CASH, Account.OPTIONS, Account.HEDGE)
SUMMED = 1e-13  # of what is summed, that its rounding in floats may leave


class Money(NamedTuple):
    """An amount in both currencies."""

    coin: float
    usd: float

    def __add__(self, other: object) -> Money:  # tuples would concatenate
        if not isinstance(other, Money):
            return NotImplemented
        return Money(self.coin + other.coin, self.usd + other.usd)


def check_gap(ledger: Ledger, gap: Money, postings: int, what: str, size: float = 0.0) -> None:
    """Refuse a gap that rounding as many postings to 1e-8, and sums of floats of a size, cannot have left.

    The size is in the native currency.

    Raises
    ------
    LedgerError
        Saying ``what`` should have been so.
    """
    slack = 1e-9 + SUMMED * size
    native = 0.5 * UNIT * postings + slack  # each posting is rounded by half a unit at most
    if ledger.native == 0:
        bounds = native, native * max(ledger.rate, 1.0) + UNIT * postings  # converted, and rounded again
    else:
        bounds = native / min(ledger.rate, 1.0) + UNIT * postings, native
    if not (abs(gap.coin) <= bounds[0] and abs(gap.usd) <= bounds[1]):  # nor NaN
        raise LedgerError(
            f"{what}: off by {gap.coin:.3g} coin, {gap.usd:.3g} USD, more than {postings} postings can round"
        )


class Posting(msgspec.Struct, frozen=True, gc=False):
    """One transaction of the journal; amounts in units of 1e-8."""

    ts_ns: int
    memo: str
    instrument: Instrument | None
    debit: Account
    credit: Account
    coin: int
    usd: int


class Ledger:
    """Accounts of one episode.

    Parameters
    ----------
    settlement : Settlement
        Native currency: coin for ``INVERSE``, USD for ``LINEAR``.
    rate : float
        USD per coin at the start.
    """

    def __init__(self, settlement: Settlement, rate: float) -> None:
        self.native = 0 if settlement is Settlement.INVERSE else 1
        self.rate = rate
        self._journal: list[Posting | Callable[[], list[Posting]]] = []
        self.roundings = 0  # amounts posted, also those too small to leave an entry
        self._balance: dict[Account, list[int]] = {account: [0, 0] for account in Account}

    def _convert(self, units: int) -> int:
        return round(units * self.rate) if self.native == 0 else round(units / self.rate)

    def _move(
        self,
        ts_ns: int,
        debit: Account,
        credit: Account,
        coin: int,
        usd: int,
        memo: str,
        instrument: Instrument | None = None,
    ) -> None:
        to, source = self._balance[debit], self._balance[credit]
        to[0] += coin
        to[1] += usd
        source[0] -= coin
        source[1] -= usd
        self._journal.append(Posting(ts_ns, memo, instrument, debit, credit, coin, usd))

    def post(
        self,
        ts_ns: int,
        debit: Account,
        credit: Account,
        amount: float,
        memo: str,
        instrument: Instrument | None = None,
    ) -> None:
        """Move ``amount`` of the native currency, rounded to 1e-8, from ``credit`` to ``debit``."""
        self.roundings += 1
        units = round(amount * UNITS_PER_COIN)  # half units go to the even one
        if not units:
            return
        if self.native == 0:
            self._move(ts_ns, debit, credit, units, round(units * self.rate), memo, instrument)
        else:
            self._move(ts_ns, debit, credit, round(units / self.rate), units, memo, instrument)

    def mark(self, ts_ns: int, asset: Account, income: Account, value: float, memo: str) -> None:
        """Bring an asset to ``value`` (native currency); the change is income."""
        self.post(ts_ns, asset, income, value - self.native_balance(asset), memo)

    def revalue(self, ts_ns: int, rate: float) -> None:
        """Carry the assets at a new rate (USD per coin); the change is numeraire income."""
        self.rate = rate
        other = 1 - self.native
        for asset in ASSETS:
            change = self._convert(self._balance[asset][self.native]) - self._balance[asset][other]
            if change:
                pair = (0, change) if self.native == 0 else (change, 0)
                self._move(ts_ns, asset, Account.NUMERAIRE, *pair, f"{asset} at {rate:.8g}")

    def round_off(self, ts_ns: int, gap: Money, postings: int) -> None:
        """Take over what the rounding of ``postings`` amounts in other ledgers left."""
        self.roundings += postings
        coin, usd = (round(part * UNITS_PER_COIN) for part in gap)
        if coin or usd:
            self._move(ts_ns, Account.CASH, Account.NUMERAIRE, coin, usd, "rounding")

    def twin(self) -> Ledger:
        """Make another with these balances and none of the journal, for a look at what would be."""
        other = copy.copy(self)
        other._journal = []
        other._balance = {account: list(both) for account, both in self._balance.items()}
        return other

    @property
    def entries(self) -> list[Posting]:
        """Return the journal: every transaction, in order."""
        if any(callable(part) for part in self._journal):
            parts = [part() if callable(part) else [part] for part in self._journal]
            self._journal = [entry for part in parts for entry in part]
        return self._journal  # type: ignore[return-value]

    def take(
        self,
        journal: Callable[[], list[Posting]],
        booked: tuple[tuple[int, int], tuple[int, int], tuple[int, int]],
        postings: int,
        rate: float,
    ) -> None:
        """Take over hedges booked elsewhere, their journal to be written on demand.

        Parameters
        ----------
        journal : callable() -> list of Posting
        booked : tuple of three (coin, USD) in units
            Debit balances of hedge profit, fees and funding; cash is the contra account.
        postings : int
            How many amounts were rounded.
        rate : float
            USD per coin at the last of them.
        """
        self._journal.append(journal)
        self.roundings += postings
        self.rate = rate
        for account, units in zip((Account.HEDGE_PNL, Account.FEES, Account.FUNDING), booked, strict=True):
            for i in range(2):
                self._balance[account][i] += units[i]
                self._balance[Account.CASH][i] -= units[i]

    def units(self, account: Account) -> tuple[int, int]:
        """Debit balance in whole units, coin and USD."""
        coin, usd = self._balance[account]
        return coin, usd

    def native_balance(self, account: Account) -> float:
        """Debit balance in the native currency."""
        return self._balance[account][self.native] * UNIT

    def balance(self, account: Account) -> Money:
        """Debit balance in both currencies."""
        coin, usd = self._balance[account]
        return Money(coin * UNIT, usd * UNIT)

    def equity(self) -> float:
        """Sum of the assets, native currency."""
        return sum(self._balance[asset][self.native] for asset in ASSETS) * UNIT

    def profit(self) -> Money:
        """Profit in both currencies: assets less capital."""
        accounts = (*ASSETS, Account.CAPITAL)
        coin, usd = (sum(self._balance[account][i] for account in accounts) for i in (0, 1))
        return Money(coin * UNIT, usd * UNIT)

    def assert_invariants(self) -> None:
        """Check that debits equal credits in both currencies.

        Raises
        ------
        LedgerError
            If they do not.
        """
        for i, currency in enumerate(("coin", "USD")):
            total = sum(balance[i] for balance in self._balance.values())
            if total:
                raise LedgerError(f"balances sum to {total * UNIT} {currency}, expected 0")
