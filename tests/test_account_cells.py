"""Texts and numbers of a file, exactly, and which files are read at all."""

import gzip
import math
from decimal import Decimal

import pytest

from gammacore.data.account.cells import read_records, times_of
from gammacore.errors import DataError
from support.account_files import log, write

TABLE = "time,instrument,amount,price,fee\n"


def only(folder, line):
    return read_records(write(folder, TABLE + line, "t.csv")).rows[0]


def test_blanks_and_numbers(tmp_path):
    record = only(tmp_path, "2021-02-14, BTC-PERPETUAL ,-4.467e-05,0.1,-\n")
    assert (record.line, record.text("instrument"), record.text("label")) == (2, "BTC-PERPETUAL", "")
    assert record.decimal("amount") == Decimal("-0.00004467")
    assert record.decimal("fee") is None
    assert math.isnan(record.number("fee"))


@pytest.mark.parametrize("cell", ["1 000", "1_0x", "Infinity", "12:30", "0x10"])
def test_what_is_no_number(tmp_path, cell):
    with pytest.raises(DataError, match=r"t\.csv: line 2, column 'price': .* is not a (finite )?number"):
        only(tmp_path, f"2021-02-14,BTC-PERPETUAL,1,{cell},0\n").decimal("price")


def test_compressed_quoted_and_with_empty_lines(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(("\ufeff" + TABLE + '\n"2021-02-14",BTC-PERPETUAL,1,2,0\n\n').encode()))
    records = read_records(path)
    assert times_of(records) == ("time", ["2021-02-14"], [3])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"t\.csv\.gz"):
        read_records(path)


def test_files_of_something_else(tmp_path):
    assert read_records(write(tmp_path, "1735689600000,1,1,1,1,1,1\n", "klines.csv")) is None
    assert read_records(write(tmp_path, "timestamp,instrument_name,bid_price\n", "chains.csv")) is None
    assert read_records(write(tmp_path, log(), "x.parquet")) is None
    assert read_records(write(tmp_path, log()), "options_chain") is None
