"""A process that must not outlive the one that started it, and what a session does when it is left alone.

``getppid`` tells it on every POSIX system: a process whose parent has ended, however it did, gets another.
No pipe is needed, so whoever starts a process may close its standard input at once.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

LOOK_S = 0.5
ALONE_S = 5.0  # without a client, after the parent has gone


def is_orphaned(parent: int) -> bool:
    """Whether the process that started this one is gone; 0 is a parent that nobody waits for."""
    return parent != 0 and os.getppid() != parent


def end_after(parent: int, clients: Callable[[], int]) -> None:
    """End this process (SIGTERM) once its parent is gone and nobody has been connected for a while.

    Parameters
    ----------
    parent : int
        Process id.
    clients : callable() -> int
        How many are connected.
    """

    def watch() -> None:
        alone_s = 0.0
        while alone_s < ALONE_S:
            time.sleep(LOOK_S)
            alone_s = alone_s + LOOK_S if is_orphaned(parent) and not clients() else 0.0
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="orphan", daemon=True).start()
