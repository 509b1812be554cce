"""Black-76: prices and Greeks against mpmath, theorems, limits."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore import black76
from support.reference import mp_black

GRID = mp_black.hard_grid()
TAU = 0.25  # its root is exact, so total vol = vol / 2 is


def price_of(case: mp_black.Case) -> float:
    kind, forward, strike, s = case
    return black76.price(kind, forward, strike, 1.0, s)


# ---- against mpmath -----------------------------------------------------------------


def test_price_on_the_hard_grid():
    errors = np.array([mp_black.price_error(price_of(case), case) for case in GRID])
    assert np.isfinite(errors).sum() > 950
    assert np.nanmax(errors) <= 8
    assert np.nanmedian(errors) <= 0.5


def test_price_at_random_points():
    errors = np.array(
        [mp_black.price_error(price_of(case), case) for case in mp_black.random_cases(1200, seed=7)]
    )
    assert np.nanmax(errors) <= 8


def test_price_across_the_edge_of_the_regimes():
    rng = np.random.default_rng(11)
    cases = [
        (int(kind), 1.0, float(np.exp(x)), float(s))
        for kind, x, s in zip(
            rng.choice([-1, 1], 600), rng.uniform(-1.2, 1.2, 600), rng.uniform(0.7, 1.1, 600), strict=True
        )
    ]
    errors = np.array([mp_black.price_error(price_of(case), case) for case in cases])
    assert errors.max() <= 8


def test_delta_of_a_deep_in_the_money_put_at_high_vol():
    # N(d1) rounds to 1 here: the put's -N(-d1) must not come from N(d1) - 1.
    with mp_black.mp.workdps(50):
        exact = -mp_black.mp.ncdf(-mp_black.mp.mpf(8))
    found = black76.greeks("put", 1.0, 1.0, 1.0, 16.0).delta
    assert found == pytest.approx(float(exact), rel=1e-13)


# ---- theorems -----------------------------------------------------------------------


def test_atm_straddle():
    # S sigma sqrt(2T/pi) = 13.7248 is the approximation; 13.7079 the value.
    tau = 30 / 365
    straddle = sum(black76.price(kind, 100.0, 100.0, tau, 0.6) for kind in (1, -1))
    assert straddle == pytest.approx(13.7079, abs=5e-5)
    assert 100 * 0.6 * math.sqrt(2 * tau / math.pi) == pytest.approx(13.7248, abs=5e-5)


def test_break_even_move():
    # theta dt + gamma dS^2 / 2 = 0 at |dS| = S sigma sqrt(dt): 1884.33 USD a day for BTC at
    # 60 000 and 60 %.
    g = black76.greeks("call", 60_000.0, 60_000.0, 30 / 365, 0.6)
    move = math.sqrt(-2 * g.theta / 365 / g.gamma)
    assert move == pytest.approx(60_000 * 0.6 * math.sqrt(1 / 365), rel=1e-13)
    assert move == pytest.approx(1884.33, abs=5e-3)


MARKET = st.tuples(
    st.sampled_from([1, -1]),
    st.floats(10, 1e5),
    st.floats(0.5, 2).filter(lambda ratio: ratio != 1),
    st.floats(1 / 365, 2),
    st.floats(0.05, 2),
    st.floats(-0.1, 0.1),
)


@given(MARKET)
def test_identities(option):
    kind, forward, ratio, tau, vol, rate = option
    strike = forward * ratio
    g = black76.greeks(kind, forward, strike, tau, vol, rate)
    other = black76.greeks(-kind, forward, strike, tau, vol, rate)
    df = math.exp(-rate * tau)
    scale = df * max(forward, strike)
    assert g.price == pytest.approx(black76.price(kind, forward, strike, tau, vol, rate), rel=1e-13)
    assert kind * (g.price - other.price) == pytest.approx(df * (forward - strike), abs=4e-16 * 8 * scale)
    assert kind * (g.delta - other.delta) == pytest.approx(df, rel=1e-14)
    assert (g.gamma, g.vega, g.vanna, g.volga) == (other.gamma, other.vega, other.vanna, other.volga)
    assert g.vega == pytest.approx(vol * forward**2 * g.gamma * tau, rel=1e-13)
    assert g.theta == pytest.approx(
        rate * g.price - 0.5 * vol**2 * forward**2 * g.gamma, rel=1e-12, abs=1e-15 * scale
    )


@given(MARKET, st.floats(1.001, 2))
def test_bounds_and_monotonicity(option, factor):
    kind, forward, ratio, tau, vol, rate = option
    strike = forward * ratio
    value = black76.price(kind, forward, strike, tau, vol, rate)
    df = math.exp(-rate * tau)
    slack = 1 + 1e-14
    assert df * max(kind * (forward - strike), 0.0) <= value * slack
    assert value <= df * (forward if kind == 1 else strike) * slack
    assert black76.price(kind, forward, strike, tau, vol * factor, rate) * slack >= value
    assert (
        kind * black76.price(kind, forward, strike * factor, tau, vol, rate) <= kind * value + 1e-13 * strike
    )


def test_quantlib_on_market_points():
    ql = pytest.importorskip("QuantLib")
    rng = np.random.default_rng(5)
    for _ in range(500):
        forward = rng.uniform(50, 150)
        strike = forward * math.exp(rng.uniform(-0.4, 0.4))
        tau, vol, rate = rng.uniform(0.02, 1.5), rng.uniform(0.2, 1.2), rng.uniform(-0.05, 0.1)
        kind = 1 if rng.random() < 0.5 else -1
        payoff = ql.PlainVanillaPayoff(ql.Option.Call if kind == 1 else ql.Option.Put, strike)
        oracle = ql.BlackCalculator(payoff, forward, vol * math.sqrt(tau), math.exp(-rate * tau))
        g = black76.greeks(kind, forward, strike, tau, vol, rate)
        assert g.price == pytest.approx(oracle.value(), rel=1e-10, abs=1e-12)
        assert g.delta == pytest.approx(oracle.deltaForward(), rel=1e-10, abs=1e-13)
        assert g.gamma == pytest.approx(oracle.gammaForward(), rel=1e-10, abs=1e-13)
        assert g.vega == pytest.approx(oracle.vega(tau), rel=1e-10, abs=1e-12)


# ---- limits and edges ---------------------------------------------------------------


@pytest.mark.parametrize(("tau", "vol"), [(0.0, 0.6), (0.5, 0.0), (0.0, 0.0), (0.0, math.inf)])
@pytest.mark.parametrize("kind", [1, -1])
@pytest.mark.parametrize("strike", [90.0, 100.0, 110.0, 1e6])
def test_no_total_vol_is_intrinsic(kind, strike, tau, vol):
    rate = 0.1
    df = math.exp(-rate * tau)
    intrinsic = max(kind * (100.0 - strike), 0.0)
    slope = kind * (0.5 if strike == 100.0 else float(intrinsic > 0))
    g = black76.greeks(kind, 100.0, strike, tau, vol, rate)
    assert black76.price(kind, 100.0, strike, tau, vol, rate) == pytest.approx(df * intrinsic, rel=4e-16)
    assert g.price == pytest.approx(df * intrinsic, rel=4e-16)
    assert g.delta == pytest.approx(df * slope, rel=4e-16)
    assert (g.gamma, g.vega, g.vanna, g.volga) == (0, 0, 0, 0)
    assert g.theta == pytest.approx(rate * g.price)
    assert g.rho == pytest.approx(-tau * g.price)
    assert g.charm == pytest.approx(rate * g.delta)


@pytest.mark.parametrize("strike", [50.0, 100.0, 200.0])
def test_infinite_vol(strike):
    call = black76.greeks(1, 100.0, strike, 0.5, math.inf, 0.02)
    put = black76.greeks(-1, 100.0, strike, 0.5, math.inf, 0.02)
    df = math.exp(-0.01)
    assert call.price == pytest.approx(df * 100, rel=4e-16)
    assert put.price == pytest.approx(df * strike, rel=4e-16)
    assert (call.delta, put.delta) == (pytest.approx(df, rel=4e-16), 0.0)
    assert np.isfinite(call).all()
    assert np.isfinite(put).all()
    assert (call.gamma, call.vega, call.vanna, call.volga) == (0, 0, 0, 0)


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    "inputs",
    [
        *[tuple(NAN if i == j else v for j, v in enumerate((100.0, 90.0, 0.5, 0.6, 0.01))) for i in range(5)],
        *[(bad, 90.0, 0.5, 0.6, 0.01) for bad in (0.0, -1.0, INF, 5e-324)],
        *[(100.0, bad, 0.5, 0.6, 0.01) for bad in (0.0, -1.0, INF, 5e-324)],
        *[(100.0, 90.0, bad, 0.6, 0.01) for bad in (-1e-9, INF, -INF)],
        *[(100.0, 90.0, 0.5, bad, 0.01) for bad in (-1e-9, -INF)],
        *[(100.0, 90.0, 0.5, 0.6, bad) for bad in (INF, -INF)],
    ],
)
@pytest.mark.parametrize("kind", [1, -1])
def test_invalid_inputs_give_nan(kind, inputs):
    assert math.isnan(black76.price(kind, *inputs))
    assert np.isnan(black76.greeks(kind, *inputs)).all()


@given(
    st.sampled_from([1, -1]),
    st.floats(1e-100, 1e100),
    st.floats(1e-100, 1e100),
    st.floats(0, 100),
    st.floats(0, 1e10),
    st.floats(-1, 1),
)
def test_greeks_of_valid_input_are_never_nan(kind, forward, strike, tau, vol, rate):
    assert not np.isnan(black76.greeks(kind, forward, strike, tau, vol, rate)).any()


def test_put_and_call_are_symmetric_in_forward_and_strike():
    assert black76.price(1, 90.0, 110.0, 0.5, 0.6) == black76.price(-1, 110.0, 90.0, 0.5, 0.6)


def test_the_oracle_does_not_let_nan_pass():
    case = (1, 100.0, 110.0, 0.2)
    assert mp_black.price_error(float("nan"), case) == np.inf
    inputs = (100.0, 110.0, 0.25, 0.4, 0.0)
    found = dict.fromkeys(mp_black.black76_greeks(1, *map(mp_black.mp.mpf, inputs)), float("nan"))
    errors = mp_black.greek_errors(mp_black.black76_greeks, 1, inputs, found)
    assert set(errors.values()) == {np.inf}
