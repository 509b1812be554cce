"""Draw docs/img/live.svg: the terminal view of ``gammacore live`` after some minutes on the local exchange.

python tools/live_picture.py [SECONDS]
"""

import io
import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from gammacore.cli.live import SHOW
from gammacore.config import load_config
from gammacore.live.follow import Follower
from gammacore.live.launch import launch
from gammacore.live.view import screen

PICTURE = Path(__file__).parents[1] / "docs" / "img" / "live.svg"
WIDTH = 116


def draw(seconds: float) -> None:
    """Run a session for some seconds, and draw what its journal says."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "j.db"
        nobody = Console(file=io.StringIO())
        launch(load_config(None, SHOW), "local", nobody, journal=journal, seconds=seconds)
        follower = Follower(journal)
        follower.update()
        console.print(screen(follower, "local", paper=False))
    svg = console.export_svg(title="gammacore live")
    # The reader's own fonts instead of some that are fetched.
    PICTURE.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    draw(float(sys.argv[1]) if len(sys.argv) > 1 else 180.0)
