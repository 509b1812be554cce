"""The notebooks run from top to bottom on built-in data, with their plots."""

from pathlib import Path

import pytest

from support.run_notebook import execute, pictures

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def test_they_are_there():
    assert {path.stem for path in NOTEBOOKS} == {"exploratory", "sanity_checks", "theory", "variance_premium"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path, tmp_path):
    nowhere = str(tmp_path / "nothing")  # so that it takes the simulated market wherever this runs
    outputs = execute(path, tmp_path, GAMMACORE_SHARED=nowhere)
    assert (
        pictures(outputs)
        >= {"exploratory": 4, "sanity_checks": 1, "theory": 3, "variance_premium": 2}[path.stem]
    )
    texts = [output.get("text", "") for output in outputs]
    assert not any("Traceback" in text or "Warning" in text for text in texts)
