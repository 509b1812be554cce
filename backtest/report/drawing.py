"""What all charts share: colours, figures, axes, lines.

A figure is the plain mapping that plotly's script takes: building it through plotly's own classes would check
every number of it, which takes longer than the backtest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gammacore.array_types import Ints

from .thinning import CURVE_POINTS, milliseconds, rounded, thin
from .view import Unit

if TYPE_CHECKING:
    import plotly.graph_objects as go

# Okabe and Ito's palette: told apart with any colour vision. Gain and loss are blue and vermillion.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#8A8F98"  # legible on white and on black
GAIN, LOSS = BLUE, VERMILLION
TICKS = 12  # most on an axis of whole numbers
_SIMPLE = frozenset({int, float, str, bool, type(None)})

Trace = dict[str, Any]


class Figure:
    """Traces and layout of a chart.

    Parameters
    ----------
    data : iterable of Trace
    layout : dict
    """

    def __init__(self, data: Iterable[Trace], layout: dict[str, Any]) -> None:
        self.data, self.layout = list(data), layout

    def add_hline(self, y: float, line: dict[str, Any]) -> None:
        """Draw a line across."""
        self._shape({"x0": 0, "x1": 1, "xref": "x domain", "y0": y, "y1": y, "yref": "y"}, line)

    def add_vline(self, x: float, line: dict[str, Any]) -> None:
        """Draw a line from bottom to top."""
        self._shape({"x0": x, "x1": x, "xref": "x", "y0": 0, "y1": 1, "yref": "y domain"}, line)

    def _shape(self, place: dict[str, Any], line: dict[str, Any]) -> None:
        self.layout.setdefault("shapes", []).append({"type": "line", "line": line, **place})

    def plain(self) -> dict[str, Any]:
        """Return what plotly's script takes: mappings, lists, numbers and texts alone."""
        return {"data": _plain(self.data), "layout": _plain(self.layout)}

    def checked(self) -> go.Figure:
        """Return the same as one of plotly's own figures."""
        import plotly.graph_objects as go

        return go.Figure(self.plain())


def _plain(value: Any) -> Any:
    """Turn arrays into lists, NaN into null, and leave out what is None."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if one is not None}
    if isinstance(value, np.ndarray | pd.Series | pd.Index):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        if _SIMPLE.issuperset(map(type, value)):  # nearly all that is drawn
            return [None if type(one) is float and not math.isfinite(one) else one for one in value]
        return [_plain(one) for one in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def trace(kind: str, **properties: Any) -> Trace:
    """Make a trace: ``scatter``, ``bar``, ``heatmap`` or ``waterfall``."""
    return {"type": kind, **properties}


def scatter(**properties: Any) -> Trace:
    """Make a trace of lines or markers."""
    return trace("scatter", **properties)


def bar(**properties: Any) -> Trace:
    """Make a trace of bars."""
    return trace("bar", **properties)


def make_figure(traces: Iterable[Trace], height: int, **layout: Any) -> Figure:
    """Make a figure on the page's own background, with its font and margins."""
    base: dict[str, Any] = {
        "template": {},
        "height": height,
        "margin": {"l": 10, "r": 14, "t": 12, "b": 10},
        "font": {"family": "system-ui, sans-serif", "size": 12},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.01, "yanchor": "bottom"},
        "hovermode": "closest",
    }
    return Figure(traces, base | layout)


def axis(title: str = "", **settings: Any) -> dict[str, Any]:
    """Add the settings of an axis to those that all axes share."""
    numbers = {"separatethousands": True, "exponentformat": "none"}
    heading = {"title": {"text": title, "standoff": 8}} if title else {}
    return {"automargin": True, "ticks": "outside"} | numbers | heading | settings


def count_axis(title: str, most: int) -> dict[str, Any]:
    """Make an axis of whole numbers up to ``most``, none of them twice."""
    ticks = {"dtick": 1} if most <= TICKS else {"nticks": TICKS}
    return axis(title, tickformat="d", zeroline=False, **ticks)


def time_axis(**settings: Any) -> dict[str, Any]:
    """Make an axis of dates."""
    return axis(type="date", hoverformat="%d %b %Y %H:%M", **settings)


def line_trace(
    ts_ns: Ints, values: npt.ArrayLike, decimals: int, cap: int = CURVE_POINTS, **style: Any
) -> Trace:
    """Make a line of the points that are drawn of a series."""
    series = np.asarray(values, dtype=np.float64)
    kept = thin(series, cap)
    return scatter(x=milliseconds(ts_ns[kept]), y=rounded(series[kept], decimals), mode="lines", **style)


def unit_line(
    ts_ns: Ints, values: npt.ArrayLike, unit: Unit, name: str, cap: int, sign: str = "", **style: Any
) -> Trace:
    """Make a line of amounts in a currency, for the page to show while that one is chosen."""
    style |= {"name": name, "meta": unit.key, "visible": unit.key == "usd"}
    hover = f"%{{y:{sign},.{unit.decimals}~f}} {unit.name}"  # trailing zeros trimmed
    return line_trace(ts_ns, values, unit.decimals, cap, hovertemplate=hover, **style)
