"""Sweeps: the same bits on every backend, resumed after a kill, refused when impossible."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gammacore.backtest.figures.results import run_backtest
from gammacore.backtest.report import write_sweep
from gammacore.backtest.sweep import cell_runs
from gammacore.backtest.sweep import run as sweeping
from gammacore.backtest.sweep.cell_runs import FIGURES, run_cell
from gammacore.backtest.sweep.cell_store import CellStore
from gammacore.backtest.sweep.grid import cells
from gammacore.backtest.sweep.selection import judge, trials_of
from gammacore.backtest.sweep.workers import run_cells
from gammacore.build import build_policy
from gammacore.config import with_overrides
from gammacore.errors import ConfigError, DataError
from support import sweep_hooks
from support.markets import build
from support.platforms import posix

SMALL = {"market.days": 21, "market.snapshot_hours": 6.0, "report.html": False}
GRID = {"hedge.band": [0.1, 0.3], "entry.side": ["long", "short"], "market.seed": [1, 2]}
PATIENCE_S = 90


def run_sweep(config, out, **options):
    found = sweeping.run_sweep(config, out, **options)
    write_sweep(found)
    return found


@pytest.fixture(scope="module")
def config():
    return build(SMALL | {"vary": GRID})


@pytest.fixture(scope="module")
def serial(config, tmp_path_factory):
    out = tmp_path_factory.mktemp("sweep") / "serial"
    return run_sweep(config, out, backend="serial"), out


def files_of(out):
    return {name: (out / name).read_bytes() for name in ("cells.csv", "summary.json", "config.yaml")}


def lines_of(out):
    return sorted((out / "cells.jsonl").read_bytes().splitlines())


def test_a_cell_is_the_backtest_of_its_configuration(config, serial):
    sweep, _ = serial
    for number in (0, 5):
        overrides = cells(config)[number].overrides
        summary = run_backtest(with_overrides(config, {"vary": {}, **overrides})).summary
        row = sweep.table.iloc[number]
        assert row["total"] == summary["total"]["coin"]
        assert row["total_usd"] == summary["total"]["usd"]
        assert row["n_hedges"] == summary["n_hedges"]
        assert row["n_episodes"] == summary["n_episodes"]
        assert row["mean_pnl_over_premium"] == pytest.approx(summary["mean_pnl_over_premium"], rel=1e-9)
        assert row["fees"] == pytest.approx(summary["fees"]["coin"], abs=1e-7)
        assert {name: row[name] for name in overrides} == overrides


def test_rules_of_leaving_are_swept_as_they_are_backtested(tmp_path):
    """Those of the hedge's profit by whole replays, those of the options by episodes held once."""
    vary = {"exit.rules": [{"stop_loss": 0.05}, {"moneyness": 0.4}, {}], "hedge.band": [0.05, 0.1]}
    config = build(SMALL | {"costs.max_quote_age": None, "vary": vary})
    sweep = run_sweep(config, tmp_path / "rules", backend="serial")
    for cell in cells(config):
        results = run_backtest(with_overrides(config, {"vary": {}, **cell.overrides}))
        row = sweep.table.iloc[cell.number]
        assert row["total"] == pytest.approx(results.summary["total"]["coin"], abs=1e-9)
        assert row["n_hedges"] == results.summary["n_hedges"]
        rule = next(iter(cell.overrides["exit.rules"]), "delivery")
        assert rule in results.summary["closed_by"]
    assert sweep.table["total"].nunique() == 6


def test_a_market_in_a_store_is_its_files(tmp_path):
    """A folder of days or the name of a series in it, as a backtest takes them."""
    file = tmp_path / "chains" / "BTC" / "2025-01-01" / "1d_build.parquet"
    file.parent.mkdir(parents=True)
    for path in (tmp_path / "chains" / "BTC", tmp_path / "chains" / "BTC" / "1d"):
        settings = {"data.chains": str(path), "vary": {"hedge.band": [0.1]}}
        digests = set()
        for content in (b"one", b"other"):
            file.write_bytes(content)
            (cell,) = cells(build(SMALL | settings))
            digests.add(cell.market)
        assert len(digests) == 2


def test_a_new_volatility_index_is_another_market(tmp_path):
    path = tmp_path / "dvol.csv"
    settings = {"data.dvol": str(path), "signal.when": {"dvol": {"min": 0.1}}, "vary": {"hedge.band": [0.1]}}
    digests = set()
    for vol in (0.5, 0.6):
        path.write_text(f"timestamp,iv\n2025-01-01,{vol}\n2025-01-02,{vol}\n")
        (cell,) = cells(build(SMALL | settings))
        digests.add((cell.market, cell.key))
    assert len({market for market, _ in digests}) == len({key for _, key in digests}) == 2


def test_cells_of_one_seed_see_the_same_market(config):
    grid = cells(config)
    assert len({cell.market for cell in grid}) == 2
    assert len({cell.key for cell in grid}) == len(grid) == 8
    for cell in grid:
        assert (cell.market == grid[0].market) == (cell.overrides["market.seed"] == 1)


def test_a_pool_gives_the_same_bits(config, serial, tmp_path):
    run_sweep(config, tmp_path / "loky", backend="loky", workers=2)
    assert files_of(tmp_path / "loky") == files_of(serial[1])
    assert lines_of(tmp_path / "loky") == lines_of(serial[1])


@pytest.fixture
def scheduler():
    """A Dask scheduler on loopback with two workers."""
    distributed = pytest.importorskip("distributed")
    options = {"processes": False, "protocol": "tcp", "dashboard_address": None}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, **options) as cluster:
        yield cluster.scheduler_address


def wait_for(found):
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            if value := found():
                return value
        except (OSError, ValueError):
            pass
        time.sleep(0.05)
    raise TimeoutError


def test_a_dask_cluster_gives_the_same_bits(config, serial, scheduler, tmp_path):
    run_sweep(config, tmp_path / "dask", backend="dask", address=scheduler)
    assert files_of(tmp_path / "dask") == files_of(serial[1])
    assert lines_of(tmp_path / "dask") == lines_of(serial[1])


def test_a_cluster_that_is_not_there(config, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    with pytest.raises(ConfigError, match="--address: needed"):
        run_sweep(config, tmp_path / "a", backend="dask")
    monkeypatch.setattr("gammacore.backtest.sweep.workers.CONNECT_S", 1)
    with pytest.raises(DataError, match="no Dask scheduler there"):
        run_sweep(config, tmp_path / "b", backend="dask", address="tcp://127.0.0.1:9")


def test_finished_cells_are_not_run_again(config, serial, tmp_path):
    """Stopped in the middle, its last line torn: the second run does the rest, and ends the same."""
    out, ran = tmp_path / "run", []

    def three(cell):
        if len(ran) == 3:
            raise KeyboardInterrupt
        ran.append(cell.key)
        return run_cell(cell)

    with pytest.raises(KeyboardInterrupt):
        run_sweep(config, out, backend="serial", function=three)
    assert not (out / "summary.json").exists()
    with (out / "cells.jsonl").open("ab") as file:
        file.write(b'{"key":"torn","resu')
    again = []
    run_sweep(config, out, backend="serial", function=lambda cell: again.append(cell.key) or run_cell(cell))
    assert len(ran) == 3
    assert len(again) == 5
    assert not set(ran) & set(again)
    assert files_of(out) == files_of(serial[1])
    assert lines_of(out) == lines_of(serial[1])


def test_a_killed_sweep_goes_on(serial, tmp_path):
    out = tmp_path / "run"
    vary = [f"{name}={','.join(map(str, values))}" for name, values in GRID.items()]
    command = [
        sys.executable,
        "-c",
        "from gammacore.cli.main import main; main()",
        "sweep",
        "--out",
        str(out),
    ]
    command += [word for name, value in SMALL.items() for word in ("--set", f"{name}={str(value).lower()}")]
    command += [word for text in vary for word in ("--vary", text)]
    process = subprocess.Popen(
        [*command, "--backend", "serial"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: (out / "cells.jsonl").exists() and (out / "cells.jsonl").stat().st_size)
    process.kill()
    process.wait(PATIENCE_S)
    kept = [
        line for line in (out / "cells.jsonl").read_bytes().splitlines(keepends=True) if line[-1:] == b"\n"
    ]
    assert kept
    subprocess.run([*command, "--workers", "2"], check=True, timeout=PATIENCE_S, stdout=subprocess.DEVNULL)
    assert (out / "cells.jsonl").read_bytes().startswith(b"".join(kept))
    assert lines_of(out) == lines_of(serial[1])
    assert files_of(out)["summary.json"] == files_of(serial[1])["summary.json"]


def test_another_sweep_does_not_mix_in(config, tmp_path):
    fast = {"backend": "serial", "function": lambda cell: {"figures": dict.fromkeys(FIGURES), "daily": []}}
    run_sweep(config, tmp_path / "run", **fast)
    other = with_overrides(config, {"size.contracts": 2.0})
    with pytest.raises(DataError, match="holds a sweep that differs in configuration"):
        run_sweep(other, tmp_path / "run", **fast)
    finer = with_overrides(config, {"vary": GRID | {"hedge.band": [0.1, 0.2]}})
    with pytest.raises(DataError, match="differs in grid"):
        run_sweep(finer, tmp_path / "run", **fast)
    run_sweep(other, tmp_path / "run", fresh=True, **fast)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("")
    with pytest.raises(DataError, match="exists and is not a sweep"):
        run_sweep(config, tmp_path / "mine", fresh=True, **fast)


def test_damage_in_the_middle_is_refused(tmp_path):
    store = CellStore(tmp_path / "s", {})
    store.add({"a": 1})
    store.close()
    with (tmp_path / "s" / "cells.jsonl").open("ab") as file:
        file.write(b"\0\0\0\n")
    with pytest.raises(DataError, match=r"cells\.jsonl, line 2: damaged"):
        CellStore(tmp_path / "s", {})


IMPOSSIBLE = [
    ({}, "vary: names no parameter"),
    ({"hedge.band": [0.1, -1.0]}, r"vary\.hedge\.band: hedge\.band: .* got -1\.0"),
    ({"hedge.bnd": [0.1]}, r"vary\.hedge\.bnd: .* did you mean hedge\.band"),
    ({"hedge.band": [0.1, 0.2, 0.1]}, r"vary\.hedge\.band: 0\.1 is listed twice"),
    ({"report.html": [True, False]}, r"vary\.report\.html: has no influence"),
    (
        {"entry.min_days": [1.0, 8.5], "entry.max_days": [8.0, 9.0]},
        r"min_days=8\.5.* entry\.min_days: exp",
    ),
    ({"marks.source": ["chain", "flat"]}, r"marks\.source: 'flat' needs data\.prices"),
    ({f"{a}": [i / 100 for i in range(1, 500)] for a in ("hedge.band", "size.contracts")}, "at most 200,000"),
]


@pytest.mark.parametrize(("vary", "message"), IMPOSSIBLE, ids=[message[:30] for _, message in IMPOSSIBLE])
def test_an_impossible_grid_is_refused_before_anything_runs(vary, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        run_sweep(build(SMALL | {"vary": vary}), tmp_path / "run", function=None)
    assert not (tmp_path / "run").exists()


def grid_of(folder, count=6):
    """Cells that never load their market; the folder travels in a field that nothing reads."""
    config = build({"vary": {"hedge.band": [0.1 + 0.1 * i for i in range(count)]}})
    return [
        cell._replace(config=with_overrides(cell.config, {"data.funding": str(folder)}))
        for cell in cells(config)
    ]


def times_run(folder, number):
    return len((Path(folder) / f"{number}.ran").read_text())


@posix
@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_dies_loses_one_cell_which_is_run_again(workers, tmp_path):
    grid = grid_of(tmp_path)
    found = {c.number: o for [(c, o)] in run_cells(grid, sweep_hooks.die_once, "loky", workers)}
    assert sorted(found) == list(range(6))
    assert all(isinstance(outcome, dict) for outcome in found.values())
    assert times_run(tmp_path, 2) == 2


@posix
def test_a_cell_that_keeps_killing_its_worker_fails_alone(tmp_path):
    found = {c.number: o for [(c, o)] in run_cells(grid_of(tmp_path), sweep_hooks.die_always, "loky", 2)}
    assert found.pop(2) == "its worker died 3 times"
    assert sorted(found) == [0, 1, 3, 4, 5]
    assert all(isinstance(outcome, dict) for outcome in found.values())
    assert times_run(tmp_path, 2) == 3


def test_a_cell_that_raises_is_reported_and_run_again_next_time(config, tmp_path):
    def raises(cell):
        if cell.number == 2:
            raise ValueError("not this one")
        return {"figures": dict.fromkeys(FIGURES, 1.0), "first_day": 0, "daily": [1.0, 2.0]}

    sweep = run_sweep(config, tmp_path / "run", backend="serial", function=raises)
    assert sweep.summary["n_failed"] == 1
    assert sweep.summary["failed"] == [
        {"cell": cells(config)[2].overrides, "why": "ValueError: not this one"}
    ]
    assert sweep.table["sharpe"].isna().tolist() == [n == 2 for n in range(8)]
    ran = []

    def works(cell):
        ran.append(cell.number)
        return {"figures": dict.fromkeys(FIGURES, 1.0), "first_day": 0, "daily": [1.0, 3.0]}

    again = run_sweep(config, tmp_path / "run", backend="serial", function=works)
    assert again.summary["n_failed"] == 0
    assert ran == [2]


def test_markets_are_no_decisions(config, serial):
    known = [(cell, run_cell(cell)) for cell in cells(config)]
    trials = trials_of(known)
    assert trials.decisions == [
        {"hedge.band": band, "entry.side": side} for band in (0.1, 0.3) for side in ("long", "short")
    ]
    np.testing.assert_array_equal(
        trials.daily[:, 1], np.concatenate([known[2][1]["daily"], known[3][1]["daily"]])
    )
    verdict = judge(known)
    best = max(range(4), key=lambda k: trials.daily[:, k].mean() / trials.daily[:, k].std(ddof=1))
    assert verdict["best"]["decisions"] == trials.decisions[best]
    assert verdict == {name: serial[0].summary[name] for name in verdict}
    assert trials_of(known[:-1]).daily.shape[1] == 3  # the last trial lacks a market


def test_too_little_data_is_said():
    verdict = judge([])
    assert verdict["best"] is None
    assert "nothing to judge" in verdict["notes"][0]
    short = build(SMALL | {"market.days": 12, "vary": {"hedge.band": [0.1, 0.2]}})
    verdict = judge([(cell, run_cell(cell)) for cell in cells(short)])
    assert verdict["overfitting"] is None
    assert verdict["walk_forward"]["anchored"] is None
    assert any("too few" in note for note in verdict["notes"])


def test_the_page_shows_maps_and_cells(tmp_path):
    config = build({"vary": GRID | {"hedge.to": ["centre", "edge"]}})

    def made_up(cell):
        daily = np.random.default_rng(cell.number).standard_normal(200)
        return {
            "figures": dict.fromkeys(FIGURES, float(cell.number)),
            "first_day": 0,
            "daily": daily.tolist(),
        }

    sweep = run_sweep(config, tmp_path / "run", backend="serial", function=made_up)
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.count('type="application/json"') == 6  # pairs of four parameters
    first = json.loads(page.partition('id="json-0">')[2].partition("</script>")[0])
    assert first["layout"]["xaxis"]["title"]["text"] == "hedge.band"
    numbers = pd.to_numeric(sweep.table["sharpe"])
    expected = numbers[(sweep.table["hedge.band"] == 0.3) & (sweep.table["entry.side"] == "long")].mean()
    assert first["data"][0]["z"][0][1] == expected
    table = page.partition('id="cells"')[2]
    assert (
        table.index("+15.00")
        < table.index("+14.00")
        < table.index("+0.00" if "+0.00" in table else "</table>")
    )
    assert "Deflated Sharpe ratio" in page
    assert "Simulated market" in page
    assert "http://" not in page.partition("<script>")[0]


def test_whole_and_broken_numbers_of_a_parameter_share_a_map(tmp_path):
    """1 of a list of ratios is the same cell as 1.0 of the table."""

    def made_up(cell):
        figures = dict.fromkeys(FIGURES, float(cell.number))
        return {"figures": figures, "first_day": 0, "daily": [1.0, -1.0, 2.0]}

    ratios, bands = [0.5, 1, 1.5], [0.05, 1]
    for vary in ({"hedge.ratio": ratios, "hedge.band": bands}, {"hedge.ratio": ratios}):
        out = tmp_path / str(len(vary))
        run_sweep(build({"vary": vary}), out, backend="serial", function=made_up)
        page = (out / "report.html").read_text(encoding="utf-8")
        drawn = json.loads(page.partition('id="json-0">')[2].partition("</script>")[0])["data"][0]
        values = np.array(drawn["z"] if "z" in drawn else drawn["y"], dtype=float)
        assert values.size == len(ratios) * len(bands) ** (len(vary) - 1)
        assert np.isfinite(values).all()
        assert "Drawdown, BTC" in page


@posix
def test_ctrl_c_says_how_to_go_on(tmp_path):
    out = tmp_path / "run"
    words = ["sweep", "--out", str(out), "--workers", "2", "--set", "market.days=60"]
    seeds = ",".join(map(str, range(200)))  # far more than are finished by then
    words += ["--vary", "hedge.band=0.05,0.06,0.07,0.08,0.09", "--vary", f"market.seed={seeds}"]
    command = [sys.executable, "-c", "from gammacore.cli.main import main; main()", *words]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_for(lambda: (out / "cells.jsonl").exists() and (out / "cells.jsonl").stat().st_size)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    told = f"finished cells are kept in {out}; the same command goes on from there"
    assert told in " ".join(errors.split())


def test_a_cell_that_fails_among_others_fails_alone(config, monkeypatch):
    (first, *others) = [cell for cell in cells(config) if cell.held == cells(config)[0].held]

    def refuses(policy_of):
        if policy_of.hedge == first.config.hedge:
            raise ValueError("not this one")
        return build_policy(policy_of)

    monkeypatch.setattr(cell_runs, "build_policy", refuses)
    (outcomes,) = run_cells([first, *others], run_cell, "serial")
    found = {cell.number: outcome for cell, outcome in outcomes}
    assert found.pop(first.number) == "ValueError: not this one"
    assert len(found) == len(others)
    assert all(isinstance(outcome, dict) for outcome in found.values())


def test_threads_of_one_worker_share_nothing(config, monkeypatch):
    """As the workers of a Dask cluster on one machine: the same episodes, hedged in two ways at one time."""
    grid = cells(config)
    alone = {cell.key: run_cell(cell) for cell in grid}
    users, both = {}, threading.Barrier(2, timeout=20.0)
    earned = cell_runs.HeldEpisodes.earned

    def meeting(held, *arguments):
        users.setdefault(id(held), set()).add(threading.get_ident())
        both.wait()  # the other one is about to hedge, too
        return earned(held, *arguments)

    monkeypatch.setattr(cell_runs.HeldEpisodes, "earned", meeting)
    bands = [[cell for cell in grid if cell.overrides["hedge.band"] == band] for band in (0.1, 0.3)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda group: [run_cell(cell) for cell in group], bands))
    assert all(len(threads) == 1 for threads in users.values())
    for group, results in zip(bands, found, strict=True):
        assert [one["figures"] for one in results] == [alone[cell.key]["figures"] for cell in group]
        assert [one["daily"] for one in results] == [alone[cell.key]["daily"] for cell in group]
