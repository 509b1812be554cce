"""A forecast by code of the user's own: when it is asked, and with what."""

import numpy as np
import pytest

from gammacore.daycount import NS_PER_HOUR, NS_PER_MINUTE
from gammacore.volatility.estimate import Estimate
from gammacore.volatility.own_estimate import OwnEstimate
from support.markets import START, random_path

WINDOW = 5 * NS_PER_HOUR


def trailing(past):
    moves = np.diff(np.log(past.price))
    return np.sqrt(np.sum(moves**2) / ((past.ts_ns[-1] - past.ts_ns[0]) / (365 * 24 * NS_PER_HOUR)))


def market(minutes=7, steps=400):
    return START + NS_PER_MINUTE * minutes * np.arange(steps + 1), random_path(1, steps)


def test_it_is_the_built_in_one_at_the_first_price_of_each_hour():
    ts, price = market()
    found, built_in = (
        OwnEstimate(trailing, WINDOW).series(ts, price),
        Estimate("realised", WINDOW).series(ts, price),
    )
    first = np.diff(ts // NS_PER_HOUR, prepend=0) > 0
    assert np.isnan(found[ts < ts[0] + WINDOW]).all()
    known = first & np.isfinite(built_in)
    assert known.sum() > 30
    assert found[known] == pytest.approx(built_in[known], rel=1e-12)
    held = found[np.maximum.accumulate(np.where(first, np.arange(len(ts)), 0))]
    assert np.array_equal(found, held, equal_nan=True)


def test_the_last_value_is_that_of_the_series_and_an_hour_is_asked_for_once():
    ts, price = market()
    asked = []

    def noting(past):
        asked.append(int(past.ts_ns[-1]))
        return trailing(past)

    estimate = OwnEstimate(noting, WINDOW)
    series = OwnEstimate(trailing, WINDOW).series(ts, price)
    for end in range(2, len(ts) + 1):
        last = estimate.last(ts[:end], price[:end])
        assert last == series[end - 1] or np.isnan([last, series[end - 1]]).all()
    assert len(asked) == len(set(asked)) > 30


def test_it_sees_its_window_alone_and_cannot_change_it():
    ts, price = market()
    seen = []
    OwnEstimate(lambda past: seen.append(past) or 0.5, WINDOW).series(ts, price)
    assert all(past.ts_ns[-1] - past.ts_ns[0] <= WINDOW for past in seen)
    with pytest.raises(ValueError, match="read-only"):
        seen[0].price[0] = 1.0
    assert OwnEstimate(trailing, WINDOW).series(ts[:0], price[:0]).size == 0
