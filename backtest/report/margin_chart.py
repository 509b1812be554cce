"""Margin through time by both models, and the largest use of the margin balance."""

from __future__ import annotations

import numpy as np

from .drawing import BLUE, ORANGE, Figure, axis, line_trace, make_figure, time_axis
from .thinning import LINE_POINTS
from .view import View, as_text, plural

__all__ = ["liquidation_rows", "liquidation_words", "margin_figure", "margin_rows"]

SHOWN = 20  # rounds of a liquidation
MODELS = (("standard", BLUE), ("portfolio", ORANGE))


def margin_figure(view: View) -> Figure:
    """Draw initial (full) and maintenance margin (dotted) of both models."""
    table, unit = view.results.margins, view.config.settles_in
    ts, traces = table["ts_ns"].to_numpy(np.int64), []
    for model, colour in MODELS:
        for kind, dash in (("initial", "solid"), ("maintenance", "dot")):
            values = table[f"{model}_{kind}"]
            if values.notna().any():
                name = f"{model}, {kind}"
                traces.append(
                    line_trace(
                        ts,
                        values,
                        6,
                        LINE_POINTS,
                        name=name,
                        line={"color": colour, "width": 1.4, "dash": dash},
                        hovertemplate=f"%{{y:,.6~f}} {unit}<extra>{name}</extra>",
                    )
                )
    return make_figure(
        traces,
        360,
        hovermode="x unified",
        xaxis=time_axis(),
        yaxis=axis(f"Margin, {unit}", rangemode="tozero"),
    )


def margin_rows(view: View) -> list[tuple[str, str, str, str, str]]:
    """Write each model's peaks, return and largest use."""
    found, rows = view.summary["margin"], []
    for model, _ in MODELS:
        s = found[model]
        own = " (margin.model)" if found["model"] == model else ""
        rows.append(
            (
                model + own,
                as_text(s["peak_initial"], ",.6f"),
                as_text(s["return_on_peak"], "+.2%"),
                as_text(s["max_use"], ".1%"),
                as_text(s["max_maintenance_use"], ".1%"),
            )
        )
    return rows


def liquidation_words(view: View) -> str:
    """Say whether the account would have been liquidated."""
    found = view.summary["liquidation"]
    if not found["modelled"]:
        return "Liquidation is not modelled: size.equity does not say what the account has."
    if not found["rounds"]:
        return "The account would not have been liquidated at any chain."
    closed, unit = plural(found["episodes"], "episode"), view.config.settles_in
    return (
        f"Liquidated: the exchange took positions in {found['rounds']:,} rounds, the first at "
        f"{found['first']}, for {found['fees']:,.6f} {unit} of fees. It closed {closed}."
    )


def liquidation_rows(view: View) -> list[tuple[str, ...]]:
    """Write the first rounds: when, what, how much, at which price, and the margin before."""
    return [
        (
            str(row["time"]),
            str(row["instrument"]),
            f"{row['amount']:+,.6g}",
            f"{row['price']:,.6g}",
            *(f"{row[name]:,.6f}" for name in ("fee", "maintenance_margin", "margin_balance")),
        )
        for row in view.results.liquidations.head(SHOWN).to_dict("records")
    ]
