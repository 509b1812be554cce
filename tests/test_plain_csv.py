"""The quick reader of plain CSV files, held against the reader of all forms."""

import gzip
import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore._tables import read_rows
from gammacore.data import plain_csv, tables
from gammacore.data.chain_files import COLUMNS, load_chains
from gammacore.data.plain_csv import content_of, plain_rows
from gammacore.data.tables import Column, read_table
from gammacore.data.texts import Texts
from gammacore.daycount import NS_PER_DAY
from support import chain_files
from support.shared_data import recorded

WANTED = [("when", "time"), ("value", "number"), ("note", "text")]


def read(rows, wanted=WANTED, header="when,value,note,rest"):
    return plain_rows(f"{header}\n{rows}".encode(), header.split(","), wanted)


def same(first, second):
    if isinstance(first, Texts):
        assert first.texts.tolist() == second.texts.tolist()
        return same(first.codes, second.codes)
    return first.dtype == second.dtype and np.array_equal(
        first.view(np.int64 if first.itemsize == 8 else np.int32),
        second.view(np.int64 if first.itemsize == 8 else np.int32),
    )


@pytest.mark.parametrize(
    "text",
    ["0", "-0", "007", "1.5e-07", "1E+22", "1e23", "0.1", "2.5e-320", "-123456.789e10", "9007199254740993",
     "0.30000000000000004", "123456789012345678", "1234567890123456789012", "179769313486231570" + "0" * 291,
     "4.35", "1e-22", "8.41e-23", "9007199254740992e22"],
)  # fmt: skip
def test_numbers_are_the_nearest_doubles(text):
    ((value,), _) = read_rows(f"{text},x\n".encode(), 0, ["number", "text"])
    assert (value, np.signbit(value)) == (float(text), float(text) < 0 or text == "-0")


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["", ".6f", ".17g", "e", ".3e"]))
def test_any_number_is_what_python_reads(value, form):
    text = format(value, form)
    found = read_rows(f"{text}\n".encode(), 0, ["number"])
    if math.isinf(float(text)):  # rounded up beyond the largest double: no plain number
        assert found is None
    else:
        assert found[0].tolist() == [float(text)]


@given(st.dates(date(1900, 1, 1), date(2099, 12, 31)), st.integers(0, NS_PER_DAY - 1), st.integers(0, 9))
def test_any_time_is_exact(day, of_day, digits):
    of_day -= of_day % 10 ** (9 - digits)
    seconds, fraction = divmod(of_day, 10**9)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    text = f"{day}T{clock}" + (f".{fraction:09}"[: digits + 1] if digits else "") + "Z"
    (found,) = read_rows(f"{text}\n".encode(), 0, ["time"])
    assert found.tolist() == [(day - date(1970, 1, 1)).days * NS_PER_DAY + of_day]


def test_counts_since_1970_are_told_apart_by_their_digits():
    counts = ["1772323200", "1772323200123", "1772323200123456", "1772323200123456789"]
    (found,) = read_rows("\n".join(counts).encode(), 0, ["time"])
    assert found.tolist() == [int(text.ljust(19, "0")) for text in counts]


def test_texts_are_counted_once_in_their_order():
    names = [f"name {i % 700 * 37 % 700}" for i in range(5_000)]
    ((codes, texts),) = read_rows("\n".join(names).encode(), 0, ["text"])
    assert [texts[code] for code in codes] == names
    assert texts == list(dict.fromkeys(names))


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_ends_of_lines(end):
    when, value, note = read(f"2026-01-31T08:00:00Z,,a,\r\n1772323200,2,b,x{end}")
    assert np.isnan(value[0])
    assert value[1] == 2.0
    assert when.size == 2
    assert note.texts.tolist() == ["a", "b"]


ROW = "2026-01-31T08:00:00Z,1,a,x"


@pytest.mark.parametrize(
    "row",
    [
        "", "2026-01-31T08:00:00Z,1,a", ROW + ",y", ROW + ",", '2026-01-31T08:00:00Z,1,"a",x',
        '2026-01-31T08:00:00Z,1,a,"x"', "2026-01-31T08:00:00Z,1,a,x\0", "2026-01-31T08:00:00Z,1,é,x",
        "2026-01-31T08:00:00Z,1,a,é", "2026-01-31T08:00:00Z,1,,x", "2026-01-31T08:00:00Z,1, a,x",
        "2026-01-31T08:00:00Z,1,a ,x", ",1,a,x", "2026-01-31T08:00:00Z,1\r,a,x",
        *(f"2026-01-31T08:00:00Z,{bad},a,x" for bad in
          ("nan", "inf", "1e999", "+1", " 1", "1 ", "1.", ".5", "-", "1e", "1e+", "0x10", "1_0", "1.5.2",
           "one")),
        *(f"{bad},1,a,x" for bad in
          ("2026-01-31", "2026-01-31 08:00:00Z", "2026-01-31T08:00Z", "2026-01-31T08:00:00",
           "2026-01-31T08:00:00+00:00", "2026-02-29T08:00:00Z", "2026-13-01T08:00:00Z",
           "2026-00-10T08:00:00Z",
           "2026-01-00T08:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T08:60:00Z", "2026-01-31T08:00:60Z",
           "1899-12-31T08:00:00Z", "2100-01-01T08:00:00Z", "1900-02-29T00:00:00Z", "2026-01-31T08:00:00.Z",
           "2026-01-31T08:00:00.1234567890Z", "2026-01-31T08:00:00.12 Z", "2025010100", "177232320",
           "17723232001", "1772323200.5", "1.77e9", "0x26-01-31T08:00:00Z")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", [0, 1])
def test_what_is_not_plain_is_left_to_the_other_reader(row, place):
    rows = [ROW, ROW, ROW]
    assert read("\n".join(rows)) is not None
    rows[place] = row
    assert read("\n".join(rows)) is None


def test_a_header_that_is_not_plain_is_left_to_the_other_reader():
    assert plain_rows(b'"a\nb",c\n1,2\n', ["a\nb", "c"], [("c", "number")]) is None
    assert plain_rows(b"a,c", ["a", "c"], [("c", "number")]) is None
    assert plain_rows(b"a,c\n1,2\n", ["a", "c"], [("c", "number"), ("c", "text")]) is None
    assert plain_rows(b"\xef\xbb\xbfa,c\n1,2\n", ["a", "c"], [("c", "number")])[0].tolist() == [2.0]


def test_columns_come_in_the_order_in_which_they_are_wanted():
    value, when = read(ROW, [("value", "number"), ("when", "time")])
    assert value.tolist() == [1.0]
    assert when.dtype == np.int64


def test_both_readers_give_the_same_arrays(tmp_path, monkeypatch):
    path = chain_files.write(tmp_path / "BTC.csv", chain_files.text(chain_files.rows()))
    both_ways(path, monkeypatch)


def test_both_readers_give_the_same_arrays_of_recorded_chains(monkeypatch):
    both_ways(recorded("data/deribit_options/BTC_2025-12.csv.gz"), monkeypatch)


def both_ways(path, monkeypatch):
    columns = [column for column in COLUMNS if column.required]
    quick = read_table(path, columns)
    assert plain_rows(content_of(path)[0], tables.read_header(path), [(c.name, c.type) for c in columns])
    monkeypatch.setattr(tables, "plain_rows", lambda *_: None)
    slow = read_table(path, columns)
    assert quick.info == slow.info
    assert quick.columns.keys() == slow.columns.keys()
    assert all(same(values, slow.columns[name]) for name, values in quick.columns.items())


def test_large_files_are_read_in_pieces(tmp_path, monkeypatch):
    path = chain_files.write(tmp_path / "BTC.csv", chain_files.text(chain_files.rows()))
    whole = load_chains(path)
    monkeypatch.setattr(plain_csv, "LARGEST", {".csv": path.stat().st_size - 1})
    assert content_of(path) is None
    pieces = load_chains(path)
    assert (pieces.files, pieces.quality) == (whole.files, whole.quality)
    assert all(
        np.array_equal(getattr(pieces, n), getattr(whole, n), equal_nan=True) for n in ("bid", "iv", "strike")
    )


def test_members_of_a_gzip_file_are_joined(tmp_path):
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"value\n1\n") + gzip.compress(b"2\n"))
    assert read_table(path, [Column("value", "number")]).columns["value"].tolist() == [1.0, 2.0]


def test_rows_taken_keep_what_they_need_of_the_texts():
    texts = Texts.of(np.array(["a", "b", "c", "b"], dtype=object)).take(np.array([3, 2]))
    assert (texts.codes.tolist(), texts.texts.tolist()) == ([0, 1], ["b", "c"])
