"""The chart of the price with everything that was traded."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gammacore.array_types import Floats, Ints
from gammacore.daycount import parse_time

from .drawing import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    PURPLE,
    VERMILLION,
    YELLOW,
    Figure,
    Trace,
    axis,
    line_trace,
    make_figure,
    scatter,
    time_axis,
)
from .thinning import MARKER_POINTS, milliseconds, rounded, thin
from .view import View


def price_figure(view: View) -> Figure:
    """Index price with hedges, option trades and deliveries."""
    profit = view.results.profit
    ts, index = profit["ts_ns"].to_numpy(np.int64), profit["index_usd"].to_numpy(np.float64)
    decimals = view.price_decimals
    line = line_trace(
        ts,
        index,
        decimals,
        name="index",
        line={"color": GREY, "width": 1.2},
        hovertemplate=f"index %{{y:,.{decimals}f}} USD<extra></extra>",
    )
    return make_figure(
        [line, *_hedge_markers(view), *_option_markers(view, ts, index), *_delivery_markers(view)],
        500,
        xaxis=time_axis(),
        yaxis=axis("Price, USD"),
    )


def _sides(view: View) -> list[tuple[str, pd.DataFrame, Ints]]:
    """Hedges bought and sold: name, all of them, positions drawn."""
    fills = view.results.fills
    hedges = fills[fills["kind"] == "hedge"]
    bought = hedges["amount"] > 0
    sides = [("hedge bought", hedges[bought]), ("hedge sold", hedges[~bought])]
    return [(name, side, thin(side["price"], MARKER_POINTS)) for name, side in sides if len(side)]


def _hedge_markers(view: View) -> list[Trace]:
    sides, decimals = _sides(view), view.price_decimals
    largest = max((float(side["amount"].abs().max()) for _, side, _ in sides), default=1.0) or 1.0
    amount_unit, fee_unit = (view.coin, "USD") if view.linear else ("USD", view.coin)
    # Many markers are drawn small, or they hide the price.
    smallest, spread = (3, 4) if sum(len(kept) for _, _, kept in sides) > 400 else (5, 8)
    looks = {"hedge bought": ("triangle-up", BLUE), "hedge sold": ("triangle-down", VERMILLION)}
    markers = []
    for name, side, kept in sides:
        shown = side.iloc[kept]
        symbol, colour = looks[name]
        amounts = shown["amount"].to_numpy(np.float64)
        detail = zip(rounded(amounts, 6), rounded(shown["fee"], 8), strict=True)
        several = bool((side["instrument"] != side["instrument"].iloc[0]).any())
        markers.append(
            scatter(
                x=milliseconds(shown["ts_ns"]),
                y=rounded(shown["price"], decimals),
                mode="markers",
                name=name,
                marker={
                    "symbol": symbol,
                    "color": colour,
                    "opacity": 0.8,
                    "line": {"width": 0},
                    "size": np.round(smallest + spread * np.sqrt(np.abs(amounts) / largest), 1).tolist(),
                },
                customdata=[list(pair) for pair in detail],
                text=shown["instrument"].tolist() if several else shown["instrument"].iloc[0],
                hovertemplate="%{text}<br>%{x}<br>"
                f"%{{customdata[0]:+,.6~f}} {amount_unit} at %{{y:,.{decimals}f}} USD"
                f"<br>fee %{{customdata[1]:,.8~f}} {fee_unit}<extra>{name}</extra>",
            )
        )
    return markers


def _option_markers(view: View, ts: Ints, index: Floats) -> list[Trace]:
    """Entries and exits, at the index (an option's own price is of another scale)."""
    fills = view.results.fills
    options = fills[fills["kind"] == "option"]
    looks = {"entry": ("options in", "diamond", GREEN), "exit": ("options out", "square", PURPLE)}
    markers = []
    for purpose, (name, symbol, colour) in looks.items():
        trades = options[options["purpose"] == purpose]
        groups = list(trades.groupby(["ts_ns", "episode"], sort=True))
        if not groups:
            continue
        at = np.array([key[0] for key, _ in groups], np.int64)
        level = np.interp(at.astype(np.float64), ts.astype(np.float64), index)
        kept = thin(level, MARKER_POINTS)
        legs = [_leg_words(view, int(groups[k][0][1]), groups[k][1]) for k in kept]
        markers.append(_event_markers(view, (name, symbol, colour), at[kept], level[kept], legs))
    return markers


def _leg_words(view: View, episode: int, legs: pd.DataFrame) -> str:
    unit = "USD" if view.linear else view.coin
    rows = [
        f"{leg.instrument}  {leg.amount:+,.12g} at {leg.price:,.6g} {unit}, fee {leg.fee:.6g} {unit}"
        for leg in legs.itertuples(index=False)
    ]
    return "<br>".join([f"episode {episode}", *rows])


def _delivery_markers(view: View) -> list[Trace]:
    episodes = view.results.episodes
    done = episodes[episodes["close_reason"] == "delivery"]
    done = done[np.isfinite(done["delivery_price_usd"])]
    if done.empty:
        return []
    done = done.iloc[thin(done["delivery_price_usd"], MARKER_POINTS)]
    ts = np.array([parse_time(closed) for closed in done["closed"]], np.int64)
    price, form = done["delivery_price_usd"].to_numpy(np.float64), f",.{view.price_decimals}f"
    words = [
        f"episode {row.episode}<br>{row.instruments}<br>delivered at {row.delivery_price_usd:{form}} USD"
        for row in done.itertuples(index=False)
    ]
    return [_event_markers(view, ("delivery", "star", YELLOW), ts, price, words)]


def _event_markers(
    view: View, look: tuple[str, str, str], ts: Ints, level: Floats, words: list[str]
) -> Trace:
    (name, symbol, colour), decimals = look, view.price_decimals
    # A roll delivers and enters at one moment: the star lies on the diamond and leaves its corners free.
    size = (7 if symbol == "star" else 11) + (3 if len(words) <= 25 else 0)
    return scatter(
        x=milliseconds(ts),
        y=rounded(level, decimals),
        mode="markers",
        name=name,
        marker={"symbol": symbol, "color": colour, "size": size, "line": {"color": BLACK, "width": 1}},
        text=words,
        hovertemplate=f"%{{text}}<br>%{{x}}, %{{y:,.{decimals}f}} USD<extra>{name}</extra>",
    )


def drawn_note(view: View) -> str:
    """Said when fewer hedges are drawn than were made."""
    sides = _sides(view) if view.summary["n_episodes"] else []
    drawn, made = sum(len(kept) for _, _, kept in sides), sum(len(side) for _, side, _ in sides)
    if drawn == made:
        return ""
    return (
        f"{drawn:,} of {made:,} hedge fills are drawn, the lowest and highest of every stretch; "
        "fills.csv has them all."
    )
