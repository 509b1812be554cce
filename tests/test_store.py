"""The store: what is read back, as of when, and the same bytes for the same rows."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gammacore.data import rows
from gammacore.data.interruption import interruptible
from gammacore.data.store import Store, day_of, days_between
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_SECOND
from gammacore.errors import DataError
from support.platforms import posix
from support.store_rows import DAY, START, index

FOREVER = START + 1_000 * NS_PER_DAY


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "data") as made:
        yield made


def test_rows_come_back_in_order_and_only_when_known(store):
    store.write("index", "BTC", DAY, "a", index([(30, 31, 3.0), (10, 40, 1.0), (20, 21, float("nan"))]))
    found = store.read("index", "BTC", as_of_ns=FOREVER)
    assert found["ts_ns"].tolist() == [START + s * NS_PER_SECOND for s in (10, 20, 30)]
    np.testing.assert_array_equal(found["price"], [1.0, np.nan, 3.0])
    for second, known in ((20, []), (21, [20]), (39, [20, 30]), (40, [10, 20, 30])):
        found = store.read("index", "BTC", as_of_ns=START + second * NS_PER_SECOND)
        assert [(ts - START) // NS_PER_SECOND for ts in found["ts_ns"].tolist()] == known


def test_the_moment_of_a_read_cannot_be_left_out(store):
    with pytest.raises(TypeError, match="as_of_ns"):
        store.read("index", "BTC")
    with pytest.raises(DataError, match="as_of_ns"):
        store.read("index", "BTC", as_of_ns=None)


def test_a_row_of_several_files_is_there_once_as_it_was_known_first(store):
    first = {"instrument_name": ["BTC-PERPETUAL"], "funding_rate": [1e-5], "interest_8h": [0.0]}
    first |= {"index_price": [1.0], "prev_index_price": [1.0], "ts_ns": [START], "known_ns": [START + 5]}
    store.write("funding", "BTC", DAY, "b", first)
    store.write("funding", "BTC", DAY, "a", first | {"known_ns": [START + 9], "funding_rate": [7.0]})
    assert store.read("funding", "BTC", as_of_ns=START + 4)["ts_ns"].size == 0
    for as_of in (START + 5, START + 8, START + 9, FOREVER):
        assert store.read("funding", "BTC", as_of_ns=as_of)["funding_rate"].tolist() == [1e-5]


def test_files_of_a_day_are_asked_only_where_they_touch_the_period(store, monkeypatch):
    """Ten files one after another, one that overlaps with two of them, and one without rows."""

    def written(name, first, last):
        seconds = range(first, last)
        columns = index([(s, s, float(s // 10)) for s in seconds]) | {"seq": [*seconds]}
        store.write("index", "BTC", DAY, name, columns)

    for k in range(10):
        written(f"f{k}", 10 * k, 10 * k + 10)
    written("late", 25, 35)
    written("none", 0, 0)
    asked = []
    write_in_sql = rows.question
    monkeypatch.setattr(
        "gammacore.data.store.question",
        lambda *a, **k: asked.append((len(a[1]), k["alone"])) or write_in_sql(*a, **k),
    )

    def read(first, last):
        period = {"start_ns": START + first * NS_PER_SECOND, "end_ns": START + last * NS_PER_SECOND}
        found = store.read("index", "BTC", as_of_ns=FOREVER, **period)
        assert found["ts_ns"].tolist() == [START + s * NS_PER_SECOND for s in range(first, last)]
        assert found["price"].tolist() == [float(s // 10) for s in range(first, last)]

    for first, last in ((0, 100), (5, 15), (15, 30), (50, 60), (59, 61), (0, 100)):
        read(first, last)
    assert asked == [(11, False), (2, True), (3, False), (1, True), (2, True), (11, False)]
    written("f0", 0, 20)  # replaced by a longer one
    read(5, 15)
    assert asked[-1] == (2, False)


def test_a_file_that_does_not_say_what_times_it_holds_may_hold_any(store):
    path = store.write("index", "BTC", DAY, "a", index([(1, 1, 1.0)]))
    silent = path.with_name("silent.parquet")
    duckdb.execute(f"COPY (SELECT NULL::BIGINT AS ts_ns) TO '{silent}' (FORMAT parquet)")
    assert store._touching([path, silent], START + NS_PER_DAY, None) == ([silent], True)


def test_periods_instruments_and_columns(store):
    for k, day in enumerate(days_between(START, START + 3 * NS_PER_DAY)):
        at = START + k * NS_PER_DAY
        rows = {
            "ts_ns": [at, at + NS_PER_HOUR],
            "known_ns": [at, at + NS_PER_HOUR],
            "seq": [1, 2],
            "instrument_name": ["BTC-PERPETUAL", "BTC-26JUN26"],
            **{name: [1.0, 2.0] for name in ("bid_price", "bid_amount", "ask_price", "ask_amount")},
        }
        store.write("quotes", "BTC", day, "x", rows)
    read = {"as_of_ns": FOREVER, "columns": ["ts_ns"]}
    whole = store.read("quotes", "BTC", **read)["ts_ns"]
    assert whole.size == 6
    start, end = int(whole[1]), int(whole[4])
    assert (
        store.read("quotes", "BTC", start_ns=start, end_ns=end, **read)["ts_ns"].tolist()
        == whole[1:4].tolist()
    )
    assert store.read("quotes", "BTC", instruments=["BTC-26JUN26"], **read)["ts_ns"].size == 3
    assert store.days("quotes", "BTC") == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert store.currencies("quotes") == ["BTC"]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 86_399), st.integers(0, 90_000), st.floats(-1e9, 1e9)), max_size=30))
def test_the_order_of_rows_does_not_matter(tmp_path_factory, rows):
    root = tmp_path_factory.mktemp("store")
    columns = index(rows)
    order = random.Random(1).sample(range(len(rows)), len(rows))
    with Store(root) as store:
        one = store.write("index", "BTC", DAY, "one", columns)
        other = store.write(
            "index", "BTC", DAY, "other", {k: [v[i] for i in order] for k, v in columns.items()}
        )
        assert one.read_bytes() == other.read_bytes()
        found = store.read("index", "BTC", as_of_ns=FOREVER)
    assert sorted(found["price"].tolist()) == sorted(columns["price"])


def test_the_same_rows_are_the_same_bytes_in_another_process(tmp_path):
    script = (
        "import sys; from gammacore.data.store import Store; import support.store_rows as t\n"
        "rows = [(k % 86_400, k, k / 7) for k in range(200_000)]\n"
        "with Store(sys.argv[1]) as s: print(s.write('index', 'BTC', t.DAY, 'x', t.index(rows)))"
    )
    hashes = set()
    for k in range(2):
        run = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / str(k))],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        )
        with open(run.stdout.strip(), "rb") as file:
            hashes.add(hashlib.file_digest(file, "sha256").hexdigest())
    assert len(hashes) == 1


def test_raw_payloads_are_kept_as_they_came(store):
    texts = np.array(['{"b": 1, "a":2.50}', "nul: \u0000", "ünï"], dtype=object)
    with store.commit() as commit:
        path = commit.raw("notes", "BTC", DAY, "x", {"n": np.arange(3), "payload": texts})
    query = f"SELECT payload FROM read_parquet('{path}') ORDER BY n"
    assert [row[0] for row in store.connection().execute(query).fetchall()] == texts.tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("indx", "BTC", DAY, "a", {}), "did you mean index"),
        (("index", "../BTC", DAY, "a", index([(1, 1, 1.0)])), "currency '../BTC'"),
        (("index", "BTC", "2026-03-02", "a", index([(1, 1, 1.0)])), "is not of 2026-03-02"),
        (("index", "BTC", DAY, "a", {"ts_ns": []}), "missing"),
        (("index", "BTC", DAY, "a", index([(1, 1, 1.0)]) | {"prise": [1]}), r"\['prise'\] unknown"),
        (("index", "BTC", DAY, "a", index([(1, 1, 1.0)]) | {"price": []}), "differ in length"),
    ],
)
def test_mistakes_name_what_is_wrong(store, arguments, message):
    with pytest.raises(DataError, match=message):
        store.write(*arguments)
    assert store.files("index", "BTC") == []


def test_mistakes_of_reading(store, tmp_path):
    with pytest.raises(DataError, match="no column 'prise'"):
        store.read("index", "BTC", as_of_ns=FOREVER, columns=["prise"])
    store.write("index", "BTC", DAY, "a", index([(1, 1, 1.0)]))
    store.files("index", "BTC")[0].write_bytes(b"no parquet")
    with pytest.raises(DataError, match="processed"):
        store.read("index", "BTC", as_of_ns=FOREVER)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="not a folder"):
        Store(tmp_path / "file")


def test_a_store_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "processed").touch()  # a file where a folder has to be
    with pytest.raises(DataError, match=f"store {tmp_path}: cannot be written"), Store(tmp_path) as store:
        store.write("index", "BTC", DAY, "a", index([(1, 1, 1.0)]))
    (tmp_path / "processed").unlink()
    assert len(Store(tmp_path).recover()) == 1  # it was complete, and can be put in its place now


def test_days():
    assert day_of(START + NS_PER_DAY - 1) == DAY
    assert days_between(START + 5, START + NS_PER_DAY + 1) == ["2026-03-01", "2026-03-02"]
    assert days_between(START, START) == []


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Query interrupted"),
        duckdb.Error("KeyboardInterrupt: "),
        duckdb.Error("Traceback (most recent call last):\n  File x, line 1, in y\nKeyboardInterrupt"),
        KeyboardInterrupt(),
    ],
)
def test_what_the_database_makes_of_an_interruption(error):
    with pytest.raises(KeyboardInterrupt), interruptible():
        raise error


@pytest.mark.parametrize(
    "error", [RuntimeError("another"), duckdb.Error("the cell 'KeyboardInterrupt'"), ValueError("x")]
)
def test_other_errors_stay_what_they_are(error):
    with pytest.raises(type(error), match=str(error)), interruptible():
        raise error


@posix
def test_an_interruption_of_a_query_is_one(store):
    """A query that would take for ever ends, and what was committed before it stays."""
    first = store.write("index", "BTC", DAY, "a", index([(1, 1, 1.0)]))
    endless = "SELECT count(*) AS n FROM range(100000000000000) WHERE sin(range) > 2"
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt), store.commit() as commit:
            commit.copy(endless, store.path("index", "BTC", DAY, "b"), store.connection().cursor())
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
    assert store.files("index", "BTC") == [first]
    assert store.read("index", "BTC", as_of_ns=FOREVER)["price"].tolist() == [1.0]
