"""Download the exchange's public history into the store, a day at a time.

A unit of work is one file: a kind of one currency on one day, for bars, funding and deliveries of one
instrument or index. Its rows and its payloads appear together when it is complete, and its presence is what
says so: after a kill the same call goes on with what is missing. A day that is not over is never asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, parse_time
from gammacore.deribit.catalog import Listing
from gammacore.deribit.history import MOST_BARS, WITH_DVOL, bar_length_ns, volatility_bar_ns
from gammacore.deribit.methods import (
    GET_DELIVERY_PRICES,
    GET_FUNDING_RATE_HISTORY,
    GET_INSTRUMENTS,
    GET_TIME,
    GET_TRADINGVIEW_CHART_DATA,
    Method,
)
from gammacore.deribit.units import GRAIN_NS, span
from gammacore.errors import DataError

from . import cursor, normal
from .cursor import Get
from .plans import DOWNLOADED, Downloaded, Payloads, Plan
from .schemas import bar_label
from .store import Store, day_of, days_between
from .throttle import CATALOG, Throttle

__all__ = ["DOWNLOADED", "Downloaded", "Plan", "Progress", "download"]

Progress = Callable[[str, int, int], None]

OVER_NS = 10 * NS_PER_MINUTE  # a day is asked for so long after its end
TRADE_KINDS = {"option_trades": "option", "future_trades": "future"}


class _Unit(NamedTuple):
    kind: str
    currency: str
    day: str
    name: str
    subject: str  # instrument or index, where it has one


def download(
    store: Store,
    plan: Plan,
    get: Get,
    *,
    archive: Get | None = None,
    throttle: Throttle | None = None,
    progress: Progress | None = None,
) -> Downloaded:
    """Bring the store up to a plan.

    Parameters
    ----------
    store : Store
    plan : Plan
    get : callable(method, params) -> bytes
        Asks the exchange; the result in JSON. It repeats what the exchange was too busy for.
    archive : callable, optional
        The same of the host that keeps all trades and instruments; by default `get`.
    throttle : Throttle, optional
        By default ten requests a second.
    progress : callable(name, done, total), optional

    Returns
    -------
    Downloaded

    Raises
    ------
    DataError
        If an answer cannot be read, or pages do not move on.
    RequestError
        If the exchange refuses; complete days stay.
    """
    slow = Throttle() if throttle is None else throttle

    def asked(ask: Get) -> Get:
        def wait_and_ask(method: str, params: Mapping[str, Any]) -> bytes:
            slow.wait(method)
            return ask(method, params)

        return wait_and_ask

    return _Run(store, plan, asked(get), asked(archive or get), progress or (lambda *_: None)).run()


class _Run:
    def __init__(self, store: Store, plan: Plan, get: Get, archive: Get, progress: Progress) -> None:
        self._store, self._plan, self._get, self._archive = store, plan, get, archive
        self._progress = progress
        self._done = Downloaded()
        self._deliveries: dict[str, dict[str, float]] = {}

    def run(self) -> Downloaded:
        plan, done = self._plan, self._done
        now_ns = normal.read(GET_TIME, self._get(GET_TIME.name, {}))
        over_ns = (now_ns - OVER_NS) // NS_PER_DAY * NS_PER_DAY
        end_ns = min(plan.end_ns, over_ns)
        if end_ns < plan.end_ns:
            done.until = day_of(end_ns)
        if end_ns <= plan.start_ns:
            return done
        days = days_between(plan.start_ns, end_ns)
        for currency in plan.currencies:
            catalog = self._catalog(currency, end_ns)
            if "instruments" in plan.kinds:
                self._write_catalog(currency, catalog, days)
            units = list(self._units(currency, catalog, days))
            for at, unit in enumerate(units):
                self._progress(currency, at, len(units))
                self._work(unit)
            self._progress(currency, len(units), len(units))
        return done

    # ----------------------------------------------------------------- catalog

    def _catalog(self, currency: str, end_ns: int) -> list[Listing]:
        """Instruments that were listed before the end, each once."""
        rows: dict[str, Listing] = {}
        for expired in (True, False):
            params = {"currency": currency, "expired": expired}
            for row in normal.read(GET_INSTRUMENTS, self._archive(CATALOG, params)):
                if row.created_ns < end_ns:
                    rows.setdefault(row.instrument_name, row)
        if not rows:
            raise DataError(
                f"currency {currency!r}: the exchange lists no instrument of it before {day_of(end_ns)}"
            )
        return sorted(rows.values(), key=lambda row: (row.created_ns, row.instrument_name))

    def _write_catalog(self, currency: str, catalog: Sequence[Listing], days: Sequence[str]) -> None:
        """Write rows by the day of their listing, back to the oldest that lived in the period."""
        by_day: dict[str, list[Listing]] = {day: [] for day in days}
        for row in catalog:
            by_day.setdefault(day_of(row.created_ns), []).append(row)
        for day, rows in sorted(by_day.items()):
            lived = day >= days[0] or any(
                _lives(row, self._plan.start_ns, parse_time(days[-1])) for row in rows
            )
            if lived and self._missing(_Unit("instruments", currency, day, "download", "")):
                self._save(
                    _Unit("instruments", currency, day, "download", ""), normal.catalog_rows(rows), None
                )

    # ----------------------------------------------------------------- units

    def _units(self, currency: str, catalog: Sequence[Listing], days: Sequence[str]) -> Iterator[_Unit]:
        plan = self._plan
        suffix = f"-{crc32(plan.instruments.encode()):08x}" if plan.instruments else ""
        futures = [row for row in catalog if self._wants(row)]
        perpetuals = [row for row in futures if row.kind == "future" and not row.expiry_ns]
        expiring = (row for row in catalog if row.expiry_ns and row.kind in ("option", "future"))
        indices = sorted({row.index for row in expiring if row.index})
        length = bar_label(bar_length_ns(plan.resolution))
        for day in days:
            for kind in TRADE_KINDS:
                yield _Unit(kind, currency, day, f"download{suffix}", "")
            for kind, rows, label in (("candles", futures, length), ("funding", perpetuals, "1h")):
                for row in rows:
                    if _lives(row, parse_time(day), parse_time(day)):
                        name = row.instrument_name
                        yield _Unit(kind, currency, day, f"{name}_{label}_download", name)
            if currency in WITH_DVOL:
                yield _Unit(
                    "dvol", currency, day, f"download-{self._dvol_resolution}", f"{currency.lower()}_usd"
                )
            for index in indices:
                yield _Unit("delivery", currency, day, f"{index}_download", index)

    def _wants(self, row: Listing) -> bool:
        pattern = self._plan.instruments
        if pattern:
            return fnmatchcase(row.instrument_name, pattern)
        return row.kind == "future" and not row.expiry_ns

    @property
    def _dvol_resolution(self) -> str:
        """Seconds of DVOL bars: minutes beside bars below an hour, else hours or days."""
        if self._plan.resolution == "1D":
            return "1D"
        return "60" if bar_length_ns(self._plan.resolution) < NS_PER_HOUR else "3600"

    def _missing(self, unit: _Unit) -> bool:
        there = self._store.path(unit.kind, unit.currency, unit.day, unit.name).exists()
        self._done.before += there
        return not there

    def _work(self, unit: _Unit) -> None:
        if unit.kind not in self._plan.kinds or not self._missing(unit):
            return
        start_ns = parse_time(unit.day)
        end_ns = start_ns + NS_PER_DAY - GRAIN_NS
        payloads = Payloads()
        rows = getattr(self, f"_{unit.kind}")(unit, start_ns, end_ns, payloads)
        self._save(unit, rows, payloads)

    def _save(self, unit: _Unit, rows: normal.Rows, payloads: Payloads | None) -> None:
        where = (unit.kind, unit.currency, unit.day, unit.name)
        with self._store.commit() as commit:
            if payloads is not None:
                commit.raw(*where, payloads.columns())
            commit.rows(*where, rows)
        self._done.files += 1
        self._done.rows[unit.kind] = self._done.rows.get(unit.kind, 0) + len(rows["ts_ns"])

    # ----------------------------------------------------------------- kinds

    def _trades(self, unit: _Unit, start_ns: int, end_ns: int, payloads: Payloads) -> normal.Rows:
        found = []
        pages = cursor.trades(
            self._archive, unit.currency, TRADE_KINDS[unit.kind], start_ns, end_ns, self._plan.count
        )
        for page in pages:
            payloads.add(page.method, page.params, page.result)
            found += page.new
        pattern = self._plan.instruments
        if pattern:
            found = [trade for trade in found if fnmatchcase(trade.instrument_name, pattern)]
        return normal.trade_rows(unit.kind, found)

    _option_trades = _future_trades = _trades

    def _candles(self, unit: _Unit, start_ns: int, end_ns: int, payloads: Payloads) -> normal.Rows:
        method, resolution = GET_TRADINGVIEW_CHART_DATA, self._plan.resolution
        params = _period(unit.subject, start_ns, end_ns) | {"resolution": resolution}
        bars = normal.read(method, self._ask(method, params, payloads))
        if len(bars.ticks) >= MOST_BARS:
            raise DataError(
                f"{method.name}: {len(bars.ticks)} bars of a day of {unit.subject}: the answer is cut"
            )
        rows = normal.candle_rows(unit.subject, bar_length_ns(resolution), bars)
        return _inside(rows, start_ns, end_ns)

    def _funding(self, unit: _Unit, start_ns: int, end_ns: int, payloads: Payloads) -> normal.Rows:
        method = GET_FUNDING_RATE_HISTORY
        result = self._ask(method, _period(unit.subject, start_ns, end_ns), payloads)
        return _inside(normal.funding_rows(unit.subject, normal.read(method, result)), start_ns, end_ns)

    def _dvol(self, unit: _Unit, start_ns: int, end_ns: int, payloads: Payloads) -> normal.Rows:
        found = []
        for page in cursor.dvol(self._get, unit.currency, start_ns, end_ns, self._dvol_resolution):
            payloads.add(page.method, page.params, page.result)
            found += page.new
        return normal.dvol_rows(unit.subject, volatility_bar_ns(self._dvol_resolution), found)

    def _delivery(self, unit: _Unit, start_ns: int, end_ns: int, payloads: Payloads) -> normal.Rows:
        """Write one day out of pages that are asked for once."""
        index = unit.subject
        if index not in self._deliveries:
            self._deliveries[index] = cursor.deliveries(self._get, index, day_of(self._plan.start_ns))
        found = {day: price for day, price in self._deliveries[index].items() if day == unit.day}
        told = [{"date": day, "delivery_price": price} for day, price in found.items()]
        payloads.add(GET_DELIVERY_PRICES.name, {"index_name": index}, msgspec.json.encode(told))
        return normal.delivery_rows(index, found)

    def _ask(self, method: Method[Any], params: Mapping[str, Any], payloads: Payloads) -> bytes:
        result = self._get(method.name, params)
        payloads.add(method.name, params, result)
        return result


def _lives(row: Listing, start_ns: int, last_day_ns: int) -> bool:
    """Whether an instrument was listed at some moment from the start to the end of the last day."""
    return row.created_ns < last_day_ns + NS_PER_DAY and (not row.expiry_ns or row.expiry_ns > start_ns)


def _period(name: str, start_ns: int, end_ns: int) -> dict[str, Any]:
    return {"instrument_name": name, **span(start_ns, end_ns)}


def _inside(rows: normal.Rows, start_ns: int, end_ns: int) -> normal.Rows:
    """Rows of the day that was asked for; some methods add the bar before or after."""
    keep = [start_ns <= ts_ns <= end_ns for ts_ns in rows["ts_ns"]]
    return {name: [v for v, k in zip(column, keep, strict=True) if k] for name, column in rows.items()}
