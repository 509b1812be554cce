"""What a newcomer gets wrong: one line that says what, where, and what to do; never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.commands import run
from support.platforms import posix, unprivileged

PROGRAM = str(Path(sys.executable).with_name("gammacore"))
SHORT = ["--set", "market.days=12"]


def limited(*words, folder, limit):
    """Exit code and stderr of the installed command, which may write no file beyond a size."""
    import resource

    done = subprocess.run(
        [PROGRAM, *words],
        cwd=folder,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert "Traceback" not in done.stderr + done.stdout
    return done.returncode, " ".join(done.stderr.split())


CHAIN = (
    "timestamp,instrument_name,underlying,bid_price,ask_price,mark_price,implied_volatility\n"
    "2026-01-01T00:00:00Z,BTC-9JAN26-60000-C,60000,0.03,0.031,0.0305,0.6\n"
)
NOWHERE = ["data", "download", "--url", "http://127.0.0.1:9/api/v2", "--start", "2026-01-01"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["backtest", "confg.yaml"], "confg.yaml: No such file or directory; did you mean config.yaml?"),
        (["backtest", "typo.yaml"], "hedge.bnad: unknown parameter; did you mean hedge.band?"),
        (["backtest", "type.yaml"], "hedge.band: expected a number"),
        (["backtest", "broken.yaml"], "broken.yaml"),
        (["backtest", "--set", "hedge.rule=bands"], "did you mean band?"),
        (["backtest", "--set", "hedge.band"], "--set 'hedge.band': expected NAME=VALUE"),
        (["backtest", "--chains", "nothing.csv", "--currency", "BTC"], "nothing.csv"),
        (["backtest", "--chains", "column.csv", "--prices", "p.csv"], "column.csv"),
        (["breakeven", "--forecast", "much"], "--forecast: expected a positive number"),
        (["sweep", "--vary", "hedge.band=0.1", "--backend", "spark"], "spark"),
        (["sweep"], "vary"),
        (
            ["sweep", "--vary", "hedge.band=0.1", "--vary", "hedge.band=0.2"],
            "--vary hedge.band: given twice, 0.1 and 0.2",
        ),
        (["backtest", "--set", "band=0.1"], "band: unknown parameter; did you mean hedge.band?"),
        (["backtest", "--start", "2026-02-01", "--end", "2026-01-01"], "expected a time before data.end"),
        (["simulate", "--set", "simulate.model=heson"], "did you mean heston?"),
        (["chains", "check", "nothing"], "nothing"),
        (["live", "--venue", "testnet"], "GAMMACORE_CLIENT_ID_TESTNET"),
        (["parity", "nothing.db"], "nothing.db: no such file"),
        (["parity", "config.yaml"], "config.yaml"),
        (["kill", "nothing.db"], "nothing.db"),
        (["watch", "nothing.db", "--seconds", "0.2"], "nothing.db"),
        (["simulate", "--prices", "p.csv"], "--prices: simulate.model = gbm reads none; expected garch or"),
        (
            ["simulate", "--prices", "p.csv", "--set", "simulate.model=bootstrap"],
            "simulate.block_days: expected at most the 0.0417 days of the prices, got 1",
        ),
        ([*NOWHERE, "--end", "2025-12-01"], "in order, got 2026-01-01T00:00:00Z and 2025-12-01T00:00:00Z"),
        (["exchange", "--start", "soon"], "--start"),
        (["data", "import", "nothing.csv"], "nothing.csv"),
        (["data", "check", "--store", "nothing"], "nothing"),
        (["init", "."], "not empty; name another directory, or use --force"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_told_in_one_line(words, told, tmp_path, monkeypatch, capsys):
    (tmp_path / "config.yaml").write_text("currency: BTC\n")
    (tmp_path / "typo.yaml").write_text("hedge: {bnad: 0.1}\n")
    (tmp_path / "type.yaml").write_text("hedge: {band: wide}\n")
    (tmp_path / "broken.yaml").write_text("hedge: {band: [\n")
    (tmp_path / "column.csv").write_text(CHAIN.replace("mark_price", "mark_prise"))
    (tmp_path / "p.csv").write_text(
        "open_time,close\n2026-01-01T00:00:00Z,60000\n2026-01-01T01:00:00Z,60000\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("GAMMACORE_CLIENT_ID_TESTNET", "")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    code, _, err = run(monkeypatch, capsys, *words)
    assert code in (1, 2), err
    assert told in err
    assert err.startswith("error:")
    assert not (tmp_path / "results").exists() or not list((tmp_path / "results").iterdir())


@pytest.mark.parametrize(
    "words", [["exchange", "--port"], ["watch", "p.db", "--metrics-port"], ["dashboard", "--port"]]
)
def test_a_port_that_is_none_is_no_traceback(words, monkeypatch, capsys):
    code, _, err = run(monkeypatch, capsys, *words, "65536")
    assert code == 2
    assert "65535" in err


def test_a_folder_that_is_a_file(tmp_path, monkeypatch, capsys):
    (tmp_path / "taken").write_text("")
    code, _, err = run(monkeypatch, capsys, "backtest", *SHORT, "--out", str(tmp_path / "taken/run"))
    assert code == 2
    assert "taken" in err


@unprivileged
def test_a_folder_that_may_not_be_written(tmp_path, monkeypatch, capsys):
    (tmp_path / "locked").mkdir(mode=0o500)
    code, _, err = run(monkeypatch, capsys, "backtest", *SHORT, "--out", str(tmp_path / "locked/run"))
    assert code == 2
    assert "ermission denied" in err


@posix
@pytest.mark.parametrize(
    "words", [["backtest", *SHORT], ["simulate", "--paths", "500", "--set", "simulate.frontier=false"]]
)
def test_a_disk_that_is_full_leaves_nothing_half_written(words, tmp_path):
    """The system refuses every file beyond 20 kB, as a full disk would."""
    code, err = limited(*words, "--out", "run", folder=tmp_path, limit=20_000)
    assert code == 2
    assert err.startswith("error:")
    assert "too large" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["backtest", *SHORT], {"directory", "total", "attribution"}),
        (["simulate", "--paths", "500", "--set", "simulate.frontier=false"], {"directory", "mean", "sd"}),
        (["sweep", "--vary", "hedge.band=0.1,0.2", "--workers", "1", *SHORT], {"directory", "n_cells"}),
        (["breakeven", "--forecast", "0.6", *SHORT], {"positions", "simulated"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_json_is_one_document(words, keys, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(monkeypatch, capsys, *words, "--json")
    assert code == 0
    found = json.loads(out, parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    assert keys <= set(found)
