"""Charts with a mark for every episode: volatility and return."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from gammacore.array_types import Floats
from gammacore.daycount import NS_PER_YEAR, parse_time

from ..figures.run_exposures import EpisodeMoments
from .drawing import GAIN, GREY, LOSS, Figure, Trace, axis, bar, count_axis, make_figure, scatter
from .thinning import CURVE_POINTS, extent, rounded, thin
from .view import View, as_text, day, plural

CONE_EPISODES, CONE_POINTS = 60, 60
DIVERGING = [[0.0, LOSS], [0.5, "#C9CCD1"], [1.0, GAIN]]


def volatility_figure(view: View) -> Figure:
    """Volatility realised against implied at entry, coloured by return."""
    episodes = view.results.episodes
    known = np.isfinite(episodes["iv_entry"]) & np.isfinite(episodes["rv"])
    shown = episodes[known]
    shown = shown.iloc[thin(shown["rv"], CURVE_POINTS)]
    iv, rv = 100 * shown["iv_entry"].to_numpy(np.float64), 100 * shown["rv"].to_numpy(np.float64)
    ends = _padded_ends(np.concatenate([iv, rv]))
    diagonal = scatter(
        x=ends, y=ends, mode="lines", line={"color": GREY, "dash": "dash", "width": 1}, hoverinfo="skip"
    )
    points = scatter(
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


def returns_figure(view: View) -> Figure:
    """Profit over premium of every episode."""
    episodes = view.results.episodes
    shown = episodes.iloc[thin(episodes["pnl_over_premium"], CURVE_POINTS)]
    over = 100 * shown["pnl_over_premium"].to_numpy(np.float64)
    bars = bar(
        x=shown["episode"].tolist(),
        y=rounded(over, 2),
        marker={"color": [GAIN if value >= 0 else LOSS for value in over]},
        text=[_episode_words(row) for row in shown.itertuples(index=False)],
        textposition="none",
        hovertemplate="%{text}<extra></extra>",
    )
    mean = view.summary["mean_pnl_over_premium"]
    known = mean is not None and math.isfinite(mean)
    figure = make_figure(
        [bars],
        430,
        showlegend=False,
        xaxis=count_axis("Episode", len(shown)),
        yaxis=axis("P&L over premium, %", zeroline=True),
    )
    if known:
        figure.add_hline(100 * mean, line={"color": GREY, "dash": "dash", "width": 1.5})
    return figure


def cone_figure(view: View) -> Figure:
    """Forward of each episode since entry, in standard deviations at the volatility of its entry.

    Across is the share of the time to expiry that has passed, u; the cone is plus and minus the root of u.
    """
    share = np.linspace(0.0, 1.0, 41)
    cone = scatter(
        x=(100 * np.concatenate([share, share[::-1]])).round(2).tolist(),
        y=np.concatenate([np.sqrt(share), -np.sqrt(share[::-1])]).round(4).tolist(),
        fill="toself",
        fillcolor="rgba(138,143,152,0.25)",
        line={"color": GREY, "width": 1, "dash": "dash"},
        name="cone",
        hoverinfo="skip",
    )
    drawn = _cone_episodes(view)
    traces = []
    for name, colour, won in (("profit", GAIN, True), ("loss", LOSS, False)):
        chosen = [(seen, row) for seen, row in drawn if (row.pnl_over_premium > 0) is won]
        if chosen:
            traces.append(_walks(chosen, name, colour))
    return make_figure(
        [cone, *traces],
        400,
        xaxis=axis("Share of the life that has passed, %", range=[0, 100], tickvals=[0, 25, 50, 75, 100]),
        yaxis=axis("Move since entry, standard deviations", zeroline=True),
    )


def _cone_episodes(view: View) -> list[tuple[EpisodeMoments, Any]]:
    """Episodes that are drawn: evenly chosen if there are many, none without a volatility."""
    episodes = view.results.episodes
    if not len(episodes):
        return []
    rows = {row.episode: row for row in episodes[episodes["iv_entry"] > 0].itertuples(index=False)}
    known = [seen for seen in view.results.moments if seen.episode in rows]
    if len(known) > CONE_EPISODES:
        known = [known[k] for k in np.linspace(0, len(known) - 1, CONE_EPISODES).astype(int)]
    return [(seen, rows[seen.episode]) for seen in known]


def _walks(chosen: list[tuple[EpisodeMoments, Any]], name: str, colour: str) -> Trace:
    """Draw the walks of several episodes as one line with gaps."""
    across: list[float | None] = []
    moves: list[float | None] = []
    words: list[str] = []
    for seen, row in chosen:
        kept = thin(seen.forward, CONE_POINTS)
        start, expiry = int(seen.ts_ns[0]), parse_time(row.expiry)
        life = max(expiry - start, 1)
        scale = row.iv_entry * math.sqrt(life / NS_PER_YEAR)
        across += [*(100 * (seen.ts_ns[kept] - start) / life).round(2).tolist(), None]
        moves += [*rounded(np.log(seen.forward[kept] / seen.forward[0]) / scale, 3), None]
        words += [f"episode {row.episode}"] * (len(kept) + 1)
    return scatter(
        x=across,
        y=moves,
        text=words,
        mode="lines",
        name=name,
        opacity=0.75,
        line={"color": colour, "width": 1.2},
        hovertemplate="%{text}: %{y:+.2f} after %{x:.0f} %<extra></extra>",
    )


def cone_note(view: View) -> str:
    """Said when fewer episodes are drawn than there are."""
    drawn, count = len(_cone_episodes(view)), len(view.results.moments)
    return "" if drawn == count else f"{drawn:,} of {count:,} episodes are drawn."
