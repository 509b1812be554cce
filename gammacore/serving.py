"""What the web servers here share: whom they answer, how long they wait, and a thread to run in."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from threading import Thread
from urllib.parse import urlsplit

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["HurriedProtocol", "host_is_ours", "in_thread", "origin_is_ours"]

PATIENCE_S = 10.0
HEADERS_S = 10.0  # for a request to have all its headers


class HurriedProtocol(H11Protocol):
    """HTTP for uvicorn that ends connections whose request does not arrive, byte by byte or not at all."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._late = self.loop.call_later(HEADERS_S, self._end)

    def data_received(self, data: bytes) -> None:
        """Take bytes; those that make no whole request start the time anew only after a whole one."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop()
        elif self._late is None and self.conn.trailing_data[0]:
            self._late = self.loop.call_later(HEADERS_S, self._end)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop()
        super().connection_lost(exc)

    def _stop(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end(self) -> None:
        self._late = None
        if self.transport.get_protocol() is self:  # a WebSocket has another
            self.transport.abort()


def host_is_ours(values: Collection[bytes], names: Collection[str]) -> bool:
    """Whether the one Host header is an address or a name of ours, whatever the port: it may be forwarded.

    A page of any site can reach a server on this machine by a name that is made to point to it (DNS
    rebinding); such a request carries that name.
    """
    if len(values) != 1:
        return False
    host = next(iter(values)).decode("latin-1").lower()
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdecimal():
        name = host
    if name.startswith("[") != name.endswith("]"):
        return False
    return name in names or _is_address(name)


def origin_is_ours(values: Collection[bytes], hosts: Collection[bytes], names: Collection[str]) -> bool:
    """Whether the page that asks, if a page does, is of the same host, or of this machine."""
    if not values:
        return True
    try:
        origin = urlsplit(next(iter(values)).decode("latin-1").lower())
        name = origin.hostname or ""
    except ValueError:
        return False
    if len(values) != 1 or not name:
        return False
    same = [origin.netloc.encode("latin-1")] == [host.lower() for host in hosts]
    return same or name in names or (_is_address(name) and ipaddress.ip_address(name).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


@contextmanager
def in_thread(server: uvicorn.Server, what: str) -> Iterator[int]:
    """Run a server beside the caller.

    Parameters
    ----------
    server : uvicorn.Server
    what : str
        Its name, for the error.

    Yields
    ------
    int
        The port.

    Raises
    ------
    RuntimeError
        If it does not come up within ten seconds.
    """
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    give_up = time.monotonic() + PATIENCE_S
    while not server.started and thread.is_alive() and time.monotonic() < give_up:
        time.sleep(0.005)
    if not server.started:
        raise RuntimeError(f"the {what} did not start")
    try:
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
