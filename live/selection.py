"""Which positions of the account's holder a session takes over."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import NamedTuple

from gammacore.config import Config
from gammacore.contracts import Instrument, Option, Perpetual, Settlement, parse

_SESSION = re.compile(r"(?:g|direct-)([0-9a-f]+)(?:-.*)?")


class Selection(NamedTuple):
    """Rules of a configuration; empty ones let everything pass.

    Attributes
    ----------
    base : str
    settlement : Settlement
    expiries : tuple of int
        Nanoseconds UTC.
    instruments, labels : tuple of str
        Names or patterns.
    futures : bool
        Also the position in the perpetual.
    average : bool
        Cost is the exchange's average price, else the mark.
    """

    base: str
    settlement: Settlement
    expiries: tuple[int, ...] = ()
    instruments: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    futures: bool = False
    average: bool = False

    def takes(self, instrument: Instrument) -> bool:
        """Whether positions in an instrument are taken over."""
        if instrument.base != self.base or instrument.settlement is not self.settlement:
            return False
        if isinstance(instrument, Perpetual):
            return self.futures
        if not isinstance(instrument, Option):
            return False
        fits = not self.expiries or instrument.expiry_ns in self.expiries
        return fits and (not self.instruments or _any(instrument.name, self.instruments))

    def asks(self, label: str) -> bool:
        """Whether what a trade with this label opened is taken over."""
        return not self.labels or _any(label, self.labels)


def selection_of(config: Config) -> Selection | None:
    """Build the selection of a configuration; None if nothing is taken over."""
    live = config.live
    if live.adopt == "none":
        return None
    return Selection(
        config.coin,
        Settlement.LINEAR if config.linear else Settlement.INVERSE,
        tuple(parse(f"{config.coin}-{day}").expiry_ns for day in live.adopt_expiries),  # type: ignore[union-attr]
        tuple(live.adopt_instruments),
        tuple(live.adopt_labels),
        live.adopt_futures,
        live.adopt_basis == "average",
    )


def session_of(label: str) -> str:
    """Session of gammacore that a label belongs to, empty if it is of none."""
    found = _SESSION.fullmatch(label)
    return f"g{found[1]}" if found else ""


def _any(text: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)
