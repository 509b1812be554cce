"""Recalibrations of chances in files: written by ``gammacore breakeven --calibrate``, read for a signal.

A file says which lives it was fitted to: another coin, structure, side, forecast or rule has other chances,
and is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import msgspec

from gammacore.breakeven.recalibration import LONGEST_DAYS, Recalibration
from gammacore.config import Config
from gammacore.errors import ConfigError, DataError

__all__ = ["load_recalibration", "recalibration_text", "rule_label"]

KIND = "gammacore recalibration"
# What a rule depends on beside its name; costs are left out: they follow the dated fees.
FIELDS = {
    "interval": ("every",),
    "band": ("band", "band_lower", "to"),
    "ladder": ("band", "outer"),
    "move": ("move", "move_unit", "move_horizon"),
    "whalley_wilmott": ("risk_aversion", "to"),
    "zakamouline": ("risk_aversion",),
    "fixed_cost": ("risk_aversion", "cost_per_trade"),
}

SIZED = ("band", "ladder", "whalley_wilmott", "zakamouline", "fixed_cost")  # count in coins or USD of all


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: str
    lives: dict[str, str]  # what all of them have in common
    rules: dict[str, Recalibration]


def rule_label(config: Config) -> str:
    """Return the hedge rule with what it depends on: ``band 0.1``, ``interval 1h``, ``band 10 of 100``."""
    hedge, units = config.hedge, config.size.units
    values = (getattr(hedge, name) for name in FIELDS.get(str(hedge.rule), ()))
    sized = ["of", units] if hedge.rule in SIZED and units != 1.0 else []
    return " ".join(map(_text, [hedge.rule, *(value for value in values if value is not None), *sized]))


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _lives(config: Config) -> dict[str, str]:
    """Tell what chances depend on beside the rule, by the path in a configuration."""
    entry, signal, exits = config.entry, config.signal, config.exit
    structure = str(entry.structure)
    if entry.legs:
        structure = "legs " + msgspec.json.encode(entry.legs).decode()
    elif structure != "straddle":
        structure += f" {entry.delta:g} {entry.wing_delta:g} {entry.ratio:g} {entry.far_days:g}"
    found = {
        "currency": config.currency,
        "entry.structure": structure,
        "entry.side": entry.side,
        "signal.forecast": f"{signal.forecast} {signal.window}",
        "signal.log_sd": _text(signal.log_sd),
        "signal.law": signal.law,
        "hedge.instrument": config.hedge.instrument,
        "exit.hours_before_expiry": _text(exits.hours_before_expiry),
    }
    return {name: str(value) for name, value in found.items()}


def recalibration_text(found: Iterable[tuple[Config, Recalibration]]) -> str:
    """Write the recalibrations of one coin's rules as text of a file."""
    known = list(found)
    rules = {rule_label(config): each for config, each in known}
    whole = _File(KIND, _lives(known[0][0]), rules)
    return msgspec.json.format(msgspec.json.encode(whole), indent=1).decode() + "\n"


def load_recalibration(config: Config) -> Recalibration | None:
    """Read what ``signal.recalibrate`` names; None if it names nothing.

    Raises
    ------
    ConfigError
        If the file was fitted to other lives: another coin, structure, side, forecast, rule or shorter ones.
    DataError
        If the file cannot be read, or is no recalibration.
    """
    if config.signal.recalibrate is None:
        return None
    path = config.signal.recalibrate
    if config.entry.max_days > LONGEST_DAYS:
        raise ConfigError(
            f"entry.max_days: expected at most {LONGEST_DAYS:g} with signal.recalibrate, whose lives are not "
            f"longer, got {config.entry.max_days:g}"
        )
    file, wanted, rule = _read(Path(path).expanduser()), _lives(config), rule_label(config)
    if config.signal.forecast == "auto":  # asked again once the data says which one it is
        del wanted["signal.forecast"]
    for name, value in wanted.items():
        if file.lives.get(name) != value:
            raise ConfigError(
                f"signal.recalibrate: {path} is of {name} {file.lives.get(name)}, and {name} is {value}; "
                "write one with gammacore breakeven --calibrate"
            )
    if rule not in file.rules:
        raise ConfigError(
            f"signal.recalibrate: {path} has the hedge rules {', '.join(file.rules)}, not {rule}; write one "
            "with gammacore breakeven --calibrate"
        )
    return file.rules[rule]


def _read(path: Path) -> _File:
    try:
        changed = path.stat().st_mtime_ns
        return _decoded(path, changed)
    except OSError as error:
        raise DataError(f"signal.recalibrate: {path}: cannot be read ({error.strerror})") from None


@lru_cache(maxsize=8)
def _decoded(path: Path, changed_ns: int) -> _File:
    """Read a file once while it does not change: a sweep asks for it in every cell."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
    except msgspec.MsgspecError as error:
        raise DataError(f"signal.recalibrate: {path}: {error}") from None
    if found.kind != KIND:
        raise DataError(f"signal.recalibrate: {path}: expected a {KIND}, got {found.kind!r}")
    return found
