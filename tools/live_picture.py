"""Draw docs/img/live.svg or hedge.svg: the view of a session after minutes on the local exchange.

python tools/live_picture.py live|hedge [SECONDS]
"""

import io
import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from gammacore.cli import hedge, live
from gammacore.config import load_config
from gammacore.live.follow import Follower
from gammacore.live.launch import launch
from gammacore.live.view import screen

PICTURES = Path(__file__).parents[1] / "docs" / "img"
SHOWN = {"live": live.SHOW, "hedge": {**hedge.SHOW, **hedge.HEDGES}}
WIDTH = 116


def draw(command: str, seconds: float) -> None:
    """Run a session for some seconds, and draw what its journal says."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "j.db"
        nobody = Console(file=io.StringIO())
        launch(load_config(None, SHOWN[command]), "local", nobody, journal=journal, seconds=seconds)
        follower = Follower(journal)
        follower.update()
        console.print(screen(follower, "local", paper=False))
    svg = console.export_svg(title=f"gammacore {command}")
    # The reader's own fonts instead of some that are fetched.
    text = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    (PICTURES / f"{command}.svg").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    draw(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 180.0)
