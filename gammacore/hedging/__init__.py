"""Rules for when and how much to hedge."""

from gammacore.hedging.policies import (
    Band,
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
