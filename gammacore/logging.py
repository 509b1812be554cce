"""Logs of a session: JSON lines in a rotating file, short lines on the terminal, no secrets in either.

Use the standard library's loggers (``logging.getLogger("gammacore.live")``) and give facts as ``extra``;
:func:`configure` attaches the handlers. What looks like a secret, and every value given to
:func:`keep_secret`, is blotted out wherever it stands.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["BLOT", "JsonLines", "configure", "keep_secret", "redact"]

BLOT = "[redacted]"
SECRETIVE = (
    r"client_secret|access_token|refresh_token|signature|password|passphrase|api_?key|authorization|nonce"
)
# "name": "value", name=value, name: value, with or without quotes; a scheme before the value goes too.
_PAIR = re.compile(
    rf"""(?ix) ( ["']? \b (?:{SECRETIVE}) \b ["']? \s* [:=] \s* )
         (?: ["'] [^"']* ["'] | (?:bearer|basic|deri-hmac-sha256) \s+ .* | [^\s,;&"'\]}})]+ )"""
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_PASSWORD_IN_URL = re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(@)")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_values: set[str] = set()


def keep_secret(*values: str) -> None:
    """Blot these values out of everything that is logged from now on."""
    _values.update(value for value in values if value)


def redact(text: str) -> str:
    """Text without what looks like a secret, and without the secrets that were named.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    for value in sorted(_values, key=len, reverse=True):
        text = text.replace(value, BLOT)
    text = _PASSWORD_IN_URL.sub(rf"\1{BLOT}\2", text)
    text = _PAIR.sub(rf"\1{BLOT}", text)
    return _BEARER.sub(rf"\1 {BLOT}", text)


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, extras, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        at = datetime.fromtimestamp(record.created, UTC)
        fields: dict[str, Any] = {
            "time": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        fields |= {name: _plain(name, value) for name, value in _extras(record).items()}
        if record.exc_info:
            fields["exception"] = redact(self.formatException(record.exc_info))
        return json.dumps(fields, ensure_ascii=False)


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _plain(name: str, value: Any) -> Any:
    if re.fullmatch(SECRETIVE, name, re.IGNORECASE):
        return BLOT
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    return redact(str(value))


class _PrivateFile(logging.handlers.RotatingFileHandler):
    """A rotating file that only its owner can read."""

    def _open(self) -> Any:
        os.close(os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT, 0o600))
        Path(self.baseFilename).chmod(0o600)
        return super()._open()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Let a line go that a full disk does not take: a log must not stop what it tells of."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def configure(
    path: str | os.PathLike[str] | None = None,
    *,
    level: int | str = logging.INFO,
    max_bytes: int = 50_000_000,
    backups: int = 10,
) -> logging.Logger:
    """Attach handlers to the package's logger; again: replace them.

    Parameters
    ----------
    path : path-like, optional
        File of JSON lines, rights 0600, rotated at ``max_bytes`` with ``backups`` kept.
    level : int or str

    Returns
    -------
    logging.Logger
        ``gammacore``.
    """
    logger = logging.getLogger("gammacore")
    for old in list(logger.handlers):
        logger.removeHandler(old)
        old.close()
    if path is not None:
        file = _PrivateFile(path, maxBytes=max_bytes, backupCount=backups, encoding="utf-8")
        file.setFormatter(JsonLines())
        logger.addHandler(file)
    logger.setLevel(level)
    logger.propagate = False
    return logger
