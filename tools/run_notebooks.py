"""Run the notebooks and keep their outputs in the files, so that they read as documents.

    GAMMACORE_SHARED=DIR python tools/run_notebooks.py [NAME ...]

Without recorded data they show a simulated market.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbclient
import nbformat

FOLDER = Path(__file__).parents[1] / "notebooks"


def main(names: list[str]) -> None:
    """Run and write."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        if names and path.stem not in names:
            continue
        notebook = nbformat.read(path, as_version=4)
        resources = {"metadata": {"path": str(FOLDER)}}
        nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
        notebook.metadata = {
            "kernelspec": notebook.metadata["kernelspec"],
            "language_info": {"name": "python"},
        }
        for cell in notebook.cells:
            cell.metadata = {}
            for output in cell.get("outputs", []):
                if "image/png" in output.get("data", {}):
                    output["data"].pop("text/plain", None)
        nbformat.write(notebook, path)
        sys.stdout.write(f"{path.name}: {path.stat().st_size / 1024:.0f} kB\n")


if __name__ == "__main__":
    main(sys.argv[1:])
