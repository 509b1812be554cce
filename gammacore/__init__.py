"""Gamma scalping on Deribit: exact option kernels, backtests on real chains, delta hedging."""

import os

try:
    from gammacore import _core  # noqa: F401
except ImportError as error:
    raise ImportError(
        "gammacore's compiled core cannot be imported. In a source folder, run `pip install -e .`, or leave "
        f"the folder so that the installed package is found ({error})"
    ) from error

from gammacore import black76, black_scholes, chain, inverse, settlement
from gammacore._core import simd_level, supported_levels, use_level
from gammacore.implied import IVStatus

__all__ = ["IVStatus", "black76", "black_scholes", "chain", "inverse", "settlement", "simd_level"]

__version__ = "0.2.0"

_forced = os.environ.get("GAMMACORE_SIMD")
try:
    use_level(_forced or supported_levels()[-1])
except ValueError as error:
    raise ImportError(f"GAMMACORE_SIMD: {error}") from None
