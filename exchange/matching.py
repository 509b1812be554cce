"""Matching: orders against books, fills into accounts, and a record of what changed.

Nothing here speaks JSON or knows a connection. What a call changed is left in `MatchingEngine.touched`
until the caller has told the world.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import msgspec

from gammacore.contracts import Option
from gammacore.daycount import NS_PER_DAY, NS_PER_MILLISECOND, parse_time
from gammacore.fees import DERIBIT, future_fee, option_fee

from .accounts import TradingAccount, units
from .catalog import ListedContract
from .coins import coin
from .combo_fills import fill_legs
from .combos import ListedCombo
from .day import DayStats
from .mark_prices import MarkPrices
from .order_book import ExchangeOrder, OrderBook
from .price_model import PriceModel
from .speed_bump import bump_ns
from .trades import Side, Touched, Trade, tick_direction
from .wire import RpcError

__all__ = ["MatchingEngine"]

IDS_PER_MS = 8_192
FIRST_CHANGE_ID = 118_850_965_713
LIQUIDATION_NS = parse_time("2026-08-01")
LIQUIDATION = 0.01
BAND_FUTURE, BAND_OPTION = 0.015, 0.04


class MatchingEngine:
    """All books and all orders.

    Parameters
    ----------
    market : PriceModel
    pricing : MarkPrices
    accounts : dict of int to TradingAccount
    origin_ms : int
        Where the numbering of trades begins, before any of them.
    bump_ms : float
        How long takers are held, where they are.

    Attributes
    ----------
    held : deque of (int, ExchangeOrder)
        Orders on their way into a book, and when they enter it.
    """

    def __init__(
        self,
        market: PriceModel,
        pricing: MarkPrices,
        accounts: dict[int, TradingAccount],
        origin_ms: int,
        bump_ms: float = 0.0,
    ) -> None:
        self.market = market
        self.pricing = pricing
        self.accounts = accounts
        self._next_order = 4_000_000_000
        # Ids grow with time, from before the history to whatever comes.
        self._next_trade = (market.now_ns // NS_PER_MILLISECOND + 1 - origin_ms) * IDS_PER_MS
        self.origin_ms = origin_ms
        self.books: dict[str, OrderBook] = {}
        self.orders: dict[str, ExchangeOrder] = {}
        self.stops: dict[str, ExchangeOrder] = {}
        self.held: deque[tuple[int, ExchangeOrder]] = deque()
        self.bump_ms = bump_ms
        self.open: dict[int, dict[str, ExchangeOrder]] = {}
        self.trades: dict[str, list[Trade]] = {}
        self.tape: list[Trade] = []
        self._days: dict[str, DayStats] = {}
        self.change_id = FIRST_CHANGE_ID
        self.bookings = 0
        self.touched = Touched()

    def book(self, listing: ListedContract) -> OrderBook:
        """Book of an instrument, made when first asked for."""
        found = self.books.get(listing.name)
        if found is None:
            found = self.books[listing.name] = OrderBook()
        return found

    def day(self, listing: ListedContract) -> DayStats:
        """Figures of an instrument's last 24 hours."""
        return self._days.setdefault(listing.name, DayStats())

    def interest(self, listing: ListedContract) -> float:
        """Accumulator of funding of a perpetual; 0 for the rest."""
        if listing.kind == "option" or listing.expiry_ns is not None:
            return 0.0
        coin = self.market.coins[listing.base]
        return coin.interest if listing.inverse else coin.interest_linear

    def open_interest(self, listing: ListedContract) -> float:
        """Amount that all long positions hold."""
        held = (account.lots(listing.name) for account in self.accounts.values())
        return listing.amount(sum(lots for lots in held if lots > 0))

    def band(self, listing: ListedContract) -> tuple[int, int]:
        """Lowest and highest price of an order, in ticks."""
        mark = self.pricing.mark(listing)
        if isinstance(listing, ListedCombo):
            unit = self._band_of(listing)
            low, high = mark.price - unit, mark.price + unit
        elif listing.kind == "option":
            unit = BAND_OPTION if listing.coin_settled else BAND_OPTION * mark.forward
            low, high = max(mark.price - unit, 0.0), mark.price + unit
        else:
            low, high = mark.price * (1.0 - BAND_FUTURE), mark.price * (1.0 + BAND_FUTURE)
        return max(listing.snap(low, up=True), listing.lowest), listing.snap(high, up=False)

    def _band_of(self, combo: ListedCombo) -> float:
        """Distance of a combo's band from its mark: that of one option or, of futures, of the first leg."""
        if combo.kind == "option_combo":
            return BAND_OPTION if combo.coin_settled else BAND_OPTION * self.market.index(combo.base)
        return BAND_FUTURE * self.pricing.mark(combo.legs[0][0]).price

    def new_id(self, listing: ListedContract, stop: str = "") -> str:
        """Order id as the exchange forms them."""
        self._next_order += 1
        prefix = "" if listing.currency == "BTC" else f"{listing.currency}-"
        return f"{prefix}{stop}-{self._next_order % 100_000}" if stop else f"{prefix}{self._next_order}"

    def enter(self, order: ExchangeOrder, now_ns: int) -> list[Trade] | int:
        """Submit a checked order, or hold it first if it would take.

        Returns
        -------
        list of Trade or int
            Its executions; or when it will enter the book.
        """
        if order.post_only or not self._takes(order) or not bump_ns(order.listing, now_ns, self.bump_ms):
            return self.submit(order, now_ns)
        return self.hold(order, now_ns)

    def hold(self, order: ExchangeOrder, now_ns: int) -> int:
        """Keep an order out of its book for a while; returns when it will enter."""
        until_ns = now_ns + bump_ns(order.listing, now_ns, self.bump_ms)
        order.state, order.updated_ns = "speed_bumped", now_ns
        order.created_ns = order.created_ns or now_ns
        self.orders[order.order_id] = order
        self.open.setdefault(order.account, {})[order.order_id] = order
        self.held.append((until_ns, order))
        return until_ns

    def release(self, now_ns: int) -> list[tuple[ExchangeOrder, list[Trade]]]:
        """Let orders into their books whose time has come; which, and their executions."""
        found: list[tuple[ExchangeOrder, list[Trade]]] = []
        while self.held and self.held[0][0] <= now_ns:
            order = self.held[0][1]
            self.take_back(order)
            if order.listing.state != "open":  # it was delivered meanwhile
                order.state, order.updated_ns = "cancelled", now_ns
                self.note(order)
                found.append((order, []))
                continue
            asked, order.cancel_reason = order.cancel_reason, None
            trades = self.submit(order, now_ns)
            if asked and order.state == "cancelled":
                order.cancel_reason = "time_in_force"
            found.append((order, trades))
        return found

    def take_back(self, order: ExchangeOrder) -> None:
        """Let an order leave the queue of those that are held."""
        self.held = deque(waiting for waiting in self.held if waiting[1] is not order)
        self.open[order.account].pop(order.order_id, None)
        order.state = "open"

    def _takes(self, order: ExchangeOrder) -> bool:
        best = self.book(order.listing).best(-order.side)
        return best is not None and (best - order.price) * order.side <= 0

    def submit(self, order: ExchangeOrder, now_ns: int) -> list[Trade]:
        """Match a checked order and rest what may rest.

        Parameters
        ----------
        order : ExchangeOrder
        now_ns : int

        Returns
        -------
        list of Trade
            Its executions.

        Raises
        ------
        RpcError
            11054 if ``reject_post_only`` and it would take.
        """
        book = self.book(order.listing)
        if order.post_only:
            self._keep_out(order, book)
        order.created_ns = order.created_ns or now_ns
        order.updated_ns = now_ns
        account = self.accounts[order.account]
        if not account.house:
            self.orders[order.order_id] = order
        first = len(self.touched.trades)
        if order.time_in_force != "fill_or_kill" or self._fillable(order, book) >= order.left:
            self._match(order, book, account, now_ns)
        trades = self.touched.trades[first:]
        if order.state == "open" and order.left:
            self._rest(order, book, account)
        self.note(order)
        return trades

    def _keep_out(self, order: ExchangeOrder, book: OrderBook) -> None:
        """Move a post-only order that would take to just inside the spread, or refuse it."""
        best = book.best(-order.side)
        if best is None or (order.price - best) * order.side < 0:
            return
        step = order.listing.tick_at(best if order.side < 0 else best - 1)
        if order.reject_post_only or best - order.side * step < order.listing.lowest:
            raise RpcError(11054)
        order.price = best - order.side * step

    def _fillable(self, order: ExchangeOrder, book: OrderBook) -> int:
        """Lots that an order could take at once."""
        total = 0
        for resting in book.orders(-order.side):
            if (resting.price - order.price) * order.side > 0:
                break
            if resting.account != order.account:
                total += resting.left
        return total

    def _match(self, order: ExchangeOrder, book: OrderBook, account: TradingAccount, now_ns: int) -> None:
        while order.left and order.state == "open":
            best = book.best(-order.side)
            if best is None or (best - order.price) * order.side > 0:
                return
            resting = book.first(-order.side)
            other = self.accounts[resting.account]
            if other is account or not _allowed(resting, other):
                self.cancel(resting, now_ns)
                continue
            lots = min(_allowed(order, account), _allowed(resting, other))
            if not lots:
                self.cancel(order, now_ns)
                return
            self._execute(order, resting, lots, now_ns)

    def _execute(self, taker: ExchangeOrder, maker: ExchangeOrder, lots: int, now_ns: int) -> None:
        listing, price = taker.listing, maker.price
        for order in (taker, maker):
            order.filled += lots
            order.value += lots * listing.price(price)
            order.updated_ns = now_ns
            if not order.left:
                order.state = "filled"
        if not maker.left:
            self.unrest(maker)
            maker.state = "filled"
        if isinstance(listing, ListedCombo):
            sides = [Side(order, order is maker, order.state) for order in (taker, maker)]
            fill_legs(self, self.record(listing, price, lots, sides, now_ns), listing, now_ns)
        else:
            paid = listing.price(price)
            fees = [self.owed(order, paid, lots, now_ns, maker=order is maker) for order in (taker, maker)]
            sides = self.book_sides((taker, maker), lots, paid, fees)
            self.record(listing, price, lots, sides, now_ns)
        self.touched.books.add(listing.name)
        self.change_id += 1
        self.note(maker)

    def record(self, listing: ListedContract, price: int, lots: int, sides: list[Side], now_ns: int) -> Trade:
        """Add a trade to those of its instrument and of all, under the next numbers."""
        mark = self.pricing.mark(listing)
        self._next_trade += 1
        listing.last_seq += 1
        past = self.trades.setdefault(listing.name, [])
        trade = Trade(
            number=self._next_trade,
            seq=listing.last_seq,
            listing=listing,
            ts_ns=now_ns,
            price=price,
            lots=lots,
            side=sides[0].order.side,
            tick_direction=tick_direction(past[-1] if past else None, price),
            mark=mark.price,
            index=self.market.index(listing.base),
            forward=mark.forward,
            iv=self.pricing.implied(listing, listing.price(price)) if listing.kind == "option" else 0.0,
            sides=tuple(sides),
        )
        past.append(trade)
        self.tape.append(trade)
        self._count(trade)
        self.touched.trades.append(trade)
        return trade

    def _count(self, trade: Trade) -> None:
        """Add a trade to the figures of the day."""
        listing = trade.listing
        price, amount = listing.price(trade.price), listing.amount(trade.lots)
        coins, usd = listing.turnover(price, amount)
        if listing.kind.startswith("option"):
            usd = amount * trade.index
        self.day(listing).add(trade.ts_ns, price, coins, usd)

    def book_sides(
        self, orders: Sequence[ExchangeOrder], lots: int, price: float, fees: Sequence[int]
    ) -> list[Side]:
        """Book a trade into the accounts of its taker and its maker."""
        self.bookings += 3 * len(orders)  # premium, profit, funding: each rounded to a unit
        sides = []
        for k, (order, fee) in enumerate(zip(orders, fees, strict=True)):
            listing, account = order.listing, self.accounts[order.account]
            before, signed = account.lots(listing.name), order.side * lots
            profit = account.trade(listing, signed, price, fee, self.interest(listing))
            closed = min(lots, max(-order.side * before, 0))
            balance = account.wallet(listing.currency).balance
            sides.append(Side(order, bool(k), order.state, fee, profit, before + signed, closed, balance))
        return sides

    def owed(self, order: ExchangeOrder, price: float, lots: int, now_ns: int, *, maker: bool) -> int:
        """Fee of one side of a trade in units."""
        listing, account = order.listing, self.accounts[order.account]
        if order.is_liquidation and listing.kind == "future":
            return self._liquidation_fee(listing, lots, price, now_ns)
        return 0 if account.house else self.fee(account, listing, lots, price, now_ns, maker=maker)

    def fee(
        self,
        account: TradingAccount,
        listing: ListedContract,
        lots: int,
        price: float,
        now_ns: int,
        *,
        maker: bool,
    ) -> int:
        """Fee of an account's trade in units."""
        rates, amount, instrument = DERIBIT.at(now_ns), listing.amount(lots), listing.instrument
        if (own := account.discount) is not None:
            rates = msgspec.structs.replace(
                rates,
                option_maker=rates.option_maker * own.options,
                option_taker=rates.option_taker * own.options,
                future_maker=own.maker,
                future_taker=own.taker,
                weekly_maker=own.maker,
                weekly_taker=own.taker,
            )
        if isinstance(instrument, Option):
            index = self.market.index(listing.base)
            return units(float(option_fee(rates, instrument, amount, price, index=index, maker=maker)))
        return units(float(future_fee(rates, instrument, amount, price, maker=maker)))

    def _liquidation_fee(self, listing: ListedContract, lots: int, price: float, now_ns: int) -> int:
        """Fee of a forced trade in a future, units; nothing is published of options."""
        rate = coin(listing.base).liquidation_before if now_ns < LIQUIDATION_NS else LIQUIDATION
        amount = listing.amount(lots)
        return units(rate * (amount / price if listing.inverse else amount * price))

    def _rest(self, order: ExchangeOrder, book: OrderBook, account: TradingAccount) -> None:
        """Leave what was not filled in the book, or cancel it where it may not rest."""
        if order.order_type == "market_limit" and order.filled:
            order.price = self.trades[order.listing.name][-1].price
        elif order.order_type.startswith(("market", "stop_market", "take_market")):
            order.state = "cancelled"
            return
        if order.time_in_force in ("immediate_or_cancel", "fill_or_kill"):
            order.state = "cancelled"
            return
        if not account.house:
            self.rest_again(order)
            return
        book.add(order)
        self.change_id += 1
        self.touched.books.add(order.listing.name)

    def rest_again(self, order: ExchangeOrder) -> None:
        """Put an order back, at the end of its queue."""
        self.book(order.listing).add(order)
        self.change_id += 1
        self.touched.books.add(order.listing.name)
        self.open.setdefault(order.account, {})[order.order_id] = order

    def amended(self, order: ExchangeOrder, now_ns: int) -> None:
        """Tell that an order in the book became smaller."""
        order.updated_ns = now_ns
        self.change_id += 1
        self.touched.books.add(order.listing.name)
        self.note(order)

    def unrest(self, order: ExchangeOrder) -> None:
        """Take an order out of the book without ending it."""
        self.books[order.listing.name].remove(order)
        self.open.get(order.account, {}).pop(order.order_id, None)
        self.change_id += 1
        self.touched.books.add(order.listing.name)

    def note(self, order: ExchangeOrder) -> None:
        """Remember that an order changed, once."""
        if not self.accounts[order.account].house and order not in self.touched.orders:
            self.touched.orders.append(order)

    def cancel(self, order: ExchangeOrder, now_ns: int, reason: str | None = None) -> None:
        """Take an order out of the book; nothing happens to one that is no longer live."""
        if not order.live:
            return
        if order.state == "speed_bumped":  # it serves its time, may fill, and does not rest
            order.time_in_force, order.cancel_reason = "immediate_or_cancel", reason
            return
        if order.state == "untriggered":
            self.stops.pop(order.order_id, None)
            self.open.get(order.account, {}).pop(order.order_id, None)
        elif order.resting:
            self.unrest(order)
        order.state, order.cancel_reason, order.updated_ns = "cancelled", reason, now_ns
        self.note(order)

    def watch(self, order: ExchangeOrder, now_ns: int) -> None:
        """Keep a stop or take-profit order until its price comes."""
        order.state, order.created_ns, order.updated_ns = "untriggered", now_ns, now_ns
        self.orders[order.order_id] = self.stops[order.order_id] = order
        self.open.setdefault(order.account, {})[order.order_id] = order
        self.note(order)

    def trigger(self, now_ns: int) -> None:
        """Send the orders whose price has come."""
        for stop in list(self.stops.values()):
            if not self.has_come(stop):
                continue
            del self.stops[stop.order_id]
            self.open[stop.account].pop(stop.order_id, None)
            stop.state, stop.triggered, stop.updated_ns = "triggered", True, now_ns
            self.note(stop)
            low, high = self.band(stop.listing)
            market = stop.order_type.endswith("market")
            self.submit(
                ExchangeOrder(
                    order_id=self.new_id(stop.listing),
                    account=stop.account,
                    listing=stop.listing,
                    side=stop.side,
                    lots=stop.lots,
                    price=(high if stop.side > 0 else low) if market else stop.price,
                    order_type=stop.order_type,
                    time_in_force=stop.time_in_force,
                    label=stop.label,
                    reduce_only=stop.reduce_only,
                    connection=stop.connection,
                    trigger=stop.trigger,
                    trigger_price=stop.trigger_price,
                    triggered=True,
                    stop_id=stop.order_id,
                ),
                now_ns,
            )

    def trigger_value(self, stop: ExchangeOrder) -> float:
        """Price that a stop or take-profit order watches."""
        listing = stop.listing
        if stop.trigger == "index_price":
            return self.market.index(listing.base)
        if stop.trigger == "last_price" and self.trades.get(listing.name):
            return listing.price(self.trades[listing.name][-1].price)
        return self.pricing.mark(listing).price

    def has_come(self, stop: ExchangeOrder) -> bool:
        """Whether the price of a stop or take-profit order has come."""
        price = self.trigger_value(stop)
        # A stop buys above and sells below, a take-profit the other way.
        above = (stop.side > 0) == stop.order_type.startswith("stop")
        return price >= stop.trigger_price if above else price <= stop.trigger_price

    def own_orders(self, account: TradingAccount) -> Iterator[ExchangeOrder]:
        """Open and untriggered orders of an account, oldest first."""
        yield from list(self.open.get(account.user_id, {}).values())

    def forget(self, now_ns: int) -> None:
        """Drop orders that were finished two days ago."""
        gone = [
            order_id
            for order_id, order in self.orders.items()
            if not order.live and order.updated_ns < now_ns - 2 * NS_PER_DAY
        ]
        for order_id in gone:
            del self.orders[order_id]


def _allowed(order: ExchangeOrder, account: TradingAccount) -> int:
    """Lots an order may still trade, given what it may only reduce."""
    if not order.reduce_only:
        return order.left
    return min(order.left, max(-order.side * account.lots(order.listing.name), 0))
