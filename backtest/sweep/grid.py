"""The cells of a sweep: every combination of the values under ``vary``, checked before any runs."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from functools import cache
from glob import glob
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from gammacore import __version__
from gammacore.config import Config, check, rolled_entry, stated, with_overrides
from gammacore.data.tables import data_files
from gammacore.data.trees import only_series, series_of
from gammacore.errors import ConfigError
from gammacore.terms import grids_of, half_spreads_of

from ..replay.market import check_sources, market_part

MARKET_PATHS = ("currency", "data.", "market.", "marks.")  # what happens, as opposed to what is decided
UNRELATED = ("report.", "vary")
MOST = 200_000
RULE = frozenset(  # fields of `hedge` that say when to hedge and how far, read by build_policy alone
    [
        "rule",
        "trigger",
        "every",
        "band",
        "band_lower",
        "to",
        "move",
        "move_unit",
        "move_horizon",
        "risk_aversion",
        "cost",
        "cost_per_trade",
        "outer",
    ]
)


class Cell(NamedTuple):
    """One combination.

    Attributes
    ----------
    number : int
        Place in the grid, the last parameter running fastest.
    overrides : dict of dotted path to value
    config : Config
    market : str
        Digest of the market it runs on, contents of files included.
    held : str
        Digest of what decides which options are held: cells that share it differ in when they hedge alone.
    key : str
        Digest of everything that its result depends on.
    """

    number: int
    overrides: dict[str, Any]
    config: Config
    market: str
    held: str
    key: str

    @property
    def label(self) -> str:
        """Name of its directory, such as ``hedge.every=1h,marks.interpolate=true``."""
        texts = {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in self.overrides.items()
        }
        return ",".join(f"{name}={text}" for name, text in texts.items())


def digest(value: Any) -> str:
    """Short digest of something that JSON can say."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def cells(config: Config) -> list[Cell]:
    """All cells of a grid.

    Parameters
    ----------
    config : Config
        With at least one parameter under ``vary``.

    Returns
    -------
    list of Cell

    Raises
    ------
    ConfigError
        If the grid is empty, too large, repeats a value, or holds a combination that is no
        configuration; the message names the field.
    DataError
        If a file that is named does not exist.
    """
    _check_grid(config)
    base, mix = with_overrides(config, {"vary": {}}), _Mixer(config)
    contents = cache(_file_digest)
    markets: dict[str, str] = {}
    result = []
    for number, values in enumerate(itertools.product(*config.vary.values())):
        overrides = dict(zip(config.vary, values, strict=True))
        varied = mix.config(base, overrides)
        text = json.dumps(market_part(varied), sort_keys=True)
        if text not in markets:
            files = [contents(file) for file in _files(stated(varied.data))]
            markets[text] = digest([text, files, msgspec.to_builtins(grids_of(varied).rows)])
        market = markets[text]
        decided = stated(varied)
        del decided["report"]
        decided["costs"]["hedge_half_spread_bp"] = half_spreads_of(varied)  # quotes may be others
        if varied.margin.parameters is not None:
            decided["margin"]["parameters"] = contents(Path(varied.margin.parameters).expanduser())
        if varied.signal.recalibrate is not None:
            decided["signal"]["recalibrate"] = contents(Path(varied.signal.recalibrate).expanduser())
        decided["code"] = {module: file.sha256 for module, file in varied.code.items()}
        key = digest([__version__, market, decided])
        result.append(Cell(number, overrides, varied, market, digest([market, _holds(varied, decided)]), key))
    return result


def _holds(config: Config, decided: dict[str, Any]) -> dict[str, Any]:
    """Part of a configuration that decides what is held, and which delta is hedged."""
    # Which entries pay, how much is entered, or whether the account is liquidated.
    decides = config.signal.active or config.size.of_equity or config.size.equity is not None
    if config.hedge.leland or decides:  # the rule also decides the delta
        return decided
    hedge = {name: value for name, value in decided["hedge"].items() if name not in RULE}
    return {**decided, "hedge": hedge}


def _check_grid(config: Config) -> None:
    if not config.vary:
        raise ConfigError("vary: names no parameter to sweep over, such as {hedge.band: [0.02, 0.05, 0.1]}")
    size = 1
    for name, values in config.vary.items():
        size *= len(values)
        if name.startswith(UNRELATED):
            raise ConfigError(f"vary.{name}: has no influence on a result")
        for i, value in enumerate(values):
            if value in values[:i]:
                raise ConfigError(f"vary.{name}: {value!r} is listed twice")
    if size > MOST:
        raise ConfigError(f"vary: expected at most {MOST:,} combinations, got {size:,}")


class _Mixer:
    """Combines values that were each checked alone: a full check of each combination is slow."""

    def __init__(self, config: Config) -> None:
        self._alone = {
            (name, repr(value)): with_overrides(config, {"vary": {}, name: value})
            for name, values in config.vary.items()
            for value in values
        }

    def config(self, base: Config, overrides: dict[str, Any]) -> Config:
        """Build the configuration of a combination; an error names its values."""
        sections: dict[str, dict[str, Any]] = {}
        plain: dict[str, Any] = {}
        for name, value in overrides.items():
            section, _, field = name.partition(".")
            known = getattr(self._alone[name, repr(value)], section)
            if not field:
                plain[section] = known
            else:
                sections.setdefault(section, {})[field] = value if "." in field else getattr(known, field)
        try:
            if any("." in field for fields in sections.values() for field in fields):
                return with_overrides(base, overrides)
            for section, fields in sections.items():
                plain[section] = msgspec.structs.replace(getattr(base, section), **fields)
            mixed = msgspec.structs.replace(base, **plain)
            check(mixed)
            if mixed.roll.when.active:
                rolled_entry(mixed)
            check_sources(mixed)
        except ConfigError as error:
            chosen = ", ".join(f"{name}={value}" for name, value in overrides.items())
            raise ConfigError(f"vary: {chosen}: {error}") from None
        return mixed


def _files(data: dict[str, Any]) -> Sequence[Path]:
    """List the files that a market is read from."""
    files: list[Path] = []
    for name in ("chains", "prices", "funding", "delivery", "dvol"):
        path = data[name]
        if path is not None:
            stored = [file for days in series_of(path).values() for file in days] or only_series(path)[1]
            matching = [] if Path(path).exists() else [Path(found) for found in sorted(glob(path))]
            files += stored or matching or data_files(path)
    return files


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
