"""Public methods: session, catalog and market data of the moment."""

from __future__ import annotations

from typing import Any

from .calls import Call, named
from .catalog import ListedContract
from .coins import coin
from .combos import ListedCombo
from .order_book import BUY, SELL
from .topics import KINDS, RAW, Topic
from .wire import RpcError, invalid, milliseconds

__all__ = ["HANDLERS"]

VERSION = "1.2.26"
DEPTHS = (1, 5, 10, 20, 50, 100, 1_000, 10_000)


def auth(call: Call) -> dict[str, Any]:
    """Answer ``public/auth``; a socket is the user's from now on."""
    number = None if call.connection is None else call.connection.number
    token, result = call.auth.grant(call.params, number, call.now_ns)
    if call.connection is not None:
        call.connection.token = token
        account = call.x.accounts[token.user_id]
        call.connection.cancel_on_disconnect |= account.cancel_on_disconnect
    return result


def hello(call: Call) -> dict[str, Any]:
    """Answer ``public/hello``."""
    call.params.text("client_name")
    call.params.text("client_version")
    return {"version": VERSION}


def test(call: Call) -> dict[str, Any]:
    """Answer ``public/test``, which is also what a test request waits for."""
    if call.connection is not None:
        call.connection.tested()
    if call.params.text("expected_result", "") == "exception":
        raise RpcError(10001)
    return {"version": VERSION}


def get_time(call: Call) -> int:
    """Answer ``public/get_time``."""
    return milliseconds(call.now_ns)


def status(call: Call) -> dict[str, Any]:
    """Answer ``public/status``."""
    return call.locks.status()


def set_heartbeat(call: Call) -> str:
    """Answer ``public/set_heartbeat``."""
    call.socket.set_heartbeat(call.params.integer("interval", low=10), call.now_ns)
    return "ok"


def disable_heartbeat(call: Call) -> str:
    """Answer ``public/disable_heartbeat``."""
    call.socket.disable_heartbeat()
    return "ok"


# Subscriptions


def subscribe(call: Call) -> list[str]:
    """Answer ``subscribe`` with the channels that made sense, in no particular order."""
    connection, names = call.socket, call.params.texts("channels")
    label = call.params.text("label", None)
    user = None if call.caller is None else call.caller.user_id
    private = call.method.startswith("private/")
    accepted: dict[str, Topic] = {}
    for name in names:
        topic = call.publisher.topic(name, user)
        if topic is None or (topic.account is not None and not private):
            continue
        of_contracts = topic.listing is not None or topic.kind == "trades"
        if topic.interval == RAW and of_contracts and user is None:
            raise RpcError(13778)
        accepted[topic.name] = topic
    # Joined now, told after the answer.
    for name, topic in sorted(accepted.items()):
        if name not in connection.topics:
            connection.topics[name] = topic
            call.after.append(_joining(call, topic, label))
    return sorted(accepted)


def _joining(call: Call, topic: Topic, label: str | None) -> Any:
    number = call.socket.number
    return lambda: call.publisher.subscribe(topic, number, label, call.now_ns, call.locks.greeting(topic))


def unsubscribe(call: Call) -> list[str]:
    """Answer ``unsubscribe`` with the channels that were left."""
    connection = call.socket
    left = []
    for name in call.params.texts("channels"):
        topic = connection.topics.pop(name, None) or connection.topics.pop(name.lower(), None)
        if topic is not None:
            call.publisher.unsubscribe(topic, connection.number)
            left.append(topic.name)
    return left


def unsubscribe_all(call: Call) -> str:
    """Answer ``unsubscribe_all``."""
    for topic in call.socket.topics.values():
        call.publisher.unsubscribe(topic, call.socket.number)
    call.socket.topics.clear()
    return "ok"


# Catalog


def get_currencies(call: Call) -> list[dict[str, Any]]:
    """Answer ``public/get_currencies``."""
    return [
        {
            "currency": currency,
            "currency_long": coin(currency).long_name,
            "coin_type": coin(currency).coin_type,
            "decimals": 6 if currency == "USDC" else 8,
            "fee_precision": 4,
            "min_confirmations": 1,
            "min_withdrawal_fee": 0.0001,
            "withdrawal_fee": 0.0001,
            "withdrawal_priorities": [],
            "network_fee": 0.0001,
            "network_currency": currency,
            "in_cross_collateral_pool": False,
        }
        for currency in call.x.currencies
    ]


def get_instruments(call: Call) -> list[dict[str, Any]]:
    """Answer ``public/get_instruments``."""
    currency = call.currency(allow_any=True, default="any")
    kind = call.params.choice("kind", KINDS, "any")
    expired = call.params.flag("expired")
    found = list(call.x.catalog.by_name.values())
    if expired:
        found += call.x.past.expired
    return [x.row for x in found if (x.state != "open") == expired and x.belongs(currency, kind)]


def get_instrument(call: Call) -> dict[str, Any]:
    """Answer ``public/get_instrument``."""
    return call.listing().row


def get_contract_size(call: Call) -> dict[str, Any]:
    """Answer ``public/get_contract_size``."""
    return {"contract_size": call.listing().spec.contract_size}


def get_expirations(call: Call) -> dict[str, Any]:
    """Answer ``public/get_expirations``."""
    currency = call.currency(allow_any=True)
    kind = call.params.choice("kind", KINDS, "any")
    found: dict[str, dict[str, int]] = {}
    for listing in call.x.catalog.by_name.values():
        if (
            listing.state == "open"
            and listing.belongs(currency, kind)
            and not isinstance(listing, ListedCombo)
        ):
            text = listing.name.split("-")[1]
            found.setdefault(listing.kind, {})[text] = listing.row["expiration_timestamp"]
    return {name: sorted(texts, key=texts.__getitem__) for name, texts in sorted(found.items())}


# Prices


def ticker(call: Call) -> dict[str, Any]:
    """Answer ``public/ticker``."""
    return call.x.views.ticker(call.listing(), call.now_ns)


def get_order_book(call: Call) -> dict[str, Any]:
    """Answer ``public/get_order_book``."""
    listing, depth = call.listing(), call.params.integer("depth", 5, low=1)
    if depth not in DEPTHS:
        raise invalid("invalid value", "depth")
    views = call.x.views
    return views.ticker(listing, call.now_ns) | {
        "change_id": call.x.engine.change_id,
        "bids": views.levels(listing, BUY, depth),
        "asks": views.levels(listing, SELL, depth),
    }


def get_index_price(call: Call) -> dict[str, Any]:
    """Answer ``public/get_index_price``."""
    base = index_base(call)
    return {
        "index_price": call.x.market.index(base),
        "estimated_delivery_price": call.x.market.estimated_delivery(base, call.now_ns),
    }


def index_base(call: Call) -> str:
    """Coin of the index named in the parameters."""
    name = call.params.text("index_name")
    if name not in call.x.indices:
        raise invalid("invalid value", "index_name")
    return str(name).partition("_")[0].upper()


def get_index_price_names(call: Call) -> list[str]:
    """Answer ``public/get_index_price_names`` and ``get_supported_index_names``."""
    return sorted(call.x.indices)


def get_trade_volumes(call: Call) -> list[dict[str, Any]]:
    """Answer ``public/get_trade_volumes``: coins traded in a day, by coin."""
    totals = {base: {"calls": 0.0, "puts": 0.0, "futures": 0.0} for base in call.x.market.coins}
    for listing in call.x.catalog.by_name.values():
        if isinstance(listing, ListedCombo):
            continue  # its legs were traded
        volume = call.x.engine.day(listing).stats(call.now_ns)["volume"]
        side = listing.row.get("option_type")
        totals[listing.base]["futures" if side is None else f"{side}s"] += volume
    return [
        {"currency": base, **{f"{name}_volume": round(value, 8) for name, value in found.items()}}
        for base, found in totals.items()
    ]


def get_book_summary_by_currency(call: Call) -> list[dict[str, Any]]:
    """Answer ``public/get_book_summary_by_currency``."""
    currency, kind = call.currency(), call.params.choice("kind", KINDS, "any")
    return [
        _summary(call, x)
        for x in list(call.x.catalog.by_name.values())
        if x.state == "open" and x.belongs(currency, kind)
    ]


def get_book_summary_by_instrument(call: Call) -> list[dict[str, Any]]:
    """Answer ``public/get_book_summary_by_instrument``."""
    return [_summary(call, call.listing())]


def _summary(call: Call, listing: ListedContract) -> dict[str, Any]:
    x, now_ns = call.x, call.now_ns
    x.quote(listing, now_ns)
    best, mark = x.views.best(listing), x.pricing.mark(listing)
    bid, ask = best["best_bid_price"], best["best_ask_price"]
    day = x.engine.day(listing).stats(now_ns)
    trades = x.engine.trades.get(listing.name)
    shown = {
        "instrument_name": listing.name,
        "base_currency": listing.base,
        "quote_currency": listing.row["quote_currency"],
        **{name: day[name] for name in ("volume", "volume_usd", "volume_notional", "high", "low")},
        "price_change": day["price_change"],
        "last": listing.price(trades[-1].price) if trades else None,
        "bid_price": bid,
        "ask_price": ask,
        "mid_price": None if bid is None or ask is None else round((bid + ask) / 2.0, 8),
        "mark_price": mark.price,
        "open_interest": x.engine.open_interest(listing),
        "creation_timestamp": milliseconds(now_ns),
        "estimated_delivery_price": x.market.estimated_delivery(listing.base, now_ns),
    }
    if listing.kind == "option":
        shown |= {
            "underlying_price": mark.forward,
            "underlying_index": x.views.underlying(listing),
            "interest_rate": 0.0,
            "mark_iv": round(100.0 * mark.vol, 2),
        }
    elif listing.expiry_ns is None:
        funding = x.views.funding_fields(listing)
        shown |= {name: funding[name] for name in ("current_funding", "funding_8h")}
    return shown


HANDLERS = named("public", (
    auth, hello, test, get_time, status, set_heartbeat, disable_heartbeat, get_currencies, get_instruments,
    get_instrument, get_contract_size, get_expirations, ticker, get_order_book, get_index_price,
    get_index_price_names, get_trade_volumes, get_book_summary_by_currency, get_book_summary_by_instrument,
))  # fmt: skip
for scope in ("public", "private"):
    HANDLERS |= named(scope, (subscribe, unsubscribe, unsubscribe_all))
HANDLERS["public/get_supported_index_names"] = get_index_price_names
WEBSOCKET_ONLY = frozenset(
    name
    for name in HANDLERS
    if name.partition("/")[2]
    in ("hello", "set_heartbeat", "disable_heartbeat", "subscribe", "unsubscribe", "unsubscribe_all")
)
