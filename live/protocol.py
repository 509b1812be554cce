"""One connection to Deribit, without the connection: frames and times in, news and frames out.

Nothing here waits, reads a clock or opens a socket. A session lives once: after LOST a new object takes over,
and its user reconciles before trusting anything. The wire never raises: what cannot be read is a
:class:`~.news.BadFrame`. Calls that cannot make sense raise :class:`gammacore.errors.SessionError`.

Every request that a caller makes ends in exactly one of ``Answered``, ``Refused``, ``Expired`` and ``Lost``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Unpack

import msgspec

from gammacore.daycount import NS_PER_SECOND
from gammacore.deribit import methods as m
from gammacore.deribit.codes import AUTHORISATION, UNREADABLE, Action, look_up
from gammacore.deribit.frames import Envelope, Failure, OrderOptions, decode_envelope, encode_order, text_of
from gammacore.deribit.levels import Levels
from gammacore.deribit.methods import Method
from gammacore.deribit.news import AccountNews, OrderAnswer
from gammacore.deribit.units import Instrument
from gammacore.errors import SessionError

from .budget import Budget
from .conversation import Conversation, fate_of, in_ns, short, words_of
from .credentials import Credentials
from .login import Login
from .news import Answered, BadFrame, Expired, Gap, Lost, Refused, State, SubscriptionMissing, Unauthorised
from .requests import Request, Role
from .skew import Skew
from .states import LOGGED_IN, TALKING, Event
from .subscriptions import Subscriptions, batches

BACK_OFF_NS = NS_PER_SECOND
UNREADABLE_ERRORS = (ValueError, RecursionError)  # msgspec's are ValueErrors


class DeribitProtocol(Conversation):
    """State of one connection.

    Parameters
    ----------
    credentials : Credentials, optional
        Without them the session is public.
    channels : iterable of str
        Asked for before the session is READY.
    heartbeat_s : int
        Interval of the exchange's heartbeats, at least 10; a connection silent for three of them is given up.
    cancel_on_disconnect : bool
        Have the exchange cancel our orders when the connection ends.
    by_secret : bool
        Authenticate by the secret itself instead of a signature.
    budget : Budget, optional
        Shared by the sessions of one account.
    ids : iterator of int, optional
        Ids of requests, shared likewise.
    skew : Skew, optional
        What is known of our clock, shared likewise.
    book_depth : int
        Levels a side in :class:`BookNews`; :meth:`book` has all.
    """

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        channels: Iterable[str] = (),
        heartbeat_s: int = 10,
        cancel_on_disconnect: bool = True,
        by_secret: bool = False,
        budget: Budget | None = None,
        ids: Iterator[int] | None = None,
        skew: Skew | None = None,
        book_depth: int = 10,
    ) -> None:
        if heartbeat_s < 10:
            raise SessionError(f"heartbeat_s must be at least 10, got {heartbeat_s!r}")
        super().__init__(Budget() if budget is None else budget, ids, skew, has_key=credentials is not None)
        self._login = None if credentials is None else Login(credentials, by_secret=by_secret)
        self._heartbeat_s = heartbeat_s
        self._silence_ns = 3 * heartbeat_s * NS_PER_SECOND
        self._cancel_on_disconnect = cancel_on_disconnect
        self._depth = book_depth
        self._channels = Subscriptions()
        self._channels.want(channels)

    # ----------------------------------------------------------------- connection

    def connection_made(self, now_ns: int) -> None:
        """Start: the socket is open. All times are nanoseconds UTC of a clock that does not jump."""
        if self.state is not State.CONNECTING:
            raise SessionError(f"connection made in state {self.state}")
        self._heard_ns = now_ns
        self._move(Event.OPENED, now_ns)
        if self._login is None:
            self._configure(now_ns)
        else:
            self._own(m.GET_TIME, {}, Role.TIME, now_ns)

    def connection_lost(self, now_ns: int, reason: str = "") -> None:
        """End: the socket is gone; every request that waits for an answer is lost."""
        if self.state is State.LOST:
            return
        for request in self._requests.clear():
            if request.role is Role.CALLER:
                self._news.append(Lost(now_ns, request.id, request.method.name, fate_of(request)))
        self._move(Event.CLOSED, now_ns, self.reason or reason)

    def close(self, now_ns: int, reason: str = "closed by us") -> None:
        """Ask for the end; the owner of the socket closes it on CLOSING."""
        self._fail(reason, now_ns)

    def next_deadline(self, now_ns: int) -> int | None:
        """When to call :meth:`tick` at the latest."""
        if self.state not in TALKING:
            return None
        due = min(self._requests.next_deadline(now_ns), self._heard_ns + self._silence_ns)
        refresh_ns = 0 if self._login is None else self._login.refresh_ns
        return min(due, refresh_ns) if refresh_ns else due

    def tick(self, now_ns: int) -> None:
        """Notice what did not happen: answers, heartbeats, the renewal of a token; send what waited."""
        if self.state not in TALKING:
            return
        for request in self._requests.overdue(now_ns):
            self._overdue(request, now_ns)
        if now_ns - self._heard_ns >= self._silence_ns:
            self._fail(f"silent for {self._silence_ns // NS_PER_SECOND} s", now_ns)
        if self.state not in TALKING:
            return
        if self._login is not None and 0 < self._login.refresh_ns <= now_ns:
            self._own(m.AUTH, self._login.refresh(), Role.REFRESH, now_ns)
        self._requests.pump(now_ns)

    # ----------------------------------------------------------------- wishes

    def send_order(
        self,
        instrument: Instrument,
        amount: float,
        now_ns: int,
        *,
        timeout_s: float = 5.0,
        **options: Unpack[OrderOptions],
    ) -> int:
        """Buy (positive amount) or sell.

        Refused here, with code 0, when the session is not READY or the rate budget is used up.

        Parameters
        ----------
        instrument : Option, Future, Perpetual or str
        amount : float
            Signed, in the exchange's unit (see events.Fill), on its grid.
        now_ns : int
        timeout_s : float
            For the answer.
        **options
            See `OrderOptions`; a label is required.

        Returns
        -------
        int

        Raises
        ------
        SessionError
            If amount, limit or label cannot be sent.
        """
        id_ = self._requests.next_id()
        frame = encode_order(id_, instrument, amount, **options)
        method = m.BUY if amount > 0.0 else m.SELL
        return self._put(Request(id_, method, frame, now_ns + int(timeout_s * NS_PER_SECOND)), now_ns)

    def cancel(self, order_id: str, now_ns: int, *, timeout_s: float = 5.0) -> int:
        """Cancel one order by the exchange's id."""
        return self.request(m.CANCEL, {"order_id": order_id}, now_ns, timeout_s=timeout_s)

    def cancel_label(self, label: str, now_ns: int, *, timeout_s: float = 5.0) -> int:
        """Cancel by our label, also when the exchange's id never reached us."""
        return self.request(m.CANCEL_BY_LABEL, {"label": label}, now_ns, timeout_s=timeout_s)

    def cancel_all(self, now_ns: int, *, timeout_s: float = 5.0) -> int:
        """Cancel everything."""
        return self.request(m.CANCEL_ALL, {}, now_ns, timeout_s=timeout_s)

    def subscribe(self, channels: Iterable[str], now_ns: int) -> None:
        """Ask for channels; those not granted come back as :class:`SubscriptionMissing`."""
        added = self._channels.want(channels)
        if self.state in (State.SUBSCRIBING, State.READY):
            self._ask(m.SUBSCRIBE, Role.SUBSCRIBE, added, now_ns)

    def unsubscribe(self, channels: Iterable[str], now_ns: int) -> None:
        """Leave channels."""
        left = self._channels.leave(channels)
        if self.state in (State.SUBSCRIBING, State.READY):
            self._ask(m.UNSUBSCRIBE, Role.UNSUBSCRIBE, left, now_ns)

    def book(self, channel: str) -> Levels | None:
        """Whole book of a channel, None while it is not valid."""
        levels = self._channels.books.get(channel)
        return None if levels is None or levels.change_id is None else levels

    @property
    def scope(self) -> str:
        """What our key was granted."""
        return "" if self._login is None else self._login.scope

    # ----------------------------------------------------------------- frames

    def receive(self, frame: bytes | str, now_ns: int) -> None:
        """Take a text frame in; whatever it is, nothing is raised."""
        if self.state not in TALKING:
            return
        self._heard_ns = now_ns
        try:
            envelope = decode_envelope(frame)
        except UNREADABLE_ERRORS as error:
            self._news.append(BadFrame(now_ns, "", short(error)))
            return
        if envelope.method == "subscription":
            self._notified(envelope, now_ns)
        elif envelope.method == "heartbeat":
            if envelope.params is not None and envelope.params.type == "test_request":
                self._test(now_ns)
        elif envelope.id is None:
            self._anonymous(envelope, now_ns)
        else:
            self._answer(envelope, now_ns)

    def _notified(self, envelope: Envelope, now_ns: int) -> None:
        params = envelope.params
        if params is None or not params.channel:
            self._news.append(BadFrame(now_ns, "", "notification without a channel"))
            return
        channel = params.channel
        try:
            news = self._channels.heard(channel, params.data, self._depth, now_ns)
        except UNREADABLE_ERRORS as error:
            self._news.append(BadFrame(now_ns, channel[:100], short(error)))
            return
        self._news += news
        if news and type(news[0]) is Gap:  # asking again for a channel that we have gives no snapshot
            self._ask(m.UNSUBSCRIBE, Role.RENEW, [channel], now_ns)

    def _test(self, now_ns: int) -> None:
        if not self._requests.pending(Role.TEST):
            self._own(m.TEST, {}, Role.TEST, now_ns)

    def _anonymous(self, envelope: Envelope, now_ns: int) -> None:
        """Handle an answer to what the exchange could not read, or nothing that we know."""
        if envelope.error is None:
            self._news.append(BadFrame(now_ns, "", f"no answer, method {envelope.method[:50]!r}"))
            return
        text = words_of(envelope.error)
        self._news.append(BadFrame(now_ns, "", f"error without id: {text}"))
        if look_up(envelope.error.code).action is Action.DROP:
            self._fail(text, now_ns)

    def _answer(self, envelope: Envelope, now_ns: int) -> None:
        request = self._requests.answered(envelope.id) if isinstance(envelope.id, int) else None
        if request is None:
            self._answered_late(envelope, now_ns)
            return
        assert request.sent_ns is not None
        skewed = self._skew.measure(request.sent_ns, now_ns, envelope.usIn, envelope.usOut)
        if skewed is not None:
            self._news.append(skewed)
        if envelope.error is not None:
            self._refused(request, envelope.error, now_ns)
            return
        try:
            self._answered(request, envelope.result, now_ns)
        except UNREADABLE_ERRORS as error:
            self._news.append(BadFrame(now_ns, "", f"answer to {request.method.name}: {short(error)}"))
            self._unreadable(request, now_ns)

    def _answered(self, request: Request, result: msgspec.Raw, now_ns: int) -> None:
        match request.role:
            case Role.CALLER:
                found = request.method.decode(result, now_ns)
                if isinstance(found, AccountNews) and found.limits is not None:
                    self.budget.adopt(found.limits)
                self._news.append(Answered(now_ns, request.id, request.method.name, found))
            case Role.TIME:
                self._log_in(self._known_login(), now_ns)
            case Role.STATUS:
                self._news.append(m.STATUS.decode(result, now_ns))
                self._configured(now_ns)
            case Role.LOGIN | Role.REFRESH:
                self._known_login().granted(m.AUTH.decode(result, now_ns), now_ns)
                if self.state is State.AUTHENTICATING:
                    self._configure(now_ns)
            case Role.SETUP:
                self._configured(now_ns)
            case Role.SUBSCRIBE:
                granted = request.method.decode(result, now_ns)
                self._missing(self._channels.ungranted(request.channels, granted), "", now_ns)
                self._subscribed(now_ns)
            case Role.RENEW:
                wanted = [channel for channel in request.channels if channel in self._channels.wanted]
                self._ask(m.SUBSCRIBE, Role.SUBSCRIBE, wanted, now_ns)

    def _answered_late(self, envelope: Envelope, now_ns: int) -> None:
        """Pass on what the answer to an expired order says about the order."""
        method = self._requests.answered_late(envelope.id) if isinstance(envelope.id, int) else None
        if method is None:
            self._news.append(BadFrame(now_ns, "", "answer to no request"))
        elif envelope.error is None:
            try:
                found = method.decode(envelope.result, now_ns)
            except UNREADABLE_ERRORS as error:
                self._news.append(BadFrame(now_ns, "", f"late answer to {method.name}: {short(error)}"))
                return
            if isinstance(found, OrderAnswer):
                self._news += [found.order, *found.trades]

    def _refused(self, request: Request, failure: Failure, now_ns: int) -> None:
        row, text = look_up(failure.code), words_of(failure)
        self._unauthorised(request, failure.code, text, now_ns)
        if request.role is Role.CALLER:
            message, data = failure.message[:200], text_of(failure.data)
            news = Refused(now_ns, request.id, request.method.name, failure.code, message, data, row.fate)
            self._news.append(news)
        elif request.role is Role.REFRESH:
            self._start_over(now_ns)
        elif request.role is Role.TIME:
            self._log_in(self._known_login(), now_ns)
        elif request.role is Role.STATUS:
            self._configured(now_ns)
        elif request.role is Role.SUBSCRIBE:
            self._missing(self._channels.ungranted(request.channels, ()), text, now_ns)
            self._subscribed(now_ns)
        elif request.role not in (Role.TEST, Role.UNSUBSCRIBE):
            self._fail(f"{request.method.name} refused: {text}", now_ns)
        if row.action is Action.DROP:
            self._fail(text, now_ns)
        elif row.action is Action.BACK_OFF:
            self.budget.back_off(now_ns + BACK_OFF_NS)
        elif row.action is Action.REAUTHENTICATE:
            self._start_over(now_ns)

    def _unauthorised(self, request: Request, code: int, text: str, now_ns: int) -> None:
        """Tell when another attempt with the same key would end alike."""
        login = request.role is Role.LOGIN
        ours = login or (request.method.private and request.role is not Role.REFRESH)
        if (ours and code in AUTHORISATION) or (login and look_up(code).action is Action.REAUTHENTICATE):
            self._news.append(Unauthorised(now_ns, code, f"{request.method.name} refused: {text}"))

    def _unreadable(self, request: Request, now_ns: int) -> None:
        if request.role is Role.CALLER:
            fate = fate_of(request)
            news = Refused(now_ns, request.id, request.method.name, UNREADABLE, "unreadable answer", "", fate)
            self._news.append(news)
        elif request.role is Role.TIME:
            self._log_in(self._known_login(), now_ns)
        elif request.role is Role.STATUS:
            self._configured(now_ns)
        else:
            self._fail(f"unreadable answer to {request.method.name}", now_ns)

    def _overdue(self, request: Request, now_ns: int) -> None:
        if request.role is not Role.CALLER:
            if request.role not in (Role.TEST, Role.UNSUBSCRIBE):  # silence is noticed anyway
                self._fail(f"no answer to {request.method.name}", now_ns)
        elif request.sent_ns is None:
            self._refuse(request, "waited too long for the rate budget", now_ns)
        else:
            self._news.append(Expired(now_ns, request.id, request.method.name, fate_of(request)))
            self._requests.expect_late(request)

    # ----------------------------------------------------------------- session

    def _start_over(self, now_ns: int) -> None:
        """Authenticate again on the same connection."""
        if self._login is None or self.state not in LOGGED_IN or not self._login.may_start_over(now_ns):
            return
        if not self._requests.pending(Role.LOGIN, Role.REFRESH):
            self._log_in(self._login, now_ns)

    def _log_in(self, login: Login, now_ns: int) -> None:
        """Log in by the exchange's time, so that a clock that is off is not taken for a wrong key."""
        params = login.first(now_ns, in_ns(self._skew.seconds))
        self._own(m.AUTH, params, Role.LOGIN, now_ns)

    def _configure(self, now_ns: int) -> None:
        self._move(Event.AUTHENTICATED, now_ns)
        self._own(m.SET_HEARTBEAT, {"interval": self._heartbeat_s}, Role.SETUP, now_ns)
        self._own(m.STATUS, {}, Role.STATUS, now_ns)
        if self._login is not None and self._cancel_on_disconnect:
            params = {"scope": "connection"}
            self._own(m.ENABLE_CANCEL_ON_DISCONNECT, params, Role.SETUP, now_ns)

    def _known_login(self) -> Login:
        assert self._login is not None  # who is not to log in asks for no time
        return self._login

    def _configured(self, now_ns: int) -> None:
        if self.state is State.CONFIGURING and not self._requests.pending(Role.SETUP, Role.STATUS):
            self._move(Event.CONFIGURED, now_ns)
            self._ask(m.SUBSCRIBE, Role.SUBSCRIBE, self._channels.wanted, now_ns)
            self._subscribed(now_ns)

    def _subscribed(self, now_ns: int) -> None:
        if self.state is State.SUBSCRIBING and not self._requests.pending(Role.SUBSCRIBE):
            self._move(Event.SUBSCRIBED, now_ns)

    def _ask(
        self, methods: Mapping[bool, Method[list[str]]], role: Role, channels: Iterable[str], now_ns: int
    ) -> None:
        for private, batch in batches(channels):
            self._own(methods[private], {"channels": batch}, role, now_ns, batch)

    def _missing(self, channels: list[str], reason: str, now_ns: int) -> None:
        if not channels:
            return
        renewed = self._channels.renewing.intersection(channels)
        self._channels.leave(channels)
        self._news.append(SubscriptionMissing(now_ns, tuple(channels), reason))
        if renewed:
            self._fail("a book was not granted again", now_ns)
