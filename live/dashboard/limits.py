"""Limits of a session and how much of each is used, as far as its journal says."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from gammacore.config import Config
from gammacore.daycount import NS_PER_HOUR, NS_PER_MINUTE, NS_PER_SECOND
from gammacore.deribit.news import AccountNews
from gammacore.desk import Desk
from gammacore.orders import Order, Purpose
from gammacore.risk import Totals, scenario_profit

from ..assemble import guards_of
from ..attempts import Placed
from ..peak import Peak
from ..risk_manager import NEAR_LIQUIDATION, DayStart, Guards
from ..solvency import liquidation_distance

Row = dict[str, Any]
SCENARIOS_NS = 2 * NS_PER_SECOND  # of market, between two looks at the grid of scenarios


class LimitsUse:
    """What the limits look at.

    Parameters
    ----------
    config : Config
        Of the journal.
    """

    def __init__(self, config: Config) -> None:
        self.guards: Guards = guards_of(config)
        self.stale_s = config.risk.stale_after.ns / NS_PER_SECOND
        self.account: AccountNews | None = None
        self.day_start: DayStart | None = None
        self.skew_s = 0.0
        self._peaks = [(window, most, Peak(window)) for window, most in self.guards.max_drawdown_usd]
        self._sent: deque[int] = deque()
        self._hedges: deque[int] = deque()
        self._scenarios_ns, self._worst = 0, 0.0

    def started(self) -> None:
        """Forget what a new process forgets: counts."""
        self._sent.clear()
        self._hedges.clear()

    def take(self, found: Any, ts_ns: int) -> None:
        """Take in a fact or a command."""
        if isinstance(found, Placed):
            self._sent.append(ts_ns)
        elif isinstance(found, Order) and found.purpose is Purpose.HEDGE and found.limit is None:
            self._hedges.append(ts_ns)
        elif isinstance(found, AccountNews):
            self.account = found
        elif isinstance(found, DayStart):
            self.day_start = found

    def profit(self, ts_ns: int, usd: float) -> None:
        """Take in the profit."""
        if math.isfinite(usd):
            for _, _, peak in self._peaks:
                peak.add(ts_ns, usd)

    def rows(self, desk: Desk, seen: Totals, profit_usd: float, age_s: float) -> list[Row]:
        """One row a limit; ``limit`` is None where none is set.

        Parameters
        ----------
        desk : Desk
        seen : Totals
        profit_usd : float
        age_s : float
            Of the last price.
        """
        limits, guards, now_ns = self.guards.limits, self.guards, desk.market.ts_ns
        sent, hedges = _count(self._sent, now_ns, NS_PER_MINUTE), _count(self._hedges, now_ns, NS_PER_HOUR)
        rows = [
            _row("delta", abs(seen.delta), limits.max_delta, "coin"),
            _row("gamma", abs(seen.gamma), limits.max_gamma, "coin per 1 %"),
            _row("vega", abs(seen.vega_usd), limits.max_vega_usd, "USD per point"),
            _row("premium", seen.premium_usd, limits.max_premium_usd, "USD"),
            _row("worst scenario", self._loss(desk), limits.max_scenario_loss_usd, "USD"),
            _row("orders in a minute", sent, guards.max_orders_per_minute),
            _row("hedges in an hour", hedges, guards.max_hedges_per_hour),
        ]
        if self.day_start is not None:
            lost = max(self.day_start.profit_usd - profit_usd, 0.0)
            rows.append(_row("loss today", lost, guards.max_daily_loss_usd, "USD"))
        for window, most, peak in self._peaks:
            rows.append(_row(f"drawdown {window / NS_PER_HOUR:g} h", peak.fallen(profit_usd), most, "USD"))
        if self.account is not None:
            balance = self.account.margin_balance
            used = self.account.initial_margin / balance if balance > 0 else math.nan
            near = 1.0 - liquidation_distance(self.account)
            rows.append(_row("margin", used, guards.max_margin_use, "share"))
            rows.append(_row("liquidation", near, NEAR_LIQUIDATION, "share"))
        rows.append(_row("age of the price", age_s, self.stale_s, "s"))
        rows.append(_row("clock", abs(self.skew_s), guards.max_skew_ns / NS_PER_SECOND, "s"))
        return rows

    def _loss(self, desk: Desk) -> float:
        """Worst loss on the grid of scenarios, USD."""
        now_ns = desk.market.ts_ns
        if now_ns - self._scenarios_ns >= SCENARIOS_NS:
            self._scenarios_ns = now_ns
            worst = float(scenario_profit(desk.portfolio, desk.market, self.guards.limits.grid).min())
            self._worst = max(-worst, 0.0)
        return self._worst


def _count(times: deque[int], now_ns: int, window_ns: int) -> int:
    while times and times[0] <= now_ns - window_ns:
        times.popleft()
    return len(times)


def _row(name: str, used: float, limit: float | None, unit: str = "") -> Row:
    return {
        "name": name,
        "used": used,
        "limit": limit,
        "unit": unit,
        "share": used / limit if limit else None,
    }
