"""What a session asks for before it begins: prices for its estimate, funding of the time it was down."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from gammacore.contracts import Perpetual, Settlement
from gammacore.daycount import NS_PER_HOUR, NS_PER_MILLISECOND, NS_PER_MINUTE, format_time
from gammacore.errors import RequestError

from .client import Client

__all__ = ["missed_funding", "past_prices"]

MOST_BARS = 5_000  # of one answer
RESOLUTIONS = (1, 3, 5, 10, 15, 30, 60, 120, 180, 360, 720)  # minutes
MOST_HOURS = 744  # of one answer
log = logging.getLogger("gammacore.live")


def past_prices(client: Client, name: str, window_ns: int) -> list[tuple[int, float]]:
    """Ask for the closes of the finest bars of which one answer holds the window.

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
    minutes = window_ns // NS_PER_MINUTE
    resolution = next((step for step in RESOLUTIONS if minutes // step < MOST_BARS), RESOLUTIONS[-1])
    now_ns = client.now_ns()
    params = {
        "instrument_name": name,
        "start_timestamp": (now_ns - window_ns) // NS_PER_MILLISECOND,
        "end_timestamp": now_ns // NS_PER_MILLISECOND,
        "resolution": str(resolution),
    }
    try:
        bars = client.call("public/get_tradingview_chart_data", params)
        width = resolution * NS_PER_MINUTE
        rows = zip(bars["ticks"], bars["close"], strict=True)
        closes = [(int(tick) * NS_PER_MILLISECOND + width, float(close)) for tick, close in rows]
    except (RequestError, KeyError, TypeError, ValueError) as error:
        log.warning("no past prices", extra={"reason": str(error)})
        return []
    return [(ts_ns, close) for ts_ns, close in closes if ts_ns <= now_ns and close > 0]


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
        span = {
            "start_timestamp": start_ns // NS_PER_MILLISECOND,
            "end_timestamp": end_ns // NS_PER_MILLISECOND,
        }
        if span["start_timestamp"] >= span["end_timestamp"]:
            return 0.0
        params = {"instrument_name": name} | span
        return float(client.call("public/get_funding_rate_value", params)) * unit(price)

    try:
        first = min(-(-since_ns // NS_PER_HOUR) * NS_PER_HOUR, now_ns)
        paid, end = part(since_ns, first, index), first
        for hour_ns, rate, before, after in _funding_hours(client, name, first, now_ns):
            if hour_ns != end + NS_PER_HOUR:  # of a hole, and what follows it, the sum is asked for
                break
            paid += rate * 0.5 * (unit(before) + unit(after))
            end, index = hour_ns, after
        paid += part(end, now_ns, index)
    except (RequestError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        log.warning("no past funding", extra={"reason": str(error)})
        return 0.0
    log.info("past funding", extra={"since": format_time(since_ns), "paid_per_unit": paid})
    return paid


def _funding_hours(
    client: Client, name: str, start_ns: int, end_ns: int
) -> Iterator[tuple[int, float, float, float]]:
    """Yield end, rate, and the index at start and end of every published hour, ascending."""
    for at_ns in range(start_ns, end_ns, MOST_HOURS * NS_PER_HOUR):
        params = {
            "instrument_name": name,
            "start_timestamp": at_ns // NS_PER_MILLISECOND + 1,
            "end_timestamp": min(at_ns + MOST_HOURS * NS_PER_HOUR, end_ns) // NS_PER_MILLISECOND,
        }
        rows = client.call("public/get_funding_rate_history", params)
        for row in sorted(rows, key=lambda row: int(row["timestamp"])):
            hour_ns = int(row["timestamp"]) * NS_PER_MILLISECOND
            yield hour_ns, row["interest_1h"], row["prev_index_price"], row["index_price"]
