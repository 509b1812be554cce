"""Which files of code were confirmed: by their SHA-256, in the user's state folder.

A file that has changed has another hash, and is asked for again. ``GAMMACORE_TRUST`` lists hashes, or is
``1`` for every file that a configuration names; processes that a command starts inherit it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

__all__ = ["VARIABLE", "confirmed", "remember", "state_file"]

VARIABLE = "GAMMACORE_TRUST"
FILE = "trusted-code.json"


def state_file() -> Path:
    """Return where confirmed hashes are kept."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    else:
        base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "gammacore" / FILE


def confirmed(sha256: str) -> bool:
    """Whether a file of this hash may be run."""
    told = {part.strip() for part in os.environ.get(VARIABLE, "").split(",")}
    return "1" in told or sha256 in told or sha256 in _kept()


def _kept() -> dict[str, str]:
    """Hashes and the paths they were confirmed for; none from a file that is not ours."""
    try:
        kept = json.loads(state_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def remember(sha256: str, path: str) -> bool:
    """Confirm a file, for this process and those it starts, and if possible for later ones.

    Returns
    -------
    bool
        Whether it is kept on the disk.
    """
    told = os.environ.get(VARIABLE, "")
    os.environ[VARIABLE] = f"{told},{sha256}" if told else sha256
    target = state_file()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=target.parent, prefix=FILE, suffix=".new", delete=False, encoding="utf-8"
        ) as draft:
            json.dump(_kept() | {sha256: path}, draft, indent=1, sort_keys=True)
        Path(draft.name).replace(target)
    except OSError:
        return False
    return True
