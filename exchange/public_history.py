"""Public methods about the past: trades, bars, funding, volatility, deliveries."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Any

import numpy as np

from gammacore.array_types import Floats, Ints
from gammacore.daycount import (
    NS_PER_DAY,
    NS_PER_HOUR,
    NS_PER_MILLISECOND,
    NS_PER_MINUTE,
    NS_PER_SECOND,
    NS_PER_YEAR,
)

from .calls import Call, named
from .catalog import ListedContract
from .matching import IDS_PER_MS
from .past_market import MinuteSeries
from .private import settlement_page, trade_number, trades_page
from .public import index_base
from .statements import PUBLIC
from .topics import KINDS, RESOLUTIONS
from .trades import Trade
from .views import public_trade
from .wire import invalid, milliseconds

__all__ = ["HANDLERS"]

MAX_BARS, MAX_FUNDING, MAX_DVOL, MAX_DELIVERIES = 5_000, 744, 1_000, 1_000
VOLATILITY_DAYS = 15


# Trades


def _between(call: Call, low: str, high: str) -> tuple[int, int]:
    """Two optional bounds, as whole numbers."""
    first, last = call.params.integer(low, None), call.params.integer(high, None)
    return (0 if first is None else first), (2**62 if last is None else last)


def get_last_trades_by_instrument(call: Call) -> dict[str, Any]:
    """Answer ``public/get_last_trades_by_instrument`` and its ``_and_time``."""
    listing = call.listing()
    since, until = _between(call, "start_timestamp", "end_timestamp")
    low, high = _between(call, "start_seq", "end_seq")
    past = call.x.past.trades(listing)
    first = max(int(np.searchsorted(past.ts_ms, since)), low - 1, 0)
    last = min(int(np.searchsorted(past.ts_ms, until, side="right")), high)
    live = [
        trade
        for trade in call.x.engine.trades.get(listing.name, ())
        if since <= milliseconds(trade.ts_ns) <= until and low <= trade.seq <= high
    ]
    return _page(call, range(first, last), past.trade, live, opened=since > 0 or low > 0)


def get_last_trades_by_currency(call: Call) -> dict[str, Any]:
    """Answer ``public/get_last_trades_by_currency`` and its ``_and_time``."""
    currency, kind = call.currency(allow_any=True), call.params.choice("kind", KINDS, "any")
    since, until = _between(call, "start_timestamp", "end_timestamp")
    low, high = _identity(call, "start_id", 0), _identity(call, "end_id", 2**62)
    x = call.x
    numbers, owners, places = x.past.tape(currency, kind)
    stamps = numbers // IDS_PER_MS + x.engine.origin_ms
    first = max(int(np.searchsorted(stamps, since)), int(np.searchsorted(numbers, low)))
    last = min(*(int(np.searchsorted(*pair, side="right")) for pair in ((stamps, until), (numbers, high))))
    tape = x.engine.tape
    begin = bisect_left(tape, since, key=lambda trade: milliseconds(trade.ts_ns))
    end = bisect_right(tape, until, key=lambda trade: milliseconds(trade.ts_ns))
    live = [
        trade
        for trade in tape[begin:end]
        if trade.listing.belongs(currency, kind) and low <= trade.number <= high
    ]

    def traded(k: int) -> Trade:
        return x.past.trades(owners[k]).trade(int(places[k]))

    return _page(call, range(first, last), traded, live, opened=since > 0 or low > 0)


def _identity(call: Call, name: str, default: int) -> int:
    found = trade_number(call, name)
    return default if found is None else found


def _page(
    call: Call, past: range, traded: Callable[[int], Trade], live: list[Trade], *, opened: bool
) -> dict[str, Any]:
    """One page of trades, first those before the start and then the others, both in order."""

    def row(k: int) -> dict[str, Any]:
        return public_trade(traded(past[k]) if k < len(past) else live[k - len(past)])

    return trades_page(call, len(past) + len(live), row, call.x.config.max_trades, opened=opened)


# Bars


def get_tradingview_chart_data(call: Call) -> dict[str, Any]:
    """Answer ``public/get_tradingview_chart_data``: bars of the mark, at most 5,000."""
    listing = call.contract()
    resolution = call.params.choice("resolution", RESOLUTIONS)
    width = NS_PER_DAY if resolution == "1D" else int(resolution) * NS_PER_MINUTE
    start, end = _times(call)
    series = call.x.past.series(listing.base)
    edges = _edges(max(start, listing.created_ns), min(end, listing.expiry_ns or end), width, series, call)
    edges = edges[-MAX_BARS:]
    names = ("ticks", "open", "high", "low", "close", "volume", "cost")
    if not len(edges):
        return {"status": "no_data"} | {name: [] for name in names}
    bars = _bars(edges, width, series, call, lambda points: call.x.past.marks(listing, points)[0])
    columns = (edges // NS_PER_MILLISECOND, *bars, *_volumes(call, listing, edges, width))
    return {"status": "ok"} | {name: c.tolist() for name, c in zip(names, columns, strict=True)}


def _edges(start: int, end: int, width: int, series: MinuteSeries, call: Call) -> Ints:
    """Where bars begin, among the minutes that are known."""
    begin, end = max(start, int(series.ts_ns[0])), min(end, call.now_ns)
    return np.arange(-(-begin // width) * width, end + 1, width, dtype=np.int64)


def _times(call: Call) -> tuple[int, int]:
    start, end = call.params.integer("start_timestamp"), call.params.integer("end_timestamp")
    if end < start:
        raise invalid("invalid value", "end_timestamp")
    return start * NS_PER_MILLISECOND, end * NS_PER_MILLISECOND


def _bars(
    edges: Ints, width: int, series: MinuteSeries, call: Call, values_at: Callable[[Ints], Floats]
) -> tuple[Floats, Floats, Floats, Floats]:
    """Open, high, low and close between edges; a bar ends where the next begins."""
    inner = series.ts_ns[(series.ts_ns >= edges[0]) & (series.ts_ns <= edges[-1] + width)]
    points = np.unique(np.concatenate([edges, inner, [min(edges[-1] + width, call.now_ns)]]))
    values = values_at(points)
    first = np.searchsorted(points, edges)
    close = values[np.append(first[1:], len(points) - 1)]
    high = np.maximum(np.maximum.reduceat(values, first), close)
    low = np.minimum(np.minimum.reduceat(values, first), close)
    return values[first], high, low, close


def _volumes(call: Call, listing: ListedContract, edges: Ints, width: int) -> tuple[Floats, Floats]:
    """Coins and cost traded in every bar."""
    past = call.x.past.trades(listing)
    live = call.x.engine.trades.get(listing.name, ())
    ts = np.concatenate([past.ts_ms * NS_PER_MILLISECOND, [trade.ts_ns for trade in live]])
    price = np.concatenate([past.price, [trade.price for trade in live]]) * listing.price(1)
    amount = np.concatenate([past.lots, [trade.lots for trade in live]]) * listing.amount(1)
    coins, cost = listing.turnover(price, amount)
    bounds = np.append(edges, edges[-1] + width)
    return (
        np.round(np.histogram(ts, bounds, weights=coins)[0], 8),
        np.round(np.histogram(ts, bounds, weights=cost)[0], 8),
    )


def get_volatility_index_data(call: Call) -> dict[str, Any]:
    """Answer ``public/get_volatility_index_data``: newest rows first to be served, paged backwards."""
    base = _coin(call)
    resolution = str(call.params.values.get("resolution"))
    if resolution not in ("1", "60", "3600", "43200", "1D"):
        raise invalid("invalid value", "resolution")
    width = NS_PER_DAY if resolution == "1D" else int(resolution) * NS_PER_SECOND
    start, end = _times(call)
    series = call.x.past.series(base)
    edges = _edges(start, end, width, series, call)
    left_out, edges = edges[:-MAX_DVOL], edges[-MAX_DVOL:]
    rows: list[list[float]] = []
    if len(edges):
        bars = _bars(
            edges, width, series, call, lambda at: np.round(np.interp(at, series.ts_ns, series.dvol), 2)
        )
        stamps = (edges // NS_PER_MILLISECOND).tolist()
        rows = [list(row) for row in zip(stamps, *(bar.tolist() for bar in bars), strict=True)]
    more = int(left_out[-1]) // NS_PER_MILLISECOND if len(left_out) else None
    return {"data": rows, "continuation": more}


def _coin(call: Call) -> str:
    currency = call.params.text("currency")
    if currency not in call.x.market.coins:
        raise invalid("invalid currency", "currency")
    return str(currency)


def get_historical_volatility(call: Call) -> list[list[float]]:
    """Answer ``public/get_historical_volatility``: of the last day, hourly, 15 days, percent."""
    base = _coin(call)
    series = call.x.past.series(base)
    variance = np.concatenate([[0.0], np.cumsum(np.diff(np.log(series.price)) ** 2)])
    last = int(series.ts_ns[-1]) // NS_PER_HOUR * NS_PER_HOUR
    hours = last - NS_PER_HOUR * np.arange(24 * VOLATILITY_DAYS, dtype=np.int64)[::-1]
    hours = hours[hours - NS_PER_DAY >= series.ts_ns[0]]
    moved = np.interp(hours, series.ts_ns, variance) - np.interp(hours - NS_PER_DAY, series.ts_ns, variance)
    volatility = 100.0 * np.sqrt(moved * NS_PER_YEAR / NS_PER_DAY)
    return [[int(ts) // NS_PER_MILLISECOND, float(v)] for ts, v in zip(hours, volatility, strict=True)]


def get_mark_price_history(call: Call) -> list[list[float]]:
    """Answer ``public/get_mark_price_history``: minutes of an option's mark."""
    listing = call.listing()
    start, end = _times(call)
    series = call.x.past.series(listing.base)
    ts = series.ts_ns[(series.ts_ns >= max(start, listing.created_ns)) & (series.ts_ns <= end)]
    if listing.kind != "option" or not len(ts):
        return []
    marks = call.x.past.marks(listing, ts)[0]
    return [[int(t) // NS_PER_MILLISECOND, float(m)] for t, m in zip(ts, marks, strict=True)]


# Funding


def _perpetual(call: Call) -> MinuteSeries:
    listing = call.listing()
    if listing.kind == "option" or listing.expiry_ns is not None:
        raise invalid("must be a perpetual", "instrument_name")
    return call.x.past.series(listing.base)


def get_funding_rate_history(call: Call) -> list[dict[str, Any]]:
    """Answer ``public/get_funding_rate_history``: full hours, oldest first, the last 744 of the range."""
    series = _perpetual(call)
    start, end = _times(call)
    first = max(-(-start // NS_PER_HOUR), int(series.ts_ns[0]) // NS_PER_HOUR + 8)
    last = min(end, int(series.ts_ns[-1])) // NS_PER_HOUR
    hours = NS_PER_HOUR * np.arange(first, last + 1, dtype=np.int64)[-MAX_FUNDING:]
    paid, index = _at(series, hours, series.paid), _at(series, hours, series.price)
    hour_ago, eight_ago = (_at(series, hours - k * NS_PER_HOUR, series.paid) for k in (1, 8))
    before = _at(series, hours - NS_PER_HOUR, series.price)
    return [
        {
            "timestamp": int(hour) // NS_PER_MILLISECOND,
            "index_price": float(index[k]),
            "prev_index_price": float(before[k]),
            "interest_1h": float(paid[k] - hour_ago[k]),
            "interest_8h": float(paid[k] - eight_ago[k]),
        }
        for k, hour in enumerate(hours)
    ]


def _at(series: MinuteSeries, ts_ns: Ints, values: Floats) -> Floats:
    found: Floats = np.interp(ts_ns, series.ts_ns, values)
    return found


def get_funding_rate_value(call: Call) -> float:
    """Answer ``public/get_funding_rate_value``: what a long paid between two moments, a fraction."""
    series = _perpetual(call)
    start, end = _times(call)
    first, last = _at(series, np.array([start, end]), series.paid)
    return float(last - first)


def get_funding_chart_data(call: Call) -> dict[str, Any]:
    """Answer ``public/get_funding_chart_data``."""
    series = _perpetual(call)
    length = call.params.choice("length", ("8h", "24h", "12h", "1m"))
    hours = {"8h": 8, "12h": 12, "24h": 24, "1m": 720}[length]
    last = int(series.ts_ns[-1])
    step = NS_PER_HOUR if length == "1m" else 5 * NS_PER_MINUTE
    ts = np.arange(last - hours * NS_PER_HOUR, last + 1, step, dtype=np.int64)
    eight = _at(series, ts, series.paid) - _at(series, ts - 8 * NS_PER_HOUR, series.paid)
    index = _at(series, ts, series.price)
    rows = [
        {"timestamp": int(t) // NS_PER_MILLISECOND, "index_price": float(p), "interest_8h": float(e)}
        for t, p, e in zip(ts, index, eight, strict=True)
    ]
    listing = call.listing()
    rate = call.x.market.rate(listing.base, linear=not listing.inverse)
    return {"current_interest": rate, "interest_8h": float(eight[-1]), "data": rows}


# Deliveries and settlements


def get_delivery_prices(call: Call) -> dict[str, Any]:
    """Answer ``public/get_delivery_prices``, newest first."""
    base = index_base(call)
    offset = call.params.integer("offset", 0, low=0)
    count = call.params.integer("count", 10, low=1, high=MAX_DELIVERIES)
    since = call.x.statements.deliveries.get(call.params.text("index_name"), [])
    rows = (call.x.past.deliveries[base] + since)[::-1]
    return {"data": rows[offset : offset + count], "records_total": len(rows)}


def get_last_settlements_by_currency(call: Call) -> dict[str, Any]:
    """Answer ``public/get_last_settlements_by_currency``."""
    return settlement_page(call, PUBLIC, one=False)


def get_last_settlements_by_instrument(call: Call) -> dict[str, Any]:
    """Answer ``public/get_last_settlements_by_instrument``."""
    return settlement_page(call, PUBLIC, one=True)


HANDLERS = named("public", (
    get_last_trades_by_instrument, get_last_trades_by_currency, get_tradingview_chart_data,
    get_volatility_index_data, get_historical_volatility, get_mark_price_history, get_funding_rate_history,
    get_funding_rate_value, get_funding_chart_data, get_delivery_prices, get_last_settlements_by_currency,
    get_last_settlements_by_instrument,
))  # fmt: skip
HANDLERS["public/get_last_trades_by_instrument_and_time"] = get_last_trades_by_instrument
HANDLERS["public/get_last_trades_by_currency_and_time"] = get_last_trades_by_currency
