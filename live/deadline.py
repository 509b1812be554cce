"""A web request with one deadline: for its connection, its headers and all of its body.

The time-out of a socket is one of each read; a server that sends a byte now and then never meets it. Here a
timer shuts the connection down, wherever the request is at that moment.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import urllib.request
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

__all__ = ["connections", "fetch"]

# Whoever asks decides whether an answer is worth another question; redirections alone are followed.
ONCE = urllib3.Retry(None, connect=0, read=0, status=0, other=0, redirect=5, respect_retry_after_header=False)
READ_TIME_OUTS = (TimeoutError, urllib3.exceptions.ReadTimeoutError)


def connections(url: str) -> urllib3.PoolManager:
    """Keep connections from one request to the next, by the environment's proxy where it names one."""
    parts = urllib3.util.parse_url(url)
    proxy = urllib.request.getproxies().get(parts.scheme or "")
    direct = proxy is None or urllib.request.proxy_bypass(parts.netloc or "")
    made = urllib3.PoolManager() if direct or proxy is None else urllib3.ProxyManager(proxy)
    made.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return made


def fetch(
    url: str, timeout_s: float, pool: urllib3.PoolManager | None = None
) -> tuple[int, bytes, Mapping[str, str]]:
    """Get a page.

    Parameters
    ----------
    url : str
        Redirections are followed.
    timeout_s : float
        From the first connection to the last byte.
    pool : urllib3.PoolManager, optional
        Of :func:`connections`, to keep the connection; by default it ends with the answer.

    Returns
    -------
    tuple of int, bytes and mapping
        Status, also one that is an error, body and headers.

    Raises
    ------
    OSError
        If the network fails, the body is cut, or the time is over (TimeoutError).
    """
    if not timeout_s > 0.0:
        raise TimeoutError("no time left")
    with _Watch(timeout_s) as watch, contextlib.ExitStack() as ends:
        asked = ends.enter_context(connections(url)) if pool is None else pool
        try:
            headers = {"User-Agent": "gammacore"}
            answer = asked.request("GET", url, headers=headers, timeout=timeout_s, retries=ONCE)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            watch.demand_time()
            reason = getattr(error, "reason", error)  # without the address, which may be a secret
            if isinstance(reason, READ_TIME_OUTS):  # of one read, as long as all of it may take
                raise TimeoutError(watch.words) from None
            raise ConnectionError(f"{type(reason).__name__}: {reason}") from None
        watch.demand_time()  # a body without a length ends where the connection does
        return answer.status, answer.data, answer.headers


class _Watch:
    """Shuts the connection of a request down when its time is over."""

    current: ContextVar[_Watch] = ContextVar("watch")

    def __init__(self, timeout_s: float) -> None:
        self.words = f"no whole answer within {timeout_s:g} s"
        self._socket: socket.socket | None = None
        self._over = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(timeout_s, self._end)
        self._timer.daemon = True

    def __enter__(self) -> _Watch:
        self._token = self.current.set(self)
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.current.reset(self._token)
        self._timer.cancel()
        with self._lock:
            self._socket = None

    def hold(self, found: socket.socket | None) -> None:
        """Watch the socket that the request goes by, which a connection may leave to its answer."""
        with self._lock:
            self._socket = found
            self.demand_time()

    def demand_time(self) -> None:
        """Raise TimeoutError if the time was over."""
        if self._over:
            raise TimeoutError(self.words)

    def _end(self) -> None:
        with self._lock:
            self._over = True
            if self._socket is not None:
                with contextlib.suppress(OSError):  # it is closed already
                    # Of the socket itself: what TLS holds belongs to the thread that reads.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _Http(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _Watch.current.get().hold(self.sock)

    def request(self, *args: Any, **options: Any) -> None:
        _Watch.current.get().hold(self.sock)
        super().request(*args, **options)


class _Https(_Http, HTTPSConnection):
    pass


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Https
