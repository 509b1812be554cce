"""Curves in bounded memory."""

import math

from hypothesis import given
from hypothesis import strategies as st

from gammacore.daycount import NS_PER_SECOND
from gammacore.live.dashboard.series import Curve

START = 1_795_608_000 * NS_PER_SECOND
steps = st.lists(st.tuples(st.integers(0, 5_000_000_000), st.floats(-1e6, 1e6)), min_size=1, max_size=300)


def filled(moves, most=16):
    curve, ts, values = Curve(most), START, []
    for step, value in moves:
        ts += step
        curve.add(ts, value)
        values.append((ts, value))
    return curve, values


@given(steps)
def test_extremes_and_the_last_value_survive_thinning(moves):
    curve, values = filled(moves)
    seen = curve.columns()
    assert len(curve) <= 16
    assert max(seen.high) == max(v for _, v in values)
    assert min(seen.low) == min(v for _, v in values)
    assert seen.last[-1] == values[-1][1]
    assert all(a < b for a, b in zip(seen.start_ms, seen.start_ms[1:], strict=False))


@given(steps)
def test_each_stretch_holds_the_extremes_of_its_time(moves):
    curve, values = filled(moves)
    width, seen = curve.width_ns, curve.columns()
    stretches = {}
    for ts, value in values:
        stretches.setdefault((ts - ts % width) // 1_000_000, []).append(value)
    assert list(stretches) == seen.start_ms
    assert [max(s) for s in stretches.values()] == seen.high
    assert [min(s) for s in stretches.values()] == seen.low
    assert [s[-1] for s in stretches.values()] == seen.last


@given(steps)
def test_what_is_handed_on_piece_by_piece_is_the_whole(moves):
    curve, ts, told, known = Curve(16), START, (-1, 0), []
    for step, value in moves:
        ts += step
        curve.add(ts, value)
        first = max(told[1] - 1, 0) if told[0] == curve.generation else 0
        part = curve.columns(first)
        known = known[: part.first] + list(zip(*part[1:], strict=True))
        told = curve.generation, len(curve)
    assert known == list(zip(*curve.columns()[1:], strict=True))


def test_a_month_of_seconds_takes_no_more_room_than_its_points():
    curve = Curve(600)
    for k in range(0, 30 * 86_400, 7):
        curve.add(START + k * NS_PER_SECOND, math.sin(k))
    assert 300 <= len(curve) <= 600


def test_nan_is_left_out():
    curve = Curve()
    curve.add(START, math.nan)
    assert len(curve) == 0
