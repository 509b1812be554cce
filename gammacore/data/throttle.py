"""How fast to ask: a bucket that fills with time and is emptied by requests."""

from __future__ import annotations

import time
from collections.abc import Callable

from gammacore.deribit.methods import GET_INSTRUMENTS
from gammacore.errors import ConfigError

__all__ = ["Throttle"]

CATALOG = GET_INSTRUMENTS.name  # the exchange allows it once a second


class Throttle:
    """Waits until the next request is allowed.

    Parameters
    ----------
    rate : float
        Requests a second; the exchange refills 20 for an account, less without one.
    burst : int
        How many may go at once after a rest.
    clock : callable() -> float
        Seconds.
    sleep : callable(seconds)

    Raises
    ------
    ConfigError
        If the rate is not positive.
    """

    def __init__(
        self,
        rate: float = 10.0,
        burst: int = 20,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not rate > 0.0 or burst < 1:
            raise ConfigError(f"rate: expected a number > 0 and a burst >= 1, got {rate!r} and {burst!r}")
        self._rate, self._burst, self._clock, self._sleep = rate, burst, clock, sleep
        self._left, self._at, self._catalog_at = float(burst), clock(), -1.0

    def wait(self, method: str) -> None:
        """Wait for the turn of a request."""
        now = self._clock()
        if method == CATALOG:
            if self._catalog_at >= 0.0 and (more := self._catalog_at + 1.0 - now) > 0.0:
                self._sleep(more)
                now = self._clock()
            self._catalog_at = now
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1.0:
            self._sleep((1.0 - self._left) / self._rate)
            now = self._clock()
            self._left = min(self._burst, self._left + (now - self._at) * self._rate)
            self._at = now
        self._left -= 1.0
