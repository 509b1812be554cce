"""Whole chains in one call: the same as step by step."""

import math

import numpy as np
import pytest

from gammacore import IVStatus, chain, inverse

WEEK = 7 / 365


def marks(n=301, seed=0):
    """Quotes of several expiries, some without a volatility."""
    rng = np.random.default_rng(seed)
    kind = np.where(rng.random(n) < 0.5, 1, -1).astype(np.int8)
    forward = 60_000 * np.exp(0.02 * rng.normal(size=n))
    strike = np.round(forward * np.exp(rng.uniform(-0.6, 0.6, n)), -3)
    tau = rng.choice([1 / 365, WEEK, 0.25, 1.0], n)
    price = np.round(inverse.price(kind, forward, strike, tau, rng.uniform(0.3, 1.2, n)), 4)
    price[::50] = -0.01
    return kind, price, forward, strike, tau


@pytest.mark.parametrize("numeraire", ["usd", "coin"])
def test_one_call_equals_the_steps(numeraire):
    quotes = marks()
    kind, _, forward, strike, tau = quotes
    found = chain.analyse(*quotes, numeraire=numeraire)
    vol, status = inverse.implied_vol(*quotes, status=True)
    assert np.array_equal(found.vol, vol, equal_nan=True)
    assert np.array_equal(found.status, status)
    assert 100 < (status == IVStatus.OK).sum() < len(status)
    greeks = inverse.greeks(kind, forward, strike, tau, vol, numeraire=numeraire)
    for name in chain.ChainGreeks._fields[2:]:
        assert np.array_equal(getattr(found, name), getattr(greeks, name), equal_nan=True)
        assert np.isnan(getattr(found, name)[status != IVStatus.OK]).all()


def test_one_expiry():
    # One forward and one time for all strikes: numbers, or arrays of equal values.
    strikes = np.linspace(40_000.0, 90_000.0, 37)
    price = inverse.price(1, 61_000.0, strikes, WEEK, 0.7)
    found = chain.analyse("call", price, 61_000.0, strikes, WEEK)
    spread = chain.analyse(
        np.ones(37, dtype=int), price, np.full(37, 61_000.0), strikes.tolist(), np.full(37, WEEK)
    )
    for a, b in zip(found, spread, strict=True):
        assert np.array_equal(a, b, equal_nan=True)
    grid = chain.analyse("call", price.reshape(37, 1), 61_000.0, strikes.reshape(37, 1), [[WEEK]])
    assert grid.vol.shape == (37, 1)
    assert np.array_equal(grid.vega.ravel(), found.vega, equal_nan=True)


def test_one_option():
    found = chain.analyse(1, 0.0331389684, 60_000.0, 60_000.0, WEEK)
    assert found.vol.shape == ()
    assert found.net_delta == pytest.approx(0.4834305158, abs=1e-8)
    assert found.status == IVStatus.OK


def test_the_interval_holds_every_vol_that_rounds_to_the_quote():
    tick = 0.0005
    rng = np.random.default_rng(2)
    n = 4000
    kind = np.where(rng.random(n) < 0.5, 1, -1)
    strike = 60_000 * np.exp(rng.uniform(-0.4, 0.4, n))
    vol = rng.uniform(0.3, 1.2, n)
    exact = inverse.price(kind, 60_000.0, strike, WEEK, vol)
    quoted = tick * np.round(exact / tick)
    low, high = chain.vol_interval(kind, quoted, 60_000.0, strike, WEEK, tick)
    slack = 1 + 1e-9
    assert (low <= vol * slack).all()
    assert (vol <= high * slack).all()
    assert (low == 0).any()
    inner = (low > 0) & np.isfinite(high)
    assert inner.sum() > 1000
    for edge, side in ((low, -1), (high, 1)):
        again = inverse.price(kind[inner], 60_000.0, strike[inner], WEEK, edge[inner])
        assert again == pytest.approx(quoted[inner] + side * tick / 2, rel=1e-12)


def test_ends_of_the_interval():
    low, high = chain.vol_interval(
        [1, 1, 1, 1, 1],
        [0.0, 0.9999, 0.03, math.nan, 0.03],
        60_000.0,
        60_000.0,
        WEEK,
        [1e-3, 1e-3, 0.0, 1e-3, -1.0],
    )
    assert low[0] == 0.0
    assert high[0] > 0
    assert low[1] > 1
    assert high[1] == math.inf
    assert low[2] == high[2] == inverse.implied_vol(1, 0.03, 60_000.0, 60_000.0, WEEK)
    assert np.isnan([low[3:], high[3:]]).all()
    assert np.isnan(chain.vol_interval(1, 0.03, 60_000.0, 60_000.0, 0.0, 1e-4)).all()
