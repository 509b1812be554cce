"""The pages of documentation and their fenced blocks."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.DOTALL | re.MULTILINE)


def blocks(path, kinds=None):
    """Language and text of every fenced block."""
    found = [(kind, text) for _, kind, text in FENCE.findall(path.read_text(encoding="utf-8"))]
    return [(kind, text) for kind, text in found if kinds is None or kind in kinds]
