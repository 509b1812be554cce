"""The connection to Deribit: the only place that waits for a socket.

One thread reads, decides and sends. :meth:`Client.run` connects, authenticates, reconciles, and calls a
handler; when the connection ends it connects again, as often as it takes, and reconciles before any market
news reach the handler. Orders are possible between a :class:`Reconciled` and the next loss.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any, TypeVar, Unpack

from gammacore.daycount import NS_PER_SECOND
from gammacore.deribit import channels as channel_of
from gammacore.deribit.codes import Fate
from gammacore.deribit.frames import OrderOptions
from gammacore.deribit.methods import Method
from gammacore.deribit.news import AccountNews, OrderAnswer, OrderNews, PositionNews, TradeNews
from gammacore.deribit.units import Instrument
from gammacore.errors import RequestError, SessionError

from .budget import Budget
from .clock import SteadyClock
from .credentials import Credentials
from .frames import Disconnected, FrameSocket, connect, polled
from .handler import Handler, conflated
from .news import (
    Answered,
    ClockSkew,
    Expired,
    Lost,
    News,
    Reconnecting,
    Refused,
    State,
    StateChanged,
    SubscriptionMissing,
    Unauthorised,
    why_unanswered,
)
from .protocol import DeribitProtocol
from .reconcile import Reconciler
from .reconnect import Reconnect
from .rehearsal import Rehearsal
from .skew import Skew

TICK_NS = NS_PER_SECOND // 10
POLLS = 60  # without a frame, between two rehearsals when polling
T = TypeVar("T")
log = logging.getLogger("gammacore.live")

ACCOUNT = (OrderNews, TradeNews, PositionNews, AccountNews)
_ANSWERS = (Answered, Refused, Expired, Lost)
_SPECIAL = frozenset((*ACCOUNT, *_ANSWERS, ClockSkew, StateChanged, SubscriptionMissing, Unauthorised))


class Client:
    """A session that lasts.

    Parameters
    ----------
    url : str
        Such as :data:`gammacore.deribit.addresses.TESTNET`.
    credentials : Credentials, optional
        Without them the session is public, and there is nothing to reconcile.
    channels : iterable of str
        Market data; subscribed once reconciled, after every connection.
    currencies : sequence of str
        Settlement currencies of our positions.
    since_ns : int, optional
        Reconcile trades from then on (exchange's time); by default those after the first connection.
    known_trades : iterable of str
        Ids of trades from then on that were handled already.
    idle_s : float
        Silence after which :meth:`Handler.on_idle` is called, again and again.
    busy_poll : bool
        Never sleep in the system: lowest latency for a whole core.
    heartbeat_s, by_secret, book_depth
        See `DeribitProtocol`.
    timeout_s : float
        For a connection to be made.
    conflate : bool
        Of several tickers of one instrument that arrive together hand over the last only, so that a burst
        is never queued up behind decisions on prices that are gone.
    watch_state : bool
        Subscribe to the locks of the exchange and of the account.
    tap : callable(frame, now_ns), optional
        Is shown every frame as received, before anybody else; for who records.
    clock : callable() -> int
    sleep : callable(seconds)
    rng : random.Random
        For the jitter of delays.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials | None = None,
        *,
        channels: Iterable[str] = (),
        currencies: Sequence[str] = ("BTC",),
        since_ns: int | None = None,
        known_trades: Iterable[str] = (),
        idle_s: float = 0.001,
        busy_poll: bool = False,
        heartbeat_s: int = 10,
        timeout_s: float = 10.0,
        by_secret: bool = False,
        book_depth: int = 10,
        conflate: bool = False,
        watch_state: bool = True,
        tap: Callable[[bytes, int], None] | None = None,
        clock: Callable[[], int] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.url = url
        self.reconciled = False
        self.trouble = ""  # why the last connection was lost
        self.budget, self._skew = Budget(), Skew()
        self._credentials = credentials
        self._channels = dict.fromkeys(channels)
        # Channels without which there is no session, and those of locks.
        self._needed = channel_of.account(currencies) if credentials is not None else ()
        locks = channel_of.locks(private=credentials is not None) if watch_state else ()
        self._own_channels = (*self._needed, *locks)
        self._reconciler = Reconciler(currencies, since_ns, known_trades)
        self._wait_s = 0.0 if busy_poll else idle_s
        self._busy_poll = busy_poll
        self._conflate, self._tap, self._timeout_s = conflate, tap, timeout_s
        self._settings: dict[str, Any] = {
            "heartbeat_s": heartbeat_s,
            "by_secret": by_secret,
            "book_depth": book_depth,
            "budget": self.budget,
            "ids": count(1),
            "skew": self._skew,
        }
        self._clock = SteadyClock() if clock is None else clock
        self._sleep = sleep
        self._reconnect = Reconnect(random.Random() if rng is None else rng)
        self._socket: FrameSocket | None = None
        self._protocol = self._new_protocol()
        self._inbox: list[News] = []  # until a handler is there
        self._tell: Callable[[News], None] = self._inbox.append
        self._running = self._stopping = False
        self._ticked_ns = 0
        self._rehearsal = Rehearsal(self._clock())
        self._last_frame = b""

    # ----------------------------------------------------------------- state

    @property
    def state(self) -> State:
        """Of the present connection."""
        return self._protocol.state

    @property
    def skew_s(self) -> float:
        """How far our clock is behind the exchange's."""
        return self._skew.seconds

    @property
    def skew_uncertainty_s(self) -> float:
        """What that leaves open, either way."""
        return self._skew.uncertainty

    @property
    def scope(self) -> str:
        """What the key was granted."""
        return self._protocol.scope

    @property
    def attempts(self) -> int:
        """To connect, since the last session that lasted."""
        return self._reconnect.attempts

    @property
    def refused(self) -> str:
        """Why the exchange refuses our key, if it does."""
        return self._reconnect.refused

    def now_ns(self) -> int:
        """Return the session's time."""
        return self._clock()

    # ----------------------------------------------------------------- wishes

    def send_order(
        self,
        instrument: Instrument,
        amount: float,
        *,
        timeout_s: float = 5.0,
        **options: Unpack[OrderOptions],
    ) -> int:
        """Buy or sell now; see `DeribitProtocol.send_order`."""
        now_ns = self._clock()
        id_ = self._protocol.send_order(instrument, amount, now_ns, timeout_s=timeout_s, **options)
        self._flush()
        return id_

    def cancel(self, order_id: str) -> int:
        """Cancel one order by the exchange's id."""
        return self._flushed(self._protocol.cancel(order_id, self._clock()))

    def cancel_label(self, label: str) -> int:
        """Cancel by our label."""
        return self._flushed(self._protocol.cancel_label(label, self._clock()))

    def cancel_all(self) -> int:
        """Cancel everything."""
        return self._flushed(self._protocol.cancel_all(self._clock()))

    def request(self, method: Method[Any], params: Mapping[str, Any], *, timeout_s: float = 10.0) -> int:
        """Ask for anything; the answer is news."""
        return self._flushed(self._protocol.request(method, params, self._clock(), timeout_s=timeout_s))

    def _flushed(self, id_: int) -> int:
        self._flush()
        return id_

    def subscribe(self, channels: Iterable[str]) -> None:
        """Ask for market data, now and after every connection to come."""
        wanted = dict.fromkeys(channels)
        self._channels.update(wanted)
        if self.reconciled:  # of those that it has, the protocol asks for none again
            self._protocol.subscribe(wanted, self._clock())
            self._flush()

    def unsubscribe(self, channels: Iterable[str]) -> None:
        """Leave market data."""
        left = [channel for channel in channels if channel in self._channels]
        for channel in left:
            del self._channels[channel]
        self._protocol.unsubscribe(left, self._clock())
        self._flush()

    def drop(self, reason: str) -> None:
        """End the connection and make a new one, with all that follows."""
        self._protocol.close(self._clock(), reason)

    def stop(self) -> None:
        """Have :meth:`run` return; the exchange cancels what rests."""
        self._stopping = True

    def call(self, method: Method[T], params: Mapping[str, Any], *, timeout_s: float = 10.0) -> T:
        """Ask and wait, before :meth:`run`; other news are kept for its handler.

        A reading method is asked again, for as long as there is time, after a refusal that allows it: other
        programs share the account's limits.

        Raises
        ------
        RequestError
            If there is no answer.
        SessionError
            If called while running.
        """
        if self._running:
            raise SessionError("call while running; use request")
        until_ns, refused = self._clock() + int(timeout_s * NS_PER_SECOND), None
        while True:
            while self.state is not State.READY:
                self._turn_until(until_ns, method.name)
            news = self._answer(self.request(method, params, timeout_s=timeout_s), until_ns, method.name)
            if isinstance(news, Answered):
                found: T = news.result
                return found
            if isinstance(news, Refused) and news.fate is Fate.RETRY and method.reads:
                refused = news
                continue
            lost = f": {self.trouble}" if isinstance(news, Lost) and self.trouble else ""
            if refused is not None and not (isinstance(news, Refused) and news.code):
                news = refused  # of the exchange, which says more than that time is up here
            raise RequestError(f"{method.name}: {why_unanswered(news)}{lost}")

    def _answer(self, id_: int, until_ns: int, method: str) -> Answered | Refused | Expired | Lost:
        """Wait for the answer to a request; other news stay."""
        while True:
            for at, news in enumerate(self._inbox):
                if isinstance(news, _ANSWERS) and news.id == id_:
                    del self._inbox[at]
                    return news
            self._turn_until(until_ns + NS_PER_SECOND, method)

    def _turn_until(self, until_ns: int, method: str) -> None:
        if self.refused:
            raise RequestError(f"{method}: {self.refused}")
        if self._clock() > until_ns:
            raise RequestError(f"{method}: no answer in time; {self.trouble or 'no connection was lost'}")
        self._turn(None)

    # ----------------------------------------------------------------- loop

    def run(self, handler: Handler) -> None:
        """Serve a handler until :meth:`stop`; what the handler raises ends the session and is raised."""
        self._running, self._stopping = True, False
        try:
            self._tell = handler.on_news
            while self._inbox:
                handler.on_news(self._inbox.pop(0))
            while not self._stopping:
                self._turn(handler)
            self.close()  # the handler hears of what is lost
        finally:
            self._running, self._tell = False, self._inbox.append
            self.close()

    def close(self) -> None:
        """End the connection."""
        self._protocol.close(self._clock())
        self._hang_up("closed by us")

    def _turn(self, handler: Handler | None) -> None:
        """Read once, or wait for the next attempt; then what time brings."""
        try:
            if self._socket is None:
                self._wait_or_open()
            else:
                self._read(self._socket, handler)
            now_ns = self._clock()
            if now_ns - self._ticked_ns >= TICK_NS or now_ns < self._ticked_ns:
                self._ticked_ns = now_ns
                self._protocol.tick(now_ns)
                if handler is not None:
                    handler.on_tick(now_ns)
            self._hand_over(now_ns)  # also what the handler's own calls led to
            self._flush()
            if self._protocol.state is State.CLOSING:
                raise Disconnected(self._protocol.reason)
        except Disconnected as error:
            self._hang_up(str(error))
            if not self._stopping:
                self._plan(str(error))

    def _read(self, socket: FrameSocket, handler: Handler | None) -> None:
        frames = polled(socket, POLLS) if self._busy_poll else socket.read(self._wait_s)
        if not frames:
            if handler is not None:
                self._rehearsal.run(self._last_frame, self._clock())
                handler.on_idle()
            return
        now_ns = self._clock()
        for frame in frames:
            if self._tap is not None:
                self._tap(frame, now_ns)
            self._protocol.receive(frame, now_ns)
            if not self._conflate:
                self._hand_over(now_ns)
            if self._stopping:
                return
        self._hand_over(now_ns)
        self._last_frame = frame

    def _hand_over(self, now_ns: int) -> None:
        """Pass news on; what was caused by the news is sent before the next."""
        received: Iterable[News] = self._protocol.events_received()
        if self._conflate:
            received = conflated(received)
        for news in received:
            if type(news) not in _SPECIAL or self._passes(news, now_ns):
                self._tell(news)

    def _passes(self, news: News, now_ns: int) -> bool:
        """Whether news that concern the session itself go on to the handler."""
        if self._reconciler.take(news, now_ns):
            self._reconcile_on(now_ns)
            return False
        if isinstance(news, TradeNews):
            return self._reconciler.seen.add(news.trade_id)
        if isinstance(news, Answered) and isinstance(news.result, OrderAnswer):
            for trade in news.result.trades:
                if self._reconciler.seen.add(trade.trade_id):
                    self._tell(trade)
        elif isinstance(news, StateChanged) and news.after is State.READY:
            self._reconnect.ready(now_ns)
            self._begin(now_ns)
        elif isinstance(news, ClockSkew) and self._clock_was_set(news):
            self._protocol.close(now_ns, "the clock of this machine was set")
        elif isinstance(news, Unauthorised):
            self._reconnect.unauthorised(news.reason, now_ns)
            self._protocol.close(now_ns, news.reason)
        elif isinstance(news, SubscriptionMissing) and set(news.channels) & set(self._needed):
            self._protocol.close(now_ns, f"not granted: {', '.join(news.channels)} {news.reason}")
        return True

    def _clock_was_set(self, news: ClockSkew) -> bool:
        """Whether the system's clock is right by now, and ours, which does not jump, is not."""
        if not isinstance(self._clock, SteadyClock):
            return False
        skew_ns = news.seconds * NS_PER_SECOND
        return abs(skew_ns - self._clock.apart_ns) < abs(skew_ns) / 2

    # ----------------------------------------------------------------- connection

    def _new_protocol(self) -> DeribitProtocol:
        protocol = DeribitProtocol(self._credentials, channels=self._own_channels, **self._settings)
        protocol.blocked = "not reconciled"
        return protocol

    def _wait_or_open(self) -> None:
        left_ns = self._reconnect.due_ns - self._clock()
        if left_ns > 0:
            self._sleep(min(left_ns, TICK_NS) / NS_PER_SECOND)
            return
        if isinstance(self._clock, SteadyClock):
            before_ns = self._clock()
            self._clock.anchor()
            if abs(self._clock() - before_ns) > TICK_NS:
                self.budget.clock_set(self._clock())
        self._reconnect.trying()
        log.info("connecting", extra={"url": self.url, "attempt": self.attempts})
        self._protocol, self._rehearsal = self._new_protocol(), Rehearsal(self._clock())
        self._socket = connect(self.url, self._timeout_s)
        self._protocol.connection_made(self._clock())

    def _flush(self) -> None:
        """Send what the protocol wants sent; a broken socket shows at the next read."""
        for frame in self._protocol.data_to_send():
            if self._socket is None:
                return
            try:
                self._socket.write(frame)
            except Disconnected as error:
                self._protocol.close(self._clock(), str(error))

    def _hang_up(self, reason: str) -> None:
        if self._socket is not None:
            self._socket.end()
            self._socket = None
        self.reconciled = False
        self._reconciler.drop()
        now_ns = self._clock()
        self._protocol.connection_lost(now_ns, reason)
        self._hand_over(now_ns)

    def _plan(self, reason: str) -> None:
        """Set the time of the next attempt, and tell it."""
        now_ns, self.trouble = self._clock(), reason
        delay_s, attempt = self._reconnect.plan(now_ns), self.attempts + 1
        facts = {"attempt": attempt, "delay_s": round(delay_s, 3), "reason": reason}
        log.warning("connection lost", extra=facts)
        self._tell(Reconnecting(now_ns, attempt, delay_s, reason))

    # ----------------------------------------------------------------- reconciliation

    def _begin(self, now_ns: int) -> None:
        if self._credentials is None:
            self._resume([], now_ns)
        else:
            self._reconciler.begin(self._protocol, now_ns)

    def _reconcile_on(self, now_ns: int) -> None:
        if failure := self._reconciler.failure:
            self._protocol.close(now_ns, f"not reconciled: {failure}")
        elif (news := self._reconciler.finished(now_ns)) is not None:
            self._resume(news, now_ns)

    def _resume(self, first: list[News], now_ns: int) -> None:
        """Let orders pass, tell what was reconciled, and only then ask for market data."""
        self.reconciled, self._protocol.blocked = True, ""
        for news in first:
            self._tell(news)
        log.info("ready", extra={"attempt": self.attempts, "channels": len(self._channels)})
        self._protocol.subscribe(self._channels, now_ns)
