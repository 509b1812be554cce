"""The book through time: delta, gamma and vega by expiry, one above the other."""

from __future__ import annotations

import numpy as np

from .drawing import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    YELLOW,
    Figure,
    Trace,
    axis,
    bar,
    make_figure,
    scatter,
    time_axis,
)
from .thinning import milliseconds, rounded
from .view import View

COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE, YELLOW, GREY)
SHOWN = (("delta_coin", 6), ("gamma_coin_per_percent", 6), ("vega_usd_per_point", 4))
USUAL = 0.98  # of the values that an axis shows: gamma at the strike has no bound in the last hours


def book_figure(view: View) -> Figure:
    """Bars by expiry, one upon the other; the line over the deltas is the net with the hedge."""
    book, traces = view.results.book, list[Trace]()
    options, hedge = book[book["expiry"] != ""], book[book["expiry"] == ""]
    held = options[(options[[name for name, _ in SHOWN]] != 0.0).any(axis=1)]
    for number, (expiry, rows) in enumerate(held.groupby("expiry")):
        for panel, (column, decimals) in enumerate(SHOWN, 1):
            traces.append(
                bar(
                    x=milliseconds(rows["ts_ns"].to_numpy(np.int64)),
                    y=rounded(rows[column], decimals),
                    name=str(expiry),
                    marker={"color": COLOURS[number % len(COLOURS)], "line": {"width": 0}},
                    yaxis="y" if panel == 1 else f"y{panel}",
                    hovertemplate=f"%{{y:+,.6~f}}<extra>{expiry}</extra>",
                )
            )
    net = options.groupby("ts_ns")["delta_coin"].sum() + hedge.set_index("ts_ns")["delta_coin"]
    traces.append(
        scatter(
            x=milliseconds(net.index.to_numpy(np.int64)),
            y=rounded(net, 6),
            name="net, with the hedge",
            mode="lines",
            line={"color": BLACK, "width": 1.6},
            hovertemplate="%{y:+,.6~f}<extra>net, with the hedge</extra>",
        )
    )
    ranges = []
    for column, _ in SHOWN:
        total = options.groupby("ts_ns")[column].sum()
        low, high = (float(total.quantile(q)) if len(total) else 0.0 for q in (1 - USUAL, USUAL))
        ranges.append([1.15 * min(low, 0.0), 1.15 * max(high, 0.0) or 1.0])
    return make_figure(
        traces,
        620,
        barmode="relative",
        bargap=0,
        showlegend=False,
        hovermode="x unified",
        xaxis=time_axis(anchor="y3"),
        yaxis=axis(f"Delta, {view.coin}", domain=[0.7, 1.0], zeroline=True),
        yaxis2=axis(f"Gamma, {view.coin} a %", domain=[0.36, 0.64], zeroline=True, range=ranges[1]),
        yaxis3=axis("Vega, USD a point", domain=[0.0, 0.3], zeroline=True),
    )
