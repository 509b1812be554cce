"""The calendar of listings, days going by, recorded prices, and the smaller methods."""

import numpy as np
import pytest

from gammacore.contracts import CALL, spec_from_catalog
from gammacore.daycount import NS_PER_DAY, NS_PER_MINUTE, format_time, parse_time
from gammacore.exchange import MarketModel, Recorded
from gammacore.exchange.catalog import expiries
from gammacore.exchange.invariants import assert_invariants
from gammacore.settlement import WINDOW, greeks
from support.local_exchange import SECOND, Client, make, rest

PERPETUAL = "BTC-PERPETUAL"


def test_calendar_of_a_recorded_day():
    # What was listed on 2026-05-20 at 07:50 UTC.
    days = [format_time(moment)[:10] for moment in expiries(parse_time("2026-05-20T07:50:53Z"))]
    assert days == [
        "2026-05-20", "2026-05-21", "2026-05-22", "2026-05-23", "2026-05-29", "2026-06-05",
        "2026-06-26", "2026-07-31", "2026-09-25", "2026-12-25", "2027-03-26",
    ]  # fmt: skip
    assert format_time(expiries(parse_time("2026-05-20T08:00:00Z"))[0]) == "2026-05-21T08:00:00Z"


def test_rows_of_the_catalog_are_what_the_library_reads():
    exchange = make()
    for listing in exchange.floor.catalog.by_name.values():
        assert spec_from_catalog(listing.row) == listing.spec
        for price in (listing.price(7), listing.price(listing.snap(listing.price(60), up=True))):
            assert listing.price(listing.ticks(price)) == price
            assert listing.spec.is_on_tick(price)


@pytest.mark.parametrize(
    ("price", "up", "down"),
    [(0.00012, 0.0002, 0.0001), (0.0049, 0.0049, 0.0049), (0.00497, 0.005, 0.0049), (0.0052, 0.0055, 0.005)],
)
def test_prices_snap_to_the_steps_of_options(price, up, down):
    exchange = make()
    option = next(
        x for x in exchange.floor.catalog.by_name.values() if x.name.startswith("BTC-") and x.kind == "option"
    )
    assert option.price(option.snap(price, up=True)) == up
    assert option.price(option.snap(price, up=False)) == down


def test_days_go_by():
    models = {"BTC": MarketModel()}
    exchange = make(models=models, linear=(), tick_ms=60_000, expiries=None, strikes=2, history_days=1)
    client = Client(exchange)
    client.call("private/subscribe", channels=["instrument.state.any.any", "trades.BTC-PERPETUAL.agg2"])
    client.call("private/buy", instrument_name=PERPETUAL, amount=1_000, type="market")
    first = set(exchange.floor.catalog.by_name)
    for _ in range(4):
        client.wait(86_400, step=600)
        assert_invariants(exchange.floor)
    now = set(exchange.floor.catalog.by_name)
    gone = {name for name in first - now if "26NOV26" in name}
    assert gone  # what expired more than two days ago is no longer shown
    assert {name for name in now - first if "30NOV26" in name}
    states = {}
    for data in client.on("instrument.state.any.any"):
        states.setdefault(data["state"], set()).add(data["instrument_name"])
    assert gone <= states["closed"]
    assert now - first <= states["created"]
    settled = client.call("private/get_settlement_history_by_instrument", instrument_name=PERPETUAL)
    assert len(settled["settlements"]) == 4
    stats = client.call("public/ticker", instrument_name=PERPETUAL)["stats"]
    day = [
        trade
        for trade in exchange.floor.engine.trades[PERPETUAL]
        if trade.ts_ns > exchange.now_ns - NS_PER_DAY
    ]
    listing = exchange.floor.find(PERPETUAL)
    assert len(day) < len(exchange.floor.engine.trades[PERPETUAL])
    assert stats["volume_usd"] == sum(listing.amount(trade.lots) for trade in day)
    assert stats["low"] == min(listing.price(trade.price) for trade in day)
    assert stats["high"] == max(listing.price(trade.price) for trade in day)
    deliveries = client.call("public/get_delivery_prices", index_name="btc_usd", count=4)["data"]
    assert [row["date"] for row in deliveries] == ["2026-11-29", "2026-11-28", "2026-11-27", "2026-11-26"]


def test_the_index_follows_recorded_prices():
    start = parse_time("2026-01-05T00:00:00Z")
    ts = start + NS_PER_MINUTE * np.arange(10, dtype=np.int64)
    recorded = {"BTC": Recorded(ts, np.linspace(90_000.0, 90_900.0, 10))}
    exchange = make(recorded=recorded, start_ns=start)
    assert exchange.floor.market.index("BTC") == 90_000.0
    exchange.advance(start + 90 * SECOND)
    assert exchange.floor.market.index("BTC") == 90_150.0
    assert exchange.floor.market.index("ETH") != 2_750.0  # modelled
    exchange.advance(start + 3_600 * SECOND)
    assert exchange.floor.market.index("BTC") == 90_900.0
    strikes = {x.instrument.strike for x in exchange.floor.options_on("btc_usd")}
    assert min(strikes) < 90_000 < max(strikes)
    history = Client(exchange).call(
        "public/get_tradingview_chart_data",
        instrument_name="BTC-PERPETUAL",
        start_timestamp=start // 10**6,
        end_timestamp=start // 10**6 + 600_000,
        resolution="1",
    )
    assert history["close"][5] == pytest.approx(90_600, rel=2e-3)


def test_implied_volatility_of_quotes_brackets_the_mark():
    client = Client(make())
    for name in [x.name for x in client.exchange.floor.catalog.by_name.values() if x.kind == "option"]:
        ticker = client.call("public/ticker", instrument_name=name)
        if ticker["best_bid_price"] is not None:
            assert ticker["bid_iv"] <= ticker["mark_iv"] <= ticker["ask_iv"]
            assert ticker["best_bid_price"] <= ticker["mark_price"] + 5e-5 < ticker["best_ask_price"] + 1e-4
        client.wait(0.1)


def test_marks_of_the_settlement_window_are_those_of_the_average():
    start = parse_time("2026-01-05T07:20:00Z")
    ts = start + NS_PER_MINUTE * np.arange(41, dtype=np.int64)
    index = 90_000.0 + np.append(np.zeros(11), 20.0 * np.arange(30))
    exchange = make(recorded={"BTC": Recorded(ts, index)}, start_ns=start)
    call = min(
        (x.instrument for x in exchange.floor.options_on("btc_usd") if x.instrument.kind == CALL),
        key=lambda option: (option.expiry_ns, abs(option.strike - 90_000.0)),
    )
    assert call.expiry_ns == start + 40 * NS_PER_MINUTE

    def ticker(minutes):
        for at in range(exchange.now_ns, start + int(minutes * NS_PER_MINUTE), 3 * SECOND):
            exchange.advance(at)
        return Client(exchange, login=None).call("public/ticker", instrument_name=call.name)

    before, opened = ticker(9.98), ticker(10.05)
    assert opened["mark_price"] == pytest.approx(before["mark_price"], rel=0.03)  # no jump into the window
    seen = ticker(30.0)
    coin = exchange.floor.market.coins["BTC"]
    exact = greeks(
        1,
        exchange.floor.market.index("BTC"),
        call.strike,
        WINDOW / 3,
        seen["mark_iv"] / 100,
        coin.window_sum / coin.window_ticks,
    )
    assert seen["mark_price"] == pytest.approx(exact.price, abs=5.1e-5)  # printed with four decimals
    assert seen["greeks"]["delta"] == pytest.approx(exact.delta, abs=2e-3)
    assert seen["underlying_price"] == pytest.approx(90_000 + 2 * (20 * 20) / 3, abs=40)


def test_small_methods():
    client = Client(make())
    assert client.call("public/get_contract_size", instrument_name=PERPETUAL) == {"contract_size": 10.0}
    names = client.call("public/get_index_price_names")
    assert names == ["btc_usd", "btc_usdc", "eth_usd"]
    assert {row["currency"] for row in client.call("public/get_currencies")} == {"BTC", "ETH", "USDC"}
    assert client.call("public/get_instruments", currency="USDT") == []
    linear = client.call("public/get_instruments", currency="USDC", kind="future")
    assert {row["base_currency"] for row in linear} == {"BTC"}
    assert client.call("private/get_deposits", currency="BTC") == {"count": 0, "data": []}
    (main,) = client.call("private/get_subaccounts")
    assert main["type"] == "main"
    client.call("private/buy", instrument_name=PERPETUAL, amount=1_000, type="market")
    volumes = {row["currency"]: row for row in client.call("public/get_trade_volumes")}
    assert volumes["BTC"]["futures_volume"] > 0
    assert volumes["ETH"]["futures_volume"] == 0
    end = client.exchange.now_ns // 10**6
    option = next(x.name for x in client.exchange.floor.catalog.by_name.values() if x.kind == "option")
    span = {"start_timestamp": end - 600_000, "end_timestamp": end}
    marks = client.call("public/get_mark_price_history", instrument_name=option, **span)
    assert len(marks) == 11
    assert client.call("public/get_mark_price_history", instrument_name=PERPETUAL, **span) == []
    assert client.error("public/get_order_book", instrument_name=PERPETUAL, depth=7)["code"] == -32602
    assert client.error("public/get_index_price", index_name="x_usd")["code"] == -32602
    client.call("public/subscribe", channels=["deribit_price_ranking.btc_usd"])
    client.wait(1)
    assert client.on("deribit_price_ranking.btc_usd")[0][0]["enabled"] is True


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("instrument_name=BTC-PERPETUAL&count=many", "value must be a number"),
        ("instrument_name=BTC-PERPETUAL&count=1.5", "value must be an integer"),
        ("instrument_name=BTC-PERPETUAL&count=0", "value must be >= 1"),
        ("instrument_name=BTC-PERPETUAL&sorting=up", "invalid value"),
    ],
)
def test_parameters_of_a_url(query, reason):
    exchange = make()
    status, answer = rest(exchange, f"/api/v2/public/get_last_trades_by_instrument?{query}")
    assert (status, answer["error"]["data"]["reason"]) == (400, reason)


def test_texts_and_lists_of_a_url():
    exchange = make()
    status, answer = rest(exchange, "/api/v2/public/get_instruments?currency=BTC&kind=option&expired=true")
    assert status == 200
    assert not any(row["is_active"] for row in answer["result"])
    status, _ = rest(exchange, "/api/v2/public/get_instruments?currency=BTC&expired=yes")
    assert status == 400
    status, answer = rest(
        exchange, "/api/v2/public/get_last_trades_by_instrument?instrument_name=BTC-PERPETUAL&count=3"
    )
    assert len(answer["result"]["trades"]) == 3


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"instrument_name": 5}, "value must be a string"),
        ({"instrument_name": PERPETUAL, "depth": True}, "value must be a number"),
    ],
)
def test_types_on_a_socket(params, reason):
    error = Client(make()).error("public/get_order_book", **params)
    assert error["data"]["reason"] == reason


def test_lists_on_a_socket():
    client = Client(make())
    for wrong in ("book", [1], None):
        answer = client.error("public/subscribe", channels=wrong)
        assert answer["code"] == -32602


def test_pages_of_ones_own_trades():
    client = Client(make(flow_per_minute=0.0))
    for _ in range(6):
        client.call("private/buy", instrument_name=PERPETUAL, amount=10, type="market")
        client.wait(1)
    method = "private/get_user_trades_by_instrument"
    page = client.call(method, instrument_name=PERPETUAL, count=4)
    ids = [int(trade["trade_id"]) for trade in page["trades"]]
    assert page["has_more"]
    assert ids == sorted(ids, reverse=True)
    older = client.call(
        "private/get_user_trades_by_currency", currency="BTC", end_id=str(ids[-1]), count=10, sorting="asc"
    )
    assert [int(trade["trade_id"]) for trade in older["trades"]][-1] == ids[-1]
    assert len(older["trades"]) == 3
    seq = page["trades"][0]["trade_seq"]
    one = client.call(method, instrument_name=PERPETUAL, start_seq=seq, end_seq=seq)
    assert [trade["trade_seq"] for trade in one["trades"]] == [seq]
    wrong = client.error("private/get_user_trades_by_currency", currency="BTC", start_id="x")
    assert wrong["code"] == -32602
    order = page["trades"][0]["order_id"]
    assert len(client.call("private/get_user_trades_by_order", order_id=order, sorting="desc")) == 1


def test_old_orders_and_trades_are_historical():
    client = Client(make(flow_per_minute=0.0, tick_ms=10_000))
    client.call("private/subscribe", channels=["deribit_price_index.btc_usd"])
    client.call("private/buy", instrument_name=PERPETUAL, amount=10, type="market")
    params = {"instrument_name": PERPETUAL}
    client.wait(25 * 3_600, step=600)
    assert client.call("private/get_user_trades_by_instrument", **params)["trades"] == []
    assert len(client.call("private/get_user_trades_by_instrument", historical=True, **params)["trades"]) == 1
    assert client.call("private/get_order_history_by_instrument", **params) == []
    assert len(client.call("private/get_order_history_by_instrument", historical=True, **params)) == 1


@pytest.mark.parametrize("name", ["BTC-PERPETUAL", "ETH-PERPETUAL", "BTC_USDC-PERPETUAL"])
def test_a_perpetual_has_a_settlement_price_and_open_interest_from_the_start(name):
    client = Client(make())
    ticker = client.call("public/ticker", instrument_name=name)
    coin = name[:3].lower()
    history = {"end_timestamp": client.exchange.now_ns // 10**6, "start_timestamp": 0}
    bars = client.call(
        "public/get_tradingview_chart_data", instrument_name=f"{coin.upper()}-PERPETUAL", resolution="1D",
        **history | {"start_timestamp": history["end_timestamp"] - 2 * 86_400_000},
    )  # fmt: skip
    assert isinstance(ticker["settlement_price"], float)
    assert 0.5 * bars["close"][-1] < ticker["settlement_price"] < 2.0 * bars["close"][-1]
    wanted = 500.0 if "USDC" in name else 5e7
    assert ticker["open_interest"] == pytest.approx(wanted)
    client.call("private/buy", instrument_name=name, amount=100 if "USDC" not in name else 0.1, type="market")
    after = client.call("public/ticker", instrument_name=name)
    assert after["open_interest"] != ticker["open_interest"]  # the maker sold: it is short by more
    assert after["settlement_price"] == ticker["settlement_price"]
