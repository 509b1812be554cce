import pytest
from venue import Client, make

from gammacore.errors import DataError
from gammacore.live.simulator.invariants import assert_invariants
from gammacore.live.simulator.store import load, save

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
    assert_invariants(loaded)
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
