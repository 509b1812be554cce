"""Files of others in the store: values, times of arrival, memory, and a backtest that does not notice."""

import gzip
import json
import subprocess
import sys

import duckdb
import numpy as np
import pandas as pd
import pytest

from gammacore.backtest.figures.results import tabulate
from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.data import load_chains, load_prices
from gammacore.data.importing import ImportOptions, import_file
from gammacore.data.store import Store
from gammacore.daycount import NS_PER_HOUR, NS_PER_MINUTE, NS_PER_SECOND, parse_time
from gammacore.errors import ConfigError, DataError
from support import chain_files
from support.markets import build
from support.shared_data import recorded

FOREVER = 2**62
US = 1_772_323_200_000_000  # 2026-03-01 in microseconds
START = US * 1_000


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "data") as made:
        yield made


def text(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    return path


def test_recorded_option_tickers(store):
    path = recorded("fixtures/deribit/tardis/options_chain_header_2rows.csv")
    found = import_file(store, path)
    assert found.rows == {"tickers": 2, "chains": 1}
    rows = store.read("tickers", "BTC", as_of_ns=FOREVER)
    assert rows["ts_ns"].tolist() == [1591574399413000000, 1591574404454000000]
    assert rows["known_ns"].tolist() == [
        1591574400196008000,
        1591574400473112000 + 4 * NS_PER_SECOND - 4_000_000_000,
    ]
    assert rows["mark_iv"].tolist() == [0.6289, 0.6286]
    assert rows["bid_price"].tolist() == [0.0205, 0.0206]
    assert set(rows["underlying_name"]) == {"SYN.BTC-9JUN20"}
    # The first was not known at its own time, only at its arrival.
    assert store.read("tickers", "BTC", as_of_ns=1591574399500000000)["ts_ns"].size == 0
    chain = store.read("chains", "BTC", as_of_ns=FOREVER)
    assert chain["ts_ns"].tolist() == [parse_time("2020-06-08T01:00:00Z")]
    assert chain["mark_price"].tolist() == [0.0220948]
    assert load_chains(store.root / "processed" / "chains" / "BTC").iv.tolist() == [0.6286]


def test_a_perpetual_among_option_tickers_is_in_no_chain(store, tmp_path):
    content = recorded("fixtures/deribit/tardis/options_chain_header_2rows.csv").read_text().splitlines()
    symbol = content[1].split(",")[1]
    others = [content[2].replace(symbol, name) for name in ("BTC-PERPETUAL", "BTC-26JUN20")]
    found = import_file(store, text(tmp_path, "f.csv", "\n".join([*content, *others, ""])))
    assert found.rows == {"tickers": 4, "chains": 1}
    assert load_chains(store.root / "processed" / "chains" / "BTC").names == (symbol,)


def test_trades_go_by_instrument_and_repetitions_are_dropped(store, tmp_path):
    lines = ["exchange,symbol,timestamp,local_timestamp,id,side,price,amount"]
    lines += [
        f"deribit,BTC-PERPETUAL,{US + 5},{US + 105},11,buy,90000.5,20",
        f"deribit,BTC-27MAR26-90000-C,{US + 3},{US + 103},12,sell,0.0405,1.5",
        f"deribit,BTC_USDC-PERPETUAL,{US + 4},{US + 104},U-1,buy,90001,0.01",
        f"deribit,BTC-PERPETUAL,{US + 5},{US + 100},11,buy,90000.5,20",
    ]
    for name in ("trades.csv", "trades.csv.gz"):
        found = import_file(store, text(tmp_path, name, "\n".join(lines) + "\n"))
        assert found.rows == {"option_trades": 1, "future_trades": 2}
    futures = store.read("future_trades", "BTC", as_of_ns=FOREVER)
    assert futures["trade_id"].tolist() == ["11"]
    assert futures["known_ns"].tolist() == [START + 100_000]  # the first arrival
    assert futures["amount"].tolist() == [20.0]  # USD, as the exchange counts
    options = store.read("option_trades", "BTC", as_of_ns=FOREVER)
    assert (options["direction"].tolist(), options["price"].tolist()) == (["sell"], [0.0405])
    assert store.read("future_trades", "USDC", as_of_ns=FOREVER)["trade_id"].tolist() == ["U-1"]


def test_books_keep_their_levels(store, tmp_path):
    names = [
        f"{side}[{k}].{what}" for k in range(5) for side in ("asks", "bids") for what in ("price", "amount")
    ]
    cells = [f"{100 + k if name.startswith('a') else 99 - k}" for k in range(5) for name in names[:4]]
    cells[-2:] = ["", ""]  # the last bid is absent
    content = ",".join(["exchange,symbol,timestamp,local_timestamp", *names])
    content += "\n" + ",".join([f"deribit,ETH-PERPETUAL,{US},{US + 9}", *cells]) + "\n"
    assert import_file(store, text(tmp_path, "b.csv", content)).format == "book_snapshot_5"
    rows = store.read("books", "ETH", as_of_ns=FOREVER)
    assert json.loads(rows["asks"][0]) == [[100 + k, 100 + k] for k in range(5)]
    assert json.loads(rows["bids"][0]) == [[99 - k, 99 - k] for k in range(4)]


def test_tickers_of_derivatives(store, tmp_path):
    header = "exchange,symbol,timestamp,local_timestamp,funding_timestamp,funding_rate,predicted_funding_rate"
    header += ",open_interest,last_price,index_price,mark_price\n"
    row = f"deribit,BTC-PERPETUAL,{US},{US + 5},,0.0001,0.00002,1000,90000,90001.5,90002\n"
    import_file(store, text(tmp_path, "d.csv", header + row))
    rows = store.read("tickers", "BTC", as_of_ns=FOREVER)
    assert (rows["index_price"][0], rows["mark_price"][0], rows["funding_8h"][0]) == (
        90001.5,
        90002.0,
        0.0001,
    )
    assert np.isnan(rows["bid_price"][0])


@pytest.mark.parametrize("unit", [1, 1_000])
@pytest.mark.parametrize("header", [True, False])
def test_klines(store, tmp_path, unit, header):
    names = "open_time,open,high,low,close,volume,close_time,quote_volume,count,tbv,tbqv,ignore\n"
    stamps = [US // 1_000 + 60_000 * k for k in range(1_500) if k != 700]
    lines = [
        f"{t * unit},{k + 1},{k + 3},{k + 0.5},{k + 2},5,{(t + 60_000) * unit - 1},6,7,0,0,0"
        for k, t in enumerate(stamps)
    ]
    path = text(tmp_path, "BTCUSDT-1m-2026-03.csv", (names if header else "") + "\n".join(lines) + "\n")
    found = import_file(store, path, ImportOptions(instrument="BTCUSDT", currency="BTC"))
    assert found.format == "klines"
    rows = store.read("candles", "BTC", as_of_ns=FOREVER)
    assert rows["ts_ns"].tolist() == [t * 1_000_000 for t in stamps]
    assert set(rows["known_ns"] - rows["ts_ns"]) == {NS_PER_MINUTE}
    prices = load_prices(store.root / "processed" / "candles" / "BTC")
    assert prices.currency == "BTC"
    assert prices.close.tolist() == [k + 2.0 for k in range(1_499)]
    assert prices.quality.count("missing bars") == 1
    with pytest.raises(ConfigError, match="instrument"):
        import_file(store, path, ImportOptions(currency="BTC"))


def test_any_file_by_a_mapping(store, tmp_path):
    path = text(tmp_path, "x.csv", "when,value\n2026-03-01T00:00:01Z,5.5\n2026-03-01T00:00:00Z,4.5\n")
    mapping = {"ts_ns": "when", "price": "value", "index_name": "'btc_usd'"}
    options = ImportOptions(kind="index", mapping=mapping, currency="BTC", delay_ns=3 * NS_PER_SECOND)
    import_file(store, path, options)
    assert store.read("index", "BTC", as_of_ns=START + 3 * NS_PER_SECOND)["price"].tolist() == [4.5]
    assert store.read("index", "BTC", as_of_ns=START + 4 * NS_PER_SECOND)["price"].tolist() == [4.5, 5.5]


def test_bars_of_an_index_are_known_at_their_end(store, tmp_path):
    (tmp_path / "dvol.csv").write_text("t,v\n2026-03-01T00:00,0.5\n2026-03-01T01:00,0.6\n")
    mapping = {"ts_ns": "t", "index_name": "'btc_usd'"} | dict.fromkeys(("open", "high", "low", "close"), "v")
    import_file(store, tmp_path / "dvol.csv", ImportOptions(kind="dvol", mapping=mapping, currency="BTC"))
    rows = store.read("dvol", "BTC", as_of_ns=FOREVER)
    assert (rows["known_ns"] - rows["ts_ns"]).tolist() == [NS_PER_HOUR] * 2
    mapping["interval_ns"] = "'60000000000'"
    import_file(store, tmp_path / "dvol.csv", ImportOptions(kind="dvol", mapping=mapping, currency="BTC"))
    rows = store.read("dvol", "BTC", as_of_ns=FOREVER)
    assert set((rows["known_ns"] - rows["ts_ns"]).tolist()) == {60 * NS_PER_SECOND}


@pytest.mark.parametrize(
    ("content", "options", "error", "message"),
    [
        ("a,b\n1,2\n", {}, DataError, "missing columns"),
        ("a,b\n1,2\n", {"format": "quotes"}, DataError, "missing columns 'exchange'"),
        ("1772323200000,2,3\n", {}, DataError, "is no header"),
        (
            "t,p\n2026-03-01,x\n",
            {"kind": "index", "price": "p"},
            DataError,
            r"f\.csv: line 2, column 'p': 'x' is not a finite number",
        ),
        (
            "t,p\nsoon,1\n",
            {"kind": "index", "price": "p"},
            DataError,
            "line 2, column 't': 'soon' is not a time",
        ),
        (
            "t,p\n2026-03-01,1,2\n",
            {"kind": "index", "price": "p"},
            DataError,
            r"f\.csv: line 2: expected 2 columns, found 3",
        ),
        (
            "t,p\n2026-03-01\n",
            {"kind": "index", "price": "p"},
            DataError,
            "line 2: expected 2 columns, found 1",
        ),
        ("exchange;symbol\nderibit;x\n", {"format": "quotes"}, DataError, "separated by ';', not by commas"),
        (
            "t;p\n2026-03-01;1\n",
            {"kind": "index", "price": "p"},
            DataError,
            "separated by ';', not by commas",
        ),
        ("t,p\n2026-03-01,1\n", {"price": "p"}, ConfigError, "kind: a mapping needs one of"),
        ("", {}, DataError, "empty"),
    ],
)
def test_mistakes_leave_the_store_as_it_was(store, tmp_path, content, options, error, message):
    mapping = {"ts_ns": "t", "index_name": "'i'", "price": options["price"]} if "price" in options else {}
    given = {name: value for name, value in options.items() if name != "price"}
    with pytest.raises(error, match=message):
        import_file(
            store, text(tmp_path, "f.csv", content), ImportOptions(mapping=mapping, currency="BTC", **given)
        )
    assert not list(store.root.rglob("*.parquet"))


def test_a_file_that_is_cut_is_not_a_short_one(store, tmp_path):
    lines = "".join(f"{US + k},{k}\n" for k in range(50_000))
    whole = gzip.compress(f"t,p\n{lines}".encode())
    path = tmp_path / "f.csv.gz"
    options = ImportOptions(
        kind="index", mapping={"ts_ns": "t", "price": "p", "index_name": "'i'"}, currency="BTC"
    )
    for content in (whole[: len(whole) // 2], whole[:-4]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"f\.csv\.gz: broken gzip"):
            import_file(store, path, options)
    path.write_bytes(whole)
    assert import_file(store, path, options).rows == {"index": 50_000}


def test_a_limit_that_is_none(store, tmp_path):
    path = text(tmp_path, "f.csv", "t,p\n2026-03-01,1\n")
    mapping = {"ts_ns": "t", "price": "p", "index_name": "'i'"}
    with pytest.raises(ConfigError, match="memory_limit: 'much'"):
        import_file(
            store, path, ImportOptions(kind="index", mapping=mapping, currency="BTC", memory_limit="much")
        )


def test_importing_again_changes_nothing_and_a_correction_replaces(store, tmp_path):
    header = "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount\n"
    row = f"deribit,BTC-PERPETUAL,{US},{US + 1},1,{{}},90000,1\n"
    hashes = []
    for ask in (90001, 90001, 90002):
        (file,) = import_file(store, text(tmp_path, "q.csv", header + row.format(ask))).files
        hashes.append(file.read_bytes())
        assert store.read("quotes", "BTC", as_of_ns=FOREVER)["ask_price"].tolist() == [ask]
    assert hashes[0] == hashes[1] != hashes[2]


def same_results(one, other):
    """Tables and figures of two runs, but for where their data came from."""
    for name in ("episodes", "fills", "profit", "scalps", "intervals"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)
    for name in ("total", "attribution", "n_hedges", "mean_pnl_over_premium"):
        assert one.summary[name] == other.summary[name], name
    return len(one.fills)


def backtest(settings):
    config = build({"report.html": False} | settings)
    market = load_market(config)
    return tabulate(replay(config, market.tape), market)


def test_a_backtest_of_the_store_is_that_of_the_file(store, tmp_path):
    path = text(tmp_path, "chains.csv", chain_files.text(chain_files.rows()))
    assert import_file(store, path).rows == {"chains": 48}
    stored = load_chains(store.root / "processed" / "chains" / "BTC")
    loaded = load_chains(path)
    for name in (
        "ts_ns",
        "expiry_ns",
        "strike",
        "kind",
        "forward",
        "index",
        "bid",
        "ask",
        "mark",
        "iv",
        "delta",
    ):
        np.testing.assert_array_equal(getattr(stored, name), getattr(loaded, name), err_msg=name)


def test_a_recorded_month_backtests_to_the_same(store):
    chains = recorded("data/deribit_options/BTC_2026-01.csv.gz")
    import_file(store, chains)
    settings = {"entry.expiries": "fridays", "hedge.rule": "band", "hedge.band": 0.05, "costs.funding": False}
    one, other = (
        backtest({"data.chains": str(path)} | settings)
        for path in (chains, store.root / "processed" / "chains" / "BTC")
    )
    assert same_results(one, other) > 20


def test_a_big_file_in_little_memory(tmp_path):
    """100 MB of rows far out of order take more to sort at once; the limit is 100 MB, the process has 90."""
    rows, path = 1_200_000, tmp_path / "big.csv"
    duckdb.connect(config={"threads": 1}).execute(
        f"COPY (SELECT 'deribit' AS exchange, 'BTC-PERPETUAL' AS symbol, "
        f"{US} + (i * 7919) % {rows} * 20000 AS timestamp, {US} + 50000 + i * 20000 AS local_timestamp, "
        f"1000.0 + i % 7 AS ask_amount, 90000.5 + i % 100 AS ask_price, 90000.0 + i % 100 AS bid_price, "
        f"2000.0 AS bid_amount FROM range({rows}) t(i)) TO '{path}' (FORMAT csv, HEADER)"
    )
    assert path.stat().st_size > 100e6
    script = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from gammacore.data.importing import ImportOptions, import_file\n"
        "from gammacore.data.store import Store\n"
        "with Store(sys.argv[2]) as store:\n"
        "    found = import_file(store, sys.argv[1], ImportOptions(memory_limit='100MB'))\n"
        # Not ru_maxrss: a process inherits the peak of the one that started it.
        "status = Path('/proc/self/status')\n"
        "peak = re.search(r'VmHWM:\\s+(\\d+) kB', status.read_text())[1] if status.exists() else 0\n"
        "print(found.rows['quotes'], peak)\n"
    )
    command = [sys.executable, "-c", script, str(path), str(tmp_path / "data")]
    count, peak_kb = map(
        int, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    )
    assert count == rows
    if sys.platform == "linux":
        assert 100 * 1_024 < peak_kb < 300 * 1_024
    with Store(tmp_path / "data") as store:
        first = store.read("quotes", "BTC", as_of_ns=START + NS_PER_HOUR, columns=["ts_ns", "known_ns"])
    assert (np.diff(first["ts_ns"]) >= 0).all()
    assert 0 < first["known_ns"].max() <= START + NS_PER_HOUR
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["processed"]
