"""The one decision path: apply the event, decide, limit, return the orders.

The backtest and a live session feed the same events to the same ``Desk.handle``. Nothing
here reads a clock, a file or a socket.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import TypeVar

from gammacore.contracts import Future, Option, Perpetual
from gammacore.episode import Episode
from gammacore.errors import CodeError
from gammacore.events import (
    ChainSlice,
    Delivery,
    Event,
    Fill,
    Flatten,
    IndexPrice,
    Outside,
    Rejected,
    Snapshot,
    Timer,
)
from gammacore.hedge import Hedge
from gammacore.hedging import Ladder, Never, Policy
from gammacore.hedging.ladder import reached, rung_price
from gammacore.margin import MarginSchedule
from gammacore.margin_use import MarginLimit
from gammacore.market import Market
from gammacore.netting import NettedPortfolio
from gammacore.orders import BOOK, Cancel, Command, Leg, Order, Purpose, order_id_of, purpose_of
from gammacore.portfolio import CLOSED_OUTSIDE, LIQUIDATED, Portfolio
from gammacore.risk import Limits
from gammacore.strategy import GammaScalp, Refusal
from gammacore.strategy.equity import equity_of
from gammacore.strategy.filters import VolIndex
from gammacore.strategy.gamma_scalp import Declined, Entry
from gammacore.strategy.leaving import Leaving, Roll
from gammacore.tolerances import ROUNDING

__all__ = ["Desk"]

T = TypeVar("T")


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
        See :class:`gammacore.market.Market`.
    keep_hedges : bool
        Leave the hedge of an episode alone whose options somebody else closed, rather than close it.
    roll : Roll, optional
        When to replace an episode by another, and by which.
    margins : MarginSchedule, optional
        What the exchange asks for as collateral.
    max_margin_use : float, optional
        Initial margin over margin balance that an entry may leave; needs an equity that is known.

    Attributes
    ----------
    over_margin : dict of int to Refusal
        Entries that ``max_margin_use`` stopped, by expiry.
    faults : list of CodeError or None
        Where it is a list, code of the user's own that fails decides nothing and is noted here; where it is
        None the error is raised.
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
        roll: Roll | None = None,
        margins: MarginSchedule | None = None,
        max_margin_use: float | None = None,
    ) -> None:
        self.market = Market(averaging)
        self.strategy = strategy
        self.policy = policy
        self.hedge = hedge
        self.portfolio = portfolio
        self.limits = limits or Limits()
        self.margins = margins or MarginSchedule()
        self.margin_limit = None if max_margin_use is None else MarginLimit(max_margin_use, self.margins)
        self.over_margin: dict[int, Refusal] = {}
        self.keep_hedges = keep_hedges
        self.leaving = Leaving(strategy.exit_rule, roll)
        self.faults: list[CodeError] | None = None
        self.closing = False  # everything is to be closed, see events.Flatten
        self._looked_ns = 0  # for what is due to be closed

    def handle(self, event: Event) -> list[Command]:
        """Take in one event and return the commands it leads to."""
        self.market.apply(event)
        if isinstance(event, IndexPrice):
            orders = [] if self.policy.snapshots_only else self._rehedge(self.portfolio.hedged)
        else:
            orders = self._enter_or_leave(event)
            orders += self._rehedge(self._affected(event))
        if type(self.policy) is Ladder:
            orders += self._rest(event, self.policy)
        if isinstance(self.portfolio, NettedPortfolio):
            self._cross(self.portfolio)
        return orders

    def _enter_or_leave(self, event: Event) -> list[Command]:
        """Book what an event changes, and do what it calls for beside hedging; of a price that is nothing."""
        if isinstance(self.portfolio, NettedPortfolio) and isinstance(event, Fill):
            hedges = event.episode == BOOK and purpose_of(event.order_id) is Purpose.HEDGE
            self.portfolio.wanted = self._own_trades(event.mark) if hedges else {}
        self.portfolio.apply(event, self.market)
        self.leaving.note(event, self.portfolio, self.market)
        if isinstance(event, Fill):
            recalled = self._recall(event) if isinstance(event, Outside) else []
            return recalled + self._wind_up(hand_over=True)
        orders: list[Command] = []
        self.closing = self.closing or isinstance(event, Flatten)
        if isinstance(event, Snapshot) and event.entries and not self.closing:
            orders += self._roll(event)
            orders += self._enter(event)
        if isinstance(event, (Snapshot, Timer, Flatten)):
            orders += self._exit()
        if isinstance(event, Rejected) and purpose_of(event.order_id) is Purpose.ENTRY:
            orders += self._wind_up(hand_over=True)  # it may have been the successor that was waited for
        if isinstance(event, (Delivery, Snapshot, Timer)):  # the last two: again, if it failed
            estimated = isinstance(event, Delivery) and event.estimated
            orders += self._wind_up(hand_over=not estimated)
        return orders

    def _cross(self, netted: NettedPortfolio) -> None:
        """Hedge the episodes of a book at the mark, unless its own hedge is on its way and does it."""
        if not netted.changed or isinstance(self.policy, Never):
            return
        if netted.book is not None and not netted.book.pending:
            netted.cross(self._own_trades(self.market.future_price(netted.hedged_with)), self.market)

    def _own_trades(self, mark: float) -> dict[int, float]:
        """Find what each episode of a book would trade at the mark, if it hedged by itself."""
        own = self.hedge.target.own_mismatch
        held = [e for e in self.portfolio.open.values() if e.open and not e.pending]
        return {e.number: -float(own(e, self.market)) * (mark if e.hedge.inverse else 1.0) for e in held}

    def _recall(self, event: Outside) -> list[Command]:
        """Ask back what was decided on positions that are no longer there."""
        accounts = {event.episode: self.portfolio.account(event.episode)}
        if self.portfolio.book is not None:
            accounts[BOOK] = self.portfolio.book
        return [
            Cancel(order.order_id, number)
            for number, account in accounts.items()
            for order in account.pending.values()
            if order.purpose is not Purpose.ENTRY
        ]

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
        for episode in self.portfolio.hedged:
            filled = moved is not None and episode.number in (moved, BOOK)
            stale = isinstance(event, Snapshot) or filled or not episode.open
            if not stale:
                continue
            commands += episode.cancel_resting()
            if episode.open and not episode.pending and episode.next_expiry_ns > self.market.ts_ns:
                commands += self._rungs(episode, ladder)
        return commands

    def _rungs(self, episode: Episode, ladder: Ladder) -> list[Command]:
        instrument = episode.hedge.instrument
        orders: list[Command] = []
        for edge in (ladder.half_width, -ladder.half_width):
            price = rung_price(self.hedge.target, episode, self.market, edge)
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
        funding = self.market.funding_rate(event.chain.settlement)
        expiries = self.strategy.eligible(event.ts_ns, event.chain, self.portfolio)
        if not expiries:
            return []
        index, equity = VolIndex(event.dvol, event.dvol_rank), self.equity(event.equity)
        known = event.chain, self.portfolio, event.estimate, funding, index, equity, expiries
        nothing: list[Entry] = []
        entries = self._ask(nothing, self.strategy.entries, event.ts_ns, *known)
        orders = [self._begin(event.chain, entry) for entry in entries]
        return [order for order in orders if order is not None]

    def _ask(self, otherwise: T, what: Callable[..., T], *known: object) -> T:
        """Ask what may be code of the user's own; see :attr:`faults`."""
        try:
            return what(*known)
        except CodeError as error:
            if self.faults is None:
                raise
            self.faults.append(error)
            return otherwise

    def equity(self, told: float = math.nan) -> float:
        """Equity of the account, settlement currency: as the exchange told it, else by our ledgers."""
        size = self.strategy.size
        asked = size.asks_equity or self.margin_limit is not None
        if math.isfinite(told) or not asked or size.equity is None:
            return told
        return equity_of(size.equity, self.portfolio, self.market)

    def _begin(self, chain: ChainSlice, entry: Entry, rolled: Episode | None = None) -> Order | None:
        """Register an episode, maybe in place of another; return its order, None if a limit forbids it."""
        self.market.remember(leg.instrument for leg in entry.legs)
        contract = self.hedge.instrument(chain, self.market, entry)
        if self._over_margin(entry, contract, rolled):
            return None
        episode = self.portfolio.begin(entry.expiry_ns, contract, self.market.index, entry.expiries)
        episode.sized_by = entry.sized_by
        order = self._order(episode, Purpose.ENTRY, entry.legs)
        if self.limits.allows(order, self.portfolio, rolled):
            return order
        self.portfolio.cancel(episode, order, "limit")
        return None

    def _over_margin(self, entry: Entry, contract: Future | Perpetual, rolled: Episode | None) -> str | None:
        """Note and say why an entry would leave too much margin in use, None if it would not."""
        why = self.margin_refusal(entry, contract, rolled)
        if why is not None:
            now, seen = self.market.ts_ns, self.over_margin.get(entry.expiry_ns)
            self.over_margin[entry.expiry_ns] = (
                Refusal(entry.expiry_ns, now, now, why) if seen is None else seen.at(now)
            )
        return why

    def margin_refusal(
        self, entry: Entry, contract: Future | Perpetual, rolled: Episode | None = None
    ) -> str | None:
        """Say why an entry would leave too much margin in use, None if it would not; changes nothing."""
        if self.margin_limit is None:
            return None
        hedge = None if isinstance(self.policy, Never) else contract
        equity = self.equity(self.market.equity)
        return self.margin_limit.refusal(entry.legs, self.portfolio, self.market, equity, hedge, rolled)

    def _roll(self, event: Snapshot) -> list[Order]:
        """Replace what a rule says by a new entry: both or neither, and the hedge stays."""
        orders: list[Order] = []
        rolls, funding = self.leaving.rolls, self.market.funding_rate(event.chain.settlement)
        for episode in list(self.portfolio.open.values()) if rolls is not None else []:
            if not episode.open or episode.pending or episode.adopted or self._why_closed(episode):
                continue
            reason = self._ask("", self.leaving.roll, episode, event.ts_ns)
            if not reason:
                continue
            assert rolls is not None
            known = funding, self.equity(event.equity)
            failed: Entry | Declined = Declined("own code failed")
            found = self._ask(failed, rolls.plan, event, episode, *known)
            entry = None if isinstance(found, Declined) else self._begin(event.chain, found, episode)
            if entry is None:
                why = found.reason if isinstance(found, Declined) else "limits forbid the new episode"
                self.leaving.held_on[episode.number] = why
                continue
            episode.heir = entry.episode
            orders += [self._close(episode, reason), entry]
        return orders

    def _exit(self) -> list[Order]:
        self._looked_ns = self.market.ts_ns
        held = [e for e in self.portfolio.open.values() if e.open and not (e.pending or e.adopted)]
        return [self._close(e, why) for e in held if (why := self._why_closed(e))]

    def _why_closed(self, episode: Episode) -> str:
        """Name what closes an episode now, empty if nothing does."""
        if self.closing:
            return "flatten"
        if episode.heir in self.portfolio.open:  # rolled, but its order was not filled
            return episode.exit_reason
        return self._ask("", self.leaving.exit, episode, self.market.ts_ns)

    def _close(self, episode: Episode, reason: str) -> Order:
        episode.exit_reason = reason
        legs = tuple(Leg(option, -amount) for option, amount in episode.legs.items())
        return self._order(episode, Purpose.EXIT, legs)

    def _wind_up(self, hand_over: bool) -> list[Command]:
        """Close the hedges of episodes whose options are gone, or hand them to a successor."""
        if isinstance(self.portfolio, NettedPortfolio):
            return self._wind_up_book(self.portfolio)
        orders: list[Command] = []
        ended = [
            e
            for e in self.portfolio.open.values()
            if e.close_ns and not (e.pending or self.keeps(e) or self._awaits_heir(e))
        ]
        for episode in ended:
            orders += episode.cancel_resting()
            if episode.hedge.amount == 0.0:
                self.portfolio.finish(episode, self.market)
            elif hand_over and (heir := self._successor(episode)) is not None:
                self.portfolio.hand_over(episode, heir, self.market)
                self.portfolio.finish(episode, self.market)
            else:
                leg = Leg(episode.hedge.instrument, -episode.hedge.amount)
                orders.append(self._order(episode, Purpose.UNWIND, (leg,)))
        return orders

    def _wind_up_book(self, portfolio: NettedPortfolio) -> list[Command]:
        """End episodes whose options are gone; close the book's hedge once it has none."""
        ended = [e for e in portfolio.open.values() if e.close_ns and not (e.pending or self._awaits_heir(e))]
        for episode in ended:
            portfolio.retire(episode, self.market)
        book = portfolio.book
        if book is None or book.pending or (book.open and not self.lets_go) or self.keeps(book):
            return []
        orders = book.cancel_resting()
        if book.hedge.amount:
            leg = Leg(book.hedge.instrument, -book.hedge.amount)
            orders.append(self._order(book, Purpose.UNWIND, (leg,)))
        return orders

    def _awaits_heir(self, episode: Episode) -> bool:
        """Whether the entry that takes the hedge over is on its way."""
        heir = None if episode.heir is None else self.portfolio.open.get(episode.heir)
        return heir is not None and bool(heir.pending)

    def _successor(self, episode: Episode) -> Episode | None:
        """In a roll, the episode that takes the hedge over: its options replace the old ones."""
        if episode.heir is not None:
            heir = self.portfolio.open.get(episode.heir)
            same = heir is not None and heir.open and heir.hedge.instrument == episode.hedge.instrument
            return heir if same else None
        if self.strategy.entry.each_expiry:
            return None
        for other in self.portfolio.open.values():
            if other.open and other.hedge.instrument == episode.hedge.instrument:
                return other
        return None

    def _affected(self, event: Event) -> Collection[Episode]:
        """Episodes whose hedge an event may call for, beside a price.

        A chain concerns all; a fill of options its own episode, and a delivery
        the one that took the hedge over, or that holds options of later expiries.
        The fill of a hedge calls for nothing.
        """
        hedged = self.portfolio.hedged
        if isinstance(event, Fill):
            changed = event.last and (type(event.instrument) is Option or type(event) is Outside)
            if isinstance(self.portfolio, NettedPortfolio) and event.episode == BOOK and event.last:
                changed, self.portfolio.overtaken = changed or self.portfolio.overtaken, False
            return [e for e in hedged if e.number in (event.episode, BOOK)] if changed else []
        if isinstance(event, Delivery):
            if event.estimated:
                return []
            if not self.strategy.entry.each_expiry:
                return hedged
            return [e for e in hedged if event.expiry_ns in e.delivered and e.open]  # of what is left
        return hedged if isinstance(event, Snapshot) else []

    @property
    def lets_go(self) -> bool:
        """Whether everything is to be closed, and what is left are options of the account's holder."""
        return self.closing and all(e.adopted for e in self.portfolio.open.values())

    def _rehedge(self, episodes: Collection[Episode]) -> list[Command]:
        orders: list[Command] = []
        if not episodes or self.lets_go:
            return orders
        held = self.portfolio.open.values()
        if self.portfolio.book is not None and any(map(self._awaits_heir, held)):
            return orders  # half of a roll is not hedged
        now_ns = self.market.ts_ns
        for episode in held:
            if episode.legs and episode.next_expiry_ns <= now_ns:
                return orders  # waiting for the delivery of this instant
        for episode in episodes:
            if not episode.legs or episode.pending or (episode.resting and self._about_to_fill(episode)):
                continue
            delta = self._wanted(episode)
            order = None if delta is None else self._hedge_order(episode, delta)
            if order is not None:
                orders.append(order)
        return orders

    def _wanted(self, episode: Episode) -> float | None:
        """Delta to add, None to leave the hedge; looks, and changes nothing."""
        target, policy = self.hedge.target, self.policy
        moment = target.moment(episode, self.market, policy)
        seen = target.moment(episode, self.market, policy, deciding=True) if target.ignore_vol else moment
        if not policy.fires(seen):
            return None
        return self._ask(None, policy.trade, moment)

    def rehearse(self) -> list[Leg]:
        """Take the hedging decision once more without consequences, so that it is warm when it counts.

        Returns
        -------
        list of Leg
            What would be traded if every episode had to hedge now, a lot at least.
        """
        legs = []
        for episode in self.portfolio.hedged:
            if episode.open and episode.next_expiry_ns > self.market.ts_ns:
                delta, instrument = self._wanted(episode), episode.hedge.instrument
                leg = self.hedge.leg(instrument, delta or ROUNDING, self.market.future_price(instrument))
                legs.append(leg if leg.amount else self.hedge.least(instrument))
        return legs

    def _about_to_fill(self, episode: Episode) -> bool:
        """Whether the price has gone through a resting order, whose fill is then to be waited for."""
        price = self.market.future_price(episode.hedge.instrument)
        return any(reached(order, price) for order in episode.resting.values())

    def _hedge_order(self, episode: Episode, delta: float) -> Order | None:
        instrument = episode.hedge.instrument
        price = self.market.future_price(instrument)
        episode.last_hedge_ns, episode.last_hedge_price = self.market.ts_ns, price
        if self.hedge.target.ignore_vol:
            episode.hedged_vol = {option: self.market.vol(option) for option in episode.legs}
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

    def next_ns(self, ts_ns: int) -> int:
        """Time of the next event: no two have one, so that a time says what was known at it."""
        return max(ts_ns, self.market.ts_ns + 1)

    def next_deadline(self) -> int | None:
        """Time at which the desk wants to be woken, if any; it may be that of the last price."""
        times = [self.leaving.deadline(e) for e in self.portfolio.open.values() if e.open and not e.pending]
        return min((t for t in times if t is not None and t > self._looked_ns), default=None)
