"""Hook of mkdocs: the package as it installs, for the reference to be read from.

backtest/ and live/ stand at the top level of the tree and install inside gammacore (setup.py), so links put
them where their names say.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TREE = ROOT / "build" / "tree" / "gammacore"
MAPPED = ("backtest", "live")


def on_startup(**_: Any) -> None:
    """Make the links anew."""
    TREE.mkdir(parents=True, exist_ok=True)
    for old in TREE.iterdir():
        old.unlink()
    for source in [*(ROOT / "gammacore").iterdir(), *(ROOT / name for name in MAPPED)]:
        if source.name != "__pycache__":
            (TREE / source.name).symlink_to(source)
