"""Public questions over REST, for history: one at a time, patient with a busy exchange, never for ever."""

from __future__ import annotations

import json
import random
import time
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

from gammacore.deribit.addresses import REST
from gammacore.deribit.codes import Fate, look_up
from gammacore.deribit.frames import decode_envelope
from gammacore.errors import RequestError, SessionError

from .deadline import connections, fetch

__all__ = ["Rest"]

TRIES = 6
FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 16.0
LONGEST_WISH_S = 300.0  # of a server that names how long to wait
BUSY = (429, 500, 502, 503, 504)


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
        self._pool = connections(self._url)
        self._timeout_s, self._patience_s = timeout_s, patience_s
        self._sleep = sleep
        self._rng = random.Random() if rng is None else rng

    def raw(self, method: str, params: Mapping[str, Any] | None = None) -> bytes:
        """Ask; a busy exchange or network is asked again, each time later.

        Parameters
        ----------
        method : str
            A public one.
        params : mapping, optional
            In the exchange's units.

        Returns
        -------
        bytes
            The result in JSON as received.

        Raises
        ------
        RequestError
            If the exchange refuses, or stays busy.
        """
        if not method.startswith("public/"):
            raise SessionError(f"method must begin with public/, got {method!r}")
        query = urllib.parse.urlencode({name: _word(value) for name, value in (params or {}).items()})
        url, why, attempts = f"{self._url}/{method}?{query}", "", 0
        delay_s, ends_at = FIRST_DELAY_S, time.monotonic() + self._patience_s
        for attempts in range(1, TRIES + 1):
            found, why, wished_s = self._attempt(
                method, url, min(self._timeout_s, ends_at - time.monotonic())
            )
            if not why:
                return found
            pause_s = max(delay_s * self._rng.uniform(0.5, 1.0), wished_s)
            ends_at += wished_s
            if attempts == TRIES or time.monotonic() + pause_s >= ends_at:
                break
            self._sleep(pause_s)
            delay_s = min(2.0 * delay_s, LONGEST_DELAY_S)
        raise RequestError(f"{method}: {attempts} attempts failed, the last with {why}; try again later")

    def _attempt(self, method: str, url: str, timeout_s: float) -> tuple[bytes, str, float]:
        """Return the result; or why to ask again, and how many seconds the server wants to be left alone."""
        try:
            status, body, headers = fetch(url, timeout_s, self._pool)
        except OSError as error:
            return b"", f"{type(error).__name__}: {error}", 0.0
        if status in BUSY:
            why = f"status {status} {body[:100].decode(errors='replace')}"
            return b"", why, _seconds(headers.get("Retry-After"))
        return *_read(method, status, body), 0.0


def _read(method: str, status: int, body: bytes) -> tuple[bytes, str]:
    """Return the result of an answer, or why to ask again: what is no whole JSON was cut on its way."""
    try:
        envelope = decode_envelope(body)
    except (ValueError, RecursionError) as error:
        return b"", f"an unreadable answer, status {status}, {len(body)} bytes: {error}"
    failure, found = envelope.error, bytes(envelope.result)
    if failure is not None:
        words = f"{failure.code} {failure.message}"
        if look_up(failure.code).fate is Fate.RETRY:
            return b"", words
        raise RequestError(f"{method}: {words} {bytes(failure.data).decode(errors='replace')}")
    if not found:
        raise RequestError(f"{method}: unreadable answer, status {status}: no result")
    return found, ""


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _seconds(retry_after: str | None) -> float:
    """Seconds of a Retry-After header; the form with a date is left to our own delays."""
    try:
        wished = float(retry_after or 0.0)
    except ValueError:
        return 0.0
    return min(wished, LONGEST_WISH_S) if wished > 0.0 else 0.0
