"""A commit happens as a whole, wherever its process dies."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gammacore.data import atomic
from gammacore.data.atomic import Writer, recover
from gammacore.errors import DataError


class Killed(BaseException):
    """A process that is gone does not clean up."""


def write(root, text, names=("a/x.parquet", "b/y.parquet", "b/z.parquet")):
    writer = Writer(root)
    with writer.commit() as batch:
        for name in names:
            batch.place(root / name).write_text(f"{text} {name}")
    return writer


def content(root):
    files = (path for path in root.rglob("*") if path.is_file() and atomic.FOLDER not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_text() for path in files}


def whole(text, names=("a/x.parquet", "b/y.parquet", "b/z.parquet")):
    return {name: f"{text} {name}" for name in names}


def die_at(monkeypatch, step):
    """Die before the n-th call that touches the disk; how many there were, if there were fewer."""
    calls = []

    def counted(function):
        def call(*arguments, **named):
            calls.append(function)
            if len(calls) == step:
                raise Killed
            return function(*arguments, **named)

        return call

    monkeypatch.setattr(os, "replace", counted(os.replace))
    monkeypatch.setattr(os, "fsync", counted(os.fsync))
    monkeypatch.setattr(shutil, "rmtree", counted(shutil.rmtree))
    for name in ("mkdir", "unlink", "rmdir", "write_text"):
        monkeypatch.setattr(Path, name, counted(getattr(Path, name)))
    return calls


def test_every_step_at_which_it_can_die(tmp_path):
    outcomes, step = [], 0
    while True:
        step += 1
        root = tmp_path / str(step)
        write(root, "old").close()
        assert content(root) == whole("old")
        writer = Writer(root)
        with pytest.MonkeyPatch.context() as patch:
            calls = die_at(patch, step)
            try:
                with writer.commit() as batch:
                    for name in whole(""):
                        batch.place(root / name).write_text(f"new {name}")
                writer.close()
            except Killed:
                pass
            finished = len(calls) < step
        writer.abandon()
        recover(root)
        assert content(root) in (whole("old"), whole("new"))
        assert not (root / atomic.FOLDER).exists()
        outcomes.append(content(root) == whole("new"))
        if finished:
            break
    assert step > 15
    assert outcomes == sorted(outcomes)  # once it has happened it stays so
    assert outcomes[-1]
    assert not outcomes[0]


def test_recovery_that_dies_is_recovered_from(tmp_path):
    step = 0
    while True:
        step += 1
        root = tmp_path / str(step)
        writer = Writer(root)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(atomic, "_carry_out", lambda *_: (_ for _ in ()).throw(Killed))
            with contextlib.suppress(Killed), writer.commit() as batch:
                for name in whole(""):
                    batch.place(root / name).write_text(f"new {name}")
        assert content(root) == {}
        writer.abandon()
        with pytest.MonkeyPatch.context() as patch:
            calls = die_at(patch, step)
            with contextlib.suppress(Killed):
                recover(root)
            finished = len(calls) < step
        recover(root)
        assert content(root) == whole("new"), step
        assert not (root / atomic.FOLDER).exists()
        if finished:
            break
    assert step > 5


def test_an_exception_leaves_nothing_and_the_writer_goes_on(tmp_path):
    writer = Writer(tmp_path)
    with pytest.raises(FileNotFoundError), writer.commit() as batch:
        batch.place(tmp_path / "nowhere.parquet")  # and never written
    with writer.commit() as batch:
        batch.place(tmp_path / "b").write_text("whole")
    writer.close()
    assert content(tmp_path) == {"b": "whole"}
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_the_living_are_left_alone(tmp_path):
    first = Writer(tmp_path)
    with first.commit() as batch:
        batch.place(tmp_path / "c").write_text("1")
        write(tmp_path, "second").close()  # recovers while the first one is writing
    first.close()
    assert content(tmp_path) == whole("second") | {"c": "1"}


def test_a_file_has_one_content(tmp_path):
    writer = Writer(tmp_path)
    with writer.commit() as batch:
        batch.place(tmp_path / "c").write_text("1")
        with pytest.raises(DataError, match="twice"):
            batch.place(tmp_path / "c")
    writer.close()


WRITES = """
import sys; from pathlib import Path; from gammacore.data.atomic import Writer
with Writer(Path(sys.argv[1])).commit() as batch:
    batch.place(Path(sys.argv[1]) / "c").write_text("half")
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_a_process_is_alive_until_it_is_killed(tmp_path):
    command = [sys.executable, "-c", WRITES, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        recover(tmp_path)
        [half] = (tmp_path / atomic.FOLDER).glob("*/1/0")
        assert half.read_text() == "half"  # left alone
        process.kill()
    recover(tmp_path)
    assert not (tmp_path / atomic.FOLDER).exists()
