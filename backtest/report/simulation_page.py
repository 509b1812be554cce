"""The page of a simulation: distribution, where it came from, the frontier, parameters to use."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..simulation.frontier import Frontier
from ..simulation.run import Simulated
from .drawing import (
    BLACK,
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
    axis,
    bar,
    make_figure,
    scatter,
)
from .rendering import render, script_json
from .script_file import SharedScript

BINS = 120
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, GREY)


def render_simulation(found: Simulated, script: SharedScript | None = None) -> str:
    """Page of a simulation, as text.

    Parameters
    ----------
    found : Simulated
    script : SharedScript, optional
        Default: inside.

    Returns
    -------
    str
        HTML that opens offline.
    """
    summary, unit = found.summary, found.summary["accounting_currency"]
    figures = [_distribution(found, unit), _attribution(summary, unit)]
    sections = [
        ("Distribution", "Profit of each path at the end; dashed: mean, dotted: 5 % and 95 % quantiles."),
        ("Where it came from", "Mean of each line over all paths; together they are the mean profit."),
    ]
    if found.frontier is not None:
        figures.append(_frontier(found.frontier, unit))
        about = (
            "Every policy over its parameter on the same paths; lines: theory; star: the policy of this run."
        )
        sections.append(("Cost of hedging against deviation", about))
    context = {
        "summary": summary,
        "title": f"Hedging {_position(found)}",
        "subtitle": _subtitle(found),
        "headline": _headline(summary, unit),
        "sections": sections,
        "figures": {str(k): script_json(figure.plain()) for k, figure in enumerate(figures)},
        "parameters": [
            (row.title, f"{row.parameter:.4g}", row.unit, f"{row.sd:,.4g}", row.options)
            for row in found.table
        ],
        "budget": f"{found.table[0].cost:,.4g} {unit}" if found.table else "",
    }
    return render("simulation.html.jinja", context, script)


def _position(found: Simulated) -> str:
    legs = found.run.experiment.book
    return ", ".join(
        f"{leg.amount:+,.12g} {leg.kind} {leg.strike:,.12g}, {leg.expiry * 365:g} d" for leg in legs
    )


def _subtitle(found: Simulated) -> str:
    e, s = found.run.experiment, found.summary
    return (
        f"{s['paths']:,} paths of {s['model']} in {s['steps']:,} steps, {e.settlement} options, bought at "
        f"{e.implied:.1%}, hedged by {s['policy']}; seed {s['seed']}."
    )


def _headline(summary: dict[str, Any], unit: str) -> list[tuple[str, str]]:
    mean, error = summary["mean"], summary["standard_error"]
    return [
        ("Premium", f"{summary['premium']:+,.6g} {unit}"),
        ("Mean P&L", f"{mean:+,.6g} {unit} ± {error:,.2g} (standard error)"),
        ("Standard deviation", f"{summary['sd']:,.6g} {unit}"),
        ("Expected shortfall, worst 5 %", f"{summary['expected_shortfall_5']:+,.6g} {unit}"),
        ("Probability of profit", f"{summary['probability_of_profit']:.1%}"),
        ("Hedges, mean", f"{summary['mean_hedges']:,.1f}"),
        ("Turnover, mean", f"{summary['mean_turnover_coin']:,.4g} coins"),
    ]


def _distribution(found: Simulated, unit: str) -> Figure:
    pnl, s = found.run["pnl"], found.summary
    counts, edges = np.histogram(pnl, bins=BINS)
    middle = 0.5 * (edges[1:] + edges[:-1])
    colours = [GAIN if x > 0 else LOSS for x in middle]
    bars = bar(
        x=middle, y=counts / len(pnl), width=np.diff(edges), marker={"color": colours}, showlegend=False
    )
    marks = [(s["mean"], "dash"), (s["quantiles"]["0.05"], "dot"), (s["quantiles"]["0.95"], "dot")]
    across, up = axis(f"P&L, {unit}"), axis("share of paths", tickformat=".1%")
    figure = make_figure([bars], 340, xaxis=across, yaxis=up)
    for x, dash in marks:
        figure.add_vline(x, line={"color": GREY, "dash": dash, "width": 1.5})
    return figure


def _attribution(summary: dict[str, Any], unit: str) -> Figure:
    lines = [(name, value) for name, value in summary["attribution"].items() if value]
    names, values = [name.replace("_", " ") for name, _ in lines], [value for _, value in lines]
    bars = bar(
        x=[*names, "total"],
        y=[*values, summary["mean"]],
        marker={"color": [GAIN if value > 0 else LOSS for value in [*values, summary["mean"]]]},
    )
    return make_figure([bars], 300, xaxis=axis(), yaxis=axis(f"mean, {unit}"), showlegend=False)


def _frontier(found: Frontier, unit: str) -> Figure:
    traces: list[Any] = []
    for family, colour in zip(found.families, COLOURS, strict=False):
        points = found.points[family.name]
        traces.append(
            scatter(
                x=[p.cost for p in points],
                y=[p.sd for p in points],
                mode="lines+markers",
                name=family.title,
                line={"color": colour},
                text=[f"{p.parameter:.4g} {family.unit}, {p.trades:,.0f} hedges" for p in points],
                hovertemplate="%{text}<br>cost %{x:.4g}, std %{y:.4g}",
            )
        )
    for line, dash in zip(found.lines, ("dot", "dash", "dashdot", "longdash", "longdashdot"), strict=False):
        style = {"color": GREY, "dash": dash}
        traces.append(scatter(x=line.cost, y=line.sd, mode="lines", name=line.name, line=style))
    own = found.chosen
    star = {"symbol": "star", "size": 16, "color": BLACK, "line": {"color": "#FFFFFF", "width": 1.5}}
    traces.append(scatter(x=[own.cost], y=[own.sd], mode="markers", name="this policy", marker=star))
    costs = [p.cost for points in found.points.values() for p in points if p.cost > 0]
    sds = [p.sd for points in found.points.values() for p in points]
    return make_figure(
        traces,
        680,
        xaxis=axis(
            f"mean cost of hedging, {unit}", type="log", range=np.log10([0.8 * min(costs), 1.2 * max(costs)])
        ),
        yaxis=axis(f"std of P&L, {unit}", type="log", range=np.log10([0.8 * min(sds), 1.2 * max(sds)])),
        legend={"orientation": "h", "x": 0, "y": -0.14, "xanchor": "left", "yanchor": "top"},
    )
