"""Positions that move from one account to another without a trade: ``private/move_positions``."""

from __future__ import annotations

from typing import Any

from .accounts import TradingAccount, units
from .calls import Call, named
from .catalog import ListedContract
from .wire import RequestParams, decode, direction, invalid

__all__ = ["HANDLERS"]


def move_positions(call: Call) -> list[dict[str, Any]]:
    """Answer ``private/move_positions``: all at once and for no fee, at the mark where no price is given."""
    source, target = (_account(call, name) for name in ("source_uid", "target_uid"))
    if source is target or call.account not in (source, target):
        raise invalid("invalid value", "target_uid")
    rows = call.params.values.get("trades")
    rows = decode(rows) if isinstance(rows, str) else rows
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise invalid("value must be a list", "trades")
    moves = [_move(call, source, RequestParams(row, rest=call.params.rest)) for row in rows]
    if len({listing.name for listing, _, _ in moves}) < len(moves):
        raise invalid("invalid value", "trades")
    for listing, lots, price in moves:
        for account, signed in ((source, -lots), (target, lots)):
            _book(call, account, listing, signed, price)
    call.x.publish(call.now_ns)
    return [
        {
            "target_uid": target.user_id,
            "source_uid": source.user_id,
            "price": price,
            "instrument_name": listing.name,
            "direction": direction(lots),
            "amount": abs(listing.amount(lots)),
        }
        for listing, lots, price in moves
    ]


def _account(call: Call, name: str) -> TradingAccount:
    found = call.x.accounts.get(call.params.integer(name))
    if found is None or found.house:
        raise invalid("invalid value", name)
    return found


def _move(call: Call, source: TradingAccount, params: RequestParams) -> tuple[ListedContract, int, float]:
    """Read one move; its lots are positive where what moves is long."""
    listing = call.x.find(params.text("instrument_name"))
    if listing is None or listing.state != "open":
        raise invalid("instrument not found", "instrument_name")
    held = source.lots(listing.name)
    lots = listing.lots(params.number("amount"))
    if lots is None or not 0 < lots <= abs(held):
        raise invalid("invalid value", "amount")
    price = params.number("price", None)
    price = call.x.pricing.mark(listing).price if price is None else price
    if price <= 0:
        raise invalid("invalid value", "price")
    return listing, lots if held > 0 else -lots, price


def _book(call: Call, account: TradingAccount, listing: ListedContract, lots: int, price: float) -> None:
    engine = call.x.engine
    engine.bookings += 3  # as of a trade
    before = account.lots(listing.name)
    account.trade(listing, lots, price, 0, engine.interest(listing))
    amount = listing.amount(lots)
    closes = before * lots < 0 and abs(lots) <= abs(before)
    call.x.statements.log(
        account,
        listing.currency,
        "transfer",
        -units(amount * price) if listing.kind == "option" else 0,
        call.now_ns,
        instrument_name=listing.name,
        position=listing.amount(before + lots),
        amount=abs(amount),
        price=price,
        price_currency=listing.row["quote_currency"],
        side=f"{'close' if closes else 'open'} {direction(lots)}",
        info="Source: move_positions",
    )
    engine.touched.moved.append((account.user_id, listing))


HANDLERS = named("private", (move_positions,))
