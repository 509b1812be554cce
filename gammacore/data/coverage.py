"""What a store holds, by kind, currency and day, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from gammacore.contracts import ContractSpec, parse, spec_for
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, parse_time
from gammacore.errors import ContractError

from .interruption import interruptible
from .schemas import KINDS
from .store import Store, day_of

__all__ = ["DayReport", "check_store"]

Array = npt.NDArray[Any]
Progress = Callable[[str, int, int], None]
# States are told at least so often while the exchange is up; a longer silence of one instrument is stale.
STALE_NS = {
    "index": NS_PER_MINUTE,
    "tickers": 5 * NS_PER_MINUTE,
    "quotes": NS_PER_HOUR,
    "chains": 8 * NS_PER_HOUR,
}
PRICES = ("bid_price", "ask_price", "price")


class DayReport(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of one currency on one day.

    Attributes
    ----------
    kind, currency, day : str
    rows, subjects : int
        Rows, and the instruments or indices they are about.
    repeated : int
        Rows that another file of the day holds too, or the same file.
    missing : int
        Bars, hours of funding, deliveries or trades (by their sequence) that are not there, though their
        neighbours are.
    crossed : int
        Quotes whose bid is above the ask.
    off_tick : int
        Quotes and trades off the grid of their instrument, where its grid is known.
    stale : int
        Silences of an instrument that are longer than its kind allows.
    example : str
        Of something found.
    """

    kind: str
    currency: str
    day: str
    rows: int = 0
    subjects: int = 0
    repeated: int = 0
    missing: int = 0
    crossed: int = 0
    off_tick: int = 0
    stale: int = 0
    example: str = ""

    @property
    def problems(self) -> int:
        """Everything found but repetitions, which no read shows."""
        return self.missing + self.crossed + self.off_tick + self.stale


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
    for kind in KINDS:
        for currency in store.currencies(kind):
            days = store.days(kind, currency)
            if not days:
                continue
            first, last = parse_time(days[0]) // NS_PER_DAY, parse_time(days[-1]) // NS_PER_DAY
            every = (
                [day_of(day * NS_PER_DAY) for day in range(first, last + 1)]
                if kind != "instruments"
                else days
            )
            before: dict[str, int] = {}
            for at, day in enumerate(every):
                yield _day(store, kind, currency, day, as_of_ns, before)
                if progress is not None:
                    progress(f"{kind} {currency}", at + 1, len(every))


def _day(
    store: Store, kind: str, currency: str, day: str, as_of_ns: int, before: dict[str, int]
) -> DayReport:
    start_ns = parse_time(day)
    end_ns = start_ns + NS_PER_DAY
    files = store.files(kind, currency, start_ns=start_ns, end_ns=end_ns)
    if not files:
        absent = kind not in ("gaps", "delivery")
        return DayReport(
            kind=kind, currency=currency, day=day, missing=int(absent), example="no file" * absent
        )
    rows = store.read(kind, currency, as_of_ns=as_of_ns, start_ns=start_ns, end_ns=end_ns)
    size = rows["ts_ns"].size
    subject = next((name for name in ("instrument_name", "index_name", "channel") if name in rows), None)
    names = rows[subject] if subject is not None else np.empty(0, dtype=object)
    found: dict[str, int] = {"repeated": _count(store, files, as_of_ns) - size}
    notes: list[str] = []
    if kind in ("candles", "funding", "dvol"):
        found["missing"] = _holes(kind, rows, names, notes)
    elif kind.endswith("_trades"):
        found["missing"] = _lost_trades(rows, names, before, notes)
    if "bid_price" in rows:
        crossed = rows["bid_price"] > rows["ask_price"]
        found["crossed"] = int(crossed.sum())
        _note(notes, crossed, names, "bid above ask")
    if kind in STALE_NS:
        found["stale"] = _silences(kind, rows, names, notes)
    found["off_tick"] = _off_tick(rows, names, notes)
    return DayReport(
        kind=kind,
        currency=currency,
        day=day,
        rows=size,
        subjects=len(set(names.tolist())),
        example="; ".join(notes[:2]),
        **found,
    )


def _count(store: Store, files: list[Path], as_of_ns: int) -> int:
    """Rows in files, repetitions counted."""
    from .tables import literal

    query = "SELECT count(*) FROM read_parquet($files) WHERE known_ns <= $as_of"
    values = {"files": [literal(file) for file in files], "as_of": as_of_ns}
    with interruptible():
        found = store.connection().cursor().execute(query, values).fetchone()
    return int(found[0]) if found else 0


def _groups(names: Array) -> Iterator[tuple[str, Array]]:
    """Positions of the rows of each name, in order."""
    order = np.argsort(names.astype(str), kind="stable")
    if not order.size:
        return
    ordered = names[order]
    cuts = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    for part in np.split(order, cuts):
        yield str(names[part[0]]), part


def _holes(kind: str, rows: dict[str, Array], names: Array, notes: list[str]) -> int:
    """Bars or hours that are missing between others of the day."""
    missing = 0
    length = rows["interval_ns"] if "interval_ns" in rows else np.full(names.size, NS_PER_HOUR)
    for name, part in _groups(names):
        for width in np.unique(length[part]):
            times = rows["ts_ns"][part][length[part] == width]
            if width <= 0 or times.size < 2:
                continue
            steps = np.diff(times) // width - 1
            if steps.sum():
                notes.append(
                    f"{name}: {int(steps.max())} missing after {day_time(int(times[int(np.argmax(steps))]))}"
                )
                missing += int(steps.sum())
    return missing


def _lost_trades(rows: dict[str, Array], names: Array, before: dict[str, int], notes: list[str]) -> int:
    """Count trades missing in a sequence, also from one day to the next; sources without one have 0."""
    missing = 0
    for name, part in _groups(names):
        numbers = np.sort(rows["trade_seq"][part])
        if numbers[0] <= 0:
            continue
        lost = int(numbers[-1] - numbers[0] + 1 - np.unique(numbers).size)
        lost += max(int(numbers[0]) - before[name] - 1, 0) if name in before else 0
        before[name] = int(numbers[-1])
        if lost:
            notes.append(f"{name}: {lost} trades missing")
        missing += lost
    return missing


def _silences(kind: str, rows: dict[str, Array], names: Array, notes: list[str]) -> int:
    stale = 0
    for name, part in _groups(names):
        steps = np.diff(rows["ts_ns"][part])
        long = steps > STALE_NS[kind]
        if long.any():
            at = int(np.argmax(steps))
            since = day_time(int(rows["ts_ns"][part][at]))
            notes.append(f"{name}: silent for {steps[at] / NS_PER_MINUTE:.1f} min from {since}")
        stale += int(long.sum())
    return stale


def _off_tick(rows: dict[str, Array], names: Array, notes: list[str]) -> int:
    columns = [name for name in PRICES if name in rows]
    if not columns or "instrument_name" not in rows:
        return 0
    off, specs = 0, dict[str, ContractSpec | None]()
    grids: dict[Any, list[Array]] = {}
    for name, part in _groups(names):
        spec = specs.setdefault(name, _spec(name))
        if spec is not None:
            grids.setdefault((spec.tick_size, tuple(spec.tick_size_steps)), []).append(part)
            specs[str((spec.tick_size, tuple(spec.tick_size_steps)))] = spec
    for grid, parts in grids.items():
        spec = specs[str(grid)]
        assert spec is not None
        part = np.concatenate(parts)
        for column in columns:
            values = rows[column][part]
            wrong = np.isfinite(values) & ~spec.is_on_tick(values)
            if wrong.any():
                at = int(np.argmax(wrong))
                notes.append(f"{names[part[at]]}: {column} {values[at]:g} off tick")
            off += int(wrong.sum())
    return off


def _spec(name: str) -> ContractSpec | None:
    """Grid of an instrument; None where there is no default, or the name is not the exchange's."""
    try:
        return spec_for(parse(name))
    except ContractError:
        return None


def _note(notes: list[str], wrong: Array, names: Array, why: str) -> None:
    if wrong.any():
        notes.append(f"{names[int(np.argmax(wrong))]}: {why}")


def day_time(ts_ns: int) -> str:
    """Time of day of a moment, HH:MM:SS."""
    seconds = ts_ns % NS_PER_DAY // 1_000_000_000
    return f"{seconds // 3_600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
