"""The page's section on margin: its lines and its table are the figures of the run."""

import re

import numpy as np
import pytest

from gammacore.backtest.figures.results import run_backtest
from gammacore.backtest.report.margin_chart import margin_figure, margin_rows
from gammacore.backtest.report.page import write_report
from gammacore.backtest.report.view import Unit, View
from support.markets import build

SMALL = {"market.days": 16, "market.snapshot_hours": 12.0, "hedge.rule": "interval", "hedge.every": "8h"}


def view_of(settings):
    results = run_backtest(build(SMALL | settings))
    return View(results, (Unit("usd", "USD", 2), Unit("coin", "BTC", 8)))


def test_lines_are_those_of_the_table():
    view = view_of({"entry.side": "short", "size.equity": 10.0})
    figure, table = margin_figure(view), view.results.margins
    assert [trace["name"] for trace in figure.data] == [
        "standard, initial",
        "standard, maintenance",
        "portfolio, initial",
        "portfolio, maintenance",
    ]
    assert np.max(figure.data[0]["y"]) == pytest.approx(table["standard_initial"].max(), abs=1e-6)
    assert np.max(figure.data[3]["y"]) == pytest.approx(table["portfolio_maintenance"].max(), abs=1e-6)


def test_the_table_and_the_page(tmp_path):
    view = view_of({"margin.model": "portfolio", "size.equity": 10.0})
    rows, found = margin_rows(view), view.summary["margin"]["portfolio"]
    assert [row[0] for row in rows] == ["standard", "portfolio (margin.model)"]
    assert rows[1][1:] == (
        f"{found['peak_initial']:,.6f}",
        f"{found['return_on_peak']:+.2%}",
        f"{found['max_use']:.1%}",
        f"{found['max_maintenance_use']:.1%}",
    )
    write_report(view.results, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    section = re.search(r'<section id="margin">.*?</section>', page, re.S)[0]
    assert f"<td>{rows[1][1]}</td>" in section
    assert 'id="chart-margin"' in section


def test_a_coin_without_parameters_shows_the_standard_model_alone(tmp_path):
    view = view_of({})
    view.results.margins[["portfolio_initial", "portfolio_maintenance"]] = np.nan
    assert [trace["name"] for trace in margin_figure(view).data] == [
        "standard, initial",
        "standard, maintenance",
    ]
