"""The validator's messages in our own words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

import msgspec

from .sections import Config

__all__ = ["explain"]

WORDS = {
    "float": "a number",
    "int": "an integer",
    "str": "a text",
    "bool": "true or false",
    "object": "a section",
    "array": "a list",
    "null": "null",
}
_MESSAGE = re.compile(r"(?P<what>.*?)(?: - at (?:`key` in )?`\$\.?(?P<path>.*)`)?", re.DOTALL)


def explain(message: str, raw: Mapping[str, Any]) -> str:
    """Turn the validator's message into ``path: expected ..., got ...``."""
    match = _MESSAGE.fullmatch(message)
    what, path = (match["what"], match["path"] or "") if match else (message, "")
    path = path.replace("[...]", "")
    if what.startswith("expected "):  # our own types say what they got
        return f"{path}: {what}"
    value: Any = raw
    for name in _names(path):
        if name.isdigit() and isinstance(value, list):
            value = value[int(name)]
        else:
            value = value.get(name) if isinstance(value, Mapping) else value
    what = re.sub(r", got `?\w+`?$", "", what)
    what = re.sub(r"`([^`]+)`", lambda found: " or ".join(map(_in_words, found[1].split(" | "))), what)
    what = re.sub(r"\.0$", "", what)
    if path == "currency" and "regex" in what:
        what = "Expected a coin in capitals, such as BTC, or SOL_USDC for options in USDC"
    if what.startswith("Invalid enum value"):
        what = "expected one of " + ", ".join(_choices(path))
        near = difflib.get_close_matches(str(value), _choices(path), n=1)
        return f"{path}: {what}, got {value!r}" + (f"; did you mean {near[0]}?" if near else "")
    hint = _fraction_hint(what, value)
    return f"{path or 'configuration'}: {what[0].lower()}{what[1:]}, got {value!r}{hint}"


def _in_words(kind: str) -> str:
    return WORDS.get(kind, f"`{kind}`")


def _fraction_hint(what: str, value: Any) -> str:
    """Say that a number above a bound is a percentage, where that would fit."""
    bound = re.search(r"<=? (\d+(?:\.\d+)?)", what)
    if bound is None or isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    fits = 0 < value / 100.0 <= float(bound[1]) <= 10.0
    return f"; a percentage? fractions are meant: {value / 100.0:g}" if fits else ""


def _choices(path: str) -> list[str]:
    """Literal values allowed at a path."""
    kind: Any = Config
    for name in _names(path):
        if name.isdigit():  # an entry of a list
            (kind,) = get_args(next(part for part in (kind, *get_args(kind)) if get_origin(part) is list))
            continue
        section = next(part for part in (kind, *get_args(kind)) if hasattr(part, "__struct_fields__"))
        kind = next(field.type for field in msgspec.structs.fields(section) if field.name == name)
    return _literals(kind)


def _names(path: str) -> list[str]:
    """Names and list indices along a path such as ``entry.legs[0].kind``."""
    return re.findall(r"[^.\[\]]+", path)


def _literals(kind: Any) -> list[str]:
    if getattr(kind, "__origin__", None) is Literal:
        return [str(choice) for choice in kind.__args__]
    return [choice for part in getattr(kind, "__args__", ()) for choice in _literals(part)]
