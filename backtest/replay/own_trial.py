"""The user's own code tried on a backtest: whether it raises, answers twice the same, and is fast enough."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gammacore.config import Config
from gammacore.daycount import format_time
from gammacore.own_code import Call, OwnFunction, own_functions

from .look_ahead import orders_of
from .market import build_tape, load_sources
from .runner import replay

ASKED_AGAIN = 2_000  # calls of each function, spread over all
HEDGE_NS, OTHERS_NS = 1_000_000, 20_000_000  # 99th percentile of a call that a session can bear


class OwnTrial(NamedTuple):
    """What one function did.

    Attributes
    ----------
    field, name, path, sha256 : str
    lines : int
        Of its source.
    calls : int
    median_us, p99_us, budget_us : float
        Microseconds a call, and what the 99th percentile may be in a session; NaN without calls.
    difference : str
        The first answer that was another when asked again; empty if none was.
    """

    field: str
    name: str
    path: str
    sha256: str
    lines: int
    calls: int
    median_us: float
    p99_us: float
    budget_us: float
    difference: str

    @property
    def slow(self) -> bool:
        """Whether it takes longer than a session can bear."""
        return self.p99_us > self.budget_us

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.difference and not self.slow


def try_own_code(config: Config) -> list[OwnTrial]:
    """Run a backtest twice and ask its own code again; empty where a configuration has none.

    Raises
    ------
    CodeError
        If the code raises, with file, line and the moment of the data.
    ConfigError, DataError
        As of :func:`~gammacore.backtest.replay.market.load_market`.
    """
    functions = own_functions(config)
    if not functions:
        return []
    for function in functions.values():
        function.calls = []
    try:
        first = _orders(config)
        recorded = {key: function.calls or [] for key, function in functions.items()}
    finally:
        for function in functions.values():
            function.calls = None
    same = first == _orders(config)
    found = []
    for key, function in functions.items():
        difference = _asked_again(function, recorded[key])
        if not difference and not same:
            difference = "a second backtest on the same data ordered something else"
        found.append(_trial(key.partition(" ")[0], function, recorded[key], difference))
    return found


def _orders(config: Config) -> list[object]:
    tape = build_tape(config, load_sources(config))
    return list(orders_of(replay(config, tape)))


def _asked_again(function: OwnFunction, calls: list[Call]) -> str:
    """Ask the same once more; the views cannot have changed."""
    for call in calls[:: max(len(calls) // ASKED_AGAIN, 1)]:
        again = function(call.view)
        if again != call.answer and not (again != again and call.answer != call.answer):
            ts_ns = np.atleast_1d(call.view.ts_ns)[-1]
            return f"at {format_time(int(ts_ns))} it said {call.answer!r}, and when asked again {again!r}"
    return ""


def _trial(field: str, function: OwnFunction, calls: list[Call], difference: str) -> OwnTrial:
    took = np.array([call.ns for call in calls], np.float64) / 1e3
    median, p99 = np.quantile(took, [0.5, 0.99]).tolist() if len(took) else (np.nan, np.nan)
    budget = (HEDGE_NS if function.kind == "hedge" else OTHERS_NS) / 1e3
    told = field, function.name, function.path, function.sha256, function.lines
    return OwnTrial(*told, len(calls), median, p99, budget, difference)
