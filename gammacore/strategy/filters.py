"""When to enter: filters, each a pure function with a name, of what is known at a chain.

A filter returns why it refuses, or nothing. A value that is not known refuses: never entered on a guess.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy as np

from gammacore.contracts import CALL, PUT
from gammacore.daycount import NS_PER_DAY, NS_PER_MINUTE, weekday
from gammacore.events import ChainSlice

__all__ = ["FILTERS", "NO_INDEX", "Between", "EntryView", "Filter", "Slope", "VolIndex", "refusal"]

POINTS = ".1%"


class VolIndex(NamedTuple):
    """DVOL as last published (decimal), and the share of its window that was lower; NaN where unknown."""

    level: float = math.nan
    rank: float = math.nan


NO_INDEX = VolIndex()


class EntryView(NamedTuple):
    """What filters may see.

    Attributes
    ----------
    ts_ns : int
    chain : ChainSlice
    rows : sequence of int
        Of the options to be entered.
    forecast : float
        Of volatility, NaN where there is none.
    vol_index : VolIndex
    """

    ts_ns: int
    chain: ChainSlice
    rows: Any
    forecast: float
    vol_index: VolIndex


class Between(msgspec.Struct, frozen=True):
    """Bounds of a value, either may be missing; both are allowed themselves."""

    min: float | None = None
    max: float | None = None

    def refusal(self, what: str, value: float) -> str:
        """Say what a value is and should be, or nothing where it is within."""
        if math.isnan(value):
            return f"{what} is not known"
        if self.min is not None and value < self.min:
            return f"{what} is {value:{POINTS}}, at least {self.min:{POINTS}} is asked for"
        if self.max is not None and value > self.max:
            return f"{what} is {value:{POINTS}}, at most {self.max:{POINTS}} is asked for"
        return ""


class Slope(msgspec.Struct, frozen=True):
    """Bounds of a term structure, and the lives of the two expiries that it is read from."""

    between: Between
    near_ns: int
    far_ns: int


class Filter(msgspec.Struct, frozen=True):
    """A filter's name, and its bounds."""

    name: str
    value: Any


def dvol(seen: EntryView, allowed: Between) -> str:
    """Level of the exchange's volatility index."""
    return allowed.refusal("DVOL", seen.vol_index.level)


def dvol_percentile(seen: EntryView, allowed: Between) -> str:
    """Share of a trailing window in which the index was lower."""
    return allowed.refusal("the percentile of DVOL", seen.vol_index.rank)


def iv_less_forecast(seen: EntryView, allowed: Between) -> str:
    """Mean mark volatility of the options to be entered less the forecast."""
    iv = float(np.mean(seen.chain.iv[np.asarray(seen.rows)]))
    return allowed.refusal("implied less forecast volatility", iv - seen.forecast)


def term_structure(seen: EntryView, allowed: Slope) -> str:
    """Volatility at the money of a far expiry less that of a near one."""
    far, near = (_expiry_near(seen, life) for life in (allowed.far_ns, allowed.near_ns))
    if far == near:
        return "the term structure needs two expiries"
    what = f"far less near volatility ({_days(seen, far)} and {_days(seen, near)} days)"
    return allowed.between.refusal(what, at_money_vol(seen.chain, far) - at_money_vol(seen.chain, near))


def time_of_week(seen: EntryView, windows: tuple[tuple[int, int], ...]) -> str:
    """Minutes of the week (Monday 00:00 UTC is 0), from and until: the second is outside."""
    minute = int(weekday(seen.ts_ns)) * 1440 + seen.ts_ns % NS_PER_DAY // NS_PER_MINUTE
    return "" if any(a <= minute < b for a, b in windows) else "outside of signal.when.time_of_week"


FILTERS: dict[str, Callable[[EntryView, Any], str]] = {
    filter_.__name__: filter_
    for filter_ in (time_of_week, dvol, dvol_percentile, term_structure, iv_less_forecast)
}


def refusal(filters: tuple[Filter, ...], seen: EntryView) -> str:
    """Return why the first filter that refuses does, in the order given; empty if none does."""
    return next((why for one in filters if (why := FILTERS[one.name](seen, one.value))), "")


def at_money_vol(chain: ChainSlice, expiry_ns: int) -> float:
    """Return the mark volatility at the strike nearest the forward, mean of call and put; NaN if none."""
    rows = np.flatnonzero((chain.expiry_ns == expiry_ns) & (chain.iv > 0))
    strikes = [chain.strike[rows[chain.kind[rows] == kind]] for kind in (CALL, PUT)]
    both = np.intersect1d(*strikes)
    if not both.size:
        return math.nan
    nearest = both[np.argmin(np.abs(both - chain.forwards[expiry_ns]))]
    return float(chain.iv[rows[chain.strike[rows] == nearest]].mean())


def _expiry_near(seen: EntryView, life_ns: int) -> int:
    """Find the listed expiry whose life is nearest one, of two the earlier."""
    listed = sorted(e for e in seen.chain.forwards if e > seen.ts_ns)
    return min(listed, key=lambda e: abs(e - seen.ts_ns - life_ns), default=0)


def _days(seen: EntryView, expiry_ns: int) -> str:
    return f"{(expiry_ns - seen.ts_ns) / NS_PER_DAY:.0f}"
