"""What must hold after any sequence of requests, ticks and faults."""

from __future__ import annotations

from collections import Counter

from gammacore.contracts import UNITS_PER_COIN
from gammacore.errors import LedgerError

from .account_value import evaluate
from .floor import Floor
from .order_book import BUY, SELL

__all__ = ["assert_invariants"]

STATES = {"open", "speed_bumped", "filled", "cancelled", "untriggered", "triggered", "rejected"}


def assert_invariants(floor: Floor) -> None:
    """Check that contracts, orders, books and money add up.

    - Positions of everybody, the house included, cancel in every instrument.
    - What an account has per currency is what was deposited, less fees, plus its share of
      profits; over all accounts profits cancel, up to one unit of rounding a booking.
    - A wallet's realised profit of futures is the sum over its positions and what they left.
    - Order states are legal, what is filled never exceeds what was asked, an order rests in
      its book exactly while it is open.
    - No book is crossed.

    Parameters
    ----------
    floor : Floor

    Raises
    ------
    LedgerError
        Naming the first thing that does not hold.
    """
    _positions(floor)
    _money(floor)
    _orders(floor)
    _books(floor)


def _demand(holds: bool, what: str) -> None:
    if not holds:
        raise LedgerError(what)


def _positions(floor: Floor) -> None:
    totals: Counter[str] = Counter()
    for account in floor.accounts.values():
        for name, position in account.positions.items():
            totals[name] += position.lots
    for name, total in totals.items():
        _demand(total == 0, f"positions in {name} add up to {total} lots")


def _money(floor: Floor) -> None:
    for currency in floor.currencies:
        total = 0
        for account in floor.accounts.values():
            wallet = account.wallet(currency)
            found = evaluate(account, currency, floor.engine)
            total += found.equity + wallet.fees - wallet.deposited
            held = sum(
                p.realized + p.funding
                for p in account.positions.values()
                if p.listing.currency == currency and p.listing.kind == "future"
            )
            _demand(
                held == wallet.futures_realized,
                f"{account.name}: {held} realised in positions, not {wallet.futures_realized} in {currency}",
            )
        allowed = floor.engine.bookings + 1_000
        _demand(abs(total) <= allowed, f"{currency}: {total / UNITS_PER_COIN} came from nowhere")


def _orders(floor: Floor) -> None:
    engine = floor.engine
    for order in engine.orders.values():
        _demand(order.state in STATES, f"order {order.order_id} is {order.state}")
        _demand(0 <= order.filled <= order.lots, f"order {order.order_id} filled {order.filled} lots")
        _demand((order.state == "filled") == (order.left == 0), f"order {order.order_id} is {order.state}")
        _demand(order.resting == (order.state == "open"), f"order {order.order_id} rests while {order.state}")
        known = order.order_id in engine.open.get(order.account, {})
        _demand(known == order.live, f"order {order.order_id} is {order.state}, listed as open: {known}")
    filled: Counter[str] = Counter()
    for trades in engine.trades.values():
        for trade in trades:
            for side in trade.sides:
                filled[side.order.order_id] += trade.lots
    for order in engine.orders.values():
        _demand(filled[order.order_id] == order.filled, f"order {order.order_id} and its trades disagree")


def _books(floor: Floor) -> None:
    for name, book in floor.engine.books.items():
        bid, ask = book.best(BUY), book.best(SELL)
        _demand(bid is None or ask is None or bid < ask, f"{name} is crossed: {bid} and {ask}")
