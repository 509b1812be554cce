"""The trading floor: prices, books and accounts at one moment, without clients and without a clock."""

from __future__ import annotations

from typing import Protocol

from gammacore.contracts import to_units
from gammacore.data.margins import published_margins
from gammacore.daycount import NS_PER_DAY, NS_PER_MILLISECOND
from gammacore.errors import ConfigError, ContractError

from .accounts import Position, TradingAccount, worth
from .catalog import Catalog, ListedContract
from .coins import has_inverse
from .config import ExchangeConfig
from .maker import Maker
from .mark_prices import MarkPrices
from .matching import MatchingEngine
from .past_market import PastMarket
from .price_model import PriceModel, Recorded
from .statements import Statements
from .trades import Touched
from .views import Views

__all__ = ["Floor", "Listener"]

MAKER_ID, STRANGERS_ID, FIRST_USER_ID = 1, 2, 10_580
OPEN_USD, OPEN_COINS = 50_000_000.0, 500.0  # open interest of a perpetual at the start


class Listener(Protocol):
    """Who is told what requests and ticks change."""

    def touched(self, what: Touched, now_ns: int) -> None:
        """Take what has changed since the last time."""


class Floor:
    """All that can be traded, who holds it, and at what prices.

    Parameters
    ----------
    config : ExchangeConfig
    recorded : dict of str to Recorded, optional
        Index prices to follow, by coin.

    Attributes
    ----------
    users : dict of str to int
        User id of each client.
    listeners : list of Listener
        Told in this order.
    """

    def __init__(self, config: ExchangeConfig, recorded: dict[str, Recorded] | None = None) -> None:
        if config.margin_model != "segregated_sm":
            _check_parameters(config)
        self.config = config
        self.market = PriceModel(config, recorded)
        self.catalog = Catalog(config, self.market)
        self.pricing = MarkPrices(self.catalog, self.market)
        self.currencies = (*filter(has_inverse, config.models), *(("USDC",) if config.linear else ()))
        self.indices = {x.index for x in self.catalog.by_name.values()}
        self.perpetuals = [x for x in self.catalog.by_name.values() if x.expiry_ns is None]
        self.users = {client_id: FIRST_USER_ID + k for k, client_id in enumerate(config.clients)}
        maker = TradingAccount(MAKER_ID, "maker", house=True)
        strangers = TradingAccount(STRANGERS_ID, "strangers", house=True)
        self.accounts = {account.user_id: account for account in (maker, strangers)}
        for client_id, user_id in self.users.items():
            account = TradingAccount(
                user_id,
                client_id,
                discount=config.discounts.get(client_id),
                margin_model=config.margin_model,
            )
            self.accounts[user_id] = account
            for currency, amount in config.deposits.items():
                account.wallet(currency).balance = account.wallet(currency).deposited = to_units(amount)
        origin_ms = (config.start_ns - (config.history_days + 1) * NS_PER_DAY) // NS_PER_MILLISECOND
        self.engine = MatchingEngine(
            self.market, self.pricing, self.accounts, origin_ms, config.speed_bump_ms
        )
        self.past = PastMarket(config, self.market, self.catalog, origin_ms)
        self.views = Views(self.engine, self.past)
        self._open_interest(maker, strangers)
        self.statements = Statements(self.engine)
        self.maker = Maker(self.engine, maker, strangers, config)
        self.listeners: list[Listener] = [self.statements]

    def _open_interest(self, maker: TradingAccount, strangers: TradingAccount) -> None:
        """Begin with what strangers hold in the perpetuals, and the market maker against them."""
        for listing in self.perpetuals:
            lots = round((OPEN_USD if listing.inverse else OPEN_COINS) / listing.amount(1))
            mark, interest = self.pricing.mark(listing).price, self.engine.interest(listing)
            for account, signed in ((strangers, lots), (maker, -lots)):
                value = worth(listing, listing.amount(signed), mark)
                held = Position(listing, signed, value, value, interest=interest)
                account.positions[listing.name] = held

    def find(self, name: str) -> ListedContract | None:
        """Instrument of a name."""
        found = self.catalog.by_name.get(name)
        if found is None:
            # It may have expired before the start; those are listed when first asked for.
            found = next((listing for listing in self.past.expired if listing.name == name), None)
        return found

    def options_on(self, index: str) -> list[ListedContract]:
        """Open options on an index."""
        return [x for options in self.catalog.chains.values() for x in options if x.index == index]

    def quote(self, listing: ListedContract, now_ns: int) -> None:
        """Bring the book of an instrument up to date because somebody looks at it."""
        self.maker.quote(listing, now_ns)
        self.publish(now_ns)

    def publish(self, now_ns: int) -> None:
        """Tell everybody what has changed since the last time."""
        what = self.engine.touched
        if what.books or what.trades or what.orders or what.moved:
            self.engine.touched = Touched()
            for listener in self.listeners:
                listener.touched(what, now_ns)


def _check_parameters(config: ExchangeConfig) -> None:
    """Refuse portfolio margin of coins whose parameters nobody knows."""
    for base in config.models:
        try:
            published_margins().portfolio_at(config.start_ns, base)
        except ContractError as error:
            raise ConfigError(f"margin_model {config.margin_model}: {error}") from None
