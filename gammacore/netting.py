"""One hedge for all that is held, and how it is shared out among the episodes that it is for.

Real trades change the book. Each episode is hedged by itself at the mark at the moments when the book trades:
what the episodes offset is crossed among them for nothing, and the trade itself, with its price, fee
and rounding to lots, is shared by those who wanted it, in proportion to how much. What the book holds beyond
the episodes' hedges is the residual's. So amounts and profits of episodes and residual sum to the book's.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from gammacore.contracts import Future, Instrument, Option, Perpetual
from gammacore.episode import Capital, Episode, HedgePosition, Now
from gammacore.errors import LedgerError
from gammacore.events import Delivery, Event, Fill, Outside, Rejected
from gammacore.fees import FeeSchedule
from gammacore.ledger import UNIT, Account, Money, check_gap
from gammacore.market import Market
from gammacore.orders import BOOK, Purpose
from gammacore.portfolio import Portfolio
from gammacore.tolerances import DUST

__all__ = ["RESIDUAL", "NettedPortfolio", "Portion", "portions"]

RESIDUAL = -2  # stands for an episode's number


class Portion(NamedTuple):
    """What one account has of a trade.

    Attributes
    ----------
    number : int
        Of the episode, or `RESIDUAL`.
    traded : float
        Share of the trade, 0 to 1.
    crossed : float
        Amount taken from the others at the mark, in the contract's unit.
    excess : float
        Its share of what the rounding to lots added.
    """

    number: int
    traded: float
    crossed: float
    excess: float


def portions(amount: float, excess: float, wanted: Mapping[int, float]) -> list[Portion]:
    """Share a trade.

    Parameters
    ----------
    amount : float
        Of the order, signed, in the contract's unit; not 0.
    excess : float
        How much of it the rounding to lots added.
    wanted : mapping of int to float
        What each episode would trade by itself.

    Returns
    -------
    list of Portion
        Shares sum to 1, what is crossed to 0; the residual comes last and wants the rest of the amount.
    """
    asked = dict(wanted)
    asked[RESIDUAL] = amount - excess - sum(wanted.values())
    side = math.copysign(1.0, amount)
    same = {number: max(side * own, 0.0) for number, own in asked.items()}
    total = sum(same.values())
    if total == 0.0:  # nobody wanted it: the rounding made it
        same[RESIDUAL] = total = 1.0
    found = []
    for number, own in asked.items():
        traded = same[number] / total
        found.append(Portion(number, traded, own + traded * (excess - amount), traded * excess))
    return found


def _fees_of(fee: int, traded: Sequence[float]) -> list[int]:
    """Share a fee, in units, by what was traded; whoever traded most has what rounding leaves."""
    whole = math.fsum(traded)
    shares = [round(fee * own / whole) for own in traded]
    most = max(range(len(traded)), key=lambda at: abs(traded[at]))
    shares[most] += fee - sum(shares)
    return shares


class NettedPortfolio(Portfolio):
    """Episodes over one book.

    Attributes
    ----------
    book : Episode or None
        All that is held, with its hedge as it was traded; None before the first entry. Orders and fills of
        the hedge are its.
    residual : Episode or None
        The hedge beyond those of the episodes, and what it costs.
    wanted : dict of int to float
        What each episode would trade by itself: told before a fill of the book's hedge is applied.
    changed : bool
        Whether options came or went since the episodes were last hedged.
    overtaken : bool
        Whether they did while a hedge was on its way: it was decided for other options.
    """

    def __init__(self, fees: FeeSchedule | None = None, financed_in_usd: bool = False) -> None:
        super().__init__(fees, financed_in_usd)
        self.wanted: dict[int, float] = {}
        self.changed = self.overtaken = False
        self._portions: dict[str, tuple[float, list[Portion]]] = {}
        self._partly: dict[str, list[tuple[Fill, Purpose]]] = {}  # of options, orders not yet complete

    def begin(
        self,
        expiry_ns: int,
        hedge: Future | Perpetual,
        index: float,
        expiries: tuple[int, ...] | None = None,
    ) -> Episode:
        """Register an episode, and let the book hold what it is to hold."""
        episode = super().begin(expiry_ns, hedge, index, expiries)
        book = self._opened(hedge, index)
        book.expiries = tuple(sorted({*book.expiries, *episode.expiries}))
        return episode

    def _opened(self, hedge: Future | Perpetual, index: float) -> Episode:
        """Return the book; it begins with the first episode or hedge."""
        if self.book is None:
            self.book = Episode(BOOK, 0, HedgePosition(hedge), index, ())
            self.residual = Episode(RESIDUAL, 0, HedgePosition(hedge), index, ())
        if hedge != self.book.hedge.instrument:
            raise LedgerError(f"the book is hedged with {self.book.hedge.instrument.name}, not {hedge.name}")
        return self.book

    def apply(self, event: Event, market: Market) -> None:
        """Take over what the event says of our positions."""
        if isinstance(event, Outside) and event.episode == BOOK and not isinstance(event.instrument, Option):
            self._opened(event.instrument, market.index)
        super().apply(event, market)

    def account(self, number: int) -> Episode:
        """Return an open episode, or the book."""
        return self.book if number == BOOK and self.book is not None else self.open[number]

    def find(self, number: int) -> Episode | None:
        """Return that account, None if it is over."""
        return self.book if number == BOOK else self.open.get(number)

    @property
    def hedged(self) -> Collection[Episode]:
        """The book."""
        return () if self.book is None else (self.book,)

    @property
    def hedges(self) -> int:
        """How many hedges of the book were traded."""
        return 0 if self.book is None else self.book.hedges

    @property
    def traded(self) -> Sequence[Episode]:
        """The book: each real fill is in it."""
        return () if self.book is None else (self.book,)

    @property
    def accounts(self) -> Sequence[Episode]:
        """Episodes, and the residual once there is one."""
        return self.episodes if self.residual is None else [*self.episodes, self.residual]

    @property
    def hedged_with(self) -> Future | Perpetual:
        """Contract of the book's hedge."""
        assert self.book is not None
        return self.book.hedge.instrument

    # ------------------------------------------------------------- options

    def _fill_option(self, episode: Episode, fill: Fill, purpose: Purpose, market: Market) -> None:
        """Change an episode, and the book once all of the order is there: half of it is not hedged."""
        super()._fill_option(episode, fill, purpose, market)
        if episode is self.book:
            return
        self._partly.setdefault(fill.order_id, []).append((fill, purpose))
        if fill.last:
            self._complete(fill.order_id, market)

    def _complete(self, order_id: str, market: Market) -> None:
        whole = self.book
        assert whole is not None
        for fill, purpose in self._partly.pop(order_id, ()):
            before = whole.ledger.native_balance(Account.CAPITAL)
            super()._fill_option(whole, fill, purpose, market)
            financed = before - whole.ledger.native_balance(Account.CAPITAL)
            if financed:
                whole.put_in.append(Capital(fill.ts_ns, financed, market.index))
            option = fill.instrument
            assert isinstance(option, Option)
            if abs(whole.legs.get(option, 0.0)) < DUST:
                whole.legs.pop(option, None)
            self._changed(whole)
        assert self.residual is not None
        self.residual.entry_ns = whole.entry_ns

    def _apply_rejection(self, episode: Episode, event: Rejected, market: Market) -> None:
        super()._apply_rejection(episode, event, market)
        self._complete(event.order_id, market)

    def positions(self) -> dict[Instrument, float]:
        """Sum up what is held: options of the episodes, hedges of the book."""
        held: dict[Instrument, float] = {}
        options = [pair for episode in self.open.values() for pair in episode.legs.items()]
        hedges = [(account.hedge.instrument, account.hedge.amount) for account in self.hedged]
        for instrument, amount in (*options, *hedges):
            held[instrument] = held.get(instrument, 0.0) + amount
        return {instrument: amount for instrument, amount in held.items() if amount}

    def _apply_delivery(self, event: Delivery, market: Market) -> None:
        whole, residual = self.book, self.residual
        for order_id in list(self._partly):
            self._complete(order_id, market)
        super()._apply_delivery(event, market)
        if whole is None or residual is None:
            return
        for account in (*self.open.values(), residual):
            if event.expiry_ns not in account.delivered and event.ts_ns == event.expiry_ns:
                account.stops.append(event.expiry_ns)
        self._deliver(whole, event, market)
        charged = [e.delivery_fees.get(event.expiry_ns, 0.0) for e in self.open.values()]
        saved = sum(charged) - whole.delivery_fees.get(event.expiry_ns, 0.0)
        if abs(saved) > 0.5 * UNIT:  # options of two episodes that offset are not charged
            self._charge_delivery(residual, event, whole.hedge.instrument, -saved)
        self._changed(whole)

    def _changed(self, whole: Episode) -> None:
        """Let rules that count from the last hedge begin anew: what is to be hedged is another."""
        whole.last_hedge_ns, whole.last_hedge_price = 0, math.nan
        self.changed, self.overtaken = True, self.overtaken or bool(whole.pending)

    def _close_options(self, episode: Episode, ts_ns: int, reason: str) -> None:
        super()._close_options(episode, ts_ns, reason)
        if self.book is not None and episode is not self.book and not self.book.legs:
            super()._close_options(self.book, ts_ns, reason)

    # ------------------------------------------------------------- the hedge

    def _apply_fill(self, episode: Episode, fill: Fill, market: Market) -> None:
        order = episode.orders_with(fill.order_id)[fill.order_id]
        super()._apply_fill(episode, fill, market)
        if episode is not self.book:
            return
        if fill.order_id not in self._portions:
            whole = order.legs[0].amount if order.legs else fill.amount
            self._portions[fill.order_id] = whole, portions(whole, order.excess, self.wanted)
        self.share(fill, *self._portions[fill.order_id], market)
        self.changed = False
        if fill.last:
            del self._portions[fill.order_id]

    def cross(self, wanted: Mapping[int, float], market: Market) -> None:
        """Hedge the episodes at the mark, against the residual, when nothing is traded."""
        assert self.residual is not None
        price = market.future_price(self.hedged_with)
        for number, amount in wanted.items():
            if abs(amount) > DUST:
                for account, signed in ((self.open[number], amount), (self.residual, -amount)):
                    self._transfer(account, signed, price, 0.0, market)
        self.changed = False

    def share(self, fill: Fill, whole: float, shared: list[Portion], market: Now) -> None:
        """Book the parts that every account has of a fill of the book's hedge.

        Parameters
        ----------
        fill : Fill
        whole : float
            Amount of its order.
        shared : list of Portion
            Of the order.
        market : Now
        """
        rest, residual = shared[-1], self.residual
        assert residual is not None
        # Whoever has ended since the order was sent leaves its part to the residual, as dust is.
        traded, excess = rest.traded * fill.amount, rest.excess
        taken, left = [], fill.amount
        for portion in shared[:-1]:
            own, crossed = portion.traded * fill.amount, portion.crossed * fill.amount / whole
            if portion.number not in self.open:
                traded, excess = traded + own, excess + portion.excess
                continue
            if abs(own) <= DUST:
                traded, own = traded + own, 0.0
            crossed = 0.0 if abs(crossed) <= DUST else crossed
            taken.append((self.open[portion.number], (own, crossed), portion.excess))
            left -= own + crossed
        taken.append((residual, (traded, left - traded), excess))
        fees = _fees_of(round(fill.fee / UNIT), [own for _, (own, _), _ in taken])
        for (episode, amounts, more), fee in zip(taken, fees, strict=True):
            self._take(episode, fill, amounts, fee * UNIT, more, market)
            episode.hedges += fill.last and episode is not residual

    def _take(
        self,
        episode: Episode,
        fill: Fill,
        amounts: tuple[float, float],
        fee: float,
        excess: float,
        market: Now,
    ) -> None:
        """Book what was traded for an account, and what it crossed with the others."""
        traded, crossed = amounts
        if traded:
            part = Fill(
                fill.ts_ns,
                fill.order_id,
                episode.number,
                fill.instrument,
                traded,
                fill.price,
                fill.mark,
                fee,
                fill.last,
                fill.maker,
            )
            super()._fill_hedge(episode, part, excess, market)
        if crossed:
            self._transfer(episode, crossed, fill.mark, excess, market)

    def retire(self, episode: Episode, market: Market) -> None:
        """End an episode whose options are gone: its hedge is crossed with the residual at the mark."""
        assert self.residual is not None
        if episode.hedge.amount:
            self.hand_over(episode, self.residual, market)
        self.finish(episode, market)
        self._leave(episode, episode.ledger.native_balance(Account.CASH))

    def true_up(self, episode: Episode, ts_ns: int, owed: float) -> None:
        """Pay what an episode owes beside the funding that was known; one that has ended had left more."""
        super().true_up(episode, ts_ns, owed)
        if episode.end_ns:
            self._leave(episode, -owed)

    def _leave(self, episode: Episode, amount: float) -> None:
        """Hold on what an episode leaves in cash: in the other currency it goes with the rate."""
        residual = self.residual
        assert residual is not None
        at, rate, residual.ledger.rate = episode.end_ns, residual.ledger.rate, episode.ledger.rate
        memo = f"of episode {episode.number}"
        residual.ledger.post(at, Account.CASH, Account.CAPITAL, amount, memo)
        residual.put_in.append(Capital(at, amount, episode.ledger.rate))
        residual.ledger.revalue(at, rate if rate > 0 else episode.ledger.rate)

    # ------------------------------------------------------------- sums

    def square(self, ts_ns: int) -> None:
        """Let the residual have what the rounding of ledgers leaves: the parts sum to the book exactly.

        Raises
        ------
        LedgerError
            If rounding cannot explain it.
        """
        assert self.book is not None
        assert self.residual is not None
        gap, ledgers = self.gap(), [account.ledger for account in (*self.episodes, self.residual, self.book)]
        postings = sum(ledger.roundings for ledger in ledgers)
        check_gap(self.book.ledger, gap, postings, "episodes and residual sum to the book")
        self.residual.ledger.round_off(ts_ns, gap, postings)

    def gap(self) -> Money:
        """Take the profits of episodes and residual off the book's: what the rounding of ledgers leaves."""
        assert self.book is not None
        assert self.residual is not None
        parts = [episode.ledger.profit() for episode in (*self.episodes, self.residual)]
        whole = self.book.ledger.profit()
        return Money(*(math.fsum([one, *(-part[i] for part in parts)]) for i, one in enumerate(whole)))
