"""Numbers that cannot be right are refused by the name of their field."""

import math

import numpy as np
import pytest

from gammacore.backtest.simulation.number_checks import check_number, check_step, check_volatility
from gammacore.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "bounds", "expected"),
    [
        (0.0, {"above": 0.0}, "a positive number"),
        (-1, {"at_least": 0.0}, "a number of at least 0"),
        (1.6, {"at_least": 0.0, "at_most": 1.5}, "a number from 0 to 1.5"),
        (math.nan, {}, "a finite number"),
        (True, {}, "a finite number"),
        ("1", {}, "a finite number"),
    ],
)
def test_a_refusal_names_field_bounds_and_value(value, bounds, expected):
    with pytest.raises(ConfigError) as refused:
        check_number("model.x", value, **bounds)
    assert str(refused.value) == f"model.x: expected {expected}, got {value!r}"


def test_numbers_within_bounds_pass():
    for value in (1, 0.5, np.float32(0.5), np.int64(1)):
        check_number("x", value, above=0.0)
    check_number("x", 1.5, at_least=0.0, at_most=1.5)


def test_a_percentage_is_refused_with_the_fraction_it_means():
    check_volatility("vol", 5.0)
    with pytest.raises(
        ConfigError, match=r"vol: expected at most 5, got 60.0; .* fractions are meant: 0\.6$"
    ):
        check_volatility("vol", 60.0)


def test_a_model_of_recorded_returns_wants_their_step():
    check_step(0.01, 0.01 * (1 + 1e-7))
    with pytest.raises(ConfigError, match=r"the model moves every 0\.01 years, the grid every 0\.02"):
        check_step(0.01, 0.02)
