"""The averaged payoff: the exchange's example, limits, derivatives, Monte Carlo."""

import math

import numpy as np
import pytest

from gammacore import black76, inverse
from gammacore.daycount import NS_PER_MINUTE, NS_PER_SECOND, NS_PER_YEAR, SETTLEMENT_WINDOW_NS
from gammacore.settlement import WINDOW, averaged_tau, clock_factor, expected_delivery, greeks

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


# ------------------------------------------------- the same in plain kernels: forward and time adjusted
def adjusted(kind, forward, strike, left_ns, vol, fixed):
    """Value and hedge of the averaged payoff from the plain kernel."""
    price, net = inverse.sensitivities(
        ("price", "net_delta"),
        kind,
        expected_delivery(forward, left_ns, fixed),
        strike,
        averaged_tau(left_ns),
        vol,
    )
    return price, net * min(left_ns / SETTLEMENT_WINDOW_NS, 1.0)


@pytest.mark.parametrize("kind", [1, -1])
@pytest.mark.parametrize("strike", [59_400.0, 59_900.0, 60_000.0, 60_150.0, 60_600.0])
@pytest.mark.parametrize(
    ("minutes", "fixed"),
    [(29.0, 60_010.0), (20.0, 59_940.0), (10.0, 60_080.0), (2.0, 59_985.0), (600.0, math.nan)],
)
def test_the_plain_kernel_at_the_expected_delivery_is_the_averaged_option(kind, strike, minutes, fixed):
    """Within a hundredth of a basis point of the price, half a thousandth of a delta."""
    left_ns = int(minutes * NS_PER_MINUTE)
    exact = greeks(kind, F, strike, left_ns / NS_PER_YEAR, 0.6, fixed)
    price, delta = adjusted(kind, F, strike, left_ns, 0.6, fixed)
    assert price == pytest.approx(exact.price, abs=1e-6)
    assert delta == pytest.approx(exact.net_delta, abs=5e-4)


def test_a_straddle_when_the_window_opens_is_worth_its_variance_of_a_third():
    """80,000 USD at 45 %: 125.3 USD, where the plain formula says 217."""
    price, _ = adjusted(1, 80_000.0, 80_000.0, SETTLEMENT_WINDOW_NS, 0.45, 80_000.0)
    plain = inverse.price(1, 80_000.0, 80_000.0, WINDOW, 0.45)
    assert 2 * price * 80_000 == pytest.approx(125.3, abs=0.1)
    assert 2 * plain * 80_000 == pytest.approx(217.0, abs=0.1)


def test_scalars_and_arrays_agree_and_join_at_the_edge():
    left = np.array([-5, 0, 1, 600, 1800, 1801, 86_400]) * NS_PER_SECOND
    for function in (averaged_tau, clock_factor):
        np.testing.assert_array_equal(function(left), [function(int(x)) for x in left])
    forward, fixed = np.full(7, 60e3), np.array([math.nan, 61e3, 61e3, 61e3, 61e3, 61e3, 61e3])
    several = expected_delivery(forward, left, fixed)
    one = [expected_delivery(60e3, int(x), y) for x, y in zip(left, fixed.tolist(), strict=True)]
    np.testing.assert_array_equal(several, one)
    assert several.tolist()[:2] + several.tolist()[4:] == [60e3, 61e3, 60e3, 60e3, 60e3]
    inside, outside = averaged_tau(SETTLEMENT_WINDOW_NS), averaged_tau(SETTLEMENT_WINDOW_NS + 1)
    assert inside == pytest.approx(outside, rel=1e-8) == pytest.approx(WINDOW / 3)


def test_hedging_at_the_average_takes_two_fifths_of_the_noise_away():
    """Straddles from 07:30 on, hedged every minute: by the averaged payoff, and by plain Black."""
    rng, n, vol, spot = np.random.default_rng(1), 4_000, 0.45, 80_000.0
    dt = WINDOW / 30
    moves = vol * math.sqrt(dt) * rng.standard_normal((n, 30)) - 0.5 * vol**2 * dt
    path = spot * np.exp(np.concatenate([np.zeros((n, 1)), np.cumsum(moves, axis=1)], axis=1))
    average = np.cumsum(0.5 * (path[:, 1:] + path[:, :-1]), axis=1) / np.arange(1, 31)
    noise = {}
    for rule in ("averaged", "plain"):
        profit = np.abs(average[:, -1] - spot)
        for k in range(30):
            left = SETTLEMENT_WINDOW_NS - k * NS_PER_MINUTE
            fixed = average[:, k - 1] if k else np.full(n, np.nan)
            forward = (
                expected_delivery(path[:, k], np.full(n, left), fixed) if rule == "averaged" else path[:, k]
            )
            tau = averaged_tau(left) if rule == "averaged" else left / NS_PER_YEAR
            delta = 2 * black76.sensitivities(("delta",), 1, forward, spot, tau, vol)[0] - 1
            profit = profit - delta * left / SETTLEMENT_WINDOW_NS * (path[:, k + 1] - path[:, k])
        noise[rule] = profit.std()
        if rule == "averaged":  # a fair price: what is left is noise
            assert profit.mean() == pytest.approx(125.3, abs=4 * profit.std() / math.sqrt(n))
    assert noise["averaged"] < 0.6 * noise["plain"]
