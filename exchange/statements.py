"""Statements of accounts: what moved each balance, what settlements and deliveries paid."""

from __future__ import annotations

from typing import Any

from .account_value import as_coins, evaluate
from .accounts import Position, TradingAccount, units
from .catalog import ListedContract
from .matching import MatchingEngine
from .trades import Side, Touched, Trade
from .wire import direction, milliseconds

__all__ = ["PUBLIC", "Statements"]

EMPTY_ROW = dict.fromkeys(
    ("instrument_name", "position", "price", "side", "trade_id", "order_id", "interest_pl")
) | {"info": ""}
PUBLIC = 0  # whose settlements everybody may see


class Statements:
    """Rows as the wire shows them, oldest first.

    Parameters
    ----------
    engine : MatchingEngine
        The balances of its accounts are logged as deposits.

    Attributes
    ----------
    logs : dict of int to list of dict
        Transaction log by user.
    deliveries : dict of str to list of dict
        Delivery prices by index.
    settlements : dict of int to list of dict
        Settlement history by user; 0 is the public one.
    """

    def __init__(self, engine: MatchingEngine) -> None:
        self._engine = engine
        self._next_log = 61_000
        self.logs: dict[int, list[dict[str, Any]]] = {}
        self.deliveries: dict[str, list[dict[str, Any]]] = {}
        self.settlements: dict[int, list[dict[str, Any]]] = {}
        for account in engine.accounts.values():
            for currency, wallet in account.wallets.items():
                self.log(account, currency, "deposit", wallet.balance, engine.market.now_ns, side="-")

    # What moved a balance

    def log(
        self,
        account: TradingAccount,
        currency: str,
        kind: str,
        change: int,
        now_ns: int,
        fee: int = 0,
        **rest: Any,
    ) -> None:
        """Add a row to a user's log; ``change`` is what the balance moved by, less the fee, in units."""
        if account.house:
            return
        found = evaluate(account, currency, self._engine)
        rows = self.logs.setdefault(account.user_id, [])
        self._next_log += 1
        row: dict[str, Any] = {
            "id": self._next_log,
            "user_id": account.user_id,
            "user_seq": len(rows) + 1,
            "username": account.name,
            "type": kind,
            "timestamp": milliseconds(now_ns),
            "currency": currency,
            "change": as_coins(change),
            "cashflow": as_coins(change + fee),
            "commission": as_coins(fee),
            "balance": as_coins(found.balance),
            "equity": as_coins(found.equity),
        }
        rows.append(row | EMPTY_ROW | rest)

    def touched(self, what: Touched, now_ns: int) -> None:
        """Log trades for both of their sides."""
        for trade in what.trades:
            if trade.legs:
                continue  # a combo's own trade moves nothing
            for side in trade.sides:
                self._trade(trade, side, now_ns)

    def _trade(self, trade: Trade, side: Side, now_ns: int) -> None:
        listing, order = trade.listing, side.order
        price = trade.paid
        premium = units(listing.amount(order.side * trade.lots) * price) if listing.kind == "option" else 0
        self.log(
            self._engine.accounts[order.account],
            listing.currency,
            "trade",
            -premium - side.fee,
            now_ns,
            side.fee,
            balance=as_coins(side.balance),
            instrument_name=listing.name,
            position=listing.amount(side.position),
            amount=listing.amount(trade.lots),
            price=price,
            mark_price=trade.mark,
            price_currency=listing.row["quote_currency"],
            side=f"{'close' if side.closed == trade.lots else 'open'} {direction(order.side)}",
            trade_id=listing.trade_id(trade.number),
            order_id=order.order_id,
            interest_pl=0.0,
            profit_as_cashflow=False,
            user_role="maker" if side.maker else "taker",
            info="Source: api",
        )

    # What settlements and deliveries paid

    def settled(
        self,
        account: TradingAccount,
        position: Position,
        kind: str,
        profit: int,
        price: float,
        now_ns: int,
        funding: int = 0,
    ) -> None:
        """Add to a user's settlement history; profit and funding in units."""
        if not account.house:
            row = self._settlement(position.listing, kind, position.size, price, as_coins(profit), now_ns)
            row |= {"profit_loss": as_coins(profit), "funding": as_coins(funding)}
            self.settlements.setdefault(account.user_id, []).append(row)

    def announced(self, listing: ListedContract, kind: str, now_ns: int) -> None:
        """Add to everybody's settlement history."""
        held, mark = self._engine.open_interest(listing), self._engine.pricing.mark(listing).price
        row = self._settlement(listing, kind, held, mark, 0.0, now_ns)
        self.settlements.setdefault(PUBLIC, []).append(row)

    def _settlement(
        self, listing: ListedContract, kind: str, size: float, mark: float, profit: float, now_ns: int
    ) -> dict[str, Any]:
        return {
            "type": kind,
            "timestamp": milliseconds(now_ns),
            "instrument_name": listing.name,
            "position": size,
            "mark_price": mark,
            "index_price": self._engine.market.index(listing.base),
            "session_profit_loss": profit,
        }
