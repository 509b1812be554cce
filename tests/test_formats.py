"""Sorts of files are told by their header, and mistakes by the nearest name."""

import duckdb
import pytest

from gammacore.data.formats import FORMATS, KLINES, detect, mapped, value_sql
from gammacore.data.schemas import KINDS
from gammacore.data.tables import read_header
from gammacore.daycount import parse_time
from gammacore.errors import ConfigError, DataError
from support.shared_data import recorded


@pytest.mark.parametrize("name", FORMATS)
def test_a_header_tells_its_format_in_any_order_and_with_more_columns(name):
    one = FORMATS[name]
    assert detect(one.required, "auto", "f").name == name
    assert detect([*reversed(one.required), "surplus"], "auto", "f").name == name
    assert detect(one.required, name, "f") is one


def test_every_field_is_a_column_of_its_kinds():
    for one in FORMATS.values():
        for kind in one.kinds:
            assert {"ts_ns"} <= set(one.fields) <= set(KINDS[kind].columns), one.name


def test_a_recorded_header():
    path = recorded("fixtures/deribit/tardis/options_chain_header_2rows.csv")
    assert set(FORMATS["options_chain"].required) == set(read_header(path))
    assert detect(read_header(path), "auto", "f").name == "options_chain"


def test_klines_are_in_the_order_of_the_exchange():
    assert KLINES[0] == "open_time"
    assert KLINES.index("close_time") == 6


def test_missing_columns_suggest_the_nearest():
    header = [column.replace("bid_price", "bidprice") for column in FORMATS["quotes"].required]
    with pytest.raises(
        DataError, match=r"f\.csv: missing columns 'bid_price' \(nearest: 'bidprice'\) of quotes"
    ):
        detect(header, "auto", "f.csv")
    with pytest.raises(ConfigError, match="did you mean quotes"):
        detect(header, "quote", "f.csv")


@pytest.mark.parametrize(
    ("mapping", "error", "message"),
    [
        (
            {"ts_ns": "t", "index_name": "n", "prise": "p"},
            ConfigError,
            "no column 'prise'; did you mean price",
        ),
        ({"ts_ns": "t", "price": "p"}, ConfigError, "index needs index_name"),
        ({"ts_ns": "t", "index_name": "name", "price": "p"}, DataError, r"'name' \(nearest: 'nam'\)"),
    ],
)
def test_mappings_that_do_not_fit(mapping, error, message):
    with pytest.raises(error, match=message):
        mapped("index", mapping, ["t", "p", "nam"], "f.csv")


@pytest.mark.parametrize(
    ("cell", "cast", "value"),
    [
        (" 1.5e-3 ", "number", 0.0015),
        ("", "number", None),
        ("NaN", "number", None),
        ("7", "integer", 7),
        ("a", "", "a"),
        (None, "", ""),
        ("1772323200000000", "time", parse_time("2026-03-01")),
        ("1772323200", "time", parse_time("2026-03-01")),
        ("2026-03-01 02:00:00+02:00", "time", parse_time("2026-03-01")),
    ],
)
def test_cells(cell, cast, value):
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    query = f"SELECT {value_sql('c', cast)} FROM (SELECT CAST(? AS VARCHAR) AS c)"
    assert connection.execute(query, [cell]).fetchone() == (value,)


@pytest.mark.parametrize(
    ("cell", "cast"), [("x", "number"), ("inf", "number"), ("1.5.2", "integer"), ("", "time")]
)
def test_cells_that_are_something_else(cell, cast):
    with pytest.raises(duckdb.Error, match=f"column 'c': {cell}.*is not a {cast}"):
        duckdb.execute(f"SELECT {value_sql('c', cast)} FROM (SELECT ? AS c)", [cell]).fetchone()
