"""Sweeps of tickers: rows that were asked for one by one, and are one chain together.

A collector that asks for every ticker by itself stamps every row by itself. Read by their stamps, such
rows are a hundred chains of a few rows, and the strike nearest the forward is whichever was asked for then.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gammacore.array_types import Bools, Ints
from gammacore.data.quality import Finding
from gammacore.daycount import NS_PER_SECOND, format_time

__all__ = ["Sweeps", "gather", "small_chains", "sweep_findings"]


NEIGHBOURS = 21  # chains whose rows are the usual ones
LEAST_LOOK = 10  # rows that tell a second pass from a ticker that was asked for twice


class Sweeps(NamedTuple):
    """What rows belong together.

    Attributes
    ----------
    ts_ns : array of int64
        For each row, the time of the last row of its sweep: when the whole chain was known.
    replaced : array of bool
        The sweep has a newer row of the same instrument.
    gathered : array of int64
        Times of chains made of several stamps.
    longest_ns : int
        Longest of these, from its first row to its last.
    cut : array of int64
        Times of chains that ended only because they had lasted as long as allowed.
    """

    ts_ns: Ints
    replaced: Bools
    gathered: Ints
    longest_ns: int
    cut: Ints


def gather(ts_ns: Ints, code: npt.NDArray[np.int32], longest_ns: int) -> Sweeps | None:
    """Find the sweeps in rows with stamps of their own.

    A stamp belongs to the sweep before it while it is at most ``longest_ns`` after the sweep's first row
    and brings other instruments. A single instrument may come twice: its newest row counts. Where more than
    half of the rows that follow (a tenth of the sweep, at least ten and a whole stamp) are in the sweep
    already, the next pass has begun. So snapshots whose rows share a stamp stay as they are, however close.

    Parameters
    ----------
    ts_ns : array of int64
        Ascending.
    code : array of int32
        Instrument of each row; once a stamp.
    longest_ns : int
        From the first row of a sweep to its last.

    Returns
    -------
    Sweeps or None
        None where every stamp is a chain by itself.
    """
    first = np.flatnonzero(np.diff(ts_ns, prepend=ts_ns[:1] - 1))  # rows at which a stamp begins
    steps = np.diff(ts_ns[first])
    if not (steps <= longest_ns).any():
        return None
    before = _row_before(code)
    begins, cut = _begins(ts_ns[first], first, before, longest_ns)
    if begins.size == first.size:
        return None
    sizes = np.diff(np.append(begins, ts_ns.size))
    last = ts_ns[begins + sizes - 1]
    own = np.repeat(begins, sizes)  # the row that each row's sweep begins with
    replaced = np.zeros(ts_ns.size, dtype=bool)
    replaced[before[before >= own]] = True
    lasted = last - ts_ns[begins]
    return Sweeps(np.repeat(last, sizes), replaced, last[lasted > 0], int(lasted.max()), last[cut])


def sweep_findings(found: Sweeps | None, ts_ns: Ints) -> list[Finding]:
    """Say how many chains are sweeps, and which were cut.

    Parameters
    ----------
    found : Sweeps or None
        Of all rows that were read.
    ts_ns : array of int64
        Times of the rows that were kept, ascending.
    """
    names = (
        "chains gathered from a sweep",
        "rows replaced by a newer one of their sweep",
        "sweeps longer than data.sweep, cut",
    )
    if found is None:
        return [Finding(name, 0, total) for name, total in zip(names, (0, ts_ns.size, 0), strict=True)]
    chains = np.unique(ts_ns)
    swept, cut = (np.intersect1d(times, chains) for times in (found.gathered, found.cut))
    replaced = int(np.count_nonzero(found.replaced & np.isin(found.ts_ns, chains)))
    longest = f"the longest lasts {found.longest_ns / NS_PER_SECOND:g} s"
    longer = f"first {format_time(cut[0])}; set data.sweep to what a whole pass takes" if cut.size else ""
    return [
        Finding(names[0], swept.size, chains.size, longest if swept.size else ""),
        Finding(names[1], replaced, ts_ns.size + replaced),
        Finding(names[2], cut.size, swept.size, longer),
    ]


def small_chains(snapshot_ts: Ints, sizes: Ints) -> Finding:
    """Count chains with less than half the rows of those around them.

    Parameters
    ----------
    snapshot_ts, sizes : array of int64
        Time and rows of every chain.
    """
    padded = np.pad(sizes, NEIGHBOURS // 2, mode="edge")
    around = np.median(np.lib.stride_tricks.sliding_window_view(padded, NEIGHBOURS), axis=1)
    small = sizes < 0.5 * around
    example = ""
    if small.any():
        k = int(np.argmax(small))
        example = (
            f"{format_time(snapshot_ts[k])}: {sizes[k]:,} rows; "
            f"least {sizes.min():,}, median {np.median(sizes):,.0f}, most {sizes.max():,}"
        )
    return Finding("chains of less than half the usual rows", int(small.sum()), sizes.size, example)


def _row_before(code: npt.NDArray[np.int32]) -> Ints:
    """Row of the same instrument before each row, -1 if there is none."""
    order = np.argsort(code, kind="stable")
    before = np.full(code.size, -1, dtype=np.int64)
    again = code[order[1:]] == code[order[:-1]]
    before[order[1:][again]] = order[:-1][again]
    return before


def _begins(stamps: Ints, first: Ints, before: Ints, longest_ns: int) -> tuple[Ints, Bools]:
    """Rows at which sweeps begin, and whether each was cut off by its length."""
    runs = np.append(first[np.flatnonzero(np.diff(stamps) > longest_ns) + 1], before.size)
    ends = runs[np.searchsorted(runs, first, side="right")].tolist()  # where a silence follows
    repeats = np.maximum.reduceat(before, first).tolist()
    at, rows = stamps.tolist(), [*first.tolist(), before.size]
    begins, cut, begin, since = [0], [False], 0, at[0]
    for k in range(1, len(at)):
        row = rows[k]
        late = at[k] - since > longest_ns
        again = repeats[k] >= begin and _next_pass(before, begin, row, rows[k + 1], ends[k])
        if late or again:
            cut[-1] = late and not again and at[k] - at[k - 1] <= longest_ns
            begin, since = row, at[k]
            begins.append(begin)
            cut.append(False)
    return np.array(begins, dtype=np.int64), np.array(cut)


def _next_pass(before: Ints, begin: int, row: int, stamp_end: int, run_end: int) -> bool:
    """Whether the rows from ``row`` on repeat the sweep from ``begin`` on, rather than one ticker of it."""
    tenth = (row - begin) // 10
    look = max(tenth, LEAST_LOOK, stamp_end - row)
    following = before[row : min(row + look, run_end)]
    return following.size >= tenth and 2 * int(np.count_nonzero(following >= begin)) > following.size
