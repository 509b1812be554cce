"""Accounts of the local exchange under portfolio margin: printed figures, ours against its, liquidation."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import ndtr
from typer.testing import CliRunner

from gammacore.cli.main import app
from gammacore.contracts import Option, Perpetual, Settlement, parse
from gammacore.data.margins import published_margins
from gammacore.daycount import NS_PER_DAY, parse_time
from gammacore.errors import ConfigError
from gammacore.exchange import Exchange, ExchangeConfig, MarketModel
from gammacore.exchange.account_value import in_currency
from gammacore.exchange.clearing import Clearing
from gammacore.exchange.invariants import assert_invariants
from gammacore.exchange.mark_prices import Mark
from gammacore.exchange.portfolio_risk import account_risk, exposed, portfolio_risk
from gammacore.margin import Book, Holding, portfolio_margin
from support.local_exchange import SECOND, Client, make

MARGINS, PERPETUAL = published_margins(), "BTC-PERPETUAL"


def listing_of(name):
    held = parse(name)
    inverse = held.settlement is Settlement.INVERSE
    option = isinstance(held, Option)
    return SimpleNamespace(
        name=name,
        instrument=held,
        base=held.base,
        kind="option" if option else "future",
        inverse=inverse and not option,
        coin_settled=inverse,
        expiry_ns=None if isinstance(held, Perpetual) else held.expiry_ns,
    )


def exposure(name, size, price, forward=None, vol=0.0, delta=1.0):
    return exposed(listing_of(name), size, Mark(price, price if forward is None else forward, vol, delta))


def test_the_first_printed_example_to_its_last_digit():
    now, perpetual, dated = parse_time("2024-06-17"), 65_910.57, 67_371.75
    held = [
        exposure("BTC-PERPETUAL", 0.314538364 * perpetual, perpetual),
        exposure("BTC-28JUN24", -0.001187534 * dated, dated),
    ]
    found = portfolio_risk(held, MARGINS.portfolio_at(now, "BTC"), 65_666.19, now)
    assert f"{found.roll:.11f}" == "0.00315725898"
    assert f"{found.margin:.11f}" == "0.06284313098"
    assert sum(found.losses.values()) == pytest.approx(0.05968587238, abs=5e-12)
    risk = account_risk(held, [[], []], lambda base: 65_666.19, now, 0)
    assert f"{risk.maintenance:.12f}" == "0.050274504784"


def test_the_second_printed_example_to_its_last_digit():
    now = parse_time("2026-02-15")
    held = [exposure("ETH-PERPETUAL", -0.999487053 * 1_949.49, 1_949.49)]
    risk = account_risk(held, [[], []], lambda base: 1_949.34, now, 0)
    assert f"{risk.initial:.12f}" == "0.157461562265"
    assert f"{risk.maintenance:.12f}" == "0.125969249812"


@pytest.mark.parametrize("index", [1_953.0, 1_953.5, 1_954.0])
def test_the_third_printed_example_to_its_last_digit(index):
    """A cross account in ETH; its index is not printed, one near 1,953 to 1,954 fits all three."""
    totals = (0.814286765, 0.595147876, 2.531603551)
    assert [in_currency(usd, index) for usd in totals] == [0.000417, 0.000305, 0.001296]


@pytest.mark.parametrize("linear", [False, True])
def test_two_encodings_agree_on_random_books(linear):
    rng, now, index = np.random.default_rng(11), parse_time("2026-11-20T12:00"), 90_000.0
    family, rates = "BTC_USDC" if linear else "BTC", MARGINS.portfolio_at(parse_time("2026-11-20"), "BTC")
    for _ in range(60):
        ours, theirs = {}, []
        for _ in range(rng.integers(1, 9)):
            day, sort = rng.choice(["21NOV26", "27NOV26", "26MAR27"]), rng.integers(0, 4)
            mark, size = index * (1 + rng.normal(0, 0.01)), rng.normal(0, 40)
            unit = 1.0 if linear else mark
            name = [f"{family}-PERPETUAL", f"{family}-{day}"][sort] if sort < 2 else ""
            if sort >= 2:
                strike = round(index * np.exp(rng.normal(0, 0.2)), -3)
                name = f"{family}-{day}-{strike:.0f}-{'CP'[sort - 2]}"
            if name in ours:
                continue
            if sort < 2:
                ours[name] = Holding(parse(name), size * unit, mark)
                theirs.append(exposure(name, size * unit, mark))
                continue
            vol, option = float(rng.uniform(0.2, 1.5)), parse(name)
            ours[name] = Holding(option, size, 0.01, mark, vol)
            tau = (option.expiry_ns - now) / (365 * NS_PER_DAY)
            d1 = np.log(mark / option.strike) / (vol * np.sqrt(tau)) + 0.5 * vol * np.sqrt(tau)
            theirs.append(exposure(name, size, 0.01, mark, vol, option.kind * ndtr(option.kind * d1)))
        found = portfolio_margin(Book(now, index, tuple(ours.values())), rates)
        other = portfolio_risk(theirs, rates, index, now)
        tell = {"rel": 1e-9, "abs": 2e-9 * (index if linear else 1.0)}
        assert other.margin == pytest.approx(found.initial, **tell)
        assert (other.worst, other.roll, other.delta) == pytest.approx(found[2:5], **tell)


def option_near(client, number):
    rows = client.call("public/get_instruments", currency="BTC", kind="option")
    expiry = sorted({row["expiration_timestamp"] for row in rows})[number]
    index = client.call("public/get_index_price", index_name="btc_usd")["index_price"]
    row = min(
        (r for r in rows if r["expiration_timestamp"] == expiry and r["option_type"] == "call"),
        key=lambda r: abs(r["strike"] - index),
    )
    return row["instrument_name"]


def ours_of(client, exchange, currency="BTC"):
    """Portfolio margin by the library, from what the exchange tells of positions and tickers."""
    held = []
    for row in client.call("private/get_positions", currency=currency):
        name = row["instrument_name"]
        seen = client.call("public/ticker", instrument_name=name)
        if row["kind"] == "option":
            vol, forward = seen["mark_iv"] / 100.0, seen["underlying_price"]
            held.append(Holding(parse(name), row["size"], row["mark_price"], forward, vol))
        else:
            held.append(Holding(parse(name), row["size"], row["mark_price"]))
    now = exchange.floor.pricing.moment_ns
    index = client.call("public/get_index_price", index_name=f"{currency.lower()}_usd")["index_price"]
    return portfolio_margin(Book(now, index, tuple(held)), MARGINS.portfolio_at(now, currency))


def summary(client, currency="BTC"):
    return client.call("private/get_account_summary", currency=currency)


def test_an_account_is_margined_by_its_risk_matrix():
    exchange = make(margin_model="segregated_pm", flow_per_minute=0.0)
    client = Client(exchange)
    call = option_near(client, 1)
    client.call("private/sell", instrument_name=call, amount=2.0, type="market")
    alone = summary(client)
    client.call("private/buy", instrument_name=PERPETUAL, amount=80_000, type="market")
    hedged, ours = summary(client), ours_of(client, exchange)
    assert hedged["margin_model"] == "segregated_pm"
    assert hedged["portfolio_margining_enabled"] is True
    assert hedged["initial_margin"] < 0.7 * alone["initial_margin"]
    assert hedged["initial_margin"] == pytest.approx(ours.initial, rel=1e-6)
    assert hedged["maintenance_margin"] == pytest.approx(0.8 * hedged["initial_margin"], abs=2e-8)
    assert hedged["margin_balance"] == hedged["equity"]
    losses = {row["instrument_name"]: row["initial_margin"] for row in client.call("private/get_positions")}
    assert losses[call] * losses[PERPETUAL] < 0  # one loses what the other gains
    assert sum(losses.values()) == pytest.approx(ours.worst_loss, rel=1e-5)
    assert_invariants(exchange.floor)


def test_open_orders_count_in_initial_margin_alone():
    client = Client(make(margin_model="segregated_pm", flow_per_minute=0.0))
    client.call("private/buy", instrument_name=PERPETUAL, amount=100_000, type="market")
    before = summary(client)
    client.call("private/buy", instrument_name=PERPETUAL, amount=50_000, price=80_000)
    buys = summary(client)
    assert buys["initial_margin"] == pytest.approx(1.5 * before["initial_margin"], rel=1e-3)
    assert buys["maintenance_margin"] == pytest.approx(before["maintenance_margin"], rel=1e-3)
    client.call("private/buy", instrument_name="ETH-PERPETUAL", amount=1_000, price=2_500)
    flat = client.call("private/get_position", instrument_name="ETH-PERPETUAL")
    assert flat["open_orders_margin"] == 0.0 < summary(client, "ETH")["initial_margin"]
    client.call("private/cancel_all")
    client.call("private/sell", instrument_name=PERPETUAL, amount=50_000, price=90_000)
    assert summary(client)["initial_margin"] == pytest.approx(before["initial_margin"], rel=1e-3)


def test_orders_beyond_the_margin_are_refused_and_get_margins_says_what_one_adds():
    client = Client(make(margin_model="segregated_pm", flow_per_minute=0.0, deposits={"BTC": 1.0}))
    asked = client.call("private/get_margins", instrument_name=PERPETUAL, amount=170_000, price=85_000)
    client.call("private/buy", instrument_name=PERPETUAL, amount=170_000, type="market")
    assert summary(client)["initial_margin"] == pytest.approx(asked["buy"], rel=2e-3)
    refused = client.error("private/buy", instrument_name=PERPETUAL, amount=600_000, price=84_000)
    assert refused["code"] == 10009


def test_a_simulated_portfolio_is_netted():
    client = Client(make(margin_model="segregated_pm", flow_per_minute=0.0))
    call = option_near(client, 1)
    client.call("private/sell", instrument_name=call, amount=2.0, type="market")
    held = summary(client)
    found = client.call(
        "private/simulate_portfolio", currency="BTC", simulated_positions={PERPETUAL: 80_000.0}
    )
    assert found["margin_model"] == "segregated_pm"
    assert found["initial_margin"] < 0.7 * held["initial_margin"]
    none = client.call("private/simulate_portfolio", currency="BTC", simulated_positions={call: 2.0})
    assert none["initial_margin"] == 0.0
    client.call("private/buy", instrument_name=PERPETUAL, amount=80_000, type="market")
    assert summary(client)["initial_margin"] == pytest.approx(found["initial_margin"], rel=1e-3)


def test_a_cross_account_repeats_its_totals_in_every_currency():
    exchange = make(margin_model="cross_pm", flow_per_minute=0.0)
    client = Client(exchange)
    client.call("private/buy", instrument_name=PERPETUAL, amount=100_000, type="market")
    client.call("private/sell", instrument_name="ETH-PERPETUAL", amount=30_000, type="market")
    rows = {row["currency"]: row for row in client.call("private/get_account_summaries")["summaries"]}
    floor = exchange.floor
    index = {"BTC": floor.market.index("BTC"), "ETH": floor.market.index("ETH"), "USDC": 1.0}
    equity = sum(row["equity"] * index[name] for name, row in rows.items())
    own = sum(ours_of(client, exchange, base).initial * index[base] for base in ("BTC", "ETH"))
    for name, row in rows.items():
        assert row["cross_collateral_enabled"] is True
        assert row["total_equity_usd"] == row["total_margin_balance_usd"] == pytest.approx(equity, rel=1e-9)
        assert row["total_initial_margin_usd"] == pytest.approx(own, rel=1e-6)
        assert row["initial_margin"] == round(row["total_initial_margin_usd"] / index[name], 6)
        assert row["maintenance_margin"] == round(row["total_maintenance_margin_usd"] / index[name], 6)
        assert row["margin_balance"] == pytest.approx(equity / index[name], abs=1e-6)
    same = client.call("private/simulate_portfolio", currency="BTC", simulated_positions={})
    assert same["total_initial_margin_usd"] == pytest.approx(own, rel=1e-6)
    assert_invariants(floor)


def test_liquidation_reduces_what_loses_most_in_the_worst_scenario():
    model = MarketModel(spot=85_000.0, vol=1.2, vol_of_vol=0.1)
    exchange = make(
        margin_model="segregated_pm", models={"BTC": model}, linear=(), deposits={"BTC": 0.5},
        flow_per_minute=0.0, seed=2, history_days=1,
    )  # fmt: skip
    client = Client(exchange)
    client.call("private/subscribe", channels=["user.orders.any.any.raw"])
    client.call("private/sell", instrument_name=PERPETUAL, amount=320_000, type="market")
    before = summary(client)
    for _ in range(400):
        client.wait(30, step=5)
        forced = [o for o in client.on("user.orders.any.any.raw") if o["is_liquidation"]]
        if forced:
            break
    assert forced[0]["order_state"] == "filled"
    assert forced[0]["instrument_name"] == PERPETUAL
    assert forced[0]["amount"] == pytest.approx(0.25 * 320_000, rel=0.01)
    assert before["maintenance_margin"] < before["margin_balance"]
    assert_invariants(exchange.floor)


def short_of_calls(monkeypatch, filled):
    """Liquidate an account; what is forced on it: instrument, lots, whether it only reduces."""
    exchange = make(margin_model="segregated_pm", flow_per_minute=0.0)
    client = Client(exchange)
    call = option_near(client, 1)
    client.call("private/sell", instrument_name=call, amount=8.0, type="market")
    client.call("private/buy", instrument_name=PERPETUAL, amount=20_000, type="market")
    account = exchange.floor.accounts[exchange.floor.users["gammacore"]]
    account.wallet("BTC").balance = 0
    forced, clearing = [], Clearing(exchange.floor, None)

    def force(account, listing, lots, now_ns, *, reduce=True):
        forced.append((listing.name, lots, reduce))
        return listing.name in filled

    monkeypatch.setattr(clearing, "_force", force)
    clearing.liquidate(exchange.now_ns + SECOND)
    return call, forced


def test_portfolio_margin_takes_what_loses_and_hedges_where_that_does_not_trade(monkeypatch):
    call, forced = short_of_calls(monkeypatch, filled={"none"})
    assert [name for name, _, _ in forced] == [call, PERPETUAL]
    assert forced[0][1:] == (20, True)  # a quarter of 8 coins in lots of 0.1, bought back
    assert forced[1][1] > 0  # against a short delta
    assert forced[1][2] is False


def test_portfolio_margin_takes_one_position_a_round(monkeypatch):
    call, forced = short_of_calls(monkeypatch, filled={PERPETUAL})
    assert [name for name, _, _ in forced] == [call, PERPETUAL]
    again, forced = short_of_calls(monkeypatch, filled={call})
    assert [name for name, _, _ in forced] == [again]


def test_a_coin_without_parameters_is_refused():
    with pytest.raises(ConfigError, match="segregated_pm: no parameters of portfolio margin for SOL"):
        Exchange(ExchangeConfig(margin_model="segregated_pm", models={"SOL": MarketModel()}))


def test_an_unknown_margin_model_is_refused_before_anything_starts():
    result = CliRunner().invoke(app, ["exchange", "--margin", "portfolio"])
    assert isinstance(result.exception, ConfigError)
    told = str(result.exception)
    assert told == "--margin: expected segregated_sm, segregated_pm or cross_pm, got 'portfolio'"
