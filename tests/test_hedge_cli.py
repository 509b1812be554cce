"""The command that hedges an account: what it refuses, and a run against an exchange on this machine."""

import signal
import subprocess
import sys

import pytest

from gammacore.config import Config
from gammacore.contracts import Option
from gammacore.live import launch as launching
from gammacore.live.attempts import Placed
from gammacore.live.journal import read
from gammacore.live.parity import check
from gammacore.live.positions import TakenOver
from gammacore.live.records import decode_fact
from gammacore.live.sample_book import EXPIRIES
from support.live_processes import KEY, program, started, wait_for
from support.platforms import linux

COMMAND = [sys.executable, "-c", "from gammacore.cli.main import main; main()", "hedge"]


@pytest.fixture
def run(monkeypatch, capsys):
    return program(monkeypatch, capsys)


def words(result):
    return " ".join(result.output.split())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "error: gammacore hedge: no options selected; type --all, or --expiry 27MAR26"),
        (("--all", "--expiry", "27MAR26"), "error: --all: already selects every option; drop it"),
        (("--expiry", "27MRZ26"), "error: live.adopt_expiries: expected days such as 27MAR26, got '27MRZ26'"),
        (("--all", "--url", "ws://127.0.0.1:9/", "--venue", "testnet"), "error: --url: testnet has its own"),
        (("--all", "--set", "hedge.rule=ladder"), "error: hedge.rule: 'ladder' hedges long options only"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(run, tmp_path, options, told):
    result = run("hedge", *options, "--journal", str(tmp_path / "j.db"))
    assert result.exit_code == 2
    assert words(result).startswith(told)
    assert not (tmp_path / "j.db").exists()


def test_the_options_become_the_configuration(run, monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr(
        launching, "launch", lambda config, venue, console, **rest: given.append((config, rest)) or 0
    )
    config = tmp_path / "own.yaml"
    config.write_text("entry: {structure: strangle}\nsignal: {min_edge: 0.1}\nhedge: {band: 0.3}\n")
    result = run(
        "hedge", str(config), "--expiry", "27MAR26", "--expiry", "24APR26", "--instrument", "*-C",
        "--label", "a*", "--futures", "--basis", "average", "--shadow", "--set", "hedge.orphan=keep",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    ((found, rest),) = given
    live = found.live
    assert isinstance(found, Config)
    assert (found.entry.structure, found.signal.active, found.hedge.band) == ("none", False, 0.3)
    assert (live.adopt, live.adopt_expiries) == ("all", ["27MAR26", "24APR26"])
    assert (live.adopt_instruments, live.adopt_labels) == (["*-C"], ["a*"])
    assert (live.adopt_futures, live.adopt_basis, found.hedge.orphan) == (True, "average", "keep")
    assert (rest["shadow"], rest["dry_run"], rest["url"]) == (True, False, "")


@linux
def test_the_command_hedges_a_book_of_the_local_exchange(tmp_path):
    journal = tmp_path / "j.db"
    words = ["--all", "--journal", str(journal), "--set", "hedge.band=0.005", "--speed", "20"]
    process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, text=True)
    taken = lambda: _facts(journal, TakenOver)  # noqa: E731
    try:
        wait_for(lambda: len(taken()) == 10 and len(_facts(journal, Placed)) > 0, process)
    finally:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert f"opened 10 options in {EXPIRIES} expiries in the local account" in " ".join(out.split())
    assert out.count("(adopted)") == 10
    assert len({fact.instrument.split("-")[1] for fact in taken()}) == EXPIRIES
    assert not [p for p in _facts(journal, Placed) if isinstance(p.instrument, Option)]
    assert check(journal).departure is None


@linux
def test_one_command_hedges_a_book_of_each_currency(tmp_path):
    journals = {currency: tmp_path / "books" / f"{currency}.db" for currency in ("BTC", "ETH", "SOL_USDC")}
    words = ["--all", "--currency", ",".join(journals), "--speed", "5", "--journal", "books"]
    process = subprocess.Popen(
        [*COMMAND, *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    hedged = lambda journal: len(_facts(journal, TakenOver)) == 10 and len(_facts(journal, Placed)) > 0  # noqa: E731
    try:
        wait_for(lambda: process.poll() is not None or all(map(hedged, journals.values())))
    finally:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    for currency, journal in journals.items():
        taken = _facts(journal, TakenOver)
        assert len(taken) == 10
        assert {fact.instrument.split("-")[0] for fact in taken} == {currency}
        assert not [p for p in _facts(journal, Placed) if isinstance(p.instrument, Option)]
        assert check(journal).departure is None


@linux
def test_what_the_account_does_not_hold_is_refused_and_nothing_is_sent(tmp_path, run, monkeypatch):
    for name, value in KEY.items():
        monkeypatch.setenv(name, value)
    with started() as url:
        for option, told in (
            (
                ("--expiry", "5AUG23"),
                "--expiry 5AUG23: no options of that day are listed; the nearest that are",
            ),
            (("--instrument", "BTC-5AUG23-1-C"), "--instrument BTC-5AUG23-1-C: the account does not hold it"),
        ):
            journal = tmp_path / f"{option[0]}.db"
            result = run("hedge", *option, "--url", url, "--journal", str(journal))
            assert result.exit_code == 2
            assert told in words(result)
            assert _facts(journal, Placed) == []


def _facts(journal, kind):
    if not journal.exists():
        return []
    return [decode_fact(r.body, kind) for r in read(journal) if r.name == kind.__name__]
