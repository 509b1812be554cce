"""Tables on the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from rich.table import Column, Table

__all__ = ["money_table", "names", "numbers", "price_text"]


NAMES = 4  # characters of a name in one line, at least


def names(*titles: str) -> list[Column]:
    """Make columns of names: where there is no room they go on in the next line, and none is cut."""
    return [Column(title, overflow="fold", min_width=NAMES) for title in titles]


def numbers(*names: str, no_wrap: bool = False) -> list[Column]:
    """Make columns of numbers, which end at the right and lose no digit where they may wrap."""
    overflow: Literal["fold", "ellipsis"] = "ellipsis" if no_wrap else "fold"
    return [Column(name, justify="right", no_wrap=no_wrap, overflow=overflow) for name in names]


def price_text(price: float) -> str:
    """Write a price in USD with five digits, at least one after the point: 85,000.0, 139.99, 0.62001."""
    size = abs(price)
    before = len(f"{int(size)}") if math.isfinite(size) and size >= 1.0 else 0
    return f"{price:,.{max(5 - before, 1)}f}"


def money_table(
    title: str, coin: str, lines: Mapping[str, Mapping[str, float]], total: Mapping[str, float], **style: Any
) -> Table:
    """Make a table of profit by line, with its total, in coin and in USD; a rounded zero has no minus."""
    table = Table("line", *numbers(coin, "USD"), title=title, **style)
    for line, money in lines.items():
        table.add_row(line, f"{money['coin']:+z,.8f}", f"{money['usd']:+z,.2f}")
    table.add_section()
    table.add_row("total", f"{total['coin']:+z,.8f}", f"{total['usd']:+z,.2f}", style="bold")
    return table
