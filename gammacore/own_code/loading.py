"""From ``module:function`` to something that can be called, whose mistakes name file and line.

The bytes that were hashed are the bytes that run. Nothing is put on the import path: a file may import what
is installed, and not its neighbours.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import math
import time
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

import numpy as np

from gammacore.config import Config, OwnName, all_functions_of
from gammacore.daycount import format_time
from gammacore.errors import CodeError

from .trust import VARIABLE, confirmed

__all__ = ["Call", "OwnFunction", "load_function", "own_functions"]

Kind = Literal["hedge", "forecast", "structure", "exit", "size"]


class Call(NamedTuple):
    """One call that was recorded: what was asked, the answer, and how long it took."""

    view: Any
    answer: Any
    ns: int


class OwnFunction:
    """A function of the user's own; call it with its view.

    Attributes
    ----------
    name : str
        ``module:function``.
    path, sha256 : str
        Of its file.
    lines : int
        Of its source.
    calls : list of Call or None
        Filled while it is a list.
    """

    def __init__(self, name: str, path: str, sha256: str, lines: int, kind: Kind, function: Any) -> None:
        self.name, self.path, self.sha256, self.lines, self.kind = name, path, sha256, lines, kind
        self.calls: list[Call] | None = None
        self._function = function

    def __call__(self, view: Any) -> Any:
        """Ask it.

        Raises
        ------
        CodeError
            If it raises, or answers with what it should not; with file, line and the moment.
        """
        start = time.perf_counter_ns()
        try:
            answer = self._function(view)
        except Exception as error:
            raise CodeError(self._failed(error, view)) from error
        took = time.perf_counter_ns() - start
        try:
            checked = ANSWERS[self.kind](answer)
        except (TypeError, ValueError):
            wanted = WANTED[self.kind]
            raise CodeError(
                f"{self.path}: {self.name}: expected {wanted}, got {answer!r:.80}{_moment(view)}"
            ) from None
        if self.calls is not None:
            self.calls.append(Call(view, checked, took))
        return checked

    def __eq__(self, other: object) -> bool:
        """Compare the files, not where they are."""
        return isinstance(other, OwnFunction) and (self.name, self.sha256, self.kind) == (
            other.name,
            other.sha256,
            other.kind,
        )

    def __hash__(self) -> int:
        """Hash as compared."""
        return hash((self.name, self.sha256, self.kind))

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process by path and hash."""
        return _load, (self.path, self.sha256, self.name, self.kind)

    def _failed(self, error: Exception, view: Any) -> str:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == self.path]
        line = f", line {frames[-1].lineno}" if frames else ""
        told = f"{type(error).__name__}: {error}".rstrip(": ")
        return f"{self.path}{line}: {self.name}: {told}{_moment(view)}"


def _moment(view: Any) -> str:
    ts_ns = getattr(view, "ts_ns", None)
    if isinstance(ts_ns, np.ndarray):  # past prices: the last of them
        ts_ns = ts_ns[-1]
    return "" if ts_ns is None else f"; at {format_time(int(ts_ns))}"


def load_function(config: Config, name: OwnName, kind: Kind) -> OwnFunction:
    """Load a function that a configuration names.

    Raises
    ------
    CodeError
        If its file is not the one that was noted, was not confirmed, or has no such function.
    """
    file = config.code.get(name.module)
    if file is None:
        raise CodeError(f"{name}: its file is not known; read the configuration with load_config")
    return _load(file.path, file.sha256, str(name), kind)


def own_functions(config: Config) -> dict[str, OwnFunction]:
    """Load every function that a configuration names, by ``field module:function``."""
    return {
        f"{path} {name}": load_function(config, name, KINDS[path.partition("[")[0]])
        for path, name in all_functions_of(config)
    }


@cache
def _load(path: str, sha256: str, name: str, kind: Kind) -> OwnFunction:
    function = name.partition(":")[2]
    module, tree = _module(path, sha256)
    lines = _lines_of(tree, function)
    found = getattr(module, function, None)
    if not callable(found):
        names = sorted(node.name for node in tree.body if isinstance(node, ast.FunctionDef))
        near = difflib.get_close_matches(function, names, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; it has {', '.join(names) or 'no function'}"
        raise CodeError(f"{path}: has no function {function}{hint}")
    return OwnFunction(name, path, sha256, lines, kind, found)


@cache
def _module(path: str, sha256: str) -> tuple[ModuleType, ast.Module]:
    """Run a file once in a process."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise CodeError(f"{path}: {error.strerror or error}") from None
    if (now := hashlib.sha256(data).hexdigest()) != sha256:
        raise CodeError(
            f"{path}: is not the file that is asked for: SHA-256 {now[:12]}..., expected {sha256[:12]}..."
        )
    if not confirmed(sha256):
        raise CodeError(
            f"{path}: this code (SHA-256 {sha256[:12]}...) was not confirmed; read it, then run gammacore "
            f"check on a terminal, or give --trust or {VARIABLE}"
        )
    module = ModuleType(f"gammacore_own_{Path(path).stem}_{sha256[:12]}")
    module.__file__ = path
    try:
        tree = ast.parse(data, path)
        exec(compile(data, path, "exec", dont_inherit=True), module.__dict__)
    except SyntaxError as error:
        raise CodeError(f"{path}, line {error.lineno}: {error.msg}") from None
    except (Exception, SystemExit) as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
        line = f", line {frames[-1].lineno}" if frames else ""
        raise CodeError(f"{path}{line}: {type(error).__name__}: {error}") from None
    return module, tree


def _lines_of(tree: ast.Module, function: str) -> int:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return (node.end_lineno or node.lineno) - node.lineno + 1
    return 0


def _real(answer: Any) -> float:
    if isinstance(answer, str | bytes | bool | np.bool_):
        raise TypeError  # float() would read a text, and a condition is no number
    return float(answer)


def _number(answer: Any) -> float:
    value = _real(answer)
    if not math.isfinite(value):
        raise ValueError
    return value


def _vol(answer: Any) -> float:
    value = _real(answer)
    if not (math.isnan(value) or 0.0 < value < math.inf):
        raise ValueError
    return value


def _units(answer: Any) -> float:
    if (value := _number(answer)) < 0.0:
        raise ValueError
    return value


def _truth(answer: Any) -> bool:
    if isinstance(answer, str) or (not isinstance(answer, bool) and answer not in (0, 1)):
        raise ValueError
    return bool(answer)


def _legs(answer: Any) -> tuple[tuple[int | None, float], ...]:
    legs = []
    for row, amount in answer:
        if row is not None and (int(row) != row or row < 0):
            raise ValueError
        if not (coins := _number(amount)):
            raise ValueError
        legs.append((None if row is None else int(row), coins))
    return tuple(legs)


ANSWERS: dict[Kind, Callable[[Any], Any]] = {
    "hedge": _number,
    "forecast": _vol,
    "structure": _legs,
    "exit": _truth,
    "size": _units,
}
WANTED: dict[Kind, str] = {
    "hedge": "a delta to add, a finite number of coins",
    "forecast": "a volatility per year above 0, or NaN",
    "structure": "a list of (row, coins): rows from 0 or None, coins not 0",
    "exit": "True or False",
    "size": "units, a finite number of at least 0",
}
KINDS: dict[str, Kind] = {
    "hedge.rule": "hedge",
    "signal.forecast": "forecast",
    "entry.structure": "structure",
    "roll.into.structure": "structure",
    "exit.rules.own": "exit",
    "roll.when.own": "exit",
    "size.rule": "size",
}
