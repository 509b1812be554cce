"""What was: bars, trades, funding, volatility and delivery prices of the past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_SECOND

from .catalog import Listing
from .views import milliseconds

if TYPE_CHECKING:
    from .exchange import Exchange

__all__ = ["History"]


class History:
    """The past of an exchange, made when first asked for."""

    def __init__(self, exchange: Exchange) -> None:
        self._x = exchange

    def expired(self) -> list[Listing]:
        """Instruments that expired lately."""
        return [x for x in self._x.catalog.by_name.values() if x.state != "open"]

    def current_bar(self, listing: Listing, resolution: str, now_ns: int) -> dict[str, Any] | None:
        """Unfinished bar of an instrument's trades."""
        width = NS_PER_DAY if resolution == "1D" else int(resolution) * NS_PER_MINUTE
        start = now_ns // width * width
        trades = [t for t in self._x.engine.trades.get(listing.name, ()) if t.ts_ns >= start]
        if not trades:
            return None
        prices = [listing.price(t.price) for t in trades]
        amounts = [listing.amount(t.lots) for t in trades]
        coins = [a / p if listing.inverse else a for a, p in zip(amounts, prices, strict=True)]
        cost = sum(amounts) if listing.inverse else sum(a * p for a, p in zip(amounts, prices, strict=True))
        return {
            "tick": milliseconds(start),
            "open": prices[0],
            "high": max(prices),
            "low": min(prices),
            "close": prices[-1],
            "volume": round(sum(coins), 8),
            "cost": round(cost, 8),
        }

    def index_data(self, kind: str, index: str, now_ns: int) -> Any:
        """Payload of a channel about an index."""
        market, base = self._x.market, index.partition("_")[0].upper()
        price = market.index(base)
        if kind == "deribit_volatility_index":
            return {"timestamp": milliseconds(now_ns), "volatility": market.dvol(base), "index_name": index}
        if kind == "estimated_expiration_price":
            left = (8 * NS_PER_HOUR - now_ns) % NS_PER_DAY
            inside = left < NS_PER_HOUR // 2
            data = {
                "seconds": left // NS_PER_SECOND,
                "price": market.estimated_delivery(base, now_ns),
                "is_estimated": inside,
            }
            if inside:
                data |= {"total_ticks": 1_800, "left_ticks": left // NS_PER_SECOND}
            return data
        if kind == "deribit_price_statistics":
            recent = [row[1] for row in market.coins[base].minutes[-1_440:]] or [price]
            return {
                "index_name": index,
                "low24h": min(recent),
                "high24h": max(recent),
                "change24h": round(price - recent[0], 2),
                "high_volatility": False,
            }
        if kind == "deribit_price_ranking":
            return [
                {
                    "identifier": f"venue{k}",
                    "original_price": price,
                    "price": price,
                    "weight": 25.0,
                    "enabled": True,
                    "timestamp": milliseconds(now_ns),
                }
                for k in range(1, 5)
            ]
        return {"timestamp": milliseconds(now_ns), "price": price, "index_name": index}
