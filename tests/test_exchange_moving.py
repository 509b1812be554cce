"""Positions that move between accounts of the local exchange."""

import pytest

from gammacore.exchange.invariants import assert_invariants
from support.local_exchange import Client, make

PERPETUAL = "BTC-PERPETUAL"


@pytest.fixture
def two():
    exchange = make(clients={"one": "1", "two": "2"})
    return exchange, Client(exchange, "one", "1"), Client(exchange, "two", "2")


def uid(exchange, name):
    return exchange.floor.users[name]


def sizes(exchange, name):
    account = exchange.floor.accounts[uid(exchange, name)]
    return {n: p.size for n, p in account.positions.items() if p.lots}


def test_positions_move_and_both_logs_say_so(two):
    exchange, one, other = two
    option = next(n for n, x in exchange.floor.catalog.by_name.items() if x.kind == "option")
    other.call("private/subscribe", channels=["user.changes.any.any.raw"])
    one.call("private/buy", instrument_name=option, amount=2.0, type="market")
    one.call("private/sell", instrument_name=PERPETUAL, amount=500, type="market")
    rows = [
        {"instrument_name": option, "amount": 0.5, "price": 0.02},
        {"instrument_name": PERPETUAL, "amount": 300},
    ]
    users = {"source_uid": uid(exchange, "one"), "target_uid": uid(exchange, "two")}
    moved = one.call("private/move_positions", trades=rows, **users)
    assert [(m["instrument_name"], m["direction"], m["amount"]) for m in moved] == [
        (option, "buy", 0.5),
        (PERPETUAL, "sell", 300.0),
    ]
    assert sizes(exchange, "one") == {option: 1.5, PERPETUAL: -200.0}
    assert sizes(exchange, "two") == {option: 0.5, PERPETUAL: -300.0}
    other.read()
    news = [n["params"]["data"] for n in other.notes if "user.changes" in n["params"]["channel"]]
    assert {x["instrument_name"]: x["positions"][0]["size"] for x in news} == sizes(exchange, "two")
    assert all(x["trades"] == x["orders"] == [] for x in news)
    for client, sides in ((one, ("close sell", "close buy")), (other, ("open buy", "open sell"))):
        log = client.call(
            "private/get_transaction_log", currency="BTC", start_timestamp=0, end_timestamp=10**14
        )["logs"]
        moves = [row for row in reversed(log) if row["type"] == "transfer"]
        assert [(r["instrument_name"], r["side"], r["amount"]) for r in moves] == [
            (option, sides[0], 0.5),
            (PERPETUAL, sides[1], 300.0),
        ]
        assert moves[0]["change"] == pytest.approx(0.01 if client is one else -0.01)
    assert_invariants(exchange.floor)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"target_uid": 10_580}, "target_uid"),  # to itself
        ({"target_uid": 1}, "target_uid"),  # the house
        ({"trades": []}, "trades"),
        ({"trades": [{"instrument_name": PERPETUAL, "amount": 900}]}, "amount"),  # more than is held
        ({"trades": [{"instrument_name": "BTC-X", "amount": 1}]}, "instrument_name"),
        ({"trades": [{"instrument_name": PERPETUAL, "amount": 10, "price": -1}]}, "price"),
        ({"trades": [{"instrument_name": PERPETUAL, "amount": 10}] * 2}, "trades"),
    ],
)
def test_what_cannot_move_is_refused_whole(two, changes, param):
    exchange, one, _ = two
    one.call("private/buy", instrument_name=PERPETUAL, amount=500, type="market")
    given = {
        "source_uid": uid(exchange, "one"),
        "target_uid": uid(exchange, "two"),
        "trades": [{"instrument_name": PERPETUAL, "amount": 100}],
    }
    error = one.error("private/move_positions", **(given | changes))
    assert (error["code"], error["data"]["param"]) == (-32602, param)
    assert sizes(exchange, "one") == {PERPETUAL: 500.0}
