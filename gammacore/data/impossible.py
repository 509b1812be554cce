"""Rows of one day that cannot be: prices, ranges, instruments, coins, times."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from gammacore.array_types import Array, Bools
from gammacore.contracts import CALL, Future, Instrument, Option, Settlement, parse
from gammacore.daycount import NS_PER_HOUR, NS_PER_YEAR, format_time
from gammacore.errors import ContractError

from .listings import published
from .schemas import currency_of

__all__ = ["Day", "Found", "impossible"]


BARS = ("candles", "dvol")
STATES = ("quotes", "tickers", "chains", "index")  # what is told again and again, and moves
SIDES = ("bid_price", "ask_price", "mark_price")
POSITIVE = ("open", "high", "low", "close", "price", "underlying", "index_price", "delivery_price", "amount")
# Listings: at most some fifteen months ahead, and strikes within a factor of about ten of the price.
FARTHEST_NS, FARTHEST_STRIKE = 3 * NS_PER_YEAR, 25.0
NO_FORWARD = 10.0  # a put is worth at most strike / forward coins; where no forward is known, this
WICK = 3.0  # no bar of an hour or less, the crash of March 2020 included, went so far and came back
FROZEN_ROWS, FROZEN_NS = 4, 12 * NS_PER_HOUR


class Found(msgspec.Struct, frozen=True):
    """One sort of fault on one day.

    Attributes
    ----------
    check : str
        Sort, such as ``negative``.
    count : int
        Rows, or bars, chains or silences.
    where : str
        Instrument or index of the first.
    time : str
        Of the first, ISO 8601; empty where there is none.
    why : str
        In words, with the value.
    """

    check: str
    count: int
    where: str = ""
    time: str = ""
    why: str = ""

    def __str__(self) -> str:
        """Place and reason of the first."""
        return " ".join(part for part in (self.where, self.time, self.why) if part)


class Day:
    """Rows of one kind, currency and day, with their names as codes.

    Parameters
    ----------
    kind, currency : str
    rows : dict of str to array
        As `Store.read` gives them.
    """

    def __init__(self, kind: str, currency: str, rows: dict[str, Array]) -> None:
        self.kind, self.currency, self.rows = kind, currency, rows
        self.ts_ns: Array = rows["ts_ns"]
        subjects = ("instrument_name", "index_name", "channel")
        self.subject = next((name for name in subjects if name in rows), "")
        names = rows[self.subject] if self.subject else np.full(self.ts_ns.size, "", dtype=object)
        codes, uniques = pd.factorize(names)
        self.codes: Array = codes
        self.names: list[str] = [str(name) for name in uniques]
        self.instruments: list[Instrument | None] = [_parsed(name) for name in self.names]

    def each(self, values: list[Any], dtype: Any) -> Array:
        """Value of each row's name."""
        return np.array([*values, 0], dtype=dtype)[self.codes]

    def groups(self) -> Iterator[tuple[int, Array]]:
        """Position of each name, and its rows in order."""
        order = np.argsort(self.codes, kind="stable")
        if order.size:
            yield from enumerate(np.split(order, np.flatnonzero(np.diff(self.codes[order])) + 1))

    def found(self, check: str, mask: Bools, why: str) -> Iterator[Found]:
        """Report the rows of a mask, if any; ``{column}`` in the reason is its value in the first."""
        count = int(np.count_nonzero(mask))
        if count:
            row = int(np.argmax(mask))
            values = {name: column[row] for name, column in self.rows.items()}
            words = why.format(**values)
            yield Found(check, count, self.names[self.codes[row]], format_time(self.ts_ns[row]), words)


@lru_cache(maxsize=20_000)
def _parsed(name: str) -> Instrument | None:
    try:
        return parse(name)
    except ContractError:
        return None


def impossible(day: Day) -> Iterator[Found]:
    """Look for rows that cannot be.

    Parameters
    ----------
    day : Day

    Yields
    ------
    Found
    """
    if not day.ts_ns.size:
        return
    yield from _prices(day)
    if day.kind in BARS:
        yield from _ranges(day)
    yield from _known_early(day)
    if day.subject != "channel":
        yield from _other_coin(day)
    if day.subject == "instrument_name" and day.kind not in ("instruments", "candles", "funding"):
        yield from _instruments(day)
        yield from _in_usd(day)
    if day.kind in STATES:
        yield from _empty(day)
        yield from _frozen(day)
    if day.kind == "chains":
        yield from _copied(day)


def _prices(day: Day) -> Iterator[Found]:
    combos = day.kind == "combo_trades"  # the price of a combo may be negative
    for name in (*SIDES, *POSITIVE, "funding_rate"):
        if name not in day.rows:
            continue
        values = day.rows[name]
        yield from day.found("infinite", np.isinf(values), f"{name} {{{name}}}")
        if name in SIDES:
            yield from day.found("negative", np.isfinite(values) & (values < 0), f"{name} {{{name}:g}}")
        elif name in POSITIVE and not combos:
            yield from day.found("not positive", values <= 0, f"{name} {{{name}:g}}")
    if "bid_price" in day.rows and not combos:
        crossed = day.rows["bid_price"] > day.rows["ask_price"]
        yield from day.found("crossed", crossed, "bid {bid_price:g} above ask {ask_price:g}")


def _ranges(day: Day) -> Iterator[Found]:
    open_, high, low, close = (day.rows[name] for name in ("open", "high", "low", "close"))
    yield from day.found("no price", np.isnan(close), "close is missing")
    yield from day.found("range", high < low, "high {high:g} below low {low:g}")
    outside = (high >= low) & ((close > high) | (close < low) | (open_ > high) | (open_ < low))
    yield from day.found("range", outside, "open {open:g}, close {close:g} outside {low:g} to {high:g}")
    body_high, body_low = np.maximum(open_, close), np.minimum(open_, close)
    wick = ~outside & ((high > WICK * body_high) | ((low > 0) & (low < body_low / WICK)))
    yield from day.found(
        "spike", wick, "high {high:g} or low {low:g} far from open {open:g} and close {close:g}"
    )


def _known_early(day: Day) -> Iterator[Found]:
    """Rows that look ahead: known before they happened, bars before they were over."""
    length = day.rows["interval_ns"] if day.kind in BARS else 0
    early = day.rows["known_ns"] < day.ts_ns + length
    if early.any():
        lead = int((day.ts_ns + length - day.rows["known_ns"])[early].max())
        yield from day.found("early", early, f"known up to {lead / 1e9:g} s before it happened")


def _other_coin(day: Day) -> Iterator[Found]:
    if day.subject == "instrument_name":
        other = [_foreign(name, day.currency) for name in day.names]
    else:
        head = day.currency.lower()
        in_coin = published().of(day.currency, "perpetual") is not None
        other = [
            in_coin and name.lower().endswith("_usd") and not name.lower().startswith(head)
            for name in day.names
        ]
    yield from day.found("other coin", day.each(other, bool), f"not of {day.currency}")


def _foreign(name: str, currency: str) -> bool:
    """Whether the exchange lists a name under another currency; names of others are not judged."""
    return "-" in name and currency_of(name) != currency


def _instruments(day: Day) -> Iterator[Found]:
    """Names that no listing has, and rows after their expiry."""
    odd = [
        one is None and name.count("-") == 3 and name.endswith(("-C", "-P"))
        for name, one in zip(day.names, day.instruments, strict=True)
    ]
    yield from day.found(
        "impossible instrument", day.each(odd, bool), "no such expiry or strike can be listed"
    )
    expiry = day.each([_expiry(one) for one in day.instruments], np.int64)
    yield from day.found("expired", (expiry > 0) & (day.ts_ns >= expiry), "at or after its expiry")
    far = (expiry > 0) & (expiry - day.ts_ns > FARTHEST_NS)
    yield from day.found("impossible instrument", far, "expires more than three years later")
    strike = day.each([one.strike if isinstance(one, Option) else np.nan for one in day.instruments], float)
    with np.errstate(divide="ignore", invalid="ignore"):
        away = np.abs(np.log(strike / _forward(day))) > np.log(FARTHEST_STRIKE)
    yield from day.found("impossible instrument", away, "strike is 25 times off the price")


def _expiry(one: Instrument | None) -> int:
    return one.expiry_ns if isinstance(one, (Option, Future)) else 0


def _forward(day: Day) -> Array:
    """Forward or index of each row; NaN where neither is known."""
    none = np.full(day.ts_ns.size, np.nan)
    forward = day.rows.get("underlying", none)
    return np.where(forward > 0, forward, day.rows.get("index_price", none))


def _in_usd(day: Day) -> Iterator[Found]:
    """Inverse options that cost more coin than they can be worth: a call one, a put strike / forward."""
    inverse = [isinstance(one, Option) and one.settlement is Settlement.INVERSE for one in day.instruments]
    if not any(inverse):
        return
    calls = day.each([isinstance(one, Option) and one.kind == CALL for one in day.instruments], bool)
    strike = day.each([one.strike if isinstance(one, Option) else np.nan for one in day.instruments], float)
    forward = _forward(day)
    forward = np.where(forward > 0, forward, np.nan)
    most = np.where(calls, 1.0, np.where(forward > 0, np.maximum(1.05 * strike / forward, 1.0), NO_FORWARD))
    columns = [name for name in ("bid_price", "mark_price", "price", "last_price") if name in day.rows]
    over = np.zeros(day.ts_ns.size, dtype=bool)
    for name in columns:
        over |= np.isfinite(day.rows[name]) & (day.rows[name] > most)
    why = (
        f"{columns[0]} {{{columns[0]}:g}} is more coin than it can be worth: USD for coin?" if columns else ""
    )
    yield from day.found("usd for coin", over & day.each(inverse, bool), why)


def _empty(day: Day) -> Iterator[Found]:
    """Rows without any price: of a chain or ticker one by one, of quotes where no row of them has one."""
    columns = [name for name in (*SIDES, "price") if name in day.rows]
    blank = np.logical_and.reduce([np.isnan(day.rows[name]) for name in columns])
    if "mark_price" not in day.rows:
        blank &= _whole_groups(day, blank)
    yield from day.found("empty", blank, "no bid, no ask, no mark")


def _whole_groups(day: Day, mask: Bools) -> Bools:
    """Rows of names for which a mask holds all day; options, which may go unquoted, count as one."""
    option = [isinstance(one, Option) for one in day.instruments]
    group = day.each([len(day.names) if is_option else k for k, is_option in enumerate(option)], np.int64)
    rows = np.bincount(group, minlength=len(day.names) + 1)
    return np.asarray(np.bincount(group, mask, minlength=rows.size)[group] == rows[group])


def _frozen(day: Day) -> Iterator[Found]:
    """Series that do not move for half a day or more, from the first to the last row of it."""
    columns = [name for name in (*SIDES, "price", "underlying") if name in day.rows]
    still = np.zeros(day.ts_ns.size, dtype=bool)
    judged = np.zeros(day.ts_ns.size, dtype=bool)
    for k, part in day.groups():
        if part.size < FROZEN_ROWS or day.ts_ns[part[-1]] - day.ts_ns[part[0]] < FROZEN_NS:
            continue
        judged[part] = True
        # The forward of an option moves, whatever its quotes do.
        option = isinstance(day.instruments[k], Option)
        watched = ["underlying"] if option and "underlying" in day.rows else columns
        values = [day.rows[name][part] for name in watched]
        moves = any(np.unique(column[~np.isnan(column)]).size > 1 for column in values)
        still[part] = not moves and any(np.isfinite(column).any() for column in values)
    still &= _whole_groups(day, still | ~judged) | ("underlying" in day.rows)
    yield from day.found("frozen", still, "does not move all day")


def _copied(day: Day) -> Iterator[Found]:
    """Chains that repeat every price of the one before."""
    columns = [day.rows[name] for name in ("underlying", "bid_price", "ask_price", "mark_price")]
    table = np.column_stack([day.codes, *columns])
    starts = np.flatnonzero(np.diff(day.ts_ns, prepend=day.ts_ns[0] - 1))
    copied = np.zeros(day.ts_ns.size, dtype=bool)
    chains = [table[rows][np.argsort(table[rows, 0])] for rows in np.split(np.arange(len(table)), starts[1:])]
    for k in range(1, len(chains)):
        if len(chains[k]) >= FROZEN_ROWS and np.array_equal(chains[k], chains[k - 1], equal_nan=True):
            copied[starts[k]] = True
    yield from day.found("copied", copied, "a chain with every price of the one before")
