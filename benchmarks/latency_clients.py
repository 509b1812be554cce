"""Clients for latency.py: each watches the price and answers a jump with an order."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from latency_exchange import CHANNEL, NAME, SECRET

DECISION_NS = 35_000


def gammacore_session(port: int, ready: Any, **live: bool) -> None:
    """The whole session: protocol, desk, risk, journal."""
    import signal

    from gammacore.config import load_config
    from gammacore.live import session

    config = load_config(
        None,
        {
            "entry.expiries": "any",
            "entry.schedule": "roll",
            "entry.min_days": 0.1,
            "entry.max_days": 3.0,
            "hedge.band": 0.004,
            "execution.hedges": "taker",
            "execution.slippage_bp": 20,
            "risk.max_orders_per_minute": 1_000_000,
            "risk.stale_after": "60s",
            **{f"live.{name}": value for name, value in live.items()},
        },
    )
    os.environ |= {"GAMMACORE_CLIENT_ID_TESTNET": NAME, "GAMMACORE_CLIENT_SECRET_TESTNET": SECRET}
    with tempfile.TemporaryDirectory() as folder:
        options = session.SessionOptions(
            venue="local", journal=str(Path(folder) / "j.db"), url=f"ws://127.0.0.1:{port}/ws/api/v2"
        )
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        ready.set()
        session.run(config, options)


def gammacore_awake(port: int, ready: Any) -> None:
    """The same, on processors that it keeps from sleeping, where it may."""
    gammacore_session(port, ready, keep_awake=True)


def gammacore_polling(port: int, ready: Any) -> None:
    """The same, spinning on its socket."""
    gammacore_session(port, ready, busy_poll=True)


def decide() -> None:
    until = time.perf_counter_ns() + DECISION_NS
    while time.perf_counter_ns() < until:
        pass


def ccxt_rest(port: int, ready: Any) -> None:
    """ccxt.pro's ticker, orders by its REST call: it has no other for Deribit."""
    import ccxt.pro

    async def run() -> None:
        client = ccxt.pro.deribit({"apiKey": NAME, "secret": SECRET, "enableRateLimit": False})
        client.urls["api"]["rest"] = f"http://127.0.0.1:{port}"
        client.urls["api"]["ws"] = f"ws://127.0.0.1:{port}/ws/api/v2"
        await client.load_markets()
        symbol, last = "BTC/USD:BTC", 0.0
        ready.set()
        while True:
            ticker = await client.watch_ticker(symbol, {"interval": "raw"})
            price = float(ticker["info"]["mark_price"])
            if last and price != last:
                decide()
                side = "sell" if price > last else "buy"
                limit = price - 150 if side == "sell" else price + 150
                params = {"time_in_force": "immediate_or_cancel"}
                await client.create_order(symbol, "limit", side, 10, limit, params)
            last = price

    asyncio.run(run())


def typed(port: int, ready: Any) -> None:
    """typed-deribit, orders over its socket."""
    import typed_deribit
    from typed_deribit.core.transport import http, ws

    http.DERIBIT_TEST_HTTP_URL = f"http://127.0.0.1:{port}/api/v2"
    ws.DERIBIT_TEST_WS_URL = f"ws://127.0.0.1:{port}/ws/api/v2"

    async def run() -> None:
        made = typed_deribit.Deribit.new(client_id=NAME, client_secret=SECRET, testnet=True)
        async with made as client:
            last = 0.0
            await client.account.get_positions(currency="BTC", transport="ws")  # logs the socket in
            async with client.streams.market_data.ticker("BTC-PERPETUAL", interval="raw") as stream:
                ready.set()
                async for ticker in stream:
                    price = float(ticker["mark_price"])
                    if last and price != last:
                        decide()
                        side = client.trading.sell if price > last else client.trading.buy
                        limit = price - 150 if price > last else price + 150
                        order = {
                            "instrument_name": "BTC-PERPETUAL",
                            "amount": 10,
                            "type": "limit",
                            "price": limit,
                            "time_in_force": "immediate_or_cancel",
                        }
                        await side(order, transport="ws")
                    last = price

    asyncio.run(run())


def nautilus(port: int, ready: Any) -> None:
    """nautilus_trader's clients, compiled Rust, with a handler in Python; orders over its socket."""
    import nautilus_trader.core.nautilus_pyo3 as pyo3
    from nautilus_trader.model.data import capsule_to_data

    testnet, perpetual = pyo3.DeribitEnvironment.TESTNET, pyo3.InstrumentId.from_str("BTC-PERPETUAL.DERIBIT")
    keys = {"api_key": NAME, "api_secret": SECRET, "environment": testnet}
    who = {
        "trader_id": pyo3.TraderId("T-001"),
        "strategy_id": pyo3.StrategyId("S-001"),
        "instrument_id": perpetual,
        "time_in_force": pyo3.TimeInForce.IOC,
    }

    async def run() -> None:
        http = pyo3.DeribitHttpClient(base_url=f"http://127.0.0.1:{port}/api/v2", **keys)
        instruments = await http.request_instruments(pyo3.DeribitCurrency.ANY)
        socket = pyo3.DeribitWebSocketClient(url=f"ws://127.0.0.1:{port}/ws/api/v2", **keys)
        socket.cache_instruments(instruments)
        socket.set_account_id(pyo3.AccountId("DERIBIT-001"))
        loop, ten, limit_order = (
            asyncio.get_running_loop(),
            pyo3.Quantity.from_str("10"),
            pyo3.OrderType.LIMIT,
        )
        last, count, sent = 0.0, 0, None

        def handle(message: Any) -> None:
            nonlocal last, count, sent
            if type(message).__name__ != "PyCapsule":
                return
            price = float(capsule_to_data(message).value)  # the mark
            if last and price != last:
                decide()
                side, beyond = (pyo3.OrderSide.SELL, -150) if price > last else (pyo3.OrderSide.BUY, 150)
                name, limit = pyo3.ClientOrderId(f"O-{count}"), pyo3.Price.from_str(f"{price + beyond:.1f}")
                sent = loop.create_task(order(side, name, limit))
                count += 1
            last = price

        async def order(side: Any, name: Any, limit: Any) -> None:
            await socket.submit_order(side, ten, limit_order, name, price=limit, **who)

        await socket.connect(loop, instruments, handle)
        await socket.wait_until_active(10.0)
        await socket.authenticate_session("orders")
        await socket.subscribe_mark_prices(perpetual, pyo3.DeribitUpdateInterval.RAW)
        ready.set()
        await asyncio.Event().wait()

    asyncio.run(run())


def floor(port: int, ready: Any) -> None:
    """The least a blocking client can do: look for one number, answer with a frame made before."""
    import websocket

    from gammacore.live.frames import masked

    client = websocket.create_connection(f"ws://127.0.0.1:{port}/ws/api/v2")
    login = {"grant_type": "client_credentials", "client_id": NAME, "client_secret": SECRET}
    order = {"instrument_name": "BTC-PERPETUAL", "amount": 10, "type": "market"}
    asks = (("public/auth", login), ("private/subscribe", {"channels": [CHANNEL]}))
    for id_, (method, params) in enumerate(asks):
        client.send(json.dumps({"jsonrpc": "2.0", "id": id_, "method": method, "params": params}))
        client.recv()
    sides = [
        masked(json.dumps({"jsonrpc": "2.0", "id": 9, "method": f"private/{side}", "params": order}).encode())
        for side in ("buy", "sell")
    ]
    line, mark, last, turn = client.sock, b'"mark_price": ', b"", 0
    ready.set()
    while True:
        _, found, rest = line.recv(65_536).partition(mark)
        price = rest.partition(b",")[0]
        if found and last and price != last:
            line.sendall(sides[turn])
            turn = 1 - turn
        last = price if found else last


CLIENTS = {
    "least possible, blocking": (floor, None),
    "gammacore": (gammacore_session, None),
    "gammacore, processors kept awake": (gammacore_awake, None),
    "gammacore, busy poll": (gammacore_polling, None),
    "ccxt.pro, REST orders": (ccxt_rest, "ccxt"),
    "typed-deribit": (typed, "typed_deribit"),
    "nautilus_trader": (nautilus, "nautilus_trader"),
}
HELD_BACK = {"nautilus_trader"}  # sends five orders a second
