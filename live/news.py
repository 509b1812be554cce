"""What a session tells its user: what the exchange says, and how the session itself stands.

``ts_ns`` is the exchange's time for its own news (:mod:`gammacore.deribit.news`), else ours.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from gammacore.deribit.codes import Fate
from gammacore.deribit.news import AccountNews, Dated, OrderNews, PositionNews, Said, TradeNews


class State(StrEnum):
    """Where a session is; see :mod:`.states`."""

    CONNECTING = "connecting"
    AUTHENTICATING = "authenticating"
    CONFIGURING = "configuring"
    SUBSCRIBING = "subscribing"
    READY = "ready"
    CLOSING = "closing"
    LOST = "lost"
    __hash__ = str.__hash__  # Enum's own is a call of Python code


class StateChanged(Dated, frozen=True, gc=False, tag=True):
    """The session moved on."""

    before: State
    after: State
    reason: str


class Answered(Dated, frozen=True, gc=False, tag=True):
    """A request got its result, typed for the methods that `messages.decode_result` knows."""

    id: int
    method: str
    result: Any


class Refused(Dated, frozen=True, gc=False, tag=True):
    """A request got an error.

    ``code`` is the exchange's; 0 when the session itself did not send the request, -1 when the answer
    could not be read.
    """

    id: int
    method: str
    code: int
    message: str
    data: str
    fate: Fate


class Expired(Dated, frozen=True, gc=False, tag=True):
    """A request that was sent has no answer in time."""

    id: int
    method: str
    fate: Fate


class Lost(Dated, frozen=True, gc=False, tag=True):
    """The connection ended before the answer; the fate is REJECTED if it had not been sent yet."""

    id: int
    method: str
    fate: Fate


def why_unanswered(news: Refused | Expired | Lost) -> str:
    """Words for a request that got no result."""
    if isinstance(news, Refused):
        return f"{news.code or ''} {news.message} {news.data}".strip()
    return "no answer in time" if isinstance(news, Expired) else "the connection was lost"


class Unauthorised(Dated, frozen=True, gc=False, tag=True):
    """The exchange refuses our key, or what the key may do: the same again would be refused again."""

    code: int
    reason: str


class SubscriptionMissing(Dated, frozen=True, gc=False, tag=True):
    """Channels that were asked for and not granted; ``reason`` is empty if there was none."""

    channels: tuple[str, ...]
    reason: str


class Gap(Dated, frozen=True, gc=False, tag=True):
    """A book missed a change: not valid until its next :class:`BookNews`; the session asks for it."""

    channel: str


class BadFrame(Dated, frozen=True, gc=False, tag=True):
    """Something unreadable was received and skipped; ``channel`` is empty if unknown."""

    channel: str
    reason: str


class ClockSkew(Dated, frozen=True, gc=False, tag=True):
    """Our clock is ``seconds`` behind the exchange's (negative: ahead), give or take ``uncertainty``."""

    seconds: float
    uncertainty: float


class Reconnecting(Dated, frozen=True, gc=False, tag=True):
    """The connection is gone or could not be made; the next attempt comes in ``delay_s`` seconds."""

    attempt: int
    delay_s: float
    reason: str


class Reconciled(Dated, frozen=True, gc=False, tag=True):
    """What the exchange says we have, after every (re)connection and before any market news.

    ``trades`` are those not handed over before, oldest first; ``earlier`` the ids of those that a first
    connection found, and that its ``positions`` include.
    """

    open_orders: tuple[OrderNews, ...]
    trades: tuple[TradeNews, ...]
    positions: tuple[PositionNews, ...]
    accounts: tuple[AccountNews, ...]
    earlier: tuple[str, ...] = ()


News = (
    Said
    | StateChanged
    | Answered
    | Refused
    | Expired
    | Lost
    | Unauthorised
    | SubscriptionMissing
    | Gap
    | BadFrame
    | ClockSkew
    | Reconnecting
    | Reconciled
)
