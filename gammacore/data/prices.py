"""Price bars: load, check, and ask what was known when."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import overload

import numpy as np

from gammacore._arrays import distinct
from gammacore.array_types import Floats, Ints
from gammacore.data.listings import coin_names
from gammacore.data.moments import period
from gammacore.data.quality import Finding, Quality
from gammacore.data.tables import Column, FileInfo, data_files, pick_column, read_header, read_table
from gammacore.data.trees import series_of
from gammacore.daycount import NS_PER_SECOND, format_time, times_ns
from gammacore.errors import DataError

__all__ = ["TIME_NAMES", "Prices", "load_prices"]


# All of them hold the start of the bar.
TIME_NAMES = ("open_time_ms", "open_time", "minute", "timestamp", "ts_ns")
# btcusdt_spot, HYPE_USDC-PERPETUAL, ETH-PERPETUAL: a coin and what it is quoted in.
_QUOTED = re.compile(r"([A-Z0-9]{2,10}?)[-_]?(?:USD[CT]?|PERPETUAL)(?![A-Z0-9])")
# btcusdt_spot_1m_2024-01.csv.gz is one file of the series btcusdt_spot.
_SERIES = re.compile(r"(.+?)_\d+[smhd](?:_.*)?")
_COVERAGE = 0.99


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """Bars of one length, ordered in time.

    Attributes
    ----------
    currency : str or None
        Coin, when the file names or the caller tell.
    ts_ns : array of int64
        Time at which the close became known: the start of the bar plus its length.
    close : array of float64
        USD.
    open, high, low : array of float64 or None
        USD; None when a file lacks them.
    interval_ns : int
        Length of a bar.
    files : tuple of FileInfo
    quality : Quality
        What the checks found.
    """

    currency: str | None
    ts_ns: Ints
    close: Floats
    open: Floats | None
    high: Floats | None
    low: Floats | None
    interval_ns: int
    files: tuple[FileInfo, ...]
    quality: Quality

    def __len__(self) -> int:
        return self.ts_ns.size

    @overload
    def asof(self, ts_ns: int) -> float: ...
    @overload
    def asof(self, ts_ns: Ints) -> Floats: ...
    def asof(self, ts_ns: int | Ints) -> float | Floats:
        """Last close known at a time.

        Parameters
        ----------
        ts_ns : int or array of int64, or datetimes
            Nanoseconds UTC, see `gammacore.daycount.times_ns`.

        Returns
        -------
        float or array of float64
            NaN before the first bar is complete. Across a gap it is the close before it.
        """
        before = np.searchsorted(self.ts_ns, times_ns("ts_ns", ts_ns), side="right") - 1
        close = np.where(before >= 0, self.close[np.maximum(before, 0)], np.nan)
        return close if close.ndim else float(close)


@dataclass(frozen=True, slots=True, eq=False)
class _Bars:
    """Bars of one file."""

    info: FileInfo
    start_ns: Ints
    values: dict[str, Floats]
    interval_ns: int


def load_prices(
    paths: str | Path | Sequence[str | Path],
    *,
    currency: str | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    warm_up_ns: int = 0,
    back_ns: int = 0,
) -> Prices:
    """Load price bars of one coin.

    Parameters
    ----------
    paths : str, pathlib.Path or a sequence of them
        Files, wildcards, or one directory (also a store's ``processed/candles/BTC``). All files named are
        used, and must hold bars of one length. Of a directory, the files whose name begins with the coin are
        sorted into series (the name up to the bar length, as in ``btcusdt_spot_1m_2024``), and the series
        with the shortest bars that holds at least 99 % of the bars of the period is used; between equals the
        fuller one, then the first by name.
    currency : str, optional
        Coin, such as ``BTC``; may be left out when the file names speak of one coin only.
    start_ns, end_ns : int, optional
        Keep bars with ``start_ns <= ts_ns < end_ns``. Without them the period of a
        directory is all that any of its series holds.
    warm_up_ns : int
        Keep bars of so long before ``start_ns`` too, where there are any. A series that has them is
        preferred, but none is refused for lack of them: an estimate then begins later.
    back_ns : int
        Keep bars of so long before ``start_ns``, too, if the series has them; none is preferred for it.

    Returns
    -------
    Prices

    Raises
    ------
    DataError
        If files disagree about a bar, hold different coins or bar lengths, a price is
        missing or not positive, bars are off their grid, or no series covers the period.
    """
    start_ns, end_ns = period(start_ns, end_ns)
    coin = currency.partition("_")[0].upper() if currency else None
    stored = series_of(paths) if isinstance(paths, (str, Path)) else {}
    if stored:
        directory: Path | None = Path(str(paths)).expanduser()
        parts = {Path(str(paths)).expanduser() / name: files for name, files in stored.items()}
        files = list(parts)
    else:
        parts = {}
        files, directory = _expand(paths)
    coin = _one_coin(files, coin, directory)
    if directory:
        files = [file for file in files if _coin(file, coin) == coin]
    with ThreadPoolExecutor() as pool:
        bars = list(pool.map(lambda file: _read_bars(file, parts.get(file, [])), files))
    if directory:
        bars = _choose_series(directory, bars, start_ns, end_ns, warm_up_ns)
    return _join(bars, coin, None if start_ns is None else start_ns - max(warm_up_ns, back_ns), end_ns)


def _expand(paths: str | Path | Sequence[str | Path]) -> tuple[list[Path], Path | None]:
    """Files of all paths, and the directory if that is what was given."""
    given = [paths] if isinstance(paths, (str, Path)) else list(paths)
    if not given:
        raise DataError("paths is empty: name a price file or a directory")
    if len(given) == 1 and Path(given[0]).expanduser().is_dir():
        directory = Path(given[0]).expanduser()
        return data_files(directory), directory
    files = []
    for path in given:
        found = [] if Path(path).exists() else [Path(name) for name in sorted(glob(str(path)))]
        if any(mark in str(path) for mark in "*?[") and not found and not Path(path).exists():
            raise DataError(f"{path}: no file matches")
        for file in found or [Path(path)]:
            files += data_files(file)
    return files, None


def _coin(file: Path, asked: str | None) -> str | None:
    """Coin that the name of a file begins with: any that it is quoted with or asked for, else a known one."""
    name = file.name.upper()
    quoted = _QUOTED.match(name)
    if quoted:
        return quoted[1]
    if asked and re.match(rf"{re.escape(asked)}(?![A-Z0-9])", name):
        return asked
    return next((coin for coin in coin_names() if name.startswith(coin)), None)


def _one_coin(files: Sequence[Path], coin: str | None, directory: Path | None) -> str | None:
    """Coin of the files, held against the one that was asked for."""
    found = sorted({name for file in files if (name := _coin(file, coin))})
    if directory and coin is None and not found:
        raise DataError(
            f"{directory}: no file name begins with a coin ({', '.join(coin_names())}); name the files"
        )
    if directory and coin and coin not in found:
        raise DataError(f"{directory}: no price file of {coin}; there is {', '.join(found) or 'none'}")
    if coin is None and len(found) > 1:
        raise DataError(
            f"{directory or files[0]}: files of {', '.join(found)}; name one of them as the currency"
        )
    if not directory and coin and any(name != coin for name in found):
        raise DataError(f"{files[0]}: asked for {coin}, but the file names speak of {', '.join(found)}")
    return coin or (found[0] if found else None)


def _read_bars(path: Path, parts: Sequence[Path] = ()) -> _Bars:
    """Bars of one file, or the parts of a series, in time order, on one grid, with positive prices."""
    names = {"start": pick_column(path, read_header(parts[0] if parts else path), TIME_NAMES)}
    columns = [
        Column("start", "time"),
        Column("close", "number"),
        *(Column(name, "number", required=False) for name in ("open", "high", "low")),
    ]
    table = read_table(path, columns, names, parts)
    values = dict(table.columns)
    for name in ("close", "open", "high", "low"):
        wrong = ~(values[name] > 0) if name in values else np.zeros(0, dtype=bool)
        if wrong.any():
            raise table.error(int(np.argmax(wrong)), name, "is not a positive price")
    start = values.pop("start")
    steps = np.diff(distinct(start))
    if not steps.size:
        raise DataError(f"{path}: {start.size} bars; at least two are needed to tell their length")
    lengths, counts = np.unique(steps, return_counts=True)
    interval = int(lengths[np.argmax(counts)])
    if (steps % interval).any():
        odd = int(np.argmax(steps % interval != 0))
        raise DataError(
            f"{path}: bars are {interval / NS_PER_SECOND:g} s long, "
            f"but one follows {format_time(distinct(start)[odd])} after {steps[odd] / NS_PER_SECOND:g} s"
        )
    order = np.argsort(start, kind="stable")
    return _Bars(table.info, start[order], {key: column[order] for key, column in values.items()}, interval)


def _choose_series(
    directory: Path, bars: Sequence[_Bars], start_ns: int | None, end_ns: int | None, warm_up_ns: int
) -> list[_Bars]:
    series: dict[tuple[int, str], list[_Bars]] = {}
    for one in bars:
        stem = one.info.path.name.partition(".")[0]
        match = _SERIES.fullmatch(stem)
        series.setdefault((one.interval_ns, match[1] if match else stem), []).append(one)
    first = min(int(one.start_ns[0]) + one.interval_ns for one in bars)
    last = max(int(one.start_ns[-1]) + one.interval_ns for one in bars)
    start, end = first if start_ns is None else start_ns, last + 1 if end_ns is None else end_ns
    enough: list[tuple[int, str]] = []
    covered = dict.fromkeys(series, 0.0)
    for since in (start - warm_up_ns, start):
        if not enough:
            covered = {key: _coverage(group, since, end) for key, group in series.items()}
            enough = [key for key in series if covered[key] >= _COVERAGE]
    if not enough:
        listed = ", ".join(
            f"{name} ({length / NS_PER_SECOND:g} s bars): {covered[length, name]:.1%}"
            for length, name in sorted(series)
        )
        raise DataError(
            f"{directory}: no series covers the period; {listed}. Name the files or change the period"
        )
    return series[min(enough, key=lambda key: (key[0], -covered[key], key[1]))]


def _coverage(bars: Sequence[_Bars], start_ns: int, end_ns: int) -> float:
    """Share of the bars of the period that are there."""
    interval = bars[0].interval_ns
    ts_ns = distinct(np.concatenate([one.start_ns for one in bars])) + interval
    inside = int(np.count_nonzero((ts_ns >= start_ns) & (ts_ns < end_ns)))
    return inside / max((end_ns - start_ns) // interval, 1)


def _join(bars: Sequence[_Bars], coin: str | None, start_ns: int | None, end_ns: int | None) -> Prices:
    interval = bars[0].interval_ns
    for one in bars:
        if one.interval_ns != interval:
            raise DataError(
                f"{one.info.path}: bars of {one.interval_ns / NS_PER_SECOND:g} s, "
                f"but {bars[0].info.path} has bars of {interval / NS_PER_SECOND:g} s"
            )
    names = [name for name in ("close", "open", "high", "low") if all(name in one.values for one in bars)]
    ts_ns = np.concatenate([one.start_ns for one in bars]) + interval
    file = np.repeat(np.arange(len(bars)), [one.start_ns.size for one in bars])
    order = np.argsort(ts_ns, kind="stable")
    ts_ns, file = ts_ns[order], file[order]
    values = {name: np.concatenate([one.values[name] for one in bars])[order] for name in names}

    again = np.zeros(ts_ns.size, dtype=bool)
    again[1:] = ts_ns[1:] == ts_ns[:-1]
    close = values["close"]
    clash = np.flatnonzero(again[1:] & (close[1:] != close[:-1]))
    if clash.size:
        i = clash[0]
        raise DataError(
            f"two closes of the bar from {format_time(ts_ns[i] - interval)}: "
            f"{close[i]:g} in {bars[file[i]].info.path}, {close[i + 1]:g} in {bars[file[i + 1]].info.path}"
        )
    keep = ~again
    if start_ns is not None:
        keep &= ts_ns >= start_ns
    if end_ns is not None:
        keep &= ts_ns < end_ns
    if not keep.any():
        raise DataError(f"{bars[0].info.path}: no bar in the chosen period")
    repeated = Finding("repeated bars dropped", int(again.sum()), again.size)
    ts_ns, values = ts_ns[keep], {name: column[keep] for name, column in values.items()}
    findings = (repeated, _gaps(ts_ns, interval), _ranges(ts_ns, values))
    title = f"{coin or 'price'} bars of {interval / NS_PER_SECOND:g} s: {ts_ns.size:,}"
    return Prices(
        currency=coin,
        ts_ns=ts_ns,
        close=values["close"],
        open=values.get("open"),
        high=values.get("high"),
        low=values.get("low"),
        interval_ns=interval,
        files=tuple(bars[i].info for i in np.unique(file[keep])),
        quality=Quality(title, findings),
    )


def _gaps(ts_ns: Ints, interval: int) -> Finding:
    """Count bars that are not there between the first and the last."""
    steps = np.diff(ts_ns)
    missing = int((steps // interval - 1).sum())
    example = ""
    if missing:
        longest = int(np.argmax(steps))
        gaps = int(np.count_nonzero(steps > interval))
        example = (
            f"{gaps} gaps, longest {steps[longest] // interval - 1} bars from {format_time(ts_ns[longest])}"
        )
    return Finding("missing bars", missing, ts_ns.size + missing, example)


def _ranges(ts_ns: Ints, values: dict[str, Floats]) -> Finding:
    """Count bars whose close or open lies outside high and low."""
    wrong = np.zeros(ts_ns.size, dtype=bool)
    for name in ("close", "open"):
        if name in values:
            wrong |= values[name] > values.get("high", values[name])
            wrong |= values[name] < values.get("low", values[name])
    example = f"bar known at {format_time(ts_ns[np.argmax(wrong)])}" if wrong.any() else ""
    return Finding("close or open outside high and low", int(wrong.sum()), ts_ns.size, example)
