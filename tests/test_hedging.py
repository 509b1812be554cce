import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore.hedging import Band, Interval, Never

mismatches = st.floats(-5, 5, allow_nan=False)


@given(mismatches, st.floats(1e-3, 2))
def test_band_to_centre_removes_all_and_to_edge_leaves_the_half_width(mismatch, width):
    centre, edge = Band(width), Band(width, to_edge=True)
    if centre.fires(mismatch, 0, 0):
        assert mismatch + centre.trade(mismatch) == 0
        assert abs(mismatch + edge.trade(mismatch)) == pytest.approx(width)
        assert (mismatch + edge.trade(mismatch)) * mismatch > 0
    else:
        assert abs(mismatch) <= width


@given(st.lists(mismatches, min_size=1, max_size=20))
def test_scalars_and_arrays_get_the_same_answer(values):
    ts = np.arange(len(values)) * 10
    for policy in (Band(0.5), Band(0.5, to_edge=True), Interval(35)):
        block = policy.fires(np.array(values), ts, 0)
        assert list(block) == [policy.fires(v, int(t), 0) for v, t in zip(values, ts, strict=True)]


def test_interval_counts_from_the_last_hedge():
    rule = Interval(60)
    assert not rule.fires(None, 159, 100)
    assert rule.fires(None, 160, 100)
    assert rule.trade(0.3) == -0.3


def test_never():
    assert not Never().fires(9.0, 0, 0)
    assert Never().trade(9.0) == 0.0
