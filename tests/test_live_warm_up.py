"""Past prices of the local exchange, for an estimate that is to know more than the session."""

import time
from itertools import pairwise

import pytest

from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE
from gammacore.live.client import Client
from gammacore.live.simulator import Exchange, ExchangeConfig
from gammacore.live.simulator.server import serving
from gammacore.live.warm_up import MOST_BARS, past_prices

CONFIG = ExchangeConfig(start_ns=time.time_ns(), history_days=10, expiries=2, strikes=3)


@pytest.fixture
def client():
    with serving(Exchange(CONFIG)) as port:
        made = Client(f"ws://127.0.0.1:{port}/ws/api/v2")
        yield made
        made.close()


@pytest.mark.parametrize(
    ("window_ns", "step"), [(2 * NS_PER_DAY, 1), (8 * NS_PER_DAY, 3), (70 * NS_PER_DAY, 30)]
)
def test_the_finest_bars_of_which_one_answer_holds_the_window(client, window_ns, step):
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
