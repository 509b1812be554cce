"""What the desk holds: all its episodes, and how events change them."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from gammacore.contracts import Future, Instrument, Option, Perpetual, Settlement, payoff_coin, payoff_usd
from gammacore.episode import DELIVERED, TOOK, Episode, HedgePosition, Now
from gammacore.errors import LedgerError
from gammacore.events import Delivery, Event, Fill, Outside, Rejected
from gammacore.fees import FeeSchedule, delivery_fee
from gammacore.ledger import Account
from gammacore.market import Market
from gammacore.orders import Order, Purpose
from gammacore.tolerances import DUST

CLOSED_OUTSIDE, LIQUIDATED = "closed outside", "liquidation"  # why options are gone that others sold

__all__ = ["CLOSED_OUTSIDE", "LIQUIDATED", "Portfolio"]

HEDGES = f"-{Purpose.HEDGE}-"  # in the names of their orders; transfers have other names


class Portfolio:
    """All episodes, open and closed.

    Parameters
    ----------
    fees : FeeSchedule or None
        For delivery fees; None charges nothing.
    financed_in_usd : bool
        Whether a paid premium is bought with USD (USD-neutral account) rather than
        taken from a coin balance that is not part of the bet.

    Attributes
    ----------
    episodes : list of Episode
    open : dict of int to Episode
        Those that hold something, by number.
    book, residual : Episode or None
        See :class:`gammacore.netting.NettedPortfolio`; none where every episode has a hedge of its own.
    """

    book: Episode | None = None
    residual: Episode | None = None

    def __init__(self, fees: FeeSchedule | None = None, financed_in_usd: bool = False) -> None:
        self.fees = fees
        self.financed_in_usd = financed_in_usd
        self.episodes: list[Episode] = []
        self.open: dict[int, Episode] = {}
        self.missing_quotes = 0

    def begin(
        self,
        expiry_ns: int,
        hedge: Future | Perpetual,
        index: float,
        expiries: tuple[int, ...] | None = None,
    ) -> Episode:
        """Register an episode, counted by ``expiry_ns``, whose entry order is about to be sent."""
        episode = Episode(len(self.episodes), expiry_ns, HedgePosition(hedge), index, expiries)
        self.episodes.append(episode)
        self.open[episode.number] = episode
        return episode

    def account(self, number: int) -> Episode:
        """Return the open account that an order or a fill belongs to."""
        return self.open[number]

    def find(self, number: int) -> Episode | None:
        """Return that account, None if it is over."""
        return self.open.get(number)

    @property
    def hedged(self) -> Collection[Episode]:
        """What is hedged, each by orders of its own."""
        return self.open.values()

    @property
    def hedges(self) -> int:
        """How many hedges were traded."""
        return sum(episode.hedges for episode in self.episodes)

    @property
    def traded(self) -> Sequence[Episode]:
        """Accounts of what was really traded, each fill in one of them."""
        return self.episodes

    @property
    def accounts(self) -> Sequence[Episode]:
        """What sums to the profit of the whole."""
        return self.episodes

    def apply(self, event: Event, market: Market) -> None:
        """Take over what the event says of our positions."""
        if isinstance(event, Fill):
            if type(event) is Outside:
                self._apply_outside(event, market)
            else:
                self._apply_fill(self.account(event.episode), event, market)
        elif isinstance(event, Rejected):
            self._apply_rejection(self.account(event.episode), event, market)
        elif isinstance(event, Delivery):
            self._apply_delivery(event, market)

    def adopter(self, option: Option) -> int:
        """Return the number of the episode that adopts a position of the account's holder: one an expiry."""
        for episode in self.open.values():
            if episode.adopted and episode.open and option.expiry_ns in episode.expiries:
                return episode.number
        return len(self.episodes)

    def _adopt(self, event: Outside, market: Market) -> None:
        """Begin the account of positions that the desk did not open."""
        option = event.instrument
        if not isinstance(option, Option):
            raise LedgerError(f"{option.name}: only options begin an episode")
        episode = self.begin(option.expiry_ns, Perpetual(option.base, option.settlement), market.index)
        episode.adopted = True

    def _apply_delivery(self, event: Delivery, market: Market) -> None:
        for episode in [e for e in self.open.values() if e.open and event.expiry_ns in e.expiries]:
            self._deliver(episode, event, market)

    def cancel(self, episode: Episode, order: Order, reason: str) -> None:
        """Forget an entry that was decided but not sent."""
        del episode.pending[order.order_id]
        del self.open[episode.number]
        episode.close_reason = reason

    def _apply_rejection(self, episode: Episode, event: Rejected, market: Market) -> None:
        orders = episode.orders_with(event.order_id)
        order = orders.pop(event.order_id)
        if orders is not episode.pending:  # cancelled, or it would have crossed: the next look builds another
            return
        self.missing_quotes += 1
        if order.purpose is Purpose.ENTRY and not episode.open:  # else it holds what was filled before
            del self.open[episode.number]
            episode.close_reason = event.reason

    def _apply_fill(self, episode: Episode, fill: Fill, market: Market) -> None:
        orders = episode.orders_with(fill.order_id)
        order = orders[fill.order_id]
        if fill.last:
            del orders[fill.order_id]
        else:  # what is still on its way
            orders[fill.order_id] = order.without(fill.instrument, fill.amount)
        if type(fill.instrument) is Option:
            self._fill_option(episode, fill, order.purpose, market)
        else:
            self._fill_hedge(episode, fill, order.excess, market)
            episode.hedges += order.purpose is Purpose.HEDGE
        if fill.last and order.purpose is Purpose.EXIT and episode.is_flat:
            self._close_options(episode, fill.ts_ns, episode.exit_reason)

    def _fill_hedge(self, episode: Episode, fill: Fill, excess: float, market: Now) -> None:
        ledger = episode.ledger
        episode.add(fill)
        ledger.rate = market.index
        self.settle_funding(episode, market)
        realised = episode.hedge.trade(fill.amount, fill.price)
        ledger.post(fill.ts_ns, Account.CASH, Account.HEDGE_PNL, realised, "hedge", fill.instrument)
        worked = TOOK + fill.maker if HEDGES in fill.order_id else 0
        episode._hedged.append((fill.ts_ns, fill.amount, fill.price, fill.mark, fill.fee, excess, worked))
        ledger.post(fill.ts_ns, Account.FEES, Account.CASH, fill.fee, "fee", fill.instrument)

    def _apply_outside(self, event: Outside, market: Market) -> None:
        """Book a trade that nobody here ordered; the account holds what it holds."""
        if event.episode == len(self.episodes):
            self._adopt(event, market)
        episode = self.account(event.episode)
        market.remember([event.instrument])
        episode.pending[event.order_id] = Order(event.order_id, event.episode, Purpose.OUTSIDE, ())
        self._apply_fill(episode, event, market)
        for option in [
            o for o, amount in episode.legs.items() if abs(amount) < DUST and len(episode.legs) > 1
        ]:
            del episode.legs[option]
        if episode.open and episode.is_flat:
            self._close_options(episode, event.ts_ns, LIQUIDATED if event.liquidation else CLOSED_OUTSIDE)

    def positions(self) -> dict[Instrument, float]:
        """Sum up what all open episodes hold, options and hedges, in the exchange's unit."""
        held: dict[Instrument, float] = {}
        for episode in self.open.values():
            hedge = episode.hedge
            for instrument, amount in (*episode.legs.items(), (hedge.instrument, hedge.amount)):
                held[instrument] = held.get(instrument, 0.0) + amount
        return {instrument: amount for instrument, amount in held.items() if amount}

    def shares(self, instrument: Instrument, amount: float) -> list[tuple[int, float]]:
        """Split a trade that nobody here ordered among the open episodes that hold its instrument.

        What reduces a position goes to whoever holds it, in turn; the rest to the first.

        Returns
        -------
        list of (int, float)
            Numbers of episodes and their signed parts; empty if none holds the instrument.
        """
        held = [(e.number, e.legs[instrument]) for e in self.open.values() if instrument in e.legs]
        held += [
            (e.number, e.hedge.amount)
            for e in self.hedged
            if e.hedge.instrument == instrument and (e.open or e.hedge.amount)
        ]
        if not held:
            return []
        left, parts = amount, {}
        for number, size in held:
            if size * left < 0:
                parts[number] = math.copysign(min(abs(size), abs(left)), left)
                left -= parts[number]
        if abs(left) > DUST:
            first = held[0][0]
            parts[first] = parts.get(first, 0.0) + left
        return list(parts.items())

    def _fill_option(self, episode: Episode, fill: Fill, purpose: Purpose, market: Market) -> None:
        option, paid = fill.instrument, fill.amount * fill.price
        assert isinstance(option, Option)
        episode.add(fill)
        episode.ledger.rate = market.index
        if self.financed_in_usd and purpose is Purpose.ENTRY and paid > 0:
            episode.ledger.post(fill.ts_ns, Account.CASH, Account.CAPITAL, paid, "premium financed in USD")
        episode.ledger.post(fill.ts_ns, Account.OPTIONS, Account.CASH, paid, "trade", option)
        episode.legs[option] = episode.legs.get(option, 0.0) + fill.amount
        if purpose is Purpose.EXIT and abs(episode.legs[option]) < DUST and len(episode.legs) > 1:
            del episode.legs[option]
        adopted = purpose is Purpose.OUTSIDE and self.episodes[fill.episode].adopted
        opens = adopted and fill.amount * episode.entered.get(option, fill.amount) > 0  # rather than closes
        if purpose is Purpose.ENTRY or opens:
            episode.premium += paid
            episode.entry_ns = episode.entry_ns or fill.ts_ns
            episode.entered[option] = episode.entered.get(option, 0.0) + fill.amount
        episode.ledger.post(fill.ts_ns, Account.FEES, Account.CASH, fill.fee, "fee", option)

    def _deliver(self, episode: Episode, event: Delivery, market: Market) -> None:
        ledger = episode.ledger
        expired = [option for option in episode.legs if option.expiry_ns == event.expiry_ns]
        if not expired:
            return
        ledger.rate = market.index
        for option in expired:
            amount = episode.legs[option]
            payoff = payoff_coin if option.settlement is Settlement.INVERSE else payoff_usd
            value = payoff(option, event.price)
            ledger.post(event.ts_ns, Account.CASH, Account.OPTIONS, amount * value, "delivery", option)
            if self.fees is not None:
                rates = self.fees.at(event.ts_ns)
                fee = float(delivery_fee(rates, option, amount, event.price, value))
                self._charge_delivery(episode, event, option, fee)
        episode.delivered[event.expiry_ns] = event.price
        if len(expired) == len(episode.legs):
            self._close_options(episode, event.ts_ns, DELIVERED)
        else:
            for option in expired:
                del episode.legs[option]
        hedge = episode.hedge
        if (
            type(hedge.instrument) is Future
            and hedge.amount
            and hedge.instrument.expiry_ns == event.expiry_ns
        ):
            self._deliver_future(episode, event)

    def _deliver_future(self, episode: Episode, event: Delivery) -> None:
        hedge, ledger = episode.hedge, episode.ledger
        amount = hedge.amount
        realised = hedge.trade(-amount, event.price)
        ledger.post(event.ts_ns, Account.CASH, Account.HEDGE_PNL, realised, "delivery", hedge.instrument)
        if self.fees is not None:
            rates = self.fees.at(event.ts_ns)
            fee = float(delivery_fee(rates, hedge.instrument, amount, event.price))
            self._charge_delivery(episode, event, hedge.instrument, fee)

    def _charge_delivery(self, episode: Episode, event: Delivery, what: Instrument, fee: float) -> None:
        episode.ledger.post(event.ts_ns, Account.FEES, Account.CASH, fee, "delivery fee", what)
        fees = episode.delivery_fees
        fees[event.expiry_ns] = fees.get(event.expiry_ns, 0.0) + fee

    def _close_options(self, episode: Episode, ts_ns: int, reason: str) -> None:
        episode.ledger.mark(ts_ns, Account.OPTIONS, Account.OPTION_PNL, 0.0, "options closed")
        episode.legs.clear()
        episode.close_ns, episode.close_reason = ts_ns, reason

    def settle_funding(self, episode: Episode, market: Now) -> None:
        """Pay the funding accrued so far and move the reading of the accumulator up."""
        owed = episode.hedge.accrued(market.interest)
        episode.ledger.post(market.ts_ns, Account.FUNDING, Account.CASH, owed, "funding")
        episode.hedge.interest = market.interest

    def true_up(self, episode: Episode, ts_ns: int, owed: float) -> None:
        """Pay what a closed episode owes beside the funding that was known when it traded."""
        episode.ledger.post(ts_ns, Account.FUNDING, Account.CASH, owed, "funding at final rates")
        episode.ledger.revalue(ts_ns, episode.ledger.rate)

    def hand_over(self, source: Episode, heir: Episode, market: Market) -> None:
        """Move a hedge to another episode at the mark, as a roll does: nothing is traded."""
        if source.hedge.instrument != heir.hedge.instrument:
            raise LedgerError(f"cannot hand {source.hedge.instrument.name} to {heir.hedge.instrument.name}")
        amount, price = source.hedge.amount, market.future_price(source.hedge.instrument)
        for episode, signed in ((source, -amount), (heir, amount)):
            self._transfer(episode, signed, price, 0.0, market)

    def _transfer(self, episode: Episode, amount: float, price: float, excess: float, market: Now) -> None:
        """Change a hedge at the mark, against another account."""
        name, instrument = f"{episode.number}-transfer-{market.ts_ns}", episode.hedge.instrument
        fill = Fill(market.ts_ns, name, episode.number, instrument, amount, price, price, 0.0)
        self._fill_hedge(episode, fill, excess, market)

    def finish(self, episode: Episode, market: Market) -> None:
        """Take a closed episode off the list of open ones, its cash at the rate of the moment."""
        episode.ledger.revalue(market.ts_ns, market.index)
        episode.end_ns = market.ts_ns
        del self.open[episode.number]

    def mark(self, episode: Episode, market: Market, values: dict[Option, float]) -> None:
        """Carry an open episode at marks (``values`` per coin of notional)."""
        ledger, ts = episode.ledger, market.ts_ns
        ledger.revalue(ts, market.index)
        self.settle_funding(episode, market)
        value = sum(amount * values[option] for option, amount in episode.legs.items())
        ledger.mark(ts, Account.OPTIONS, Account.OPTION_PNL, value, "options at mark")
        unrealised = episode.hedge.unrealised(market.future_price(episode.hedge.instrument))
        ledger.mark(ts, Account.HEDGE, Account.HEDGE_PNL, unrealised, "hedge at mark")
