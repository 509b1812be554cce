import json
import pickle
from pathlib import Path

import pytest

from gammacore.errors import DataError
from gammacore.exchange.invariants import assert_invariants
from gammacore.exchange.saved_state import load, save
from support.local_exchange import Client, make

PERPETUAL = "BTC-PERPETUAL"


def test_an_exchange_outlives_its_process(tmp_path):
    exchange = make()
    client = Client(exchange)
    client.call("private/subscribe", channels=["book.BTC-PERPETUAL.raw", "user.orders.any.any.raw"])
    client.call("private/buy", instrument_name=PERPETUAL, amount=100, type="market")
    order = client.call("private/buy", instrument_name=PERPETUAL, amount=10, price=84_000)["order"]
    client.wait(5)
    before = client.call("private/get_account_summary", currency="BTC")
    save(exchange, tmp_path / "state")
    assert client.connection.closed.reason == "restart"
    loaded = load(tmp_path / "state")
    assert loaded.now_ns == exchange.now_ns
    again = Client(loaded)
    assert again.call("private/get_account_summary", currency="BTC") == before
    assert again.call("private/get_order_state", order_id=order["order_id"])["order_state"] == "open"
    assert_invariants(loaded.floor)
    # Both go on alike.
    other = Client(exchange)
    for one in (again, other):
        one.call("public/subscribe", channels=["quote.BTC-PERPETUAL"])
        one.wait(5)
    assert again.on("quote.BTC-PERPETUAL") == other.on("quote.BTC-PERPETUAL")


def test_other_files_are_refused(tmp_path):
    (tmp_path / "state").write_bytes(b"hello")
    with pytest.raises(DataError, match="not the state"):
        load(tmp_path / "state")


def test_a_file_makes_nothing_but_the_simulators_own_objects(tmp_path):
    """A pickle would run what it names; here a class that is not in the list is refused."""

    class Shout:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "state"
    path.write_bytes(pickle.dumps((1, Shout())))
    with pytest.raises(DataError, match="not the state"):
        load(path)
    save(make(), path)
    found = json.loads(path.read_text())
    assert path.stat().st_mode & 0o077 == 0
    for name in ("os.system", "subprocess.Popen", "pathlib.Path", "exchange.Nothing"):
        broken = found | {"objects": [["object", name, {}], *found["objects"][1:]]}
        path.write_text(json.dumps(broken))
        with pytest.raises(DataError, match="damaged"):
            load(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", '{"format":"gammacore exchange","version":3,"objects":[]}', "[" * 100_000,
     '{"format":"gammacore exchange","version":3,"objects":[["tuple",[[0]]]]}',
     '{"format":"gammacore exchange","version":3,"objects":[["list",[1]]]}'],
)  # fmt: skip
def test_what_is_no_state_is_refused_with_the_file(text, tmp_path):
    (tmp_path / "state").write_text(text)
    with pytest.raises(DataError, match=str(tmp_path / "state")):
        load(tmp_path / "state")


def test_a_state_says_the_same_after_two_trips(tmp_path):
    exchange = make()
    client = Client(exchange)
    client.call("private/buy", instrument_name=PERPETUAL, amount=100, type="market")
    client.wait(40)
    end = exchange.now_ns // 10**6
    span = {"start_timestamp": end - 10**7, "end_timestamp": end}
    client.call("public/get_tradingview_chart_data", instrument_name=PERPETUAL, resolution="1", **span)
    exchange.locks.lock("btc_usd")
    save(exchange, tmp_path / "one")
    save(load(tmp_path / "one"), tmp_path / "two")
    again = load(tmp_path / "two")
    for one in (exchange, again):
        one.advance(one.now_ns + 30 * 10**9)
    tickers = [Client(one).call("public/ticker", instrument_name=PERPETUAL) for one in (exchange, again)]
    assert tickers[0] == tickers[1]
    assert again.locks.indices == {"btc_usd"}
