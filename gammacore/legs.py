"""What a structure is made of: legs, each with a rule for its expiry and one for its strike.

A strike is ``atm`` (nearest the forward), ``delta 0.25`` (size of the Black delta), ``moneyness 1.05`` (of
the forward), ``sd 1.5`` (standard deviations out of the money), a price in USD, or ``leg 1`` (that of another
leg); ``atm+2`` is two listed strikes above. An expiry is a window such as ``6d-9d``, ``friday 2`` (the second
Friday that is listed), ``leg 1``, or ``leg 1 + 7d`` (the first one at least seven days after that of leg 1).
"""

from __future__ import annotations

import difflib
import re
from functools import cache
from typing import Literal, cast, get_args

import msgspec

from gammacore.contracts import CALL, PUT
from gammacore.errors import ConfigError

__all__ = [
    "STRUCTURES",
    "ExpiryRule",
    "LegRule",
    "StrikeRule",
    "Structure",
    "check_legs",
    "parse_expiry",
    "parse_strike",
    "preset",
]

_NUMBER = r"(\d+(?:\.\d+)?)"
_STRIKE = re.compile(
    rf"(?:(atm)|(delta|moneyness|sd)\s+(-?{_NUMBER[1:-1]})|leg\s+(\d+)|{_NUMBER})\s*(?:([+-])\s*(\d+))?"
)
_WINDOW = re.compile(rf"{_NUMBER}d(?:\s*(?:-|to)\s*{_NUMBER}d)?")
_FRIDAY = re.compile(r"friday\s+(\d+)")
_AFTER = re.compile(rf"leg\s+(\d+)(?:\s*\+\s*{_NUMBER}d)?")

STRIKE_FORMS = "atm, atm+2, delta 0.25, moneyness 1.05, sd 1.5, leg 1 or a price"
EXPIRY_FORMS = "6d-9d, friday 2, leg 1 or leg 1 + 7d"


class StrikeRule(msgspec.Struct, frozen=True):
    """Which strike.

    Attributes
    ----------
    how : {'atm', 'delta', 'moneyness', 'sd', 'price', 'leg'}
    value : float
        Of the delta, the moneyness, the deviations or the price; the number of the leg, from 1.
    steps : int
        Listed strikes above that one.
    """

    how: Literal["atm", "delta", "moneyness", "sd", "price", "leg"] = "atm"
    value: float = 0.0
    steps: int = 0


class ExpiryRule(msgspec.Struct, frozen=True):
    """Which expiry.

    Attributes
    ----------
    how : {'entry', 'window', 'friday', 'leg'}
        ``entry`` is the window of the entry itself.
    first, last : float
        Days to expiry between which it is; of ``friday``, its number; of ``leg``, the leg and days after it.
    """

    how: Literal["entry", "window", "friday", "leg"] = "entry"
    first: float = 0.0
    last: float = 0.0


class LegRule(msgspec.Struct, frozen=True):
    """One leg: its kind (+1 call, -1 put), rules, and coins of it in one unit of the structure, signed."""

    kind: int
    strike: StrikeRule = StrikeRule()
    expiry: ExpiryRule = ExpiryRule()
    amount: float = 1.0


def parse_strike(text: str | float) -> StrikeRule:
    """Read the rule of a strike.

    Raises
    ------
    ValueError
        Saying which forms there are.
    """
    found = _STRIKE.fullmatch(str(text).strip().lower())
    if found is None:
        raise ValueError(f"expected {STRIKE_FORMS}, got {text!r}{_near(str(text))}")
    atm, name, value, leg, price, sign, steps = found.groups()
    count = int(f"{sign}{steps}") if steps else 0
    if atm:
        return StrikeRule("atm", 0.0, count)
    if leg:
        return StrikeRule("leg", int(leg), count)
    if price:
        return StrikeRule("price", _positive(float(price)), count)
    number = float(value)
    if name == "delta" and not 0.0 < number < 1.0:
        raise ValueError(f"expected a delta between 0 and 1, the same for puts, got {text!r}")
    if name == "moneyness":
        _positive(number)
    return StrikeRule(cast(Literal["delta", "moneyness", "sd"], name), number, count)


def parse_expiry(text: str) -> ExpiryRule:
    """Read the rule of an expiry.

    Raises
    ------
    ValueError
        Saying which forms there are.
    """
    given = str(text).strip().lower()
    if found := _WINDOW.fullmatch(given):
        first = float(found[1])
        last = first if found[2] is None else float(found[2])
        if last < first:
            raise ValueError(f"expected the fewer days first, got {text!r}")
        return ExpiryRule("window", first, last)
    if found := _FRIDAY.fullmatch(given):
        return ExpiryRule("friday", _positive(int(found[1])))
    if found := _AFTER.fullmatch(given):
        return ExpiryRule("leg", int(found[1]), float(found[2] or 0.0))
    raise ValueError(f"expected {EXPIRY_FORMS}, got {text!r}")


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError(f"expected a positive number, got {value:g}")
    return value


def _near(text: str) -> str:
    words = text.split()
    close = (
        difflib.get_close_matches(words[0], ["atm", "delta", "moneyness", "sd", "leg"], 1) if words else []
    )
    return f"; did you mean {close[0]!r}?" if close else ""


def check_legs(legs: tuple[LegRule, ...], path: str) -> None:
    """Refuse legs that refer to later ones, or that are none.

    Raises
    ------
    ConfigError
    """
    for number, leg in enumerate(legs, 1):
        where = f"{path}[{number - 1}]"
        if leg.amount == 0.0:
            raise ConfigError(f"{where}.amount: expected coins bought, or sold if negative, got 0")
        for name, how, value in (
            ("strike", leg.strike.how, leg.strike.value),
            ("expiry", leg.expiry.how, leg.expiry.first),
        ):
            if how == "leg" and not 1 <= value < number:
                raise ConfigError(f"{where}.{name}: expected one of the legs before it, got leg {value:g}")


_SAME = StrikeRule("leg", 1)
_ATM = StrikeRule("atm")

Structure = Literal[
    "straddle",
    "strangle",
    "guts",
    "butterfly",
    "iron_butterfly",
    "condor",
    "iron_condor",
    "calendar",
    "diagonal",
    "risk_reversal",
    "ratio",
    "call",
    "put",
    "none",
]
STRUCTURES: tuple[str, ...] = get_args(Structure)


@cache
def preset(
    name: str, delta: float = 0.25, wing_delta: float = 0.10, ratio: float = 2.0, far_days: float = 7.0
) -> tuple[LegRule, ...]:
    """Legs of a structure that has a name, as bought.

    Parameters
    ----------
    name : str
        Of `STRUCTURES`.
    delta, wing_delta : float
        Of the strikes away from the money; of the outer ones where there are two on a side.
    ratio : float
        Options sold for each one bought, of ``ratio``.
    far_days : float
        Least days from the near expiry to the far one, of ``calendar`` and ``diagonal``.

    Notes
    -----
    Bought, iron butterflies and iron condors are their straddle or strangle with the wings sold: long gamma,
    for a debit. Butterflies and condors are their wings, with the body sold. A calendar and a diagonal are
    the far option, with the near one sold; a ratio is one at the money, with more sold beyond.
    """
    near, wing = StrikeRule("delta", delta), StrikeRule("delta", wing_delta)
    below = StrikeRule("delta", 1.0 - delta)  # a call struck where the put has the delta
    far_below = StrikeRule("delta", 1.0 - wing_delta)
    far = ExpiryRule("leg", 1, far_days)
    match name:
        case "none":
            return ()
        case "straddle":
            return LegRule(CALL, _ATM), LegRule(PUT, _SAME)
        case "strangle":
            return LegRule(CALL, near), LegRule(PUT, near)
        case "guts":
            return LegRule(CALL, below), LegRule(PUT, below)
        case "butterfly":
            return LegRule(CALL, _ATM, amount=-2.0), LegRule(CALL, below), LegRule(CALL, near)
        case "iron_butterfly":
            body = LegRule(CALL, _ATM), LegRule(PUT, _SAME)
            return *body, LegRule(CALL, near, amount=-1.0), LegRule(PUT, near, amount=-1.0)
        case "condor":
            body = LegRule(CALL, near, amount=-1.0), LegRule(CALL, below, amount=-1.0)
            return *body, LegRule(CALL, wing), LegRule(CALL, far_below)
        case "iron_condor":
            body = LegRule(CALL, near), LegRule(PUT, near)
            return *body, LegRule(CALL, wing, amount=-1.0), LegRule(PUT, wing, amount=-1.0)
        case "calendar":
            return LegRule(CALL, _ATM, amount=-1.0), LegRule(CALL, _SAME, far)
        case "diagonal":
            return LegRule(CALL, near, amount=-1.0), LegRule(CALL, _ATM, far)
        case "risk_reversal":
            return LegRule(CALL, near), LegRule(PUT, near, amount=-1.0)
        case "ratio":
            return LegRule(CALL, _ATM), LegRule(CALL, near, amount=-ratio)
        case "call":
            return (LegRule(CALL, _ATM),)
        case "put":
            return (LegRule(PUT, _ATM),)
    close = difflib.get_close_matches(name, STRUCTURES, 1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ConfigError(f"structure: expected one of {', '.join(STRUCTURES)}, got {name!r}{hint}")
