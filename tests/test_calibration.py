"""How true chances were: scores by hand, and intervals on simulated forecasts that are true or are not."""

import math

import numpy as np
import pytest
from scipy.special import ndtr

from gammacore.breakeven.calibration import FEW_WEEKS, calibrate, week_of
from gammacore.daycount import NS_PER_DAY, parse_time

MONDAY = parse_time("2026-01-05")
DAY = NS_PER_DAY


def judged(p, paid, days=None, life=1.0):
    """Calibration of straddles bought on some days; by default a week apart."""
    days = 7 * np.arange(len(p)) if days is None else np.asarray(days)
    entry = MONDAY + days * DAY
    return calibrate(np.array(p, float), np.array(paid, bool), entry, entry + int(life * DAY))


def simulated(rng, weeks=26, each=12, off=0.0, spread=0.15, shared=0.5):
    """Chances of straddles whose weeks share their market, promised too high by ``off``."""
    true = np.clip(rng.normal(0.4, spread, (weeks, each)), 0.03, 0.9)
    common = math.sqrt(shared) * rng.standard_normal((weeks, 1))
    score = common + math.sqrt(1.0 - shared) * rng.standard_normal((weeks, each))
    paid = ndtr(score) < true
    days = np.repeat(7 * np.arange(weeks), each)
    return judged(np.clip(true + off, 0.0, 1.0).ravel(), paid.ravel(), days)


def test_a_week_begins_on_monday():
    days = np.array([MONDAY - 1, MONDAY, MONDAY + 7 * DAY - 1, MONDAY + 7 * DAY])
    assert np.diff(week_of(days)).tolist() == [1, 0, 1]


def test_the_score_and_its_parts_by_hand():
    # Two bins: chances .2 and .2, of which none paid, and .6 and .6, of which both did.
    found = judged([0.2, 0.2, 0.6, 0.6], [0, 0, 1, 1])
    assert found.brier.value == pytest.approx((2 * 0.04 + 2 * 0.16) / 4)
    assert found.constant == pytest.approx(0.25)
    assert found.gain.value == pytest.approx(0.15)
    assert found.skill.value == pytest.approx(1 - 0.1 / 0.25)
    assert found.reliability.value == pytest.approx((2 * 0.04 + 2 * 0.16) / 4)
    assert found.resolution.value == pytest.approx(0.25)
    assert found.within == pytest.approx(0.0)
    assert found.auc.value == 1.0
    assert (found.promised, found.paid) == (pytest.approx(0.4), 0.5)
    assert found.excess.value == pytest.approx(-0.1)
    assert [(b.low, b.straddles, b.promised, b.paid.value) for b in found.bins] == [
        (0.2, 2, pytest.approx(0.2), 0.0),
        (0.6, 2, pytest.approx(0.6), 1.0),
    ]


def test_the_parts_sum_to_the_score_where_bins_hide_some_of_it():
    rng = np.random.default_rng(3)
    p = rng.random(200)
    found = judged(p, rng.random(200) < p)
    assert abs(found.within) > 1e-4
    total = found.reliability.value - found.resolution.value + found.constant + found.within
    assert total == pytest.approx(found.brier.value, abs=1e-14)
    # The same term as what the score is beside that of the bins' mean chances.
    bins = np.minimum((p * 10).astype(int), 9)
    means = np.array([p[bins == k].mean() for k in range(10)])[bins]
    rng = np.random.default_rng(3)
    rng.random(200)
    paid = rng.random(200) < p
    assert found.within == pytest.approx(np.mean((p - paid) ** 2) - np.mean((means - paid) ** 2))


def test_the_order_of_chances_counts_ties_as_half():
    assert judged([0.5, 0.5, 0.3], [1, 0, 0]).auc.value == pytest.approx(0.75)
    assert judged([0.1, 0.9], [1, 0]).auc.value == 0.0
    assert math.isnan(judged([0.1, 0.9], [1, 1]).auc.value)  # none that did not pay
    assert math.isnan(judged([0.1, 0.9], [1, 1]).skill.value)


def test_few_weeks_have_no_interval_and_conclude_nothing():
    few = judged([0.4] * 40, [1, 0] * 20, np.repeat(7 * np.arange(FEW_WEEKS - 1), 8))
    assert few.weeks == FEW_WEEKS - 1
    assert not few.enough
    assert math.isnan(few.brier.low)
    enough = judged([0.4] * 48, [1, 0] * 24, np.repeat(7 * np.arange(FEW_WEEKS), 8))
    assert enough.enough
    assert math.isfinite(enough.brier.low)


def test_lives_longer_than_a_week_draw_weeks_in_runs():
    def lives(weeks, life):
        return judged([0.4] * 4 * weeks, [1, 0] * 2 * weeks, np.repeat(7 * np.arange(weeks), 4), life=life)

    assert lives(10, 7.0).run == 1
    assert lives(10, 7.1).run == 2
    assert math.isnan(lives(11, 14.1).brier.low)  # eleven weeks are not four runs of three
    assert math.isfinite(lives(12, 14.1).brier.low)


def test_a_share_of_none_is_not_certain():
    days = np.tile(7 * np.arange(10), 3)
    found = judged([0.1] * 10 + [0.5] * 20, [0] * 10 + [1, 0] * 10, days)
    none = found.bins[0].paid
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(0.278, abs=0.001)  # Wilson, of ten


def test_weeks_that_share_their_market_widen_the_interval():
    rng = np.random.default_rng(11)
    apart = np.median([np.subtract(*simulated(rng, shared=0.0).excess[:0:-1]) for _ in range(10)])
    together = np.median([np.subtract(*simulated(rng, shared=0.8).excess[:0:-1]) for _ in range(10)])
    assert together > 1.8 * apart


def test_intervals_of_true_chances_cover_and_those_of_wrong_ones_do_not():
    rng, runs = np.random.default_rng(5), 40
    true = [simulated(rng) for _ in range(runs)]
    wrong = [simulated(rng, off=0.2) for _ in range(runs)]

    def covered(found, name):
        each = [getattr(one, name) for one in found]
        return np.mean([one.low <= 0.0 <= one.high for one in each])

    assert covered(true, "reliability") > 0.85
    assert covered(true, "excess") > 0.85
    assert covered(wrong, "reliability") < 0.5
    assert covered(wrong, "excess") < 0.2
    assert np.mean([one.skill.value for one in true]) > 0.05
    assert np.mean([one.skill.value for one in wrong]) < 0.0


def test_what_is_no_chance_is_refused():
    with pytest.raises(ValueError, match=r"expected 0 to 1, got 1\.2"):
        judged([0.4, 1.2], [1, 0])
    with pytest.raises(ValueError, match="at least one"):
        judged([], [])
