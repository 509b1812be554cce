"""Requests under way: their ids, deadlines, the queue of those that can wait, and what goes out next."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from enum import StrEnum
from itertools import count
from typing import Any

import msgspec

from gammacore.deribit.methods import Method

from .budget import Budget, RequestKind, kind_of

MOST_WAITING = 1_000  # of one kind
MOST_LATE = 1_000
NEVER = 2**63 - 1


class Role(StrEnum):
    """Who asked."""

    CALLER = "caller"
    TIME = "time"  # before the login, which is signed with the exchange's time
    LOGIN = "login"
    REFRESH = "refresh"
    SETUP = "setup"
    STATUS = "status"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    RENEW = "renew"  # leaves a channel to ask for it again
    TEST = "test"


OWN = frozenset(
    (Role.TIME, Role.LOGIN, Role.REFRESH, Role.SETUP, Role.STATUS, Role.TEST)
)  # what keeps a session alive never waits


class Request(msgspec.Struct):
    """One request; ``sent_ns`` is None while it waits."""

    id: int
    method: Method[Any]
    frame: bytes
    deadline_ns: int
    role: Role = Role.CALLER
    channels: tuple[str, ...] = ()
    sent_ns: int | None = None


class Requests:
    """Table of requests.

    Parameters
    ----------
    budget : Budget
    ids : iterator of int, optional
        Shared by the sessions of a client, so that an id means one request.
    """

    def __init__(self, budget: Budget, ids: Iterator[int] | None = None) -> None:
        self._budget = budget
        self._ids = count(1) if ids is None else ids
        self._table: dict[int, Request] = {}
        self._deadlines: list[tuple[int, int]] = []
        self._waiting: dict[RequestKind, deque[Request]] = {kind: deque() for kind in RequestKind}
        self._late: dict[int, Method[Any]] = {}
        self._out: list[bytes] = []

    def __len__(self) -> int:
        return len(self._table)

    def next_id(self) -> int:
        """Return a fresh id."""
        return next(self._ids)

    def put(self, request: Request, now_ns: int) -> bool:
        """Send, or let wait; False if it may do neither."""
        kind = kind_of(request.method.name)
        waiting = self._waiting[kind]
        own = request.role in OWN
        goes = own or (not waiting and self._budget.admit(request.method.name, now_ns))
        if not goes and (kind is RequestKind.ORDER or len(waiting) >= MOST_WAITING):
            return False
        if own:
            self._budget.admit(request.method.name, now_ns, own=True)
        self._table[request.id] = request
        heapq.heappush(self._deadlines, (request.deadline_ns, request.id))
        if goes:
            self._send(request, now_ns)
        else:
            waiting.append(request)
        return True

    def _send(self, request: Request, now_ns: int) -> None:
        request.sent_ns = now_ns
        self._out.append(request.frame)
        request.frame = b""

    def pump(self, now_ns: int) -> None:
        """Send what waited and now may go."""
        for waiting in self._waiting.values():
            while waiting:
                if waiting[0].id not in self._table:  # overdue meanwhile
                    waiting.popleft()
                elif self._budget.admit(waiting[0].method.name, now_ns):
                    self._send(waiting.popleft(), now_ns)
                else:
                    break

    def answered(self, id_: int) -> Request | None:
        """Take a request out that was sent."""
        request = self._table.get(id_)
        if request is None or request.sent_ns is None:
            return None
        return self._table.pop(id_)

    def expect_late(self, request: Request) -> None:
        """Remember an order beyond its deadline: its answer may still come."""
        if kind_of(request.method.name) is RequestKind.ORDER:
            if len(self._late) >= MOST_LATE:
                del self._late[next(iter(self._late))]
            self._late[request.id] = request.method

    def answered_late(self, id_: int) -> Method[Any] | None:
        """Return the method of an order whose deadline has passed, once."""
        return self._late.pop(id_, None)

    def overdue(self, now_ns: int) -> list[Request]:
        """Take out all whose deadline has passed."""
        found = []
        while self._deadlines and self._deadlines[0][0] <= now_ns:
            request = self._table.pop(heapq.heappop(self._deadlines)[1], None)
            if request is not None:
                found.append(request)
        return found

    def clear(self) -> list[Request]:
        """Take all out, in the order of their ids."""
        found = sorted(self._table.values(), key=lambda request: request.id)
        self._table.clear()
        self._deadlines.clear()
        self._out.clear()
        for waiting in self._waiting.values():
            waiting.clear()
        return found

    def pending(self, *roles: Role) -> bool:
        """Whether a request of one of these roles is under way."""
        return any(request.role in roles for request in self._table.values())

    def next_deadline(self, now_ns: int) -> int:
        """When something is overdue or may go."""
        deadlines = self._deadlines
        while deadlines and deadlines[0][1] not in self._table:
            heapq.heappop(deadlines)
        due = deadlines[0][0] if deadlines else NEVER
        for waiting in self._waiting.values():
            if waiting:
                due = min(due, self._budget.ready_ns(waiting[0].method.name, now_ns))
        return due

    def drain(self) -> list[bytes]:
        """Frames to send, in order."""
        out, self._out = self._out, []
        return out

    def discard(self) -> None:
        """Forget the frames that did not go out."""
        self._out.clear()
