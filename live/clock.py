"""The time of a session."""

from __future__ import annotations

import time
from collections.abc import Callable

from gammacore.deribit import methods as m
from gammacore.deribit.frames import decode_envelope
from gammacore.deribit.units import GRAIN_NS
from gammacore.errors import SessionError

from .deadline import fetch

CLOCK_S = 10.0  # for a local exchange to tell its time
LISTEN_S, APART = 0.2, 0.05  # how long its clock is listened to, and what it may differ by


class SteadyClock:
    """Nanoseconds UTC that do not jump when the system's clock is set; :meth:`anchor` reads it anew."""

    def __init__(self) -> None:
        self.anchor()

    def anchor(self) -> None:
        """Take the system's time."""
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    @property
    def apart_ns(self) -> int:
        """How far the system's clock is ahead of this one: it has been set since."""
        return time.time_ns() - time.monotonic_ns() - self._offset_ns

    def __call__(self) -> int:
        """Return the time."""
        return time.monotonic_ns() + self._offset_ns


def scaled_clock(url: str, speed: float) -> Callable[[], int]:
    """Make the clock of an exchange on this machine whose time runs faster.

    Raises
    ------
    SessionError
        If the exchange does not tell its time.
    """
    start_ns = _time_of(url)
    origin = time.monotonic_ns()
    return lambda: start_ns + int((time.monotonic_ns() - origin) * speed)


def demand_speed(url: str, speed: float) -> None:
    """Refuse a speed that an exchange on this machine does not run at: its time would run away from ours.

    Raises
    ------
    SessionError
    """
    sent = time.monotonic_ns()
    first = _time_of(url)
    received = time.monotonic_ns()
    time.sleep(LISTEN_S)
    sent_again = time.monotonic_ns()
    passed = _time_of(url) - first
    least, most = sent_again - received, time.monotonic_ns() - sent
    off = GRAIN_NS + APART * speed * most
    if not speed * least - off <= passed <= speed * most + off:
        seen = 2 * passed / (least + most)
        raise SessionError(
            f"--speed: the exchange at {url} runs about {seen:.2g} times as fast as a clock, not {speed:g}; "
            "give its own"
        )


def _time_of(url: str) -> int:
    """Ask an exchange on this machine for its time."""
    address = url.replace("ws://", "http://").replace("/ws/", "/") + "/public/get_time"
    try:
        _, body, _ = fetch(address, CLOCK_S)
        return m.GET_TIME.decode(decode_envelope(body).result, 0)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SessionError(
            f"{address}: the local exchange tells no time: {error}; its address is like "
            "ws://127.0.0.1:8765/ws/api/v2"
        ) from None
