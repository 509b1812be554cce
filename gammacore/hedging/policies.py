"""Hedge policies: pure functions of what is exposed, the market, and the last hedge.

A policy answers two questions about a :class:`Moment`: does it call for a hedge (``fires``),
and how much delta to add (``trade``). ``fires`` takes scalars (one event) or arrays (a block
of events) alike: the replay asks it for the first event of a block that needs the desk, the
desk asks it at that event, and both get the same answer because it is the same function.

``needs`` names what a policy looks at beside time and price: ``mismatch`` (delta to be removed,
in coin: options plus hedge minus target), ``gamma`` (change of that delta per USD) and ``vol``.
What is not needed may be None. The formulas are in :mod:`gammacore.hedging.widths`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import msgspec
import numpy as np

from gammacore.daycount import NS_PER_DAY, NS_PER_YEAR
from gammacore.errors import ConfigError
from gammacore.hedging import widths

__all__ = [
    "Band",
    "Banded",
    "Custom",
    "FixedCost",
    "Interval",
    "Ladder",
    "Moment",
    "Move",
    "Never",
    "Policy",
    "WhalleyWilmott",
    "Zakamouline",
    "years_between",
]

MISMATCH = frozenset({"mismatch"})
SHAPE = frozenset({"mismatch", "gamma"})
NOTHING: frozenset[str] = frozenset()


class Moment(msgspec.Struct, frozen=True, gc=False):
    """What a policy may look at: one moment (scalars) or a run of moments (arrays).

    Attributes
    ----------
    ts_ns : int
    mismatch : float
        Delta to be removed, coin.
    price : float
        Mark of the hedge contract, USD.
    gamma : float
        Change of the options' delta per USD, coin per USD; None unless needed.
    vol : float
        Volatility that the options are hedged at; None unless needed.
    tau : float
        Years to expiry; None unless needed.
    last_ns, last_price :
        Time and price of the last decision to hedge.
    """

    ts_ns: Any
    mismatch: Any
    price: Any
    gamma: Any
    vol: Any
    tau: Any
    last_ns: int
    last_price: float


class Rule(msgspec.Struct, frozen=True):
    """What all policies share."""

    def vol_factor(self, price: Any, gamma: Any, vol: Any, tau: Any) -> Any:
        """Scale the volatility that the options' delta is taken at; None leaves it."""
        return None


class Interval(Rule, frozen=True):
    """Hedge the whole mismatch once ``every_ns`` has passed since the last decision.

    With ``snapshots_only`` the rule looks at published chains and ignores the
    prices between them.
    """

    every_ns: int
    snapshots_only: bool = False
    needs: ClassVar[frozenset[str]] = NOTHING

    def __post_init__(self) -> None:
        if self.every_ns < 0:
            raise ConfigError(f"every_ns: expected at least 0, got {self.every_ns!r}")

    def fires(self, at: Moment) -> Any:
        """Whether to trade now."""
        return at.ts_ns - at.last_ns >= self.every_ns

    def trade(self, at: Moment) -> float:
        """Delta to add, coin."""
        return float(-at.mismatch)


class Banded(Rule, frozen=True):
    """What the policies share that let the mismatch move within a band."""

    snapshots_only: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = SHAPE

    @property
    def centres(self) -> bool:
        """Whether a hedge removes the whole mismatch, or only what is beyond the edge."""
        return not getattr(self, "to_edge", True)

    def edges(self, at: Moment) -> tuple[Any, Any]:
        """Half-widths below and above, coin, both positive."""
        raise NotImplementedError

    def fires(self, at: Moment) -> Any:
        """Whether to trade now: the mismatch has left the band."""
        below, above = self.edges(at)
        return (at.mismatch > above) | (at.mismatch < -below)

    def trade(self, at: Moment) -> float:
        """Delta to add, coin: to the edge that was passed, or to the centre."""
        if self.centres:
            return float(-at.mismatch)
        below, above = self.edges(at)
        return float((above if at.mismatch > 0 else -below) - at.mismatch)


class Band(Banded, frozen=True):
    """Hedge when the mismatch leaves a band: to the centre, or only to the nearest edge.

    Attributes
    ----------
    half_width : float
        Largest mismatch allowed, coin.
    to_edge : bool
    lower : float or None
        Largest negative mismatch allowed (a positive number) where it differs.
    """

    half_width: float
    to_edge: bool = False
    lower: float | None = None
    needs: ClassVar[frozenset[str]] = MISMATCH

    def __post_init__(self) -> None:
        _positive("half_width", self.half_width)
        if self.lower is not None:
            _positive("lower", self.lower)

    def edges(self, at: Moment) -> tuple[Any, Any]:
        """Half-widths below and above."""
        return (self.half_width if self.lower is None else self.lower), self.half_width


class Move(Rule, frozen=True):
    """Hedge the whole mismatch when the price has moved far enough since the last decision.

    Attributes
    ----------
    threshold : float
        USD, a fraction of the price, or a multiple of sigma: ``vol * sqrt(horizon)`` as a
        logarithmic move.
    unit : {'usd', 'relative', 'sigma'}
    horizon_ns : int
        Time over which one sigma is counted; a day by default.
    """

    threshold: float
    unit: Literal["usd", "relative", "sigma"] = "sigma"
    horizon_ns: int = NS_PER_DAY
    snapshots_only: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _positive("threshold", self.threshold)
        _positive("horizon_ns", self.horizon_ns)

    @property
    def needs(self) -> frozenset[str]:
        """The volatility, if the threshold counts in it."""
        return frozenset({"vol"}) if self.unit == "sigma" else NOTHING

    def fires(self, at: Moment) -> Any:
        """Whether to trade now."""
        if isinstance(at.last_price, float) and math.isnan(
            at.last_price
        ):  # nothing to measure from yet: hedge
            return at.ts_ns == at.ts_ns
        threshold = self.threshold_at(at)
        if self.unit == "usd":
            return abs(at.price - at.last_price) > threshold
        if self.unit == "relative":
            return abs(at.price / at.last_price - 1.0) > threshold
        return abs(np.log(at.price / at.last_price)) > threshold

    def threshold_at(self, at: Moment) -> Any:
        """Move that is far enough, in USD, relative to the price, or of its logarithm."""
        if self.unit != "sigma":
            return self.threshold
        return self.threshold * at.vol * math.sqrt(self.horizon_ns / NS_PER_YEAR)

    def trade(self, at: Moment) -> float:
        """Delta to add, coin."""
        return float(-at.mismatch)


class WhalleyWilmott(Banded, frozen=True):
    """Band of Whalley and Wilmott for proportional cost, see :func:`widths.whalley_wilmott`.

    Attributes
    ----------
    risk_aversion : float
        Constant absolute risk aversion, per USD.
    cost : float
        One-way cost of a hedge as a fraction of its notional.
    to_edge : bool
        The optimal rule trades to the edge; False uses the wider band that is
        optimal for trading to the centre.
    """

    risk_aversion: float
    cost: float
    to_edge: bool = True

    def __post_init__(self) -> None:
        _positive("risk_aversion", self.risk_aversion)
        _positive("cost", self.cost)

    def edges(self, at: Moment) -> tuple[Any, Any]:
        """Half-widths below and above."""
        width = widths.whalley_wilmott(
            at.price, at.gamma, self.cost, self.risk_aversion, to_edge=self.to_edge
        )
        return width, width


class Zakamouline(Banded, frozen=True):
    """Band and volatility of Zakamouline for proportional cost, see :func:`widths.zakamouline`.

    The options' delta is taken at the modified volatility: ``vol_factor`` says how much to
    scale the volatility by. Fitted for a range only: :func:`widths.zakamouline_range`.
    """

    risk_aversion: float
    cost: float

    def __post_init__(self) -> None:
        _positive("risk_aversion", self.risk_aversion)
        _positive("cost", self.cost)

    def edges(self, at: Moment) -> tuple[Any, Any]:
        """Half-widths below and above."""
        width = widths.zakamouline(at.price, at.gamma, at.vol, at.tau, self.cost, self.risk_aversion).width
        return width, width

    def vol_factor(self, price: Any, gamma: Any, vol: Any, tau: Any) -> Any:
        """Return the modified volatility over the unmodified one."""
        return widths.zakamouline(price, gamma, vol, tau, self.cost, self.risk_aversion).vol_factor


class FixedCost(Banded, frozen=True):
    """Band for a fixed cost per trade, hedged to the centre, see :func:`widths.fixed_cost`.

    Attributes
    ----------
    risk_aversion : float
        Per USD.
    cost_per_trade : float
        USD.
    """

    risk_aversion: float
    cost_per_trade: float
    to_edge: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _positive("risk_aversion", self.risk_aversion)
        _positive("cost_per_trade", self.cost_per_trade)

    def edges(self, at: Moment) -> tuple[Any, Any]:
        """Half-widths below and above."""
        width = widths.fixed_cost(at.gamma, self.cost_per_trade, self.risk_aversion)
        return width, width


class Never(Rule, frozen=True):
    """Hold the options unhedged."""

    snapshots_only: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = NOTHING

    def fires(self, at: Moment) -> Any:
        """Nothing fires."""
        return False

    def trade(self, at: Moment) -> float:
        """No delta to add."""
        return 0.0


class Custom(Rule, frozen=True):
    """A rule of the user's own, called only where a built-in trigger fires.

    Attributes
    ----------
    trigger : Interval, Band, Move, WhalleyWilmott, Zakamouline or FixedCost
        When to ask.
    rule : callable(Moment) -> float
        Delta to add, coin; 0.0 waits for the next time the trigger fires.
    """

    trigger: Interval | Band | Move | WhalleyWilmott | Zakamouline | FixedCost
    rule: Callable[[Moment], float]

    @property
    def snapshots_only(self) -> bool:
        """As the trigger."""
        return self.trigger.snapshots_only

    @property
    def needs(self) -> frozenset[str]:
        """As the trigger."""
        return self.trigger.needs

    def fires(self, at: Moment) -> Any:
        """As the trigger."""
        return self.trigger.fires(at)

    def vol_factor(self, price: Any, gamma: Any, vol: Any, tau: Any) -> Any:
        """As the trigger."""
        return self.trigger.vol_factor(price, gamma, vol, tau)

    def trade(self, at: Moment) -> float:
        """As the rule says."""
        return float(self.rule(at))


class Ladder(Banded, frozen=True):
    """Resting post-only orders at the prices where the mismatch reaches the edge of a band.

    One order rests on either side, at the price solved from the options' gamma; when it
    fills, the mismatch is back at zero and the ladder is built anew around it. ``fires`` is
    the taker's safety net: it trades at once when the mismatch has left ``outer``, which
    happens where the price jumps over the orders or volatility moves the delta.

    Attributes
    ----------
    half_width : float
        Mismatch at which an order rests, coin.
    outer : float
        Mismatch at which to take, coin; larger than ``half_width``.
    """

    half_width: float
    outer: float
    needs: ClassVar[frozenset[str]] = MISMATCH
    to_edge: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _positive("half_width", self.half_width)
        if not self.outer > self.half_width:
            raise ConfigError(f"outer: expected more than half_width = {self.half_width}, got {self.outer!r}")

    def edges(self, at: Moment) -> tuple[Any, Any]:
        """Half-widths at which to take."""
        return self.outer, self.outer


Policy = Interval | Band | Move | WhalleyWilmott | Zakamouline | FixedCost | Ladder | Custom | Never


def years_between(policy: Interval, every: float | None) -> float:
    """Years between two hedges by time; ``every`` is that between two chains, where it hedges at each.

    Raises
    ------
    ConfigError
        If it is needed and not known.
    """
    years = policy.every_ns / NS_PER_YEAR
    if policy.snapshots_only or years == 0.0:
        if every is None:
            raise ConfigError("hedge.rule: how often chains are published is not known; use interval")
        years = max(years, every)
    return years


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{name}: expected a positive number, got {value!r}")
