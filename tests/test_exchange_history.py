"""History endpoints: they page, truncate and throttle; sections 6 and 11 of the reference."""

import math

import pytest

from gammacore.daycount import parse_time
from support.local_exchange import Client, make

PERPETUAL = "BTC-PERPETUAL"
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def exchange():
    return make(history_days=10)


@pytest.fixture
def client(exchange):
    exchange.advance(exchange.now_ns + 60 * 10**9)
    return Client(exchange)


def now_ms(client):
    return client.exchange.now_ns // 10**6


def test_trades_by_sequence_have_no_gap(client):
    client.call("private/buy", instrument_name=PERPETUAL, amount=10, type="market")
    newest = client.call("public/get_last_trades_by_instrument", instrument_name=PERPETUAL, count=1)
    last = newest["trades"][0]["trade_seq"]
    seen, start = [], last - 2_500
    while True:
        page = client.call(
            "public/get_last_trades_by_instrument",
            instrument_name=PERPETUAL,
            start_seq=start,
            count=1_000,
            sorting="asc",
        )
        seen += [trade["trade_seq"] for trade in page["trades"]]
        if not page["has_more"]:
            break
        start = seen[-1] + 1
    assert seen == list(range(last - 2_500, last + 1))


def test_trades_by_time_share_milliseconds(client):
    """Paging from the last timestamp, inclusive, and dropping ids that were seen, loses nothing."""
    end = now_ms(client)
    start = end - 2 * DAY_MS
    params = {"currency": "BTC", "end_timestamp": end, "count": 1_000, "sorting": "asc"}
    seen, cursor, pages = {}, start, 0
    while True:
        page = client.call("public/get_last_trades_by_currency_and_time", start_timestamp=cursor, **params)
        pages += 1
        seen |= {trade["trade_id"]: trade for trade in page["trades"]}
        if not page["has_more"]:
            break
        cursor = page["trades"][-1]["timestamp"]
    assert pages > 2
    stamps = [trade["timestamp"] for trade in seen.values()]
    assert len(set(stamps)) < len(stamps)
    numbers = [int(number) for number in seen]
    assert numbers == sorted(numbers)
    by_instrument = {}
    for trade in seen.values():
        by_instrument.setdefault(trade["instrument_name"], []).append(trade["trade_seq"])
    for name, found in by_instrument.items():
        assert found == list(range(found[0], found[0] + len(found))), name


def test_default_count_order_and_maximum(client):
    method = "public/get_last_trades_by_instrument"
    page = client.call(method, instrument_name=PERPETUAL)
    assert len(page["trades"]) == 10
    assert page["has_more"] is True
    stamps = [trade["timestamp"] for trade in page["trades"]]
    assert stamps == sorted(stamps, reverse=True)
    assert len(client.call(method, instrument_name=PERPETUAL, count=5_000)["trades"]) == 1_000


def test_trades_by_identity(client):
    page = client.call("public/get_last_trades_by_currency", currency="BTC", kind="option", count=5)
    ids = [int(trade["trade_id"]) for trade in page["trades"]]
    again = client.call(
        "public/get_last_trades_by_currency",
        currency="BTC",
        kind="option",
        start_id=str(ids[-1]),
        end_id=str(ids[1]),
        count=100,
        sorting="asc",
    )
    assert [int(trade["trade_id"]) for trade in again["trades"]] == ids[1:][::-1]
    assert all(trade["iv"] > 1.0 for trade in again["trades"])
    eth = client.call("public/get_last_trades_by_currency", currency="ETH", count=1)["trades"][0]
    assert eth["trade_id"].startswith("ETH-")


def test_history_goes_on_into_the_present(client):
    before = client.call("public/get_last_trades_by_instrument", instrument_name="ETH-PERPETUAL", count=1)
    client.call("private/buy", instrument_name="ETH-PERPETUAL", amount=1, type="market")
    after = client.call("public/get_last_trades_by_instrument", instrument_name="ETH-PERPETUAL", count=1)
    assert after["trades"][0]["trade_seq"] == before["trades"][0]["trade_seq"] + 1


def test_expired_instruments_and_their_trades(client):
    rows = client.call("public/get_instruments", currency="BTC", kind="option", expired=True)
    assert rows
    assert all(row["expiration_timestamp"] < now_ms(client) for row in rows)
    assert not any(row["is_active"] for row in rows)
    name = rows[0]["instrument_name"]
    page = client.call("public/get_last_trades_by_instrument", instrument_name=name, count=100)
    assert page["trades"]
    assert page["trades"][0]["timestamp"] <= rows[0]["expiration_timestamp"]
    assert client.call("public/ticker", instrument_name=name)["state"] == "closed"


def test_bars(client):
    end = now_ms(client)
    params = {"instrument_name": PERPETUAL, "end_timestamp": end}
    data = client.call(
        "public/get_tradingview_chart_data", start_timestamp=end - DAY_MS, resolution="60", **params
    )
    assert data["status"] == "ok"
    assert len({len(data[name]) for name in data if name != "status"}) == 1
    assert {b - a for a, b in zip(data["ticks"], data["ticks"][1:], strict=False)} == {3_600_000}
    assert data["open"][1:] == data["close"][:-1]
    for k in range(len(data["ticks"])):
        assert data["low"][k] <= min(data["open"][k], data["close"][k])
        assert data["high"][k] >= max(data["open"][k], data["close"][k])
    assert min(data["volume"]) > 0
    full = client.call(
        "public/get_tradingview_chart_data", start_timestamp=end - 9 * DAY_MS, resolution="1", **params
    )
    assert len(full["ticks"]) == 5_000
    none = client.call(
        "public/get_tradingview_chart_data",
        instrument_name=PERPETUAL,
        start_timestamp=1,
        end_timestamp=2,
        resolution="1D",
    )
    assert none["status"] == "no_data"


def test_funding_history_is_hourly_and_adds_up(client):
    end = now_ms(client)
    rows = client.call(
        "public/get_funding_rate_history",
        instrument_name=PERPETUAL,
        start_timestamp=end - 3 * DAY_MS,
        end_timestamp=end,
    )
    assert len(rows) == 72
    assert all(row["timestamp"] % 3_600_000 == 0 for row in rows)
    for k in range(8, len(rows)):
        eight = sum(row["interest_1h"] for row in rows[k - 7 : k + 1])
        assert rows[k]["interest_8h"] == pytest.approx(eight, abs=1e-15)
        assert rows[k]["prev_index_price"] == rows[k - 1]["index_price"]
    value = client.call(
        "public/get_funding_rate_value",
        instrument_name=PERPETUAL,
        start_timestamp=rows[0]["timestamp"],
        end_timestamp=rows[-1]["timestamp"],
    )
    assert value == pytest.approx(sum(row["interest_1h"] for row in rows[1:]), abs=1e-15)
    chart = client.call("public/get_funding_chart_data", instrument_name=PERPETUAL, length="8h")
    assert set(chart) == {"current_interest", "interest_8h", "data"}


def test_funding_history_is_cut_at_744_rows():
    client = Client(make(history_days=35))
    end = now_ms(client)
    rows = client.call(
        "public/get_funding_rate_history",
        instrument_name=PERPETUAL,
        start_timestamp=0,
        end_timestamp=end,
    )
    assert len(rows) == 744


def test_volatility_index_pages_backwards(client):
    end = now_ms(client)
    params = {"currency": "BTC", "start_timestamp": end - 2 * DAY_MS, "resolution": "60"}
    rows, cursor = [], end
    while cursor is not None:
        page = client.call("public/get_volatility_index_data", end_timestamp=cursor, **params)
        assert len(page["data"]) <= 1_000
        rows = page["data"] + rows
        cursor = page["continuation"]
    stamps = [row[0] for row in rows]
    assert stamps == list(range(stamps[0], stamps[-1] + 1, 60_000))
    assert len(rows) > 2_800
    assert all(20 < row[4] < 100 for row in rows)


def test_historical_volatility(client):
    rows = client.call("public/get_historical_volatility", currency="BTC")
    assert len(rows) > 200
    assert rows[1][0] - rows[0][0] == 3_600_000
    mean = sum(row[1] for row in rows) / len(rows)
    assert mean == pytest.approx(45.0, abs=3.0)  # the model's volatility of the index


def test_delivery_prices(client):
    page = client.call("public/get_delivery_prices", index_name="btc_usd", count=3)
    assert [row["date"] for row in page["data"]] == ["2026-11-25", "2026-11-24", "2026-11-23"]
    rest = client.call("public/get_delivery_prices", index_name="btc_usd", offset=3, count=1_000)
    assert page["records_total"] == 3 + len(rest["data"])


def test_settlements_page_by_continuation():
    client = Client(make(start_ns=parse_time("2026-11-26T07:59:00Z"), expiries=1, strikes=2))
    client.call("public/subscribe", channels=["deribit_price_index.btc_usd"])
    client.wait(70)
    seen, token = [], None
    while True:
        more = {} if token is None else {"continuation": token}
        page = client.call("public/get_last_settlements_by_currency", currency="BTC", count=4, **more)
        seen += page["settlements"]
        token = page["continuation"]
        if token == "none":
            break
    assert {row["type"] for row in seen} == {"settlement", "delivery"}
    assert len(seen) == 12  # five strikes of calls and puts, the future, the perpetual
    one = client.call(
        "public/get_last_settlements_by_instrument", instrument_name=PERPETUAL, type="settlement"
    )
    assert len(one["settlements"]) == 1


def test_history_is_throttled(client):
    codes = []
    for _ in range(120):
        answer = client.ask("public/get_last_trades_by_instrument", instrument_name=PERPETUAL)
        codes.append(answer.get("error", {}).get("code"))
        if codes[-1]:
            break
    assert codes[-1] == 10028


def test_the_past_is_the_same_for_the_same_seed():
    pages = [
        Client(make(history_days=2)).call(
            "public/get_last_trades_by_currency", currency="BTC", kind="option", count=50
        )
        for _ in range(2)
    ]
    assert pages[0] == pages[1]


def test_the_past_joins_the_present():
    exchange = make(history_days=2)
    series = exchange.floor.past.series("BTC")
    assert series.price[-1] == exchange.floor.market.index("BTC")
    moves = [math.log(b / a) for a, b in zip(series.price, series.price[1:], strict=False)]
    assert max(map(abs, moves)) < 0.01
