"""Losses, tests and combinations of forecasts."""

import math

import numpy as np
import pytest

from gammacore.volatility import (
    combine_constrained,
    combine_equal,
    combine_inverse_loss,
    confidence_set,
    correct_level,
    diebold_mariano,
    mincer_zarnowitz,
    qlike,
    score_table,
)

N = 1_200


def market(seed=0, n=N):
    """True variances, a good, a noisy and a biased forecast of them, and a proxy of 24 returns."""
    rng = np.random.default_rng(seed)
    truth = np.exp(np.cumsum(0.1 * rng.standard_normal(n)) * 0.5 - 1)
    realised = truth * rng.chisquare(24, n) / 24
    models = {
        "good": truth * np.exp(0.1 * rng.standard_normal(n)),
        "noisy": truth * np.exp(0.5 * rng.standard_normal(n)),
        "biased": 1.6 * truth * np.exp(0.1 * rng.standard_normal(n)),
    }
    return truth, realised, models


def test_qlike_is_zero_at_the_truth_and_steeper_below_it():
    assert float(qlike(0.3, 0.3)) == 0
    assert float(qlike(1.0, 0.5)) == pytest.approx(2 - math.log(2) - 1)
    assert float(qlike(1.0, 0.5)) > float(qlike(1.0, 2.0))
    assert np.isnan(qlike([0.0, 1.0, np.nan], [1.0, -1.0, 1.0])).all()


def test_the_ranking_by_qlike_does_not_depend_on_noise_in_the_proxy():
    """Patton (2011): expected loss against a noisy unbiased proxy ranks as against the truth."""
    truth, realised, models = market()
    by_truth, by_proxy = (
        sorted(models, key=lambda name: qlike(target, models[name]).mean()) for target in (truth, realised)
    )
    assert by_truth == by_proxy == ["good", "biased", "noisy"]


def test_diebold_mariano_has_its_size_for_overlapping_losses():
    """Equal expected losses with the dependence of a 5-day horizon: 5 % are rejected, to four errors.

    Bartlett's weights leave a little too much size; Harvey's correction takes most of it back.
    """
    rng = np.random.default_rng(2)
    rejected = []
    for _ in range(600):
        a, b = (np.convolve(rng.standard_normal(304), np.ones(5) / 5, "valid") for _ in range(2))
        rejected.append(diebold_mariano(a, b, 5, lags=8)[1] < 0.05)
    assert np.mean(rejected) == pytest.approx(0.06, abs=4 * math.sqrt(0.06 * 0.94 / 600))


def test_diebold_mariano_by_hand():
    """One day ahead without lags it is a t test, times sqrt((n - 1)/n)."""
    gap = np.random.default_rng(3).standard_normal(50) + 0.3
    statistic, p_value = diebold_mariano(gap, np.zeros(50), 1, lags=0)
    expected = gap.mean() / (gap.std() / math.sqrt(50)) * math.sqrt(49 / 50)
    assert statistic == pytest.approx(expected, rel=1e-12)
    from scipy.stats import ttest_1samp

    plain = ttest_1samp(gap, 0.0)
    assert statistic == pytest.approx(plain.statistic, rel=0.02)
    assert p_value == pytest.approx(plain.pvalue, rel=0.1)
    assert diebold_mariano(np.ones(20), np.ones(20)) == (0.0, 1.0)


def test_diebold_mariano_finds_the_better():
    _, realised, models = market()
    losses = {name: qlike(realised, one) for name, one in models.items()}
    statistic, p_value = diebold_mariano(losses["good"], losses["noisy"])
    assert statistic < -4
    assert p_value < 1e-4
    assert diebold_mariano(losses["noisy"], losses["good"])[0] == pytest.approx(-statistic)


def test_mincer_zarnowitz_by_its_formulas():
    """Least squares and the sandwich of Newey and West (1987), as sums over all pairs of rows."""
    from scipy.stats import chi2

    _, realised, models = market(n=300)
    y, f, lags = realised, models["noisy"], 6
    x = np.column_stack([np.ones(300), f])
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ x.T @ y
    scores = x * (y - x @ beta)[:, None]
    apart = np.abs(np.subtract.outer(np.arange(300), np.arange(300)))
    weights = np.maximum(1.0 - apart / (lags + 1.0), 0.0)
    covariance = inverse @ scores.T @ weights @ scores @ inverse
    away = beta - np.array([0.0, 1.0])
    ours = mincer_zarnowitz(y, f, lags=lags)
    assert [ours.intercept, ours.slope] == pytest.approx(beta.tolist(), rel=1e-11)
    errors = np.sqrt(np.diag(covariance)).tolist()
    assert [ours.intercept_error, ours.slope_error] == pytest.approx(errors, rel=1e-11)
    assert ours.p_value == pytest.approx(chi2.sf(away @ np.linalg.solve(covariance, away), 2), rel=1e-9)
    assert ours.r2 == pytest.approx(1 - np.var(y - x @ beta) / np.var(y), rel=1e-11)


def test_diebold_mariano_weighs_its_lags_by_bartlett():
    gap = np.convolve(np.random.default_rng(4).standard_normal(204), np.ones(5), "valid") + 0.2
    centred, n, lags = gap - gap.mean(), 200, 7
    apart = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    variance = centred @ np.maximum(1.0 - apart / (lags + 1.0), 0.0) @ centred / n
    expected = gap.mean() / math.sqrt(variance / n) * math.sqrt((n + 1 - 2 * 5 + 5 * 4 / n) / n)
    assert diebold_mariano(gap, np.zeros(n), 5, lags=lags)[0] == pytest.approx(expected, rel=1e-12)


def test_mincer_zarnowitz_tells_bias():
    truth, realised, models = market()
    assert mincer_zarnowitz(realised, truth).p_value > 0.01
    found = mincer_zarnowitz(realised, models["biased"])
    assert found.p_value < 1e-6
    assert found.slope == pytest.approx(1 / 1.6, rel=0.1)


def test_the_confidence_set_keeps_the_best_and_drops_the_bad():
    _, realised, models = market()
    models["twin"] = models["good"] * np.exp(1e-3 * np.random.default_rng(1).standard_normal(N))
    found = confidence_set({name: qlike(realised, one) for name, one in models.items()}, reps=400)
    assert found["good"] >= 0.1 or found["twin"] >= 0.1
    assert max(found.values()) == 1.0
    assert found["noisy"] < 0.1
    assert found["biased"] < 0.1


def test_the_table_is_in_order_and_on_common_origins():
    _, realised, models = market()
    models["good"][:100] = np.nan
    realised = realised.copy()
    realised[-5:] = np.nan
    rows = score_table(realised, models, 1, "noisy", reps=100)
    assert [one.name for one in rows] == ["good", "biased", "noisy"]
    assert {one.n for one in rows} == {N - 105}
    best, benchmark = rows[0], rows[2]
    assert best.against < 0
    assert best.p_value < 0.01
    assert benchmark.against == 0
    assert math.isnan(benchmark.p_value)
    assert best.qlike == pytest.approx(qlike(realised, models["good"])[100:-5].mean())


# ---- combinations -------------------------------------------------------------------


def columns(models):
    return np.stack(list(models.values()), axis=1)


def test_equal_weights_are_the_mean_of_those_that_are_there():
    table = np.array([[1.0, 3.0], [np.nan, 4.0], [np.nan, np.nan]])
    np.testing.assert_array_equal(combine_equal(table), [2.0, 4.0, np.nan])


def test_inverse_losses_are_weights_by_their_definition():
    _, realised, models = market(n=60)
    table, lag, memory = columns(models), 3, 20.0
    found = combine_inverse_loss(table, realised, lag, memory=memory)
    np.testing.assert_allclose(found[:lag], table[:lag].mean(axis=1))
    at = 50
    past = np.arange(at - lag + 1)
    weight = np.exp(-(past[-1] - past) / memory)
    losses = qlike(realised[past, None], table[past])
    inverse = 1 / ((weight[:, None] * losses).sum(axis=0) / weight.sum())
    assert found[at] == pytest.approx(table[at] @ inverse / inverse.sum(), rel=1e-9)


def test_the_constrained_regression_prefers_the_good_and_undoes_no_bias():
    _, realised, models = market()
    found = combine_constrained(columns(models), realised, 1)
    np.testing.assert_allclose(found[:150], columns(models)[:150].mean(axis=1))
    late = slice(600, None)
    loss = qlike(realised, found)[late].mean()
    assert loss < qlike(realised, combine_equal(columns(models)))[late].mean()
    low, high = columns(models).min(axis=1), columns(models).max(axis=1)
    assert ((found >= low * (1 - 1e-9)) & (found <= high * (1 + 1e-9))).all()


def test_a_wrong_level_is_corrected_and_a_right_one_left_alone():
    _, realised, models = market()
    late = slice(300, None)
    for name, factor in (("biased", 1 / 1.6), ("good", 1.0)):
        found = correct_level(models[name], realised, 5)
        ratio = (found / models[name])[late]
        # The sd of a ratio is 0.3, of the mean of a year of them 0.02.
        np.testing.assert_allclose(ratio, factor, rtol=0.08)
    changed = realised.copy()
    changed[700:] *= 10
    found, other = (correct_level(models["good"], one, 5) for one in (realised, changed))
    np.testing.assert_array_equal(found[:705], other[:705])
    assert (found[706:] < other[706:]).all()
    np.testing.assert_array_equal(found[:5], models["good"][:5])


@pytest.mark.parametrize("combine", [combine_inverse_loss, combine_constrained])
@pytest.mark.parametrize("lag", [1, 20])
def test_the_future_changes_no_combination(combine, lag):
    """The outcome of the horizon that begins at i is known at i + lag, not before."""
    _, realised, models = market()
    other = realised.copy()
    other[700:] *= 10
    found, changed = (combine(columns(models), one, lag) for one in (realised, other))
    np.testing.assert_allclose(found[: 700 + lag], changed[: 700 + lag], rtol=1e-9)
    assert not np.allclose(found[760:], changed[760:])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: diebold_mariano([1.0], [2.0]), "loss: expected at least 10 that both have, got 1"),
        (lambda: mincer_zarnowitz(np.ones(20), np.ones(20)), "all are 1.0, so there is no slope"),
        (lambda: mincer_zarnowitz([1.0], [1.0]), "expected at least 10 with an outcome, got 1"),
        (lambda: score_table([1.0], {"a": [1.0]}, 1, "b"), "benchmark: 'b' is none of a"),
        (lambda: score_table([1.0], {"a": [1.0]}, 1, "a"), "at least 10 origins that all have"),
        (lambda: combine_equal(np.ones(3)), "a column for each model"),
        (lambda: combine_inverse_loss(np.ones((3, 2)), np.ones(2), 1), "realised: expected 3 values"),
        (lambda: combine_constrained(np.ones((3, 2)), np.ones(3), 0), "lag: expected at least 1 day"),
        (lambda: combine_constrained(np.ones((3, 2)), np.ones(3), 1, refit=0), "refit: expected"),
    ],
)
def test_what_is_wrong_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
