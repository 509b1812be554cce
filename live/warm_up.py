"""What a session asks for before it begins: prices for its estimate, funding of the time it was down."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from gammacore.contracts import Perpetual, Settlement
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_SECOND, format_time
from gammacore.deribit import methods as m
from gammacore.deribit.history import MOST_BARS, RESOLUTIONS
from gammacore.deribit.units import GRAIN_NS, span
from gammacore.errors import RequestError
from gammacore.volatility.index_history import IndexHistory

from .client import Client

MINUTES_PER_HOUR = 60
MOST_HOURS = 744  # of one answer
log = logging.getLogger("gammacore.live")


def past_prices(client: Client, name: str, window_ns: int) -> list[tuple[int, float]]:
    """Ask for closes: of the finest bars of which one answer holds the window, at most an hour long.

    Parameters
    ----------
    client : Client
        Before it runs.
    name : str
        Of the perpetual.
    window_ns : int

    Returns
    -------
    list of (int, float)
        End of each bar and its close, USD, ascending; empty if the exchange has none or does not answer,
        which is logged: the estimate then begins with the session.
    """
    minutes, now_ns = window_ns // NS_PER_MINUTE, client.now_ns()
    steps = [step for step in RESOLUTIONS if step <= MINUTES_PER_HOUR]
    bar_ns = next((step for step in steps if minutes // step < MOST_BARS), steps[-1]) * NS_PER_MINUTE
    answer_ns, found = (MOST_BARS - 1) * bar_ns, dict[int, float]()
    try:
        for at_ns in range(now_ns - window_ns, now_ns, answer_ns):
            params = {
                "instrument_name": name,
                **span(at_ns, min(at_ns + answer_ns, now_ns)),
                "resolution": str(bar_ns // NS_PER_MINUTE),
            }
            bars = client.call(m.GET_TRADINGVIEW_CHART_DATA, params)
            ends = [start_ns + bar_ns for start_ns in bars.start_ns]
            found |= {end: close for end, close in zip(ends, bars.close, strict=True) if close > 0}
    except RequestError as error:
        log.warning("no past prices", extra={"reason": str(error)})
        return []
    return sorted((end, close) for end, close in found.items() if end <= now_ns)


def past_index(client: Client, coin: str, index: IndexHistory) -> None:
    """Ask for the closes of the volatility index that matter; without them it begins with the session.

    Parameters
    ----------
    client : Client
        Before it runs.
    coin : str
    index : IndexHistory
        To which they are added.
    """
    bar_ns, now_ns = index.every_ns, client.now_ns()
    params = {
        "currency": coin,
        **span(now_ns - index.keeps_ns - 2 * bar_ns, now_ns),
        "resolution": "1D" if bar_ns == NS_PER_DAY else str(bar_ns // NS_PER_SECOND),
    }
    try:
        bars = client.call(m.GET_VOLATILITY_INDEX_DATA, params).bars
    except RequestError as error:
        log.warning("no past volatility index", extra={"reason": str(error)})
        return
    for bar in sorted(bars):
        if bar.ts_ns + bar_ns <= now_ns:
            index.add(bar.ts_ns + bar_ns, bar.close)


def missed_funding(client: Client, perpetual: Perpetual, since_ns: int, index: float) -> float:
    """Ask what one unit of a long perpetual has paid from a moment until now.

    Parameters
    ----------
    client : Client
        Before it runs.
    perpetual : Perpetual
    since_ns : int
    index : float
        Price at that moment, USD.

    Returns
    -------
    float
        As the accumulator of :class:`gammacore.events.IndexPrice`: coin per USD of an inverse contract, USD
        per coin of a linear one. 0 if the exchange does not answer, which is logged.

    Notes
    -----
    Full hours are those of the published history, each at the mean of the unit at its ends; the two parts
    of hours around them are asked for, and counted at the unit of the nearest hour.
    """
    now_ns, name = client.now_ns(), perpetual.name

    def unit(price: float) -> float:
        return 1.0 / price if perpetual.settlement is Settlement.INVERSE else price

    def part(start_ns: int, end_ns: int, price: float) -> float:
        if end_ns - start_ns < GRAIN_NS:
            return 0.0
        params = {"instrument_name": name, **span(start_ns, end_ns)}
        return client.call(m.GET_FUNDING_RATE_VALUE, params) * unit(price)

    try:
        first = min(-(-since_ns // NS_PER_HOUR) * NS_PER_HOUR, now_ns)
        paid, end = part(since_ns, first, index), first
        for hour_ns, rate, before, after in _funding_hours(client, name, first, now_ns):
            if hour_ns != end + NS_PER_HOUR:  # of a hole, and what follows it, the sum is asked for
                break
            paid += rate * 0.5 * (unit(before) + unit(after))
            end, index = hour_ns, after
        paid += part(end, now_ns, index)
    except (RequestError, ZeroDivisionError) as error:
        log.warning("no past funding", extra={"reason": str(error)})
        return 0.0
    log.info("past funding", extra={"since": format_time(since_ns), "paid_per_unit": paid})
    return paid


def _funding_hours(
    client: Client, name: str, start_ns: int, end_ns: int
) -> Iterator[tuple[int, float, float, float]]:
    """Yield end, rate, and the index at start and end of every published hour, ascending."""
    for at_ns in range(start_ns, end_ns, MOST_HOURS * NS_PER_HOUR):
        until_ns = min(at_ns + MOST_HOURS * NS_PER_HOUR, end_ns)
        params = {"instrument_name": name, **span(at_ns + GRAIN_NS, until_ns)}
        for row in sorted(client.call(m.GET_FUNDING_RATE_HISTORY, params), key=lambda row: row.ts_ns):
            if row.prev_index_price is None or row.index_price is None:
                raise RequestError(f"the hour that ends at {format_time(row.ts_ns)} has no index price")
            yield row.ts_ns, row.interest_1h, row.prev_index_price, row.index_price
