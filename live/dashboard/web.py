"""The server of the pages: one task reads the journal, any number of pages is told."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from importlib import resources

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route

from gammacore.errors import ConfigError, GammacoreError
from gammacore.serving import HurriedProtocol, in_thread

from .board import Board
from .guard import Guard
from .hub import Hub
from .source import Source
from .sums import sums_section

EVERY_S = 0.1  # between two looks at the journal, and two deltas
IDLE_S = 1.0  # until pages are told the age of what they show, although nothing is new
MOST = 1_000  # records at a time, so that pages are answered while a long journal is read
FAILED_S = 2.0  # between two looks at a journal that cannot be read
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
Sources = Source | Mapping[str, Source]  # of one session, or of several books by name
log = logging.getLogger("gammacore.dashboard")


def _files() -> dict[str, tuple[bytes, str]]:
    """Read what a browser asks for, by name: contents and type."""
    found = {}
    for item in resources.files("gammacore.live.dashboard").joinpath("static").iterdir():
        kind = item.name.rpartition(".")[2]
        if kind in TYPES:
            found[item.name] = item.read_bytes(), TYPES[kind]
    return found


class _Pages:
    """Reads the journal in the background, and answers."""

    def __init__(self, source: Source) -> None:
        self.board = Board(source)
        self.hub = Hub(self.board)

    async def follow(self) -> None:
        """Read and tell, for ever."""
        told_s = 0.0
        while True:
            started_s = time.monotonic()
            new = self._read()
            if self.hub.watching and (new or started_s - told_s >= IDLE_S):
                told_s = started_s
                self.hub.publish()
            wait_s = EVERY_S - (time.monotonic() - started_s)
            if self.board.trouble:
                wait_s = FAILED_S
            elif self.board.behind:
                wait_s = 0.0
            await asyncio.sleep(max(wait_s, 0.0))

    def _read(self) -> int:
        """Take in what is new; what cannot be read is said and tried again."""
        try:
            new = self.board.read(MOST)
        except GammacoreError as error:
            if str(error) != self.board.trouble:
                self.board.trouble = str(error)
                log.error("cannot read", extra={"reason": str(error)})
            return 0
        self.board.trouble = ""
        return new

    async def missing(self, request: Request) -> Response:
        """Say that there is nothing."""
        return Response("nothing here", 404, media_type="text/plain")

    async def state(self, request: Request) -> Response:
        """Serve the state of now."""
        return Response(self.hub.snapshot(), media_type="application/json")

    async def events(self, request: Request) -> Response:
        """Serve the stream."""
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        last = request.headers.get("last-event-id", "")
        return StreamingResponse(
            self.hub.stream(last), media_type="text/event-stream", headers={"x-accel-buffering": "no"}
        )


def application(
    source: Sources, *, token: str | None = None, names: Iterable[str] = ()
) -> tuple[Guard, Callable[[], None]]:
    """ASGI application of a dashboard, and what ends its streams.

    Parameters
    ----------
    source : Source or mapping of str to Source
        Of one session; of several books by name, each with a page of its own under it, and one of all.
    token : str, optional
        Asked for with every request.
    names : iterable of str
        See :class:`.guard.Guard`.
    """
    files = _files()
    if isinstance(source, Mapping):
        books = {name: _Pages(one) for name, one in source.items()}
        served: list[BaseRoute] = [
            Route("/sums", _sums(books)),
            *_served(files, "books.html"),
            *(Mount(f"/{name}", routes=[*_routes(pages, files)]) for name, pages in books.items()),
        ]
        pages = list(books.values())
    else:
        pages = [_Pages(source)]
        served = [*_routes(pages[0], files)]

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(one.follow()) for one in pages]
        for task in tasks:
            task.add_done_callback(_told)
        yield
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def close() -> None:
        for one in pages:
            one.hub.close()

    last = Route("/{anything:path}", pages[0].missing)
    return Guard(Starlette(routes=[*served, last], lifespan=lifespan), token, names), close


def _routes(pages: _Pages, files: dict[str, tuple[bytes, str]]) -> list[Route]:
    return [Route("/state", pages.state), Route("/events", pages.events), *_served(files, "index.html")]


def _served(files: dict[str, tuple[bytes, str]], first: str) -> list[Route]:
    """Routes of the files; one of them is the page itself."""
    return [Route("/" if name == first else f"/{name}", _file(*files[name])) for name in files]


def _sums(books: Mapping[str, _Pages]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        followers = {name: pages.board.follower for name, pages in books.items()}
        return Response(msgspec.json.encode(sums_section(followers)), media_type="application/json")

    return answer


def _file(body: bytes, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return Response(body, media_type=kind)

    return answer


def _told(task: asyncio.Task[None]) -> None:
    """Say why the reader ended: pages would go on showing the last it read."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("the reader has ended", exc_info=error)


class _Server(uvicorn.Server):
    """A server whose streams end with it."""

    def __init__(self, config: uvicorn.Config, end: Callable[[], None]) -> None:
        super().__init__(config)
        self._end = end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End."""
        self._end()
        await super().shutdown(sockets)


def _server(source: Sources, host: str, port: int, token: str | None, names: Iterable[str]) -> _Server:
    app, end = application(source, token=token, names=names)
    settings = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=HurriedProtocol,
        ws="none",
        lifespan="on",
        access_log=False,  # addresses may hold the token
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    return _Server(settings, end)


def serve(
    source: Sources,
    host: str,
    port: int,
    *,
    token: str | None = None,
    names: Iterable[str] = (),
) -> None:
    """Serve until interrupted.

    Parameters
    ----------
    source : Source or mapping of str to Source
    host : str
    port : int
    token : str, optional
    names : iterable of str

    Raises
    ------
    ConfigError
        If the address cannot be used.
    """
    server = _server(source, host, port, token, names)
    try:
        server.run()
    except SystemExit:  # what it says by itself when it cannot start
        raise ConfigError(f"--port: {host}:{port} cannot be used; another --port may be free") from None


@contextlib.contextmanager
def serving(
    source: Sources,
    *,
    host: str = "127.0.0.1",
    token: str | None = None,
    names: Iterable[str] = (),
) -> Iterator[int]:
    """Serve in a thread on a free port, for tests and notebooks.

    Yields
    ------
    int
        The port.

    Raises
    ------
    RuntimeError
        If it does not come up within ten seconds.
    """
    server = _server(source, host, 0, token, names)
    with in_thread(server, "dashboard") as port:
        yield port
