"""Accounts: balances in integer units of 1e-8, positions, profit and funding.

A position remembers what its size was worth when it was entered, twice: since it was
opened, and since the last daily settlement. The worth of a size is ``-size / price`` coin
for inverse futures and ``size * price`` for everything else, so that a profit is always
worth now minus worth at entry.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .catalog import ListedContract
from .config import Discount

__all__ = ["Position", "TradingAccount", "Wallet", "units", "worth"]


def units(amount: float) -> int:
    """Amount as integer units of 1e-8, ties to even: `gammacore.contracts.to_units` of one number."""
    scaled = amount * 1e8
    halves = round(2.0 * scaled)
    return round(halves / 2.0) if abs(2.0 * scaled - halves) < 1e-6 else round(scaled)


def worth(listing: ListedContract, size: float, price: float) -> float:
    """Worth of a signed size at a price, in the settlement currency."""
    return -size / price if listing.inverse else size * price


@dataclass(slots=True, eq=False)
class Position:
    """Holding of one instrument.

    Attributes
    ----------
    lots : int
        Signed.
    entry : float
        Worth at the average price.
    session_entry : float
        Worth at entry or at the last settlement, whichever is later.
    realized : int
        Profit realised since the last settlement, units.
    funding : int
        Funding received since the last settlement (paid when negative), units, within `realized`
        of the wallet.
    interest : float
        The accumulator of funding up to which `funding` reaches.
    """

    listing: ListedContract
    lots: int = 0
    entry: float = 0.0
    session_entry: float = 0.0
    realized: int = 0
    funding: int = 0
    interest: float = 0.0
    unbooked: float = 0.0

    @property
    def size(self) -> float:
        """Signed amount: USD of inverse futures, else coin."""
        return self.listing.amount(self.lots)

    @property
    def average_price(self) -> float:
        """Average entry price, 0 when flat."""
        if not self.lots:
            return 0.0
        return -self.size / self.entry if self.listing.inverse else self.entry / self.size

    def profit(self, price: float) -> float:
        """Profit since the average price, not rounded."""
        return worth(self.listing, self.size, price) - self.entry

    def floating(self, price: float) -> float:
        """Profit since the last settlement, not rounded."""
        return worth(self.listing, self.size, price) - self.session_entry

    def settle(self, price: float) -> tuple[int, int]:
        """Start a new session at a settlement price; what floated and what was realised, in units."""
        floating, realized = units(self.floating(price)), self.realized + self.funding
        self.session_entry = worth(self.listing, self.size, price)
        self.realized = self.funding = 0
        return floating, realized


@dataclass(slots=True)
class Wallet:
    """One currency of an account, in units of 1e-8."""

    balance: int = 0
    deposited: int = 0
    futures_realized: int = 0
    options_realized: int = 0
    fees: int = 0


@dataclass(slots=True, eq=False)
class TradingAccount:
    """A user.

    Attributes
    ----------
    user_id : int
    wallets : dict of str to Wallet
        By currency.
    positions : dict of str to Position
        By instrument name; flat ones linger until the next settlement.
    cancel_on_disconnect : bool
        Whether new connections cancel their orders when they end.
    house : bool
        Whether it is the market maker or a stranger, without margin and messages.
    discount : Discount, optional
        Of its fees.
    margin_model : str
        See :class:`.config.ExchangeConfig`.
    """

    user_id: int
    name: str
    house: bool = False
    cancel_on_disconnect: bool = False
    discount: Discount | None = None
    margin_model: str = "segregated_sm"
    wallets: dict[str, Wallet] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)

    def wallet(self, currency: str) -> Wallet:
        """Balance in a currency."""
        return self.wallets.setdefault(currency, Wallet())

    def lots(self, name: str) -> int:
        """Signed lots held."""
        position = self.positions.get(name)
        return position.lots if position is not None else 0

    def accrue(self, position: Position, interest: float) -> None:
        """Book funding up to a value of the accumulator; longs pay when it rises."""
        if interest == position.interest:
            return
        owed = -position.size * (interest - position.interest) + position.unbooked
        position.interest = interest
        booked = units(owed)
        position.unbooked = owed - booked / 1e8
        position.funding += booked
        self.wallet(position.listing.currency).futures_realized += booked

    def trade(self, listing: ListedContract, lots: int, price: float, fee: int, interest: float) -> int:
        """Book a trade.

        Parameters
        ----------
        listing : ListedContract
        lots : int
            Signed.
        price : float
        fee : int
            Units, negative for a rebate.
        interest : float
            The accumulator of funding now, 0 for what has none.

        Returns
        -------
        int
            Profit against the average price on what was closed, units.
        """
        position = self.positions.get(listing.name)
        if position is None:
            position = self.positions[listing.name] = Position(listing, interest=interest)
        self.accrue(position, interest)
        wallet = self.wallet(listing.currency)
        wallet.balance -= fee
        wallet.fees += fee
        if listing.kind == "option":
            wallet.balance -= units(listing.amount(lots) * price)
        closing = 0
        if position.lots * lots < 0:
            closing = min(abs(lots), abs(position.lots)) * (1 if lots > 0 else -1)
        profit = self._close(position, closing, price, wallet) if closing else 0
        opening = lots - closing
        position.lots += opening
        added = worth(listing, listing.amount(opening), price)
        position.entry += added
        position.session_entry += added
        return profit

    def _close(self, position: Position, lots: int, price: float, wallet: Wallet) -> int:
        """Reduce a position; the profit against the average price in units."""
        listing, share = position.listing, -lots / position.lots
        paid = -worth(listing, listing.amount(lots), price)
        profit = units(paid - share * position.entry)
        realized = units(paid - share * position.session_entry)
        position.lots += lots
        position.entry *= 1.0 - share
        position.session_entry *= 1.0 - share
        if not position.lots:
            position.entry = position.session_entry = 0.0
        position.realized += realized
        if listing.kind == "option":
            wallet.options_realized += realized
        else:
            wallet.futures_realized += realized
        return profit
