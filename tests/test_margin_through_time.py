"""Margin of a run through time against that of each moment's book, one by one."""

import json

import msgspec
import numpy as np
import pandas as pd
import pytest

from gammacore.backtest.figures.margins import margin_figures
from gammacore.backtest.figures.results import run_backtest, tabulate
from gammacore.backtest.replay.market import load_market
from gammacore.backtest.replay.runner import replay
from gammacore.backtest.report import write_results
from gammacore.contracts import Option
from gammacore.data.margins import published_margins
from gammacore.margin import Book, Holding, option_margin, option_margins, portfolio_margin, standard_margin
from gammacore.result_files import result_directory
from gammacore.valuation import value
from support.markets import build

SMALL = {"market.days": 16, "market.snapshot_hours": 12.0, "hedge.rule": "interval", "hedge.every": "8h"}
SMALL |= {"size.equity": 10.0, "exit.delivery": "last"}  # lives as the clock says, not those of an average
CASES = [
    {},
    {"entry.side": "short"},
    {"hedge.instrument": "future"},
    {"entry.side": "short", "marks.settlement": "linear", "hedge.target": "black", "size.equity": 9e5},
    {"entry.expiries": "any", "entry.min_days": 2.0, "hedge.scope": "book"},
]


def run_of(settings):
    config = build(SMALL | settings)
    market = load_market(config)
    run = replay(config, market.tape)
    return run, tabulate(run, market)


def book_at(run, ts):
    """What is held at a moment, from the fills, at the tape's marks."""
    tape, i = run.tape, int(np.searchsorted(run.tape.ts_ns, ts, side="right")) - 1
    held = {}
    for done in run.traded:
        ended = done.episode.end_ns and done.episode.end_ns <= ts
        for fill in done.episode.fills:
            over = isinstance(fill.instrument, Option) and fill.instrument.expiry_ns <= ts
            over = over or (not isinstance(fill.instrument, Option) and ended)
            if fill.ts_ns <= ts and not over:
                held[fill.instrument] = held.get(fill.instrument, 0.0) + fill.amount
    holdings = []
    for one, size in held.items():
        if abs(size) < 1e-9:
            continue
        if isinstance(one, Option):
            at = one.expiry_ns, i, i + 1
            forward, tau = float(tape.forward(*at)[0]), float(tape.tau(*at)[0])
            vol = float(tape.vol(one, i, i + 1)[0])
            holdings.append(Holding(one, size, float(value(one, forward, tau, vol)), forward, vol))
        else:
            holdings.append(Holding(one, size, float(tape.future_price(one, i, i + 1)[0])))
    return Book(int(ts), float(tape.index[i]), tuple(holdings))


@pytest.mark.parametrize("settings", CASES)
def test_each_moment_is_the_margin_of_its_book(settings):
    run, results = run_of(settings)
    table, margins, looked = results.margins, published_margins(), 0
    assert table["ts_ns"].tolist() == results.profit["ts_ns"].tolist()  # of every hour, both
    native = "usd" if run.config.linear else "coin"
    assert np.allclose(table["equity"].iloc[-1], run.config.size.equity + results.summary["total"][native])
    # At recorded marks, the table at the model's.
    marked = run.config.size.equity + results.profit[f"pnl_{native}"]
    assert np.abs(table["equity"] - marked).max() < 2e-3 * run.config.size.equity
    for row in table.iloc[::23].itertuples():
        book = book_at(run, row.ts_ns)
        looked += len(book.holdings) > 1
        tell = {"rel": 1e-9, "abs": 2e-9 * run.config.size.equity}
        standard = standard_margin(book, margins.standard_at(row.ts_ns))
        assert (row.standard_initial, row.standard_maintenance) == pytest.approx(standard, **tell)
        assert row.options_value == pytest.approx(
            sum(h.size * h.price for h in book.holdings if isinstance(h.instrument, Option)), **tell
        )
        if book.holdings:
            found = portfolio_margin(book, margins.portfolio_at(row.ts_ns, "BTC"))
            assert (row.portfolio_initial, row.portfolio_maintenance) == pytest.approx(found[:2], **tell)
        else:
            assert row.portfolio_initial == 0.0
    assert looked > 8


def test_parameters_change_within_a_run():
    _, before = run_of({"market.start": "2026-09-10", "entry.side": "short"})
    table = before.margins
    late = table["time"] >= "2026-09-23"
    assert late.any()
    assert not late.all()
    run, _ = run_of({"market.start": "2026-09-10", "entry.side": "short"})
    for rows in (table[late], table[~late]):
        row = next(r for r in rows.iloc[5:].itertuples() if r.portfolio_initial > 0)
        rates = published_margins().portfolio_at(row.ts_ns, "BTC")
        wanted = portfolio_margin(book_at(run, row.ts_ns), rates).initial
        assert row.portfolio_initial == pytest.approx(wanted, rel=1e-9)


def test_figures_of_the_summary():
    run, results = run_of({"entry.side": "short"})
    table, summary = results.margins, results.summary
    found = summary["margin"]
    assert found["model"] == "standard"
    earned = summary["total"]["coin"]
    for model in ("standard", "portfolio"):
        peak = table[f"{model}_initial"].max()
        assert found[model]["peak_initial"] == peak
        assert found[model]["return_on_peak"] == pytest.approx(earned / peak)
    use = table["standard_initial"] / (table["equity"] - table["options_value"])
    assert found["standard"]["max_use"] == pytest.approx(use.max())
    use = table["portfolio_maintenance"] / table["equity"]
    assert found["portfolio"]["max_maintenance_use"] == pytest.approx(use.max())
    portfolio = msgspec.structs.replace(run.config, margin=build({"margin.model": "portfolio"}).margin)
    other = run_backtest(portfolio).summary
    assert other["peak_capital"] == other["margin"]["portfolio"]["peak_initial"]
    assert other["return_on_margin"] == other["margin"]["portfolio"]["return_on_peak"]
    assert json.dumps(other["margin"])


def test_without_an_equity_there_is_no_use():
    _, results = run_of({"size.equity": None})
    assert results.margins["equity"].isna().all()
    assert results.summary["margin"]["standard"]["max_use"] is None
    assert results.summary["margin"]["standard"]["peak_initial"] > 0


def test_a_balance_that_is_gone_is_used_without_limit():
    columns = {
        "standard_initial": [1.0, 1.0],
        "standard_maintenance": [0.5, 0.5],
        "portfolio_initial": [0.0, 0.0],
    }
    columns |= {"portfolio_maintenance": [0.0, 0.0], "equity": [2.0, -1.0], "options_value": [0.0, 0.0]}
    found = margin_figures(pd.DataFrame(columns), build({}), 1.0)
    assert found["standard"]["max_use"] is None  # infinite is no number of a file
    assert found["portfolio"] == dict.fromkeys(found["portfolio"], None) | {
        "peak_initial": 0.0,
        "peak_maintenance": 0.0,
        "max_use": 0.0,
        "max_maintenance_use": 0.0,
    }


def test_the_file(tmp_path):
    _, results = run_of({})
    with result_directory(tmp_path / "run") as work:
        write_results(results, work)
    written = pd.read_csv(tmp_path / "run" / "margins.csv")
    assert list(written) == [
        "time", "standard_initial", "standard_maintenance", "portfolio_initial", "portfolio_maintenance",
        "equity", "options_value",
    ]  # fmt: skip
    assert len(written) == len(results.profit)


@pytest.mark.parametrize("kind", [1, -1])
def test_margins_of_arrays_are_those_of_each_option(kind):
    rates, rng = published_margins().standard_at(0), np.random.default_rng(4)
    forward, mark = 9e4 * np.exp(rng.normal(0, 0.4, 50)), np.abs(rng.normal(0, 1.0, 50))
    found = np.array(option_margins(rates, kind, 9e4, forward, mark)).T
    each = [option_margin(rates, kind, 9e4, f, m) for f, m in zip(forward, mark, strict=True)]
    assert found.tolist() == pytest.approx(np.array(each), rel=1e-12)
