"""Option trades of the store as arrays, a day at a time, without those that tell nothing."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd

from gammacore.array_types import Bools, Floats, Ints
from gammacore.contracts import Option, parse
from gammacore.daycount import NS_PER_DAY, parse_time
from gammacore.errors import ContractError

from ..store import Store, day_of
from .recipe import ChainRecipe

__all__ = ["HIGHEST_VOL", "Names", "TradeWindow", "Trades", "out_of_sequence", "sizes"]

HIGHEST_VOL = 5.0
"""Volatilities above 500 % are errors of the feed or of an option about to expire."""

COLUMNS = (
    "ts_ns", "known_ns", "instrument_name", "trade_seq", "price", "amount", "index_price", "iv",
    "liquidation", "block_trade_id",
)  # fmt: skip


class Names:
    """Options by code; each name is parsed once."""

    def __init__(self, family: str) -> None:
        self.family = family
        self.names: list[str] = []
        self.options: list[Option] = []
        self._codes: dict[str, int] = {}

    def code(self, name: str) -> int:
        """Return the code of an option of the family; -1 for anything else."""
        if name not in self._codes:
            self._codes[name] = -1
            try:
                found = parse(name)
            except ContractError:
                return -1
            if isinstance(found, Option) and found.family == self.family:
                self._codes[name] = len(self.names)
                self.names.append(name)
                self.options.append(found)
        return self._codes[name]


class Trades(NamedTuple):
    """Trades in order of time.

    Attributes
    ----------
    ts_ns : array of int64
        When they were known, which is when they happened or later.
    code : array of int64
        Of the option, see `Names`.
    expiry_ns : array of int64
    strike, kind, price, amount, index_price, vol : array of float64
        USD, +1 call and -1 put, coin, coin, USD, decimal.
    """

    ts_ns: Ints
    code: Ints
    expiry_ns: Ints
    strike: Floats
    kind: Floats
    price: Floats
    amount: Floats
    index_price: Floats
    vol: Floats

    def part(self, keep: Bools | Ints | slice) -> Trades:
        """Return some of the rows."""
        return Trades._make(np.asarray(column[keep]) for column in self)


def sizes(trades: Trades, recipe: ChainRecipe) -> Floats:
    """Weigh trades by amount: in median amounts, up to the recipe's cap."""
    return np.minimum(trades.amount / np.median(trades.amount), recipe.size_cap)


class TradeWindow:
    """Trades of the days that windows reach into; days are read once, in order, and forgotten.

    Attributes
    ----------
    names : Names
    left_out : Counter of str
        Trades that do not count, by the first reason found.
    """

    def __init__(self, store: Store, currency: str, recipe: ChainRecipe, as_of_ns: int) -> None:
        self._store, self._currency, self._recipe, self._as_of_ns = store, currency, recipe, as_of_ns
        self._days: dict[str, Trades] = {}
        self._noted: set[str] = set()
        self._last: dict[int, int] = {}  # time of the last trade on days noted, by code
        self.names = Names(currency)
        self.left_out: Counter[str] = Counter()

    def move_to(self, day: str) -> Trades:
        """Return the trades of a day and of those that its windows reach into; days must ascend."""
        start_ns = parse_time(day)
        first_ns = start_ns - self._recipe.days_before * NS_PER_DAY
        wanted = [day_of(at) for at in range(first_ns, start_ns + 1, NS_PER_DAY)]
        # Of days before the window only the last trade of each option is kept, for the list of strikes.
        listed_ns = (start_ns - self._recipe.listed_ns) // NS_PER_DAY * NS_PER_DAY
        for one in sorted({*(day_of(at) for at in range(listed_ns, first_ns, NS_PER_DAY)), *self._days}):
            if one < wanted[0] and one not in self._noted:
                found = self._days.pop(one, None)
                self._note(one, self._read(one, Counter()) if found is None else found)
        for one in wanted:
            if one not in self._days:
                self._days[one] = self._read(one, self.left_out)
        parts = [self._days[one] for one in wanted]
        return Trades._make(np.asarray(np.concatenate(columns)) for columns in zip(*parts, strict=True))

    def listed(self, trades: Trades, ts_ns: int) -> list[Option]:
        """Return options whose last trade by a moment is young enough, of `move_to`'s trades or before."""
        last, known = dict(self._last), trades.ts_ns <= ts_ns
        last.update(zip(trades.code[known].tolist(), trades.ts_ns[known].tolist(), strict=True))
        oldest_ns = ts_ns - self._recipe.listed_ns
        return [self.names.options[code] for code, at in last.items() if at >= oldest_ns]

    def _note(self, day: str, trades: Trades) -> None:
        self._noted.add(day)
        self._last.update(zip(trades.code.tolist(), trades.ts_ns.tolist(), strict=True))
        oldest_ns = parse_time(day) - self._recipe.listed_ns
        self._last = {code: at for code, at in self._last.items() if at >= oldest_ns}

    def _read(self, day: str, left_out: Counter[str]) -> Trades:
        start_ns = parse_time(day)
        rows = self._store.read(
            "option_trades",
            self._currency,
            as_of_ns=self._as_of_ns,
            start_ns=start_ns,
            end_ns=start_ns + NS_PER_DAY,
            columns=COLUMNS,
        )
        places, uniques = pd.factorize(rows["instrument_name"])
        codes = np.array([self.names.code(name) for name in uniques], dtype=np.int64)
        code = codes[places] if uniques.size else np.zeros(0, np.int64)
        vol, ts_ns = rows["iv"], rows["ts_ns"]
        options = [self.names.options[c] if c >= 0 else None for c in codes.tolist()]
        expiries = np.array([0 if one is None else one.expiry_ns for one in options], dtype=np.int64)
        expiry_ns = expiries[places] if uniques.size else np.zeros(0, np.int64)
        figures = np.stack([rows["price"], rows["amount"], rows["index_price"]])
        reasons = {
            f"no option of {self.names.family}": code < 0,
            "known before they happened": rows["known_ns"] < ts_ns,
            "timestamps out of order": out_of_sequence(places, rows["trade_seq"]),
            "at or after expiry": ts_ns >= expiry_ns,
            "no price, amount or index": ~(np.isfinite(figures) & (figures > 0)).all(axis=0),
            "no volatility": ~(vol > 0),
            f"volatility above {HIGHEST_VOL:.0%}": vol > HIGHEST_VOL,
        }
        if not self._recipe.blocks:
            reasons["block trades"] = rows["block_trade_id"] != ""
        if not self._recipe.liquidations:
            reasons["liquidations"] = rows["liquidation"] != ""
        keep = np.ones(ts_ns.size, dtype=bool)
        for reason, wrong in reasons.items():
            left_out[reason] += int((wrong & keep).sum())
            keep &= ~np.asarray(wrong, dtype=bool)
        code = code[keep]
        kept = [self.names.options[c] for c in code.tolist()]
        found = Trades(
            rows["known_ns"][keep],
            code,
            expiry_ns[keep],
            np.array([one.strike for one in kept], dtype=np.float64),
            np.array([one.kind for one in kept], dtype=np.float64),
            figures[0][keep],
            figures[1][keep],
            figures[2][keep],
            vol[keep],
        )
        return found.part(np.argsort(found.ts_ns, kind="stable").astype(np.int64))


def out_of_sequence(subject: Ints, sequence: Ints) -> Bools:
    """Mark rows, in order of time, whose sequence numbers contradict it.

    Parameters
    ----------
    subject, sequence : array of int64
        Instrument, and number within it; 0 is none.

    Returns
    -------
    array of bool
        The fewest rows without which numbers ascend (all but a longest increasing subsequence).
    """
    wrong = np.zeros(subject.size, dtype=bool)
    rows = np.flatnonzero(sequence > 0)
    rows = rows[np.argsort(subject[rows], kind="stable")]
    down = (subject[rows][1:] == subject[rows][:-1]) & (sequence[rows][1:] < sequence[rows][:-1])
    for one in np.unique(subject[rows][1:][down]).tolist():
        part = rows[subject[rows] == one]
        wrong[np.setdiff1d(part, part[_longest_rising(sequence[part].tolist())])] = True
    return wrong


def _longest_rising(values: list[int]) -> list[int]:
    """Places of a longest subsequence that does not fall (patience sorting, Schensted 1961)."""
    tails: list[int] = []  # least last value of a subsequence of each length, and its place
    places: list[int] = []
    before: list[int] = []
    for at, value in enumerate(values):
        length = bisect_right(tails, value)
        before.append(places[length - 1] if length else -1)
        tails[length : length + 1] = [value]
        places[length : length + 1] = [at]
    found, at = [], places[-1] if places else -1
    while at >= 0:
        found.append(at)
        at = before[at]
    return found[::-1]
