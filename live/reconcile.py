"""What we have at the exchange, asked for anew after every connection.

Like the protocol without I/O. While answers are under way, news of orders, trades, positions and accounts
are held back; :meth:`Reconciliation.finish` gives one :class:`Reconciled` and then what it does not cover
already, each trade once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gammacore.daycount import NS_PER_MINUTE, NS_PER_SECOND
from gammacore.deribit import methods as m
from gammacore.deribit.methods import Method
from gammacore.deribit.news import AccountNews, OrderNews, OrderState, PositionNews, TradeNews, TradesPage

from .news import Answered, Expired, Lost, News, Reconciled, Refused, why_unanswered
from .protocol import DeribitProtocol

OVERLAP_NS = 300 * NS_PER_SECOND  # of two questions for trades
MOST_SEEN = 100_000
LIVE = (OrderState.OPEN, OrderState.UNTRIGGERED, OrderState.SPEED_BUMPED)


class Seen:
    """Trades handed over already, by their ids: the latest hundred thousand.

    Parameters
    ----------
    ids : iterable of str
    """

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._ids = dict.fromkeys(ids)

    def add(self, trade_id: str) -> bool:
        """Note a trade; whether it is new."""
        if trade_id in self._ids:
            return False
        if len(self._ids) >= MOST_SEEN:
            del self._ids[next(iter(self._ids))]
        self._ids[trade_id] = None
        return True


class Reconciliation:
    """One round of questions.

    Parameters
    ----------
    protocol : DeribitProtocol
        Ready.
    currencies : sequence of str
        Settlement currencies whose accounts and trades are asked for.
    since_ns : int
        Trades from then on, by the exchange's time.
    seen : Seen
    now_ns : int
    tell_trades : bool
        Off: note the trades found as seen, and tell none of them.
    """

    def __init__(
        self,
        protocol: DeribitProtocol,
        currencies: Sequence[str],
        since_ns: int,
        seen: Seen,
        now_ns: int,
        *,
        tell_trades: bool = True,
    ) -> None:
        self.failure = ""
        self._protocol = protocol
        self._seen = seen
        self._tell_trades = tell_trades
        self._held: list[News] = []
        self._marks: dict[type, int] = {}  # how much was held when the answer came
        self._orders: tuple[OrderNews, ...] = ()
        self._positions: tuple[PositionNews, ...] = ()
        self._accounts: list[AccountNews] = []
        self._trades: dict[str, TradeNews] = {}
        self._pages: dict[int, tuple[str, int, bool]] = {}
        self._asked: set[int] = set()
        self._ask(m.GET_OPEN_ORDERS, {}, now_ns)
        self._ask(m.GET_POSITIONS, {"currency": "any"}, now_ns)
        for currency in currencies:
            self._ask(m.GET_ACCOUNT_SUMMARY, {"currency": currency, "extended": True}, now_ns)
            for historical in (True, False):  # recent trades and older ones are kept apart
                self._ask_page(currency, since_ns, historical, now_ns)

    def _ask(self, method: Method[Any], params: dict[str, object], now_ns: int) -> int:
        id_ = self._protocol.request(method, params, now_ns)
        self._asked.add(id_)
        return id_

    def _ask_page(self, currency: str, since_ns: int, historical: bool, now_ns: int) -> None:
        skew_ns = int(self._protocol.skew_s * NS_PER_SECOND)  # times are the exchange's
        until_ns = now_ns + skew_ns + NS_PER_MINUTE
        params = m.trades_between(since_ns, until_ns, historical=historical, currency=currency)
        id_ = self._ask(m.GET_USER_TRADES_BY_CURRENCY_AND_TIME, params, now_ns)
        self._pages[id_] = (currency, since_ns, historical)

    @property
    def done(self) -> bool:
        """Whether every question is answered."""
        return not self._asked

    def take(self, news: News, now_ns: int) -> bool:
        """Take an answer in, or hold news back; False if they are not for this."""
        if isinstance(news, Answered | Refused | Expired | Lost):
            if news.id not in self._asked:
                return False
            self._asked.discard(news.id)
            if isinstance(news, Answered):
                self._learn(news, now_ns)
            else:
                self.failure = f"{news.method}: {why_unanswered(news)}"
            return True
        if isinstance(news, OrderNews | TradeNews | PositionNews | AccountNews):
            self._held.append(news)
            return True
        return False

    def _learn(self, news: Answered, now_ns: int) -> None:
        result = news.result
        if isinstance(result, TradesPage):
            self._learn_page(news.id, result, now_ns)
        elif isinstance(result, AccountNews):
            self._accounts.append(result)
            self._marks[AccountNews] = len(self._held)
        elif news.method == m.GET_POSITIONS.name:
            self._positions = result
            self._marks[PositionNews] = len(self._held)
        else:
            self._orders = result
            self._marks[OrderNews] = len(self._held)

    def _learn_page(self, id_: int, page: TradesPage, now_ns: int) -> None:
        currency, since_ns, historical = self._pages.pop(id_)
        self._trades.update((trade.trade_id, trade) for trade in page.trades)
        if page.has_more and page.trades:
            last = max(trade.ts_ns for trade in page.trades)
            if last <= since_ns:  # a whole page in one millisecond: the rest of it cannot be asked for
                self.failure = f"more than {m.MOST_TRADES} trades at {last}"
            else:  # many trades share a millisecond: ask from it again
                self._ask_page(currency, last, historical, now_ns)

    def finish(self, now_ns: int) -> list[News]:
        """Return the outcome, then the news that came meanwhile and say more than it."""
        trades = sorted(self._trades.values(), key=lambda trade: (trade.ts_ns, trade.trade_seq))
        earlier: tuple[str, ...] = ()
        if not self._tell_trades:  # the positions include them, but for those that were news later
            since = self._marks.get(PositionNews, 0)
            later = {news.trade_id for news in self._held[since:] if isinstance(news, TradeNews)}
            earlier = self._note_earlier(trades, later)
            trades = []
        fresh = tuple(trade for trade in trades if self._seen.add(trade.trade_id))
        found = Reconciled(now_ns, self._orders, fresh, self._positions, tuple(self._accounts), earlier)
        return [found, *(news for at, news in enumerate(self._held) if self._says_more(news, at))]

    def _note_earlier(self, trades: list[TradeNews], later: set[str]) -> tuple[str, ...]:
        """Note trades as seen that the positions include; returns their ids."""
        held = [news.trade_id for news in self._held if isinstance(news, TradeNews)]
        earlier = tuple(dict.fromkeys(i for i in [*(t.trade_id for t in trades), *held] if i not in later))
        for trade_id in earlier:
            self._seen.add(trade_id)
        return earlier

    def _says_more(self, news: News, at: int) -> bool:
        if isinstance(news, TradeNews):
            return self._seen.add(news.trade_id)
        later = at >= self._marks.get(type(news), 0)
        # An order's end stays true; that it was open before the answer does not.
        return later or (isinstance(news, OrderNews) and news.state not in LIVE)


class Reconciler:
    """Reconciles one connection after the other.

    Parameters
    ----------
    currencies : sequence of str
        Settlement currencies of our positions.
    since_ns : int, optional
        Trades from then on are told (exchange's time); by default those after the first connection.
    known : iterable of str
        Ids of trades that were handled already.

    Attributes
    ----------
    seen : Seen
    """

    def __init__(self, currencies: Sequence[str], since_ns: int | None, known: Iterable[str]) -> None:
        self.seen = Seen(known)
        self._currencies, self._since_ns = tuple(currencies), since_ns
        self._round: Reconciliation | None = None
        self._skew_ns = 0

    @property
    def failure(self) -> str:
        """Why the present round has failed; empty if it has not."""
        return "" if self._round is None else self._round.failure

    def begin(self, protocol: DeribitProtocol, now_ns: int) -> None:
        """Ask everything anew."""
        self._skew_ns = int(protocol.skew_s * NS_PER_SECOND)
        fresh = self._since_ns is None
        since_ns = now_ns + self._skew_ns - OVERLAP_NS if fresh else self._since_ns or 0
        # A fresh session is not told of older trades, but notes them: clocks differ.
        self._round = Reconciliation(
            protocol, self._currencies, since_ns, self.seen, now_ns, tell_trades=not fresh
        )

    def take(self, news: News, now_ns: int) -> bool:
        """Take an answer in, or hold news back; False if they are not for this."""
        return self._round is not None and self._round.take(news, now_ns)

    def finished(self, now_ns: int) -> list[News] | None:
        """Return the outcome once every question is answered, None before."""
        if self._round is None or not self._round.done:
            return None
        found, self._round = self._round.finish(now_ns), None
        self._since_ns = max(self._since_ns or 0, now_ns + self._skew_ns - OVERLAP_NS)
        return found

    def drop(self) -> None:
        """Give the present round up."""
        self._round = None
