import math

import numpy as np
import pytest

from gammacore.volatility.index_history import IndexHistory

TS, VOL = np.arange(10) * 100, np.array([5, 1, 2, 3, 4, 5, 6, 7, 8, 4.5]) / 10


def test_the_rank_is_the_share_of_the_window_that_was_lower():
    index = IndexHistory(TS, VOL, window_ns=400, fresh_ns=150)
    assert index.at(900) == (0.45, 0.0)  # 0.6, 0.7, 0.8 and itself
    assert index.at(899) == (0.8, pytest.approx(3 / 4))
    assert index.at(500) == (0.5, pytest.approx(3 / 4))
    assert index.at(450) == (0.4, pytest.approx(3 / 4))  # 0.1, 0.2 and 0.3 of four


def test_what_is_not_known():
    index = IndexHistory(TS, VOL, window_ns=400, fresh_ns=150)
    assert all(map(math.isnan, index.at(-1)))
    level, rank = index.at(399)  # the history does not reach a window back
    assert (level, math.isnan(rank)) == (0.3, True)
    assert index.at(400)[1] == 3 / 4
    assert index.at(1_050)[0] == 0.45
    assert all(map(math.isnan, index.at(1_051)))
    assert all(map(math.isnan, IndexHistory((), (), 400, 150).at(5)))


def test_readings_that_arrive_count_for_the_level_at_once_and_for_the_rank_now_and_then():
    index = IndexHistory((), (), window_ns=400, fresh_ns=150, every_ns=100)
    for ts, vol in zip(TS.tolist(), VOL.tolist(), strict=True):
        index.add(ts, vol)
        index.add(ts + 60, 0.99)
        index.add(ts + 30, 0.98)  # overtaken on the way
        index.add(ts + 60, math.nan)
    assert index.at(960) == (0.99, 1.0)
    assert index.at(910) == (0.45, 0.0)  # the past, as it was known then


def test_a_level_of_before_the_last_reading_is_the_one_that_counted():
    index = IndexHistory([0, 100], [0.4, 0.5], window_ns=50, fresh_ns=150)
    assert index.at(99)[0] == 0.4
