"""Daily settlement, delivery, liquidation, and the log of what moved each balance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gammacore.contracts import Option, payoff_coin, payoff_usd
from gammacore.daycount import NS_PER_SECOND, format_time, parse_time
from gammacore.fees import DERIBIT, delivery_fee

from .accounts import Account, Position, units, worth
from .book import Order
from .catalog import Listing
from .engine import Side, Trade
from .portfolio import as_coins, evaluate
from .views import direction, milliseconds

if TYPE_CHECKING:
    from .exchange import Exchange

__all__ = ["Clearing"]

# From when an option in the money becomes a future at its strike before it is paid.
TWO_STEPS_LINEAR_NS = parse_time("2026-04-01")
TWO_STEPS_INVERSE_NS = parse_time("2026-08-01")
LIQUIDATION_PERIOD_NS = 5 * NS_PER_SECOND
LIQUIDATION_SHARE = 0.25


class Clearing:
    """What happens to positions without a trade.

    Parameters
    ----------
    exchange : Exchange

    Attributes
    ----------
    logs : dict of int to list of dict
        Transaction log by user, oldest first.
    deliveries : dict of str to list of dict
        Delivery prices by index, oldest first.
    settlements : dict of int to list of dict
        Settlement history by user; 0 is the public one.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._x = exchange
        self._next_log = 61_000
        self._checked_ns = 0
        self.logs: dict[int, list[dict[str, Any]]] = {}
        self.deliveries: dict[str, list[dict[str, Any]]] = {}
        self.settlements: dict[int, list[dict[str, Any]]] = {}
        for account in exchange.accounts.values():
            for currency, wallet in account.wallets.items():
                self._log(account, currency, "deposit", wallet.balance, exchange.now_ns, side="-")

    # The log

    def _log(self, account: Account, currency: str, kind: str, change: int, now_ns: int, **rest: Any) -> None:
        """Add a row; ``change`` is what the balance moved by, in units."""
        if account.house:
            return
        found = evaluate(account, currency, self._x.engine, self._x.pricing)
        rows = self.logs.setdefault(account.user_id, [])
        self._next_log += 1
        commission = rest.pop("commission", 0)
        row: dict[str, Any] = {
            "id": self._next_log,
            "user_id": account.user_id,
            "user_seq": len(rows) + 1,
            "username": account.name,
            "type": kind,
            "timestamp": milliseconds(now_ns),
            "currency": currency,
            "change": as_coins(change),
            "cashflow": as_coins(change + commission),
            "commission": as_coins(commission),
            "balance": as_coins(found.balance),
            "equity": as_coins(found.equity),
            "instrument_name": None,
            "position": None,
            "price": None,
            "side": None,
            "trade_id": None,
            "order_id": None,
            "interest_pl": None,
            "info": "",
        }
        rows.append(row | rest)

    def log_trades(self, trades: list[Trade], now_ns: int) -> None:
        """Add the rows of trades to their users' logs."""
        for trade in trades:
            for side in trade.sides:
                self._log_trade(trade, side, now_ns)

    def _log_trade(self, trade: Trade, side: Side, now_ns: int) -> None:
        listing, order = trade.listing, side.order
        price = listing.price(trade.price)
        premium = units(listing.amount(order.side * trade.lots) * price) if listing.kind == "option" else 0
        action = "close" if side.closed == trade.lots else "open"
        self._log(
            self._x.accounts[order.account],
            listing.currency,
            "trade",
            -premium - side.fee,
            now_ns,
            commission=side.fee,
            balance=as_coins(side.balance),
            instrument_name=listing.name,
            position=listing.amount(side.position),
            amount=listing.amount(trade.lots),
            price=price,
            mark_price=trade.mark,
            price_currency=listing.row["quote_currency"],
            side=f"{action} {direction(order.side)}",
            trade_id=str(trade.number),
            order_id=order.order_id,
            interest_pl=0.0,
            profit_as_cashflow=False,
            user_role="maker" if side.maker else "taker",
            info="Source: api",
        )

    # Eight o'clock

    def settle(self, now_ns: int) -> None:
        """Deliver what expires now, then start a new session for everything else."""
        x = self._x
        for account in x.accounts.values():
            for order in x.engine.own_orders(account):
                if order.time_in_force == "good_til_day":
                    x.engine.cancel(order, now_ns)
        x.engine.forget(now_ns)
        prices = {base: x.market.delivery_price(base) for base in x.market.coins}
        for index in sorted(x.indices):
            base = index.partition("_")[0].upper()
            row = {"date": format_time(now_ns)[:10], "delivery_price": prices[base]}
            self.deliveries.setdefault(index, []).append(row)
        expired = [
            listing
            for listing in x.catalog.by_name.values()
            if listing.state == "open" and listing.expiry_ns is not None and listing.expiry_ns <= now_ns
        ]
        expired.sort(key=lambda listing: listing.kind, reverse=True)  # options become futures first
        for listing in expired:
            self._deliver(listing, prices[listing.base], now_ns)
        for listing in expired:  # not before, as what is left of a chain is still valued
            x.catalog.close(listing, prices[listing.base])
            x.feed.state(listing, "closed", now_ns)
        for listing in x.catalog.by_name.values():
            if listing.state == "open":
                listing.settlement_price = x.pricing.mark(listing).price
        for account in x.accounts.values():
            self._new_session(account, now_ns)
        for perpetual in x.perpetuals:
            self._public(perpetual, "settlement", now_ns)
        for listing in x.catalog.refresh(now_ns):
            x.feed.state(listing, "created", now_ns)

    def _new_session(self, account: Account, now_ns: int) -> None:
        x = self._x
        for position in account.positions.values():
            account.accrue(position, x.engine.interest(position.listing))
        for name, position in sorted(account.positions.items()):
            listing, mark = position.listing, x.pricing.mark(position.listing).price
            funding = position.funding
            floating, realized = position.settle(mark)
            if listing.kind == "future":
                wallet = account.wallet(listing.currency)
                wallet.balance += floating + realized
                wallet.futures_realized -= realized
                self._settled(account, position, mark, floating, realized, funding, now_ns)
            if not position.lots:
                del account.positions[name]
        for wallet in account.wallets.values():
            # What was realised in positions that are gone.
            wallet.balance += wallet.futures_realized
            wallet.futures_realized = wallet.options_realized = 0

    def _settled(
        self,
        account: Account,
        position: Position,
        price: float,
        floating: int,
        realized: int,
        funding: int,
        now_ns: int,
    ) -> None:
        listing = position.listing
        self._log(
            account,
            listing.currency,
            "settlement",
            floating + realized,
            now_ns,
            instrument_name=listing.name,
            position=position.size,
            amount=abs(position.size),
            price=price,
            price_currency=listing.row["quote_currency"],
            side="long" if position.lots > 0 else "short",
            session_upl=as_coins(floating),
            session_rpl=as_coins(realized),
            interest_pl=as_coins(funding),
            total_interest_pl=as_coins(funding),
            info={"settlement_price": price, "floating_pl": as_coins(floating)},
        )
        self._history(account, position, "settlement", floating + realized, funding, price, now_ns)

    def _history(
        self,
        account: Account,
        position: Position,
        kind: str,
        profit: int,
        funding: int,
        mark: float,
        now_ns: int,
    ) -> None:
        if account.house:
            return
        row = {
            "type": kind,
            "timestamp": milliseconds(now_ns),
            "instrument_name": position.listing.name,
            "position": position.size,
            "mark_price": mark,
            "index_price": self._x.market.index(position.listing.base),
            "session_profit_loss": as_coins(profit),
            "profit_loss": as_coins(profit),
            "funding": as_coins(funding),
        }
        self.settlements.setdefault(account.user_id, []).append(row)

    def _public(self, listing: Listing, kind: str, now_ns: int) -> None:
        row = {
            "type": kind,
            "timestamp": milliseconds(now_ns),
            "instrument_name": listing.name,
            "position": self._x.views.open_interest(listing),
            "mark_price": self._x.pricing.mark(listing).price,
            "index_price": self._x.market.index(listing.base),
            "session_profit_loss": 0.0,
        }
        self.settlements.setdefault(0, []).append(row)

    # Delivery

    def _deliver(self, listing: Listing, price: float, now_ns: int) -> None:
        x = self._x
        x.maker.withdraw(listing, now_ns)
        for orders in list(x.engine.open.values()):
            for order in [o for o in orders.values() if o.listing is listing]:
                x.engine.cancel(order, now_ns, "settlement")
        for account in x.accounts.values():
            position = account.positions.get(listing.name)
            if position is not None:
                if listing.kind == "option":
                    self._deliver_option(account, position, price, now_ns)
                else:
                    self._deliver_future(account, position, 0.0, 0.0, price, now_ns)
        self._public(listing, "delivery", now_ns)

    def _deliver_option(self, account: Account, position: Position, price: float, now_ns: int) -> None:
        listing, option, size = position.listing, position.listing.instrument, position.size
        assert isinstance(option, Option)
        payoff = payoff_coin(option, price) if listing.coin_settled else payoff_usd(option, price)
        fee = 0
        if size and not account.house:
            fee = units(float(delivery_fee(DERIBIT.at(now_ns), option, size, price, payoff)))
        since = TWO_STEPS_INVERSE_NS if listing.coin_settled else TWO_STEPS_LINEAR_NS
        two_steps = now_ns >= since and payoff > 0 and size != 0
        paid = 0 if two_steps else units(size * payoff)
        wallet = account.wallet(listing.currency)
        wallet.balance += paid - fee
        wallet.fees += fee
        profit = units(size * payoff) - units(position.session_entry)
        self._history(account, position, "delivery", profit, 0, price, now_ns)
        position.lots, position.entry, position.session_entry, position.realized = 0, 0.0, 0.0, 0
        del account.positions[listing.name]
        if size:
            self._log_delivery(account, listing, size, paid - fee, fee, price, now_ns)
        if two_steps:
            # A long call or a short put becomes long at the strike.
            coins = size * option.kind
            added = coins * option.strike if listing.coin_settled else coins
            future = self._x.catalog.future_of(listing)
            held = account.positions.setdefault(future.name, Position(future))
            self._deliver_future(account, held, added, option.strike, price, now_ns)

    def _deliver_future(
        self, account: Account, position: Position, added: float, strike: float, price: float, now_ns: int
    ) -> None:
        """Pay a future and what options added to it; the position is closed by the last call."""
        listing = position.listing
        size = added if added else position.size
        if not added:
            profit = units(position.floating(price)) + position.realized + position.funding
            account.wallet(listing.currency).futures_realized -= position.realized + position.funding
        else:
            entry_worth, exit_worth = _worths(listing, added, strike, price)
            profit = units(exit_worth - entry_worth)
        fee = 0
        if size and not account.house:
            instrument = listing.instrument
            assert not isinstance(instrument, Option)
            fee = units(float(delivery_fee(DERIBIT.at(now_ns), instrument, size, price)))
        wallet = account.wallet(listing.currency)
        wallet.balance += profit - fee
        wallet.fees += fee
        if not added:
            self._history(account, position, "delivery", profit, 0, price, now_ns)
        if size:
            self._log_delivery(account, listing, size, profit - fee, fee, price, now_ns)
        if not added:
            del account.positions[listing.name]

    def _log_delivery(
        self,
        account: Account,
        listing: Listing,
        size: float,
        change: int,
        fee: int,
        price: float,
        now_ns: int,
    ) -> None:
        self._log(
            account,
            listing.currency,
            "delivery",
            change,
            now_ns,
            commission=fee,
            instrument_name=listing.name,
            position=0.0,
            amount=abs(size),
            price=price,
            price_currency=listing.row["quote_currency"],
            index_price=self._x.market.index(listing.base),
            side="close sell" if size > 0 else "close buy",
            info={"delivery_price": price},
        )

    # Liquidation

    def liquidate(self, now_ns: int) -> None:
        """Reduce accounts whose maintenance margin has reached their margin balance."""
        if now_ns - self._checked_ns < LIQUIDATION_PERIOD_NS:
            return
        self._checked_ns = now_ns
        for account in self._x.accounts.values():
            if account.house or not account.positions:
                continue
            for currency in list(account.wallets):
                self._liquidate(account, currency, now_ns)

    def _liquidate(self, account: Account, currency: str, now_ns: int) -> None:
        x = self._x
        found = evaluate(account, currency, x.engine, x.pricing)
        if not found.maintenance or found.maintenance_margin < found.margin_balance:
            return
        orders = [order for order in x.engine.own_orders(account) if order.listing.currency == currency]
        for order in orders:
            x.engine.cancel(order, now_ns, "autoliquidation")
        if orders:
            return
        worst = max(found.holdings, key=lambda holding: holding.maintenance)
        listing, lots = worst.position.listing, worst.position.lots
        x.quote(listing, now_ns)
        low, high = x.engine.band(listing)
        x.engine.submit(
            Order(
                order_id=x.engine.new_id(listing),
                account=account.user_id,
                listing=listing,
                side=-1 if lots > 0 else 1,
                lots=max(round(abs(lots) * LIQUIDATION_SHARE), 1),
                price=low if lots > 0 else high,
                order_type="market",
                reduce_only=True,
                is_liquidation=True,
            ),
            now_ns,
        )


def _worths(listing: Listing, size: float, entry: float, exit_price: float) -> tuple[float, float]:
    return worth(listing, size, entry), worth(listing, size, exit_price)
