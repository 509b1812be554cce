import csv
import dataclasses
import gzip

import duckdb
import numpy as np
import pytest

from gammacore.contracts import Settlement, parse
from gammacore.data import kept_tables
from gammacore.data.chain_files import load_chains
from gammacore.data.chains import Chains, ChainSnapshot, parity_forward
from gammacore.data.tables import read_table
from gammacore.daycount import NS_PER_HOUR, format_time, parse_time
from gammacore.errors import DataError
from support import chain_files
from support.platforms import unprivileged
from support.shared_data import recorded


@pytest.fixture
def quotes():
    return list(chain_files.rows())


@pytest.fixture
def good(tmp_path, quotes):
    return chain_files.write(tmp_path / "BTC.csv", chain_files.text(quotes))


def same(a, b):
    """Whether two stores hold the same rows."""
    fields = ("ts_ns", "expiry_ns", "strike", "kind", "forward", "index", "bid", "ask", "mark", "iv")
    return all(np.array_equal(getattr(a, f), getattr(b, f), equal_nan=True) for f in fields)


def changed(quotes, row, **cells):
    return [q | cells if i == row else q for i, q in enumerate(quotes)]


def load_changed(tmp_path, quotes, row, **cells):
    path = chain_files.write(tmp_path / "changed.csv", chain_files.text(changed(quotes, row, **cells)))
    return load_chains(path)


# --- files of other currencies ---


def test_a_file_of_another_currency_by_name_and_first_rows_is_not_read(tmp_path, quotes, monkeypatch):
    """A file that only calls itself so is read: its rows say what it is."""
    ether = [q | {"instrument_name": q["instrument_name"].replace("BTC", "ETH")} for q in quotes]
    chain_files.write(tmp_path / "BTC_1.csv", chain_files.text(quotes))
    chain_files.write(tmp_path / "ETH_1.csv", chain_files.text(ether))
    later = [q | {"timestamp": "2026-01-02 00:00:00"} for q in quotes]
    chain_files.write(tmp_path / "ETH_2.csv", chain_files.text(later))
    read = []
    monkeypatch.setattr(
        kept_tables, "read_table", lambda file, *more: read.append(file.name) or read_table(file, *more)
    )
    chains = load_chains(tmp_path, currency="BTC")
    assert sorted(read) == ["BTC_1.csv", "ETH_2.csv"]
    assert chains.quality.count("files ignored (not chains, or another currency)") == 1
    assert len(chains) > len(quotes) - 1
    assert load_chains(tmp_path, currency="ETH").currency == "ETH"


@pytest.mark.parametrize("cell", ["inf", "1e999", "seven", "0x10", "1,5"])
def test_a_number_that_is_none_is_named_however_it_is_read(tmp_path, quotes, cell):
    path = chain_files.write(
        tmp_path / "BTC.csv", chain_files.text(changed(quotes, 3, mark_price=f'"{cell}"'))
    )
    with pytest.raises(DataError, match=r"line 5, column 'mark_price'"):
        load_chains(path)


# --- what a good file gives ---


def test_sizes_of_quotes_are_read_where_a_file_has_them(tmp_path, quotes):
    sized = [q | {"bid_amount": 0.1 * i, "ask_amount": ""} for i, q in enumerate(quotes)]
    header = [*chain_files.HEADER, "bid_amount", "ask_amount"]
    chains = load_chains(chain_files.write(tmp_path / "BTC.csv", chain_files.text(sized, header=header)))
    assert sorted(chains.bid_size) == pytest.approx([0.1 * i for i in range(len(quotes))])
    assert np.isnan(chains.ask_size).all()


def test_rows_are_ordered_and_typed(good):
    chains = load_chains(good)
    assert (len(chains), chains.currency, chains.settlement) == (48, "BTC", Settlement.INVERSE)
    keys = list(zip(chains.ts_ns, chains.expiry_ns, chains.strike, chains.kind, strict=True))
    assert keys == sorted(keys)
    assert chains.kind.dtype == np.int8
    assert chains.code.dtype == np.int32
    assert np.isnan(chains.ask).all()
    assert (chains.bid == 0.001).all()
    for i in (0, 17, 47):
        option = parse(chains.names[chains.code[i]])
        assert (option.expiry_ns, option.strike, option.kind) == (
            chains.expiry_ns[i],
            chains.strike[i],
            chains.kind[i],
        )
    assert chains.quality.problems == ()
    assert repr(chains) == (
        "<Chains BTC: 48 rows, 4 snapshots, 2026-01-05T04:00:00Z to 2026-01-05T22:00:00Z>"
    )
    assert chains.files[0].rows == 48
    assert len(chains.files[0].sha256) == 64
    assert chains.tau[0] == pytest.approx(11.1667 / 365, rel=1e-5)


def test_snapshots_are_views_of_all_rows(good):
    chains = load_chains(good)
    assert chains.span == (chain_files.START, chain_files.START + 18 * NS_PER_HOUR)
    assert chains.offsets.tolist() == [0, 12, 24, 36, 48]
    snapshots = [chains.snapshot(i) for i in range(4)]
    assert [s.ts_ns for s in snapshots] == chains.snapshot_ts.tolist()
    assert np.concatenate([s.mark for s in snapshots]).tolist() == chains.mark.tolist()
    assert chains.snapshot(-1).ts_ns == snapshots[-1].ts_ns
    assert len(snapshots[0]) == 12
    assert np.shares_memory(snapshots[1].strike, chains.strike)
    with pytest.raises(IndexError):
        chains.snapshot(4)


def test_snapshot_and_chains_have_the_same_columns():
    names = [field.name for field in dataclasses.fields(ChainSnapshot)]
    assert names == [field.name for field in dataclasses.fields(Chains)][1 : 1 + len(names)]


@pytest.mark.parametrize("suffix", [".csv.gz", ".parquet"])
def test_formats_agree(tmp_path, good, suffix):
    other = tmp_path / f"other{suffix}"
    if suffix == ".parquet":
        duckdb.execute(f"COPY (SELECT * FROM read_csv('{good}')) TO '{other}' (FORMAT parquet)")
    else:
        chain_files.write(other, good.read_text())
    assert same(load_chains(other), load_chains(good))


@pytest.mark.parametrize(
    "form",
    [
        lambda q: chain_files.text(q, newline="\r\n"),
        lambda q: "\ufeff" + chain_files.text(q),
        lambda q: chain_files.text(q).rstrip("\n"),
        lambda q: chain_files.text(q) + "\n\n",
        lambda q: chain_files.text(q[::-1]),
        lambda q: chain_files.text([r | {"timestamp": r["timestamp"].rstrip("Z")} for r in q]),
        lambda q: chain_files.text([r | {"timestamp": r["timestamp"].replace("Z", "+00:00")} for r in q]),
        lambda q: chain_files.text([r | {"timestamp": parse_time(r["timestamp"]) // 10**6} for r in q]),
        lambda q: chain_files.text([r | {"timestamp": parse_time(r["timestamp"]) // 10**3} for r in q]),
        lambda q: chain_files.text([r | {"timestamp": parse_time(r["timestamp"])} for r in q]),
        lambda q: chain_files.text([r | {"timestamp": parse_time(r["timestamp"]) // 10**9} for r in q]),
        lambda q: chain_files.text([r | {"expiry_datetime": r["expiry_datetime"][:10]} for r in q]),
        lambda q: chain_files.text([r | {"option_type": r["option_type"][0].upper()} for r in q]),
        lambda q: chain_files.text([r | {"ask_price": "NaN"} for r in q]),
        lambda q: chain_files.text([r | {"ask_price": "0.0"} for r in q]),
        lambda q: chain_files.text(q, header=[*chain_files.HEADER, "volume"]),
        lambda q: chain_files.text(q, header=chain_files.HEADER[::-1]),
    ],
    ids=[
        "crlf", "bom", "no-last-newline", "blank-lines", "backwards", "no-zone", "offset", "ms", "us", "ns",
        "s", "expiry-date", "c-p", "nan", "zero-quote", "extra-column", "column-order",
    ],
)  # fmt: skip
def test_harmless_variants_give_the_same_rows(tmp_path, quotes, good, form):
    variant = chain_files.write(tmp_path / "variant.csv", form(quotes))
    assert same(load_chains(variant), load_chains(good))


def test_files_of_a_directory_are_joined(tmp_path, quotes, good):
    folder = tmp_path / "many[1]"
    folder.mkdir()
    chain_files.write(folder / "b.csv.gz", chain_files.text(quotes[:20]))
    chain_files.write(folder / "a.csv", chain_files.text(quotes[20:]))
    chain_files.write(folder / "eth.csv", chain_files.text(chain_files.rows("ETH", 3_000.0)))
    chain_files.write(folder / "perpetual_prices.csv", "timestamp,price\n2026-01-01,1\n")
    (folder / "README.md").write_text("not data")
    chains = load_chains(folder, currency="BTC")
    assert same(chains, load_chains(good))
    assert [file.path.name for file in chains.files] == ["a.csv", "b.csv.gz"]
    assert chains.quality.count("files ignored (not chains, or another currency)") == 1
    assert load_chains(folder, currency="ETH").forward[0] == 3_000.0
    with pytest.raises(DataError, match="holds BTC, ETH; name one of them as the currency"):
        load_chains(folder)
    with pytest.raises(DataError, match="no instrument of currency 'SOL'; there is BTC, ETH"):
        load_chains(folder, currency="SOL")


def test_period_is_half_open(good):
    start = chain_files.START
    chains = load_chains(good, start_ns=start + 1, end_ns=start + 18 * NS_PER_HOUR)
    assert chains.snapshot_ts.tolist() == [start + 6 * NS_PER_HOUR, start + 12 * NS_PER_HOUR]
    with pytest.raises(DataError, match="no row of BTC in the chosen period"):
        load_chains(good, start_ns=start + 19 * NS_PER_HOUR)


def test_columns_can_be_renamed(tmp_path, quotes, good):
    header = ["time" if name == "timestamp" else name for name in chain_files.HEADER]
    renamed = chain_files.write(
        tmp_path / "renamed.csv", chain_files.text([q | {"time": q["timestamp"]} for q in quotes], header)
    )
    assert same(load_chains(renamed, columns={"timestamp": "time"}), load_chains(good))
    with pytest.raises(DataError, match=r"missing columns 'timestamp' \(nearest: time\)"):
        load_chains(renamed)
    with pytest.raises(DataError, match=r"unknown names \['time'\]"):
        load_chains(renamed, columns={"time": "timestamp"})
    with pytest.raises(DataError, match="missing columns 'wrong'"):
        load_chains(renamed, columns={"timestamp": "time", "index_price": "wrong"})


def test_columns_a_chain_can_do_without(tmp_path, quotes):
    needed = [
        *chain_files.HEADER[:2],
        "underlying",
        "bid_price",
        "ask_price",
        "mark_price",
        "implied_volatility",
    ]
    chains = load_chains(chain_files.write(tmp_path / "few.csv", chain_files.text(quotes, needed)))
    assert np.isnan(chains.index).all()
    assert chains.quality.count("no index") == 48


def test_linear_chains(tmp_path, quotes):
    linear = [
        q | {"instrument_name": q["instrument_name"].replace("BTC", "BTC_USDC"), "mark_price": mark}
        for q, mark in zip(quotes, ("10000", "1000", "5000", "5000", "1000", "10000") * 8, strict=True)
    ]
    chains = load_chains(chain_files.write(tmp_path / "linear.csv", chain_files.text(linear)))
    assert (chains.currency, chains.settlement) == ("BTC_USDC", Settlement.LINEAR)
    assert (parity_forward(chains).parity == 90_000.0).all()


# --- what is dropped, and what is only reported ---


def test_repeated_rows_keep_the_first(tmp_path, quotes):
    twice = [*quotes, quotes[0], quotes[1] | {"mark_price": "0.5"}]
    chains = load_chains(chain_files.write(tmp_path / "twice.csv", chain_files.text(twice)))
    assert len(chains) == 48
    assert chains.quality.count("repeated rows dropped (first kept)") == 2
    assert chains.quality.count("of these, with other values") == 1
    assert 0.5 not in chains.mark


def test_expired_rows_are_dropped(tmp_path, quotes):
    late = [quotes[0] | {"timestamp": "2026-01-16T08:00:00Z"}]
    chains = load_chains(chain_files.write(tmp_path / "late.csv", chain_files.text([*quotes, *late])))
    assert len(chains) == 48
    assert chains.quality.count("expired rows dropped") == 1
    with pytest.raises(DataError, match="every row of BTC is at or after its expiry"):
        load_chains(chain_files.write(tmp_path / "all.csv", chain_files.text(late)))


@pytest.mark.parametrize(
    ("cells", "check"),
    [
        ({"bid_price": "0.02", "ask_price": "0.01"}, "bid above ask"),
        ({"bid_price": "0.0051"}, "bid off tick"),
        ({"ask_price": "1.0003"}, "ask off tick"),
        ({"bid_price": "0"}, "quotes of zero, read as none"),
        ({"mark_price": ""}, "no mark"),
        ({"underlying": "nan"}, "no forward"),
        ({"index_price": ""}, "no index"),
        ({"implied_volatility": ""}, "no volatility"),
        ({"bid_price": "0.9"}, "mark outside bid and ask"),
    ],
)
def test_doubtful_rows_are_counted_with_an_example(tmp_path, quotes, cells, check):
    chains = load_changed(tmp_path, quotes, 5, **cells)
    assert len(chains) == 48
    assert chains.quality.count(check) == 1
    finding = next(f for f in chains.quality.problems if f.check == check)
    assert quotes[5]["instrument_name"] in finding.example
    assert finding.share == 1 / 48


def test_gaps_are_counted(tmp_path, quotes):
    holed = [q for q in quotes if q["timestamp"] != format_time(chain_files.START + 12 * NS_PER_HOUR)]
    path = chain_files.write(tmp_path / "holed.csv", chain_files.text(holed))
    assert load_chains(path).quality.count("gaps between snapshots") == 0
    more = [q | {"timestamp": "2026-01-06T04:00:00Z"} for q in quotes[:12]]
    path = chain_files.write(tmp_path / "more.csv", chain_files.text([*holed, *more]))
    chains = load_chains(path)
    assert chains.quality.count("gaps between snapshots") == 1
    assert "longest 12.0 h from 2026-01-05T10:00:00Z" in chains.quality.problems[0].example
    assert load_chains(path, max_gap_ns=13 * NS_PER_HOUR).quality.count("gaps between snapshots") == 0


# --- what makes a file unusable, and that the error says where ---


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"mark_price": "much"}, "column 'mark_price': 'much' is not a finite number"),
        ({"mark_price": "1,5"}, "column 'mark_price': '1,5' is not a finite number"),
        ({"bid_price": "inf"}, "column 'bid_price': 'inf' is not a finite number"),
        ({"timestamp": "noon"}, "column 'timestamp': 'noon' is not a time"),
        ({"timestamp": "20260105"}, "column 'timestamp': '20260105' is not a time"),
        ({"timestamp": ""}, "column 'timestamp': '' is not a time"),
        ({"instrument_name": ""}, "column 'instrument_name': '' is blank"),
        ({"instrument_name": "BTC-PERPETUAL"}, "not an option; remove rows of other contracts"),
        ({"instrument_name": "BTC-16JAN26-90000-X"}, "option type 'X' is neither C nor P"),
        ({"mark_price": "-0.01"}, "column 'mark_price': '-0.01' is a negative price"),
        ({"underlying": "0"}, "column 'underlying': '0' is not a positive price"),
        ({"strike": "90001"}, "column 'strike': '90001' contradicts the instrument name"),
        ({"option_type": "put"}, "column 'option_type': 'put' contradicts the instrument name"),
        ({"expiry_datetime": "2026-01-16T09:00:00Z"}, "contradicts the instrument name"),
        ({"expiry_datetime": "2026-01-17"}, "contradicts the instrument name"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_bad_cells_are_named_with_file_line_and_column(tmp_path, quotes, cells, message, suffix):
    content = chain_files.text(changed(quotes, 4, **cells))
    path = chain_files.write(tmp_path / f"bad{suffix}", content)
    with pytest.raises(DataError) as caught:
        load_chains(path)
    assert str(caught.value).startswith(f"{path}: line 6, ")
    assert message in str(caught.value)


def test_lines_count_blank_ones_and_parquet_counts_rows(tmp_path, quotes):
    lines = chain_files.text(changed(quotes, 4, mark_price="much")).splitlines()
    path = chain_files.write(tmp_path / "blank.csv", "\n".join([*lines[:3], "", *lines[3:]]))
    with pytest.raises(DataError, match="line 7, column 'mark_price'"):
        load_chains(path)
    parquet = tmp_path / "bad.parquet"
    duckdb.execute(
        f"COPY (SELECT * FROM read_csv('{path}', all_varchar=true)) TO '{parquet}' (FORMAT parquet)"
    )
    with pytest.raises(DataError, match=r"bad\.parquet: row 5, column 'mark_price': 'much' is not"):
        load_chains(parquet)


def test_percent_volatilities_are_refused(tmp_path, quotes):
    percent = [q | {"implied_volatility": "45.3"} for q in quotes]
    with pytest.raises(DataError, match=r"median 45\.3 is no fraction"):
        load_chains(chain_files.write(tmp_path / "percent.csv", chain_files.text(percent)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        (chain_files.text([]), "there is a header but no row"),
        (chain_files.text(chain_files.rows(), delimiter=";"), "seems to be separated by ';'"),
        (chain_files.text(chain_files.rows(), delimiter="\t"), r"seems to be separated by '\\t'"),
        (chain_files.text(chain_files.rows()) + "a,b\n", "line 50: expected 14 columns, found 2"),
        ("timestamp,timestamp\n", r"column names \['timestamp'\] occur more than once"),
        (chain_files.text(chain_files.rows(), chain_files.HEADER[:-5]), "missing columns 'mark_price'"),
    ],
    ids=["empty", "header", "semicolon", "tab", "short-row", "twice", "missing"],
)
def test_files_of_the_wrong_shape(tmp_path, content, message):
    path = chain_files.write(tmp_path / "wrong.csv", content)
    with pytest.raises(DataError, match=message) as caught:
        load_chains(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("damage", ["cut", "no-trailer", "checksum", "garbage", "plain", "inside"])
def test_broken_gzip_is_never_used_in_part(tmp_path, good, damage):
    whole = gzip.compress(good.read_bytes())
    broken = {
        "cut": whole[: len(whole) // 2],
        "no-trailer": whole[:-5],
        "checksum": whole[:-8] + bytes(4) + whole[-4:],
        "garbage": whole + b"garbage",
        "plain": good.read_bytes(),
        "inside": whole[:400] + bytes([whole[400] ^ 255]) + whole[401:],
    }[damage]
    path = tmp_path / "broken.csv.gz"
    path.write_bytes(broken)
    with pytest.raises(DataError, match=r"broken\.csv\.gz: broken gzip file"):
        load_chains(path)
    # Nor as one file of many.
    with pytest.raises(DataError, match=r"broken\.csv\.gz: broken gzip file"):
        load_chains(tmp_path)


def test_broken_parquet(tmp_path):
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataError, match=r"broken\.parquet"):
        load_chains(path)


def test_text_that_is_not_utf8(tmp_path, good):
    path = tmp_path / "latin.csv"
    path.write_bytes(good.read_bytes().replace(b"BTC-16JAN26-81000-C", b"BTC-16JAN26-81000-\xff"))
    with pytest.raises(DataError, match=r"latin\.csv"):
        load_chains(path)


def test_paths_that_are_not_there(tmp_path, good):
    with pytest.raises(DataError, match=r"no such file or directory; did you mean .*BTC\.csv"):
        load_chains(tmp_path / "BTX.csv")
    with pytest.raises(DataError, match="no such file or directory"):
        load_chains(tmp_path / "nowhere" / "at" / "all.csv")
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"no .csv, .csv.gz, .parquet file in this directory"):
        load_chains(tmp_path / "none")
    (tmp_path / "none" / "futures.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"none of \['futures.csv'\] has the columns of a chain"):
        load_chains(tmp_path / "none")
    with pytest.raises(DataError, match="unknown suffix"):
        load_chains((tmp_path / "chain.xlsx", (tmp_path / "chain.xlsx").touch())[0])


@unprivileged
def test_files_without_permission(good):
    good.chmod(0)
    with pytest.raises(DataError, match="no permission to read it"):
        load_chains(good)
    good.parent.chmod(0)
    try:
        with pytest.raises(DataError, match="no permission to read it"):
            load_chains(good.parent / "other.csv")
    finally:
        good.parent.chmod(0o700)


# --- forwards ---


def test_parity_forward_of_exact_marks(good):
    chains = load_chains(good)
    forwards = parity_forward(chains)
    assert forwards.parity == pytest.approx(np.full(8, 90_000.0), rel=1e-7)
    assert (forwards.recorded == 90_000.0).all()
    assert forwards.pairs.tolist() == [3] * 8
    assert forwards.snapshot.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert forwards.ts_ns[forwards.group].tolist() == chains.ts_ns.tolist()
    assert forwards.expiry_ns[forwards.group].tolist() == chains.expiry_ns.tolist()


def test_parity_forward_agrees_with_a_plain_loop(tmp_path, quotes):
    random = np.random.default_rng(1)
    kept = [q | {"underlying": f"{90_000 + random.normal():.2f}"} for q in quotes if random.random() < 0.8]
    for q in kept:
        if random.random() < 0.1:
            q["mark_price"] = ""
    chains = load_chains(chain_files.write(tmp_path / "some.csv", chain_files.text(kept)))
    forwards = parity_forward(chains)
    for i in range(forwards.ts_ns.size):
        rows = np.flatnonzero(
            (chains.ts_ns == forwards.ts_ns[i]) & (chains.expiry_ns == forwards.expiry_ns[i])
        )
        marks = {(chains.strike[r], chains.kind[r]): chains.mark[r] for r in rows}
        gaps = {k: marks.get((k, 1), np.nan) - marks.get((k, -1), np.nan) for k, _ in marks}
        implied = [k / (1 - gap) for k, gap in gaps.items() if abs(gap) < 0.5]
        assert forwards.pairs[i] == len(implied)
        assert forwards.parity[i] == (
            pytest.approx(np.median(implied), rel=1e-14) if implied else pytest.approx(np.nan, nan_ok=True)
        )
        assert forwards.recorded[i] == np.median(chains.forward[rows])


# --- the recorded store ---


@pytest.fixture(scope="module", params=["BTC", "ETH"])
def store(request):
    return load_chains(recorded("data/deribit_options"), currency=request.param)


def test_recorded_store_is_what_its_description_says(store):
    rows = {"BTC": 437_646, "ETH": 399_280}[store.currency]
    assert len(store) == rows
    assert store.snapshot_ts.size == 521
    assert np.unique(store.expiry_ns).size == 143
    assert store.quality.count("files ignored (not chains, or another currency)") == 8  # 6 of the other
    for check in ("repeated rows dropped (first kept)", "expired rows dropped", "bid above ask", "no mark"):
        assert store.quality.count(check) == 0
    assert store.quality.count("bid off tick") + store.quality.count("ask off tick") <= 4
    assert np.median(np.diff(store.snapshot_ts)) / NS_PER_HOUR == pytest.approx(5.86, abs=0.005)
    assert "longest 12.7 h" in next(f for f in store.quality.findings if f.check.startswith("gaps")).example


def test_recorded_rows_match_a_plain_reader(store):
    path = recorded(f"data/deribit_options/{store.currency}_2026-02.csv.gz")
    with gzip.open(path, "rt") as file:
        lines = list(csv.DictReader(file))
    code = {name: i for i, name in enumerate(store.names)}
    row = {key: i for i, key in enumerate(zip(store.ts_ns.tolist(), store.code.tolist(), strict=True))}
    for line in lines[::997]:
        i = row[parse_time(line["timestamp"]), code[line["instrument_name"]]]
        for field, column in (
            ("bid", "bid_price"),
            ("mark", "mark_price"),
            ("forward", "underlying"),
            ("vega", "vega"),
        ):
            expected = float(line[column]) if line[column] else np.nan
            assert getattr(store, field)[i] == pytest.approx(expected, rel=0, abs=0, nan_ok=True)


def test_recorded_forwards_are_near_parity(store):
    forwards = parity_forward(store)
    basis_points = 1e4 * np.abs(forwards.parity / forwards.recorded - 1)
    assert np.nanmedian(basis_points) < 0.2
    assert np.nanpercentile(basis_points, 99) < 6


def test_one_recorded_file_of_two_currencies():
    path = recorded("fixtures/deribit/chain/chain_20260105_20260124.csv.gz")
    chains = {currency: load_chains(path, currency=currency) for currency in ("BTC", "ETH")}
    assert sum(len(part) for part in chains.values()) == 107_112
    for part in chains.values():
        assert part.snapshot_ts.size == 80
        assert {finding.check for finding in part.quality.problems} == {
            "mark outside bid and ask",
            "no listed future (synthetic forward)",
        }


def test_between_is_half_open_and_keeps_whole_snapshots():
    path = recorded("fixtures/deribit/chain/chain_20260105_20260124.csv.gz")
    chains = load_chains(path, currency="BTC")
    times = chains.snapshot_ts
    part = chains.between(int(times[3]), int(times[7]))
    assert part.snapshot_ts.tolist() == times[3:7].tolist()
    for k in range(4):
        whole, view = chains.snapshot(3 + k), part.snapshot(k)
        np.testing.assert_array_equal(whole.mark, view.mark)
        np.testing.assert_array_equal(whole.code, view.code)
    with pytest.raises(DataError, match="no BTC chain between"):
        chains.between(int(times[-1]) + 1, int(times[-1]) + 2)
