"""Whatever stands where a command is to write: nothing of anybody else's is deleted or overwritten."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from gammacore.backtest.sweep.cell_store import CellStore
from gammacore.cli.main import app
from gammacore.data.store import Store as DataStore
from gammacore.daycount import parse_time
from gammacore.errors import DataError, JournalError
from gammacore.exchange import Exchange, ExchangeConfig
from gammacore.exchange.saved_state import save
from gammacore.live.journal import Journal
from gammacore.result_files import (
    MARKER,
    GrowingDirectory,
    result_directory,
    write_csv,
    write_new,
    write_page,
)
from support.platforms import posix

FAST = ["--set", "market.days=14", "--set", "market.snapshot_hours=8", "--set", "report.html=false"]
VARY = ["--set", "vary={hedge.band: [0.1, 0.2]}"]
SIMULATE = ["simulate", "--paths", "10", "--set", "simulate.frontier=false", "--set", "report.html=false"]
SWEEP = ["sweep", *FAST, "--vary", "hedge.band=0.1,0.2", "--backend", "serial"]
RUNS = {"backtest": ["backtest", *FAST], "vary": ["backtest", *FAST, *VARY], "simulate": SIMULATE}
SWEEPS = {"sweep": SWEEP, "fresh": [*SWEEP, "--fresh"]}
COMMANDS = RUNS | SWEEPS


def tree(root):
    """Every file, link and directory below, byte for byte."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found


def refused(words, out, told):
    result = CliRunner().invoke(app, [*words, "--out", str(out)])
    assert isinstance(result.exception, DataError), result.output
    assert told in str(result.exception)
    assert str(out) in str(result.exception)


def ours(folder, command="backtest", name="summary.json"):
    """Result of an earlier run of a command, as far as files go."""
    if command in SWEEPS:
        GrowingDirectory(folder, "sweep").write("sweep.json", "{}\n")
        GrowingDirectory(folder, "sweep").write(name, "{}\n")
    else:
        with result_directory(folder) as work:
            (work / "a").mkdir()
            (work / "a" / "pnl.csv").write_text("1\n")
            (work / name).write_text("{}\n")
    return folder


def repository(folder):
    """A project with a coverage report, which has a summary.json, too."""
    for name in (".git/HEAD", "src/model.py", "summary.json", "report.html", "sweep.json", "config.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


@posix
@pytest.mark.parametrize("command", COMMANDS)
def test_a_repository_with_a_coverage_report_stays(command, tmp_path, monkeypatch):
    place = repository(tmp_path / "project")
    before = tree(tmp_path)
    refused(COMMANDS[command], place, "it holds .git")
    (tmp_path / "link").symlink_to(place)
    refused(COMMANDS[command], tmp_path / "link", "it holds .git")
    refused(COMMANDS[command], place / "report.html", "is a file")
    refused(COMMANDS[command], place / "report.html" / "run", "annot")
    monkeypatch.chdir(place / "src")
    for word in (".", "..", str(place / "src")):
        refused(COMMANDS[command], word, "the current directory and is not empty")
    (tmp_path / "link").unlink()
    assert tree(tmp_path) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_an_earlier_result_is_not_emptied_from_inside(command, tmp_path, monkeypatch):
    place = ours(tmp_path / "run", command)
    before = tree(tmp_path)
    monkeypatch.chdir(place)
    refused(COMMANDS[command], ".", "is the current directory and is not empty")
    refused(COMMANDS[command], place, "is the current directory and is not empty")
    (place / "deep").mkdir()
    monkeypatch.chdir(place / "deep")
    refused(COMMANDS[command], "..", "holds the current directory and is not empty")
    (place / "deep").rmdir()
    monkeypatch.chdir(tmp_path)
    assert tree(tmp_path) == before


def changed(place, name):
    (place / name).write_text("mine\n")


def linked(place, name):
    (place / name).unlink()
    (place.parent / "elsewhere").write_text("mine\n")
    (place / name).symlink_to(place.parent / "elsewhere")


def a_directory(place, name):
    (place / name).unlink()
    (place / name).mkdir()
    (place / name / "mine").write_text("mine\n")


@pytest.mark.parametrize("spoil", [changed, pytest.param(linked, marks=posix), a_directory])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_of_ours_that_became_the_users_stays(command, spoil, tmp_path):
    place = ours(tmp_path / "run", command)
    spoil(place, "summary.json")
    before = tree(tmp_path)
    refused(COMMANDS[command], place, "summary.json was changed since gammacore wrote it")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["notes.txt", "a/notes.txt", "mine/notes.txt", ".git/HEAD"])
@pytest.mark.parametrize("command", RUNS)
def test_a_result_with_something_added_is_refused_by_its_name(command, name, tmp_path):
    place = ours(tmp_path / "run")
    (place / name).parent.mkdir(exist_ok=True)
    (place / name).write_text("mine\n")
    before = tree(tmp_path)
    told = name if name.startswith("a/") else name.split("/")[0]
    refused(RUNS[command], place, f"{told} was not written by gammacore")
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"program": "other", "format": 1, "version": "1", "kind": "run", "files": {}}']
    + [
        json.dumps({"program": "gammacore", "format": 1, "version": "1", "kind": "run", "files": {name: []}})
        for name in ("../notes.txt", "/etc/hostname", "a/../../notes.txt", "")
    ],
)
def test_a_marker_that_we_cannot_have_written_marks_nothing(text, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "notes.txt").write_text("mine\n")
    (tmp_path / "run" / MARKER).write_text(text)
    before = tree(tmp_path)
    for words in COMMANDS.values():
        refused(words, tmp_path / "run", "exists and is not")
    assert tree(tmp_path) == before


def test_a_run_does_not_replace_a_sweep_nor_a_sweep_a_run(tmp_path):
    run, sweep = ours(tmp_path / "run"), ours(tmp_path / "sweep", "sweep")
    before = tree(tmp_path)
    for words in RUNS.values():
        refused(words, sweep, "is not a result directory")
    for words in SWEEPS.values():
        refused(words, run, "is not a sweep")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("command", ["backtest", "simulate", "sweep"])
def test_an_empty_current_directory_is_filled_and_stays_itself(command, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    inode = os.stat(".").st_ino
    result = CliRunner().invoke(app, [*COMMANDS[command], "--out", "."])
    assert result.exit_code == 0, result.output
    assert os.stat(tmp_path / "here").st_ino == inode
    assert {"summary.json", MARKER} <= set(os.listdir())
    assert not [name for name in os.listdir() if name.startswith(".") and name != MARKER]
    assert os.listdir(tmp_path) == ["here"]


@pytest.mark.parametrize("command", ["vary", "simulate", "fresh"])
def test_the_same_command_twice(command, tmp_path):
    """A result is replaced by one with the same files; nothing is left beside it."""
    for _ in range(2):
        result = CliRunner().invoke(app, [*COMMANDS[command], "--out", str(tmp_path / "run")])
        assert result.exit_code == 0, result.output
        assert os.listdir(tmp_path) == ["run"]
    manifest = json.loads((tmp_path / "run" / MARKER).read_text())
    files = {path for path, data in tree(tmp_path / "run").items() if data is not None}
    assert files == {*manifest["files"], MARKER}


def test_a_sweep_leaves_what_others_have_in_its_directory(tmp_path):
    place = tmp_path / "run"
    assert CliRunner().invoke(app, [*SWEEP, "--out", str(place)]).exit_code == 0
    (place / "notes").mkdir()
    (place / "notes" / "mine").write_text("mine\n")
    for words in SWEEPS.values():
        assert CliRunner().invoke(app, [*words, "--out", str(place)]).exit_code == 0
        assert (place / "notes" / "mine").read_text() == "mine\n"
    (place / "report.html").write_text("mine\n")  # a name that the sweep needs now and had not written
    before = tree(tmp_path)
    words = [word.replace("report.html=false", "report.html=true") for word in SWEEP]
    refused(words, place, "report.html was not written by gammacore")
    assert tree(place)["report.html"] == before["run/report.html"]
    (place / "report.html").unlink()
    (place / ".git").mkdir()
    refused(SWEEP, place, ".git was not written by gammacore")


def test_a_sweep_killed_between_a_file_and_its_note_goes_on(tmp_path, monkeypatch):
    store = CellStore(tmp_path / "run", {"a": 1})
    store.close()
    for moment in range(1, 4):  # before the note, between note and file, after the file
        store = CellStore(tmp_path / "run", {"a": 1})
        calls = []

        def dies(*words, at=moment, calls=calls, replace=os.replace):
            calls.append(words)
            if len(calls) == at:
                raise KeyboardInterrupt
            replace(*words)

        with monkeypatch.context() as patch:
            patch.setattr("os.replace", dies)
            with pytest.raises(KeyboardInterrupt):
                store.directory.write("cells.csv", f"{moment}\n")
        store.close()
        again = CellStore(tmp_path / "run", {"a": 1})
        again.directory.write("cells.csv", "end\n")
        again.close()
        assert (tmp_path / "run" / "cells.csv").read_text() == "end\n"


def test_what_appears_while_the_run_goes_on_stays(tmp_path):
    place = ours(tmp_path / "run")
    before = tree(place)

    def run(out, added):
        with result_directory(out) as work:
            (work / "cells").write_text("new\n")
            added.parent.mkdir(exist_ok=True)
            added.write_text("mine\n")

    with pytest.raises(DataError, match=r"notes\.txt was not written"):
        run(place, place / "notes.txt")
    assert tree(place) == before | {"notes.txt": b"mine\n"}
    assert os.listdir(tmp_path) == ["run"]
    with pytest.raises(DataError, match=r"it holds notes\.txt"):
        run(tmp_path / "new", tmp_path / "new" / "notes.txt")
    assert tree(tmp_path / "new") == {"notes.txt": b"mine\n"}
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="cells was not written"):
        run(tmp_path / "empty", tmp_path / "empty" / "cells")
    assert tree(tmp_path / "empty") == {"cells": b"mine\n"}


def test_an_interruption_at_any_rename_keeps_one_whole_result(tmp_path, monkeypatch):
    place = ours(tmp_path / "run")
    before, rename = tree(place), os.rename
    for at in (1, 2):
        calls = []

        def dies(*words, at=at, calls=calls):
            calls.append(words)
            if len(calls) == at:
                raise KeyboardInterrupt
            rename(*words)

        def attempt():
            with result_directory(place) as work:
                (work / "summary.json").write_text("new\n")

        with monkeypatch.context() as patch:
            patch.setattr("os.rename", dies)
            with pytest.raises(KeyboardInterrupt):
                attempt()
        assert tree(place) == before
        assert os.listdir(tmp_path) == ["run"]


@posix
def test_a_killed_run_leaves_the_earlier_result(tmp_path):
    place = ours(tmp_path / "run")
    before = tree(place)
    words = ["backtest", "--set", "market.days=3000", "--out", str(place)]
    process = subprocess.Popen([sys.executable, "-c", "from gammacore.cli.main import main; main()", *words])
    for _ in range(600):
        if len(os.listdir(tmp_path)) > 1:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    assert tree(place) == before
    assert len(os.listdir(tmp_path)) == 2  # and what it had begun, beside


# ------------------------------------------------------------------ pages and single files


@posix
def test_a_page_replaces_nothing_but_itself(tmp_path):
    page = tmp_path / "compare.html"
    for text in ("<p>one</p>\n", "<p>zwölf</p>\n"):
        write_page(page, text)
        assert page.read_text(encoding="utf-8").startswith(text)
    (tmp_path / "link.html").symlink_to(page)
    write_page(tmp_path / "link.html", "<p>three</p>\n")
    assert (tmp_path / "link.html").is_symlink()
    assert page.read_text().startswith("<p>three</p>")
    page.write_text(page.read_text().replace("three", "mine"))
    (tmp_path / "empty").write_text("")
    (tmp_path / "model.py").write_text("mine\n")
    (tmp_path / "folder").mkdir()
    before = tree(tmp_path)
    for name in ("compare.html", "link.html", "empty", "model.py"):
        with pytest.raises(DataError, match=r"gammacore did not write it or it was changed since"):
            write_page(tmp_path / name, "<p></p>\n")
    with pytest.raises(DataError, match="is a directory"):
        write_page(tmp_path / "folder", "<p></p>\n")
    with pytest.raises(DataError, match="cannot write"):
        write_page(tmp_path / "model.py" / "page.html", "<p></p>\n")
    assert tree(tmp_path) == before


@posix
def test_a_new_file_is_never_written_through_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert not write_new(tmp_path / "link", "text")
    assert not (tmp_path / "elsewhere").exists()
    assert write_new(tmp_path / "new", "text")
    assert not write_new(tmp_path / "new", "other")
    assert Path(tmp_path / "new").read_text() == "text"


@posix
def test_init_keeps_all_that_is_there(tmp_path):
    place = tmp_path / "project"
    repository(place)
    (place / "README.md").symlink_to(tmp_path / "nowhere")
    before = tree(tmp_path)
    result = CliRunner().invoke(app, ["init", str(place)])
    assert "not empty" in str(result.exception)
    assert tree(tmp_path) == before
    assert CliRunner().invoke(app, ["init", str(place), "--force"]).exit_code == 0
    after = tree(tmp_path)
    assert {name: after[name] for name in before} == before
    assert "project/gammacore.service" in after


# ------------------------------------------------------------------ the store, sessions, the exchange


@posix
def test_the_store_leaves_everything_else_in_its_folder(tmp_path):
    day, now = "2026-03-01", parse_time("2026-03-01")
    rows = {"ts_ns": [now], "known_ns": [now], "seq": [1], "index_name": ["btc_usd"], "price": [1.0]}
    repository(tmp_path / "data")
    mine = {".writing/drafts/text": "mine\n", ".writing/notes.lock": "mine\n"}
    taken = f"processed/index/BTC/{day}/taken.parquet"
    for name, text in (mine | {taken: "mine\n"}).items():
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text(text)
    (tmp_path / "data" / taken).with_name("link.parquet").symlink_to(tmp_path / "data" / "summary.json")
    before = tree(tmp_path)
    with DataStore(tmp_path / "data") as store:
        for name in ("taken", "link"):
            with pytest.raises(DataError, match=rf"{name}\.parquet: not a Parquet file of the store"):
                store.write("index", "BTC", day, name, rows)
        store.write("index", "BTC", day, "new", rows)
    new = f"data/processed/index/BTC/{day}/new.parquet"
    assert {name: data for name, data in tree(tmp_path).items() if name != new} == before


@posix
@pytest.mark.parametrize("beside", ["", ".lock", ".tail"])
@pytest.mark.parametrize("text", ["a list of trades\n", "database"])
def test_a_journal_is_not_written_into_files_of_others(beside, text, tmp_path):
    place = tmp_path / f"mine.db{beside}"
    if text == "database":
        with sqlite3.connect(place) as db:
            db.execute("create table trades (price real)")
        db.close()
    else:
        place.write_text(text)
    place.chmod(0o644)
    before = tree(tmp_path)
    with pytest.raises(JournalError, match=rf"mine\.db{beside}"):
        Journal(tmp_path / "mine.db")
    assert tree(tmp_path) == before
    assert place.stat().st_mode & 0o777 == 0o644
    if not beside and text != "database":
        result = CliRunner().invoke(app, ["kill", str(place)])
        assert "not a journal" in str(result.exception)
        assert tree(tmp_path) == before


def test_a_journal_goes_on_with_what_it_left(tmp_path):
    for _ in range(2):
        Journal(tmp_path / "mine.db").close()
    (tmp_path / "mine.db.tail").write_bytes(bytes(100))  # begun and killed
    Journal(tmp_path / "mine.db").close()


def test_an_exchange_is_kept_beside_other_files(tmp_path):
    (tmp_path / "state.new").write_text("mine\n")
    save(Exchange(ExchangeConfig(start_ns=parse_time("2026-03-01"))), tmp_path / "state")
    assert (tmp_path / "state.new").read_text() == "mine\n"
    assert sorted(os.listdir(tmp_path)) == ["state", "state.new"]
    for words, told in ((["state.new"], "not the state"), (["nowhere/state"], "no such directory")):
        result = CliRunner().invoke(app, ["exchange", "--state", str(tmp_path / words[0])])
        assert told in str(result.exception)


def test_a_table_is_written_as_pandas_writes_it(tmp_path):
    numbers = np.random.default_rng(1).standard_normal(400) * 10.0 ** np.arange(-200, 200)
    table = pd.DataFrame(
        {
            "a number": numbers,
            "gaps": np.where(numbers > 0, numbers, np.nan),
            "infinite": np.where(numbers > 0, np.inf, -0.0),
            "counts": np.arange(400) - 7,
            "maybe": pd.array([1, None] * 200, dtype="Int64"),
            "yes": numbers > 0,
            "text, quoted": ['a "b", c', "\u00e9\n", "", None] * 100,
            "mixed": [1, 2.5, "x", None] * 100,
        }
    )
    for shown in (table, table[:0], table.round(10), table.drop(columns="gaps")):
        write_csv(shown, tmp_path / "ours.csv")
        shown.to_csv(tmp_path / "theirs.csv", index=False)
        assert (tmp_path / "ours.csv").read_bytes() == (tmp_path / "theirs.csv").read_bytes()
