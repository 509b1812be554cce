"""Gamma scalping: buy (or sell) options, hold them for their gamma, close them.

Decides what to hold; when to hedge is the hedge policy's business.
"""

from __future__ import annotations

import math

import msgspec

from gammacore.contracts import Option
from gammacore.daycount import FRIDAY, NS_PER_DAY, weekday
from gammacore.events import ChainSlice
from gammacore.legs import LegRule, preset
from gammacore.orders import Leg
from gammacore.portfolio import Portfolio
from gammacore.strategy.exits import ExitRule
from gammacore.strategy.filters import NO_INDEX, EntryView, Filter, VolIndex, refusal
from gammacore.strategy.own_legs import OwnLegs, pick_own
from gammacore.strategy.signal import Signal
from gammacore.strategy.sizes import SizeRule, sized
from gammacore.strategy.strikes import Refusal
from gammacore.strategy.structures import Picked, expiries_of, pick

__all__ = ["Declined", "Entry", "EntryRule", "GammaScalp"]


class EntryRule(msgspec.Struct, frozen=True):
    """When to enter and what.

    Attributes
    ----------
    legs : tuple of LegRule
        Of one unit, as bought; see :func:`gammacore.legs.preset` for those that have a name. Without legs
        nothing is entered.
    long : bool
        Buy (True) or sell.
    each_expiry : bool
        One episode for every eligible expiry (True), or one at a time, rolled (False).
    fridays_only : bool
        Only weekly, monthly and quarterly expiries.
    weekday : int or None
        Enter on this day only (Monday 0).
    min_days, max_days : float
        Days to expiry allowed for the first leg; a roll takes the longest expiry among them.
    own : callable(ChainView) -> sequence of (row, coins), optional
        Chooses the legs, in place of ``legs``.
    """

    legs: tuple[LegRule, ...] = preset("straddle")
    long: bool = True
    each_expiry: bool = True
    fridays_only: bool = True
    weekday: int | None = None
    min_days: float = 6.0
    max_days: float = 9.0
    own: OwnLegs | None = None

    @property
    def enters(self) -> bool:
        """Whether anything is entered at all."""
        return bool(self.legs) or self.own is not None

    def anchors(self, chain: ChainSlice, ts_ns: int) -> list[int]:
        """Expiries that its first leg may have now, ascending."""
        if not self.enters:
            return []
        if self.legs and self.legs[0].expiry.how != "entry":
            return expiries_of(self.legs[0].expiry, self.listed(chain), ts_ns)
        low, high = self.min_days * NS_PER_DAY, self.max_days * NS_PER_DAY
        return [e for e in self.listed(chain) if low <= e - ts_ns <= high]

    def listed(self, chain: ChainSlice) -> list[int]:
        """Expiries of a chain that may be traded at all, ascending."""
        return [e for e in sorted(chain.forwards) if not self.fridays_only or weekday(e) == FRIDAY]

    def pick(self, chain: ChainSlice, expiry_ns: int, ts_ns: int) -> Picked | str:
        """Choose the options of one unit whose first leg has an expiry, or say why the chain has none."""
        if self.own is not None:
            return pick_own(chain, self.own, expiry_ns, ts_ns)
        return pick(chain, self.legs, expiry_ns, self.listed(chain), ts_ns)


class Entry(msgspec.Struct, frozen=True):
    """A position to open, counted by the expiry of its first leg; a field of ``size`` set its amount."""

    expiry_ns: int
    legs: tuple[Leg, ...]
    sized_by: str = "contracts"

    @property
    def expiries(self) -> tuple[int, ...]:
        """Expiries of its options, ascending."""
        return tuple(
            sorted({leg.instrument.expiry_ns for leg in self.legs if isinstance(leg.instrument, Option)})
        )


class Declined(msgspec.Struct, frozen=True):
    """Why an expiry is not entered; ``strikes``: because the chain lacks them."""

    reason: str
    strikes: bool = False


class GammaScalp:
    """The strategy: pure decisions from the chain, the portfolio, and a forecast if there is a signal.

    Attributes
    ----------
    refusals : dict of expiry_ns to Refusal
        Entries that chains without the strikes for them were refused; a note, no decision depends on it.
    """

    def __init__(
        self,
        entry: EntryRule,
        size: SizeRule,
        exit_rule: ExitRule,
        signal: Signal | None = None,
        filters: tuple[Filter, ...] = (),
    ) -> None:
        self.entry = entry
        self.size = size
        self.exit_rule = exit_rule
        self.signal = signal
        self.filters = filters
        self.refusals: dict[int, Refusal] = {}

    def entries(
        self,
        ts_ns: int,
        chain: ChainSlice,
        portfolio: Portfolio,
        forecast: float = math.nan,
        funding: float = 0.0,
        index: VolIndex = NO_INDEX,
        equity: float = math.nan,
        expiries: list[int] | None = None,
    ) -> list[Entry]:
        """Positions to open on a chain just published.

        Parameters
        ----------
        ts_ns : int
        chain : ChainSlice
        portfolio : Portfolio
        forecast : float
            Of the volatility that will be realised, for the signal; NaN where there is none yet.
        funding : float
            Of the perpetual, per year, for the signal.
        index : VolIndex
            For the filters.
        equity : float
            Of the account, settlement currency, for the size; NaN: that of the rule.
        expiries : list of int, optional
            What is :meth:`eligible`, where it is known.
        """
        if not self.on_weekday(ts_ns):
            return []
        expiries = self.eligible(ts_ns, chain, portfolio) if expiries is None else expiries
        told = forecast, funding, index, equity
        built = [self._build(chain, expiry_ns, ts_ns, *told) for expiry_ns in expiries]
        return [entry for entry in built if entry is not None]

    def on_weekday(self, ts_ns: int) -> bool:
        """Whether the rule allows to enter on this day."""
        return self.entry.weekday is None or bool(weekday(ts_ns) == self.entry.weekday)

    def taken(self, portfolio: Portfolio) -> set[int]:
        """Expiries that are not entered again."""
        own = [e for e in portfolio.episodes if not e.adopted]
        return {e.anchor_ns for e in own if e.entered or e.number in portfolio.open}

    def eligible(self, ts_ns: int, chain: ChainSlice, portfolio: Portfolio) -> list[int]:
        """Expiries that the rule allows to enter now, whatever their strikes and prices."""
        taken = self.taken(portfolio)
        fit = [expiry_ns for expiry_ns in self.entry.anchors(chain, ts_ns) if expiry_ns not in taken]
        if self.entry.each_expiry:
            return fit
        # An episode that expires this instant is only waiting for its delivery.
        busy = any(e.expiry_ns > ts_ns and not e.adopted for e in portfolio.open.values())
        return [] if busy else fit[-1:]

    def _build(
        self,
        chain: ChainSlice,
        expiry_ns: int,
        ts_ns: int,
        forecast: float,
        funding: float,
        index: VolIndex,
        equity: float,
    ) -> Entry | None:
        found = self.plan(chain, expiry_ns, ts_ns, forecast, funding, index, equity)
        if isinstance(found, Entry):
            return found
        if found.strikes:
            seen = self.refusals.get(expiry_ns)
            self.refusals[expiry_ns] = (
                Refusal(expiry_ns, ts_ns, ts_ns, found.reason) if seen is None else seen.at(ts_ns)
            )
        return None

    def plan(
        self,
        chain: ChainSlice,
        expiry_ns: int,
        ts_ns: int,
        forecast: float,
        funding: float,
        index: VolIndex = NO_INDEX,
        equity: float = math.nan,
    ) -> Entry | Declined:
        """Position to open at an expiry, or why there is none; changes nothing."""
        rule = self.entry
        picked = rule.pick(chain, expiry_ns, ts_ns)
        if isinstance(picked, str):
            return Declined(picked, strikes=True)
        if why := refusal(self.filters, EntryView(ts_ns, chain, picked.rows, forecast, index)):
            return Declined(why)
        if self.signal is not None and not self.signal.allows(chain, ts_ns, picked, forecast, funding):
            known = math.isfinite(forecast) and forecast > 0.0
            behind = self.signal.behind(ts_ns)
            declines = "the signal declines" + (f" ({behind})" if behind else "")
            return Declined(declines if known else "no forecast of volatility yet")
        size = sized(self.size, chain, picked, ts_ns, rule.long, (forecast, funding, equity))
        if isinstance(size, str):
            return Declined(size)
        signed = size.units if rule.long else -size.units
        legs = [Leg(chain.option(row), signed * amount) for row, amount in zip(*picked, strict=True)]
        return Entry(expiry_ns, tuple(legs), size.by)
