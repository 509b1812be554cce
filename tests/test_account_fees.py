"""What an account is charged: told by the exchange, decided by, compared with what a backtest charges."""

import json

import pytest

from gammacore.config import parse_config, with_overrides
from gammacore.contracts import AccountFee, Grids, parse
from gammacore.daycount import parse_time
from gammacore.deribit.account import account_fees
from gammacore.errors import ConfigError
from gammacore.exchange.config import Discount
from gammacore.fees import DERIBIT, TIERS
from gammacore.live import client as client_module
from gammacore.live.doctor import Health, _fees
from gammacore.live.session import read_catalog
from gammacore.terms import fees_of
from support.live_world import ID, World
from support.local_exchange import Client as LocalClient
from support.local_exchange import make
from support.markets import build
from support.shared_data import recorded

FIXTURE = "fixtures/deribit/doc-examples/private-get_account_summary.json"
OWN = Discount(options=0.5, maker=-0.00002, taker=0.000185)
PERPETUAL = parse("BTC-PERPETUAL")


def test_a_dict_by_index_as_recorded():
    answer = json.loads(recorded(FIXTURE).read_text())
    option, perpetual, future = account_fees(answer["result"]["fees"])
    assert option == AccountFee("BTC", "option", True, 0.625, 0.625)
    assert perpetual == AccountFee("BTC", "perpetual", False, -0.0001, 0.00035000000000000005)
    assert future == AccountFee("BTC", "future", False, -0.0001, 0.00035000000000000005)


def test_a_list_since_december_2025():
    def fee(index, kind, how, maker, taker):
        value = {"default": {"type": how, "maker": maker, "taker": taker}, "block_trade": 0.3}
        return {"index_name": index, "kind": kind, "value": value}

    given = [
        fee("eth_usdc", "perpetual", "fixed", 0.0, 0.0003),
        fee("btc_usd", "option_combo", "relative", 1.0, 1.0),  # not traded by itself
        fee("btc_eth", "spot", "fixed", 0.0, 0.0),
        {"index_name": "btc_usd", "kind": "future"},
    ]
    assert account_fees(given) == (AccountFee("ETH_USDC", "perpetual", False, 0.0, 0.0003),)
    assert account_fees(None) == account_fees([]) == account_fees({}) == account_fees("soon") == ()


def test_tiers_begin_with_the_table_of_august_2026():
    before, after = parse_time("2026-07-31T23:59"), parse_time("2026-08-01")
    assert TIERS["standard"] is DERIBIT
    for tier in TIERS.values():
        assert tier.at(before) == DERIBIT.at(before)
    rates = {name: (tier.at(after).future_maker, tier.at(after).future_taker) for name, tier in TIERS.items()}
    assert rates == {
        "standard": (0.00015, 0.00035),
        "vip1": (0.0, 0.0003),
        "vip4": (-0.00002, 0.000185),
        "vip7": (-0.00004, 0.00017),
    }


def test_a_backtest_charges_the_tier_and_the_rates_that_are_given():
    config = parse_config({"costs": {"tier": "vip4", "fees": {"option_cap": 0.1, "option_taker": 0.00015}}})
    for moment in ("2026-01-01", "2026-09-01"):
        rates = fees_of(config, Grids()).at(parse_time(moment))
        assert (rates.option_cap, rates.option_taker) == (0.1, 0.00015)
    assert fees_of(config, Grids()).at(parse_time("2026-09-01")).future_maker == -0.00002
    assert fees_of(config, Grids()).at(parse_time("2026-01-01")).future_maker == 0.0
    with pytest.raises(ConfigError, match=r"costs\.tier: expected one of standard, vip1, vip4, vip7"):
        parse_config({"costs": {"tier": "vip2"}})
    with pytest.raises(ConfigError, match=r"costs\.fees\.option_taker: expected a number <= 0\.05"):
        parse_config({"costs": {"fees": {"option_taker": 3.5}}})
    with pytest.raises(ConfigError, match=r"costs\.fees\.option_take: unknown parameter; did you mean"):
        parse_config({"costs": {"fees": {"option_take": 0.0002}}})


@pytest.fixture
def client_of(monkeypatch):
    """A client of an exchange whose account has fees of its own, or not."""

    def made(world):
        monkeypatch.setattr(client_module, "connect", world.connect)
        return world.client()

    return made


@pytest.mark.parametrize(
    ("discounts", "maker", "taker"), [({}, 0.00015, 0.00035), ({ID: OWN}, -0.00002, 0.000185)]
)
def test_the_account_wins_over_the_catalog_and_the_catalog_over_the_schedule(
    discounts, maker, taker, client_of
):
    """From the moment both were read: what a backtest charges of the days before stays as it was."""
    world = World(discounts=discounts)
    for listing in world.exchange.floor.catalog.by_name.values():
        if listing.kind == "option":
            listing.row["taker_commission"] = 0.0004
    config, client = build({}), client_of(world)
    catalog = read_catalog(client, config)
    schedule, now_ns = fees_of(config, catalog), client.now_ns()
    rates = schedule.at(now_ns)
    assert (rates.future_maker, rates.future_taker) == (maker, taker)
    assert rates.option_taker == pytest.approx(0.0004 * (0.5 if discounts else 1.0), rel=1e-12)
    assert schedule.at(now_ns - 60 * 10**9) == DERIBIT.at(now_ns)
    assert catalog.of("BTC", "perpetual").source.endswith("fees of the account") == bool(discounts)
    everyone = fees_of(config, read_catalog(client, config, account=False)).at(now_ns)
    assert everyone.future_taker == 0.00035


def test_the_exchange_charges_what_it_tells(client_of):
    exchange = make(discounts={"gammacore": OWN})
    trader = LocalClient(exchange)
    told = trader.call("private/get_account_summary", currency="BTC", extended=True)["fees"]
    own = {fee.kind: fee for fee in account_fees(told) if fee.family == "BTC"}
    order = trader.call("private/buy", instrument_name=PERPETUAL.name, amount=1000.0, type="market")
    assert order["trades"]
    for trade in order["trades"]:
        owed = own["perpetual"].taker * trade["amount"] / trade["price"]
        assert trade["fee"] == pytest.approx(owed, abs=5.1e-9)
    margins = trader.call("private/get_margins", instrument_name=PERPETUAL.name, amount=1000.0, price=85000.0)
    assert margins["buy_maker_fee"] == pytest.approx(-0.00002 * 1000 / 85000, abs=5.1e-9)
    usual = LocalClient(make()).call("private/get_account_summary", currency="BTC", extended=True)
    assert "fees" not in usual


def test_the_doctor_says_how_to_backtest_with_the_fees_of_the_account(client_of):
    config = build({})
    assert _fees(config, client_of(World())).verdict is Health.OK
    found = _fees(config, client_of(World(discounts={ID: OWN})))
    assert found.verdict is Health.WARNING
    assert "future taker 0.0185% (backtest 0.0350%)" in found.seen
    assert "--set costs.fees.option_taker=0.00015" in found.advice
    assert "--set costs.hedge_taker_fee=0.000185" in found.advice
    words = [word.split("=") for word in found.advice.split() if "=" in word]
    told = with_overrides(config, {path: float(value) for path, value in words})
    assert _fees(told, client_of(World(discounts={ID: OWN}))).verdict is Health.OK
