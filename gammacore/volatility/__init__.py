"""Volatility that was realised."""

from gammacore.volatility.realised import realised_vol

__all__ = ["realised_vol"]
