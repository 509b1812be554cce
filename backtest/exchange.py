"""The simulated exchange: what fills, at what price, for what fee.

Three small rules. An option order fills against the chain published at most
``max_quote_age_ns`` ago: at its ask or bid (``cross``), between them (``mid``), or at the
mark. A quote that is not there is not filled, and neither is any other leg of the order. A
hedge fills at once at the mark of its contract, worsened by a half spread and rounded to
the tick against us. Fees follow the dated schedule.
"""

from __future__ import annotations

import math

from gammacore.book import Book
from gammacore.contracts import Future, Option, Perpetual, Settlement, spec_for
from gammacore.events import Event, Fill, Rejected
from gammacore.fees import FeeSchedule, future_fee, option_fee
from gammacore.orders import Leg, Order

__all__ = ["SimulatedExchange"]


class SimulatedExchange:
    """Answers orders with fills or a rejection.

    Parameters
    ----------
    fill : {'cross', 'mid', 'mark'}
        Price of option fills.
    fees : FeeSchedule
        Dated rates.
    option_fees : bool
        Whether option trades are charged.
    hedge_fee : {'taker', 'maker'} or float
        Which rate of the schedule hedges pay, or a fraction of notional.
    half_spread : float
        Half spread of hedges, as a fraction of the price.
    on_ticks : bool
        Whether hedge prices are rounded to the tick; off for theoretical contracts.
    max_quote_age_ns : int or None
        Oldest chain that still counts as a quote; None accepts any.
    averaging : bool
        See :class:`gammacore.book.Book`.
    """

    def __init__(
        self,
        fill: str,
        fees: FeeSchedule,
        *,
        option_fees: bool = True,
        hedge_fee: str | float = "taker",
        half_spread: float = 0.0,
        on_ticks: bool = True,
        max_quote_age_ns: int | None = None,
        averaging: bool = True,
    ) -> None:
        self.fill = fill
        self.fees = fees
        self.option_fees = option_fees
        self.hedge_fee = hedge_fee
        self.half_spread = half_spread
        self.on_ticks = on_ticks
        self.max_quote_age_ns = max_quote_age_ns
        self.book = Book(averaging)

    def observe(self, event: Event) -> None:
        """Take over the market's state."""
        self.book.apply(event)

    def submit(self, order: Order) -> list[Event]:
        """Return the fills of all legs, or one rejection."""
        prices = [self._price(leg) for leg in order.legs]
        for leg, (price, _) in zip(order.legs, prices, strict=True):
            if not math.isfinite(price):
                side = "ask" if leg.amount > 0 else "bid"
                reason = f"no {side} for {leg.instrument.name}" if self.fill == "cross" else "no quote"
                return [Rejected(self.book.ts_ns, order.order_id, order.episode, reason)]
        return [
            Fill(
                self.book.ts_ns,
                order.order_id,
                order.episode,
                leg.instrument,
                leg.amount,
                price,
                mark,
                self._fee(leg, price),
                last=leg is order.legs[-1],
            )
            for leg, (price, mark) in zip(order.legs, prices, strict=True)
        ]

    def _price(self, leg: Leg) -> tuple[float, float]:
        """Fill price (NaN where there is none) and mark of a leg."""
        if isinstance(leg.instrument, Option):
            return self._option_price(leg.instrument, leg.amount), self.book.mark(leg.instrument)
        mark = self.book.future_price(leg.instrument)
        return self._hedge_price(leg.instrument, leg.amount, mark), mark

    def _option_price(self, option: Option, amount: float) -> float:
        if self.fill == "mark":
            return self.book.mark(option)
        chain, book = self.book.chain, self.book
        if chain is None or (
            self.max_quote_age_ns is not None and book.ts_ns - book.chain_ts_ns > self.max_quote_age_ns
        ):
            return math.nan
        row = chain.find(option)
        if row is None:
            return math.nan
        bid, ask = float(chain.bid[row]), float(chain.ask[row])
        if self.fill == "mid":
            return 0.5 * (bid + ask)
        return ask if amount > 0 else bid

    def _hedge_price(self, instrument: Future | Perpetual, amount: float, mark: float) -> float:
        price = mark * (1.0 + math.copysign(self.half_spread, amount))
        if not self.on_ticks:
            return price
        return spec_for(instrument).round_price(price, "up" if amount > 0 else "down")

    def _fee(self, leg: Leg, price: float) -> float:
        instrument, rates = leg.instrument, self.fees.at(self.book.ts_ns)
        if isinstance(instrument, Option):
            if not self.option_fees:
                return 0.0
            return float(option_fee(rates, instrument, abs(leg.amount), price, index=self.book.index))
        if isinstance(self.hedge_fee, str):
            return float(future_fee(rates, instrument, leg.amount, price, maker=self.hedge_fee == "maker"))
        size = abs(leg.amount)
        inverse = instrument.settlement is Settlement.INVERSE
        return self.hedge_fee * (size / price if inverse else size * price)
