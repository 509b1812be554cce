"""Rules of a configuration that involve more than one value."""

from __future__ import annotations

from urllib.parse import urlsplit

from gammacore.contracts import parse
from gammacore.daycount import NS_PER_SECOND, parse_time
from gammacore.errors import ConfigError, ContractError
from gammacore.legs import check_legs

from .sections import MOST_VOL, Config, RangeConfig, RulesConfig

__all__ = ["check", "check_web_address"]

# A market of ten years from the last of these days, and what expires after it, ends before 2100 as names do.
CALENDAR_NS = parse_time("2000-01-01"), parse_time("2088-01-01")


def check(config: Config) -> None:
    """Check the rules that involve more than one value.

    Raises
    ------
    ConfigError
        Naming the path.
    """
    _check_hedge(config)
    _check_signal(config)
    _check_size(config)
    _check_filters(config)
    _check_rules("exit.rules", config.exit.rules, config.entry.max_days)
    _check_rules("roll.when", config.roll.when, config.entry.max_days)
    _check_live(config)
    _check_adoption(config)
    _check_times(config)
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
    """Refuse legs that refer to later ones, and what only a simulation or own code may say."""
    entry = config.entry
    check_legs(entry.wanted, "entry.legs")
    if entry.structure.own and entry.legs:
        raise ConfigError(f"entry.legs: expected none, for {entry.structure} chooses the legs")
    check_legs(tuple(leg.rule for leg in config.simulate.legs), "simulate.legs")
    for number, leg in enumerate(entry.legs):
        if leg.implied is not None:
            raise ConfigError(
                f"entry.legs[{number}].implied: the market says it; expected none, got {leg.implied}"
            )


def _check_size(config: Config) -> None:
    """Refuse shares of an equity that nobody knows."""
    size = config.size
    shares = [name for name in size.of_equity if name != "rule"]  # own code may do without
    if shares and size.equity is None:
        raise ConfigError(
            f"size.equity: expected the equity to start with, in {config.settles_in}, for size."
            f"{shares[0]}, got null (a session takes its account's)"
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
    part, most = config.execution.max_slice, config.risk.max_order
    if part is not None and most is not None and part > most:
        raise ConfigError(
            f"execution.max_slice: expected at most risk.max_order = {most:g} coins, got {part:g}"
        )
    if config.execution.improve_every.ns < NS_PER_SECOND:
        raise ConfigError(
            "execution.improve_every: expected 1s or more, every step is two requests to the exchange, "
            f"got {config.execution.improve_every}"
        )
    if config.alerts.heartbeat is not None:
        check_web_address("alerts.heartbeat", config.alerts.heartbeat)
    for name in ("scenario_spot", "scenario_vol"):
        moves = getattr(config.risk, name)
        if not moves or min(moves) <= -1.0:
            raise ConfigError(f"risk.{name}: expected moves above -1, at least one, got {moves!r}")
    if not config.risk.scenario_days:
        raise ConfigError("risk.scenario_days: expected at least one, got none")


def _check_adoption(config: Config) -> None:
    """Demand one book for what is taken over, and a rule that hedges short options as well."""
    live, hedge = config.live, config.hedge
    if live.adopt == "none":
        for name in ("adopt_expiries", "adopt_instruments", "adopt_labels", "adopt_futures"):
            if getattr(live, name):
                raise ConfigError(f"live.{name}: expected live.adopt = all, got {live.adopt!r}")
        return
    for day in live.adopt_expiries:
        try:
            parse(f"{config.coin}-{day}")
        except ContractError:
            raise ConfigError(f"live.adopt_expiries: expected days such as 27MAR26, got {day!r}") from None
    if hedge.scope == "episode":
        raise ConfigError("hedge.scope: live.adopt = all hedges one book; expected book, got 'episode'")
    if hedge.instrument != "perpetual":
        raise ConfigError(
            f"hedge.instrument: live.adopt = all has several expiries; expected 'perpetual', "
            f"got {hedge.instrument!r}"
        )
    if hedge.rule == "ladder":
        raise ConfigError(
            "hedge.rule: 'ladder' hedges long options only, and live.adopt = all takes short ones over too"
        )


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
    if (
        config.forecasts
        and hedge.vol in ("realised", "forecast")
        and (signal.forecast not in ("auto", hedge.vol) or hedge.vol_window.ns != signal.window.ns)
    ):
        raise ConfigError(
            f"signal.forecast: expected hedge.vol and its window, {hedge.vol} of {hedge.vol_window}, "
            f"got {signal.forecast} of {signal.window}: prices carry one estimate"
        )
    if (signal.active or config.size.kelly is not None) and hedge.rule == "snapshot":
        asks = "a signal" if signal.active else "size.kelly"
        raise ConfigError(
            f"hedge.rule: {asks} cannot know what hedging at every chain costs; use interval, got 'snapshot'"
        )


def _check_filters(config: Config) -> None:
    """Refuse a filter without bounds, with bounds that exclude everything, or without its data."""
    when = config.signal.when
    for name in ("dvol", "dvol_percentile", "term_structure", "iv_less_forecast"):
        bounds = getattr(when, name)
        if bounds is None:
            continue
        path = f"signal.when.{name}"
        if bounds.min is None and bounds.max is None:
            raise ConfigError(f"{path}: expected min, max or both, got neither")
        if bounds.min is not None and bounds.max is not None and bounds.min > bounds.max:
            raise ConfigError(f"{path}.min: expected at most max = {bounds.max}, got {bounds.min}")
        if name in ("dvol", "dvol_percentile"):
            most = 1.0 if name == "dvol_percentile" else MOST_VOL
            _check_fractions(path, bounds, most)
    if when.time_of_week is not None and not when.time_of_week:
        raise ConfigError("signal.when.time_of_week: expected at least one window, got none")
    if when.term_structure is not None and when.term_structure.near.ns >= when.term_structure.far.ns:
        near, far = when.term_structure.near, when.term_structure.far
        raise ConfigError(f"signal.when.term_structure.near: expected less than far = {far}, got {near}")


def _check_fractions(path: str, bounds: RangeConfig, most: float) -> None:
    for side, value in (("min", bounds.min), ("max", bounds.max)):
        if value is not None and not 0.0 <= value <= most:
            hint = f"; a percentage? fractions are meant: {value / 100:g}" if value > most else ""
            raise ConfigError(f"{path}.{side}: expected 0 to {most:g}, got {value:g}{hint}")


def _check_rules(path: str, rules: RulesConfig, max_days: float) -> None:
    """Refuse a pace without bounds, and a rule that every entry meets at once."""
    if rules.days_to_expiry is not None and rules.days_to_expiry >= max_days:
        raise ConfigError(
            f"{path}.days_to_expiry: expected less than max_days = {max_days} of what is entered, "
            f"got {rules.days_to_expiry}"
        )
    for name in ("rv_pace", "gamma_over_theta"):
        pace = getattr(rules, name)
        if pace is not None and pace.below is None and pace.above is None:
            raise ConfigError(f"{path}.{name}: expected below, above or both, got neither")


def _check_times(config: Config) -> None:
    """Refuse what is no time, a period that ends before it starts, and a market without calendar."""
    ends = [
        None if text is None else _time(f"data.{name}", text)
        for name, text in (("start", config.data.start), ("end", config.data.end))
    ]
    if None not in ends and ends[0] >= ends[1]:  # type: ignore[operator]
        raise ConfigError(
            f"data.start: expected a time before data.end = {config.data.end}, got {config.data.start}"
        )
    if not CALENDAR_NS[0] <= _time("market.start", config.market.start) < CALENDAR_NS[1]:
        raise ConfigError(f"market.start: expected a day of 2000 to 2087, got {config.market.start}")


def _time(path: str, text: str) -> int:
    try:
        return parse_time(text)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
