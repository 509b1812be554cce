"""Where the optional recorded market data is; tests that need it skip when it is not there."""

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("GAMMACORE_SHARED", Path(__file__).parents[3] / "shared"))


def recorded(relative: str) -> Path:
    """A recorded file or folder, or a skip that says what is missing."""
    path = ROOT / relative
    if not path.exists():
        pytest.skip(f"no recorded data at {path}; set GAMMACORE_SHARED to the folder that holds {relative}")
    return path
