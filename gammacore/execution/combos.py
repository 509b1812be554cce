"""When an order of several legs trades as one combo, and at which price.

Straddles and strangles have a price like any option's; where legs go both ways it may be nil or negative, and
the exchange may list the combo the other way round. A combo is taken where it costs no more than its legs at
the other side of their books, and within what the collar allows for them together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import gcd

import msgspec

from gammacore.contracts import Combo, ContractSpec, Option, Settlement
from gammacore.contracts.arithmetic import UNITS_PER_COIN
from gammacore.orders import Order, Purpose

from .collar import Case, Collar
from .options import Legs, rest_price
from .pricing import Pricing, Settings, banded
from .quotes import Quote

TICK = 0.0001  # of combos of inverse options, at any price
MOST_LEGS = 4

__all__ = ["Combined", "ComboSeen", "combined"]


class Combined(msgspec.Struct, frozen=True):
    """An order as a number of combos, negative where it sells them, of legs in the order's sequence."""

    count: float
    legs: tuple[tuple[Option, int], ...]

    def listed_as(self, combo: Combo) -> Combined | None:
        """Return the same by a combo's own legs, which may be the opposite; None where they are others."""
        if dict(combo.legs) == dict(self.legs):
            return self
        opposite = tuple((leg, -ratio) for leg, ratio in self.legs)
        return Combined(-self.count, opposite) if dict(combo.legs) == dict(opposite) else None


def combined(order: Order) -> Combined | None:
    """Order as a number of combos; None where it has one leg or more than four, one twice, or futures."""
    options = [leg for leg in order.legs if isinstance(leg.instrument, Option)]
    names = {leg.instrument for leg in options}
    if order.limit is not None or len(options) != len(order.legs) or len(options) > MOST_LEGS:
        return None
    if len(names) < max(len(options), 2):
        return None
    if order.purpose not in (Purpose.ENTRY, Purpose.EXIT):
        return None
    side = math.copysign(1.0, order.legs[0].amount)
    units = [round(side * leg.amount * UNITS_PER_COIN) for leg in options]
    one = gcd(*units)
    legs = tuple((leg.instrument, unit // one) for leg, unit in zip(options, units, strict=True))
    return Combined(side * one / UNITS_PER_COIN, legs)  # type: ignore[arg-type]


@dataclass(slots=True)
class ComboSeen:
    """What the next step of a combo's order sees; see :class:`gammacore.execution.steps.Seen`.

    Parameters
    ----------
    pricing : Pricing
    combo : Combo
    quotes : mapping of str to Quote
        Of combos, by their names.
    order : Order
    left : float
        Combos that are left, signed.
    now_ns : int
    forbids : callable() -> str
        Why nothing may be sent; empty if it may.
    """

    pricing: Pricing
    combo: Combo
    quotes: Mapping[str, Quote]
    order: Order
    left: float
    now_ns: int
    forbids: Callable[[], str]

    def forbidden(self) -> str:
        """Say why nothing may be sent now."""
        return self.forbids()

    def unwanted(self) -> bool:
        """Want it always: it is no hedge."""
        return False

    def waits(self) -> bool:
        """Wait for nothing."""
        return False

    def legs(self) -> Legs:
        """Trade all legs at once."""
        return Legs.EVEN

    def refusal(self, rests: bool) -> str:
        """Say why there is no price to rest or to take at; empty if there is one."""
        cases = self._cases()
        if cases is None:
            return f"no quote of a leg of {self.combo.name}"
        if why := next(filter(None, (self._collar.unknown(case) for case, _ in cases)), ""):
            return why
        return "" if rests else self._refused(cases)

    def limit(self, rests: bool, last: float | None) -> float | None:
        """Price to take at, or to rest at, nearer than a ``last`` one; None if there is none."""
        quote, cases = self.quotes.get(self.combo.name), self._cases()
        if quote is None or cases is None:
            return None
        spec, worst = self.spec, self._worst(cases)
        if rests:
            tactic = self._settings.tactic(self.order.purpose)
            return rest_price(tactic, quote, spec, buys=self._buys, last=last, worst=worst)
        other = quote.ask if self._buys else quote.bid
        if not other > spec.least:
            return None
        sign = 1.0 if self._buys else -1.0
        wanted = other + sign * min(self._settings.option_slippage, 1.0) * abs(other)
        wanted = min(wanted, max(worst, other)) if self._buys else max(wanted, min(worst, other))
        return banded(float(spec.round_price(wanted, "up" if self._buys else "down")), quote, spec)

    @property
    def spec(self) -> ContractSpec:
        """Grid of the combo's prices and amounts, from those of its legs."""
        specs = [self.pricing.spec_of(leg) for leg, _ in self.combo.legs]
        first = self.combo.legs[0][0]
        tick = TICK if first.settlement is Settlement.INVERSE else min(spec.tick_size for spec in specs)
        both = len({ratio > 0 for _, ratio in self.combo.legs}) > 1
        return msgspec.structs.replace(specs[0], tick_size=tick, tick_size_steps=(), signed=both)

    @property
    def _buys(self) -> bool:
        return self.left > 0

    @property
    def _settings(self) -> Settings:
        return self.pricing.settings

    @property
    def _collar(self) -> Collar:
        return self._settings.collar

    def _cases(self) -> list[tuple[Case, int]] | None:
        """Each leg as the collar sees it, with its ratio; None without a quote of one."""
        enters = self.order.purpose is Purpose.ENTRY
        found = [
            (self.pricing.case(leg, self._buys == (ratio > 0), enters, self.now_ns), ratio)
            for leg, ratio in self.combo.legs
            if isinstance(leg, Option)
        ]
        known = [(case, ratio) for case, ratio in found if case is not None]
        return known if len(known) == len(self.combo.legs) else None

    def _worst(self, cases: list[tuple[Case, int]]) -> float:
        return sum(ratio * self._collar.worst(case) for case, ratio in cases)

    def _refused(self, cases: list[tuple[Case, int]]) -> str:
        """Say why the combo is not taken at the other side's best."""
        quote, name = self.quotes.get(self.combo.name), self.combo.name
        side = "ask" if self._buys else "bid"
        if quote is None or not getattr(quote, side) > self.spec.least:
            return f"no {side} for {name}"
        price, sign = getattr(quote, side), 1.0 if self._buys else -1.0
        worst = self._worst(cases)
        legs = sum(ratio * (case.quote.ask if case.buys else case.quote.bid) for case, ratio in cases)
        if sign * (price - worst) > 0.0:
            return f"collar: {side} {price:g} of {name} is beyond {worst:.6g}, what its legs may cost"
        if sign * (price - legs) > 0.5 * self.spec.tick_size:
            return f"{side} {price:g} of {name} is worse than {legs:.6g} for its legs"
        return ""
