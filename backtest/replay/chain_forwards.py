"""Forwards and index that the chains of a tape say."""

from __future__ import annotations

import numpy as np

from gammacore.array_types import Floats
from gammacore.data import Chains, parity_forward
from gammacore.daycount import format_time
from gammacore.errors import DataError


def forwards_of(chains: Chains, source: str) -> list[dict[int, float]]:
    """Forward of every expiry, one mapping a chain; where the wanted one is missing, the other."""
    found = parity_forward(chains)
    first, second = (found.parity, found.recorded) if source == "parity" else (found.recorded, found.parity)
    chosen = np.where(np.isfinite(first), first, second)
    result: list[dict[int, float]] = [{} for _ in chains.snapshot_ts]
    known = np.isfinite(chosen)
    rows = zip(
        found.snapshot[known].tolist(), found.expiry_ns[known].tolist(), chosen[known].tolist(), strict=True
    )
    for number, expiry_ns, forward in rows:
        result[number][expiry_ns] = forward
    return result


def recorded_index(chains: Chains, forwards: list[dict[int, float]]) -> Floats:
    """Index of every chain: median of its rows, or the nearest forward where none is recorded."""
    starts = chains.offsets[:-1]
    index, most = (of.reduceat(chains.index, starts) for of in (np.fmin, np.fmax))
    for number in np.flatnonzero(index != most).tolist():  # rows that differ, or say nothing
        known = forwards[number]
        values = chains.index[slice(*chains.offsets[number : number + 2])]
        values = values[np.isfinite(values)]
        index[number] = np.median(values) if values.size else known[min(known)] if known else np.nan
    if not np.isfinite(index).all():
        bad = format_time(int(chains.snapshot_ts[np.argmin(np.isfinite(index))]))
        raise DataError(f"the chain of {bad} has neither an index nor a forward")
    return index
