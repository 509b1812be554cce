"""The averaged payoff: the exchange's example, limits, derivatives, Monte Carlo."""

import math

import numpy as np
import pytest

from gammacore import inverse
from gammacore.settlement import WINDOW, greeks

F = 60_000.0


def test_example_of_the_exchange():
    # Delta 1.0, mark .3, 15 minutes in: .5 - .3 * (1 - 15/30) = .35.
    g = greeks(1, 100_000.0, 70_000.0, WINDOW / 2, 0.5, average=100_000.0)
    assert g.price == pytest.approx(0.3, abs=1e-12)
    assert g.delta == pytest.approx(0.5, abs=1e-12)
    assert g.net_delta == pytest.approx(0.35, abs=1e-12)


def test_delta_decays_linearly():
    minutes = np.arange(0, 31)
    g = greeks(1, F, 30_000.0, WINDOW * (1 - minutes / 30), 0.6, average=F)
    assert g.delta == pytest.approx(1 - minutes / 30, abs=1e-12)


@pytest.mark.parametrize("kind", [1, -1])
@pytest.mark.parametrize("strike", [59_500.0, 60_000.0, 60_300.0])
def test_before_the_window_it_joins_the_plain_option(kind, strike):
    # A day before, an average over half an hour is a third of a window away from its end.
    tau, vol = 1 / 365, 0.6
    g = greeks(kind, F, strike, tau, vol)
    plain = inverse.greeks(kind, F, strike, tau - 2 * WINDOW / 3, vol)
    assert g.price == pytest.approx(plain.price, rel=1e-6)
    assert g.delta == pytest.approx(plain.delta, rel=1e-6)
    assert g.net_delta == pytest.approx(plain.net_delta, rel=1e-6)
    assert g.gamma == pytest.approx(plain.gamma, rel=1e-6)


@pytest.mark.parametrize("kind", [1, -1])
def test_no_jump_where_the_window_begins(kind):
    outside = greeks(kind, F, 60_100.0, WINDOW * (1 + 1e-9), 0.6)
    inside = greeks(kind, F, 60_100.0, WINDOW * (1 - 1e-9), 0.6, average=F)
    for a, b in zip(outside, inside, strict=True):
        assert a == pytest.approx(b, rel=1e-6)


@pytest.mark.parametrize("kind", [1, -1])
@pytest.mark.parametrize(("passed", "average"), [(0.0, math.nan), (0.3, 60_080.0), (0.9, 59_990.0)])
def test_derivatives(kind, passed, average):
    tau, vol, strike, h = WINDOW * (1 - passed), 0.6, 60_050.0, 0.5

    def at(forward):
        return greeks(kind, forward, strike, tau, vol, average)

    def delivery(forward):
        return (passed * average if passed else 0.0) + (1 - passed) * forward

    g, up, down = at(F), at(F + h), at(F - h)
    usd_up, usd_down = up.price * delivery(F + h), down.price * delivery(F - h)
    assert g.delta == pytest.approx((usd_up - usd_down) / (2 * h), rel=1e-5)
    assert g.gamma == pytest.approx((up.delta - down.delta) / (2 * h), rel=1e-5)
    assert g.net_delta == pytest.approx(delivery(F) * (up.price - down.price) / (2 * h), rel=1e-5)


@pytest.mark.parametrize(
    ("minutes_left", "average"), [(45.0, math.nan), (30.0, math.nan), (20.0, 59_950.0), (5.0, 60_040.0)]
)
@pytest.mark.parametrize("vol", [0.5, 3.0])
def test_monte_carlo(minutes_left, average, vol):
    """Coin payoff max(D - K, 0)/D, D the average of a simulated path."""
    rng = np.random.default_rng(12)
    paths, steps = 40_000, 240
    tau = WINDOW * minutes_left / 30
    inside = min(tau, WINDOW)
    passed = 1 - inside / WINDOW
    normals = rng.normal(size=(paths // 2, steps + 1))
    normals = np.concatenate([normals, -normals])
    dt = np.concatenate([[tau - inside], np.full(steps, inside / steps)])
    logs = np.cumsum(vol * np.sqrt(dt) * normals - 0.5 * vol**2 * dt, axis=1)
    index = F * np.exp(logs)
    rest = 0.5 * (index[:, :-1] + index[:, 1:]).mean(axis=1)
    delivery = (passed * average if passed else 0.0) + (1 - passed) * rest
    expected = (passed * average if passed else 0.0) + (1 - passed) * F
    width = (1 - passed) * F * vol * math.sqrt(tau - 2 * inside / 3)
    # Last price over delivery price, which the model takes as uncorrelated with the payoff.
    slack = 0.5 * vol * math.sqrt(tau)
    for strike in (expected - width, expected, expected + width):
        for kind in (1, -1):
            # Paid in coin at the last price: its USD value over the forward is its value in coin.
            payoff = np.maximum(kind * (delivery - strike), 0.0) / delivery * index[:, -1] / F
            slope = (kind * (delivery - strike) > 0) * kind * (1 - passed) * rest / F
            g = greeks(kind, F, strike, tau, vol, average)
            for simulated, value in ((payoff, g.price), (slope, g.delta)):
                error = simulated.reshape(2, -1).mean(axis=0).std() / math.sqrt(paths / 2)
                assert abs(simulated.mean() - value) < 4 * error + slack * abs(value)


def test_the_fixed_part_may_decide():
    # Nine tenths fixed far above the strike: the call is a forward, the put nothing.
    args = (F, 50_000.0, WINDOW / 10, 0.6, 70_000.0)
    call, put = greeks(1, *args), greeks(-1, *args)
    expected = 0.9 * 70_000 + 0.1 * F
    assert call.price == pytest.approx(1 - 50_000 / expected, rel=1e-12)
    assert call.delta == pytest.approx(0.1, rel=1e-12)
    assert (call.gamma, put.price, put.delta, put.net_delta, put.gamma) == (0, 0, 0, 0, 0)


def test_parity_and_expiry():
    tau = np.array([0.0, WINDOW / 4, WINDOW])
    call, put = (greeks(kind, F, 60_200.0, tau, 0.6, 60_500.0) for kind in (1, -1))
    expected = np.array([60_500.0, 0.75 * 60_500 + 0.25 * F, F])
    assert (call.price - put.price) * expected == pytest.approx(expected - 60_200.0, abs=1e-8)
    assert call.price[0] == pytest.approx(300 / 60_500, rel=1e-12)
    assert (call.delta[0], call.net_delta[0], call.gamma[0]) == (0, 0, 0)


def test_bad_input_gives_nan():
    good = (F, 60_000.0, WINDOW / 2, 0.6, F)
    for i in range(5):
        for bad in (math.nan, math.inf, -1.0):
            args = [*good]
            args[i] = bad
            assert np.isnan(greeks(1, *args)).all()
    assert np.isnan(greeks(1, F, 60_000.0, WINDOW / 2, 0.6)).all()  # the average is needed there
    with pytest.raises(ValueError, match="window must be positive"):
        greeks(1, *good, window=0.0)
    with pytest.raises(ValueError, match="kind must be"):
        greeks(0, *good)
