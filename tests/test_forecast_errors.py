"""Errors of the built-in forecasts: looked up, and what a signal makes of them."""

import math
import sys
from typing import get_args

import msgspec
import numpy as np
import pytest

from gammacore.backtest.replay.tape import Tape
from gammacore.build import build_weigher
from gammacore.config import parse_config
from gammacore.daycount import NS_PER_DAY, NS_PER_YEAR, parse_time
from gammacore.strategy.signal import UNKNOWN
from gammacore.strategy.structures import Picked
from gammacore.volatility.clock import VarianceClock
from gammacore.volatility.forecast_error_table import TABLES, WEIGHTS
from gammacore.volatility.forecast_errors import (
    HORIZONS,
    LEVEL,
    WINDOWS,
    ForecastErrors,
    ForecastKind,
    forecast_errors,
)
from support.markets import START, build, chains_of
from support.shared_data import recorded

DAY = 1.0 / 365.0


EVEN = VarianceClock.calendar()


def even(coin, kind, window=7.0):
    """Errors on a clock that runs evenly."""
    errors = forecast_errors(coin, kind, round(window * NS_PER_DAY))
    return msgspec.structs.replace(errors, clock=EVEN)


def test_known_windows_and_horizons_are_those_of_the_table():
    for coin, kinds in TABLES.items():
        assert list(kinds) == list(get_args(ForecastKind))
        for kind, rows in kinds.items():
            windows = WINDOWS if len(rows) > 1 else (7.0,)
            for window, row in zip(windows, (ForecastErrors(*each, EVEN) for each in rows), strict=True):
                errors = even(coin, kind, window)
                mean, sd = errors.at(DAY * np.array(HORIZONS), LEVEL, START)
                assert (mean, sd) == (pytest.approx(row.mean), pytest.approx(row.sd))
                higher, _ = errors.at(DAY * np.array(HORIZONS), LEVEL * math.e, START)
                assert higher - mean == pytest.approx(row.slope)
                assert all(0.1 < one < 0.6 for one in row.sd)


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
@pytest.mark.parametrize("kind", ["forecast", "dvol", "har", "combined"])
def test_the_table_is_that_of_the_recorded_prices(coin, kind):
    """By the script that found it; `python tools/forecast_errors.py` prints all of it."""
    root = recorded("data/dvol/btc_dvol_1h.csv.gz").parents[1]
    sys.path.insert(0, "tools")
    try:
        from forecast_errors import clock_of, table
    finally:
        sys.path.pop(0)
    clock = clock_of(root, coin)
    assert clock.weights == pytest.approx(np.array(WEIGHTS[coin]), abs=1e-3)
    for found, kept in zip(table(root, coin, kind, clock), TABLES[coin][kind], strict=True):
        for column, known in zip(found.values(), kept, strict=True):
            assert column == pytest.approx(known, abs=2e-3)


def test_a_high_forecast_is_followed_by_less_the_farther_ahead_the_more_so():
    errors = even("BTC", "combined")
    low, high = (errors.at(DAY * np.array([8.0, 32.0]), level, START)[0] for level in (0.3, 0.9))
    assert np.all(high < low - 0.1)
    assert (low - high)[1] > (low - high)[0]


def test_a_weekend_is_expected_to_bring_less_and_a_week_what_the_forecast_says():
    errors, calm = forecast_errors("BTC", "combined"), even("BTC", "combined")
    saturday, tuesday = parse_time("2026-01-10"), parse_time("2026-01-13")

    def factor(days, ts_ns):
        years = DAY * np.array([days])
        return float(np.exp(errors.at(years, LEVEL, ts_ns)[0] - calm.at(years, LEVEL, ts_ns)[0])[0])

    assert factor(1.0, saturday) < 0.85 < 1.0 < factor(1.0, tuesday)
    assert factor(7.0, saturday) == pytest.approx(factor(7.0, tuesday)) == pytest.approx(1.0, abs=2e-3)
    weights = errors.clock.weights
    assert factor(1.0, saturday) == pytest.approx(math.sqrt(weights[120:144].mean()), rel=1e-9)


def test_between_it_is_straight_in_logarithms_and_beyond_as_at_the_end():
    errors = forecast_errors("BTC", "forecast", 7 * NS_PER_DAY)
    at = errors.at(DAY * np.array([0.01, math.sqrt(2.0 * 4.0), 500.0]), LEVEL, START)
    middle = 0.5 * (errors.sd[HORIZONS.index(2.0)] + errors.sd[HORIZONS.index(4.0)])
    assert at[1] == pytest.approx([errors.sd[0], middle, errors.sd[-1]])
    one, other = (forecast_errors("BTC", "realised", round(days * NS_PER_DAY)) for days in (3.0, 7.0))
    both = forecast_errors("BTC", "realised", round(math.sqrt(21.0) * NS_PER_DAY))
    assert both.mean == pytest.approx(0.5 * (np.array(one.mean) + np.array(other.mean)))
    assert forecast_errors("SOL", "forecast", NS_PER_DAY) == forecast_errors("BTC", "forecast", NS_PER_DAY)


def quoted():
    return Tape(chains_of([START], [60e3], vol=0.6)).snapshot(0).chain


def weigh(**asked):
    chain, weigher = quoted(), build_weigher(build(asked))
    rows = [int(np.flatnonzero((chain.strike == 60e3) & (chain.kind == kind))[0]) for kind in (1, -1)]
    return weigher, weigher.weigh(chain, START, Picked(tuple(rows), (1.0, 1.0)), 0.7, 0.0)


def test_a_signal_knows_what_its_forecast_is_off_by_over_the_life_of_an_option():
    _, found = weigh()
    mean, _ = forecast_errors("BTC", "forecast", 7 * NS_PER_DAY).at(found.tau, 0.7, START)
    assert mean[0] < -0.03
    assert found.forecast == pytest.approx(0.7 * np.exp(mean))
    _, sure = weigh(**{"signal.log_sd": 0.25})
    assert sure.forecast == pytest.approx([0.7])
    assert found.deviation[0] > 1.05 * sure.deviation[0]
    weigher, closed = weigh(**{"exit.hours_before_expiry": 96})
    years = weigher.years(quoted(), START, closed.rows)
    assert years * 365.0 == pytest.approx(found.tau * 365.0 - 4.0)
    assert closed.forecast < found.forecast  # the shorter, the more does the median fall short


def test_a_number_of_ones_own_counts_instead_and_an_own_forecast_has_no_errors():
    asked = build_weigher(parse_config({"signal": {"log_sd": 0.4}})).density(0.5, np.array([DAY]), START)
    assert (float(asked.median()[0]), float(asked.log_sd[0])) == pytest.approx((0.5, 0.4))
    unknown = msgspec.structs.replace(build_weigher(parse_config({})), errors=None)
    density = unknown.density(0.5, np.array([DAY, NS_PER_YEAR]), START)
    assert density.median() == pytest.approx([0.5, 0.5])
    assert density.log_sd == pytest.approx([UNKNOWN, UNKNOWN])
