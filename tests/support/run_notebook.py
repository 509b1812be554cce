"""Run a notebook, and say in which cell it failed."""

import pytest


def execute(path, folder, **environment):
    """Outputs of every cell; a notebook that fails is shown with its traceback."""
    nbclient = pytest.importorskip(
        "nbclient", reason="notebooks need nbclient and ipykernel: the extra `test`"
    )
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        client.execute()
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def pictures(outputs):
    """Number of plots among outputs."""
    kinds = {"image/png", "application/vnd.plotly.v1+json"}
    return sum(not kinds.isdisjoint(output.get("data", {})) for output in outputs)
