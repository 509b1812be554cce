import collections
import csv
import json
import math
from decimal import Decimal

import pandas as pd
import pytest

from gammacore.attribution import LINES
from gammacore.backtest.figures.results import compared, run_backtest
from gammacore.backtest.replay.market import load_market
from gammacore.backtest.report import write_results
from gammacore.backtest.sweep.cell_runs import run_whole
from gammacore.backtest.sweep.grid import cells
from gammacore.errors import ConfigError, DataError
from gammacore.ledger import Account
from gammacore.result_files import MARKER, result_directory
from support.markets import build

SMALL = {"market.days": 21, "market.snapshot_hours": 6.0, "hedge.rule": "interval", "hedge.every": "4h"}
KEYS = {
    "currency",
    "simulated_data",
    "n_episodes",
    "n_hedges",
    "total",
    "attribution",
    "fees",
    "funding",
    "premium",
    "mean_pnl_over_premium",
    "std_pnl_over_premium",
    "corr_pnl_rv_over_iv",
    "quotes_missing",
    "data",
}


@pytest.fixture(scope="module")
def results():
    return run_backtest(build(SMALL))


@pytest.fixture(scope="module")
def folder(results, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "run"
    with result_directory(out) as work:
        write_results(results, work)
    return out


def test_all_files_are_there(folder):
    names = {path.name for path in folder.iterdir()} - {MARKER}
    names_of = "book episodes fills intervals ledger liquidations margins pnl scalps"
    tables = {f"{name}.csv" for name in names_of.split()}
    assert names == tables | {"config.yaml", "summary.json", "report.html"}


def test_summary_has_its_stable_keys_and_sums(folder):
    summary = json.loads((folder / "summary.json").read_text())
    assert set(summary) >= KEYS
    assert summary["simulated_data"] is True
    assert summary["n_episodes"] >= 3
    for currency in ("coin", "usd"):
        lines = [money[currency] for money in summary["attribution"].values()]
        assert math.fsum(lines) == pytest.approx(summary["total"][currency], abs=1e-9)
    assert set(summary["attribution"]) == set(LINES)
    assert summary["fees"]["coin"] == -summary["attribution"]["fees"]["coin"] > 0


def test_tables_agree_with_the_summary(folder):
    summary = json.loads((folder / "summary.json").read_text())
    episodes, fills, profit = (pd.read_csv(folder / f"{name}.csv") for name in ("episodes", "fills", "pnl"))
    assert len(episodes) == summary["n_episodes"]
    assert episodes["hedges"].sum() == summary["n_hedges"] == (fills["purpose"] == "hedge").sum()
    for currency in ("coin", "usd"):
        total = summary["total"][currency]
        assert episodes[f"pnl_{currency}"].sum() == pytest.approx(total, abs=1e-9)
        assert profit[f"pnl_{currency}"].iloc[-1] == pytest.approx(total, abs=1e-8)
        assert profit[[f"{line}_{currency}" for line in LINES]].iloc[-1].sum() == pytest.approx(
            total, abs=1e-8
        )
    assert episodes["premium_usd"].sum() == pytest.approx(summary["premium"]["usd"])
    entries = fills[fills["purpose"] == "entry"]
    assert (entries["amount"] * entries["price"]).sum() == pytest.approx(summary["premium"]["coin"])


def test_both_attributions_explain_the_same_total(folder):
    summary = json.loads((folder / "summary.json").read_text())
    taylor, repriced = summary["attribution"], summary["attribution_revaluation"]
    assert summary["attribution_method"] == "taylor"
    for currency in ("coin", "usd"):
        total = summary["total"][currency]
        assert math.fsum(m[currency] for m in repriced.values()) == pytest.approx(total, abs=1e-9)
        for line in ("delta", "vega", "hedge", "basis", "lots", "fees", "spread", "funding", "unexplained"):
            assert repriced[line][currency] == pytest.approx(taylor[line][currency], abs=1e-9)
    assert repriced["gamma"] != taylor["gamma"]
    assert set(repriced) == set(LINES)


def test_either_attribution_can_be_the_first():
    summary = run_backtest(build(SMALL | {"report.attribution": "revaluation"})).summary
    usual = run_backtest(build(SMALL)).summary
    assert summary["attribution"] == usual["attribution_revaluation"]
    assert summary["attribution_taylor"] == usual["attribution"]
    assert summary["total"] == usual["total"]


def test_scalps_and_intervals_sum_to_the_attribution(folder):
    summary = json.loads((folder / "summary.json").read_text())
    scalps, intervals = (pd.read_csv(folder / f"{name}.csv") for name in ("scalps", "intervals"))
    lines = summary["attribution"]
    for currency in ("coin", "usd"):
        for line in LINES:
            total = intervals[f"{line}_{currency}"].sum()
            assert total == pytest.approx(lines[line][currency], abs=1e-6)
        assert intervals[f"pnl_{currency}"].sum() == pytest.approx(summary["total"][currency], abs=1e-6)
    assert summary["scalps"]["n"] == (scalps["closed_by"] == "hedge").sum() > 10
    assert (intervals["end"] > intervals["start"]).all()


def test_the_journal_is_the_ledger_to_the_last_unit(folder, results):
    with (folder / "ledger.csv").open() as file:
        rows = list(csv.DictReader(file))
    balance = collections.defaultdict(Decimal)
    for row in rows:
        for currency in ("coin", "usd"):
            amount = Decimal(row[currency])
            balance[row["episode"], row["debit"], currency] += amount
            balance[row["episode"], row["credit"], currency] -= amount
    for number, ledger in results.ledgers:
        for account in Account:
            for i, currency in enumerate(("coin", "usd")):
                units = balance[str(number), account.value, currency] * 10**8
                assert units == ledger.units(account)[i]
    memos = {row["memo"].partition(" at ")[0] for row in rows}
    assert memos >= {"trade", "fee", "funding", "hedge", "delivery", "delivery fee", "options closed", "cash"}
    assert {row["instrument"] for row in rows if row["memo"] == "hedge"} == {"BTC-PERPETUAL"}


def test_too_much_unexplained_raises_the_alarm():
    quiet = run_backtest(build(SMALL)).summary["unexplained_alarm"]
    assert quiet["allowed"] == 0.05
    assert quiet["episodes"] == []
    loud = run_backtest(build(SMALL | {"report.unexplained_alarm": quiet["largest"] * 0.999}))
    share = loud.episodes["unexplained_share"]
    assert loud.summary["unexplained_alarm"]["episodes"] == [int(loud.episodes["episode"][share.idxmax()])]


def test_the_same_configuration_gives_the_same_figures(results):
    again = run_backtest(build(SMALL))
    assert again.summary == results.summary
    pd.testing.assert_frame_equal(again.profit, results.profit)


def test_the_written_configuration_reproduces_the_run(folder, results):
    from gammacore.config import load_config

    assert load_config(folder / "config.yaml") == results.config


def test_interruption_leaves_no_directory(tmp_path, results):
    out = tmp_path / "run"

    def interrupted():
        with result_directory(out) as work:
            write_results(results, work)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_result_is_replaced_only_by_a_whole_one(tmp_path, results):
    out = tmp_path / "run"
    for _ in range(2):
        with result_directory(out) as work:
            write_results(results, work)
    before = (out / "summary.json").read_bytes()
    with pytest.raises(ZeroDivisionError), result_directory(out):
        raise ZeroDivisionError
    assert (out / "summary.json").read_bytes() == before
    with result_directory(out) as work:
        (work / "other").write_text("")
    assert {path.name for path in out.iterdir()} == {"other", MARKER}


def test_other_directories_are_never_replaced(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    with pytest.raises(DataError, match="is not a result directory"), result_directory(tmp_path / "precious"):
        pass
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="is not a result directory"), result_directory(tmp_path / "file"):
        pass
    with pytest.raises(DataError, match="cannot write"), result_directory(tmp_path / "file" / "run"):
        pass


def test_sources_that_do_not_fit_together_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"marks.source: 'flat' needs data.prices"):
        load_market(build({"marks.source": "flat"}))
    with pytest.raises(ConfigError, match=r"data.chains: needed beside data.prices"):
        load_market(build({"data.prices": str(tmp_path)}))
    with pytest.raises(ConfigError, match=r"no data\.chains"):
        load_market(build({"marks.source": "flat", "data.chains": str(tmp_path)}))


def test_every_combination_has_its_row_and_its_directory_name():
    vary = {"hedge.every": ["4h", "1d", "never"], "entry.side": ["long", "short"]}
    grid = cells(build(SMALL | {"vary": vary}))
    table = pd.DataFrame([{**cell.overrides, **compared(run_whole(cell))} for cell in grid])
    assert list(table["hedge.every"]) == ["4h", "4h", "1d", "1d", "never", "never"]
    assert grid[0].label == "hedge.every=4h,entry.side=long"
    hedges = table[table["entry.side"] == "long"]["n_hedges"].tolist()
    assert hedges[0] > hedges[1] > hedges[2] == 0
    alone = run_backtest(build(SMALL | {"hedge.every": "1d"}))
    assert table.loc[2, "total_coin"] == alone.summary["total"]["coin"]
    fee = alone.episodes["fees_coin"] / alone.episodes["premium_coin"]
    assert table.loc[2, "mean_before_fees"] == (alone.episodes["pnl_over_premium"] - fee).mean()


def test_a_run_without_an_episode(tmp_path):
    results = run_backtest(build(SMALL | {"entry.min_days": 300.0, "entry.max_days": 400.0}))
    with result_directory(tmp_path / "run") as work:
        write_results(results, work)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["n_episodes"] == 0
    assert summary["mean_pnl_over_premium"] is None
    assert summary["total"] == {"coin": 0.0, "usd": 0.0}
    full = run_backtest(build(SMALL))
    for name in ("episodes", "scalps", "intervals"):
        empty = pd.read_csv(tmp_path / "run" / f"{name}.csv")
        assert len(empty) == 0
        assert list(empty) == list(getattr(full, name)), name
