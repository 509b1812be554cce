"""The documentation says what runs: code blocks, commands, links."""

import os
import re
import shlex
import subprocess
import sys

import pytest
import typer.main

from gammacore.cli.main import app
from support.pages import ROOT, blocks

PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
UNIT = ROOT / "examples" / "gammacore.service"


def name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize(
    "page", [p for p in PAGES if blocks(p, {"python"}) and p.name != "README.md"], ids=name
)
def test_python_blocks_run_one_after_the_other(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    for _, text in blocks(page, {"python"}):
        exec(compile(text, name(page), "exec"), names)


def commands():
    for page in PAGES:
        for _, text in blocks(page, {"", "sh"}):
            for line in text.replace("\\\n", " ").splitlines():
                for part in re.split(r"&&|\|", line):
                    if part.strip().startswith("gammacore "):
                        yield page, part.strip()
    for line in re.findall(r"^Exec\w+=\S+/(gammacore .*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE):
        yield UNIT, line


@pytest.mark.parametrize(
    ("page", "line"), sorted(set(commands())), ids=lambda v: v if isinstance(v, str) else ""
)
def test_every_command_that_is_shown_exists_with_its_options(page, line):
    words = shlex.split(line, comments=True)[1:]
    command = typer.main.get_command(app)
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        assert words[0] in command.commands, f"{name(page)}: {line}"
        command = command.commands[words.pop(0)]
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    known |= {"--help", "--install-completion"}
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in known, f"{name(page)}: {line}"


def test_it_builds_strictly_and_links_hold(tmp_path):
    pytest.importorskip(
        "mkdocs", reason="the site is built with mkdocs-material and mkdocstrings: the extra `docs`"
    )
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert built.returncode == 0, built.stderr
    pages = list((tmp_path / "site").rglob("index.html"))
    assert len(pages) >= len(list((ROOT / "docs").rglob("*.md"))) - 1
    outside = re.compile(r'<(?:link|script|img)[^>]+(?:href|src)="(https?:[^"]+)"')
    loaded = {found for page in pages for found in outside.findall(page.read_text(encoding="utf-8"))}
    assert not {address for address in loaded if "gammacore" not in address}, "assets from elsewhere"


def test_every_command_has_help_with_examples():
    def walk(command, path):
        for word, child in getattr(command, "commands", {}).items():
            yield from walk(child, [*path, word])
        if not hasattr(command, "commands"):
            yield path, command

    for path, command in walk(typer.main.get_command(app), []):
        assert command.help, path
        assert "Examples:" in (command.epilog or ""), path
        shown = [line for line in command.epilog.split("\n\n") if line.startswith("gammacore ")]
        assert all(line.split()[1 : 1 + len(path)] == path for line in shown), (path, shown)


def test_every_command_that_ends_speaks_json():
    """Sessions, exchanges and watches go on until stopped: their journal and log are for machines."""
    endless = {"live", "hedge", "watch", "exchange"}
    for word, command in typer.main.get_command(app).commands.items():
        for child in getattr(command, "commands", {word: command}).values():
            options = {option for parameter in child.params for option in parameter.opts}
            assert "--json" in options or child.name in endless, child.name
