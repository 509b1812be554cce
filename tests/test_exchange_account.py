"""Money: the worked figures of the protocol reference, and the exchange's own bookkeeping."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore.contracts import parse, payoff_coin, to_units
from gammacore.daycount import NS_PER_YEAR, parse_time
from gammacore.exchange import MarketModel
from gammacore.exchange.account_value import AccountValue
from gammacore.exchange.accounts import Position, units, worth
from gammacore.exchange.invariants import assert_invariants
from gammacore.exchange.mark_prices import implied_percent, marks
from gammacore.exchange.price_model import funding_rate
from gammacore.exchange.views import summary_json
from gammacore.fees import DERIBIT, delivery_fee
from support.local_exchange import Client, make

PERPETUAL = "BTC-PERPETUAL"
FRIDAY = "2026-11-27"  # weeklies pay for delivery, dailies do not


# Figures that the exchange printed


def test_recorded_option_ticker():
    # BTC-25DEC26-76000-C on 2026-09-30: forward 84,222.23, mark volatility 38.25.
    now_ns, expiry_ns = 1_790_755_217_219 * 10**6, parse_time("2026-12-25T08:00:00Z")
    tau = (expiry_ns - now_ns) / NS_PER_YEAR
    (mark,) = marks(np.array([1], np.int8), 84_222.23, np.array([76_000.0]), tau, np.array([0.3825]))
    assert round(mark.price, 4) == 0.1296
    assert round(mark.gamma, 5) == 2e-05
    # Its volatility is printed with two decimals, which leaves this much open.
    assert mark.delta == pytest.approx(0.74092, abs=5e-5)
    assert mark.vega == pytest.approx(132.3649, abs=0.02)
    assert mark.theta == pytest.approx(-29.43212, abs=0.01)
    assert mark.rho == pytest.approx(121.30652, abs=0.01)
    assert implied_percent(1, 0.1255, 84_222.23, 76_000.0, tau) == pytest.approx(35.6, abs=0.02)
    assert implied_percent(1, 0.133, 84_222.23, 76_000.0, tau) == pytest.approx(40.38, abs=0.02)


def test_recorded_funding_rates():
    # BTC_USDC-PERPETUAL on 2026-09-23; and the damper of 2022.
    assert funding_rate(86_778.14, 86_744.11, 0.00025, 0.05) == pytest.approx(1.423e-4, abs=5e-8)
    assert funding_rate(100_010.0, 100_000.0, 0.00025, 0.005) == 0.0
    assert funding_rate(99_900.0, 100_000.0, 0.0005, 0.005) == pytest.approx(-0.0005, abs=1e-12)
    assert funding_rate(110_000.0, 100_000.0, 0.00025, 0.005) == 0.005


def test_recorded_fee():
    exchange = make()
    perpetual, then = exchange.floor.find(PERPETUAL), parse_time("2025-12-12")
    account = exchange.floor.accounts[exchange.floor.users["gammacore"]]
    assert exchange.floor.engine.fee(account, perpetual, 1, 92_037.0, then, maker=False) == 5
    now = exchange.now_ns
    assert exchange.floor.engine.fee(account, perpetual, 10_000, 100_000.0, now, maker=False) == 35_000
    assert exchange.floor.engine.fee(account, perpetual, 10_000, 100_000.0, now, maker=True) == 15_000
    option = next(x for x in exchange.floor.catalog.by_name.values() if x.kind == "option" and x.coin_settled)
    assert exchange.floor.engine.fee(account, option, 10, 0.05, now, maker=False) == 30_000
    assert exchange.floor.engine.fee(account, option, 10, 0.001, now, maker=True) == 12_500  # capped


@pytest.mark.parametrize(
    ("size", "average", "settled", "mark", "coins", "floating", "total"),
    [
        (185_160, 15_000.0, 16_025.83, 17_391.0, 10.646886321, 0.906961435, 1.69711368),
        (50, 7_440.18, 7_476.65, 7_476.65, 0.006687487, 0.0, 3.2781e-05),
    ],
)
def test_published_positions(size, average, settled, mark, coins, floating, total):
    listing = make().floor.find(PERPETUAL)
    position = Position(listing, lots=size // 10)
    position.entry = worth(listing, size, average)
    position.session_entry = worth(listing, size, settled)
    assert size / mark == pytest.approx(coins, abs=5e-10)
    assert position.floating(mark) == pytest.approx(floating, abs=1e-8)
    assert position.profit(mark) == pytest.approx(total, abs=1e-8)
    assert position.average_price == pytest.approx(average)


def test_published_account():
    shown = summary_json(
        AccountValue(
            balance=to_units(302.60065765),
            futures_rpl=to_units(-0.03258105),
            futures_upl=to_units(0.05921555),
            options_upl=to_units(-0.0065),
            options_value=to_units(-0.0086),
            initial=1.24669592,
            maintenance=0.8857841,
            futures_delta=32.613977699,
            options_delta=-1.01962,
            premium=-0.0086,
        ),
        "BTC",
    )
    exact = {
        "margin_balance": 302.62729214,
        "equity": 302.61869214,
        "available_funds": 301.38059622,
        "available_withdrawal_funds": 301.35396172,
        "session_upl": 0.05271555,
        "session_rpl": -0.03258105,
        "options_session_upl": -0.0065,
    }
    for name, value in exact.items():
        assert shown[name] == pytest.approx(value, abs=1.01e-8), name
    assert shown["delta_total_map"]["btc_usd"] == pytest.approx(31.594357699, abs=3e-7)
    assert shown["delta_total"] == pytest.approx(31.602958, abs=4e-7)
    assert shown["options_delta"] == -1.01962  # the plain one


def test_recorded_account():
    shown = summary_json(AccountValue(balance=to_units(10.00295099), futures_rpl=to_units(-4e-7)), "BTC")
    assert shown["equity"] == shown["margin_balance"] == shown["available_funds"] == 10.00295059


@given(st.floats(-2e6, 2e6), st.integers(-(10**9), 10**9))
def test_units_are_those_of_the_library(amount, halves):
    assert units(amount) == to_units(amount)
    assert units(halves * 5e-9) == to_units(halves * 5e-9)


# Bookkeeping


def summary(client, currency="BTC"):
    return client.call("private/get_account_summary", currency=currency)


def check_identities(shown):
    assert shown["equity"] == pytest.approx(
        shown["balance"]
        + shown["futures_session_rpl"]
        + shown["futures_session_upl"]
        + shown["options_value"],
        abs=1e-8,
    )
    assert shown["margin_balance"] == pytest.approx(shown["equity"] - shown["options_value"], abs=1e-8)
    assert shown["available_funds"] == pytest.approx(
        shown["margin_balance"] - shown["initial_margin"], abs=1e-8
    )


def check_deltas(shown):
    """Outside the settlement window."""
    (plain,) = shown["delta_total_map"].values()
    value = shown["options_value"] if shown["currency"] != "USDC" else 0.0
    assert shown["delta_total"] == pytest.approx(plain - value, abs=3e-7)


def option(exchange, start, kind="C"):
    names = [x.name for x in exchange.floor.catalog.by_name.values() if x.kind == "option"]
    return [name for name in names if name.startswith(start) and name.endswith(kind)]


def test_identities_through_a_day():
    client = Client(make(start_ns=parse_time("2026-11-26T07:50:00Z"), expiries=3))
    exchange = client.exchange
    client.call("private/subscribe", channels=["user.portfolio.any"])
    daily, later = option(exchange, "BTC-26NOV26"), option(exchange, "BTC-28NOV26", "P")
    for name in (*daily[:2], later[3]):
        client.call("private/buy", instrument_name=name, amount=1, type="market")
        client.call("private/sell", instrument_name=name, amount=0.4, type="market")
    client.call("private/sell", instrument_name=later[4], amount=2, type="market")
    client.call("private/sell", instrument_name=PERPETUAL, amount=50_000, type="market")
    linear = option(exchange, "BTC_USDC-28NOV26")[3]
    client.call("private/buy", instrument_name=linear, amount=0.5, type="market")
    client.call("private/buy", instrument_name="BTC_USDC-PERPETUAL", amount=0.1, type="market")
    for _ in range(16):
        client.wait(60, step=5)
        for currency in ("BTC", "USDC"):
            check_identities(summary(client, currency))
            if exchange.now_ns > parse_time("2026-11-26T08:00:00Z"):
                check_deltas(summary(client, currency))
        assert_invariants(exchange.floor)
    assert {data["currency"] for data in client.on("user.portfolio.any")} == {"BTC", "ETH", "USDC"}


def test_inverse_profit_and_average():
    client = Client(make(flow_per_minute=0.0))
    first = client.call("private/buy", instrument_name=PERPETUAL, amount=1_000, type="market")["trades"][0]
    client.wait(20)
    second = client.call("private/buy", instrument_name=PERPETUAL, amount=3_000, type="market")["trades"]
    fills = [(first["amount"], first["price"]), *((t["amount"], t["price"]) for t in second)]
    harmonic = sum(a for a, _ in fills) / sum(a / p for a, p in fills)
    position = client.call("private/get_position", instrument_name=PERPETUAL)
    assert position["average_price"] == pytest.approx(harmonic, rel=1e-12)
    client.wait(20)
    sold = client.call("private/sell", instrument_name=PERPETUAL, amount=2_000, type="market")["trades"]
    expected = sum(t["amount"] * (1 / harmonic - 1 / t["price"]) for t in sold)
    assert sum(t["profit_loss"] for t in sold) == pytest.approx(expected, abs=1e-8 * len(sold))
    position = client.call("private/get_position", instrument_name=PERPETUAL)
    assert position["average_price"] == pytest.approx(harmonic, rel=1e-12)
    assert position["realized_profit_loss"] == pytest.approx(expected, abs=1e-8 * len(sold))


def test_premium_leaves_the_balance_at_once():
    client = Client(make(flow_per_minute=0.0))
    name = option(client.exchange, "BTC-")[3]
    before = summary(client)
    (trade,) = client.call("private/buy", instrument_name=name, amount=0.5, type="market")["trades"]
    after = summary(client)
    paid = 0.5 * trade["price"] + trade["fee"]
    assert before["balance"] - after["balance"] == pytest.approx(paid, abs=1e-8)
    assert trade["fee"] == min(0.00015, round(0.125 * 0.5 * trade["price"], 8))
    assert after["options_value"] == pytest.approx(0.5 * trade["mark_price"], abs=1e-8)
    (deposit, row) = reversed(log(client))
    assert (deposit["type"], deposit["balance"]) == ("deposit", 10.0)
    assert (row["type"], row["side"]) == ("trade", "open buy")
    assert row["change"] == pytest.approx(-paid, abs=1e-8)
    assert row["balance"] == after["balance"]
    assert row["commission"] == trade["fee"]


def log(client, currency="BTC", **params):
    return client.call(
        "private/get_transaction_log", currency=currency, start_timestamp=0, end_timestamp=10**14, **params
    )["logs"]


def test_funding_accrues_and_cancels_between_parties():
    model = MarketModel(premium_vol=0.004)
    exchange = make(models={"BTC": model}, deposits={"BTC": 10.0}, linear=(), clients={"a": "1", "b": "2"})
    long, short = Client(exchange, "a", "1"), Client(exchange, "b", "2")
    for client, side in ((long, "buy"), (short, "sell")):
        client.call("private/subscribe", channels=["deribit_price_index.btc_usd"])
        client.call(f"private/{side}", instrument_name=PERPETUAL, amount=200_000, type="market")
    start = exchange.floor.market.coins["BTC"].interest
    opened = {c: c.call("private/get_position", instrument_name=PERPETUAL) for c in (long, short)}
    assert opened[long]["size"] == 200_000.0
    long.wait(3_600, step=10)
    moved = exchange.floor.market.coins["BTC"].interest - start
    paid = long.call("private/get_position", instrument_name=PERPETUAL)["realized_funding"]
    got = short.call("private/get_position", instrument_name=PERPETUAL)["realized_funding"]
    assert abs(moved) > 1e-12
    assert paid == pytest.approx(-200_000.0 * moved, abs=2e-8)
    assert paid + got == pytest.approx(0.0, abs=2e-8)
    shown = summary(long)
    assert shown["futures_session_rpl"] == pytest.approx(paid, abs=1e-8)
    assert_invariants(exchange.floor)


def test_settlement_moves_the_session_into_the_balance():
    client = Client(make(start_ns=parse_time("2026-11-26T07:58:00Z"), flow_per_minute=0.0))
    client.call("private/subscribe", channels=["deribit_price_index.btc_usd"])
    client.call("private/buy", instrument_name=PERPETUAL, amount=100_000, type="market")
    client.wait(119.5)
    before = summary(client)
    assert before["futures_session_upl"] != 0.0
    client.wait(0.5)
    after = summary(client)
    assert after["futures_session_upl"] == after["futures_session_rpl"] == 0.0
    assert after["equity"] == after["balance"]
    settled = log(client, query="settlement")
    assert len(settled) == 1
    assert settled[0]["change"] == pytest.approx(after["balance"] - before["balance"], abs=1e-8)
    assert settled[0]["session_upl"] + settled[0]["session_rpl"] == pytest.approx(
        settled[0]["change"], abs=2e-8
    )
    ticker = client.call("public/ticker", instrument_name=PERPETUAL)
    assert settled[0]["price"] == ticker["settlement_price"]
    position = client.call("private/get_position", instrument_name=PERPETUAL)
    assert position["settlement_price"] == ticker["settlement_price"]
    assert position["total_profit_loss"] != 0.0  # against the average price, which stays
    history = client.call("private/get_settlement_history_by_currency", currency="BTC")["settlements"]
    assert [(row["type"], row["instrument_name"]) for row in history] == [("settlement", PERPETUAL)]


def deliver(start, kind, side, amount, family="BTC"):
    """Hold one option into its delivery; the client and what it paid for."""
    exchange = make(start_ns=parse_time(start), flow_per_minute=0.0, expiries=2)
    client = Client(exchange)
    client.call("private/subscribe", channels=["deribit_price_index.btc_usd"])
    day = start[8:10].lstrip("0")
    names = option(exchange, f"{family}-{day}", kind)
    name = names[0] if kind == "C" else names[-1]  # in the money
    client.call(f"private/{side}", instrument_name=name, amount=amount, type="market")
    client.wait(1.0)
    before = summary(client, "BTC" if family == "BTC" else "USDC")
    client.wait(3_000, step=10)
    return client, name, before


@pytest.mark.parametrize(
    ("start", "rows"),
    [
        (f"{FRIDAY}T07:20:00Z", 2),  # as a future at the strike, then cash
        ("2026-05-29T07:20:00Z", 1),  # straight into cash; the last Friday of a month
        ("2026-11-26T07:20:00Z", 2),  # a daily: free
    ],
)
@pytest.mark.parametrize(("kind", "side"), [("C", "buy"), ("P", "buy"), ("C", "sell"), ("P", "sell")])
def test_delivery(start, rows, kind, side):
    client, name, before = deliver(start, kind, side, 0.5)
    exchange, contract = client.exchange, parse(name)
    date = start[:10]
    (delivered,) = [
        row["delivery_price"]
        for row in client.call("public/get_delivery_prices", index_name="btc_usd", count=5)["data"]
        if row["date"] == date
    ]
    payoff = payoff_coin(contract, delivered)
    assert payoff > 0
    signed = 0.5 if side == "buy" else -0.5
    fee = float(delivery_fee(DERIBIT.at(contract.expiry_ns), contract, 0.5, delivered, payoff))
    if rows == 2:
        future = parse(name.rsplit("-", 2)[0])
        fee += float(delivery_fee(DERIBIT.at(contract.expiry_ns), future, 0.5 * contract.strike, delivered))
    after = summary(client)
    assert after["balance"] - before["balance"] == pytest.approx(signed * payoff - fee, abs=3e-8)
    assert after["options_value"] == 0.0
    assert (fee == 0.0) == (date == "2026-11-26")
    logged = log(client, query="delivery")
    assert len(logged) == rows
    assert sum(row["change"] for row in logged) == pytest.approx(signed * payoff - fee, abs=3e-8)
    assert client.call("public/ticker", instrument_name=name)["delivery_price"] == delivered
    assert [p for p in client.call("private/get_positions") if p["size"]] == []
    assert_invariants(exchange.floor)


def test_delivery_of_linear_options():
    client, name, before = deliver(f"{FRIDAY}T07:20:00Z", "C", "buy", 0.5, "BTC_USDC")
    strike = float(name.split("-")[2])
    rows = client.call("public/get_delivery_prices", index_name="btc_usdc", count=5)["data"]
    delivered = next(row["delivery_price"] for row in rows if row["date"] == FRIDAY)
    gained = summary(client, "USDC")["balance"] - before["balance"]
    fee = 0.5 * min(0.00015 * delivered, 0.125 * (delivered - strike))
    fee += 0.5 * 0.00025 * delivered  # of the future it became: the last Friday of the month
    assert gained == pytest.approx(0.5 * (delivered - strike) - fee, abs=1e-6)


def test_out_of_the_money_is_one_row_of_nothing():
    exchange = make(start_ns=parse_time("2026-11-26T07:55:00Z"), flow_per_minute=0.0)
    client = Client(exchange)
    client.call("private/subscribe", channels=["deribit_price_index.btc_usd"])
    name = option(exchange, "BTC-26NOV26")[-1]
    client.call("private/buy", instrument_name=name, amount=1, type="market")
    client.wait(301)
    (row,) = log(client, query="delivery")
    assert (row["change"], row["instrument_name"]) == (0.0, name)


def test_delta_decays_in_the_settlement_window():
    exchange = make(start_ns=parse_time("2026-11-26T07:29:00Z"), flow_per_minute=0.0)
    client = Client(exchange)
    client.call("private/subscribe", channels=["deribit_price_index.btc_usd"])
    name = option(exchange, "BTC-26NOV26")[0]  # deep in the money: its own delta is one
    seen = {}
    for minute in range(31):
        seen[minute] = client.call("public/ticker", instrument_name=name)["greeks"]["delta"]
        client.wait(60, step=10)
    # Half an hour before the expiry at minute 31 is minute 1.
    assert seen[0] == pytest.approx(seen[1], abs=0.02)
    assert seen[16] == pytest.approx(0.5 * seen[1], abs=0.02)
    assert seen[30] == pytest.approx(seen[1] / 30, abs=0.02)


def test_account_delta_decays_alike():
    exchange = make(start_ns=parse_time("2026-11-26T07:20:00Z"), flow_per_minute=0.0)
    client = Client(exchange)
    client.call("private/subscribe", channels=["deribit_price_index.btc_usd"])
    name = option(exchange, "BTC-26NOV26")[0]
    client.call("private/buy", instrument_name=name, amount=2, type="market")
    check_deltas(summary(client))
    client.wait(25 * 60, step=10)  # half of the window is over
    shown = summary(client)
    (plain,) = shown["delta_total_map"].values()
    assert plain == pytest.approx(1.0, abs=0.03)
    assert shown["delta_total"] == pytest.approx(plain - 0.5 * shown["options_value"], abs=1e-8)
    assert shown["projected_delta_total"] == pytest.approx(0.0, abs=1e-8)


def test_estimated_delivery_price_becomes_the_average():
    exchange = make(start_ns=parse_time("2026-11-26T07:25:00Z"))
    client = Client(exchange)
    client.call("private/subscribe", channels=["deribit_price_index.btc_usd"])
    sampled = []
    while exchange.now_ns < parse_time("2026-11-26T07:59:59.5Z"):
        client.wait(0.5)
        if exchange.now_ns > parse_time("2026-11-26T07:30:00Z"):
            sampled.append(exchange.floor.market.index("BTC"))
    estimate = client.call("public/get_index_price", index_name="btc_usd")["estimated_delivery_price"]
    client.wait(0.5)
    sampled.append(exchange.floor.market.index("BTC"))
    (row,) = client.call("public/get_delivery_prices", index_name="btc_usd", count=1)["data"]
    assert row["delivery_price"] == pytest.approx(sum(sampled) / len(sampled), rel=1e-12)
    assert estimate == pytest.approx(row["delivery_price"], abs=1.0)


def test_liquidation_cancels_then_reduces():
    model = MarketModel(vol=3.0, premium_vol=0.0)
    exchange = make(
        models={"BTC": model}, linear=(), deposits={"BTC": 0.05}, flow_per_minute=0.0, seed=4, history_days=1
    )
    client = Client(exchange)
    client.call("private/subscribe", channels=["user.trades.any.any.raw", "user.orders.any.any.raw"])
    for side in ("buy", "sell"):
        client.ask(f"private/{side}", instrument_name=PERPETUAL, amount=10, price=85_000)
        client.call("private/cancel_all")
    client.call("private/buy", instrument_name=PERPETUAL, amount=170_000, type="market")
    client.call("private/sell", instrument_name=PERPETUAL, amount=10, price=86_000, reduce_only=True)
    for _ in range(400):
        client.wait(30, step=5)
        forced = [o for o in client.on("user.orders.any.any.raw") if o["is_liquidation"]]
        if forced:
            break
    assert forced
    assert forced[0]["order_state"] == "filled"
    traded = [trade for trades in client.on("user.trades.any.any.raw") for trade in trades]
    (trade, *_) = [trade for trade in traded if trade["order_id"] == forced[0]["order_id"]]
    assert trade["fee"] == pytest.approx(0.01 * trade["amount"] / trade["price"], abs=1e-8)
    cancelled = [
        o for o in client.on("user.orders.any.any.raw") if o.get("cancel_reason") == "autoliquidation"
    ]
    assert len(cancelled) == 1
    tape = client.call("public/get_last_trades_by_instrument", instrument_name=PERPETUAL, count=100)["trades"]
    assert any(trade.get("liquidation") == "T" for trade in tape)
    assert_invariants(exchange.floor)


def test_simulated_portfolio():
    client = Client(make(flow_per_minute=0.0))
    client.call("private/buy", instrument_name=PERPETUAL, amount=10_000, type="market")
    held = summary(client)
    same = client.call("private/simulate_portfolio", currency="BTC", simulated_positions="{}")
    assert same["initial_margin"] == held["initial_margin"]
    flat = client.call(
        "private/simulate_portfolio", currency="BTC", simulated_positions={PERPETUAL: -10_000.0}
    )
    assert flat["initial_margin"] == 0.0
    alone = client.call(
        "private/simulate_portfolio",
        currency="BTC",
        add_positions=False,
        simulated_positions={PERPETUAL: 20_000.0},
    )
    assert alone["initial_margin"] == pytest.approx(2 * held["initial_margin"], rel=1e-3)
    wrong = client.error("private/simulate_portfolio", currency="BTC", simulated_positions='{"X": 1}')
    assert wrong["code"] == -32602


def test_summaries_and_extended():
    client = Client(make())
    both = client.call("private/get_account_summaries")
    assert [row["currency"] for row in both["summaries"]] == ["BTC", "ETH", "USDC"]
    extended = client.call("private/get_account_summary", currency="BTC", extended=True)
    assert extended["limits"]["matching_engine"]["trading"]["total"] == {"rate": 1_000, "burst": 1_000}
    assert extended["id"] == both["id"]


def test_transaction_log_pages():
    client = Client(make(flow_per_minute=0.0))
    for _ in range(7):
        client.call("private/buy", instrument_name=PERPETUAL, amount=10, type="market")
    params = {"currency": "BTC", "start_timestamp": 0, "end_timestamp": 10**14, "count": 3}
    seen, token = [], None
    while True:
        more = {} if token is None else {"continuation": token}
        page = client.call("private/get_transaction_log", **params, **more)
        seen += page["logs"]
        token = page["continuation"]
        if token is None:
            break
    assert len(seen) == 8
    numbers = [row["id"] for row in seen]
    assert numbers == sorted(numbers, reverse=True)
    for newer, older in itertools.pairwise(seen):
        assert newer["balance"] == pytest.approx(older["balance"] + newer["change"], abs=1e-8)
