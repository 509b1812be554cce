"""Orders: ``private/buy`` and its family."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gammacore.data.margins import published_margins
from gammacore.daycount import NS_PER_MINUTE

from .account_value import as_coins, evaluate, order_margin
from .calls import Call, Held, named
from .catalog import ListedContract
from .order_book import BUY, SELL, ExchangeOrder
from .speed_bump import EDITS_REFUSED_NS
from .topics import KINDS
from .trades import Trade
from .views import order_json, user_trade
from .wire import RpcError, invalid

__all__ = ["HANDLERS", "RECENT_ORDERS_NS", "answer_of"]

TYPES = ("limit", "market", "market_limit", "stop_limit", "stop_market", "take_limit", "take_market")
TIMES = ("good_til_cancelled", "good_til_day", "fill_or_kill", "immediate_or_cancel")
TRIGGERS = ("index_price", "mark_price", "last_price")
NOT_MODELLED = ("advanced", "display_amount", "linked_order_type", "otoco_config", "trigger_offset")
MAX_LABEL = 64
RECENT_ORDERS_NS = 30 * NS_PER_MINUTE  # how long the recent store keeps what has ended
STOP_PREFIX = {"index_price": "I", "mark_price": "M", "last_price": "L"}


def buy(call: Call) -> dict[str, Any] | Held:
    """Answer ``private/buy``."""
    return _new(call, BUY)


def sell(call: Call) -> dict[str, Any] | Held:
    """Answer ``private/sell``."""
    return _new(call, SELL)


def _new(call: Call, side: int) -> dict[str, Any] | Held:
    listing = call.listing()
    _check_open(listing)
    params = call.params
    if any(params.has(name) for name in NOT_MODELLED):
        raise RpcError(10033)
    order_type = params.choice("type", TYPES, "limit")
    lots = _lots(call, listing)
    label = params.text("label", "")
    if len(label) > MAX_LABEL:
        raise invalid("label too long", "label")
    valid_until = params.integer("valid_until", None)
    if valid_until is not None and call.now_ns >= valid_until * 1_000_000:
        raise RpcError(13888)
    stop = order_type.startswith(("stop", "take"))
    order = _order(call, listing, side, lots, order_type, _stop_prefix(call) if stop else "")
    order.label = label
    order.time_in_force = params.choice("time_in_force", TIMES, "good_til_cancelled")
    order.post_only = params.flag("post_only")
    order.reject_post_only = params.flag("reject_post_only")
    order.reduce_only = params.flag("reduce_only")
    if stop:
        order.trigger = params.choice("trigger", TRIGGERS)
        order.trigger_price = params.number("trigger_price")
        if call.x.engine.has_come(order):
            above = order.trigger_price > call.x.engine.trigger_value(order)
            raise RpcError(10034 if above else 10035)
        call.x.engine.watch(order, call.now_ns)
        return answer_of(order)
    return _submit(call, order)


def _order(
    call: Call, listing: ListedContract, side: int, lots: int, order_type: str, stop: str = ""
) -> ExchangeOrder:
    return ExchangeOrder(
        order_id=call.x.engine.new_id(listing, stop),
        account=call.account.user_id,
        listing=listing,
        side=side,
        lots=lots,
        price=_price(call, listing, order_type, side),
        order_type=order_type,
        connection=call.connection.number if call.connection is not None else None,
    )


def _submit(call: Call, order: ExchangeOrder) -> dict[str, Any] | Held:
    if order.reduce_only and call.account.lots(order.listing.name) * order.side >= 0:
        raise RpcError(11030, {"reason": "reduce_only"})
    _check_funds(call, order)
    entered = call.x.engine.enter(order, call.now_ns)
    return Held(order, entered) if isinstance(entered, int) else answer_of(order, entered)


def answer_of(order: ExchangeOrder, trades: Iterable[Trade] = ()) -> dict[str, Any]:
    """Order and those of its trades that it caused, as they are answered."""
    own = [user_trade(trade, side) for trade in trades for side in trade.sides if side.order is order]
    return {"order": order_json(order), "trades": own}


def _check_open(listing: ListedContract) -> None:
    if listing.state != "open":
        raise RpcError(10020, {"reason": "instrument is not open"})


def _stop_prefix(call: Call) -> str:
    trigger = call.params.choice("trigger", TRIGGERS)
    return f"SL{STOP_PREFIX[trigger]}{'B' if call.method == 'private/buy' else 'S'}"


def _lots(call: Call, listing: ListedContract, name: str = "amount") -> int:
    """Amount or contracts of the parameters as lots."""
    params = call.params
    if params.has("contracts"):
        amount = params.number("contracts") * listing.spec.contract_size
        if params.has(name) and abs(params.number(name) - amount) > 1e-9 * max(1.0, amount):
            raise invalid("amount and contracts do not agree", name)
    else:
        amount = params.number(name)
    lots = listing.lots(amount)
    if lots is None:
        raise invalid("must be a multiple of contract size", name)
    if lots <= 0:
        raise invalid("must be a positive number", name)
    return lots


def _price(call: Call, listing: ListedContract, order_type: str, side: int) -> int:
    """Limit in ticks: of a market order the edge of the band; 0 for a stop at the market."""
    low, high = call.x.engine.band(listing)
    if order_type in ("stop_market", "take_market"):
        return 0
    if order_type == "market":
        return high if side > 0 else low
    if order_type == "market_limit":
        best = call.x.engine.book(listing).best(-side)
        return best if best is not None else (low if side > 0 else high)
    return _limit(call.params.number("price"), listing, low, high, side)


def _limit(price: float, listing: ListedContract, low: int, high: int, side: int) -> int:
    """Limit price in ticks: clamped to the band for futures, refused outside it for options."""
    if price <= 0 < listing.lowest:
        raise invalid("must be a positive number", "price")
    ticks = listing.ticks(price)
    if ticks is None:
        raise invalid("must conform to tick size", "price")
    if listing.kind == "future":
        return min(max(ticks, low), high) if side > 0 or ticks < low else min(ticks, high)
    if ticks > high:
        raise RpcError(10007, {"reason": f"price_too_high {listing.price(high)}"})
    if ticks < low:
        raise RpcError(10005, {"reason": f"price_too_low {listing.price(low)}"})
    return ticks


def _check_funds(call: Call, order: ExchangeOrder) -> None:
    """Refuse an order whose margin the account does not have; what only reduces risk is allowed."""
    x, listing = call.x, order.listing
    if order.reduce_only:
        return
    now = evaluate(call.account, listing.currency, x.engine)
    after = evaluate(call.account, listing.currency, x.engine, extra=order)
    if after.initial_margin > now.initial_margin and after.initial_margin > after.margin_balance:
        raise RpcError(10009)


def _own_order(call: Call) -> ExchangeOrder:
    order = call.x.engine.orders.get(call.params.text("order_id"))
    if order is None:
        raise RpcError(10004)
    if order.account != call.account.user_id:
        raise RpcError(10029)
    return order


def _labelled(call: Call, label: str) -> list[ExchangeOrder]:
    return [order for order in call.x.engine.own_orders(call.account) if order.label == label]


def edit(call: Call) -> dict[str, Any] | Held:
    """Answer ``private/edit``."""
    return _edit(call, _own_order(call))


def edit_by_label(call: Call) -> dict[str, Any] | Held:
    """Answer ``private/edit_by_label``."""
    listing = call.listing()
    found = [o for o in _labelled(call, call.params.text("label", "")) if o.listing is listing]
    if not found:
        raise RpcError(10004)
    if len(found) > 1:
        raise RpcError(13032)
    return _edit(call, found[0])


def _edit(call: Call, order: ExchangeOrder) -> dict[str, Any] | Held:
    """Change an order in place; less at the same price keeps its place in the queue."""
    if not order.live:
        raise RpcError(11044)
    engine, listing, params = call.x.engine, order.listing, call.params
    call.x.quote(listing, call.now_ns)
    if not order.live:
        raise RpcError(11044)
    has_amount = params.has("amount") or params.has("contracts")
    lots = _lots(call, listing) if has_amount else order.lots
    if lots <= order.filled:
        raise invalid("must be above the filled amount", "amount")
    price = order.price
    if params.has("price"):
        price = _limit(params.number("price"), listing, *engine.band(listing), order.side)
    if order.state == "untriggered":
        order.trigger_price = params.number("trigger_price", order.trigger_price)
        order.lots, order.price, order.replaced, order.updated_ns = lots, price, True, call.now_ns
        engine.note(order)
        return answer_of(order)
    if order.state == "speed_bumped":
        _demand_editable(call)
    names = ("post_only", "reject_post_only", "reduce_only")
    flags = {name: params.flag(name) for name in names if params.has(name)}  # refused before anything is done
    kept = {name: getattr(order, name) for name in ("price", "lots", *names)}
    held = order.state == "speed_bumped"
    in_place = price == order.price and lots <= order.lots
    if held:
        engine.take_back(order)
        in_place = False
    elif not in_place:
        engine.unrest(order)
    order.price, order.lots = price, lots
    for name, flag in flags.items():
        setattr(order, name, flag)
    order.replaced = True
    if in_place:
        engine.amended(order, call.now_ns)
        return answer_of(order)
    try:
        return _submit(call, order)
    except RpcError:
        for name, value in kept.items():
            setattr(order, name, value)
        if held:
            engine.hold(order, call.now_ns)
        else:
            engine.rest_again(order)
        raise


def _demand_editable(call: Call) -> None:
    """Refuse to edit an order that is held; which code the exchange gives is not published."""
    if call.now_ns >= EDITS_REFUSED_NS:
        raise RpcError(11044, {"reason": "speed_bumped"})


def cancel(call: Call) -> dict[str, Any]:
    """Answer ``private/cancel`` with the order itself."""
    order = _own_order(call)
    if not order.live:
        raise RpcError(11044)
    call.x.engine.cancel(order, call.now_ns, "user_request")
    return order_json(order)


def _cancel_each(call: Call, orders: list[ExchangeOrder]) -> Any:
    """Cancel, and answer with the count or, asked for details, with groups of orders."""
    detailed = call.params.flag("detailed")
    for order in orders:
        call.x.engine.cancel(order, call.now_ns, "user_request")
    if not detailed:
        return len(orders)
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for order in orders:
        key = (order.listing.currency, order.order_type, order.listing.name)
        groups.setdefault(key, []).append(order_json(order))
    return [
        {"currency": currency, "type": order_type, "instrument_name": name, "result": rows}
        for (currency, order_type, name), rows in groups.items()
    ]


def cancel_all(call: Call) -> Any:
    """Answer ``private/cancel_all``."""
    return _cancel_each(call, list(call.x.engine.own_orders(call.account)))


def cancel_all_by_currency(call: Call) -> Any:
    """Answer ``private/cancel_all_by_currency`` and ``_by_kind_or_type``."""
    currency = call.currency(allow_any=True)
    return _cancel_each(call, _filtered(call, currency=currency))


def cancel_all_by_currency_pair(call: Call) -> Any:
    """Answer ``private/cancel_all_by_currency_pair``."""
    pair = call.params.text("currency_pair")
    found = [o for o in call.x.engine.own_orders(call.account) if o.listing.index == pair]
    return _cancel_each(call, found)


def cancel_all_by_instrument(call: Call) -> Any:
    """Answer ``private/cancel_all_by_instrument``."""
    listing = call.listing()
    return _cancel_each(call, [o for o in _filtered(call) if o.listing is listing])


def cancel_by_label(call: Call) -> Any:
    """Answer ``private/cancel_by_label``."""
    currency = call.currency(allow_any=True, default="any")
    label = call.params.text("label")
    return _cancel_each(call, [o for o in _filtered(call, currency=currency) if o.label == label])


def _filtered(call: Call, currency: str = "any") -> list[ExchangeOrder]:
    """Open orders narrowed by currency and by the parameters ``kind`` and ``type``."""
    kind = call.params.choice("kind", KINDS, "any")
    order_type = call.params.text("type", "all")
    return [
        order
        for order in call.x.engine.own_orders(call.account)
        if order.listing.belongs(currency, kind) and _of_type(order, order_type)
    ]


def _of_type(order: ExchangeOrder, wanted: str) -> bool:
    if wanted in ("all", order.order_type):
        return True
    if wanted == "trigger_all":
        return order.state == "untriggered"
    return wanted in ("stop", "take") and order.order_type.startswith(wanted)


def close_position(call: Call) -> dict[str, Any] | Held:
    """Answer ``private/close_position``."""
    listing = call.listing()
    _check_open(listing)
    lots = call.account.lots(listing.name)
    if not lots:
        raise RpcError(10010)
    order_type = call.params.choice("type", ("limit", "market"))
    side = SELL if lots > 0 else BUY
    order = _order(call, listing, side, abs(lots), order_type)
    order.reduce_only = True
    return _submit(call, order)


def get_open_orders(call: Call) -> list[dict[str, Any]]:
    """Answer ``private/get_open_orders``."""
    return [order_json(order) for order in _filtered(call)]


def get_open_orders_by_currency(call: Call) -> list[dict[str, Any]]:
    """Answer ``private/get_open_orders_by_currency``."""
    return [order_json(order) for order in _filtered(call, currency=call.currency(allow_any=True))]


def get_open_orders_by_instrument(call: Call) -> list[dict[str, Any]]:
    """Answer ``private/get_open_orders_by_instrument``."""
    listing = call.listing()
    return [order_json(order) for order in _filtered(call) if order.listing is listing]


def get_open_orders_by_label(call: Call) -> list[dict[str, Any]]:
    """Answer ``private/get_open_orders_by_label``."""
    currency, label = call.currency(allow_any=True), call.params.text("label", "")
    return [order_json(o) for o in _filtered(call, currency=currency) if label in ("", o.label)]


def get_order_state(call: Call) -> dict[str, Any]:
    """Answer ``private/get_order_state``."""
    return order_json(_own_order(call))


def get_order_state_by_label(call: Call) -> list[dict[str, Any]]:
    """Answer ``private/get_order_state_by_label``: open orders, and those of the recent store."""
    currency, label = call.currency(allow_any=True), call.params.text("label", "")
    return [
        order_json(order)
        for order in call.x.engine.orders.values()
        if order.account == call.account.user_id
        and order.label == label
        and (order.live or order.updated_ns >= call.now_ns - RECENT_ORDERS_NS)
        and currency in ("any", order.listing.currency)
    ]


def get_margins(call: Call) -> dict[str, Any]:
    """Answer ``private/get_margins``."""
    listing, x = call.contract(), call.x
    lots, price = _lots(call, listing), call.params.number("price")
    low, high = x.engine.band(listing)
    ticks = _limit(price, listing, low, high, BUY)
    rates, mark = published_margins().standard_at(x.pricing.moment_ns), x.pricing.mark(listing)
    orders = [ExchangeOrder("", 0, listing, side, lots, ticks) for side in (BUY, SELL)]
    if call.account.margin_model == "segregated_sm":
        margins = [order_margin(rates, listing, 0, mark, [order]) for order in orders]
    else:  # what it would add to the account
        now = evaluate(call.account, listing.currency, x.engine).initial_margin
        after = (evaluate(call.account, listing.currency, x.engine, order) for order in orders)
        margins = [as_coins(max(found.initial_margin - now, 0)) for found in after]
    fees = [
        x.engine.fee(call.account, listing, lots, listing.price(ticks), call.now_ns, maker=maker) / 1e8
        for maker in (False, True)
    ]
    return {
        "buy": round(margins[0], 9),
        "sell": round(margins[1], 9),
        "min_price": listing.price(low),
        "max_price": listing.price(high),
        "buy_taker_fee": fees[0],
        "sell_taker_fee": fees[0],
        "buy_maker_fee": fees[1],
        "sell_maker_fee": fees[1],
    }


HANDLERS = named("private", (
    buy, sell, edit, edit_by_label, cancel, cancel_all, cancel_all_by_currency, cancel_all_by_currency_pair,
    cancel_all_by_instrument, cancel_by_label, close_position, get_open_orders, get_open_orders_by_currency,
    get_open_orders_by_instrument, get_open_orders_by_label, get_order_state, get_order_state_by_label,
    get_margins,
))  # fmt: skip
HANDLERS["private/cancel_all_by_kind_or_type"] = cancel_all_by_currency
