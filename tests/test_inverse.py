"""Coin-settled options: published examples, identities, mpmath."""

import math

import numpy as np
import pytest

from gammacore import black76, inverse

WEEK = 7 / 365


# Independent evaluation of c = N(d1) - (K/F) N(d2) and its net transaction delta, after
# C. Alexander, D. Chen, A. Imeraj, "Crypto quanto and inverse options" (2023).
@pytest.mark.parametrize(
    ("kind", "strike", "price", "delta", "net_delta"),
    [
        (1, 60_000.0, 0.0331389684, 0.5165694842, 0.4834305158),
        (-1, 60_000.0, 0.0331389684, None, None),
        (1, 66_000.0, 0.0054411330, 0.1344687460, 0.1290276131),
        (-1, 66_000.0, 0.1054411330, None, -0.9709723869),
        (1, 50_000.0, 0.1670432098, 0.9873170960, 0.8202738861),
        (-1, 50_000.0, 0.0003765432, None, None),
    ],
)
def test_published_values(kind, strike, price, delta, net_delta):
    g = inverse.greeks(kind, 60_000.0, strike, WEEK, 0.6)
    assert g.price == pytest.approx(price, abs=6e-11)
    if delta is not None:
        assert g.delta == pytest.approx(delta, abs=6e-11)
    if net_delta is not None:
        assert g.net_delta == pytest.approx(net_delta, abs=6e-11)


def test_hedge_in_usd_of_inverse_perpetual():
    # Short K N(d2) USD per long call: 29 005.83 at the money.
    g = inverse.greeks("call", 60_000.0, 60_000.0, WEEK, 0.6)
    assert g.net_delta * 60_000 == pytest.approx(29_005.83, abs=5e-3)


def test_deribit_example_of_delta_total():
    # A call of delta .50 bought for .10 BTC raises DeltaTotal by .40: net = delta - price.
    g = inverse.greeks("call", 60_000.0, 62_500.0, 0.25, 0.6)
    assert g.net_delta == pytest.approx(g.delta - g.price, abs=1e-15)


def test_zero_strike_call():
    # In the limit of no strike the call is one coin: delta 1, net delta 0.
    g = inverse.greeks("call", 60_000.0, 1e-9, 0.25, 0.6)
    assert g.delta == 1.0
    assert g.net_delta == pytest.approx(0.0, abs=1e-12)


def test_net_delta_is_the_coin_derivative():
    # d(coin value)/dF = net_delta / F.
    forward, h = 60_000.0, 1.0
    for kind in (1, -1):
        up, down = (inverse.price(kind, forward + d, 63_000.0, 0.1, 0.7) for d in (h, -h))
        g = inverse.greeks(kind, forward, 63_000.0, 0.1, 0.7)
        assert forward * (up - down) / (2 * h) == pytest.approx(g.net_delta, rel=1e-8)


def test_usd_greeks_are_those_of_black76_without_a_rate():
    strikes = np.linspace(30_000.0, 120_000.0, 31)
    coin = inverse.greeks("put", 60_000.0, strikes, 0.2, 0.6)
    usd = black76.greeks("put", 60_000.0, strikes, 0.2, 0.6)
    for name in ("delta", "gamma", "vega", "theta", "vanna", "volga", "charm"):
        assert getattr(coin, name) == pytest.approx(getattr(usd, name), rel=1e-14)
    assert coin.price * 60_000 == pytest.approx(usd.price, rel=1e-14)


def test_parity():
    strikes = np.linspace(30_000.0, 120_000.0, 31)
    call = inverse.price("call", 60_000.0, strikes, 0.2, 0.6)
    put = inverse.price("put", 60_000.0, strikes, 0.2, 0.6)
    assert call - put == pytest.approx(1 - strikes / 60_000, abs=2e-15)


def test_implied_vol_of_a_coin_price():
    strikes = np.linspace(30_000.0, 120_000.0, 31)
    for kind in ("call", "put"):
        price = inverse.price(kind, 60_000.0, strikes, 0.2, 0.6)
        vol = inverse.implied_vol(kind, price, 60_000.0, strikes, 0.2)
        assert vol == pytest.approx(np.full(31, 0.6), rel=1e-11)


@pytest.mark.parametrize("kind", [1, -1])
@pytest.mark.parametrize("strike", [50_000.0, 60_000.0, 70_000.0])
def test_no_total_vol(kind, strike):
    g = inverse.greeks(kind, 60_000.0, strike, 0.0, 0.6)
    value = max(kind * (60_000.0 - strike), 0) / 60_000
    slope = kind * (0.5 if strike == 60_000.0 else float(value > 0))
    assert g.price == pytest.approx(value, rel=4e-16)
    assert g.delta == slope
    assert g.net_delta == pytest.approx(slope * strike / 60_000)
    assert g[3:] == (0,) * 7


def test_bad_input_gives_nan():
    assert np.isnan(inverse.greeks(1, -1.0, 60_000.0, 0.1, 0.6)).all()
    assert math.isnan(inverse.price(1, 60_000.0, math.nan, 0.1, 0.6))
