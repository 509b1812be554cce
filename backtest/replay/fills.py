"""The simulated exchange: what fills, at what price, for what fee.

Three small rules. An option order fills against the chain published at most
``max_quote_age_ns`` ago: at its ask or bid (``cross``, within the collar of a session), between them
(``mid``), or at the mark. A quote that is not there is not filled, and neither is any other leg of
the order. Options that rest are worked by :mod:`.option_orders`. A hedge is worked as a session works it
(:mod:`gammacore.execution`): it rests at its own side for the patience, and takes at the other side what did
not fill; bars that end later say how likely a fill was (:mod:`.worked`). One with a limit rests, and fills
there once the mark has gone through it. Fees follow the fill and the dated schedule.
"""

from __future__ import annotations

import math
from functools import partial

import msgspec

from gammacore.contracts import Future, Grids, Option, Perpetual
from gammacore.events import Event, Fill, IndexPrice, Rejected, Snapshot
from gammacore.execution.collar import Case
from gammacore.execution.combos import combined
from gammacore.execution.costs import HOURS, HedgeCosts
from gammacore.execution.pricing import Pricing
from gammacore.execution.smile import FittedSmiles
from gammacore.execution.steps import GiveUp
from gammacore.fees import FeeSchedule, combo_shares, option_fee
from gammacore.hedging.ladder import reached
from gammacore.market import Market
from gammacore.orders import Cancel, Command, Leg, Order, Purpose

from .option_orders import OptionOrders
from .option_quotes import BarPath, OptionQuotes, Quoted
from .queue_fills import QueueFill
from .recorded_hedges import RecordedHedges
from .worked import WorkedBars

FREE = HedgeCosts((0.0,) * HOURS)


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
    costs : HedgeCosts, optional
        Half spread and fees of hedges; by default none and the schedule's.
    bars : WorkedBars, optional
        How hedges are worked, and what bars say of it; by default they take at once.
    recorded : RecordedHedges, optional
        Where the book of the perpetual is known, hedges are worked against it and not against bars.
    path : BarPath, optional
        The price within bars: options rest as a session would let them; by default they fill at once.
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
        costs: HedgeCosts = FREE,
        bars: WorkedBars | None = None,
        recorded: RecordedHedges | None = None,
        path: BarPath | None = None,
        on_ticks: bool = True,
        max_quote_age_ns: int | None = None,
        averaging: bool = True,
        grids: Grids | None = None,
    ) -> None:
        self.fill = fill
        self.fees = fees
        self.option_fees = option_fees
        self.costs = costs
        self.bars, self.recorded = bars, recorded
        self.on_ticks = on_ticks
        self.max_quote_age_ns = max_quote_age_ns
        self.grids = Grids() if grids is None else grids
        self.market = Market(averaging)
        self.smile = FittedSmiles(self.market)
        self.resting: dict[str, Order] = {}
        self.options = None if bars is None or path is None else self._option_orders(bars, path)

    def _option_orders(self, bars: WorkedBars, path: BarPath) -> OptionOrders:
        """Make the desk for options that rest."""
        quotes = OptionQuotes(self.market, self.grids, self.max_quote_age_ns)
        pricing = Pricing(bars.settings, self.grids.spec_for, quotes, self.smile)
        return OptionOrders(bars.settings, quotes, path, pricing, self._worked_fill)

    def _worked_fill(self, order: Order, leg: Leg, price: float, maker: bool) -> Fill:
        return self._fill(order, leg, price, self.market.mark(leg.instrument), maker=maker)  # type: ignore[arg-type]

    def observe(self, event: Event) -> list[Event]:
        """Take over the market's state; returns the fills of resting orders that it brings.

        A resting order fills, whole and at its limit, once the price has gone through it: the
        mark below the limit of a buy, above that of a sale. A price that only touches it
        may have been taken by orders that came earlier.
        """
        priced = isinstance(event, (IndexPrice, Snapshot))
        worked: list[Event] = []
        if self.busy and priced:
            worked = self._pass_to(event)
        else:
            self.market.apply(event)
        if not self.resting or not priced:
            return worked
        through = [
            order
            for order in self.resting.values()
            if reached(order, self.market.future_price(order.legs[0].instrument))  # type: ignore[arg-type]
        ]
        return worked + [self._maker_fill(self.resting.pop(order.order_id)) for order in through]

    @property
    def busy(self) -> bool:
        """Whether options are at work."""
        return self.options is not None and self.options.busy

    def _pass_to(self, event: Event) -> list[Event]:
        """Work options up to a price, and at it."""
        assert self.options is not None
        self.options.pass_to(event.ts_ns)
        self.market.apply(event)
        return self.options.look(event.ts_ns, self.market.index)

    def _maker_fill(self, order: Order) -> Fill:
        (leg,) = order.legs
        assert order.limit is not None
        mark = self.market.future_price(leg.instrument)  # type: ignore[arg-type]
        return self._fill(order, leg, order.limit, mark, maker=True)

    def submit(self, command: Command) -> list[Event]:
        """Return the fills of all legs, or one rejection; nothing for what rests or is taken back."""
        if isinstance(command, Cancel):
            self.resting.pop(command.order_id, None)
            if self.options is not None:
                self.options.cancel(command.order_id)
            return []
        order = command
        if self.options is not None and self.options.works(order):
            return self.options.submit(order, self.market.ts_ns, self.market.index)
        if order.limit is not None:
            return self._rest(order)
        if self.bars is not None and order.purpose is Purpose.HEDGE:
            return self._work(order, self.bars)
        prices = [self.price(leg) for leg in order.legs]
        for leg, (price, _) in zip(order.legs, prices, strict=True):
            if reason := self._refusal(order, leg, price):
                return [Rejected(self.market.ts_ns, order.order_id, order.episode, reason)]
        return self._take(order, prices)

    def _take(self, order: Order, prices: list[tuple[float, float]]) -> list[Event]:
        """Fill all legs alike: whole, or as much as is quoted of the one that has least."""
        share, scarce = min((self._quoted_share(leg), k) for k, leg in enumerate(order.legs))
        legs = order.legs if share >= 1.0 else self._smaller(order.legs, share)
        fills: list[Event] = [
            self._fill(order, leg, price, mark)
            for leg, (price, mark) in zip(legs, prices, strict=True)
            if leg.amount
        ]
        if self.bars is not None and self.bars.settings.combo and combined(order) is not None:
            fills = self._as_combo(fills)
        if share >= 1.0:
            return fills
        leg = order.legs[scarce]
        told = f"{share * abs(leg.amount):g} of {abs(leg.amount):g} {leg.instrument.name} were quoted"
        whole = [msgspec.structs.replace(fill, last=False) for fill in fills]
        return [*whole, Rejected(self.market.ts_ns, order.order_id, order.episode, told)]

    def _as_combo(self, fills: list[Event]) -> list[Event]:
        """Take the discount of a combo; its price is taken to be that of its legs."""
        legs = [fill for fill in fills if isinstance(fill, Fill)]
        sides = [1 if fill.amount > 0 else -1 for fill in legs]
        shares = combo_shares(self.market.ts_ns, sides, [fill.fee for fill in legs], option=True)
        return [msgspec.structs.replace(f, fee=share * f.fee) for f, share in zip(legs, shares, strict=True)]

    def _quoted_share(self, leg: Leg) -> float:
        """Share of a leg that is quoted, where the chain says how much is; else all of it."""
        chain, option = self.market.chain, leg.instrument
        if self.fill != "cross" or chain is None or not isinstance(option, Option):
            return 1.0
        sizes = chain.ask_size if leg.amount > 0 else chain.bid_size
        row = None if sizes is None else chain.find(option)
        size = math.nan if sizes is None or row is None else float(sizes[row])
        return min(size / abs(leg.amount), 1.0) if math.isfinite(size) else 1.0

    def _smaller(self, legs: tuple[Leg, ...], share: float) -> tuple[Leg, ...]:
        """Legs in the same proportions, in whole lots of a share of them; none where that is no lot."""
        lots = [self._lot(leg.instrument) for leg in legs]  # type: ignore[arg-type]
        counts = [abs(leg.amount) / lot for leg, lot in zip(legs, lots, strict=True)]
        one = min(counts)
        kept = math.floor(share * one * (1.0 + 1e-9)) / one if one else 0.0
        return tuple(
            Leg(leg.instrument, math.copysign(round(kept * count) * lot, leg.amount), leg.excess)
            for leg, count, lot in zip(legs, counts, lots, strict=True)
        )

    def _lot(self, option: Option) -> float:
        """Least amount of an option, a tenth of a coin where nothing is known of it."""
        known = self.grids.of(option.family, "option") is not None
        return self.grids.spec_for(option).min_trade_amount if known else 0.1

    def _refusal(self, order: Order, leg: Leg, price: float) -> str:
        """Say why a leg is not filled at a price: there is none, or it is beyond the collar of a taker."""
        if not math.isfinite(price):
            side = "ask" if leg.amount > 0 else "bid"
            return f"no {side} for {leg.instrument.name}" if self.fill == "cross" else "no quote"
        option, chain = leg.instrument, self.market.chain
        if self.fill != "cross" or not isinstance(option, Option) or self.bars is None or chain is None:
            return ""
        row = chain.find(option)
        assert row is not None, "what has a price is in the chain"
        quote = Quoted(
            float(chain.bid[row]),
            float(chain.ask[row]),
            float(chain.mark[row]),
            float(chain.iv[row]),
            chain.forwards.get(option.expiry_ns, math.nan),
        )
        known = self.grids.of(option.family, "option") is not None
        spec, collar = self.grids.spec_for(option) if known else None, self.bars.settings.collar
        enters = order.purpose is Purpose.ENTRY
        smile = self.smile(option) if enters and collar.max_from_smile is not None else math.nan
        return collar.refusal(Case(option, quote, spec, leg.amount > 0, enters, self.market.ts_ns, smile))

    def _fill(self, order: Order, leg: Leg, price: float, mark: float, *, maker: bool = False) -> Fill:
        return Fill(
            self.market.ts_ns,
            order.order_id,
            order.episode,
            leg.instrument,
            leg.amount,
            price,
            mark,
            self.fee(leg.instrument, leg.amount, price, maker=maker),
            leg is order.legs[-1],
            maker,
        )

    def _work(self, order: Order, bars: WorkedBars) -> list[Event]:
        """Work a hedge to its end: against the recorded book, else within the bar that follows."""
        (leg,), market = order.legs, self.market
        assert not isinstance(leg.instrument, Option)
        mark = market.future_price(leg.instrument)
        if self.recorded is not None and (parts := self.recorded.work(order, market.ts_ns)) is not None:
            return self._parts(order, leg, parts, mark)
        worked = bars.work(order, mark, market.ts_ns, partial(self.quote, leg.instrument, leg.amount))
        if isinstance(worked, GiveUp):
            return [Rejected(market.ts_ns, order.order_id, order.episode, worked.reason)]
        return [self._fill(order, leg, worked.limit, mark, maker=worked.rests)]

    def _parts(self, order: Order, leg: Leg, parts: list[QueueFill], mark: float) -> list[Event]:
        """Return the fills of one order; what of it was not filled the desk decides anew."""
        if not parts:
            return [Rejected(self.market.ts_ns, order.order_id, order.episode, "not filled")]
        side = math.copysign(1.0, leg.amount)
        fills = [
            self._fill(order, Leg(leg.instrument, side * part.amount), part.price, mark, maker=part.maker)
            for part in parts
        ]
        last = len(fills) - 1
        return [msgspec.structs.replace(fill, last=k == last) for k, fill in enumerate(fills)]

    def _rest(self, order: Order) -> list[Event]:
        """Put a post-only order into the book, or refuse one that would take."""
        (leg,) = order.legs
        mark = self.market.future_price(leg.instrument)  # type: ignore[arg-type]
        half = self.costs.half_spread_at(self.market.ts_ns)
        if reached(order, mark * (1.0 - math.copysign(half, leg.amount))):
            return [Rejected(self.market.ts_ns, order.order_id, order.episode, "post_only would take")]
        self.resting[order.order_id] = order
        return []

    def price(self, leg: Leg) -> tuple[float, float]:
        """Fill price (NaN where there is none) and mark of a leg."""
        if isinstance(leg.instrument, Option):
            return self._option_price(leg.instrument, leg.amount), self.market.mark(leg.instrument)
        mark = self.market.future_price(leg.instrument)
        return self.quote(leg.instrument, leg.amount, mark), mark

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

    def quote(
        self, instrument: Future | Perpetual, amount: float, mark: float, *, own: bool = False
    ) -> float:
        """Best price for an amount at a mark: of the other side, or of its ``own``."""
        half = self.costs.half_spread_at(self.market.ts_ns)
        side = -amount if own else amount
        price = mark * (1.0 + math.copysign(half, side))
        if not self.on_ticks:
            return price
        return float(self.grids.spec_for(instrument).round_price(price, "up" if side > 0 else "down"))

    def fee(
        self, instrument: Option | Future | Perpetual, amount: float, price: float, maker: bool = False
    ) -> float:
        """Fee of a trade now, settlement currency."""
        rates = self.fees.at(self.market.ts_ns)
        if isinstance(instrument, Option):
            if not self.option_fees:
                return 0.0
            return float(option_fee(rates, instrument, abs(amount), price, index=self.market.index))
        return float(self.costs.fee(rates, instrument, amount, price, maker=maker))
