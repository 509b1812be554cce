"""The documentation says what runs: code blocks, commands, links."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from gammacore.cli.main import app
from support.pages import ROOT, blocks

PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
# git asks who commits; what the theme says of its successor is no warning of ours.
WHO = ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL")
KNOWN = {f"GIT_{one}": "docs@example.com" for one in WHO} | {"NO_MKDOCS_2_WARNING": "1"}
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


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The branch that the site is published from, with one release on it, as the workflow makes it."""
    pytest.importorskip("mike", reason="the site is built with the extra `docs`")
    project, site = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "mkdocs.yml", project)
    for folder in ("docs", "tools", "gammacore", "backtest", "live"):
        shutil.copytree(ROOT / folder, project / folder, ignore=shutil.ignore_patterns("__pycache__", "*.so"))

    def run(*words):
        done = subprocess.run(
            words,
            cwd=project,
            env=os.environ | KNOWN | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stderr
        assert "WARNING" not in done.stderr, done.stderr

    run("git", "init", "-q")
    run("git", "commit", "-q", "--allow-empty", "-m", "project")
    run("mike", "deploy", "--update-aliases", "0.2", "latest")
    run("mike", "set-default", "latest")
    run("git", "--work-tree", site, "checkout", "-q", "gh-pages", "--", ".")
    return site


def test_it_builds_strictly_and_links_hold(site):
    pages = list((site / "0.2").rglob("index.html"))
    assert len(pages) >= len(list((ROOT / "docs").rglob("*.md"))) - 1
    assert "breakeven" in (site / "0.2/search/search_index.json").read_text(encoding="utf-8")
    outside = re.compile(r'<(?:link|script|img)[^>]+(?:href|src)="(https?:[^"]+)"')
    loaded = {found for page in pages for found in outside.findall(page.read_text(encoding="utf-8"))}
    assert not {address for address in loaded if "gammacore" not in address}, "assets from elsewhere"


def test_a_reader_chooses_the_version(site):
    assert json.loads((site / "versions.json").read_text()) == [
        {"version": "0.2", "title": "0.2", "aliases": ["latest"]}
    ]
    start = (site / "index.html").read_text(encoding="utf-8")
    assert 'url=latest/"' in start
    page = (site / "0.2/index.html").read_text(encoding="utf-8")
    settings = re.search(r'id="__config" type="application/json">(.*?)</script>', page)[1]
    assert json.loads(settings)["version"] == {"provider": "mike", "default": "latest"}


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


def test_the_list_of_commands_says_what_each_command_says_of_itself():
    program = typer.main.get_command(app)
    for word, command in program.commands.items():
        told = program.get_command(None, word)
        assert told.help == command.help.partition("\n")[0], word
        assert told.rich_help_panel == command.rich_help_panel, word


def test_every_command_that_ends_speaks_json():
    """Sessions, exchanges and watches go on until stopped: their journal and log are for machines."""
    endless = {"live", "hedge", "watch", "exchange"}
    for word, command in typer.main.get_command(app).commands.items():
        for child in getattr(command, "commands", {word: command}).values():
            options = {option for parameter in child.params for option in parameter.opts}
            assert "--json" in options or child.name in endless, child.name
