"""The one decision path: apply the event, decide, limit, return the orders.

The backtest and a live session feed the same events to the same ``Desk.handle``. Nothing
here reads a clock, a file or a socket.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np

from gammacore.book import Book
from gammacore.contracts import Future, Grids, Option, Perpetual, Settlement
from gammacore.daycount import FRIDAY, weekday
from gammacore.episode import Episode, MarketView
from gammacore.events import ChainSlice, Delivery, Event, Fill, Flatten, IndexPrice, Outside, Snapshot, Timer
from gammacore.fees import DERIBIT, FeeSchedule
from gammacore.hedging import Ladder, Policy, Target
from gammacore.hedging.instrument import Candidate, cheapest, expected_turnover
from gammacore.hedging.ladder import reached, rung_price
from gammacore.orders import Cancel, Command, Leg, Order, Purpose, order_id_of
from gammacore.portfolio import CLOSED_OUTSIDE, LIQUIDATED, Portfolio
from gammacore.risk import Limits
from gammacore.strategy import GammaScalp
from gammacore.strategy.gamma_scalp import Entry
from gammacore.tolerances import ROUNDING
from gammacore.valuation import shape

__all__ = ["Block", "Desk", "Hedge"]


FeeOf = Callable[[Future | Perpetual, int], float]


class Block(MarketView, Protocol):
    """A run of prices without other news, for :meth:`Desk.quiet`."""

    def __len__(self) -> int: ...


class Hedge:
    """What to hedge with and towards which target.

    Parameters
    ----------
    kind : {'perpetual', 'future', 'cheapest', 'forward'}
        A perpetual, the dated future of the episode's expiry, whichever of the two is expected
        to cost less by fees, funding and basis, or the expiry's forward as a theoretical
        linear contract.
    lots : bool
        Whether amounts are rounded to whole lots; off for theoretical contracts.
    fee : callable(Future or Perpetual, ts_ns) -> float, optional
        Fraction of notional that a trade costs, for the choice of the cheapest.
    target : Target
        Which delta is hedged, and down to what.
    grids : Grids, optional
        Ticks and lots; whole lots need them.
    schedule : FeeSchedule
        What the exchange charges for its trades.
    """

    def __init__(
        self,
        kind: str,
        target: Target,
        lots: bool = True,
        fee: FeeOf | None = None,
        grids: Grids | None = None,
        schedule: FeeSchedule = DERIBIT,
    ) -> None:
        self.kind = kind
        self.target = target
        self.lots = lots
        self.fee = fee
        self.grids = Grids() if grids is None else grids
        self.schedule = schedule

    def instrument(self, chain: ChainSlice, book: Book, entry: Entry) -> Future | Perpetual:
        """Contract to hedge an entry with."""
        perpetual = Perpetual(chain.base, chain.settlement)
        expiry_ns = entry.expiries[-1]  # the future is there as long as any of the options
        future = Future(chain.base, chain.settlement, expiry_ns)
        if self.kind != "cheapest":
            return perpetual if self.kind == "perpetual" else future
        tau, price = book.tau(expiry_ns), book.index
        if tau <= 0.0 or weekday(expiry_ns) != FRIDAY:  # only Fridays have futures
            return perpetual
        fee = self.fee or (lambda instrument, ts_ns: 0.0)
        basis = math.log(book.forward(expiry_ns) / price) / tau
        candidates = (
            Candidate(perpetual, fee(perpetual, book.ts_ns), book.funding_rate(chain.settlement)),
            Candidate(future, fee(future, book.ts_ns), basis),
        )
        delta = vega = 0.0
        for option, amount in ((leg.instrument, leg.amount) for leg in entry.legs):
            assert isinstance(option, Option)
            left = book.tau(option.expiry_ns)
            seen = shape(option, book.forward(option.expiry_ns), left, book.vol(option))
            delta += amount * seen.net_delta
            vega += amount * seen.vega
        turnover = expected_turnover(vega, price, tau, max(tau * 365.0, 1.0))
        return cheapest(candidates, -delta, turnover, tau).instrument

    def leg(self, instrument: Future | Perpetual, delta: float, price: float) -> Leg:
        """Leg of an order that adds ``delta`` coins, in whole lots."""
        wanted = delta * price if instrument.settlement is Settlement.INVERSE else delta
        amount = self.grids.spec_for(instrument).round_amount(wanted, "nearest") if self.lots else wanted
        return Leg(instrument, amount, amount - wanted)

    def least(self, instrument: Future | Perpetual) -> Leg:
        """Leg of the smallest order there is."""
        return Leg(instrument, self.grids.spec_for(instrument).min_trade_amount)


class Desk:
    """Holds the state and takes the decisions.

    Parameters
    ----------
    strategy : GammaScalp
        What to hold.
    policy : Policy
        When to hedge.
    hedge : Hedge
        With what, towards which target.
    portfolio : Portfolio
        Where positions are kept.
    limits : Limits, optional
        Ceilings on entries.
    averaging : bool
        See :class:`gammacore.book.Book`.
    keep_hedges : bool
        Leave the hedge of an episode alone whose options somebody else closed, rather than close it.
    """

    def __init__(
        self,
        strategy: GammaScalp,
        policy: Policy,
        hedge: Hedge,
        portfolio: Portfolio,
        limits: Limits | None = None,
        averaging: bool = True,
        keep_hedges: bool = False,
    ) -> None:
        self.book = Book(averaging)
        self.strategy = strategy
        self.policy = policy
        self.hedge = hedge
        self.portfolio = portfolio
        self.limits = limits or Limits()
        self.keep_hedges = keep_hedges
        self.closing = False  # everything is to be closed, see events.Flatten
        self._looked_ns = 0  # for what is due to be closed

    def handle(self, event: Event) -> list[Command]:
        """Take in one event and return the commands it leads to."""
        self.book.apply(event)
        self.portfolio.apply(event, self.book)
        orders: list[Command] = [] if isinstance(event, IndexPrice) else self._enter_or_leave(event)
        orders += self._rehedge(self._affected(event))
        if isinstance(self.policy, Ladder):
            orders += self._rest(event, self.policy)
        return orders

    def _enter_or_leave(self, event: Event) -> list[Command]:
        """Do what news other than a price may call for, beside hedging."""
        orders: list[Command] = []
        self.closing = self.closing or isinstance(event, Flatten)
        if isinstance(event, Outside):
            orders += self._recall(event)
        if isinstance(event, Snapshot) and not self.closing:
            orders += self._enter(event)
        if isinstance(event, (Snapshot, Timer, Flatten)):
            orders += self._exit()
        if isinstance(event, (Fill, Delivery, Snapshot, Timer)):  # the last two: again, if it failed
            estimated = isinstance(event, Delivery) and event.estimated
            orders += self._wind_up(hand_over=not estimated)
        return orders

    def _recall(self, event: Outside) -> list[Command]:
        """Ask back what was decided on positions that are no longer there."""
        episode = self.portfolio.open[event.episode]
        pending = [order for order in episode.pending.values() if order.purpose is not Purpose.ENTRY]
        return [Cancel(order.order_id, episode.number) for order in pending]

    def keeps(self, episode: Episode) -> bool:
        """Whether the hedge of an episode without options is left to the account's holder."""
        outside = episode.close_reason in (CLOSED_OUTSIDE, LIQUIDATED)
        return self.keep_hedges and outside and not self.closing

    def _rest(self, event: Event, ladder: Ladder) -> list[Command]:
        """Keep one order resting on either side of every long-gamma episode.

        They are built anew whenever a fill or a chain has moved the delta, and taken back
        when the options are gone.
        """
        commands: list[Command] = []
        moved = event.episode if isinstance(event, Fill) else None
        for episode in self.portfolio.open.values():
            stale = isinstance(event, Snapshot) or episode.number == moved or not episode.open
            if not stale:
                continue
            commands += episode.cancel_resting()
            if episode.open and not episode.pending and episode.next_expiry_ns > self.book.ts_ns:
                commands += self._rungs(episode, ladder)
        return commands

    def _rungs(self, episode: Episode, ladder: Ladder) -> list[Command]:
        instrument = episode.hedge.instrument
        orders: list[Command] = []
        for edge in (ladder.half_width, -ladder.half_width):
            price = rung_price(self.hedge.target, episode, self.book, edge)
            if price is None:
                continue
            if self.hedge.lots:  # away from the market, so that it never takes
                grid = self.hedge.grids.spec_for(instrument)
                price = float(grid.round_price(price, "up" if edge > 0 else "down"))
            leg = self.hedge.leg(instrument, -edge, price)
            if leg.amount:
                orders.append(self._order(episode, Purpose.HEDGE, (leg,), price))
        return orders

    def _enter(self, event: Snapshot) -> list[Order]:
        orders = []
        funding = self.book.funding_rate(event.chain.settlement)
        for entry in self.strategy.entries(event.ts_ns, event.chain, self.portfolio, event.estimate, funding):
            self.book.remember(leg.instrument for leg in entry.legs)
            contract = self.hedge.instrument(event.chain, self.book, entry)
            episode = self.portfolio.begin(entry.expiry_ns, contract, self.book.index, entry.expiries)
            order = self._order(episode, Purpose.ENTRY, entry.legs)
            if self.limits.allows(order, self.portfolio):
                orders.append(order)
            else:
                self.portfolio.cancel(episode, order, "limit")
        return orders

    def _exit(self) -> list[Order]:
        self._looked_ns = self.book.ts_ns
        return [
            self._order(e, Purpose.EXIT, tuple(Leg(option, -amount) for option, amount in e.legs.items()))
            for e in self.portfolio.open.values()
            if e.open and not e.pending and (self.closing or self.strategy.due(self.book.ts_ns, e))
        ]

    def _wind_up(self, hand_over: bool) -> list[Command]:
        """Close the hedges of episodes whose options are gone, or hand them to a successor."""
        orders: list[Command] = []
        closed = [e for e in self.portfolio.open.values() if e.close_ns and not e.pending]
        for episode in [e for e in closed if not self.keeps(e)]:
            orders += episode.cancel_resting()
            if episode.hedge.amount == 0.0:
                self.portfolio.finish(episode, self.book)
            elif hand_over and (heir := self._successor(episode)) is not None:
                self.portfolio.hand_over(episode, heir, self.book)
                self.portfolio.finish(episode, self.book)
            else:
                leg = Leg(episode.hedge.instrument, -episode.hedge.amount)
                orders.append(self._order(episode, Purpose.UNWIND, (leg,)))
        return orders

    def _successor(self, episode: Episode) -> Episode | None:
        """In a roll, the episode that takes the hedge over: its options replace the old ones."""
        if self.strategy.entry.each_expiry:
            return None
        for other in self.portfolio.open.values():
            if other.open and other.hedge.instrument == episode.hedge.instrument:
                return other
        return None

    def _affected(self, event: Event) -> list[Episode]:
        """Episodes whose hedge an event may call for.

        News of prices concern all; a fill of options its own episode, and a delivery
        the one that took the hedge over, or that holds options of later expiries.
        The fill of a hedge calls for nothing.
        """
        open_ = self.portfolio.open
        if isinstance(event, Fill):
            changed = event.last and (isinstance(event.instrument, Option) or isinstance(event, Outside))
            return [open_[event.episode]] if changed and event.episode in open_ else []
        if isinstance(event, IndexPrice):
            return [] if self.policy.snapshots_only else list(open_.values())
        if isinstance(event, Delivery):
            if event.estimated:
                return []
            if not self.strategy.entry.each_expiry:
                return list(open_.values())
            return [e for e in open_.values() if event.expiry_ns in e.delivered and e.open]  # of what is left
        return list(open_.values()) if isinstance(event, Snapshot) else []

    def _rehedge(self, episodes: list[Episode]) -> list[Order]:
        for held in self.portfolio.open.values():
            if held.legs and held.next_expiry_ns <= self.book.ts_ns:
                return []  # waiting for the delivery of this instant
        orders = []
        for episode in episodes:
            if not episode.legs or episode.pending or self._about_to_fill(episode):
                continue
            delta = self._wanted(episode)
            order = None if delta is None else self._hedge_order(episode, delta)
            if order is not None:
                orders.append(order)
        return orders

    def _wanted(self, episode: Episode) -> float | None:
        """Delta to add, None to leave the hedge; looks, and changes nothing."""
        target, policy = self.hedge.target, self.policy
        moment = target.moment(episode, self.book, policy)
        seen = target.moment(episode, self.book, policy, deciding=True) if target.ignore_vol else moment
        return float(policy.trade(moment)) if policy.fires(seen) else None

    def rehearse(self) -> list[Leg]:
        """Take the hedging decision once more without consequences, so that it is warm when it counts.

        Returns
        -------
        list of Leg
            What would be traded if every episode had to hedge now, a lot at least.
        """
        legs = []
        for episode in self.portfolio.open.values():
            if episode.open and episode.next_expiry_ns > self.book.ts_ns:
                delta, instrument = self._wanted(episode), episode.hedge.instrument
                leg = self.hedge.leg(instrument, delta or ROUNDING, self.book.future_price(instrument))
                legs.append(leg if leg.amount else self.hedge.least(instrument))
        return legs

    def _about_to_fill(self, episode: Episode) -> bool:
        """Whether the price has gone through a resting order, whose fill is then to be waited for."""
        if not episode.resting:
            return False
        price = self.book.future_price(episode.hedge.instrument)
        return any(reached(order, price) for order in episode.resting.values())

    def _hedge_order(self, episode: Episode, delta: float) -> Order | None:
        instrument = episode.hedge.instrument
        price = self.book.future_price(instrument)
        episode.last_hedge_ns, episode.last_hedge_price = self.book.ts_ns, price
        if self.hedge.target.ignore_vol:
            episode.hedged_vol = {option: self.book.vol(option) for option in episode.legs}
        leg = self.hedge.leg(instrument, delta, price)
        if abs(delta) < ROUNDING or not leg.amount:
            return None
        return self._order(episode, Purpose.HEDGE, (leg,))

    def _order(
        self, episode: Episode, purpose: Purpose, legs: tuple[Leg, ...], limit: float | None = None
    ) -> Order:
        order_id = order_id_of(episode.number, purpose, episode.orders_sent)
        order = Order(order_id, episode.number, purpose, legs, limit)
        episode.orders_sent += 1
        (episode.pending if limit is None else episode.resting)[order_id] = order
        return order

    def quiet(self, block: Block) -> int:
        """Count the leading prices of a block at which no decision would be taken.

        The replay skips these: handling them one by one would leave the same state.
        """
        if self.policy.snapshots_only:
            return len(block)
        first = len(block)
        for episode in self.portfolio.open.values():
            if episode.open:
                seen = self.hedge.target.moment(episode, block, self.policy, deciding=True)
                fires = self.policy.fires(seen)
                for order in episode.resting.values():
                    fires = fires | reached(order, seen.price)
                hit = int(np.argmax(fires))
                if fires[hit]:
                    first = min(first, hit)
        return first

    def next_ns(self, ts_ns: int) -> int:
        """Time of the next event: no two have one, so that a time says what was known at it."""
        return max(ts_ns, self.book.ts_ns + 1)

    def next_deadline(self) -> int | None:
        """Time at which the desk wants to be woken, if any; it may be that of the last price."""
        times = [self.strategy.deadline(e) for e in self.portfolio.open.values() if e.open and not e.pending]
        return min((t for t in times if t is not None and t > self._looked_ns), default=None)
