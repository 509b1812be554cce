"""Charts of the profit: its curve, its lines, and what they sum to.

A trace whose ``meta`` is a unit's key is shown when that unit is chosen, and the layout's
``meta`` says what else then changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gammacore.array_types import Floats

from .drawing import (
    BLUE,
    GAIN,
    GREEN,
    GREY,
    LOSS,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    Figure,
    Trace,
    axis,
    make_figure,
    time_axis,
    trace,
    unit_line,
)
from .thinning import CURVE_POINTS, LINE_POINTS, extent, rounded
from .view import Unit, View, as_text, label, ordered, shows

STYLE = {
    "gamma": (GREEN, "solid"),
    "theta": (ORANGE, "solid"),
    "vega": (PURPLE, "solid"),
    "delta + hedge": (SKY, "solid"),
    "delta": (SKY, "dot"),
    "hedge": (SKY, "dash"),
    "fees": (VERMILLION, "solid"),
    "spread": (VERMILLION, "dot"),
    "funding": (VERMILLION, "dash"),
    "vanna": (PURPLE, "dash"),
    "volga": (PURPLE, "dot"),
    "charm": (ORANGE, "dot"),
    "basis": (SKY, "dashdot"),
    "lots": (VERMILLION, "dashdot"),
    "higher_order": (GREY, "solid"),
    "numeraire": (GREY, "dash"),
    "unexplained": (GREY, "dot"),
    "rounding": (GREY, "dashdot"),
}

COSTS = {"fees": (VERMILLION, "solid"), "spread": (ORANGE, "solid"), "funding": (SKY, "solid")}


def pnl_figure(view: View) -> Figure:
    """Cumulative profit, with its drawdown beneath."""
    profit = view.results.profit
    ts = profit["ts_ns"].to_numpy(np.int64)
    traces = []
    for unit in view.units:
        curve = profit[f"pnl_{unit.key}"]
        red = {"color": VERMILLION, "width": 1}
        fall: dict[str, Any] = {"yaxis": "y2", "fill": "tozeroy", "fillcolor": "rgba(213,94,0,0.25)"}
        traces += [
            unit_line(ts, curve, unit, "P&L", CURVE_POINTS, line={"color": BLUE, "width": 1.8}),
            unit_line(ts, drawdown(curve), unit, "Drawdown", CURVE_POINTS, line=red, **fall),
        ]
    return make_figure(
        traces,
        460,
        showlegend=False,
        hovermode="x unified",
        xaxis=time_axis(anchor="y2"),
        yaxis=axis("P&L, USD", domain=[0.36, 1.0], zeroline=True),
        yaxis2=axis("Drawdown, USD", domain=[0.0, 0.28], rangemode="tozero"),
        meta=_switch(view, {"yaxis.title.text": "P&L, {}", "yaxis2.title.text": "Drawdown, {}"}),
    )


def drawdown(curve: pd.Series) -> pd.Series:
    """Distance below the highest point so far, from a start at zero; never positive."""
    # Cumulative P&L has no gaps; should one come, it is not a new high.
    return curve - curve.fillna(0.0).cummax().clip(lower=0.0)


def attribution_figure(view: View) -> Figure:
    """Waterfall from the lines to the total."""
    traces, ranges, counts = [], {}, []
    for unit in view.units:
        lines = view.summary["attribution"]
        names = [name for name in ordered(lines) if shows(lines[name][unit.key], unit)]
        steps = [lines[name][unit.key] for name in names]
        total = view.summary["total"][unit.key]
        traces.append(_waterfall(names, steps, total, unit))
        ranges[unit.key] = _padded(np.array([0.0, *np.cumsum(steps), total]))
        counts.append(len(names) + 1)
    return make_figure(
        traces,
        90 + 34 * max(counts),
        showlegend=False,
        xaxis=axis("USD", range=ranges["usd"], zeroline=True, nticks=6),
        yaxis=axis(autorange="reversed", showgrid=False, ticks=""),
        meta={
            unit.key: {"xaxis.title.text": unit.name, "xaxis.range": ranges[unit.key]} for unit in view.units
        },
    )


def _waterfall(names: Sequence[str], steps: Sequence[float], total: float, unit: Unit) -> Trace:
    values = [*steps, total]
    return trace(
        "waterfall",
        orientation="h",
        y=[*(label(name) for name in names), "total"],
        x=rounded(np.array(values), unit.decimals),
        measure=[*("relative" for _ in names), "total"],
        text=[_short(value, unit) for value in values],
        textposition="outside",
        cliponaxis=False,
        increasing={"marker": {"color": GAIN}},
        decreasing={"marker": {"color": LOSS}},
        totals={"marker": {"color": GREY}},
        connector={"line": {"color": GREY, "width": 1, "dash": "dot"}},
        hovertemplate=f"%{{y}}: %{{text}} {unit.name}<extra></extra>",
        meta=unit.key,
        visible=unit.key == "usd",
    )


def _short(value: float, unit: Unit) -> str:
    """Format a number for the end of a bar, where there is no room for the digits of millions."""
    if abs(value) >= 1e9:
        return as_text(value / 1e9, "+,.2f", "bn")
    if abs(value) >= 1e6:
        return as_text(value / 1e6, "+.1f", "M")
    if unit.key == "coin":
        return as_text(value, "+,.4f" if abs(value) >= 1e-4 else "+.8f")
    return as_text(value, "+,.0f" if abs(value) >= 1_000 else "+,.2f")


def _padded(values: Floats) -> list[float]:
    """Range with room for the numbers at the ends of the bars."""
    low, high = float(values.min()), float(values.max())
    room = 0.26 * ((high - low) or 1.0)
    return [low - room, high + room]


def lines_figure(view: View) -> Figure:
    """Cumulative lines over time."""
    profit = view.results.profit
    ts = profit["ts_ns"].to_numpy(np.int64)
    traces = []
    for unit in view.units:
        series = _line_series(view, unit)
        largest = max(extent(values) for values in series.values())
        for name, values in series.items():
            if extent(values) <= 1e-4 * largest:  # less than a line is thick
                continue
            colour, dash = STYLE.get(name, (GREY, "solid"))
            line = {"color": colour, "dash": dash, "width": 1.6}
            trace = unit_line(ts, values, unit, label(name), LINE_POINTS, line=line)
            # The two nearly cancel and would dwarf the others: their sum is drawn, each is a tap away.
            if trace["visible"] and name in ("delta", "hedge"):
                trace["visible"] = "legendonly"
            traces.append(trace)
    return _cumulative(view, traces, 440)


def costs_figure(view: View) -> Figure:
    """Fees, spread and funding, each so far, and their sum."""
    profit = view.results.profit
    ts = profit["ts_ns"].to_numpy(np.int64)
    traces = []
    for unit in view.units:
        parts = {name: profit[f"{name}_{unit.key}"].to_numpy(np.float64) for name in COSTS}
        looks = {**COSTS, "all costs": (GREY, "dot")}
        for name, values in (parts | {"all costs": np.sum(list(parts.values()), axis=0)}).items():
            colour, dash = looks[name]
            line = {"color": colour, "dash": dash, "width": 1.6}
            traces.append(unit_line(ts, values, unit, name, LINE_POINTS, line=line))
    return _cumulative(view, traces, 340)


def _cumulative(view: View, traces: list[Trace], height: int) -> Figure:
    return make_figure(
        traces,
        height,
        hovermode="x unified",
        xaxis=time_axis(),
        yaxis=axis("Cumulative, USD", zeroline=True),
        meta=_switch(view, {"yaxis.title.text": "Cumulative, {}"}),
    )


def _line_series(view: View, unit: Unit) -> dict[str, Floats]:
    profit, suffix = view.results.profit, f"_{unit.key}"
    names = [name.removesuffix(suffix) for name in profit.columns if name.endswith(suffix)]
    found = {
        name: profit[name + suffix].to_numpy(np.float64)
        for name in ordered(names)
        if name not in ("pnl", "index")
    }
    series: dict[str, Floats] = {}
    for name, values in found.items():
        if name == "delta" and "hedge" in found:
            series["delta + hedge"] = values + found["hedge"]
        series[name] = values
    return series


def _switch(view: View, changes: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Layout by unit: values are titles with the unit's name in place of ``{}``."""
    return {unit.key: {path: text.format(unit.name) for path, text in changes.items()} for unit in view.units}
