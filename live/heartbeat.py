"""Call a dead-man's switch while all is well: a service that alarms when the calls stop.

The address comes from ``alerts.heartbeat`` or, as it may be a secret, from the environment variable
``GAMMACORE_HEARTBEAT``, which wins. A call that fails is logged and hurts nothing.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping

from gammacore.config import Config, check_web_address
from gammacore.daycount import NS_PER_SECOND
from gammacore.logging import keep_secret

from .deadline import fetch

VARIABLE = "GAMMACORE_HEARTBEAT"
CALL_S = 10.0  # for one call, its answer included
log = logging.getLogger("gammacore.alerts")


class Heartbeat:
    """Calls an address (GET) from time to time, each time in a thread of its own.

    Parameters
    ----------
    url : str
    every_s : float
        Between two calls, of which one at a time is under way.
    clock : callable() -> float
        Seconds.

    Attributes
    ----------
    failed : int
        Calls that were not answered with success.
    """

    def __init__(self, url: str, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        keep_secret(url)
        self.url, self.every_s, self._clock = url, every_s, clock
        self._next_s = -1.0
        self._call: threading.Thread | None = None
        self.failed = 0

    def beat(self) -> bool:
        """Say that all is well, if that is due; whether a call was begun."""
        now_s = self._clock()
        if now_s < self._next_s or (self._call is not None and self._call.is_alive()):
            return False
        self._next_s = now_s + self.every_s
        self._call = threading.Thread(target=self._get, name="heartbeat", daemon=True)
        self._call.start()
        return True

    def _get(self) -> None:
        try:
            status, _, _ = fetch(self.url, CALL_S)
            why = "" if status < 400 else f"status {status}"
        except OSError as error:
            why = type(error).__name__
        if why:
            self.failed += 1
            log.warning("a heartbeat did not arrive", extra={"reason": why})


def heartbeat_of(config: Config, environment: Mapping[str, str] | None = None) -> Heartbeat | None:
    """Heartbeat of a configuration and the environment, None where neither names an address.

    Raises
    ------
    ConfigError
        If the variable holds no web address; the message does not show it.
    """
    found = (os.environ if environment is None else environment).get(VARIABLE, "").strip()
    if found:
        check_web_address(VARIABLE, found)
    url = found or config.alerts.heartbeat
    every_s = config.alerts.heartbeat_every.ns / NS_PER_SECOND
    return None if url is None else Heartbeat(url, every_s)
