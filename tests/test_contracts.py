import json
from datetime import date

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore.contracts import (
    CALL,
    PUT,
    ContractSpec,
    Future,
    Instrument,
    Option,
    Perpetual,
    Settlement,
    family,
    from_units,
    inverse_pnl,
    linear_pnl,
    parse,
    payoff_coin,
    payoff_usd,
    round_coin,
    spec_from_catalog,
    to_units,
)
from gammacore.data.listings import published
from gammacore.daycount import expiry_ns
from gammacore.errors import ContractError
from support.shared_data import recorded

spec_for = published().spec_for

INVERSE, LINEAR = Settlement.INVERSE, Settlement.LINEAR

bases = st.from_regex(r"[A-Z0-9]{1,8}", fullmatch=True)
settlements = st.sampled_from(Settlement)
expiries = st.dates(date(2000, 1, 1), date(2099, 12, 31)).map(expiry_ns)
strikes = st.one_of(
    st.integers(1, 10_000_000).map(float),
    st.floats(1e-9, 1e15, allow_nan=False),
    st.decimals("0.0001", "99999", places=4).map(float),
)
instruments = st.one_of(
    st.builds(Perpetual, bases, settlements),
    st.builds(Future, bases, settlements, expiries),
    st.builds(Option, bases, settlements, expiries, strikes, st.sampled_from([CALL, PUT])),
)


@pytest.mark.parametrize(
    ("name", "instrument"),
    [
        ("BTC-PERPETUAL", Perpetual("BTC", INVERSE)),
        ("BTC_USDC-PERPETUAL", Perpetual("BTC", LINEAR)),
        ("BTC-27DEC24", Future("BTC", INVERSE, expiry_ns("2024-12-27"))),
        ("BTC-5AUG23", Future("BTC", INVERSE, expiry_ns("2023-08-05"))),
        ("BTC-27DEC24-100000-C", Option("BTC", INVERSE, expiry_ns("2024-12-27"), 100_000.0, CALL)),
        ("BTC_USDC-27DEC24-100000-P", Option("BTC", LINEAR, expiry_ns("2024-12-27"), 100_000.0, PUT)),
        ("XRP_USDC-30JUN23-0d625-C", Option("XRP", LINEAR, expiry_ns("2023-06-30"), 0.625, CALL)),
    ],
)
def test_grammar(name, instrument):
    assert parse(name) == instrument
    assert instrument.name == name
    assert name.startswith(instrument.family + "-")
    assert family(name) == instrument.family


@given(instruments)
def test_names_round_trip(instrument):
    assert parse(instrument.name) == instrument
    assert hash(parse(instrument.name)) == hash(instrument)
    assert msgspec.json.decode(msgspec.json.encode(instrument), type=Instrument) == instrument


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("", "base ''"),
        ("btc-PERPETUAL", "base 'btc'"),
        ("BTC", "expected BASE-PERPETUAL"),
        ("BTC_USDC", "expected BASE-PERPETUAL"),
        ("BTC_EUR-PERPETUAL", "settlement 'EUR'"),
        ("BTC_-PERPETUAL", "settlement ''"),
        ("BTC-perpetual", "expiry 'perpetual'"),
        ("BTC-05AUG23", "expiry '05AUG23'"),
        ("BTC-5aug23", "expiry '5aug23'"),
        ("BTC-31FEB24", "not a day of the calendar"),
        ("BTC-27DEC24-100000", "expected BASE-PERPETUAL"),
        ("BTC-27DEC24-100000-X", "option type 'X'"),
        ("BTC-27DEC24-0100-C", "strike '0100'"),
        ("BTC-27DEC24-0d50-C", "or 0d625; did you mean 0d5?"),
        ("XRP_USDC-30JAN26-1.85-C", "or 0d625; did you mean 1d85?"),
        ("BTC-27DEC24-1e5-C", "or 0d625; did you mean 100000?"),
        ("BTC-27DEC24-inf-C", "strike 'inf'"),
        ("BTC-27DEC24-0-C", "strike '0'"),
        ("BTC-27DEC24-1.5-C", "strike '1.5'"),
        ("BTC-27DEC24-١-C", "strike '١'"),
        ("BTC-27DEC24-100000-C-", "expected BASE-PERPETUAL"),
        ("BTC-CS-19MAY26-70000_75000", "expiry 'CS'"),
        ("BTC-FS-25DEC26_PERP", "expected BASE-PERPETUAL"),
    ],
)
def test_bad_names_say_which_part(name, part):
    with pytest.raises(ContractError) as caught:
        parse(name)
    assert repr(name) in str(caught.value)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Perpetual("btc", INVERSE), "base must be upper-case"),
        (lambda: Future("BTC", INVERSE, expiry_ns("1999-12-31")), "expiry_ns must lie in 2000-2099"),
        (lambda: Option("BTC", INVERSE, expiry_ns("2024-12-27"), 0.0, CALL), "strike must be positive"),
        (
            lambda: Option("BTC", INVERSE, expiry_ns("2024-12-27"), float("inf"), CALL),
            "strike must be positive",
        ),
        (lambda: Option("BTC", INVERSE, expiry_ns("2024-12-27"), 1.0, 2), "kind must be"),
    ],
)
def test_impossible_contracts_are_refused(build, message):
    with pytest.raises(ContractError, match=message):
        build()


# --- grids ---


def test_option_ticks_step_at_half_a_percent():
    spec = spec_for(parse("BTC-27DEC24-100000-C"))
    assert spec.round_price(0.00512) == 0.005
    assert spec.round_price(0.00512, "up") == 0.0055
    assert spec.round_price(0.00496, "up") == 0.005
    assert spec.round_price(0.00499, "down") == 0.0049
    assert spec.round_price(0.12345) == 0.1235
    prices = np.array([0.0049, 0.0051, 0.0055, 0.1 + 0.2, 0.00501, np.nan, 0.0])
    assert spec.is_on_tick(prices).tolist() == [True, False, True, True, False, False, True]
    assert np.isnan(spec.round_price(float("nan"), "up"))


@given(st.integers(0, 10_000_000), st.sampled_from(["BTC-PERPETUAL", "BTC-27DEC24", "ETH-PERPETUAL"]))
def test_grid_points_stay_and_are_the_nearest_floats(count, name):
    spec = spec_for(parse(name))
    tick = spec.tick_size
    price = float(f"{count * tick:.2f}")
    for direction in ("nearest", "down", "up"):
        assert spec.round_price(price, direction) == price
        assert spec.round_price(price * (1 + 2e-16), direction) == price
    assert spec.is_on_tick(price)


@given(st.floats(0.0, 5.0))
def test_rounding_brackets_the_price(price):
    spec = spec_for(parse("ETH-27DEC24-4000-P"))
    down, nearest, up = (spec.round_price(price, d) for d in ("down", "nearest", "up"))
    assert down <= price * (1 + 1e-9) + 1e-12
    assert up >= price * (1 - 1e-9) - 1e-12
    assert nearest in (down, up)
    assert up - down <= 0.0005 * (1 + 1e-9)
    assert spec.is_on_tick(np.array([down, nearest, up])).all()


def test_bad_rounding_is_named():
    spec = spec_for(parse("BTC-PERPETUAL"))
    with pytest.raises(ContractError, match="direction must be 'nearest', 'down' or 'up', got 'sideways'"):
        spec.round_price(1.0, "sideways")
    with pytest.raises(ContractError, match="price must not be negative"):
        spec.round_price(-1.0)
    with pytest.raises(ContractError, match="amount must be finite, got nan"):
        spec.to_lots(float("nan"))
    with pytest.raises(ContractError, match="rounding must be"):
        spec.to_lots(1.0, "up")


@given(
    st.integers(-(10**9), 10**9), st.sampled_from(["BTC-PERPETUAL", "BTC-27DEC24-1-C", "BTC_USDC-PERPETUAL"])
)
def test_lots_round_trip(lots, name):
    spec = spec_for(parse(name))
    assert spec.to_lots(spec.from_lots(lots)) == lots
    assert spec.round_amount(spec.from_lots(lots), "nearest") == spec.from_lots(lots)


def test_amounts_round_toward_zero_or_to_the_nearest_lot():
    option = spec_for(parse("BTC-27DEC24-100000-C"))
    assert option.to_lots(0.1 + 0.2) == 3
    assert option.round_amount(0.39) == 0.3
    assert option.round_amount(-0.39) == -0.3
    assert option.round_amount(0.39, "nearest") == 0.4
    assert spec_for(parse("BTC-PERPETUAL")).round_amount(-29_005.83) == -29_000.0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tick_size": 0.0}, "tick_size must be positive"),
        ({"min_trade_amount": -1.0}, "min_trade_amount must be positive"),
        ({"contract_size": float("nan")}, "contract_size must be positive"),
        ({"tick_size_steps": ((1.0, 0.0),)}, "tick from 1.0 must be positive"),
        ({"tick_size_steps": ((2.0, 1.0), (1.0, 2.0))}, "must ascend"),
    ],
)
def test_impossible_grids_are_refused(fields, message):
    good = {"tick_size": 0.5, "contract_size": 10.0, "min_trade_amount": 10.0, "amount_unit": "USD"}
    with pytest.raises(ContractError, match=message):
        ContractSpec(**(good | fields))


def test_unknown_instruments_have_no_default_grid():
    with pytest.raises(
        ContractError,
        match="SOL_USDC-PERPETUAL: no tick and lot of perpetuals on SOL_USDC",
    ):
        spec_for(parse("SOL_USDC-PERPETUAL"))


def test_catalog_rows():
    row = {
        "instrument_name": "BTC-13JAN23-16000-P",
        "tick_size": 0.0005,
        "tick_size_steps": [
            {"above_price": 200, "tick_size": 0.003},
            {"above_price": 120, "tick_size": 0.001},
        ],
        "contract_size": 1,
        "min_trade_amount": 0.1,
    }
    spec = spec_from_catalog(row)
    assert spec.tick_size_steps == ((120.0, 0.001), (200.0, 0.003))
    assert spec.amount_unit == "coin"
    assert spec.round_price(200.0014) == 200.001
    with pytest.raises(ContractError, match="BTC-13JAN23-16000-P' lacks the field 'contract_size'"):
        spec_from_catalog({k: v for k, v in row.items() if k != "contract_size"})
    for wrong in ("a", None):
        with pytest.raises(
            ContractError, match=f"BTC-13JAN23-16000-P': tick_size must be a number, got {wrong!r}"
        ):
            spec_from_catalog(row | {"tick_size": wrong})
    assert spec_from_catalog(row | {"tick_size_steps": None}).tick_size_steps == ()


def _rows(relative):
    answer = json.loads(recorded(relative).read_text())["result"]
    return answer if isinstance(answer, list) else [answer]


def test_recorded_catalog_of_2021_parses():
    rows = _rows("fixtures/deribit/cryptofeed/get_instruments_BTC.json")
    assert len(rows) > 300
    for row in rows:
        instrument = parse(row["instrument_name"])
        assert instrument.name == row["instrument_name"]
        spec = spec_from_catalog(row)
        # Ticks were 0.0005 and 0.5 throughout then; contracts and lots have not changed.
        assert msgspec.structs.replace(spec, tick_size=1.0) == msgspec.structs.replace(
            spec_for(instrument), tick_size=1.0, tick_size_steps=()
        )
        if isinstance(instrument, Option):
            assert instrument.strike == row["strike"]
            assert {CALL: "call", PUT: "put"}[instrument.kind] == row["option_type"]
        if not isinstance(instrument, Perpetual):
            assert instrument.expiry_ns == row["expiration_timestamp"] * 1_000_000


@pytest.mark.parametrize("file", ["fastmm/get_instruments_option.json", "nautilus/http_get_instrument.json"])
def test_recorded_catalog_rows_of_2025_and_2026_agree_with_the_defaults(file):
    for row in _rows(f"fixtures/deribit/{file}"):
        assert spec_from_catalog(row) == spec_for(parse(row["instrument_name"]))


# --- arithmetic ---


def test_payoffs():
    call = parse("BTC-27DEC24-100000-C")
    # The exchange's own example: delivery at 125,000 pays 0.2 BTC per BTC.
    assert payoff_coin(call, 125_000.0) == 0.2
    assert payoff_usd(call, 125_000.0) == 25_000.0
    assert payoff_coin(call, 90_000.0) == 0.0
    put = parse("BTC-27DEC24-100000-P")
    assert payoff_coin(put, np.array([25_000.0, 100_000.0, 125_000.0])).tolist() == [3.0, 0.0, 0.0]
    with pytest.raises(ContractError, match="delivery_price must be positive, got"):
        payoff_coin(put, 0.0)


def test_inverse_and_linear_profit():
    assert inverse_pnl(100_000.0, 50_000.0, 100_000.0) == 1.0
    assert inverse_pnl(-100_000.0, 50_000.0, 100_000.0) == -1.0
    assert linear_pnl(-2.0, 50_000.0, 51_000.0) == -2_000.0
    # A documented position of 50 USD from 7,440.18 to 7,476.65.
    assert inverse_pnl(50.0, 7_440.18, 7_476.65) == pytest.approx(3.2781e-05, abs=1e-9)


@given(st.integers(-(2**51) + 1, 2**51 - 1))
def test_units_round_trip(units):
    assert to_units(from_units(units)) == units
    assert round_coin(from_units(units)) == from_units(units)


def test_coin_rounding_is_half_even():
    assert to_units(np.array([0.5e-8, 1.5e-8, 2.5e-8, 3.5e-8, -2.5e-8, 2.51e-8])).tolist() == [
        0,
        2,
        2,
        4,
        -2,
        3,
    ]
    assert round_coin(5.43e-8) == 5e-8
    assert round_coin(-3.97e-7) == -4e-7
    assert isinstance(to_units(1.0), int)
    with pytest.raises(ContractError, match="amount must be finite"):
        to_units(float("nan"))
    with pytest.raises(ContractError, match=r"amount must be finite and below 2\.2e7"):
        to_units(1e9)
