"""Charts with a mark for every episode: volatility and return."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from gammacore.backtest.report.drawing import GAIN, GREY, LOSS, axis, make_figure
from gammacore.backtest.report.thinning import CURVE_POINTS, Floats, extent, rounded, thin
from gammacore.backtest.report.view import View, as_text, day, plural

__all__ = ["returns_figure", "volatility_figure"]

DIVERGING = [[0.0, LOSS], [0.5, "#C9CCD1"], [1.0, GAIN]]


def volatility_figure(view: View) -> go.Figure:
    """Volatility realised against implied at entry, coloured by return."""
    episodes = view.results.episodes
    known = np.isfinite(episodes["iv_entry"]) & np.isfinite(episodes["rv"])
    shown = episodes[known]
    shown = shown.iloc[thin(shown["rv"], CURVE_POINTS)]
    iv, rv = 100 * shown["iv_entry"].to_numpy(np.float64), 100 * shown["rv"].to_numpy(np.float64)
    ends = _padded_ends(np.concatenate([iv, rv]))
    diagonal = go.Scatter(
        x=ends, y=ends, mode="lines", line={"color": GREY, "dash": "dash", "width": 1}, hoverinfo="skip"
    )
    points = go.Scatter(
        x=rounded(iv, 2), y=rounded(rv, 2), mode="markers", marker=_pnl_colours(shown),
        text=[_episode_words(row) for row in shown.itertuples(index=False)],
        hovertemplate="%{text}<br>IV %{x:.1f} %, RV %{y:.1f} %<extra></extra>",
    )  # fmt: skip
    side = "sold" if view.config.entry.side == "short" else "paid"
    return make_figure(
        [diagonal, points],
        430,
        showlegend=False,
        xaxis=axis(f"IV {side} at entry, % a year", range=ends),
        yaxis=axis("RV realised, % a year", range=ends),
        annotations=[
            _corner("RV above IV", 0.02, 0.98, "left", "top"),
            _corner("RV below IV", 0.98, 0.02, "right", "bottom"),
        ],
    )


def _corner(text: str, x: float, y: float, xanchor: str, yanchor: str) -> dict[str, Any]:
    place = {"xref": "paper", "yref": "paper", "x": x, "y": y, "xanchor": xanchor, "yanchor": yanchor}
    return {"text": text, "showarrow": False, "font": {"size": 11, "color": GREY}, **place}


def _padded_ends(values: Floats) -> list[float]:
    """Give both volatilities one range, in whole percent."""
    if not len(values):
        return [0.0, 100.0]
    low, high = float(values.min()), float(values.max())
    room = max(0.08 * (high - low), 2.0)
    return [max(math.floor(low - room), 0.0), float(math.ceil(high + room))]


def _pnl_colours(episodes: pd.DataFrame) -> dict[str, Any]:
    over = 100 * episodes["pnl_over_premium"].to_numpy(np.float64)
    bound = extent(over) or 1.0
    bar = {"title": {"text": "P&L /<br>premium, %"}, "thickness": 12, "outlinewidth": 0, "len": 0.9}
    return {
        "color": rounded(np.nan_to_num(over, nan=0.0), 2),
        "colorscale": DIVERGING,
        "cmin": -bound,
        "cmax": bound,
        "colorbar": bar,
        "size": 11,
        "line": {"color": GREY, "width": 1},
    }


def _episode_words(row: Any) -> str:
    return (
        f"episode {row.episode}: {row.side} {row.contracts:g} × {row.strikes}"
        f"<br>{day(row.entry)} to {day(row.expiry)}, {plural(int(row.hedges), 'hedge')}"
        f"<br>P&L {as_text(row.pnl_usd, '+,.2f', 'USD')}, {as_text(row.pnl_over_premium, '+.2%')} of premium"
    )


def returns_figure(view: View) -> go.Figure:
    """Profit over premium of every episode."""
    episodes = view.results.episodes
    shown = episodes.iloc[thin(episodes["pnl_over_premium"], CURVE_POINTS)]
    over = 100 * shown["pnl_over_premium"].to_numpy(np.float64)
    bars = go.Bar(
        x=shown["episode"].tolist(),
        y=rounded(over, 2),
        marker={"color": [GAIN if value >= 0 else LOSS for value in over]},
        text=[_episode_words(row) for row in shown.itertuples(index=False)],
        textposition="none",
        hovertemplate="%{text}<extra></extra>",
    )
    mean = view.summary["mean_pnl_over_premium"]
    known = mean is not None and math.isfinite(mean)
    ticks = {"dtick": 1} if len(shown) <= 12 else {"nticks": 12}
    return make_figure(
        [bars],
        430,
        showlegend=False,
        xaxis=axis("Episode", tickformat="d", zeroline=False, **ticks),
        yaxis=axis("P&L over premium, %", zeroline=True),
        shapes=[_mean_line(100 * mean)] if known else [],
    )


def _mean_line(level: float) -> dict[str, Any]:
    line = {"color": GREY, "dash": "dash", "width": 1.5}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": level, "y1": level, "line": line}
