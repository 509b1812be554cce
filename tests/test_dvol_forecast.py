"""The volatility index as the signal's forecast: in a backtest, in the ranking of positions, in a session."""

import math

import numpy as np
import pytest

from gammacore.backtest.figures.position_ranking import rank_positions
from gammacore.backtest.figures.results import tabulate
from gammacore.backtest.replay.look_ahead import check_look_ahead
from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.build import build_weigher
from gammacore.daycount import NS_PER_HOUR, format_time
from gammacore.errors import ConfigError, DataError
from gammacore.volatility.forecast_errors import forecast_errors
from gammacore.volatility.index_history import IndexEstimate, IndexHistory
from support.markets import build

DAYS = 12
MARKET = {
    "market.days": DAYS,
    "market.snapshot_hours": 12.0,
    "entry.expiries": "any",
    "hedge.rule": "never",  # the quickest to weigh
    "signal.forecast": "dvol",
}


@pytest.fixture
def begins():
    return int(load_market(build({"market.days": DAYS})).tape.ts_ns[0])


def file_of(tmp_path, begins, vols):
    """An index by the hour that begins a day before the market."""
    rows = (f"{format_time(begins + (k - 24) * NS_PER_HOUR)},{vol}\n" for k, vol in enumerate(vols))
    path = tmp_path / "dvol.csv"
    path.write_text("timestamp,iv\n" + "".join(rows))
    return str(path)


def test_an_estimate_is_the_last_fresh_reading():
    history = IndexHistory([10, 20, 40], [0.4, 0.5, 0.6], 1, 15)
    times = np.array([9, 10, 19, 20, 35, 36, 40, 55, 56])
    expected = [math.nan, 0.4, 0.4, 0.5, 0.5, math.nan, 0.6, 0.6, math.nan]
    estimate = IndexEstimate(history)
    assert estimate.series(times, np.ones(9)).tolist() == pytest.approx(expected, nan_ok=True)
    assert [estimate.last(times[: k + 1], np.ones(k + 1)) for k in range(9)] == pytest.approx(
        expected, nan_ok=True
    )
    assert np.isnan(IndexEstimate(IndexHistory((), (), 1, 15)).series(times, np.ones(9))).all()


def entries(config):
    """When episodes were entered, and what the run says of itself."""
    market = load_market(config)
    run = replay(config, market.tape)
    return [e.entry_ns for e in run.desk.portfolio.episodes], tabulate(run, market).summary["reasons"]


def test_entries_wait_for_the_index(tmp_path, begins):
    hours = 24 * (DAYS + 2)
    low, high = [0.2] * hours, [1.5] * hours
    half = low[: hours // 2] + high[hours // 2 :]
    asked = MARKET | {"signal.min_edge": 0.05}
    never, why = entries(build(asked | {"data.dvol": file_of(tmp_path, begins, low)}))
    assert never == []
    assert any("signal" in reason and "min_edge" in reason for reason in why)
    always, _ = entries(build(asked | {"data.dvol": file_of(tmp_path, begins, high)}))
    later, _ = entries(build(asked | {"data.dvol": file_of(tmp_path, begins, half)}))
    assert always[0] < begins + (hours // 2 - 24) * NS_PER_HOUR <= later[0]


def test_an_index_that_ends_early_enters_nothing_more(tmp_path, begins):
    asked = {"signal.min_edge": 0.05, "data.dvol": file_of(tmp_path, begins, [1.5] * 26)}
    known, _ = entries(build(MARKET | asked))
    assert all(ts < begins + 5 * NS_PER_HOUR for ts in known)  # two hours after its last reading
    always, _ = entries(build(MARKET | asked | {"data.dvol": file_of(tmp_path, begins, [1.5] * 999)}))
    assert len(always) > len(known)


def test_a_ranking_weighs_with_the_index_less_what_it_was_off_by(tmp_path, begins):
    path = file_of(tmp_path, begins, [0.8] * 24 * (DAYS + 2))
    ranked = rank_positions(build(MARKET | {"data.dvol": path, "hedge.vol": "realised"}))
    mean, _ = forecast_errors("BTC", "dvol").at(ranked.found.tau, 0.8, ranked.ts_ns)
    assert ranked.forecast == "dvol"
    assert ranked.found.forecast == pytest.approx(0.8 * np.exp(mean))
    short = file_of(tmp_path, begins, [0.8] * 30)
    with pytest.raises(DataError, match=r"it needs a fresh reading of data\.dvol"):
        rank_positions(build(MARKET | {"data.dvol": short}))


def test_without_a_file_it_is_refused():
    with pytest.raises(ConfigError, match=r"data\.dvol: signal looks at the volatility index"):
        load_market(build(MARKET))
    with pytest.raises(ConfigError, match=r"prices carry one estimate"):
        build(MARKET | {"signal.min_edge": 0.05, "hedge.vol": "realised"})


def test_no_decision_depends_on_what_the_index_will_be(tmp_path, begins):
    rng = np.random.default_rng(3)
    path = file_of(tmp_path, begins, rng.uniform(0.5, 0.9, 24 * (DAYS + 2)))
    found = check_look_ahead(build(MARKET | {"signal.min_edge": 0.02, "data.dvol": path}), trials=4)
    assert "dvol" in found.parts
    assert found.clean


def test_a_signal_has_these_errors():
    errors = build_weigher(build({"signal.forecast": "dvol"})).errors
    assert errors == forecast_errors("BTC", "dvol") == forecast_errors("SOL", "dvol")
    weeks = np.array([14 / 365])  # in which the clock runs as the calendar
    mean, sd = errors.at(weeks, 0.6, 0)
    assert (mean[0], sd[0]) == pytest.approx((-0.191, 0.271), abs=4e-3)
