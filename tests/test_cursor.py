"""Paging: whatever the pages, everything once and in order."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore.data import cursor
from gammacore.errors import DataError
from support.local_exchange import Client, make

MS = 10**6


class Archive:
    """Trades behind the exchange's rules: bounds are inclusive, pages are cut, `has_more` says so."""

    def __init__(self, stamps):
        stamps = sorted(stamps)
        self.rows = [
            {
                "trade_id": f"ETH-{1_000 + k}",
                "trade_seq": k + 1,
                "instrument_name": "ETH-PERPETUAL",
                "timestamp": stamp,
                "direction": "buy",
                "price": 1.0,
                "amount": 1.0,
            }
            for k, stamp in enumerate(stamps)
        ]
        self.asked = 0

    def get(self, method, params):
        self.asked += 1
        assert params["sorting"] == "asc"
        if method == cursor.TRADES.name:
            low, high = params["start_timestamp"], params["end_timestamp"]
            found = [row for row in self.rows if low <= row["timestamp"] <= high]
        else:
            low = int(params["start_id"].rpartition("-")[2])
            found = [row for row in self.rows if int(row["trade_id"].rpartition("-")[2]) >= low]
        page = found[: params["count"]]
        return json.dumps({"trades": page, "has_more": len(found) > len(page)}).encode()


@given(st.lists(st.integers(0, 12), max_size=60), st.integers(1, 7), st.integers(0, 12), st.integers(0, 12))
def test_every_trade_once(stamps, count, one, other):
    start, end = sorted((one, other))
    archive = Archive(stamps)
    pages = cursor.trades(archive.get, "ETH", "future", start * MS, end * MS, count)
    seen = [trade.trade_id for page in pages for trade in page.new]
    assert seen == [row["trade_id"] for row in archive.rows if start <= row["timestamp"] <= end]
    assert archive.asked <= 3 * (len(stamps) + 14)


def test_a_full_page_of_one_millisecond_is_left_by_ids():
    archive = Archive([5] * 2_500 + [6])
    pages = list(cursor.trades(archive.get, "ETH", "future", 0, 10 * MS))
    assert sum(len(page.new) for page in pages) == 2_501
    assert {page.method for page in pages} == {cursor.TRADES.name, cursor.BY_ID.name}


@pytest.mark.parametrize("count", [1, 2, 3, 1_000])
def test_the_local_exchange_with_short_pages(count):
    client = Client(make(history_days=2))

    def get(method, params):
        client.exchange.advance(client.exchange.now_ns + 60_000_000)  # 20 requests a second at most
        return json.dumps(client.call(method, **params)).encode()

    end = client.exchange.now_ns
    start = end - (3_600_000 if count < 1_000 else 86_400_000) * MS
    pages = cursor.trades(get, "BTC", "future", start, end, count)
    trades = [trade for page in pages for trade in page.new]
    assert len({trade.trade_id for trade in trades}) == len(trades) >= 50
    sequence = [trade.trade_seq for trade in trades if trade.instrument_name == "BTC-PERPETUAL"]
    assert sequence == list(range(sequence[0], sequence[0] + len(sequence)))
    assert len({trade.ts_ns for trade in trades}) < len(trades)


def test_pages_that_do_not_move_on_are_an_error():
    def empty(method, params):
        return b'{"trades": [], "has_more": true}'

    def backwards(method, params):
        archive = Archive([3, 2, 1])
        return json.dumps({"trades": archive.rows[::-1], "has_more": False}).encode()

    with pytest.raises(DataError, match="page is empty"):
        list(cursor.trades(empty, "BTC", "option", 0, 10 * MS))
    with pytest.raises(DataError, match="order of time"):
        list(cursor.trades(backwards, "BTC", "option", 0, 10 * MS))
    stuck = json.dumps({"data": [[1, 1, 1, 1, 1]], "continuation": 10}).encode()
    with pytest.raises(DataError, match="does not go back"):
        list(cursor.dvol(lambda *_: stuck, "BTC", 0, 10 * MS, "60"))


@given(st.integers(0, 50), st.integers(1, 9))
def test_volatility_pages_meet(bars, size):
    rows = [[ms, 1.0, 2.0, 0.5, 1.5] for ms in range(bars)]

    def get(method, params):
        found = [row for row in rows if params["start_timestamp"] <= row[0] <= params["end_timestamp"]]
        left = found[:-size]
        return json.dumps({"data": found[-size:], "continuation": left[-1][0] if left else None}).encode()

    found = [row for page in cursor.dvol(get, "BTC", 0, 100 * MS, "60") for row in page.new]
    assert sorted(bar.ts_ns for bar in found) == [ms * MS for ms in range(bars)]


@given(st.integers(0, 30), st.integers(1, 7), st.booleans())
def test_deliveries_while_one_more_arrives(days, size, moved):
    dates = [f"2026-01-{day:02d}" for day in range(days, 0, -1)]
    calls = []

    def get(method, params):
        calls.append(params["offset"])
        rows = (["2026-02-01"] if moved and len(calls) > 1 else []) + dates
        page = rows[params["offset"] : params["offset"] + size]
        found = [{"date": date, "delivery_price": 1.0} for date in page]
        return json.dumps({"data": found, "records_total": len(rows)}).encode()

    found = list(cursor.deliveries(get, "btc_usd", "2026-01-01"))
    assert [date for date in found if date < "2026-02-01"] == dates
