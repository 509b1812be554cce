"""What a taker of options may pay, against the mark and against the width of the quotes.

A mark is the exchange's own opinion of what an option is worth; a best ask far above it is no price, but an
empty book. A price beyond the collar is not paid: the order waits for a better quote, and is given up.
"""

from __future__ import annotations

import math

import msgspec

from gammacore.contracts import ContractSpec, Option, Settlement
from gammacore.daycount import NS_PER_YEAR
from gammacore.valuation import shape

from .quotes import Quote

FLOOR_TICKS = 3  # always allowed: of cheap options a tick is a large share


class Collar(msgspec.Struct, frozen=True):
    """Limits; None is no limit. See ``execution`` in the configuration.

    Attributes
    ----------
    max_above_mark : float or None
        Share of the mark that may be paid above it, or that it may be sold below it.
    max_spread : float or None
        Ask less bid, in volatility (0.1 is ten points), up to which an entry takes.
    """

    max_above_mark: float | None = None
    max_spread: float | None = None

    def refusal(
        self,
        option: Option,
        quote: Quote,
        spec: ContractSpec | None,
        *,
        buys: bool,
        enters: bool,
        now_ns: int,
    ) -> str:
        """Say why the other side's best price is not taken; empty if it is.

        Without a ``spec`` nothing is known of ticks, and no number of them is always allowed.
        """
        price, mark = quote.ask if buys else quote.bid, quote.mark
        if not math.isfinite(mark) or mark <= 0.0:
            limits = self.max_above_mark is not None or self.max_spread is not None
            return f"collar: {option.name} has no mark" if enters and limits else ""
        floor = 0.0 if spec is None else FLOOR_TICKS * spec.tick_at(mark)
        if self.max_above_mark is not None:
            allowed = max(self.max_above_mark * mark, floor)
            if (price - mark if buys else mark - price) > allowed:
                side, edge = ("ask", mark + allowed) if buys else ("bid", mark - allowed)
                return f"collar: {side} {price:g} of {option.name} is beyond {edge:.6g}, mark {mark:g}"
        return self._too_wide(option, quote, floor, now_ns) if enters else ""

    def worst(self, quote: Quote, spec: ContractSpec, *, buys: bool) -> float:
        """Return the worst price allowed, infinite or zero without a limit or a mark."""
        mark = quote.mark
        if self.max_above_mark is None or not mark > 0.0:
            return math.inf if buys else 0.0
        allowed = max(self.max_above_mark * mark, FLOOR_TICKS * spec.tick_at(mark))
        return mark + allowed if buys else mark - allowed

    def _too_wide(self, option: Option, quote: Quote, floor: float, now_ns: int) -> str:
        if self.max_spread is None or not (quote.mark_iv > 0.0 and quote.forward > 0.0):
            return ""
        bid = quote.bid if quote.bid > 0.0 else 0.0  # nobody bids: the whole ask is spread
        tau = max(option.expiry_ns - now_ns, 0) / NS_PER_YEAR
        unit = quote.forward if option.settlement is Settlement.INVERSE else 1.0
        vega = float(shape(option, quote.forward, tau, quote.mark_iv).vega) / unit
        if quote.ask - bid <= max(self.max_spread * vega, floor):
            return ""
        wide = (quote.ask - bid) / vega if vega > 0.0 else math.inf
        return (
            f"collar: {option.name} is quoted {bid:g} to {quote.ask:g}, "
            f"{wide * 100:.0f} points of volatility wide; at most {self.max_spread * 100:g}"
        )
