"""Hedge policies: pure functions of the delta mismatch and the time since the last hedge.

``fires`` takes scalars (one event) or arrays (a block of events) alike: the replay asks it
for the first event of a block that needs the desk, the desk asks it at that event, and both
get the same answer because it is the same function.

A policy with ``needs_mismatch`` false decides by time alone and may be asked with None.
The mismatch is the delta to be removed, in coin: options plus hedge minus target.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import msgspec

from gammacore.daycount import NS_PER_DAY
from gammacore.errors import ConfigError

__all__ = [
    "Band",
    "FixedCost",
    "Interval",
    "Move",
    "Never",
    "Policy",
    "WhalleyWilmott",
    "Zakamouline",
]


class Interval(msgspec.Struct, frozen=True):
    """Hedge the whole mismatch once ``every_ns`` has passed since the last decision.

    With ``snapshots_only`` the rule looks at published chains and ignores the
    prices between them.
    """

    every_ns: int
    snapshots_only: bool = False
    needs_mismatch: ClassVar[bool] = False

    def fires(self, mismatch: Any, ts_ns: Any, last_ns: int) -> Any:
        """Whether to trade now; ``mismatch`` and ``ts_ns`` scalar or arrays of one shape."""
        return ts_ns - last_ns >= self.every_ns

    def trade(self, mismatch: float) -> float:
        """Delta to add, in coin."""
        return -mismatch


class Band(msgspec.Struct, frozen=True):
    """Hedge when the mismatch leaves ``half_width``: to the centre, or only to the nearest edge.

    ``lower`` is the largest negative mismatch allowed (a positive number) where it differs.
    """

    half_width: float
    to_edge: bool = False
    lower: float | None = None
    snapshots_only: ClassVar[bool] = False
    needs_mismatch: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _positive("half_width", self.half_width)
        if self.lower is not None:
            _positive("lower", self.lower)

    def fires(self, mismatch: Any, ts_ns: Any, last_ns: int) -> Any:
        """Whether to trade now; ``mismatch`` and ``ts_ns`` scalar or arrays of one shape."""
        if self.lower is None:
            return abs(mismatch) > self.half_width
        return (mismatch > self.half_width) | (mismatch < -self.lower)

    def trade(self, mismatch: float) -> float:
        """Delta to add, in coin."""
        if not self.to_edge:
            return -mismatch
        lower = self.half_width if self.lower is None else self.lower
        return (self.half_width if mismatch > 0 else -lower) - mismatch


class Never(msgspec.Struct, frozen=True):
    """Hold the options unhedged."""

    snapshots_only: ClassVar[bool] = True
    needs_mismatch: ClassVar[bool] = False

    def fires(self, mismatch: Any, ts_ns: Any, last_ns: int) -> Any:
        """Nothing fires."""
        return False

    def trade(self, mismatch: float) -> float:
        """No delta to add."""
        return 0.0


class Move(msgspec.Struct, frozen=True):
    """Hedge the whole mismatch when the price has moved far enough since the last decision.

    ``threshold`` is in USD, a fraction of the price, or a multiple of one sigma: the hedge
    volatility times the root of ``horizon_ns``, as a logarithmic move.
    """

    threshold: float
    unit: Literal["usd", "relative", "sigma"] = "sigma"
    horizon_ns: int = NS_PER_DAY

    def __post_init__(self) -> None:
        _positive("threshold", self.threshold)
        _positive("horizon_ns", self.horizon_ns)


class WhalleyWilmott(msgspec.Struct, frozen=True):
    """Band of Whalley and Wilmott for a proportional ``cost`` (one way, a fraction of notional).

    Half-width ``(3/2 cost F gamma^2 / risk_aversion)^(1/3)`` coin, to the edge; with
    ``to_edge`` false 4^(1/3) times as wide, to the centre. ``risk_aversion`` is per USD.
    """

    risk_aversion: float
    cost: float
    to_edge: bool = True

    def __post_init__(self) -> None:
        _positive("risk_aversion", self.risk_aversion)
        _positive("cost", self.cost)


class Zakamouline(msgspec.Struct, frozen=True):
    """Band and modified volatility of Zakamouline (2006), to the edge; units as :class:`WhalleyWilmott`."""

    risk_aversion: float
    cost: float

    def __post_init__(self) -> None:
        _positive("risk_aversion", self.risk_aversion)
        _positive("cost", self.cost)


class FixedCost(msgspec.Struct, frozen=True):
    """Band ``(12 cost_per_trade gamma^2 / risk_aversion)^(1/4)``, to the centre.

    ``cost_per_trade`` is in USD, ``risk_aversion`` per USD.
    """

    risk_aversion: float
    cost_per_trade: float

    def __post_init__(self) -> None:
        _positive("risk_aversion", self.risk_aversion)
        _positive("cost_per_trade", self.cost_per_trade)


Policy = Interval | Band | Never


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{name}: expected a positive number, got {value!r}")
