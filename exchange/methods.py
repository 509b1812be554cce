"""Every method by name, and what it takes to call it."""

from __future__ import annotations

from . import combo_methods, moving, private, public, public_history, trading
from .calls import Handler
from .rate_limits import is_matching

__all__ = ["METHODS", "WEBSOCKET_ONLY", "scope_of"]

METHODS: dict[str, Handler] = {
    **public.HANDLERS,
    **public_history.HANDLERS,
    **trading.HANDLERS,
    **private.HANDLERS,
    **moving.HANDLERS,
    **combo_methods.HANDLERS,
}
WEBSOCKET_ONLY = public.WEBSOCKET_ONLY | private.WEBSOCKET_ONLY
WALLET = {f"private/get_{what}" for what in ("transaction_log", "deposits", "withdrawals", "transfers")}
ACCOUNT = {
    f"private/{what}" for what in ("get_subaccounts", "get_user_locks", "simulate_portfolio", "logout")
}


def scope_of(method: str) -> str:
    """Scope that a private method needs, such as ``trade:read``."""
    if is_matching(method) or method == "private/create_combo":
        return "trade:read_write"
    if method in WALLET:
        return "wallet:read"
    of_account = method in ACCOUNT or "account_summar" in method or "cancel_on_disconnect" in method
    return "account:read" if of_account else "trade:read"
