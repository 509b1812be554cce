"""What several books lose and hold together, and the limits for that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from gammacore.config.sections import TogetherConfig
from gammacore.daycount import NS_PER_DAY
from gammacore.risk import totals

from .follow import Follower
from .solvency import profit_usd

__all__ = ["Sums", "beyond", "sums_of", "unchecked"]


class Sums(NamedTuple):
    """What books have in common, USD: profit today, delta, vega per point; NaN while one is not known."""

    today: float
    delta: float
    vega: float


def sums_of(books: Sequence[Follower], now_ns: int) -> Sums:
    """Add up what books earned today and hold.

    Parameters
    ----------
    books : sequence of Follower
        One that has not begun counts nothing; one whose day has not begun earned nothing today.
    now_ns : int
        Exchanges of simulated time may be ahead of it.
    """
    today = delta = vega = 0.0
    for follower in books:
        desk = follower.desk
        if desk is None or not desk.market.index > 0:
            continue
        seen = totals(desk.portfolio, desk.market)
        profit, start, at_ns = profit_usd(desk), follower.day_start, max(now_ns, follower.last_ns)
        same_day = start is not None and start.ts_ns // NS_PER_DAY == at_ns // NS_PER_DAY
        today += profit - (start.profit_usd if start is not None and same_day else profit)
        delta, vega = delta + seen.delta * desk.market.index, vega + seen.vega_usd
    return Sums(today, delta, vega)


def beyond(sums: Sums, limits: TogetherConfig) -> str:
    """Say which limit for the sum is broken, empty if none is."""
    for name, value, limit in _held_against(sums, limits):
        if value > limit:
            return f"risk.together.{name}: {value:,.2f} of all books exceeds {limit:,.2f}"
    return ""


def unchecked(sums: Sums, limits: TogetherConfig) -> str:
    """Name the limits that cannot be checked, for a figure of one book is not known; empty if all can."""
    return ", ".join(
        f"risk.together.{name}" for name, value, _ in _held_against(sums, limits) if math.isnan(value)
    )


def _held_against(sums: Sums, limits: TogetherConfig) -> list[tuple[str, float, float]]:
    """Names, figures and limits of those that are set."""
    known = {
        "max_daily_loss_usd": -sums.today,
        "max_delta_usd": abs(sums.delta),
        "max_vega_usd": abs(sums.vega),
    }
    found = [(name, value, getattr(limits, name)) for name, value in known.items()]
    return [(name, value, limit) for name, value, limit in found if limit is not None]
