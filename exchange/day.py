"""Running figures of the last 24 hours of trades in one instrument."""

from __future__ import annotations

from collections import deque
from typing import Any

from gammacore.daycount import NS_PER_DAY

__all__ = ["DayStats"]


class DayStats:
    """Volumes, extremes and change over a day, kept as trades come and go."""

    def __init__(self) -> None:
        self._trades: deque[tuple[int, float, float, float]] = deque()
        self._coins = 0.0
        self._usd = 0.0
        self._low = self._high = 0.0

    def add(self, ts_ns: int, price: float, coins: float, usd: float) -> None:
        """Count a trade."""
        if not self._trades:
            self._coins = self._usd = 0.0
            self._low = self._high = price
        self._trades.append((ts_ns, price, coins, usd))
        self._coins += coins
        self._usd += usd
        self._low, self._high = min(self._low, price), max(self._high, price)

    def stats(self, now_ns: int) -> dict[str, Any]:
        """Block ``stats`` of a ticker; null where nothing traded."""
        self._drop(now_ns - NS_PER_DAY)
        if not self._trades:
            nothing = {"volume": 0.0, "volume_usd": 0.0, "volume_notional": 0.0}
            return nothing | {"price_change": None, "low": None, "high": None}
        first, last = self._trades[0][1], self._trades[-1][1]
        return {
            "volume": round(self._coins, 8),
            "volume_usd": round(self._usd, 2),
            "volume_notional": round(self._usd, 2),
            "price_change": round(100.0 * (last / first - 1.0), 4) if first > 0.0 else None,
            "low": self._low,
            "high": self._high,
        }

    def _drop(self, before_ns: int) -> None:
        dropped = False
        while self._trades and self._trades[0][0] <= before_ns:
            _, _, coins, usd = self._trades.popleft()
            self._coins -= coins
            self._usd -= usd
            dropped = True
        if dropped and self._trades:
            prices = [price for _, price, _, _ in self._trades]
            self._low, self._high = min(prices), max(prices)
