"""Finite innovations: their moments, and the table of their cumulants against the plain sum."""

import numpy as np
import pytest

from gammacore.backtest.simulation.innovations import cumulants, standardised, student


@pytest.mark.parametrize("nu", [2.5, 4.0, 30.0])
def test_student_quantiles_have_unit_variance_and_are_cut(nu):
    from scipy.stats import t

    z = student(nu)
    assert z.mean() == pytest.approx(0, abs=1e-12)
    assert z.var() == pytest.approx(1, rel=1e-12)
    edge = t.ppf(1 - 0.5 / 1_024, nu)
    ratio = z / t.ppf((np.arange(1_024) + 0.5) / 1_024, nu)
    assert z.max() == pytest.approx(edge * np.median(ratio), rel=1e-9)
    np.testing.assert_allclose(ratio, np.median(ratio), rtol=1e-9)


@pytest.mark.parametrize("largest", [1e-3, 0.05, 1.0])
def test_table_of_cumulants_is_the_logarithm_of_the_mean(largest):
    z = standardised(np.random.default_rng(2).standard_t(3, 4_000))
    coefficients, per_unit = cumulants(z, largest)
    cubics = coefficients.reshape(-1, 4)
    for s in np.random.default_rng(3).uniform(0, largest, 50):
        piece = min(int(s * per_unit), len(cubics) - 1)
        found = np.polynomial.polynomial.polyval(s * per_unit - piece, cubics[piece])
        assert found == pytest.approx(np.log(np.exp(s * z).mean()), abs=1e-9)
