"""Methods about combos: ``private/create_combo`` and what is listed.

What it refuses, with codes that are guesses: less than two contracts or more than four, one of them twice,
amounts that are no whole numbers, ratios above ten, options beside futures, more than one family (-32602);
contracts that no longer trade (10020). The caps on the number of combos are left out: one ends when its first
leg expires.
"""

from __future__ import annotations

from math import gcd
from typing import Any

from .calls import Call, named
from .catalog import ListedContract
from .combo_names import named as named_by_legs
from .combos import ListedCombo, list_combo
from .wire import RequestParams, RpcError, decode, invalid

__all__ = ["HANDLERS"]

MOST_LEGS, MOST_RATIO = 4, 10
STATES = ("active", "inactive")


def create_combo(call: Call) -> dict[str, Any]:
    """Answer ``private/create_combo``: the combo of these trades, listed now if it was not."""
    legs = _legs(call)
    catalog = call.x.catalog
    wanted = dict(legs)
    for combo in _combos(call):
        for side in (1, -1):
            if {leg: side * ratio for leg, ratio in combo.legs} == wanted:
                return combo.details()
    number = catalog.next_number()
    name, turned = named_by_legs(legs, number)
    perpetual = catalog.by_name[f"{legs[0][0].instrument.family}-PERPETUAL"]
    combo = list_combo(name, turned, perpetual.tick, number, call.now_ns)
    catalog.by_name[name] = combo
    call.publisher.state(combo, "created", call.now_ns)
    return combo.details()


def _legs(call: Call) -> list[tuple[ListedContract, int]]:
    """Contracts and signed ratios of the trades that were given."""
    rows = call.params.values.get("trades")
    rows = decode(rows) if isinstance(rows, str) else rows
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise invalid("value must be a list", "trades")
    trades = [_leg(call, RequestParams(row, rest=True)) for row in rows]
    contracts = {leg for leg, _ in trades}
    if not 2 <= len(contracts) == len(trades) <= MOST_LEGS:
        raise invalid(f"2 to {MOST_LEGS} different instruments are required", "trades")
    if len({(leg.kind, leg.instrument.family) for leg in contracts}) > 1:
        raise invalid("instruments cannot be combined", "trades")
    common = gcd(*(ratio for _, ratio in trades))
    if max(abs(ratio) for _, ratio in trades) > MOST_RATIO * common:
        raise invalid("invalid ratio", "amount")
    return [(leg, ratio // common) for leg, ratio in trades]


def _leg(call: Call, params: RequestParams) -> tuple[ListedContract, int]:
    listing = call.x.find(params.text("instrument_name"))
    if listing is None or isinstance(listing, ListedCombo):
        raise invalid("instrument not found", "instrument_name")
    if listing.state != "open":
        raise RpcError(10020, {"reason": "instrument is not open"})
    amount = params.integer("amount")
    if amount <= 0:
        raise invalid("must be a positive number", "amount")
    return listing, amount if params.choice("direction", ("buy", "sell")) == "buy" else -amount


def _combos(call: Call) -> list[ListedCombo]:
    return [listing for listing in call.x.catalog.by_name.values() if isinstance(listing, ListedCombo)]


def get_combos(call: Call) -> list[dict[str, Any]]:
    """Answer ``public/get_combos`` with those that trade."""
    currency = call.currency(allow_any=True)
    return [c.details() for c in _combos(call) if c.state == "open" and c.belongs(currency, "any")]


def get_combo_ids(call: Call) -> list[str]:
    """Answer ``public/get_combo_ids``."""
    currency, state = call.currency(), call.params.choice("state", STATES, None)
    found = [c.details() for c in _combos(call) if c.belongs(currency, "any")]
    return [str(shown["id"]) for shown in found if state in (None, shown["state"])]


def get_combo_details(call: Call) -> dict[str, Any]:
    """Answer ``public/get_combo_details``."""
    found = call.x.find(call.params.text("combo_id"))
    if not isinstance(found, ListedCombo):
        raise invalid("combo not found", "combo_id")
    return found.details()


HANDLERS = named("public", (get_combos, get_combo_ids, get_combo_details)) | named("private", (create_combo,))
