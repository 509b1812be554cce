"""What a session asks the exchange for as time goes by: chains, positions, locks, delivery prices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

import msgspec

from gammacore.daycount import NS_PER_DAY, NS_PER_SECOND, format_time
from gammacore.deribit import methods as m
from gammacore.deribit.channels import LOCKS
from gammacore.deribit.history import Deliveries
from gammacore.deribit.market import PUBLIC_METHODS
from gammacore.deribit.news import LockNews, PlatformNews, StatusNews, SummaryRow, TickerNews
from gammacore.events import Delivery, Event

from .asked import Asked, Question
from .audit import Audit, Moved
from .parts import Parts
from .risk_manager import ACCOUNT, MAINTENANCE, Mode

RETRY_NS = 5 * NS_PER_SECOND  # of questions for locks and delivery prices
MAINTENANCE_NS = 600 * NS_PER_SECOND  # from its announcement to a new connection
PUBLISHED_NS = 10 * NS_PER_SECOND  # after an expiry, before its price is asked for
MOST_PRICES = 1_000  # days of delivery prices in an answer
AHEAD_NS = 60 * NS_PER_SECOND  # of our time, from which a time cannot be true
Take = Callable[[Event], None]


class ChainLook:
    """Asks for the whole chain, at which the desk may enter, and its rules may close.

    Parameters
    ----------
    parts : Parts
    asked : Asked
    take : callable(Event)
    now_ns : callable() -> int
    every_ns : int
    adopts : callable() -> bool
        Whether positions wait for a chain to be taken over at.
    """

    def __init__(
        self,
        parts: Parts,
        asked: Asked,
        take: Take,
        now_ns: Callable[[], int],
        every_ns: int,
        adopts: Callable[[], bool] = lambda: False,
    ) -> None:
        self._adopts = adopts
        self._feed, self._desk, self._risk = parts.feed, parts.desk, parts.risk
        self._take, self._now_ns, self._every_ns = take, now_ns, every_ns
        self._due_ns = self._paused_ns = 0
        self._question = Question(asked, m.GET_BOOK_SUMMARY_BY_CURRENCY, self._told)

    def pause(self, until_ns: int) -> None:
        """Enter nothing before a moment."""
        self._paused_ns = until_ns

    def tick(self, now_ns: int) -> None:
        """Ask if that is due, and the desk might enter or its rules look at what it holds."""
        if now_ns >= self._due_ns and self._wanted(now_ns) and not self._question.under_way:
            self._due_ns = now_ns + self._every_ns
            self._question.ask(currency=self._feed.currency, kind="option")

    def _told(self, rows: Sequence[SummaryRow]) -> None:
        now_ns = self._now_ns()
        event = self._feed.chain([row for row in rows if row.ts_ns <= now_ns + AHEAD_NS])
        if event is None or not self._wanted(now_ns):
            return
        if not self._enters(now_ns):  # what is held may have to be closed
            event = msgspec.structs.replace(event, entries=False)
        self._take(event)

    def _enters(self, now_ns: int) -> bool:
        return self._risk.mode is Mode.NORMAL and now_ns >= self._paused_ns

    def _wanted(self, now_ns: int) -> bool:
        desk = self._desk
        looks = desk.leaving.active and bool(desk.portfolio.open) and self._risk.mode is not Mode.HALT
        return not desk.closing and (self._enters(now_ns) or looks or self._adopts())


class Locks:
    """Knows what is locked: by news, and by asking while anything is locked or no news are granted.

    Parameters
    ----------
    parts : Parts
    asked : Asked
    """

    def __init__(self, parts: Parts, asked: Asked) -> None:
        self._risk, self._session = parts.risk, parts.session
        self._coin, self._currency = parts.feed.base.lower(), parts.feed.currency
        self._asked_ns = self._maintenance_ns = 0
        self._missing: set[str] = set()
        self._question = Question(asked, m.STATUS, self.told)
        self._account = Question(asked, m.GET_USER_LOCKS, self._account_told)

    def ask(self) -> None:
        """Ask what is locked."""
        self._question.ask()

    def tick(self, now_ns: int) -> None:
        """Ask again while something is locked: the message that it is open may name another, or be lost."""
        self._outlast_maintenance(now_ns)
        if now_ns < self._asked_ns + RETRY_NS:
            return
        missing, self._missing = self._missing, set()
        if missing:
            self._session.subscribe(sorted(missing))
        if missing or self._risk.is_locked:
            self._asked_ns = now_ns
            self.ask()
        if self._risk.account_locked:
            self._asked_ns = now_ns
            self._account.ask()

    def _outlast_maintenance(self, now_ns: int) -> None:
        """Make a new connection long after maintenance was announced: only that tells whether it is over."""
        if not self._risk.maintenance:
            self._maintenance_ns = 0
        elif not self._maintenance_ns:
            self._maintenance_ns = now_ns
        elif now_ns - self._maintenance_ns > MAINTENANCE_NS:
            self._maintenance_ns = now_ns
            self._session.drop("maintenance was announced and did not end the connection")

    def missing(self, channels: Collection[str], now_ns: int) -> None:
        """Take note of channels of locks that were not granted: they are asked for again after a while."""
        if found := set(channels) & LOCKS:
            self._missing |= found
            self._asked_ns = now_ns

    def told(self, news: StatusNews) -> None:
        """Take the whole state; what is not among it is open."""
        self._risk.only_locked([*news.indices, *(["exchange"] if news.locked else [])])
        if news.locked:
            self._locked("", True)
        for index in news.indices:
            self._locked(index, True)

    def changed(self, news: PlatformNews) -> None:
        """Take one change."""
        if news.maintenance or not (news.index or news.locked):
            self._risk.locked(MAINTENANCE, news.maintenance)
        if news.locked or (news.index and not news.maintenance):
            self._locked(news.index, news.locked)

    def account(self, news: LockNews) -> None:
        """Take the lock of our account in a currency; others than ours do not matter."""
        if news.currency.upper() in ("ALL", self._currency):
            self._risk.locked(f"{ACCOUNT} {news.currency}", news.locked)

    def _account_told(self, locks: Iterable[LockNews]) -> None:
        """Take all locks of our account."""
        if not any(lock.locked and lock.currency.upper() in ("ALL", self._currency) for lock in locks):
            self._risk.account_open()

    def _locked(self, index: str, locked: bool) -> None:
        if not index or index == PUBLIC_METHODS or index.lower().split("_")[0] == self._coin:
            self._risk.locked(index or "exchange", locked)


class QuietMarket:
    """Asks for the price of the perpetual where none comes.

    The exchange sends a ticker when something in it changes. Where it answers with the prices that we have,
    they were not old when we asked; where it answers with others, we are not told what we should be.

    Parameters
    ----------
    parts : Parts
    asked : Asked
    """

    def __init__(self, parts: Parts, asked: Asked) -> None:
        self._feed, self._risk = parts.feed, parts.risk
        self._asked_ns = 0
        self._question = Question(asked, m.TICKER, self._told)

    def tick(self, now_ns: int) -> None:
        """Ask in time for the answer to come before the price is stale."""
        since_ns = max(self._risk.heard_ns, self._asked_ns)
        known = self._feed.perpetual in self._feed.tickers
        if known and now_ns - since_ns > self._risk.guards.stale_ns // 2 and not self._question.under_way:
            self._asked_ns = now_ns
            self._question.ask(instrument_name=self._feed.perpetual.name)

    def _told(self, news: TickerNews) -> None:
        known = self._feed.tickers[self._feed.perpetual]
        if _traded_at(news) == _traded_at(known):
            self._risk.unchanged(self._asked_ns)


def _traded_at(news: TickerNews) -> tuple[str, ...]:
    """State and prices as text, in which a missing one equals another."""
    return news.state, str(news.mark), str(news.bid), str(news.ask)


class DeliveryPrices:
    """Asks for the price of what has expired, until it is published.

    Parameters
    ----------
    parts : Parts
    asked : Asked
    take : callable(Event)
    now_ns : callable() -> int
    """

    def __init__(self, parts: Parts, asked: Asked, take: Take, now_ns: Callable[[], int]) -> None:
        self._feed, self._desk, self._take, self._now_ns = parts.feed, parts.desk, take, now_ns
        self._asked_ns = 0
        self._question = Question(asked, m.GET_DELIVERY_PRICES, self._told)

    def tick(self, now_ns: int) -> None:
        """Ask if an expiry is over, and its price may be there."""
        over = [ts for ts in self._held() if ts + PUBLISHED_NS <= now_ns]
        if over and now_ns >= self._asked_ns + RETRY_NS:
            self._asked_ns = now_ns
            days = (now_ns - min(over)) // NS_PER_DAY + 2  # the newest come first
            self._question.ask(index_name=self._feed.delivery_index, count=min(days, MOST_PRICES))

    def _held(self) -> set[int]:
        """Expiries of what is held."""
        return {option.expiry_ns for e in self._desk.portfolio.open.values() for option in e.legs}

    def _told(self, deliveries: Deliveries) -> None:
        prices, now_ns = deliveries.prices, self._now_ns()
        for expiry_ns in sorted(ts for ts in self._held() if ts <= now_ns):
            price = prices.get(format_time(expiry_ns)[:10])
            if price is not None:
                self._take(Delivery(now_ns, expiry_ns, price))


class Timing(msgspec.Struct, frozen=True):
    """Intervals of a session; when its journal knew the account last (0: not yet), and moves in it."""

    chain_ns: int
    audit_ns: int
    known_ns: int = 0
    moves: tuple[int, ...] = ()


class Questions:
    """All of them.

    Parameters
    ----------
    parts : Parts
    asked : Asked
    take : callable(Event)
    now_ns : callable() -> int
    timing : Timing
    adopts : callable() -> bool
        See :class:`ChainLook`.
    moved : callable
        See :class:`.audit.Audit`.
    """

    def __init__(
        self,
        parts: Parts,
        asked: Asked,
        take: Take,
        now_ns: Callable[[], int],
        timing: Timing,
        *,
        moved: Moved,
        adopts: Callable[[], bool] = lambda: False,
    ) -> None:
        self.locks = Locks(parts, asked)
        self.quiet = QuietMarket(parts, asked)
        self.prices = DeliveryPrices(parts, asked, take, now_ns)
        self.chain = ChainLook(parts, asked, take, now_ns, timing.chain_ns, adopts)
        self.audit = Audit(parts, asked, now_ns, timing.audit_ns, moved, timing.known_ns, timing.moves)

    def tick(self, now_ns: int, *, stopping: bool) -> None:
        """Ask what is due; no chain while the session ends."""
        self.prices.tick(now_ns)
        if not stopping:
            self.chain.tick(now_ns)
        self.audit.tick(now_ns)
        self.locks.tick(now_ns)
        self.quiet.tick(now_ns)
