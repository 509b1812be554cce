"""Several books at a glance: each in a row, and what they come to."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from gammacore.daycount import NS_PER_SECOND, format_time
from gammacore.risk import totals

from ..follow import Follower
from ..risk_manager import Mode
from ..solvency import profit_usd
from ..sums import sums_of


def sums_section(books: Mapping[str, Follower]) -> dict[str, Any]:
    """Write sums, and a row for each book; numbers that there are not are None.

    Parameters
    ----------
    books : mapping of str to Follower
        By the name under which each has its page.
    """
    now_ns = int(time.time() * NS_PER_SECOND)
    latest_ns = max((follower.last_ns for follower in books.values()), default=0)
    sums = sums_of(list(books.values()), latest_ns or now_ns)
    return {
        "time": f"{format_time(latest_ns)[:19]} UTC" if latest_ns else "waiting for the first journal",
        "sums": {
            "today_usd": _known(sums.today),
            "delta_usd": _known(sums.delta),
            "vega_usd": _known(sums.vega),
        },
        "books": [_row(name, follower) for name, follower in books.items()],
    }


def _row(name: str, follower: Follower) -> dict[str, Any]:
    desk, mode = follower.desk, follower.mode
    if desk is None or not desk.market.index > 0:
        nothing = dict.fromkeys(("price", "delta", "gamma", "vega_usd", "hedges", "profit_usd"))
        return {"name": name, "mode": "waiting", **nothing}
    seen = totals(desk.portfolio, desk.market)
    return {
        "name": name,
        "mode": "ended" if follower.stopped else Mode(mode.mode if mode else Mode.NORMAL).name,
        "price": desk.market.index,
        "delta": _known(seen.delta),
        "gamma": _known(seen.gamma),
        "vega_usd": _known(seen.vega_usd),
        "hedges": desk.portfolio.hedges,
        "profit_usd": _known(profit_usd(desk)),
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
