"""Messages to people: by level, each thing once in a while, and never more than so many an hour.

The addresses are `apprise <https://github.com/caronc/apprise>`_ URLs (Telegram, Slack, e-mail, webhooks and
many more; ``pip install 'gammacore[alerts]'``). They hold tokens, so they come from the environment variable
``GAMMACORE_ALERTS``, separated by white space, never from a configuration.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections import deque
from collections.abc import Callable, Mapping
from enum import IntEnum

from gammacore.config import Config
from gammacore.daycount import NS_PER_HOUR, NS_PER_SECOND
from gammacore.errors import ConfigError
from gammacore.logging import keep_secret, redact

__all__ = ["VARIABLE", "Alerts", "Level", "alerts_of", "apprise_sender"]

VARIABLE = "GAMMACORE_ALERTS"
Send = Callable[["Level", str, str], bool]
RETRY_NS = 10 * NS_PER_SECOND  # after a message that did not arrive
log = logging.getLogger("gammacore.alerts")


class Level(IntEnum):
    """How much it matters."""

    INFO = 0
    WARNING = 1
    CRITICAL = 2


class Alerts:
    """Decides what is sent.

    Parameters
    ----------
    send : callable(level, title, text) -> bool
        Whether it arrived; one that did not is tried again by the next of its kind, after some seconds.
    least : Level
        Below it nothing is sent.
    repeat_ns : int
        The same key is not sent again for so long, unless its level has risen.
    per_hour : int
        Beyond it only what is CRITICAL is sent; how much was left out is said with the next one.

    Raises
    ------
    ConfigError
        If ``per_hour`` is not positive.
    """

    def __init__(
        self, send: Send, *, least: Level = Level.WARNING, repeat_ns: int = NS_PER_HOUR, per_hour: int = 20
    ) -> None:
        if per_hour < 1:
            raise ConfigError(f"per_hour: expected at least 1, got {per_hour!r}")
        self._send, self.least, self.repeat_ns, self.per_hour = send, least, repeat_ns, per_hour
        self._last: dict[str, tuple[int, Level]] = {}
        self._sent: deque[int] = deque()
        self._failed_ns: dict[str, int] = {}
        self.left_out = 0

    def tell(self, level: Level, key: str, text: str, now_ns: int, *, title: str = "") -> bool:
        """Send a message, or not.

        Parameters
        ----------
        level : Level
        key : str
            What it is about: the same key is the same thing.
        text : str
            Secrets are blotted out.
        now_ns : int
        title : str
            Instead of the key.

        Returns
        -------
        bool
            Whether it was sent.
        """
        if level < self.least or not self._is_news(level, key, now_ns):
            return False
        while self._sent and self._sent[0] <= now_ns - NS_PER_HOUR:
            self._sent.popleft()
        if len(self._sent) >= self.per_hour and level < Level.CRITICAL:
            self.left_out += 1
            return False
        more = f" ({self.left_out} others were left out)" if self.left_out else ""
        if not self._arrives(level, title or key, redact(text) + more):
            log.error("an alert could not be sent", extra={"key": key})
            self._failed_ns[key] = now_ns
            return False
        self._last[key], self.left_out = (now_ns, level), 0
        self._sent.append(now_ns)
        return True

    def _arrives(self, level: Level, title: str, text: str) -> bool:
        try:
            return self._send(level, f"gammacore: {title}", text)
        except Exception as error:  # a service that fails must not end who watches a session
            log.error("the service of alerts failed", extra={"reason": redact(str(error))})
            return False

    def _is_news(self, level: Level, key: str, now_ns: int) -> bool:
        if now_ns - self._failed_ns.get(key, -RETRY_NS) < RETRY_NS:
            return False
        last = self._last.get(key)
        return last is None or level > last[1] or now_ns - last[0] >= self.repeat_ns

    def over(self, key: str) -> None:
        """Take note that a thing is over: the next time is news."""
        self._last.pop(key, None)


def alerts_of(config: Config) -> Alerts | None:
    """Alerts of a configuration, None if there is nobody to tell.

    Raises
    ------
    ConfigError
        See :func:`apprise_sender`.
    """
    send = apprise_sender()
    if send is None:
        return None
    wanted = config.alerts
    level = Level[wanted.level.upper()]
    return Alerts(send, least=level, repeat_ns=wanted.repeat.ns, per_hour=wanted.per_hour)


def apprise_sender(environment: Mapping[str, str] | None = None) -> Send | None:
    """Make a sender to the addresses of the environment; None if there are none.

    Raises
    ------
    ConfigError
        If an address is none, or the extra is not installed; the message shows no token.
    """
    urls = (os.environ if environment is None else environment).get(VARIABLE, "").split()
    if not urls:
        return None
    try:
        apprise = importlib.import_module("apprise")
    except ImportError:
        raise ConfigError(f"{VARIABLE}: alerts need pip install 'gammacore[alerts]'") from None
    room = apprise.Apprise()
    for url in urls:
        keep_secret(url)
        if not room.add(url):
            raise ConfigError(f"{VARIABLE}: not an address: {url.partition(':')[0]}://...")
    kinds = {Level.INFO: "info", Level.WARNING: "warning", Level.CRITICAL: "failure"}

    def send(level: Level, title: str, text: str) -> bool:
        return bool(room.notify(body=text, title=title, notify_type=kinds[level]))

    return send
