"""Times and whole numbers out of texts: exact to the nanosecond, or refused by line and column."""

import duckdb
import numpy as np
import pytest

from gammacore.data import Store, load_delivery, load_funding, load_prices
from gammacore.data.cells import time_sql, whole_sql
from gammacore.data.importing import ImportOptions, import_file
from gammacore.data.tables import Column, read_table
from gammacore.daycount import expiry_ns, parse_time
from gammacore.errors import DataError

S = 1_735_689_600  # 2025-01-01T00:00:00Z
NS = 10**9
EXACT = {
    f"{S}.123456": S * NS + 123_456_000,
    f"{S}.123456789": S * NS + 123_456_789,
    f"{S}.9000000000000": S * NS + 900_000_000,
    f"{S}.": S * NS,
    f"{S}": S * NS,
    f"{S}000.25": S * NS + 250_000,
    f"{S}000000.0": S * NS,
    f"{S}000000.125": S * NS + 125,
    f"{S}123456789": S * NS + 123_456_789,
    "2025-01-01T00:00:00.123456789Z": S * NS + 123_456_789,
    "2025-01-01 00:00:00.1234567": S * NS + 123_456_700,
    "2025-01-01 00:00:00.5+00:00": S * NS + 500_000_000,
    "2025-01-01 00:00:00 UTC": S * NS,
    "2025-01-01T05:30:00.000000001+0530": S * NS + 1,
    "1960-01-01T00:00:00.000000001Z": parse_time("1960-01-01") + 1,
    "2025-01-01": S * NS,
}
REFUSED = {
    "1.7356896e+12": "exponent",
    "1.73569E+12": "exponent",
    "20250101": "digits of a date",
    "2025010100": "digits of a date",
    "202501010000": "digits of a date",
    "20250101000000": "digits of a date",
    "20241119185000000": "digits of a date",
    f"{S}.1234567891": "below the nanosecond",
    f"{S}000000000.5": "below the nanosecond",
    "2025-01-01T00:00:00.1234567891Z": "below the nanosecond",
    "2025-02-30": "ISO 8601",
    "2025-01-01 05:30:00 Asia/Kolkata": "ISO 8601",
    "01/02/2025 00:00": "ISO 8601",
    "infinity": "ISO 8601",
    "-5": "ISO 8601",
    "9999999999999999999": "ISO 8601",
}


def imported(tmp_path, text):
    (tmp_path / "x.csv").write_text(f"time,last\n2025-06-01,1\n{text},1.0\n")
    mapping = {"ts_ns": "time", "price": "last", "index_name": "'btc_usd'"}
    with Store(tmp_path / "store") as store:
        import_file(store, tmp_path / "x.csv", ImportOptions(kind="index", mapping=mapping, currency="BTC"))
        return store.read("index", "BTC", as_of_ns=2**62)["ts_ns"].tolist()


def loaded(tmp_path, text):
    (tmp_path / "x.csv").write_text(f"time,last\n2025-06-01,1\n{text},1.0\n")
    return read_table(tmp_path / "x.csv", [Column("time", "time")]).columns["time"].tolist()


@pytest.mark.parametrize(("text", "wanted"), EXACT.items())
def test_a_time_keeps_every_digit(tmp_path, text, wanted):
    assert loaded(tmp_path, text)[1] == wanted
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    assert connection.execute(f"SELECT {time_sql('$t')}", {"t": text}).fetchone() == (wanted,)


@pytest.mark.parametrize(("text", "words"), REFUSED.items())
def test_other_texts_are_refused_by_line_and_column(tmp_path, text, words):
    for read in (loaded, imported):
        with pytest.raises(DataError) as caught:
            read(tmp_path, text)
        assert f"x.csv: line 3, column 'time': '{text}' is not a time" in str(caught.value)
        assert words in str(caught.value)


def test_receipt_stamps_in_decimals_of_seconds_look_ahead_by_nothing(tmp_path):
    stamps = [(".101", ".412"), (".202", ".455"), (".303", ".499"), (".900", ".999999999")]
    lines = [f"{S}{sent},{S}{known},{90_000 + k}" for k, (sent, known) in enumerate(stamps)]
    (tmp_path / "feed.csv").write_text("sent,known,price\n" + "\n".join(lines) + "\n")
    mapping = {"ts_ns": "sent", "known_ns": "known", "price": "price", "index_name": "'btc_usd'"}
    with Store(tmp_path / "store") as store:
        options = ImportOptions(kind="index", mapping=mapping, currency="BTC")
        found = import_file(store, tmp_path / "feed.csv", options)
        assert found.rows == {"index": 4}

        def known(after_ns):
            return store.read("index", "BTC", as_of_ns=S * NS + after_ns)["price"].size

        assert [known(at) for at in (411_999_999, 412_000_000, 999_999_998, 999_999_999)] == [0, 1, 3, 4]


@pytest.mark.parametrize(
    ("sql_type", "value", "wanted"),
    [
        ("DOUBLE", f"{S}.123456", S * NS + 123_456_000),
        ("DOUBLE", f"{S}123.456", S * NS + 123_456_000),
        ("DOUBLE", f"{S}123456", S * NS + 123_456_000),
        ("DECIMAL(28, 9)", f"{S}.123456789", S * NS + 123_456_789),
        ("BIGINT", f"{S}123456789", S * NS + 123_456_789),
        ("TIMESTAMP_NS", "'2025-01-01 00:00:00.123456789'", S * NS + 123_456_789),
        ("TIMESTAMP", "'2025-01-01 00:00:00.123456'", S * NS + 123_456_000),
        ("TIMESTAMP_MS", "'2025-01-01 00:00:00.123'", S * NS + 123_000_000),
        ("DATE", "'2025-01-01'", S * NS),
        ("DOUBLE", f"{S}123456.25", None),
        ("DOUBLE", f"{S}123456789", None),
        ("FLOAT", f"{S}", None),
        ("TIMESTAMP", "'infinity'", None),
    ],
)
def test_times_of_parquet_columns(tmp_path, sql_type, value, wanted):
    path = tmp_path / "x.parquet"
    duckdb.execute(f"COPY (SELECT CAST({value} AS {sql_type}) AS time) TO '{path}'")
    if wanted is None:
        with pytest.raises(DataError, match=r"x\.parquet: row 1, column 'time': .* is not a time"):
            read_table(path, [Column("time", "time")])
    else:
        assert read_table(path, [Column("time", "time")]).columns["time"].tolist() == [wanted]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("7", 7), ("7.0", 7), ("-3", -3), ("9223372036854775807", 2**63 - 1)]
    + [(text, None) for text in ("1.6", "1E2", "0x10", "9223372036854775808", "", "1 2")],
)
def test_whole_numbers_are_whole_or_none(text, wanted):
    assert duckdb.execute(f"SELECT {whole_sql('$t')}", {"t": text}).fetchone() == (wanted,)


@pytest.mark.parametrize("seq", ["1.6", "1E2"])
def test_a_sequence_that_was_a_float_is_refused(tmp_path, seq):
    columns = {"ts_ns": "t", "price": "p", "amount": "a", "direction": "d", "trade_id": "i", "trade_seq": "s"}
    mapping = columns | {"instrument_name": "'BTC-PERPETUAL'"}
    (tmp_path / "x.csv").write_text(f"t,p,a,d,i,s\n{S},1,1,buy,x,5.0\n{S},1,1,buy,y,{seq}\n")
    with Store(tmp_path / "store") as store:
        with pytest.raises(DataError, match=rf"line 3, column 's': '{seq}' is not an integer"):
            import_file(store, tmp_path / "x.csv", ImportOptions(kind="future_trades", mapping=mapping))
        literal = mapping | {"trade_seq": f"'{seq}'"}
        with pytest.raises(DataError, match=rf"column 'trade_seq': '{seq}' is not an integer"):
            import_file(store, tmp_path / "x.csv", ImportOptions(kind="future_trades", mapping=literal))
        (tmp_path / "x.csv").write_text(f"t,p,a,d,i\n{S},1,1,buy,x\n")
        mapping = mapping | {"trade_seq": "'7'", "known_ns": "'2025-01-01T00:00:01.5Z'"}
        import_file(store, tmp_path / "x.csv", ImportOptions(kind="future_trades", mapping=mapping))
        rows = store.read("future_trades", "BTC", as_of_ns=2**62)
        assert (rows["trade_seq"].tolist(), rows["known_ns"].tolist()) == ([7], [S * NS + 1_500_000_000])


def test_bars_and_funding_of_decimal_stamps_keep_their_half_seconds(tmp_path):
    (tmp_path / "btc.csv").write_text("timestamp,close\n" + "".join(f"{S + 60 * k}.5,9\n" for k in range(3)))
    assert load_prices(tmp_path / "btc.csv").ts_ns.tolist() == [
        S * NS + NS // 2 + 60 * NS * k for k in range(1, 4)
    ]
    (tmp_path / "f.csv").write_text("ts,rate\n" + "".join(f"{S + 28_800 * k}.004,0\n" for k in range(3)))
    assert np.diff(load_funding(tmp_path / "f.csv").ts_ns).tolist() == [28_800 * NS] * 2


def test_delivery_dates_are_days_or_the_hour_of_delivery(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text(f"date,price\n2025-01-01,9\n{S + 86_400 + 8 * 3_600}.2,9\n")
    assert list(load_delivery(path)) == [expiry_ns("2025-01-01"), expiry_ns("2025-01-02")]
    path.write_text("date,price\n2025-01-01,9\n2025-01-01T16:00:00Z,9\n")  # midnight in Shanghai
    with pytest.raises(DataError, match=r"line 3, column 'date': .* neither a day nor 08:00 UTC"):
        load_delivery(path)
