"""pandas in, pandas out: columns are put into one order by their index, which the result keeps."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["aligned", "keeps_index", "on_index", "ordered"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def aligned(arguments: Mapping[str, Any]) -> tuple[pd.Index | None, dict[str, Any]]:
    """Take the arguments as arrays in the order of the first Series; None if there is no Series.

    Raises
    ------
    ValueError
        If two Series do not have the same labels, or labels in another order are not unique.
    TypeError
        If one is a DataFrame.
    """
    pandas = sys.modules.get("pandas")  # whoever gives a Series has imported it
    if pandas is None:
        return None, dict(arguments)
    for name, one in arguments.items():
        if isinstance(one, pandas.DataFrame):
            raise TypeError(f"{name}: expected a number, an array or a Series, got a DataFrame")
    series = {name: one for name, one in arguments.items() if isinstance(one, pandas.Series)}
    if not series:
        return None, dict(arguments)
    first = next(iter(series))
    index = series[first].index
    columns = {name: _array(_ordered(name, one, first, index)) for name, one in series.items()}
    return index, {**arguments, **columns}


def _ordered(name: str, one: pd.Series, first: str, index: pd.Index) -> pd.Series:
    """Put a Series into the order of an index."""
    if one.index is index or one.index.equals(index):
        return one
    if len(one) != len(index) or not index.is_unique or not index.isin(one.index).all():
        strange = index.symmetric_difference(one.index)
        told = f"{strange[0]!r} is in one of them only" if len(strange) else "labels come twice"
        raise ValueError(f"{name}: its index does not have the labels of {first}: {told}")
    return one.reindex(index)


def _array(one: pd.Series) -> Any:
    """Values of a Series; what is missing among numbers is NaN. Times and words stay what they are."""
    kind = getattr(one.dtype, "kind", "O")
    if kind not in "iuf":
        return one
    if kind == "f" or one.hasnans:
        return one.to_numpy(np.float64, na_value=np.nan)
    return one.to_numpy(np.int64 if kind == "i" else np.uint64)


def ordered(**columns: Any) -> tuple[Any, ...]:
    """Take columns that belong together in the order of the first Series among them; see :func:`aligned`."""
    return tuple(aligned(columns)[1].values())


def on_index(found: Any, index: pd.Index) -> Any:
    """Put every array of a result onto an index.

    Raises
    ------
    ValueError
        If an array has not the shape of a column.
    """
    if isinstance(found, tuple):
        parts = [on_index(part, index) for part in found]
        return type(found)(*parts) if hasattr(found, "_fields") else tuple(parts)
    if found.shape != (len(index),):
        raise ValueError(
            f"a Series goes with numbers and arrays of its length, {len(index)}, not {found.shape}"
        )
    return sys.modules["pandas"].Series(found, index)


def keeps_index(function: _Function) -> _Function:
    """Let ``function(model, kind, numbers, ...)`` take Series and return them; an ``out`` stays an array."""

    @wraps(function)
    def call(model: int, kind: Any, numbers: Mapping[str, Any], *rest: Any) -> Any:
        index, given = aligned({"kind": kind, **numbers})
        if index is None:
            return function(model, kind, numbers, *rest)
        found = function(model, given.pop("kind"), given, *rest)
        return found if any(found is one for one in rest) else on_index(found, index)

    return call  # type: ignore[return-value]
