"""Durations of a configuration: the text as it was given, which knows its nanoseconds."""

from __future__ import annotations

import re

from gammacore.daycount import NS_PER_SECOND
from gammacore.errors import ConfigError

__all__ = ["Duration", "DurationOrNever", "parse_duration"]

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_MOST_S = 36_500 * 86_400  # what it is added to still is a time
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|d)\s*")


class Duration(str):
    """Text such as ``30s``, ``5min``, ``1h`` or ``1d``.

    Attributes
    ----------
    ns : int
        The same in nanoseconds.

    Raises
    ------
    ValueError
        If the text is not of that form or not positive.
    """

    ns: int

    def __new__(cls, text: str) -> Duration:
        """Parse once; whoever holds it reads :attr:`ns`."""
        match = _DURATION.fullmatch(text) if isinstance(text, str) else None
        if match is None or float(match[1]) == 0:
            raise ValueError(f"expected a duration such as 30s, 5min, 1h or 1d, got {text!r}")
        made = super().__new__(cls, text)
        made.ns = round(min(float(match[1]) * _SECONDS[match[2]], 2 * _MOST_S) * NS_PER_SECOND)
        if not 0 < made.ns <= _MOST_S * NS_PER_SECOND:
            raise ValueError(f"expected a duration of a nanosecond to 100 years, got {text!r}")
        return made


class DurationOrNever(Duration):
    """A duration between two hedges; ``never`` has 0 ns."""

    def __new__(cls, text: str) -> DurationOrNever:
        """Parse once."""
        if text != "never":
            return super().__new__(cls, text)  # type: ignore[return-value]
        made = str.__new__(cls, text)
        made.ns = 0
        return made


def parse_duration(text: str, option: str) -> int:
    """Nanoseconds of an option of the command line.

    Raises
    ------
    ConfigError
        Naming the option.
    """
    try:
        return Duration(text).ns
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None
