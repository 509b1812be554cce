"""The tables of the report: attribution, episodes, data, parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from gammacore.config import Config, stated

from .view import MEANING, MISSING, VEGA_MEANING, View, as_text, gain_or_loss, label, ordered, plural, shows

TABLE_ROWS = 1_000
SCALP_ROWS = 300
ALIKE = ("close_reason", "side", "contracts", "sized_by")  # said once where all episodes agree
TIMES = ("entry", "expiry", "opened")
DELIVERY_WORDS = {
    "file": "from the file of delivery prices",
    "average": "average of the last 30 minutes of prices",
    "last": "last price recorded",
    "interpolated": "interpolated between the neighbouring prices",
}


def line_rows(view: View) -> list[dict[str, Any]]:
    """Attribution in both currencies, parts of vega below it; a line that is zero in both is greyed."""
    lines, other = view.summary["attribution"], view.summary[f"attribution_{other_method(view)}"]
    parts = view.summary.get("vega_parts") or {}
    named = []
    for name in ordered(lines):
        named.append((label(name), MEANING.get(name, ""), lines[name], other[name]))
        if name == "vega":  # the same by either method
            named += [(part, VEGA_MEANING[part], money, money) for part, money in parts.items()]
    total = view.summary["total"]
    return [
        {
            "name": name,
            "meaning": meaning,
            "usd": as_text(money["usd"], "+,.2f"),
            "coin": as_text(money["coin"], "+,.8f"),
            "other": as_text(again["usd"], "+,.2f"),
            "part": name in parts,
            "zero": not any(shows(money[unit.key], unit) for unit in view.units),
        }
        for name, meaning, money, again in [*named, ("total", "what the ledger says", total, total)]
    ]


def other_method(view: View) -> str:
    """Way of attribution that the run did not use."""
    return "revaluation" if view.summary["attribution_method"] == "taylor" else "taylor"


def vega_note(view: View) -> str:
    """Say how much of the time the parts of vega are known; nothing without parts."""
    share = view.summary.get("vega_unknown_share")
    if share is None:
        return ""
    return f"The indented parts sum to vega. Without a fitted smile ({share:.1%} of the time) all is rest."


METHOD_WORDS = {"taylor": "by expansion", "revaluation": "repriced"}


def scalping_rows(view: View) -> list[tuple[str, str]]:
    """Say what was paid for gamma, and what the hedges made of it."""
    s, coin = view.summary, view.coin
    scalps, theta = s["scalps"], s["theta_paid"]
    closed = f"{plural(scalps['n'], 'scalp')}, {as_text(scalps['won'], '.1%')} with profit after fees"
    mean = f"{as_text(scalps['mean_usd'], '+,.2f', 'USD')}, {as_text(scalps['mean_coin'], '+,.8f', coin)}"
    return [
        ("Theta paid", f"{as_text(theta['usd'], ',.2f', 'USD')}, {as_text(theta['coin'], ',.8f', coin)}"),
        ("Gamma over theta", as_text(s["gamma_over_theta"], ".3f")),
        ("Capture ratio", f"{as_text(s['capture_ratio'], '.3f')} (of gamma + theta, where they gained)"),
        ("Break-even move a day", f"{as_text(s['mean_breakeven_move_a_day'], '.2%')} of the price, mean"),
        ("RV at the hedges", f"{as_text(s['mean_rv_at_hedges'], '.2%')}, mean"),
        ("First in, first out", f"{closed}; median {as_text(scalps['median_hours'], ',.2f')} hours"),
        ("A scalp, mean", mean),
    ]


def left_out(view: View) -> str:
    """Lines that the chart of the attribution leaves out."""
    lines, usd = view.summary["attribution"], view.units[0]
    return ", ".join(label(name) for name in ordered(lines) if not shows(lines[name]["usd"], usd))


class _Column(NamedTuple):
    """A column of the episode table; ``form`` is None for text."""

    name: str
    source: str
    form: str | None
    scale: float = 1.0
    coloured: bool = False


def _columns(view: View) -> list[_Column]:
    coin = view.coin
    return [
        _Column("#", "episode", ".0f"),
        _Column("Entry, UTC", "entry", None),
        _Column("Expiry, UTC", "expiry", None),
        _Column("Strikes, USD", "strikes", None),
        _Column("IV, %", "iv_entry", ".1f", 100),
        _Column("RV, %", "rv", ".1f", 100),
        _Column("RV/IV − 1, %", "rv_over_iv_less_1", "+.1f", 100),
        _Column("RV at hedges, %", "rv_at_hedges", ".1f", 100),
        _Column("Break-even a day, %", "breakeven_move_a_day", ".2f", 100),
        _Column("Gamma / theta", "gamma_over_theta", ".2f"),
        _Column("Capture", "capture_ratio", "+.2f"),
        _Column("P&L, USD", "pnl_usd", "+,.2f", coloured=True),
        _Column(f"P&L, {coin}", "pnl_coin", "+,.6f", coloured=True),
        _Column("P&L / premium, %", "pnl_over_premium", "+.2f", 100, coloured=True),
        _Column("Premium, USD", "premium_usd", ",.2f"),
        _Column(f"Premium, {coin}", "premium_coin", ",.6f"),
        _Column("Hedges", "hedges", ",.0f"),
        _Column("Fees, USD", "fees_usd", "+,.2f"),
        _Column("Funding, USD", "funding_usd", "+,.2f"),
        _Column("Delivered at, USD", "delivery_price_usd", f",.{view.price_decimals}f"),
        _Column("Closed by", "close_reason", None),
        _Column("Side", "side", None),
        _Column(f"Size, {coin} a leg", "contracts", ",.12g"),
        _Column("Sized by", "sized_by", None),
    ]


def episode_rows(view: View) -> dict[str, Any]:
    """Header, cells of (text, class), and what had to be left out."""
    episodes, columns = view.results.episodes, _columns(view)
    alike = [c for c in columns if c.source in ALIKE and c.source in episodes and _one(episodes[c.source])]
    columns = [column for column in columns if column not in alike]
    shown = episodes.head(TABLE_ROWS).to_dict("records")
    rest = len(episodes) - len(shown)
    return {
        "header": [(column.name, "num" if column.form else "") for column in columns],
        "rows": [[_cell(column, row[column.source]) for column in columns] for row in shown],
        "alike": [(column.name, _cell(column, episodes[column.source].iloc[0])[0]) for column in alike],
        "note": f"The first {TABLE_ROWS:,} of {len(episodes):,}; all are in episodes.csv." if rest else "",
    }


def _one(values: pd.Series) -> bool:
    return len(values) > 0 and bool((values == values.iloc[0]).all())


def _cell(column: _Column, value: Any) -> tuple[str, str]:
    if column.form is None:
        text = str(value)
        return (text[:16].replace("T", " "), "time") if column.source in TIMES else (text, "")
    number = value if column.scale == 1.0 else value * column.scale
    return as_text(number, column.form), f"num {gain_or_loss(value) if column.coloured else ''}".rstrip()


def scalp_rows(view: View) -> dict[str, Any]:
    """Scalps with the largest profit or loss after fees, in order of time: header, cells, note."""
    found, price = view.results.scalps, f",.{view.price_decimals}f"
    columns = [
        _Column("Episode", "episode", ".0f"),
        _Column("Opened, UTC", "opened", None),
        _Column("Hours", "hours", ",.2f"),
        _Column(f"Amount, {view.coin if view.linear else 'USD'}", "amount", "+,.10g"),
        _Column("From, USD", "open_price", price),
        _Column("To, USD", "close_price", price),
        _Column("Closed by", "closed_by", None),
        _Column("Before fees, USD", "pnl_usd", "+,.2f", coloured=True),
        _Column("Fees, USD", "fees_usd", "+,.2f"),
        _Column("Net, USD", "net_usd", "+,.2f", coloured=True),
        _Column(f"Net, {view.coin}", "net_coin", "+,.8f", coloured=True),
    ]
    header = [(column.name, "num" if column.form else "") for column in columns]
    if not len(found):
        return {"header": header, "rows": [], "note": ""}
    net = found.assign(
        net_usd=found["pnl_usd"] + found["fees_usd"], net_coin=found["pnl_coin"] + found["fees_coin"]
    )
    largest = net["net_usd"].abs().sort_values(ascending=False, kind="stable").index[:SCALP_ROWS]
    shown = net.loc[largest.sort_values()].to_dict("records")
    note = (
        f"The {SCALP_ROWS:,} largest of {len(found):,}; scalps.csv has all."
        if len(found) > SCALP_ROWS
        else ""
    )
    return {
        "header": header,
        "rows": [[_cell(column, row[column.source]) for column in columns] for row in shown],
        "note": note,
    }


def finding_rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List what the checks of the data found: check, and how often."""
    return [(check, f"{count:,}") for check, count in summary["data"].get("findings", {}).items()]


def data_rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where the data came from: label and words."""
    data = summary["data"]
    marks = f"{data['marks']}{', interpolated between chains' if data.get('interpolated') else ''}"
    rows = [
        ("Source", str(data["source"])),
        ("Span, UTC", f"{data['start']} to {data['end']}"),
        ("Option marks", marks),
    ]
    if data.get("modelled"):
        rows.append(("Modelled chains", data["modelled"]))
    if data.get("forecast"):
        rows.append(("Forecast", data["forecast"]))
    for part, count in (("chains", "snapshots"), ("prices", "bars"), ("funding", "periods")):
        found = data.get(part)
        words = f"{found[count]:,} {count}" if found else "none"
        rows.append((part.capitalize(), words + rows_words(found or {})))
    sources = [
        f"{count:,} × {DELIVERY_WORDS.get(source, source)}" for source, count in summary["deliveries"].items()
    ]
    rows.append(("Delivery prices", "; ".join(sources) or "none"))
    return rows


def rows_words(part: Mapping[str, Any]) -> str:
    """Say how many rows chains have; nothing for other parts, and results that do not tell."""
    if "rows_per_chain" not in part:
        return ""
    least, median, most = part["rows_per_chain"]
    return f" of {least:,} to {most:,} rows, median {median:,.0f}"


def file_rows(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """Files that were read."""
    return [
        {
            "part": part,
            "file": str(found["file"]),
            "sha256": str(found["sha256"]),
            "rows": as_text(found["rows"], ",d"),
        }
        for part in ("chains", "prices", "funding")
        for found in (summary["data"].get(part) or {}).get("files", [])
    ]


def flattened(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Write nested parameters as one mapping of dotted paths."""
    flat: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, dict) and item:
            flat |= flattened(item, f"{prefix}{name}.")
        else:
            flat[prefix + name] = item
    return flat


def changed_parameters(config: Config) -> list[tuple[str, str, str]]:
    """Parameters that differ from the defaults: name, value, default."""
    default = flattened(stated(Config()))
    return [
        (name, configured(value), configured(default[name]) if name in default else MISSING)
        for name, value in flattened(stated(config)).items()
        if name not in default or value != default[name]
    ]


def configured(value: Any) -> str:
    """Write a parameter as a configuration file has it."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {configured(one)}' for name, one in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(configured, value))}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
