"""Orders that are never sent: filled on paper at the quotes that are seen, for dry runs and shadows.

Stands between a hedger and its session. A taker fills whole at the other side's best price if its limit
allows, what rests fills once the other side reaches its price; there is no depth and no queue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Any, Unpack

import msgspec

from gammacore.deribit import methods as m
from gammacore.deribit.frames import OrderOptions
from gammacore.deribit.methods import Method
from gammacore.deribit.news import OrderAnswer, OrderNews, OrderState, TickerNews, TradeNews, TradesPage
from gammacore.deribit.units import NAN, Instrument
from gammacore.errors import SessionError
from gammacore.execution.quotes import Tradable
from gammacore.fees import DERIBIT, FeeSchedule

from .charged import published_fee
from .news import Answered, News, Reconciled, State, StateChanged
from .parts import Session

FIRST_ID = 1 << 40  # of requests that go nowhere, apart from those that are sent


class Paper:
    """A session for a hedger, and the handler of the real one.

    Parameters
    ----------
    session : Session
        For market data.
    hedger : callable() -> handler
        Who is told; a function, as the hedger needs its session first.
    alone : bool
        Whether the real session has no account, so that nothing is reconciled.
    adopts : bool
        Whether the account's own positions are hedged, on paper.
    schedule : FeeSchedule
        What fills are charged.
    """

    def __init__(
        self,
        session: Session,
        hedger: Callable[[], Any],
        *,
        alone: bool,
        adopts: bool = False,
        schedule: FeeSchedule = DERIBIT,
    ) -> None:
        self._session, self._hedger, self._alone, self._adopts = session, hedger, alone, adopts
        self._schedule = schedule
        self._ids = count(FIRST_ID)
        self._numbers = count(session.now_ns())  # other than those of a process before: its trades are known
        self._orders: dict[str, OrderNews] = {}  # by label, the last state of each
        self._open: dict[str, OrderNews] = {}  # by id
        self._trades: dict[str, list[TradeNews]] = {}
        self._quotes: dict[Tradable, TickerNews] = {}
        self._answers: list[News] = []

    # ------------------------------------------------------------- handler

    def on_news(self, news: News) -> None:
        """Pass news on; a quote may fill what rests."""
        if isinstance(news, TickerNews) and not isinstance(news.instrument, str):
            self._quotes[news.instrument] = news
            for order in [o for o in self._open.values() if o.instrument == news.instrument]:
                self._fill_resting(order, news)
        if isinstance(news, Reconciled):  # the account's own orders and positions are the holder's
            positions = news.positions if self._adopts else ()
            news = Reconciled(news.ts_ns, (), news.trades, positions, news.accounts, news.earlier)
        self._hedger().on_news(news)
        if self._alone and isinstance(news, StateChanged) and news.after is State.READY:
            self._hedger().on_news(Reconciled(news.ts_ns, (), (), (), ()))
        self._tell()

    def on_idle(self) -> None:
        """Pass on."""
        self._hedger().on_idle()

    def on_tick(self, now_ns: int) -> None:
        """Pass on."""
        self._tell()
        self._hedger().on_tick(now_ns)

    def _tell(self) -> None:
        while self._answers:
            self._hedger().on_news(self._answers.pop(0))

    # ------------------------------------------------------------- session

    @property
    def skew_s(self) -> float:
        """Of the real one."""
        return self._session.skew_s

    def now_ns(self) -> int:
        """Time of the real one."""
        return self._session.now_ns()

    def drop(self, reason: str) -> None:
        """End the real connection."""
        self._session.drop(reason)

    def subscribe(self, channels: Iterable[str]) -> None:
        """Market data are real; without an account the exchange sends them less often."""
        self._session.subscribe([self._public(channel) for channel in channels])

    def unsubscribe(self, channels: Iterable[str]) -> None:
        """Leave market data."""
        self._session.unsubscribe([self._public(channel) for channel in channels])

    def _public(self, channel: str) -> str:
        return channel.replace(".raw", ".100ms") if self._alone else channel

    def send_order(
        self,
        instrument: Instrument,
        amount: float,
        *,
        timeout_s: float = 5.0,
        **options: Unpack[OrderOptions],
    ) -> int:
        """Fill, rest or cancel an order here."""
        now_ns, number = self.now_ns(), next(self._numbers)
        limit = options.get("limit")
        if isinstance(instrument, str) or limit is None:
            raise SessionError(f"{instrument}: on paper only orders with a limit are filled")
        rests = options.get("post_only", False)
        order = OrderNews(
            now_ns,
            f"paper-{number}",
            options["label"],
            instrument,
            1 if amount > 0 else -1,
            abs(amount),
            0.0,
            NAN,
            limit,
            OrderState.OPEN,
            "limit",
            options.get("time_in_force", "good_til_cancelled"),
            rests,
            False,
            "",
        )
        quote = self._quotes.get(instrument)
        price = NAN if quote is None else quote.ask if amount > 0 else quote.bid
        reached = (price - order.price) * order.direction <= 0
        trades: tuple[TradeNews, ...] = ()
        if rests:
            self._open[order.order_id] = order
        elif quote is not None and reached:
            order, trade = self._filled(order, price, quote, "T")
            trades = (trade,)
        else:
            order = _changed(order, OrderState.CANCELLED, 0.0)
        self._orders[order.label] = order
        self._answers += trades
        return self._answer(m.BUY, OrderAnswer(order, trades))

    def _fill_resting(self, order: OrderNews, quote: TickerNews) -> None:
        price = quote.ask if order.direction > 0 else quote.bid
        if price > 0 and (price - order.price) * order.direction <= 0:
            del self._open[order.order_id]
            done, trade = self._filled(order, order.price, quote, "M")
            self._orders[done.label] = done
            self._answers += (trade, done)

    def _filled(
        self, order: OrderNews, price: float, quote: TickerNews, liquidity: str
    ) -> tuple[OrderNews, TradeNews]:
        instrument = order.instrument
        assert not isinstance(instrument, str)
        amount, at, maker = order.amount * order.direction, self.now_ns(), liquidity == "M"
        fee = published_fee(
            self._schedule, instrument, amount, price, index=quote.index, ts_ns=at, maker=maker
        )
        number = next(self._numbers)
        trade = TradeNews(
            self.now_ns(),
            f"paper-{number}",
            number,
            order.order_id,
            order.label,
            instrument,
            amount,
            price,
            quote.mark,
            quote.index,
            fee,
            instrument.base,
            liquidity,
            OrderState.FILLED,
            quote.mark_iv,
            quote.forward,
        )
        self._trades.setdefault(order.order_id, []).append(trade)
        return _changed(order, OrderState.FILLED, order.amount), trade

    def cancel(self, order_id: str) -> int:
        """Take an order back."""
        order = self._open.pop(order_id, None)
        known = next(o for o in self._orders.values() if o.order_id == order_id)
        if order is not None:
            known = self._orders[order.label] = _changed(order, OrderState.CANCELLED, 0.0)
        return self._answer(m.CANCEL, known)

    def cancel_all(self) -> int:
        """Take everything back."""
        for order_id in list(self._open):
            self.cancel(order_id)
        return self._answer(m.CANCEL_ALL, None)

    def request(self, method: Method[Any], params: Mapping[str, Any], *, timeout_s: float = 10.0) -> int:
        """Answer questions about orders here, pass the others on."""
        if method is m.GET_ORDER_STATE_BY_LABEL:
            order = self._orders.get(str(params["label"]))
            return self._answer(method, () if order is None else (order,))
        if method is m.GET_USER_TRADES_BY_ORDER:
            return self._answer(method, tuple(self._trades.get(str(params["order_id"]), ())))
        if method is m.GET_USER_TRADES_BY_INSTRUMENT_AND_TIME:
            return self._answer(method, TradesPage((), False))  # of an order of an earlier process
        if method is m.GET_POSITIONS:
            return next(self._ids)  # never answered: there is nothing to compare
        return self._session.request(method, params, timeout_s=timeout_s)

    def _answer(self, method: Method[Any], result: Any) -> int:
        id_ = next(self._ids)
        self._answers.append(Answered(self.now_ns(), id_, method.name, result))
        return id_


def _changed(order: OrderNews, state: OrderState, filled: float) -> OrderNews:
    return msgspec.structs.replace(order, state=state, filled_amount=filled)
