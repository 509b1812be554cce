"""What the exchange was asked, and who is told the answers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from gammacore.deribit.methods import Method

from .news import Answered, Expired, Lost, Refused, why_unanswered

T = TypeVar("T")
log = logging.getLogger("gammacore.live")


class Asks(Protocol):
    """What questions need of a session."""

    def request(  # noqa: D102
        self, method: Method[Any], params: Mapping[str, Any], *, timeout_s: float = 10.0
    ) -> int: ...


class _Waiting(NamedTuple):
    about: str
    told: Callable[[Any], None]
    failed: Callable[[Refused | Expired | Lost], None] | None


class Asked:
    """Requests under way, by their ids.

    Parameters
    ----------
    session : Asks
    """

    def __init__(self, session: Asks) -> None:
        self._session = session
        self._waiting: dict[int, _Waiting] = {}

    def ask(
        self, method: Method[T], params: Mapping[str, Any], told: Callable[[T], None], about: str = ""
    ) -> int:
        """Ask; nobody is told of a failure, since who needs the answer asks again."""
        id_ = self._session.request(method, params)
        self._waiting[id_] = _Waiting(about, told, None)
        return id_

    def expect(
        self,
        id_: int,
        about: str,
        told: Callable[[Any], None],
        failed: Callable[[Refused | Expired | Lost], None],
    ) -> None:
        """Wait for the answer to a request that has been made, whatever becomes of it."""
        self._waiting[id_] = _Waiting(about, told, failed)

    def waits(self, id_: int) -> bool:
        """Whether a request is under way."""
        return id_ in self._waiting

    def forget(self) -> None:
        """Give up the questions of a connection that is gone; requests whose failure counts stay."""
        self._waiting = {id_: kept for id_, kept in self._waiting.items() if kept.failed is not None}

    def answered(self, news: Answered) -> None:
        """Hand an answer over."""
        waiting = self._waiting.pop(news.id, None)
        if waiting is not None:
            waiting.told(news.result)

    def failed(self, news: Refused | Expired | Lost) -> None:
        """Take note that there is no answer."""
        waiting = self._waiting.pop(news.id, None)
        if waiting is None:
            return
        if isinstance(news, Refused):
            told = {"request": news.method, "about": waiting.about, "reason": why_unanswered(news)}
            log.warning("refused", extra=told)
        if waiting.failed is not None:
            waiting.failed(news)


class Question(Generic[T]):
    """One that is asked again and again, never twice at once.

    Parameters
    ----------
    asked : Asked
    method : Method
    told : callable(T)
    """

    def __init__(self, asked: Asked, method: Method[T], told: Callable[[T], None]) -> None:
        self._asked, self._method, self._told = asked, method, told
        self._id = 0

    @property
    def under_way(self) -> bool:
        """Whether its answer is waited for."""
        return self._asked.waits(self._id)

    def ask(self, **params: Any) -> None:
        """Ask, unless that is under way."""
        if not self.under_way:
            self._id = self._asked.ask(self._method, params, self._told)
