"""Daily settlement, delivery and liquidation."""

from __future__ import annotations

from gammacore.contracts import Option, payoff_coin, payoff_usd
from gammacore.daycount import NS_PER_SECOND, format_time, parse_time
from gammacore.fees import DERIBIT, delivery_fee

from .account_value import Holding, as_coins, evaluate
from .accounts import Position, TradingAccount, units, worth
from .catalog import ListedContract
from .combos import ListedCombo
from .floor import Floor
from .order_book import ExchangeOrder
from .portfolio_risk import account_risk, exposed
from .publisher import Publisher

__all__ = ["Clearing"]

# From when an option in the money becomes a future at its strike before it is paid.
TWO_STEPS_LINEAR_NS = parse_time("2026-04-01")
TWO_STEPS_INVERSE_NS = parse_time("2026-08-01")
LIQUIDATION_PERIOD_NS = NS_PER_SECOND
LIQUIDATION_SHARE = 0.25


class Clearing:
    """What happens to positions without a trade.

    Parameters
    ----------
    floor : Floor
    publisher : Publisher
        Tells what is listed and what expires.
    """

    def __init__(self, floor: Floor, publisher: Publisher) -> None:
        self._x = floor
        self._publisher = publisher
        self._checked_ns = 0

    # Eight o'clock

    def settle(self, now_ns: int) -> None:
        """Deliver what expires now, then start a new session for everything else."""
        x = self._x
        for account in x.accounts.values():
            for order in x.engine.own_orders(account):
                if order.time_in_force == "good_til_day":
                    x.engine.cancel(order, now_ns)
        x.engine.forget(now_ns)
        self._expire(now_ns)
        for listing in x.catalog.by_name.values():
            if listing.state == "open":
                listing.settlement_price = x.pricing.mark(listing).price
        for account in x.accounts.values():
            self._new_session(account, now_ns)
        for perpetual in x.perpetuals:
            x.statements.announced(perpetual, "settlement", now_ns)
        for listing in x.catalog.refresh(now_ns):
            self._publisher.state(listing, "created", now_ns)

    def _expire(self, now_ns: int) -> None:
        x = self._x
        prices = {base: x.market.delivery_price(base) for base in x.market.coins}
        for index in sorted(x.indices):
            base = index.partition("_")[0].upper()
            row = {"date": format_time(now_ns)[:10], "delivery_price": prices[base]}
            x.statements.deliveries.setdefault(index, []).append(row)
        expired = [
            listing
            for listing in x.catalog.by_name.values()
            if listing.state == "open" and listing.expiry_ns is not None and listing.expiry_ns <= now_ns
        ]
        expired.sort(key=lambda listing: listing.kind, reverse=True)  # options become futures first
        for listing in expired:
            self._deliver(listing, prices[listing.base], now_ns)
        for listing in expired:  # not before, as what is left of a chain is still valued
            x.catalog.close(listing, 0.0 if isinstance(listing, ListedCombo) else prices[listing.base])
            self._publisher.state(listing, "closed", now_ns)

    def _new_session(self, account: TradingAccount, now_ns: int) -> None:
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
                self._settled(account, position, floating, realized, funding, mark, now_ns)
            if not position.lots:
                del account.positions[name]
        for wallet in account.wallets.values():
            # What was realised in positions that are gone.
            wallet.balance += wallet.futures_realized
            wallet.futures_realized = wallet.options_realized = 0

    def _settled(
        self,
        account: TradingAccount,
        position: Position,
        floating: int,
        realized: int,
        funding: int,
        price: float,
        now_ns: int,
    ) -> None:
        listing, profit = position.listing, floating + realized
        self._x.statements.log(
            account,
            listing.currency,
            "settlement",
            profit,
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
        self._x.statements.settled(account, position, "settlement", profit, price, now_ns, funding)

    # Delivery

    def _deliver(self, listing: ListedContract, price: float, now_ns: int) -> None:
        x = self._x
        x.maker.withdraw(listing, now_ns)
        for orders in list(x.engine.open.values()):
            for order in [o for o in orders.values() if o.listing is listing]:
                x.engine.cancel(order, now_ns, "settlement")
        if isinstance(listing, ListedCombo):
            return  # its legs are delivered
        for account in x.accounts.values():
            position = account.positions.get(listing.name)
            if position is not None:
                if listing.kind == "option":
                    self._deliver_option(account, position, price, now_ns)
                else:
                    self._deliver_future(account, position, price, now_ns)
        x.statements.announced(listing, "delivery", now_ns)

    def _deliver_option(self, account: TradingAccount, position: Position, price: float, now_ns: int) -> None:
        listing, option, size = position.listing, position.listing.instrument, position.size
        assert isinstance(option, Option)
        payoff = payoff_coin(option, price) if listing.coin_settled else payoff_usd(option, price)
        since = TWO_STEPS_INVERSE_NS if listing.coin_settled else TWO_STEPS_LINEAR_NS
        two_steps = now_ns >= since and payoff > 0 and size != 0
        profit = units(size * payoff) - units(position.session_entry)
        self._x.statements.settled(account, position, "delivery", profit, price, now_ns)
        del account.positions[listing.name]
        self._pay(account, listing, size, 0 if two_steps else units(size * payoff), price, now_ns, payoff)
        if two_steps:
            # A long call or a short put becomes long at the strike.
            coins = size * option.kind
            added = coins * option.strike if listing.coin_settled else coins
            future = self._x.catalog.future_of(listing)
            account.positions.setdefault(future.name, Position(future))
            paid = units(worth(future, added, price) - worth(future, added, option.strike))
            self._pay(account, future, added, paid, price, now_ns)

    def _deliver_future(self, account: TradingAccount, position: Position, price: float, now_ns: int) -> None:
        """Pay a future and close its position, with which options that became futures go as well."""
        listing, realized = position.listing, position.realized + position.funding
        profit = units(position.floating(price)) + realized
        account.wallet(listing.currency).futures_realized -= realized
        self._x.statements.settled(account, position, "delivery", profit, price, now_ns)
        self._pay(account, listing, position.size, profit, price, now_ns)
        del account.positions[listing.name]

    def _pay(
        self,
        account: TradingAccount,
        listing: ListedContract,
        size: float,
        paid: int,
        price: float,
        now_ns: int,
        payoff: float = 0.0,
    ) -> None:
        """Pay what a delivery is worth, less its fee."""
        fee = 0
        if size and not account.house:
            fee = units(float(delivery_fee(DERIBIT.at(now_ns), listing.instrument, size, price, payoff)))
        wallet = account.wallet(listing.currency)
        wallet.balance += paid - fee
        wallet.fees += fee
        if not size:
            return
        self._x.statements.log(
            account,
            listing.currency,
            "delivery",
            paid - fee,
            now_ns,
            fee,
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

    def _liquidate(self, account: TradingAccount, currency: str, now_ns: int) -> None:
        x = self._x
        found = evaluate(account, currency, x.engine)
        if not found.holdings or not found.maintenance or found.maintenance_margin < found.margin_balance:
            return
        orders = [order for order in x.engine.own_orders(account) if order.listing.currency == currency]
        for order in orders:
            x.engine.cancel(order, now_ns, "autoliquidation")
        if orders:
            return
        holdings = sorted(found.holdings, key=lambda holding: -holding.maintenance)
        if not found.portfolio:  # what needs most, or nothing
            worst = holdings[0].position
            self._force(account, worst.listing, -_part(worst), now_ns)
            return
        # What loses most in the worst scenario, the next where that does not trade; last the perpetual.
        tried = [(h.position.listing, -_part(h.position), True) for h in holdings if h.maintenance > 0.0]
        tried += [(*self._hedge(holdings), False)]
        for listing, lots, reduce in tried:
            if (
                lots
                and self._lowers(holdings, found.maintenance, listing, lots)
                and self._force(account, listing, lots, now_ns, reduce=reduce)
            ):
                return

    def _force(
        self, account: TradingAccount, listing: ListedContract, lots: int, now_ns: int, *, reduce: bool = True
    ) -> bool:
        """Send a liquidation order within the price band; say whether any of it was filled."""
        x = self._x
        x.quote(listing, now_ns)
        low, high = x.engine.band(listing)
        order = ExchangeOrder(
            order_id=x.engine.new_id(listing),
            account=account.user_id,
            listing=listing,
            side=-1 if lots < 0 else 1,
            lots=abs(lots),
            price=low if lots < 0 else high,
            order_type="market",
            reduce_only=reduce,
            is_liquidation=True,
        )
        x.engine.submit(order, now_ns)
        return order.filled > 0

    def _hedge(self, holdings: list[Holding]) -> tuple[ListedContract, int]:
        """Return the perpetual of the worst position's coin, and lots of it against a part of the delta.

        So a liquidation may open a position; it stays.
        """
        worst, x = holdings[0].position.listing, self._x
        of_coin = [h for h in holdings if h.position.listing.base == worst.base]
        listing = next(p for p in x.perpetuals if (p.base, p.currency) == (worst.base, worst.currency))
        coins = -LIQUIDATION_SHARE * sum(h.delta for h in of_coin)
        size = coins * (x.pricing.mark(listing).price if listing.inverse else 1.0)
        return listing, round(size / listing.amount(1))

    def _lowers(
        self, holdings: list[Holding], maintenance: float, listing: ListedContract, lots: int
    ) -> bool:
        """Whether a trade would lower the maintenance margin of the risk matrix."""
        x = self._x
        held = [exposed(h.position.listing, h.position.size, h.mark) for h in holdings]
        traded = exposed(listing, listing.amount(lots), x.pricing.mark(listing))
        after = account_risk([*held, traded], [[], []], x.market.index, x.pricing.moment_ns, 0)
        return after.maintenance < maintenance


def _part(position: Position) -> int:
    """Signed lots that one round takes off a position."""
    part = max(round(abs(position.lots) * LIQUIDATION_SHARE), 1)
    return part if position.lots > 0 else -part
