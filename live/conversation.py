"""Requests of one connection, its state, and the news of both: the part that knows no method's meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gammacore.daycount import NS_PER_SECOND
from gammacore.deribit.codes import LOCAL, Fate
from gammacore.deribit.frames import Failure, encode_request, text_of
from gammacore.deribit.methods import Method

from .budget import Budget, RequestKind, kind_of
from .news import News, Refused, State, StateChanged
from .requests import Request, Requests, Role
from .skew import Skew
from .states import ALIVE, LOGGED_IN, TALKING, TRANSITIONS, Event

PATIENCE_S = 10.0  # for the session's own requests


class Conversation:
    """State of one connection.

    Parameters
    ----------
    budget : Budget
    ids : iterator of int, optional
    skew : Skew, optional
    has_key : bool
        Whether private methods may be asked once the session is logged in.

    Attributes
    ----------
    state : State
    reason : str
        Why it is CLOSING or LOST.
    blocked : str
        Why orders are refused here, if they are.
    """

    def __init__(
        self, budget: Budget, ids: Iterator[int] | None, skew: Skew | None, *, has_key: bool
    ) -> None:
        self.state = State.CONNECTING
        self.reason = self.blocked = ""
        self.budget = budget
        self._has_key = has_key
        self._skew = Skew() if skew is None else skew
        self._requests = Requests(budget, ids)
        self._news: list[News] = []
        self._heard_ns = 0

    @property
    def skew_s(self) -> float:
        """How far our clock is behind the exchange's."""
        return self._skew.seconds

    def events_received(self) -> list[News]:
        """News since the last call."""
        news, self._news = self._news, []
        return news

    def data_to_send(self) -> list[bytes]:
        """Text frames since the last call, to be sent in order."""
        return self._requests.drain()

    def request(
        self, method: Method[Any], params: Mapping[str, Any], now_ns: int, *, timeout_s: float = 10.0
    ) -> int:
        """Ask for anything; what the rate budget does not allow now waits, but for orders.

        Parameters
        ----------
        method : Method
        params : mapping
            In the exchange's units.
        now_ns : int
        timeout_s : float
            For the answer, waiting included.

        Returns
        -------
        int
            The id that its answer will carry.
        """
        id_ = self._requests.next_id()
        frame = encode_request(id_, method.name, params)
        return self._put(Request(id_, method, frame, now_ns + in_ns(timeout_s)), now_ns)

    def _move(self, event: Event, now_ns: int, reason: str = "") -> None:
        before = self.state
        self.state = TRANSITIONS[before, event]
        self.reason = reason
        self._news.append(StateChanged(now_ns, before, self.state, reason))

    def _fail(self, reason: str, now_ns: int) -> None:
        if self.state in ALIVE:
            self._requests.discard()
            self._move(Event.FAILED, now_ns, reason)

    def _own(
        self,
        method: Method[Any],
        params: Mapping[str, Any],
        role: Role,
        now_ns: int,
        channels: tuple[str, ...] = (),
    ) -> None:
        id_ = self._requests.next_id()
        frame = encode_request(id_, method.name, params)
        request = Request(id_, method, frame, now_ns + in_ns(PATIENCE_S), role, channels)
        if not self._requests.put(request, now_ns):
            self._fail(f"too many requests wait: {method.name}", now_ns)

    def _put(self, request: Request, now_ns: int) -> int:
        reason = self._obstacle(request.method)
        if not reason and not self._requests.put(request, now_ns):
            reason = "rate budget used up"
        if reason:
            self._refuse(request, reason, now_ns)
        return request.id

    def _obstacle(self, method: Method[Any]) -> str:
        """Why a request cannot be sent in this state."""
        if self.state not in TALKING:
            return f"session is {self.state}"
        if method.private and (self.state not in LOGGED_IN or not self._has_key):
            return "session is not authenticated"
        if kind_of(method.name) is RequestKind.ORDER and self.state is not State.READY:
            return f"session is {self.state}, not ready"
        return self.blocked if kind_of(method.name) is RequestKind.ORDER else ""

    def _refuse(self, request: Request, reason: str, now_ns: int) -> None:
        fate = Fate.REJECTED
        self._news.append(Refused(now_ns, request.id, request.method.name, LOCAL, reason, "", fate))


def in_ns(seconds: float) -> int:
    """Nanoseconds of a time in seconds."""
    return int(seconds * NS_PER_SECOND)


def fate_of(request: Request) -> Fate:
    """Fate of a request without an answer: reading again harms nobody."""
    if request.sent_ns is None:
        return Fate.REJECTED
    return Fate.RETRY if request.method.reads else Fate.UNKNOWN


def words_of(failure: Failure) -> str:
    """Short text of an error."""
    return f"{failure.code} {failure.message[:100]} {text_of(failure.data)}".strip()


def short(error: BaseException) -> str:
    """Text of an exception, not all of it."""
    return str(error)[:200]
