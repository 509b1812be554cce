"""From what a caller may pass to what the compiled loops take, and back.

The loops take flat contiguous columns of n values or of one. Everything else, lists,
integers, other strides, broadcasting, is settled here, and so are the messages that
name the argument at fault.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gammacore import _black, _implied
from gammacore.implied import IVStatus

__all__ = ["Floats", "greeks", "implied_vol", "price"]

Floats = NDArray[np.float64]
_Six = tuple[Floats, Floats, Floats, Floats, Floats, Floats]

_KINDS = {"call": 1, "c": 1, "put": -1, "p": -1}
_STATUSES = tuple(IVStatus)


def _bad_kind(value: object) -> ValueError:
    return ValueError(f"kind must be +1, -1, 'call', 'put', 'c' or 'p', got {value!r}")


def _one_kind(value: object) -> int:
    if isinstance(value, str):
        sign = _KINDS.get(value.lower(), 0)
    elif isinstance(value, int | float | np.number) and (value == 1 or value == -1):
        sign = int(value)
    else:
        sign = 0
    if sign == 0:
        raise _bad_kind(value)
    return sign


def _kind_column(kind: ArrayLike) -> NDArray[np.int8]:
    """Signs as int8, in the shape of `kind`."""
    given = np.asarray(kind)
    if given.dtype == np.int8:  # the loop checks the values
        return given
    if given.dtype.kind in "iuf":
        valid = (given == 1) | (given == -1)
        if not valid.all():
            raise _bad_kind(given[~valid].flat[0].item())
        return given.astype(np.int8)
    if given.dtype.kind in "OUT":
        signs: dict[Any, int] = {}
        values = given.ravel().tolist()
        for value in values:
            if value not in signs:
                signs[value] = _one_kind(value)
        return np.array([signs[value] for value in values], dtype=np.int8).reshape(given.shape)
    raise TypeError(f"kind must hold integers or strings, got an array of {given.dtype}")


def _number_column(name: str, value: ArrayLike) -> Floats:
    """`value` as float64, in its own shape."""
    given = np.asarray(value)
    if given.dtype == np.float64:
        return given
    if given.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be a real number or an array of them, got {value!r}")
    return given.astype(np.float64)


def _columns(
    kind: ArrayLike, numbers: Mapping[str, ArrayLike]
) -> tuple[tuple[int, ...], NDArray[np.int8], _Six]:
    """Find the broadcast shape, and flat columns of that many values or of one."""
    signs = _kind_column(kind)
    columns = [_number_column(name, value) for name, value in numbers.items()]
    shape = _common_shape(signs, columns)
    if shape is None:
        shapes = ", ".join(f"{name} {column.shape}" for name, column in zip(numbers, columns, strict=True))
        raise ValueError(f"shapes do not broadcast: kind {signs.shape}, {shapes}")
    underlying, strike, tau, vol, rate, dividend = (_flat(column, shape) for column in columns)
    return shape, _flat(signs, shape), (underlying, strike, tau, vol, rate, dividend)


def _common_shape(signs: NDArray[np.int8], columns: list[Floats]) -> tuple[int, ...] | None:
    """Find the broadcast shape, or None if there is none."""
    shapes = {signs.shape, *(column.shape for column in columns)}
    shapes.discard(())
    if len(shapes) <= 1:  # by far the most common, and numpy's own search is slow
        return shapes.pop() if shapes else ()
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def _flat(column: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if column.size == 1:
        return column.reshape(1)
    if column.shape == shape:
        return np.ascontiguousarray(column).reshape(-1)
    return np.ascontiguousarray(np.broadcast_to(column, shape)).reshape(-1)


def _target(name: str, out: Floats | None, shape: tuple[int, ...], columns: _Six) -> Floats:
    """Choose the flat array that the loop fills: `out` itself where that is possible."""
    if out is None:
        return np.empty(math.prod(shape), dtype=np.float64)
    if not isinstance(out, np.ndarray) or out.dtype != np.float64:
        got = f"dtype {out.dtype}" if isinstance(out, np.ndarray) else type(out).__name__
        raise TypeError(f"{name} must be a float64 array, got {got}")
    if out.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {out.shape}")
    if not out.flags.writeable:
        raise ValueError(f"{name} is read-only")
    # A column of one value is copied before the loop writes anything: it may overlap.
    overlap = any(column.size > 1 and np.may_share_memory(out, column) for column in columns)
    if overlap or not out.flags.c_contiguous:
        return np.empty(out.size, dtype=np.float64)
    return out.reshape(-1)


def _deliver(out: Floats | None, target: Floats, shape: tuple[int, ...]) -> Floats:
    """Give the result its shape; it is `out` itself if there is one."""
    if out is None:
        return target if target.shape == shape else target.reshape(shape)
    if not np.may_share_memory(out, target):
        out[...] = target.reshape(shape)
    return out


def price(
    model: int, kind: ArrayLike, numbers: Mapping[str, ArrayLike], out: Floats | None
) -> float | Floats:
    """Prices in the broadcast shape; a float if that is () and there is no `out`."""
    shape, signs, columns = _columns(kind, numbers)
    target = _target("out", out, shape, columns)
    _black.price_array(model, signs, *columns, target)
    if shape == () and out is None:
        return float(target[0])
    return _deliver(out, target, shape)


def greeks(
    model: int, kind: ArrayLike, numbers: Mapping[str, ArrayLike], fields: tuple[str, ...], out: Any
) -> tuple[float, ...] | tuple[Floats, ...]:
    """Price and Greeks, each as in `price`, in the order of `fields`."""
    shape, signs, columns = _columns(kind, numbers)
    if out is None:
        outs: tuple[Any, ...] = (None,) * len(fields)
    elif isinstance(out, tuple) and len(out) == len(fields):
        outs = out
    else:
        raise TypeError(
            f"out must hold the {len(fields)} arrays {', '.join(fields)}, got {type(out).__name__}"
        )
    targets = tuple(
        _target(f"out.{name}", one, shape, columns) for name, one in zip(fields, outs, strict=True)
    )
    _black.greeks_array(model, signs, *columns, targets)
    if shape == () and out is None:
        return tuple(float(target[0]) for target in targets)
    return tuple(_deliver(one, target, shape) for one, target in zip(outs, targets, strict=True))


def implied_vol(
    model: int, kind: ArrayLike, numbers: Mapping[str, ArrayLike], status: bool, out: Floats | None
) -> float | Floats | tuple[float, IVStatus] | tuple[Floats, NDArray[np.int8]]:
    """Implied vols as in `price`, and their status (int8, or IVStatus for one) if asked for.

    `numbers` holds the option's price in the place of the volatility.
    """
    shape, signs, columns = _columns(kind, numbers)
    underlying, strike, tau, quote, rate, dividend = columns
    target = _target("out", out, shape, columns)
    codes = np.empty(target.size, dtype=np.int8) if status else None
    _implied.implied_vol_array(model, signs, quote, underlying, strike, tau, rate, dividend, target, codes)
    if shape == () and out is None:
        vol = float(target[0])
        return vol if codes is None else (vol, _STATUSES[codes[0]])
    vols = _deliver(out, target, shape)
    return vols if codes is None else (vols, codes.reshape(shape))
