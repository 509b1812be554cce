"""The page of a calibration: whether chances of a profit came true."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gammacore.breakeven.calibration import Calibration, Estimated

from ..figures.calibration import RuleCalibration, by_coin, headline
from .drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION, Figure, axis, make_figure, scatter
from .rendering import render, script_json
from .script_file import SharedScript
from .view import MISSING, as_text, gain_or_loss

COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, GREY)
LEAST, MOST = 7.0, 26.0  # sizes of markers
SCORES = (
    *("weeks", "promised", "paid", "brier", "constant"),
    *("gain", "interval", "reliability", "resolution", "auc"),
)
BARS = {"thickness": 1.5, "width": 4}


def render_calibration(
    found: Sequence[RuleCalibration],
    faults: Sequence[str] = (),
    modelled: str = "",
    simulated: bool = False,
    script: SharedScript | None = None,
) -> str:
    """Page of a calibration, as text; the rules of each coin follow each other.

    ``script`` is the file that the charts need; default: inside.

    Returns
    -------
    str
        HTML that opens offline.
    """
    parts, figures = [], {}
    for coin, own in by_coin(found).items():
        figures[f"reliability-{coin}"] = script_json(_reliability(own).plain())
        figures[f"gain-{coin}"] = script_json(_gains(own).plain())
        parts.append(
            {
                "coin": coin,
                "verdict": headline(own),
                "first": own[0].label,
                "rules": [_row(one.label, one.whole) for one in own],
                "days": [_row(name, each) | {"rule": one.label} for one in own for name, each in one.by_days],
                "later": [_later(one) for one in own],
                "bins": _bins(own[0].whole),
                "run": max((one.whole.run for one in own if one.whole is not None), default=1),
            }
        )
    context = {
        "faults": faults,
        "modelled": modelled,
        "simulated": simulated,
        "coins": parts,
        "figures": figures,
    }
    return render("calibration.html.jinja", context, script)


def _row(name: str, found: Calibration | None) -> dict[str, Any]:
    if found is None:
        return {"name": name, "count": "0", "tone": ""} | dict.fromkeys(SCORES, MISSING)
    return {
        "name": name,
        "count": f"{found.straddles:,}",
        "weeks": f"{found.weeks:,}",
        "promised": as_text(found.promised, ".1%"),
        "paid": as_text(found.paid, ".1%"),
        "brier": as_text(found.brier.value, ".4f"),
        "constant": as_text(found.constant, ".4f"),
        "gain": as_text(found.gain.value, "+.4f"),
        "tone": gain_or_loss(found.gain.value),
        "interval": _interval(found.gain, "+.4f"),
        "reliability": as_text(found.reliability.value, ".4f"),
        "resolution": as_text(found.resolution.value, ".4f"),
        "auc": as_text(found.auc.value, ".2f"),
    }


def _interval(found: Estimated, form: str) -> str:
    low = as_text(found.low, form)
    return low if low == MISSING else f"{low} to {as_text(found.high, form)}"


def _later(one: RuleCalibration) -> dict[str, str]:
    later = one.later
    if later is None:
        names = ("weeks", "brier", "recalibrated", "constant", "hindsight", "gain", "interval")
        return {"name": one.label, "count": "0"} | dict.fromkeys(names, MISSING)
    return {
        "name": one.label,
        "count": f"{later.straddles:,}",
        "weeks": f"{later.weeks:,}",
        "brier": as_text(later.brier, ".4f"),
        "recalibrated": as_text(later.recalibrated, ".4f"),
        "constant": as_text(later.constant, ".4f"),
        "hindsight": as_text(later.hindsight, ".4f"),
        "gain": as_text(later.gain.value, "+.4f"),
        "interval": _interval(later.gain, "+.4f"),
    }


def _bins(found: Calibration | None) -> list[dict[str, str]]:
    return [
        {
            "span": f"{one.low:.0%} to {one.high:.0%}",
            "count": f"{one.straddles:,}",
            "weeks": f"{one.weeks:,}",
            "promised": as_text(one.promised, ".1%"),
            "paid": as_text(one.paid.value, ".1%"),
            "interval": _interval(one.paid, ".0%"),
        }
        for one in ([] if found is None else found.bins)
    ]


def _bounded(found: Estimated) -> Estimated:
    """Return a figure whose interval is itself where it has none: no bar is drawn."""
    return found if math.isfinite(found.low) else Estimated(found.value, found.value, found.value)


def _reliability(found: Sequence[RuleCalibration]) -> Figure:
    """Draw what was promised against what paid: the first rule with its intervals, the others as lines."""
    whole = {"x": [0, 100], "y": [0, 100], "mode": "lines", "hoverinfo": "skip"}
    traces = [scatter(**whole, name="true chances", line={"color": GREY, "width": 1.2, "dash": "dash"})]
    for number, (one, colour) in enumerate(zip(found, COLOURS * 3, strict=False)):
        bins = [] if one.whole is None else one.whole.bins
        most = max((each.straddles for each in bins), default=1)
        style: dict[str, Any] = {"line": {"color": colour, "width": 1.4}, "marker": {"size": 5}}
        if number == 0:
            shown = [_bounded(each.paid) for each in bins]
            sizes = [LEAST + (MOST - LEAST) * (each.straddles / most) ** 0.5 for each in bins]
            style = {
                "line": {"color": colour, "width": 2.4},
                "marker": {"size": sizes, "opacity": 0.85},
                "error_y": BARS
                | {
                    "type": "data",
                    "symmetric": False,
                    "array": [100 * (each.high - each.value) for each in shown],
                    "arrayminus": [100 * (each.value - each.low) for each in shown],
                    "color": colour,
                },
            }
        style["marker"] |= {"color": colour}
        traces.append(
            scatter(
                x=[100 * each.promised for each in bins],
                y=[100 * each.paid.value for each in bins],
                text=[f"{each.straddles:,} straddles in {each.weeks:,} weeks" for each in bins],
                name=one.label,
                mode="lines+markers",
                visible=True if number == 0 else "legendonly",
                hovertemplate="promised %{x:.1f} %, paid %{y:.1f} %: %{text}",
                **style,
            )
        )
    return make_figure(
        traces,
        460,
        showlegend=True,
        xaxis=axis("Promised chance of a profit, %", range=[0, 100]),
        yaxis=axis("Share that paid, %", range=[0, 100]),
    )


def _gains(found: Sequence[RuleCalibration]) -> Figure:
    """Draw the constant's score less that of the chances, with intervals: right of zero is skill."""
    known = [(one.label, one.whole) for one in found if one.whole is not None][::-1]
    gains = [each.gain for _, each in known]
    bounded = [_bounded(each) for each in gains]
    bars = BARS | {
        "type": "data",
        "symmetric": False,
        "array": [each.high - each.value for each in bounded],
        "arrayminus": [each.value - each.low for each in bounded],
        "color": BLUE,
    }
    trace = scatter(
        x=[each.value for each in gains],
        y=[label for label, _ in known],
        mode="markers",
        marker={"size": 10, "color": BLUE},
        error_x=bars,
        hovertemplate="%{y}: %{x:+.4f}",
    )
    figure = make_figure(
        [trace],
        110 + 34 * len(known),
        showlegend=False,
        xaxis=axis("Constant's Brier less that of P", zeroline=False, tickformat="+.4~f", nticks=6),
        yaxis=axis(type="category"),
    )
    figure.add_vline(0.0, {"color": GREY, "width": 1.4, "dash": "dash"})
    return figure
