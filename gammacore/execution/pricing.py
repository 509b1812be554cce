"""At which price an order goes to the exchange, and why none does."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from gammacore.contracts import ContractSpec, Option, Settlement
from gammacore.orders import Leg, Order, Purpose

from .collar import Case, Collar
from .options import TAKE, Tactic, rest_price
from .quotes import Quote, Quotes, Tradable


class Settings(msgspec.Struct, frozen=True):
    """How orders are worked; see ``execution`` in the configuration.

    ``rest`` is post-only first; ``max_slice`` are the coins of a part of a hedge, None for the whole,
    ``max_share`` the share of the size shown at its price that a part may be, None for any.
    ``enter`` and ``leave`` are the tactics of options, ``combo`` says whether their legs trade as one where
    they can.
    """

    rest: bool
    patience_ns: int
    tries: int
    slippage: float
    option_slippage: float
    valid_ns: int
    collar: Collar = Collar(max_above_mark=0.15, max_spread=0.10)
    max_slice: float | None = None
    max_share: float | None = None
    combo: bool = False
    enter: Tactic = TAKE
    leave: Tactic = TAKE

    def tactic(self, purpose: Purpose) -> Tactic:
        """How an order for options of this purpose is worked; any other takes."""
        if purpose is Purpose.ENTRY:
            return self.enter
        return self.leave if purpose is Purpose.EXIT else TAKE

    def part(
        self,
        order: Order,
        instrument: Tradable,
        left: float,
        price: float,
        spec: ContractSpec,
        shown: float = 0.0,
    ) -> float:
        """Amount to send of what is left of an order: all of it, or a slice of a hedge in whole lots.

        ``shown`` is the size at the best price of the side that it rests at or takes from, 0 if unknown.
        """
        hedges = order.purpose is Purpose.HEDGE and order.limit is None
        if not hedges or isinstance(instrument, Option):
            return left
        most = math.inf
        if self.max_slice is not None:
            inverse = instrument.settlement is Settlement.INVERSE
            most = self.max_slice * price if inverse else self.max_slice
        if self.max_share is not None and shown > 0.0:
            most = min(most, self.max_share * shown)
        if most == math.inf:
            return left
        lots = max(spec.round_amount(most), spec.min_trade_amount)
        return math.copysign(min(abs(left), lots), left)


class Pricing:
    """Prices of orders by the last quotes.

    Parameters
    ----------
    settings : Settings
    spec_of : callable(instrument) -> ContractSpec
    quotes : Quotes
        The last ones; whoever gives them keeps them up to date.
    smile : callable(Option) -> float, optional
        Volatility of the smile fitted to an option's expiry, NaN if there is none; asked only where a limit
        needs it.

    Attributes
    ----------
    settings, spec_of
        As given.
    """

    def __init__(
        self,
        settings: Settings,
        spec_of: Callable[[Tradable], ContractSpec],
        quotes: Quotes,
        smile: Callable[[Option], float] = lambda option: math.nan,
    ) -> None:
        self.settings, self.spec_of, self._quotes, self.smile = settings, spec_of, quotes, smile

    def refusal(
        self, instrument: Tradable, *, buys: bool, enters: bool, now_ns: int, rests: bool = False
    ) -> str:
        """Say why there is no price to take at, or to rest at; empty if there is one."""
        quote = self._quotes.get(instrument)
        if quote is None or (not rests and not (quote.ask if buys else quote.bid) > 0):
            return "no quote"
        if not isinstance(instrument, Option):
            return ""
        collar, case = self.settings.collar, self.case(instrument, buys, enters, now_ns)
        assert case is not None, "it has a quote"
        return collar.unknown(case) if rests else collar.refusal(case)

    def limit(
        self,
        leg: Leg,
        amount: float,
        *,
        rests: bool,
        purpose: Purpose,
        now_ns: int,
        last: float | None = None,
    ) -> float | None:
        """Price on the grid, None if there is none.

        A hedge rests at the best on its own side, an option where its tactic says, given where it rested
        ``last`` if it is to come nearer; what takes goes beyond the other side's best.
        """
        quote, spec = self._quotes.get(leg.instrument), self.spec_of(leg.instrument)
        if quote is None:
            return None
        buy, option = amount > 0, leg.instrument if isinstance(leg.instrument, Option) else None
        worst = math.inf if buy else 0.0
        if option is not None:
            case = self.case(option, buy, purpose is Purpose.ENTRY, now_ns)
            assert case is not None, "it has a quote"
            worst = self.settings.collar.worst(case)
            if rests:
                tactic = self.settings.tactic(purpose)
                price = rest_price(tactic, quote, spec, buys=buy, last=last, worst=worst)
                return None if price is None else banded(price, quote, spec)
        own, other = (quote.bid, quote.ask) if buy else (quote.ask, quote.bid)
        if rests and own > 0:
            return float(spec.round_price(own))
        if not other > 0:
            return None
        slip = self.settings.slippage if option is None else self.settings.option_slippage
        wanted = other * (1 + slip if buy else max(1 - slip, 0.0))
        wanted = min(wanted, max(worst, other)) if buy else max(wanted, min(worst, other))
        return banded(float(spec.round_price(wanted, "up" if buy else "down")), quote, spec)

    def case(self, option: Option, buys: bool, enters: bool, now_ns: int) -> Case | None:
        """Option as the collar sees it, None without a quote."""
        quote = self._quotes.get(option)
        if quote is None:
            return None
        wants_smile = enters and self.settings.collar.max_from_smile is not None
        smile = self.smile(option) if wants_smile else math.nan
        return Case(option, quote, self.spec_of(option), buys, enters, now_ns, smile)


def banded(price: float, quote: Quote, spec: ContractSpec) -> float:
    """Keep a price within the exchange's band, and above zero where it may not be negative."""
    low, high = quote.min_price, quote.max_price
    both = spec.signed and low < high  # told, and of either sign
    if (both or high > 0) and price > high:
        price = float(spec.round_price(high, "down"))
    if (both or low > 0) and price < low:
        price = float(spec.round_price(low, "up"))
    return price if price > spec.least else float(spec.tick_size)
