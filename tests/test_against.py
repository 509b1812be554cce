"""The comparison with other libraries runs, says how exact each is, and times none that is wrong."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import gammacore
from gammacore import black76

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "against.py"


@pytest.fixture
def against(monkeypatch):
    # The script sets the size of thread pools and extends the path; undone after the test.
    for pool in ("RAYON", "NUMBA", "OMP"):
        monkeypatch.setenv(f"{pool}_NUM_THREADS", "1")
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    parts = ("accuracy", "adapters", "baselines", "peers")
    for name in parts:
        monkeypatch.delitem(sys.modules, name, raising=False)
    spec = importlib.util.spec_from_file_location("against", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "against", module)
    spec.loader.exec_module(module)
    module.adapters, module.baselines = sys.modules["adapters"], sys.modules["baselines"]
    yield module
    for name in parts:
        del sys.modules[name]


def tables(text):
    """Rows of each table, as columns by title."""
    found = {}
    for title, body in re.findall(r"### (.+)\n\n((?:\|.*\n)+)", text):
        lines = [[part.strip() for part in line.strip("|").split("|")] for line in body.splitlines()]
        found[title] = [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]
    return found


def test_quick_run_writes_the_tables(against, tmp_path):
    level = gammacore.simd_level()
    against.main(["--quick", "--only", "numpy", "--out", str(tmp_path)])
    assert gammacore.simd_level() == level
    found = tables((tmp_path / "against.md").read_text(encoding="utf-8"))
    assert list(found) == list(against.TASKS.values())
    for title, rows in found.items():
        names = [row["library"].split()[0].strip("*") for row in rows]
        levels = len(gammacore.supported_levels())
        assert names.count("gammacore") == levels
        assert names.count("numpy") == (title != against.TASKS["fused"])
        for row in rows:
            assert re.fullmatch(r"[\d.,]+ \([\d.,]+\)", row["n = 100"])
            assert float(row["ratio"]) > 0
            assert "not timed" not in row["how"]
            if title == against.TASKS["greeks"]:
                assert float(row["worst relative error"].split()[0]) < 1e-11
            elif "gammacore" in row["library"]:
                assert row["wrong or missing"] == "0"
                exact, total = row[next(name for name in row if "within" in name)].split(" of ")
                assert exact == total


def test_the_numpy_formulation_agrees(against):
    m = against.adapters.random_market(1000)
    expected = black76.greeks(m.kind, m.forward, m.strike, m.tau, m.vol)
    np.testing.assert_allclose(
        against.baselines.numpy_price(m.kind, m.forward, m.strike, m.tau, m.vol), expected.price, rtol=1e-10
    )
    greeks = against.baselines.numpy_greeks(m.kind, m.forward, m.strike, m.tau, m.vol)
    for name, column in zip(against.adapters.FIVE, greeks, strict=True):
        np.testing.assert_allclose(column, getattr(expected, name), rtol=1e-10, err_msg=name)
    vol = against.baselines.numpy_implied_vol(m.kind, m.price, m.forward, m.strike, m.tau)
    np.testing.assert_allclose(vol, m.vol, rtol=1e-9)


def test_a_library_that_disagrees_is_named_and_not_timed(against, monkeypatch, tmp_path):
    class Off(against.baselines.Numpy):
        name = "off"

        def price(self, m):
            job = super().price(m)
            return against.adapters.Job(
                job.run, lambda found: {"price": job.read(found)["price"] * (1 + 1e-5)}
            )

        def greeks(self, m):
            raise ZeroDivisionError("of its own")

    def missing():
        raise ImportError("no such thing")

    monkeypatch.setattr(against, "OTHERS", {"off": Off, "missing": missing})
    against.main(["--quick", "--sizes", "10", "--rounds", "1", "--out", str(tmp_path)])
    text = (tmp_path / "against.md").read_text(encoding="utf-8")
    found = tables(text)
    row = {
        title: next(row for row in rows if "off" in row["library"])
        for title, rows in found.items()
        if title != against.TASKS["fused"]
    }
    assert row["Price"]["n = 10"] == "–"
    assert row["Price"]["how"] == "price off by 1.0e-05, not timed"
    assert row["Five Greeks"]["how"] == "does not run: ZeroDivisionError: of its own"
    assert row["Implied volatility"]["n = 10"] != "–"
    assert "Not here: missing (ImportError: no such thing)" in text


def test_options_on_one_forward_are_the_same_options(against):
    market = against.adapters.random_market(50)
    forward, scaled = market.on_one_forward()
    np.testing.assert_allclose(scaled.forward, forward)
    again = black76.price(scaled.kind, scaled.forward, scaled.strike, scaled.tau, scaled.vol)
    np.testing.assert_allclose(again, scaled.price, rtol=1e-11)


def test_times_by_size_stay_within_the_budget(against):
    class Slow(against.baselines.Numpy):
        name = "slow"

        def price(self, m):
            return against.adapters.Job(lambda: sum(range(20 * len(m))), None)

    row = against.Row(Slow(), "price")
    for n in (100, 10_000, 1_000_000):
        against.measure([row], "price", n, 2, 1e-4, Console(quiet=True).print)
    assert list(row.cells) == [100]
    assert len(row.cells[100].times) == 2
    assert row.cells[100].best <= row.cells[100].median
