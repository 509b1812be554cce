import numpy as np
import pytest

from gammacore.contracts import parse, payoff_coin
from gammacore.daycount import parse_time
from gammacore.errors import ContractError
from gammacore.fees import (
    COMBO_RATES,
    DERIBIT,
    FeeRates,
    FeeSchedule,
    combo_shares,
    delivery_fee,
    future_fee,
    option_fee,
)

OLD = DERIBIT.at(parse_time("2026-05-01"))
PERPETUAL = parse("BTC-PERPETUAL")
OPTION = parse("BTC-27MAR26-100000-C")


def test_recorded_fills():
    # Recorded fills: 10 USD taker at 92,037 (2025-12), and 21 USD taker at 202.80 when taker paid 0.075 %.
    assert future_fee(OLD, PERPETUAL, 10, 92_037.0) == 5e-8
    assert future_fee(FeeRates(future_taker=0.00075), parse("ETH-PERPETUAL"), -21, 202.8) == 7.766e-5
    # A recorded maker fill in ETH-PERPETUAL (2025-09) was free.
    assert future_fee(OLD, parse("ETH-PERPETUAL"), 100.0, 4_580.05, maker=True) == 0.0


def test_rates_change_on_the_first_of_august_2026():
    change = parse_time("2026-08-01")
    assert DERIBIT.at(change - 1).future_taker == 0.0005
    new = DERIBIT.at(change)
    assert (new.future_maker, new.future_taker) == (0.00015, 0.00035)
    assert DERIBIT.at(0) == OLD
    assert future_fee(new, PERPETUAL, 100_000, 100_000.0) == 0.00035


@pytest.mark.parametrize(
    "steps", [(), ((2, FeeRates()), (1, FeeRates())), ((1, FeeRates()), (1, FeeRates()))]
)
def test_schedules_ascend(steps):
    with pytest.raises(ContractError, match="ascend in time"):
        FeeSchedule(steps)


def test_option_fee_and_its_cap():
    assert option_fee(OLD, OPTION, 2.0, 0.05) == 0.0006
    assert option_fee(OLD, OPTION, -1.0, 0.0001) == 0.0000125
    assert option_fee(OLD, OPTION, 1.0, np.array([0.0, 0.0024, 0.1])).tolist() == [0.0, 0.0003, 0.0003]


def test_linear_fees_are_in_usdc():
    option = parse("BTC_USDC-27MAR26-100000-C")
    assert option_fee(OLD, option, 0.5, 2_000.0, index=90_000.0) == 13.5
    assert option_fee(OLD, option, 1.0, 5.0, index=90_000.0) == 0.625
    assert future_fee(OLD, parse("BTC_USDC-PERPETUAL"), -0.1, 90_000.0) == 4.5
    with pytest.raises(ContractError, match="BTC_USDC-27MAR26-100000-C needs the index"):
        option_fee(OLD, option, 1.0, 5.0)


def test_a_negative_rate_is_a_rebate():
    weekly = parse("BTC-20MAR26")
    assert future_fee(OLD, weekly, 100_000, 100_000.0, maker=True) == -0.0001
    assert future_fee(OLD, parse("BTC-27MAR26"), 100_000, 100_000.0, maker=True) == 0.0


def test_delivery_of_options():
    payoff = payoff_coin(OPTION, 125_000.0)
    assert delivery_fee(OLD, OPTION, 1.0, 125_000.0, payoff) == 0.00015
    assert delivery_fee(OLD, OPTION, 1.0, 100_100.0, 0.001) == 0.000125
    assert delivery_fee(OLD, OPTION, 1.0, 90_000.0, 0.0) == 0.0
    daily = parse("BTC-26MAR26-100000-C")
    assert delivery_fee(OLD, daily, 1.0, 125_000.0, payoff) == 0.0
    linear = parse("BTC_USDC-27MAR26-100000-C")
    assert delivery_fee(OLD, linear, 1.0, 120_000.0, 20_000.0) == 18.0


def test_delivery_of_futures():
    assert delivery_fee(OLD, parse("BTC-27MAR26"), -100_000, 100_000.0) == 0.00025
    assert delivery_fee(OLD, parse("BTC-20MAR26"), -100_000, 100_000.0) == 0.0
    with pytest.raises(ContractError, match="BTC-PERPETUAL is never delivered"):
        delivery_fee(OLD, PERPETUAL, 10, 100_000.0)


def test_bad_prices_are_named():
    with pytest.raises(ContractError, match=r"price must be positive, got 0.0 for BTC-PERPETUAL"):
        future_fee(OLD, PERPETUAL, 10, 0.0)
    with pytest.raises(ContractError, match=r"must not be negative, got -0.01 for BTC-27MAR26-100000-C"):
        option_fee(OLD, OPTION, 1, -0.01)
    with pytest.raises(ContractError, match="got nan"):
        option_fee(OLD, OPTION, 1, float("nan"))


BEFORE, SINCE = parse_time("2026-07-31"), parse_time("2026-08-01")


@pytest.mark.parametrize(
    ("sides", "fees", "option", "maker", "before", "since"),
    [
        # A call spread: the call that is bought costs more.
        ([1, -1], [0.0003, 0.0001], True, False, [1.0, 0.0], [1.0, 0.0]),
        ([-1, 1], [0.0003, 0.0001], True, False, [1.0, 0.0], [1.0, 0.0]),
        ([1, -1], [0.0003, 0.0001], True, True, [1.0, 0.0], [1.0, 1.0]),
        # One against two: the direction counts, not the leg.
        ([1, -1], [0.0003, 0.0006], True, False, [0.0, 1.0], [0.0, 1.0]),
        ([1, -1, -1], [0.0003, 0.0001, 0.0001], True, False, [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]),
        # Of two that cost the same the sold one.
        ([1, -1], [0.0003, 0.0003], True, False, [1.0, 0.0], [1.0, 0.0]),
        # A straddle has one direction.
        ([1, 1], [0.0003, 0.0002], True, False, [1.0, 1.0], [1.0, 1.0]),
        ([-1, -1], [0.0003, 0.0002], True, False, [1.0, 1.0], [1.0, 1.0]),
        # Futures: a taker's cheaper leg; a rebate stays whole, as the recorded one of 10 USD did.
        ([1, -1], [0.0003, 0.0002], False, False, [1.0, 0.0], [1.0, 0.0]),
        ([1, -1], [0.0003, 0.0002], False, True, [1.0, 1.0], [1.0, 1.0]),
        ([1, -1], [0.0, -2e-8], False, True, [1.0, 1.0], [1.0, 1.0]),
    ],
)  # fmt: skip
def test_combos_are_charged_less_on_their_cheaper_direction(sides, fees, option, maker, before, since):
    assert combo_shares(BEFORE, sides, fees, option=option, maker=maker) == before
    assert combo_shares(SINCE, sides, fees, option=option, maker=maker) == since


def test_discounts_of_combos_say_where_they_are_from():
    assert [step for step, _ in COMBO_RATES] == sorted({step for step, _ in COMBO_RATES})
    assert all(rates.source and not rates.confirmed for _, rates in COMBO_RATES)
