"""Units of the wire, and how they become the house's.

The exchange counts time in milliseconds, volatility in percent, and size in a positive ``amount`` beside a
direction. Nothing above this package knows that.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from gammacore.contracts import Future, Option, Perpetual, parse
from gammacore.daycount import NS_PER_MILLISECOND
from gammacore.errors import ContractError, SessionError

Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=9_000_000_000_000)]  # fits 64 bits in nanoseconds
Counter = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Amount = Annotated[float, msgspec.Meta(ge=0.0)]
Number = float | None
Word = str | None  # one that nothing depends on: news of our orders are not thrown away over it
Instrument = Option | Future | Perpetual | str

NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
NAN = float("nan")
PERCENT = 100.0
GRAIN_NS = NS_PER_MILLISECOND  # of all times: many events share one
MOST_NAMES = 50_000  # of instruments remembered; the catalog has some 6,000

KNOWN: dict[str, Instrument] = {}  # instruments by the names that were seen
_names: dict[Option | Future | Perpetual, str] = {}


def ns(milliseconds: int) -> int:
    """Nanoseconds of a time on the wire."""
    return milliseconds * NS_PER_MILLISECOND


def ms(at_ns: int) -> int:
    """Time as the wire has it, rounded down."""
    return at_ns // NS_PER_MILLISECOND


def span(start_ns: int, end_ns: int) -> dict[str, int]:
    """Parameters of a period, both ends inclusive."""
    return {"start_timestamp": ms(start_ns), "end_timestamp": ms(end_ns)}


def number(value: Number) -> float:
    """NaN for none."""
    return NAN if value is None else value


def quoted(value: Number) -> float:
    """Price or volatility of a quote: absent, null or 0 when the side is empty."""
    return value or NAN


def priced(price: Number, amount: Number, name: str) -> float:
    """Price of an amount that may be none; a combo has 0 as a price like any other."""
    return price or (0.0 if amount and price == 0.0 and isinstance(instrument_of(name), str) else NAN)


def vol(percent: Number) -> float:
    """Volatility as a decimal."""
    return NAN if percent is None else percent / PERCENT


def sign(direction: str) -> int:
    """+1 to buy, -1 to sell."""
    if direction == "buy":
        return 1
    if direction == "sell":
        return -1
    raise msgspec.ValidationError(f"direction {direction[:20]!r} is neither buy nor sell")


def instrument_of(name: str) -> Instrument:
    """Instrument of a name, or the name where gammacore has none for it."""
    found = KNOWN.get(name)
    if found is None:
        try:
            found = parse(name)
        except ContractError:
            found = name
        if len(KNOWN) >= MOST_NAMES:
            KNOWN.clear()
        KNOWN[name] = found
    return found


def name_of(instrument: Instrument) -> str:
    """Exchange's name of an instrument, worked out once.

    Raises
    ------
    SessionError
        If a name that was given holds what no name has.
    """
    if isinstance(instrument, str):
        if not NAME.fullmatch(instrument):
            raise SessionError(f"not an instrument's name: {instrument!r}")
        return instrument
    name = _names.get(instrument)
    if name is None:
        if len(_names) >= MOST_NAMES:
            _names.clear()
        name = _names[instrument] = instrument.name
    return name
