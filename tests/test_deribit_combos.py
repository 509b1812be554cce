"""Combos on the wire: their catalog rows, their trades and those of their legs."""

import json
import math

import msgspec
import pytest

from gammacore.contracts import ContractSpec, parse_combo
from gammacore.data.stream import columns_of, rows_of
from gammacore.deribit import channels
from gammacore.deribit import news as d
from gammacore.deribit.frames import decode_envelope
from gammacore.deribit.methods import METHODS, combo_of
from gammacore.errors import ContractError
from gammacore.fees import FeeRates, future_fee
from gammacore.live import news as n
from support.deribit_wire import NOW, notification
from support.shared_data import recorded

MS = 1_000_000
OPTION, COMBO = "BTC-25DEC26-76000-C", "BTC-REV-29APR22-37500"


def told(channel, data):
    params = decode_envelope(notification(channel, data)).params
    return channels.decode_data(params.channel, params.data, NOW)


def result(method, value):
    return METHODS[method].decode(msgspec.Raw(json.dumps(value).encode()), NOW)


def test_a_combo_trade_carries_its_legs_and_their_fees():
    path = recorded("fixtures/deribit/doc-examples/notifications.jsonl")
    frames = [json.loads(line) for line in path.read_text().splitlines()]
    (frame,) = [f for f in frames if f["params"]["channel"].startswith("user.combo_trades")]
    channel, (row,) = frame["params"]["channel"], frame["params"]["data"]
    assert channel == channels.combo_trades("BTC-FS-2SEP22_PERP", "raw")
    assert channels.is_private(channel)
    [found] = told(channel, [row])
    assert isinstance(found, d.ComboTradeNews)
    trade, legs = found.trade, found.legs
    assert trade.instrument == "BTC-FS-2SEP22_PERP"
    assert (trade.price, trade.amount, trade.fee) == (1191.82, -10.0, 0.0)
    assert {leg.instrument.name: (leg.amount, leg.fee) for leg in legs} == {
        "BTC-PERPETUAL": (10.0, 5e-8),
        "BTC-2SEP22": (-10.0, 5e-8),
    }
    assert {leg.combo_id for leg in legs} == {trade.instrument}
    assert {leg.combo_trade_id for leg in legs} == {trade.trade_id}
    assert trade.combo_id == trade.combo_trade_id == ""
    assert len({trade.order_id, *(leg.order_id for leg in legs)}) == 3
    ratios = dict(parse_combo(trade.instrument).legs)
    assert sum(ratios[leg.instrument] * leg.price for leg in legs) == pytest.approx(trade.price)
    charged = FeeRates(future_taker=0.0001, weekly_taker=0.0001)  # both legs, and less than the schedule has
    for leg in legs:
        assert leg.fee == future_fee(charged, leg.instrument, leg.amount, leg.price)
    with pytest.raises(ValueError, match="legs"):
        told(channel, [{name: value for name, value in row.items() if name != "legs"}])
    decoder = msgspec.msgpack.Decoder(n.News)
    assert repr(decoder.decode(msgspec.msgpack.encode(found))) == repr(found)


def test_public_trades_say_whose_leg_they_were():
    path = recorded("fixtures/deribit/nautilus/http_get_last_trades_option_combo.json")
    page = result("public/get_last_trades_by_currency", json.loads(path.read_text())["result"])
    (combo,) = page.trades
    assert (combo.instrument_name, combo.price, combo.combo_id) == (
        "BTC-CS-19MAY26-70000_75000",
        0.0639,
        None,
    )
    legs = json.loads(path.read_text())["result"]["trades"][0]["legs"]
    [found] = told("trades.option.BTC.raw", legs)
    assert {leg.combo_id for leg in found.trades} == {combo.instrument_name}


def test_combos_by_method():
    row = {
        "id": "BTC-REV-29APR22-37500", "state": "active", "state_timestamp": 7, "creation_timestamp": 5,
        "instrument_id": 52,
        "legs": [
            {"instrument_name": "BTC-29APR22-37500-C", "amount": 1},
            {"instrument_name": "BTC-29APR22-37500-P", "amount": -1},
        ],
    }  # fmt: skip
    made = result("private/create_combo", row)
    assert made.combo == parse_combo("BTC-REV-29APR22-37500")
    assert (made.name, made.state, made.ts_ns, made.created_ns) == (row["id"], "active", 7 * MS, 5 * MS)
    assert result("public/get_combo_details", row) == made
    assert result("public/get_combos", [row]) == (made,)
    assert result("public/get_combo_ids", [row["id"]]) == [row["id"]]
    assert combo_of(made.combo.legs) == {
        "trades": [
            {"instrument_name": "BTC-29APR22-37500-C", "amount": 1, "direction": "buy"},
            {"instrument_name": "BTC-29APR22-37500-P", "amount": 1, "direction": "sell"},
        ]
    }
    assert not METHODS["private/create_combo"].reads
    with pytest.raises(ValueError, match="amount"):
        result("public/get_combo_details", {**row, "legs": [{"instrument_name": OPTION, "amount": 0.5}]})
    spot = {**row, "legs": [{"instrument_name": "BTC_USDC", "amount": 1}, row["legs"][0]]}
    with pytest.raises(ContractError):
        _ = result("public/get_combo_details", spot).combo


def test_combos_have_grids_and_prices_below_zero():
    path = recorded("fixtures/deribit/nautilus/http_get_instruments_future_combo.json")
    rows = json.loads(path.read_text())["result"]
    spread, *_ = result("public/get_instruments", rows)
    assert spread.spec == ContractSpec(0.5, 10.0, 10.0, "USD", signed=True)
    assert [spread.spec.round_price(-17.3, way) for way in ("down", "up", "nearest")] == [-17.5, -17.0, -17.5]
    assert spread.spec.is_on_tick(-17.5)
    assert not spread.spec.is_on_tick(-17.3)
    options = {"instrument_name": "BTC-STRD-30SEP22-20000", "kind": "option_combo", "tick_size": 0.0001}
    options |= {"contract_size": 1, "min_trade_amount": 0.1}
    [found] = result("public/get_instruments", [{**rows[0], **options}])
    assert found.spec == ContractSpec(0.0001, 1.0, 0.1, "coin", signed=True)
    with pytest.raises(ContractError, match="negative"):
        ContractSpec(0.5, 10.0, 10.0, "USD").round_price(-0.5)


def test_prices_of_combos_may_be_zero_or_less():
    ticker = {"timestamp": 1, "instrument_name": COMBO, "mark_price": -0.01}
    quote = {"best_bid_price": -0.02, "best_bid_amount": 1, "best_ask_price": 0.0, "best_ask_amount": 2}
    (found,) = told(f"ticker.{COMBO}.raw", ticker | quote)
    assert (found.instrument, found.mark, found.bid, found.ask) == (COMBO, -0.01, -0.02, 0.0)
    (found,) = told(f"quote.{COMBO}", ticker | quote)
    assert (found.bid, found.ask) == (-0.02, 0.0)
    [row] = rows_of(f"ticker.{COMBO}.raw", json.dumps(ticker | quote).encode(), NOW, 1)
    columns = {name: column[0] for name, column in columns_of("tickers", [row]).items()}
    assert (columns["bid_price"], columns["ask_price"]) == (-0.02, 0.0)  # a recording has the same
    (found,) = told(f"ticker.{COMBO}.raw", ticker | quote | {"best_ask_amount": 0.0})
    assert math.isnan(found.ask)  # nobody sells
    (found,) = told(f"ticker.{OPTION}.raw", ticker | quote | {"instrument_name": OPTION})
    assert math.isnan(found.ask)  # an option for nothing is none
    order = {
        "order_id": "1", "instrument_name": COMBO, "direction": "buy", "amount": 0.1, "filled_amount": 0.1,
        "order_state": "filled", "last_update_timestamp": 5, "average_price": 0.0, "price": -0.1,
    }  # fmt: skip
    (found,) = told("user.orders.any.any.100ms", [order])
    assert (found.average_price, found.price) == (0.0, -0.1)
