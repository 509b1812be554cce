"""Why a run has nothing to show, against markets made so that one condition alone is to blame."""

import re

import numpy as np
import pytest

from gammacore.backtest.figures.reasons import reasons
from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.strategy import Signal
from support.markets import build

SMALL = {"market.days": 20, "market.snapshot_hours": 8.0}


@pytest.fixture(scope="module")
def market():
    return load_market(build(SMALL))


def said(market, settings):
    run = replay(build(SMALL | settings), market.tape)
    return reasons(run, [done.episode.hedges for done in run.episode_runs])


def test_a_run_with_hedges_has_no_reason(market):
    assert said(market, {}) == []
    assert said(market, {"hedge.rule": "never"}) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"entry.weekday": "sunday", "entry.min_days": 7.0}, r"entry.min_days and entry.max_days \(7 to 9\)"),
        (
            {"entry.weekday": "tuesday", "entry.max_days": 60.0, "entry.min_days": 40.0},
            "none meets|excludes all",
        ),
        ({"entry.min_days": 45.0, "entry.max_days": 60.0}, r"\(45 to 60\) excludes all 60 chains from"),
        (
            {"signal.min_probability": 0.999},
            "the signal has no forecast at any of 60 chains from .* it needs data.prices from 7d before",
        ),
        (
            {"signal.min_edge": 0.0, "signal.forecast": "har"},
            r"no forecast at any .* data.prices from 395 days before, without a hole of hours \(har\)\.",
        ),
        ({"size.premium_usd": 1.0}, r"size \(premium_usd\) excludes all"),
        ({"limits.max_contracts": 0.5}, r"refused: limit \("),
        (
            {"entry.min_snapshots": 10_000},
            r"\d left out, with fewer than entry.min_snapshots",
        ),
    ],
)
def test_no_entry_names_the_condition_and_the_first_date_without_it(market, settings, words):
    (reason,) = said(market, settings)
    assert re.search(words, reason), reason
    if "excludes" in reason:
        when = re.search(r"first would have been at (\S+)\.", reason)[1]
        ts = market.tape.chains.snapshot_ts
        assert when.startswith("2025-01-0")
        assert np.isin(np.datetime64(when.rstrip("Z")).astype("datetime64[ns]").astype(np.int64), ts)


def test_a_signal_that_declines_all_is_named_first_and_asked_no_more(monkeypatch):
    settings = {"market.days": 30, "signal.min_edge": 0.9, "entry.expiries": "any"}
    told = load_market(build(settings))
    asked = []
    allows = Signal.allows
    monkeypatch.setattr(Signal, "allows", lambda *given: asked.append(given[2]) or allows(*given))
    run = replay(build(SMALL | settings), told.tape)
    entering = len(asked)
    (reason,) = reasons(run, [])
    assert len(asked) == entering > 0
    words = r"signal \(min_edge 0.9\) excludes all \d+ chains .*, \d+ of them without a forecast\. Without it"
    assert re.search(words, reason), reason


def test_where_the_signal_was_never_asked_something_else_is_named(market):
    settings = {"signal.min_edge": 0.9, "entry.min_days": 45.0, "entry.max_days": 60.0}
    (reason,) = said(market, settings)
    assert reason.startswith("No entry: entry.min_days and entry.max_days (45 to 60) excludes all")


def test_marks_that_are_all_missing_are_counted(market):
    market.tape.chains.mark[:], kept = np.nan, market.tape.chains.mark.copy()
    try:
        (reason,) = said(market, {})
    finally:
        market.tape.chains.mark[:] = kept
    assert re.search(r"of \d expiries refused: no call and put with a mark and a volatility; first", reason)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hedge.band": 7.0}, r"Nothing was hedged: hedge.band 7 coins never called for it"),
        ({"hedge.rule": "move", "hedge.move": 50.0}, r"hedge.move 50 sigma"),
        ({"hedge.rule": "interval", "hedge.every": "90d"}, "hedge.every 90d is longer than any life"),
    ],
)
def test_no_hedge_names_the_rule_and_the_largest_delta(market, settings, words):
    (reason,) = said(market, settings)
    assert re.search(words, reason), reason
    if "Nothing" in reason:
        delta = float(re.search(r"largest delta was (\S+) coins", reason)[1])
        run = replay(build(SMALL | {"hedge.rule": "never"}), market.tape)
        assert 0.2 < delta < 1.2
        assert re.search(r"at 2025-01-\d\dT", reason)
        assert len(run.episode_runs) > 0
