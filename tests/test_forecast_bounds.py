"""Bounds of forecasts by what had been realised."""

import numpy as np

from gammacore.volatility.forecast.bounds import within_realised
from gammacore.volatility.forecast.combine import correct_level


def test_a_forecast_stays_within_what_was_known_at_its_origin():
    realised = np.array([4.0, 1.0, np.nan, 9.0, 100.0, 2.0])
    forecast = np.array([50.0, 50.0, 50.0, 0.1, np.nan, np.inf])
    found = within_realised(forecast, realised, 2)
    # Two days late: nothing is known at the first two origins, 4 at the third, 1 to 4 at the fourth.
    np.testing.assert_array_equal(found, [50.0, 50.0, 4.0, 1.0, np.nan, 9.0])


def test_one_forecast_near_zero_does_not_lift_the_later_ones():
    rng = np.random.default_rng(0)
    realised = 0.36 * rng.chisquare(5, 300) / 5
    forecast = np.full(300, 0.36)
    forecast[100] = 1e-12
    corrected = correct_level(forecast, realised, 1)
    assert corrected[101:].max() <= realised.max()
    assert (correct_level(np.r_[0.0, forecast[1:]], realised, 1) < 2).all()
