"""Statistics of selection against the papers' examples, brute force and simulation."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from gammacore.backtest.figures.overfitting import (
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    overfitting_probability,
    probabilistic_sharpe_ratio,
    sharpe_ratio,
    walk_forward,
)


def noise(periods, trials, seed=0, mean=0.0):
    return mean + np.random.default_rng(seed).standard_normal((periods, trials))


def test_sharpe_ratio():
    returns = np.array([0.01, -0.02, 0.03, 0.04])
    assert sharpe_ratio(returns) == pytest.approx(returns.mean() / returns.std(ddof=1))
    assert sharpe_ratio(1e6 * returns) == pytest.approx(sharpe_ratio(returns))
    assert math.isnan(sharpe_ratio(np.full(9, 0.1)))
    assert math.isnan(sharpe_ratio(np.zeros(9)))
    assert math.isnan(sharpe_ratio(np.array([1.0])))


def test_probabilistic_ratio_of_normal_returns_is_the_t_test():
    returns = noise(2_000, 1, seed=3, mean=0.03)[:, 0]
    p = stats.ttest_1samp(returns, 0.0, alternative="greater").pvalue
    assert probabilistic_sharpe_ratio(returns) == pytest.approx(1 - p, abs=2e-3)


def test_probabilistic_ratio_by_scipy_moments():
    returns = np.random.default_rng(1).gamma(2.0, 1.0, 500) - 1.9
    ratio = sharpe_ratio(returns)
    skew, kurtosis = stats.skew(returns), stats.kurtosis(returns, fisher=False)
    z = (ratio - 0.02) * math.sqrt(499) / math.sqrt(1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2)
    assert probabilistic_sharpe_ratio(returns, 0.02) == pytest.approx(stats.norm.cdf(z), rel=1e-12)


def test_the_worked_example_of_the_deflated_ratio():
    """100 trials, variance of their annual ratios 1/2, best 2.5 over 1250 days: SR0 = 0.1132, DSR = 0.9004.

    Bailey and Lopez de Prado (2014), section "A numerical example": skewness -3, kurtosis 10.
    """
    spread = np.tile([-1.0, 1.0], 50)
    ratios = spread / spread.std(ddof=1) * math.sqrt(0.5 / 250)
    benchmark = expected_maximum_sharpe(ratios)
    assert benchmark == pytest.approx(0.1132, abs=5e-5)
    ratio = 2.5 / math.sqrt(250)
    z = (ratio - benchmark) * math.sqrt(1249) / math.sqrt(1 + 3 * ratio + 9 / 4 * ratio**2)
    assert stats.norm.cdf(z) == pytest.approx(0.9004, abs=5e-5)


@pytest.mark.parametrize("trials", [5, 50, 500])
def test_expected_maximum_is_what_simulation_finds(trials):
    draws = 0.1 * np.random.default_rng(trials).standard_normal((4_000, trials))
    expected = np.mean([expected_maximum_sharpe(draw) for draw in draws[:200]])
    assert draws.max(axis=1).mean() == pytest.approx(expected, rel=0.1)
    assert expected_maximum_sharpe(np.array([0.3])) == 0.0


def test_the_best_of_noise_is_deflated_and_skill_is_not():
    lucky = [deflated_sharpe_ratio(noise(500, 40, seed)) for seed in range(60)]
    assert 0.3 < np.mean(lucky) < 0.7
    assert np.mean([probabilistic_sharpe_ratio(noise(500, 40, s)[:, 0]) for s in range(60)]) < 0.6
    skilled = noise(500, 40)
    skilled[:, 7] += 0.5
    assert deflated_sharpe_ratio(skilled) > 0.99
    assert math.isnan(deflated_sharpe_ratio(np.zeros((50, 3))))


def brute_force(returns, blocks):
    """Probability of overfitting, one split after another."""
    size = len(returns) // blocks
    parts = returns[len(returns) - size * blocks :].reshape(blocks, size, -1)
    below = losing = 0
    splits = list(itertools.combinations(range(blocks), blocks // 2))
    for chosen in splits:
        rest = [k for k in range(blocks) if k not in chosen]
        inside, outside = (np.concatenate(parts[list(half)]) for half in (chosen, rest))
        best = int(np.argmax(inside.mean(axis=0) / inside.std(axis=0, ddof=1)))
        ratios = outside.mean(axis=0) / outside.std(axis=0, ddof=1)
        omega = stats.rankdata(ratios)[best] / (len(ratios) + 1)
        below += math.log(omega / (1 - omega)) <= 0
        losing += ratios[best] < 0
    return below / len(splits), losing / len(splits)


@pytest.mark.parametrize(("periods", "trials", "blocks"), [(83, 6, 8), (64, 11, 6), (40, 2, 4)])
def test_overfitting_is_that_of_brute_force(periods, trials, blocks):
    returns = noise(periods, trials, seed=periods, mean=0.05)
    found = overfitting_probability(returns, blocks)
    assert (found.probability, found.loss) == pytest.approx(brute_force(returns, blocks))
    assert (found.blocks, found.splits) == (blocks, math.comb(blocks, blocks // 2))


def test_noise_is_overfitted_half_of_the_time_and_skill_never():
    found = [overfitting_probability(noise(240, 20, seed), 8).probability for seed in range(40)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.08)
    skilled = noise(240, 20)
    skilled[:, 3] += 1.0
    assert overfitting_probability(skilled).probability == 0.0


def test_short_series_get_fewer_blocks_or_none():
    assert overfitting_probability(noise(400, 3)).blocks == 16
    assert overfitting_probability(noise(37, 3)).blocks == 6
    assert overfitting_probability(noise(19, 3)) is None
    assert overfitting_probability(noise(400, 1)) is None


@pytest.mark.parametrize("anchored", [True, False])
def test_walk_forward_chooses_by_the_past_alone(anchored):
    returns = noise(600, 4)
    returns[:300, 0] += 1.0  # the best of the first half, and the worst of the second
    returns[300:, 0] -= 1.0
    returns[300:, 2] += 1.0
    splits = walk_forward(returns, 5, anchored)
    assert [s.test for s in splits] == [(100 * k, 100 * (k + 1)) for k in range(1, 6)]
    assert [s.train[0] for s in splits] == ([0] * 5 if anchored else [0, 100, 200, 300, 400])
    assert all(s.train[1] == s.test[0] for s in splits)
    assert [s.chosen for s in splits][:3] == [0, 0, 0]
    assert splits[2].outside < -0.5
    assert splits[-1].chosen == (2 if not anchored else splits[-1].chosen)
    changed = returns.copy()
    changed[200:] = noise(400, 4, seed=9)
    again = walk_forward(changed, 5, anchored)
    assert [s.chosen for s in again][:2] == [s.chosen for s in splits][:2]
    first = splits[0]
    assert first.outside == pytest.approx(sharpe_ratio(returns[100:200, first.chosen]))
    assert first.inside == pytest.approx(sharpe_ratio(returns[:100, first.chosen]))


def test_walk_forward_needs_days():
    assert walk_forward(noise(29, 3)) == []
    assert len(walk_forward(noise(30, 3))) == 5
