"""The exchange on a port: WebSocket at /ws/api/v2, REST at /api/v2, faults at /_control.

Only text moves here. The clock is read in one place, `Clock`, and may run faster.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from gammacore.serving import HurriedProtocol, host_is_ours, in_thread, origin_is_ours

from .connection import ABNORMAL, TOO_SLOW, Close, Connection
from .exchange import Exchange, UnavailableError
from .faults import Fault
from .saved_state import save

__all__ = ["Clock", "application", "serve", "serving"]

LONGEST_SLEEP_S = 0.05
SHORTEST_SLEEP_S = 0.001
SLOW_S = 10.0  # a client that takes nothing for so long is cut off


@dataclass(frozen=True, slots=True)
class Clock:
    """Exchange time from the machine's.

    Attributes
    ----------
    start_ns : int
        Exchange time when the clock was made.
    speed : float
        Exchange seconds in one second.
    origin_ns : int
        Reading of the monotonic clock at the start.
    """

    start_ns: int
    speed: float
    origin_ns: int

    @classmethod
    def starting(cls, start_ns: int, speed: float) -> Clock:
        """Make a clock that reads `start_ns` now."""
        return cls(start_ns, speed, time.monotonic_ns())

    def now_ns(self) -> int:
        """Exchange time."""
        return self.start_ns + int((time.monotonic_ns() - self.origin_ns) * self.speed)


class _Server:
    """One exchange and the tasks that move its text."""

    def __init__(self, exchange: Exchange, clock: Clock) -> None:
        self.exchange = exchange
        self.clock = clock
        self._wakers: dict[int, asyncio.Event] = {}

    async def run_clock(self) -> None:
        """Let exchange time pass, and wake the senders."""
        while True:
            now_ns = self.clock.now_ns()
            self.exchange.advance(now_ns)
            self.wake()
            wait_s = (self.exchange.next_event_ns() - now_ns) / 1e9 / self.clock.speed
            await asyncio.sleep(min(max(wait_s, SHORTEST_SLEEP_S), LONGEST_SLEEP_S))

    def wake(self) -> None:
        """Have every sender look at its queue."""
        for event in self._wakers.values():
            event.set()

    async def socket(self, socket: WebSocket) -> None:
        """Serve one WebSocket; returning without a close frame ends it abnormally."""
        try:
            connection = self.exchange.connect(self.clock.now_ns())
        except UnavailableError as error:
            await socket.send_denial_response(Response(str(error), status_code=error.status))
            return
        await socket.accept()
        waker = self._wakers[connection.number] = asyncio.Event()
        reader = asyncio.create_task(self._read(socket, connection))
        try:
            end = await self._write(socket, connection, waker)
        finally:
            del self._wakers[connection.number]
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader
        if end is not None and end.code != ABNORMAL:
            with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
                await asyncio.wait_for(socket.close(end.code, end.reason), 1.0)

    async def _read(self, socket: WebSocket, connection: Connection) -> None:
        try:
            while connection.closed is None:
                connection.receive(await socket.receive_text(), self.clock.now_ns())
                self.wake()
        except (WebSocketDisconnect, KeyError):  # gone, or a binary frame
            pass
        finally:
            connection.lost(self.clock.now_ns())
            self.wake()

    async def _write(self, socket: WebSocket, connection: Connection, waker: asyncio.Event) -> Close | None:
        try:
            while True:
                await waker.wait()
                waker.clear()
                for frame in connection.pop():
                    if isinstance(frame, Close):
                        return frame
                    await asyncio.wait_for(socket.send_text(frame), SLOW_S)
        except TimeoutError:
            connection.close(TOO_SLOW)
            return TOO_SLOW
        except (WebSocketDisconnect, RuntimeError):
            connection.lost(self.clock.now_ns())
            return None

    async def rest(self, request: Request) -> Response:
        """Serve one REST request."""
        try:
            body = (await asyncio.wait_for(request.body(), SLOW_S)).decode()
        except TimeoutError:
            return Response("no whole body in time", status_code=408)
        except UnicodeDecodeError:
            body = ""  # answered as what it is: no JSON
        uri = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        status, answer = self.exchange.request(
            request.method, uri, request.headers, body, self.clock.now_ns()
        )
        self.wake()
        return Response(answer, status_code=status, media_type="application/json")

    async def control(self, request: Request) -> Response:
        """Arm a fault: the body is a `Fault` in JSON, whose times count from now."""
        try:
            fault = msgspec.json.decode(await asyncio.wait_for(request.body(), SLOW_S), type=Fault)
        except TimeoutError:
            return Response("no whole body in time", status_code=408)
        except (ValueError, RecursionError) as error:
            return Response(str(error), status_code=400)
        since = (self.clock.now_ns() - self.exchange.config.start_ns) / 1e9
        until = None if fault.until_s is None else fault.until_s + since
        self.exchange.inject(msgspec.structs.replace(fault, at_s=fault.at_s + since, until_s=until))
        return Response(msgspec.json.encode(self.exchange.faults.fired), media_type="application/json")


class _Ours:
    """Application around the one that serves: refuses what pages of other sites ask for.

    Parameters
    ----------
    app : ASGI application
    names : collection of str
        Host names beside localhost and plain addresses.
    """

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app, self._names = app, {name.lower() for name in names} | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._is_ours(scope["headers"]):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await Response("this host or origin is not served here", 403)(scope, receive, send)

    def _is_ours(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        hosts, origins = ([v for n, v in headers if n == name] for name in (b"host", b"origin"))
        return host_is_ours(hosts, self._names) and origin_is_ours(origins, hosts, self._names)


def application(
    exchange: Exchange, clock: Clock, state: Path | None = None, names: Collection[str] = ()
) -> ASGIApp:
    """ASGI application of an exchange.

    Parameters
    ----------
    exchange : Exchange
    clock : Clock
    state : Path, optional
        Where to keep the exchange when the application ends.
    names : collection of str
        Host names that it is reached by, beside localhost and plain addresses.

    Returns
    -------
    ASGI application
    """
    server = _Server(exchange, clock)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(server.run_clock())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if state is not None:
            save(exchange, state)

    routes: list[Any] = [
        WebSocketRoute("/ws/api/v2", server.socket),
        Route("/api/v2", server.rest, methods=["GET", "POST"]),
        Route("/api/v2/{method:path}", server.rest, methods=["GET", "POST"]),
        Route("/_control/fault", server.control, methods=["POST"]),
    ]
    return _Ours(Starlette(routes=routes, lifespan=lifespan), names)


def _uvicorn(app: ASGIApp, host: str, port: int) -> uvicorn.Server:
    settings = uvicorn.Config(
        app,
        host=host,
        port=port,
        # This implementation ends the connection when its handler returns, which is how a
        # connection is lost without a close frame.
        ws="websockets-sansio",
        http=HurriedProtocol,
        ws_ping_interval=None,
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(settings)


def serve(
    exchange: Exchange,
    clock: Clock,
    host: str,
    port: int,
    state: Path | None = None,
    names: Collection[str] = (),
) -> None:
    """Serve until interrupted.

    Parameters
    ----------
    exchange : Exchange
    clock : Clock
    host : str
    port : int
    state : Path, optional
        Where to keep the exchange at the end.
    names : collection of str
        See `application`.
    """
    _uvicorn(application(exchange, clock, state, names), host, port).run()


@contextmanager
def serving(exchange: Exchange, *, speed: float = 1.0, host: str = "127.0.0.1") -> Iterator[int]:
    """Serve in a thread on a free port, for tests and notebooks.

    Parameters
    ----------
    exchange : Exchange
    speed : float
        Exchange seconds in one second.
    host : str

    Yields
    ------
    int
        The port.

    Raises
    ------
    RuntimeError
        If it does not come up within ten seconds.
    """
    server = _uvicorn(application(exchange, Clock.starting(exchange.now_ns, speed)), host, 0)
    with in_thread(server, "exchange") as port:
        yield port
