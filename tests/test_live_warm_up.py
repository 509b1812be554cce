"""What a session asks for before it begins, against the local exchange's own books."""

import json
import time
from itertools import pairwise

import pytest

from gammacore.contracts import parse
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE
from gammacore.deribit.methods import GET_FUNDING_RATE_VALUE
from gammacore.errors import RequestError
from gammacore.exchange import Exchange, ExchangeConfig
from gammacore.exchange.server import serving
from gammacore.live import client as client_module
from gammacore.live.client import Client
from gammacore.live.warm_up import MOST_BARS, missed_funding, past_index, past_prices
from gammacore.volatility.index_history import IndexHistory
from support.live_world import World

CONFIG = ExchangeConfig(start_ns=time.time_ns(), history_days=10, expiries=2, strikes=3)


@pytest.fixture
def client():
    with serving(Exchange(CONFIG)) as port:
        made = Client(f"ws://127.0.0.1:{port}/ws/api/v2")
        yield made
        made.close()


@pytest.mark.parametrize(
    ("window_ns", "step"),
    [(2 * NS_PER_DAY, 1), (8 * NS_PER_DAY, 3), (70 * NS_PER_DAY, 30), (500 * NS_PER_DAY, 60)],
)
def test_the_finest_bars_of_which_one_answer_holds_the_window_or_hours(client, window_ns, step):
    found = past_prices(client, "BTC-PERPETUAL", window_ns)
    assert 100 < len(found) <= MOST_BARS
    times = [ts_ns for ts_ns, _ in found]
    assert {late - early for early, late in pairwise(times)} == {step * NS_PER_MINUTE}
    assert times[-1] <= client.now_ns() < times[-1] + NS_PER_HOUR  # a bar counts at its end
    assert times[0] >= client.now_ns() - window_ns
    assert all(price > 0 for _, price in found)


def test_an_exchange_that_refuses_leaves_the_estimate_to_the_session(client, caplog):
    assert past_prices(client, "BTC-NOTHING", NS_PER_DAY) == []
    assert "no past prices" in caplog.text


@pytest.mark.parametrize(("days", "every"), [(5, NS_PER_HOUR), (8, NS_PER_DAY)])
def test_the_volatility_index_has_its_window_from_the_start(client, days, every):
    index = IndexHistory((), (), days * NS_PER_DAY, 2 * NS_PER_DAY, every)
    past_index(client, "BTC", index)
    level, rank = index.at(client.now_ns())
    assert 0.2 < level < 1.5
    assert 0.0 <= rank <= 1.0
    readings = days * NS_PER_DAY // every
    assert rank * readings == pytest.approx(round(rank * readings), abs=1e-6)  # of so many, each once


def test_an_exchange_without_the_index_leaves_it_unknown(client, caplog):
    index = IndexHistory((), (), NS_PER_DAY, NS_PER_DAY, NS_PER_HOUR)
    past_index(client, "NOTHING", index)
    assert "no past volatility index" in caplog.text
    assert not index.at(client.now_ns())[0] > 0


@pytest.mark.parametrize("name", ["BTC-PERPETUAL", "BTC_USDC-PERPETUAL"])
@pytest.mark.parametrize("hours", [0.4, 7.0, 40.3])
def test_funding_of_the_time_a_session_was_down(name, hours, monkeypatch):
    world = World(history_days=3, linear=("BTC",), tick_ms=2_000)
    monkeypatch.setattr(client_module, "connect", world.connect)
    world.exchange.advance(world.now_ns)
    listing = world.exchange.floor.find(name)
    index = world.exchange.floor.market.index("BTC")
    before, since_ns = world.exchange.floor.engine.interest(listing), world.now_ns
    world.pass_time(hours * 3_600)
    world.exchange.advance(world.now_ns)
    paid = world.exchange.floor.engine.interest(listing) - before
    found = missed_funding(world.client(), parse(name), since_ns, index)
    assert paid != 0.0
    assert found == pytest.approx(paid, rel=0.01)


def test_a_hole_in_the_published_hours_is_asked_for_as_one():
    hour, start = NS_PER_HOUR, 500_000 * NS_PER_HOUR
    published = [k for k in range(1, 1_800) if k != 1_700]
    asked = []

    class Answers:
        def now_ns(self):
            return start + int(1_799.5 * hour)

        def call(self, method, params):
            first, last = (params[f"{end}_timestamp"] * 1_000_000 - start for end in ("start", "end"))
            if method is GET_FUNDING_RATE_VALUE:
                asked.append((first / hour, last / hour))
                return 1e-5 * (last - first) / hour
            found = [k for k in published if first <= k * hour <= last]
            assert len(found) <= 744
            row = {"interest_1h": 1e-5, "prev_index_price": 50_000.0, "index_price": 50_000.0}
            rows = [row | {"timestamp": (start + k * hour) // 1_000_000} for k in reversed(found)]
            return method.decode(json.dumps(rows).encode(), 0)

    found = missed_funding(Answers(), parse("BTC-PERPETUAL"), start - hour // 4, 50_000.0)
    assert asked == [(-0.25, 0.0), (1_699.0, 1_799.5)]
    assert found == pytest.approx(1_799.75 * 1e-5 / 50_000.0)


def test_funding_that_is_not_told_is_none_and_said(client, caplog):
    def refuse(method, params):
        raise RequestError("not now")

    client.call = refuse
    assert missed_funding(client, parse("BTC-PERPETUAL"), client.now_ns() - NS_PER_DAY, 60e3) == 0.0
    assert "no past funding" in caplog.text


@pytest.mark.parametrize("missing", ["index_price", "prev_index_price"])
def test_an_hour_without_its_prices_is_no_funding_and_said(client, caplog, missing):
    start = client.now_ns() // NS_PER_HOUR * NS_PER_HOUR - 5 * NS_PER_HOUR

    def answer(method, params):
        if method is GET_FUNDING_RATE_VALUE:
            return 0.0
        row = {"timestamp": (start + NS_PER_HOUR) // 1_000_000, "interest_1h": 1e-5}
        row |= {"index_price": 60e3, "prev_index_price": 60e3, missing: None}
        return method.decode(json.dumps([row]).encode(), 0)

    client.call = answer
    assert missed_funding(client, parse("BTC-PERPETUAL"), start, 60e3) == 0.0
    assert "no past funding" in caplog.text
