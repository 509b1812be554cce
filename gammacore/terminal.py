"""Tables on the terminal."""

from __future__ import annotations

from rich.table import Column

__all__ = ["numbers"]


def numbers(*names: str, no_wrap: bool = False) -> list[Column]:
    """Make columns of numbers, which end at the right, for :class:`rich.table.Table`."""
    return [Column(name, justify="right", no_wrap=no_wrap) for name in names]
