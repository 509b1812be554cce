"""The tutorial shows the output of its own commands, word for word."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from support.pages import ROOT
from support.platforms import posix

PROGRAM = Path(sys.executable).with_name("gammacore")
BLOCKS = re.findall(r"```(sh|text)\n(.*?)```", (ROOT / "docs/tutorial.md").read_text("utf-8"), re.DOTALL)


def plain(text):
    return re.sub(r"\s+", " ", text)


@posix
def test_every_output_that_is_shown_is_the_output_of_the_commands_above_it(tmp_path):
    shown, out = 0, ""
    for number, (kind, text) in enumerate(BLOCKS):
        if kind == "text":
            for line in text.strip().splitlines():
                assert plain(line) in plain(out), line
                shown += 1
            continue
        followed = number + 1 < len(BLOCKS) and BLOCKS[number + 1][0] == "text"
        out = "".join(run(line, tmp_path) for line in text.strip().splitlines()) if followed else ""
    assert shown >= 8


def run(line, folder):
    words = shlex.split(line)
    assert words[0] == "gammacore"
    done = subprocess.run(
        [PROGRAM, *words[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "200"},
    )
    return done.stdout
