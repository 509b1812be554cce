"""What is loaded only when it is used: each of these takes longer than what was asked for."""

import subprocess
import sys

import pytest

NEVER = {"scipy.stats", "scipy.optimize", "duckdb", "plotly.graph_objects", "arch", "statsmodels", "joblib"}
SLOW = {"scipy", "pandas", "plotly", "jinja2", "yaml", "msgspec", *NEVER}


def loaded(code, *arguments):
    """Modules of SLOW, and of ours, after some code in a process of its own."""
    told = f"import sys\ntry:\n    {code}\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", told, *arguments], capture_output=True, text=True, timeout=100, check=False
    )
    modules = done.stderr.splitlines()[-1].split()
    return SLOW.intersection(modules), {name for name in modules if name.startswith("gammacore.")}


def test_the_package_loads_nothing_slow():
    slow, ours = loaded("import gammacore")
    assert slow == set()
    assert "gammacore.black76" in ours


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_the_command_line_loads_nothing_slow_to_tell_what_it_is(option):
    slow, ours = loaded("from gammacore.cli.main import main; main()", option)
    assert slow == set()
    assert {name for name in ours if name.startswith("gammacore.cli.")} == {
        "gammacore.cli.main",
        "gammacore.cli.commands",
    }


def test_a_backtest_loads_no_statistics_no_plots_and_no_database(tmp_path):
    code = "from gammacore.cli.main import main; main()"
    slow, ours = loaded(code, "backtest", "--out", str(tmp_path / "run"))
    assert "gammacore.backtest.report.page" in ours
    assert (tmp_path / "run" / "report.html").exists()
    assert slow.isdisjoint({"scipy", *NEVER})
