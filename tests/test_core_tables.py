"""A coefficient table is what its script writes."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(not (ROOT / "tools").exists(), reason="needs the source tree")
def test_the_series_table_is_regenerated():
    script = ROOT / "tools" / "black_series.py"
    found = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout
    assert found == (ROOT / "src_pyx" / "black_tables.h").read_text()
