"""Black-Scholes-Merton: published tables, mpmath, QuantLib."""

import math

import numpy as np
import pytest

from gammacore import black76, black_scholes


@pytest.mark.parametrize(
    ("kind", "strike", "spot", "dividend", "rate", "tau", "vol", "value"),
    [
        ("c", 65.00, 60.00, 0.05 - 0.05, 0.08, 0.25, 0.30, 2.1334),
        ("p", 95.00, 100.00, 0.05, 0.10, 0.50, 0.20, 2.4648),
        ("p", 19.00, 19.00, 0.10, 0.10, 0.75, 0.28, 1.7011),
        ("c", 1.60, 1.56, 0.08, 0.06, 0.50, 0.12, 0.0291),
        ("p", 70.00, 75.00, 0.05, 0.10, 0.50, 0.35, 4.0870),
    ],
)
def test_haug_table(kind, strike, spot, dividend, rate, tau, vol, value):
    # E. G. Haug, "The Complete Guide to Option Pricing Formulas" (1998), as in QuantLib's
    # test-suite/europeanoption.cpp.
    assert black_scholes.price(kind, spot, strike, tau, vol, rate, dividend) == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "spot", "df_domestic", "df_foreign", "total_vol", "spot_strike", "forward_strike", "delta"),
    [
        (1, 1.421, 0.997306, 0.992266, 0.1180654, 1.600545, 1.601550, 0.15),
        (1, 122.121, 0.9695434, 0.9872347, 0.0887676, 117.7096, 118.0532, 0.67),
        (-1, 3.4582, 0.99979, 0.9250616, 0.3199034, 3.778327, None, -0.821),
        (-1, 103.0, 0.99482, 0.98508, 0.07247845, 97.22, None, -0.25),
    ],
)
def test_premium_adjusted_delta(
    kind, spot, df_domestic, df_foreign, total_vol, spot_strike, forward_strike, delta
):
    # QuantLib's test-suite/blackdeltacalculator.cpp, values after A. Castagna (2009).
    rate, dividend = -math.log(df_domestic), -math.log(df_foreign)
    g = black_scholes.greeks(kind, spot, spot_strike, 1.0, total_vol, rate, dividend)
    assert g.delta - g.price / spot == pytest.approx(delta, abs=1e-3)
    if forward_strike is not None:
        g = black_scholes.greeks(kind, spot, forward_strike, 1.0, total_vol, rate, dividend)
        assert (g.delta - g.price / spot) / df_foreign == pytest.approx(delta, abs=1e-3)


def test_quantlib_on_market_points():
    ql = pytest.importorskip("QuantLib")
    rng = np.random.default_rng(6)
    for _ in range(500):
        spot = rng.uniform(50, 150)
        strike = spot * math.exp(rng.uniform(-0.4, 0.4))
        tau, vol = rng.uniform(0.02, 1.5), rng.uniform(0.2, 1.2)
        rate, dividend = rng.uniform(-0.05, 0.1, 2)
        kind = 1 if rng.random() < 0.5 else -1
        payoff = ql.PlainVanillaPayoff(ql.Option.Call if kind == 1 else ql.Option.Put, strike)
        forward = spot * math.exp((rate - dividend) * tau)
        oracle = ql.BlackCalculator(payoff, forward, vol * math.sqrt(tau), math.exp(-rate * tau))
        g = black_scholes.greeks(kind, spot, strike, tau, vol, rate, dividend)
        for found, expected in (
            (g.price, oracle.value()),
            (g.delta, oracle.delta(spot)),
            (g.gamma, oracle.gamma(spot)),
            (g.vega, oracle.vega(tau)),
            (g.theta, oracle.theta(spot, tau)),
            (g.rho, oracle.rho(tau)),
        ):
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-11)


def test_without_rates_it_is_black76():
    args = ("put", 100.0, 110.0, 0.4, 0.7)
    assert black_scholes.price(*args) == black76.price(*args)
    ours, theirs = black_scholes.greeks(*args), black76.greeks(*args)
    assert ours._replace(rho=0.0) == pytest.approx(theirs._replace(rho=0.0), rel=1e-14)


def test_implied_vol_round_trip():
    strikes = np.linspace(60, 160, 41)
    price = black_scholes.price("call", 100.0, strikes, 0.3, 0.55, 0.04, 0.02)
    vol = black_scholes.implied_vol("call", price, 100.0, strikes, 0.3, 0.04, 0.02)
    assert vol == pytest.approx(np.full(41, 0.55), rel=1e-12)


@pytest.mark.parametrize("kind", [1, -1])
@pytest.mark.parametrize("spot", [90.0, 100.0, 110.0])
def test_no_total_vol(kind, spot):
    rate, dividend, tau = 0.08, 0.03, 0.5
    g = black_scholes.greeks(kind, spot, 100.0, tau, 0.0, rate, dividend)
    asset, bond = spot * math.exp(-dividend * tau), 100 * math.exp(-rate * tau)
    exercised = kind * (asset - bond) > 0
    assert g.price == pytest.approx(max(kind * (asset - bond), 0), rel=1e-14)
    assert g.delta == pytest.approx(kind * exercised * math.exp(-dividend * tau), rel=1e-14)
    assert g.theta == pytest.approx(kind * exercised * (dividend * asset - rate * bond), rel=1e-13)
    assert g.rho == pytest.approx(kind * exercised * tau * bond, rel=1e-14)
    assert (g.gamma, g.vega, g.vanna, g.volga) == (0, 0, 0, 0)


def test_a_rate_that_is_not_finite_gives_nan():
    assert math.isnan(black_scholes.price(1, 100.0, 100.0, 0.5, 0.5, math.inf))
    assert math.isnan(black_scholes.price(1, 100.0, 100.0, 0.5, 0.5, 0.0, math.inf))
    assert math.isnan(black_scholes.price(1, 100.0, 100.0, 0.5, 0.5, 0.0, -math.inf))
