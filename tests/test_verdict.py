"""The verdict of a run: one sentence whose figures are those of the summary."""

import math

import numpy as np
import pytest
from scipy import stats

from gammacore.backtest.figures.verdict import luck, verdict


def summary(**changes):
    lines = {"gamma": 920.0, "theta": -1_000.0, "fees": -600.0, "spread": -956.0}
    found = {
        "n_episodes": 19,
        "reasons": [],
        "total": {"usd": -1_050.0},
        "return_on_premium": -0.021,
        "attribution": {name: {"usd": value} for name, value in lines.items()},
        "p_value": 0.31,
    }
    for name, value in changes.items():
        if name in lines:
            found["attribution"][name] = {"usd": value}
        else:
            found[name] = value
    return found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {},
            "Lost 2.1% of the premium (1,050 USD): gamma earned 92% of theta, costs took 1,556 USD; "
            "the result is within luck (p = 0.31)",
        ),
        (
            {"total": {"usd": 2_000.0}, "return_on_premium": 0.04, "gamma": 1_500.0, "p_value": 0.012},
            "Made 4.0% of the premium (2,000 USD): gamma earned 150% of theta, costs took 1,556 USD; "
            "more than luck (p = 0.01)",
        ),
        (
            {"gamma": -1_200.0, "theta": 1_000.0, "p_value": 0.0001},
            "Lost 2.1% of the premium (1,050 USD): theta earned 83% of gamma, costs took 1,556 USD; "
            "more than luck (p < 0.01)",
        ),
        (
            {"gamma": -1.0, "theta": -2.0, "p_value": None, "return_on_premium": None},
            "Lost 1,050 USD: costs took 1,556 USD; too few days to tell it from luck",
        ),
        (
            {"fees": 200.0, "spread": -150.0},
            "Lost 2.1% of the premium (1,050 USD): gamma earned 92% of theta, fills brought 50 USD; "
            "the result is within luck (p = 0.31)",
        ),
        (
            {"total": {"usd": 0.0142}, "return_on_premium": 0.005, "fees": -1.0, "spread": -0.028},
            "Made 0.5% of the premium (0.01 USD): gamma earned 92% of theta, costs took 1.03 USD; "
            "the result is within luck (p = 0.31)",
        ),
        (
            {"total": {"usd": -0.00048}, "fees": -0.0, "spread": 0.0, "p_value": None},
            "Lost 2.1% of the premium (0.00048 USD): gamma earned 92% of theta, costs took 0 USD; "
            "too few days to tell it from luck",
        ),
        (
            {"return_on_premium": -0.0002, "p_value": None},
            "Lost less than 0.1% of the premium (1,050 USD): gamma earned 92% of theta, costs took 1,556 "
            "USD; too few days to tell it from luck",
        ),
        ({"n_episodes": 0, "reasons": ["no quote had an ask."]}, "Nothing was traded: no quote had an ask."),
        ({"n_episodes": 0}, "Nothing was traded."),
    ],
)
def test_the_sentence(changes, said):
    assert verdict(summary(**changes)) == said


@pytest.mark.parametrize("days", [10, 11, 40, 71, 130, 365, 3651])
@pytest.mark.parametrize("mean", [0.0, 0.2, -3.0])
def test_luck_is_students_two_sided_p_value(days, mean):
    daily = np.random.default_rng(days).standard_normal(days) + mean
    assert luck(daily) == pytest.approx(stats.ttest_1samp(daily, 0.0).pvalue, rel=1e-11, abs=1e-13)


@pytest.mark.parametrize("daily", [np.empty(0), np.ones(1), np.arange(9.0), np.ones(50)])
def test_of_few_days_or_ones_that_are_all_alike_nothing_is_said(daily):
    assert math.isnan(luck(daily))
