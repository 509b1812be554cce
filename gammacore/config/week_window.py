"""Windows of the week of a configuration: the text as it was given, which knows its minutes."""

from __future__ import annotations

import re

__all__ = ["WeekWindow"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = 1440
_WINDOW = re.compile(r"\s*([a-z]{3})(?:\s*-\s*([a-z]{3}))?(?:\s+(\d\d):(\d\d)\s*-\s*(\d\d):(\d\d))?\s*")


class WeekWindow(str):
    """Text such as ``mon 08:00-16:00``, ``mon-fri 14:00-22:00`` or ``sat``, UTC.

    Attributes
    ----------
    minutes : tuple of (int, int)
        From and until of each of its days, minutes since Monday 00:00; the second is outside.

    Raises
    ------
    ValueError
        If the text is not of that form, or a window ends before it begins.
    """

    minutes: tuple[tuple[int, int], ...]

    def __new__(cls, text: str) -> WeekWindow:
        """Parse once; whoever holds it reads :attr:`minutes`."""
        match = _WINDOW.fullmatch(text.lower()) if isinstance(text, str) else None
        found = None if match is None else _minutes(match)
        if found is None:
            raise ValueError(f"expected a window such as 'mon 08:00-16:00', 'mon-fri' or 'sat', got {text!r}")
        made = super().__new__(cls, text)
        made.minutes = found
        return made


def _minutes(match: re.Match[str]) -> tuple[tuple[int, int], ...] | None:
    """Windows of every day, None where they make no sense."""
    first, last = match[1], match[2] or match[1]
    if first not in DAYS or last not in DAYS:
        return None
    start, end = 0, DAY
    if match[3] is not None:
        hours, minutes = (int(match[3]), int(match[5])), (int(match[4]), int(match[6]))
        if max(minutes) > 59:
            return None
        start, end = (60 * hour + minute for hour, minute in zip(hours, minutes, strict=True))
    if not start < end <= DAY:
        return None
    a = DAYS.index(first)
    count = (DAYS.index(last) - a) % len(DAYS) + 1
    days = [(a + k) % len(DAYS) for k in range(count)]
    return tuple((day * DAY + start, day * DAY + end) for day in days)
