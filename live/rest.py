"""Public questions over REST, for history: one at a time, patient with a busy exchange, never for ever."""

from __future__ import annotations

import http.client
import json
import random
import time
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from gammacore.deribit.addresses import REST
from gammacore.deribit.codes import Fate, look_up
from gammacore.deribit.frames import Failure, decode_envelope
from gammacore.deribit.methods import Method
from gammacore.errors import RequestError, SessionError

from .deadline import fetch

__all__ = ["Rest"]

TRIES = 6
FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 16.0
LONGEST_WISH_S = 300.0  # of a server that names how long to wait
BUSY = (429, 500, 502, 503, 504)
T = TypeVar("T")
Decode = Callable[[Any, int], T]
BUSY_ANSWER = Failure(code=0, message="")  # stands for an answer that was none


class Rest:
    """Reads.

    Parameters
    ----------
    url : str
        Such as :data:`gammacore.deribit.addresses.HISTORY`.
    timeout_s : float
        Of each attempt, from its connection to the last byte of its answer.
    patience_s : float
        Of all attempts at one question together; waits that the server asks for are added.
    sleep : callable(seconds)
    rng : random.Random
        For the jitter of delays.
    """

    def __init__(
        self,
        url: str = REST,
        *,
        timeout_s: float = 30.0,
        patience_s: float = 75.0,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        if not url.startswith(("https://", "http://")):
            raise SessionError(f"not a web address: {url!r}")
        self._url = url.rstrip("/")
        self._timeout_s, self._patience_s = timeout_s, patience_s
        self._sleep = sleep
        self._rng = random.Random() if rng is None else rng

    def get(self, method: Method[T], params: Mapping[str, Any] | None = None) -> T:
        """Ask; a busy exchange or network is asked again, each time later.

        Parameters
        ----------
        method : Method
            A public one.
        params : mapping, optional
            In the exchange's units.

        Returns
        -------
        T
            As the answer on a socket would be.

        Raises
        ------
        RequestError
            If the exchange refuses, or stays busy.
        """
        return self._ask(method.name, params, method.decode)

    def raw(self, method: str, params: Mapping[str, Any] | None = None) -> bytes:
        """Ask as :meth:`get` does; the result in JSON as received, for what keeps it.

        Parameters
        ----------
        method : str
        params : mapping, optional
            In the exchange's units.

        Returns
        -------
        bytes

        Raises
        ------
        RequestError
            If the exchange refuses, or stays busy.
        """
        return self._ask(method, params, _as_received)

    def _ask(self, method: str, params: Mapping[str, Any] | None, decode: Decode[T]) -> T:
        if not method.startswith("public/"):
            raise SessionError(f"method must begin with public/, got {method!r}")
        query = urllib.parse.urlencode({name: _word(value) for name, value in (params or {}).items()})
        url, why, attempts = f"{self._url}/{method}?{query}", "", 0
        delay_s, wished_s, ends_at = FIRST_DELAY_S, 0.0, time.monotonic() + self._patience_s
        for attempts in range(1, TRIES + 1):
            left_s = ends_at - time.monotonic()
            status, body, wished_s = self._fetch(url, min(self._timeout_s, left_s))
            found, why = _read(method, status, body, decode)
            if not isinstance(found, Failure):
                return found
            if not why:
                raise RequestError(f"{method}: {_words(found)} {bytes(found.data).decode(errors='replace')}")
            pause_s = max(delay_s * self._rng.uniform(0.5, 1.0), wished_s)
            ends_at += wished_s
            if attempts == TRIES or time.monotonic() + pause_s >= ends_at:
                break
            self._sleep(pause_s)
            delay_s = min(2.0 * delay_s, LONGEST_DELAY_S)
        raise RequestError(f"{method}: {attempts} attempts failed, the last with {why}; try again later")

    def _fetch(self, url: str, timeout_s: float) -> tuple[int, bytes, float]:
        """Status, body, and seconds to wait if it says so; a failing network looks like a busy exchange."""
        try:
            status, body, headers = fetch(url, timeout_s)
            return status, body, _seconds(headers.get("Retry-After"))
        except (OSError, ValueError, http.client.HTTPException) as error:
            return 503, f"{type(error).__name__}: {error}".encode(), 0.0


def _read(method: str, status: int, body: bytes, decode: Decode[T]) -> tuple[T | Failure, str]:
    """Decode a result, or the exchange's error; and why to ask again, empty for not at all.

    An answer that is no whole JSON was cut on its way. One that is, but not what its method promises, would
    be the same again.
    """
    if status in BUSY:
        return BUSY_ANSWER, f"status {status} {body[:100].decode(errors='replace')}"
    try:
        envelope = decode_envelope(body)
    except (ValueError, RecursionError) as error:
        return BUSY_ANSWER, f"an unreadable answer, status {status}, {len(body)} bytes: {error}"
    if envelope.error is not None:
        again = look_up(envelope.error.code).fate is Fate.RETRY
        return envelope.error, _words(envelope.error) if again else ""
    try:
        return decode(envelope.result, 0), ""
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{method}: unreadable answer, status {status}: {error}") from error


def _words(failure: Failure) -> str:
    return f"{failure.code} {failure.message}"


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _as_received(result: Any, now_ns: int) -> bytes:
    found = bytes(result)
    if not found:
        raise ValueError("no result")
    return found


def _seconds(retry_after: str | None) -> float:
    """Seconds of a Retry-After header; the form with a date is left to our own delays."""
    try:
        wished = float(retry_after or 0.0)
    except ValueError:
        return 0.0
    return min(wished, LONGEST_WISH_S) if wished > 0.0 else 0.0
