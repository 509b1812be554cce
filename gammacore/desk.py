"""The one decision path: apply the event, decide, limit, return the orders.

The backtest and a live session feed the same events to the same ``Desk.handle``. Nothing
here reads a clock, a file or a socket.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from gammacore.book import Book
from gammacore.contracts import Future, Option, Perpetual, Settlement, spec_for
from gammacore.events import Delivery, Event, Fill, IndexPrice, Snapshot, Timer
from gammacore.hedging import Policy
from gammacore.orders import Leg, Order, Purpose
from gammacore.portfolio import Episode, MarketView, Portfolio
from gammacore.risk import Limits
from gammacore.strategy import GammaScalp

__all__ = ["Block", "Desk", "Hedge"]


DUST = 1e-12  # coins; what rounding leaves of a mismatch that was just hedged


class Block(MarketView, Protocol):
    """A run of prices without other news, for :meth:`Desk.quiet`."""

    ts_ns: npt.NDArray[np.int64]

    def __len__(self) -> int: ...


class Hedge:
    """What to hedge with and towards which target.

    Parameters
    ----------
    kind : {'perpetual', 'future', 'forward'}
        A perpetual, the dated future of the episode's expiry, or that expiry's
        forward as a theoretical linear contract.
    lots : bool
        Whether amounts are rounded to whole lots; off for theoretical contracts.
    target : {'coin_neutral', 'usd_neutral', 'black'}
        See :meth:`gammacore.portfolio.Episode.exposed`.
    """

    def __init__(self, kind: str, target: str, lots: bool = True) -> None:
        self.kind = kind
        self.target = target
        self.lots = lots

    def instrument(self, base: str, settlement: Settlement, expiry_ns: int) -> Future | Perpetual:
        """Contract to hedge an episode of this expiry with."""
        if self.kind == "perpetual":
            return Perpetual(base, settlement)
        return Future(base, settlement, expiry_ns)

    def leg(self, instrument: Future | Perpetual, delta: float, price: float) -> Leg:
        """Leg of an order that adds ``delta`` coins, in whole lots."""
        wanted = delta * price if instrument.settlement is Settlement.INVERSE else delta
        amount = spec_for(instrument).round_amount(wanted, "nearest") if self.lots else wanted
        return Leg(instrument, amount, amount - wanted)


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
    """

    def __init__(
        self,
        strategy: GammaScalp,
        policy: Policy,
        hedge: Hedge,
        portfolio: Portfolio,
        limits: Limits | None = None,
        averaging: bool = True,
    ) -> None:
        self.book = Book(averaging)
        self.strategy = strategy
        self.policy = policy
        self.hedge = hedge
        self.portfolio = portfolio
        self.limits = limits or Limits()

    def handle(self, event: Event) -> list[Order]:
        """Take in one event and return the orders it leads to."""
        self.book.apply(event)
        self.portfolio.apply(event, self.book)
        orders: list[Order] = []
        if isinstance(event, Snapshot):
            orders += self._enter(event)
        if isinstance(event, (Snapshot, Timer)):
            orders += self._exit()
        if isinstance(event, (Fill, Delivery)):
            orders += self._wind_up()
        orders += self._rehedge(self._affected(event))
        return orders

    def _enter(self, event: Snapshot) -> list[Order]:
        orders = []
        for entry in self.strategy.entries(event.ts_ns, event.chain, self.portfolio):
            contract = self.hedge.instrument(event.chain.base, event.chain.settlement, entry.expiry_ns)
            episode = self.portfolio.begin(entry.expiry_ns, contract, self.book.index)
            order = self._order(episode, Purpose.ENTRY, entry.legs)
            if self.limits.allows(order, self.portfolio):
                orders.append(order)
            else:
                self.portfolio.cancel(episode, order, "limit")
        return orders

    def _exit(self) -> list[Order]:
        return [
            self._order(e, Purpose.EXIT, tuple(Leg(option, -amount) for option, amount in e.legs.items()))
            for e in self.portfolio.open.values()
            if e.open and not e.pending and self.strategy.due(self.book.ts_ns, e)
        ]

    def _wind_up(self) -> list[Order]:
        """Close the hedges of episodes whose options are gone, or hand them to a successor."""
        orders = []
        for episode in [e for e in self.portfolio.open.values() if e.close_ns and not e.pending]:
            if episode.hedge.amount == 0.0:
                self.portfolio.finish(episode, self.book)
            elif (heir := self._successor(episode)) is not None:
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
        the one that took the hedge over. The fill of a hedge calls for nothing.
        """
        open_ = self.portfolio.open
        if isinstance(event, Fill):
            changed = event.last and isinstance(event.instrument, Option)
            return [open_[event.episode]] if changed and event.episode in open_ else []
        if isinstance(event, IndexPrice):
            return [] if self.policy.snapshots_only else list(open_.values())
        if isinstance(event, Delivery):
            return [] if self.strategy.entry.each_expiry else list(open_.values())
        return list(open_.values()) if isinstance(event, Snapshot) else []

    def _rehedge(self, episodes: list[Episode]) -> list[Order]:
        if any(e.open and e.expiry_ns <= self.book.ts_ns for e in self.portfolio.open.values()):
            return []  # waiting for the delivery of this instant
        orders = []
        for episode in episodes:
            if not episode.open or episode.pending:
                continue
            mismatch = episode.exposed(self.book, self.hedge.target)
            if self.policy.fires(mismatch, self.book.ts_ns, episode.last_hedge_ns):
                order = self._hedge_order(episode, self.policy.trade(mismatch))
                if order is not None:
                    orders.append(order)
        return orders

    def _hedge_order(self, episode: Episode, delta: float) -> Order | None:
        episode.last_hedge_ns = self.book.ts_ns
        instrument = episode.hedge.instrument
        leg = self.hedge.leg(instrument, delta, self.book.future_price(instrument))
        if abs(delta) < DUST or not leg.amount:
            return None
        return self._order(episode, Purpose.HEDGE, (leg,))

    def _order(self, episode: Episode, purpose: Purpose, legs: tuple[Leg, ...]) -> Order:
        order = Order(f"{episode.number}-{purpose}-{episode.orders_sent}", episode.number, purpose, legs)
        episode.orders_sent += 1
        episode.pending[order.order_id] = order
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
                needed = self.policy.needs_mismatch
                mismatch = episode.exposed(block, self.hedge.target) if needed else None
                fires = self.policy.fires(mismatch, block.ts_ns, episode.last_hedge_ns)
                hit = int(np.argmax(fires))
                if fires[hit]:
                    first = min(first, hit)
        return first

    def next_deadline(self) -> int | None:
        """Time at which the desk wants to be woken, if any."""
        times = [self.strategy.deadline(e) for e in self.portfolio.open.values() if e.open and not e.pending]
        return min((t for t in times if t is not None and t > self.book.ts_ns), default=None)
