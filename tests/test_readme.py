"""The README says what runs."""

import re
from pathlib import Path

import pytest

from gammacore.live.limits import REQUIRED

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LIVE = "".join(
    (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8") for page in ("live", "live-reference")
)
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)


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


def test_every_required_limit_of_a_session_is_described():
    assert [name for name in REQUIRED if f"`{name}`" not in LIVE] == []


@pytest.mark.parametrize("path", re.findall(r"`((?:tests|docs|tools)/[\w./]+|gammacore/[\w./]+\.py)`", LIVE))
def test_files_that_the_page_on_sessions_names_exist(path):
    assert (ROOT / path).exists()
