"""Prices from before a session, for an estimate of volatility that would otherwise be blind for a window."""

from __future__ import annotations

import logging

from gammacore.daycount import NS_PER_MILLISECOND, NS_PER_MINUTE
from gammacore.errors import RequestError

from .client import Client

__all__ = ["past_prices"]

MOST_BARS = 5_000  # of one answer
RESOLUTIONS = (1, 3, 5, 10, 15, 30, 60, 120, 180, 360, 720)  # minutes
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
