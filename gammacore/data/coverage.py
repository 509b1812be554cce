"""What a store holds, by kind, currency and day, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from gammacore._arrays import distinct
from gammacore.contracts import ContractSpec, Future, Option
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, format_time, parse_time

from .crosscheck import Series, against_marks
from .impossible import Day, Found, impossible
from .interruption import interruptible
from .listings import price_grid
from .schemas import KINDS
from .store import Store, day_of

__all__ = ["DayReport", "check_store"]

Progress = Callable[[str, int, int], None]
# States are told at least so often while the exchange is up; a longer silence of one instrument is stale.
STALE_NS = {
    "index": NS_PER_MINUTE,
    "tickers": 5 * NS_PER_MINUTE,
    "quotes": NS_PER_HOUR,
    "chains": 8 * NS_PER_HOUR,
}
REGULAR = ("candles", "funding", "dvol")  # rows at even distances, all day
SPARSE = ("instruments", "transactions")  # nothing is missing on a day without rows
PRICES = ("bid_price", "ask_price", "price")


class DayReport(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of one currency on one day.

    Attributes
    ----------
    kind, currency, day : str
    rows, subjects : int
        Rows, and the instruments or indices they are about.
    repeated : int
        Rows that another file of the day holds too, or the same file; no read shows them.
    problems : int
        Everything found.
    found : tuple of Found
        By sort, with the place of the first and the count.
    """

    kind: str
    currency: str
    day: str
    rows: int = 0
    subjects: int = 0
    repeated: int = 0
    problems: int = 0
    found: tuple[Found, ...] = ()

    def count(self, check: str) -> int:
        """How often a sort of fault was found."""
        return sum(one.count for one in self.found if one.check == check)

    @property
    def example(self) -> str:
        """The first cases of two sorts, in words."""
        return "; ".join(f"{one.check}: {one}" for one in self.found[:2])


def check_store(store: Store, *, as_of_ns: int, progress: Progress | None = None) -> Iterator[DayReport]:
    """Look through a store.

    Parameters
    ----------
    store : Store
    as_of_ns : int
        Rows known until then count.
    progress : callable(name, done, total), optional

    Yields
    ------
    DayReport
        By kind, currency and day; days without a file between the first and the last are all missing, and
        have no rows.
    """
    series, walks = Series(), []
    for kind in KINDS:
        for currency in store.currencies(kind):
            days = store.days(kind, currency)
            if days:
                walks.append(_Walk(store, kind, currency, days, as_of_ns, series))
    for walk in walks:
        walk.run(progress or (lambda *_: None))
    for walk in walks:
        walk.cross()
        yield from walk.reports()


class _Walk:
    """The days of one kind and currency, in order."""

    def __init__(
        self, store: Store, kind: str, currency: str, days: list[str], as_of_ns: int, series: Series
    ) -> None:
        self._store, self.kind, self.currency, self._as_of_ns = store, kind, currency, as_of_ns
        first, last = (parse_time(day) // NS_PER_DAY for day in (days[0], days[-1]))
        every = [day_of(day * NS_PER_DAY) for day in range(first, last + 1)]
        self._days = days if kind in SPARSE else every
        self._series = series
        self._facts: dict[str, dict[str, int]] = {}
        self._found: dict[str, list[Found]] = {day: [] for day in self._days}
        self._last: dict[tuple[str, int], int] = {}  # time of the last row, by name and length of bars
        self._seq: dict[str, int] = {}
        self._ends: dict[str, int] = {}  # expiry, by name

    def run(self, progress: Progress) -> None:
        for at, day in enumerate(self._days):
            self._day(day)
            progress(f"{self.kind} {self.currency}", at + 1, len(self._days))
        self._tails()

    def cross(self) -> None:
        """Add what the series say of each other."""
        for ts_ns, one in self._series.found(self.kind, self.currency):
            self._found.get(day_of(ts_ns), self._found[self._days[-1]]).append(one)

    def reports(self) -> Iterator[DayReport]:
        for day in self._days:
            found = tuple(self._found[day])
            problems = sum(one.count for one in found)
            yield DayReport(
                kind=self.kind,
                currency=self.currency,
                day=day,
                problems=problems,
                found=found,
                **self._facts.get(day, {}),
            )

    def _day(self, day: str) -> None:
        start_ns = parse_time(day)
        end_ns = start_ns + NS_PER_DAY
        files = self._store.files(self.kind, self.currency, start_ns=start_ns, end_ns=end_ns)
        found = self._found[day]
        if not files:
            if self.kind not in ("gaps", "delivery"):
                found.append(Found("missing", 1, why="no file of this day"))
            self._last.clear()
            return
        rows = self._store.read(
            self.kind, self.currency, as_of_ns=self._as_of_ns, start_ns=start_ns, end_ns=end_ns
        )
        one = Day(self.kind, self.currency, rows)
        repeated = _count(self._store, files, self._as_of_ns) - one.ts_ns.size
        self._facts[day] = {"rows": one.ts_ns.size, "subjects": len(one.names), "repeated": repeated}
        if self.kind == "transactions":
            return  # no market data: the import held them against themselves
        self._ends |= {
            name: contract.expiry_ns
            for name, contract in zip(one.names, one.instruments, strict=True)
            if isinstance(contract, (Option, Future))
        }
        if self.kind in REGULAR:
            found += self._holes(one)
        elif self.kind.endswith("_trades"):
            found += self._lost_trades(one)
        elif self.kind in STALE_NS:
            found += self._silences(one)
        found += [*impossible(one), *_off_tick(one), *against_marks(one)]
        self._series.add(one)

    # ----------------------------------------------------------------- what is missing

    def _holes(self, day: Day) -> Iterator[Found]:
        """Bars or hours that are missing between others, also over midnight."""
        length = day.rows.get("interval_ns", np.full(day.ts_ns.size, self._period(day)))
        for k, part in day.groups():
            name = day.names[k]
            for width in np.unique(length[part]).tolist():
                times = day.ts_ns[part][length[part] == width]
                if width <= 0:
                    continue
                if (name, width) in self._last:
                    times = np.concatenate(([self._last[name, width]], times))
                self._last[name, width] = int(times[-1])
                steps = np.diff(times) // width - 1
                if steps.sum() > 0:
                    at = int(np.argmax(steps))
                    yield Found(
                        "missing",
                        int(steps.sum()),
                        name,
                        format_time(times[at] + width),
                        f"{int(steps[at])} missing after {day_time(int(times[at]))}",
                    )

    def _period(self, day: Day) -> int:
        """Length of the periods of a day's funding: the usual step of one perpetual."""
        steps = [np.diff(day.ts_ns[part]) for _, part in day.groups() if part.size > 1]
        return int(np.median(np.concatenate(steps))) if steps else NS_PER_HOUR

    def _lost_trades(self, day: Day) -> Iterator[Found]:
        """Count trades missing in a sequence, also from one day to the next; sources without one have 0."""
        for k, part in day.groups():
            name, numbers = day.names[k], np.sort(day.rows["trade_seq"][part])
            if numbers[0] <= 0:
                continue
            lost = int(numbers[-1] - numbers[0] + 1 - distinct(numbers).size)
            lost += max(int(numbers[0]) - self._seq.get(name, int(numbers[0])) - 1, 0)
            self._seq[name] = int(numbers[-1])
            if lost:
                time = format_time(day.ts_ns[part[0]])
                yield Found("missing", lost, name, time, f"{lost} trades missing in the sequence")

    def _silences(self, day: Day) -> Iterator[Found]:
        """Silences longer than the kind allows, also over midnight; chains are one subject."""
        allowed, chains = STALE_NS[self.kind], self.kind == "chains"
        groups = (
            [("", distinct(day.ts_ns))] if chains else [(day.names[k], day.ts_ns[p]) for k, p in day.groups()]
        )
        longest, count, silent, where, since = 0, 0, 0, "", 0
        for name, found in groups:
            if not found.size:
                continue
            times = np.append(self._last.get((name, 0), found[0]), found)
            self._last[name, 0] = int(times[-1])
            steps = np.diff(times)
            lapses = int((steps > allowed).sum())
            count, silent = count + lapses, silent + bool(lapses)
            if lapses and steps.max() > longest:
                at = int(np.argmax(steps))
                longest, where, since = int(steps[at]), name, int(times[at])
        if count:
            why = f"silent for {longest / NS_PER_MINUTE:.1f} min from {day_time(since)}"
            more = f"; {silent} instruments fell silent" if silent > 1 else ""
            yield Found("stale", count, where, format_time(since), why + more)

    def _tails(self) -> None:
        """Bars that end before their last day does, and states that end before all else of the last day."""
        for (name, width), last_ns in self._last.items():
            day = day_of(last_ns)
            end_ns = self._end_of(day if self.kind in REGULAR else self._days[-1])
            end_ns = min(end_ns, self._ends.get(name, end_ns))
            if self.kind in REGULAR:
                lost = (end_ns - last_ns) // width - 1 if width else 0
                if lost > 0:
                    why = f"ends {lost} rows before the day does"
                    self._found[day].append(Found("tail", int(lost), name, format_time(last_ns), why))
            elif end_ns - last_ns > STALE_NS[self.kind]:
                why = f"nothing more for {(end_ns - last_ns) / NS_PER_HOUR:.1f} h, while the rest goes on"
                self._found[day].append(Found("dead", 1, name, format_time(last_ns), why))

    def _end_of(self, day: str) -> int:
        """Moment until which a day should have rows; 0 for one that was not over."""
        end_ns = parse_time(day) + NS_PER_DAY
        if self._as_of_ns < end_ns:
            return 0
        return end_ns if self.kind in REGULAR else self._latest(day)

    def _latest(self, day: str) -> int:
        """Time of the last row of any kind of the currency on a day."""
        start_ns = parse_time(day)
        files = [
            file
            for kind in (*REGULAR, *STALE_NS, "books", "future_trades", "option_trades")
            for file in self._store.files(
                kind, self.currency, start_ns=start_ns, end_ns=start_ns + NS_PER_DAY
            )
        ]
        return _query(
            self._store,
            "SELECT max(ts_ns) FROM read_parquet($files) WHERE known_ns <= $as_of",
            files,
            self._as_of_ns,
        )


def _count(store: Store, files: list[Path], as_of_ns: int) -> int:
    """Rows in files, repetitions counted."""
    return _query(
        store, "SELECT count(*) FROM read_parquet($files) WHERE known_ns <= $as_of", files, as_of_ns
    )


def _query(store: Store, query: str, files: list[Path], as_of_ns: int) -> int:
    from .tables import literal

    values = {"files": [literal(file) for file in files], "as_of": as_of_ns}
    with interruptible():
        found = store.connection().cursor().execute(query, values).fetchone()
    return int(found[0] or 0) if found else 0


def _off_tick(day: Day) -> Iterator[Found]:
    """Prices off the grid that their instrument had on that day, where it is known."""
    columns = [name for name in PRICES if name in day.rows]
    if not columns or day.subject != "instrument_name" or not day.ts_ns.size:
        return
    specs = [price_grid(one, int(day.ts_ns[0])) if one is not None else None for one in day.instruments]
    grids: dict[ContractSpec, list[int]] = {}
    for k, spec in enumerate(specs):
        if spec is not None:
            grids.setdefault(spec, []).append(k)
    for spec, names in grids.items():
        mine = np.isin(day.codes, names)
        for column in columns:
            values = day.rows[column]
            wrong = mine & np.isfinite(values) & (values >= 0)
            wrong[wrong] = ~spec.is_on_tick(values[wrong])
            yield from day.found("off tick", wrong, f"{column} {{{column}:g}} off tick")


def day_time(ts_ns: int) -> str:
    """Time of day of a moment, HH:MM:SS."""
    seconds = ts_ns % NS_PER_DAY // 1_000_000_000
    return f"{seconds // 3_600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
