"""Chain files kept as numbers: the same chains with and without, and read again whenever in doubt."""

import gzip
import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from gammacore.data import kept_tables
from gammacore.data.chain_files import load_chains
from gammacore.data.chains import ROW_ARRAYS
from gammacore.data.importing import import_file
from gammacore.data.kept_tables import VARIABLE, WRITER, folder_of
from gammacore.data.store import Store
from gammacore.errors import DataError
from support import chain_files
from support.shared_data import recorded


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache that keeps small files too, and files of just now."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(kept_tables, "LEAST", 0)
    monkeypatch.setattr(kept_tables, "SETTLED_NS", 0)
    return tmp_path / "cache" / "tables"


@pytest.fixture
def files_read(monkeypatch):
    """Names of the files that were read, and not found kept."""
    found, read_table = [], kept_tables.read_table
    monkeypatch.setattr(
        kept_tables, "read_table", lambda path, *more: found.append(path.name) or read_table(path, *more)
    )
    return found


@pytest.fixture
def quotes():
    return list(chain_files.rows())


@pytest.fixture
def path(tmp_path, quotes):
    return chain_files.write(tmp_path / "own" / "BTC.csv", chain_files.text(quotes))


@pytest.fixture(autouse=True)
def own_folder(tmp_path):
    (tmp_path / "own").mkdir()


def load(path, **options):
    chains = load_chains(path, **options)
    for thread in threading.enumerate():
        if thread.name == WRITER:
            thread.join()
    return chains


def assert_same(first, second):
    for name in ("currency", "names", "files", "quality", "modelled"):
        assert getattr(first, name) == getattr(second, name)
    for name in ("ts_ns", "snapshot_ts", "offsets", *ROW_ARRAYS):
        one, other = getattr(first, name), getattr(second, name)
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()


def kept_files(cache):
    return sorted(cache.glob("*"))


def test_the_same_chains_with_and_without(path, cache, files_read, monkeypatch):
    monkeypatch.setenv(VARIABLE, "0")
    without = load(path)
    assert not cache.exists()
    monkeypatch.setenv(VARIABLE, str(cache.parent))
    first, second = load(path), load(path)
    assert files_read == ["BTC.csv"] * 2
    assert_same(without, first)
    assert_same(without, second)
    assert sorted(path.parent.iterdir()) == [path]  # nothing beside the user's file


def test_recorded_chains_are_the_same_with_and_without(cache, files_read):
    folder = recorded("data/deribit_options/BTC_2025-12.csv.gz")
    first, second = load(folder), load(folder)
    assert_same(first, second)
    assert files_read == [folder.name]


def test_another_question_to_kept_rows_has_its_own_answer(path, cache, files_read, monkeypatch):
    load(path)
    middle = int(np.median(load(path).snapshot_ts))
    kept = load(path, end_ns=middle, sweep_ns=None, delay_ns=7)
    monkeypatch.setenv(VARIABLE, "0")
    assert_same(kept, load(path, end_ns=middle, sweep_ns=None, delay_ns=7))


def test_findings_of_the_first_run_are_those_of_the_second(path, quotes, cache, files_read):
    quotes[3] = quotes[3] | {"bid_price": "0", "mark_price": "0.9"}
    chain_files.write(path, chain_files.text([*quotes, quotes[0]]))
    first, second = load(path), load(path)
    assert first.quality.problems
    assert_same(first, second)
    assert files_read == ["BTC.csv"]


def test_what_is_refused_is_not_kept_and_refused_again(path, quotes, cache):
    quotes[3] = quotes[3] | {"ask_price": "-1"}
    chain_files.write(path, chain_files.text(quotes))
    for _ in range(2):
        with pytest.raises(DataError, match=r"BTC\.csv: line 5, column 'ask_price': '-1' is a negative"):
            load(path)
    assert not cache.exists()


def test_kept_rows_that_another_run_would_refuse_are_refused(path, quotes, cache):
    """A file of two currencies, of which the first run chose the sound one."""
    other = [row | {"instrument_name": row["instrument_name"].replace("BTC", "ETH")} for row in quotes]
    other[2] = other[2] | {"mark_price": "-1"}
    chain_files.write(path, chain_files.text([*quotes, *other]))
    load(path, currency="BTC")
    assert kept_files(cache)
    with pytest.raises(DataError, match=rf"BTC\.csv: line {len(quotes) + 4}, column 'mark_price': '-1'"):
        load(path, currency="ETH")


def test_a_changed_file_is_read_again(path, quotes, cache, files_read):
    load(path)
    (before,) = kept_files(cache)
    status = path.stat()
    text = path.read_text()
    changed = text.replace("0.05", "0.06", 1)
    assert (len(changed), changed != text) == (len(text), True)
    path.write_text(changed)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # the size and time of before
    second = load(path)
    assert files_read == ["BTC.csv"] * 2
    assert_same(second, load(path))
    (after,) = kept_files(cache)
    assert after != before


def test_other_names_of_columns_are_another_table(path, cache, files_read):
    load(path)
    renamed = load(path, columns={"mark_price": "bid_price"})
    assert files_read == ["BTC.csv"] * 2
    assert np.array_equal(renamed.mark, load(path).bid, equal_nan=True)


def test_another_reader_reads_again(path, cache, files_read, monkeypatch):
    load(path)
    monkeypatch.setattr(kept_tables, "FORM", kept_tables.FORM + 1)
    load(path)
    assert files_read == ["BTC.csv"] * 2
    assert len(kept_files(cache)) == 1


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other"])
def test_damage_is_told_and_the_file_read_again(path, cache, files_read, caplog, damage):
    first = load(path)
    (kept,) = kept_files(cache)
    content = bytearray(kept.read_bytes())
    if damage == "flipped":
        content[len(content) // 3] ^= 1
    kept.write_bytes({"cut": content[:-50], "flipped": content, "empty": b"", "other": b"PAR1"}[damage])
    second = load(path)
    assert_same(first, second)
    assert files_read == ["BTC.csv"] * 2
    (told,) = caplog.messages
    assert f"kept rows of {path} are damaged (its bytes are not those that were written)" in told
    caplog.clear()
    assert_same(first, load(path))
    assert files_read == ["BTC.csv"] * 2
    assert not caplog.messages


def test_a_folder_that_cannot_be_written_is_told_once_a_load(path, cache, caplog):
    cache.parent.write_text("in the way")
    first = load(path)
    (told,) = caplog.messages
    assert f"{cache}: nothing is kept, the next run reads the files again: " in told
    assert_same(first, load(path))
    assert cache.parent.read_text() == "in the way"


def test_a_file_that_is_small_or_huge_or_has_just_changed_is_not_kept(path, cache, monkeypatch):
    monkeypatch.setattr(kept_tables, "SETTLED_NS", 3_600 * 10**9)
    load(path)
    monkeypatch.setattr(kept_tables, "SETTLED_NS", 0)
    monkeypatch.setattr(kept_tables, "LEAST", path.stat().st_size + 1)
    load(path)
    monkeypatch.setattr(kept_tables, "LEAST", 0)
    monkeypatch.setattr(kept_tables, "MOST", path.stat().st_size - 1)
    load(path)
    assert not cache.exists()


def test_a_file_that_changes_while_it_is_read_is_not_kept(path, cache, monkeypatch):
    read_table = kept_tables.read_table

    def read(file, *more):
        table = read_table(file, *more)
        file.write_text(file.read_text() + "\n")
        return table

    monkeypatch.setattr(kept_tables, "read_table", read)
    load(path)
    assert not cache.exists()


def test_drafts_of_dead_writers_are_deleted_and_those_of_others_left(path, cache):
    cache.mkdir(parents=True)
    old, young = cache / ".a.new", cache / ".b.new"
    old.touch()
    young.touch()
    os.utime(old, (1, 1))
    load(path)
    assert not old.exists()
    assert young.exists()


LOADS = """
import hashlib, sys, threading
from gammacore.data import kept_tables, load_chains
kept_tables.LEAST = kept_tables.SETTLED_NS = 0
sys.stdin.readline()
print(*{hashlib.sha256(load_chains(sys.argv[1]).mark.tobytes()).hexdigest() for _ in range(10)})
"""


def test_two_processes_at_once(path, cache):
    pair = [
        subprocess.Popen(
            [sys.executable, "-c", LOADS, path], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    for one in pair:
        one.stdin.write("\n")
        one.stdin.flush()
    found = [one.communicate(timeout=100) for one in pair]
    mark = hashlib.sha256(load(path).mark.tobytes()).hexdigest()
    assert found == [(f"{mark}\n", "")] * 2
    assert [file.suffix for file in kept_files(cache)] == [".parquet"]


def test_where_tables_are_kept(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert folder_of(Path("BTC.csv")) == tmp_path / "home" / "gammacore" / "tables"
    assert folder_of(tmp_path / "data" / "processed" / "chains" / "BTC") == tmp_path / "data" / "tables"
    monkeypatch.setenv(VARIABLE, str(tmp_path / "named"))
    assert folder_of(Path("BTC.csv")) == tmp_path / "named" / "tables"
    monkeypatch.setenv(VARIABLE, "0")
    assert folder_of(tmp_path / "data" / "processed" / "chains" / "BTC") is None


def test_chains_of_a_store_are_kept_in_it(tmp_path, path, quotes, cache, files_read):
    folder = tmp_path / "data" / "processed" / "chains" / "BTC"
    with Store(tmp_path / "data") as store:
        import_file(store, path)
        first, second = load(folder), load(folder)
        assert_same(first, second)
        assert len(files_read) == 1
        assert len(kept_files(tmp_path / "data" / "tables")) == 1
        assert not cache.exists()
        more = [row | {"timestamp": row["timestamp"].replace("-05T", "-09T")} for row in quotes]
        import_file(store, chain_files.write(tmp_path / "own" / "more.csv", chain_files.text(more)))
        assert len(load(folder)) > len(first)
    assert len(kept_files(tmp_path / "data" / "tables")) == 1


def test_packed_files_are_kept_unpacked(tmp_path, path, cache, files_read):
    packed = path.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert_same(load(packed), load(packed))
    assert files_read == ["BTC.csv.gz"]
