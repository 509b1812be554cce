"""Names of a configuration that may be code of the user's own: ``module:function``."""

from __future__ import annotations

import difflib
import re
from typing import ClassVar

from gammacore.legs import STRUCTURES

__all__ = ["ForecastName", "HedgeRuleName", "OwnName", "StructureName"]

_OWN = re.compile(r"[A-Za-z_]\w*:[A-Za-z_]\w*")
FORM = "module:function of a file module.py beside the configuration"


class OwnName(str):
    """Text such as ``rules:my_exit``: a function of ``rules.py`` in the configuration's folder.

    Raises
    ------
    ValueError
        If the text is of another form; a path is none.
    """

    names: ClassVar[tuple[str, ...]] = ()

    def __new__(cls, text: str) -> OwnName:
        """Check the form; what the file holds is looked at later."""
        known = isinstance(text, str) and (text in cls.names or _OWN.fullmatch(text) is not None)
        if not known:
            raise ValueError(_refusal(cls.names, text))
        return super().__new__(cls, text)

    @property
    def own(self) -> bool:
        """Whether it is code of the user's own."""
        return ":" in self

    @property
    def module(self) -> str:
        """Name of the file without its ending."""
        return self.partition(":")[0]

    @property
    def function(self) -> str:
        """Name of the function."""
        return self.partition(":")[2]


def _refusal(names: tuple[str, ...], text: object) -> str:
    if not names:
        return f"expected {FORM}, got {text!r}"
    near = difflib.get_close_matches(str(text), names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"expected one of {', '.join(names)}, or {FORM}, got {text!r}{hint}"


class HedgeRuleName(OwnName):
    """When to hedge: a built-in rule, or one of the user's own."""

    names = (
        "interval",
        "band",
        "move",
        "whalley_wilmott",
        "zakamouline",
        "fixed_cost",
        "ladder",
        "snapshot",
        "never",
    )


class ForecastName(OwnName):
    """How volatility is forecast: built in, or by the user."""

    names = ("auto", "realised", "forecast", "dvol", "har", "combined")


class StructureName(OwnName):
    """What is entered: a structure that has a name, or legs that the user's code chooses."""

    names = tuple(STRUCTURES)
