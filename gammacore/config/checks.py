"""Rules of a configuration that involve more than one value."""

from __future__ import annotations

import math
from urllib.parse import urlsplit

import msgspec

from gammacore.daycount import parse_time
from gammacore.errors import ConfigError
from gammacore.legs import check_legs

from .sections import Config

__all__ = ["check", "check_web_address"]


def check(config: Config) -> None:
    """Check the rules that involve more than one value.

    Raises
    ------
    ConfigError
        Naming the path.
    """
    _check_hedge(config)
    _check_signal(config)
    _check_live(config)
    for name in ("start", "end"):
        text = getattr(config.data, name)
        if text is not None:
            _check_time(f"data.{name}", text)
    _check_time("market.start", config.market.start)
    _check_entry(config)
    if config.entry.min_days > config.entry.max_days:
        raise ConfigError(
            f"entry.min_days: expected at most entry.max_days = {config.entry.max_days}, "
            f"got {config.entry.min_days}"
        )
    if (config.linear or config.hedge.instrument == "forward") and config.hedge.target != "black":
        raise ConfigError(
            f"hedge.target: expected 'black' for linear (USD) accounting, got {config.hedge.target!r}"
        )


def _check_entry(config: Config) -> None:
    """Legs that refer to legs, and what a signal can weigh."""
    entry = config.entry
    check_legs(entry.wanted, "entry.legs")
    check_legs(tuple(leg.rule for leg in config.simulate.legs), "simulate.legs")
    for number, leg in enumerate(entry.legs):
        if leg.implied is not None:
            raise ConfigError(
                f"entry.legs[{number}].implied: the market says it; expected none, got {leg.implied}"
            )
    weighed = entry.structure in ("straddle", "strangle") and not entry.legs
    if config.signal.active and not weighed:
        what = "legs" if entry.legs else entry.structure
        raise ConfigError(
            f"signal: weighs straddles and strangles alone; expected null in both, for entry has {what}"
        )


def check_web_address(path: str, text: str) -> None:
    """Refuse what no web request can be sent to; the message does not show it, for it may be a secret.

    Raises
    ------
    ConfigError
        Naming ``path``.
    """
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(not 32 < ord(letter) < 127 for letter in text):
        raise ConfigError(f"{path}: expected an address such as https://example.com/ping, got another text")


def _check_live(config: Config) -> None:
    """Limits, addresses and grids of a session."""
    for name, limit in msgspec.structs.asdict(config.risk).items():
        if isinstance(limit, float) and not math.isfinite(limit):
            raise ConfigError(f"risk.{name}: expected a finite number (null for no limit), got {limit!r}")
    if config.alerts.heartbeat is not None:
        check_web_address("alerts.heartbeat", config.alerts.heartbeat)
    for name in ("scenario_spot", "scenario_vol"):
        moves = getattr(config.risk, name)
        if not moves or min(moves) <= -1.0:
            raise ConfigError(f"risk.{name}: expected moves above -1, at least one, got {moves!r}")
    if not config.risk.scenario_days:
        raise ConfigError("risk.scenario_days: expected at least one, got none")


def _check_hedge(config: Config) -> None:
    """Rules of the hedge section that involve more than one value."""
    hedge = config.hedge
    if hedge.leland and (hedge.rule != "interval" or not hedge.every.ns):
        raise ConfigError(f"hedge.leland: expected hedge.rule = interval, got {hedge.rule!r}")
    if hedge.scope == "book" and hedge.instrument != "perpetual":
        raise ConfigError(
            f"hedge.instrument: expected 'perpetual' for hedge.scope = book, which has several expiries, "
            f"got {hedge.instrument!r}"
        )
    if hedge.rule == "ladder" and config.entry.side == "short":
        raise ConfigError(
            "hedge.rule: 'ladder' hedges long options only: the hedges of short ones chase the price, "
            "which no resting order can do"
        )
    if hedge.outer is not None and hedge.outer <= hedge.band:
        raise ConfigError(f"hedge.outer: expected more than hedge.band = {hedge.band}, got {hedge.outer}")


def _check_signal(config: Config) -> None:
    """Refuse a signal that looks at another estimate than the hedge, or at a rule without a law."""
    signal, hedge = config.signal, config.hedge
    if not signal.active:
        return
    if hedge.vol in ("realised", "forecast") and (
        hedge.vol != signal.forecast or hedge.vol_window.ns != signal.window.ns
    ):
        raise ConfigError(
            f"signal.forecast: expected hedge.vol and its window, {hedge.vol} of {hedge.vol_window}, "
            f"got {signal.forecast} of {signal.window}: prices carry one estimate"
        )
    if hedge.rule == "snapshot":
        raise ConfigError(
            "hedge.rule: a signal cannot know what hedging at every chain costs; use interval, got 'snapshot'"
        )


def _check_time(path: str, text: str) -> None:
    try:
        parse_time(text)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
