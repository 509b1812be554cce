"""Variance time: a clock that runs faster in the hours, and at the events, that move prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from gammacore.array_types import Floats, Ints
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_YEAR, times_ns
from gammacore.volatility.result import checked_path, unknown

__all__ = ["HOURS", "VarianceClock", "fit_clock"]

HOURS = 168  # of a week, from Monday 00:00 UTC
NS_PER_WEEK = 7 * NS_PER_DAY
_MONDAY = 3 * NS_PER_DAY  # 1970-01-01 was a Thursday
_HOURS_PER_YEAR = NS_PER_YEAR // NS_PER_HOUR

Grid = Literal["hour_of_week", "hour_and_weekend"]


class VarianceClock(msgspec.Struct, frozen=True, eq=False):
    """Weights by hour of the week, and extra time at listed events.

    Attributes
    ----------
    weights : array of float64, shape (168,)
        Clock hours in each hour of the week, from Monday 00:00 UTC; positive.
    event_ns : array of int64, shape (m,)
        When each event's extra time begins; any order, overlaps add up.
    event_hours : array of float64, shape (m,)
        Extra clock hours of each event, >= 0, spread evenly over ``event_width_ns``.
    event_width_ns : int

    Raises
    ------
    ValueError
        If there are not 168 positive weights, or events are not of one length and >= 0.
    """

    weights: Floats
    event_ns: Ints = msgspec.field(default_factory=lambda: np.empty(0, np.int64))
    event_hours: Floats = msgspec.field(default_factory=lambda: np.empty(0))
    event_width_ns: int = NS_PER_HOUR

    def __post_init__(self) -> None:
        if np.shape(self.weights) != (HOURS,):
            raise ValueError(f"weights: expected {HOURS} of them, got shape {np.shape(self.weights)}")
        wrong = np.flatnonzero(~((self.weights > 0) & np.isfinite(self.weights)))
        if wrong.size:
            raise ValueError(f"weights[{wrong[0]}]: expected a positive number, got {self.weights[wrong[0]]}")
        if np.shape(self.event_ns) != np.shape(self.event_hours):
            raise ValueError("event_hours: expected one number for each of event_ns")
        if self.event_hours.size and not self.event_hours.min() >= 0:
            raise ValueError(f"event_hours: expected numbers >= 0, got {self.event_hours.min()}")
        if self.event_width_ns <= 0:
            raise ValueError(f"event_width_ns: expected a positive time, got {self.event_width_ns!r}")

    @classmethod
    def calendar(cls) -> VarianceClock:
        """Make the clock that runs evenly."""
        return cls(np.ones(HOURS))

    def elapsed(self, from_ns: npt.ArrayLike, to_ns: npt.ArrayLike) -> Floats:
        """Clock time between two moments, in years (ACT/365F).

        Parameters
        ----------
        from_ns, to_ns : int or array_like of int64
            Nanoseconds UTC; they broadcast.

        Returns
        -------
        array of float64
            0-d for two numbers; negative where ``to_ns`` is the earlier. Whole weeks are counted in
            integers, so that between equal moments of two weeks the time is exact.

        Raises
        ------
        TypeError
            If a time is none, see `gammacore.daycount.times_ns`.
        """
        start, end = times_ns("from_ns", from_ns), times_ns("to_ns", to_ns)
        cumulative = np.concatenate([[0.0], np.cumsum(self.weights)])

        def phase(ts_ns: Ints) -> tuple[Ints, Floats]:
            week, inside = np.divmod(ts_ns + _MONDAY, NS_PER_WEEK)
            hour, rest = np.divmod(inside, NS_PER_HOUR)
            return week, cumulative[hour] + self.weights[hour] * (rest / NS_PER_HOUR)

        (week0, hours0), (week1, hours1) = phase(start), phase(end)
        hours = (week1 - week0) * cumulative[-1] + (hours1 - hours0)
        if self.event_ns.size:
            hours = hours + self._event_hours(end) - self._event_hours(start)
        return np.asarray(hours / _HOURS_PER_YEAR)

    def _event_hours(self, ts_ns: Ints) -> Floats:
        """Extra hours of all events up to a moment: piecewise linear between their edges."""
        origin = int(self.event_ns.min())
        begin = self.event_ns - origin
        edges = np.unique(np.concatenate([begin, begin + self.event_width_ns]))
        rate = np.zeros(edges.size)
        np.add.at(rate, np.searchsorted(edges, begin), self.event_hours)
        np.add.at(rate, np.searchsorted(edges, begin + self.event_width_ns), -self.event_hours)
        lengths = np.diff(edges) / self.event_width_ns
        total = np.concatenate([[0.0], np.cumsum(np.cumsum(rate)[:-1] * lengths)])
        return np.asarray(np.interp(ts_ns - origin, edges, total))


def fit_clock(
    ts_ns: npt.ArrayLike,
    price: npt.ArrayLike,
    *,
    grid: Grid = "hour_of_week",
    events: Mapping[str, npt.ArrayLike] | None = None,
    event_width_ns: int = NS_PER_HOUR,
    shrink: bool = True,
) -> VarianceClock:
    """Fit a variance clock to a price history.

    Parameters
    ----------
    ts_ns : array_like of int64, shape (n,)
        Strictly ascending, a step of at most an hour; longer ones (gaps) are left out.
    price : array_like, shape (n,)
    grid : {'hour_of_week', 'hour_and_weekend'}, optional
        A weight for each hour of the week, or an hour of day profile times a weekend factor
        (Saturday and Sunday in UTC).
    events : mapping of str to array_like of int64, optional
        Moments of the events of each kind, such as all releases of one statistic, past and
        to come. Those of a kind share their extra time, fitted to the past ones.
    event_width_ns : int, optional
        How long an event's variance takes.
    shrink : bool, optional
        Pull weights that the data hardly tell apart towards the simpler profile.

    Returns
    -------
    VarianceClock
        Over the history its total is the calendar's.

    Raises
    ------
    ValueError
        If the grid is unknown or there are fewer than four weeks.

    Notes
    -----
    Each week's squared returns are divided by that week's mean, so that a stormy month
    does not decide the profile. The variance of the mean over weeks is the noise, and a weight
    becomes ``prior + s^2/(s^2 + noise) (raw - prior)`` with s^2 the variance of the true
    deviations from the prior by moments (empirical Bayes, Morris 1983). The prior is the hour of
    day profile times the weekend factor.
    """
    if grid not in get_args(Grid):
        raise unknown("grid", grid, get_args(Grid))
    times, prices = checked_path(ts_ns, price)
    shares, week, hour, moment = _shares(times, prices)
    kinds = {name: np.sort(times_ns(f"events[{name!r}]", at)) for name, at in (events or {}).items()}
    eventful = np.zeros(shares.size, dtype=bool)
    for at in kinds.values():
        eventful |= _after(moment, at, event_width_ns) >= 0
    weights = _weights(shares[~eventful], week[~eventful], hour[~eventful], grid, shrink)
    at_all = np.concatenate([np.empty(0, np.int64), *kinds.values()])
    extra = [np.full(at.size, _extra(at, moment, shares, weights[hour], event_width_ns, shrink))
             for at in kinds.values()]  # fmt: skip
    hours = np.concatenate([np.empty(0), *extra])
    span = int(times[-1] - times[0])
    clock = VarianceClock(weights, at_all, hours, event_width_ns)
    scale = (span / NS_PER_YEAR) / float(clock.elapsed(times[0], times[-1]))
    return VarianceClock(weights * scale, at_all, hours * scale, event_width_ns)


def _shares(times: Ints, prices: Floats) -> tuple[Floats, Ints, Ints, Ints]:
    """Hourly variance over its week's mean, week and hour of the week, and each hour's start."""
    steps = np.diff(times)
    kept = steps <= NS_PER_HOUR
    middle = (times[:-1] + steps // 2)[kept] // NS_PER_HOUR
    squares, years = (np.diff(np.log(prices)) ** 2)[kept], steps[kept] / NS_PER_HOUR
    moment, place = np.unique(middle, return_inverse=True)
    covered = np.bincount(place, years)
    rate = np.bincount(place, squares) / covered
    full = covered > 0.5  # an hour seen for less says little
    moment, rate = moment[full] * NS_PER_HOUR, rate[full]
    week, inside = np.divmod(moment + _MONDAY, NS_PER_WEEK)
    _, week = np.unique(week, return_inverse=True)
    counts = np.bincount(week)
    mean = np.bincount(week, rate) / np.maximum(counts, 1)
    good = (counts >= HOURS * 0.9) & (mean > 0)
    if good.sum() < 4:
        raise ValueError(f"price: expected at least 4 weeks of hourly or finer bars, got {int(good.sum())}")
    use = good[week]
    return (
        (rate / np.where(mean > 0, mean, 1.0)[week])[use],
        week[use],
        inside[use] // NS_PER_HOUR,
        moment[use],
    )


def _weights(shares: Floats, week: Ints, hour: Ints, grid: str, shrink: bool) -> Floats:
    """Mean share of each hour of the week, shrunk to hour of day times weekend; mean 1."""
    count = np.maximum(np.bincount(hour, minlength=HOURS), 1)
    raw = np.bincount(hour, shares, minlength=HOURS) / count
    raw /= raw.mean()
    weekend = np.arange(HOURS) >= 5 * 24
    factor = np.where(weekend, raw[weekend].mean(), raw[~weekend].mean())
    profile = (raw / factor).reshape(7, 24).mean(axis=0)
    prior = np.tile(profile / profile.mean(), 7) * factor
    prior = np.maximum(prior, 1e-3)
    if grid == "hour_and_weekend":
        return np.asarray(prior / prior.mean())
    if not shrink:
        return np.maximum(raw, 1e-3)
    spread = np.bincount(hour, (shares - raw[hour]) ** 2, minlength=HOURS)
    noise = spread / np.maximum(count - 1, 1) / count
    # A free weight less what the prior's 25 parameters already took of the noise.
    signal = max(float(((raw - prior) ** 2).mean()) - float(noise.mean()) * (1 - 25 / HOURS), 0.0)
    trust = signal / (signal + np.maximum(noise, 1e-12))
    blended = np.maximum(prior + trust * (raw - prior), 1e-3)
    return np.asarray(blended / blended.mean())


def _after(moment: Ints, at: Ints, width_ns: int) -> Ints:
    """Position of the event whose time covers (part of) the hour that begins at a moment, or -1."""
    last = np.searchsorted(at, moment + NS_PER_HOUR, side="left") - 1
    covered = (last >= 0) & (at[np.maximum(last, 0)] + width_ns > moment) if at.size else last >= 0
    return np.where(covered, last, -1)


def _extra(at: Ints, moment: Ints, shares: Floats, expected: Floats, width_ns: int, shrink: bool) -> float:
    """Mean extra hours of the events of one kind, pulled to 0 by its own uncertainty."""
    which = _after(moment, at, width_ns)
    seen = which >= 0
    if not seen.any():
        return 0.0
    _, place = np.unique(which[seen], return_inverse=True)
    excess = np.bincount(place, (shares - expected)[seen])
    mean = float(excess.mean())
    if not shrink:
        return max(mean, 0.0)
    if excess.size < 2 or mean <= 0:
        return 0.0
    noise = float(excess.var(ddof=1)) / excess.size
    return mean * mean**2 / (mean**2 + noise)
