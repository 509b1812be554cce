"""Theta on a variance clock: what it takes from vega, and where the clock comes from."""

import math
from functools import cache

import numpy as np
import pandas as pd
import pytest

from gammacore import inverse
from gammacore.attribution import LINES, attribute
from gammacore.backtest.figures.results import run_backtest
from gammacore.backtest.figures.vega_parts import ChainSmiles
from gammacore.backtest.replay import explainer
from gammacore.backtest.replay.explainer import Explainer
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.tape import Tape
from gammacore.config import load_config
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR
from gammacore.errors import ConfigError
from gammacore.volatility import VarianceClock
from support.markets import FREE, START, build, chains_of
from support.shared_data import recorded
from support.tapes import minute_tape

WEEKEND = np.where(np.arange(168) >= 120, 0.4, 1.24)
CLOCK = VarianceClock(WEEKEND)
EXPIRY = START + 7 * NS_PER_DAY
HELD = FREE | {"hedge.rule": "never", "entry.min_days": 6.9, "entry.max_days": 7.1, "exit.delivery": "last"}


def marked_on(clock, every=6):
    """Chains over a week from a Friday, whose marks have variance evenly on a clock."""
    times = START + np.arange(6 * 24 // every + 1) * every * NS_PER_HOUR
    vols = 0.6 * np.sqrt(clock.elapsed(times, EXPIRY) / ((EXPIRY - times) / (365 * NS_PER_DAY)))
    chains = chains_of(times, np.full(len(times), 60e3), expiries=(EXPIRY,))
    chains.iv[:] = np.repeat(vols, np.diff(chains.offsets))
    chains.mark[:] = inverse.price(chains.kind, chains.forward, chains.strike, chains.tau, chains.iv)
    return Tape(chains, averaging=False)


def lines_of(tape, clock=None, method="taylor", **changes):
    (done,) = replay(build(HELD | changes), tape).episode_runs[:1]
    return attribute(done.episode, tape, done.last, method, clock)


def test_marks_that_follow_the_clock_have_no_vega():
    tape = marked_on(CLOCK, every=1)
    by_calendar, on_clock = lines_of(tape), lines_of(tape, CLOCK)
    sizes = [np.abs(lines.usd["vega"]).sum() for lines in (by_calendar, on_clock)]
    assert sizes[0] > 300.0
    assert sizes[1] < 0.01 * sizes[0]  # of second order in a step of an hour


def test_marks_that_follow_the_calendar_have_vega_on_the_clock():
    lines = lines_of(marked_on(VarianceClock.calendar()), CLOCK)
    saturday = 2  # steps of six hours from Friday 08:00: the third ends on Saturday at 02:00
    assert lines.usd["vega"][0] > 0.0 > lines.usd["vega"][saturday + 2]
    assert abs(lines_of(marked_on(VarianceClock.calendar())).usd["vega"]).max() < 1e-9


def test_an_hour_has_the_theta_of_its_share_of_what_the_clock_has_left():
    tape = marked_on(VarianceClock.calendar(), every=1)
    by_calendar, on_clock = lines_of(tape).usd["theta"], lines_of(tape, CLOCK).usd["theta"]
    # From Friday 08:00: 16 weekday hours, 48 of the weekend, 104 to Friday.
    for hour, weight in ((0, 1.24), (20, 0.4), (70, 1.24)):
        weekday, weekend = 16 - min(hour, 16), 48 - min(max(hour - 16, 0), 48)
        left = 1.24 * (weekday + 104 - max(hour - 64, 0)) + 0.4 * weekend
        assert on_clock[hour] / by_calendar[hour] == pytest.approx(weight * (168 - hour) / left, rel=1e-9)


@pytest.mark.parametrize("method", ["taylor", "revaluation"])
@pytest.mark.parametrize("linear", [False, True], ids=["inverse", "linear"])
def test_only_theta_and_vega_change_and_both_sum_as_before(method, linear):
    changes = {"entry.expiries": "any", "entry.max_days": 14.0, "exit.hours_before_expiry": 7.123}
    if linear:
        changes |= {"hedge.instrument": "forward", "hedge.target": "black", "hedge.lots": False}
    tape = minute_tape(days=7.1, linear=linear)
    for done in replay(build(changes), tape).episode_runs:
        usual, found = (attribute(done.episode, tape, done.last, method, c) for c in (None, CLOCK))
        for unit, slack in (("coin", 1e-13), ("usd", 1e-8)):
            before, after = getattr(usual, unit), getattr(found, unit)
            both = after["theta"] + after["vega"]
            assert np.allclose(both, before["theta"] + before["vega"], rtol=1e-9, atol=slack)
            for line in LINES:
                total = getattr(found.totals[line], unit)
                assert total == pytest.approx(math.fsum(after[line]), rel=1e-9, abs=slack * 1e3), line
                same = line in ("theta", "vega", "rounding", "numeraire")
                assert same or np.allclose(after[line], before[line], rtol=1e-12, atol=0.0), line
        assert found.totals["theta"].usd != pytest.approx(usual.totals["theta"].usd, rel=1e-3)


def test_the_calendar_as_a_clock_changes_nothing():
    tape = minute_tape(days=8.0)
    changes = {"entry.expiries": "any", "entry.max_days": 14.0}
    done = replay(build(changes), tape).episode_runs[0]
    assert done.episode.delivered  # through the settlement window
    usual = attribute(done.episode, tape, done.last)
    found = attribute(done.episode, tape, done.last, clock=VarianceClock.calendar())
    for line in LINES:
        assert found.totals[line].usd == pytest.approx(usual.totals[line].usd, rel=1e-9, abs=1e-9)


def test_the_last_hours_are_the_same_on_any_clock_of_one_speed():
    """Within an hour of one weight every step's share of what is left is the calendar's."""
    tape = minute_tape(days=8.0)
    done = replay(build({"entry.expiries": "any", "entry.max_days": 14.0}), tape).episode_runs[0]
    usual, found = (attribute(done.episode, tape, done.last, clock=c) for c in (None, CLOCK))
    last = usual.ts_ns[:-1] >= done.episode.expiry_ns - NS_PER_HOUR
    assert np.allclose(found.usd["theta"][last], usual.usd["theta"][last], rtol=1e-9, atol=0.0)


def test_the_parts_of_vega_have_it_in_the_term():
    tape = minute_tape()
    done = replay(build({"entry.expiries": "any", "entry.max_days": 14.0}), tape).episode_runs[0]
    usual, found = (attribute(done.episode, tape, done.last, clock=c) for c in (None, CLOCK))
    before, after = (lines.vega_parts(ChainSmiles(tape)).totals for lines in (usual, found))
    for unit in (0, 1):
        moved = found.totals["vega"][unit] - usual.totals["vega"][unit]
        assert after["term"][unit] - before["term"][unit] == pytest.approx(moved, rel=0.02)
        assert after["skew"][unit] == pytest.approx(before["skew"][unit], rel=1e-12)
        whole = found.totals["vega"][unit]
        assert math.fsum(money[unit] for money in after.values()) == pytest.approx(whole, abs=1e-9)


def test_without_history_it_is_refused_before_anything_is_replayed(monkeypatch):
    monkeypatch.setattr("gammacore.backtest.replay.runner._Replay.run", lambda *_: pytest.fail("replayed"))
    with pytest.raises(ConfigError, match=r"report\.clock: "):
        run_backtest(build({"market.days": 14, "report.clock": "variance"}))


def test_replays_of_one_market_fit_it_once(tmp_path, monkeypatch):
    hours = START + NS_PER_HOUR * np.arange(-24 * 7 * 8, 24)
    close = 60e3 * np.exp(np.cumsum(np.random.default_rng(3).normal(0.0, 0.005, len(hours))))
    prices = tmp_path / "BTCUSDT_1h.csv"
    stamps = pd.to_datetime(hours).strftime("%Y-%m-%dT%H:%M:%SZ")
    pd.DataFrame({"open_time": stamps, "close": close}).to_csv(prices, index=False)
    config = build(HELD | {"report.clock": "variance", "data.prices": str(prices), "data.chains": "-"})
    asked, load = [], explainer.load_prices
    monkeypatch.setattr(explainer, "load_prices", lambda *a, **named: asked.append(a) or load(*a, **named))
    clocks = [Explainer(config, marked_on(CLOCK)).clock for _ in range(3)]
    assert len(asked) == 1
    assert clocks[0] is clocks[2] is not None


def test_without_prices_before_the_first_chain_it_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"report\.clock: .*2025-01-02.*; name them in data\.prices"):
        run_backtest(build({"market.days": 14, "report.clock": "variance"}))
    path = tmp_path / "btc_1h.csv"
    begin = START - 10 * NS_PER_DAY
    times = pd.to_datetime(np.arange(240) * NS_PER_HOUR + begin, utc=True)
    pd.DataFrame({"open_time": times, "close": 60e3 + np.arange(240)}).to_csv(path, index=False)
    config = build({"report.clock": "variance", "data.prices": str(path), "data.chains": "not-read"})
    with pytest.raises(ConfigError, match=r"report\.clock: .* at least 4 weeks of hourly or finer bars, got"):
        _ = Explainer(config, marked_on(CLOCK)).clock


@cache
def weekly(clock):
    data = {
        "data.chains": str(recorded("data/deribit_options")),
        "data.prices": str(recorded("data/prices/btcusdt_binance_spot_1h.csv.gz")),
        "data.end": "2026-03-01",
        "report.clock": clock,
    }
    return run_backtest(load_config("config/weekly_straddle.yaml", data))


def test_recorded_marks_fall_less_over_a_weekend_than_by_the_calendar():
    """The exchange's marks know of weekends: on the clock less of that is left in vega."""
    sizes = {}
    for clock in ("calendar", "variance"):
        results = weekly(clock)
        assert results.summary["attribution_clock"] == clock
        steps = results.profit.set_index(pd.to_datetime(results.profit["time"], format="ISO8601"))
        steps = steps[["theta_usd", "vega_usd"]].diff()
        weekend = steps[steps.index.day_of_week >= 5].sum()
        sizes[clock] = weekend["theta_usd"], weekend["vega_usd"]
    assert sizes["variance"][0] > 0.7 * sizes["calendar"][0]  # both are losses
    assert sizes["calendar"][1] > 2.0 * abs(sizes["variance"][1])
    totals = [weekly(clock).summary["total"] for clock in ("calendar", "variance")]
    assert totals[0] == totals[1]
