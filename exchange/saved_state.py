"""The state of an exchange in a file, so that it outlives its process.

The file is JSON, a list of objects that refer to each other by number. Loading makes objects of the
exchange's own classes and of the few others named here, and calls nothing that the file names.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from gammacore.contracts import ContractSpec, Future, Option, Perpetual, Settlement
from gammacore.errors import DataError

from .exchange import Exchange

__all__ = ["load", "save"]

FORMAT, VERSION = "gammacore exchange", 6
PLAIN = (type(None), bool, int, float, str)  # as they are; everything else is [number]
CONTAINERS: dict[str, type] = {c.__name__: c for c in (list, tuple, set, frozenset, deque)}
FOREIGN: tuple[type, ...] = (ContractSpec, Future, Option, Perpetual, Settlement)


def save(exchange: Exchange, path: Path) -> None:
    """Write everything but the connections, which end.

    Parameters
    ----------
    exchange : Exchange
        Its connections are ended as by a restart.
    path : Path
        Replaced at once, never half written; for its owner alone, as it holds secrets.
    """
    exchange.restart(exchange.now_ns, 0.0)
    found = {"format": FORMAT, "version": VERSION, "objects": _Writer().write(exchange)}
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(found, file, separators=(",", ":"))
    os.replace(draft, path)


def load(path: Path) -> Exchange:
    """Read what `save` wrote; its time goes on from where it stopped.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Exchange

    Raises
    ------
    DataError
        If the file is not such a state, or that of another version.
    """
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise DataError(f"{path}: not the state of an exchange; name another file for --state") from None
    if not isinstance(found, dict) or (found.get("format"), found.get("version")) != (FORMAT, VERSION):
        raise DataError(
            f"{path}: not the state of an exchange of this version; name another file for --state"
        )
    try:
        exchange = _Reader(found["objects"]).read()
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: a damaged state of an exchange: {error}") from None
    if not isinstance(exchange, Exchange):
        raise DataError(f"{path}: a damaged state: its first object is no exchange")
    return exchange


def _classes() -> dict[str, type]:
    """Classes that a file may name: all of the exchange's modules, and those of FOREIGN."""
    package = __name__.rpartition(".")[0] + "."
    found = {cls.__name__: cls for cls in FOREIGN}
    for name, module in list(sys.modules.items()):
        if name.startswith(package):
            own = (c for c in vars(module).values() if isinstance(c, type) and c.__module__ == name)
            found |= {f"{name.removeprefix(package)}.{cls.__name__}": cls for cls in own}
    return found


def _fields(value: Any) -> Iterator[str]:
    """Names of the attributes that an object has."""
    if isinstance(value, msgspec.Struct):
        yield from value.__struct_fields__
        return
    yield from getattr(value, "__dict__", ())
    for cls in type(value).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        yield from (name for name in slots if name != "__weakref__" and hasattr(value, name))


class _Writer:
    """Numbers objects as it meets them, the first one first."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._met: list[Any] = []  # kept alive, so that no id means two
        self._names = {cls: name for name, cls in _classes().items()}

    def write(self, root: Any) -> list[Any]:
        self._refer(root)
        rows: list[Any] = []
        while len(rows) < len(self._met):
            rows.append(self._row(self._met[len(rows)]))
        return rows

    def _refer(self, value: Any) -> Any:
        if type(value) in PLAIN:
            return value
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._met)
            self._met.append(value)
        return [number]

    def _row(self, value: Any) -> list[Any]:
        kind = type(value)
        if kind.__name__ in CONTAINERS and kind is CONTAINERS[kind.__name__]:
            return [kind.__name__, [self._refer(one) for one in value]]
        if kind is dict:
            return ["dict", [[self._refer(key), self._refer(one)] for key, one in value.items()]]
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            return ["array", value.dtype.str, list(value.shape), value.ravel().tolist()]
        if isinstance(value, np.generic):
            return ["array", value.dtype.str, [], [value.item()]]
        if kind is random.Random:
            return ["random", self._refer(value.getstate())]
        if isinstance(value, np.random.Generator):
            return ["generator", self._refer(value.bit_generator.state)]
        if isinstance(value, Enum):
            return ["enum", self._names[kind], value.name]
        name = self._names.get(kind)
        if name is not None and isinstance(value, tuple):
            return ["named", name, [self._refer(one) for one in value]]
        if name is None:
            raise TypeError(f"{kind.__qualname__} has no form in a file")
        return ["object", name, {field: self._refer(getattr(value, field)) for field in _fields(value)}]


class _Reader:
    """Makes all that can change empty, then what cannot change, then fills the former."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows
        self._made: dict[int, Any] = {}
        self._under_way: set[int] = set()
        self._classes = _classes()

    def read(self) -> Any:
        for number, row in enumerate(self._rows):
            if (shell := self._shell(row)) is not None:
                self._made[number] = shell
        mutable = list(self._made)
        for number in range(len(self._rows)):
            self._get([number])
        for number in mutable:
            self._fill(self._made[number], self._rows[number])
        return self._made[0]

    def _shell(self, row: list[Any]) -> Any:
        kind = row[0]
        if kind == "dict":
            return {}
        if kind in ("list", "set", "deque"):
            return CONTAINERS[kind]()
        if kind == "object":
            cls = self._classes[row[1]]
            if not _frozen(cls):
                return object.__new__(cls)
        return None

    def _fill(self, shell: Any, row: list[Any]) -> None:
        if row[0] == "dict":
            shell.update((self._get(key), self._get(one)) for key, one in row[1])
        elif row[0] == "set":
            shell.update(map(self._get, row[1]))
        elif row[0] in CONTAINERS:
            shell.extend(map(self._get, row[1]))
        else:
            for field, one in row[2].items():
                object.__setattr__(shell, field, self._get(one))

    def _get(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        (number,) = value
        if number not in self._made:
            if number in self._under_way:
                raise ValueError(f"object {number} holds itself")
            self._under_way.add(number)
            self._made[number] = self._whole(self._rows[number])
        return self._made[number]

    def _whole(self, row: list[Any]) -> Any:
        """Make what cannot change later, with all that it holds."""
        kind, *rest = row
        if kind in ("tuple", "frozenset"):
            return CONTAINERS[kind](map(self._get, rest[0]))
        if kind == "named":
            return self._classes[rest[0]](*map(self._get, rest[1]))
        if kind == "array":
            dtype, shape, values = rest
            made = np.array(values, dtype=np.dtype(dtype)).reshape(shape)
            return made if shape else made[()]
        if kind == "random":
            return self._drawing(random.Random(), rest[0], random.Random.setstate)
        if kind == "generator":
            return self._drawing(np.random.default_rng(0), rest[0], _set_state)
        if kind == "enum":
            return self._classes[rest[0]][rest[1]]  # type: ignore[index]
        return self._frozen_object(self._classes[rest[0]], rest[1])

    def _frozen_object(self, cls: type, fields: dict[str, Any]) -> Any:
        values = {name: self._get(one) for name, one in fields.items()}
        if issubclass(cls, msgspec.Struct):
            return cls(**values)
        made = object.__new__(cls)
        for name, one in values.items():
            object.__setattr__(made, name, one)
        return made

    def _drawing(self, made: Any, reference: Any, restore: Callable[[Any, Any], None]) -> Any:
        restore(made, self._plain(reference))
        return made

    def _plain(self, value: Any) -> Any:
        """Return a generator's state: it is needed whole, before containers are filled."""
        if not isinstance(value, list):
            return value
        kind, inner = self._rows[value[0]][:2]
        if kind == "dict":
            return {self._plain(key): self._plain(one) for key, one in inner}
        return CONTAINERS[kind](map(self._plain, inner))


def _set_state(made: np.random.Generator, state: Any) -> None:
    made.bit_generator.state = state


def _frozen(cls: type) -> bool:
    """Whether equality, and so the place in a dictionary, may depend on what an object holds."""
    parameters = getattr(cls, "__dataclass_params__", None)
    return issubclass(cls, msgspec.Struct) or (parameters is not None and parameters.frozen)
