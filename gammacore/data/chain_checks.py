"""What the rows of chains are checked for, once they are in order: counts, each with its first case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gammacore.array_types import Bools, Floats, Ints
from gammacore.contracts import Option
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, format_time

from .chain_rows import NUMBERS
from .listings import price_grid
from .quality import Finding

__all__ = ["MODELLED", "clean", "findings_of", "gap_finding", "modelled_rows"]

MODELLED = "modelled from trades (no recording)"
"""Name of the check that counts rows of chains that nobody recorded."""


def clean(data: dict[str, Any], again: Bools, names: Sequence[str]) -> tuple[dict[str, Any], list[Finding]]:
    """Drop repeated and expired rows."""
    differs = np.zeros_like(again)
    for key in NUMBERS:
        here, before = data[key][1:], data[key][:-1]
        differs[1:] |= (here != before) & ~(np.isnan(here) & np.isnan(before))
    expired = data["ts_ns"] >= data["expiry_ns"]

    def finding(check: str, mask: Bools) -> Finding:
        return _finding(check, mask, data, names)

    findings = [
        finding("repeated rows dropped (first kept)", again),
        finding("of these, with other values", again & differs),
        finding("expired rows dropped", expired & ~again),
    ]
    keep = ~(again | expired)
    if not keep.all():
        data = {key: values[keep] for key, values in data.items()}
    return data, findings


def findings_of(data: dict[str, Any], names: Sequence[str], option: Option) -> list[Finding]:
    """Run the checks that keep the rows; a quote of zero becomes none."""

    def finding(check: str, mask: Bools) -> Finding:
        return _finding(check, mask, data, names)

    bid, ask, mark = data["bid"], data["ask"], data["mark"]
    findings = [finding("quotes of zero, read as none", (bid == 0) | (ask == 0))]
    bid[bid == 0] = np.nan
    ask[ask == 0] = np.nan
    findings += [
        finding("bid above ask", bid > ask),
        finding("mark outside bid and ask", (mark < bid) | (mark > ask)),
        finding("no mark", np.isnan(mark)),
        finding("no forward", np.isnan(data["forward"])),
        finding("no index", np.isnan(data["index"])),
        finding("no volatility", ~(data["iv"] > 0)),
        finding("no listed future (synthetic forward)", data["synthetic"]),
    ]
    for name, values in (("bid", bid), ("ask", ask)):
        findings.append(finding(f"{name} off tick", _off_tick(values, data["ts_ns"], option)))
    return findings


def modelled_rows(
    made: Ints, ways: Sequence[str], data: Mapping[str, Any], names: Sequence[str]
) -> tuple[str, Finding]:
    """Say how rows that were not recorded were made (code 0 is a recording), and count them."""
    texts = sorted({ways[code] for code in np.unique(made)} - {""})
    return "; ".join(texts), _finding(MODELLED, made > 0, data, names)


def _off_tick(values: Floats, ts_ns: Ints, option: Option) -> Bools:
    """Quotes, in order of time, off the grid that options had on their day; none where it is not known."""
    off = np.zeros(values.size, dtype=bool)
    days, first = np.unique(ts_ns // NS_PER_DAY, return_index=True)
    for day, begin, end in zip(days.tolist(), first, [*first[1:], values.size], strict=True):
        spec = price_grid(option, day * NS_PER_DAY)
        if spec is not None:
            part = values[begin:end]
            off[begin:end] = np.isfinite(part) & ~spec.is_on_tick(part)
    return off


def _finding(check: str, mask: Bools, data: Mapping[str, Any], names: Sequence[str]) -> Finding:
    count = int(np.count_nonzero(mask))
    example = ""
    if count:
        row = int(np.argmax(mask))
        example = (
            f"{format_time(data['ts_ns'][row])} {names[data['code'][row]]} "
            f"bid {data['bid'][row]:g} ask {data['ask'][row]:g} mark {data['mark'][row]:g}"
        )
    return Finding(check, count, mask.size, example)


def gap_finding(snapshot_ts: Ints, max_gap_ns: int) -> Finding:
    """Count the times between snapshots that are longer than allowed and than usual."""
    steps = np.diff(snapshot_ts)
    if not steps.size:
        return Finding("gaps between snapshots", 0, 0)
    gaps = steps > max(max_gap_ns, 1.5 * float(np.median(steps)))
    longest = int(np.argmax(steps))
    example = f"longest {steps[longest] / NS_PER_HOUR:.1f} h from {format_time(snapshot_ts[longest])}"
    return Finding("gaps between snapshots", int(gaps.sum()), steps.size, example if gaps.any() else "")
