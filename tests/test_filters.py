"""Filters of entries: bounds, what is unknown, and who says why."""

import math

import numpy as np
import pytest

from gammacore.backtest.figures.reasons import reasons
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.replay.tape import Tape
from gammacore.build import build_desk, build_filters
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, parse_time
from gammacore.risk import Limits
from gammacore.strategy.filters import FILTERS, EntryView, VolIndex, at_money_vol, refusal
from gammacore.strategy.waiting import waiting
from support.markets import FRIDAY, START, build, chains_of
from support.tapes import minute_tape

MONTH = FRIDAY + 21 * NS_PER_DAY


def seen(ts_ns=START, level=math.nan, rank=math.nan, forecast=math.nan, vols=(0.6, 0.55)):
    tape = Tape(chains_of([START], [60e3], expiries=(FRIDAY, MONTH)))
    chain = tape.snapshot(0).chain
    for expiry_ns, vol in zip((FRIDAY, MONTH), vols, strict=True):
        chain.iv[chain.expiry_ns == expiry_ns] = vol
    rows = np.flatnonzero((chain.expiry_ns == FRIDAY) & (chain.strike == 60e3))
    return EntryView(ts_ns, chain, rows, forecast, VolIndex(level, rank))


def why(when, **known):
    return refusal(build_filters(build({"signal.when": when}).signal.when), seen(**known))


@pytest.mark.parametrize(
    ("when", "allowed", "refused", "words"),
    [
        (
            {"dvol": {"min": 0.4}},
            {"level": 0.4},
            {"level": 0.399},
            "DVOL is 39.9%, at least 40.0% is asked for",
        ),
        (
            {"dvol": {"max": 0.4}},
            {"level": 0.4},
            {"level": 0.41},
            "DVOL is 41.0%, at most 40.0% is asked for",
        ),
        ({"dvol": {"max": 0.4}}, {"level": 0.4}, {}, "DVOL is not known"),
        (
            {"dvol_percentile": {"min": 0.2, "max": 0.3}},
            {"rank": 0.25},
            {"rank": 0.31},
            "the percentile of DVOL is 31.0%, at most 30.0% is asked for",
        ),
        (
            {"dvol_percentile": {"max": 0.3}},
            {"rank": 0.3},
            {"level": 0.5},
            "the percentile of DVOL is not known",
        ),
        (
            {"iv_less_forecast": {"max": 0.02}},
            {"forecast": 0.581},
            {"forecast": 0.57},
            "implied less forecast volatility is 3.0%, at most 2.0% is asked for",
        ),
        (
            {"iv_less_forecast": {"min": -0.1}},
            {"forecast": 0.69},
            {},
            "implied less forecast volatility is not known",
        ),
        (
            {"term_structure": {"min": -0.06}},
            {},
            {"vols": (0.62, 0.55)},
            "far less near volatility (28 and 7 days) is -7.0%, at least -6.0% is asked for",
        ),
        (
            {"term_structure": {"max": 0.0}},
            {},
            {"vols": (0.5, 0.55)},
            "far less near volatility (28 and 7 days) is 5.0%, at most 0.0% is asked for",
        ),
    ],
)
def test_bounds(when, allowed, refused, words):
    assert why(when, **allowed) == ""
    assert why(when, **refused) == words


def test_a_term_structure_needs_two_expiries():
    one = seen()
    one.chain.forwards.pop(MONTH)
    filters = build_filters(build({"signal.when": {"term_structure": {"min": 0.0}}}).signal.when)
    assert refusal(filters, one) == "the term structure needs two expiries"


def test_volatility_at_the_money_is_that_of_the_nearest_strike_with_both_sides():
    chain = seen().chain
    of = np.flatnonzero((chain.expiry_ns == FRIDAY) & (chain.strike == 60e3))
    chain.iv[of] = 0.5, 0.54
    assert at_money_vol(chain, FRIDAY) == pytest.approx(0.52)
    chain.iv[of[0]] = math.nan
    assert at_money_vol(chain, FRIDAY) == pytest.approx(0.6)  # of 55,000, a strike away
    chain.iv[:] = math.nan
    assert math.isnan(at_money_vol(chain, FRIDAY))


MONDAY = parse_time("2026-01-12T00:00Z")


@pytest.mark.parametrize(
    ("windows", "minute", "inside"),
    [
        (["mon 08:00-16:00"], 480, True),
        (["mon 08:00-16:00"], 479, False),
        (["mon 08:00-16:00"], 960, False),
        (["mon 08:00-16:00", "tue"], 1440, True),
        (["tue"], 2880, False),
        (["sun 20:00-24:00"], 7 * 1440 - 1, True),
        (["sat-mon 10:00-11:00"], 600, True),
        (["sat-mon 10:00-11:00"], 5 * 1440 + 600, True),
        (["sat-mon 10:00-11:00"], 1440 + 600, False),
    ],
)
def test_time_of_week(windows, minute, inside):
    ts_ns = MONDAY + minute * NS_PER_MINUTE + 59 * 10**9
    found = why({"time_of_week": windows}, ts_ns=ts_ns)
    assert found == ("" if inside else "outside of signal.when.time_of_week")


def test_every_filter_has_its_name():
    assert list(FILTERS) == [one.__name__ for one in FILTERS.values()]
    assert set(FILTERS) == set(build({}).signal.when.__struct_fields__)


def test_a_refused_entry_says_why():
    """To who looks on and in the report; nothing is entered."""
    when = {"signal.when": {"term_structure": {"min": 0.5}}}
    desk = build_desk(build(when))
    chain = seen().chain
    told = waiting(desk.strategy, START, chain, desk.portfolio, Limits())
    words = "far less near volatility (28 and 7 days) is -5.0%, at least 50.0% is asked for"
    assert str(told) == f"16 January: {words}"
    run = replay(build(when), minute_tape())
    assert run.episode_runs == []
    (said,) = reasons(run, [])
    assert said.startswith("No entry: signal.when (term_structure) excludes all 29 chains from")
    assert said.endswith("Without it the first would have been at 2026-01-09T08:00:00Z.")


def test_entries_wait_for_their_window():
    run = replay(
        build({"signal.when": {"time_of_week": ["sat 06:00-24:00"]}, "entry.min_days": 1}), minute_tape()
    )
    assert run.episode_runs[0].episode.entry_ns == START + 24 * NS_PER_HOUR
