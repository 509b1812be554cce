"""How a session moves from one state to the next: one table."""

from __future__ import annotations

from enum import StrEnum

from .news import State


class Event(StrEnum):
    """What moves a session on."""

    OPENED = "opened"
    AUTHENTICATED = "authenticated"
    CONFIGURED = "configured"
    SUBSCRIBED = "subscribed"
    FAILED = "failed"
    CLOSED = "closed"


ALIVE = (State.CONNECTING, State.AUTHENTICATING, State.CONFIGURING, State.SUBSCRIBING, State.READY)
TALKING = frozenset(ALIVE[1:])
LOGGED_IN = frozenset(ALIVE[2:])
TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.CONNECTING, Event.OPENED): State.AUTHENTICATING,
    (State.AUTHENTICATING, Event.AUTHENTICATED): State.CONFIGURING,
    (State.CONFIGURING, Event.CONFIGURED): State.SUBSCRIBING,
    (State.SUBSCRIBING, Event.SUBSCRIBED): State.READY,
    **{(state, Event.FAILED): State.CLOSING for state in ALIVE},
    **{(state, Event.CLOSED): State.LOST for state in (*ALIVE, State.CLOSING)},
}
