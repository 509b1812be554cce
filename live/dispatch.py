"""The way of an execution's actions to the exchange, and of the exchange's answers back to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gammacore.contracts import Option
from gammacore.daycount import NS_PER_MINUTE
from gammacore.deribit import methods as m
from gammacore.deribit.codes import ACCOUNT_LOCKED, LOCAL, LOCKED, OF_GRID, OF_PRICE, Fate
from gammacore.deribit.news import ComboListing, OrderAnswer, OrderNews, TradeNews, TradesPage

from .actions import Action, CancelPlaced, MakeCombo, Place, QueryKind
from .asked import Asked
from .attempts import Placed
from .news import Expired, Lost, Refused, why_unanswered
from .parts import Parts
from .risk_manager import ACCOUNT

CLOCKS_NS = NS_PER_MINUTE  # that clocks may differ, where trades are asked for by their time


class Dispatch:
    """Sends what an execution wants.

    Parameters
    ----------
    parts : Parts
    asked : Asked
    trade : callable(TradeNews)
        Told trades that were asked for.
    locked : callable()
        Told that an index or the exchange is locked.
    now_ns : callable() -> int
    timeout_s : float
        For the answer to an order.
    trades_options : bool
        Off: an order in options is refused here, and halts.

    Attributes
    ----------
    sent : int
        Orders.
    off_grid : callable()
        Told that an order may not fit the exchange's grid.
    """

    def __init__(
        self,
        parts: Parts,
        asked: Asked,
        trade: Callable[[TradeNews], object],
        locked: Callable[[], None],
        now_ns: Callable[[], int],
        timeout_s: float,
        *,
        trades_options: bool = True,
    ) -> None:
        self._trades_options = trades_options
        self.off_grid: Callable[[], None] = lambda: None
        self.sent = 0
        self._session, self._execution, self._risk = parts.session, parts.execution, parts.risk
        self._asked, self._trade, self._locked, self._now_ns = asked, trade, locked, now_ns
        self._currency, self._timeout_s = parts.feed.currency, timeout_s

    def send(self, action: Action) -> None:
        """Send an order, a cancellation, or a question about an order."""
        if isinstance(action, Place):
            self._place(action.placed)
        elif isinstance(action, MakeCombo):
            self._make(action)
        elif isinstance(action, CancelPlaced):
            label = action.label
            self._asked.expect(
                self._session.cancel(action.exchange_id),
                label,
                self._order,
                lambda news: self._execution.not_cancelled(label, self._now_ns()),
            )
        elif action.kind is QueryKind.FILLS:
            params = {"order_id": action.exchange_id, "sorting": "asc"}
            self._asked.ask(m.GET_USER_TRADES_BY_ORDER, params, self._fills, action.label)
        elif action.kind is QueryKind.TRADES:
            self.ask_trades(action.placed, action.placed.ts_ns)
        else:
            self._look_up(action.label)

    # ------------------------------------------------------------- orders

    def _make(self, action: MakeCombo) -> None:
        """Ask for a combo."""

        def made(listing: ComboListing) -> None:
            active = listing.state == "active"
            why = "" if active else f"{listing.name} is {listing.state}"
            self._execution.combo_made(
                action.order_id, listing.combo if active else None, why, self._now_ns()
            )

        def failed(news: Refused | Expired | Lost) -> None:
            self._execution.combo_made(action.order_id, None, why_unanswered(news), self._now_ns())

        id_ = self._session.request(m.CREATE_COMBO, m.combo_of(action.legs))
        self._asked.expect(id_, action.order_id, made, failed)

    def _place(self, placed: Placed) -> None:
        if isinstance(placed.instrument, Option) and not self._trades_options:
            told = (
                f"refused order {placed.label} in {placed.instrument.name}: this session never trades options"
            )
            self._risk.latch("option order", told)
            self._execution.refused(placed.label, Fate.REJECTED, told, self._now_ns(), hopeless=True)
            return
        self._risk.sent(placed.ts_ns)
        # An order of the desk's own price is not to be moved by the exchange.
        id_ = self._session.send_order(
            placed.traded,
            placed.amount,
            timeout_s=self._timeout_s,
            label=placed.label,
            limit=placed.limit,
            valid_until_ns=placed.valid_until_ns,
            time_in_force="good_til_cancelled" if placed.rests else "immediate_or_cancel",
            post_only=placed.rests,
            reject_post_only=placed.fixed,
        )
        self.sent += 1
        self._asked.expect(
            id_, placed.label, self._accepted, lambda news: self._not_placed(placed.label, news)
        )

    def _accepted(self, answer: OrderAnswer) -> None:
        self._risk.accepted()
        self._order(answer.order)

    def _order(self, order: OrderNews) -> None:
        self._execution.order(order, self._now_ns())

    def _not_placed(self, label: str, news: Refused | Expired | Lost) -> None:
        now_ns, reason, hopeless = self._now_ns(), type(news).__name__.lower(), False
        if isinstance(news, Refused):
            reason = f"{news.code} {news.message} {news.data}".strip()
            if news.code == ACCOUNT_LOCKED:
                self._risk.locked(f"{ACCOUNT} ALL", True)
            elif news.code in LOCKED:
                self._locked()
            elif news.code in OF_GRID:
                self.off_grid()
            self._risk.refused(news.code, f"{news.message} {news.data}".strip(), now_ns)
            hopeless = news.fate is Fate.REJECTED and news.code not in OF_PRICE and news.code != LOCAL
        self._execution.refused(label, news.fate, reason, now_ns, hopeless=hopeless)

    # ------------------------------------------------------------- questions about orders

    def _look_up(self, label: str) -> None:
        def told(orders: Sequence[OrderNews]) -> None:
            self._execution.looked_up(label, orders, self._now_ns())

        params = {"currency": self._currency, "label": label}
        self._asked.ask(m.GET_ORDER_STATE_BY_LABEL, params, told, label)

    def _fills(self, trades: Sequence[TradeNews]) -> None:
        for trade in trades:
            self._trade(trade)

    def ask_trades(self, placed: Placed, since_ns: int, *, historical: bool = False) -> None:
        """Ask for all trades of an order's instrument since it was placed, in one of the two stores.

        Those of a combo's legs are asked for together, by their currency.
        """
        times = since_ns - CLOCKS_NS, self._now_ns() + CLOCKS_NS
        method = m.GET_USER_TRADES_BY_INSTRUMENT_AND_TIME
        params = m.trades_between(*times, historical=historical, instrument_name=placed.instrument.name)
        if placed.combo is not None:
            method = m.GET_USER_TRADES_BY_CURRENCY_AND_TIME
            params = m.trades_between(*times, historical=historical, currency=self._currency)

        def told(page: TradesPage) -> None:
            self._trades(placed.label, page, historical=historical)

        self._asked.ask(method, params, told, placed.label)

    def _trades(self, label: str, page: TradesPage, *, historical: bool) -> None:
        """Book a page of an order's time; the recent store first, then the one that keeps everything."""
        for trade in page.trades:
            if trade.label == label:  # the others were news, or will be
                self._trade(trade)
        placed = self._execution.placed(label)
        if placed is None:  # its last fill was among them
            return
        if page.has_more and page.trades:
            since_ns = max(trade.ts_ns for trade in page.trades) + CLOCKS_NS
            self.ask_trades(placed, since_ns, historical=historical)
        elif not historical:
            self.ask_trades(placed, placed.ts_ns, historical=True)
        else:
            self._execution.all_trades_seen(label, self._now_ns())
