"""Charts of what was held: deltas around every hedge, gamma and theta."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .drawing import BLUE, GREEN, GREY, ORANGE, Figure, axis, line_trace, make_figure, scatter, time_axis
from .thinning import LINE_POINTS, extent, milliseconds, rounded, thin
from .view import View

HELD = ("gamma_held_coin_per_percent", "theta_held_usd_per_day")
USUAL = 0.995
STICKS = 1_500  # one line, quick to draw


def _usual(values: pd.Series) -> float:
    """End of an axis that shows nearly all: minutes before expiry both can be any size."""
    size = float(values.abs().quantile(USUAL)) if len(values) else 0.0
    return 1.15 * (size or 1.0) * (-1.0 if values.sum() < 0 else 1.0)


def deltas_figure(view: View) -> Figure:
    """Delta of the episode before and after each of its hedges: a stick from the one to the other.

    Sticks are one line with gaps: thousands of markers would take longer than the rest of the page.
    """
    fills = view.results.fills
    hedges = fills[fills["purpose"] == "hedge"]
    kept = thin(hedges["delta_before"], STICKS) if len(hedges) else np.empty(0, np.int64)
    shown = hedges.iloc[kept]
    at = milliseconds(shown["ts_ns"])
    before, after = (rounded(shown[f"delta_{side}"], 6) for side in ("before", "after"))
    hover = f"episode %{{text}}<br>%{{x}}<br>%{{y:+,.6~f}} {view.coin}<extra></extra>"
    sticks = scatter(
        x=[x for t in at for x in (t, t, None)],
        y=[y for pair in zip(before, after, strict=True) for y in (*pair, None)],
        text=[number for number in shown["episode"].tolist() for _ in range(3)],
        mode="lines",
        name="before",
        line={"color": GREY, "width": 1},
        hovertemplate=hover,
    )
    left = scatter(
        x=at,
        y=after,
        text=shown["episode"].tolist(),
        mode="lines",
        name="after",
        line={"color": BLUE, "width": 1.6},
        hovertemplate=hover,
    )
    bound = 1.1 * max((extent(hedges[f"delta_{side}"]) for side in ("before", "after")), default=0.0) or 1.0
    return make_figure(
        [sticks, left],
        300,
        xaxis=time_axis(),
        yaxis=axis(f"Delta, {view.coin}", zeroline=True, range=[-bound, bound]),
    )


def greeks_figure(view: View) -> Figure:
    """Gamma and theta of all episodes together."""
    profit = view.results.profit
    ts = profit["ts_ns"].to_numpy(np.int64)
    gamma = line_trace(
        ts,
        profit["gamma_held_coin_per_percent"],
        6,
        LINE_POINTS,
        name="gamma",
        line={"color": GREEN, "width": 1.4},
        hovertemplate=f"%{{y:+,.6~f}} {view.coin} a percent<extra>gamma</extra>",
    )
    theta = line_trace(
        ts,
        profit["theta_held_usd_per_day"],
        2,
        LINE_POINTS,
        name="theta",
        yaxis="y2",
        line={"color": ORANGE, "width": 1.4},
        hovertemplate="%{y:+,.2f} USD a day<extra>theta</extra>",
    )
    most = {name: _usual(profit[name]) for name in HELD}
    ends = [sorted((0.0, most[name])) for name in HELD]
    return make_figure(
        [gamma, theta],
        380,
        showlegend=False,
        hovermode="x unified",
        xaxis=time_axis(anchor="y2"),
        yaxis=axis(f"Gamma, {view.coin} a %", domain=[0.55, 1.0], zeroline=True, range=ends[0]),
        yaxis2=axis("Theta, USD a day", domain=[0.0, 0.45], zeroline=True, range=ends[1]),
    )
