"""Which strikes are near enough to be what an entry asks for."""

import numpy as np
import pytest

from gammacore.backtest.replay.tape import Tape
from gammacore.daycount import NS_PER_HOUR
from gammacore.legs import preset
from gammacore.portfolio import Portfolio
from gammacore.strategy import EntryRule, ExitRule, GammaScalp, SizeRule
from gammacore.strategy.strikes import NO_FORWARD, NO_PAIR, listed_step, strike_too_far
from support.markets import FRIDAY, START, chains_of

THOUSANDS = np.arange(40e3, 80.1e3, 1e3)


def without(low, high):
    inside = (low <= THOUSANDS) & (high >= THOUSANDS)
    return THOUSANDS[~inside]


@pytest.mark.parametrize(
    ("strikes", "target", "step"),
    [
        (THOUSANDS, 60e3, 1e3),
        (np.array([60e3]), 60e3, 0.0),
        (np.array([40e3, 80e3]), 60e3, 6e3),  # a hole, not a step
        (without(57e3, 63e3), 60e3, 1e3),
        (np.array([50e3, 55e3, 60e3, 60.5e3, 61e3, 61.5e3, 62e3, 62.5e3, 63e3]), 62e3, 500.0),
    ],
)
def test_the_listed_step_is_that_of_the_strikes_around(strikes, target, step):
    assert listed_step(strikes, target, 60e3) == step


@pytest.mark.parametrize(
    ("strikes", "forward", "refused"),
    [
        (THOUSANDS, 60_300.0, False),
        (np.array([60e3]), 60_000.0, False),  # one straddle is listed, struck at the price
        (np.array([60e3]), 61_000.0, False),
        (np.array([60e3]), 61_300.0, True),  # 2.1 %
        (THOUSANDS, 80_900.0, False),  # beyond the last by 1.1 %
        (THOUSANDS, 82_000.0, True),
        (THOUSANDS, 38_000.0, True),
        (without(60e3, 60e3), 60_000.0, False),  # one step to the next
        (without(60e3, 61e3), 60_500.0, True),  # one and a half, 2.5 %
        (without(58e3, 61e3), 59_500.0, True),
        (without(60.5e3, 64.5e3), 60_100.0, True),  # the nearest is near, those above it are missing
        (np.arange(30e3, 100e3, 5e3), 62_500.0, False),  # half of a coarse step
        (np.array([50e3, 55e3, 65e3, 70e3]), 60_000.0, False),  # one step of coarse strikes
        (np.array([52.5e3, 55e3]), 88_200.0, True),
        (np.array([54e3, 56e3, 58e3]), 60_000.0, True),  # one step, but one side of the money only
    ],
)
def test_a_strike_may_be_a_step_away_or_two_per_cent(strikes, forward, refused):
    assert bool(strike_too_far(strikes, strikes, forward, forward)) is refused


def test_what_is_said_of_a_strike():
    assert strike_too_far(without(56e3, 61e3), THOUSANDS, 58e3, 58e3) == (
        "nearest strike 55,000 is 5.2% from the forward 58,000 (step 1,000): half a chain"
    )
    assert strike_too_far(without(60.5e3, 64.5e3), THOUSANDS, 60_100.0, 60_100.0) == (
        "strikes around the forward 60,100 are 60,000 and 65,000, 5.0 listed steps of 1,000 apart: "
        "half a chain"
    )


# --- the strategy ---


def chain(strikes=THOUSANDS, index=60e3):
    return Tape(chains_of([START], [index], strikes=strikes)).snapshot(0).chain


def strategy(structure="straddle", delta=0.25):
    return GammaScalp(EntryRule(preset(structure, delta)), SizeRule(), ExitRule())


def test_half_a_chain_is_refused_and_counted_once_a_chain():
    scalp, half = strategy(), chain(without(55e3, 90e3))
    assert scalp.entries(START, half, Portfolio()) == []
    assert scalp.entries(START, half, Portfolio()) == []  # asked again at the same moment
    assert scalp.refusals[FRIDAY].chains == 1
    assert scalp.entries(START + NS_PER_HOUR, half, Portfolio()) == []
    refusal = scalp.refusals[FRIDAY]
    assert (refusal.chains, refusal.first_ns, refusal.last_ns) == (2, START, START + NS_PER_HOUR)
    assert refusal.why.startswith("nearest strike 54,000 is 10.0% from the forward 60,000 (step 1,000")
    assert len(scalp.entries(START + 2 * NS_PER_HOUR, chain(), Portfolio())) == 1


def test_marks_that_are_missing_around_the_money_are_strikes_that_are_missing():
    quoted, scalp = chain(), strategy()
    quoted.mark[np.abs(quoted.strike - 60e3) < 4e3] = np.nan
    assert scalp.entries(START, quoted, Portfolio()) == []
    assert scalp.refusals[FRIDAY].why.startswith(
        "nearest strike 56,000 is 6.7% from the forward 60,000 (step 1,000)"
    )


@pytest.mark.parametrize("structure", ["straddle", "strangle"])
def test_a_chain_of_calls_alone_is_no_chain(structure):
    quoted, scalp = chain(), strategy(structure=structure)
    quoted.iv[quoted.kind == -1] = np.nan
    assert scalp.entries(START, quoted, Portfolio()) == []
    why = NO_PAIR if structure == "straddle" else "no put with a mark and a volatility"
    assert scalp.refusals[FRIDAY].why == why


def test_without_a_forward_nothing_is_nearest():
    quoted, scalp = chain(), strategy()
    quoted.forwards[FRIDAY] = np.nan
    assert scalp.entries(START, quoted, Portfolio()) == []
    assert scalp.refusals[FRIDAY].why == NO_FORWARD


@pytest.mark.parametrize("delta", [0.05, 0.25, 0.45])
def test_a_strangle_needs_strikes_of_its_delta(delta):
    whole, scalp = chain(), strategy(structure="strangle", delta=delta)
    assert len(scalp.entries(START, whole, Portfolio())) == 1
    assert not scalp.refusals
    narrow = chain(np.arange(59e3, 61.1e3, 1e3))
    near = strategy(structure="strangle", delta=delta)
    assert len(near.entries(START, narrow, Portfolio())) == (delta == 0.45)


def test_what_is_said_of_a_delta():
    scalp = strategy(structure="strangle", delta=0.25)
    assert scalp.entries(START, chain(np.arange(50e3, 61.1e3, 1e3)), Portfolio()) == []
    assert scalp.refusals[FRIDAY].why == (
        "delta +0.44 at 61,000 for +0.25: nearest strike 61,000 is 4.5% from the wanted strike 63,678.1 "
        "(step 1,000, no strike beyond it): half a chain"
    )


def test_a_strangle_of_coarse_strikes_is_what_is_listed():
    coarse = chain((40e3, 50e3, 60e3, 70e3, 80e3))
    assert len(strategy(structure="strangle").entries(START, coarse, Portfolio())) == 1
