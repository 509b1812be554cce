"""The formulas of hedging against published and independent numbers."""

import math

import pytest
from scipy.integrate import quad

from gammacore import black76, black_scholes
from gammacore.hedging import theory
from support.reference.bands import band_law

MONTH = 30 / 365


def test_derman_kamal_as_in_quantlibs_example():
    # QuantLib's DiscreteHedging example: S = K = 100, T = 1/12, vol 20 %, rate 5 %.
    seen = black_scholes.greeks("call", 100.0, 100.0, 1 / 12, 0.2, 0.05)
    assert seen.price == pytest.approx(2.512067, abs=1e-6)
    assert seen.vega == pytest.approx(11.457839, abs=1e-6)
    assert theory.derman_kamal(seen.vega, 0.2, 21) == pytest.approx(0.443168, abs=1e-6)
    assert theory.derman_kamal(seen.vega, 0.2, 84) == pytest.approx(0.221584, abs=1e-6)


def independent_bkl(S, K, T, s, mu, N, coin=False):
    def f(angle):
        t = T * math.sin(angle)
        a = math.log(S / K) + mu * t + (0.5 * s * s * T - s * s * t if coin else -0.5 * s * s * T)
        return math.exp(-a * a / (s * s * (T + t)))

    unit = 1 if coin else K * K
    return math.sqrt(s * s * T * unit / (4 * math.pi * N) * quad(f, 0, math.pi / 2, epsabs=1e-13)[0])


@pytest.mark.parametrize(
    ("case", "coin", "published"),
    [
        ((100, 110, MONTH, 0.6, 256, 0.0), False, 0.367279),
        ((100, 90, MONTH, 0.6, 256, 0.0), False, 0.313314),
        ((100, 100, MONTH, 0.6, 256, 0.0), False, 0.379208),
        ((100, 100, 7 / 365, 0.8, 256, 0.5), False, 0.244746),
        ((100, 100, 1.0, 0.2, 256, 0.1), False, 0.433644),
        ((60_000, 60_000, 7 / 365, 0.6, 512, 0.0), True, 0.00129799),
        ((60_000, 66_000, MONTH, 0.6, 512, 0.0), True, 0.00242458),
        ((60_000, 60_000, 90 / 365, 0.8, 512, 0.0), True, 0.00617345),
    ],
)
def test_bertsimas_kogan_lo(case, coin, published):
    S, K, T, s, N, mu = case
    found = theory.bertsimas_kogan_lo(*case, coin=coin)
    assert found == pytest.approx(published, rel=2e-5)
    assert found == pytest.approx(independent_bkl(S, K, T, s, mu, N, coin), rel=1e-9)


AHMAD_WILMOTT = [
    ((100, 100, 1, 0.2, 0.3, 0.05, 0.0), 3.780674, 1.715851),
    ((100, 100, 1, 0.2, 0.3, 0.05, 0.15), 3.669304, 1.751157),
    ((100, 110, 1, 0.2, 0.3, 0.05, 0.05), 3.979989, 1.948642),
    ((100, 100, MONTH, 0.55, 0.70, 0.0, 0.0), 1.708694, 0.727833),
    ((100, 100, MONTH, 0.70, 0.55, 0.0, 0.0), -1.708694, 0.568669),
]


@pytest.mark.parametrize(("case", "mean", "sd"), AHMAD_WILMOTT)
def test_ahmad_wilmott(case, mean, sd):
    assert theory.ahmad_wilmott_mean(*case) == pytest.approx(mean, abs=2e-6)
    assert theory.ahmad_wilmott_sd(*case) == pytest.approx(sd, abs=2e-6)


def test_ahmad_wilmott_mean_is_the_price_difference_when_the_drift_is_the_rate():
    for K in (80.0, 100.0, 130.0):
        gap = black_scholes.price("call", 100.0, K, 1.0, 0.3, 0.05) - black_scholes.price(
            "call", 100.0, K, 1.0, 0.2, 0.05
        )
        assert theory.ahmad_wilmott_mean(100, K, 1, 0.2, 0.3, 0.05, 0.05) == pytest.approx(gap, abs=1e-8)


def test_leland_vol():
    # S = K = 100, T = 0.25, vol 20 %, cost 5 bp
    assert theory.leland_vol(0.2, 5e-4, 0.25 / 63, long=False) == pytest.approx(0.20624, abs=1e-5)
    assert theory.leland_vol(0.2, 5e-4, 0.25 / 63, long=True) == pytest.approx(0.19356, abs=1e-5)
    with pytest.raises(ValueError, match="every"):
        theory.leland_vol(0.2, 5e-3, 1e-5, long=True)


def test_expected_cost_of_a_straddle():
    vega = 2 * black76.greeks("call", 100.0, 100.0, MONTH, 0.6).vega
    assert theory.expected_cost_of_time_hedging(5e-4, vega, MONTH, 180) == pytest.approx(0.4255, abs=5e-5)


def test_band_laws_and_their_ratios_at_equal_tracking():
    s, H = 1.2, 0.05
    edge, centre = band_law("edge", s, H), band_law("centre", s, H)
    time = band_law("time", s, 2 * edge.mean_square / s**2)
    wider = band_law("centre", s, H * math.sqrt(2))
    assert wider.mean_square == pytest.approx(edge.mean_square)
    assert time.mean_square == pytest.approx(edge.mean_square)
    assert wider.turnover / edge.turnover == pytest.approx(math.sqrt(2))
    assert time.turnover / edge.turnover == pytest.approx(1.954, abs=1e-3)
    assert centre.trades * H == pytest.approx(centre.turnover)
    # S = 100, vol 60 %, gamma 0.02, 2e5 steps a year
    step = 1 / 2e5
    assert H + theory.MONITORING * s * math.sqrt(step) == pytest.approx(0.051563, abs=1e-6)
    assert band_law("edge", s, H, step)[::2] == pytest.approx((13.96, 8.863e-4), rel=5e-4)
    assert band_law("centre", s, H, step) == pytest.approx((27.93, 541.6, 4.431e-4), rel=5e-4)
    with pytest.raises(ValueError, match="middle"):
        band_law("middle", s, H)
