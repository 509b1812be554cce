"""From a file or a mapping to a checked configuration, and back."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from gammacore.errors import ConfigError
from gammacore.yaml_text import read_yaml

from .checks import check
from .code_files import find_code, functions_of
from .messages import explain
from .own_names import OwnName
from .sections import Config, EntryConfig

__all__ = ["all_functions_of", "load_config", "parse_config", "rolled_entry", "stated", "with_overrides"]

# Names of before, and what to write instead.
REPLACED = {
    "costs.hedge_fee": "the fee follows the fill: write execution.hedges (post_only, taker or maker) for how "
    "hedges fill, and costs.hedge_taker_fee and costs.hedge_maker_fee for fees of your own",
    "live.execution": "write execution.hedges",
    **{
        f"live.{name}": f"write execution.{name}"
        for name in (
            "patience", "tries", "slippage_bp", "option_slippage", "max_above_mark", "max_spread", "valid_for"
        )
    },
}  # fmt: skip
_PLAIN = frozenset((str, int, bool, type(None)))  # types that stay as they are
NOT_ROLLED = ("side", "schedule", "min_snapshots")  # fields of entry that a roll keeps


def load_config(path: str | Path | None, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a YAML file (None: all defaults) and apply overrides.

    Parameters
    ----------
    path : str, Path or None
        Configuration file.
    overrides : mapping of dotted path to value, optional
        Such as ``{"hedge.band": 0.1}``.

    Returns
    -------
    Config

    Raises
    ------
    ConfigError
        If the file cannot be read, is not YAML, or holds an invalid value.
    """
    raw: Any = {}
    if path is not None:
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror or error}{_near_file(Path(path))}") from None
        raw = read_yaml(data, str(path)) or {}
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected a mapping at the top, got {type(raw).__name__}")
    for dotted, value in (overrides or {}).items():
        _set(raw, dotted, value)
    noted = raw.pop("code", None)
    try:
        config = parse_config(raw)
        return _with_code(config, Path() if path is None else Path(path).parent, noted or {})
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}" if path is not None else str(error)) from None


def _with_code(config: Config, folder: Path, noted: Any) -> Config:
    """Note the files of the user's own code, and hold them against what was noted before."""
    found = find_code(all_functions_of(config), folder)
    for module, file in (_read({"code": noted}).code if noted else {}).items():
        if module in found and found[module].sha256 != file.sha256:
            raise ConfigError(
                f"code.{module}: {found[module].path} has changed: its SHA-256 is "
                f"{found[module].sha256[:12]}..., noted was {file.sha256[:12]}...; restore it"
            )
    return msgspec.structs.replace(config, code=found) if found else config


def all_functions_of(config: Config) -> list[tuple[str, OwnName]]:
    """Find every function of the user's own, those of ``vary`` as well, with the paths of their fields."""
    found = list(functions_of(config))
    for dotted, values in config.vary.items():
        for value in values:
            if not isinstance(value, int | float):  # which names nothing
                found += functions_of(with_overrides(config, {"vary": {}, dotted: value}))
    return list(dict.fromkeys(found))


def with_overrides(config: Config, overrides: Mapping[str, Any]) -> Config:
    """Copy of a configuration with some dotted paths replaced."""
    raw = stated(config)
    for dotted, value in overrides.items():
        _set(raw, dotted, value)
    return parse_config(raw)


def parse_config(raw: Mapping[str, Any]) -> Config:
    """Check a mapping and turn it into a configuration.

    Raises
    ------
    ConfigError
        Naming the path, what was expected, what was found, and the nearest valid name.
    """
    config = _read(raw)
    check(config)
    rolled_entry(config)
    for dotted, values in config.vary.items():
        if not isinstance(values, list) or not values:
            raise ConfigError(f"vary.{dotted}: expected a non-empty list, got {values!r}")
        for value in values:
            _check_variant(config, dotted, value)
    return config


def _read(raw: Mapping[str, Any]) -> Config:
    """Convert a mapping, each value checked by itself."""
    _refuse_unknown(raw, Config, "")
    raw = _plain(raw)
    try:
        return msgspec.convert(raw, Config, dec_hook=_convert)
    except msgspec.ValidationError as error:
        raise ConfigError(explain(str(error), raw)) from None


def rolled_entry(config: Config) -> EntryConfig:
    """Return what a roll enters: ``entry`` with what ``roll.into`` changes.

    Raises
    ------
    ConfigError
        If ``roll.into`` is no entry, or names a field that a roll does not choose.
    """
    into = config.roll.into
    if into and not config.roll.when.active:
        raise ConfigError("roll.into: expected a rule in roll.when, without one nothing is rolled")
    for name in NOT_ROLLED:
        if name in into:
            raise ConfigError(f"roll.into.{name}: is that of entry; leave it out")
    raw = {"entry": stated(config.entry) | into}
    try:
        found = _read(raw).entry
    except ConfigError as error:
        raise ConfigError(str(error).replace("entry.", "roll.into.")) from None
    if found.min_days > found.max_days:
        raise ConfigError(
            f"roll.into.min_days: expected at most max_days = {found.max_days}, got {found.min_days}"
        )
    days = config.roll.when.days_to_expiry
    if days is not None and days >= found.max_days:
        raise ConfigError(
            f"roll.when.days_to_expiry: expected less than roll.into.max_days = {found.max_days}, "
            f"got {days}: what is entered would be rolled at once"
        )
    return found


def stated(part: Any) -> Any:
    """Return a configuration, or a part of one, as it would stand in a file."""
    return msgspec.to_builtins(part, enc_hook=str)


def _plain(raw: Any, where: tuple[Any, ...] = ()) -> Any:
    """Write what Python callers and YAML tags give (times, arrays, paths) as a file would have it.

    No field means anything by NaN or infinity, and a bound lets some of them through. ``where`` nests the
    names down to the value, which is quicker than their text.
    """
    if type(raw) in _PLAIN:  # nearly all, and quicker to tell than mappings
        return raw
    if isinstance(raw, float):
        if not math.isfinite(raw):
            raise ConfigError(f"{_dotted(where)}: expected a finite number, got {float(raw)!r}")
        return float(raw)
    if isinstance(raw, Mapping):
        return {name: _plain(value, (where, name)) for name, value in raw.items()}
    if isinstance(raw, list | tuple):
        return [_plain(value, (where, i)) for i, value in enumerate(raw)]
    if isinstance(raw, date):
        return raw.isoformat()
    if isinstance(raw, timedelta):
        return f"{raw.total_seconds():.9f}".rstrip("0").rstrip(".") + "s"
    if isinstance(raw, os.PathLike):
        return os.fspath(raw)
    # an array of numpy, one number of it, a Series
    return _plain(raw.tolist(), where) if hasattr(raw, "tolist") else raw


def _dotted(where: tuple[Any, ...]) -> str:
    """Write nested names as a path such as ``simulate.legs[0].strike``."""
    if not where:
        return ""
    before, name = _dotted(where[0]), where[1]
    return f"{before}[{name}]" if isinstance(name, int) else f"{before}.{name}".lstrip(".")


def _convert(kind: type[Any], value: Any) -> Any:
    """Make a :class:`Duration` of a text."""
    return kind(value)


def _check_variant(config: Config, dotted: str, value: Any) -> None:
    """Refuse a variant that is no configuration; the error names the ``vary`` entry."""
    try:
        with_overrides(config, {"vary": {}, dotted: value})
    except ConfigError as error:
        raise ConfigError(f"vary.{dotted}: {error}") from None


def _set(raw: dict[str, Any], dotted: str, value: Any) -> None:
    if not all(dotted.split(".")):
        raise ConfigError(f"override {dotted!r}: expected a dotted path such as hedge.band")
    *parents, last = dotted.split(".")
    node = raw
    for name in parents:
        if node.get(name) is None:  # an optional section that is not there yet
            node[name] = {}
        if not isinstance(node[name], Mapping):
            raise ConfigError(f"{dotted}: {name} is not a section")
        node[name] = dict(node[name])  # that of a caller stays as it is
        node = node[name]
    node[last] = value


@cache
def _parameters(kind: type[msgspec.Struct]) -> dict[str, tuple[bool, list[type[msgspec.Struct]]]]:
    """Parameters of a section: whether each names sections, and of which kinds; slow to find."""
    found = {}
    for field in msgspec.structs.fields(kind):
        parts = [field.type, *get_args(field.type)]
        sections = [part for part in parts if isinstance(part, type) and issubclass(part, msgspec.Struct)]
        found[field.name] = get_origin(field.type) is dict, sections
    return found


def _refuse_unknown(raw: Any, kind: type[msgspec.Struct], path: str) -> None:
    if not isinstance(raw, Mapping):
        return  # the type error is reported by the conversion
    fields = _parameters(kind)
    for name, value in raw.items():
        where = f"{path}{name}"
        if where in REPLACED:
            raise ConfigError(f"{where} = {value!r}: this parameter is gone; {REPLACED[where]}")
        if name not in fields:
            near = [path + one for one in difflib.get_close_matches(str(name), fields, n=1) if path]
            near = near or _nearest(where, str(name))
            hint = f"; did you mean {' or '.join(near)}?" if near else f"; known: {', '.join(fields)}"
            raise ConfigError(f"{where}: unknown parameter{hint}")
        named, sections = fields[name]
        named = named and isinstance(value, Mapping)
        for section in sections:
            for key, child in value.items() if named else [("", value)]:
                _refuse_unknown(child, section, f"{where}.{key}." if named else f"{where}.")


def _nearest(where: str, name: str) -> list[str]:
    """Find the parameters of any section that were meant: by the whole path, or by the last name alone."""
    known = list(_paths(Config))
    close = difflib.get_close_matches(where, known, n=1, cutoff=0.8)
    near = [path for path in close if not where.startswith(f"{path}.")]
    last = difflib.get_close_matches(name, {path.rpartition(".")[2] for path in known}, n=1, cutoff=0.75)
    return near or [path for path in known if path.rpartition(".")[2] in last][:3]


def _paths(kind: type[msgspec.Struct], path: str = "") -> Iterator[str]:
    """Every parameter of a section, by its path."""
    for name, (named, sections) in _parameters(kind).items():
        yield f"{path}{name}"
        for section in sections if not named else ():
            yield from _paths(section, f"{path}{name}.")


def _near_file(path: Path) -> str:
    siblings: Sequence[str] = []
    if path.parent.is_dir():
        siblings = [entry.name for entry in path.parent.iterdir() if entry.name != path.name]
    near = difflib.get_close_matches(path.name, siblings, n=1)
    return f"; did you mean {path.parent / near[0]}?" if near else ""
