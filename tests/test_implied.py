"""Implied volatility: mpmath, round trips, every status."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore import IVStatus, _core, black76, black_scholes, inverse
from support.reference import mp_black

OK = IVStatus.OK


def errors(cases: list[mp_black.Case], method: str = "auto") -> np.ndarray:
    """In attainable units; infinite where a volatility is missing."""
    found = []
    for case in cases:
        price = mp_black.rounded_price(case)
        if mp_black.has_implied_vol(case, price):
            kind, forward, strike, _ = case
            vol, status = black76.implied_vol(kind, price, forward, strike, 1.0, status=True, method=method)
            found.append(mp_black.implied_error(vol, case, price) if status == OK else math.inf)
    return np.array(found)


def test_hard_grid():
    found = errors(mp_black.hard_grid())
    assert found.size > 500
    assert found.max() <= 8
    assert np.median(found) <= 0.5


def test_random_points():
    found = errors(mp_black.random_cases(1200, seed=8))
    assert found.size > 1000
    assert found.max() <= 8


def test_last_tier():
    # Far outside any quote: total vol to 12, log-moneyness to 20, price next to its bound.
    rng = np.random.default_rng(9)
    n = 1500
    s = np.exp(rng.uniform(math.log(0.5), math.log(12), n))
    x = rng.uniform(1, 20, n) * rng.choice([-1, 1], n)
    cases = [(1 if b > 0 else -1, 1.0, float(np.exp(b)), float(a)) for a, b in zip(s, x, strict=True)]
    found = errors(cases)
    assert found.size > 1000
    assert found.max() <= 8


@pytest.mark.parametrize("cases", [mp_black.hard_grid(), mp_black.random_cases(600, seed=8)])
def test_newton_for_everything(cases):
    found = errors(cases, "newton")
    assert found.size > 500
    assert found.max() <= 8


def test_methods():
    auto = black76.implied_vol(1, 5.0, 100.0, 110.0, 0.5)
    assert black76.implied_vol(1, 5.0, 100.0, 110.0, 0.5, method="newton") == pytest.approx(auto, rel=1e-14)
    with pytest.raises(ValueError, match="method must be 'auto' or 'newton', got 'brent'"):
        black76.implied_vol(1, 5.0, 100.0, 110.0, 0.5, method="brent")
    statuses = [expected for _, expected in STATUS_CASES]
    columns = [np.array(column) for column in zip(*(args for args, _ in STATUS_CASES), strict=True)]
    vol, status = black76.implied_vol(*columns, status=True, method="newton")
    assert status.tolist() == statuses
    assert np.array_equal(np.isnan(vol), status != OK)


@given(
    st.sampled_from([1, -1]),
    st.floats(1e-4, 12),
    st.floats(0, 30),
    st.floats(1e-3, 1e6),
    st.floats(1e-6, 10),
)
def test_round_trip(side, s, y, forward, tau):
    """Out of the money: the vol of a vol's price, up to what the price's rounding allows."""
    strike = forward * math.exp(side * min(y * s, 50.0))
    kind = 1 if strike > forward else -1
    vol = s / math.sqrt(tau)
    g = black76.greeks(kind, forward, strike, tau, vol)
    found, status = black76.implied_vol(kind, g.price, forward, strike, tau, status=True)
    assert status == OK
    slack = 1 + g.price / (vol * g.vega) if g.vega > 0 else math.inf
    # The price itself may be 8 * (1 + elasticity) units off, hence the larger factor.
    assert abs(found / vol - 1) <= 40 * mp_black.UNIT * slack


# kind, price, forward, strike, tau, rate -> status
STATUS_CASES = [
    ((1, 5.0, 100.0, 110.0, 0.5, 0.0), IVStatus.OK),
    ((1, 9.9, 100.0, 90.0, 0.5, 0.0), IVStatus.BELOW_INTRINSIC),
    ((1, -1e-9, 100.0, 110.0, 0.5, 0.0), IVStatus.BELOW_INTRINSIC),
    ((-1, -5.0, 100.0, 90.0, 0.5, 0.03), IVStatus.BELOW_INTRINSIC),
    ((1, 10.0, 100.0, 90.0, 0.5, 0.0), IVStatus.AT_INTRINSIC),
    ((1, 0.0, 100.0, 110.0, 0.5, 0.0), IVStatus.AT_INTRINSIC),
    ((-1, 0.0, 100.0, 100.0, 0.5, 0.1), IVStatus.AT_INTRINSIC),
    ((1, 1e-299, 100.0, 110.0, 0.5, 0.0), IVStatus.AT_INTRINSIC),
    ((1, 5e-324, 1e-8, 2e-8, 0.5, 0.0), IVStatus.AT_INTRINSIC),
    ((1, 100.0, 100.0, 90.0, 0.5, 0.0), IVStatus.ABOVE_BOUND),
    ((1, 100.0, 100.0, 110.0, 0.5, 0.0), IVStatus.ABOVE_BOUND),
    ((-1, 90.0, 100.0, 90.0, 0.5, 0.0), IVStatus.ABOVE_BOUND),
    ((1, 1e300, 100.0, 110.0, 0.5, 0.0), IVStatus.ABOVE_BOUND),
    ((1, math.nan, 100.0, 110.0, 0.5, 0.0), IVStatus.NOT_FINITE),
    ((1, math.inf, 100.0, 110.0, 0.5, 0.0), IVStatus.NOT_FINITE),
    ((1, 5.0, math.inf, 110.0, 0.5, 0.0), IVStatus.NOT_FINITE),
    ((1, 5.0, math.nan, 110.0, 0.5, 0.0), IVStatus.NOT_FINITE),
    ((1, 5.0, 0.0, 110.0, 0.5, 0.0), IVStatus.NOT_FINITE),
    ((1, 5.0, -100.0, 110.0, 0.5, 0.0), IVStatus.NOT_FINITE),
    ((1, 5.0, 100.0, 0.0, 0.5, 0.0), IVStatus.NOT_FINITE),
    ((1, 5.0, 100.0, -1.0, 0.5, 0.0), IVStatus.NOT_FINITE),
    ((1, 5.0, 100.0, math.nan, 0.5, 0.0), IVStatus.NOT_FINITE),
    ((1, 5.0, 100.0, 110.0, math.nan, 0.0), IVStatus.NOT_FINITE),
    ((1, 5.0, 100.0, 110.0, math.inf, 0.0), IVStatus.NOT_FINITE),
    ((1, 5.0, 100.0, 110.0, -math.inf, 0.0), IVStatus.NOT_FINITE),
    ((1, math.nan, 100.0, 110.0, 0.0, 0.0), IVStatus.NOT_FINITE),
    ((1, 5.0, 100.0, 110.0, 0.5, math.nan), IVStatus.NOT_FINITE),
    ((1, 5.0, 100.0, 110.0, 0.5, math.inf), IVStatus.NOT_FINITE),
    ((1, 5.0, 100.0, 110.0, 0.0, 0.0), IVStatus.EXPIRED),
    ((1, 5.0, 100.0, 110.0, -0.1, 0.0), IVStatus.EXPIRED),
    ((-1, 1e300, 100.0, 110.0, 0.0, 0.0), IVStatus.EXPIRED),
]


@pytest.mark.parametrize(("args", "expected"), STATUS_CASES)
def test_status(args, expected):
    vol, status = black76.implied_vol(*args, status=True)
    assert status is expected
    assert math.isnan(vol) == (expected is not OK)
    plain = black76.implied_vol(*args)
    assert plain == vol or math.isnan(plain)


def test_every_status_is_reached_and_mirrors_the_core():
    assert {expected for _, expected in STATUS_CASES} == set(IVStatus)
    assert {status.name: status.value for status in IVStatus} == {
        status.name: getattr(_core, status.name) for status in IVStatus
    }


def test_statuses_of_an_array():
    columns = zip(*(args for args, _ in STATUS_CASES), strict=True)
    vol, status = black76.implied_vol(*(np.array(column) for column in columns), status=True)
    assert status.dtype == np.int8
    assert status.tolist() == [expected for _, expected in STATUS_CASES]
    assert np.array_equal(np.isnan(vol), status != OK)


@pytest.mark.parametrize("kind", [1, -1])
@pytest.mark.parametrize("strike", [33.3, 99.7, 100.0, 171.3])
@pytest.mark.parametrize("rate", [0.0, 0.07, -0.03])
def test_the_price_of_no_vol_and_of_infinite_vol(kind, strike, rate):
    tau = 0.7
    assert (
        black76.implied_vol(
            kind, black76.price(kind, 100.0, strike, tau, 0.0, rate), 100.0, strike, tau, rate, status=True
        )[1]
        is IVStatus.AT_INTRINSIC
    )
    assert (
        inverse.implied_vol(
            kind, inverse.price(kind, 100.0, strike, tau, 0.0), 100.0, strike, tau, status=True
        )[1]
        is IVStatus.AT_INTRINSIC
    )
    at_zero = black_scholes.price(kind, 100.0, strike, tau, 0.0, rate, 0.02)
    assert (
        black_scholes.implied_vol(kind, at_zero, 100.0, strike, tau, rate, 0.02, status=True)[1]
        is IVStatus.AT_INTRINSIC
    )
    bound = math.exp(-rate * tau) * (100.0 if kind == 1 else strike)
    assert (
        black76.implied_vol(kind, bound * (1 + 1e-15), 100.0, strike, tau, rate, status=True)[1]
        is IVStatus.ABOVE_BOUND
    )


def test_exactly_at_the_money():
    for vol in (1e-280, 1e-160, 1e-140, 1e-12, 1e-6, 0.01, 0.6, 3.0, 10.0):
        price = black76.price(1, 100.0, 100.0, 1.0, vol)
        assert black76.implied_vol(1, price, 100.0, 100.0, 1.0) == pytest.approx(vol, rel=1e-9)
