"""Every command that the documentation shows and that needs nobody else's data runs, as a newcomer runs it.

Tutorial, README, the README that ``gammacore init`` writes and the examples of ``--help``, in that order, in
one fresh directory. Options appended to a command make its market short; journals and results are those that
earlier commands left. A path that a command prints exists.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from gammacore.cli.commands import COMMANDS
from gammacore.cli.data import data_app
from gammacore.cli.init import README
from gammacore.cli.main import app
from support.pages import ROOT, blocks
from support.platforms import posix

PROGRAM = Path(sys.executable).with_name("gammacore")
# Files of the reader's, the exchange's network, a cluster, an account.
ELSEWHERE = re.compile(
    r"\b(?:DIR|FILES?|CONFIG)\b|HOST|--venue|--direct|data (?:download|record|import|build-chains|check)"
    r"|chains check|--store(?: data)?(?: |$)|--backend dask|deribit_options_chain|data/processed"
)
ENDLESS = ("dashboard", "exchange")  # until Ctrl-C
SHORTER = {
    "backtest": "--set market.days=14",
    "breakeven": "--set market.days=14",
    "check": "--set market.days=12 --trials 1",
    "simulate": "--paths 1000 --set simulate.frontier_paths=100",
    "sweep": "--set market.days=14 --backend serial",
}
NO = {"doctor": 1, "kill": 1}  # a newcomer has no key, and the session of the journal has ended
PRINTED = re.compile(
    r"(?:[\w.=,+-]*/)+[\w.=,+-]*[\w+-]|[\w.=,+-]+\.(?:html|ya?ml|json|csv|db|ipynb|kill|log)\b"
)


def commands():
    """Commands by page, in the order of the page."""
    for name in ("docs/tutorial.md", "README.md"):
        for _, text in blocks(ROOT / name, {"", "sh"}):
            yield from ((name, line) for line in text.replace("\\\n", " ").splitlines())
    yield from (("README of init", line.strip()) for line in README.splitlines())
    for command in COMMANDS:
        yield from (("--help", line) for line in command.examples)
    for command in typer.main.get_command(data_app).commands.values():
        yield from (("--help", line) for line in command.epilog.split("\n\n"))


def runnable():
    seen = set()
    for page, line in commands():
        for part in line.split("&&"):
            words = shlex.split(part, comments=True)
            text = shlex.join(words)
            if words[:1] != ["gammacore"] or ELSEWHERE.search(text) or text in seen:
                continue
            seen.add(text)
            yield page, words[1:]


def test_what_is_run_is_not_little():
    found = [" ".join(words) for _, words in runnable()]
    assert len(found) >= 30
    assert {words.split()[0] for words in found} >= {
        *SHORTER,
        *ENDLESS,
        *("init", "compare", "doctor", "hedge", "kill", "live", "parity", "watch", "--version"),
    }


def shortened(words, folder):
    """Words that take little time; ``JOURNAL`` is what a session before has left."""
    journals = sorted((folder / "results").glob("live-*.db"))
    words = [str(journals[0]) if word.endswith(("JOURNAL", "JOURNAL.db")) else word for word in words]
    more = shlex.split(SHORTER.get(words[0], ""))
    if words[0] in ("live", "hedge", "watch"):  # a busy machine needs some of it to start
        more = ["--seconds", "0.5" if words[0] == "watch" else "4"]
    return [*words, *more]


def printed_paths(text):
    """Paths in a command's output: words with a slash between, or the ending of a file of ours."""
    lines = [
        line
        for line in text.splitlines()
        if not (re.search("[│┃]", line) or re.match(r" *\d+[A-Z]{3}\d\d ", line))
    ]
    return set(PRINTED.findall(re.sub(r"\w+://\S+", "", "\n".join(lines))))


def told_and_ended(words, folder):
    """Output of a command that goes on until Ctrl-C, which comes as soon as it has said something."""
    environment = os.environ | {"COLUMNS": "300", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [PROGRAM, *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    ) as process:
        first = process.stdout.readline()
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out = first + process.communicate(timeout=60)[0]
    assert process.returncode in (0, 130), out
    return out


@posix
def test_every_documented_command_runs_and_prints_only_paths_that_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    for name in ("GAMMACORE_CLIENT_ID_TESTNET", "GAMMACORE_CLIENT_SECRET_TESTNET", "GAMMACORE_ALERTS"):
        monkeypatch.delenv(name, raising=False)
    shutil.copytree(ROOT / "config", "config")  # a newcomer's checkout has it
    shutil.copy(ROOT / "config" / "params.yaml", "config.yaml")
    for page, words in runnable():
        words = shortened(words, tmp_path)
        if words[0] in ENDLESS:
            out = told_and_ended(words, tmp_path)
        else:
            done = CliRunner().invoke(app, words)
            out = done.output
            assert done.exit_code == NO.get(words[0], 0), f"{page}: {words}\n{out}\n{done.exception!r}"
        if words[:1] == ["init"]:
            continue  # names files below the project: tests/test_init.py
        missing = [path for path in printed_paths(out) if not (tmp_path / path).exists()]
        assert not missing, f"{page}: {words}\n{out}"
    assert (tmp_path / "results" / "first" / "report.html").exists()


FAST = ["--set", "market.days=12", "--set", "market.snapshot_hours=8"]


@pytest.mark.parametrize("html", ["true", "false"])
@pytest.mark.parametrize(
    "words",
    [
        ["backtest", *FAST],
        ["backtest", *FAST, "--set", "vary={hedge.band: [0.1, 0.2]}"],
        ["simulate", "--paths", "1000", "--set", "simulate.frontier=false"],
        ["sweep", *FAST, "--vary", "hedge.band=0.1,0.2", "--backend", "serial"],
    ],
    ids=["backtest", "vary", "simulate", "sweep"],
)
def test_a_page_is_named_only_if_there_is_one(words, html, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    words = [*words, "--set", f"report.html={html}", "--out", "results/run"]
    out = CliRunner().invoke(app, words).output
    assert "results/run" in printed_paths(out)
    assert all(Path(path).exists() for path in printed_paths(out)), out
    assert ("open results/run/report.html" in out) == Path("results/run/report.html").exists()
    if "vary" not in str(words):
        assert Path("results/run/report.html").exists() == (html == "true")
    found = CliRunner().invoke(app, [*words, "--json"])
    assert Path(json.loads(found.stdout)["directory"]).is_dir()


def test_the_notebook_of_a_project_has_its_libraries_where_its_readme_says():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {re.split(r"[><=; ]", text)[0] for text in extras["notebooks"]}
    assert {"matplotlib", "ipykernel"} <= names
    assert "pip install 'gammacore[notebooks]'" in README
    notebook = json.loads((ROOT / "examples" / "first_look.ipynb").read_text())
    assert "pip install 'gammacore[notebooks]'" in "".join(notebook["cells"][0]["source"])
