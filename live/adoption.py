"""Takes positions of the account's holder over: they are hedged from then on, and never traded.

What other sessions of gammacore hold on the account is told by the labels of its trades, which are asked for
once, before anything is taken over. What cannot be told halts, with what to do about it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable

from gammacore.contracts import Option, Perpetual, parse
from gammacore.daycount import NS_PER_DAY, NS_PER_MINUTE
from gammacore.deribit import methods as m
from gammacore.deribit.news import PositionNews, TradeNews, TradesPage
from gammacore.events import Event, Outside
from gammacore.orders import BOOK, Purpose, order_id_of
from gammacore.tolerances import DUST

from .asked import Asked
from .bookings import Take
from .parts import Parts
from .positions import Survey, TakenOver, is_future, reduction
from .selection import session_of

HISTORY_NS = 500 * NS_PER_DAY  # options are listed for a year and a quarter at most
log = logging.getLogger("gammacore.live")


class Adoption:
    """What is to be taken over, and when.

    Parameters
    ----------
    parts : Parts
    asked : Asked
    take : callable(event, fact)
    now_ns : callable() -> int
    """

    def __init__(self, parts: Parts, asked: Asked, take: Take, now_ns: Callable[[], int]) -> None:
        self._desk, self._positions, self._journal = parts.desk, parts.positions, parts.journal
        self._risk, self._own = parts.risk, parts.execution.session
        self._currency, self._perpetual = parts.feed.currency, parts.feed.perpetual
        self._asked, self._take, self._now_ns = asked, take, now_ns
        self._averages: dict[str, float] = {}
        self._trades: dict[str, TradeNews] = {}  # of the account, while it is surveyed
        self._under_way: set[int] = set()
        self._asking, self._since_ns = False, 0

    @property
    def active(self) -> bool:
        """Whether anything is ever taken over."""
        return self._positions.selection is not None

    @property
    def _surveyed(self) -> bool:
        return self._positions.shares.surveyed

    # ------------------------------------------------------------- news

    def reconciled(self, positions: Iterable[PositionNews]) -> None:
        """Learn what positions cost; ask whose they are, unless that is known."""
        if not self.active:
            return
        named = [p for p in positions if not isinstance(p.instrument, str)]
        self._averages.update((p.instrument.name, p.average_price) for p in named)  # type: ignore[union-attr]
        self._asking, self._under_way = False, set()  # questions of another connection are gone
        self._since_ns = self._now_ns()
        if not self._surveyed:
            self._asking = True
            for historical in (True, False):  # recent trades and older ones are kept apart
                self._ask(self._now_ns() - HISTORY_NS, historical=historical)

    def traded(self, news: TradeNews) -> None:
        """Learn of a trade that nobody here ordered."""
        if self.active and not self._surveyed:
            self._trades[news.trade_id] = news
        if self.active and not isinstance(news.instrument, str):
            self._averages.setdefault(news.instrument.name, news.price)

    # ------------------------------------------------------------- whose positions are

    def _ask(self, since_ns: int, *, historical: bool) -> None:
        until_ns = self._now_ns() + NS_PER_MINUTE
        params = m.trades_between(since_ns, until_ns, historical=historical, currency=self._currency)

        def told(page: TradesPage) -> None:
            self._under_way.discard(id_)
            self._page(page, since_ns, historical=historical)

        id_ = self._asked.ask(m.GET_USER_TRADES_BY_CURRENCY_AND_TIME, params, told)
        self._under_way.add(id_)

    def _page(self, page: TradesPage, since_ns: int, *, historical: bool) -> None:
        self._trades.update((trade.trade_id, trade) for trade in page.trades)
        if page.has_more and page.trades:
            last = max(trade.ts_ns for trade in page.trades)
            self._ask(last if last > since_ns else last + 1_000_000, historical=historical)

    def _answered(self) -> bool:
        """Whether all trades are known; a question without an answer is asked again."""
        if self._under_way and not any(map(self._asked.waits, self._under_way)):
            self.reconciled(())
        return self._asking and not self._under_way

    def _survey(self) -> None:
        """Find what of the holder's is not to be taken over, from the labels of all trades."""
        apart, hedges = self._divided()
        selection, shares = self._positions.selection, self._positions.shares
        price = self._perpetual.name
        assert selection is not None
        for session, amount in hedges.items():
            if selection.futures:
                apart[price] = apart.get(price, 0.0) - amount
                continue
            told = (
                f"session {session} left a hedge of {amount:+,g} {price} and no options, so what it hedges "
                "is unclear; resume its journal, or end it and adopt its hedge with --futures "
                "(live.adopt_futures)"
            )
            self._risk.latch("adoption", told)
            return
        dated = [n for n in shares.names if abs(shares.total(n)) > DUST and is_future(n)]
        if dated:  # nobody knows what they hedge
            log.warning("the delta of dated futures is not hedged", extra={"held": ", ".join(dated)})
        fact = Survey(self._now_ns(), {name: size for name, size in apart.items() if abs(size) > DUST})
        shares.note(fact)
        self._journal.told(fact)
        self._trades.clear()
        log.info("surveyed", extra={"apart": len(fact.apart), "adopted": len(self._positions.waiting())})

    def _divided(self) -> tuple[dict[str, float], dict[str, float]]:
        """Find what is apart, by instrument, and hedges of sessions that hold no options, by session."""
        selection, shares = self._positions.selection, self._positions.shares
        assert selection is not None
        free: dict[str, float] = {}
        apart: dict[str, float] = {}
        sessions: dict[str, dict[str, float]] = {}
        for trade in sorted(self._trades.values(), key=lambda t: (t.ts_ns, t.trade_seq)):
            if isinstance(trade.instrument, str):
                continue
            name, session = trade.instrument.name, session_of(trade.label)
            if session == self._own:
                continue
            if session:
                held = sessions.setdefault(session, {})
                held[name] = held.get(name, 0.0) + trade.amount
            left = trade.amount
            if not session and selection.asks(trade.label):  # as Positions.divide does with later ones
                part = reduction(left, free.get(name, 0.0)) if abs(apart.get(name, 0.0)) > DUST else left
                free[name], left = free.get(name, 0.0) + part, left - part
            apart[name] = apart.get(name, 0.0) + left
        held_there = {name for name in shares.names if abs(shares.total(name)) > DUST}
        if selection.labels:  # what no trade tells of was not opened by such a label
            for name in held_there:
                apart[name] = shares.total(name) - _within(free.get(name, 0.0), shares.total(name))
        return {n: size for n, size in apart.items() if n in held_there}, self._bare(sessions, held_there)

    def _bare(self, sessions: dict[str, dict[str, float]], names: set[str]) -> dict[str, float]:
        found = {}
        for session, held in sessions.items():
            hedge = held.get(self._perpetual.name, 0.0)
            options = any(abs(s) > DUST and "-PERPETUAL" not in n and n in names for n, s in held.items())
            if abs(hedge) > DUST and not options:
                found[session] = hedge
        return found

    # ------------------------------------------------------------- taking over

    def tick(self) -> None:
        """Take over what is known and has a price."""
        if not self.active or not self._desk.market.index > 0:
            return
        if not self._surveyed:
            if self._answered() and "adoption" not in self._risk.causes:
                self._survey()
            return
        book = self._desk.portfolio.book
        if book is not None and book.open and "orphan" in self._risk.causes:
            self._risk.lift("orphan")
        waiting = self._positions.waiting() if self._desk.market.chain_ts_ns >= self._since_ns else {}
        for name, size in sorted(waiting.items(), key=lambda item: item[0] == self._perpetual.name):
            instrument = parse(name)
            if isinstance(instrument, Option):
                if self._desk.market.prices(instrument):
                    number = self._desk.portfolio.adopter(instrument)
                    self._take_over(instrument, size, number)
            elif isinstance(instrument, Perpetual) and book is not None:
                self._take_over(instrument, size, BOOK)

    @property
    def waits(self) -> bool:
        """Whether chains are needed to take over what waits."""
        return self.active and (not self._surveyed or bool(self._positions.waiting()))

    def asks(self) -> bool:
        """Say the same to who asks for chains."""
        return self.waits

    def _take_over(self, instrument: Option | Perpetual, size: float, number: int) -> None:
        now_ns, market = self._desk.next_ns(self._now_ns()), self._desk.market
        option = isinstance(instrument, Option)
        mark = market.model_mark(instrument, now_ns) if option else market.future_price(instrument)  # type: ignore[arg-type]
        selection, average = self._positions.selection, self._averages.get(instrument.name, math.nan)
        price = average if selection is not None and selection.average and average > 0 else mark
        fact = TakenOver(now_ns, instrument.name, size, price)
        name = order_id_of(number, Purpose.OUTSIDE, f"{instrument.name}@{now_ns}")
        event: Event = Outside(now_ns, name, number, instrument, size, price, mark, 0.0)
        self._positions.shares.note(fact)
        log.info("adopted", extra={"instrument": instrument.name, "amount": size, "price": price})
        self._take(event, fact)


def _within(part: float, whole: float) -> float:
    """Part of a position that is not more than it, nor on its other side."""
    return math.copysign(min(abs(part), abs(whole)), whole) if part * whole > 0 else 0.0
