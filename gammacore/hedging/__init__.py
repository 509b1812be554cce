"""Rules for when and how much to hedge."""

from gammacore.hedging.policies import (
    Band,
    FixedCost,
    Interval,
    Move,
    Never,
    Policy,
    WhalleyWilmott,
    Zakamouline,
)

__all__ = ["Band", "FixedCost", "Interval", "Move", "Never", "Policy", "WhalleyWilmott", "Zakamouline"]
