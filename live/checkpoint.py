"""Where the replay of a journal may begin: what was told of it up to some record, in a file beside it.

Its name is the journal's and ``.checkpoint``. Without it, or where anything about it does not fit, a journal
is replayed from its start, so it may be deleted at any time. It holds Python objects (pickle): it is read
only where nobody but its owner could have written it, and makes only objects of this package and plain data.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import logging
import os
import pickle
import stat
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import gammacore
import gammacore.live

from .journal import read
from .retold import Retold

EVERY = 20_000  # records between two checkpoints, which are replayed in one or two seconds
SPARE = 100  # a checkpoint takes at most a hundredth of the time
MAGIC = b"gammacore checkpoint\n"
PLAIN = {  # what plain data is made by, of each package
    "array": {"_array_reconstructor", "array"},
    "builtins": {"frozenset", "set"},
    "collections": {"deque"},
    "msgspec": {"rebuild"},
    "numpy": {"_frombuffer", "_reconstruct", "dtype", "ndarray", "scalar"},
}
log = logging.getLogger("gammacore.live")


class _Stamp(msgspec.Struct, frozen=True):
    """What a checkpoint belongs to; digests are of SHA-256."""

    code: str  # that wrote it
    seq: int  # of the last record
    record: str  # digest of that
    state: str  # digest of what was told


def checkpoint_of(journal: str | os.PathLike[str]) -> Path:
    """Where the checkpoint of a journal is."""
    return Path(f"{os.fspath(journal)}.checkpoint")


@functools.cache
def code_digest() -> str:
    """Digest of this package as it was when first asked, and of the versions that its objects depend on."""
    digest = hashlib.sha256(f"{sys.version} numpy {np.__version__} msgspec {msgspec.__version__}".encode())
    for root in sorted({Path(path) for path in (*gammacore.__path__, *gammacore.live.__path__)}):
        for file in sorted(file for kind in ("py", "so", "pyd") for file in root.rglob(f"*.{kind}")):
            digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


class Checkpoints:
    """Writes checkpoints of what is told of a journal, so rarely that it costs next to nothing.

    Made when its process starts: the files of the code may be others later. What cannot be written is logged
    and hurts nothing.

    Parameters
    ----------
    journal : path-like
    told : Retold
        Of it.
    every : int
        Records between two of them.
    """

    def __init__(self, journal: str | os.PathLike[str], told: Retold, every: int = EVERY) -> None:
        self._journal, self._told, self._every = journal, told, every
        self._code, self._seq, self._due_s = code_digest(), 0, 0.0

    def update(self) -> None:
        """Write one if there are enough new records, and the last one is long enough ago."""
        told = self._told
        if told.seq - self._seq < self._every or time.monotonic() < self._due_s or not _may_begin(told):
            return
        start_s, self._seq = time.monotonic(), told.seq
        try:
            _write(self._journal, told, self._code)
        except (OSError, pickle.PicklingError, AttributeError, TypeError) as error:
            log.warning("no checkpoint", extra={"reason": f"{type(error).__name__}: {error}"})
        now_s = time.monotonic()
        self._due_s = now_s + SPARE * (now_s - start_s)


def _may_begin(told: Retold) -> bool:
    """Whether a replay may begin here: it went well, and no code of the user's own remembers what it saw."""
    return told.config is not None and not told.config.code and told.departure is None


def _write(journal: str | os.PathLike[str], told: Retold, code: str) -> None:
    path = checkpoint_of(journal)
    if path.exists() and not _is_ours(path):
        raise FileExistsError(f"{path}: in the way of the checkpoint, and not ours; move it")
    state = pickle.dumps(told, protocol=5)
    stamp = _Stamp(code, told.seq, _record_digest(journal, told.seq), hashlib.sha256(state).hexdigest())
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # for its owner alone
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(MAGIC + msgspec.json.encode(stamp) + b"\n" + state)
        os.replace(draft, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise


def recall(journal: str | os.PathLike[str]) -> Retold | None:
    """Return what was told of a journal up to its checkpoint, None without one that fits it and this code."""
    path = checkpoint_of(journal)
    if not path.exists():
        return None
    try:
        found, why = _read(journal, path)
    except Exception as error:  # whatever it holds: the journal itself says the same
        found, why = None, f"{type(error).__name__}: {error}"
    if found is None:
        log.info("checkpoint not used", extra={"path": str(path), "reason": why})
    return found


def _read(journal: str | os.PathLike[str], path: Path) -> tuple[Retold | None, str]:
    """Return what it holds, or why it cannot be used."""
    with path.open("rb") as file:
        if foreign := _foreign(file.fileno()):
            return None, foreign
        if file.readline() != MAGIC:
            return None, "no checkpoint"
        stamp, state = msgspec.json.decode(file.readline(), type=_Stamp), file.read()
    if stamp.code != code_digest():
        return None, "written by another version"
    if stamp.state != hashlib.sha256(state).hexdigest():
        return None, "not as it was written"
    if stamp.record != _record_digest(journal, stamp.seq):
        return None, "of another journal"
    found = _Unpickler(io.BytesIO(state)).load()
    return (found, "") if isinstance(found, Retold) and found.seq == stamp.seq else (None, "no checkpoint")


def _foreign(handle: int) -> str:
    """Say who else could have written an open file, empty if nobody."""
    if not hasattr(os, "getuid"):
        return ""
    found = os.fstat(handle)
    if found.st_uid not in (os.getuid(), 0):
        return f"owned by user {found.st_uid}"
    return "others may write it" if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) else ""


def _record_digest(journal: str | os.PathLike[str], seq: int) -> str:
    """Digest of a record, empty where the journal has none of that number."""
    record = next(iter(read(journal, seq - 1)), None)
    if record is None:
        return ""
    about = f"{record.seq} {record.kind} {record.name} {record.ts_ns}\n"
    return hashlib.sha256(about.encode() + record.body).hexdigest()


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        return file.readline() == MAGIC


class _Unpickler(pickle.Unpickler):
    """Makes objects of this package's classes and plain data; calls nothing else that a file names."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a class of ours, or one of the few functions that plain data is made by."""
        root = module.partition(".")[0]
        if name in PLAIN.get(root, ()):
            return super().find_class(module, name)
        found = super().find_class(module, name) if root == "gammacore" else None
        if isinstance(found, type) and found.__module__.partition(".")[0] == "gammacore":
            return found  # not what a module of ours has imported
        raise pickle.UnpicklingError(f"{module}.{name} is not expected here")
