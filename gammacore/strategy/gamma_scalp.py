"""Gamma scalping: buy (or sell) a straddle or strangle, hold it for its gamma, close it.

Decides what to hold; when to hedge is the hedge policy's business.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np

from gammacore import inverse
from gammacore.contracts import CALL, PUT, Settlement, spec_for
from gammacore.daycount import FRIDAY, NS_PER_DAY, NS_PER_YEAR, weekday
from gammacore.events import ChainSlice
from gammacore.orders import Leg
from gammacore.portfolio import Portfolio
from gammacore.strategy.exits import ExitRule
from gammacore.strategy.filters import NO_INDEX, EntryView, Filter, VolIndex, refusal
from gammacore.strategy.signal import Signal
from gammacore.strategy.strikes import NO_FORWARD, NO_PAIR, Refusal, delta_too_far, strike_too_far

__all__ = ["Declined", "Entry", "EntryRule", "GammaScalp", "SizeRule"]


class EntryRule(msgspec.Struct, frozen=True):
    """When to enter and what.

    Attributes
    ----------
    structure : {'straddle', 'strangle'}
        At the strike nearest the forward, or at the strikes whose Black delta is nearest ``delta``.
    long : bool
        Buy (True) or sell.
    each_expiry : bool
        One episode for every eligible expiry (True), or one at a time, rolled (False).
    fridays_only : bool
        Only weekly, monthly and quarterly expiries.
    weekday : int or None
        Enter on this day only (Monday 0).
    min_days, max_days : float
        Days to expiry allowed; a roll takes the longest expiry among them.
    """

    structure: Literal["straddle", "strangle"] = "straddle"
    delta: float = 0.25
    long: bool = True
    each_expiry: bool = True
    fridays_only: bool = True
    weekday: int | None = None
    min_days: float = 6.0
    max_days: float = 9.0


class SizeRule(msgspec.Struct, frozen=True):
    """How much: a fixed number of coins per leg, or the most that every budget allows (in ``lots``).

    Attributes
    ----------
    contracts : float
        Coins per leg, where there is no budget.
    premium_usd : float or None
        USD that the options may cost.
    theta_usd : float or None
        USD that they may lose in a day by the passage of time, at their marks.
    vega_usd : float or None
        USD that they may gain or lose per volatility point.
    lots : bool
        Whether amounts are whole lots.
    """

    contracts: float = 1.0
    premium_usd: float | None = None
    theta_usd: float | None = None
    vega_usd: float | None = None
    lots: bool = True


class Entry(msgspec.Struct, frozen=True):
    """A position to open."""

    expiry_ns: int
    legs: tuple[Leg, ...]


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
        """
        if not self.on_weekday(ts_ns):
            return []
        expiries = self.eligible(ts_ns, chain, portfolio)
        built = [self._build(chain, expiry_ns, ts_ns, forecast, funding, index) for expiry_ns in expiries]
        return [entry for entry in built if entry is not None]

    def on_weekday(self, ts_ns: int) -> bool:
        """Whether the rule allows to enter on this day."""
        return self.entry.weekday is None or bool(weekday(ts_ns) == self.entry.weekday)

    def taken(self, portfolio: Portfolio) -> set[int]:
        """Expiries that are not entered again."""
        return {e.expiry_ns for e in portfolio.episodes if e.premium or e.number in portfolio.open}

    def eligible(self, ts_ns: int, chain: ChainSlice, portfolio: Portfolio) -> list[int]:
        """Expiries that the rule allows to enter now, whatever their strikes and prices."""
        rule = self.entry
        taken = self.taken(portfolio)
        fit = [
            expiry_ns
            for expiry_ns in sorted(chain.forwards)
            if rule.min_days * NS_PER_DAY <= expiry_ns - ts_ns <= rule.max_days * NS_PER_DAY
            and (not rule.fridays_only or weekday(expiry_ns) == FRIDAY)
            and expiry_ns not in taken
        ]
        if rule.each_expiry:
            return fit
        # An episode that expires this instant is only waiting for its delivery.
        busy = any(e.expiry_ns > ts_ns for e in portfolio.open.values())
        return [] if busy else fit[-1:]

    def _build(
        self, chain: ChainSlice, expiry_ns: int, ts_ns: int, forecast: float, funding: float, index: VolIndex
    ) -> Entry | None:
        found = self.plan(chain, expiry_ns, ts_ns, forecast, funding, index)
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
    ) -> Entry | Declined:
        """Position to open at an expiry, or why there is none; changes nothing."""
        picked = _pick(chain, expiry_ns, ts_ns, self.entry)
        if isinstance(picked, str):
            return Declined(picked, strikes=True)
        if why := refusal(self.filters, EntryView(ts_ns, chain, picked, forecast, index)):
            return Declined(why)
        if self.signal is not None and not self.signal.allows(chain, ts_ns, picked, forecast, funding):
            known = math.isfinite(forecast) and forecast > 0.0
            return Declined("the signal declines" if known else "no forecast of volatility yet")
        amount = self._amount(chain, picked, ts_ns)
        if amount <= 0:
            return Declined("the budget of size does not buy a lot")
        side = 1.0 if self.entry.long else -1.0
        return Entry(expiry_ns, tuple(Leg(chain.option(row), side * amount) for row in picked))

    def _amount(self, chain: ChainSlice, rows: tuple[int, int], ts_ns: int) -> float:
        size = self.size
        if size.premium_usd is size.theta_usd is size.vega_usd is None:
            return size.contracts
        each = _cost_of_one(chain, rows, ts_ns)
        amounts = []
        for budget, one in zip((size.premium_usd, size.theta_usd, size.vega_usd), each, strict=True):
            if budget is not None:
                if one <= 0.0:
                    return 0.0  # marks of nothing: a budget does not say how many
                amounts.append(budget / one)
        amount = min(amounts)
        return spec_for(chain.option(rows[0])).round_amount(amount) if size.lots else amount


def _cost_of_one(chain: ChainSlice, rows: tuple[int, int], ts_ns: int) -> tuple[float, float, float]:
    """Premium at the ask, theta a day and vega per point, of one coin of each leg, USD and positive."""
    unit = 1.0 if chain.settlement is Settlement.LINEAR else chain.index
    prices = [chain.ask[row] if math.isfinite(chain.ask[row]) else chain.mark[row] for row in rows]
    theta = vega = 0.0
    for row in rows:
        forward = chain.forwards[int(chain.expiry_ns[row])]
        tau = (int(chain.expiry_ns[row]) - ts_ns) / NS_PER_YEAR
        seen = inverse.greeks(
            int(chain.kind[row]), forward, float(chain.strike[row]), tau, float(chain.iv[row])
        )
        theta -= seen.theta / 365.0
        vega += seen.vega / 100.0
    return float(sum(prices) * unit), float(theta), float(vega)


def _pick(chain: ChainSlice, expiry_ns: int, ts_ns: int, rule: EntryRule) -> tuple[int, int] | str:
    """Rows of call and put to trade, or why the chain has none."""
    forward = chain.forwards[expiry_ns]
    if not forward > 0.0:
        return NO_FORWARD
    of = np.flatnonzero(chain.expiry_ns == expiry_ns)
    rows = of[(chain.iv[of] > 0) & np.isfinite(chain.mark[of])]
    listed = np.unique(chain.strike[of])
    if rule.structure == "straddle":
        return _straddle_rows(chain, rows, listed, forward)
    return _strangle_rows(chain, rows, listed, forward, (expiry_ns - ts_ns) / NS_PER_YEAR, rule.delta)


def _straddle_rows(
    chain: ChainSlice, rows: np.ndarray, listed: np.ndarray, forward: float
) -> tuple[int, int] | str:
    """Call and put at the strike nearest the forward (the lower of two) that lists both."""
    strike, kind = chain.strike[rows], chain.kind[rows]
    both = np.intersect1d(strike[kind == CALL], strike[kind == PUT])
    if not both.size:
        return NO_PAIR
    if why := strike_too_far(both, listed, forward, forward):
        return why
    chosen = both[np.argmin(np.abs(both - forward))]
    call = rows[(strike == chosen) & (kind == CALL)][0]
    put = rows[(strike == chosen) & (kind == PUT)][0]
    return int(call), int(put)


def _strangle_rows(
    chain: ChainSlice, rows: np.ndarray, listed: np.ndarray, forward: float, tau: float, delta: float
) -> tuple[int, int] | str:
    """Call with Black delta nearest ``delta`` and put nearest minus ``delta``."""
    strike, iv = chain.strike[rows], chain.iv[rows]
    seen = inverse.greeks(chain.kind[rows], forward, strike, tau, iv).delta
    picked = []
    for kind in (CALL, PUT):
        side = np.flatnonzero(chain.kind[rows] == kind)
        if not side.size:
            return NO_PAIR
        best = int(side[np.argmin(np.abs(seen[side] - kind * delta))])
        option = float(strike[best]), float(seen[best]), float(iv[best])
        if why := delta_too_far(np.unique(strike[side]), listed, forward, kind, delta, option, tau):
            return why
        picked.append(int(rows[best]))
    return picked[0], picked[1]
