"""A live session: news in, the desk's decisions out, everything in the journal before it takes effect.

The same desk as in a backtest takes the decisions, from the same events. Around it: :mod:`.feed` makes the
events, :mod:`.execution` works the orders, :mod:`.risk_manager` says what may be sent, :mod:`.journal` keeps
what happened. One thread; nothing here waits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from gammacore.config import Config
from gammacore.daycount import NS_PER_SECOND, format_time
from gammacore.deribit.channels import PLATFORM, is_private
from gammacore.deribit.news import (
    AccountNews,
    DvolNews,
    LockNews,
    OrderNews,
    PlatformNews,
    PositionNews,
    StatusNews,
    TickerNews,
    TradeNews,
)
from gammacore.events import Event, Fill, Flatten, IndexPrice, Outside, Rejected, Snapshot, Ticker, Timer
from gammacore.orders import Cancel, Command, Order, Purpose, purpose_of

from .actions import Place
from .adoption import Adoption
from .aims import Aims
from .asked import Asked
from .attempts import Booked
from .bookings import Bookings
from .catalog import CatalogLook
from .dispatch import Dispatch
from .idle import overdue
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
from .parts import Parts
from .positions import Adopted, TakenOver
from .questions import AHEAD_NS, Questions, Timing
from .risk_manager import Mode, ModeChanged
from .watched import Watched

REFUSED_PAUSE_NS = 60 * NS_PER_SECOND  # without looks at the chain, after an entry was refused
RETRY_NS = 5 * NS_PER_SECOND  # of what should have been closed
CANCEL_NS = NS_PER_SECOND  # between two attempts to cancel everything
SILENT_NS = 60 * NS_PER_SECOND  # without a price, until the connection is made anew
ACCOUNT_NS = 10 * NS_PER_SECOND  # between two accounts in the journal
log = logging.getLogger("gammacore.live")


class Hedger:
    """Handler of a session.

    Parameters
    ----------
    parts : Parts
    timing : Timing
    order_timeout_s : float
        For the exchange's answer to an order.
    decide : callable(Event) -> list of Command, optional
        By default the desk.
    permit : callable(Order) -> str, optional
        Why an order may not leave; by default the risk manager.
    noted : callable(Order), optional
        Told of orders that have left; by default the log.
    ready : bool
        Whether the exchange can be asked at once.
    trades_options : bool
        Off: an order in options never leaves.
    config : Config, optional
        By which another catalog is taken; without it there is none.

    Attributes
    ----------
    decided, filled : int
        Orders of the desk, trades.
    cancel_owed : bool
        Whether a kill's cancellation of everything has not been confirmed.
    """

    def __init__(
        self,
        parts: Parts,
        timing: Timing,
        order_timeout_s: float = 5.0,
        *,
        decide: Callable[[Event], list[Command]] | None = None,
        permit: Callable[[Order], str] | None = None,
        noted: Callable[[Order], None] | None = None,
        ready: bool = False,
        trades_options: bool = True,
        config: Config | None = None,
    ) -> None:
        self.desk, self.feed, self.execution, self.risk, self.positions, self.journal, self.session = parts
        self.timing = timing
        self.decided = self.filled = 0
        self.stopping = False
        self.rehearse: Callable[[], object] = lambda: None  # see :mod:`.dry`
        self._decide = self.desk.handle if decide is None else decide
        self._permit = self.risk.admit if permit is None else permit
        self._noted = self._note if noted is None else noted
        self._ready = ready
        self._watched = Watched(parts)
        self._timer_ns = self._account_ns = self._ready_ns = 0
        self.cancel_owed = False  # of a kill, until the exchange has confirmed it
        self._cancelling = self._cancel_ns = 0
        self._fresh: list[Order] = []  # decided, and not yet logged
        self._owed = False  # something must outlive the process before this round ends
        self._not_rolled: set[int] = set()
        self._shown: tuple[Mode, tuple[str, ...]] = Mode.NORMAL, ()
        self._aims = Aims(self.desk)
        self.execution.paused = not ready
        self.execution.forbidden = self._forbidden
        self.execution.unwanted = self._aims.unwanted
        self.asked = asked = Asked(self.session)
        self.bookings = Bookings(parts, self.take, self.now_ns)
        self.adoption = Adoption(parts, asked, self.take, self.now_ns)
        self.questions = Questions(
            parts, asked, self.take, self.now_ns, timing, moved=self.bookings.moved, adopts=self.adoption.asks
        )
        told = self.bookings.trade, self.questions.locks.ask
        self._catalog = None if config is None else CatalogLook(parts, asked, self.now_ns, config)
        self.dispatch = Dispatch(
            parts, asked, *told, self.now_ns, order_timeout_s, trades_options=trades_options
        )
        if self._catalog is not None:
            self.dispatch.off_grid = self._catalog.off_grid
        self._handlers = self._route()

    def _route(self) -> dict[type, Callable[[Any], None]]:
        """Who takes which news."""
        asked, locks = self.asked, self.questions.locks
        return {
            TickerNews: self._ticker,
            DvolNews: self._volatility,
            OrderNews: lambda news: self.execution.order(news, self.now_ns()),
            TradeNews: self._trade,
            PositionNews: self.questions.audit.position,
            Answered: asked.answered,
            Refused: asked.failed,
            Expired: asked.failed,
            Lost: asked.failed,
            Reconciled: self._reconciled,
            StateChanged: self._state,
            AccountNews: self._account,
            ClockSkew: self._skew,
            PlatformNews: locks.changed,
            StatusNews: locks.told,
            LockNews: locks.account,
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
            self._cancel_everything()
            self._timers(now_ns)
            self.execution.tick(now_ns)
            self.adoption.tick()
            self._pump()
            self._watched.update(now_ns)
            self._renew_when_silent(now_ns)
            self.questions.tick(now_ns, stopping=self.stopping)
            if self._catalog is not None:
                self._catalog.tick(now_ns)
        self.journal.flush()

    # ------------------------------------------------------------- desk

    def take(self, event: Event, fact: Booked | Adopted | TakenOver | None = None, now_ns: int = 0) -> None:
        """Let the desk decide on an event; the journal has both before anything is sent.

        No two events have one time, so that a time says what was known at it.
        """
        at = max(event.ts_ns, self.desk.market.ts_ns + 1)
        if event.ts_ns != at:
            event = msgspec.structs.replace(event, ts_ns=at)
        if isinstance(event, Outside):  # changes what orders that have not left yet are to remove
            for order in self._fresh:
                self._aims.note(order)
        commands = self._decide(event)
        self._say_faults()
        if isinstance(event, Snapshot):
            self._say_refusals(at)
        if fact is not None:
            self.journal.told(fact)
        self.journal.handled(event, commands)
        now_ns = now_ns or self.now_ns()
        for command in commands:
            if isinstance(command, Cancel):
                self.execution.cancel(command, now_ns)
            else:
                self.decided += 1
                self.risk.decided(command, now_ns)
                self._fresh.append(command)
                self.execution.submit(command, now_ns)
        if commands or not isinstance(event, IndexPrice | Ticker):
            self._owed = True

    def _say_faults(self) -> None:
        """Halt where code of the user's own has failed: it is not known what it would have decided."""
        faults = self.desk.faults or ([] if self.feed.fault is None else [self.feed.fault])
        if faults:
            if "own code" not in self.risk.causes:  # the first says it
                self.risk.latch("own code", str(faults[0]))
            self.desk.faults, self.feed.fault = [], None

    def _say_refusals(self, at_ns: int) -> None:
        """Say once an expiry why its entry was refused, and an episode that it stays."""
        for refusal in (*self.desk.strategy.refusals.values(), *self.desk.over_margin.values()):
            if refusal.first_ns == at_ns:
                expiry = format_time(refusal.expiry_ns)
                log.warning("entry refused", extra={"expiry": expiry, "reason": refusal.why})
        for number, why in self.desk.leaving.held_on.items():
            if number not in self._not_rolled:
                self._not_rolled.add(number)
                log.warning("not rolled", extra={"episode": number, "reason": why})

    def _forbidden(self, order: Order) -> str:
        return "stopping" if self.stopping else self._permit(order)

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
                self.dispatch.send(action)
        if self._owed:
            self.journal.secure()
            self._owed = False
        while self._fresh:  # what can wait until the orders have left
            self._noted(self._fresh.pop(0))

    def _note(self, order: Order) -> None:
        self._aims.note(order)
        said = {"order": order.order_id, "legs": _legs(order)}
        if order.purpose is Purpose.EXIT:
            said["reason"] = self.desk.portfolio.episodes[order.episode].exit_reason
        if order.purpose is Purpose.ENTRY:
            said["sized_by"] = self.desk.portfolio.episodes[order.episode].sized_by
        log.info("decided", extra=said)

    def _execution(self, fact: Booked | None, event: Fill | Rejected) -> None:
        purpose = purpose_of(event.order_id)
        if isinstance(event, Rejected):
            log.warning("given up", extra={"order": event.order_id, "reason": event.reason})
            if purpose is Purpose.ENTRY:
                self.questions.chain.pause(self.now_ns() + REFUSED_PAUSE_NS)
            elif purpose is Purpose.EXIT:
                self.risk.not_closed(event.reason)
            self._aims.forget(event.order_id)
        else:
            self.filled += 1
            if purpose is Purpose.EXIT:
                self.risk.lift("exit")
            if wrong := self._aims.fill(event):
                self.risk.latch("wrong way", wrong)
            event = self.bookings.dated(event)
        self.take(event, fact)

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
            self.take(event, now_ns=now_ns)

    def _volatility(self, news: DvolNews) -> None:
        if self.feed.volatility is not None and news.ts_ns <= self.now_ns() + AHEAD_NS:
            self.feed.volatility.add(news.ts_ns, news.vol)

    # ------------------------------------------------------------- account

    def _reconciled(self, news: Reconciled) -> None:
        for trade in news.trades:
            self._trade(trade)
        for account in news.accounts:
            self._account(account)
        if (baseline := self.positions.begin(news.positions, news.earlier, news.ts_ns)) is not None:
            self.journal.told(baseline)
        self.asked.forget()
        self.adoption.reconciled(news.positions)
        self.risk.unauthorised("")
        self.risk.trouble = ""
        log.info("reconciled", extra={"orders": len(news.open_orders), "trades": len(news.trades)})
        now_ns = self.now_ns()
        self._ready = True  # orders leave from the next tick on
        self._cancel_everything()
        self.execution.reconciled(news.open_orders, now_ns)
        self._ready_ns = now_ns
        self._watched.forget()
        self._watched.update(now_ns)

    def _trade(self, news: TradeNews) -> None:
        if self.bookings.trade(news):
            self.adoption.traded(news)

    def _account(self, news: AccountNews) -> None:
        if news.currency.upper() == self.feed.currency:
            self.risk.margins(news)
            if self.positions.adopts:
                self.feed.equity = news.equity
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
            self.questions.locks.ask()

    def _missing(self, news: SubscriptionMissing) -> None:
        log.error("not subscribed", extra={"channels": ",".join(news.channels), "reason": news.reason})
        self._watched.missing(news.channels, self.now_ns())
        self.questions.locks.missing(news.channels, self.now_ns())

    # ------------------------------------------------------------- time

    def _renew_when_silent(self, now_ns: int) -> None:
        """Make a new connection where this one lives, but no longer brings prices."""
        silence_ns = now_ns - max(self._ready_ns, self.risk.heard_ns)
        if silence_ns > max(SILENT_NS, 2 * self.risk.guards.stale_ns):
            self.session.drop(f"no price of the perpetual for {silence_ns // NS_PER_SECOND} s")

    def _timers(self, now_ns: int) -> None:
        """Wake the desk where it asked to be, or where something should have been closed."""
        due = self.desk.next_deadline()
        if (due is not None and due <= now_ns) or (
            overdue(self.desk) and now_ns >= self._timer_ns + RETRY_NS
        ):
            self._timer_ns = now_ns
            self.take(Timer(now_ns))

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
        self.cancel_owed, self._cancel_ns = True, 0
        self._cancel_everything()
        self.stop(reason)

    def _cancel_everything(self) -> None:
        """Cancel whatever its fate, also what we do not know of; again and again until it is confirmed."""
        now_ns = self.now_ns()
        due = self.cancel_owed and now_ns >= self._cancel_ns and not self.asked.waits(self._cancelling)
        if not self._ready or not due:
            return

        def done(found: Any) -> None:
            self.cancel_owed = False

        self._cancel_ns = now_ns + CANCEL_NS
        self._cancelling = self.session.cancel_all()
        self.asked.expect(self._cancelling, "kill", done, lambda failed: None)

    def _work_on(self) -> None:
        if self._ready:
            self.execution.tick(self.now_ns())
            self._pump()

    @property
    def quiet(self) -> bool:
        """Whether nothing is at work, so that a session may end."""
        return not self.execution.busy and not self.cancel_owed

    @property
    def flat(self) -> bool:
        """Whether nothing is held or at work but options of the account's holder."""
        portfolio = self.desk.portfolio
        held = any(not e.adopted for e in portfolio.open.values())
        return self.quiet and not held and not any(e.hedge.amount for e in portfolio.hedged)

    def _show_mode(self, now_ns: int) -> None:
        shown = self.risk.mode, self.risk.reasons
        if shown != self._shown:
            self._shown = shown
            if shown[0] is Mode.HALT:
                self.execution.cancel_resting(now_ns)
            self.journal.told(ModeChanged(now_ns, int(shown[0]), shown[1]))
            log.warning("mode", extra={"mode": shown[0].name.lower(), "reasons": "; ".join(shown[1])})


def _legs(order: Order) -> str:
    return ", ".join(f"{leg.amount:+g} {leg.instrument.name}" for leg in order.legs)
