"""Small objects about the moment: index channels and the bar that is not over."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_SECOND, SETTLEMENT_WINDOW_NS

from .catalog import ListedContract
from .price_model import PriceModel
from .trades import Trade
from .wire import milliseconds

__all__ = ["current_bar", "index_data"]


def current_bar(
    listing: ListedContract, trades: list[Trade], resolution: str, now_ns: int
) -> dict[str, Any] | None:
    """Bar of an instrument's trades that is not over yet; None without a trade."""
    width = NS_PER_DAY if resolution == "1D" else int(resolution) * NS_PER_MINUTE
    start = now_ns // width * width
    inside = trades[bisect_left(trades, start, key=lambda trade: trade.ts_ns) :]
    if not inside:
        return None
    prices = [listing.price(trade.price) for trade in inside]
    amounts = [listing.amount(trade.lots) for trade in inside]
    coins, cost = zip(*map(listing.turnover, prices, amounts), strict=True)
    return {
        "tick": milliseconds(start),
        "open": prices[0],
        "high": max(prices),
        "low": min(prices),
        "close": prices[-1],
        "volume": round(sum(coins), 8),
        "cost": round(sum(cost), 8),
    }


def index_data(market: PriceModel, kind: str, index: str, now_ns: int) -> Any:
    """Payload of a channel about an index."""
    base = index.partition("_")[0].upper()
    price = market.index(base)
    if kind == "deribit_volatility_index":
        return {"timestamp": milliseconds(now_ns), "volatility": market.dvol(base), "index_name": index}
    if kind == "estimated_expiration_price":
        left = (8 * NS_PER_HOUR - now_ns) % NS_PER_DAY
        inside = left < SETTLEMENT_WINDOW_NS
        data: dict[str, Any] = {
            "seconds": left // NS_PER_SECOND,
            "price": market.estimated_delivery(base, now_ns),
            "is_estimated": inside,
        }
        ticks = {"total_ticks": SETTLEMENT_WINDOW_NS // NS_PER_SECOND, "left_ticks": left // NS_PER_SECOND}
        return data | ticks if inside else data
    if kind == "deribit_price_statistics":
        recent = [row[1] for row in market.coins[base].minutes[-1_440:]] or [price]
        return {
            "index_name": index,
            "low24h": min(recent),
            "high24h": max(recent),
            "change24h": round(price - recent[0], market.coins[base].model.digits),
            "high_volatility": False,
        }
    if kind == "deribit_price_ranking":
        source = {"identifier": "simulated", "original_price": price, "price": price}
        return [source | {"weight": 100.0, "enabled": True, "timestamp": milliseconds(now_ns)}]
    return {"timestamp": milliseconds(now_ns), "price": price, "index_name": index}
