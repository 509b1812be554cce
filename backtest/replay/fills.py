"""The simulated exchange: what fills, at what price, for what fee.

Three small rules. An option order fills against the chain published at most
``max_quote_age_ns`` ago: at its ask or bid (``cross``), between them (``mid``), or at the
mark. A quote that is not there is not filled, and neither is any other leg of the order. A
hedge fills at once at the mark of its contract, worsened by a half spread and rounded to
the tick against us; one with a limit rests, and fills there once the mark has gone through
it. Fees follow the dated schedule.
"""

from __future__ import annotations

import math

from gammacore.contracts import Future, Grids, Option, Perpetual, Settlement
from gammacore.events import Event, Fill, IndexPrice, Rejected, Snapshot
from gammacore.fees import FeeSchedule, future_fee, option_fee
from gammacore.hedging.ladder import reached
from gammacore.market import Market
from gammacore.orders import Cancel, Command, Leg, Order


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
        See :class:`gammacore.market.Market`.
    grids : Grids, optional
        Ticks of hedges.
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
        grids: Grids | None = None,
    ) -> None:
        self.fill = fill
        self.fees = fees
        self.option_fees = option_fees
        self.hedge_fee = hedge_fee
        self.half_spread = half_spread
        self.on_ticks = on_ticks
        self.max_quote_age_ns = max_quote_age_ns
        self.grids = Grids() if grids is None else grids
        self.market = Market(averaging)
        self.resting: dict[str, Order] = {}

    def observe(self, event: Event) -> list[Event]:
        """Take over the market's state; returns the fills of resting orders that it brings.

        A resting order fills, whole and at its limit, once the price has gone through it: the
        mark below the limit of a buy, above that of a sale. A price that only touches it
        may have been taken by orders that came earlier.
        """
        self.market.apply(event)
        if not self.resting or not isinstance(event, (IndexPrice, Snapshot)):
            return []
        through = [
            order
            for order in self.resting.values()
            if reached(order, self.market.future_price(order.legs[0].instrument))  # type: ignore[arg-type]
        ]
        return [self._maker_fill(self.resting.pop(order.order_id)) for order in through]

    def _maker_fill(self, order: Order) -> Fill:
        (leg,) = order.legs
        assert order.limit is not None
        mark = self.market.future_price(leg.instrument)  # type: ignore[arg-type]
        fee = self.fee(leg.instrument, leg.amount, order.limit, maker=True)
        return Fill(
            self.market.ts_ns,
            order.order_id,
            order.episode,
            leg.instrument,
            leg.amount,
            order.limit,
            mark,
            fee,
        )

    def submit(self, command: Command) -> list[Event]:
        """Return the fills of all legs, or one rejection; nothing for what rests or is taken back."""
        if isinstance(command, Cancel):
            self.resting.pop(command.order_id, None)
            return []
        order = command
        if order.limit is not None:
            return self._rest(order)
        prices = [self.price(leg) for leg in order.legs]
        for leg, (price, _) in zip(order.legs, prices, strict=True):
            if not math.isfinite(price):
                side = "ask" if leg.amount > 0 else "bid"
                reason = f"no {side} for {leg.instrument.name}" if self.fill == "cross" else "no quote"
                return [Rejected(self.market.ts_ns, order.order_id, order.episode, reason)]
        return [
            Fill(
                self.market.ts_ns,
                order.order_id,
                order.episode,
                leg.instrument,
                leg.amount,
                price,
                mark,
                self.fee(leg.instrument, leg.amount, price),
                last=leg is order.legs[-1],
            )
            for leg, (price, mark) in zip(order.legs, prices, strict=True)
        ]

    def _rest(self, order: Order) -> list[Event]:
        """Put a post-only order into the book, or refuse one that would take."""
        (leg,) = order.legs
        mark = self.market.future_price(leg.instrument)  # type: ignore[arg-type]
        if reached(order, mark * (1.0 - math.copysign(self.half_spread, leg.amount))):
            return [Rejected(self.market.ts_ns, order.order_id, order.episode, "post_only would take")]
        self.resting[order.order_id] = order
        return []

    def price(self, leg: Leg) -> tuple[float, float]:
        """Fill price (NaN where there is none) and mark of a leg."""
        if isinstance(leg.instrument, Option):
            return self._option_price(leg.instrument, leg.amount), self.market.mark(leg.instrument)
        mark = self.market.future_price(leg.instrument)
        return self._hedge_price(leg.instrument, leg.amount, mark), mark

    def _option_price(self, option: Option, amount: float) -> float:
        if self.fill == "mark":
            return self.market.mark(option)
        chain, market = self.market.chain, self.market
        if chain is None or (
            self.max_quote_age_ns is not None and market.ts_ns - market.chain_ts_ns > self.max_quote_age_ns
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
        return self.grids.spec_for(instrument).round_price(price, "up" if amount > 0 else "down")

    def fee(
        self, instrument: Option | Future | Perpetual, amount: float, price: float, maker: bool = False
    ) -> float:
        """Fee of a trade now, settlement currency."""
        rates = self.fees.at(self.market.ts_ns)
        if isinstance(instrument, Option):
            if not self.option_fees:
                return 0.0
            return float(option_fee(rates, instrument, abs(amount), price, index=self.market.index))
        if isinstance(self.hedge_fee, str):
            maker = maker or self.hedge_fee == "maker"
            return float(future_fee(rates, instrument, amount, price, maker=maker))
        size = abs(amount)
        inverse = instrument.settlement is Settlement.INVERSE
        return self.hedge_fee * (size / price if inverse else size * price)
