"""Every method by name, and what it takes to call it."""

from __future__ import annotations

from . import history, private, public, trading
from .calls import Handler
from .limits import MATCHING

__all__ = ["METHODS", "WEBSOCKET_ONLY", "scope_of"]

METHODS: dict[str, Handler] = {**public.HANDLERS, **history.HANDLERS, **trading.HANDLERS, **private.HANDLERS}
WEBSOCKET_ONLY = public.WEBSOCKET_ONLY | private.WEBSOCKET_ONLY
WALLET = {
    "private/get_transaction_log",
    "private/get_deposits",
    "private/get_withdrawals",
    "private/get_transfers",
}
ACCOUNT = {
    "private/get_account_summary",
    "private/get_account_summaries",
    "private/get_subaccounts",
    "private/simulate_portfolio",
    "private/enable_cancel_on_disconnect",
    "private/disable_cancel_on_disconnect",
    "private/get_cancel_on_disconnect",
    "private/logout",
}


def scope_of(method: str) -> str:
    """Scope that a private method needs, such as ``trade:read``."""
    if method in MATCHING:
        return "trade:read_write"
    if method in WALLET:
        return "wallet:read"
    return "account:read" if method in ACCOUNT else "trade:read"
