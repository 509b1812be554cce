"""Names of combos, and the legs that they stand for."""

import json
import re

import pytest

from gammacore.contracts import Combo, combo_from_legs, listed_combo, parse, parse_combo
from gammacore.data.schemas import IS_COMBO
from gammacore.errors import ContractError
from support.shared_data import recorded


def legs_of(combo):
    return {leg.name.partition("-")[2]: ratio for leg, ratio in combo.legs}


NAMES = {
    "BTC-STRD-30SEP22-20000": {"30SEP22-20000-C": 1, "30SEP22-20000-P": 1},
    "BTC_USDC-STRD-31JUL26-63000": {"31JUL26-63000-C": 1, "31JUL26-63000-P": 1},
    "BTC-STRG-31JUL26-60000_70000": {"31JUL26-60000-P": 1, "31JUL26-70000-C": 1},
    "BTC-CS-19MAY26-70000_75000": {"19MAY26-70000-C": 1, "19MAY26-75000-C": -1},
    "BTC_USDC-PS-18SEP26-77000_70000": {"18SEP26-77000-P": 1, "18SEP26-70000-P": -1},
    "XRP_USDC-CS-30JAN26-2d3_2d6": {"30JAN26-2d3-C": 1, "30JAN26-2d6-C": -1},
    "XRP_USDC-RR-27MAR26-2d3_2d4": {"27MAR26-2d4-C": 1, "27MAR26-2d3-P": -1},
    "BTC-CSR12-17JAN25-97000_100000": {"17JAN25-97000-C": 1, "17JAN25-100000-C": -2},
    "BTC-CSR23-17JAN25-97000_100000": {"17JAN25-97000-C": 2, "17JAN25-100000-C": -3},
    "BTC-PSR13-31JAN25-96000_94000": {"31JAN25-96000-P": 1, "31JAN25-94000-P": -3},
    "BTC-CBUT-28MAR25-90000_95000_100000": {
        "28MAR25-90000-C": 1, "28MAR25-95000-C": -2, "28MAR25-100000-C": 1,
    },
    "BTC-PBUT-28MAR25-100000_95000_90000": {
        "28MAR25-90000-P": 1, "28MAR25-95000-P": -2, "28MAR25-100000-P": 1,
    },
    "BTC-CCOND-2JAN24-77000_78000_80500_81500": {
        "2JAN24-77000-C": 1, "2JAN24-78000-C": -1, "2JAN24-80500-C": -1, "2JAN24-81500-C": 1,
    },
    "BTC-ICOND-31JAN25-82000_84000_98000_100000": {
        "31JAN25-82000-P": 1, "31JAN25-84000-P": -1, "31JAN25-98000-C": -1, "31JAN25-100000-C": 1,
    },
    "BTC-IBUT-29SEP23-5000_22000_80000": {
        "29SEP23-5000-P": 1, "29SEP23-22000-P": -1, "29SEP23-22000-C": -1, "29SEP23-80000-C": 1,
    },
    "BTC-REV-29APR22-37500": {"29APR22-37500-C": 1, "29APR22-37500-P": -1},
    "BTC-BOX-30DEC22-17000_20000": {
        "30DEC22-17000-C": 1, "30DEC22-20000-C": -1, "30DEC22-17000-P": -1, "30DEC22-20000-P": 1,
    },
    "BTC-CCAL-25DEC26_31JUL26-115000": {"25DEC26-115000-C": 1, "31JUL26-115000-C": -1},
    "BTC-PCAL-28AUG26_31JUL26-62000": {"28AUG26-62000-P": 1, "31JUL26-62000-P": -1},
    "BTC-CDIAG-26JUN26_2JAN26-60000_90000": {"26JUN26-60000-C": 1, "2JAN26-90000-C": -1},
    "BTC-PDIAG-26JUN26_2JAN26-90000_60000": {"26JUN26-90000-P": 1, "2JAN26-60000-P": -1},
    "BTC-FS-22MAY26_19MAY26": {"22MAY26": 1, "19MAY26": -1},
    "BTC-FS-29APR22_PERP": {"29APR22": 1, "PERPETUAL": -1},
    "ETH_USDC-FS-25APR26_PERP": {"25APR26": 1, "PERPETUAL": -1},
}  # fmt: skip


@pytest.mark.parametrize(("name", "legs"), NAMES.items())
def test_names_stand_for_legs_and_legs_for_names(name, legs):
    combo = parse_combo(name)
    assert (combo.name, legs_of(combo)) == (name, legs)
    assert combo.kind == ("future_combo" if "-FS-" in name else "option_combo")
    assert combo.family == name.partition("-")[0]
    assert re.search(IS_COMBO, name)
    with pytest.raises(ContractError):
        parse(name)  # no contract that is held
    for side in (1, -1):
        amounts = [(leg, side * 0.3 * ratio) for leg, ratio in combo.legs[::-1]]
        assert combo_from_legs(amounts) == (combo, 0.3 * side)


def test_both_sides_of_a_straddle():
    call, put = parse("BTC-27NOV26-90000-C"), parse("BTC-27NOV26-90000-P")
    combo, count = combo_from_legs([(call, -0.3), (put, -0.3)])
    assert (combo.name, count) == ("BTC-STRD-27NOV26-90000", -0.3)
    assert combo_from_legs([(call, -0.1), (put, -0.3), (call, -0.2)]) == (combo, -0.3)
    assert combo_from_legs([(call, 0.1), (put, -0.1)])[0].name == "BTC-REV-27NOV26-90000"


@pytest.mark.parametrize(
    "legs",
    [
        {"BTC-27NOV26-90000-C": 1.0},
        {"BTC-27NOV26-90000-C": 1.0, "BTC-27NOV26-90000-P": 0.0},
        {"BTC-27NOV26-90000-C": 1.0, "BTC-27NOV26-90000-P": 2.0},
        {"BTC-27NOV26-90000-C": 1.0, "BTC-PERPETUAL": 10.0},
        {"BTC-27NOV26-90000-C": 1.0, "BTC_USDC-27NOV26-90000-P": 1.0},
        {"BTC-27NOV26-90000-C": 1.0, "BTC-27NOV26-95000-C": 1.0},
        {"BTC-27NOV26": 10.0, "BTC-PERPETUAL": 10.0},
    ],
)
def test_other_legs_are_no_combo_with_a_name(legs):
    assert combo_from_legs((parse(name), amount) for name, amount in legs.items()) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("BTC-CLAD-27NOV26-90000_95000_99000", "code 'CLAD' is not one of FS, STRD.*from the exchange"),
        ("BTC-FS-31DEC21-PERP", "code 'FS'"),
        ("BTC-FS-PERP_31DEC21", "the later one first"),
        ("BTC-FS-31DEC21", "two dates"),
        ("BTC", "code ''"),
        ("BTC-CS-27NOV26-95000_90000", "strikes must rise"),
        ("BTC-CS-27NOV26-90000_90000", "strikes must rise"),
        ("BTC-PS-27NOV26-90000_95000", "strikes must fall"),
        ("BTC-CDIAG-26JUN26_2JAN26-60000_60000", "strikes must differ"),
        ("BTC-CCAL-2JAN26_26JUN26-60000", "later date comes first"),
        ("BTC-STRD-27NOV26-90000_95000", r"come 1 date\(s\) and 1 strike\(s\)"),
        ("BTC-STRD-27NOV26", r"come 1 date\(s\)"),
        ("BTC-STRD-27NOV26-090000", "strike '090000'"),
        ("BTC_USDT-STRD-27NOV26-90000", "settlement 'USDT'"),
    ],
)
def test_names_that_mean_nothing_are_refused(name, why):
    with pytest.raises(ContractError, match=why):
        parse_combo(name)


def test_the_exchange_has_the_last_word():
    rows = [("BTC-27NOV26-90000-C", -1), ("BTC-27NOV26-95000-C", 1)]
    combo = listed_combo("BTC-CS-27NOV26-90000_95000", rows)
    assert [ratio for _, ratio in combo.legs] == [-1, 1]
    assert combo != parse_combo(combo.name)
    assert listed_combo("BTC-CLAD-X", rows).name == "BTC-CLAD-X"


@pytest.mark.parametrize(
    ("legs", "why"),
    [
        ([("BTC-PERPETUAL", 1)], "two legs"),
        ([("BTC-PERPETUAL", 1), ("BTC-PERPETUAL", -1)], "of its own"),
        ([("BTC-PERPETUAL", 1), ("ETH-PERPETUAL", -1)], "one family"),
        ([("BTC-PERPETUAL", 2), ("BTC-27NOV26", -2)], r"common divisor, got \[2, -2\]"),
        ([("BTC-PERPETUAL", 1), ("BTC-27NOV26", 0)], r"common divisor, got \[1, 0\]"),
        ([("BTC-PERPETUAL", 1), ("BTC_USDC", -1)], "BTC_USDC"),
    ],
)
def test_legs_that_cannot_be_are_refused(legs, why):
    with pytest.raises(ContractError, match=why):
        listed_combo("BTC-FS-27NOV26_PERP", legs)


def test_recorded_combos_agree():
    rows = json.loads(
        recorded("fixtures/deribit/nautilus/http_get_instruments_future_combo.json").read_text()
    )
    for row in rows["result"]:
        combo = parse_combo(row["instrument_name"])
        assert (combo.kind, combo_from_legs(combo.legs)) == (row["kind"], (combo, 1.0))
    page = json.loads(
        recorded("fixtures/deribit/nautilus/http_get_last_trades_option_combo.json").read_text()
    )
    for trade in page["result"]["trades"]:
        combo = parse_combo(trade["instrument_name"])
        prices = {leg["instrument_name"]: leg["price"] for leg in trade["legs"]}
        assert sum(ratio * prices[leg.name] for leg, ratio in combo.legs) == pytest.approx(trade["price"])
        side = 1 if trade["direction"] == "buy" else -1
        sides = {leg["instrument_name"]: 1 if leg["direction"] == "buy" else -1 for leg in trade["legs"]}
        assert sides == {leg.name: side * ratio for leg, ratio in combo.legs}


def test_combos_are_frozen_and_equal_by_what_they_are():
    one = parse_combo("BTC-STRD-30SEP22-20000")
    assert one == Combo(one.name, one.legs)
    assert {one, Combo(one.name, one.legs)} == {one}
