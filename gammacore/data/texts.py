"""Columns of texts as codes: most repeat a few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gammacore.array_types import Array, Ints

__all__ = ["Texts"]


class Texts(NamedTuple):
    """A column of texts.

    Attributes
    ----------
    codes : (n,) array of int32
        Position in ``texts``.
    texts : array of object
        Each once, in the order in which they come.
    """

    codes: npt.NDArray[np.int32]
    texts: npt.NDArray[np.object_]

    @classmethod
    def of(cls, column: Array) -> Texts:
        """Count the texts of an array of them."""
        code: dict[str, int] = {}
        codes = np.fromiter((code.setdefault(text, len(code)) for text in column), np.int32, len(column))
        return cls(codes, np.array(list(code), dtype=object))

    def each(self, value: Callable[[str], Any], dtype: npt.DTypeLike) -> Array:
        """Array of what a function makes of each text, called once for each that differs."""
        return np.array([value(text) for text in self.texts], dtype=dtype)[self.codes]

    def take(self, rows: Ints) -> Texts:
        """Texts of some rows, and of the dictionary only what they need."""
        held, first, codes = np.unique(self.codes[rows], return_index=True, return_inverse=True)
        order = np.argsort(first)
        place = np.empty(order.size, np.int32)
        place[order] = np.arange(order.size, dtype=np.int32)
        return Texts(place[codes], self.texts[held[order]])
