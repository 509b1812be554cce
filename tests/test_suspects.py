"""Runs of stale strikes and calendar crossings, on points whose truth is known."""

import numpy as np
import pytest

from gammacore.volatility import quoted_points
from gammacore.volatility.suspects import crossing, stale_runs
from support.quoted_chains import EXPIRY, NOW, chain, with_vols


def points_of(case):
    columns = ("expiry_ns", "strike", "kind", "forward")
    return quoted_points(NOW, *(case[name] for name in columns), bid=case["bid"], ask=case["ask"])


@pytest.mark.parametrize("length", [2, 3, 4])
def test_the_run_is_found_and_nothing_else(length):
    case = chain(seed=1)
    strikes = np.unique(case["strike"][case["expiry_ns"] == EXPIRY[5]])[9 : 9 + length]

    def stood_still(expiry, strike, _, vol):
        return vol - 0.08 * ((expiry == EXPIRY[5]) & np.isin(strike, strikes))

    points = points_of(with_vols(case, stood_still))
    expected = np.zeros(points.k.size, dtype=bool)
    expected[points.offsets[5] + 9 : points.offsets[5] + 9 + length] = True
    np.testing.assert_array_equal(stale_runs(points), expected)


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_no_run(seed):
    assert not stale_runs(points_of(chain(seed=seed))).any()


@pytest.mark.parametrize("per_side", [1, 2, 4])
def test_few_strikes_have_no_runs(per_side):
    assert not stale_runs(points_of(chain(seed=0, per_side=per_side))).any()


def test_only_what_exceeds_the_ask_of_the_next_expiry_crosses():
    assert not crossing(points_of(chain(seed=1))).any()

    def level(expiry, strike, forward, vol):
        # Total variance of the fourth expiry is 1.0 or 1.1 times that of the fifth at the money.
        money = np.abs(np.log(strike / forward)) < 0.05
        flat = np.where(expiry == EXPIRY[4], 0.5, 0.6)
        share = np.sqrt((EXPIRY[4] - NOW) / (EXPIRY[3] - NOW))
        return np.where(expiry == EXPIRY[3], 0.5 * share * np.where(money, np.sqrt(1.1), 1.0), flat)

    points = points_of(with_vols(chain(), level))
    found = crossing(points)
    here = slice(points.offsets[3], points.offsets[4])
    np.testing.assert_array_equal(found[here], np.abs(points.k[here]) < 0.05)
    assert found.sum() == found[here].sum() > 3
