"""What all parts of the report look at: the results, the currencies, numbers as text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from gammacore.config import Config

from ..figures.results import Results

MISSING = "–"
# In the order of reading: the bet, its hedge, its costs, the rest.
MEANING = {
    "gamma": "moves of the price, squared",
    "theta": "time that passed",
    "vega": "mark volatility that changed",
    "vanna": "price and volatility together",
    "volga": "mark volatility, squared",
    "charm": "price and time together",
    "higher_order": "what the model moved beyond these",
    "delta": "options, first order in the price",
    "hedge": "futures, had they moved with the forward",
    "basis": "futures, what they moved besides",
    "lots": "futures held because orders are whole lots",
    "spread": "fills away from the mark",
    "fees": "trades and deliveries",
    "funding": "of the perpetual, + received",
    "numeraire": "equity revalued in the other currency",
    "unexplained": "recorded marks beyond the model",
    "rounding": "cash kept to 1e-8",
}

VEGA_MEANING = {
    "level": "at the money, 30 days ahead",
    "term": "at the money, own expiry less level",
    "skew": "smile less at the money",
    "moneyness": "along the smile, as the price moved",
    "rest": "marks beyond the fitted smiles",
}


class Unit(NamedTuple):
    """A currency that charts are drawn in."""

    key: str  # suffix of columns, key of summaries
    name: str
    decimals: int


class View(NamedTuple):
    """What all parts of the report look at."""

    results: Results
    units: tuple[Unit, Unit]

    @property
    def summary(self) -> dict[str, Any]:
        """Headline figures."""
        return self.results.summary

    @property
    def config(self) -> Config:
        """Configuration of the run."""
        return self.results.config

    @property
    def coin(self) -> str:
        """Name of the base coin."""
        return self.units[1].name

    @property
    def price_decimals(self) -> int:
        """Decimals of prices: five digits of the lowest, and never less than cents."""
        index = self.results.profit["index_usd"].to_numpy(np.float64)
        known = index[np.isfinite(index) & (index > 0)]
        return max(2, 4 - math.floor(math.log10(known.min()))) if len(known) else 2

    @property
    def linear(self) -> bool:
        """Whether the accounts are kept in USD."""
        return bool(self.summary["accounting_currency"] == "USD")


def as_text(value: float | None, form: str, unit: str = "") -> str:
    """Format a number with its unit; a dash for what there is not."""
    if value is None or not math.isfinite(value):
        return MISSING
    shown = format(value, form)
    # A rounded zero has no sign.
    if not any(digit in shown for digit in "123456789"):
        shown = shown.replace("-", "").replace("+", "")
    return f"{shown} {unit}".rstrip()


def gain_or_loss(value: float | None) -> str:
    """Class of the page that colours a number."""
    if value is None:
        return ""
    return "gain" if value > 0 else "loss" if value < 0 else ""


def day(time: str) -> str:
    """Date of an ISO time."""
    return time[:10]


def plural(count: int, word: str) -> str:
    """Count things in words."""
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def ordered(names: Iterable[str]) -> list[str]:
    """Lines in the order of reading, strangers last."""
    present = list(names)
    known = [name for name in MEANING if name in present]
    return known + [name for name in present if name not in MEANING]


def label(line: str) -> str:
    """Name of a line as it is shown."""
    return line.replace("_", " ")


def shows(value: float, unit: Unit) -> bool:
    """Whether it is more than zero when written."""
    return math.isfinite(value) and abs(value) >= 0.5 * 10.0**-unit.decimals
