"""Instruments and their names.

The name grammar (all expiries at 08:00 UTC)::

    BTC-PERPETUAL               BTC_USDC-PERPETUAL
    BTC-27DEC24                 BTC-5AUG23               the day is not zero padded
    BTC-27DEC24-100000-C        BTC_USDC-27DEC24-100000-P
    XRP_USDC-30JUN23-0d625-C    d is the decimal point of a strike

A base alone settles in its coin (inverse), a base with ``_USDC`` in dollars (linear).
Spot pairs and combos are not contracts that gammacore holds, and do not parse; names of combos are read by
:mod:`gammacore.contracts.combos`.
"""

import math
import re
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Final

import msgspec

from gammacore.daycount import expiry_ns, format_time, parse_time, utc_date
from gammacore.errors import ContractError

__all__ = [
    "CALL",
    "PUT",
    "Future",
    "Instrument",
    "Option",
    "Perpetual",
    "Settlement",
    "family",
    "parse",
]

CALL: Final = 1
PUT: Final = -1

_FIRST_NS, _END_NS = parse_time("2000-01-01"), parse_time("2100-01-01")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_BASE = re.compile(r"[A-Z0-9]+")
_DAY = re.compile(r"([1-9]|[12]\d|3[01])([A-Z]{3})(\d\d)", re.ASCII)
_STRIKE = re.compile(r"(0|[1-9]\d*)(?:d(\d*[1-9]))?", re.ASCII)


class Settlement(Enum):
    """What a contract is margined and settled in: its coin (inverse) or USDC (linear)."""

    INVERSE = "inverse"
    LINEAR = "linear"
    __hash__ = object.__hash__  # Enum's own is a call of Python code for every look at a dictionary


class _Contract(msgspec.Struct, frozen=True, cache_hash=True):
    """What every instrument has: a base coin and a settlement.

    Attributes
    ----------
    base : str
        Base coin, such as ``BTC``.
    settlement : Settlement
        Inverse (coin) or linear (USDC).
    """

    base: str
    settlement: Settlement

    def __post_init__(self) -> None:
        _check_base(self.base)

    @property
    def family(self) -> str:
        """First part of the name: ``BTC`` or ``BTC_USDC``."""
        return self.base if self.settlement is Settlement.INVERSE else f"{self.base}_USDC"


class Perpetual(_Contract, frozen=True, tag="perpetual"):
    """A perpetual future.

    Attributes
    ----------
    base : str
        Base coin, such as ``BTC``.
    settlement : Settlement
        Inverse (coin) or linear (USDC).
    """

    @property
    def name(self) -> str:
        """Exchange name, such as ``BTC-PERPETUAL``."""
        return f"{self.family}-PERPETUAL"


class Future(_Contract, frozen=True, tag="future"):
    """A dated future.

    Attributes
    ----------
    base : str
        Base coin, such as ``BTC``.
    settlement : Settlement
        Inverse (coin) or linear (USDC).
    expiry_ns : int
        Expiry in nanoseconds UTC, at 08:00 of a day for everything listed.
    """

    expiry_ns: int

    def __post_init__(self) -> None:
        _check_base(self.base)
        _check_expiry(self.expiry_ns)

    @property
    def name(self) -> str:
        """Exchange name, such as ``BTC-27DEC24``."""
        return f"{self.family}-{day_text(self.expiry_ns)}"


class Option(_Contract, frozen=True, tag="option"):
    """A European option.

    Attributes
    ----------
    base : str
        Base coin, such as ``BTC``.
    settlement : Settlement
        Inverse (coin) or linear (USDC).
    expiry_ns : int
        Expiry in nanoseconds UTC, at 08:00 of a day for everything listed.
    strike : float
        Strike in USD (USDC), positive.
    kind : int
        +1 call, -1 put.
    """

    expiry_ns: int
    strike: float
    kind: int

    def __post_init__(self) -> None:
        _check_base(self.base)
        _check_expiry(self.expiry_ns)
        if not (math.isfinite(self.strike) and self.strike > 0):
            raise ContractError(f"strike must be positive and finite, got {self.strike!r}")
        if self.kind not in (CALL, PUT):
            raise ContractError(f"kind must be +1 (call) or -1 (put), got {self.kind!r}")

    @property
    def name(self) -> str:
        """Exchange name, such as ``BTC-27DEC24-100000-C``."""
        side = "C" if self.kind == CALL else "P"
        return f"{self.family}-{day_text(self.expiry_ns)}-{_strike_text(self.strike)}-{side}"


Instrument = Option | Future | Perpetual


def _check_base(base: str) -> None:
    if not _BASE.fullmatch(base):
        raise ContractError(f"base must be upper-case letters and digits, got {base!r}")


def _check_expiry(value: int) -> None:
    """Refuse years that a name cannot hold.

    What the exchange lists expires at 08:00 UTC. Theoretical contracts may expire at any
    moment; their names show the day, and `parse` would give 08:00 of it.
    """
    if not _FIRST_NS <= value < _END_NS:
        raise ContractError(f"expiry_ns must lie in 2000-2099, got {value!r} ({format_time(value)})")


def day_text(expiry: int) -> str:
    day = utc_date(expiry)
    return f"{day.day}{_MONTHS[day.month - 1]}{day.year % 100:02d}"


def _strike_text(strike: float) -> str:
    text = format(Decimal(repr(float(strike))), "f")
    return text.removesuffix(".0").replace(".", "d")


def family(name: str) -> str:
    """First part of an instrument name, ``BTC`` or ``BTC_USDC``, without parsing the rest."""
    return name.partition("-")[0]


def parse(name: str) -> Instrument:
    """Instrument of an exchange name; ``parse(name).name == name`` always.

    Parameters
    ----------
    name : str
        Such as ``BTC-PERPETUAL``, ``BTC-27DEC24`` or ``BTC_USDC-27DEC24-100000-P``.

    Returns
    -------
    Option, Future or Perpetual

    Raises
    ------
    ContractError
        If the name is not one of a perpetual, a dated future or an option; the message
        says which part is wrong.
    """
    head, *parts = name.split("-")
    base, underscore, quote = head.partition("_")
    if not _BASE.fullmatch(base):
        raise _bad(name, f"base {base!r} is not upper-case letters and digits")
    if underscore and quote != "USDC":
        raise _bad(name, f"settlement {quote!r} is not USDC")
    settlement = Settlement.LINEAR if underscore else Settlement.INVERSE
    match parts:
        case ["PERPETUAL"]:
            return Perpetual(base, settlement)
        case [day]:
            return Future(base, settlement, _parse_day(name, day))
        case [day, strike, side]:
            return Option(
                base, settlement, _parse_day(name, day), _parse_strike(name, strike), _parse_side(name, side)
            )
    raise _bad(name, "expected BASE-PERPETUAL, BASE-DDMMMYY or BASE-DDMMMYY-STRIKE-C|P")


def _bad(name: str, why: str) -> ContractError:
    return ContractError(f"instrument name {name!r}: {why}")


def _parse_day(name: str, text: str) -> int:
    match = _DAY.fullmatch(text)
    if match is None or match[2] not in _MONTHS:
        raise _bad(name, f"expiry {text!r} is not a day such as 5AUG23 or 27DEC24")
    try:
        return _expiry_on(f"20{match[3]}-{_MONTHS.index(match[2]) + 1:02d}-{int(match[1]):02d}")
    except ValueError:
        raise _bad(name, f"expiry {text!r} is not a day of the calendar") from None


_expiry_on = lru_cache(1024)(expiry_ns)  # a chain names a day hundreds of times


def _parse_strike(name: str, text: str) -> float:
    strike = _strike_of(text)
    if not strike > 0:
        raise _bad(name, f"strike {text!r} is not a positive number such as 100000 or 0d625{_meant(text)}")
    return strike


def _meant(text: str) -> str:
    """Suggest the exchange's spelling of a strike that others write with a point or with zeros."""
    try:
        strike = float(text.replace("d", "."))
    except ValueError:
        return ""
    return f"; did you mean {_strike_text(strike)}?" if 0.0 < strike < math.inf else ""


@lru_cache(4096)
def _strike_of(text: str) -> float:
    """Strike of a text, 0 if it is none."""
    # Only the canonical spelling is a name: 0100 or 0d50 would not round-trip.
    match = _STRIKE.fullmatch(text)
    strike = float(f"{match[1]}.{match[2] or 0}") if match else 0.0
    return strike if strike > 0 and _strike_text(strike) == text else 0.0


def _parse_side(name: str, text: str) -> int:
    if text not in ("C", "P"):
        raise _bad(name, f"option type {text!r} is neither C nor P")
    return CALL if text == "C" else PUT
