"""SVI slices: against QuantLib and Black prices, Vogt's example, and what the fit promises."""

from itertools import pairwise

import numpy as np
import pytest
import QuantLib
from hypothesis import given
from hypothesis import strategies as st

from gammacore import _surface, black76
from gammacore.volatility import SVI

VOGT = SVI(a=-0.0410, b=0.1331, rho=0.3060, m=0.3586, sigma=0.4153)
GENTLE = SVI(a=0.01, b=0.12, rho=-0.3, m=0.05, sigma=0.25)


def test_axel_vogts_smile_has_butterfly_arbitrage_where_it_is_known_to():
    """Gatheral and Jacquier (2014), example 3.1; figures by an independent evaluation."""
    k = np.linspace(-1.5, 1.5, 300_001)
    assert float(VOGT.total_variance(0.0)) == pytest.approx(0.0174263, abs=5e-8)
    assert VOGT.lowest == pytest.approx(0.0116249, abs=5e-8)
    assert VOGT.total_variance(k).min() == pytest.approx(VOGT.lowest, rel=1e-8)
    g = VOGT.density_factor(k)
    negative = k[g < 0]
    assert negative[0] == pytest.approx(0.643, abs=1e-3)
    assert negative[-1] == pytest.approx(1.256, abs=1e-3)
    assert np.all(np.diff(negative) < 2e-5)  # one interval
    assert g.min() == pytest.approx(-0.032864, abs=1e-6)
    assert k[g.argmin()] == pytest.approx(0.879, abs=1e-3)
    assert VOGT.lowest_factor() == pytest.approx(g.min(), abs=1e-5)
    assert VOGT.steepest_wing < 2  # Lee's bound alone does not see it
    assert not VOGT.is_free()
    assert GENTLE.is_free()


def test_volatility_agrees_with_quantlib():
    tau, forward = 0.25, 60_000.0
    smile = QuantLib.SviSmileSection(tau, forward, [GENTLE.a, GENTLE.b, GENTLE.sigma, GENTLE.rho, GENTLE.m])
    for strike in (20_000.0, 50_000.0, 60_000.0, 61_000.0, 150_000.0):
        ours = np.sqrt(float(GENTLE.total_variance(np.log(strike / forward))) / tau)
        assert ours == pytest.approx(smile.volatility(strike), rel=1e-12)


@pytest.mark.parametrize("slice_", [GENTLE, VOGT])
def test_g_is_the_density_of_black_prices(slice_):
    """d2C/dK2 = g exp(-d2^2/2) / (K sqrt(2 pi w)), by second differences of prices."""
    k = np.linspace(-0.6, 1.3, 40)
    strike, h = np.exp(k), 2e-4

    def call(shift):
        at = strike * (1 + shift)
        vol = np.sqrt(slice_.total_variance(np.log(at)))
        return black76.price("call", 1.0, at, 1.0, vol)

    second = (call(h) - 2 * call(0.0) + call(-h)) / (strike * h) ** 2
    w = slice_.total_variance(k)
    d2 = -k / np.sqrt(w) - np.sqrt(w) / 2
    expected = slice_.density_factor(k) * np.exp(-d2 * d2 / 2) / (strike * np.sqrt(2 * np.pi * w))
    np.testing.assert_allclose(second, expected, atol=2e-6 * np.abs(expected).max() + 1e-7)


def test_derivatives_are_those_of_the_variance():
    k, h = np.linspace(-1, 1, 21), 1e-5
    raw = np.array([[GENTLE.a, GENTLE.b, GENTLE.rho, GENTLE.m, GENTLE.sigma]])
    which = np.zeros(k.size, np.int64)
    middle = _surface.evaluate(raw, which, k)
    above, below = _surface.evaluate(raw, which, k + h), _surface.evaluate(raw, which, k - h)
    np.testing.assert_allclose(middle[1], (above[0] - below[0]) / (2 * h), atol=1e-9)
    np.testing.assert_allclose(middle[2], (above[1] - below[1]) / (2 * h), atol=1e-8)


def fit(slices, k, weights=None, calendar=True):
    """Fit slices through exact points, all at the same moneyness."""
    sd = np.concatenate([np.sqrt(one.total_variance(k)) for one in slices])
    raw = np.full((len(slices), 5), np.nan)
    outcome = _surface.fit(
        np.tile(k, len(slices)),
        sd,
        np.full(sd.size, 1e3) if weights is None else weights,
        np.arange(len(slices) + 1, dtype=np.int64) * k.size,
        np.ones(len(slices), dtype=bool),
        raw,
        3.0,
        calendar,
    )
    return [SVI(*row) for row in raw.tolist()], outcome


random_slices = st.builds(
    lambda b, rho, m, sigma, low: SVI(low - b * sigma * np.sqrt(1 - rho**2), b, rho, m, sigma),
    b=st.floats(0.05, 0.4),
    rho=st.floats(-0.7, 0.7),
    m=st.floats(-0.2, 0.2),
    sigma=st.floats(0.1, 0.5),
    low=st.floats(0.01, 0.3),
)


@given(random_slices)
def test_a_fit_to_exact_points_goes_through_them_if_they_are_free(slice_):
    k = np.linspace(-1, 1, 25)
    (found,), outcome = fit([slice_], k)
    assert found.is_free()
    flattest = slice_.b * (1 - abs(slice_.rho))
    if (
        slice_.lowest_factor() > 0.01
        and slice_.steepest_wing < 1.9
        and flattest > 0.11 * np.sqrt(slice_.total_variance(0.0))
    ):
        assert outcome[0, 3] == 0
        np.testing.assert_allclose(found.total_variance(k), slice_.total_variance(k), rtol=2e-3)


@given(st.integers(0, 10_000))
def test_whatever_the_quotes_the_slices_are_free(seed):
    """Volatilities of a random walk: nothing like a smile, yet neither butterfly nor calendar arbitrage.

    Up to what may hide between two points of the grids that the fit checks.
    """
    rng = np.random.default_rng(seed)
    k = np.sort(rng.uniform(-1.2, 1.2, 36))
    sd = np.abs(0.3 + 0.05 * np.cumsum(rng.standard_normal(36))) + 0.02
    raw = np.full((3, 5), np.nan)
    offsets = np.array([0, 12, 24, 36])
    for i in range(3):
        part = slice(offsets[i], offsets[i + 1])
        k[part] = np.sort(rng.permutation(k)[:12])
    _surface.fit(k, sd, np.full(36, 100.0), offsets, np.ones(3, dtype=bool), raw, 3.0, True)
    slices = [SVI(*row) for row in raw.tolist()]
    # Not on the grid that the fit checked, but on a plain one that is as dense where quotes are.
    at = np.linspace(-3, 3, 60_001)
    for one in slices:
        assert one.steepest_wing <= 2 + 1e-12
        assert one.density_factor(at).min() > -1e-3
    for before, after in pairwise(slices):
        assert (before.total_variance(at) / after.total_variance(at)).max() < 1 + 1e-3


def test_vogts_points_are_fitted_without_his_arbitrage():
    k = np.linspace(-0.5, 1.2, 35)
    (found,), outcome = fit([VOGT], k)
    assert found.is_free()
    assert outcome[0, 2] >= 1  # it took punishing rows
    assert outcome[0, 3] == 0  # but no flat slice
    vol, truth = np.sqrt(found.total_variance(k)), np.sqrt(VOGT.total_variance(k))
    assert np.abs(vol / truth - 1).max() < 0.1


def test_crossing_slices_are_separated():
    """A short smile whose steep wings cross the longer one's: the fit stays below it."""
    long, short = GENTLE, SVI(0.002, 0.3, -0.3, 0.02, 0.02)
    k = np.linspace(-0.6, 0.6, 25)
    crossing, _ = fit([short, long], k, calendar=False)
    at = np.linspace(-3, 3, 2_001)
    assert (crossing[0].total_variance(at) > crossing[1].total_variance(at)).any()
    separate, _ = fit([short, long], k)
    assert (separate[0].total_variance(at) <= separate[1].total_variance(at)).all()
    np.testing.assert_allclose(separate[1].total_variance(k), long.total_variance(k), rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b": -0.1}, "b: expected a number >= 0, got -0.1"),
        ({"rho": 1.0}, "rho: expected a number between -1 and 1, got 1.0"),
        ({"sigma": 0.0}, "sigma: expected a positive number, got 0.0"),
        ({"a": -1.0}, "a: expected a positive minimum of the variance"),
        ({"m": float("nan")}, "m: expected a finite number, got nan"),
    ],
)
def test_parameters_out_of_range_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        SVI(**{"a": 0.01, "b": 0.12, "rho": -0.3, "m": 0.05, "sigma": 0.25} | change)
