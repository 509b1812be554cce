"""Ticks, lots and fees from a catalog: files, stores, what was published."""

import csv
import json

import pytest

from gammacore.contracts import parse
from gammacore.data.listings import load_listings
from gammacore.errors import DataError
from support.shared_data import recorded
from support.sol_market import CATALOG, as_csv, as_store, write

PERPETUAL, OPTION = parse("SOL_USDC-PERPETUAL"), parse("SOL_USDC-16JAN26-147d5-C")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("sol"))


def test_every_form_of_a_catalog_is_read(folder, tmp_path):
    for path in (folder / "catalog.json", as_csv(tmp_path / "c.csv"), as_store(tmp_path / "store")):
        grids = load_listings(path, "SOL_USDC")
        spec = grids.spec_for(OPTION)
        assert (spec.min_trade_amount, spec.contract_size, spec.amount_unit) == (10.0, 10.0, "coin")
        assert grids.spec_for(PERPETUAL).round_amount(1.27) == 1.2
        assert grids.of("SOL_USDC", "option").taker == 0.0006
        assert grids.of("SOL_USDC", "option").source == str(path)
    assert load_listings(tmp_path / "c.csv", "SOL_USDC").spec_for(OPTION).tick_at(150.0) == 0.2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tick_size": ""}, "line 2: expected a value of tick_size"),
        ({"tick_size": "0"}, "SOL_USDC-PERPETUAL'?: .*tick_size must be positive"),
        ({"min_trade_amount": "a"}, "SOL_USDC-PERPETUAL"),
        ({"taker_commission": "0.5"}, "taker_commission must be a fraction such as 0.0005, got '0.5'"),
        (
            {"tick_size_steps": "0.1"},
            r"tick_size_steps must be JSON such as \[\[0.005, 0.0005\]\], got '0.1'",
        ),
    ],
)
def test_figures_that_cannot_be_are_refused(tmp_path, change, message):
    path = as_csv(tmp_path / "c.csv")
    rows = list(csv.DictReader(path.open()))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([rows[0] | change, *rows[1:]])
    with pytest.raises(DataError, match=message) as error:
        load_listings(path, "SOL_USDC")
    assert str(error.value).startswith(str(path))


def test_a_catalog_must_say_one_thing_of_the_family_in_coins(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(CATALOG))
    with pytest.raises(
        DataError, match="no instrument of XRP_USDC; expected names such as XRP_USDC-PERPETUAL"
    ):
        load_listings(path, "XRP_USDC")
    assert load_listings(path, "XRP_USDC", needed=False).rows == ()
    path.write_text(json.dumps([*CATALOG, CATALOG[0] | {"tick_size": 0.02}]))
    with pytest.raises(DataError, match="SOL_USDC-PERPETUAL is listed twice with different figures"):
        load_listings(path, "SOL_USDC")
    path.write_text(json.dumps([CATALOG[1] | {"min_trade_amount": 1}]))
    with pytest.raises(DataError, match="min_trade_amount 1 is no multiple of contract_size 10: its amounts"):
        load_listings(path, "SOL_USDC")
    path.write_text("{}")
    with pytest.raises(DataError, match="expected a list of instruments"):
        load_listings(path, "SOL_USDC")


OTHERS = (  # of a whole answer: a spot pair lacks a contract_size, a new sort may lack anything
    {"instrument_name": "SOL_USDC", "kind": "spot", "tick_size": 0.01, "min_trade_amount": 0.1},
    {"instrument_name": "NVDA_USDC-PERPETUAL", "kind": "future", "tick_size": None},
)


def test_of_other_contracts_only_the_name_matters(tmp_path):
    path = tmp_path / "c.json"
    path.write_text("\ufeff" + json.dumps([*OTHERS[1:], *CATALOG]), encoding="utf-8")
    assert load_listings(path, "SOL_USDC").spec_for(PERPETUAL).min_trade_amount == 0.1
    table = tmp_path / "c.csv"
    table.write_text(
        "instrument_name,tick_size,contract_size,min_trade_amount\n"
        "NVDA_USDC-PERPETUAL,,,\nSOL_USDC-PERPETUAL,0.01,0.1,0.1\n"
    )
    assert load_listings(table, "SOL_USDC").spec_for(PERPETUAL).tick_size == 0.01
    path.write_text(json.dumps([CATALOG[0] | {"contract_size": None}]))
    with pytest.raises(DataError, match=r"c\.json: instrument 0: expected a value of contract_size, got "):
        load_listings(path, "SOL_USDC")
    path.write_text(json.dumps([CATALOG[0] | {"maker_commission": "x"}]))
    with pytest.raises(DataError, match=r"maker_commission must be a fraction such as 0\.0005, got 'x'"):
        load_listings(path, "SOL_USDC")
    path.write_text(json.dumps([*OTHERS, *CATALOG]))
    assert load_listings(path, "SOL_USDC").spec_for(PERPETUAL).min_trade_amount == 0.1


def test_a_file_that_changed_is_read_again(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(CATALOG))
    assert load_listings(path, "SOL_USDC").spec_for(PERPETUAL).min_trade_amount == 0.1
    path.write_text(json.dumps([CATALOG[0] | {"min_trade_amount": 0.25}]))
    assert load_listings(path, "SOL_USDC").spec_for(PERPETUAL).min_trade_amount == 0.25


def test_a_recorded_catalog_of_the_exchange_is_read_as_it_is():
    grids = load_listings(recorded("fixtures/deribit/cryptofeed/get_instruments_BTC.json"), "BTC")
    known = {(row.kind, row.min_trade_amount, row.maker, row.taker) for row in grids.rows if not row.name}
    assert known == {
        ("option", 0.1, 0.0003, 0.0003),
        ("future", 10.0, 0.0, 0.0005),
        ("perpetual", 10.0, 0.0, 0.0005),
    }
    weeklies = {row.maker for row in grids.rows if row.name and row.kind == "future"}
    assert weeklies <= {-0.0001, 0.0}
