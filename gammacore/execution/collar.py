"""What an option may cost, against its mark, its volatility, the fitted smile, and the width of the quotes.

A mark is the exchange's own opinion of what an option is worth; a best ask far above it is no price, but an
empty book. A price beyond the collar is not paid: the order waits for a better quote, and is given up. An
order that rests goes no further than the collar either.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec

from gammacore.contracts import ContractSpec, Option, Settlement
from gammacore.daycount import NS_PER_YEAR
from gammacore.valuation import shape, value

from .quotes import Quote

FLOOR_TICKS = 3  # always allowed: of cheap options a tick is a large share

__all__ = ["Bound", "Case", "Collar"]


class Bound(NamedTuple):
    """The worst price that a limit allows, and the limit in words."""

    price: float
    why: str


class Case(NamedTuple):
    """An option, what is known of it, and what is to be done with it.

    ``spec`` is None where nothing is known of ticks; ``smile`` is the volatility of the fitted smile, NaN
    without one.
    """

    option: Option
    quote: Quote
    spec: ContractSpec | None
    buys: bool
    enters: bool
    now_ns: int
    smile: float = math.nan

    @property
    def tau(self) -> float:
        """Years to expiry."""
        return max(self.option.expiry_ns - self.now_ns, 0) / NS_PER_YEAR

    @property
    def floor(self) -> float:
        """Distance from the mark that is always allowed; nil without a tick."""
        return 0.0 if self.spec is None else FLOOR_TICKS * self.spec.tick_at(self.quote.mark)

    def worse(self, price: float, than: float) -> bool:
        """Whether a price is worse than another."""
        return price > than if self.buys else price < than

    def at(self, vol: float) -> float:
        """Price at a volatility."""
        return float(value(self.option, self.quote.forward, self.tau, vol))


class Collar(msgspec.Struct, frozen=True):
    """Limits; None is no limit. See ``execution`` in the configuration.

    Attributes
    ----------
    max_above_mark : float or None
        Share of the mark that may be paid above it, or that it may be sold below it.
    max_spread : float or None
        Ask less bid, in volatility (0.1 is ten points), up to which an entry takes.
    iv_limit : float or None
        Volatility that an entry buys at most at, or sells at least at.
    max_from_smile : float or None
        Volatility that an entry may be worse by than the smile fitted to its expiry.
    """

    max_above_mark: float | None = None
    max_spread: float | None = None
    iv_limit: float | None = None
    max_from_smile: float | None = None

    def refusal(self, case: Case) -> str:
        """Say why the other side's best price is not taken; empty if it is."""
        if why := self.unknown(case):
            return why
        quote = case.quote
        if not _known(quote.mark):
            return ""
        side, price = ("ask", quote.ask) if case.buys else ("bid", quote.bid)
        for bound in self._bounds(case):
            if case.worse(price, bound.price):
                return (
                    f"collar: {side} {price:g} of {case.option.name} is beyond {bound.price:.6g}, {bound.why}"
                )
        return self._too_wide(case) if case.enters else ""

    def unknown(self, case: Case) -> str:
        """Say what an entry's limits would need and nobody knows; empty if nothing."""
        if not case.enters:
            return ""
        name, volatile = case.option.name, self.iv_limit is not None or self.max_from_smile is not None
        limited = volatile or self.max_above_mark is not None or self.max_spread is not None
        if limited and not _known(case.quote.mark):
            return f"collar: {name} has no mark"
        if volatile and not _known(case.quote.forward):
            return f"collar: {name} has no forward to tell its volatility by"
        if self.max_from_smile is not None and not _known(case.smile):
            return f"collar: no smile could be fitted to the expiry of {name}"
        return ""

    def worst(self, case: Case) -> float:
        """Return the worst price allowed, infinite or zero without a limit."""
        prices = [bound.price for bound in self._bounds(case)]
        return min(prices, default=math.inf) if case.buys else max(prices, default=0.0)

    def _bounds(self, case: Case) -> list[Bound]:
        """Find the worst price of every limit that has one."""
        mark, sign, found = case.quote.mark, 1.0 if case.buys else -1.0, []
        if self.max_above_mark is not None and _known(mark):
            allowed = max(self.max_above_mark * mark, case.floor)
            found.append(Bound(mark + sign * allowed, f"mark {mark:g}"))
        if not case.enters or not _known(case.quote.forward):
            return found
        if self.iv_limit is not None:
            found.append(Bound(case.at(self.iv_limit), f"at {self.iv_limit * 100:g} % volatility"))
        if self.max_from_smile is not None and _known(case.smile):
            vol = max(case.smile + sign * self.max_from_smile, 0.0)
            told = (
                f"{self.max_from_smile * 100:g} points from the smile's {case.smile * 100:.1f} % volatility"
            )
            found.append(Bound(case.at(vol), told))
        return found

    def _too_wide(self, case: Case) -> str:
        quote, option = case.quote, case.option
        if self.max_spread is None or not (quote.mark_iv > 0.0 and quote.forward > 0.0):
            return ""
        bid = quote.bid if quote.bid > 0.0 else 0.0  # nobody bids: the whole ask is spread
        unit = quote.forward if option.settlement is Settlement.INVERSE else 1.0
        vega = float(shape(option, quote.forward, case.tau, quote.mark_iv).vega) / unit
        if quote.ask - bid <= max(self.max_spread * vega, case.floor):
            return ""
        wide = (quote.ask - bid) / vega if vega > 0.0 else math.inf
        return (
            f"collar: {option.name} is quoted {bid:g} to {quote.ask:g}, "
            f"{wide * 100:.0f} points of volatility wide; at most {self.max_spread * 100:g}"
        )


def _known(number: float) -> bool:
    return math.isfinite(number) and number > 0.0
