"""The page: a template filled with everything that the report shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gammacore.result_files import config_text

from ..figures.results import Results
from . import tables
from .book_charts import book_figure
from .drawing import Figure
from .episode_charts import cone_figure, cone_note, returns_figure, volatility_figure
from .exposure_charts import deltas_figure, greeks_figure
from .headline import FIRST, headline_cards
from .margin_chart import liquidation_rows, liquidation_words, margin_figure, margin_rows
from .price_chart import drawn_note, price_figure
from .profit_charts import attribution_figure, costs_figure, lines_figure, pnl_figure
from .rendering import render, script_json
from .replay import replay_data
from .script_file import SharedScript
from .view import Unit, View, as_text
from .words import closed_in_words, run_in_words, run_notes, run_title


def write_report(results: Results, path: Path, script: SharedScript | None = None) -> None:
    """Write the report of a run.

    Parameters
    ----------
    results : Results
        Tables of the run.
    path : Path
        File to write; everything it needs is inside.
    script : SharedScript, optional
        But for the script of the charts, if this one is named.
    """
    page = render("report.html.jinja", _context(view_of(results)), script)
    path.write_text(page, encoding="utf-8")


def view_of(results: Results) -> View:
    """Results with the currencies that they are drawn in."""
    return View(results, (Unit("usd", "USD", 2), Unit("coin", results.config.coin, 8)))


def _context(view: View) -> dict[str, Any]:
    """Everything the template shows."""
    figures = _figures(view)
    return {
        "summary": view.summary,
        "units": view.units,
        "title": run_title(view),
        "run": [*run_in_words(view.config), *closed_in_words(view)],
        "notes": run_notes(view),
        "cards": headline_cards(view)[:FIRST],
        "more_cards": headline_cards(view)[FIRST:],
        "lines": tables.line_rows(view),
        "other_method": tables.METHOD_WORDS[tables.other_method(view)],
        "scalping": tables.scalping_rows(view),
        "margins": margin_rows(view),
        "liquidation": liquidation_words(view),
        "liquidations": liquidation_rows(view),
        "settles_in": view.config.settles_in,
        "left_out": tables.left_out(view),
        "vega_note": tables.vega_note(view),
        "drawn": drawn_note(view),
        "cone_note": cone_note(view),
        "scalps": tables.scalp_rows(view),
        "findings": tables.finding_rows(view.summary),
        "replay": script_json(replay_data(view)),
        "mean": as_text(view.summary["mean_pnl_over_premium"], "+.2%"),
        "episodes": tables.episode_rows(view),
        "data": tables.data_rows(view.summary),
        "files": tables.file_rows(view.summary),
        "changed": tables.changed_parameters(view.config),
        "config_yaml": config_text(view.config),
        "figures": {name: script_json(figure.plain()) for name, figure in figures.items()},
    }


def _figures(view: View) -> dict[str, Figure]:
    if not view.summary["n_episodes"]:
        return {}
    return {
        "pnl": pnl_figure(view),
        "bars": attribution_figure(view),
        "lines": lines_figure(view),
        "costs": costs_figure(view),
        "price": price_figure(view),
        "deltas": deltas_figure(view),
        "greeks": greeks_figure(view),
        "book": book_figure(view),
        "margin": margin_figure(view),
        "volatility": volatility_figure(view),
        "returns": returns_figure(view),
        "cone": cone_figure(view),
    }
