"""Private methods about the account: positions, trades, summaries, logs, the session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gammacore.data.margins import published_margins

from .account_value import Holding, evaluate, order_margin
from .accounts import Position, TradingAccount, Wallet
from .calls import Call, named
from .combos import ListedCombo
from .topics import KINDS
from .trades import Trade
from .trading import RECENT_ORDERS_NS
from .views import order_json, summary_json, user_trade
from .wire import RequestParams, decode, invalid, milliseconds, whole

__all__ = ["HANDLERS", "WEBSOCKET_ONLY"]

RECENT_TRADES_NS = 24 * 3_600 * 1_000_000_000


# Positions and summaries


def get_position(call: Call) -> dict[str, Any]:
    """Answer ``private/get_position``; a flat one where there was none."""
    listing = call.contract()
    position = call.account.positions.get(listing.name)
    if position is not None:
        return call.x.views.position(call.account, position)
    x, mark = call.x, call.x.pricing.mark(listing)
    own = [order for order in x.engine.own_orders(call.account) if order.listing is listing]
    flat = Position(listing, interest=x.engine.interest(listing))
    reserved = 0.0  # under portfolio margin orders have margin with the rest of the account
    if call.account.margin_model == "segregated_sm":
        rates = published_margins().standard_at(x.pricing.moment_ns)
        reserved = order_margin(rates, listing, 0, mark, own)
    return x.views.holding(Holding(flat, mark, 0.0, 0.0, 0.0, reserved, 0.0))


def get_positions(call: Call) -> list[dict[str, Any]]:
    """Answer ``private/get_positions``."""
    currency = call.currency(allow_any=True, default="any")
    kind = call.params.choice("kind", KINDS, "any")
    x, shown = call.x, []
    for one in x.currencies:
        if currency in ("any", one):
            found = evaluate(call.account, one, x.engine)
            shown += [x.views.holding(h) for h in found.holdings if kind in ("any", h.position.listing.kind)]
    return shown


def get_account_summary(call: Call) -> dict[str, Any]:
    """Answer ``private/get_account_summary``."""
    currency = call.currency()
    summary = call.x.views.summary(call.account, currency)
    return summary | _identity(call) if call.params.flag("extended") else summary


def get_account_summaries(call: Call) -> dict[str, Any]:
    """Answer ``private/get_account_summaries``."""
    summaries = [call.x.views.summary(call.account, currency) for currency in call.x.currencies]
    return _identity(call) | {"summaries": summaries}


def _identity(call: Call) -> dict[str, Any]:
    account, config = call.account, call.x.config
    matching = {"rate": config.matching_rate, "burst": config.matching_burst}
    return {
        "id": account.user_id,
        "email": f"{account.name}@example.com",
        "username": account.name,
        "system_name": account.name,
        "type": "main",
        "creation_timestamp": milliseconds(config.start_ns),
        "login_enabled": False,
        "security_keys_enabled": False,
        "mmp_enabled": False,
        "interuser_transfers_enabled": False,
        "self_trading_reject_mode": "cancel_maker",
        "self_trading_extended_to_subaccounts": False,
        "referrer_id": None,
        "limits": {
            "limits_per_currency": False,
            "non_matching_engine": {"rate": 20, "burst": 100},
            "matching_engine": {"trading": {"total": matching}, "spot": matching, "cancel_all": matching},
        },
        **_fees(call),
    }


def _fees(call: Call) -> dict[str, Any]:
    """Fees of an account that has a discount, as they are told since December 2025; else no field."""
    own = call.account.discount
    if own is None:
        return {}
    share = {"type": "relative", "maker": own.options, "taker": own.options}
    fixed = {"type": "fixed", "maker": own.maker, "taker": own.taker}
    values = {
        "option": {"default": share, "block_trade": own.options},
        "perpetual": {"default": fixed, "block_trade": 0.3},
        "future": {"default": fixed, "block_trade": 0.3},
    }
    fees = [
        {"index_name": index, "kind": kind, "value": value}
        for index in sorted(call.x.indices)
        for kind, value in values.items()
    ]
    return {"fees": fees}


def get_subaccounts(call: Call) -> list[dict[str, Any]]:
    """Answer ``private/get_subaccounts``: the main account is all there is."""
    shown = {name: _identity(call)[name] for name in ("id", "email", "username", "system_name", "type")}
    return [shown | {"is_password": False, "receive_notifications": False, "login_enabled": False}]


def get_user_locks(call: Call) -> list[dict[str, Any]]:
    """Answer ``private/get_user_locks``: currency by currency."""
    locked = call.account.user_id in call.locks.accounts
    return [{"currency": currency, "enabled": locked} for currency in call.x.currencies]


def no_transfers(call: Call) -> dict[str, Any]:
    """Answer ``private/get_deposits`` and the like: nothing moves in or out."""
    call.currency()
    return {"count": 0, "data": []}


def simulate_portfolio(call: Call) -> dict[str, Any]:
    """Answer ``private/simulate_portfolio``: the summary with other positions."""
    currency, x = call.currency(), call.x
    sizes = call.params.values.get("simulated_positions", {})
    if isinstance(sizes, str):
        sizes = decode(sizes)
    if not isinstance(sizes, dict):
        raise invalid("value must be an object", "simulated_positions")
    trial = TradingAccount(0, "trial", margin_model=call.account.margin_model)
    trial.wallets |= {name: replace(wallet) for name, wallet in call.account.wallets.items()}
    trial.wallets[currency] = Wallet(balance=call.account.wallet(currency).balance)
    held = call.account.positions.values() if call.params.flag("add_positions", True) else ()
    trial.positions |= {p.listing.name: replace(p) for p in held if p.listing.currency != currency}
    lots = {p.listing.name: p.lots for p in held if p.listing.currency == currency}
    wanted = RequestParams(sizes)
    for name in sizes:
        listing = x.catalog.by_name.get(name)
        count = (
            None if listing is None or isinstance(listing, ListedCombo) else listing.lots(wanted.number(name))
        )
        if count is None:
            raise invalid("invalid value", "simulated_positions")
        lots[name] = lots.get(name, 0) + count
    for name, count in lots.items():
        found = x.catalog.by_name[name]
        if count:
            trial.trade(found, count, x.pricing.mark(found).price, 0, x.engine.interest(found))
    trial.wallets[currency].balance = call.account.wallet(currency).balance
    return summary_json(evaluate(trial, currency, x.engine), currency)


# Trades and orders of the past


def _own_trades(call: Call, instrument: str | None = None) -> list[tuple[Trade, dict[str, Any]]]:
    """Trades of the caller, oldest first."""
    user = call.account.user_id
    found = [
        (trade, user_trade(trade, side))
        for name, trades in call.x.engine.trades.items()
        if instrument in (None, name)
        for trade in trades
        for side in trade.sides
        if side.order.account == user
    ]
    return sorted(found, key=lambda pair: pair[0].number)


def _page(call: Call, found: list[tuple[Trade, dict[str, Any]]]) -> dict[str, Any]:
    """Cut by time, identity and count; without ``historical`` only the last day is there."""
    params = call.params
    edge = call.now_ns - RECENT_TRADES_NS
    historical = params.flag("historical")
    since, until = params.integer("start_timestamp", None), params.integer("end_timestamp", None)
    first, last = trade_number(call, "start_id"), trade_number(call, "end_id")
    low_seq, high_seq = params.integer("start_seq", None), params.integer("end_seq", None)
    kept = [
        (trade, shown)
        for trade, shown in found
        if (trade.ts_ns < edge) == historical
        and (since is None or shown["timestamp"] >= since)
        and (until is None or shown["timestamp"] <= until)
        and (first is None or trade.number >= first)
        and (last is None or trade.number <= last)
        and (low_seq is None or trade.seq >= low_seq)
        and (high_seq is None or trade.seq <= high_seq)
    ]
    opened = since is not None or low_seq is not None
    return trades_page(call, len(kept), lambda k: kept[k][1], 1_000, opened=opened)


def trade_number(call: Call, name: str) -> int | None:
    """Return the number of the trade whose id a parameter names, None if it names none."""
    text = call.params.text(name, None)
    if text is None:
        return None
    number = whole(text.rpartition("-")[2])
    if number is None:
        raise invalid("invalid value", name)
    return number


def trades_page(
    call: Call, total: int, row: Callable[[int], dict[str, Any]], most: int, *, opened: bool
) -> dict[str, Any]:
    """One page of trades that are numbered from the oldest; only its rows are made.

    ``asc`` begins at the oldest and ``desc`` at the newest; without ``sorting`` it is the newest
    first, unless the range was opened by its start.
    """
    count = call.params.integer("count", 10, low=1, high=most)
    sorting = call.params.choice("sorting", ("asc", "desc", "default"), "default")
    if sorting == "asc" or (sorting == "default" and opened):
        page = range(min(count, total))
    else:
        page = range(total - 1, max(total - count, 0) - 1, -1)
    return {"trades": [row(k) for k in page], "has_more": total > count}


def get_user_trades_by_instrument(call: Call) -> dict[str, Any]:
    """Answer ``private/get_user_trades_by_instrument`` and its ``_and_time``."""
    return _page(call, _own_trades(call, call.params.text("instrument_name")))


def get_user_trades_by_currency(call: Call) -> dict[str, Any]:
    """Answer ``private/get_user_trades_by_currency`` and its ``_and_time``."""
    currency = call.currency(allow_any=True)
    kind = call.params.choice("kind", KINDS, "any")
    found = [pair for pair in _own_trades(call) if pair[0].listing.belongs(currency, kind)]
    return _page(call, found)


def get_user_trades_by_order(call: Call) -> list[dict[str, Any]]:
    """Answer ``private/get_user_trades_by_order`` with a bare list."""
    order_id = call.params.text("order_id")
    found = [shown for _, shown in _own_trades(call) if shown["order_id"] == order_id]
    return found[::-1] if call.params.text("sorting", "default") == "desc" else found


def _order_history(call: Call, keep: Any) -> list[dict[str, Any]]:
    """Finished orders, newest first; the ones that never filled only if asked for."""
    params = call.params
    count, offset = params.integer("count", 20, low=1, high=1_000), params.integer("offset", 0, low=0)
    historical, unfilled = params.flag("historical"), params.flag("include_unfilled")
    edge = call.now_ns - RECENT_ORDERS_NS
    found = [
        order
        for order in call.x.engine.orders.values()
        if order.account == call.account.user_id
        and not order.live
        and keep(order)
        and (order.filled or unfilled)
        and (order.updated_ns < edge) == historical
    ]
    found.sort(key=lambda order: order.updated_ns, reverse=True)
    return [order_json(order) for order in found[offset : offset + count]]


def get_order_history_by_currency(call: Call) -> list[dict[str, Any]]:
    """Answer ``private/get_order_history_by_currency``."""
    currency, kind = call.currency(allow_any=True), call.params.choice("kind", KINDS, "any")
    return _order_history(call, lambda order: order.listing.belongs(currency, kind))


def get_order_history_by_instrument(call: Call) -> list[dict[str, Any]]:
    """Answer ``private/get_order_history_by_instrument``."""
    name = call.params.text("instrument_name")
    return _order_history(call, lambda order: order.listing.name == name)


# Logs


def get_transaction_log(call: Call) -> dict[str, Any]:
    """Answer ``private/get_transaction_log``, newest first, in pages."""
    currency, params = call.currency(), call.params
    start, end = params.integer("start_timestamp"), params.integer("end_timestamp")
    count, query = params.integer("count", 100, low=1, high=250), params.text("query", None)
    before = params.integer("continuation", None)
    rows = [
        row
        for row in reversed(call.x.statements.logs.get(call.account.user_id, []))
        if row["currency"] == currency
        and start <= row["timestamp"] <= end
        and (before is None or row["id"] <= before)
        and (query is None or query in (row["type"], row["instrument_name"], row["order_id"]))
    ]
    more = rows[count]["id"] if len(rows) > count else None
    return {"logs": rows[:count], "continuation": more}


def settlement_page(call: Call, user_id: int, *, one: bool) -> dict[str, Any]:
    """One page of settlements, newest first; the continuation is a text, ``none`` on the last page."""
    params = call.params
    name = params.text("instrument_name") if one else None
    currency = None if one else call.currency()
    wanted = params.choice("type", ("settlement", "delivery", "bankruptcy"), None)
    count = params.integer("count", 20, low=1, high=1_000)
    latest = params.integer("search_start_timestamp", None)
    skip = whole(params.text("continuation", "0"))
    if skip is None:
        raise invalid("invalid value", "continuation")
    found = [
        row
        for row in reversed(call.x.statements.settlements.get(user_id, []))
        if name in (None, row["instrument_name"])
        and (currency is None or _settled_in(row["instrument_name"]) == currency)
        and wanted in (None, row["type"])
        and (latest is None or row["timestamp"] <= latest)
    ]
    more = skip + count < len(found)
    return {"settlements": found[skip : skip + count], "continuation": str(skip + count) if more else "none"}


def get_settlement_history_by_instrument(call: Call) -> dict[str, Any]:
    """Answer ``private/get_settlement_history_by_instrument``."""
    return settlement_page(call, call.account.user_id, one=True)


def get_settlement_history_by_currency(call: Call) -> dict[str, Any]:
    """Answer ``private/get_settlement_history_by_currency``."""
    return settlement_page(call, call.account.user_id, one=False)


def _settled_in(name: str) -> str:
    """Settlement currency of an instrument's name."""
    family = name.partition("-")[0]
    return family.partition("_")[2] or family


# The session


def logout(call: Call) -> None:
    """Answer ``private/logout``: nothing; the connection ends and orders stay."""
    connection = call.socket
    if call.params.flag("invalidate_token", True) and connection.token is not None:
        call.auth.revoke(connection.token)
    connection.log_out()


def enable_cancel_on_disconnect(call: Call) -> str:
    """Answer ``private/enable_cancel_on_disconnect``."""
    return _cancel_on_disconnect(call, wanted=True)


def disable_cancel_on_disconnect(call: Call) -> str:
    """Answer ``private/disable_cancel_on_disconnect``."""
    return _cancel_on_disconnect(call, wanted=False)


def _scope(call: Call) -> str:
    found: str = call.params.choice("scope", ("connection", "account"), "connection")
    return found


def _cancel_on_disconnect(call: Call, *, wanted: bool) -> str:
    of_account = _scope(call) == "account"
    call.socket.cancel_on_disconnect = wanted
    if of_account:
        call.account.cancel_on_disconnect = wanted
    return "ok"


def get_cancel_on_disconnect(call: Call) -> dict[str, Any]:
    """Answer ``private/get_cancel_on_disconnect``."""
    scope = _scope(call)
    asked = call.account if scope == "account" else call.socket
    return {"scope": scope, "enabled": asked.cancel_on_disconnect}


HANDLERS = named("private", (
    get_position, get_positions, get_account_summary, get_account_summaries, get_subaccounts,
    get_user_locks,
    simulate_portfolio, get_user_trades_by_instrument, get_user_trades_by_currency, get_user_trades_by_order,
    get_order_history_by_currency, get_order_history_by_instrument, get_transaction_log,
    get_settlement_history_by_instrument, get_settlement_history_by_currency, logout,
    enable_cancel_on_disconnect, disable_cancel_on_disconnect, get_cancel_on_disconnect,
))  # fmt: skip
HANDLERS["private/get_user_trades_by_instrument_and_time"] = get_user_trades_by_instrument
HANDLERS["private/get_user_trades_by_currency_and_time"] = get_user_trades_by_currency
for what in ("deposits", "withdrawals", "transfers"):
    HANDLERS[f"private/get_{what}"] = no_transfers
WEBSOCKET_ONLY = frozenset(name for name in HANDLERS if "disconnect" in name or name == "private/logout")
