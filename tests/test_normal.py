"""Recorded answers of the exchange as rows of the store."""

import json

import numpy as np
import pytest

from gammacore.contracts import parse
from gammacore.data import normal
from gammacore.data.listings import published
from gammacore.data.schemas import KINDS
from gammacore.daycount import NS_PER_MINUTE, parse_time
from gammacore.deribit.history import Candles, FundingHour, VolatilityPage, bar_length_ns, volatility_bar_ns
from gammacore.deribit.market import WireTrade
from gammacore.deribit.methods import GET_DELIVERY_PRICES, GET_INSTRUMENTS, GET_TRADINGVIEW_CHART_DATA
from gammacore.deribit.methods import GET_LAST_TRADES_BY_CURRENCY_AND_TIME as TRADES
from gammacore.errors import DataError
from support.shared_data import recorded

spec_for = published().spec_for


def result(name):
    return json.dumps(json.loads(recorded(f"fixtures/deribit/{name}").read_text())["result"]).encode()


def test_recorded_trades():
    page = normal.read(TRADES, result("nautilus/http_get_last_trades.json"))
    rows = normal.trade_rows("future_trades", page.trades)
    assert list(rows) == list(KINDS["future_trades"].columns)
    assert set(rows["instrument_name"]) == {"ETH-PERPETUAL"}
    assert set(rows["direction"]) <= {"buy", "sell"}
    assert all(ts % 1_000_000 == 0 for ts in rows["ts_ns"])
    assert parse_time("2025-12-20") < min(rows["ts_ns"]) <= max(rows["ts_ns"]) < parse_time("2025-12-23")
    assert rows["known_ns"] == rows["ts_ns"]
    spec = spec_for(parse("ETH-PERPETUAL"))
    assert spec.is_on_tick(np.array(rows["price"])).all()
    assert all(amount % 1 == 0 for amount in rows["amount"])  # USD, whole contracts


def test_published_option_trades_have_volatility_as_a_decimal():
    name = "doc-examples/public-get_last_trades_by_currency_and_time.json"
    page = normal.read(TRADES, result(name))
    assert page.trades
    for trade in page.trades:
        kind = "option_trades" if trade.iv is not None else "future_trades"
        rows = normal.trade_rows(kind, [trade], known_ns=trade.ts_ns + 7)
        assert rows["known_ns"][0] == rows["ts_ns"][0] + 7
        if trade.iv is not None:
            assert rows["iv"][0] == pytest.approx(trade.iv / 100)


@pytest.mark.parametrize(
    ("name", "count"),
    [("cryptofeed/get_instruments_BTC.json", 398), ("fastmm/get_instruments_option.json", 2)],
)
def test_recorded_catalogs_agree_with_the_grammar_of_names(name, count):
    raw = json.loads(recorded(f"fixtures/deribit/{name}").read_text())
    rows = raw["result"] if isinstance(raw, dict) else raw
    found = normal.read(GET_INSTRUMENTS, json.dumps(rows).encode())
    assert len(found) == count
    table = normal.catalog_rows(found)
    for k, text in enumerate(table["instrument_name"]):
        instrument = parse(text)
        assert table["expiry_ns"][k] == getattr(instrument, "expiry_ns", 0)
        if table["instrument_kind"][k] == "option":
            assert table["strike"][k] == instrument.strike
            assert (table["option_type"][k] == "call") == (instrument.kind == 1)
        assert table["known_ns"][k] == table["ts_ns"][k] < parse_time("2027-01-01")
    assert "state" not in table
    assert "is_active" not in table


@pytest.mark.parametrize("missing", ["creation_timestamp", "kind"])
def test_a_listing_without_its_day_or_kind_is_refused(missing):
    row = {"instrument_name": "BTC-PERPETUAL", "tick_size": 0.5, "kind": "future", "creation_timestamp": 5}
    del row[missing]
    found = normal.read(GET_INSTRUMENTS, json.dumps([row]).encode())
    with pytest.raises(DataError, match="BTC-PERPETUAL: listed without creation_timestamp or kind"):
        normal.catalog_rows(found)


def test_published_delivery_prices():
    page = normal.read(GET_DELIVERY_PRICES, result("doc-examples/public-get_delivery_prices.json"))
    rows = normal.delivery_rows("btc_usd", page.prices)
    assert rows["ts_ns"][0] == parse_time("2020-01-02T08:00:00Z") == rows["known_ns"][0]
    assert rows["delivery_price"][0] == 7131.214606410254


def test_bars_are_known_when_they_end():
    bars = Candles("ok", [60_000, 120_000], *([1.0, 2.0],) * 6)
    rows = normal.candle_rows("BTC-PERPETUAL", NS_PER_MINUTE, bars)
    assert rows["known_ns"] == [120_000_000_000, 180_000_000_000]
    page = VolatilityPage([(0, 50.0, 60.0, 40.0, 55.0)])
    volatility = normal.dvol_rows("btc_usd", volatility_bar_ns("3600"), page.bars)
    assert volatility["known_ns"] == [3_600 * 10**9]
    assert [volatility[name][0] for name in ("open", "high", "low", "close")] == [0.5, 0.6, 0.4, 0.55]
    with pytest.raises(DataError, match="differ in length"):
        normal.read(GET_TRADINGVIEW_CHART_DATA, b'{"status": "ok", "ticks": [1], "open": [1.0, 2.0]}')


def test_funding_is_known_at_its_stamp():
    row = FundingHour(3_600_000, 1e-5, 8e-5, 100.0, 99.0)
    rows = normal.funding_rows("BTC-PERPETUAL", [row])
    assert rows["ts_ns"] == rows["known_ns"] == [3_600 * 10**9]
    assert rows["funding_rate"] == [1e-5]


@pytest.mark.parametrize(
    "payload", ["[1]", '{"trades": [{"trade_id": 1}]}', "<html>", "", '{"trades": null}']
)
def test_what_is_not_an_answer_names_its_request(payload):
    with pytest.raises(DataError, match="public/get_last_trades_by_currency_and_time: unreadable"):
        normal.read(TRADES, payload.encode())


def test_mistakes():
    trade = WireTrade(1, "BTC-PERPETUAL", "1", 1, "hold", 1.0, 1.0)
    with pytest.raises(DataError, match="neither buy nor sell"):
        normal.trade_rows("future_trades", [trade])
    with pytest.raises(DataError, match="resolution '7'"):
        bar_length_ns("7")
