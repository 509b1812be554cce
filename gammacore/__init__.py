"""Gamma scalping on Deribit: exact option kernels, backtests on real chains, delta hedging."""

__version__ = "0.1.0"
