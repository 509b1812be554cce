"""The check of a store finds what was put in, and nothing in a store without faults."""

import numpy as np
import pytest

from gammacore.data.coverage import check_store
from gammacore.data.importing import import_file
from gammacore.data.impossible import Found
from gammacore.data.schemas import trades_of
from gammacore.data.store import Store
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, parse_time
from support.shared_data import recorded
from support.store_rows import START, candles

FOREVER = 2**62


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path) as made:
        yield made


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


def only(store, as_of_ns=FOREVER):
    (found,) = check_store(store, as_of_ns=as_of_ns)
    return found


def test_missing_bars(store):
    store.write(
        "candles", "BTC", "2026-03-01", "BTC-PERPETUAL_1m_x", candles([*range(10), *range(13, 20), 21])
    )
    found = only(store, START + 22 * NS_PER_MINUTE)
    assert (found.rows, found.subjects, found.count("missing"), found.problems) == (18, 1, 4, 4)
    assert "3 missing after 00:09:00" in found.example


def test_repetitions_between_files(store):
    for name in ("a", "b"):
        store.write("candles", "BTC", "2026-03-01", f"BTC-PERPETUAL_1m_{name}", candles(range(10)))
    found = only(store, START + 10 * NS_PER_MINUTE)
    assert (found.rows, found.repeated, found.problems) == (10, 10, 0)


def test_crossed_and_off_tick_quotes(store):
    bids, asks = [90_000.0, 90_001.0, 90_000.25, np.nan], [90_000.5, 90_000.5, 90_001.0, 90_001.0]
    store.write("quotes", "BTC", "2026-03-01", "x", quotes(bids, asks))
    found = only(store)
    assert [found.count(check) for check in ("crossed", "off tick", "stale")] == [1, 1, 0]
    assert "bid 90001 above ask 90000.5" in found.example


def test_silences(store):
    store.write("quotes", "BTC", "2026-03-01", "x", quotes([1.0] * 4, [2.0] * 4, every=2 * NS_PER_HOUR))
    assert only(store).count("stale") == 3


def test_lost_trades_within_a_day_and_between_days(store):
    store.write("future_trades", "BTC", "2026-03-01", "x", trades([5, 6, 9]))
    later = trades([12, 13])
    for name in ("ts_ns", "known_ns"):
        later[name] = later[name] + NS_PER_DAY
    store.write("future_trades", "BTC", "2026-03-02", "x", later)
    assert [one.count("missing") for one in check_store(store, as_of_ns=FOREVER)] == [2, 2]


def test_days_without_a_file(store):
    for day in (0, 2):
        rows = candles(np.arange(3) + day * 1_440)
        store.write("candles", "BTC", f"2026-03-0{day + 1}", "BTC-PERPETUAL_1m_x", rows)
    found = [(one.day, one.found) for one in check_store(store, as_of_ns=START + 3 * NS_PER_DAY - 1)]
    missing = Found("missing", 1, why="no file of this day")
    assert found == [("2026-03-01", ()), ("2026-03-02", (missing,)), ("2026-03-03", ())]


def test_rows_that_were_not_known_do_not_count(store):
    store.write("candles", "BTC", "2026-03-01", "BTC-PERPETUAL_1m_x", candles(range(10)))
    (found,) = check_store(store, as_of_ns=START + 5 * NS_PER_MINUTE)
    assert (found.rows, found.repeated) == (5, 0)


def test_recorded_chains_are_sound(store):
    """The description of the recording: bids never above asks, four quotes of some 800,000 off tick."""
    import_file(store, recorded("data/deribit_options/BTC_2026-02.csv.gz"))
    found = list(check_store(store, as_of_ns=FOREVER))
    assert sum(one.rows for one in found) > 50_000
    assert sum(one.count("crossed") for one in found) == 0
    assert sum(one.count("off tick") for one in found) <= 4
    assert sum(one.repeated for one in found) == 0


def test_ticks_are_judged_by_the_grid_of_their_date(store):
    """Dated futures had ticks of 0.5 in 2020; today's are 2.5."""
    for day, name, count in (("2020-06-08", "BTC-25SEP20", 0), ("2026-03-01", "BTC-25SEP26", 2)):
        moment = parse_time(day)
        rows = trades([1, 2, 3])
        rows |= {"ts_ns": moment + np.arange(3), "known_ns": moment + np.arange(3)}
        rows |= {"instrument_name": [name] * 3, "price": [9_700.0, 9_700.5, 9_701.0]}
        store.write("future_trades", "BTC", day, "x", rows)
        reports = check_store(store, as_of_ns=FOREVER)
        assert sum(one.count("off tick") for one in reports if one.day == day) == count


def test_trades_of_combos_and_spot_are_kinds_of_their_own(store, tmp_path):
    names = ["BTC-PERPETUAL", "BTC-25SEP26", "BTC-FS-25SEP26_PERP", "BTC-CS-25SEP26-90000_99000"]
    names += ["BTC-25SEP26-90000-C", "BTC_USDC", "BTC_USDC-PERPETUAL"]
    lines = ["exchange,symbol,timestamp,local_timestamp,id,side,price,amount"]
    lines += [
        f"deribit,{name},1772323200000000,1772323200000001,{k},buy,-0.5,1" for k, name in enumerate(names)
    ]
    (tmp_path / "trades.csv").write_text("\n".join(lines) + "\n")
    found = import_file(store, tmp_path / "trades.csv")
    assert found.rows == {"option_trades": 1, "future_trades": 3, "combo_trades": 2, "spot_trades": 1}
    assert [trades_of(name) for name in names] == [
        *["future_trades"] * 2,
        *["combo_trades"] * 2,
        "option_trades",
        "spot_trades",
        "future_trades",
    ]
    reports = {one.kind: one for one in check_store(store, as_of_ns=FOREVER) if one.currency == "BTC"}
    assert reports["future_trades"].count("not positive") == 2
    assert reports["combo_trades"].problems == 0  # a combo may cost less than nothing
