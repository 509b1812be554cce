"""A web request with one deadline: for its connection, its headers and all of its body.

The time-out of a socket is one of each read; a server that sends a byte now and then never meets it. Here a
timer shuts the connection down, wherever the request is at that moment.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import urllib.error
import urllib.request
from email.message import Message
from typing import Any

__all__ = ["fetch"]


def fetch(url: str, timeout_s: float) -> tuple[int, bytes, Message]:
    """Get a page.

    Parameters
    ----------
    url : str
        Redirections and proxies of the environment are followed.
    timeout_s : float
        From the first connection to the last byte.

    Returns
    -------
    tuple of int, bytes and Message
        Status, also one that is an error, body and headers.

    Raises
    ------
    OSError or http.client.HTTPException
        If the network fails, the body is cut, or the time is over (TimeoutError).
    """
    if not timeout_s > 0.0:
        raise TimeoutError("no time left")
    watch = _Watch(timeout_s)
    opener = urllib.request.build_opener(_Http(watch), _Https(watch))
    request = urllib.request.Request(url, headers={"User-Agent": "gammacore"})
    try:
        with _opened(opener, request, timeout_s) as answer:
            found = int(answer.status), bytes(answer.read()), answer.headers
    except (OSError, http.client.HTTPException):
        watch.demand_time()
        raise
    finally:
        watch.stop()
    watch.demand_time()  # a body without a length ends where the connection does
    return found


def _opened(opener: urllib.request.OpenerDirector, request: urllib.request.Request, timeout_s: float) -> Any:
    try:
        return opener.open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        return error  # it is the answer as well


class _Watch:
    """Shuts every connection of a request down when its time is over."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._sockets: list[socket.socket] = []
        self._over = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(timeout_s, self._end)
        self._timer.daemon = True
        self._timer.start()

    def connect(self, *where: Any, **options: Any) -> socket.socket:
        """Connect as the standard library does; a twin of the socket outlives its way into TLS."""
        made = socket.create_connection(*where, **options)
        with self._lock:
            self._sockets.append(made.dup())
            if self._over:
                _shut(self._sockets[-1])
        return made

    def demand_time(self) -> None:
        """Raise TimeoutError if the time was over."""
        if self._over:
            raise TimeoutError(f"no whole answer within {self._timeout_s:g} s")

    def stop(self) -> None:
        self._timer.cancel()
        with self._lock:
            for twin in self._sockets:
                twin.close()
            self._sockets.clear()

    def _end(self) -> None:
        with self._lock:
            self._over = True
            for twin in self._sockets:
                _shut(twin)


def _shut(twin: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is closed already
        twin.shutdown(socket.SHUT_RDWR)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        def connection(host: str, **options: Any) -> http.client.HTTPConnection:
            made = http.client.HTTPConnection(host, **options)
            made._create_connection = self._watch.connect  # type: ignore[attr-defined]
            return made

        return self.do_open(connection, req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        def connection(host: str, **options: Any) -> http.client.HTTPSConnection:
            made = http.client.HTTPSConnection(host, **options)
            made._create_connection = self._watch.connect  # type: ignore[attr-defined]
            return made

        return self.do_open(connection, req)
