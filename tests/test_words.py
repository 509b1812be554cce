"""Plain words in README, documentation and help: phrases that readers stumbled over do not come back."""

import re

import pytest
import typer.main

from gammacore.cli.main import app
from support.pages import ROOT

MOST_WORDS = 900
# What not to write, and what to write instead.
BETTER = {
    "goes on where": "run the command again to resume",
    "made-up": "simulated",
    "stays thrown": "blocks trading until reset",
    "never stand in": "never store",
    "by a fresh desk": "replay check passed: same decisions",
    "against what came": "implied paid against realised",
    "held against what": "how each claim is tested",
    "which rule, which band": "choosing a hedge rule",
    "does it pay": "break-even volatility",
    "who counts in coin": "if you measure P&L in coin",
    "ledger of what was missed": "log of gaps",
    "kept from sleeping": "kept awake",
    "of unknown fate": "whose status is unknown",
    "the exchange's news": "exchange messages",
    "luck alone, best": "best Sharpe ratio expected from luck alone",
    "so that a look ahead": "look-ahead bias",
    "what it came to": "the result",
    "what it does not do": "limitations",
    "of everything random": "random seed",
    "nothing that was not": "only what was",
    "of before ask for": "older journals cannot be resumed",
}
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])


def help_texts(command, name=""):
    """Help of every command and option, by its name."""
    yield name, command.help or ""
    for option in command.params:
        yield f"{name} {option.name}", getattr(option, "help", None) or ""
    for inner, found in getattr(command, "commands", {}).items():
        yield from help_texts(found, f"{name} {inner}".strip())


def stumbles(text):
    plain = re.sub(r"\s+", " ", text).lower()
    return {phrase: better for phrase, better in BETTER.items() if phrase in plain}


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= MOST_WORDS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_say_it_in_plain_words(page):
    assert stumbles(page.read_text(encoding="utf-8")) == {}


def test_help_says_it_in_plain_words():
    found = {name: stumbles(text) for name, text in help_texts(typer.main.get_command(app))}
    assert len(found) > 100
    assert {name: words for name, words in found.items() if words} == {}


def test_the_list_finds_what_it_names():
    assert stumbles("The same command goes on\nwhere it was stopped.") == {
        "goes on where": "run the command again to resume"
    }
