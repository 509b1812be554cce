"""The check of a store finds what was put in, and nothing in a store without faults."""

import numpy as np
import pytest
from shared_data import recorded

from gammacore.data.coverage import check_store
from gammacore.data.importing import import_file
from gammacore.data.store import Store
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, parse_time

START = parse_time("2026-03-01")
FOREVER = 2**62


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path) as made:
        yield made


def candles(minutes, name="BTC-PERPETUAL"):
    ts = START + NS_PER_MINUTE * np.asarray(minutes)
    rows = {"ts_ns": ts, "known_ns": ts + NS_PER_MINUTE, "instrument_name": [name] * ts.size}
    rows |= {"interval_ns": [NS_PER_MINUTE] * ts.size}
    return rows | {column: [1.0] * ts.size for column in ("open", "high", "low", "close", "volume", "cost")}


def quotes(bids, asks, every=NS_PER_MINUTE, name="BTC-PERPETUAL"):
    ts = START + every * np.arange(len(bids))
    rows = {"ts_ns": ts, "known_ns": ts, "seq": range(len(bids)), "instrument_name": [name] * len(bids)}
    return rows | {
        "bid_price": bids,
        "ask_price": asks,
        "bid_amount": [1.0] * len(bids),
        "ask_amount": [1.0] * len(bids),
    }


def trades(numbers):
    ts = START + NS_PER_MINUTE * np.arange(len(numbers))
    rows = {"ts_ns": ts, "known_ns": ts, "instrument_name": ["BTC-PERPETUAL"] * len(numbers)}
    rows |= {"trade_seq": numbers, "trade_id": [str(n) for n in numbers], "direction": ["buy"] * len(numbers)}
    return (
        rows
        | {name: [90_000.0] * len(numbers) for name in ("price", "amount", "mark_price", "index_price")}
        | {name: [""] * len(numbers) for name in ("liquidation", "block_trade_id")}
    )


def only(store):
    (found,) = check_store(store, as_of_ns=FOREVER)
    return found


def test_missing_bars(store):
    store.write(
        "candles", "BTC", "2026-03-01", "BTC-PERPETUAL_1m_x", candles([*range(10), *range(13, 20), 21])
    )
    found = only(store)
    assert (found.rows, found.subjects, found.missing, found.problems) == (18, 1, 4, 4)
    assert "3 missing after 00:09:00" in found.example


def test_repetitions_between_files(store):
    for name in ("a", "b"):
        store.write("candles", "BTC", "2026-03-01", f"BTC-PERPETUAL_1m_{name}", candles(range(10)))
    assert (only(store).rows, only(store).repeated, only(store).problems) == (10, 10, 0)


def test_crossed_and_off_tick_quotes(store):
    bids, asks = [90_000.0, 90_001.0, 90_000.25, np.nan], [90_000.5, 90_000.5, 90_001.0, 90_001.0]
    store.write("quotes", "BTC", "2026-03-01", "x", quotes(bids, asks))
    found = only(store)
    assert (found.crossed, found.off_tick, found.stale) == (1, 1, 0)
    assert "bid above ask" in found.example


def test_silences(store):
    store.write("quotes", "BTC", "2026-03-01", "x", quotes([1.0] * 4, [2.0] * 4, every=2 * NS_PER_HOUR))
    assert only(store).stale == 3


def test_lost_trades_within_a_day_and_between_days(store):
    store.write("future_trades", "BTC", "2026-03-01", "x", trades([5, 6, 9]))
    later = trades([12, 13])
    for name in ("ts_ns", "known_ns"):
        later[name] = later[name] + NS_PER_DAY
    store.write("future_trades", "BTC", "2026-03-02", "x", later)
    assert [one.missing for one in check_store(store, as_of_ns=FOREVER)] == [2, 2]


def test_days_without_a_file(store):
    for day in (0, 2):
        rows = candles(np.arange(3) + day * 1_440)
        store.write("candles", "BTC", f"2026-03-0{day + 1}", "BTC-PERPETUAL_1m_x", rows)
    found = [(one.day, one.missing, one.example) for one in check_store(store, as_of_ns=FOREVER)]
    assert found == [("2026-03-01", 0, ""), ("2026-03-02", 1, "no file"), ("2026-03-03", 0, "")]


def test_rows_that_were_not_known_do_not_count(store):
    store.write("candles", "BTC", "2026-03-01", "BTC-PERPETUAL_1m_x", candles(range(10)))
    (found,) = check_store(store, as_of_ns=START + 5 * NS_PER_MINUTE)
    assert (found.rows, found.repeated) == (5, 0)


def test_recorded_chains_are_sound(store):
    """The description of the recording: bids never above asks, four quotes of some 800,000 off tick."""
    import_file(store, recorded("data/deribit_options/BTC_2026-02.csv.gz"))
    found = list(check_store(store, as_of_ns=FOREVER))
    assert sum(one.rows for one in found) > 50_000
    assert sum(one.crossed for one in found) == 0
    assert sum(one.off_tick for one in found) <= 4
    assert sum(one.repeated for one in found) == 0
