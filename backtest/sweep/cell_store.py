"""Finished cells of a sweep on disk: one line each, there to stay once written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec

from gammacore.errors import DataError
from gammacore.result_files import GrowingDirectory

PLAN, CELLS = "sweep.json", "cells.jsonl"


class CellStore:
    """Results of a sweep by the keys of its cells.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    plan : dict
        What the sweep is; a folder that holds another one is refused.
    fresh : bool
        Throw away what an earlier sweep left.

    Attributes
    ----------
    directory : GrowingDirectory
        For further files.
    results : dict of key to result

    Raises
    ------
    DataError
        If the folder holds something else, or cannot be written.
    """

    def __init__(self, folder: Path, plan: dict[str, Any], fresh: bool = False) -> None:
        self.folder = folder
        self.results: dict[str, Any] = {}
        self.directory = GrowingDirectory(folder, "sweep")
        try:
            self._claim(plan, fresh)
            path = self.directory.growing(CELLS)
            self._read(path)
            self._file = path.open("ab")
        except OSError as error:
            raise DataError(f"{folder}: cannot write results: {error.strerror or error}") from None

    def _claim(self, plan: dict[str, Any], fresh: bool) -> None:
        folder, path = self.folder, self.directory.folder / PLAN
        if fresh:
            self.directory.clear()
        if path.exists():
            earlier = json.loads(path.read_text(encoding="utf-8"))
            changed = [name for name in plan if earlier.get(name) != plan[name]]
            if changed:
                raise DataError(
                    f"{folder}: holds a sweep that differs in {', '.join(changed)}; "
                    "choose another with --out, or start again with --fresh"
                )
        self.directory.write(PLAN, json.dumps(plan, indent=2) + "\n")

    def _read(self, path: Path) -> None:
        """Read what is there; a line that a kill cut short is cut off."""
        if not path.exists():
            return
        whole = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    break
                try:
                    row = msgspec.json.decode(line)
                    self.results[row["key"]] = row["result"]
                except (ValueError, KeyError, TypeError):
                    raise DataError(f"{path}, line {number}: damaged; start again with --fresh") from None
                whole += len(line)
        os.truncate(path, whole)

    def add(self, results: dict[str, Any]) -> None:
        """Keep results by their keys; they are on the disk when this returns."""
        for key, result in results.items():
            line = msgspec.json.encode({"key": key, "result": result})
            self._file.write(line + b"\n")
            # As it would be read back, so that a sweep in one go and one in two have the same figures.
            self.results[key] = msgspec.json.decode(line)["result"]
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()
