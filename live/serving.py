"""A web server of ours in a thread: for tests, notebooks and pictures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn

__all__ = ["in_thread"]

PATIENCE_S = 10.0


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
