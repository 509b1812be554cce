"""What all charts share: colours, figures, axes, lines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from gammacore.array_types import Ints

from .thinning import CURVE_POINTS, milliseconds, rounded, thin
from .view import Unit

# Okabe and Ito's palette: told apart with any colour vision. Gain and loss are blue and vermillion.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#8A8F98"  # legible on white and on black
GAIN, LOSS = BLUE, VERMILLION


def make_figure(traces: Iterable[Any], height: int, **layout: Any) -> go.Figure:
    """Make a figure on the page's own background, with its font and margins."""
    base: dict[str, Any] = {
        "template": go.layout.Template(),
        "height": height,
        "margin": {"l": 10, "r": 14, "t": 12, "b": 10},
        "font": {"family": "system-ui, sans-serif", "size": 12},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.01, "yanchor": "bottom"},
        "hovermode": "closest",
    }
    return go.Figure(list(traces), base | layout)


def axis(title: str = "", **settings: Any) -> dict[str, Any]:
    """Add the settings of an axis to those that all axes share."""
    numbers = {"separatethousands": True, "exponentformat": "none"}
    heading = {"title": {"text": title, "standoff": 8}} if title else {}
    return {"automargin": True, "ticks": "outside"} | numbers | heading | settings


def time_axis(**settings: Any) -> dict[str, Any]:
    """Make an axis of dates."""
    return axis(type="date", hoverformat="%d %b %Y %H:%M", **settings)


def line_trace(
    ts_ns: Ints, values: npt.ArrayLike, decimals: int, cap: int = CURVE_POINTS, **style: Any
) -> go.Scatter:
    """Make a line of the points that are drawn of a series."""
    series = np.asarray(values, dtype=np.float64)
    kept = thin(series, cap)
    return go.Scatter(x=milliseconds(ts_ns[kept]), y=rounded(series[kept], decimals), mode="lines", **style)


def unit_line(
    ts_ns: Ints, values: npt.ArrayLike, unit: Unit, name: str, cap: int, sign: str = "", **style: Any
) -> go.Scatter:
    """Make a line of amounts in a currency, for the page to show while that one is chosen."""
    style |= {"name": name, "meta": unit.key, "visible": unit.key == "usd"}
    hover = f"%{{y:{sign},.{unit.decimals}~f}} {unit.name}"  # trailing zeros trimmed
    return line_trace(ts_ns, values, unit.decimals, cap, hovertemplate=hover, **style)
