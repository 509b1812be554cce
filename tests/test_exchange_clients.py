"""Public clients of Deribit against the exchange, with nothing changed but the address.

They come with ``pip install -e '.[clients]'``; what is not installed skips.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from gammacore.exchange import Exchange, ExchangeConfig
from gammacore.exchange.server import serving

PERPETUAL, SYMBOL = "BTC-PERPETUAL", "BTC/USD:BTC"
HINT = "a public client: pip install -e '.[clients]'"
PATIENCE = 15.0


@pytest.fixture
def port():
    config = ExchangeConfig(
        expiries=2,
        strikes=3,
        history_days=3,
        start_ns=time.time_ns(),
        matching_rate=100,
        matching_burst=100,
    )
    with serving(Exchange(config)) as number:
        yield number


def within(coroutine):
    return asyncio.wait_for(coroutine, PATIENCE)


# ccxt


def connect_ccxt(module, port):
    client = module.deribit({"apiKey": "gammacore", "secret": "local", "rateLimit": 5})
    client.urls["api"]["rest"] = f"http://127.0.0.1:{port}"
    return client


def test_ccxt(port):
    client = connect_ccxt(pytest.importorskip("ccxt", reason=HINT), port)
    markets = client.load_markets()
    calls = [s for s, m in markets.items() if m["option"] and m["inverse"] and m["optionType"] == "call"]
    tomorrow = (time.time() + 86_400) * 1000  # in the hours before an expiry a delta may be 1
    inverse = min(
        (s for s in calls if markets[s]["expiry"] > tomorrow), key=lambda symbol: markets[symbol]["expiry"]
    )
    linear = next(s for s, m in markets.items() if m["option"] and m["linear"])
    assert markets[SYMBOL]["contractSize"] == 10
    assert client.fetch_status()["status"] == "ok"
    assert abs(client.fetch_time() - time.time() * 1000) < 5_000
    for symbol in (SYMBOL, inverse, linear, "BTC/USDC:USDC"):
        book = client.fetch_order_book(symbol)
        assert book["bids"] == sorted(book["bids"], reverse=True)
        assert client.fetch_ticker(symbol)["ask"] == book["asks"][0][0]
    assert 0 < client.fetch_greeks(inverse)["delta"] < 1
    assert inverse in client.fetch_option_chain("BTC")
    assert len(client.fetch_trades(SYMBOL)) == 10
    assert len(client.fetch_ohlcv(SYMBOL, "1h")) > 40
    assert client.fetch_funding_rate(SYMBOL)["fundingRate"] is not None
    assert len(client.fetch_funding_rate_history(SYMBOL)) > 40
    assert client.fetch_volatility_history("BTC")
    assert client.fetch_balance()["BTC"]["total"] == 10.0
    order = client.create_order(SYMBOL, "limit", "buy", 10, 84_000)
    assert client.edit_order(order["id"], SYMBOL, "limit", "buy", 20, 84_100)["amount"] == 20
    assert [row["id"] for row in client.fetch_open_orders(SYMBOL)] == [order["id"]]
    assert client.cancel_order(order["id"], SYMBOL)["status"] == "canceled"
    assert client.fetch_order(order["id"])["status"] == "canceled"
    filled = client.create_order(SYMBOL, "market", "buy", 100)
    assert filled["status"] == "closed"
    assert client.create_order(inverse, "market", "buy", 0.5)["status"] == "closed"
    stop = {"trigger": "mark_price", "trigger_price": 80_000}
    client.create_order(SYMBOL, "stop_market", "sell", 10, None, stop)
    assert client.fetch_my_trades(SYMBOL)[0]["order"] == filled["id"]
    assert {row["symbol"] for row in client.fetch_positions()} == {SYMBOL, inverse}
    with pytest.raises(pytest.importorskip("ccxt").OrderNotFound):
        client.cancel_order("1", SYMBOL)
    client.cancel_all_orders()
    assert client.fetch_open_orders(SYMBOL) == []


def test_ccxt_pro(port):
    client = connect_ccxt(pytest.importorskip("ccxt.pro", reason=HINT), port)
    client.urls["api"]["ws"] = f"ws://127.0.0.1:{port}/ws/api/v2"

    async def session():
        try:
            await within(client.load_markets())
            for _ in range(3):
                book = await within(client.watch_order_book(SYMBOL))
                assert book["bids"][0][0] < book["asks"][0][0]
            assert (await within(client.watch_ticker(SYMBOL)))["bid"]
            assert SYMBOL in await within(client.watch_bids_asks([SYMBOL]))
            assert await within(client.watch_balance())
            watched = [
                asyncio.ensure_future(method(SYMBOL))
                for method in (
                    client.watch_orders,
                    client.watch_my_trades,
                    client.watch_trades,
                    client.watch_ohlcv,
                )
            ]
            await asyncio.sleep(1.0)
            order = await within(client.create_order(SYMBOL, "market", "buy", 100))
            orders, mine, public, bars = await within(asyncio.gather(*watched))
            assert orders[-1]["id"] == mine[-1]["order"] == order["id"]
            assert public
            assert bars[-1][4] > 0
        finally:
            await client.close()

    asyncio.run(session())


# typed-deribit, which checks every answer against its schemas


def connect_typed(monkeypatch, port):
    typed = pytest.importorskip("typed_deribit", reason=HINT)
    from typed_deribit.core.transport import http, ws

    monkeypatch.setattr(http, "DERIBIT_TEST_HTTP_URL", f"http://127.0.0.1:{port}/api/v2")
    monkeypatch.setattr(ws, "DERIBIT_TEST_WS_URL", f"ws://127.0.0.1:{port}/ws/api/v2")
    return lambda **more: typed.Deribit.new(
        client_id="gammacore", client_secret="local", testnet=True, **more
    )


async def look_around(client, transport):
    market, now = client.market_data, datetime.now(UTC)
    span = {"start_timestamp": now - timedelta(hours=30), "end_timestamp": now, "transport": transport}
    option = (await market.get_instruments(currency="BTC", kind="option", transport=transport))[1]
    named = {"instrument_name": PERPETUAL, "transport": transport}
    of_btc = {"currency": "BTC", "transport": transport}
    await market.get_ticker(**named) if hasattr(market, "get_ticker") else await market.ticker(**named)
    await market.get_order_book(depth=5, **named)
    await market.get_instrument(**named)
    await market.get_book_summary_by_currency(**of_btc)
    await market.get_last_trades_by_instrument(**named)
    await market.get_last_trades_by_currency_and_time(currency="BTC", **span)
    await market.get_tradingview_chart_data(instrument_name=PERPETUAL, resolution="60", **span)
    assert await market.get_funding_rate_history(instrument_name=PERPETUAL, **span)
    await market.get_funding_rate_value(instrument_name=PERPETUAL, **span)
    await market.get_funding_chart_data(length="8h", **named)
    assert (await market.get_volatility_index_data(currency="BTC", resolution="60", **span))["data"]
    await market.get_historical_volatility(**of_btc)
    await market.get_delivery_prices(index_name="btc_usd", transport=transport)
    await market.get_expirations(currency="any", kind="any", transport=transport)
    await market.get_last_settlements_by_currency(**of_btc)
    await market.get_index_price(index_name="btc_usd", transport=transport)
    account, trading = client.account, client.trading
    place = {"instrument_name": PERPETUAL, "amount": 100}
    filled = await trading.buy({**place, "type": "market"}, transport=transport)
    assert filled["order"]["order_state"] == "filled"
    bought = {"instrument_name": option["instrument_name"], "amount": 1, "type": "market"}
    await trading.buy(bought, transport=transport)
    resting = await trading.buy({**place, "type": "limit", "price": 84_000}, transport=transport)
    number = resting["order"]["order_id"]
    stop = {**place, "type": "stop_market", "trigger": "mark_price", "trigger_price": 80_000}
    await trading.sell(stop, transport=transport)
    assert len(await trading.get_open_orders(transport=transport)) == 2
    await trading.get_order_state(order_id=number, transport=transport)
    await trading.cancel(order_id=number, transport=transport)
    await trading.cancel_all(transport=transport)
    await trading.get_margins(amount=100, price=85_000, **named)
    await trading.get_user_trades_by_instrument(**named)
    await trading.get_order_history_by_currency(include_unfilled=True, **of_btc)
    await trading.get_settlement_history_by_currency(**of_btc)
    await account.get_positions(**of_btc)
    await account.get_account_summary(extended=True, **of_btc)
    await account.get_account_summaries(transport=transport)
    await account.get_transaction_log(currency="BTC", **{**span, "end_timestamp": now + timedelta(hours=1)})
    await account.simulate_portfolio(**of_btc)


@pytest.mark.parametrize(("transport", "http_auth"), [("http", "token"), ("http", "hmac"), ("ws", "token")])
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_typed_deribit(monkeypatch, port, transport, http_auth):
    connect = connect_typed(monkeypatch, port)

    async def session():
        async with connect(http_auth=http_auth) as client:
            await within(look_around(client, transport))

    asyncio.run(session())


def test_typed_deribit_streams(monkeypatch, port):
    connect = connect_typed(monkeypatch, port)

    async def first(stream):
        async with stream as messages:
            return await anext(aiter(messages))

    async def session():
        async with connect() as client:
            market, user = client.streams.market_data, client.streams.user
            streams = {
                "ticker": market.ticker(PERPETUAL, interval="100ms"),
                "book": market.book(PERPETUAL, interval="100ms"),
                "quote": market.quote(PERPETUAL),
                "index": market.price_index("btc_usd"),
                "dvol": market.volatility_index("btc_usd"),
                "marks": market.mark_price_options("btc_usd"),
                "portfolio": user.portfolio("btc"),
                "changes": user.changes_by_instrument(PERPETUAL, interval="raw"),
                "trades": market.trades_by_instrument(PERPETUAL, interval="100ms"),
            }
            waiting = {name: asyncio.ensure_future(first(stream)) for name, stream in streams.items()}
            await asyncio.sleep(1.0)
            await client.trading.buy({"instrument_name": PERPETUAL, "amount": 100, "type": "market"})
            await within(asyncio.gather(*waiting.values()))
            assert all(task.result() for task in waiting.values())

    asyncio.run(session())


# nautilus_trader: its clients of HTTP and WebSocket are compiled Rust


def test_nautilus_trader(port):
    pyo3 = pytest.importorskip("nautilus_trader.core.nautilus_pyo3", reason=HINT)
    if not hasattr(pyo3, "DeribitHttpClient"):
        pytest.skip("this nautilus_trader has no Deribit adapter; those that have need Python 3.12")
    asyncio.run(nautilus_session(pyo3, port))


async def nautilus_session(pyo3, port):
    testnet = pyo3.DeribitEnvironment.TESTNET
    http = pyo3.DeribitHttpClient(
        api_key="gammacore",
        api_secret="local",
        base_url=f"http://127.0.0.1:{port}/api/v2",
        environment=testnet,
        max_retries=0,
    )
    instruments = await within(http.request_instruments(pyo3.DeribitCurrency.ANY))
    assert {type(one).__name__ for one in instruments} == {"CryptoPerpetual", "CryptoFuture", "CryptoOption"}
    http.cache_instruments(instruments)
    perpetual = pyo3.InstrumentId.from_str(f"{PERPETUAL}.DERIBIT")
    option = next(one.id for one in instruments if str(one.id).endswith("-C.DERIBIT"))
    account, now = pyo3.AccountId("DERIBIT-001"), datetime.now(UTC)
    assert len(await within(http.request_trades(perpetual, now - timedelta(hours=3), now, 50))) == 50
    bars = pyo3.BarType.from_str(f"{PERPETUAL}.DERIBIT-1-MINUTE-LAST-EXTERNAL")
    assert await within(http.request_bars(bars, now - timedelta(hours=1), now, 50))
    await within(http.request_book_snapshot(perpetual, 10))
    await within(http.request_account_state(account))
    seen = []
    socket = pyo3.DeribitWebSocketClient(
        url=f"ws://127.0.0.1:{port}/ws/api/v2",
        api_key="gammacore",
        api_secret="local",
        heartbeat_interval=10,
        environment=testnet,
    )
    socket.cache_instruments(instruments)
    socket.set_account_id(account)
    await within(socket.connect(asyncio.get_running_loop(), instruments, seen.append))
    await within(socket.wait_until_active(5.0))
    await within(socket.authenticate_session("orders"))
    for subscription in (
        socket.subscribe_user_orders(),
        socket.subscribe_user_trades(),
        socket.subscribe_user_portfolio(),
        socket.subscribe_book(perpetual, pyo3.DeribitUpdateInterval.RAW),
        socket.subscribe_quotes(perpetual),
        socket.subscribe_trades(perpetual),
        socket.subscribe_option_greeks(option),
        socket.subscribe_perpetual_interest_rates(perpetual),
        socket.subscribe_volatility_index("btc_usd"),
    ):
        await within(subscription)
    await asyncio.sleep(1.0)
    await nautilus_orders(pyo3, socket, http, perpetual, account)
    names = {type(message).__name__ for message in seen}
    expected = {"OrderAccepted", "OrderFilled", "OrderUpdated", "OrderCanceled", "AccountState"}
    assert expected | {"OptionGreeks", "FundingRateUpdate", "PyCapsule"} <= names
    assert len(await within(http.request_fill_reports(account, perpetual))) >= 1
    assert len(await within(http.request_position_status_reports(account))) == 1
    await within(socket.close())


async def nautilus_orders(pyo3, socket, http, perpetual, account):
    who = {
        "trader_id": pyo3.TraderId("T-001"),
        "strategy_id": pyo3.StrategyId("S-001"),
        "instrument_id": perpetual,
    }
    hundred, buy = pyo3.Quantity.from_str("100"), pyo3.OrderSide.BUY
    await within(socket.submit_order(buy, hundred, pyo3.OrderType.MARKET, pyo3.ClientOrderId("O-1"), **who))
    resting = pyo3.ClientOrderId("O-2")
    await within(
        socket.submit_order(
            buy,
            hundred,
            pyo3.OrderType.LIMIT,
            resting,
            price=pyo3.Price.from_str("84000.0"),
            time_in_force=pyo3.TimeInForce.GTC,
            post_only=True,
            **who,
        )
    )
    await asyncio.sleep(0.5)
    (report,) = await within(http.request_order_status_reports(account, perpetual, open_only=True))
    number = str(report.venue_order_id)
    more, higher = pyo3.Quantity.from_str("200"), pyo3.Price.from_str("84100.0")
    await within(socket.modify_order(number, more, higher, resting, **who))
    await within(socket.cancel_order(number, resting, **who))
    await asyncio.sleep(1.5)
