"""Chances corrected by lives that had ended before: what is known when, and what it does out of sample."""

import msgspec
import numpy as np
import pytest
from scipy.special import expit, logit

from gammacore.breakeven.calibration import FEW_STRADDLES, FEW_WEEKS
from gammacore.breakeven.recalibration import PRIOR_WEEKS, SLOPE_SD, Correction, Recalibration, recalibration
from gammacore.daycount import NS_PER_DAY, parse_time

START, DAY = parse_time("2026-01-05T12:00"), NS_PER_DAY


def lives(weeks, each=10, seed=1, true=lambda p: p):
    """Chances, outcomes and times of straddles that live two days, several a week."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.15, 0.65, weeks * each)
    entry = START + np.repeat(7 * np.arange(weeks), each) * DAY
    return p, rng.random(len(p)) < true(p), entry, entry + 2 * DAY


def test_only_lives_that_had_ended_are_behind_a_correction():
    p, paid, entry, end = lives(20)
    found = recalibration(p, paid, entry, end)
    for one in found.corrections:
        assert one.straddles == (end <= one.from_ns).sum()
    first = found.corrections[0]
    assert (found.at(first.from_ns - 1), found.at(first.from_ns)) == (None, first)
    moment = int(entry[150])
    before = found.at(moment)
    later = entry >= moment
    changed = paid ^ (end > moment)  # what ends later came out the other way round
    assert recalibration(p, changed, entry, end).at(moment) == before
    assert recalibration(p[~later], paid[~later], entry[~later], end[~later]).at(moment) == before
    assert recalibration(p, ~paid, entry, end).at(moment) != before


def test_too_few_lives_correct_nothing():
    p, paid, entry, end = lives(FEW_WEEKS, each=8)
    found = recalibration(p, paid, entry, end)
    assert found.at(int(end[-1]) - 1) is None
    first = found.at(int(end[-1]) + DAY)
    assert (first.weeks, first.straddles) == (FEW_WEEKS, 8 * FEW_WEEKS)
    p, paid, entry, end = lives(3 * FEW_WEEKS, each=1)  # many weeks, few straddles
    assert 3 * FEW_WEEKS < FEW_STRADDLES
    assert recalibration(p, paid, entry, end) == Recalibration()


def test_the_line_is_where_the_penalised_likelihood_is_highest():
    p, paid, entry, end = lives(12)
    one = recalibration(p, paid, entry, end).corrections[-1]
    x = np.append(logit(p) - one.centre, 0.0)
    y, w = np.append(paid, p.mean()), np.append(np.full(len(p), 0.1), PRIOR_WEEKS)  # ten a week

    def loss(level, slope):
        chance = expit(level + slope * x)
        likelihood = np.sum(w * (y * np.log(chance) + (1 - y) * np.log(1 - chance)))
        return 0.5 * (slope / SLOPE_SD) ** 2 - likelihood

    best = loss(one.level, one.slope)
    for level, slope in ((1e-3, 0), (-1e-3, 0), (0, 1e-3), (0, -1e-3)):
        assert loss(one.level + level, one.slope + slope) > best
    assert one.constant == pytest.approx((12 * paid.mean() + PRIOR_WEEKS * p.mean()) / (12 + PRIOR_WEEKS))


def test_many_weeks_find_the_truth_and_few_stay_near_the_constant():
    p, paid, entry, end = lives(1000)
    truth = recalibration(p, paid, entry, end).corrections[-1]
    assert truth.slope == pytest.approx(1.0, abs=0.15)
    assert truth.apply(0.3) == pytest.approx(0.3, abs=0.02)
    few = recalibration(*lives(8)).corrections[-1]
    assert abs(few.slope) < 0.5


def test_without_skill_the_corrected_chance_scores_as_the_constant_does():
    gaps, gains = [], []
    for seed in range(20):
        p, paid, entry, end = lives(40, seed=seed, true=lambda p: 0.25 + 0 * p)
        found = recalibration(p, paid, entry, end)
        known = [(k, found.at(int(entry[k]))) for k in range(len(p))]
        known = [(k, one) for k, one in known if one is not None]
        k = np.array([each for each, _ in known])
        corrected = np.array([float(one.apply(p[each])) for each, one in known])
        constant = np.array([one.constant for _, one in known])
        gaps.append(np.mean((corrected - paid[k]) ** 2) - np.mean((constant - paid[k]) ** 2))
        gains.append(np.mean((p[k] - paid[k]) ** 2) - np.mean((corrected - paid[k]) ** 2))
    assert np.mean(gaps) < 0.002
    assert np.mean(gains) > 0.03


def test_a_recalibration_survives_its_file():
    found = recalibration(*lives(10))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Recalibration) == found
    one = Correction(0, 0.0, -1.0, 0.0, 0.3, 50, 10)
    assert one.apply(np.array([0.1, np.nan, 0.9])) == pytest.approx(
        [0.2689, np.nan, 0.2689], abs=1e-4, nan_ok=True
    )
