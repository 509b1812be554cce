"""From the quotes of a chain to the points that a surface is fitted to."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from gammacore import black76, inverse
from gammacore._arrays import floats, unmasked
from gammacore._series import ordered
from gammacore.array_types import Bools, Floats, Ints
from gammacore.daycount import SETTLEMENT_WINDOW_NS, times_ns, year_fraction
from gammacore.volatility.result import unknown

__all__ = ["Points", "Reason", "Target", "quoted_points"]

Target = Literal["mid", "mark"]

_TIGHTEST = 0.001  # half spreads below a tenth of a vol point are no better: ticks are that coarse
_FARTHEST = 5.0  # standard deviations, at the vol near the money: beyond, one tick is many vol points
_NEAREST = 3  # strikes that say what the vol near the money is
_LOOSENESS = 2.0  # a mark without two quotes counts as one of twice the usual spread
_NO_SPREAD = 0.01  # half spread where no option of the expiry has two quotes


class Reason(IntEnum):
    """What became of a row of the chain."""

    USED = 0
    """It is one of the points fitted to."""
    OTHER_SIDE = 1
    """The other kind at the same strike is used: the one out of the money, where it has a price."""
    NO_FORWARD = 2
    """Forward, strike or time is not a positive number."""
    SETTLING = 3
    """The expiry is past, or within the half hour whose average settles it."""
    NO_PRICE = 4
    """There are neither two quotes nor a mark."""
    NO_VOL = 5
    """What prices there are have no volatility."""
    CROSSED = 6
    """The bid is above the ask."""
    FAR = 7
    """More than five standard deviations from the forward."""
    OUTLIER = 8
    """Too far from the fitted smile, which was then fitted again without it."""
    TOO_FEW = 9
    """Its expiry has too few points to fit."""


class Points(NamedTuple):
    """Points ordered by expiry and strike, one a strike.

    Attributes
    ----------
    row : array of int64, shape (n,)
        Row of the chain.
    offsets : array of int64, shape (m + 1,)
        Expiry i is points ``offsets[i]:offsets[i + 1]``.
    expiry_ns, forward, tau : array, shape (m,)
    k, vol, half_spread : array, shape (n,)
        Log-moneyness ln(K/F), volatility aimed at, half of the bid-ask spread in volatility.
    two_sided : array of bool, shape (n,)
        Whether there were bid and ask; otherwise the point is a mark.
    reason : array of int8, one per row of the chain
        Codes of `Reason`.
    """

    row: Ints
    offsets: Ints
    expiry_ns: Ints
    forward: Floats
    tau: Floats
    k: Floats
    vol: Floats
    half_spread: Floats
    two_sided: Bools
    reason: npt.NDArray[np.int8]


def quoted_points(
    ts_ns: int,
    expiry_ns: npt.ArrayLike,
    strike: npt.ArrayLike,
    kind: npt.ArrayLike,
    forward: npt.ArrayLike,
    *,
    bid: npt.ArrayLike | None = None,
    ask: npt.ArrayLike | None = None,
    mark: npt.ArrayLike | None = None,
    mark_vol: npt.ArrayLike | None = None,
    inverse_settled: bool = True,
    target: Target = "mid",
) -> Points:
    """Choose, for every strike of every expiry, a volatility to fit and how well it is known.

    Parameters
    ----------
    ts_ns : int
        Time of the quotes, nanoseconds UTC.
    expiry_ns : array_like of int64, shape (n,)
    strike, forward : array_like, shape (n,)
        USD; the forward of each row's expiry.
    kind : array_like of int, shape (n,)
        +1 call, -1 put.
    bid, ask, mark : array_like, shape (n,), optional
        Prices in the settlement currency; NaN or 0 is none.
    mark_vol : array_like, shape (n,), optional
        Volatility of the mark; worked out from ``mark`` without it.
    inverse_settled : bool, optional
        Whether prices are in coin.
    target : {'mid', 'mark'}, optional
        Mean of the bid's and the ask's volatility where there are both, or always the mark's.

    Returns
    -------
    Points
        Where only one is there, the other takes its place. The forward of an expiry is the
        median of its rows'.

    Raises
    ------
    ValueError, TypeError
        If columns differ in length, times are no integers, or neither quotes nor marks are given.
    """
    if target not in get_args(Target):
        raise unknown("target", target, get_args(Target))
    expiry_ns, strike, kind, forward, bid, ask, mark, mark_vol = ordered(
        expiry_ns=expiry_ns,
        strike=strike,
        kind=kind,
        forward=forward,
        bid=bid,
        ask=ask,
        mark=mark,
        mark_vol=mark_vol,
    )
    ts_ns, expiry = int(times_ns("ts_ns", ts_ns)), times_ns("expiry_ns", expiry_ns)
    if expiry.ndim != 1:
        raise ValueError(f"expiry_ns: expected a column of times, got shape {expiry.shape}")
    if bid is None and mark is None and mark_vol is None:
        raise ValueError("bid, ask, mark: expected quotes, marks or volatilities of marks")
    if (bid is None) != (ask is None):
        raise ValueError(f"{'bid' if bid is None else 'ask'}: expected both bid and ask, or neither")
    n = expiry.size

    def column(name: str, value: npt.ArrayLike | None) -> Floats:
        if value is None:
            return np.full(n, np.nan)
        found = floats(value)
        if found.shape not in ((n,), ()):
            raise ValueError(f"{name}: expected {n} values, got shape {found.shape}")
        return np.broadcast_to(found, (n,))

    strikes, forwards = column("strike", strike), column("forward", forward)
    bids, asks, marks = column("bid", bid), column("ask", ask), column("mark", mark)
    kinds = np.broadcast_to(unmasked("kind", kind).astype(np.int8), (n,))
    tau = year_fraction(ts_ns, expiry)
    model = inverse.implied_vol if inverse_settled else black76.implied_vol

    def vols(price: Floats) -> Floats:
        return np.asarray(model(kinds, _positive(price), forwards, strikes, tau))

    low, high = vols(bids), vols(asks)
    marked = vols(marks) if mark_vol is None else _positive(column("mark_vol", mark_vol))
    both = np.isfinite(low) & np.isfinite(high) & (high >= low)
    vol = np.where(both, 0.5 * (low + high), marked)
    if target == "mark":
        vol = np.where(np.isfinite(marked), marked, vol)
    with np.errstate(invalid="ignore", divide="ignore"):
        k = np.log(strikes / forwards)
    placed = np.isfinite(k) & np.isfinite(tau)
    priced = ((bids > 0) & (asks > 0)) | (marks > 0) | np.isfinite(marked)
    reason = np.select(
        [
            ~placed,
            expiry - ts_ns <= SETTLEMENT_WINDOW_NS,
            bids > asks,
            ~priced,
            ~(np.isfinite(vol) & (vol > 0)),
        ],
        [Reason.NO_FORWARD, Reason.SETTLING, Reason.CROSSED, Reason.NO_PRICE, Reason.NO_VOL],
        Reason.USED,
    ).astype(np.int8)
    return _ordered(reason, expiry, strikes, kinds, forwards, tau, k, vol, 0.5 * (high - low), both)


def _positive(values: Floats) -> Floats:
    return np.where(values > 0, values, np.nan)


def _ordered(
    reason: npt.NDArray[np.int8],
    expiry: Ints,
    strike: Floats,
    kind: npt.NDArray[np.int8],
    forward: Floats,
    tau: Floats,
    k: Floats,
    vol: Floats,
    half: Floats,
    both: Bools,
) -> Points:
    """One row a strike, out of the money and two-sided first; spreads where there are none."""
    rows = np.flatnonzero(reason == Reason.USED)
    inside = kind[rows] * k[rows] < 0
    rows = rows[np.lexsort((inside, ~both[rows], strike[rows], expiry[rows]))]
    again = np.zeros(rows.size, dtype=bool)
    again[1:] = (expiry[rows[1:]] == expiry[rows[:-1]]) & (strike[rows[1:]] == strike[rows[:-1]])
    reason[rows[again]] = Reason.OTHER_SIDE
    rows = rows[~again]
    far = _far(expiry[rows], k[rows], vol[rows] * np.sqrt(tau[rows]))
    reason[rows[far]] = Reason.FAR
    rows = rows[~far]
    expiries, first = np.unique(expiry[rows], return_index=True)
    offsets = np.append(first, rows.size).astype(np.int64)
    spread = np.where(both[rows], np.maximum(half[rows], _TIGHTEST), np.nan)
    middle = np.empty(expiries.size)
    for i in range(expiries.size):
        part = slice(offsets[i], offsets[i + 1])
        known = spread[part][both[rows[part]]]
        usual = _LOOSENESS * float(np.median(known)) if known.size else _NO_SPREAD
        spread[part] = np.where(both[rows[part]], spread[part], usual)
        middle[i] = np.median(forward[rows[part]])
    return Points(
        rows, offsets, expiries, middle, tau[rows[first]], k[rows], vol[rows], spread, both[rows], reason
    )


def _far(expiry: Ints, k: Floats, total_vol: Floats) -> Bools:
    """Whether points, ordered by expiry, are beyond what the vol near the money reaches."""
    far = np.zeros(k.size, dtype=bool)
    edges = np.append(np.unique(expiry, return_index=True)[1], k.size)
    for i in range(edges.size - 1):
        part = slice(edges[i], edges[i + 1])
        nearest = np.argsort(np.abs(k[part]))[:_NEAREST]
        far[part] = np.abs(k[part]) > _FARTHEST * float(np.median(total_vol[part][nearest]))
    return far
