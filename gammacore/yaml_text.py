"""YAML as configurations mean it: the scalars of YAML 1.2, every key once.

PyYAML reads YAML 1.1, where ``1e-3`` is a text, ``1:30`` is 90, ``010`` is 8, ``no`` is false and
``2026-01-01`` is no text. Here numbers are what they look like (``1e-3``, ``.5``, ``1_000``), booleans are
``true`` and ``false`` alone, and a time stays a text, for the field that it is given to. A mapping that has a
key twice is refused.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import yaml

from gammacore.errors import ConfigError

__all__ = ["dump_yaml", "read_yaml", "read_yaml_file"]

_SCALARS = (  # tag, form, and what it can begin with
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+(?:_[0-9]+)*|0x[0-9a-fA-F]+|0o[0-7]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
)


class _Loader(yaml.SafeLoader):
    """Safe loader with the scalars above; the resolvers of YAML 1.1 are not inherited."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 # PyYAML's own way, one table a class

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Decimal unless it says otherwise: YAML 1.1 takes 010 for 8."""
        text = str(self.construct_scalar(node))
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        """Read a number; one such as 1e5 is whole, for fields that are integers."""
        value = super().construct_yaml_float(node)
        text = str(self.construct_scalar(node)).lower()
        if math.isinf(value) and "inf" not in text:
            raise yaml.constructor.ConstructorError(None, None, f"{text} is too large", node.start_mark)
        return int(value) if "." not in text and value.is_integer() else value


class _Dumper(yaml.SafeDumper):
    """Quotes texts that either YAML 1.1 or we would read as something else."""


for _tag, _form, _first in _SCALARS:
    _pattern = re.compile(rf"(?:{_form})\Z")
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, list(_first))
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, list(_first))
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)


def read_yaml(text: str | bytes, where: str) -> Any:
    """Read one YAML document.

    Parameters
    ----------
    text : str or bytes
    where : str
        What an error names: a file, an option.

    Returns
    -------
    object
        Mappings, lists, texts, numbers, booleans and None; times are texts.

    Raises
    ------
    ConfigError
        If it is not YAML, or a key stands twice in one mapping.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_repetition(node, where, "", set())
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark
        place = "" if at is None else f" (line {at.line + 1}, column {at.column + 1})"
        raise ConfigError(f"{where}: not valid YAML: {error.problem}{place}") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: not valid YAML: {error}") from None


def _refuse_repetition(node: yaml.Node, where: str, path: str, seen: set[int]) -> None:
    """Look through nodes as they were written: merging with `<<` makes repetitions that are meant."""
    if id(node) in seen or isinstance(node, yaml.ScalarNode):
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _refuse_repetition(child, where, path, seen)
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            name, line = f"{path}{key.value}", key.start_mark.line + 1
            if name in lines:
                both = f"in lines {lines[name]} and {line}" if line > lines[name] else f"twice in line {line}"
                raise ConfigError(f"{where}: {name}: given {both}; keep one")
            lines[name] = line
            _refuse_repetition(value, where, f"{name}.", seen)


def read_yaml_file(path: str | Path, where: str = "") -> Any:
    """Read a YAML file in UTF-8; see `read_yaml`. Errors begin with ``where`` and the path.

    Raises
    ------
    ConfigError
        If it cannot be read, too.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{where}{path}: {error.strerror or error}") from None
    return read_yaml(data, f"{where}{path}")


def dump_yaml(value: Any) -> str:
    """Write plain values so that `read_yaml` gives them back, and any reader of YAML 1.1, too."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False)
