"""Which series is held against which, and marks against their units by settlement."""

import numpy as np
import pytest

from gammacore.data.crosscheck import Series, against_marks
from gammacore.data.impossible import Day
from gammacore.daycount import NS_PER_HOUR, NS_PER_MINUTE
from support import store_world
from support.store_world import START


def day(kind, rows, currency="BTC"):
    return Day(kind, currency, rows)


def bars(name, width, count, price):
    ts = START + width * np.arange(count)
    prices = dict.fromkeys(("open", "high", "low", "close"), np.full(count, price))
    return store_world.table("candles", ts, [name] * count, interval_ns=np.full(count, width), **prices)


def quotes(price, name="BTC-PERPETUAL"):
    ts = START + NS_PER_HOUR * np.arange(1, 10)
    return store_world.table(
        "quotes", ts, [name] * 9, bid_price=np.full(9, price), ask_price=np.full(9, price)
    )


@pytest.mark.parametrize(
    ("price", "found"), [(90_000.0, []), (30_000.0, ["off the bars"]), (3_000.0, ["off the bars"])]
)
def test_quotes_are_held_against_the_shortest_bars_of_their_coin(price, found):
    series = Series()
    series.add(day("candles", bars("ETHUSDT", NS_PER_MINUTE, 700, 3_000.0)))
    series.add(day("candles", bars("BTC-PERPETUAL", NS_PER_HOUR, 12, 30_000.0)))
    series.add(day("candles", bars("BTCUSDT", NS_PER_MINUTE, 700, 90_000.0)))
    series.add(day("quotes", quotes(price)))
    assert [one.check for _, one in series.found("quotes", "BTC")] == found
    assert not list(series.found("quotes", "USDC"))


def test_without_bars_nothing_is_said():
    series = Series()
    series.add(day("quotes", quotes(1.0)))
    series.add(day("candles", bars("SOLUSDT", NS_PER_MINUTE, 700, 100.0)))
    assert not list(series.found("quotes", "BTC"))


@pytest.mark.parametrize(
    ("settlement", "in_usd", "found"),
    [("BTC", False, 0), ("BTC", True, 1), ("USDC", True, 0), ("USDC", False, 1)],
)
def test_marks_are_in_coin_or_usd_by_settlement(settlement, in_usd, found):
    rows = store_world.sound()["chains"]
    if settlement == "USDC":
        rows["instrument_name"] = np.array(
            [name.replace("BTC", "BTC_USDC") for name in rows["instrument_name"]], dtype=object
        )
    if in_usd:
        rows["mark_price"] = rows["mark_price"] * rows["underlying"]
    told = list(against_marks(day("chains", rows, settlement)))
    assert [one.check for one in told] == ["iv unit"] * found
    assert all(("in USD" if settlement == "BTC" else "in coin") in one.why for one in told)
