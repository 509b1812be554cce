"""The wire and the house: units, absences, names, and every recorded payload."""

import json
import math

import msgspec
import pytest

from gammacore.contracts import parse
from gammacore.data.cursor import deliveries
from gammacore.data.stream import columns_of, rows_of
from gammacore.deribit import methods
from gammacore.deribit import news as d
from gammacore.deribit.channels import decode_book, decode_data
from gammacore.deribit.codes import Fate
from gammacore.deribit.frames import decode_envelope, encode_order, encode_request
from gammacore.deribit.methods import METHODS, Method
from gammacore.deribit.units import instrument_of
from gammacore.errors import SessionError
from gammacore.live import news as n
from support.shared_data import recorded

NOW = 1_790_000_000_000_000_000
MS = 1_000_000
OPTION = "BTC-25DEC26-76000-C"


def told(channel, data):
    """News of one notification."""
    frame = {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}
    envelope = decode_envelope(json.dumps(frame).encode())
    return decode_data(envelope.params.channel, envelope.params.data, NOW)


def result(method, value):
    return result_of(method)(msgspec.Raw(json.dumps(value).encode()), NOW)


def result_of(method):
    """How a result is decoded; plain where gammacore never asks."""
    return METHODS[method].decode if method in METHODS else lambda raw, now_ns: json.loads(bytes(raw))


def option_ticker(**changes):
    return {
        "timestamp": 1_790_000_000_123,
        "state": "open",
        "instrument_name": OPTION,
        "mark_price": 0.1296,
        "index_price": 83_250.5,
        "mark_iv": 38.25,
        "bid_iv": 35.5,
        "ask_iv": 40.25,
        "best_bid_price": 0.1255,
        "best_bid_amount": 29,
        "best_ask_price": 0.133,
        "best_ask_amount": 29.3,
        "underlying_price": 84_222.25,
        "underlying_index": "BTC-25DEC26",
        "estimated_delivery_price": 83_250.5,
        "something_new": {"starbase": [1]},
        **changes,
    }


def test_ticker_of_an_option_in_house_units():
    [found] = told(f"ticker.{OPTION}.100ms", option_ticker())
    assert found.ts_ns == 1_790_000_000_123 * MS
    assert found.instrument == parse(OPTION)
    assert (found.mark_iv, found.bid_iv, found.ask_iv) == (0.3825, 0.355, 0.4025)
    assert (found.mark, found.bid, found.bid_amount, found.ask) == (0.1296, 0.1255, 29.0, 0.133)
    assert (found.forward, found.index, found.underlying_index) == (84_222.25, 83_250.5, "BTC-25DEC26")
    assert math.isnan(found.current_funding)
    assert math.isnan(found.last)


@pytest.mark.parametrize("nothing", [None, 0, 0.0])
def test_an_empty_side_has_no_price(nothing):
    [found] = told("ticker.x.raw", option_ticker(best_bid_price=nothing, best_bid_amount=nothing, bid_iv=0.0))
    assert math.isnan(found.bid)
    assert math.isnan(found.bid_iv)
    assert found.bid_amount == 0.0
    [found] = told("quote.x", {"timestamp": 1, "instrument_name": OPTION, "best_bid_price": nothing})
    assert math.isnan(found.bid)
    assert math.isnan(found.ask)


def test_an_expired_option_has_a_word_for_its_delivery_price():
    [found] = told("ticker.x.raw", option_ticker(estimated_delivery_price="expired", underlying_index=0))
    assert math.isnan(found.estimated_delivery)
    assert found.underlying_index == ""


def test_ticker_of_a_perpetual():
    data = option_ticker(instrument_name="BTC-PERPETUAL", current_funding=1.25e-4, interest_value=0.5)
    [found] = told("ticker.BTC-PERPETUAL.raw", data)
    assert (found.instrument.name, found.current_funding, found.interest_value) == (
        "BTC-PERPETUAL",
        1.25e-4,
        0.5,
    )


def test_what_has_no_name_here_keeps_the_exchange_s():
    for name in ("BTC-CS-19MAY26-70000_75000", "BTC_USDC", "BTC-FS-25DEC26_PERP"):
        assert instrument_of(name) == name
    assert instrument_of("BTC-5JUN26") == parse("BTC-5JUN26")


def test_mark_prices_have_fractions_where_all_else_has_percent():
    rows = [
        {"instrument_name": OPTION, "mark_price": 0.5, "iv": 0.37, "timestamp": 5},
        {"instrument_name": "X", "mark_price": 1},
    ]
    [found] = told("markprice.options.btc_usd", rows)
    assert (found.index, found.ts_ns, found.marks[0].iv) == ("btc_usd", 5 * MS, 0.37)
    assert math.isnan(found.marks[1].iv)
    [dvol] = told(
        "deribit_volatility_index.btc_usd", {"timestamp": 1, "volatility": 40.5, "index_name": "btc_usd"}
    )
    assert dvol.vol == 0.405


def test_the_other_market_channels():
    [index] = told("deribit_price_index.btc_usd", {"timestamp": 1, "price": 5, "index_name": "btc_usd"})
    assert index == d.IndexNews(MS, "btc_usd", 5.0)
    estimate = {"is_estimated": True, "price": 5.5, "seconds": 17, "left_ticks": 3, "total_ticks": 9}
    [found] = told("estimated_expiration_price.btc_usd", estimate)
    assert found == d.EstimateNews(NOW, "btc_usd", 5.5, 17.0, True)
    [found] = told("perpetual.BTC-PERPETUAL.raw", {"timestamp": 1, "index_price": 5, "interest": -1e-4})
    assert found == d.FundingNews(MS, parse("BTC-PERPETUAL"), 5.0, -1e-4)
    state = {"timestamp": 1, "state": "created", "instrument_name": OPTION}
    [found] = told("instrument.state.any.any", state)
    assert found == d.InstrumentStateNews(MS, parse(OPTION), "created")
    [found] = told("platform_state", {"locked": True, "price_index": "btc_usd"})
    assert found == d.PlatformNews(NOW, "btc_usd", True, False)
    [found] = told("platform_state", {"maintenance": True})
    assert found == d.PlatformNews(NOW, "", False, True)
    [found] = told("user.lock", {"locked": True, "currency": "BTC"})
    assert found == d.LockNews(NOW, "BTC", True)
    [found] = told("chart.trades.BTC-PERPETUAL.1", {"tick": 1})
    assert (found.channel, json.loads(found.data)) == ("chart.trades.BTC-PERPETUAL.1", {"tick": 1})


def test_public_trades_are_signed_by_the_taker():
    trade = {
        "timestamp": 7, "instrument_name": OPTION, "trade_id": "48", "trade_seq": 2, "direction": "sell",
        "amount": 3, "price": 0.0075, "mark_price": 0.0106, "index_price": 8_956.5, "iv": 47.5,
    }  # fmt: skip
    [found] = told(
        "trades.option.BTC.raw", [trade, {**trade, "direction": "buy", "timestamp": 8, "liquidation": "T"}]
    )
    assert [t.amount for t in found.trades] == [-3.0, 3.0]
    assert (found.ts_ns, found.trades[0].iv, found.trades[1].liquidation) == (8 * MS, 0.475, "T")
    assert told("trades.option.BTC.raw", []) == []


def order(**changes):
    return {
        "order_id": "1", "instrument_name": "BTC-PERPETUAL", "direction": "sell", "amount": 30.0,
        "filled_amount": 10.0, "average_price": 60_000.5, "price": 60_001.0, "order_state": "open",
        "order_type": "limit", "label": "h1", "post_only": True, "reduce_only": False,
        "time_in_force": "good_til_cancelled", "creation_timestamp": 4, "last_update_timestamp": 5, **changes,
    }  # fmt: skip


def trade(**changes):
    return {
        "trade_id": "9", "trade_seq": 3, "order_id": "1", "label": "h1", "instrument_name": "BTC-PERPETUAL",
        "direction": "sell", "amount": 10.0, "price": 60_000.5, "mark_price": 60_000.25,
        "index_price": 59_990.0, "fee": -5.0e-8, "fee_currency": "BTC", "liquidity": "M", "state": "open",
        "timestamp": 6, **changes,
    }  # fmt: skip


def test_an_order_in_house_units():
    [found] = told("user.orders.any.any.raw", order())
    assert found == d.OrderNews(
        5 * MS, "1", "h1", parse("BTC-PERPETUAL"), -1, 30.0, 10.0, 60_000.5, 60_001.0, d.OrderState.OPEN,
        "limit", "good_til_cancelled", True, False, "",
    )  # fmt: skip
    assert told("user.orders.any.any.100ms", [order()]) == [found]


def test_orders_that_lack_what_others_have():
    waiting = order(price="market_price", order_state="untriggered", average_price=0.0)
    del waiting["filled_amount"]
    [found] = told("user.orders.any.any.raw", waiting)
    assert math.isnan(found.price)
    assert math.isnan(found.average_price)
    assert found.filled_amount == 0.0
    [found] = told("user.orders.any.any.raw", order(order_state="resting in peace"))
    assert found.state is d.OrderState.OTHER


def test_our_own_news_are_not_lost_over_a_word():
    words = ("label", "order_type", "time_in_force", "post_only", "reduce_only", "cancel_reason")
    [found] = told("user.orders.any.any.raw", order(**dict.fromkeys(words)))
    assert (found.label, found.order_type, found.post_only, found.cancel_reason) == ("", "", False, "")
    [found] = told("user.trades.any.any.raw", [trade(label=None, liquidity=None)])
    assert (found.label, found.liquidity, found.amount) == ("", "", -10.0)


def test_all_news_go_through_a_journal():
    tickers = told("ticker.x.raw", option_ticker())
    data = {"instrument_name": "BTC-PERPETUAL", "orders": [order()], "trades": [trade()], "positions": []}
    changes = told("user.changes.any.any.raw", data)
    session = [
        n.StateChanged(1, n.State.CONNECTING, n.State.AUTHENTICATING, ""),
        n.Refused(1, 2, "private/buy", 10009, "not_enough_funds", "", Fate.REJECTED),
        n.Reconciled(1, (changes[0],), (changes[1],), (), ()),
        n.Answered(1, 2, "private/cancel_all", 3),
    ]
    decoder = msgspec.msgpack.Decoder(n.News)
    for piece in [*tickers, *changes, *session]:
        again = decoder.decode(msgspec.msgpack.encode(piece))
        assert type(again) is type(piece)
        assert repr(again) == repr(piece)


def test_changes_are_orders_trades_and_positions():
    position = {"instrument_name": "BTC-PERPETUAL", "size": -10.0, "direction": "sell", "delta": -0.000166}
    data = {
        "instrument_name": "BTC-PERPETUAL",
        "orders": [order()],
        "trades": [trade()],
        "positions": [position],
    }
    first, second, third = told("user.changes.any.any.raw", data)
    assert isinstance(first, d.OrderNews)
    assert (second.amount, second.fee, second.liquidity, second.ts_ns) == (-10.0, -5e-8, "M", 6 * MS)
    assert math.isnan(second.iv)
    assert (third.size, third.delta, third.ts_ns) == (-10.0, -0.000166, NOW)
    assert math.isnan(third.average_price)


def test_account_with_and_without_limits():
    account = {"currency": "BTC", "equity": 10.0, "balance": 9.5, "available_funds": 1}
    [found] = told("user.portfolio.btc", account)
    assert (found.equity, found.balance, found.available_funds, found.limits) == (10.0, 9.5, 1.0, None)
    assert math.isnan(found.initial_margin)
    limits = {
        "non_matching_engine": {"rate": 20, "burst": 100},
        "matching_engine": {"trading": {"total": {"rate": 5, "burst": 20}}},
    }
    found = result("private/get_account_summary", {**account, "limits": limits})
    assert found.limits == d.RateLimits(d.RateLimit(5.0, 20.0), d.RateLimit(20.0, 100.0))
    assert result("private/get_account_summaries", {"summaries": [account]})[0].equity == 10.0


def test_results_by_method():
    placed = result("private/sell", {"order": order(), "trades": [trade()]})
    assert (placed.order.order_id, placed.trades[0].trade_id) == ("1", "9")
    assert result("private/cancel", order(order_state="cancelled")).state is d.OrderState.CANCELLED
    assert [o.label for o in result("private/get_open_orders", [order()])] == ["h1"]
    page = result("private/get_user_trades_by_currency_and_time", {"trades": [trade()], "has_more": True})
    assert (len(page.trades), page.has_more) == (1, True)
    assert result("private/get_user_trades_by_order", [trade()])[0].order_id == "1"
    assert result("public/get_time", 5) == 5 * MS
    assert result("private/cancel_all", 3) == 3
    assert result("public/ticker", option_ticker()).mark_iv == 0.3825
    summary = {
        "instrument_name": OPTION,
        "creation_timestamp": 5,
        "mark_price": 0.05,
        "mark_iv": 40,
        "bid_price": None,
    }
    [row] = result("public/get_book_summary_by_currency", [summary])
    assert (row.ts_ns, row.mark, row.mark_iv) == (5 * MS, 0.05, 0.4)
    assert math.isnan(row.bid)


def test_a_listing_has_the_grid_where_the_name_is_ours():
    row = {
        "instrument_name": OPTION, "tick_size": 0.0001, "contract_size": 1, "min_trade_amount": 0.1,
        "tick_size_steps": [{"above_price": 0.005, "tick_size": 0.0005}], "state": "open", "is_active": True,
        "creation_timestamp": 3, "expiration_timestamp": 32_503_708_800_000, "price_index": "btc_usd",
        "maker_commission": 0.0003, "taker_commission": 0.0003,
    }  # fmt: skip
    ours, spot = result("public/get_instruments", [row, {**row, "instrument_name": "BTC_USDC"}])
    assert ours.spec.round_price(0.00561) == 0.0055
    assert (ours.instrument, ours.created_ns, ours.fees) == (parse(OPTION), 3 * MS, (0.0003, 0.0003))
    assert (spot.instrument, spot.spec) == ("BTC_USDC", None)


@pytest.mark.parametrize(
    ("channel", "data"),
    [
        ("ticker.x.raw", option_ticker(mark_price="0.1")),
        ("ticker.x.raw", option_ticker(timestamp=10**19)),
        ("ticker.x.raw", {}),
        ("user.orders.x.raw", order(direction="up")),
        ("user.orders.x.raw", order(amount=-1)),
        ("user.trades.x.raw", trade(amount=None)),
        ("user.trades.x.raw", {}),
        ("user.portfolio.btc", []),
        ("markprice.options.btc_usd", {}),
        ("platform_state", 5),
    ],
)
def test_known_fields_of_another_type_are_refused(channel, data):
    with pytest.raises(ValueError):  # noqa: PT011
        told(channel, data)


@pytest.mark.parametrize("number", [b"1e999", b"-1e400", b"NaN", b"Infinity", b'"1"', b"true"])
def test_a_number_that_is_none_is_refused(number):
    data = b'{"timestamp":1,"index_name":"x","price":%b}' % number
    with pytest.raises(ValueError):  # noqa: PT011
        decode_data("deribit_price_index.x", msgspec.Raw(data), NOW)


# --------------------------------------------------------------------------- out


def sent(amount, **options):
    return json.loads(encode_order(7, parse("BTC-PERPETUAL"), amount, **options))


def test_orders_as_json():
    assert sent(10.0, label="a") == {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "private/buy",
        "params": {
            "instrument_name": "BTC-PERPETUAL",
            "amount": 10.0,
            "label": "a",
            "time_in_force": "good_til_cancelled",
            "type": "market",
        },
    }
    found = sent(
        -1e-7, label="E-1.h:2/3#4_5", limit=1e16, post_only=True, reject_post_only=True, reduce_only=True,
        time_in_force="fill_or_kill", valid_until_ns=1_790_000_000_123_999_999,
    )  # fmt: skip
    assert found["method"] == "private/sell"
    params = found["params"]
    assert (params["amount"], params["price"], params["type"]) == (1e-7, 1e16, "limit")
    assert (params["post_only"], params["reject_post_only"], params["reduce_only"]) == (True, True, True)
    assert params["valid_until"] == 1_790_000_000_123
    assert sent(1.0, label="a", limit=5.0, reject_post_only=True)["params"]["post_only"] is True


@pytest.mark.parametrize(
    ("amount", "options"),
    [
        (0.0, {"label": "a"}),
        (math.nan, {"label": "a"}),
        (math.inf, {"label": "a"}),
        (1.0, {"label": ""}),
        (1.0, {"label": "x" * 65}),
        (1.0, {"label": 'a","amount":9e9,"b":"'}),
        (1.0, {"label": "a\n"}),
        (1.0, {"label": "a", "limit": math.nan}),
        (1.0, {"label": "a", "post_only": True}),
        (1.0, {"label": "a", "time_in_force": "whenever"}),
    ],
)
def test_an_order_that_makes_no_sense_is_a_bug_of_the_caller(amount, options):
    with pytest.raises(SessionError):
        sent(amount, **options)


def test_a_name_from_elsewhere_cannot_smuggle_anything_in():
    with pytest.raises(SessionError):
        encode_order(1, 'BTC","amount":9,"x":"', 1.0, label="a")
    assert b'"BTC-FS-25DEC26_PERP"' in encode_order(1, "BTC-FS-25DEC26_PERP", 1.0, label="a")


def test_other_requests():
    assert json.loads(encode_request(3, "public/test", {"a": [1, "x"]})) == {
        "jsonrpc": "2.0", "id": 3, "method": "public/test", "params": {"a": [1, "x"]},
    }  # fmt: skip


# --------------------------------------------------------------------------- recorded payloads

SHARED = "fixtures/deribit"
ANSWERED = {  # of recorded answers, by a part of their file's name
    "get_account_summaries": "private/get_account_summaries",
    "get_account_summary": "private/get_account_summary",
    "simulate_portfolio": "private/get_account_summary",
    "get_expirations": "public/get_expirations",
    "get_instruments": "public/get_instruments",
    "get_instrument": "public/get_instrument",
    "get_last_trades": "public/get_last_trades_by_currency_and_time",
    "spot_trades": "public/get_last_trades_by_currency",
    "get_order_book": "public/ticker",
    "order_buy": "private/buy",
    "order_edit": "private/edit",
    "order_stop": "private/sell",
    "user_trades_a": "private/get_user_trades_by_currency_and_time",
    "private-buy": "private/buy",
    "private-cancel": "private/cancel",
    "private-close_position": "private/close_position",
    "get_open_orders": "private/get_open_orders",
    "get_order_state_by_label": "private/get_order_state_by_label",
    "get_positions": "private/get_positions",
    "get_transaction_log": "private/get_transaction_log",
    "get_user_trades": "private/get_user_trades_by_instrument_and_time",
    "get_delivery_prices": "public/get_delivery_prices",
    "get_funding_rate_value": "public/get_funding_rate_value",
    "get_historical_volatility": "public/get_historical_volatility",
    "public-ticker": "public/ticker",
}


def numbers(value):
    """The payload of a source that writes every number as a string, with numbers."""
    if isinstance(value, dict):
        return {k: v if k in ("trade_id", "instrument_name") else numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [numbers(v) for v in value]
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def payloads(path):
    text = path.read_text()
    for value in map(json.loads, text.splitlines() if path.suffix == ".jsonl" else [text]):
        value = value["msg"] if "recv" in value else value
        if value.get("params", {}).get("channels") is None:  # not our own request
            yield numbers(value) if "ccxt" in path.parts else value


def decoded(path, value):
    """What a payload becomes, whichever kind it is."""
    envelope = decode_envelope(json.dumps(value).encode())
    if envelope.method == "subscription":
        channel, data = envelope.params.channel, envelope.params.data
        if channel.startswith("book.") and channel.count(".") == 2:
            return [decode_book(data)]
        return decode_data(channel, data, NOW)
    if envelope.method or envelope.error or isinstance(envelope.id, str):
        return [envelope]
    raw = bytes(envelope.result)
    if not raw:  # a bare result
        raw = json.dumps(value).encode()
    method = next((method for part, method in ANSWERED.items() if part in path.name), None)
    if "messages.jsonl" in path.name:
        method = "public/ticker" if raw.startswith(b"{") else "public/get_book_summary_by_currency"
    if method is None:
        assert isinstance(json.loads(raw), list), path  # an acknowledgement
        return [raw]
    return [result_of(method)(msgspec.Raw(raw), NOW)]


def test_every_recorded_payload_parses():
    files = [p for p in sorted(recorded(SHARED).rglob("*.json*")) if p.suffix in (".json", ".jsonl")]
    kinds = {}
    for path in files:
        for value in payloads(path):
            found = decoded(path, value)
            assert found, path
            for piece in found:
                kinds[type(piece).__name__] = kinds.get(type(piece).__name__, 0) + 1
    assert len(files) >= 40
    assert kinds["TickerNews"] >= 20
    assert {"OrderNews", "TradeNews", "PositionNews", "AccountNews", "QuoteNews", "WireBook"} <= set(kinds)


def test_recorded_option_ticker_of_2026():
    [value] = payloads(recorded(f"{SHARED}/fastmm/ticker_option_prod.json"))
    [found] = decoded(None, value)
    assert found.instrument == parse("BTC-25DEC26-76000-C")
    assert (found.mark_iv, found.forward, found.bid) == (0.3825, 84_222.23, 0.1255)


def test_recorded_fill_in_house_units():
    values = list(payloads(recorded(f"{SHARED}/roq/user_changes.jsonl")))
    placed, fill, position = decoded(None, values[1])
    assert (placed.state, placed.filled_amount, placed.direction) == (d.OrderState.FILLED, 10.0, 1)
    assert (fill.amount, fill.price, fill.fee, fill.liquidity) == (10.0, 92_037.0, 5e-8, "T")
    assert fill.ts_ns == 1_765_505_266_849 * MS
    assert (position.size, position.instrument) == (0.0, parse("BTC-PERPETUAL"))


@pytest.mark.parametrize(
    "field", ["mark_iv", "bid_iv", "ask_iv", "state", "underlying_index", "best_bid_price"]
)
@pytest.mark.parametrize("absent", [False, True])
def test_a_ticker_outlives_what_it_lacks(field, absent):
    row = option_ticker(**{field: None})
    if absent:
        del row[field]
    [found] = told(f"ticker.{OPTION}.100ms", row)
    assert found.mark == 0.1296
    name = {"best_bid_price": "bid"}.get(field, field)
    value = getattr(found, name)
    assert value == "" if isinstance(value, str) else math.isnan(value)


def test_trades_summaries_and_deliveries_outlive_what_they_lack():
    trade = {
        "trade_id": "1", "trade_seq": 1, "instrument_name": OPTION, "timestamp": 5, "direction": "buy",
        "price": 0.1, "amount": 1.0, "iv": None, "order_id": "7", "fee": None, "fee_currency": None,
        "state": "filled", "label": None,
    }  # fmt: skip
    [found] = told("user.trades.any.any.raw", [trade])
    assert (found.trade_id, found.amount, found.label, found.fee_currency) == ("1", 1.0, "", "")
    assert math.isnan(found.iv)
    assert math.isnan(found.fee)
    [found] = told(f"trades.{OPTION}.100ms", [trade])
    assert math.isnan(found.trades[0].iv)
    row = {"instrument_name": OPTION, "creation_timestamp": 5, "mark_iv": None, "underlying_index": 0.5}
    [found] = result("public/get_book_summary_by_currency", [row])
    assert math.isnan(found.mark_iv)
    assert found.underlying_index == ""
    rows = [
        {"date": None, "delivery_price": 5.0},
        {"delivery_price": 6.0},
        {"date": "2026-11-26", "delivery_price": None},
        {"date": "2026-11-25", "delivery_price": 0.0},
        {"date": "2026-11-24", "delivery_price": 85_000.5},
    ]
    found = result("public/get_delivery_prices", {"data": rows, "records_total": 5})
    assert (found.prices, len(found.data)) == ({"2026-11-24": 85_000.5}, 5)


@pytest.mark.parametrize(
    ("said", "locked", "indices"),
    [
        ({"locked": "false"}, False, ()),
        ({"locked": False}, False, ()),
        ({"locked": True, "locked_indices": ["btc_usd"]}, True, ("btc_usd",)),
        ({"locked": "true"}, True, ()),
        ({"locked": "partial", "locked_indices": ["btc_usd", "eth_usd"]}, False, ("btc_usd", "eth_usd")),
        ({"locked": "partial", "locked_indices": None}, False, ()),
    ],
)
def test_the_status_in_its_forms(said, locked, indices):
    assert result("public/status", said) == d.StatusNews(NOW, locked, indices)


def test_a_platform_state_that_says_nothing_is_unreadable():
    [found] = told("platform_state", {"maintenance": False})
    assert found == d.PlatformNews(NOW, "", False, False)
    [found] = told("platform_state.public_methods_state", {"allow_unauthenticated_public_requests": False})
    assert found == d.PlatformNews(NOW, "public methods", True, False)
    for broken in ({}, {"price_index": "btc_usd"}, {"price_index": "btc_usd", "locked": None}, {"locked": 1}):
        with pytest.raises(msgspec.ValidationError):
            told("platform_state", broken)


# --------------------------------------------------------------------------- one reading, two readers


def test_methods_are_called_by_their_names():
    for name, value in vars(methods).items():
        if isinstance(value, Method):
            assert value.name.partition("/")[2].upper() == name
            assert METHODS[value.name] is value
    assert METHODS["private/get_positions"].private
    assert [METHODS[f"private/{name}"].reads for name in ("get_positions", "buy", "cancel_all")] == [
        True,
        False,
        False,
    ]


QUOTED = ("mark_iv", "bid_iv", "ask_iv", "best_bid_price", "best_ask_price", "index_price", "last_price")
COLUMNS = {"best_bid_price": "bid_price", "best_ask_price": "ask_price"}
FIELDS = {"best_bid_price": "bid", "best_ask_price": "ask", "index_price": "index", "last_price": "last"}


@pytest.mark.parametrize("field", QUOTED)
@pytest.mark.parametrize("value", [None, 0.0, 25.5])
def test_a_session_and_a_recording_read_a_ticker_alike(field, value):
    data = option_ticker(**{field: value})
    [news] = told(f"ticker.{OPTION}.raw", data)
    [row] = rows_of(f"ticker.{OPTION}.raw", json.dumps(data).encode(), NOW, 1)
    columns = {name: column[0] for name, column in columns_of("tickers", [row]).items()}
    assert columns["ts_ns"] == news.ts_ns
    assert columns[COLUMNS.get(field, field)] == pytest.approx(
        getattr(news, FIELDS.get(field, field)), rel=0, abs=0, nan_ok=True
    )


def test_a_ticker_without_a_mark_is_a_row_and_no_news():
    data = option_ticker(mark_price=None)
    with pytest.raises(ValueError, match="mark_price"):
        told(f"ticker.{OPTION}.raw", data)
    [row] = rows_of(f"ticker.{OPTION}.raw", json.dumps(data).encode(), NOW, 1)
    assert math.isnan(columns_of("tickers", [row])["mark_price"][0])


@pytest.mark.parametrize("change", [{}, {"iv": None}, {"mark_price": None}, {"liquidation": "MT"}])
def test_a_session_and_a_recording_read_a_trade_alike(change):
    data = {
        "trade_id": "1", "trade_seq": 1, "instrument_name": OPTION, "timestamp": 5, "direction": "sell",
        "price": 0.01, "amount": 1.5, "iv": 40.5, "mark_price": 0.011, **change,
    }  # fmt: skip
    [news] = told("trades.option.BTC.raw", [data])
    [row] = rows_of("trades.option.BTC.raw", json.dumps([data]).encode(), NOW, 1)
    columns = {name: column[0] for name, column in columns_of("option_trades", [row]).items()}
    [trade] = news.trades
    sign = {"buy": 1, "sell": -1}[columns["direction"]]
    assert (columns["ts_ns"], sign * columns["amount"], columns["price"]) == (
        5 * MS,
        trade.amount,
        trade.price,
    )
    assert columns["liquidation"] == trade.liquidation
    for column, value in (("iv", trade.iv), ("mark_price", trade.mark)):
        assert columns[column] == pytest.approx(value, rel=0, abs=0, nan_ok=True)


def test_delivery_prices_are_read_alike():
    rows = [
        {"date": "2026-11-25", "delivery_price": None},
        {"date": "2026-11-24", "delivery_price": 85_000.5},
    ]
    payload = json.dumps({"data": rows, "records_total": 2}).encode()
    assert deliveries(lambda method, params: payload, "btc_usd", "2026-11-01") == {"2026-11-24": 85_000.5}
    assert methods.GET_DELIVERY_PRICES.decode(payload, 0).prices == {"2026-11-24": 85_000.5}
