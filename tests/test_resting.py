"""Chance that a resting hedge fills, against quadrature and against paths."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from gammacore import _replay
from gammacore.execution.resting import LOOKS_S, OFTEN_S, ONCE_S, OVERSHOOT, SECONDS_PER_YEAR, expected

VARIANCE = 0.6**2 / SECONDS_PER_YEAR  # of a second
BP = 1e-4
NAN = math.nan


def rest(a, b, seconds=60.0, variance=VARIANCE, reach=NAN, patience=3.0, looks=OFTEN_S):
    columns = [np.atleast_1d(np.asarray(x, float)) for x in (a, b, seconds, variance, reach)]
    chance, missed = _replay.rest(*np.broadcast_arrays(*columns), patience, looks)
    return (chance, missed) if np.ndim(a) or np.ndim(b) else (float(chance[0]), float(missed[0]))


def by_quadrature(a, b, seconds, patience):
    """Not filled: of all places at the end of the patience, those that a bridge reaches below ``a``."""
    share = patience / seconds
    at = stats.norm(b * share, math.sqrt(VARIANCE * patience * (1 - share)))
    kept = lambda x: -np.expm1(-2 * a * (a - x) / (VARIANCE * patience)) * at.pdf(x)  # noqa: E731
    low = min(at.mean() - 12 * at.std(), a - 12 * at.std())
    points = [x for x in (at.mean(), a - at.std()) if low < x < a]
    left = integrate.quad(kept, low, a, points=points, limit=400)[0]
    return 1 - left, integrate.quad(lambda x: x * kept(x), low, a, points=points, limit=400)[0] / left


@pytest.mark.parametrize("a", [0.02 * BP, 0.1 * BP, 1 * BP, 4 * BP])
@pytest.mark.parametrize("b", [-20 * BP, -1 * BP, 0.0, 0.5 * BP, 15 * BP])
def test_the_chance_is_that_of_a_bridge_seen_at_every_moment(a, b):
    chance, missed = rest(a, b)
    assert (chance, missed) == pytest.approx(by_quadrature(a, b, 60.0, 3.0), rel=1e-6, abs=1e-10)


@pytest.mark.parametrize("b", [-8 * BP, 0.0, 6 * BP])
def test_seen_once_only_the_end_counts(b):
    a, at = 0.1 * BP, stats.norm(b * 0.05, math.sqrt(VARIANCE * 3.0 * 0.95))
    chance, missed = rest(a, b, looks=ONCE_S)
    assert chance == pytest.approx(at.sf(a), rel=1e-12)
    below = stats.truncnorm(-np.inf, (a - at.mean()) / at.std(), at.mean(), at.std())
    assert missed == pytest.approx(below.mean(), rel=1e-9)


def test_seen_once_a_second_the_chance_is_that_of_paths():
    """Of three looks, where the correction is meant for many, it takes 4 % of orders too many for filled."""
    rng = np.random.default_rng(3)
    steps = math.sqrt(VARIANCE) * rng.standard_normal((200_000, 60))
    path, a = np.cumsum(steps, axis=1), 0.1 * BP
    filled = path[:, :3].max(axis=1) > a
    chance, missed = rest(np.full(len(path), a), path[:, -1], looks=LOOKS_S)
    assert chance.mean() == pytest.approx(filled.mean(), abs=0.04)
    for part in (path[:, -1] < -5 * BP, path[:, -1] > 5 * BP):
        assert chance[part].mean() == pytest.approx(filled[part].mean(), abs=0.05)
    missing = path[~filled, 2].mean()
    assert (1 - chance) @ missed / (1 - chance).sum() == pytest.approx(missing, rel=0.1)


def test_the_mean_of_the_price_stays_nil():
    """What fills finds the price past the order, what does not finds it as far the other way."""
    rng = np.random.default_rng(4)
    b = math.sqrt(VARIANCE * 60) * rng.standard_normal(400_000)
    for looks in (OFTEN_S, LOOKS_S):
        a = 0.1 * BP
        passed = a + OVERSHOOT * math.sqrt(VARIANCE * looks)
        chance, missed = rest(np.full(len(b), a), b, looks=looks)
        assert np.mean(chance * passed + (1 - chance) * missed) == pytest.approx(0.0, abs=0.01 * BP)


def test_a_bar_that_does_not_pass_the_order_does_not_fill_it():
    a = 0.5 * BP
    free, missed = rest(a, 0.0)
    assert rest(a, 0.0, reach=a)[0] == 0.0  # a touch
    assert rest(a, 0.0, reach=0.2 * BP)[0] == 0.0
    passed = math.exp(-2 * a * a / (VARIANCE * 60))
    assert rest(a, 0.0, reach=3 * BP) == pytest.approx((free / passed, missed))


def test_the_bar_ends_the_wait():
    a, b = 0.5 * BP, -1 * BP
    assert rest(a, b, patience=60.0) == rest(a, b, patience=3600.0)
    assert rest(a, b, patience=60.0)[0] == pytest.approx(math.exp(-2 * a * (a - b) / (VARIANCE * 60)))
    assert rest(a, 1 * BP, patience=60.0)[0] == 1.0


@pytest.mark.parametrize("case", [{"seconds": 0.0}, {"variance": 0.0}, {"patience": 0.0}])
def test_where_nothing_moves_nothing_fills(case):
    assert rest(0.1 * BP, 0.0, **case) == (0.0, 0.0)


def test_extremes_stay_chances():
    rng = np.random.default_rng(5)
    n = 20_000
    a, b = 10.0 ** rng.uniform(-9, -1, n), rng.choice([-1, 1], n) * 10.0 ** rng.uniform(-9, 0, n)
    variance, seconds = 10.0 ** rng.uniform(-16, -4, n), 10.0 ** rng.uniform(-3, 6, n)
    for looks in (OFTEN_S, LOOKS_S, ONCE_S):
        chance, missed = _replay.rest(a, b, seconds, variance, np.full(n, NAN), 3.0, looks)
        assert ((chance >= 0) & (chance <= 1)).all()
        assert np.isfinite(missed).all()


def test_arrays_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="2 entries"):
        _replay.rest(np.zeros(2), np.zeros(1), np.zeros(2), np.zeros(2), np.zeros(2), 3.0, 1.0)


def test_draws_are_uniform_and_of_moment_side_and_seed():
    draws = np.array(
        [_replay.drawn(7, 1_700_000_000_000_000_000 + 60_000_000_000 * k, 0) for k in range(20_000)]
    )
    assert stats.kstest(draws, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 0.03
    assert len({_replay.drawn(*key) for key in ((7, 1, 0), (7, 1, 1), (8, 1, 0), (7, 2, 0))}) == 4
    assert _replay.drawn(7, 1, 1) == _replay.drawn(7, 1, 1)


def test_the_expected_cost_is_that_of_many_orders():
    """By the law of one moment, averaged over where the next bar ends."""
    rng = np.random.default_rng(6)
    b, a = math.sqrt(VARIANCE * 60) * rng.standard_normal(400_000), 0.1 * BP
    chance, missed = rest(np.full(len(b), a), b, looks=LOOKS_S)
    found = expected("post_only", a, 5e-4, 1e-4, 3.0, 0.6)
    assert found.maker_share == pytest.approx(chance.mean(), abs=0.002)
    assert found.fee == pytest.approx(np.mean(chance * 1e-4 + (1 - chance) * 5e-4), rel=0.01)
    assert found.slippage == pytest.approx(np.mean((1 - chance) * (a - missed) - chance * a), abs=0.01 * BP)
    assert found.cost == found.fee + found.slippage


def test_bounds_of_the_expected_cost():
    assert expected("taker", 1e-5, 5e-4, 0.0, 3.0) == (0.0, 5e-4, 1e-5)
    assert expected("maker", 1e-5, 5e-4, 0.0, 3.0) == (1.0, 0.0, -1e-5)
    assert expected("post_only", 1e-5, 5e-4, 0.0, 3.0, 0.0).maker_share == 0.0  # a price that stands still
    shares = [expected("post_only", 1e-5, 5e-4, 0.0, s, 0.5).maker_share for s in (1.0, 3.0, 60.0)]
    assert shares == sorted(shares)
    assert shares[1] == pytest.approx(0.69, abs=0.01)
