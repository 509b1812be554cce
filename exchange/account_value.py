"""What an account is worth, in one currency: equity, margin and Greeks as the exchange defines them.

The identities (segregated standard margin):

- equity = balance + futures_session_rpl + futures_session_upl + options_value;
- margin_balance = equity - options_value;
- available_funds = margin_balance - initial_margin;
- delta_total = delta_total_map - options_value, for coin-settled options, outside the settlement window.

Under portfolio margin the margin balance is the equity (not confirmed), and margin that of the risk matrix
(:mod:`.portfolio_risk`). In the cross model balance and margin of every currency are the USD totals of all
currencies over its index, at 6 decimals, as a recorded account shows them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from gammacore.contracts import UNITS_PER_COIN
from gammacore.data.margins import published_margins
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR
from gammacore.margin import MarginRates, position_margin

from .accounts import Position, TradingAccount, units, worth
from .catalog import ListedContract
from .combo_orders import by_legs
from .mark_prices import Mark
from .matching import MatchingEngine
from .order_book import BUY, SELL, ExchangeOrder
from .portfolio_risk import account_risk, exposed

__all__ = ["AccountValue", "CrossTotals", "Holding", "as_coins", "evaluate", "in_currency", "order_margin"]


class Holding(NamedTuple):
    """One position at its mark."""

    position: Position
    mark: Mark
    delta: float
    """Coin; of coin-settled options the plain Black delta."""
    initial: float
    maintenance: float
    orders: float
    """Initial margin that its open orders add."""
    premium: float
    """Coin that its premium takes off the delta: the value of coin-settled options, decaying as deltas do."""


class CrossTotals(NamedTuple):
    """All currencies of an account together, USD, and the rate of the currency that asks."""

    equity: float
    initial: float
    maintenance: float
    rate: float

    def here(self, usd: float) -> float:
        """Amount of USD in the currency."""
        return in_currency(usd, self.rate)


def in_currency(usd: float, index: float) -> float:
    """Amount of USD in a currency of a cross account: rounded to 6 decimals."""
    return round(usd / index, 6)


@dataclass(slots=True)
class AccountValue:
    """Sums over one currency of an account; money in units of 1e-8, margins and Greeks as floats."""

    balance: int = 0
    futures_rpl: int = 0
    futures_upl: int = 0
    futures_profit: int = 0
    options_rpl: int = 0
    options_upl: int = 0
    options_profit: int = 0
    options_value: int = 0
    initial: float = 0.0
    maintenance: float = 0.0
    orders: float = 0.0
    futures_delta: float = 0.0
    options_delta: float = 0.0
    premium: float = 0.0
    options_gamma: float = 0.0
    options_vega: float = 0.0
    options_theta: float = 0.0
    expiring_delta: float = 0.0
    expiring_initial: float = 0.0
    expiring_maintenance: float = 0.0
    holdings: list[Holding] = field(default_factory=list)
    margin_model: str = "segregated_sm"
    cross: CrossTotals | None = None

    @property
    def equity(self) -> int:
        """Units."""
        return self.balance + self.futures_rpl + self.futures_upl + self.options_value

    @property
    def margin_balance(self) -> int:
        """Units."""
        if self.cross is not None:
            return units(self.cross.here(self.cross.equity))
        return self.equity if self.portfolio else self.equity - self.options_value

    @property
    def initial_margin(self) -> int:
        """Of positions and open orders, units."""
        if self.cross is not None:
            return units(self.cross.here(self.cross.initial))
        return units(self.initial + self.orders)

    @property
    def maintenance_margin(self) -> int:
        """Of positions, units."""
        if self.cross is not None:
            return units(self.cross.here(self.cross.maintenance))
        return units(self.maintenance)

    @property
    def portfolio(self) -> bool:
        """Whether the account is under portfolio margin."""
        return self.margin_model.endswith("_pm")


def order_margin(
    rates: MarginRates, listing: ListedContract, lots: int, mark: Mark, orders: Iterable[ExchangeOrder]
) -> float:
    """Give the initial margin that open orders add to that of a position, in the settlement currency.

    The worse of all buys filled and all sells filled; a buy of options reserves its premium.
    """
    buys = sells = 0
    premium = 0.0
    for order in orders:
        if order.reduce_only:
            continue
        if order.side > 0:
            buys += order.left
            premium += listing.amount(order.left) * listing.price(order.price)
        else:
            sells += order.left
    held, sold, bought = (
        position_margin(rates, listing.instrument, listing.amount(size), mark.price, mark.forward).initial
        for size in (lots, lots - sells, lots + buys)
    )
    if listing.kind == "option":
        return max(sold - held, 0.0) + premium
    return max(bought, sold, held) - held


def evaluate(
    account: TradingAccount, currency: str, engine: MatchingEngine, extra: ExchangeOrder | None = None
) -> AccountValue:
    """Value one currency of an account.

    Parameters
    ----------
    account : TradingAccount
    currency : str
    engine : MatchingEngine
    extra : ExchangeOrder, optional
        An order to count among the open ones.

    Returns
    -------
    AccountValue
    """
    found = _of_currency(account, currency, engine, extra)
    if account.margin_model == "cross_pm":
        found.cross = _cross(account, currency, engine, extra)
    return found


def _cross(
    account: TradingAccount, currency: str, engine: MatchingEngine, extra: ExchangeOrder | None
) -> CrossTotals:
    """Add all currencies up, in USD."""
    equity = initial = maintenance = 0.0
    for one in {*account.wallets, *(p.listing.currency for p in account.positions.values())}:
        found, index = _of_currency(account, one, engine, extra), _index(one, engine)
        equity += as_coins(found.equity) * index
        initial += (found.initial + found.orders) * index
        maintenance += found.maintenance * index
    return CrossTotals(equity, initial, maintenance, _index(currency, engine))


def _index(currency: str, engine: MatchingEngine) -> float:
    return 1.0 if currency == "USDC" else engine.market.index(currency)


def _of_currency(
    account: TradingAccount, currency: str, engine: MatchingEngine, extra: ExchangeOrder | None
) -> AccountValue:
    """Value one currency by itself."""
    wallet, pricing = account.wallet(currency), engine.pricing
    found = AccountValue(balance=wallet.balance, margin_model=account.margin_model)
    rates = published_margins().standard_at(pricing.moment_ns)
    next_delivery = (pricing.moment_ns - 8 * NS_PER_HOUR) // NS_PER_DAY * NS_PER_DAY + 32 * NS_PER_HOUR
    orders: dict[str, list[ExchangeOrder]] = {}
    for order in _orders(account, engine, extra):
        if order.listing.currency == currency:
            orders.setdefault(order.listing.name, []).append(order)
    for position in account.positions.values():
        if position.listing.currency == currency:
            account.accrue(position, engine.interest(position.listing))
            own = orders.pop(position.listing.name, [])
            _add(found, rates, position, pricing.mark(position.listing), own)
            if position.listing.expiry_ns == next_delivery:
                _set_apart(found, found.holdings[-1])
    for pending in orders.values():
        listing = pending[0].listing
        found.orders += order_margin(rates, listing, 0, pricing.mark(listing), pending)
    found.futures_rpl, found.options_rpl = wallet.futures_realized, wallet.options_realized
    if found.portfolio:
        own = [order for order in _orders(account, engine, extra) if order.listing.currency == currency]
        _by_portfolio(found, own, engine, next_delivery)
    return found


def _orders(
    account: TradingAccount, engine: MatchingEngine, extra: ExchangeOrder | None
) -> list[ExchangeOrder]:
    """Open orders, those of combos by their legs, and one more."""
    orders = [*engine.own_orders(account), *((extra,) if extra is not None else ())]
    return list(by_legs(orders, engine.pricing))


def _by_portfolio(
    found: AccountValue, orders: list[ExchangeOrder], engine: MatchingEngine, next_delivery: int
) -> None:
    """Replace margin by that of the risk matrix; positions show what they lose in its worst scenario."""
    pricing = engine.pricing
    held = [exposed(h.position.listing, h.position.size, h.mark) for h in found.holdings]
    filled = [
        [
            exposed(o.listing, o.listing.amount(side * o.left), pricing.mark(o.listing))
            for o in orders
            if o.side == side and not o.reduce_only
        ]
        for side in (BUY, SELL)
    ]
    risk = account_risk(held, filled, engine.market.index, pricing.moment_ns, next_delivery)
    found.initial, found.maintenance, found.orders = risk.initial, risk.maintenance, risk.orders
    found.expiring_initial, found.expiring_maintenance = risk.expiring_initial, risk.expiring_maintenance
    for k, holding in enumerate(found.holdings):
        initial, maintenance = risk.losses.get(holding.position.listing.name, (0.0, 0.0))
        found.holdings[k] = holding._replace(initial=initial, maintenance=maintenance, orders=0.0)


def _add(
    found: AccountValue, rates: MarginRates, position: Position, mark: Mark, orders: list[ExchangeOrder]
) -> None:
    listing, size, premium = position.listing, position.size, 0.0
    initial, maintenance = position_margin(rates, listing.instrument, size, mark.price, mark.forward)
    pending = order_margin(rates, listing, position.lots, mark, orders) if orders else 0.0
    if listing.kind == "option":
        delta = size * mark.delta
        found.options_value += units(worth(listing, size, mark.price))
        found.options_upl += units(position.floating(mark.price))
        found.options_profit += units(position.profit(mark.price))
        found.options_delta += delta
        if listing.coin_settled:
            premium = worth(listing, size, mark.price) * mark.decay
            found.premium += premium
        found.options_gamma += size * mark.gamma
        found.options_vega += size * mark.vega
        found.options_theta += size * mark.theta
    else:
        coins = size / mark.price if listing.inverse else size
        delta = coins * mark.delta
        found.futures_delta += delta
        found.futures_upl += units(position.floating(mark.price))
        found.futures_profit += units(position.profit(mark.price))
    found.initial += initial
    found.maintenance += maintenance
    found.orders += pending
    found.holdings.append(Holding(position, mark, delta, initial, maintenance, pending, premium))


def _set_apart(found: AccountValue, holding: Holding) -> None:
    """Count what the next delivery takes away, for the projected figures."""
    found.expiring_initial += holding.initial
    found.expiring_maintenance += holding.maintenance
    found.expiring_delta += holding.delta - holding.premium


def as_coins(units: int) -> float:
    """Amount of integer units."""
    return units / UNITS_PER_COIN
