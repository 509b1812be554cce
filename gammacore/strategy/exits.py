"""When to leave a position: rules, each a pure function with a name, of what they may see.

Rules of time say when; they need no price. Rules of price look at a :class:`Holding` whenever a chain is
published. Money is in the settlement currency, shares are of :func:`premium_of`. Nothing depends
on the side but the break-even: long gamma must realise more than it, short gamma less.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from gammacore.contracts import Option
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR
from gammacore.episode import Episode

__all__ = [
    "LEAST_PREMIUM",
    "OF_HEDGE",
    "PRICE_RULES",
    "TIME_RULES",
    "ExitRule",
    "Holding",
    "PaceBounds",
    "Rule",
]

LEAST_PREMIUM = 0.1  # of what the legs cost together: net premiums below it are no measure of a position


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """What rules of price may see of an episode, at a chain.

    Attributes
    ----------
    ts_ns, entry_ns, first_expiry_ns : int
        Now, first fill, and the next expiry of its options.
    legs : tuple of (Option, float)
        Held now, signed, coins.
    premium : float
        What shares refer to, positive; see :func:`premium_of`.
    value : float
        Of the options at marks, negative for sold ones.
    profit, peak : float
        At marks, with the hedge, fees and funding; and the highest of it at any chain so far, 0 at least.
    forward : float
        Of the next expiry, USD.
    moneyness : float
        ``|ln(F/K)| / (vol sqrt(tau))`` of the strike nearest the forward, of the options that expire next.
    gamma, theta : float
        USD of a move of 100 % squared (sum of amount x gamma x forward^2), and USD a year.
    breakeven, breakeven_entry : float
        Volatility at which gamma earns what theta costs, ``sqrt(-2 theta / gamma)``, now and at entry; NaN
        where gamma and theta do not have opposite signs.
    forecast : float
        Of volatility, NaN where there is none.
    realised : float
        Volatility of the index since entry, from chains at least an hour apart; NaN before there are two.
    gamma_over_theta : float
        What gamma earned over what theta cost since entry, by the same chains.
    """

    ts_ns: int
    entry_ns: int
    first_expiry_ns: int
    legs: tuple[tuple[Option, float], ...]
    premium: float
    value: float
    profit: float
    peak: float
    forward: float
    moneyness: float
    gamma: float
    theta: float
    breakeven: float
    breakeven_entry: float
    forecast: float
    realised: float
    gamma_over_theta: float

    @property
    def days_held(self) -> float:
        """Since the first fill."""
        return (self.ts_ns - self.entry_ns) / NS_PER_DAY

    @property
    def days_left(self) -> float:
        """To the next expiry."""
        return (self.first_expiry_ns - self.ts_ns) / NS_PER_DAY

    @property
    def edge(self) -> float:
        """Forecast less break-even; for short gamma the reverse."""
        distance = self.forecast - self.breakeven
        return distance if self.gamma > 0.0 else -distance


class PaceBounds(msgspec.Struct, frozen=True):
    """Bounds of a ratio, looked at once a position was held for a while (``after_ns``)."""

    after_ns: int
    below: float | None = None
    above: float | None = None

    def left_by(self, held: Holding, ratio: float) -> bool:
        """Whether a ratio is out of bounds; NaN is not."""
        if held.ts_ns - held.entry_ns < self.after_ns:
            return False
        low = self.below is not None and ratio < self.below
        return low or (self.above is not None and ratio > self.above)


class Rule(msgspec.Struct, frozen=True):
    """A rule's name, and its number, :class:`PaceBounds`, or a function of a :class:`Holding`."""

    name: str
    value: Any


class ExitRule(msgspec.Struct, frozen=True):
    """When to close: hours before the first expiry (None: hold to delivery), or any of some rules."""

    hours_before_expiry: float | None = None
    rules: tuple[Rule, ...] = ()

    def deadline(self, episode: Episode) -> tuple[int, str] | None:
        """Return when the first rule of time closes an episode, and its name; None if there is none."""
        if self.hours_before_expiry is None and not self.rules:
            return None
        own = Rule("hours_before_expiry", self.hours_before_expiry)
        asked = self.rules if self.hours_before_expiry is None else (own, *self.rules)
        times = [(TIME_RULES[r.name](episode, r.value), r.name) for r in asked if r.name in TIME_RULES]
        return min(times, default=None, key=lambda found: found[0])

    @property
    def priced(self) -> bool:
        """Whether any rule looks at prices."""
        return any(rule.name in PRICE_RULES or callable(rule.value) for rule in self.rules)

    def fired(self, held: Holding) -> str:
        """Name the first rule of price that closes, by the order of :data:`PRICE_RULES`; else empty.

        Code of the user's own comes after the built-in rules, in its own order.
        """
        values = {rule.name: rule.value for rule in self.rules}
        names = (name for name in PRICE_RULES if name in values)
        built_in = next((name for name in names if PRICE_RULES[name](held, values[name])), "")
        own = (rule for rule in self.rules if callable(rule.value))
        return built_in or next((rule.name for rule in own if rule.value(held)), "")


def first_expiry_ns(episode: Episode) -> int:
    """Return the next expiry of the options held."""
    return min(option.expiry_ns for option in episode.legs)


def premium_of(paid: Iterable[float]) -> float:
    """Return what shares refer to: the net premium, paid or received, as a positive number.

    At least a tenth of what the legs cost together: the net premium of a risk reversal is an accident.

    Parameters
    ----------
    paid : iterable of float
        Amount times price of each option, positive for bought ones.
    """
    parts = list(paid)
    return max(abs(sum(parts)), LEAST_PREMIUM * sum(map(abs, parts)))


# ------------------------------------------------------------- rules of time


def hours_before_expiry(episode: Episode, hours: float) -> int:
    """Hours before the next expiry."""
    return first_expiry_ns(episode) - round(hours * NS_PER_HOUR)


def days_to_expiry(episode: Episode, days: float) -> int:
    """Days before the next expiry."""
    return first_expiry_ns(episode) - round(days * NS_PER_DAY)


def max_days(episode: Episode, days: float) -> int:
    """Days after the first fill."""
    return episode.entry_ns + round(days * NS_PER_DAY)


# ------------------------------------------------------------- rules of price


def take_profit(held: Holding, share: float) -> bool:
    """Profit of a share of the premium, or more."""
    return held.profit >= share * held.premium


def stop_loss(held: Holding, share: float) -> bool:
    """Loss of a share of the premium, or more."""
    return held.profit <= -share * held.premium


def drawdown(held: Holding, share: float) -> bool:
    """Profit a share of the premium below the best so far."""
    return held.peak - held.profit >= share * held.premium


def moneyness(held: Holding, deviations: float) -> bool:
    """Every strike of the next expiry is so many standard deviations away: the gamma is gone."""
    return held.moneyness >= deviations


def edge_gone(held: Holding, least: float) -> bool:
    """Forecast less break-even of holding on is below this; for short gamma the reverse."""
    return held.edge < least


def rv_pace(held: Holding, pace: PaceBounds) -> bool:
    """Realised volatility since entry, over the break-even at entry, is out of bounds."""
    return pace.left_by(held, held.realised / held.breakeven_entry)


def gamma_over_theta(held: Holding, pace: PaceBounds) -> bool:
    """Gains of gamma since entry, over what theta cost, are out of bounds."""
    return pace.left_by(held, held.gamma_over_theta)


TIME_RULES: dict[str, Callable[[Episode, float], int]] = {
    rule.__name__: rule for rule in (hours_before_expiry, days_to_expiry, max_days)
}
PRICE_RULES: dict[str, Callable[[Holding, Any], bool]] = {
    rule.__name__: rule
    for rule in (take_profit, stop_loss, drawdown, moneyness, edge_gone, rv_pace, gamma_over_theta)
}
OF_HEDGE = ("take_profit", "stop_loss", "drawdown")  # depend on what the hedge earned


def breakeven_vol(gamma: float, theta: float) -> float:
    """Return the volatility at which gamma earns what theta costs, NaN where it does not.

    Gamma of a move r earns ``gamma r^2 / 2``, a time dt costs ``theta dt``: they cancel at
    ``r^2 / dt = -2 theta / gamma`` (units of :class:`Holding`).
    """
    ratio = -2.0 * theta / gamma if gamma else math.nan
    return math.sqrt(ratio) if ratio > 0.0 else math.nan
