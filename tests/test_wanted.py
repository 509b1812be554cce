"""Whether a hedge at work is still wanted between two bars of a replay."""

from types import SimpleNamespace

import pytest

from gammacore.backtest.replay.wanted import Wanted
from gammacore.contracts import Perpetual, Settlement
from gammacore.hedge import Hedge
from gammacore.market import Market
from gammacore.orders import Leg, Order, Purpose

PERP = Perpetual("BTC", Settlement.INVERSE)
LINEAR = Perpetual("BTC", Settlement.LINEAR)


class Rising(Hedge):
    """A delta of 0.1 coins at 60,000 that falls to none at 59,400; nobody holds episode 9."""

    def __init__(self):
        pass

    def mismatch(self, episode, market):
        return None if episode == 9 else 0.1 + (market.index - 60_000.0) / 6_000.0


def desk():
    market = Market()
    market.index = 60_000.0
    return SimpleNamespace(
        market=market, hedge=Rising(), portfolio=SimpleNamespace(find=lambda number: number)
    )


def hedge(amount, instrument, episode=0):
    return Order("0-hedge-1", episode, Purpose.HEDGE, (Leg(instrument, amount),))


@pytest.mark.parametrize(
    ("price", "left", "got", "unwanted"),
    [
        (60_000.0, -0.1, 0.0, False),
        (59_720.0, -0.1, 0.0, False),  # 0.053 of 0.1 coins is still there
        (59_680.0, -0.1, 0.0, True),  # 0.047 is: selling 0.1 would leave more
        (59_680.0, -0.06, -0.04, True),  # 0.007 is left to sell, not 0.06
        (59_940.0, -0.06, -0.04, False),
        (60_300.0, -0.1, 0.0, False),
    ],
)
def test_a_hedge_that_would_leave_more_than_there_is_is_unwanted(price, left, got, unwanted):
    seen = desk()
    found, market = Wanted(seen), seen.market
    assert found.unwanted(hedge(left + got, LINEAR), left, got, price / 60_000.0) is unwanted
    amounts = left * price, got * price
    assert found.unwanted(hedge(sum(amounts), PERP), *amounts, price / 60_000.0) is unwanted
    assert market.index == 60_000.0  # the desk has not seen these prices


def test_of_an_episode_that_is_no_longer_there_nothing_is_known():
    assert not Wanted(desk()).unwanted(hedge(-0.1, LINEAR, 9), -0.1, 0.0, 0.5)
