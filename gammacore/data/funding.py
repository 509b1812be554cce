"""Funding rates of a perpetual, and what a position accrues between two times."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.data.moments import period
from gammacore.data.quality import Finding, Quality
from gammacore.data.tables import Column, FileInfo, data_files, pick_column, read_header, read_table
from gammacore.data.trees import only_series
from gammacore.daycount import NS_PER_HOUR, NS_PER_MINUTE, format_time, times_ns
from gammacore.errors import DataError

__all__ = ["Funding", "load_funding"]

_TIME_NAMES = ("timestamp", "ts", "time", "ts_ns")
_RATE_NAMES = ("funding_rate", "rate")


@dataclass(frozen=True, slots=True, eq=False)
class Funding:
    """Funding rates, ordered in time. Longs pay shorts when a rate is positive.

    Attributes
    ----------
    ts_ns : array of int64
        End of each period, nanoseconds UTC, as recorded.
    rate : array of float64
        Rate over the whole period, as a fraction of the position.
    period_ns : int
        Length of a period.
    file : FileInfo or None
        None when it was made and not read.
    quality : Quality
    """

    ts_ns: Ints
    rate: Floats
    period_ns: int
    file: FileInfo | None
    quality: Quality

    def __len__(self) -> int:
        return self.ts_ns.size

    def accrued(self, start_ns: Any, end_ns: Any) -> Any:
        """Funding between two times, spread evenly over each period.

        Parameters
        ----------
        start_ns, end_ns : int or array of int64, or datetimes
            Nanoseconds UTC, see `gammacore.daycount.times_ns`; arrays broadcast.

        Returns
        -------
        float or array of float64
            Fraction of the position that a long pays (a short receives). Times outside
            the recorded periods accrue nothing.
        """
        start, end = times_ns("start_ns", start_ns), times_ns("end_ns", end_ns)
        accrued = self._paid_until(end) - self._paid_until(start)
        return accrued if np.ndim(accrued) else float(accrued)

    def _paid_until(self, ts_ns: Any) -> Floats:
        total = np.concatenate(([0.0], np.cumsum(self.rate)))
        period = np.searchsorted(self.ts_ns, ts_ns, side="left")
        current = np.minimum(period, self.ts_ns.size - 1)
        elapsed = (ts_ns - self.ts_ns[current] + self.period_ns) / self.period_ns
        return np.asarray(
            total[period] + np.where(period > current, 0.0, self.rate[current] * np.clip(elapsed, 0, 1))
        )


def load_funding(path: str | Path, *, start_ns: int | None = None, end_ns: int | None = None) -> Funding:
    """Load the funding rates of one perpetual.

    Parameters
    ----------
    path : str or pathlib.Path
        A file with a time (``timestamp``, ``ts`` or ``time``: end of the period) and a
        rate (``funding_rate`` or ``rate``: fraction per period), in any order of rows; or a store's
        ``processed/funding/BTC``.
    start_ns, end_ns : int, optional
        Keep periods whose end is in ``start_ns <= ts_ns < end_ns``.

    Returns
    -------
    Funding

    Raises
    ------
    DataError
        If the file is broken, a rate is missing, two rates stand for one time, or fewer
        than two periods are left.
    """
    start_ns, end_ns = period(start_ns, end_ns)
    file, parts = only_series(path)
    if not parts:
        files = data_files(path)
        if len(files) != 1:
            raise DataError(f"{path}: holds {len(files)} files; name the one of the perpetual")
        file = files[0]
    header = read_header(parts[0] if parts else file)
    names = {"time": pick_column(file, header, _TIME_NAMES), "rate": pick_column(file, header, _RATE_NAMES)}
    table = read_table(file, [Column("time", "time"), Column("rate", "number")], names, parts)
    ts_ns, rate = table.columns["time"], table.columns["rate"]
    if np.isnan(rate).any():
        raise table.error(int(np.argmax(np.isnan(rate))), "rate", "is not a rate", names)
    order = np.argsort(ts_ns, kind="stable")
    ts_ns, rate = ts_ns[order], rate[order]
    again = np.zeros(ts_ns.size, dtype=bool)
    again[1:] = ts_ns[1:] == ts_ns[:-1]
    clash = np.flatnonzero(again[1:] & (rate[1:] != rate[:-1]))
    if clash.size:
        i = clash[0]
        raise DataError(f"{file}: two rates at {format_time(ts_ns[i])}: {rate[i]:g} and {rate[i + 1]:g}")
    keep = ~again
    if start_ns is not None:
        keep &= ts_ns >= start_ns
    if end_ns is not None:
        keep &= ts_ns < end_ns
    ts_ns, rate = ts_ns[keep], rate[keep]
    if ts_ns.size < 2:
        raise DataError(f"{file}: {ts_ns.size} periods chosen; at least two are needed to tell their length")
    # Stamps of some venues are late by milliseconds: the period is a whole number of minutes.
    steps = np.diff(ts_ns)
    period_ns = max(round(float(np.median(steps)) / NS_PER_MINUTE), 1) * NS_PER_MINUTE
    repeated = Finding("repeated periods dropped", int(again.sum()), again.size)
    title = f"funding over {period_ns / NS_PER_HOUR:g} h: {ts_ns.size:,} periods"
    quality = Quality(title, (repeated, _gaps(ts_ns, period_ns)))
    return Funding(ts_ns, rate, period_ns, table.info, quality)


def _gaps(ts_ns: Ints, period_ns: int) -> Finding:
    """Count steps that are longer than a period and a half."""
    steps = np.diff(ts_ns)
    longest = int(np.argmax(steps))
    gaps = int(np.count_nonzero(steps > 1.5 * period_ns))
    example = f"longest {steps[longest] / NS_PER_HOUR:g} h from {format_time(ts_ns[longest])}" if gaps else ""
    return Finding("gaps between periods", gaps, steps.size, example)
