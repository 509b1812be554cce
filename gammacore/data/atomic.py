"""Files that appear together or not at all, whatever happens to the process that writes them.

Everything is written in a folder of the writer's own below ``.writing`` (same file system), made durable, and
listed in a manifest; when the manifest is there the files are moved to their places. A writer that finds the
folder of a dead one finishes what has a manifest and deletes the rest. Alive is who holds the lock on its
folder; the system frees it with the process.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from gammacore.errors import DataError

__all__ = ["Writer", "recover"]

FOLDER = ".writing"
MANIFEST = "commit.json"
_HOME = re.compile(r"[0-9a-f]{32}")


class Batch:
    """Files of one commit."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root, self._folder = root, folder
        self._moves: dict[str, str] = {}

    def place(self, target: Path) -> Path:
        """Where to write a file whose place in the end is ``target``, below the root."""
        relative = target.relative_to(self._root).as_posix()
        if relative in self._moves.values():
            raise DataError(f"{target}: written twice in one commit")
        name = f"{len(self._moves)}{target.suffix}"
        self._moves[name] = relative
        return self._folder / name

    def where(self, target: Path) -> Path:
        """Where a file that was placed is until the commit."""
        relative = target.relative_to(self._root).as_posix()
        return self._folder / next(name for name, place in self._moves.items() if place == relative)

    def workspace(self) -> Path:
        """Folder for what is not to stay."""
        folder = self._folder / "work"
        folder.mkdir(exist_ok=True)
        return folder

    def finish(self) -> list[Path]:
        """Make the files durable and visible; the paths they have now."""
        for name in self._moves:
            _sync(self._folder / name)
        draft = self._folder / "commit.new"
        draft.write_text(json.dumps(self._moves, sort_keys=True))
        _sync(draft)
        os.replace(draft, self._folder / MANIFEST)
        _sync(self._folder)
        return _carry_out(self._root, self._folder)


class Writer:
    """Writes below a root; one of a process or thread.

    Parameters
    ----------
    root : Path
        Made when the first commit begins.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock: FileLock | None = None
        self._home = root / FOLDER / uuid4().hex
        self._count = 0

    @contextmanager
    def commit(self) -> Iterator[Batch]:
        """Gather files; they are there when the block ends, and none of them if it raises."""
        self._open()
        self._count += 1
        folder = self._home / str(self._count)
        folder.mkdir()
        try:
            batch = Batch(self._root, folder)
            yield batch
            batch.finish()
        except Exception:
            # With a manifest the commit has happened: whoever comes next finishes it.
            if not (folder / MANIFEST).exists():
                shutil.rmtree(folder, ignore_errors=True)
            raise

    def _open(self) -> None:
        if self._lock is not None:
            return
        recover(self._root)
        self._home.mkdir(parents=True)
        lock = _take(_lock_path(self._home))
        if lock is None:
            raise DataError(f"{self._home}: cannot be locked")
        self._lock = lock

    def close(self) -> None:
        """Leave nothing behind but what was committed."""
        if self._lock is None:
            return
        try:
            _dissolve(self._root, self._home)
        finally:
            self.abandon()
        _tidy(self._home)

    def abandon(self) -> None:
        """Let go of the lock and leave the rest as it is, as the death of the process does."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def recover(root: Path) -> list[Path]:
    """Finish or undo what dead writers left.

    Parameters
    ----------
    root : Path

    Returns
    -------
    list of Path
        Files that appeared.
    """
    appeared: list[Path] = []
    waiting = root / FOLDER
    if not waiting.is_dir():
        return appeared
    for home in sorted(child for child in waiting.iterdir() if child.is_dir() and _is_ours(child)):
        lock = _take(_lock_path(home))
        if lock is None:
            continue
        try:
            appeared += _dissolve(root, home)
        finally:
            lock.release()
        _tidy(home)
    for orphan in waiting.glob("*.lock"):  # of a writer that died before it had a folder, or after
        if _is_ours(orphan) and not orphan.with_suffix("").exists() and (lock := _take(orphan)) is not None:
            lock.release()
            orphan.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        waiting.rmdir()
    return appeared


def _dissolve(root: Path, home: Path) -> list[Path]:
    appeared: list[Path] = []
    for folder in sorted(home.glob("*"), key=lambda path: path.name.zfill(12)):
        if (folder / MANIFEST).exists():
            appeared += _carry_out(root, folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)
    return appeared


def _carry_out(root: Path, folder: Path) -> list[Path]:
    """Move the files of a manifest; again, if it was interrupted."""
    moves: dict[str, str] = json.loads((folder / MANIFEST).read_text())
    targets = [root / relative for relative in moves.values()]
    for name, target in zip(moves, targets, strict=True):
        source = folder / name
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)
    for parent in sorted({target.parent for target in targets}):
        _sync(parent)
    (folder / MANIFEST).unlink()
    shutil.rmtree(folder, ignore_errors=True)
    return targets


def _tidy(home: Path) -> None:
    _lock_path(home).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # another writer is at work
        home.parent.rmdir()


def _is_ours(path: Path) -> bool:
    """Whether a name below ``.writing`` is one that writers make; what else is there is left alone."""
    return _HOME.fullmatch(path.stem) is not None and not path.is_symlink()


def _lock_path(home: Path) -> Path:
    return home.parent / f"{home.name}.lock"


def _take(path: Path) -> FileLock | None:
    """Lock that ends with this process, or None while somebody has it."""
    lock = FileLock(path, blocking=False, thread_local=False)  # any thread may close a store
    try:
        lock.acquire()
    except Timeout:
        return None
    return lock


def _sync(path: Path) -> None:
    """Have a file, or the names in a folder, survive a loss of power."""
    if path.is_dir() and os.name == "nt":
        return  # there a folder cannot be opened
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
