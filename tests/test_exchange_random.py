"""Random users against the exchange: whatever they do, contracts, orders and money add up."""

import json
import random

import pytest

from gammacore.daycount import parse_time
from gammacore.exchange import Fault
from gammacore.exchange.invariants import assert_invariants
from gammacore.exchange.methods import METHODS
from support.local_exchange import SECOND, Client, make

CLIENTS = {"a": "1", "b": "2"}
URI = "/api/v2/private/get_positions"


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


SIGN = {"grant_type": "client_signature", "client_id": "gammacore", "signature": "x"}
SIMULATE = "private/simulate_portfolio"


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        (SIMULATE, {"simulated_positions": {"BTC-PERPETUAL": None}}, -32602),
        (SIMULATE, {"simulated_positions": {"BTC-PERPETUAL": [1]}}, -32602),
        (SIMULATE, {"simulated_positions": {"BTC-24NOV26-85000-C": 1}}, -32602),  # expired before the start
        (SIMULATE, {"simulated_positions": "[" * 100_000}, -32602),
        ("private/get_settlement_history_by_currency", {"continuation": "\u00b2"}, -32602),
        ("private/get_settlement_history_by_currency", {"continuation": "1" * 5_000}, -32602),
        ("private/get_user_trades_by_currency", {"end_id": "BTC-\u00b2"}, -32602),
        ("public/get_last_trades_by_currency", {"start_id": "1" * 5_000}, -32602),
        ("public/auth", SIGN | {"signature": "\u00e9", "timestamp": 1}, 13004),
        ("public/auth", SIGN | {"grant_type": "client_credentials", "client_secret": "\u00e9"}, 13004),
    ],
)
def test_what_no_client_should_send_is_refused(method, params, code):
    assert Client(make()).error(method, currency="BTC", **params)["code"] == code


@pytest.mark.parametrize(
    "header", ["Basic Z2FtbWFjb3JlOsOp", "deri-hmac-sha256 id=gammacore,ts=1,sig=\u00e9"]
)
def test_headers_beyond_ascii_are_refused(header):
    exchange = make()
    status, body = exchange.request("GET", URI, {"authorization": header}, "", exchange.now_ns)
    assert (status, json.loads(body)["error"]["code"]) == (400, 13009)


def test_any_parameters_are_answered():
    """Nonsense is refused, not raised: an exception would end the exchange's process for everybody."""
    rng, exchange = random.Random(0), make()
    names = [*exchange.floor.catalog.by_name][:30]
    junk = [
        "",
        0,
        -1,
        1e300,
        2**70,
        True,
        [],
        {},
        [1],
        "\u00b2",
        "1" * 5_000,
        "[" * 5_000,
        "any",
        "BTC",
        "60",
        *names,
    ]
    fair = {"currency": "BTC", "amount": 10, "price": 84_000, "start_timestamp": 0, "end_timestamp": 2e12}
    fair |= {
        "label": "x",
        "index_name": "btc_usd",
        "resolution": "60",
        "trigger": "mark_price",
        "type": "limit",
    }
    keys = [
        *fair,
        "instrument_name",
        "order_id",
        "kind",
        "count",
        "continuation",
        "start_id",
        "depth",
        "scope",
    ]
    keys += [
        "simulated_positions",
        "contracts",
        "trigger_price",
        "interval",
        "channels",
        "client_id",
        "length",
    ]
    client, answered = Client(exchange), 0
    for _ in range(3_000):
        params = fair | {"instrument_name": rng.choice(names)}
        params |= {key: rng.choice(junk) for key in keys if rng.random() < 0.2}
        exchange.advance(exchange.now_ns + SECOND // 5)
        if client.connection.closed is not None:
            client = Client(exchange)
        answered += client.ask(rng.choice([*METHODS]), **params) is not None
    assert answered > 2_800
    assert_invariants(exchange.floor)
