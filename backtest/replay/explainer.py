"""How the episodes of a run are explained: by which method, and on which clock time passes."""

from __future__ import annotations

from functools import cached_property, lru_cache

from gammacore.attribution import Attribution, attribute
from gammacore.config import Config
from gammacore.data import load_prices
from gammacore.daycount import NS_PER_DAY, format_time
from gammacore.episode import Episode
from gammacore.errors import ConfigError, DataError
from gammacore.expansion import Method
from gammacore.volatility import VarianceClock, fit_clock

from .tape import Tape

HISTORY_NS = 26 * 7 * NS_PER_DAY  # of prices before the first chain, where there are so many


class Explainer:
    """Explains episodes as ``report`` says.

    Parameters
    ----------
    config : Config
    tape : Tape
    """

    def __init__(self, config: Config, tape: Tape) -> None:
        self._config, self._tape = config, tape

    @cached_property
    def clock(self) -> VarianceClock | None:
        """Clock that theta passes on, fitted to prices before the first chain; None for the calendar's.

        Raises
        ------
        ConfigError
            If too few prices are known from before the first chain.
        """
        if self._config.report.clock == "calendar":
            return None
        return _fitted(self._config.data.prices, self._config.coin, int(self._tape.chains.snapshot_ts[0]))

    def explain(self, episode: Episode, last: int, method: Method | None = None) -> Attribution:
        """Split the profit of an episode that ended at entry ``last``; by default as configured."""
        method = self._config.report.attribution if method is None else method
        return attribute(episode, self._tape, last, method, self.clock)


@lru_cache(maxsize=4)  # a sweep and a calibration replay one market many times
def _fitted(prices: str | None, coin: str, first_ns: int) -> VarianceClock:
    start = f"report.clock: variance is fitted to prices before the first chain, {format_time(first_ns)}"
    if prices is None:
        raise ConfigError(f"{start}; name them in data.prices")
    try:
        known = load_prices(prices, currency=coin, start_ns=first_ns - HISTORY_NS, end_ns=first_ns)
        return fit_clock(known.ts_ns, known.close)
    except (DataError, ValueError) as error:
        raise ConfigError(f"{start}; give data.prices at least 4 weeks before it: {error}") from None
