"""Configuration: one YAML file read into typed, bounded structs.

Unknown names, wrong types and values out of range are refused with the path, what was
expected, what was found and the nearest valid name. ``config/params.yaml`` lists every
parameter with its default and a comment.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, field

from gammacore.daycount import NS_PER_SECOND, parse_time
from gammacore.errors import ConfigError
from gammacore.yaml_text import read_yaml

__all__ = [
    "MOST_VOL",
    "Config",
    "check",
    "check_web_address",
    "load_config",
    "parse_config",
    "parse_duration",
    "with_overrides",
]

Positive = Annotated[float, Meta(gt=0)]
NonNegative = Annotated[float, Meta(ge=0)]
MOST_VOL = 5.0  # a year: more is a percentage
MOST_FEE = 0.05  # of a notional: more is a percentage, or basis points
Volatility = Annotated[float, Meta(gt=0, le=MOST_VOL)]
Fee = Annotated[float, Meta(ge=0, le=MOST_FEE)]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)")


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections: immutable, keyword only, no unknown names."""


class DataConfig(_Section, frozen=True):
    """Files to read; without ``chains`` or ``prices`` the built-in simulated market is used."""

    chains: str | None = None
    prices: str | None = None
    funding: str | None = None
    delivery: str | None = None
    start: str | None = None
    end: str | None = None
    columns: dict[str, str] = {}
    sweep: str | None = "5min"
    chain_delay: str | None = None
    force: bool = False


class MarketConfig(_Section, frozen=True):
    """The built-in simulated market (see :mod:`gammacore.backtest.replay.synthetic`)."""

    seed: Annotated[int, Meta(ge=0)] = 7
    start: str = "2025-01-02"
    days: Annotated[int, Meta(ge=10, le=3660)] = 70
    spot: Positive = 60_000.0
    vol: Volatility = 0.60
    vol_of_vol: NonNegative = 2.5
    mean_reversion: Positive = 12.0
    correlation: Annotated[float, Meta(ge=-1, le=1)] = -0.3
    implied_premium: Annotated[float, Meta(gt=-0.5, le=2)] = 0.05
    skew: Annotated[float, Meta(ge=-2, le=2)] = -0.10
    smile: Annotated[float, Meta(ge=0, le=2)] = 0.08
    basis: Annotated[float, Meta(gt=-1, lt=1)] = 0.05
    spread_vol: Annotated[float, Meta(ge=0, le=1)] = 0.012
    snapshot_hours: Positive = 4.0


class MarksConfig(_Section, frozen=True):
    """Where the value of an option comes from."""

    source: Literal["chain", "flat"] = "chain"
    flat_vol: Volatility = 0.55
    flat_days: Positive = 7.0
    forward: Literal["recorded", "parity"] = "recorded"
    settlement: Literal["listed", "linear"] = "listed"
    interpolate: bool = False


class EntryConfig(_Section, frozen=True):
    """When to enter and what."""

    structure: Literal["straddle", "strangle"] = "straddle"
    delta: Annotated[float, Meta(gt=0, lt=1)] = 0.25
    side: Literal["long", "short"] = "long"
    schedule: Literal["each_expiry", "roll"] = "each_expiry"
    expiries: Literal["fridays", "any"] = "fridays"
    weekday: Weekday | None = None
    min_days: NonNegative = 6.0
    max_days: Positive = 9.0
    min_snapshots: Annotated[int, Meta(ge=0)] = 0


class SignalConfig(_Section, frozen=True):
    """What an entry must promise by its break-even; nothing if both are null."""

    min_probability: Annotated[float, Meta(gt=0, lt=1)] | None = None
    min_edge: Annotated[float, Meta(gt=-1, lt=1)] | None = None
    forecast: Literal["realised", "forecast"] = "forecast"
    window: str = "7d"
    log_sd: Annotated[float, Meta(gt=0, le=2)] = 0.25

    @property
    def active(self) -> bool:
        """Whether anything is asked of an entry."""
        return self.min_probability is not None or self.min_edge is not None


class SizeConfig(_Section, frozen=True):
    """How much."""

    contracts: Positive = 1.0
    premium_usd: Positive | None = None
    theta_usd: Positive | None = None
    vega_usd: Positive | None = None


class HedgeConfig(_Section, frozen=True):
    """With what, when and towards which target to hedge."""

    instrument: Literal["perpetual", "future", "forward", "cheapest"] = "perpetual"
    rule: Literal[
        "interval",
        "band",
        "move",
        "whalley_wilmott",
        "zakamouline",
        "fixed_cost",
        "ladder",
        "snapshot",
        "never",
    ] = "band"
    every: str = "1h"
    band: Positive = 0.1
    band_lower: Positive | None = None
    to: Literal["centre", "edge"] | None = None
    move: Positive = 1.0
    move_unit: Literal["usd", "relative", "sigma"] = "sigma"
    move_horizon: str = "1d"
    risk_aversion: Positive = 0.001
    cost: Annotated[float, Meta(gt=0, le=MOST_FEE)] | None = None
    cost_per_trade: Positive = 1.0
    outer: Positive | None = None
    target: Literal["coin_neutral", "usd_neutral", "black"] = "coin_neutral"
    ratio: Annotated[float, Meta(ge=0, le=1.5)] = 1.0
    target_delta: float = 0.0
    vol: Literal["implied", "realised", "forecast"] | Volatility = "implied"
    vol_window: str = "7d"
    smile: Literal["sticky_strike", "sticky_delta", "minimum_variance"] | float = "sticky_strike"
    leland: bool = False
    ignore_vol: bool = False
    lots: bool = True


class CostsConfig(_Section, frozen=True):
    """What trading costs."""

    fill: Literal["cross", "mid", "mark"] = "cross"
    option_fees: bool = True
    hedge_fee: Literal["taker", "maker"] | Fee = "taker"
    hedge_half_spread_bp: NonNegative = 0.1
    funding: bool = True
    max_quote_age: str | None = "10min"


class ExitConfig(_Section, frozen=True):
    """When to close."""

    hours_before_expiry: NonNegative | None = None
    delivery: Literal["average", "last"] = "average"
    unfinished: Literal["carry", "drop"] = "carry"


class LimitsConfig(_Section, frozen=True):
    """Ceilings on what entries may add up to."""

    max_open_episodes: Annotated[int, Meta(ge=1)] | None = None
    max_contracts: Positive | None = None


class ReportConfig(_Section, frozen=True):
    """What is written."""

    pnl_every: str = "1h"
    html: bool = True
    attribution: Literal["taylor", "revaluation"] = "taylor"
    unexplained_alarm: Positive = 0.05


class LegConfig(_Section, frozen=True):
    """One option of a simulated book."""

    kind: Literal["call", "put"]
    strike: Positive
    days: Positive
    amount: float = 1.0
    implied: Volatility | None = None


class SimulateConfig(_Section, frozen=True):
    """The experiment of ``gammacore simulate``; policy, target and costs are those of a backtest."""

    model: Literal["gbm", "heston", "merton", "garch", "bootstrap"] = "gbm"
    settlement: Literal["inverse", "linear"] = "inverse"
    forward: Positive = 60_000.0
    days: Positive = 30.0
    structure: Literal["straddle", "strangle"] = "straddle"
    strangle_width: Positive = 0.1
    legs: list[LegConfig] = []
    steps_per_day: Annotated[int, Meta(ge=1, le=86_400)] = 24
    implied_vol: Volatility = 0.60
    realised_vol: Volatility = 0.60
    drift: float = 0.0
    mean_reversion: Positive = 12.0
    vol_of_vol: NonNegative = 2.5
    correlation: Annotated[float, Meta(ge=-1, le=1)] = -0.3
    jumps_per_year: NonNegative = 20.0
    jump_mean: Annotated[float, Meta(ge=-3, le=3)] = -0.01
    jump_sd: Annotated[float, Meta(ge=0, le=1)] = 0.04
    asymmetric: bool = True
    innovations: Literal["historical", "normal", "t"] = "historical"
    block_days: Positive = 1.0
    funding: Annotated[float, Meta(ge=-MOST_VOL, le=MOST_VOL)] = 0.0
    fixed_fee: NonNegative = 0.0
    paths: Annotated[int, Meta(ge=2, le=100_000_000)] = 20_000
    seed: Annotated[int, Meta(ge=0)] = 7
    frontier: bool = True
    frontier_paths: Annotated[int, Meta(ge=100)] = 2_000
    budget: Positive | None = None
    threads: Annotated[int, Meta(ge=1)] = 1


class LiveConfig(_Section, frozen=True):
    """How a session trades; amounts, rule and target are those of ``size``, ``entry`` and ``hedge``."""

    execution: Literal["post_only", "taker"] = "post_only"
    patience: str = "3s"
    tries: Annotated[int, Meta(ge=1, le=20)] = 3
    slippage_bp: Annotated[float, Meta(ge=0, le=1_000)] = 5.0
    option_slippage: Annotated[float, Meta(ge=0, le=1)] = 0.05
    max_above_mark: Annotated[float, Meta(gt=0, le=1)] | None = 0.15
    max_spread: Annotated[float, Meta(gt=0, le=MOST_VOL)] | None = 0.10
    valid_for: str = "5s"
    options_gone: Literal["close", "keep"] = "close"
    chain_every: str = "10s"
    audit_every: str = "30s"
    busy_poll: bool = False
    keep_awake: bool = False
    orphaned: Literal["stop", "continue"] = "stop"


class RiskConfig(_Section, frozen=True):
    """Limits of a session; null means none. Hedges and closings pass where they reduce risk."""

    max_delta: Positive | None = None
    max_gamma: Positive | None = None
    max_vega_usd: Positive | None = None
    max_premium_usd: Positive | None = None
    max_margin_use: Annotated[float, Meta(gt=0, le=1)] | None = None
    max_order: Positive | None = None
    max_orders_per_minute: Annotated[int, Meta(ge=1)] | None = 60
    max_hedges_per_hour: Annotated[int, Meta(ge=1)] | None = None
    max_daily_loss_usd: Positive | None = None
    max_drawdown_usd: dict[str, Positive] = {}
    max_scenario_loss_usd: Positive | None = None
    scenario_spot: list[float] = field(default_factory=lambda: [-0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2])
    scenario_vol: list[float] = field(default_factory=lambda: [-0.3, 0.0, 0.3])
    scenario_days: list[NonNegative] = field(default_factory=lambda: [0.0, 1.0])
    stale_after: str = "10s"
    max_divergence: Annotated[float, Meta(gt=0, le=1)] = 0.01
    max_funding: Annotated[float, Meta(gt=0, le=1)] = 0.003
    max_clock_skew: str = "2s"
    flatten_on_kill: bool = False


class AlertsConfig(_Section, frozen=True):
    """Which messages are sent; where to is in the environment, see :mod:`gammacore.alerts`."""

    level: Literal["info", "warning", "critical"] = "warning"
    repeat: str = "1h"
    per_hour: Annotated[int, Meta(ge=1)] = 20
    heartbeat: str | None = None
    heartbeat_every: str = "1min"


class Config(_Section, frozen=True):
    """A whole run."""

    currency: Annotated[str, Meta(pattern="^[A-Z][A-Z0-9]*(_USDC)?$")] = "BTC"
    data: DataConfig = DataConfig()
    market: MarketConfig = MarketConfig()
    marks: MarksConfig = MarksConfig()
    entry: EntryConfig = EntryConfig()
    signal: SignalConfig = SignalConfig()
    size: SizeConfig = SizeConfig()
    hedge: HedgeConfig = HedgeConfig()
    costs: CostsConfig = CostsConfig()
    exit: ExitConfig = ExitConfig()
    limits: LimitsConfig = LimitsConfig()
    report: ReportConfig = ReportConfig()
    simulate: SimulateConfig = SimulateConfig()
    live: LiveConfig = LiveConfig()
    risk: RiskConfig = RiskConfig()
    alerts: AlertsConfig = AlertsConfig()
    vary: dict[str, list[Any]] = {}

    @property
    def coin(self) -> str:
        """Base coin: ``BTC``, of options in USDC, too."""
        return self.currency.partition("_")[0]

    @property
    def linear(self) -> bool:
        """Whether positions settle in USD (or are accounted for as if they did)."""
        return "_" in self.currency or self.marks.settlement == "linear"

    @property
    def settles_in(self) -> str:
        """Currency of the account: the coin or ``USDC``."""
        return "USDC" if self.linear else self.coin


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
    try:
        return parse_config(raw)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}" if path is not None else str(error)) from None


def with_overrides(config: Config, overrides: Mapping[str, Any]) -> Config:
    """Copy of a configuration with some dotted paths replaced."""
    raw = msgspec.to_builtins(config)
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
    _refuse_unknown(raw, Config, "")
    raw = _times_as_texts(raw)
    try:
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), raw)) from None
    check(config)
    return config


def _times_as_texts(raw: Any) -> Any:
    """Write dates and datetimes, which Python callers and YAML tags give, as the texts that fields take."""
    if isinstance(raw, date):
        return raw.isoformat()
    if isinstance(raw, Mapping):
        return {name: _times_as_texts(value) for name, value in raw.items()}
    return [_times_as_texts(value) for value in raw] if isinstance(raw, list | tuple) else raw


def parse_duration(text: str, path: str = "duration") -> int:
    """Nanoseconds of a duration such as ``30s``, ``5min``, ``1h`` or ``1d``.

    Raises
    ------
    ConfigError
        If the text is not of that form or not positive.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or float(match[1]) == 0:
        raise ConfigError(f"{path}: expected a duration such as 30s, 5min, 1h or 1d, got {text!r}")
    return round(float(match[1]) * _SECONDS[match[2]] * NS_PER_SECOND)


def check(config: Config) -> None:
    """Check the rules that involve more than one value.

    Raises
    ------
    ConfigError
        Naming the path.
    """
    if config.hedge.every != "never":
        parse_duration(config.hedge.every, "hedge.every")
    parse_duration(config.report.pnl_every, "report.pnl_every")
    parse_duration(config.hedge.vol_window, "hedge.vol_window")
    parse_duration(config.hedge.move_horizon, "hedge.move_horizon")
    _check_hedge(config)
    _check_signal(config)
    if config.costs.max_quote_age is not None:
        parse_duration(config.costs.max_quote_age, "costs.max_quote_age")
    _check_live(config)
    for name in ("sweep", "chain_delay"):
        if getattr(config.data, name) is not None:
            parse_duration(getattr(config.data, name), f"data.{name}")
    for name in ("start", "end"):
        text = getattr(config.data, name)
        if text is not None:
            _check_time(f"data.{name}", text)
    _check_time("market.start", config.market.start)
    if config.entry.min_days > config.entry.max_days:
        raise ConfigError(
            f"entry.min_days: expected at most entry.max_days = {config.entry.max_days}, "
            f"got {config.entry.min_days}"
        )
    if (config.linear or config.hedge.instrument == "forward") and config.hedge.target != "black":
        raise ConfigError(
            f"hedge.target: expected 'black' for linear (USD) accounting, got {config.hedge.target!r}"
        )
    for dotted, values in config.vary.items():
        if not isinstance(values, list) or not values:
            raise ConfigError(f"vary.{dotted}: expected a non-empty list, got {values!r}")
        for value in values:
            _check_variant(config, dotted, value)


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
    """Durations and grids of a session."""
    for name in ("patience", "valid_for", "chain_every", "audit_every"):
        parse_duration(getattr(config.live, name), f"live.{name}")
    for name in ("stale_after", "max_clock_skew"):
        parse_duration(getattr(config.risk, name), f"risk.{name}")
    parse_duration(config.alerts.repeat, "alerts.repeat")
    for name, limit in msgspec.structs.asdict(config.risk).items():
        if isinstance(limit, float) and not math.isfinite(limit):
            raise ConfigError(f"risk.{name}: expected a finite number (null for no limit), got {limit!r}")
    parse_duration(config.alerts.heartbeat_every, "alerts.heartbeat_every")
    if config.alerts.heartbeat is not None:
        check_web_address("alerts.heartbeat", config.alerts.heartbeat)
    for window in config.risk.max_drawdown_usd:
        parse_duration(window, "risk.max_drawdown_usd")
    for name in ("scenario_spot", "scenario_vol"):
        moves = getattr(config.risk, name)
        if not moves or min(moves) <= -1.0:
            raise ConfigError(f"risk.{name}: expected moves above -1, at least one, got {moves!r}")
    if not config.risk.scenario_days:
        raise ConfigError("risk.scenario_days: expected at least one, got none")


def _check_hedge(config: Config) -> None:
    """Rules of the hedge section that involve more than one value."""
    hedge = config.hedge
    if hedge.leland and (hedge.rule != "interval" or hedge.every == "never"):
        raise ConfigError(f"hedge.leland: expected hedge.rule = interval, got {hedge.rule!r}")
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
    window = parse_duration(signal.window, "signal.window")
    if not signal.active:
        return
    if hedge.vol in ("realised", "forecast") and (
        hedge.vol != signal.forecast or parse_duration(hedge.vol_window) != window
    ):
        raise ConfigError(
            f"signal.forecast: expected hedge.vol and its window, {hedge.vol} of {hedge.vol_window}, "
            f"got {signal.forecast} of {signal.window}: prices carry one estimate"
        )
    if hedge.rule == "snapshot":
        raise ConfigError(
            "hedge.rule: a signal cannot know what hedging at every chain costs; use interval, got 'snapshot'"
        )


def _check_variant(config: Config, dotted: str, value: Any) -> None:
    """Refuse a variant that is no configuration; the error names the ``vary`` entry."""
    try:
        with_overrides(config, {"vary": {}, dotted: value})
    except ConfigError as error:
        raise ConfigError(f"vary.{dotted}: {error}") from None


def _check_time(path: str, text: str) -> None:
    try:
        parse_time(text)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def _set(raw: dict[str, Any], dotted: str, value: Any) -> None:
    if not all(dotted.split(".")):
        raise ConfigError(f"override {dotted!r}: expected a dotted path such as hedge.band")
    *parents, last = dotted.split(".")
    node = raw
    for name in parents:
        child = node.setdefault(name, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{dotted}: {name} is not a section")
        node = child
    node[last] = value


def _refuse_unknown(raw: Any, kind: type[msgspec.Struct], path: str) -> None:
    if not isinstance(raw, Mapping):
        return  # the type error is reported by the conversion
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for name, value in raw.items():
        where = f"{path}{name}"
        if name not in fields:
            near = difflib.get_close_matches(str(name), fields, n=1)
            hint = f"; did you mean {path}{near[0]}?" if near else f"; known: {', '.join(fields)}"
            raise ConfigError(f"{where}: unknown parameter{hint}")
        if isinstance(fields[name], type) and issubclass(fields[name], msgspec.Struct):
            _refuse_unknown(value, fields[name], f"{where}.")


_MESSAGE = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)


def _explain(message: str, raw: Mapping[str, Any]) -> str:
    """Turn the validator's message into ``path: expected ..., got ...``."""
    match = _MESSAGE.fullmatch(message)
    what, path = (match["what"], match["path"] or "") if match else (message, "")
    value: Any = raw
    path = path.replace("[...]", "")
    for name in filter(None, path.split(".")):
        value = value.get(name) if isinstance(value, Mapping) else value
    what = re.sub(r", got `?\w+`?$", "", what)
    what = what.replace("`float`", "a number").replace("`int`", "an integer").replace("`str`", "a text")
    what = (
        what.replace("`bool`", "true or false")
        .replace("`object`", "a section")
        .replace("`array`", "a list")
        .replace("`null`", "null")
    )
    what = re.sub(r"\.0$", "", what)
    if what.startswith("Invalid enum value"):
        what = "expected one of " + ", ".join(_choices(path))
        near = difflib.get_close_matches(str(value), _choices(path), n=1)
        return f"{path}: {what}, got {value!r}" + (f"; did you mean {near[0]}?" if near else "")
    hint = _fraction_hint(what, value)
    return f"{path or 'configuration'}: {what[0].lower()}{what[1:]}, got {value!r}{hint}"


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
    for name in path.split("."):
        kind = next(field.type for field in msgspec.structs.fields(kind) if field.name == name)
    return _literals(kind)


def _literals(kind: Any) -> list[str]:
    if getattr(kind, "__origin__", None) is Literal:
        return [str(choice) for choice in kind.__args__]
    return [choice for part in getattr(kind, "__args__", ()) for choice in _literals(part)]


def _near_file(path: Path) -> str:
    siblings: Sequence[str] = []
    if path.parent.is_dir():
        siblings = [entry.name for entry in path.parent.iterdir()]
    near = difflib.get_close_matches(path.name, siblings, n=1)
    return f"; did you mean {path.parent / near[0]}?" if near else ""
