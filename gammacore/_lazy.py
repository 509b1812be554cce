"""What ``import gammacore`` offers and loads only when it is used."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

API = (
    "Comparison",
    "Result",
    "compare",
    "load",
    "plot_iv_rv",
    "plot_smile",
    "plot_term_structure",
    "realised_vol",
    "simulate",
)
CALLED = ("backtest", "breakeven")  # packages that are called


class CallableModule(ModuleType):
    """A package such as ``gammacore.backtest`` that can be called: the function of its name in the API."""

    def __call__(self, *args: Any, **settings: Any) -> Any:
        """Call :func:`gammacore.api.backtest` for ``gammacore.backtest``, and so on."""
        name = self.__name__.rpartition(".")[2]
        return getattr(import_module("gammacore.api"), name)(*args, **settings)


def make_callable(package: str) -> None:
    """Make a package one that can be called; said by the package itself."""
    sys.modules[package].__class__ = CallableModule


def load(name: str) -> Any:
    """Return what the package offers under a name.

    Raises
    ------
    AttributeError
        If there is nothing.
    """
    if name in API:
        return getattr(import_module("gammacore.api"), name)
    if name in CALLED:
        return import_module(f"gammacore.{name}")
    raise AttributeError(f"module 'gammacore' has no attribute {name!r}")


def analysed(*args: Any, **options: Any) -> Any:
    """Analyse a chain that is a DataFrame: :func:`gammacore.api.frames.analysed`."""
    return import_module("gammacore.api.frames").analysed(*args, **options)
