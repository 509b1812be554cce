"""Prices as texts, of coins of any price."""

import math

import pytest

from gammacore.terminal import price_text


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (85_000.04, "85,000.0"),
        (2_750.0, "2,750.0"),
        (-999.996, "-1,000.00"),
        (139.99, "139.99"),
        (9.5, "9.5000"),
        (0.62001, "0.62001"),
        (0.0, "0.00000"),
        (math.nan, "nan"),
    ],
)
def test_five_digits_and_one_after_the_point_at_least(price, text):
    assert price_text(price) == text
