"""At which price an order goes to the exchange, and why none does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import msgspec

from gammacore.contracts import ContractSpec, Option, Settlement
from gammacore.orders import Leg, Order, Purpose

from .collar import Collar
from .quotes import Quote, Tradable


class Settings(msgspec.Struct, frozen=True):
    """How orders are worked; see ``execution`` in the configuration.

    ``rest`` is post-only first; ``max_slice`` are the coins of a part of a hedge, None for the whole.
    """

    rest: bool
    patience_ns: int
    tries: int
    slippage: float
    option_slippage: float
    valid_ns: int
    collar: Collar = Collar(max_above_mark=0.15, max_spread=0.10)
    max_slice: float | None = None

    def part(
        self, order: Order, instrument: Tradable, left: float, price: float, spec: ContractSpec
    ) -> float:
        """Amount to send of what is left of an order: all of it, or a slice of a hedge in whole lots."""
        hedges = order.purpose is Purpose.HEDGE and order.limit is None
        if self.max_slice is None or not hedges or isinstance(instrument, Option):
            return left
        coins = self.max_slice
        most = coins * price if instrument.settlement is Settlement.INVERSE else coins
        lots = max(spec.round_amount(most), spec.min_trade_amount)
        return math.copysign(min(abs(left), lots), left)


class Pricing:
    """Prices of orders by the last quotes.

    Parameters
    ----------
    settings : Settings
    spec_of : callable(instrument) -> ContractSpec
    quotes : mapping of instrument to Quote
        The last ones; whoever gives it keeps it up to date.
    """

    def __init__(
        self,
        settings: Settings,
        spec_of: Callable[[Tradable], ContractSpec],
        quotes: Mapping[Tradable, Quote],
    ) -> None:
        self._settings, self._spec_of, self._quotes = settings, spec_of, quotes

    def refusal(self, instrument: Tradable, *, buys: bool, enters: bool, now_ns: int) -> str:
        """Say why there is no price to take at; empty if there is one."""
        quote = self._quotes.get(instrument)
        if quote is None or not (quote.ask if buys else quote.bid) > 0:
            return "no quote"
        if not isinstance(instrument, Option):
            return ""
        collar, spec = self._settings.collar, self._spec_of(instrument)
        return collar.refusal(instrument, quote, spec, buys=buys, enters=enters, now_ns=now_ns)

    def limit(self, leg: Leg, amount: float, rests: bool) -> float | None:
        """Price on the grid: the best on our own side if it is to rest, else beyond the other side's."""
        quote, spec = self._quotes.get(leg.instrument), self._spec_of(leg.instrument)
        if quote is None:
            return None
        buy = amount > 0
        own, other = (quote.bid, quote.ask) if buy else (quote.ask, quote.bid)
        if rests and own > 0:
            return float(spec.round_price(own))
        if not other > 0:
            return None
        option = isinstance(leg.instrument, Option)
        slip = self._settings.option_slippage if option else self._settings.slippage
        wanted = other * (1 + slip if buy else max(1 - slip, 0.0))
        if option and quote.mark > 0:
            worst = self._settings.collar.worst(quote, spec, buys=buy)
            wanted = min(wanted, max(worst, other)) if buy else max(wanted, min(worst, other))
        price = float(spec.round_price(wanted, "up" if buy else "down"))
        low, high = quote.min_price, quote.max_price
        if high > 0 and price > high:
            price = float(spec.round_price(high, "down"))
        if low > 0 and price < low:
            price = float(spec.round_price(low, "up"))
        return price if price > 0 else float(spec.tick_size)
