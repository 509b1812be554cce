"""Rules for when and how much to hedge."""

from gammacore.hedging.policies import (
    Band,
    Banded,
    Custom,
    FixedCost,
    Interval,
    Ladder,
    Moment,
    Move,
    Never,
    Policy,
    WhalleyWilmott,
    Zakamouline,
)
from gammacore.hedging.target import Target

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
    "Target",
    "WhalleyWilmott",
    "Zakamouline",
]
