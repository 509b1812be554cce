"""The past of an account that traded combos: the legs count, once, in whatever file they come."""

import json

import pytest

from gammacore.contracts import combo_from_legs, parse
from gammacore.data.account import AccountOptions, cash, executions, read_account
from gammacore.deribit.methods import combo_of
from support.local_exchange import Client, make


@pytest.fixture(scope="module")
def past():
    """Answers of the local exchange about a straddle bought and half sold, and what the legs came to."""
    client = Client(make(flow_per_minute=0.0))
    x = client.exchange.floor
    call = next(c for c in x.catalog.by_name.values() if c.kind == "option" and c.coin_settled).name
    legs = [parse(f"{call[:-1]}{side}") for side in "CP"]
    combo, _ = combo_from_legs((leg, 1.0) for leg in legs)
    client.call("private/create_combo", **combo_of(combo.legs))
    for side, quote, amount in (("buy", "best_ask_price", 0.6), ("sell", "best_bid_price", 0.3)):
        price = client.call("public/ticker", instrument_name=combo.name)[quote]
        client.call(f"private/{side}", instrument_name=combo.name, amount=amount, price=price)
    span = {"currency": "BTC", "start_timestamp": 0, "end_timestamp": 2**43}
    log = client.call("private/get_transaction_log", **span)
    trades = client.call("private/get_user_trades_by_currency", currency="BTC", count=100, sorting="asc")
    user = next(account for account in x.accounts.values() if not account.house)
    return log, trades, {name: held.size for name, held in user.positions.items()}, user.wallet("BTC").balance


def read(tmp_path, name, answer):
    path = tmp_path / name
    path.write_text(json.dumps({"result": answer}))
    return read_account(path, AccountOptions(currency="BTC"))


def held(rows):
    sizes = {}
    for one in executions(rows):
        sizes[one.instrument] = round(sizes.get(one.instrument, 0.0) + one.amount, 8)
    return sizes


def test_a_log_has_the_legs_alone(tmp_path, past):
    log, _, sizes, balance = past
    history = read(tmp_path, "log.json", log)
    assert len(executions(history.rows)) == 4
    assert held(history.rows) == sizes == dict.fromkeys(sizes, 0.3)
    assert cash(history.rows) * 10**8 == balance


def test_a_trade_history_has_both_and_counts_the_legs(tmp_path, past):
    _, trades, sizes, _ = past
    assert len(trades["trades"]) == 6
    history = read(tmp_path, "trades.json", trades)
    assert held(history.rows) == sizes
    assert [(one.type, one.count) for one in history.skipped] == [("combo", 2)]


def test_both_together_count_once(tmp_path, past):
    log, trades, sizes, _ = past
    rows = read(tmp_path, "log.json", log).rows + read(tmp_path, "trades.json", trades).rows
    assert held(rows) == sizes
    assert len(executions(rows)) == 4
