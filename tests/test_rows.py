import numpy as np
import pytest

from gammacore.data.rows import checked, day_of, dtype_of, once, plain, typed
from gammacore.data.schemas import KINDS
from gammacore.data.store import Store
from gammacore.daycount import NS_PER_DAY, parse_time
from gammacore.errors import DataError

DAY = "2026-03-01"
ROWS = {"ts_ns": [parse_time(DAY)], "known_ns": [parse_time(DAY)], "channel": ["*"], "reason": [None]}


def test_arrays_have_the_types_of_their_columns():
    found = checked(KINDS["gaps"], DAY, ROWS)
    assert [array.dtype for array in found.values()] == [np.int64, np.int64, object, object]
    assert [dtype_of(sql) for sql in ("BIGINT", "DOUBLE", "VARCHAR")] == [np.int64, np.float64, object]


@pytest.mark.parametrize("shift", [-1, NS_PER_DAY])
def test_another_day_is_refused_to_the_nanosecond(shift):
    with pytest.raises(DataError, match=f"is not of {DAY}"):
        checked(KINDS["gaps"], DAY, ROWS | {"ts_ns": [parse_time(DAY) + shift]})
    assert day_of(parse_time(DAY) + shift) != DAY


def test_no_value_is_no_value_there_and_back():
    masked = np.ma.MaskedArray([1.0, 2.0], mask=[False, True])
    np.testing.assert_array_equal(plain(masked, "DOUBLE"), [1.0, np.nan])
    assert plain(np.ma.MaskedArray([1, 2], mask=[True, False]), "BIGINT").tolist() == [0, 2]
    assert plain(np.ma.MaskedArray(["a", "b"], mask=[True, False]), "VARCHAR").tolist() == ["", "b"]


def test_of_equal_keys_the_first_known_stays_whatever_the_order(tmp_path):
    schema = KINDS["delivery"]
    with Store(tmp_path) as store:
        cursor = store.connection().cursor()
        rows = [
            (5, known, "btc_usd", DAY, price) for known, price in ((9, 1.0), (7, 3.0), (7, 2.0), (8, 0.0))
        ]
        for order in (rows, rows[::-1]):
            columns = ", ".join(f"{name} {sql}" for name, sql in schema.columns.items())
            cursor.execute(f"CREATE OR REPLACE TEMP TABLE t ({columns})")
            cursor.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", order)
            found = cursor.execute(once(schema, f"SELECT {typed(schema)} FROM t")).fetchall()
            assert found == [(5, 7, "btc_usd", DAY, 2.0)]


@pytest.mark.parametrize("seq", [1.6, float("nan"), 2.0**60, None])
def test_integers_that_are_none_are_refused(seq):
    rows = {name: [1.0, 1.0] for name in KINDS["quotes"].columns} | {"instrument_name": ["a", "b"]}
    rows |= {"ts_ns": [parse_time(DAY)] * 2, "known_ns": [parse_time(DAY)] * 2}
    assert checked(KINDS["quotes"], DAY, rows | {"seq": [1.0, 2.0]})["seq"].tolist() == [1, 2]
    with pytest.raises(DataError, match=r"quotes: seq: row 2: .* is not an exact integer"):
        checked(KINDS["quotes"], DAY, rows | {"seq": [1, seq]})


def test_times_in_floats_are_refused():
    with pytest.raises(DataError, match=r"gaps: ts_ns: row 1: .* is not an exact integer"):
        checked(KINDS["gaps"], DAY, ROWS | {"ts_ns": [float(parse_time(DAY))]})


@pytest.mark.parametrize("seq", [2**63, 10**30, -(10**30)])
def test_integers_beyond_64_bits_are_refused(seq):
    rows = {name: [1.0] for name in KINDS["quotes"].columns} | {"instrument_name": ["a"]}
    rows |= {"ts_ns": [parse_time(DAY)], "known_ns": [parse_time(DAY)], "seq": [seq]}
    with pytest.raises(DataError, match=f"quotes: seq: {seq} does not fit in 64 bits"):
        checked(KINDS["quotes"], DAY, rows)
