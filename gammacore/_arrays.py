"""From what a caller may pass to what the compiled loops take, and back.

The loops take flat contiguous columns of n values or of one. Everything else, lists,
integers, other strides, broadcasting, is settled here, and so are the messages that
name the argument at fault.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gammacore import _core
from gammacore._series import keeps_index
from gammacore.array_types import Floats
from gammacore.implied import IVStatus

__all__ = ["distinct", "floats", "greeks", "implied_vol", "price", "slots", "unmasked"]

_Column = float | Floats
_Columns = tuple[_Column, _Column, _Column, _Column, _Column, _Column]

_KINDS = {"call": 1, "c": 1, "put": -1, "p": -1}
_STATUSES = tuple(IVStatus)
_SMALLEST_CHUNK = 16_384  # options: less work than that does not repay a thread
_BLOCK = 1024  # chunks are whole blocks of the loops


def floats(value: ArrayLike) -> Floats:
    """Numbers as float64, in their shape; a masked one is missing, so NaN."""
    if isinstance(value, np.ma.MaskedArray):
        return np.asarray(np.ma.filled(value.astype(np.float64), np.nan))
    return np.asarray(value, dtype=np.float64)


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """Distinct values, ascending. `numpy.unique` hashes integers: far slower where most of them differ."""
    ordered = np.sort(values, axis=None, kind="stable")
    first = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def unmasked(name: str, value: ArrayLike) -> NDArray[Any]:
    """Array of what has no NaN to stand for a missing value; a masked one is refused."""
    if isinstance(value, np.ma.MaskedArray):
        masked = np.flatnonzero(np.ma.getmaskarray(value))
        if masked.size:
            raise ValueError(f"{name}[{masked[0]}]: masked, and must not be missing")
    return np.asarray(value)


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
    given = unmasked("kind", kind)
    if given.dtype == np.int8 and _core.kinds_valid(given):
        return given
    if given.dtype.kind in "iuf":
        valid = (given == 1) | (given == -1)
        if not valid.all():
            raise _bad_kind(given[~valid].flat[0].item())
        return given.astype(np.int8, copy=False)
    if given.dtype.kind in "OUT":
        signs: dict[Any, int] = {}
        values = given.ravel().tolist()
        for value in values:
            if value not in signs:
                signs[value] = _one_kind(value)
        return np.array([signs[value] for value in values], dtype=np.int8).reshape(given.shape)
    raise TypeError(f"kind must hold integers or strings, got an array of {given.dtype}")


def _number_column(name: str, value: ArrayLike) -> Floats:
    """`value` as float64, in its own shape; NaN where it is masked."""
    given = np.asarray(value)
    if isinstance(value, np.ma.MaskedArray) and given.dtype.kind in "fiub":
        return floats(value)
    if given.dtype == np.float64:
        return given
    if given.dtype.kind not in "fiub":
        got = f"{type(value).__name__} of {given.dtype}" if given.ndim else repr(value)
        raise TypeError(f"{name} must be a real number or an array of them, got {got}")
    return given.astype(np.float64)


def _columns(
    kind: ArrayLike, numbers: Mapping[str, ArrayLike]
) -> tuple[tuple[int, ...], int | NDArray[np.int8], _Columns]:
    """Find the broadcast shape, and columns: numbers, or flat arrays of that many values."""
    signs = _kind_column(kind)
    columns = [_number_column(name, value) for name, value in numbers.items()]
    shape = _common_shape(signs, columns)
    if shape is None:
        shapes = ", ".join(f"{name} {column.shape}" for name, column in zip(numbers, columns, strict=True))
        raise ValueError(f"shapes do not broadcast: kind {signs.shape}, {shapes}")
    sign = int(signs.reshape(-1)[0]) if signs.size == 1 else _flat(signs, shape)
    underlying, strike, tau, vol, rate, dividend = (
        float(column.reshape(-1)[0]) if column.size == 1 else _flat(column, shape) for column in columns
    )
    return shape, sign, (underlying, strike, tau, vol, rate, dividend)


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
    if column.shape == shape:
        return np.ascontiguousarray(column).reshape(-1)
    return np.ascontiguousarray(np.broadcast_to(column, shape)).reshape(-1)


def _target(name: str, out: Floats | None, shape: tuple[int, ...], columns: _Columns) -> Floats:
    """Choose the flat array that the loop fills: `out` itself where that is possible."""
    if out is None:
        return np.empty(math.prod(shape), dtype=np.float64)
    if not isinstance(out, np.ndarray) or out.dtype != np.float64 or isinstance(out, np.ma.MaskedArray):
        plain = isinstance(out, np.ndarray) and not isinstance(out, np.ma.MaskedArray)
        got = f"dtype {out.dtype}" if plain else type(out).__name__
        raise TypeError(f"{name} must be a float64 array, got {got}")
    if out.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {out.shape}")
    if not out.flags.writeable:
        raise ValueError(f"{name} is read-only")
    overlap = any(isinstance(column, np.ndarray) and np.may_share_memory(out, column) for column in columns)
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


def _share(job: Callable[[int, int], None], n: int, threads: int) -> None:
    """Run job(first, end) over [0, n), in chunks of whole blocks on that many threads."""
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    threads = min(threads, n // _SMALLEST_CHUNK)
    if threads < 2:
        job(0, n)
        return
    chunk = max(n // (2 * threads), _SMALLEST_CHUNK)
    chunk += -chunk % _BLOCK
    todo = deque(range(0, n, chunk))

    def work() -> None:  # whoever is free takes the next chunk: cores are not equally idle
        while todo:
            try:
                first = todo.popleft()
            except IndexError:
                return
            job(first, min(first + chunk, n))

    # Threads are made for the call: 0.1 ms against the milliseconds of a large array, and
    # nothing is left behind to hang a forked process.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(work) for _ in range(threads - 1)]
        work()
        for other in others:
            other.result()


@keeps_index
def price(
    model: int, kind: ArrayLike, numbers: Mapping[str, ArrayLike], out: Floats | None, threads: int
) -> float | Floats:
    """Prices in the broadcast shape; a float if that is () and there is no `out`."""
    shape, signs, columns = _columns(kind, numbers)
    target = _target("out", out, shape, columns)
    _share(partial(_core.price_into, model, signs, *columns, target), target.size, threads)
    if shape == () and out is None:
        return float(target[0])
    return _deliver(out, target, shape)


def _targets(
    fields: tuple[str, ...], out: Any, shape: tuple[int, ...], columns: _Columns
) -> tuple[tuple[Any, ...], tuple[Floats, ...]]:
    """Find the rows of `out`, and the flat arrays to fill."""
    if out is None:
        outs: tuple[Any, ...] = (None,) * len(fields)
    elif isinstance(out, tuple) and len(out) == len(fields):
        outs = out
    else:
        raise TypeError(
            f"out must hold the {len(fields)} arrays {', '.join(fields)}, got {type(out).__name__}"
        )
    return outs, tuple(
        _target(f"out.{name}", one, shape, columns) for name, one in zip(fields, outs, strict=True)
    )


@cache
def slots(names: tuple[str, ...], inverse: bool) -> tuple[int, ...]:
    """Positions of the Greeks of these names in the core."""
    known = _core.GREEKS if inverse else _core.GREEKS[:-1]
    for name in names:
        if name not in known:
            raise ValueError(f"unknown Greek {name!r}: choose from {', '.join(known)}")
    if len(set(names)) < len(names):
        raise ValueError(f"a Greek is named twice: {', '.join(names)}")
    return tuple(known.index(name) for name in names)


@keeps_index
def greeks(
    model: int,
    kind: ArrayLike,
    numbers: Mapping[str, ArrayLike],
    chosen: tuple[int, ...],
    out: Any,
    threads: int,
) -> tuple[float, ...] | tuple[Floats, ...]:
    """Greeks at the positions `chosen`, each as in `price`."""
    fields = tuple(_core.GREEKS[slot] for slot in chosen)
    shape, signs, columns = _columns(kind, numbers)
    outs, targets = _targets(fields, out, shape, columns)
    n = math.prod(shape)
    _share(partial(_core.greeks_into, model, signs, *columns, chosen, targets), n, threads)
    if shape == () and out is None:
        return tuple(float(target[0]) for target in targets)
    return tuple(_deliver(one, target, shape) for one, target in zip(outs, targets, strict=True))


@keeps_index
def implied_vol(
    model: int,
    kind: ArrayLike,
    numbers: Mapping[str, ArrayLike],
    status: bool,
    method: str,
    out: Floats | None,
    threads: int,
) -> float | Floats | tuple[float, IVStatus] | tuple[Floats, NDArray[np.int8]]:
    """Implied vols as in `price`, and their status (int8, or IVStatus for one) if asked for.

    `numbers` holds the option's price in the place of the volatility.
    """
    if method not in ("auto", "newton"):
        raise ValueError(f"method must be 'auto' or 'newton', got {method!r}")
    shape, signs, columns = _columns(kind, numbers)
    target = _target("out", out, shape, columns)
    codes = np.empty(target.size, dtype=np.int8)
    newton = method == "newton"
    _share(partial(_core.implied_into, model, newton, signs, *columns, target, codes), target.size, threads)
    if shape == () and out is None:
        vol = float(target[0])
        return (vol, _STATUSES[codes[0]]) if status else vol
    vols = _deliver(out, target, shape)
    return (vols, codes.reshape(shape)) if status else vols


def analyse(
    model: int,
    kind: ArrayLike,
    numbers: Mapping[str, ArrayLike],
    chosen: tuple[int, ...],
    threads: int,
) -> tuple[Floats, NDArray[np.int8], tuple[Floats, ...]]:
    """Vols, status codes and Greeks of quotes, as arrays of the broadcast shape."""
    if threads == 1:
        underlying, strike, tau, quote, rate, dividend = numbers.values()
        found = _core.analyse_fast(model, kind, underlying, strike, tau, quote, rate, dividend, chosen)
        if found is not None:
            return found
    return _analysed(model, kind, numbers, chosen, threads)  # type: ignore[no-any-return]


@keeps_index
def _analysed(
    model: int, kind: ArrayLike, numbers: Mapping[str, ArrayLike], chosen: Any, threads: int
) -> Any:
    shape, signs, columns = _columns(kind, numbers)
    n = math.prod(shape)
    vol, codes = np.empty(n), np.empty(n, dtype=np.int8)
    rows = tuple(np.empty(n) for _ in chosen)
    _share(partial(_core.analyse_into, model, signs, *columns, vol, codes, chosen, rows), n, threads)
    return vol.reshape(shape), codes.reshape(shape), tuple(row.reshape(shape) for row in rows)


@keeps_index
def vol_interval(
    model: int, kind: ArrayLike, numbers: Mapping[str, ArrayLike], threads: int
) -> tuple[Floats, Floats]:
    """Vols half a tick below and above; `numbers` holds the tick in the place of the dividend."""
    shape, signs, columns = _columns(kind, numbers)
    n = math.prod(shape)
    low, high = np.empty(n), np.empty(n)
    _share(partial(_core.vol_interval_into, model, signs, *columns, low, high), n, threads)
    return low.reshape(shape), high.reshape(shape)
