"""Gamma scalping on Deribit: exact option kernels, backtests on real chains, delta hedging."""

from gammacore import black76, black_scholes, inverse
from gammacore.implied import IVStatus

__all__ = ["IVStatus", "black76", "black_scholes", "inverse"]

__version__ = "0.1.0"
