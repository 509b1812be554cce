"""Margin: the formulas at their corners, and figures that the exchange printed."""

import math

import pytest

from gammacore.contracts import parse
from gammacore.data.margins import published_margins
from gammacore.daycount import parse_time
from gammacore.errors import ContractError
from gammacore.margin import (
    Book,
    FutureRates,
    Holding,
    MarginRates,
    MarginSchedule,
    StandardStep,
    future_rates,
    option_margin,
    position_margin,
    standard_margin,
)

RATES = published_margins().standard_at(parse_time("2026-01-05"))
PERPETUAL = parse("BTC-PERPETUAL")
CALL, PUT = parse("BTC-16JAN26-60000-C"), parse("BTC-16JAN26-60000-P")
# Of the account that the exchange's examples show, as all three of them solve to.
EXAMPLES = MarginRates(other=FutureRates(0.0295, 0.0215, 0.00005))


@pytest.mark.parametrize(
    ("size", "mark", "initial", "maintenance"),
    [
        (50.0, 7_476.65, 0.000197283, 0.000143783),  # private/get_positions
        (185_160.0, 17_391.0, 0.319750953, 0.234575865),  # user.changes
    ],
)
def test_published_positions(size, mark, initial, maintenance):
    found = position_margin(EXAMPLES, PERPETUAL, size, mark, math.nan)
    assert found == pytest.approx((initial, maintenance), abs=5e-9)  # the mark is printed rounded
    assert position_margin(EXAMPLES, PERPETUAL, -size, mark, math.nan) == found


def test_published_account():
    # private/get_account_summary: projected figures are without the options, which expire next.
    coins = 32.613977699
    share = future_rates(EXAMPLES, "BTC", coins)
    assert share.initial * coins == pytest.approx(1.01529592, abs=1e-8)
    assert share.maintenance * coins == pytest.approx(0.7543841, abs=1e-8)


def test_futures_ask_for_more_the_larger_they_are():
    assert future_rates(RATES, "BTC", 0.0) == (0.02, 0.01)
    assert future_rates(RATES, "BTC", 100.0) == pytest.approx((0.025, 0.015))
    assert future_rates(RATES, "BTC", -100.0) == future_rates(RATES, "BTC", 100.0)
    assert future_rates(RATES, "ETH", 1_000.0) == pytest.approx((0.024, 0.014))


@pytest.mark.parametrize(
    ("kind", "strike", "mark", "initial", "maintenance"),
    [
        (1, 100_000.0, 0.02, 0.17, 0.095),  # at the money
        (1, 103_000.0, 0.01, 0.13, 0.085),  # 3 % out of it
        (1, 105_000.0, 0.0, 0.10, 0.075),  # from 5 % on the least
        (1, 150_000.0, 0.0, 0.10, 0.075),
        (1, 50_000.0, 0.5, 0.65, 0.575),  # in the money
        (-1, 100_000.0, 0.02, 0.17, 0.095),
        (-1, 97_000.0, 0.01, 0.13, 0.085),
        (-1, 400_000.0, 3.0, 3.225, 3.225),  # 0.075 of the mark is more than 0.075 coin, and rules both
    ],
)
def test_short_options(kind, strike, mark, initial, maintenance):
    assert option_margin(RATES, kind, strike, 100_000.0, mark) == pytest.approx((initial, maintenance))


def test_sizes_and_settlements():
    def of(name, size, price, forward=100_000.0):
        return position_margin(RATES, parse(name), size, price, forward)

    assert of("BTC-PERPETUAL", -100_000.0, 100_000.0) == pytest.approx((0.02005, 0.01005))
    assert of("BTC-16JAN26", 100_000.0, 100_000.0) == of("BTC-PERPETUAL", 100_000.0, 100_000.0)
    assert of("BTC_USDC-PERPETUAL", 1.0, 100_000.0) == pytest.approx((2_005.0, 1_005.0))
    assert of("BTC-16JAN26-100000-C", 2.0, 0.02) == (0.0, 0.0)
    assert of("BTC-16JAN26-100000-C", -2.0, 0.02) == pytest.approx((0.34, 0.19))
    # A linear option asks for the same in USDC, its mark being USDC too.
    assert of("BTC_USDC-16JAN26-100000-C", -2.0, 2_000.0) == pytest.approx((34_000.0, 19_000.0))


def test_a_book_is_the_sum_of_its_positions():
    now = parse_time("2026-01-05")
    held = (
        Holding(PERPETUAL, -6_000.0, 60_000.0),
        Holding(CALL, -1.0, 0.03, 60_000.0),
        Holding(PUT, 2.0, 0.03, 60_000.0),
    )
    found = standard_margin(Book(now, 60_000.0, held), RATES)
    assert found.initial == pytest.approx(0.1 * (0.02 + 0.1 * 0.00005) + 0.18)
    assert found.maintenance == pytest.approx(0.1 * (0.01 + 0.1 * 0.00005) + 0.105)
    assert standard_margin(Book(now, 60_000.0), RATES) == (0.0, 0.0)
    unmarked = Book(now, 60_000.0, (Holding(CALL, -1.0, math.nan, 60_000.0),))
    assert math.isnan(standard_margin(unmarked, RATES).initial)


def test_rates_go_by_date():
    first = published_margins().standard
    later = StandardStep(parse_time("2030-01-01"), MarginRates(option_initial=0.2))
    schedule = MarginSchedule(standard=(*first, later))
    august = schedule.standard_at(parse_time("2029-12-31"))
    assert august == schedule.standard_at(parse_time("2026-08-01")) != RATES  # the fee of a liquidation
    assert schedule.standard_at(parse_time("2026-07-31")) == RATES
    assert schedule.standard_at(parse_time("2030-01-01")) == later.rates
    assert schedule.standard_at(parse_time("2019-01-01")) == RATES  # the first known
    with pytest.raises(ContractError, match="margin, standard: dates must ascend"):
        MarginSchedule(standard=(later, *first))


def test_coins_that_the_schedule_does_not_name_have_its_other_rates():
    # BTC's rise per coin would ask 5 times the notional for 100,000 of a coin that is worth a cent or ten.
    assert future_rates(RATES, "TRX", 1e5) == future_rates(RATES, "BTC", 0.0) == (0.02, 0.01)
    assert future_rates(MarginRates(futures={"SOL": FutureRates(0.1, 0.05, 0.0)}), "SOL", 5.0) == (0.1, 0.05)
