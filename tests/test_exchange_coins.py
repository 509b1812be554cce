"""Coins that the local exchange lists beside BTC and ETH: names, grids, prices of few cents."""

import pytest

from gammacore.contracts import Option, parse, spec_from_catalog
from gammacore.errors import ConfigError
from gammacore.exchange import ExchangeConfig
from gammacore.exchange.coins import coin, has_inverse, with_families
from gammacore.exchange.invariants import assert_invariants
from support.local_exchange import Client, make

FAMILIES = ("ETH_USDC", "SOL_USDC", "XRP_USDC")


@pytest.fixture(scope="module")
def client():
    listed = with_families(ExchangeConfig(models={}, linear=()), FAMILIES)
    return Client(
        make(models=listed.models, linear=listed.linear, expiries=3, strikes=4, history_days=1, tick_ms=1_000)
    )


def rows_of(client, family):
    rows = client.call("public/get_instruments", currency="USDC")
    return [row for row in rows if row["instrument_name"].partition("-")[0] == family]


@pytest.mark.parametrize(
    ("family", "contract", "lot", "tick"),
    [("ETH_USDC", 0.1, 0.1, 0.2), ("SOL_USDC", 10.0, 10.0, 0.1), ("XRP_USDC", 1_000.0, 1_000.0, 0.0001)],
)
def test_what_is_listed(client, family, contract, lot, tick):
    rows = rows_of(client, family)
    options = [row for row in rows if row["kind"] == "option"]
    assert len(options) == 3 * 2 * 9
    assert {(r["contract_size"], r["min_trade_amount"], r["tick_size"]) for r in options} == {
        (contract, lot, tick)
    }
    assert {(r["price_index"], r["settlement_currency"], r["instrument_type"]) for r in rows} == {
        (family.lower(), "USDC", "linear")
    }
    for row in rows:
        instrument = parse(row["instrument_name"])
        assert instrument.name == row["instrument_name"]
        assert not isinstance(instrument, Option) or instrument.strike == row["strike"]
        listing = client.exchange.floor.find(instrument.name)
        assert spec_from_catalog(row) == listing.spec
        assert listing.ticks(listing.price(listing.snap(listing.price(61), up=True))) is not None


def test_strikes_of_a_coin_of_cents_are_written_with_d(client):
    names = [r["instrument_name"] for r in rows_of(client, "XRP_USDC") if r["kind"] == "option"]
    assert "XRP_USDC-26NOV26-0d62-C" in names
    assert all(len(name.split("-")[2]) <= 5 for name in names)


@pytest.mark.parametrize(("base", "digits"), [("SOL", 4), ("XRP", 6)])
def test_prices_move_by_less_than_a_cent_and_there_is_no_inverse(client, base, digits):
    assert not has_inverse(base)
    assert f"{base}-PERPETUAL" not in client.exchange.floor.catalog.by_name
    client.wait(60, step=1)
    index = client.call("public/get_index_price", index_name=f"{base.lower()}_usdc")["index_price"]
    assert round(index, digits) == index
    assert 0.5 < index / coin(base).model.spot < 2.0
    moved = []
    for _ in range(5):
        client.wait(2, step=1)
        moved.append(client.exchange.floor.market.index(base))
    assert any(round(price, digits - 1) != price for price in moved)
    ticker = client.call("public/ticker", instrument_name=f"{base}_USDC-PERPETUAL")
    assert 0 < ticker["best_ask_price"] - ticker["best_bid_price"] < 1e-3 * index


def test_a_contract_of_ten_coins_pays_ten_times_the_payoff(client):
    """A call bought at 2.2 a coin costs ten times that, and amounts between contracts are refused."""
    name = next(
        r["instrument_name"] for r in rows_of(client, "SOL_USDC") if r["instrument_name"].endswith("-C")
    )
    cash = client.call("private/get_account_summary", currency="USDC")["balance"]
    with pytest.raises(Exception, match="must be a multiple of contract size"):
        client.call("private/buy", instrument_name=name, amount=15, type="market")
    bought = client.call("private/buy", instrument_name=name, amount=20, type="market")
    trades = bought["trades"]
    assert sum(trade["amount"] for trade in trades) == 20.0
    assert all(trade["amount"] == 10.0 * trade["contracts"] for trade in trades)
    left = client.call("private/get_account_summary", currency="USDC")["balance"]
    assert cash - left == pytest.approx(sum(t["amount"] * t["price"] + t["fee"] for t in trades), abs=1e-6)
    assert_invariants(client.exchange.floor)


def test_a_family_that_nobody_knows_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"--list SOL_USDT: expected of .*did you mean SOL_USDC\?"):
        with_families(ExchangeConfig(), ("SOL_USDT",))
    plain = ExchangeConfig()
    assert with_families(plain, ("BTC", "BTC_USDC")) == plain
