"""Why a strategy that holds nothing enters nothing, and when it next may; no decision depends on it."""

from __future__ import annotations

import calendar
import math
from collections.abc import Callable, Collection, Iterable, Iterator

import msgspec

from gammacore.daycount import (
    EXPIRY_HOUR,
    FRIDAY,
    NS_PER_DAY,
    NS_PER_HOUR,
    format_time,
    is_month_end_friday,
    utc_date,
    weekday,
)
from gammacore.errors import CodeError
from gammacore.events import ChainSlice
from gammacore.portfolio import Portfolio
from gammacore.risk import Limits
from gammacore.strategy.filters import NO_INDEX, VolIndex
from gammacore.strategy.gamma_scalp import Declined, Entry, EntryRule, GammaScalp

__all__ = ["Waiting", "next_entry_ns", "waiting"]

# How long before they expire options are listed: days, weeks, and month ends from far away.
DAILY_NS, WEEKLY_NS = 4 * NS_PER_DAY, 21 * NS_PER_DAY
AHEAD_NS = 36 * NS_PER_DAY  # beyond the longest expiry allowed: the next end of a month is within it


class Waiting(msgspec.Struct, frozen=True):
    """Why nothing is entered.

    Attributes
    ----------
    reason : str
    next_ns : int or None
        First moment at which the entry rule allows an entry, None where it does now or never will.
    """

    reason: str
    next_ns: int | None = None

    def __str__(self) -> str:
        """Return the reason, and the moment in words."""
        return self.reason + (
            "" if self.next_ns is None else f"; next entry possible {_moment(self.next_ns)}"
        )


def waiting(
    strategy: GammaScalp,
    ts_ns: int,
    chain: ChainSlice | None,
    portfolio: Portfolio,
    limits: Limits,
    forecast: float = math.nan,
    funding: float = 0.0,
    index: VolIndex = NO_INDEX,
    equity: float = math.nan,
    margin: Callable[[Entry], str | None] | None = None,
) -> Waiting | None:
    """Say why nothing is held.

    Parameters
    ----------
    strategy : GammaScalp
    ts_ns : int
        Now.
    chain : ChainSlice or None
        The last one.
    portfolio : Portfolio
    limits : Limits
        Of entries.
    forecast, funding, index, equity
        See :meth:`GammaScalp.entries`.
    margin : callable(Entry) -> str or None, optional
        Says why an entry would leave too much margin in use.

    Returns
    -------
    Waiting or None
        None while an episode is open.
    """
    if portfolio.open:
        return None
    if not strategy.entry.enters:
        return Waiting("entry.structure is none: what the account holds is hedged, and nothing entered")
    if chain is None:
        return Waiting("no chain of options has been seen yet")
    rule, taken = strategy.entry, strategy.taken(portfolio)
    next_ns = next_entry_ns(rule, ts_ns, chain.forwards, taken)
    later = next_ns if next_ns is None or next_ns > ts_ns else None
    if rule.weekday is not None and not strategy.on_weekday(ts_ns):
        return Waiting(f"entries on {calendar.day_name[rule.weekday]}s only", later)
    fit = strategy.eligible(ts_ns, chain, portfolio)
    if not fit:
        return Waiting(_none_fits(rule, ts_ns, chain.forwards, taken), later)
    known = forecast, funding, index, equity
    try:
        found = [strategy.plan(chain, expiry_ns, ts_ns, *known) for expiry_ns in fit]
    except CodeError as error:
        return Waiting(str(error))
    told = [
        f"{_day(expiry_ns)}: {_obstacle(one, limits, margin)}"
        for expiry_ns, one in zip(fit, found, strict=True)
    ]
    return Waiting("; ".join(told))


def _none_fits(rule: EntryRule, ts_ns: int, listed: Iterable[int], taken: Collection[int]) -> str:
    kind = "Friday expiry" if rule.fridays_only else "expiry"
    window = f"{rule.min_days:g} to {rule.max_days:g} days out"
    spent = [e for e in listed if e in taken and rule.min_days <= (e - ts_ns) / NS_PER_DAY <= rule.max_days]
    return f"every {kind} {window} was traded before" if spent else f"no {kind} {window}"


def _obstacle(found: Entry | Declined, limits: Limits, margin: Callable[[Entry], str | None] | None) -> str:
    if isinstance(found, Declined):
        return found.reason
    amount = max(abs(leg.amount) for leg in found.legs)
    if limits.max_contracts is not None and amount > limits.max_contracts:
        return f"limits.max_contracts {limits.max_contracts:g} refuses {amount:g} coins a leg"
    if limits.max_open_episodes == 0:
        return "limits.max_open_episodes is 0"
    if margin is not None and (why := margin(found)):
        return f"risk.{why}"
    return f"may be entered at the next chain, {amount:g} coin a leg by size.{found.sized_by}"


def next_entry_ns(
    rule: EntryRule, ts_ns: int, listed: Iterable[int] = (), taken: Collection[int] = ()
) -> int | None:
    """Return the first moment, now or later, at which the rule allows an entry; None if there is none.

    Parameters
    ----------
    rule : EntryRule
    ts_ns : int
        Now.
    listed : iterable of int
        Expiries that are listed; others are taken from Deribit's calendar: every day from four days before,
        Fridays from three weeks before, the last Friday of a month from long before.
    taken : collection of int
        Expiries that are not entered again.
    """
    known = set(listed)
    starts = []
    for expiry_ns in known | set(_calendar(ts_ns, ts_ns + round(rule.max_days * NS_PER_DAY) + AHEAD_NS)):
        if expiry_ns in taken or (rule.fridays_only and weekday(expiry_ns) != FRIDAY):
            continue
        first = max(ts_ns, expiry_ns - round(rule.max_days * NS_PER_DAY))
        if expiry_ns not in known:
            first = max(first, _listed_from(expiry_ns))
        first = _on_weekday(first, rule.weekday)
        if first <= expiry_ns - round(rule.min_days * NS_PER_DAY):
            starts.append(first)
    return min(starts, default=None)


def _calendar(from_ns: int, to_ns: int) -> Iterator[int]:
    """Days at the hour of expiry."""
    first = (from_ns // NS_PER_DAY) * NS_PER_DAY + EXPIRY_HOUR * NS_PER_HOUR
    return (moment for moment in range(first, to_ns, NS_PER_DAY) if moment > from_ns)


def _listed_from(expiry_ns: int) -> int:
    if is_month_end_friday(expiry_ns):
        return 0
    return expiry_ns - (WEEKLY_NS if weekday(expiry_ns) == FRIDAY else DAILY_NS)


def _on_weekday(ts_ns: int, wanted: int | None) -> int:
    """Return the first moment from this one on that is on a day of the week."""
    if wanted is None or weekday(ts_ns) == wanted:
        return ts_ns
    return (ts_ns // NS_PER_DAY + (wanted - int(weekday(ts_ns))) % 7) * NS_PER_DAY


def _day(ts_ns: int) -> str:
    day = utc_date(ts_ns)
    return f"{day.day} {calendar.month_name[day.month]}"


def _moment(ts_ns: int) -> str:
    return f"{_day(ts_ns)} {format_time(ts_ns)[11:16]} UTC"
