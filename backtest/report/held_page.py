"""The page of an account's own book: how it was hedged, and how it could have been."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gammacore.daycount import NS_PER_DAY

from ..replay.market import LoadedMarket
from ..sweep.held_book import ACTUAL, HedgedBook, HeldBook
from .drawing import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    VERMILLION,
    Figure,
    axis,
    line_trace,
    make_figure,
    scatter,
    time_axis,
)
from .rendering import render, script_json
from .script_file import SharedScript
from .thinning import LINE_POINTS
from .view import as_text, gain_or_loss

SHOWN = 5  # curves
COLOURS = (VERMILLION, BLUE, GREEN, ORANGE, PURPLE)
PLOT, LETTER, LINE = (290.0, 320.0), 6.6, 15.0  # pixels: the chart of costs on a phone, and its names


def render_held(found: HeldBook, market: LoadedMarket, script: SharedScript | None = None) -> str:
    """Page of a book and its hedges, as text.

    ``script`` is the file that the charts need; default: inside.

    Returns
    -------
    str
        HTML that opens offline.
    """
    best, actual = found.best, found.named(ACTUAL)
    assert actual is not None
    figures = {"curves": _curves(found), "costs": _costs(found)}
    context = {
        "faults": market.faults,
        "modelled": market.modelled,
        "coin": found.config.coin,
        "summary": found.summary(),
        "best": best.name,
        "actual": actual.figures,
        "saving": actual.figures["burden_usd"] - best.figures["burden_usd"],
        "rows": [_row(one, best) for one in found.hedged],
        "aversion": found.config.hedge.risk_aversion,
        "figures": {name: script_json(figure.plain()) for name, figure in figures.items()},
    }
    return render("held.html.jinja", context, script)


def _row(one: HedgedBook, best: HedgedBook) -> dict[str, Any]:
    seen = one.figures
    low, high = (as_text(seen[name], "+,.0f") for name in ("low_usd", "high_usd"))
    return {
        "name": one.name,
        "best": one is best,
        "pnl": as_text(seen["pnl_usd"], "+,.0f"),
        "tone": gain_or_loss(seen["pnl_usd"]),
        "coin": as_text(seen["pnl_coin"], "+,.4f"),
        "trades": f"{seen['hedge_trades']:,}",
        "cost": as_text(seen["hedge_fees_usd"] + seen["spread_usd"], ",.0f"),
        "funding": as_text(seen["funding_usd"], "+,.0f"),
        "sd": as_text(seen["daily_sd_usd"], ",.0f"),
        "burden": as_text(seen["burden_usd"], ",.0f"),
        "less": as_text(seen["less_actual_usd"], "+,.0f"),
        "interval": "" if seen["low_usd"] is None else f"{low} to {high}",
        "better": as_text(seen["better"], ".0%"),
    }


def _curves(found: HeldBook) -> Figure:
    """Profit of the book day by day, by the hedges that say most."""
    best, tape = found.best, found.hedged[0].run.tape
    first = [one for one in found.hedged if one.name == ACTUAL or one is best]
    shown = (first + [one for one in found.hedged if one not in first])[:SHOWN]
    days = np.arange(tape.ts_ns[0] // NS_PER_DAY, tape.ts_ns[-1] // NS_PER_DAY + 1) * NS_PER_DAY
    traces = [
        line_trace(
            days,
            np.cumsum(one.daily),
            2,
            LINE_POINTS,
            name=one.name,
            line={"color": colour, "width": 2.4 if one.name == ACTUAL else 1.6},
            hovertemplate="%{y:+,.0f} USD",
        )
        for one, colour in zip(shown, COLOURS, strict=False)
    ]
    return make_figure(
        traces,
        420,
        showlegend=True,
        hovermode="x unified",
        xaxis=time_axis(),
        yaxis=axis("P&L of options and hedge, USD", zeroline=True),
    )


def _cost(one: HedgedBook) -> float:
    return float(one.figures["hedge_fees_usd"] + one.figures["spread_usd"])


def _label_places(found: HeldBook) -> dict[str, str]:
    """Where beside its point a name has room, on a phone; the others are told by a tap alone.

    The account's own hedge and the best are named even where the name lies on another's point.
    """
    known = [one for one in found.hedged if (one.figures["daily_sd_usd"] or 0.0) > 0.0]
    most = max((_cost(one) for one in known), default=0.0) or 1.0
    heights = [math.log(one.figures["daily_sd_usd"]) for one in known]
    span = max(heights, default=0.0) - min(heights, default=0.0) or 1.0
    across = [PLOT[0] * _cost(one) / most for one in known]
    points = [(x, x, PLOT[1] * height / span) for x, height in zip(across, heights, strict=True)]
    places: dict[str, str] = {}
    taken: list[tuple[float, float, float]] = []  # from, to, height, in pixels
    for k in sorted(range(len(known)), key=lambda k: known[k].name not in (ACTUAL, found.best.name)):
        (x, _, y), wide, others = points[k], LETTER * len(known[k].name) + 12, points[:k] + points[k + 1 :]
        right, left = (x, x + wide), (x - wide, x)
        ways = {"middle right": (*right, y), "middle left": (*left, y), "bottom right": (*right, y - LINE)}
        inside = {way: room for way, room in ways.items() if room[0] >= 0.0 and room[1] <= PLOT[0]}
        free = [way for way, room in inside.items() if _free(room, taken)]
        clear = [way for way in free if _free(inside[way], others)]
        if known[k].name in (ACTUAL, found.best.name):
            clear += free
        if clear:
            taken.append(inside[clear[0]])
            places[known[k].name] = clear[0]
    return places


def _free(room: tuple[float, float, float], taken: Sequence[tuple[float, float, float]]) -> bool:
    """Whether a name meets nothing that is there."""
    start, end, height = room
    return all(start > b or end < a or abs(height - at) >= LINE for a, b, at in taken)


def _costs(found: HeldBook) -> Figure:
    """Draw what each hedge cost against the deviation of a day's profit that it left."""
    best = found.best
    places = _label_places(found)
    traces = [
        scatter(
            x=[_cost(one)],
            y=[one.figures["daily_sd_usd"]],
            name=one.name,
            mode="markers+text" if one.name in places else "markers",
            text=[one.name],
            textposition=places.get(one.name, "middle right"),
            cliponaxis=False,
            showlegend=False,
            marker={
                "size": 13 if one.name == ACTUAL or one is best else 9,
                "color": VERMILLION if one.name == ACTUAL else BLUE if one is best else GREY,
            },
            hovertemplate="%{x:,.0f} USD of fees and spread, a day's deviation %{y:,.0f} USD",
        )
        for one in found.hedged
    ]
    return make_figure(
        traces,
        420,
        xaxis=axis("Fees and spread of the hedges, USD", rangemode="tozero"),
        yaxis=axis("Deviation of a day's profit, USD", type="log"),
    )
