"""A live session: news in, the desk's decisions out, everything in the journal before it takes effect.

The same desk as in a backtest takes the decisions, from the same events. Around it: :mod:`.feed` makes the
events, :mod:`.execution` works the orders, :mod:`.risk_manager` says what may be sent, :mod:`.journal` keeps
what happened. One thread; nothing here waits.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, Unpack

import msgspec

from gammacore.contracts import Future, Option, Perpetual
from gammacore.daycount import NS_PER_MINUTE, NS_PER_SECOND, format_time
from gammacore.deribit import methods as m
from gammacore.deribit.channels import PLATFORM, is_private, ticker
from gammacore.deribit.codes import ACCOUNT_LOCKED, LOCAL, LOCKED, OF_PRICE, Fate
from gammacore.deribit.frames import OrderOptions
from gammacore.deribit.market import PUBLIC_METHODS
from gammacore.deribit.methods import Method
from gammacore.deribit.news import (
    AccountNews,
    LockNews,
    OrderAnswer,
    OrderNews,
    PlatformNews,
    PositionNews,
    StatusNews,
    TickerNews,
    TradeNews,
    TradesPage,
)
from gammacore.deribit.units import Instrument, span
from gammacore.desk import Desk
from gammacore.events import (
    Delivery,
    Event,
    Fill,
    Flatten,
    IndexPrice,
    Outside,
    Rejected,
    Snapshot,
    Ticker,
    Timer,
)
from gammacore.orders import Cancel, Order

from .aims import Aims
from .attempts import Booked, Tradable
from .charged import published_fee
from .execution import Ask, Execution, Place, Question, Withdraw
from .feed import Feed
from .journal import Journal
from .news import (
    Answered,
    BadFrame,
    ClockSkew,
    Expired,
    Gap,
    Lost,
    News,
    Reconciled,
    Reconnecting,
    Refused,
    State,
    StateChanged,
    SubscriptionMissing,
    Unauthorised,
)
from .positions import Adopted, Positions, direct_label, near_settlement
from .risk_manager import ACCOUNT, MAINTENANCE, Mode, ModeChanged, RiskManager

__all__ = ["Hedger", "Session", "Timing"]

CHANNEL = {Perpetual: "raw", Future: "raw", Option: "100ms"}
REFUSED_PAUSE_NS = 60 * NS_PER_SECOND  # without looks at the chain, after an entry was refused
RETRY_NS = 5 * NS_PER_SECOND  # of what should have been closed, and of questions for a delivery price
ACCOUNT_NS = 10 * NS_PER_SECOND  # between two accounts in the journal
PUBLISHED_NS = 10 * NS_PER_SECOND  # after an expiry, before its price is asked for
CLOCKS_NS = NS_PER_MINUTE  # that clocks may differ, where trades are asked for by their time
PAGE = 1_000  # of trades
AHEAD_NS = 60 * NS_PER_SECOND  # of our time, from which a time cannot be true
ODD_AUDITS = 2  # in a row, until positions that differ halt
log = logging.getLogger("gammacore.live")


class Session(Protocol):
    """What a hedger needs of :class:`.client.Client`."""

    @property
    def skew_s(self) -> float: ...  # noqa: D102
    def now_ns(self) -> int: ...  # noqa: D102
    def send_order(  # noqa: D102
        self,
        instrument: Instrument,
        amount: float,
        *,
        timeout_s: float = 5.0,
        **options: Unpack[OrderOptions],
    ) -> int: ...
    def cancel(self, order_id: str) -> int: ...  # noqa: D102
    def cancel_all(self) -> int: ...  # noqa: D102
    def request(  # noqa: D102
        self, method: Method[Any], params: Mapping[str, Any], *, timeout_s: float = 10.0
    ) -> int: ...
    def drop(self, reason: str) -> None: ...  # noqa: D102
    def subscribe(self, channels: Iterable[str]) -> None: ...  # noqa: D102
    def unsubscribe(self, channels: Iterable[str]) -> None: ...  # noqa: D102


class Timing(msgspec.Struct, frozen=True):
    """Intervals of a session."""

    chain_ns: int
    audit_ns: int


class Hedger:
    """Handler of a session.

    Parameters
    ----------
    desk, feed, execution, risk, journal
        Made for each other, see :mod:`.assemble`.
    session : Session
    timing : Timing
    positions : Positions
        Of the journal.
    order_timeout_s : float
        For the exchange's answer to an order.

    Attributes
    ----------
    decided, sent, filled : int
        Orders of the desk, orders to the exchange, trades.
    """

    def __init__(
        self,
        desk: Desk,
        feed: Feed,
        execution: Execution,
        risk: RiskManager,
        journal: Journal,
        session: Session,
        timing: Timing,
        positions: Positions,
        order_timeout_s: float = 5.0,
    ) -> None:
        self.desk, self.feed, self.execution, self.risk = desk, feed, execution, risk
        self.journal, self.session, self.timing = journal, session, timing
        self.positions = positions
        self._aims = Aims(desk)
        self.decided = self.sent = self.filled = 0
        self.stopping = False
        self._timeout_s = order_timeout_s
        self._asked: dict[int, tuple[str, str]] = {}  # what a request was for: kind, and label or expiry
        self._subscribed: set[Tradable] = set()
        self._ready = False
        self._chain_ns = self._audit_ns = self._timer_ns = self._delivery_ns = self._account_ns = 0
        self._status_ns = 0
        self._odd_audits = 0
        self._cancel_owed = False  # of a kill without a connection
        self.rehearse: Callable[[], object] = lambda: None  # see :mod:`.dry`
        self._fresh: list[Order] = []  # decided, and not yet logged
        self._owed = False  # something must outlive the process before this round ends
        self._shown: tuple[Mode, tuple[str, ...]] = Mode.NORMAL, ()
        execution.paused = True
        execution.forbidden = self._forbidden
        execution.unwanted = self._aims.unwanted
        self._handlers: dict[type, Callable[[Any], None]] = {
            TickerNews: self._ticker,
            OrderNews: self._order_news,
            TradeNews: self._trade,
            Answered: self._answered,
            Refused: self._refused,
            Expired: self._unanswered,
            Lost: self._unanswered,
            Reconciled: self._reconciled,
            StateChanged: self._state,
            AccountNews: self._account,
            ClockSkew: self._skew,
            PlatformNews: self._platform,
            StatusNews: self._status,
            LockNews: lambda news: self.risk.locked(f"{ACCOUNT} {news.currency}", news.locked),
            Unauthorised: self._unauthorised,
            Reconnecting: self._reconnecting,
            SubscriptionMissing: self._missing,
            Gap: self._gap,
            BadFrame: self._bad_frame,
        }

    def now_ns(self) -> int:
        """Exchange's time, as far as we know it."""
        return self.session.now_ns() + int(self.session.skew_s * NS_PER_SECOND)

    # ------------------------------------------------------------- handler

    def on_news(self, news: News) -> None:
        """Take in one piece of news, and send what follows from it."""
        handle = self._handlers.get(type(news))
        if handle is not None:
            handle(news)
            self._pump()

    def on_idle(self) -> None:
        """Rehearse a decision, so that it is warm when it counts, and leave it little else to do."""
        if self._ready:
            self.journal.secure()
            self.rehearse()

    def on_tick(self, now_ns: int) -> None:
        """Do what time brings."""
        now_ns = self.now_ns()
        self.risk.tick(now_ns)
        self.risk.at_work(self.execution.oldest(now_ns), now_ns)
        self._show_mode(now_ns)
        for fact in self.risk.facts():
            self.journal.told(fact)
        if self._ready:
            self.execution.paused = False
            self._timers(now_ns)
            self._deliveries(now_ns)
            self.execution.tick(now_ns)
            self._pump()
            self._watch()
            self._look_at_chain(now_ns)
            self._audit(now_ns)
            self._look_at_locks(now_ns)
        self.journal.flush()

    # ------------------------------------------------------------- desk

    def take(self, event: Event, fact: Booked | Adopted | None = None) -> None:
        """Let the desk decide on an event; the journal has both before anything is sent.

        No two events have one time, so that a time says what was known at it.
        """
        at = self._stamp(event.ts_ns)
        if event.ts_ns != at:
            event = msgspec.structs.replace(event, ts_ns=at)
        commands = self.desk.handle(event)
        if isinstance(event, Snapshot):
            self._say_refusals(at)
        if fact is not None:
            self.journal.told(fact)
        self.journal.handled(event, commands)
        now_ns = self.now_ns()
        for command in commands:
            if isinstance(command, Cancel):
                self.execution.withdraw(command, now_ns)
            else:
                self.decided += 1
                self.risk.decided(command, now_ns)
                self._fresh.append(command)
                self.execution.submit(command, now_ns)
        if commands or not isinstance(event, IndexPrice | Ticker):
            self._owed = True

    def _say_refusals(self, at_ns: int) -> None:
        """Say once an expiry that its entry was refused for missing strikes."""
        for refusal in self.desk.strategy.refusals.values():
            if refusal.first_ns == at_ns:
                expiry = format_time(refusal.expiry_ns)
                log.warning("entry refused", extra={"expiry": expiry, "reason": refusal.why})

    def _forbidden(self, order: Order) -> str:
        return "stopping" if self.stopping else self.risk.admit(order)

    def _pump(self) -> None:
        """Hand executions to the desk, and actions to the exchange, until nothing is left."""
        while True:
            for fact, event in self.execution.events():
                self._execution(fact, event)
            actions = self.execution.actions()
            if not actions:
                break
            for action in actions:
                if isinstance(action, Place):
                    self.journal.told(action.placed)
            self.journal.secure()
            for action in actions:
                self._send(action)
        if self._owed:
            self.journal.secure()
            self._owed = False
        while self._fresh:  # what can wait until the orders have left
            self._note(self._fresh.pop(0))

    def _note(self, order: Order) -> None:
        self._aims.note(order)
        log.info("decided", extra={"order": order.order_id, "legs": _legs(order)})

    def _execution(self, fact: Booked | None, event: Fill | Rejected) -> None:
        if isinstance(event, Rejected):
            log.warning("given up", extra={"order": event.order_id, "reason": event.reason})
            if "entry" in event.order_id:
                self._chain_ns = self.now_ns() + REFUSED_PAUSE_NS
            elif "-exit-" in event.order_id:
                self.risk.not_closed(event.reason)
            self._aims.forget(event.order_id)
        else:
            self.filled += 1
            if "-exit-" in event.order_id:
                self.risk.lift("exit")
            if wrong := self._aims.fill(event):
                self.risk.latch("wrong way", wrong)
            at = self._stamp(min(event.ts_ns, self.now_ns() + AHEAD_NS))
            event = msgspec.structs.replace(event, ts_ns=at, mark=self._mark(event, at))
        self.take(event, fact)

    def _stamp(self, ts_ns: int) -> int:
        return max(ts_ns, self.desk.book.ts_ns + 1)

    def _mark(self, fill: Fill, at_ns: int) -> float:
        """Mark of what was filled as the desk has it, so that slippage is counted from where the desk was."""
        book, instrument = self.desk.book, fill.instrument
        if not isinstance(instrument, Option):
            return book.future_price(instrument)
        mark = book.model_mark(instrument, at_ns)
        return mark if math.isfinite(mark) else fill.price

    def _send(self, action: Place | Withdraw | Ask) -> None:
        if isinstance(action, Place):
            placed = action.placed
            self.risk.sent(placed.ts_ns)
            # An order of the desk's own price is not to be moved by the exchange.
            id_ = self.session.send_order(
                placed.instrument,
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
            self._asked[id_] = "place", placed.label
        elif isinstance(action, Withdraw):
            self._asked[self.session.cancel(action.exchange_id)] = "withdraw", action.label
        elif action.question is Question.FILLS:
            self._ask(
                "fills",
                action.label,
                m.GET_USER_TRADES_BY_ORDER,
                order_id=action.exchange_id,
                sorting="asc",
            )
        elif action.question is Question.TRADES:
            self._ask_trades("recent", action.label, action.placed.instrument, action.placed.ts_ns)
        else:
            self._ask(
                "look",
                action.label,
                m.GET_ORDER_STATE_BY_LABEL,
                currency=self._currency,
                label=action.label,
            )

    def _ask_trades(self, store: str, label: str, instrument: Tradable, since_ns: int) -> None:
        """Ask for all trades of an instrument since an order was placed, in one of the two stores."""
        self._ask(
            store,
            label,
            m.GET_USER_TRADES_BY_INSTRUMENT_AND_TIME,
            instrument_name=instrument.name,
            **span(since_ns - CLOCKS_NS, self.now_ns() + CLOCKS_NS),
            count=PAGE,
            sorting="asc",
            historical=store == "historical",
        )

    def _trades_told(self, store: str, label: str, page: TradesPage, now_ns: int) -> None:
        """Book a page of an order's time; the recent store first, then the one that keeps everything."""
        for trade in page.trades:
            if trade.label == label:  # the others were news, or will be
                self._trade(trade)
        placed = self.execution.placed(label)
        if placed is None:  # its last fill was among them
            return
        if page.has_more and page.trades:
            self._ask_trades(store, label, placed.instrument, max(t.ts_ns for t in page.trades) + CLOCKS_NS)
        elif store == "recent":
            self._ask_trades("historical", label, placed.instrument, placed.ts_ns)
        else:
            self.execution.all_trades_seen(label, now_ns)

    # ------------------------------------------------------------- market

    def _ticker(self, news: TickerNews) -> None:
        now_ns = self.now_ns()
        if news.ts_ns > now_ns + AHEAD_NS:
            return  # events follow each other in time: one from the future would silence all before it
        self.execution.quote(news)
        if news.instrument == self.feed.perpetual:
            self.risk.ticker(news, now_ns)
        event = self.feed.ticker(news)
        if event is not None and self._ready:
            self.take(event)

    def _wanted(self) -> set[Tradable]:
        """Instruments to watch: what the desk holds, what is at work, and the perpetual."""
        wanted: set[Tradable] = {self.feed.perpetual} | self.execution.instruments
        for episode in self.desk.portfolio.open.values():
            wanted |= {*episode.legs, episode.hedge.instrument}
        return wanted

    def _watch(self) -> None:
        """Subscribe to what is wanted now, leave the rest."""
        wanted = self._wanted()
        added, left = wanted - self._subscribed, self._subscribed - wanted
        self._subscribed = wanted
        if added:
            self.session.subscribe([_channel(instrument) for instrument in sorted(added, key=str)])
        if left:
            self.session.unsubscribe([_channel(instrument) for instrument in sorted(left, key=str)])

    def _look_at_chain(self, now_ns: int) -> None:
        """Ask for the whole chain, at which the desk may enter."""
        if now_ns < self._chain_ns or self.desk.closing or self.stopping or self.risk.mode is not Mode.NORMAL:
            return
        if any(kind == "chain" for kind, _ in self._asked.values()):
            return
        self._chain_ns = now_ns + self.timing.chain_ns
        self._ask("chain", "", m.GET_BOOK_SUMMARY_BY_CURRENCY, currency=self._currency, kind="option")

    @property
    def _currency(self) -> str:
        return self.feed.base if self.feed.settlement.value == "inverse" else "USDC"

    def _ask(self, what: str, about: str, method: Method[Any], **params: Any) -> None:
        self._asked[self.session.request(method, params)] = what, about

    # ------------------------------------------------------------- account

    def _order_news(self, news: OrderNews) -> None:
        self.execution.order(news, self.now_ns())

    def _trade(self, news: TradeNews) -> None:
        if not math.isfinite(news.fee) and not isinstance(news.instrument, str):
            index = news.index if news.index > 0 else self.desk.book.index
            fee = published_fee(
                news.instrument,
                news.amount,
                news.price,
                index=index,
                ts_ns=news.ts_ns,
                maker=news.liquidity == "M",
            )
            log.warning("a trade without a fee", extra={"trade": news.trade_id, "booked": fee})
            news = msgspec.structs.replace(news, fee=fee)
        if self.execution.knows(news.label):
            self.execution.trade(news, self.now_ns())
        elif news.label.startswith(f"{self.execution.session}-"):
            if not self.execution.has_booked(news.trade_id):
                self.risk.latch("unexpected trade", f"{news.trade_id} of {news.label}, which was over")
                self._outside(news, own=True)
        else:
            self._outside(news, own=news.label == direct_label(self.execution.session))

    def _outside(self, news: TradeNews, *, own: bool = False) -> None:
        """Book a trade that nobody here ordered: into the positions it changes, the rest as the holder's."""
        ours, theirs = self.positions.divide(news, own=own)
        if (fact := self.positions.foreign(news, theirs)) is not None:
            self.journal.told(fact)
        if isinstance(news.instrument, str) or not ours:
            return
        at, name = self.now_ns(), news.instrument.name
        adopted: Adopted | None = Adopted(at, news.trade_id, name, ours, news.price, news.forced)
        log.warning("traded outside", extra={"instrument": name, "amount": ours, "forced": news.forced})
        if news.forced:
            told = f"liquidation by the exchange: {ours:+g} {name} at {news.price:g}"
            self.risk.latch("liquidated", told, Mode.HEDGE_ONLY)
        for number, amount in self.desk.portfolio.shares(news.instrument, ours):
            self._adopt(news, number, amount, adopted)
            adopted = None

    def _adopt(self, news: TradeNews, number: int, amount: float, fact: Adopted | None) -> None:
        """Change an episode's position as the account's has changed."""
        episode, instrument = self.desk.portfolio.open[number], news.instrument
        assert not isinstance(instrument, str)
        event = Outside(
            news.ts_ns,
            f"{number}-outside-{news.trade_id}",
            number,
            instrument,
            amount,
            news.price,
            news.mark if math.isfinite(news.mark) else news.price,
            news.fee * amount / news.amount,
            liquidation=news.forced,
        )
        at, held = self._stamp(min(event.ts_ns, self.now_ns() + AHEAD_NS)), episode.open
        self.take(msgspec.structs.replace(event, ts_ns=at, mark=self._mark(event, at)), fact)
        if held and not episode.open:
            left = f"hedge {episode.hedge.amount:+g} {episode.hedge.instrument.name}"
            done = "stays" if self.desk.keeps(episode) else "is being closed"
            self.risk.latch(
                "options gone",
                f"all options of episode {number} were closed outside: {left} {done}",
                Mode.HEDGE_ONLY,
            )

    def _reconciled(self, news: Reconciled) -> None:
        for trade in news.trades:
            self._trade(trade)
        for account in news.accounts:
            self._account(account)
        if (baseline := self.positions.begin(news.positions, news.earlier, news.ts_ns)) is not None:
            self.journal.told(baseline)
        self.risk.unauthorised("")
        self.risk.trouble = ""
        log.info("reconciled", extra={"orders": len(news.open_orders), "trades": len(news.trades)})
        now_ns = self.now_ns()
        self._ready = True  # orders leave from the next tick on
        self._cancel_everything()
        self.execution.reconciled(news.open_orders, now_ns)
        self._subscribed = set()
        self._asked = {id_: what for id_, what in self._asked.items() if what[0] in ("place", "withdraw")}
        self._watch()

    def _account(self, news: AccountNews) -> None:
        if news.currency.upper() == self._currency:
            self.risk.margins(news)
            if news.ts_ns >= self._account_ns + ACCOUNT_NS:  # for who looks on
                self._account_ns = news.ts_ns
                self.journal.told(news)

    def _skew(self, news: ClockSkew) -> None:
        self.risk.skew(news.seconds)
        self.journal.told(news)

    def _gap(self, news: Gap) -> None:
        log.warning("gap in a book", extra={"channel": news.channel})
        self.journal.told(news)

    def _state(self, news: StateChanged) -> None:
        log.info("session", extra={"state": news.after.value, "reason": news.reason})
        if news.after in (State.READY, State.LOST):
            self.journal.told(news)
        if news.after is State.SUBSCRIBING:
            self.risk.connected()
        if news.after in (State.CLOSING, State.LOST):
            self._ready, self.execution.paused = False, True
            self.execution.disconnected(self.now_ns())

    def _platform(self, news: PlatformNews) -> None:
        if news.maintenance or not (news.index or news.locked):
            self.risk.locked(MAINTENANCE, news.maintenance)
        if news.locked or (news.index and not news.maintenance):
            self._locked(news.index, news.locked)

    def _status(self, news: StatusNews) -> None:
        """Take the whole state of locks; what is not among it is open."""
        self.risk.only_locked([*news.indices, *(["exchange"] if news.locked else [])])
        if news.locked:
            self._locked("", True)
        for index in news.indices:
            self._locked(index, True)

    def _locked(self, index: str, locked: bool) -> None:
        if not index or index == PUBLIC_METHODS or index.lower().split("_")[0] == self.feed.base.lower():
            self.risk.locked(index or "exchange", locked)

    def _unauthorised(self, news: Unauthorised) -> None:
        advice = "make the key valid for trade:read_write and account:read, or start with another"
        self.risk.unauthorised(f"{news.reason}; {advice}")

    def _reconnecting(self, news: Reconnecting) -> None:
        self.risk.trouble = f"{news.reason}, attempt {news.attempt}"

    def _bad_frame(self, news: BadFrame) -> None:
        log.warning("unreadable", extra={"channel": news.channel, "reason": news.reason})
        if is_private(news.channel):  # something happened to us, and we do not know what
            self.session.drop(f"unreadable news on {news.channel}")
        elif news.channel.startswith(PLATFORM):
            self._ask_status()

    def _missing(self, news: SubscriptionMissing) -> None:
        log.error("not subscribed", extra={"channels": ",".join(news.channels), "reason": news.reason})
        self._subscribed -= {i for i in self._subscribed if _channel(i) in news.channels}

    # ------------------------------------------------------------- answers

    def _answered(self, news: Answered) -> None:
        kind, about = self._asked.pop(news.id, ("", ""))
        now_ns = self.now_ns()
        if kind == "place" and isinstance(news.result, OrderAnswer):
            self.risk.accepted()
            self.execution.order(news.result.order, now_ns)
        elif kind == "withdraw" and isinstance(news.result, OrderNews):
            self.execution.order(news.result, now_ns)
        elif kind == "look":
            self.execution.looked_up(about, [o for o in news.result if isinstance(o, OrderNews)], now_ns)
        elif kind == "fills":
            for trade in news.result:
                self._trade(trade)
        elif kind in ("recent", "historical"):
            self._trades_told(kind, about, news.result, now_ns)
        elif kind == "chain":
            event = self.feed.chain([row for row in news.result if row.ts_ns <= now_ns + AHEAD_NS])
            if event is not None and self.risk.mode is Mode.NORMAL:
                self.take(event)
        elif kind == "audit":
            self._compare(news.result, now_ns)
        elif kind == "status":
            self._status(news.result)
        elif kind == "delivery":
            self._delivered(int(about), news.result.prices, now_ns)

    def _refused(self, news: Refused) -> None:
        kind, about = self._asked.pop(news.id, ("", ""))
        reason = f"{news.code} {news.message} {news.data}".strip()
        if kind:
            log.warning("refused", extra={"request": kind, "about": about, "reason": reason})
        if kind == "place" and news.code == ACCOUNT_LOCKED:
            self.risk.locked(f"{ACCOUNT} ALL", True)
        elif kind == "place" and news.code in LOCKED:
            self._ask_status()
        if kind == "place":
            self.risk.refused(news.code, f"{news.message} {news.data}".strip(), self.now_ns())
        hopeless = news.fate is Fate.REJECTED and news.code not in OF_PRICE and news.code != LOCAL
        self._failed(kind, about, news.fate, reason, hopeless=hopeless)

    def _ask_status(self) -> None:
        """Ask what is locked, as we may have missed it."""
        if not any(kind == "status" for kind, _ in self._asked.values()):
            self._ask("status", "", m.STATUS)

    def _look_at_locks(self, now_ns: int) -> None:
        """Ask again while something is locked: the message that it is open may be lost, or name another."""
        if self.risk.is_locked and now_ns >= self._status_ns + RETRY_NS:
            self._status_ns = now_ns
            self._ask_status()

    def _unanswered(self, news: Expired | Lost) -> None:
        kind, about = self._asked.pop(news.id, ("", ""))
        self._failed(kind, about, news.fate, type(news).__name__.lower())

    def _failed(self, kind: str, about: str, fate: Fate, reason: str, *, hopeless: bool = False) -> None:
        if kind == "place":
            self.execution.refused(about, fate, reason, self.now_ns(), hopeless=hopeless)
        elif kind == "withdraw":
            self.execution.not_withdrawn(about, self.now_ns())

    # ------------------------------------------------------------- time

    def _timers(self, now_ns: int) -> None:
        """Wake the desk where it asked to be, or where something should have been closed."""
        due = self.desk.next_deadline()
        waiting = [e for e in self.desk.portfolio.open.values() if not e.pending]
        late = any((e.close_ns and not self.desk.keeps(e)) or (self.desk.closing and e.open) for e in waiting)
        if (due is not None and due <= now_ns) or (late and now_ns >= self._timer_ns + RETRY_NS):
            self._timer_ns = now_ns
            self.take(Timer(now_ns))

    def _deliveries(self, now_ns: int) -> None:
        """Ask for the price of what has expired."""
        expired = {e.expiry_ns for e in self.desk.portfolio.open.values() if e.open}
        expired = {ts for ts in expired if ts + PUBLISHED_NS <= now_ns}
        if not expired or now_ns < self._delivery_ns + RETRY_NS:
            return
        self._delivery_ns = now_ns
        for ts in sorted(expired):
            index = f"{self.feed.base.lower()}_{'usd' if self._currency == self.feed.base else 'usdc'}"
            self._ask("delivery", str(ts), m.GET_DELIVERY_PRICES, index_name=index, count=30)

    def _delivered(self, expiry_ns: int, result: Mapping[str, float], now_ns: int) -> None:
        price = result.get(format_time(expiry_ns)[:10])
        held = any(e.open and e.expiry_ns == expiry_ns for e in self.desk.portfolio.open.values())
        if price is not None and held:
            self.take(Delivery(now_ns, expiry_ns, price))

    def _audit(self, now_ns: int) -> None:
        """Compare what we think we hold with what the exchange says, while nothing is at work."""
        if now_ns < self._audit_ns or self.execution.busy:
            return
        if any(kind == "audit" for kind, _ in self._asked.values()):
            return
        self._audit_ns = now_ns + self.timing.audit_ns
        self._ask("audit", "", m.GET_POSITIONS, currency="any")

    def _compare(self, positions: Sequence[PositionNews], now_ns: int) -> None:
        if self.execution.busy or near_settlement(now_ns):
            return
        odd = self.positions.differences(positions, now_ns)
        self._odd_audits = self._odd_audits + 1 if odd else 0
        if self._odd_audits >= ODD_AUDITS:
            told = ", ".join(f"{name} {a:g} here, {b:g} there" for name, (a, b) in odd.items())
            self.risk.latch("positions", f"positions differ: {told}")
        elif odd:
            self._audit_ns = now_ns + RETRY_NS

    # ------------------------------------------------------------- ends

    def stop(self, reason: str) -> None:
        """Send nothing new and cancel what rests; the session may end once it is :attr:`quiet`."""
        if not self.stopping:
            log.info("stop", extra={"reason": reason})
            self.stopping = True
            self.execution.give_up(reason)
            self._work_on()

    def kill(self, reason: str, *, flatten: bool) -> None:
        """Cancel everything and enter nothing more; with ``flatten`` close all positions, else halt."""
        log.error("kill", extra={"reason": reason, "flatten": flatten})
        if flatten:
            self.stopping = False  # also after a kill that left the positions
            self.execution.go_on()
            self.risk.latch("kill switch", reason, Mode.HEDGE_ONLY)
            if not self.desk.closing:
                self.take(Flatten(self.now_ns()))
            self._work_on()
            return
        self.risk.latch("kill switch", reason)
        self._cancel_owed = True
        self._cancel_everything()
        self.stop(reason)

    def _cancel_everything(self) -> None:
        """Cancel whatever its fate, also what we do not know of; as soon as there is a connection."""
        if self._ready and self._cancel_owed:
            self._cancel_owed = False
            self.session.cancel_all()

    def _work_on(self) -> None:
        if self._ready:
            self.execution.tick(self.now_ns())
            self._pump()

    @property
    def quiet(self) -> bool:
        """Whether nothing is at work, so that a session may end."""
        return not self.execution.busy and not self._cancel_owed

    @property
    def flat(self) -> bool:
        """Whether nothing is held or at work."""
        return self.quiet and not self.desk.portfolio.open

    def _show_mode(self, now_ns: int) -> None:
        shown = self.risk.mode, self.risk.reasons
        if shown != self._shown:
            self._shown = shown
            if shown[0] is Mode.HALT:
                self.execution.withdraw_resting(now_ns)
            self.journal.told(ModeChanged(now_ns, int(shown[0]), shown[1]))
            log.warning("mode", extra={"mode": shown[0].name.lower(), "reasons": "; ".join(shown[1])})


def _channel(instrument: Tradable) -> str:
    return ticker(instrument, CHANNEL[type(instrument)])


def _legs(order: Order) -> str:
    return ", ".join(f"{leg.amount:+g} {leg.instrument.name}" for leg in order.legs)
