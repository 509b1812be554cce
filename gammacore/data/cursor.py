"""Paging through the exchange's history, without gaps and without duplicates.

Timestamps are inclusive at both ends, and many trades share a millisecond: the next page begins at the last
timestamp seen, and ids that were seen are dropped. Where one millisecond holds more than a page, ids lead out
of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from gammacore.deribit.history import MOST_DELIVERIES
from gammacore.deribit.market import WireTrade, WireTradesPage
from gammacore.deribit.methods import (
    GET_DELIVERY_PRICES,
    GET_LAST_TRADES_BY_CURRENCY,
    GET_LAST_TRADES_BY_CURRENCY_AND_TIME,
    GET_VOLATILITY_INDEX_DATA,
    MOST_TRADES,
    Method,
)
from gammacore.deribit.units import GRAIN_NS, span
from gammacore.errors import DataError

from .normal import read

__all__ = ["Get", "Page", "deliveries", "dvol", "trades"]

Get = Callable[[str, Mapping[str, Any]], bytes]
"""Asks a public method; its result in JSON, undecoded."""

TRADES, BY_ID = GET_LAST_TRADES_BY_CURRENCY_AND_TIME, GET_LAST_TRADES_BY_CURRENCY


class Page(NamedTuple):
    """One answer: the request, what came, and what was new in it."""

    method: str
    params: dict[str, Any]
    result: bytes
    new: list[Any]


def trades(
    get: Get, currency: str, kind: str, start_ns: int, end_ns: int, count: int = MOST_TRADES
) -> Iterator[Page]:
    """Trades of a currency and kind, oldest first.

    Parameters
    ----------
    get : callable
    currency, kind : str
        As the exchange says them: ``BTC``, ``option``.
    start_ns, end_ns : int
        Both inclusive.
    count : int
        Trades a page.

    Yields
    ------
    Page
        ``new`` are trades that no page before had.

    Raises
    ------
    DataError
        If pages do not move on.
    """
    common: dict[str, Any] = {"currency": currency, "kind": kind, "count": count, "sorting": "asc"}
    at_ns, seen = start_ns, set[str]()
    while True:
        params = common | span(at_ns, end_ns)
        page = _trades_page(get, TRADES, params, seen)
        found = read(TRADES, page.result)
        yield page
        if not found.has_more:
            return
        if not found.trades:
            raise DataError(f"{TRADES.name}: there is more after {at_ns}, but the page is empty")
        last = found.trades[-1]
        if last.ts_ns > at_ns:
            at_ns = last.ts_ns
            seen = {trade.trade_id for trade in found.trades if trade.ts_ns == at_ns}
            continue
        yield from _same_millisecond(get, common, last, seen)
        at_ns += GRAIN_NS
        if at_ns > end_ns:
            return
        seen = set()


def _same_millisecond(get: Get, common: Mapping[str, Any], last: WireTrade, seen: set[str]) -> Iterator[Page]:
    """Trades of one millisecond after one of them, by id: ids of a currency ascend and are never shared."""
    at_ns, id_ = last.ts_ns, last.trade_id
    params = {**common, "count": max(common["count"], 2)}  # the page begins with the id that is known
    while True:
        page = _trades_page(get, BY_ID, params | {"start_id": id_}, seen)
        found = read(BY_ID, page.result)
        inside = [trade for trade in page.new if trade.ts_ns == at_ns]
        yield page._replace(new=inside)
        if not found.has_more or len(inside) < len(page.new):
            return
        if not inside:
            raise DataError(f"{BY_ID.name}: there is more after trade {id_}, but nothing new in the page")
        id_ = inside[-1].trade_id


def _trades_page(get: Get, method: Method[WireTradesPage], params: dict[str, Any], seen: set[str]) -> Page:
    result = get(method.name, params)
    found = read(method, result)
    stamps = [trade.ts_ns for trade in found.trades]
    if stamps != sorted(stamps):
        raise DataError(f"{method.name}: trades are not in order of time, although sorting=asc was asked for")
    new = [trade for trade in found.trades if trade.trade_id not in seen]
    seen.update(trade.trade_id for trade in new)
    return Page(method.name, params, result, new)


def dvol(get: Get, currency: str, start_ns: int, end_ns: int, resolution: str) -> Iterator[Page]:
    """Bars of the volatility index; pages go backwards by the continuation they come with.

    Parameters
    ----------
    get : callable
    currency : str
    start_ns, end_ns : int
        Both inclusive.
    resolution : str
        Seconds, or ``1D``.

    Yields
    ------
    Page

    Raises
    ------
    DataError
        If pages do not move on.
    """
    method = GET_VOLATILITY_INDEX_DATA
    cursor_ns: int | None = end_ns
    while cursor_ns is not None:
        params = {"currency": currency, **span(start_ns, cursor_ns), "resolution": resolution}
        result = get(method.name, params)
        found, before_ns = read(method, result), cursor_ns
        yield Page(method.name, params, result, [b for b in found.bars if start_ns <= b.ts_ns <= before_ns])
        cursor_ns = found.continuation_ns
        if cursor_ns is not None and (cursor_ns >= before_ns or not found.data):
            raise DataError(f"{method.name}: the continuation {cursor_ns} does not go back from {before_ns}")
        if cursor_ns is not None and cursor_ns < start_ns:
            return


def deliveries(get: Get, index: str, since: str) -> dict[str, float]:
    """Delivery prices of an index by day, from a day (``YYYY-MM-DD``) on, newest first.

    A delivery between two pages shifts the rest by one: days that were seen are dropped.
    """
    method = GET_DELIVERY_PRICES
    found: dict[str, float] = {}
    offset = 0
    while True:
        params = {"index_name": index, "offset": offset, "count": MOST_DELIVERIES}
        page = read(method, get(method.name, params))
        prices = page.prices
        found |= {day: price for day, price in prices.items() if day not in found}
        offset += len(page.data)
        if not page.data or offset >= page.records_total or min(prices, default=since) < since:
            return {day: price for day, price in found.items() if day >= since}
