import numpy as np
import pytest

from gammacore.daycount import NS_PER_DAY, NS_PER_YEAR
from gammacore.volatility import realised_vol


def test_constant_moves():
    ts = np.arange(11) * NS_PER_DAY
    price = 100 * 1.02 ** np.tile([0, 1], 6)[:11]
    assert realised_vol(ts, price) == pytest.approx(np.log(1.02) * np.sqrt(365))


def test_geometric_brownian_motion_is_recovered():
    n, sigma = 20_000, 0.6
    rng = np.random.default_rng(3)
    price = np.exp(np.cumsum(sigma / np.sqrt(n) * rng.standard_normal(n + 1)))
    ts = np.linspace(0, NS_PER_YEAR, n + 1).astype(np.int64)
    # The estimator's relative deviation is 1/sqrt(2 n) = 0.5 %.
    assert realised_vol(ts, price) == pytest.approx(sigma, rel=0.02)


@pytest.mark.parametrize("ts", [[], [5], [5, 5]])
def test_no_time_no_volatility(ts):
    assert np.isnan(realised_vol(np.array(ts, np.int64), np.ones(len(ts))))
