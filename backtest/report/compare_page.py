"""The page of a comparison: runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gammacore.daycount import parse_time

from .compare_figures import FIGURES, pairs_of
from .compare_runs import StoredRun
from .drawing import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    Figure,
    axis,
    bar,
    count_axis,
    make_figure,
    time_axis,
    unit_line,
)
from .rendering import render, script_json
from .script_file import SharedScript
from .tables import configured
from .thinning import LINE_POINTS, extent, rounded, thin
from .view import MISSING, Unit, as_text, day, gain_or_loss, label, plural

COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, GREY)
LEAST = 0.002  # of the largest line
DASHES = ("solid", "dash", "dot")
FORMS = {figure.key: figure.form for figure in FIGURES}
MEASURES = {
    "pnl_over_premium": ("P&L over premium", "+.2%", ""),
    "pnl_usd": ("P&L", "+,.2f", "USD"),
    "pnl_coin": ("P&L", "+,.6f", "coin"),
}


def _written(figure: str, value: float | None, *, difference: bool = False) -> str:
    """Write a figure of a summary, a difference always with its sign."""
    form = FORMS[figure]
    return as_text(value, f"+{form.lstrip('+')}" if difference else form)


def render_comparison(
    runs: Sequence[StoredRun], found: dict[str, Any], script: SharedScript | None = None
) -> str:
    """Page of a comparison, as text.

    Parameters
    ----------
    runs : sequence of StoredRun
    found : dict
        Of :func:`compare_figures.comparison`.
    script : SharedScript, optional
        Default: inside.

    Returns
    -------
    str
        HTML that opens offline.
    """
    coins = list(dict.fromkeys(run.coin for run in runs))
    units = [Unit("usd", "USD", 2)] + ([Unit("coin", coins[0], 8)] if len(coins) == 1 else [])
    figures = {"curves": _curves(runs, units), "lines": _lines(runs, found["attribution"], units)}
    if any(pair["pairs"] for pair in found["paired"]):
        figures["pairs"] = _pairs(runs)
    context = {
        "found": found,
        "names": [run.name for run in runs],
        "units": units,
        "figure_rows": [figure_row(row) for row in found["figures"]],
        "config_rows": [
            (row["path"], [configured(value) for value in row["values"]]) for row in found["configuration"]
        ],
        "line_rows": _line_rows(runs, found["attribution"], units),
        "paired": [
            {**pair, "counted": counted_pairs(pair), "rows": paired_rows(pair, coins[0])}
            for pair in found["paired"]
        ],
        "figures": {name: script_json(figure.plain()) for name, figure in figures.items()},
    }
    return render("compare.html.jinja", context, script)


def figure_row(row: dict[str, Any]) -> dict[str, Any]:
    """Write the name of a figure, and for each run its value and its difference: text and class."""
    name = f"{row['label']}, {row['unit']}" if row["unit"] else row["label"]
    cells = [(_written(row["figure"], row["values"][0]), "")]
    for value, difference in zip(row["values"][1:], row["differences"], strict=True):
        cells += [
            (_written(row["figure"], value), ""),
            (_written(row["figure"], difference, difference=True), "soft"),
        ]
    return {"name": name, "cells": cells}


def _line_rows(
    runs: Sequence[StoredRun], lines: dict[str, dict[str, list[float]]], units: Sequence[Unit]
) -> list[tuple[str, list[str]]]:
    """Lines and totals, a cell for every run and currency."""
    totals = {unit.key: [run.summary["total"][unit.key] for run in runs] for unit in units}
    forms = {"usd": "+,.2f", "coin": "+,.8f"}
    return [
        (label(name), [as_text(value, forms[unit.key]) for unit in units for value in values[unit.key]])
        for name, values in [*lines.items(), ("total", totals)]
    ]


def counted_pairs(pair: dict[str, Any]) -> str:
    """Count the pairs of two runs, and their weeks."""
    return f"{plural(pair['pairs'], 'pair')} in {plural(pair['weeks'], 'week')}"


def paired_rows(pair: dict[str, Any], coin: str) -> list[dict[str, Any]]:
    """Write what paired episodes differ by, a row for each measure."""
    rows = []
    for name, seen in pair["measures"].items():
        title, form, unit = MEASURES[name]
        unit = coin if unit == "coin" else unit
        low, high = as_text(seen["low"], form), as_text(seen["high"], form)
        rows.append(
            {
                "name": f"{title}, {unit}" if unit else title,
                "mean": as_text(seen["mean"], form),
                "tone": gain_or_loss(seen["mean"]),
                "error": as_text(seen["standard_error"], form.lstrip("+")),
                "low": low,
                "high": high,
                "interval": MISSING if seen["low"] is None else f"{low} to {high}",
                "beyond": seen["low"] is not None and (seen["low"] > 0 or seen["high"] < 0),
            }
        )
    return rows


def _look(number: int) -> tuple[str, str]:
    """Colour and dash of a run: all different as long as there are colours, then by dash."""
    return COLOURS[number % len(COLOURS)], DASHES[(number // len(COLOURS)) % len(DASHES)]


def _curves(runs: Sequence[StoredRun], units: Sequence[Unit]) -> Figure:
    traces = []
    for unit in units:
        for number, run in enumerate(runs):
            colour, dash = _look(number)
            ts = np.array([parse_time(text) for text in run.profit["time"]], np.int64)
            curve, line = run.profit[f"pnl_{unit.key}"], {"color": colour, "dash": dash, "width": 1.8}
            traces.append(unit_line(ts, curve, unit, run.name, LINE_POINTS, "+", line=line))
    return make_figure(
        traces,
        420,
        showlegend=True,
        hovermode="x unified",
        xaxis=time_axis(),
        yaxis=axis("P&L, USD", zeroline=True),
        meta={unit.key: {"yaxis.title.text": f"P&L, {unit.name}"} for unit in units},
    )


def _lines(
    runs: Sequence[StoredRun], lines: dict[str, dict[str, list[float]]], units: Sequence[Unit]
) -> Figure:
    # Less than a bar is thick is left to the table.
    least = LEAST * max((extent(values["usd"]) for values in lines.values()), default=0.0)
    shown = [name for name, values in lines.items() if extent(values["usd"]) > least]
    traces = []
    for unit in units:
        for number, run in enumerate(runs):
            values = [lines[name][unit.key][number] for name in shown] + [run.summary["total"][unit.key]]
            traces.append(
                bar(
                    orientation="h",
                    y=[*(label(name) for name in shown), "total"],
                    x=rounded(values, unit.decimals),
                    name=run.name,
                    meta=unit.key,
                    visible=unit.key == "usd",
                    marker={"color": _look(number)[0], "pattern": {"shape": "/" if number >= 7 else ""}},
                    hovertemplate=f"%{{y}}: %{{x:+,.{unit.decimals}~f}} {unit.name}"
                    "<extra>%{fullData.name}</extra>",
                )
            )
    return make_figure(
        traces,
        110 + (len(shown) + 1) * (14 + 12 * len(runs)),
        showlegend=True,
        barmode="group",
        bargap=0.25,
        xaxis=axis("USD", zeroline=True, nticks=6),
        yaxis=axis(autorange="reversed", showgrid=False, ticks=""),
        meta={unit.key: {"xaxis.title.text": unit.name} for unit in units},
    )


def _pairs(runs: Sequence[StoredRun]) -> Figure:
    """Differences of paired episodes, in order of expiry."""
    traces, most = [], 0
    for number, other in enumerate(runs[1:], start=1):
        pairs = pairs_of(runs[0], other)
        most = max(most, len(pairs))
        if pairs.empty:
            continue
        pairs = pairs.sort_values(["expiry", "strikes"], kind="stable")
        change = 100 * (pairs["pnl_over_premium_other"] - pairs["pnl_over_premium_first"]).to_numpy(
            np.float64
        )
        kept = thin(change, LINE_POINTS)
        words = [
            f"{day(str(row.expiry))} at {row.strikes}<br>{row.pnl_over_premium_first:+.2%} and "
            f"{row.pnl_over_premium_other:+.2%}"
            for row in pairs.iloc[kept].itertuples(index=False)
        ]
        traces.append(
            bar(
                x=(kept + 1).tolist(),
                y=rounded(change[kept], 3),
                text=words,
                textposition="none",
                name=f"{other.name} less {runs[0].name}",
                marker={"color": _look(number)[0]},
                hovertemplate="%{text}<br>%{y:+.2f} points<extra></extra>",
            )
        )
    return make_figure(
        traces,
        320,
        showlegend=True,
        xaxis=count_axis("Pair, in order of expiry", most),
        yaxis=axis("Difference, % of premium", zeroline=True),
    )
