"""Files that gammacore wrote, and no others, are replaced.

A result directory holds a marker: the program's name, its version, and the SHA-256 of every file it wrote
there. A directory without a marker, a file that is not in it, or one that was changed since belongs to
somebody else: a command that would replace it is refused, with the file's name. A page outside a directory
ends with its own SHA-256.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from gammacore import __version__
from gammacore.config import Config, stated
from gammacore.errors import DataError
from gammacore.yaml_text import dump_yaml

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "MARKER",
    "SUMMARY",
    "GrowingDirectory",
    "config_files",
    "config_text",
    "json_text",
    "refuse_changed",
    "result_directory",
    "write_csv",
    "write_new",
    "write_page",
    "write_whole",
]

SUMMARY = "summary.json"
MARKER = ".gammacore.json"
SEAL = "<!-- written by gammacore; SHA-256 of the text above: {} -->\n"
SEAL_BYTES = len(SEAL.format("0" * 64))

Kind = Literal["run", "sweep"]


def json_text(summary: dict[str, Any]) -> str:
    """Write the figures of a result; NaN and infinity are refused, which JSON has not."""
    return json.dumps(summary, indent=2, allow_nan=False) + "\n"


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write what ``table.to_csv(path, index=False)`` writes, in half of its time."""
    columns = []
    for name in table:
        values = table[name].tolist()
        missing = table[name].isna()
        if missing.any():
            values = [None if gone else value for value, gone in zip(values, missing, strict=True)]
        columns.append(values)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator=os.linesep)
        rows.writerow(table.columns)
        rows.writerows(zip(*columns, strict=True))


def config_text(config: Config) -> str:
    """Write the configuration of a result."""
    return dump_yaml(stated(config))


def config_files(config: Config) -> dict[str, str]:
    """Write the configuration of a result, and the user's own code beside it: the same files run it again.

    A file of code that has changed meanwhile is left out; the configuration has the hash of the one that ran.
    """
    files = {"config.yaml": config_text(config)}
    for module, file in config.code.items():
        with contextlib.suppress(OSError, UnicodeDecodeError):
            data = Path(file.path).read_bytes()
            if hashlib.sha256(data).hexdigest() == file.sha256:
                files[f"{module}.py"] = data.decode()
    return files


class Manifest(msgspec.Struct):
    """What a marker says; ``files`` has the hashes each file may have, none for a file that grows."""

    program: Literal["gammacore"]
    format: Literal[1]
    version: str
    kind: Kind
    files: dict[str, list[str]]


@contextmanager
def result_directory(out: Path) -> Iterator[Path]:
    """Directory that appears under its name only when the block ends well.

    Parameters
    ----------
    out : Path
        New, empty, or an earlier result in which nothing was added or changed, which is replaced. A link
        is followed.

    Yields
    ------
    Path
        Where to write.

    Raises
    ------
    DataError
        If ``out`` is anything else, or cannot be written.
    """
    place = _claim(out, "run")
    try:
        empty = place.is_dir() and not any(place.iterdir())
        place.parent.mkdir(parents=True, exist_ok=True)
        # An empty directory is filled, not replaced: it may be the current one, or a mounted disk.
        work = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place if empty else place.parent))
    except OSError as error:
        raise _cannot(out, error) from None
    try:
        work.chmod(0o755)
        yield work
        _mark(work, "run", {name: [_hash(work / name)] for name in _files(work)})
        if empty:
            _fill(out, place, work)
        elif place.exists():
            _replace(out, place, work)
        else:
            os.rename(work, place)
    except OSError as error:
        raise _cannot(out, error) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def refuse_changed(folder: Path, names: Iterable[str]) -> None:
    """Refuse files of a result that are not as they were written; without a marker nobody knows.

    Raises
    ------
    DataError
        Naming the first one.
    """
    found = _manifest(folder)
    for name in names:
        hashes = None if found is None else found.files.get(name)
        if hashes is not None and (folder / name).exists() and not _unchanged(folder / name, hashes):
            raise DataError(
                f"{folder / name}: was changed since gammacore wrote it; restore it, run again, or delete "
                f"{MARKER} to read the files as they are"
            )


class GrowingDirectory:
    """Directory whose files are added and replaced one by one; files of others in it stay.

    Parameters
    ----------
    out : Path
        New, empty, or one of the same kind. A link is followed.
    kind : {'sweep'}

    Raises
    ------
    DataError
        If ``out`` is anything else.
    """

    def __init__(self, out: Path, kind: Kind) -> None:
        self._out, self._kind = out, kind
        self.folder = _claim(out, kind, alone=False)
        found = _manifest(self.folder)
        self._files = {} if found is None else found.files

    def clear(self) -> None:
        """Delete what we wrote; refused if any of it was changed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in self._files:
            self._refuse_strange(name)
        _delete(self.folder, self._files)
        self._files = {}

    def write(self, name: str, text: str) -> None:
        """Write a file that is whole whenever it is there, onto one of ours at most."""
        self._refuse_strange(name)
        known, made = self._files.get(name, []), _text_hash(text)
        # Whatever a kill leaves, the old file or the new one, is known as ours.
        self._note(name, [*known, made])
        write_whole(self.folder / name, text)
        self._note(name, [made])

    def growing(self, name: str) -> Path:
        """Path of a file that is ours whatever is appended to it."""
        self._refuse_strange(name)
        self._note(name, [])
        return self.folder / name

    def _note(self, name: str, hashes: list[str]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._files[name] = hashes
        _mark(self.folder, self._kind, self._files)

    def _refuse_strange(self, name: str) -> None:
        path = self.folder / name
        if os.path.lexists(path) and not _unchanged(path, self._files.get(name)):
            raise _strange(self._out, name, name in self._files)


def write_page(out: Path, text: str) -> None:
    """Write one HTML page, onto an earlier page of ours at most.

    Parameters
    ----------
    out : Path
        A link is followed.
    text : str
        The page; a comment with its SHA-256 is added at its end, by which it is known again.

    Raises
    ------
    DataError
        If there is something else at ``out``, or it cannot be written.
    """
    place = out.resolve()
    try:
        if place.is_dir():
            raise DataError(f"{out}: is a directory; name a file with --out")
        if place.exists() and not _is_page(place):
            raise DataError(
                f"{out}: exists, and gammacore did not write it or it was changed since; "
                "choose another with --out"
            )
        place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, text + SEAL.format(_text_hash(text)))
    except OSError as error:
        raise _cannot(out, error) from None


def write_new(path: Path, text: str) -> bool:
    """Write a file unless there is anything of its name; whether it was written."""
    try:
        file = path.open("x", encoding="utf-8")
    except FileExistsError:
        return False
    try:
        with file:
            file.write(text)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return True


# ------------------------------------------------------------------ what may be written to


def _claim(out: Path, kind: Kind, *, alone: bool = True) -> Path:
    """Where a name leads, if it may be written to; ``alone`` if nobody else may have files there."""
    try:
        place = out.resolve()
        if not place.exists() or (place.is_dir() and not any(place.iterdir())):
            return place
        if not place.is_dir():
            raise DataError(f"{out}: is a file, and is not a result directory; choose another with --out")
        here = Path.cwd().resolve()
        if place == here or place in here.parents:
            held = "is" if place == here else "holds"
            raise DataError(
                f"{out}: {held} the current directory and is not empty; choose another with --out"
            )
        _refuse_strangers(out, place, kind, alone=alone)
    except OSError as error:
        raise _cannot(out, error) from None
    return place


def _refuse_strangers(out: Path, place: Path, kind: Kind, *, alone: bool = True) -> None:
    found = _manifest(place)
    if found is None or found.kind != kind:
        first = min(entry.name for entry in place.iterdir())
        what = "a result directory" if kind == "run" else "a sweep"
        raise DataError(f"{out}: exists and is not {what} (it holds {first}); choose another with --out")
    if os.path.lexists(place / ".git"):
        raise _strange(out, ".git", known=False)
    for name in _strangers(place, found.files):
        if alone or name in found.files:
            raise _strange(out, name, name in found.files)


def _strange(out: Path, name: str, known: bool) -> DataError:
    why = "was changed since gammacore wrote it" if known else "was not written by gammacore"
    return DataError(f"{out}: {name} {why}; move it, or choose another with --out")


def _cannot(out: Path, error: OSError) -> DataError:
    return DataError(f"{out}: cannot write results: {error.strerror or error}")


def _strangers(folder: Path, ours: dict[str, list[str]], below: str = "") -> Iterator[str]:
    """Entries that are not files of ours as we wrote them, in order."""
    for entry in sorted(os.scandir(folder / below), key=lambda entry: entry.name):
        name = f"{below}{entry.name}"
        if name == MARKER:
            continue
        if entry.is_dir(follow_symlinks=False) and any(known.startswith(f"{name}/") for known in ours):
            yield from _strangers(folder, ours, f"{name}/")
        elif not _unchanged(folder / name, ours.get(name)):
            yield name


def _unchanged(path: Path, hashes: list[str] | None) -> bool:
    """Whether a file is one of ours, and as it was written."""
    if hashes is None or path.is_symlink() or not path.is_file():
        return False
    return not hashes or _hash(path) in hashes


def _manifest(folder: Path) -> Manifest | None:
    """Marker of a directory, None if it has none that we can have written."""
    path = folder / MARKER
    if path.is_symlink() or not path.is_file():
        return None
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.DecodeError:
        return None
    inside = all(name and not {"..", "/"} & set(PurePosixPath(name).parts) for name in found.files)
    return found if inside else None


def _is_page(path: Path) -> bool:
    if not path.is_file():
        return False
    data = path.read_bytes()
    text, seal = data[:-SEAL_BYTES], data[-SEAL_BYTES:]
    return seal == SEAL.format(hashlib.sha256(text).hexdigest()).encode()


# ------------------------------------------------------------------ writing


def _fill(out: Path, place: Path, work: Path) -> None:
    """Move everything into an empty directory, the marker last."""
    made = sorted(work.iterdir(), key=lambda path: path.name == MARKER)
    for path in made:
        if os.path.lexists(place / path.name):
            raise _strange(out, path.name, known=False)
    for path in made:
        os.rename(path, place / path.name)


def _replace(out: Path, place: Path, work: Path) -> None:
    """Put a new result in the place of an earlier one, which is only deleted when the new one is there."""
    shutil.copymode(place, work)
    aside = Path(tempfile.mkdtemp(prefix=f".{place.name}-before-", dir=place.parent))
    before = aside / place.name
    try:
        os.rename(place, before)
        try:
            _refuse_strangers(out, before, "run")  # it may have been added while the run went on
            os.rename(work, place)
        except BaseException:
            os.rename(before, place)
            raise
        found = _manifest(before)
        assert found is not None
        _delete(before, found.files)
        before.rmdir()
    finally:
        with contextlib.suppress(OSError):
            aside.rmdir()


def _delete(folder: Path, ours: dict[str, list[str]]) -> None:
    """Delete files by name, then the directories that they leave empty."""
    for name in ours:
        (folder / name).unlink(missing_ok=True)
    parents = {parent for name in ours for parent in PurePosixPath(name).parents} - {PurePosixPath(".")}
    for parent in sorted(parents, key=lambda parent: -len(parent.parts)):
        with contextlib.suppress(OSError):  # not empty: something of somebody else's is in it
            (folder / parent).rmdir()
    (folder / MARKER).unlink(missing_ok=True)


def _mark(folder: Path, kind: Kind, files: dict[str, list[str]]) -> None:
    made = Manifest("gammacore", 1, __version__, kind, files)
    text = msgspec.json.format(msgspec.json.encode(made), indent=1).decode()
    write_whole(folder / MARKER, text + "\n")


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def write_whole(path: Path, text: str) -> None:
    """Write a file that is whole whenever it is there."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _text_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
