"""Whatever shows figures of modelled chains says that nobody recorded them."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from gammacore.backtest.replay.market import load_market
from gammacore.cli.main import app
from gammacore.config import load_config
from gammacore.data import Store
from gammacore.data.trade_chains import ChainRecipe, build_chains, load_spread_model
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR
from support import trade_world
from support.drawn_trades import write

TOLD = "trades of 12h, levels of 2h"


@pytest.fixture(scope="module")
def chains(tmp_path_factory):
    folder, recipe = (
        tmp_path_factory.mktemp("store"),
        ChainRecipe(every_ns=NS_PER_HOUR, window_ns=NS_PER_DAY // 2, min_chain=50),
    )
    start, end = trade_world.START, trade_world.START + trade_world.DAYS * NS_PER_DAY
    with Store(folder) as store:
        write(store, "BTC", trade_world.trades())
        done = build_chains(store, "BTC", start, end, recipe, load_spread_model("BTC"), as_of_ns=end)
    return folder / "processed" / "chains_modelled" / "BTC" / done.series


def run(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.output


BET = ("--set", "entry.expiries=any", "--set", "entry.min_days=3", "--set", "entry.max_days=20")


@pytest.fixture(scope="module")
def result(chains, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "first"
    return run("backtest", "--chains", chains, *BET, "--out", out), out


def test_the_market_says_where_it_comes_from(chains):
    market = load_market(load_config(None, {"data.chains": str(chains)}))
    assert TOLD in market.modelled
    data = market.provenance
    assert (data["source"], data["marks"]) == ("modelled from trades", "modelled from trades")
    assert any("modelled from trades" in finding for finding in data["findings"])
    assert load_market(load_config(None, {"market.days": 10})).modelled == ""


def test_the_backtest_says_so_on_every_surface(result):
    printed, out = result
    assert "Modelled chains: quotes and marks are estimated from trades of 12h" in printed
    summary = json.loads((out / "summary.json").read_text())
    assert TOLD in summary["data"]["modelled"]
    assert summary["data"]["source"] == "modelled from trades"
    page = (out / "report.html").read_text()
    assert 'id="modelled"' in page
    assert "Chains are no recording: quotes and marks are estimated from trades of 12h" in page
    assert "<title>Modelled: " in page


def test_so_do_sweeps_comparisons_and_rankings(chains, result, tmp_path):
    vary = ("--vary", "hedge.band=0.05,0.1", "--backend", "serial")
    assert "Modelled chains:" in run(
        "sweep", "--set", f"data.chains={chains}", *BET, *vary, "--out", tmp_path / "sweep"
    )
    assert TOLD in json.loads((tmp_path / "sweep" / "summary.json").read_text())["modelled"]
    pages = [page.read_text() for page in (tmp_path / "sweep").rglob("*.html")]
    assert pages
    assert all('id="modelled"' in page for page in pages)
    page = tmp_path / "compare.html"
    shutil.copytree(result[1], tmp_path / "again")
    assert "Modelled chains:" in run("compare", result[1], tmp_path / "again", "--out", page)
    assert 'id="modelled"' in page.read_text()
    assert "Modelled chains:" in run("breakeven", "--chains", chains, "--forecast", 0.5)
    assert TOLD in json.loads(run("breakeven", "--chains", chains, "--forecast", 0.5, "--json"))["modelled"]
