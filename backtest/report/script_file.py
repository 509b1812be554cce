"""Plotly's script as one file that the pages of a folder share, and its address from a page.

A shared script stands beside the result directories, as a page of ``gammacore compare`` does: the reports of
all runs in a folder and the comparisons between them load the same one.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from gammacore.errors import DataError
from gammacore.result_files import write_whole

HEAD = 64  # bytes that tell a damaged copy of the script from another file


class SharedScript(NamedTuple):
    """What a page says of the script that it loads.

    Attributes
    ----------
    name : str
        The file's own.
    address : str
        From the page's folder.
    """

    name: str
    address: str

    @property
    def place(self) -> str:
        """Where it has to be, in words."""
        return "the folder above this page's" if "/" in self.address else "this page's folder"


@cache
def script_text() -> str:
    """Read plotly's script."""
    return (files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8")


def script_name() -> str:
    """Name of the shared file, with the version that the script says it is."""
    version = re.search(r"plotly\.js v(\d[\w.-]*)", script_text()[:500])
    assert version is not None
    return f"plotly-{version[1]}.min.js"


def script_of(plotly: str, folder: Path, *, above: bool = True) -> SharedScript | None:
    """Script that a page loads; None if it has its own. The file is written unless it is there, whole.

    Parameters
    ----------
    plotly : {'inline', 'shared'}
        ``report.plotly`` of a configuration.
    folder : Path
        Where the page will stand when it is done.
    above : bool
        Whether the page stands in a result directory, whose neighbours share the script.

    Raises
    ------
    DataError
        If another file has its name, or it cannot be written.
    """
    if plotly == "inline":
        return None
    home = folder.resolve()
    name = script_name()
    _write_script((home.parent if above else home) / name)
    return SharedScript(name, f"../{name}" if above else name)


def _write_script(path: Path) -> None:
    whole = script_text().encode()
    try:
        found = path.read_bytes() if path.exists() else b""
        if found == whole:
            return
        if found[:HEAD] != whole[: len(found[:HEAD])]:
            raise DataError(f"{path}: is not plotly's script; move it, or set report.plotly to inline")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, script_text())
    except OSError as error:
        raise DataError(
            f"{path}: cannot write plotly's script: {error.strerror or error}; set report.plotly to inline"
        ) from None
