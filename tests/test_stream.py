"""Recorded notifications as rows, and bars out of index values."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore.data.schemas import KINDS
from gammacore.data.stream import MinuteBars, columns_of, index_currency, rows_of
from gammacore.daycount import NS_PER_MINUTE, NS_PER_SECOND
from gammacore.errors import DataError
from support.shared_data import recorded

KNOWN = 1_900_000_000_000_000_000


def notifications(name):
    for line in recorded(f"fixtures/deribit/{name}").read_text().splitlines():
        message = json.loads(line)
        message = message.get("msg", message)
        if message.get("method") == "subscription":
            yield message["params"]["channel"], message["params"]["data"]


FILES = (
    "crypto-msg-parser/messages.jsonl",
    "tardis-node/messages.jsonl",
    "mainnet-20260923/frames.jsonl",
    "cryptofeed/ws_session_BTC.jsonl",
    "gct/ws_trades_agg2.jsonl",
    "doc-examples/notifications.jsonl",
)


@pytest.mark.parametrize("name", FILES)
def test_recorded_notifications(name):
    seen = 0
    for seq, (channel, data) in enumerate(notifications(name)):
        rows = rows_of(channel, json.dumps(data).encode(), KNOWN, seq)
        if channel.partition(".")[0] in ("ticker", "quote", "book", "trades"):
            assert len(rows) == (len(data) if isinstance(data, list) else 1), channel
        for row in rows:
            values = dict(zip(KINDS[row.kind].columns, row.values, strict=True))
            source = data[rows.index(row)] if isinstance(data, list) else data
            assert values["ts_ns"] == source["timestamp"] * 1_000_000
            assert values["known_ns"] == KNOWN
            if row.kind == "tickers":
                assert values["mark_price"] == source["mark_price"]
                if "mark_iv" in source:
                    assert values["mark_iv"] == pytest.approx(source["mark_iv"] / 100)
                    assert values["gamma"] == source["greeks"]["gamma"]
                    assert values["underlying"] == source["underlying_price"]
            elif row.kind == "books":
                assert json.loads(values["bids"]) == source["bids"]
                assert values["change_id"] == source["change_id"]
            elif row.kind.endswith("trades"):
                assert (row.kind == "option_trades") == ("iv" in source)
                assert values["trade_id"] == source["trade_id"]
                assert values["amount"] == source["amount"]
            seen += 1
    assert seen


def test_a_side_without_quotes_is_none():
    data = {"timestamp": 1, "instrument_name": "BTC-PERPETUAL", "best_bid_price": 0.0, "best_ask_price": None}
    (row,) = rows_of("quote.BTC-PERPETUAL", json.dumps(data).encode(), KNOWN, 1)
    columns = columns_of("quotes", [row])
    assert math.isnan(columns["bid_price"][0])
    assert math.isnan(columns["ask_price"][0])


def test_volatility_index_and_currencies():
    data = json.dumps({"timestamp": 5, "index_name": "btc_usd", "volatility": 48.5}).encode()
    (row,) = rows_of("deribit_volatility_index.btc_usd", data, KNOWN, 3)
    assert (row.kind, row.currency, row.values[-1]) == ("dvol", "BTC", 0.485)
    assert [index_currency(name) for name in ("eth_usd", "btc_usdc", "sol_usdc")] == ["ETH", "USDC", "USDC"]
    assert rows_of("platform_state", b"{}", KNOWN, 1) == []


def test_nonsense_names_its_channel():
    with pytest.raises(DataError, match=r"ticker\.X\.raw: unreadable"):
        rows_of("ticker.X.raw", b'{"timestamp": "now"}', KNOWN, 1)


@given(
    st.lists(st.tuples(st.integers(1, 25), st.floats(1.0, 9.0)), min_size=1, max_size=80), st.integers(0, 80)
)
def test_bars_are_those_of_minutes_heard_as_a_whole(steps, cut):
    """Against bars taken of all values at once, without the minutes an interruption touches."""
    bars, made, values, now = MinuteBars(), [], [], 7 * NS_PER_SECOND
    heard_since = None
    whole = []
    for k, (step, price) in enumerate(steps):
        now += step * NS_PER_SECOND
        if k == cut:
            bars.interrupted()
            heard_since = None
        if heard_since is None:
            heard_since = now
        whole.append(heard_since)
        values.append((now, price))
        bar = bars.add("btc_usd", now, price, now + 1)
        made += [bar] if bar else []
    expected = []
    minutes = sorted({ts // NS_PER_MINUTE for ts, _ in values})
    for minute in minutes[:-1]:
        inside = [k for k, (ts, _) in enumerate(values) if ts // NS_PER_MINUTE == minute]
        after = inside[-1] + 1
        if whole[inside[0]] >= minute * NS_PER_MINUTE or whole[after] != whole[inside[0]]:
            continue  # it began, or was cut, inside
        prices = [values[k][1] for k in inside]
        expected.append(
            (minute * NS_PER_MINUTE, values[after][0] + 1, prices[0], max(prices), min(prices), prices[-1])
        )
    assert [(*bar.values[:2], *bar.values[4:8]) for bar in made] == expected
