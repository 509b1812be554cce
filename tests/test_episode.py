"""The hedge of an episode: exact sums over trades, whatever their order."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore.contracts import Future, Perpetual, Settlement
from gammacore.episode import HedgePosition
from support.markets import FRIDAY

PERP = Perpetual("BTC", Settlement.INVERSE)
LINEAR_PERP = Perpetual("BTC", Settlement.LINEAR)

trades = st.lists(st.tuples(st.integers(-50, 50).filter(bool), st.floats(1e4, 1e5)), min_size=1, max_size=25)


@given(trades, st.floats(1e4, 1e5))
def test_inverse_profit_is_the_sum_over_trades(steps, last):
    position, realised = HedgePosition(PERP), 0.0
    for lots, price in steps:
        realised += position.trade(10.0 * lots, price)
    expected = sum(10.0 * lots * (1 / price - 1 / last) for lots, price in steps)
    assert position.amount == 10 * sum(lots for lots, _ in steps)
    assert realised + position.unrealised(last) == pytest.approx(expected, abs=1e-12)


@given(trades, st.floats(1e4, 1e5))
def test_linear_profit_is_the_sum_over_trades(steps, last):
    position, realised = HedgePosition(LINEAR_PERP), 0.0
    for lots, price in steps:
        realised += position.trade(float(lots), price)
    expected = sum(lots * (last - price) for lots, price in steps)
    assert realised + position.unrealised(last) == pytest.approx(expected, abs=1e-6)


@given(st.lists(st.integers(-10_000, 10_000).filter(bool), min_size=1, max_size=30))
def test_a_position_in_fractions_of_a_coin_closes_to_nothing(lots):
    """Sums of lots of 0.0001 are not exact; a position that is closed is 0 all the same."""
    position = HedgePosition(LINEAR_PERP)
    for count in [*lots, -sum(lots)]:
        position.trade(count / 10_000, 60e3)
    assert position.amount == 0.0
    assert math.isnan(position.average)


@pytest.mark.parametrize(("amount", "left", "closed"), [(1e6, 9e-7, True), (1e6, 2e-6, False)])
def test_what_is_left_of_a_closed_position_is_measured_against_its_size(amount, left, closed):
    """Addition is exact to a share of the terms, not to a part of a coin."""
    position = HedgePosition(PERP)
    position.trade(amount, 60e3)
    position.trade(left - amount, 60e3)
    assert (position.amount == 0.0) is closed
    assert math.isnan(position.average) is closed


def test_a_small_position_is_not_taken_for_a_closed_one():
    """Theoretical hedges have no lots, and deltas near expiry are of any size."""
    position = HedgePosition(LINEAR_PERP)
    position.trade(4e-10, 60e3)
    assert (position.amount, position.average) == (4e-10, 60e3)
    position.trade(1.0, 60e3)
    position.trade(-1.0, 61e3)
    assert position.amount == pytest.approx(4e-10, abs=1e-15)


def test_average_entry_of_an_inverse_position_is_harmonic():
    position = HedgePosition(PERP)
    position.trade(1000, 50e3)
    position.trade(3000, 60e3)
    assert position.average == pytest.approx(4000 / (1000 / 50e3 + 3000 / 60e3))
    kept = position.average
    assert position.trade(-1000, 70e3) == pytest.approx(1000 * (1 / kept - 1 / 70e3))
    assert position.average == kept
    position.trade(-5000, 55e3)  # through zero: the rest opens at the new price
    assert (position.amount, position.average) == (-2000, 55e3)


def test_delta_of_an_inverse_position_moves_with_the_price():
    position = HedgePosition(PERP)
    position.trade(-30e3, 60e3)
    np.testing.assert_allclose(position.delta(np.array([60e3, 30e3])), [-0.5, -1.0])


def test_funding_has_a_sign_and_is_paid_once():
    position = HedgePosition(PERP)
    position.trade(60e3, 60e3)
    assert position.accrued(2e-9) == pytest.approx(1.2e-4)
    position.trade(-120e3, 60e3)
    assert position.accrued(2e-9) == pytest.approx(-1.2e-4)
    future = HedgePosition(Future("BTC", Settlement.INVERSE, FRIDAY))
    future.trade(60e3, 60e3)
    assert future.accrued(2e-9) == 0.0
