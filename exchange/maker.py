"""Liquidity: a market maker around the marks, and strangers who trade with whatever rests.

Only books that somebody looks at are quoted. A quote that crosses a resting order takes it,
so an order is filled when the market moves through it.
"""

from __future__ import annotations

import random

from gammacore.daycount import NS_PER_MINUTE

from .accounts import TradingAccount
from .catalog import ListedContract
from .config import ExchangeConfig
from .matching import MatchingEngine
from .order_book import BUY, SELL, ExchangeOrder

__all__ = ["Maker"]

OPTION_DEPTH = 3
TYPICAL_USD = 20_000.0


class Maker:
    """Quotes of the house and orders of strangers.

    Parameters
    ----------
    engine : MatchingEngine
    maker, strangers : TradingAccount
        Accounts of the house.
    config : ExchangeConfig
        Of which `depth`, `flow_per_minute` and `seed` are read.
    """

    def __init__(
        self, engine: MatchingEngine, maker: TradingAccount, strangers: TradingAccount, config: ExchangeConfig
    ) -> None:
        self._engine = engine
        self._maker = maker
        self._strangers = strangers
        self._depth = config.depth
        self._flow = config.flow_per_minute
        self._spots = {base: model.spot for base, model in config.models.items()}
        self._random = random.Random(config.seed)
        self._quotes: dict[str, dict[tuple[int, int], ExchangeOrder]] = {}
        self._quoted_ns: dict[str, int] = {}

    def quote(self, listing: ListedContract, now_ns: int) -> None:
        """Bring the quotes of one book to the mark; once a tick of the market."""
        moment = self._engine.pricing.moment_ns
        if listing.state != "open" or self._quoted_ns.get(listing.name) == moment:
            return
        self._quoted_ns[listing.name] = moment
        wanted = self._wanted(listing)
        kept = self._quotes.setdefault(listing.name, {})
        for key, order in list(kept.items()):
            if key not in wanted or not order.live:
                self._engine.cancel(order, now_ns)
                del kept[key]
        for side, price in wanted:
            if (side, price) not in kept:
                kept[side, price] = self._place(self._maker, listing, side, price, now_ns)

    def withdraw(self, listing: ListedContract, now_ns: int) -> None:
        """Take all quotes out of a book."""
        for order in self._quotes.pop(listing.name, {}).values():
            self._engine.cancel(order, now_ns)
        self._quoted_ns.pop(listing.name, None)

    def trade(self, listing: ListedContract, elapsed_ns: int, now_ns: int) -> None:
        """Let a stranger hit the book now and then."""
        if self._random.random() >= self._flow * elapsed_ns / NS_PER_MINUTE:
            return
        side = self._random.choice((BUY, SELL))
        best = self._engine.book(listing).best(-side)
        if best is not None:
            self._place(self._strangers, listing, side, best, now_ns, time_in_force="immediate_or_cancel")

    def _wanted(self, listing: ListedContract) -> dict[tuple[int, int], None]:
        """Sides and prices to quote, best first."""
        mark = self._engine.pricing.mark(listing).price
        half = self._engine.pricing.half_spread(listing)
        depth = self._depth if listing.kind == "future" else OPTION_DEPTH
        bid = listing.snap(mark - half, up=False)
        ask = max(listing.snap(mark + half, up=True), bid + listing.tick_at(bid))
        wanted: dict[tuple[int, int], None] = {}
        for level in range(depth):
            # Distances grow: 0, 1, 3, 6 ... ticks from the best.
            away = level * (level + 1) // 2
            for side, best in ((BUY, bid), (SELL, ask)):
                price = best - side * away * listing.tick_at(best)
                if price >= listing.lowest and not price % listing.tick_at(price):
                    wanted[side, price] = None
        return wanted

    def _place(
        self,
        account: TradingAccount,
        listing: ListedContract,
        side: int,
        price: int,
        now_ns: int,
        time_in_force: str = "good_til_cancelled",
    ) -> ExchangeOrder:
        order = ExchangeOrder(
            order_id="",
            account=account.user_id,
            listing=listing,
            side=side,
            lots=self._size(listing),
            price=price,
            time_in_force=time_in_force,
        )
        self._engine.submit(order, now_ns)
        return order

    def _size(self, listing: ListedContract) -> int:
        """Lots of a quote or of a stranger: lognormal about 20,000 USD, or ten coins (lots) of options."""
        if listing.kind.startswith("option"):
            typical = 10.0 * max(listing.lot[0] / listing.lot[1], 1.0)
        else:
            typical = TYPICAL_USD if listing.inverse else max(TYPICAL_USD / self._spots[listing.base], 0.25)
        return max(int(typical * self._random.lognormvariate(0.0, 1.0) * listing.lot[1] / listing.lot[0]), 1)
