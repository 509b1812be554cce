"""Runs side by side: figures are the summaries', pairs are found by hand, intervals have their size."""

import json
import re
import shutil

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gammacore.backtest.figures.results import run_backtest
from gammacore.backtest.report import write_results
from gammacore.backtest.report.compare_figures import (
    FIGURES,
    attribution_lines,
    comparison,
    config_differences,
    paired,
    pairs_of,
    resampled_interval,
)
from gammacore.backtest.report.compare_page import figure_row, paired_rows, render_comparison
from gammacore.backtest.report.compare_runs import StoredRun, load_run, load_runs
from gammacore.backtest.report.stored import load_results
from gammacore.cli.main import app
from gammacore.errors import DataError
from gammacore.result_files import MARKER, result_directory
from support.browser import browser
from support.markets import build

BASE = {"market.days": 30, "market.snapshot_hours": 12.0, "report.html": False}
RUNS = {
    "band": {},
    "clock": {"hedge.rule": "interval", "hedge.every": "8h"},
    "short": {"entry.side": "short"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("results")
    for name, settings in RUNS.items():
        with result_directory(place / name) as work:
            write_results(run_backtest(build(BASE | settings)), work)
    return place


@pytest.fixture(scope="module")
def runs(folder):
    return load_runs([folder / name for name in RUNS])


@pytest.fixture(scope="module")
def page(runs):
    return render_comparison(runs, comparison(runs))


def summary_of(run):
    return json.loads((run.folder / "summary.json").read_text())


def row(found, figure):
    (one,) = [row for row in found["figures"] if row["figure"] == figure]
    return one


def test_figures_are_those_of_the_summaries(runs):
    found, summaries = comparison(runs), [summary_of(run) for run in runs]
    total = row(found, "total.usd")
    assert total["values"] == [s["total"]["usd"] for s in summaries]
    assert total["differences"] == [s["total"]["usd"] - summaries[0]["total"]["usd"] for s in summaries[1:]]
    assert row(found, "sharpe")["values"] == [s["sharpe"] for s in summaries]
    assert row(found, "n_hedges")["differences"][0] == summaries[1]["n_hedges"] - summaries[0]["n_hedges"]
    assert {one["figure"] for one in found["figures"]} == {figure.key for figure in FIGURES}


def test_only_what_differs_in_the_configuration_is_listed(runs):
    found = {one["path"]: one["values"] for one in config_differences(runs)}
    assert found == {
        "entry.side": ["long", "long", "short"],
        "hedge.rule": ["band", "interval", "band"],
        "hedge.every": ["1h", "8h", "1h"],
    }
    assert config_differences([runs[0], runs[0]]) == []


def test_attribution_sums_to_the_totals(runs):
    lines = attribution_lines(runs)
    for unit in ("usd", "coin"):
        for number, run in enumerate(runs):
            total = sum(values[unit][number] for values in lines.values())
            assert total == pytest.approx(run.summary["total"][unit], abs=1e-8)


def test_pairs_of_one_market_are_all_episodes_and_their_mean_is_the_difference_of_means(runs):
    first, other, _ = runs
    found = paired(first, other)
    assert found["pairs"] == found["same_entry"] == len(first.episodes) == found["weeks"] > 3
    assert found["unpaired"] == [0, 0]
    means = [run.summary["mean_pnl_over_premium"] for run in (first, other)]
    seen = found["measures"]["pnl_over_premium"]
    assert seen["mean"] == pytest.approx(means[1] - means[0], rel=1e-9)
    change = other.episodes["pnl_usd"] - first.episodes["pnl_usd"]
    usd = found["measures"]["pnl_usd"]
    assert usd["mean"] == pytest.approx(change.mean())
    assert usd["standard_error"] == pytest.approx(change.std() / np.sqrt(len(change)))
    assert usd["low"] < usd["mean"] < usd["high"]


def table(rows):
    names = ["episode", "entry", "expiry", "strikes", "pnl_coin", "pnl_usd", "pnl_over_premium"]
    return pd.DataFrame(rows, columns=names)


def run_of(episodes, name="run", currency="BTC"):
    return StoredRun(name, None, {"currency": currency}, {}, episodes, pd.DataFrame())


FIRST = table(
    [
        (0, "2025-01-01", "2025-01-10T08:00:00Z", "60000", 0.1, 100.0, 0.10),
        (1, "2025-01-02", "2025-01-10T08:00:00Z", "60000", 0.2, 200.0, 0.20),
        (2, "2025-01-08", "2025-01-17T08:00:00Z", "62000", 0.3, 300.0, 0.30),
        (3, "2025-01-15", "2025-01-24T08:00:00Z", "64000", 0.4, 400.0, 0.40),
    ]
)
OTHER = table(
    [
        (0, "2025-01-01", "2025-01-10T08:00:00Z", "60000", 0.3, 130.0, 0.15),
        (1, "2025-01-09", "2025-01-17T08:00:00Z", "61000", 9.9, 999.0, 9.99),
        (2, "2025-01-16", "2025-01-24T08:00:00Z", "64000", 0.2, 410.0, 0.35),
    ]
)


def test_pairs_by_hand():
    first, other = run_of(FIRST, "a"), run_of(OTHER, "b")
    pairs = pairs_of(first, other)
    assert pairs[["episode_first", "episode_other"]].to_numpy().tolist() == [[0, 0], [3, 2]]
    found = paired(first, other)
    assert (found["pairs"], found["same_entry"], found["unpaired"], found["weeks"]) == (2, 1, [2, 1], 2)
    usd = found["measures"]["pnl_usd"]
    assert usd["mean"] == 20.0  # of 30 and 10
    assert usd["standard_error"] == 10.0
    assert (usd["low"], usd["high"]) == (10.0, 30.0)  # a quarter of the draws is either
    assert found["measures"]["pnl_coin"]["mean"] == pytest.approx(0.0)
    nothing = paired(first, run_of(OTHER.iloc[1:2], "c"))
    assert nothing["pairs"] == 0
    assert nothing["measures"]["pnl_usd"] == dict.fromkeys(("mean", "standard_error", "low", "high"))
    assert "pnl_coin" not in paired(first, run_of(OTHER, "d", "ETH"))["measures"]
    assert paired(first, run_of(OTHER.head(0), "e"))["pairs"] == 0


def test_the_interval_of_a_large_sample_is_the_normal_one():
    values = np.random.default_rng(5).normal(1.0, 2.0, 900)
    low, high = resampled_interval(values, np.arange(900))
    error = values.std(ddof=1) / 30
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)


def test_the_same_values_again_in_a_week_are_no_more_evidence():
    values = np.random.default_rng(6).normal(size=40)
    once = resampled_interval(values, np.arange(40))
    assert resampled_interval(np.repeat(values, 5), np.repeat(np.arange(40), 5)) == pytest.approx(once)
    assert np.isnan(resampled_interval(values, np.zeros(40, np.int64))).all()


@given(st.lists(st.tuples(st.floats(-10, 10), st.integers(0, 4)), min_size=2, max_size=30))
def test_an_interval_lies_between_the_means_of_groups(pairs):
    values, groups = np.array([v for v, _ in pairs]), np.array([g for _, g in pairs])
    low, high = resampled_interval(values, groups, draws=200)
    if len(set(groups)) > 1:
        means = [values[groups == g].mean() for g in set(groups)]
        assert min(means) - 1e-9 <= low <= high <= max(means) + 1e-9


def test_notes_tell_of_other_data(runs):
    assert comparison(runs)["notes"] == []
    other = {**runs[1].summary, "data": runs[1].summary["data"] | {"start": "2024"}, "gammacore": "0.0.1"}
    config = runs[1].config | {"market": runs[1].config["market"] | {"seed": 9}}
    eth = StoredRun(
        "x", runs[1].folder, other | {"currency": "ETH"}, config, runs[1].episodes, runs[1].profit
    )
    found = comparison([runs[0], eth])
    told = " ".join(found["notes"])
    for words in ("different coins", "different spans", "different data", "different versions: 0.0.1"):
        assert words in told
    assert not [one for one in found["figures"] if one["figure"].endswith(".coin")]
    assert 'value="coin"' not in render_comparison([runs[0], eth], found)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: f / "bnad", "no such directory; did you mean"),
        (lambda f: f, "no summary.json; compare what is in it: "),
        (lambda f: f / "band" / "pnl.csv", "not a directory"),
    ],
)
def test_what_is_no_result_is_said(folder, spoil, words):
    with pytest.raises(DataError, match=re.escape(words)):
        load_run(spoil(folder))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("summary.json", "[{}]", "holds several variants"),
        ("summary.json", '{"best": 1}', "not the summary of a backtest"),
        ("summary.json", "{", "summary.json: cannot be read"),
        ("config.yaml", "a: [", "config.yaml: cannot be read"),
        ("config.yaml", "- 1", "config.yaml: expected a mapping, got list"),
        ("config.yaml", None, "config.yaml: missing"),
        ("episodes.csv", "a,b\n1,2\n", "episodes.csv: no column 'episode'"),
        ("pnl.csv", None, "pnl.csv: missing"),
    ],
)
def test_what_is_broken_is_named(folder, tmp_path, name, text, words):
    for path in (folder / "band").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / MARKER).unlink()
    (tmp_path / name).unlink() if text is None else (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=re.escape(words)):
        load_run(tmp_path)


@pytest.mark.parametrize(
    "name", ["summary.json", "config.yaml", "episodes.csv", "pnl.csv", "fills.csv", "book.csv", "scalps.csv"]
)
def test_a_file_that_is_cut_or_edited_is_no_result(folder, name, tmp_path):
    """What is left of a file can be read, and contradicts the others."""
    for path in (folder / "band").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    spoiled, told = tmp_path / name, "was changed since gammacore wrote it"
    if name == "summary.json":
        spoiled.write_text(spoiled.read_text().replace('"n_hedges": ', '"n_hedges": 1'))
    else:
        spoiled.write_text("".join(spoiled.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(DataError, match=f"{re.escape(str(spoiled))}: {told}"):
        load_results(tmp_path)
    (tmp_path / MARKER).unlink()
    load_results(tmp_path)


def test_one_directory_or_the_same_twice_is_refused(folder):
    with pytest.raises(DataError, match="two or more result directories, got 1"):
        load_runs([folder / "band"])
    with pytest.raises(DataError, match="named twice"):
        load_runs([folder / "band", folder / "clock" / ".." / "band"])


def test_directories_of_one_name_are_told_apart(folder, tmp_path):
    again = tmp_path / "later" / "band"
    again.mkdir(parents=True)
    for path in (folder / "band").iterdir():
        (again / path.name).write_bytes(path.read_bytes())
    assert [run.name for run in load_runs([folder / "band", again])] == [f"{folder.name}/band", "later/band"]


def test_a_run_without_episodes_can_be_compared(folder, runs, tmp_path):
    config = build(BASE | {"market.days": 10, "entry.weekday": "sunday"})
    with result_directory(tmp_path / "none") as work:
        write_results(run_backtest(config), work)
    found = load_runs([folder / "band", tmp_path / "none"])
    text = render_comparison(found, comparison(found))
    assert "No expiry and strike was traded by both." in text
    assert "nan" not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL).lower().split()


def test_the_page_needs_nothing_but_itself(page):
    library = max(re.findall(r"<script>(.*?)</script>", page, re.DOTALL), key=len)
    ours = page.replace(library, "")
    assert "://" not in ours
    assert "url(" not in ours
    assert "default-src 'none'" in ours
    assert "Simulated market: says nothing about real profit" in ours


def test_names_never_become_markup(runs):
    hostile = "</script><img src=x onerror=alert(2)>"
    renamed = [StoredRun(hostile, *[getattr(run, n) for n in run.__struct_fields__[1:]]) for run in runs[:1]]
    found = [*renamed, runs[1]]
    text = render_comparison(found, comparison(found))
    assert "<img" not in text.replace(
        max(re.findall(r"<script>(.*?)</script>", text, re.DOTALL), key=len), ""
    )


def test_curves_end_at_the_totals(runs, page):
    figure = json.loads(re.search(r'id="json-curves">(.*?)</script>', page, re.DOTALL)[1])
    for unit, tolerance in (("usd", 0.01), ("coin", 1e-6)):
        ends = {t["name"]: t["y"][-1] for t in figure["data"] if t["meta"] == unit}
        wanted = {run.name: run.summary["total"][unit] for run in runs}
        assert ends == pytest.approx(wanted, abs=tolerance)


def test_command_prints_and_writes(folder, tmp_path):
    runner, out = CliRunner(), tmp_path / "sub" / "page.html"
    done = runner.invoke(app, ["compare", str(folder / "band"), str(folder / "clock"), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "hedge.rule" in done.output
    total = json.loads((folder / "clock" / "summary.json").read_text())["total"]["usd"]
    assert f"{total:+,.2f}" in done.output
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    named = runner.invoke(app, ["compare", str(folder / "band"), str(folder / "short"), "--json"])
    found = json.loads(named.output)
    assert found["page"].endswith("compare-band-short.html")
    assert row(found, "total.usd")["values"][0] != row(found, "total.usd")["values"][1]
    assert found["paired"][0]["pairs"] > 3


def test_no_digit_is_lost_on_a_terminal_of_80_columns(folder, tmp_path, monkeypatch):
    """Whatever the runs are called: two, and three."""
    monkeypatch.setenv("COLUMNS", "80")
    named = {}
    for name in RUNS:
        named[name] = tmp_path / f"simulated-BTC-20261130-1710{len(named):02d}-{name}"
        shutil.copytree(folder / name, named[name])
    for count in (2, 3):
        found = comparison(load_runs(list(named.values())[:count]))
        words = ["compare", *map(str, list(named.values())[:count]), "--out", str(tmp_path / f"{count}.html")]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        assert "…" not in done.output
        shown = [[cell.strip() for cell in x.strip("│").split("│")] for x in done.output.splitlines()]
        figures = [cell for one in found["figures"] for cell, _ in figure_row(one)["cells"]]
        assert set(figures) <= {cell for line in shown for cell in line}
        for pair in found["paired"]:
            rows = paired_rows(pair, "BTC")
            wanted = [[row[key] for key in ("name", "mean", "error", "low", "high")] for row in rows]
            assert all(row in shown for row in wanted)


@pytest.fixture
def tab():
    with browser() as found:
        yield found


def test_a_browser_draws_it_at_both_widths(page, tmp_path, tab):
    path = tmp_path / "compare.html"
    path.write_text(page, encoding="utf-8")
    for width in (1280, 375):
        tab.draw(path, width)
        assert tab.value("document.documentElement.dataset.drawn") == "3"
        assert tab.value("document.documentElement.scrollWidth") == width
        tab.value("document.querySelector('input[value=coin]').click()")
        titles = "[...document.querySelectorAll('#chart-curves text')].map(t => t.textContent)"
        assert "P&L, BTC" in tab.value(titles)
    assert tab.complaints == []


def test_a_verdict_says_which_made_more_and_whether_that_is_luck(runs):
    found = comparison(runs)
    for other, pairs, said in zip(runs[1:], found["paired"], found["verdict"], strict=True):
        gap = other.summary["total"]["usd"] - runs[0].summary["total"]["usd"]
        word = "less" if gap < 0 else "more"
        assert said.startswith(f"{other.name} made {abs(gap):,.0f} USD {word} than {runs[0].name}")
        measured = pairs["measures"]["pnl_usd"]
        sure = measured["low"] is not None and not measured["low"] <= 0 <= measured["high"]
        assert ("more than luck" in said) is sure
    assert found["verdict"][0] in " ".join(render_comparison(runs, found).split())


def test_one_pair_is_one_pair_and_the_same_profit_is_no_more(runs):
    first, other, _ = runs
    one = [msgspec.structs.replace(run, episodes=run.episodes.iloc[:1]) for run in (first, other)]
    found = comparison(one)
    assert found["paired"][0]["pairs"] == 1
    assert "1 pair in 1 week, " in render_comparison(one, found)
    same = comparison([first, first])["verdict"][0]
    assert same.startswith(f"{first.name} made as much as {first.name}: 0 USD an episode")


def test_parameters_with_parts_are_written_as_in_a_file(runs):
    legs = [{"kind": "call", "strike": "delta 0.25", "implied": None}]
    with_legs = msgspec.structs.replace(runs[1], config=runs[1].config | {"entry": {"legs": legs}})
    page = render_comparison([runs[0], with_legs], comparison([runs[0], with_legs]))
    assert "[{kind: call, strike: delta 0.25, implied: null}]" in page


def test_numbers_of_many_runs_are_not_broken_between_digits(runs, tmp_path, tab):
    """Beside a long value other columns keep room for a word."""
    legs = [{"kind": "call", "strike": "delta 0.25"}] * 4
    many = [msgspec.structs.replace(runs[0], name=f"run{k}") for k in range(8)]
    for k, run in enumerate(many):
        changed = {"entry": {"legs": legs if k == 3 else []}, "hedge": {"band": (k + 1) / 10_000}}
        many[k] = msgspec.structs.replace(run, config=run.config | changed)
    path = tmp_path / "compare.html"
    path.write_text(render_comparison(many, comparison(many)), encoding="utf-8")
    tab.draw(path, 1440)
    lines = """[...document.querySelectorAll("td.wrap")].filter(td => td.textContent.startsWith("0.000"))
      .map(td => { const range = document.createRange(); range.selectNodeContents(td); return range.getClientRects().length; })"""  # noqa: E501
    assert set(tab.value(lines)) == {1}
