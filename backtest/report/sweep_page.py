"""The page of a sweep: what to believe of its best cell, heat maps, all cells."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd

from gammacore.config import Config

from .drawing import GAIN, GREY, LOSS, Figure, axis, bar, make_figure, trace
from .rendering import render, script_json
from .script_file import SharedScript
from .view import as_text, gain_or_loss

SHOWN = {  # figure of a cell: its name, how it is written, how it is scaled
    "sharpe": ("Sharpe ratio", "+.2f", 1.0),
    "mean_pnl_over_premium": ("P&L / premium, mean, %", "+.2f", 100.0),
    "total": ("P&L", "+,.6g", 1.0),
    "total_usd": ("P&L, USD", "+,.2f", 1.0),
    "std_pnl_over_premium": ("its std, %", ".2f", 100.0),
    "fees": ("Fees", ",.6g", 1.0),
    "max_drawdown": ("Drawdown", ",.6g", 1.0),
    "n_episodes": ("Episodes", ",.0f", 1.0),
    "n_hedges": ("Hedges", ",.0f", 1.0),
}
SETTLED = ("total", "fees", "max_drawdown")  # in the currency that the accounts are kept in
MAPPED = ("sharpe", "mean_pnl_over_premium", "total_usd", "n_hedges")
DIVERGING = [[0.0, LOSS], [0.5, "#F2F2F2"], [1.0, GAIN]]
TABLE_ROWS = 2_000
MAPS = 21  # pairs of seven parameters


def render_sweep(
    config: Config, table: pd.DataFrame, summary: dict[str, Any], script: SharedScript | None = None
) -> str:
    """Page of a sweep, as text.

    Parameters
    ----------
    config : Config
    table : DataFrame
        One row per cell, see :class:`gammacore.backtest.sweep.run.Sweep`.
    summary : dict
    script : SharedScript, optional
        Default: inside.

    Returns
    -------
    str
        HTML that opens offline.
    """
    ranked = table.sort_values("sharpe", ascending=False, kind="stable", na_position="last")
    context = {
        "summary": summary,
        "varied": list(config.vary),
        "sentence": summary["verdict"],
        "verdict": verdict_rows(summary),
        "walks": _walk_tables(summary),
        "figure_names": _titles(config),
        "rows": [_row(row, list(config.vary)) for row in ranked.head(TABLE_ROWS).to_dict("records")],
        "left_out": max(len(table) - TABLE_ROWS, 0),
        "figures": {str(k): script_json(figure.plain()) for k, figure in enumerate(_figures(config, table))},
    }
    return render("sweep.html.jinja", context, script)


def _titles(config: Config) -> list[str]:
    """Name the figures of a cell, with the currency where all cells settle in one."""
    unit = "" if "currency" in config.vary else f", {config.settles_in}"
    return [f"{name}{unit}" if key in SETTLED else name for key, (name, _, _) in SHOWN.items()]


def _row(row: dict[Any, Any], varied: list[str]) -> list[tuple[str, str]]:
    cells = [(_label(row[name]), "") for name in varied]
    for name, (_, form, scale) in SHOWN.items():
        value = math.nan if row[name] is None else float(row[name])
        tone = gain_or_loss(value) if "+" in form else ""
        cells.append((as_text(scale * value, form), f"num {tone}".rstrip()))
    return cells


def verdict_rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Say what to believe of the best trial: label and words."""
    best, overfit, walks = summary["best"], summary["overfitting"], summary["walk_forward"]
    if best is None:
        return []
    decisions = ", ".join(f"{name} = {value}" for name, value in best["decisions"].items()) or "the only one"
    rows = [
        ("Trials", f"{summary['n_trials']:,} over {summary['n_days']:,} days"),
        ("Best", decisions),
        ("Its Sharpe ratio", as_text(best["sharpe"], "+.2f") + " a year"),
        ("Best Sharpe ratio expected from luck alone", as_text(summary["expected_best_of_luck"], "+.2f")),
        (
            "Deflated Sharpe ratio",
            f"{as_text(summary['deflated_sharpe_ratio'], '.1%')}: chance that it is more than luck",
        ),
    ]
    if overfit is not None:
        rows.append(
            (
                "Chance that the winner is overfit",
                f"{overfit['probability']:.1%}. It lost out of sample in {overfit['loss']:.1%} of "
                f"{overfit['splits']:,} splits of {overfit['blocks']} blocks",
            )
        )
    for name, walk in walks.items():
        if walk is not None:
            inside, outside = (as_text(walk[f"sharpe_{side}"], "+.2f") for side in ("inside", "outside"))
            rows.append((f"Walk forward, {name}", f"Sharpe ratio {inside} in sample, {outside} out of it"))
    return rows


def _walk_tables(summary: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "rows": [
                [
                    "{}-{}".format(*split["train_days"]),
                    "{}-{}".format(*split["test_days"]),
                    ", ".join(f"{path} = {value}" for path, value in split["decisions"].items()),
                    as_text(split["sharpe_inside"], "+.2f"),
                    as_text(split["sharpe_outside"], "+.2f"),
                ]
                for split in walk["splits"]
            ],
        }
        for name, walk in summary["walk_forward"].items()
        if walk is not None
    ]


def _figures(config: Config, table: pd.DataFrame) -> list[Figure]:
    """Draw a map for each pair of parameters with several values; bars where there is but one."""
    several = [name for name, values in config.vary.items() if len(values) > 1]
    if not table["sharpe"].notna().any():
        return []
    if len(several) < 2:
        return [_bars(table, name, config.vary[name]) for name in several]
    pairs = list(itertools.combinations(several, 2))[:MAPS]
    return [_heat_map(table, x, y, config.vary[x], config.vary[y]) for x, y in pairs]


def _label(value: Any) -> str:
    """Write a value of a parameter: 1 of a file is 1.0 of a column of numbers, and the same cell."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer):
        return str(value)
    return f"{float(value):.12g}"


def _means(table: pd.DataFrame, figure: str, by: list[str]) -> pd.Series:
    """Mean of a figure over all other parameters, by the text of these."""
    keys = [table[name].map(_label) for name in by]
    return pd.to_numeric(table[figure], errors="coerce").groupby(keys).mean()


def _heat_map(table: pd.DataFrame, x: str, y: str, xs: list[Any], ys: list[Any]) -> Figure:
    traces = []
    columns, rows = [_label(value) for value in xs], [_label(value) for value in ys]
    for k, name in enumerate(MAPPED):
        title, form, scale = SHOWN[name]
        means = _means(table, name, [y, x]).to_dict()
        z = np.array([[scale * means.get((row, column), math.nan) for column in columns] for row in rows])
        traces.append(
            trace("heatmap",
                x=columns, y=rows, z=_json(z), name=title, visible=k == 0, colorscale=DIVERGING,
                zmid=0.0 if "+" in form else None, text=[[as_text(v, form) for v in line] for line in z],
                texttemplate="%{text}" if z.size <= 150 else None, xgap=1, ygap=1,
                hovertemplate=f"{x} = %{{x}}<br>{y} = %{{y}}<br>{title} %{{text}}<extra></extra>",
            )
        )  # fmt: skip
    height = 190 + 34 * min(len(rows), 20)
    return make_figure(
        traces, height, xaxis=axis(x, type="category"), yaxis=axis(y, type="category"), updatemenus=[_menu()]
    )


def _bars(table: pd.DataFrame, name: str, values: list[Any]) -> Figure:
    labels, traces = [_label(value) for value in values], []
    for k, figure in enumerate(MAPPED):
        title, form, scale = SHOWN[figure]
        means = _means(table, figure, [name]).to_dict()
        heights = np.array([scale * means.get(label, math.nan) for label in labels])
        colours = [GREY if "+" not in form else GAIN if height > 0 else LOSS for height in heights]
        traces.append(
            bar(
                x=labels, y=_json(heights), name=title, visible=k == 0, marker={"color": colours},
                text=[as_text(height, form) for height in heights],
            )
        )  # fmt: skip
    return make_figure(
        traces, 380, showlegend=False, xaxis=axis(name, type="category"), yaxis=axis(), updatemenus=[_menu()]
    )


def _menu() -> dict[str, Any]:
    """Choice of the figure that is shown."""
    buttons = [
        {
            "label": SHOWN[name][0],
            "method": "restyle",
            "args": [{"visible": [other == name for other in MAPPED]}],
        }
        for name in MAPPED
    ]
    place = {"x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}
    # Plotly paints a chosen button white on any page.
    colours = {"bgcolor": "#F4F5F7", "font": {"color": "#16191D"}}
    return {"buttons": buttons, "showactive": True} | place | colours


def _json(values: np.ndarray[Any, Any]) -> list[Any]:
    """Nested lists in which what is missing is null."""
    objects = values.astype(object)
    objects[~np.isfinite(values)] = None
    return objects.tolist()  # type: ignore[no-any-return]
