"""Exposures of all episodes of a run: what the report replays of each, and what they hold together.

Of each episode some moments are kept (its hedges first, then a regular grid), since a report must fit on a
phone; deltas, gamma and theta are kept of all.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from gammacore.array_types import Floats, Ints

from ..replay.runs import EpisodeRun, Run
from .exposure import EpisodeExposure, expose

ALL_MOMENTS = 9_000  # of all episodes together
FEWEST, MOST = 24, 1_000  # of one
GROUPS: dict[str, tuple[str, ...]] = {
    "gamma": ("gamma",),
    "theta": ("theta",),
    "vega": ("vega", "vanna", "volga"),
    "delta + hedge": ("delta", "hedge", "basis", "lots"),
    "costs": ("fees", "spread", "funding"),
}
"""Lines that a replay shows together; whatever is in none of them is ``other``."""


class EpisodeMoments(msgspec.Struct, frozen=True):
    """One episode at the moments that are shown of it.

    Attributes
    ----------
    episode : int
    ts_ns : array of int, shape (n,)
    price : array, shape (n,)
        Mark of the hedge, USD.
    before, after, traded : array, shape (n,)
        Delta of the episode around what was traded of the hedge since the moment shown last, at the marks
        of this one if that is when it was traded, and the amount traded at it; coin, and the contract's unit.
    hedges : array, shape (n,)
        Count of the hedges so far, those of moments left out included.
    forward : array, shape (n,)
        Forward of the options, USD.
    coin, usd : dict of str to array, shape (n,)
        Profit so far, as ``P&L`` and by :data:`GROUPS`.
    """

    episode: int
    ts_ns: Ints
    price: Floats
    before: Floats
    after: Floats
    traded: Floats
    hedges: Ints
    forward: Floats
    coin: dict[str, Floats]
    usd: dict[str, Floats]


class RunExposures(NamedTuple):
    """All episodes of a run.

    Attributes
    ----------
    deltas : list of (before, after)
        Of each episode the deltas around each fill of its hedge, coin.
    gamma, theta : array, shape (entries,)
        What all episodes together held at each entry of the tape: coins of delta a percent, USD a day.
    moments : list of EpisodeMoments
    """

    deltas: list[tuple[Floats, Floats]]
    gamma: Floats
    theta: Floats
    moments: list[EpisodeMoments]


def expose_run(run: Run) -> RunExposures:
    """Return the exposure of every episode of a run, and of all of them together."""
    gamma, theta = np.zeros(len(run.tape)), np.zeros(len(run.tape))
    deltas, moments = [], []
    cap = min(max(ALL_MOMENTS // max(len(run.episode_runs), 1), FEWEST), MOST)
    for done in run.traded:
        seen = expose(run, done)
        first, size = done.attribution.start, done.last + 1 - done.attribution.start
        gamma[first : first + size] += seen.gamma[done.attribution.entries]
        theta[first : first + size] += seen.theta[done.attribution.entries]
        deltas.append((seen.before, seen.after))
        if run.book is None:
            moments.append(_moments(done, seen, cap))
    if run.book is not None:
        moments = [_moments(done, expose(run, done), cap) for done in run.episode_runs]
    return RunExposures(deltas, gamma, theta, moments)


def _moments(done: EpisodeRun, seen: EpisodeExposure, cap: int) -> EpisodeMoments:
    parts = done.attribution
    kept = _kept(seen, len(parts.ts_ns), cap)
    kept = kept[np.append(np.diff(parts.ts_ns[kept]) > 0, True)]  # of entries at one moment the last
    traded = np.bincount(seen.points, seen.fills.amount, len(parts.ts_ns))
    before = seen.delta.copy()
    before[seen.points[::-1]] = seen.before[::-1]  # of several at one point the first
    hedged = np.array([purpose == "hedge" for purpose in seen.purposes], dtype=np.float64)
    hedges = np.cumsum(np.bincount(seen.points, hedged, len(parts.ts_ns))).astype(np.int64)
    forward = parts.forward[parts.at]
    return EpisodeMoments(
        episode=done.episode.number,
        ts_ns=parts.ts_ns[kept],
        price=parts.hedge_price[kept],
        before=before[kept],
        after=seen.delta[kept],
        traded=traded[kept],
        hedges=hedges[kept],
        forward=forward[kept],
        coin=_grouped(parts.coin, kept),
        usd=_grouped(parts.usd, kept),
    )


def _kept(seen: EpisodeExposure, size: int, cap: int) -> Ints:
    """Points to show: the ends, the hedges (evenly some of them if there are too many), then a grid."""
    hedged = np.unique(seen.points)
    room = max(cap - 2, 2)
    if len(hedged) > room:
        hedged = hedged[np.linspace(0, len(hedged) - 1, room).astype(np.int64)]
    grid = np.linspace(0, size - 1, max(cap - len(hedged), 2)).astype(np.int64)
    return np.unique(np.concatenate([hedged, grid]))


def _grouped(lines: dict[str, Floats], kept: Ints) -> dict[str, Floats]:
    """Cumulative profit in all and by group at some points; the first point is before any step."""
    sums = {name: np.concatenate([[0.0], np.cumsum(values)])[kept] for name, values in lines.items()}
    total = np.sum(list(sums.values()), axis=0)
    groups = {name: np.sum([sums[line] for line in parts], axis=0) for name, parts in GROUPS.items()}
    return {"P&L": total, **groups, "other": total - np.sum(list(groups.values()), axis=0)}
