import gzip
import hashlib
import re

import numpy as np
import pytest

from gammacore.data.tables import Column, data_files, existing, pick_column, read_header, read_table
from gammacore.daycount import parse_time
from gammacore.errors import DataError

COLUMNS = [Column("when", "time"), Column("value", "number"), Column("note", "text", required=False)]


def table(tmp_path, content, names=None):
    path = tmp_path / "table.csv"
    path.write_text(content)
    return read_table(path, COLUMNS, names)


def test_cells_are_cast_and_blanks_are_nan(tmp_path):
    found = table(tmp_path, "when,value\n2026-01-02, 1.5 \n2026-01-03,\n2026-01-04,NaN\n2026-01-05,none\n")
    assert found.columns["value"][0] == 1.5
    assert np.isnan(found.columns["value"][1:]).all()
    assert found.columns["when"][0] == parse_time("2026-01-02")
    assert "note" not in found.columns
    assert found.info.rows == 4
    assert found.info.sha256 == hashlib.sha256(found.info.path.read_bytes()).hexdigest()


def test_quoted_cells_and_names(tmp_path):
    found = table(tmp_path, '"wh""en",value,note\n2026-01-02,1,"a, b"\n', {"when": 'wh"en'})
    assert found.columns["note"].texts.tolist() == ["a, b"]


def test_integer_times_are_told_apart_by_size(tmp_path):
    ts_ns = parse_time("2026-01-02T08:00:00Z")
    found = table(tmp_path, "when,value\n" + "".join(f"{ts_ns // 10**k},1\n" for k in (9, 6, 3, 0)))
    assert found.columns["when"].tolist() == [ts_ns] * 4


def test_a_blank_text_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"table\.csv: line 3, column 'note': '' is blank"):
        table(tmp_path, "when,value,note\n2026-01-02,1,a\n2026-01-02,1,\n")


def test_errors_of_a_found_row_name_the_cell(tmp_path):
    found = table(tmp_path, "when,v\n2026-01-02,1\n2026-01-03,7\n", {"value": "v"})
    assert str(found.error(1, "value", "is odd", {"value": "v"})).endswith("line 3, column 'v': '7' is odd")


def test_wildcards_in_a_folder_name_are_plain_letters(tmp_path):
    folder = tmp_path / "a[b]c*"
    folder.mkdir()
    (folder / "table.csv").write_text("when,value\n2026-01-02,1\n")
    assert read_header(folder / "table.csv") == ["when", "value"]
    assert read_table(folder / "table.csv", COLUMNS).info.rows == 1


def test_choice_of_files_and_columns(tmp_path):
    (tmp_path / "b.csv").touch()
    (tmp_path / "a.parquet").touch()
    assert [path.name for path in data_files(tmp_path)] == ["a.parquet", "b.csv"]
    assert existing(tmp_path) == tmp_path
    assert pick_column(tmp_path, ["x", "y"], ("z", "y")) == "y"
    with pytest.raises(DataError, match=r"no column named z or w; found \['x', 'y'\]"):
        pick_column(tmp_path, ["x", "y"], ("z", "w"))


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (["z;y"], "seems to be separated by ';', not by commas"),
        ([" Z", "y"], "rename ' Z' to 'z'"),
        (["1767225600000", "60000.5"], "the first line holds numbers: write a line with the names"),
    ],
)
def test_what_a_header_seems_to_be_is_said(header, told, tmp_path):
    with pytest.raises(DataError, match=re.escape(told)):
        pick_column(tmp_path, header, ("z", "w"))
    (tmp_path / "f.csv").write_text(",".join(header) + "\n" + "1," * (len(header) - 1) + "1\n")
    with pytest.raises(DataError, match=re.escape(told)):
        read_table(tmp_path / "f.csv", [Column("z", "number")])


def test_a_suffix_in_capitals_is_no_hole_in_the_data(tmp_path):
    for name in ("a.csv", "B.CSV"):
        (tmp_path / name).write_text("z\n1\n")
    with pytest.raises(DataError, match=r"B\.CSV: its suffix is not lower case; expected one of \.csv, "):
        data_files(tmp_path)


def test_a_compressed_file_under_another_name_is_told(tmp_path):
    (tmp_path / "f.csv").write_bytes(gzip.compress(b"z\n1\n"))
    with pytest.raises(DataError, match=r"it is compressed: let its name end in \.csv\.gz"):
        read_table(tmp_path / "f.csv", [Column("z", "number")])
