"""Paging through the exchange's history, without gaps and without duplicates.

Timestamps are inclusive at both ends, and many trades share a millisecond: the next page begins at the last
timestamp seen, and ids that were seen are dropped. Where one millisecond holds more than a page, ids lead out
of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from gammacore.errors import DataError

from .normal import Deliveries, Delivery, DvolPage, Trade, TradesPage, decode

__all__ = ["Get", "Page", "deliveries", "dvol", "trades"]

Get = Callable[[str, Mapping[str, Any]], bytes]
"""Asks a public method; its result in JSON, undecoded."""

TRADES = "public/get_last_trades_by_currency_and_time"
BY_ID = "public/get_last_trades_by_currency"
MOST_TRADES, MOST_DELIVERIES = 1_000, 1_000


class Page(NamedTuple):
    """One answer: the request, what came, and what was new in it."""

    method: str
    params: dict[str, Any]
    result: bytes
    new: list[Any]


def trades(
    get: Get, currency: str, kind: str, start_ms: int, end_ms: int, count: int = MOST_TRADES
) -> Iterator[Page]:
    """Trades of a currency and kind, oldest first.

    Parameters
    ----------
    get : callable
    currency, kind : str
        As the exchange says them: ``BTC``, ``option``.
    start_ms, end_ms : int
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
    at_ms, seen = start_ms, set[str]()
    while True:
        params = common | {"start_timestamp": at_ms, "end_timestamp": end_ms}
        page = _trades_page(get, TRADES, params, seen)
        found: TradesPage = decode(TradesPage, page.result, TRADES)
        yield page
        if not found.has_more:
            return
        if not found.trades:
            raise DataError(f"{TRADES}: there is more after {at_ms}, but the page is empty")
        last = found.trades[-1]
        if last.timestamp > at_ms:
            at_ms = last.timestamp
            seen = {trade.trade_id for trade in found.trades if trade.timestamp == at_ms}
            continue
        yield from _same_millisecond(get, common, last, seen)
        at_ms += 1
        if at_ms > end_ms:
            return
        seen = set()


def _same_millisecond(get: Get, common: Mapping[str, Any], last: Trade, seen: set[str]) -> Iterator[Page]:
    """Trades of one millisecond after one of them, by id: ids of a currency ascend and are never shared."""
    at_ms, id_ = last.timestamp, last.trade_id
    params = {**common, "count": max(common["count"], 2)}  # the page begins with the id that is known
    while True:
        page = _trades_page(get, BY_ID, params | {"start_id": id_}, seen)
        found: TradesPage = decode(TradesPage, page.result, BY_ID)
        inside = [trade for trade in page.new if trade.timestamp == at_ms]
        yield page._replace(new=inside)
        if not found.has_more or len(inside) < len(page.new):
            return
        if not inside:
            raise DataError(f"{BY_ID}: there is more after trade {id_}, but nothing new in the page")
        id_ = inside[-1].trade_id


def _trades_page(get: Get, method: str, params: dict[str, Any], seen: set[str]) -> Page:
    result = get(method, params)
    found: TradesPage = decode(TradesPage, result, method)
    stamps = [trade.timestamp for trade in found.trades]
    if stamps != sorted(stamps):
        raise DataError(f"{method}: trades are not in order of time, although sorting=asc was asked for")
    new = [trade for trade in found.trades if trade.trade_id not in seen]
    seen.update(trade.trade_id for trade in new)
    return Page(method, params, result, new)


def dvol(get: Get, currency: str, start_ms: int, end_ms: int, resolution: str) -> Iterator[Page]:
    """Bars of the volatility index; pages go backwards by the continuation they come with.

    Parameters
    ----------
    get : callable
    currency : str
    start_ms, end_ms : int
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
    method = "public/get_volatility_index_data"
    cursor: int | None = end_ms
    while cursor is not None:
        params = {
            "currency": currency,
            "start_timestamp": start_ms,
            "end_timestamp": cursor,
            "resolution": resolution,
        }
        result = get(method, params)
        found: DvolPage = decode(DvolPage, result, method)
        yield Page(method, params, result, [row for row in found.data if start_ms <= row[0] <= cursor])
        if found.continuation is not None and (found.continuation >= cursor or not found.data):
            raise DataError(f"{method}: the continuation {found.continuation} does not go back from {cursor}")
        cursor = found.continuation if (found.continuation or 0) >= start_ms else None


def deliveries(get: Get, index: str, since: str) -> list[Delivery]:
    """Delivery prices of an index from a day (``YYYY-MM-DD``) on, newest first.

    A delivery between two pages shifts the rest by one: days that were seen are dropped.
    """
    method = "public/get_delivery_prices"
    found: dict[str, Delivery] = {}
    offset = 0
    while True:
        params = {"index_name": index, "offset": offset, "count": MOST_DELIVERIES}
        page: Deliveries = decode(Deliveries, get(method, params), method)
        for row in page.data:
            found.setdefault(row.date, row)
        offset += len(page.data)
        if not page.data or offset >= page.records_total or page.data[-1].date < since:
            return [row for row in found.values() if row.date >= since]
