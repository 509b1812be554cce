"""The README says what runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)


def test_it_opens_with_the_two_commands():
    assert BLOCKS[0][1].split("\n")[:2] == [
        "pip install . && gammacore backtest",
        "pip install -e '.[test]' && pytest",
    ]


def test_python_examples_run_and_print_what_they_say():
    (code,) = [text for kind, text in BLOCKS if kind == "python"]
    names: dict = {}
    for line in code.strip().splitlines():
        statement, _, comment = line.partition("  # ")
        if statement.startswith(("from", "import")) or not statement:
            exec(statement, names)
            continue
        value = eval(statement, names)
        if comment and comment[0].isdigit():
            shown = comment.split("…")[0]
            assert repr(float(value)).startswith(shown)


@pytest.mark.parametrize("path", re.findall(r"`(config/[\w.]+|docs/[\w.]+)`", README))
def test_files_that_it_names_exist(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("path", re.findall(r"\]\(((?!http)[^)]+)\)", README))
def test_pictures_exist(path):
    assert (ROOT / path).exists()
