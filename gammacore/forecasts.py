"""The forecast of volatility that a configuration asks for, and which one ``auto`` is."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, cast

import msgspec
import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.config import MOST_VOL, Config
from gammacore.config.own_names import ForecastName
from gammacore.daycount import NS_PER_DAY, format_time
from gammacore.errors import ConfigError
from gammacore.own_code import load_function
from gammacore.volatility.estimate import AnyEstimate, Estimate
from gammacore.volatility.forecast_errors import ForecastErrors, ForecastKind, forecast_errors
from gammacore.volatility.index_history import IndexEstimate, IndexHistory
from gammacore.volatility.learned_estimate import LEARNS_NS, LearnedEstimate
from gammacore.volatility.own_estimate import OwnEstimate

__all__ = [
    "Chosen",
    "build_estimate",
    "choose_forecast",
    "errors_of",
    "forecast_needs",
    "given_forecast",
    "signal_estimate",
    "with_forecast",
    "with_index",
]

UNCHOSEN = "forecast"  # what auto is as long as nobody knows the data


class Chosen(NamedTuple):
    """A forecast that ``auto`` is, and why; nothing where none had to be chosen."""

    kind: str = ""
    why: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.why}"


def given_forecast(name: str, value: Any) -> float | Literal["har", "combined"] | None:
    """Return the forecast that a caller gives: a volatility as number or text, a model, or none.

    Raises
    ------
    ConfigError
        If it is neither; a percentage is not taken for a decimal.
    """
    if value is None or (isinstance(value, str) and value in ("har", "combined")):
        return cast("Literal['har', 'combined'] | None", value)
    try:
        found = 0.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        found = 0.0
    if not 0.0 < found <= MOST_VOL:
        raise ConfigError(
            f"{name}: expected a positive number, such as 0.55 for 55 %, har or combined, got {value!r}"
        )
    return found


def choose_forecast(
    config: Config, ts_ns: Ints, price: Floats, index: IndexHistory | None, at_ns: int
) -> Chosen:
    """Choose the forecast that held out best, of those that the data of a run is enough for.

    Parameters
    ----------
    config : Config
    ts_ns, price : arrays, shape (n,)
        Closes and when they became known; may be none.
    index : IndexHistory, optional
        Of volatility.
    at_ns : int
        When the run first decides: what is known then is what counts.

    Returns
    -------
    Chosen
    """
    if config.hedge.vol in ("realised", "forecast"):
        return Chosen(str(config.hedge.vol), "the volatility of hedge.vol")
    known = ts_ns <= at_ns
    needed = f"{LEARNS_NS // NS_PER_DAY} days of prices before {format_time(at_ns)[:10]} are needed"
    if not known.any():
        return Chosen(UNCHOSEN, f"{needed}, and there are none")
    ts_ns, price = ts_ns[known], price[known]
    if not np.isfinite(LearnedEstimate().last(ts_ns, price)):
        since = format_time(int(ts_ns[0]))[:10]
        return Chosen(UNCHOSEN, f"{needed} without a hole of hours; these begin {since}")
    if index is None:
        return Chosen("har", "no volatility index is named (data.dvol)")
    if not np.isfinite(index.last_before(np.array([at_ns]), 2 * NS_PER_DAY)[0]):
        return Chosen("har", f"the volatility index says nothing at {format_time(at_ns)[:10]}")
    return Chosen("combined", "prices and the volatility index reach back far enough")


def with_forecast(config: Config, kind: str) -> Config:
    """Name the forecast that ``auto`` is; another that is named stays, as it does where ``kind`` is empty."""
    if config.signal.forecast != "auto" or not kind:
        return config
    signal = msgspec.structs.replace(config.signal, forecast=ForecastName(kind))
    return msgspec.structs.replace(config, signal=signal)


def errors_of(config: Config) -> ForecastErrors | None:
    """Return what the configured forecast is off by; None for one of the user's own."""
    signal = config.signal
    if signal.forecast.own:
        return None
    kind = with_forecast(config, UNCHOSEN).signal.forecast
    return forecast_errors(config.coin, cast("ForecastKind", str(kind)), signal.window.ns)


def forecast_needs(config: Config) -> str:
    """Say what the configured forecast needs, to be anything at a moment."""
    signal = config.signal
    if signal.forecast == "dvol":
        return "a fresh reading of data.dvol"
    if signal.forecast in ("har", "combined"):
        days = LEARNS_NS // NS_PER_DAY
        return f"data.prices from {days} days before, without a hole of hours ({signal.forecast})"
    return f"data.prices from {signal.window} before (signal.window)"


def signal_estimate(config: Config) -> AnyEstimate | None:
    """Estimate of volatility from prices that the signal takes for its forecast; None if it takes none."""
    signal = config.signal
    if signal.forecast == "dvol":
        return None
    if signal.forecast in ("har", "combined"):
        return LearnedEstimate()
    if signal.forecast.own:
        return OwnEstimate(load_function(config, signal.forecast, "forecast"), signal.window.ns)
    return Estimate("realised" if signal.forecast == "realised" else "forecast", signal.window.ns)


def build_estimate(config: Config) -> AnyEstimate | None:
    """Estimate of volatility that the hedge or the signal asks for; of both it is the same."""
    kind = config.hedge.vol
    if kind == "realised" or kind == "forecast":
        return Estimate(kind, config.hedge.vol_window.ns)
    return signal_estimate(config) if config.forecasts else None


def with_index(
    config: Config, estimate: AnyEstimate | None, index: IndexHistory | None
) -> AnyEstimate | None:
    """Let an estimate look at the volatility index, where the signal's forecast does."""
    if index is None:
        return estimate
    if config.signal.forecast == "combined" and isinstance(estimate, LearnedEstimate):
        return LearnedEstimate(index)
    return IndexEstimate(index) if config.signal.forecast == "dvol" and estimate is None else estimate
