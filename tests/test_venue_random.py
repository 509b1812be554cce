"""Random users against the exchange: whatever they do, contracts, orders and money add up."""

import random

import pytest
from venue import Client, make

from gammacore.daycount import parse_time
from gammacore.exchange import Fault
from gammacore.exchange.invariants import assert_invariants

CLIENTS = {"a": "1", "b": "2"}


def act(client, rng, names):
    """One random action; refusals are part of the game."""
    name = rng.choice(names)
    size = rng.choice([10, 200, 5_000]) if not name.endswith(("C", "P")) else rng.choice([0.1, 0.5, 3])
    size = 0.01 * rng.randrange(1, 50) if "USDC" in name else size
    kind = rng.randrange(8)
    if kind == 0:
        return client.ask("private/cancel_all")
    if kind == 1:
        return client.ask("private/close_position", instrument_name=name, type="market")
    ticker = client.call("public/ticker", instrument_name=name)
    bid, ask = ticker["best_bid_price"] or ticker["min_price"], ticker["best_ask_price"]
    params = {
        "instrument_name": name,
        "amount": size,
        "type": rng.choice(["limit", "limit", "limit", "market"]),
        "price": rng.choice([bid, ask, ticker["min_price"], ticker["max_price"]]),
        "time_in_force": rng.choice(["good_til_cancelled"] * 3 + ["fill_or_kill", "immediate_or_cancel"]),
        "post_only": rng.random() < 0.2,
        "reduce_only": rng.random() < 0.1,
    }
    if kind == 2:
        params |= {"type": "stop_market", "trigger": "mark_price", "trigger_price": bid}
    answer = client.ask(rng.choice(["private/buy", "private/sell"]), **params)
    if kind == 3 and "result" in answer:
        order = answer["result"]["order"]["order_id"]
        client.ask("private/edit", order_id=order, amount=2 * size, price=rng.choice([bid, ask]))
    return answer


@pytest.mark.parametrize("seed", range(12))
def test_any_sequence_of_actions_adds_up(seed):
    rng = random.Random(seed)
    exchange = make(clients=CLIENTS, seed=seed, start_ns=parse_time("2026-11-26T07:57:30Z"))
    clients = [Client(exchange, *login) for login in CLIENTS.items()]
    options = [x.name for x in exchange.floor.catalog.by_name.values() if x.kind == "option"]
    names = ["BTC-PERPETUAL", "ETH-PERPETUAL", "BTC_USDC-PERPETUAL", *rng.sample(options, 4)]
    names += [x.name for x in exchange.floor.catalog.by_name.values() if x.kind == "future" and x.expiry_ns][
        :1
    ]
    for step in range(150):
        act(rng.choice(clients), rng, names)
        if step % 3 == 0:
            clients[0].wait(rng.choice([0.1, 4, 9]), step=2.0)  # 08:00 falls in the middle
        if step % 10 == 0:
            assert_invariants(exchange.floor)
            names = [name for name in names if exchange.floor.find(name).state == "open"]
    assert exchange.now_ns > parse_time("2026-11-26T08:00:03Z")
    assert_invariants(exchange.floor)
    assert sum(len(trades) for trades in exchange.floor.engine.trades.values()) > 20


def test_faults_do_not_touch_the_books():
    plan = [
        Fault(kind="lost_response", match="private/", probability=0.1, count=None),
        Fault(kind="too_many_requests", probability=0.02, count=None),
        Fault(kind="drop", probability=0.01, count=None),
        Fault(kind="duplicate", probability=0.1, count=None),
        Fault(kind="malformed", match="private/", probability=0.05, count=None),
        Fault(kind="settlement", probability=0.1, count=None),
        Fault(kind="restart", at_s=30, seconds=2.0),
    ]
    exchange = make(plan, clients=CLIENTS)
    ends = 0
    for _ in range(200):
        client = Client(exchange, login=None)
        client.ask("public/auth", grant_type="client_credentials", client_id="a", client_secret="1")
        for _ in range(4):
            if client.end is None:
                client.ask("private/buy", instrument_name="BTC-PERPETUAL", amount=10, type="market")
                client.wait(0.2)
        ends += client.end is not None
        if client.end is None:
            client.connection.lost(exchange.now_ns)
        if exchange.now_ns < exchange.accepts_from_ns:
            exchange.advance(exchange.accepts_from_ns)
        assert_invariants(exchange.floor)
    kinds = {kind for _, kind, _ in exchange.faults.fired}
    assert kinds == {fault.kind for fault in plan}
    assert ends > 20
