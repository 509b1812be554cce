import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from gammacore.cli import main as cli
from gammacore.cli.common import INTERRUPTED
from gammacore.cli.sweep import SOME_FAILED
from gammacore.result_files import MARKER
from support.commands import run
from support.platforms import posix

FAST = ["--set", "market.days=14", "--set", "market.snapshot_hours=8", "--set", "report.html=false"]


def test_backtest_without_data_says_that_it_is_simulated(monkeypatch, capsys, tmp_path):
    code, out, _ = run(monkeypatch, capsys, "backtest", *FAST, "--out", str(tmp_path / "run"))
    assert code == 0
    assert "Simulated market" in out
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert f"{summary['total']['usd']:+,.2f}" in out
    assert str(tmp_path / "run") in out


def test_default_directory_is_named_after_the_run(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, capsys, "backtest", *FAST)[0] == 0
    (folder,) = (tmp_path / "results").iterdir()
    assert re.fullmatch(r"simulated-BTC-\d{8}-\d{6}", folder.name)
    shutil.rmtree(tmp_path / "results")
    hourly_prices("prices.csv")
    assert run(monkeypatch, capsys, "backtest", "--prices", "prices.csv", *FLAT)[0] == 0
    (folder,) = (tmp_path / "results").iterdir()
    assert folder.name.startswith("backtest-BTC-")


def test_variants_get_a_directory_each_and_a_comparison(monkeypatch, capsys, tmp_path):
    vary = ["--set", "vary={hedge.band: [0.05, 0.2]}"]
    code, out, _ = run(monkeypatch, capsys, "backtest", *FAST, *vary, "--out", str(tmp_path / "run"))
    assert code == 0
    assert "Variants" in out
    names = {path.name for path in (tmp_path / "run").iterdir()} - {MARKER}
    assert names == {"hedge.band=0.05", "hedge.band=0.2", "comparison.csv", "summary.json"}
    assert len(json.loads((tmp_path / "run" / "summary.json").read_text())) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["backtest", "nowhere.yaml"], "error: nowhere.yaml: No such file or directory"),
        (
            ["backtest", "--set", "hedge.bnd=1"],
            "error: hedge.bnd: unknown parameter; did you mean hedge.band?",
        ),
        (["backtest", "--set", "hedge.band"], "error: --set 'hedge.band': expected NAME=VALUE"),
        (["backtest", "--set", "hedge.band=[1"], "error: --set hedge.band: not valid YAML"),
        (["backtest", "--chains", "nowhere"], "error: "),
        (["chains", "check", "nowhere"], "error: "),
        (["backtest", "--start", "soon", "--chains", "x"], "error: data.start:"),
        (["backtest", "--end", "2025-02-01"], "error: data.end: of recorded data, but none is named"),
        (["backtest", "--funding", "nope.csv"], "error: data.funding: of recorded data, but none is named"),
        (["check", "--start", "2025-02-01"], "error: data.start: of recorded data, but none is named"),
        (
            ["sweep", "--vary", "hedge.band=1,2", "--end", "2025-02-01"],
            "data.end: of recorded data, but none",
        ),
    ],
)
def test_mistakes_end_in_one_line(monkeypatch, capsys, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(monkeypatch, capsys, *arguments)
    assert code == cli.BAD_INPUT
    assert message in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) in ([], [tmp_path / "results"])


def test_interruption_is_said_and_leaves_nothing(monkeypatch, capsys, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("gammacore.backtest.figures.results.replay", interrupted)
    code, _, err = run(monkeypatch, capsys, "backtest", *FAST, "--out", str(tmp_path / "run"))
    assert code == INTERRUPTED
    assert "nothing was written" in err
    assert list(tmp_path.iterdir()) == []


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interruption_of_a_real_process_leaves_nothing(name, tmp_path):
    command = "from gammacore.cli.main import main; main()"
    arguments = ["backtest", "--set", "market.days=3000", "--out", str(tmp_path / "run")]
    process = subprocess.Popen(
        [sys.executable, "-c", command, *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    for _ in range(300):  # the working directory appears when the run begins
        if any(tmp_path.iterdir()):
            break
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(getattr(signal, name))
    _, err = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert "nothing was written" in err
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_without_width_shows_all(tmp_path):
    """Shells without a terminal and some containers say that it has 0 columns."""
    words = [sys.executable, "-c", "from gammacore.cli.main import main; main()", "backtest", *FAST]
    told = [
        subprocess.run(
            [*words, "--out", "run"],
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if name != "COLUMNS"} | columns,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for columns in ({"COLUMNS": "0"}, {})
    ]
    assert told[0] == told[1] != ""


def test_version_and_help(monkeypatch, capsys):
    from gammacore import __version__

    assert __version__ in run(monkeypatch, capsys, "--version")[1]
    code, out, _ = run(monkeypatch, capsys, "--help")
    assert code == 0
    assert "backtest" in out
    assert "chains" in out


def test_unexplained_marks_are_pointed_out(monkeypatch, capsys, tmp_path):
    alarm = ["--set", "report.unexplained_alarm=1.0e-12", "--set", "report.html=true"]
    code, out, _ = run(monkeypatch, capsys, "backtest", *FAST, *alarm, "--out", str(tmp_path / "run"))
    assert code == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["unexplained_alarm"]["episodes"]
    assert "Unexplained:" in out
    assert "Marks moved beyond the model" in (tmp_path / "run" / "report.html").read_text()


def test_a_sweep_from_the_command_line(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    words = [
        "sweep",
        *FAST,
        "--vary",
        "hedge.band=0.1,0.2",
        "--vary",
        "entry.side=long,short",
        "--workers",
        "2",
    ]
    code, out, _ = run(monkeypatch, capsys, *words)
    assert code == 0
    assert "Simulated market" in out
    assert "What the best is worth" in out
    (folder,) = (tmp_path / "results").iterdir()
    assert re.fullmatch(r"sweep-simulated-[0-9a-f]{8}", folder.name)
    before = (folder / "cells.jsonl").read_bytes()
    assert run(monkeypatch, capsys, *words)[0] == 0  # the same command finds its own directory: all is done
    assert (folder / "cells.jsonl").read_bytes() == before
    assert len(before.splitlines()) == json.loads((folder / "summary.json").read_text())["n_cells"] == 4


def hourly_prices(path, column="timestamp"):
    hours = pd.date_range("2026-01-01", periods=30 * 24, freq="h")
    close = 60e3 * np.exp(np.cumsum(0.006 * np.random.default_rng(1).standard_normal(len(hours))))
    pd.DataFrame({column: hours, "close": close}).to_csv(path, index=False)


FLAT = ["--set", "marks.source=flat", "--set", "marks.flat_vol=0.5", "--set", "entry.expiries=any", "--json"]


def test_a_sweep_takes_the_data_of_a_backtest(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    hourly_prices("prices.csv")
    words = ["--prices", "prices.csv", "--start", "2026-01-05", "--end", "2026-01-25", *FLAT]
    grid = ["--vary", "hedge.band=0.02,0.3", "--out", "grid"]
    code, told, _ = run(monkeypatch, capsys, "sweep", *words, *grid)
    assert code == 0
    assert not json.loads(told)["simulated_data"]
    cells = pd.read_csv("grid/cells.csv").set_index("hedge.band")
    for band in (0.02, 0.3):
        one = ["--set", f"hedge.band={band}", "--out", str(band)]
        code, told, _ = run(monkeypatch, capsys, "backtest", *words, *one)
        assert code == 0
        alone = json.loads(told)
        assert cells.n_hedges[band] == alone["n_hedges"] > 0
        assert cells.total_usd[band] == pytest.approx(alone["total"]["usd"], abs=1e-6)
    assert cells.n_hedges[0.02] > cells.n_hedges[0.3]


def test_a_sweep_that_could_run_nothing_is_no_success(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    hourly_prices("good.csv")
    hourly_prices("bad.csv", column="when")
    words = ["sweep", *FLAT, "--backend", "serial", "--out"]
    code, told, err = run(
        monkeypatch, capsys, *words, "none", "--prices", "bad.csv", "--vary", "hedge.band=0.1,0.2"
    )
    assert code == cli.BAD_INPUT
    assert told == ""
    assert "error: no cell could be run; hedge.band = 0.1: bad.csv: no column named" in err
    assert not (tmp_path / "none" / "cells.csv").exists()
    code, told, _ = run(monkeypatch, capsys, *words, "some", "--vary", "data.prices=good.csv,bad.csv")
    assert code == SOME_FAILED
    (failed,) = json.loads(told)["failed"]
    assert failed["cell"] == {"data.prices": "bad.csv"}
    assert failed["why"].startswith("bad.csv: no column named")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "error: vary: names no parameter"),
        (["--vary", "hedge.band"], "error: --vary 'hedge.band': expected NAME=VALUE"),
        (["--vary", "hedge.bnd=1,2"], "did you mean hedge.band?"),
        (["--vary", "hedge.band=0.1", "--backend", "spark"], "error: --backend: expected one of loky, dask"),
        (["--vary", "hedge.band=0.1", "--backend", "dask"], "error: --address: needed"),
        (
            ["--vary", "hedge.band=0.1,0.3", "--set", "hedge.band=0.2"],
            "error: --set hedge.band: vary.hedge.band",
        ),
        (["--vary", "data.prices=a.csv,b.csv", "--prices", "c.csv"], "error: --prices: vary.data.prices"),
        (["--vary", "hedge.band=0.1,0.3", "--end", "soon"], "error: data.end:"),
    ],
)
def test_an_impossible_sweep_is_one_line(monkeypatch, capsys, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, _, errors = run(monkeypatch, capsys, "sweep", *arguments)
    assert code == cli.BAD_INPUT
    assert message in errors
    assert not (tmp_path / "results").exists()
