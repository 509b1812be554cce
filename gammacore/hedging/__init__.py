"""Rules for when and how much to hedge."""

from gammacore.hedging.policies import Band, Interval, Never, Policy

__all__ = ["Band", "Interval", "Never", "Policy"]
