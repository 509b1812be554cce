"""Gamma scalping on Deribit: exact option kernels, backtests on real chains, delta hedging."""

import os
from typing import TYPE_CHECKING, Any

try:
    from gammacore import _core  # noqa: F401
except ImportError as error:
    raise ImportError(
        "gammacore's compiled core cannot be imported. In a source folder, run `pip install -e .`, or leave "
        f"the folder so that the installed package is found ({error})"
    ) from error

from gammacore import _lazy, black76, black_scholes, chain, inverse, settlement
from gammacore._core import simd_level, supported_levels, use_level
from gammacore.implied import IVStatus

if TYPE_CHECKING:
    from gammacore.api import (
        Comparison,
        Result,
        backtest,
        breakeven,
        compare,
        load,
        plot_iv_rv,
        plot_smile,
        plot_term_structure,
        realised_vol,
        simulate,
    )

__all__ = [
    "Comparison",
    "IVStatus",
    "Result",
    "backtest",
    "black76",
    "black_scholes",
    "breakeven",
    "chain",
    "compare",
    "inverse",
    "load",
    "plot_iv_rv",
    "plot_smile",
    "plot_term_structure",
    "realised_vol",
    "settlement",
    "simd_level",
    "simulate",
]

__version__ = "0.2.0"

_forced = os.environ.get("GAMMACORE_SIMD")
try:
    use_level(_forced or supported_levels()[-1])
except ValueError as error:
    raise ImportError(f"GAMMACORE_SIMD: {error}") from None


def __getattr__(name: str) -> Any:
    return _lazy.load(name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
