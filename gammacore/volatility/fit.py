"""Fitting a surface to the quotes of a chain."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from gammacore import _surface
from gammacore.array_types import Bools, Floats, Ints
from gammacore.daycount import times_ns, year_fraction
from gammacore.volatility.clock import VarianceClock
from gammacore.volatility.quotes import Points, Reason, Target, quoted_points
from gammacore.volatility.result import unknown
from gammacore.volatility.ssvi import SSVI, fit_ssvi
from gammacore.volatility.surface import SliceReport, Surface
from gammacore.volatility.suspects import crossing, stale_runs

__all__ = ["FEWEST", "fit_surface"]

Method = Literal["svi", "ssvi"]

FEWEST = 8  # points for five parameters of SVI
_HUBER = 3.0  # half spreads from which an error counts linearly
_OUTLIER = 5.0  # half spreads, or robust standard deviations if those are more
_MOST_DROPPED = 1 / 6  # of an expiry's points: more than that is no outlier but a bad fit
_RETRIES = 2
_SUPPORT = np.array([-2.5, -1.5, -0.75, 0.0, 0.75, 1.5, 2.5])  # deviations at which SSVI supports a fit
_SUPPORT_LOOSENESS = 4.0  # usual half spreads that its values are good for


def fit_surface(
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
    method: Method = "svi",
    calendar: bool = True,
    clock: VarianceClock | None = None,
    fewest: int = FEWEST,
) -> Surface:
    """Fit SVI slices, free of arbitrage, to a chain.

    Parameters
    ----------
    ts_ns, expiry_ns, strike, kind, forward, bid, ask, mark, mark_vol, inverse_settled, target
        The chain, see `quoted_points`. The forward is best that of put-call parity
        (`gammacore.data.parity_forward`).
    method : {'svi', 'ssvi'}, optional
        Five parameters an expiry, or SSVI for the whole chain.
    calendar : bool, optional
        Whether a slice must stay below the next one.
    clock : VarianceClock, optional
        Time between expiries; calendar time without it.
    fewest : int, optional
        Points of an expiry below which SSVI supports its slice: more where points are noisy.

    Returns
    -------
    Surface

    Raises
    ------
    ValueError, TypeError
        If the chain is not one, or has fewer than 8 points in all.

    Notes
    -----
    Each point's error is its volatility's, in half spreads: that weighs it by vega over the
    half spread in price. Errors beyond three count linearly. Slices are fitted from the last expiry to the
    first, since short ones have wings without quotes which must give way to those of
    longer ones. Points that are more than five half spreads and five robust standard deviations off are
    dropped, and the slices fitted again. A run of neighbouring strikes that the strikes around it contradict,
    to which a smile bends, is left out at first, and comes back unless the fit to the others misses it, too.
    An expiry of fewer than ``fewest`` points gets support from the SSVI surface of the chain at a quarter of
    the weight. `Surface.warnings` says where quotes were left out, cross in the calendar or are missed.
    """
    if method not in get_args(Method):
        raise unknown("method", method, get_args(Method))
    ts_ns, chain = int(times_ns("ts_ns", ts_ns)), times_ns("expiry_ns", expiry_ns)
    points = quoted_points(
        ts_ns,
        expiry_ns,
        strike,
        kind,
        forward,
        bid=bid,
        ask=ask,
        mark=mark,
        mark_vol=mark_vol,
        inverse_settled=inverse_settled,
        target=target,
    )
    if points.k.size < FEWEST:
        raise ValueError(f"strike: expected at least {FEWEST} strikes with a volatility, got {points.k.size}")
    timing = clock if clock is not None else VarianceClock.calendar()
    fitted = _fit_ssvi(points) if method == "ssvi" else _fit_slices(points, calendar, fewest)
    raw, kept, methods, notes, retries, projected = fitted
    points.reason[points.row[~kept]] = Reason.OUTLIER
    reports = _reports(ts_ns, chain, points, raw, kept, methods, notes, retries, projected)
    return Surface(ts_ns, points.expiry_ns, points.forward, raw, timing, reports, points.reason)


_Fitted = tuple[Floats, Bools, list[str], list[str], Ints, Bools]


def _fit_ssvi(points: Points) -> _Fitted:
    m = points.tau.size
    kept = np.ones(points.k.size, dtype=bool)
    none = np.zeros(m, np.int64)
    return fit_ssvi(points).raw(), kept, ["ssvi"] * m, [""] * m, none, none.astype(bool)


def _fit_slices(points: Points, calendar: bool, fewest: int) -> _Fitted:
    """All slices, again without outliers as long as there are some."""
    m = points.tau.size
    raw = np.full((m, 5), np.nan)
    kept = np.ones(points.k.size, dtype=bool)
    retries = np.zeros(m, np.int64)
    projected = np.zeros(m, dtype=bool)
    few = np.diff(points.offsets) < fewest
    ssvi = fit_ssvi(points) if few.any() else None
    suspect = stale_runs(points) & ~np.repeat(few, np.diff(points.offsets))
    kept &= ~suspect
    again = np.ones(m, dtype=bool)
    for attempt in range(_RETRIES + 1):
        k, vol, half, offsets = _supported(points, kept, few, ssvi)
        root = np.repeat(np.sqrt(points.tau), np.diff(offsets))
        outcome = _surface.fit(k, vol * root, 1.0 / (half * root), offsets, again, raw, _HUBER, calendar)
        projected[again] = outcome[again, 3] > 0
        retries[again] += attempt > 0
        wrong = np.zeros(m, dtype=bool)
        if attempt == 0:
            wrong = _cleared(points, raw, kept, suspect)
        if attempt < _RETRIES:
            wrong |= _outliers(points, raw, kept, few)
        if not wrong.any():
            break
        # A changed slice is another ceiling for those before it.
        last = int(np.flatnonzero(wrong)[-1])
        again = np.arange(m) <= last if calendar else wrong
    methods = ["svi_ssvi" if one else "svi" for one in few]
    notes = [
        ", ".join(
            text
            for text, applies in (
                (f"fewer than {fewest} points: supported by SSVI", few[i]),
                ("without outliers", not kept[points.offsets[i] : points.offsets[i + 1]].all()),
                ("moved towards a flat slice to be free of arbitrage", projected[i]),
            )
            if applies
        )
        for i in range(m)
    ]
    return raw, kept, methods, notes, retries, projected


def _supported(
    points: Points, kept: Bools, few: Bools, ssvi: SSVI | None
) -> tuple[Floats, Floats, Floats, Ints]:
    """Columns to fit to, with SSVI's values added to expiries of few points."""
    if ssvi is None and kept.all():
        return points.k, points.vol, points.half_spread, points.offsets
    columns, sizes = [], []
    for i, tau in enumerate(points.tau):
        part = np.arange(points.offsets[i], points.offsets[i + 1])
        part = part[kept[part]]
        rows = np.stack([points.k[part], points.vol[part], points.half_spread[part]])
        if few[i] and ssvi is not None:
            theta = ssvi.theta[i]
            k = _SUPPORT * np.sqrt(theta)
            w = _surface.evaluate(ssvi.raw([theta]), np.zeros(k.size, np.int64), k)[0]
            loose = np.full(k.size, _SUPPORT_LOOSENESS * float(np.median(points.half_spread[part])))
            rows = np.concatenate([rows, np.stack([k, np.sqrt(w / tau), loose])], axis=1)
        columns.append(rows)
        sizes.append(rows.shape[1])
    k, vol, half = (np.ascontiguousarray(row) for row in np.concatenate(columns, axis=1))
    return k, vol, half, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _errors(points: Points, raw: Floats) -> Floats:
    """Fitted less quoted volatility of each point."""
    which = np.repeat(np.arange(points.tau.size), np.diff(points.offsets))
    w = _surface.evaluate(raw, which, points.k)[0]
    return np.asarray(np.sqrt(w / points.tau[which]) - points.vol)


def _outliers(points: Points, raw: Floats, kept: Bools, few: Bools) -> Bools:
    """Mark points that are too far off as not kept; whether an expiry lost any."""
    size = np.abs(_errors(points, raw)) / points.half_spread
    wrong = np.zeros(points.tau.size, dtype=bool)
    for i in range(points.tau.size):
        part = np.arange(points.offsets[i], points.offsets[i + 1])
        inside = part[kept[part]]
        spare = min(int(_MOST_DROPPED * part.size) - (part.size - inside.size), inside.size - FEWEST)
        if few[i] or spare <= 0:
            continue
        limit = _OUTLIER * max(1.0, 1.4826 * float(np.median(size[inside])))
        worst = inside[np.argsort(-size[inside])[:spare]]
        worst = worst[size[worst] > limit]
        kept[worst] = False
        wrong[i] = worst.size > 0
    return wrong


def _cleared(points: Points, raw: Floats, kept: Bools, suspect: Bools) -> Bools:
    """Mark suspects as kept that the fit to the other points meets; whether an expiry has any."""
    near = suspect & (np.abs(_errors(points, raw)) <= _OUTLIER * points.half_spread)
    kept |= near
    return np.add.reduceat(near, points.offsets[:-1]) > 0


def _reports(
    ts_ns: int,
    chain: Ints,
    points: Points,
    raw: Floats,
    kept: Bools,
    methods: list[str],
    notes: list[str],
    retries: Ints,
    projected: Bools,
) -> tuple[SliceReport, ...]:
    errors = _errors(points, raw)
    lowest, excess = _surface.check(raw)
    crossed = crossing(points)
    expiries, place = np.unique(chain, return_inverse=True)
    counts = np.zeros((expiries.size, len(Reason)), np.int64)
    np.add.at(counts, (place, points.reason), 1)
    found = []
    for expiry, count in zip(expiries.tolist(), counts, strict=True):
        dropped = {Reason(code).name: int(n) for code, n in enumerate(count) if n and code != Reason.USED}
        at = int(np.searchsorted(points.expiry_ns, expiry))
        tau = year_fraction(ts_ns, expiry)
        nan = float("nan")
        if at >= points.expiry_ns.size or points.expiry_ns[at] != expiry:
            note = "no usable quote: " + ", ".join(f"{n} {name.lower()}" for name, n in dropped.items())
            found.append(
                SliceReport(expiry, tau, "none", note, 0, dropped, nan, nan, nan, nan, nan, nan, 0, False)
            )
            continue
        part = np.arange(points.offsets[at], points.offsets[at + 1])
        part = part[kept[part]]
        halves = np.abs(errors[part]) / points.half_spread[part]
        found.append(
            SliceReport(
                expiry_ns=expiry,
                tau=tau,
                method=methods[at],  # type: ignore[arg-type]
                note=notes[at],
                quotes=int(part.size),
                dropped=dropped,
                rms_vol=float(np.sqrt(np.mean(errors[part] ** 2))),
                rms_half_spreads=float(np.sqrt(np.mean(halves**2))),
                median_half_spreads=float(np.median(halves)),
                worst_half_spreads=float(halves.max()),
                lowest_g=float(lowest[at]),
                calendar_excess=float(excess[at]),
                retries=int(retries[at]),
                projected=bool(projected[at]),
                off=int((halves > _OUTLIER).sum()),
                crossed=int(crossed[part].sum()),
            )
        )
    return tuple(found)
